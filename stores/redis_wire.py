"""Many commands of Redis in one round on one connection of redis-py: all are sent, then every answer is read."""

from collections.abc import Sequence
from typing import Any

import hiredis
from redis import exceptions as exc

Command = Sequence[bytes | str | int]


def each(word: str, names: Sequence[bytes], *rest: bytes | str | int) -> list[Command]:
    """`WORD name rest` for each name."""
    return [(word, name, *rest) for name in names]


def talk(connection: Any, commands: Sequence[Command]) -> list[Any]:
    """Send all commands at once, and read the answer to each; an error of one stands in its place."""
    try:
        # what redis-py's own packing adds, a look at each argument, costs as much as the server's work
        packed = (hiredis.pack_command(tuple(one)) for one in commands)  # type: ignore[arg-type]  # stub: of one
        connection.send_packed_command([b"".join(packed)])
        return [_answer(connection) for _ in commands]
    except BaseException:
        connection.disconnect()  # an answer may still be on its way
        raise


def _answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except exc.ConnectionError:
        raise
    except exc.ResponseError as error:
        return error
