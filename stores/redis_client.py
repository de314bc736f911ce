"""The connection to one Redis server: bounded in time, never retried behind one's back, its errors told in words."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import redis
from redis import exceptions as exc
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.errors import ConfigurationError, KeptError
from stores.contract import NotPermitted, StoreUnreachable
from stores.redis_wire import Command, talk

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 20.0
SCHEMES: Final = ("redis", "rediss", "unix")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class RedisClient:
    """One server and one of its numbered databases, as the url says. Opens nothing before it is asked."""

    def __init__(self, name: str, url: str, *, ca: Path | None = None, answer_seconds: float = ANSWER_SECONDS) -> None:
        self.name = name
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES:
            raise ConfigurationError(
                f"The url of the store {name} begins with '{parts.scheme}'.",
                remedy="Write redis://HOST:6379/0, rediss://… for TLS, or unix:///PATH.",
            )
        self._place = parts.path if parts.scheme == "unix" else f"{parts.hostname or 'localhost'}:{_port(name, url)}"
        trusted = {"ssl_ca_certs": str(ca)} if ca is not None and parts.scheme == "rediss" else {}
        self._server: Any = redis.Redis.from_url(
            url,
            socket_connect_timeout=min(CONNECT_SECONDS, answer_seconds),
            socket_timeout=answer_seconds,
            retry=Retry(NoBackoff(), 0),  # a deed is repeated by whoever knows what it did
            protocol=2,
            client_name="kept",
            **trusted,
        )

    def time(self) -> datetime:
        [(seconds, micros)] = self.ask([("TIME",)])
        return _EPOCH + timedelta(seconds=int(seconds), microseconds=int(micros))

    def scan(self, cursor: int, glob: bytes, count: int) -> tuple[int, list[bytes]]:
        """One step over the keyspace: where it stands now, 0 at the end, and the keys that it met."""
        [(place, names)] = self.ask([("SCAN", cursor, "MATCH", glob, "COUNT", count)])
        return int(place), names

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """All commands in one round; an error of a single one stands in its place."""
        if not commands:
            return []
        with self.answering(), self._connection() as connection:
            answers = talk(connection, commands)
        self.raise_first(answers)
        return answers

    @contextmanager
    def watching(self, names: Sequence[bytes]) -> Iterator["Watched"]:
        """What is read in here stands until the deed at its end, which is not done if one of these keys changed meanwhile."""
        with self.answering(), self._connection() as connection:
            watched = Watched(self, connection, names)
            try:
                yield watched
            finally:
                if not watched.is_over and connection.is_connected:
                    talk(connection, [("UNWATCH",)])

    def raise_first(self, answers: Sequence[Any], *, of_one_key: bool = False) -> None:
        """Raises what the first error means; `of_one_key`: also where it is about one key alone."""
        for answer in answers:
            if isinstance(answer, exc.ResponseError) and (of_one_key or not is_of_one_key(answer)):
                raise self.told(answer)

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        pool = self._server.connection_pool
        connection = pool.get_connection()
        try:
            yield connection
        finally:
            pool.release(connection)

    @contextmanager
    def answering(self) -> Iterator[None]:
        try:
            yield
        except exc.WatchError:
            raise
        except exc.RedisError as error:
            raise self.told(error) from error
        except OSError as error:
            raise self._unreachable(str(error.strerror or type(error).__name__)) from error

    def told(self, error: exc.RedisError) -> KeptError:
        """What an error means. The server's own text names no key and no value in these."""
        text = (str(error).splitlines() or ["no answer"])[0].rstrip(".")
        match error:
            case exc.AuthenticationError() | exc.AuthorizationError():
                return self._unreachable("it refused the user or the password")
            case exc.TimeoutError():
                return self._unreachable(f"{self._place} was silent for too long")
            case exc.ConnectionError() if "CERTIFICATE" in text.upper() or "SSL" in text.upper():
                return self._unreachable(f"{self._place}: TLS failed, {_tls_reason(text)}")
            case exc.ConnectionError() | exc.ReadOnlyError() | exc.OutOfMemoryError():
                return self._unreachable(text)
        if text.startswith("NOAUTH"):
            return self._unreachable("it asks for a password")
        if isinstance(error, exc.NoPermissionError):
            return NotPermitted(
                f"The store {self.name} does not permit this: {text}.",
                remedy="Let its user SCAN, TYPE, PTTL, STRLEN, GET, GETRANGE, HMGET, HSCAN, WATCH, MULTI, UNLINK and PEXPIRE.",
            )
        if isinstance(error, exc.MovedError | exc.CrossSlotTransactionError | exc.ClusterError):
            return KeptError(f"The store {self.name} is a cluster.", remedy="Name each of its masters as a store.")
        return KeptError(f"The store {self.name} refused a command: {text}.", remedy="Its own log says why.")

    def close(self) -> None:
        self._server.close()

    def _unreachable(self, why: str) -> StoreUnreachable:
        return StoreUnreachable(
            f"The store {self.name} did not answer: {why}.",
            remedy="Start it or correct its url, and run the same command again.",
        )


class Watched:
    """Keys that are watched from before the first of them is read: a deed on them is done as a whole or not at all."""

    def __init__(self, client: RedisClient, connection: Any, names: Sequence[bytes]) -> None:
        self._client = client
        self._connection = connection
        self._names: Sequence[bytes] = names  # to be watched with the first question, in the same round
        self.is_over = False

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """As the client's, on the connection that watches. Raises NotPermitted where a key may not be watched."""
        before: list[Command] = [("WATCH", *self._names)] if self._names else []
        answers = talk(self._connection, [*before, *commands])
        self._names = ()
        self._client.raise_first(answers[: len(before)], of_one_key=True)
        self._client.raise_first(answers)
        return answers[len(before) :]

    def do(self, commands: Sequence[Command]) -> list[Any]:
        """All of it at once. Raises WatchError where a key changed, and then nothing was done."""
        self.is_over = True
        *queued, done = talk(self._connection, [("MULTI",), *commands, ("EXEC",)])
        self._client.raise_first(queued, of_one_key=True)
        self._client.raise_first([done], of_one_key=True)
        if done is None:
            raise exc.WatchError("a key changed meanwhile")
        return list(done)


def is_of_one_key(error: Any) -> bool:
    """Is it about one key alone: of another type than was asked, or not to be seen by this user?"""
    text = str(error)
    return (
        text.startswith("WRONGTYPE")
        or is_unknown_option(error)
        or "Operation against a key" in text
        or is_denied(error)
    )


def is_unknown_option(answer: Any) -> bool:
    """Does the server know the command and not this word of it? One of before Redis 7 counts it as an argument too many."""
    text = str(answer).lower()
    return isinstance(answer, exc.ResponseError) and ("unsupported option" in text or "'pexpire' command" in text)


def is_denied(answer: Any) -> bool:
    return isinstance(answer, exc.NoPermissionError) and "key" in str(answer)


def _port(name: str, url: str) -> int:
    try:
        return urlsplit(url).port or 6379
    except ValueError as error:
        raise ConfigurationError(
            f"The url of the store {name} has no proper port.", remedy="Write it as :6379."
        ) from error


def _tls_reason(text: str) -> str:
    if "VERIFY" in text.upper() or "self-signed" in text or "self signed" in text:
        return "its certificate is not trusted (set `ca:` to the authority's file)"
    return "it does not speak TLS as it should"
