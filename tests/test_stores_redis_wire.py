"""The answers of a real server, read in one go, are those that redis-py reads one by one."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import exceptions as exc

from core.settings import TimeField
from stores.conditions import Before
from stores.contract import Deed, Work
from stores.jsonl import JsonLines
from stores.redis import RedisStore
from stores.redis_batches import Recent
from stores.redis_wire import each, talk
from tests.servers_redis import RedisServer
from tests.store_worlds import FixedClock

_SIZES = (0, 1, 2, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 3_000_000)


def test_many_answers_of_every_kind_are_read_as_they_were_sent(redis_server: RedisServer) -> None:
    """Long and empty values, line ends in them, nothing, numbers, nested lists, errors between the others."""
    client = redis.Redis(port=redis_server.port, db=redis_server.fresh_database(), protocol=2)
    names = [b"a\r\n%d" % size for size in _SIZES]
    values = [b"\r\n$" * (size // 3) + b"x" * (size % 3) for size in _SIZES]
    connection = client.connection_pool.get_connection()
    commands = [("SET", name, value) for name, value in zip(names, values, strict=True)]
    assert talk(connection, commands) == [b"OK"] * len(names)
    found = talk(
        connection,
        [
            *each("GET", [*names, b"no such key"]),
            ("INCR", "n"),
            ("HGET", names[0], "x"),
            ("MULTI",),
            ("MGET", *names, "n"),
            ("EXEC",),
            *each("PEXPIRE", names[:2], 60_000, "LT"),
        ],
    )
    count = len(names)
    assert found[: count + 2] == [*values, None, 1]
    assert isinstance(found[count + 2], exc.ResponseError)
    assert found[count + 3 :] == [b"OK", b"QUEUED", [[*values, b"1"]], 1, 1]
    client.connection_pool.release(connection)
    assert client.get("n") == b"1", "the connection is as it was"
    client.close()


def test_a_connection_that_ends_within_an_answer_is_closed(redis_server: RedisServer) -> None:
    """What was not read to its end is never taken for the answer to something else."""
    client = redis.Redis(port=redis_server.port, protocol=2)
    connection = client.connection_pool.get_connection()
    with redis_server.client() as other:
        number = int(talk(connection, [("CLIENT", "ID")])[0])
        other.client_kill_filter(_id=number)
    with pytest.raises(exc.ConnectionError):
        talk(connection, [("PING",), ("PING",)])
    assert not connection.is_connected
    client.close()


def test_a_key_that_comes_again_soon_is_told_from_a_new_one() -> None:
    """Duplicates of a scan count once, and what is remembered of it stays small."""
    recent = Recent()
    assert all(recent.is_new(b"%d" % number) for number in range(300_000))
    assert not any(recent.is_new(b"%d" % number) for number in range(250_000, 300_000))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([b"{}", b'{"a":1}', b"", b" ", b"\t", b"\r", b"\x0b ", b"\x01", b"x y"])), st.booleans()
)
def test_records_are_counted_without_the_lines_that_are_blank(lines: list[bytes], ended: bool) -> None:
    """However the blank ones are made up, and wherever they stand."""
    block = b"\n".join(lines) + (b"\n" if ended else b"")
    expected = sum(bool(line.strip()) for line in block.split(b"\n"))
    assert JsonLines().count(block) == expected


@pytest.mark.parametrize("knows_shorter", [True, False])
def test_an_expiry_is_only_ever_made_shorter(redis_server: RedisServer, knows_shorter: bool) -> None:
    """Also where the server cannot compare by itself: those before Redis 7 know no LT, and the keys are watched."""
    number = redis_server.fresh_database()
    client = redis.Redis(port=redis_server.port, db=number)
    store = RedisStore("cache", redis_server.url(number), clock=FixedClock())
    store._knows_shorter = knows_shorter
    client.set("s:never", "x")
    client.set("s:long", "x", px=9_000_000)
    client.set("s:short", "x", px=1_000_000)
    where = Before(field=TimeField(name="key:expiry"), instant=store.now() - timedelta(hours=1))
    work = Work(deed=Deed.DELETE, at="s:*", where=where)
    assert store.measure("s:*", where).rows == 2
    batch = store.next_batch(work, None)
    assert batch is not None
    assert store.act(work, batch) == 2
    assert store.measure("s:*", where).rows == 0
    assert all(3_500_000 < client.pttl(name) <= 3_660_000 for name in ("s:never", "s:long"))
    assert client.pttl("s:short") <= 1_000_000
    store.close()
    client.close()
