"""What only Redis has: keys without a time that get an expiry, names that hold identifiers, scans, users, TLS and outages."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from core.errors import BadInput, ConfigurationError, KeptError
from core.settings import CollectionSettings, StoreSettings, TimeField
from plans.build import build_sweep
from plans.holds import Hold
from policies.clauses import Action, RetentionClause
from policies.cutoffs import Bound, Cutoff
from stores.conditions import AllOf, AnyOf, Before, Not, OneOf
from stores.contract import Batch, StoreUnreachable
from stores.datamap import DataMap
from stores.redis import RedisStore
from stores.registry import open_store
from tests.servers_redis import RedisServer, Relay, relay_to, run_redis
from tests.store_worlds import NOW, FixedClock, ago, delete_work, older_than, run_through, zulu
from tests.store_worlds_redis import RedisWorld

EVERYTHING = AllOf(parts=())
EXPIRY = TimeField(name="key:expiry")
DAY = 86_400
ALLOWED = {
    "scan", "type", "pttl", "strlen", "get", "getrange", "hmget", "hscan", "sscan", "zscan", "lrange", "exists", "watch", "multi",
    "exec", "unwatch", "unlink", "pexpire", "time", "ping",
}  # fmt: skip


@pytest.fixture
def redis_store(redis_world: RedisWorld) -> RedisStore:
    """The store of the world, as what it is."""
    assert isinstance(redis_world.store, RedisStore)
    return redis_world.store


def live_no_longer_than(days: float, store: RedisStore) -> Before:
    return Before(field=EXPIRY, instant=store.now() - timedelta(days=days))


def names(client: Any) -> list[str]:
    return sorted(name.decode() for name in client.scan_iter())


def test_a_key_without_an_expiry_or_with_too_long_a_one_gets_the_clauses(
    redis_world: RedisWorld, redis_store: RedisStore
) -> None:
    """Nothing goes before its time, no life is made longer, and afterwards nothing matches."""
    client = redis_world.client
    client.set("cache:none", "v")
    client.set("cache:long", "v", ex=90 * DAY)
    client.set("cache:short", "v", ex=60)
    client.set("other:none", "v")
    work = delete_work("cache:*", live_no_longer_than(30, redis_store))
    assert redis_store.measure("cache:*", work.where, time=EXPIRY).rows == 2
    assert sum(rows for _, rows in run_through(redis_store, work)) == 2
    assert 30 * DAY - 60 < client.ttl("cache:none") <= 30 * DAY + 60
    assert 30 * DAY - 60 < client.ttl("cache:long") <= 30 * DAY + 60
    assert 0 < client.ttl("cache:short") <= 60
    assert client.ttl("other:none") == -1
    assert redis_store.measure("cache:*", live_no_longer_than(30, redis_store)).rows == 0
    assert run_through(redis_store, work) == []
    assert redis_store.census("cache:*", EXPIRY).missing == 0


def test_a_key_whose_declared_time_is_over_goes_whatever_its_expiry(
    redis_world: RedisWorld, redis_store: RedisStore
) -> None:
    """Where a clause reaches a key by a time of its own and by its expiry, the time decides."""
    put_dated(redis_world, {1: 90, 2: 3})
    where = AnyOf(parts=(older_than(30), live_no_longer_than(30, redis_store)))
    assert sum(rows for _, rows in run_through(redis_store, delete_work("request:*", where))) == 2
    assert redis_world.ids() == [2]
    assert redis_world.client.ttl("request:000000002") > 0


def test_the_shortest_of_several_periods_binds(redis_world: RedisWorld, redis_store: RedisStore) -> None:
    """Versions of a clause are alternatives: the key lives as long as the strictest of them lets it."""
    redis_world.client.set("cache:1", "v")
    both = AnyOf(parts=(live_no_longer_than(30, redis_store), live_no_longer_than(7, redis_store)))
    run_through(redis_store, delete_work("cache:*", both))
    assert redis_world.client.ttl("cache:1") <= 7 * DAY + 60


def put_dated(world: RedisWorld, days: dict[int, float]) -> None:
    world.put({"id": row, "user_id": str(row), "ts": ago(age)} for row, age in days.items())


def test_a_hold_keeps_a_key_from_getting_an_expiry(redis_world: RedisWorld, redis_store: RedisStore) -> None:
    """On a person; and on a span of time, of which a key without a time cannot be shown to lie outside."""
    client = redis_world.client
    client.set("session:42:a", "v")
    client.set("session:7:a", "v")
    at, clause = "session:{user_id}:*", live_no_longer_than(30, redis_store)
    person = Not(part=OneOf(field="user_id", values=("42",)))
    run_through(redis_store, delete_work(at, AllOf(parts=(clause, person))))
    assert (client.ttl("session:42:a"), client.ttl("session:7:a") > 0) == (-1, True)
    sweep = sweep_with_hold(redis_store, clause)
    run_through(redis_store, delete_work(at, sweep.where))
    assert client.ttl("session:42:a") == -1
    assert sweep.held is not None
    assert redis_store.measure(at, AllOf(parts=(sweep.condition, sweep.held))).rows == 1


def sweep_with_hold(store: RedisStore, clause: Before) -> Any:
    """The step of a sweep over sessions, while a hold keeps what was written in a span of the past."""
    sessions = CollectionSettings(
        id="sessions", store="cache", at="session:{user_id}:*", category="session", time=EXPIRY
    )
    hold = Hold(id="h", person={}, since=ago(400), until=ago(300), by="a", reason="a case", added_at=NOW)
    bound = Bound(record_before=clause.instant, event_before=None, version=1)
    plan = build_sweep(
        version=1,
        cutoffs={"session": Cutoff(clause_id="s", now=store.now(), bounds=(bound,))},
        datamap=DataMap([sessions], {"cache": store}),
        holds=[hold],
        now=store.now(),
        clause=RetentionClause(id="s", of=("session",), then=Action.DELETE),
    )
    [step] = plan.steps
    return step


@pytest.mark.parametrize("user", ["42", "a*b", "[x]", "q?", "back\\slash", "名前"])
def test_a_persons_keys_are_found_by_the_identifier_in_their_names(redis_world: RedisWorld, user: str) -> None:
    """An identifier is a value, whatever Redis reads in it."""
    client, store = redis_world.client, redis_world.store
    for name in (f"session:{user}:a", f"session:{user}:b:c", "session:4:a", "session:axb:a", "session:x:a"):
        client.set(name, "v")
    mine = OneOf(field="user_id", values=(user,))
    at = "session:{user_id}:*"
    assert store.measure(at, mine).rows == 2
    assert list(store.values(at, "user_id", mine)) == [user]
    assert sum(rows for _, rows in run_through(store, delete_work(at, mine))) == 2
    assert names(client) == ["session:4:a", "session:axb:a", "session:x:a"]


def test_keys_that_the_identifiers_make_out_are_taken_without_a_scan(redis_world: RedisWorld) -> None:
    """Where name and identifiers leave nothing open, no other key is looked at."""
    client, store = redis_world.client, redis_world.store
    client.mset({f"profile:{number}": "v" for number in range(50)})
    mine = OneOf(field="user_id", values=tuple(str(number) for number in range(40, 60)))
    before = commands(client)
    work = delete_work("profile:{user_id}", mine, batch_rows=8)
    assert store.measure("profile:{user_id}", mine).rows == 10
    done = run_through(store, work)
    assert [rows for _, rows in done] == [8, 2, 0]
    assert commands(client).get("scan", 0) == before.get("scan", 0)
    assert len(names(client)) == 40


def commands(client: Any) -> dict[str, int]:
    stats = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): figures["calls"] for name, figures in stats.items()}


def test_no_command_is_sent_that_blocks_the_server() -> None:
    """Whatever a run does: scans, reads of single keys, UNLINK and PEXPIRE, and nothing over the whole keyspace."""
    with run_redis() as server:
        world = RedisWorld(server)
        put_dated(world, {1: 90, 2: 3})
        world.client.hset("request:000000003", mapping={"user_id": "3", "ts": "x"})
        world.client.sadd("request:000000004", "a")
        world.client.rpush("request:000000005", "a")
        world.client.zadd("request:000000006", {"a": 1})
        world.client.config_resetstat()
        assert isinstance(world.store, RedisStore)
        where = AnyOf(parts=(older_than(30), live_no_longer_than(3, world.store)))
        world.store.ping()
        assert len(list(world.store.records("request:*", EVERYTHING))) == 6
        world.store.shape("request:*")
        world.store.collections()
        run_through(world.store, delete_work("request:*", where))
        run_through(world.store, delete_work("request:{id}", OneOf(field="id", values=("000000002",))))
        assert (
            not set(commands(world.client))
            - ALLOWED
            - {"info", "config|resetstat", "client|setinfo", "select", "client|setname"}
        )
        world.close()


def test_a_key_that_is_written_while_it_is_judged_stays() -> None:
    """A program refreshes keys all through the sweep: not one fresh value goes with the old."""
    with run_redis() as server:
        world = RedisWorld(server)
        put_dated(world, dict.fromkeys(range(1, 1_501), 90))
        fresh: set[int] = set()
        ended = threading.Event()

        def refresh() -> None:
            client = server.client(world.database)
            for row in range(1, 1_501, 3):
                if ended.is_set():
                    break
                client.set(f"request:{row:09}", json.dumps({"id": row, "ts": zulu(ago(1))}))
                fresh.add(row)
            client.close()

        writer = threading.Thread(target=refresh)
        writer.start()
        try:
            run_through(world.store, delete_work("request:*", older_than(30)))
        finally:
            ended.set()
            writer.join()
        run_through(world.store, delete_work("request:*", older_than(30)))
        assert world.ids() == sorted(fresh)
        world.close()


def test_hashes_are_records_and_their_numbers_may_be_times(redis_world: RedisWorld) -> None:
    """A hash holds text: digits of a time field are a time, digits of an identifier stay as they were written."""
    client, store = redis_world.client, redis_world.store
    for row, age in ((1, 90), (2, 3)):
        ts = int(ago(age).timestamp() * 1000)
        client.hset(f"visit:{row}", mapping={"seen": ts, "user": f"00{row}", "raw": b"\xff"})
    seen = TimeField(name="seen")
    assert store.time_form("visit:*", seen) == "epoch_ms"
    old = Before(field=seen, instant=ago(30))
    assert [record["key:name"] for record in store.records("visit:*", old)] == ["visit:1"]
    assert store.measure("visit:*", OneOf(field="user", values=("002",))).rows == 1
    assert store.measure("visit:*", OneOf(field="user", values=("2",))).rows == 0
    assert store.measure("visit:*", EVERYTHING, time=seen).oldest == ago(90).replace(microsecond=0)
    run_through(store, delete_work("visit:*", old))
    assert names(client) == ["visit:2"]


def test_bounds_name_nobody_and_mean_the_same_to_another_process(
    redis_server: RedisServer, redis_world: RedisWorld
) -> None:
    """A batch is what lies between two places of the scan, also after the server's table has grown."""
    client, store = redis_world.client, redis_world.store
    for number in range(400):
        client.set(f"session:anna{number}:x", "v")
    work = delete_work("session:{user}:*", Not(part=OneOf(field="user", values=("anna7",))), batch_rows=40)
    first = store.next_batch(work, None)
    assert first is not None
    client.mset({f"noise:{number}": "v" for number in range(5_000)})
    other = RedisStore("cache", redis_server.url(redis_world.database), clock=FixedClock())
    batch: Batch | None = Batch(**json.loads(json.dumps(vars(first))))
    done = 0
    while batch is not None:
        assert "anna" not in f"{batch.low}{batch.high}"
        done += other.act(work, batch)
        batch = other.next_batch(work, batch)
    assert done == 399
    assert store.measure("session:*", EVERYTHING).rows == 1
    other.close()


def test_what_a_key_holds_is_read_whole_in_steps(redis_world: RedisWorld) -> None:
    """For a person's copy: long hashes, lists, sets and sorted sets, text that is not UTF-8, and when the key expires."""
    client, store = redis_world.client, redis_world.store
    client.hset("k:hash", mapping={f"f{number}": number for number in range(1_200)})
    client.rpush("k:list", *range(1_200))
    client.sadd("k:set", "b", "a")
    client.zadd("k:zset", {"m": 1.5})
    client.set("k:text", "plain", ex=DAY)
    client.set("k:bytes", b"\xff\xfe")
    client.set(b"k:\xff", '{"a": {"b": [1]}}')
    found = {record["key:name"]: record for record in store.records("k:*", EVERYTHING)}
    assert len(found["k:hash"]) == 1_202
    assert json.loads(found["k:list"]["value"]) == [str(number) for number in range(1_200)]
    assert json.loads(found["k:set"]["value"]) == ["a", "b"]
    assert json.loads(found["k:zset"]["value"]) == {"m": 1.5}
    assert (found["k:text"]["value"], found["k:bytes"]["value"]) == ("plain", b"\xff\xfe")
    assert found["k:text"]["key:expiry"] is not None
    assert found["k:hash"]["key:expiry"] is None
    assert found["k:\udcff"]["a"] == '{"b":[1]}'
    assert store.measure("k:*", OneOf(field="a.b", values=("1",))).rows == 0
    run_through(store, delete_work("k:*", EVERYTHING))
    assert names(client) == []


def test_a_value_too_large_to_be_read_is_told_of_and_still_gets_an_expiry(redis_world: RedisWorld) -> None:
    """Its fields are unknown; its name and its expiry are not."""
    client, store = redis_world.client, redis_world.store
    client.set("big:1", b'{"ts": "2001-01-01T00:00:00Z", "x": "' + b"x" * 9_000_000 + b'"}')
    assert run_through(store, delete_work("big:*", older_than(30))) == []
    assert store.left_for_later("big:*") == ("1 values are larger than 1 MB: their fields are not read",)
    assert isinstance(store, RedisStore)
    run_through(store, delete_work("big:*", live_no_longer_than(30, store)))
    assert client.ttl("big:1") > 0


def test_the_kinds_of_keys_are_told_from_their_names(redis_world: RedisWorld) -> None:
    """What tells one key from another is left open."""
    for number in range(30):
        redis_world.client.set(f"cache:user:{number}:page", "v")
        redis_world.client.set(f"session:{number:032x}", "v")
    redis_world.client.set("flags", "v")
    assert redis_world.store.collections() == ("cache:user:*:page", "flags", "session:*")


def test_two_parts_of_a_name_are_not_one_field() -> None:
    """A pattern that could not tell which is meant is refused."""
    store = RedisStore("cache", "redis://127.0.0.1:1/0", clock=FixedClock())
    with pytest.raises(BadInput, match="names a field twice"):
        store.measure("a:{x}:{x}", EVERYTHING)


@pytest.fixture
def user(redis_server: RedisServer, redis_world: RedisWorld) -> Iterator[str]:
    """A user with a password who may do what a sweep needs, to keys of `open:` only; the url's beginning."""
    name = f"u{redis_world.database}"
    rules = ["on", ">right", "~open:*", "+@all"]
    redis_world.client.execute_command("ACL", "SETUSER", name, *rules)
    yield name
    redis_world.client.execute_command("ACL", "DELUSER", name)


def test_a_wrong_password_is_named_without_its_value(redis_server: RedisServer, user: str) -> None:
    """The store did not answer: it refused the user or the password."""
    store = RedisStore("cache", f"redis://{user}:wrongpass@127.0.0.1:{redis_server.port}/0", clock=FixedClock())
    with pytest.raises(StoreUnreachable, match="did not answer: it refused the user or the password") as refused:
        store.ping()
    assert "wrongpass" not in str(refused.value)


def test_keys_that_a_user_may_not_see_are_counted_and_the_rest_goes_on(
    redis_server: RedisServer, redis_world: RedisWorld, user: str
) -> None:
    """What can be seen goes; of what cannot, zero is never claimed."""
    client = redis_world.client
    for name in ("open:1", "open:2", "shut:1"):
        client.set(name, json.dumps({"ts": zulu(ago(90))}))
    url = f"redis://{user}:right@127.0.0.1:{redis_server.port}/{redis_world.database}"
    store = RedisStore("cache", url, clock=FixedClock())
    work = delete_work("*:*", older_than(30))
    assert store.measure("*:*", work.where).rows == 2
    assert sum(rows for _, rows in run_through(store, work)) == 2
    assert names(client) == ["shut:1"]
    assert store.left_for_later("*:*") == ("this user may not read 1 keys",)
    with pytest.raises(KeptError, match="does not let 1 keys"):
        store.measure("*:*", work.where)
    by_name = delete_work("*:{n}", OneOf(field="n", values=("1",)))
    assert [rows for _, rows in run_through(store, by_name)] == [0]
    assert store.left_for_later("*:{n}") == ("this user may not change some of the keys",)
    store.close()


def test_keys_that_a_user_may_read_and_not_change_are_reported(
    redis_server: RedisServer, redis_world: RedisWorld, user: str
) -> None:
    """One such key does not keep the others of its group from going."""
    client = redis_world.client
    client.execute_command("ACL", "SETUSER", user, "%R~read:*")
    for name in ("open:1", "open:2", "read:1"):
        client.set(name, json.dumps({"ts": zulu(ago(90))}))
    url = f"redis://{user}:right@127.0.0.1:{redis_server.port}/{redis_world.database}"
    store = RedisStore("cache", url, clock=FixedClock())
    assert sum(rows for _, rows in run_through(store, delete_work("*:*", older_than(30)))) == 2
    assert names(client) == ["read:1"]
    assert store.left_for_later("*:*") == ("this user may not change some of the keys",)
    assert store.measure("*:*", older_than(30)).rows == 1
    store.close()


def test_a_command_that_a_user_may_not_send_is_named(
    redis_world: RedisWorld, redis_server: RedisServer, user: str
) -> None:
    """With the list of those that are needed."""
    redis_world.client.execute_command("ACL", "SETUSER", user, "-scan")
    store = RedisStore("cache", f"redis://{user}:right@127.0.0.1:{redis_server.port}/0", clock=FixedClock())
    with pytest.raises(KeptError, match=r"does not permit this.*'scan'.*Let its user SCAN"):
        store.measure("*", EVERYTHING)
    store.close()


def test_a_server_that_hangs_is_given_up(redis_server: RedisServer) -> None:
    """Within the time set, once, and named."""
    with relay_to(redis_server.port) as relay:
        url = f"redis://127.0.0.1:{relay.port}/0"
        store = RedisStore("cache", url, clock=FixedClock(), answer_seconds=0.3)
        store.ping()
        relay.hang()
        begun = time.monotonic()
        with pytest.raises(StoreUnreachable, match=f"127.0.0.1:{relay.port} was silent for too long"):
            store.ping()
        assert time.monotonic() - begun < 3
        store.close()


def test_a_sweep_cut_off_in_the_middle_is_taken_up(redis_server: RedisServer, redis_world: RedisWorld) -> None:
    """What was done stands; the same work goes on where it stopped."""
    put_dated(redis_world, dict.fromkeys(range(1, 301), 90))
    relay = Relay(redis_server.port)
    broken = RedisStore("cache", f"redis://127.0.0.1:{relay.port}/{redis_world.database}", clock=FixedClock())
    work = delete_work("request:*", older_than(30), batch_rows=50)
    first = broken.next_batch(work, None)
    assert first is not None
    done = broken.act(work, first)
    relay.cut()
    with pytest.raises(StoreUnreachable, match="did not answer"):
        broken.next_batch(work, first)
    batch = redis_world.store.next_batch(work, first)
    while batch is not None:
        done += redis_world.store.act(work, batch)
        batch = redis_world.store.next_batch(work, batch)
    assert (done, redis_world.ids()) == (300, [])
    broken.close()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return files


def test_tls_is_checked_against_the_authority_that_is_named(certificate: tuple[Path, Path]) -> None:
    """Without it the certificate is not trusted, and the message says which key to set."""
    with run_redis(certificate=certificate) as server:
        url = f"rediss://127.0.0.1:{server.tls_port}/0"
        settings = StoreSettings(name="cache", kind="redis", options={"url": url, "ca": str(certificate[0])})
        trusting = open_store(settings, clock=FixedClock())
        trusting.ping()
        assert trusting.now().utcoffset() == timedelta()
        trusting.close()
        doubting = open_store(StoreSettings(name="cache", kind="redis", options={"url": url}), clock=FixedClock())
        with pytest.raises(StoreUnreachable, match="certificate is not trusted"):
            doubting.ping()
        plain = RedisStore("cache", f"rediss://127.0.0.1:{server.port}/0", clock=FixedClock(), answer_seconds=1)
        with pytest.raises(StoreUnreachable, match="did not answer"):
            plain.ping()


@pytest.mark.parametrize("url", ["http://127.0.0.1/0", "redis://127.0.0.1:port/0"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    """With the forms that are allowed."""
    with pytest.raises(ConfigurationError, match="cache"):
        RedisStore("cache", url, clock=FixedClock())
