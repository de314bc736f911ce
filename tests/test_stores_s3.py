"""What only object storage has: names that tell a day or a person, versions and markers, locks, rights, and lost writes."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import zstandard

from core.errors import BadInput, ConfigurationError, KeptError
from core.settings import StoreSettings, TimeField
from stores.conditions import AllOf, AnyOf, Before, Condition, Not, OneOf
from stores.contract import Advises, Batch, CannotCompare, Deed, NotPermitted, StoreUnreachable, Work
from stores.registry import open_store
from stores.s3 import S3Store
from stores.s3_bounds import Bounds
from stores.s3_client import S3Bucket
from tests.servers_redis import relay_to
from tests.servers_s3 import KEY_ID, LIMITED, LOCKED, READER_ID, READER_SECRET, SECRET, VERSIONED, S3Server
from tests.store_worlds import FixedClock, ago, delete_work, older_than, run_through, zulu
from tests.store_worlds_s3 import S3World

EVERYTHING = AllOf(parts=())
BY_NAME, BY_CHANGE = TimeField(name="file:name"), TimeField(name="file:mtime")
ODD_KEYS = ("sp ace", "plus+", "umlü/名", "q?x=1", "amp&<>", "tab\tnl\n", "quote'\"", "%41", "#x", "\x01control")


@pytest.fixture
def made(s3_server: S3Server) -> Iterator[Callable[[str], S3World]]:
    """Makes worlds in a bucket of a given kind."""
    worlds: list[S3World] = []

    def make(bucket: str) -> S3World:
        worlds.append(S3World(s3_server, bucket))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def versioned(made: Callable[[str], S3World]) -> S3World:
    return made(VERSIONED)


def lines(*rows: tuple[int, float]) -> str:
    """JSON lines: ids and how many days old they are."""
    return "".join(json.dumps({"id": row, "ts": zulu(ago(days))}) + "\n" for row, days in rows)


def go(world: S3World, at: str, where: Condition, **options: Any) -> int:
    return sum(rows for _, rows in run_through(world.store, delete_work(world.prefix + at, where, **options)))


def left(world: S3World, at: str) -> tuple[str, ...]:
    return world.store.left_for_later(world.prefix + at)


def test_objects_go_by_the_day_in_their_names(s3_world: S3World) -> None:
    """Only when the whole day is over; an object whose name tells none stays and is counted."""
    for key in ("2026/04/30/a.bin", "day=2026-05-16/b", "c-20260517.log", "undated"):
        s3_world.write(key)
    at = s3_world.prefix
    census = s3_world.store.census(at, BY_NAME)
    assert (census.rows, census.missing) == (4, 1)
    where = Before(field=BY_NAME, instant=ago(29.4))  # the 17th at two in the morning
    assert s3_world.store.measure(at, where, time=BY_NAME).rows == 1
    assert go(s3_world, "", where) == 1
    assert go(s3_world, "", Before(field=TimeField(name="file:name", zone="UTC"), instant=ago(29.4))) == 1
    assert s3_world.keys() == ["c-20260517.log", "undated"]
    with pytest.raises(CannotCompare, match="No object of"):
        s3_world.store.time_form(f"{at}undated", BY_NAME)


def test_objects_go_by_when_they_were_last_written(s3_world: S3World) -> None:
    """By the server's clock: one that is written again meanwhile stays."""
    s3_world.write("old")
    s3_world.write("again")
    time.sleep(1.1)
    cutoff = s3_world.store.now()
    where = Before(field=BY_CHANGE, instant=cutoff)
    work = delete_work(s3_world.prefix, where)
    batch = s3_world.store.next_batch(work, None)
    assert batch is not None
    time.sleep(1.1)
    s3_world.write("again", b"x")  # the same bytes, at another time
    assert s3_world.store.act(work, batch) == 1
    assert s3_world.keys() == ["again"]
    assert s3_world.store.measure(s3_world.prefix, EVERYTHING, time=BY_CHANGE).oldest is not None


def test_a_persons_objects_are_found_by_the_identifier_in_their_names(s3_world: S3World) -> None:
    """And held by it."""
    for key in ("u/42/a", "u/42/deep/b", "u/7/a", "u/421/a"):
        s3_world.write(key)
    at, mine = "u/{user_id}/**", OneOf(field="user_id", values=("42",))
    assert list(s3_world.store.values(s3_world.prefix + at, "user_id", EVERYTHING)) == ["42", "421", "7"]
    assert s3_world.store.measure(s3_world.prefix + at, mine).rows == 2
    assert go(s3_world, at, AllOf(parts=(mine, Not(part=OneOf(field="user_id", values=("42",)))))) == 0
    assert go(s3_world, at, mine) == 2
    assert s3_world.keys() == ["u/421/a", "u/7/a"]


def test_keys_of_any_make_are_listed_and_deleted(s3_world: S3World) -> None:
    """Blanks, signs that XML has no place for, percent signs and every script."""
    for key in ODD_KEYS:
        s3_world.write(f"odd/{key}")
    found = {
        record["object:key"].removeprefix(f"{s3_world.prefix}odd/")
        for record in s3_world.store.records(f"{s3_world.prefix}odd/", EVERYTHING)
    }
    assert found == set(ODD_KEYS)
    assert go(s3_world, "odd/", EVERYTHING) == len(ODD_KEYS)
    assert s3_world.keys() == []


def test_more_than_a_page_of_objects_goes_and_bounds_name_nobody(s3_world: S3World) -> None:
    """Listing and deleting know a thousand at a time; another process goes on from a bound."""
    for number in range(1_010):
        s3_world.write(f"many/anna{number:04}", b"")
    at = f"{s3_world.prefix}many/"
    assert s3_world.store.measure(at, EVERYTHING).rows == 1_010
    work = delete_work(at, EVERYTHING, batch_rows=500)
    first = s3_world.store.next_batch(work, None)
    assert first is not None
    other = s3_world.open_store()
    batch: Batch | None = Batch(**json.loads(json.dumps(vars(first))))
    done = []
    while batch is not None:
        assert "anna" not in f"{batch.low}{batch.high}"
        done.append(other.act(work, batch))
        assert other.act(work, batch) == 0
        batch = other.next_batch(work, batch)
    assert done == [500, 500, 10]
    other.close()


def test_a_bound_sealed_with_other_credentials_means_nothing() -> None:
    """The run begins again from the front, which is safe."""
    bound = Bounds("one", "b").seal((0, "anna"))
    assert Bounds("one", "b").open(bound) == (0, "anna")
    assert Bounds("two", "b").open(bound) is None
    assert Bounds("one", "b").open("no bound") is None


def test_every_version_goes_and_every_marker(versioned: S3World) -> None:
    """What an application deleted is still there under a marker; a name is left to nobody."""
    for number in range(3):
        versioned.write("doc", str(number))
    versioned.write("other")
    versioned.client.delete_object(Bucket=VERSIONED, Key=f"{versioned.prefix}doc")
    assert versioned.versions() == ["-doc", "doc", "doc", "doc", "other"]
    assert versioned.store.measure(versioned.prefix, EVERYTHING).rows == 5
    where = OneOf(field="object:key", values=(f"{versioned.prefix}doc",))
    assert go(versioned, "", where) == 4
    assert versioned.versions() == ["other"]


def test_old_versions_go_and_the_fresh_one_stays(versioned: S3World) -> None:
    """By when each version was written."""
    versioned.write("doc", "old")
    time.sleep(1.1)
    cutoff = versioned.store.now()
    time.sleep(1)
    versioned.write("doc", "new")
    assert go(versioned, "", Before(field=BY_CHANGE, instant=cutoff)) == 1
    assert versioned.versions() == ["doc"]
    assert versioned.read("doc") == b"new"


def test_what_the_store_holds_itself_is_reported_as_held(made: Callable[[str], S3World]) -> None:
    """Object lock and legal hold, each with the number of objects; what a lock keeps below does not come to light."""
    world = made(LOCKED)
    until = datetime.now(UTC) + timedelta(days=1)
    world.write("free")
    world.write("lock", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
    world.write("hold", ObjectLockLegalHoldStatus="ON")
    world.write("below", "locked", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
    world.write("below", "newer")
    foreseen = world.store.blockers(delete_work(world.prefix, EVERYTHING))  # type: ignore[attr-defined]
    assert [(one.rows, one.stub) for one in foreseen] == [(1, False), (2, False)]
    assert foreseen[0].why == "1 objects are held by the store (legal hold)"
    assert go(world, "", EVERYTHING) == 2
    assert world.store.blockers(delete_work(world.prefix, EVERYTHING), "stp_1") == ()  # type: ignore[attr-defined]
    assert left(world, "") == (
        "1 objects: held by the store (legal hold)",
        f"2 objects: held by the store until {until:%Y-%m-%d} (object lock)",
    )
    assert world.versions() == ["-below", "below", "hold", "lock"]
    assert world.keys() == ["hold", "lock"]
    for key in ("hold",):
        world.client.put_object_legal_hold(Bucket=LOCKED, Key=world.prefix + key, LegalHold={"Status": "OFF"})


def test_a_lifecycle_rule_that_disagrees_is_a_finding(s3_world: S3World) -> None:
    """One that keeps longer, one that is faster than the clause and its holds; none of another prefix."""
    rules: Any = [
        {
            "ID": "long",
            "Status": "Enabled",
            "Filter": {"Prefix": f"{s3_world.prefix}logs/"},
            "Expiration": {"Days": 90},
        },
        {"ID": "off", "Status": "Disabled", "Filter": {"Prefix": s3_world.prefix}, "Expiration": {"Days": 1}},
        {"ID": "else", "Status": "Enabled", "Filter": {"Prefix": "elsewhere/"}, "Expiration": {"Days": 1}},
    ]
    s3_world.client.put_bucket_lifecycle_configuration(Bucket=s3_world.bucket, LifecycleConfiguration={"Rules": rules})
    store, at = s3_world.store, f"{s3_world.prefix}logs/"
    assert isinstance(store, S3Store)
    assert isinstance(store, Advises)
    assert "removes objects after 90 days" in store.findings(at)[0]
    assert store.findings(at, period=timedelta(days=30)) == (
        "The bucket's rule 'long' keeps objects for 90 days, the clause for 30: the sweep comes first.",
    )
    assert "no hold binds the rule" in store.findings(at, period=timedelta(days=120))[0]
    assert store.findings(at, period=timedelta(days=90)) == ()
    s3_world.client.delete_bucket_lifecycle(Bucket=s3_world.bucket)
    assert store.findings(at) == ()


def packed(ending: str, text: str) -> bytes:
    if ending == ".gz":
        return gzip.compress(text.encode())
    return zstandard.compress(text.encode()) if ending == ".zst" else text.encode()


def unpacked(ending: str, data: bytes) -> str:
    if ending == ".gz":
        return gzip.decompress(data).decode()
    return (zstandard.ZstdDecompressor().decompressobj().decompress(data) if ending == ".zst" else data).decode()


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_lines_are_taken_out_of_objects_as_out_of_files(s3_world: S3World, ending: str) -> None:
    """What stays is packed as it was, under the same headers; lines that are no records stay; wholly old ones go whole."""
    text = lines((1, 90), (2, 3)) + "no record\n"
    headers: Any = {"ContentType": "application/x-ndjson", "Metadata": {"made-by": "gateway"}}
    s3_world.write(f"mixed.jsonl{ending}", packed(ending, text), **headers)
    s3_world.write(f"old.jsonl{ending}", packed(ending, lines((3, 90), (4, 91))))
    s3_world.write(f"new.csv{ending}", packed(ending, f"id,ts\n5,{zulu(ago(90))}\n6,{zulu(ago(1))}\n"))
    at = f"*.{{jsonl,csv}}{ending}"
    assert go(s3_world, at, older_than(30)) == 4
    assert s3_world.keys() == [f"mixed.jsonl{ending}", f"new.csv{ending}"]
    assert unpacked(ending, s3_world.read(f"mixed.jsonl{ending}")) == lines((2, 3)) + "no record\n"
    assert unpacked(ending, s3_world.read(f"new.csv{ending}")) == f"id,ts\n6,{zulu(ago(1))}\n"
    head = s3_world.client.head_object(Bucket=s3_world.bucket, Key=f"{s3_world.prefix}mixed.jsonl{ending}")
    assert (head["ContentType"], head["Metadata"]) == ("application/x-ndjson", {"made-by": "gateway"})


def test_a_write_in_between_is_not_lost(s3_world: S3World) -> None:
    """What remains is written only if the object is the one that was read: else it is left, and the next look has it."""
    s3_world.write("a.jsonl", lines((1, 90), (2, 3)))
    store = s3_world.store
    assert isinstance(store, S3Store)
    bucket = store._bucket
    entry = next(iter(bucket.entries(s3_world.prefix, "", versions=False)))
    s3_world.write("a.jsonl", lines((1, 90), (2, 3), (3, 1)))
    work = delete_work(f"{s3_world.prefix}*.jsonl", older_than(30))
    with pytest.raises(Exception, match="written or removed meanwhile"):
        bucket.replace(entry, open_bytes(b"lost"), 4)
    assert sum(rows for _, rows in run_through(store, work)) == 1
    assert s3_world.read("a.jsonl").decode() == lines((2, 3), (3, 1))


def open_bytes(data: bytes) -> Any:
    import io

    return io.BytesIO(data)


def test_an_object_of_many_parts_is_rewritten_too(s3_world: S3World) -> None:
    """Its tag is no hash of it, and is compared all the same."""
    client, key = s3_world.client, f"{s3_world.prefix}big.jsonl"
    body = (lines((1, 90)) + lines((2, 3)) * 140_000).encode()
    upload = client.create_multipart_upload(Bucket=s3_world.bucket, Key=key)["UploadId"]
    parts: Any = []
    for number, start in enumerate(range(0, len(body), 5_242_880), start=1):
        part = body[start : start + 5_242_880]
        told = client.upload_part(Bucket=s3_world.bucket, Key=key, UploadId=upload, PartNumber=number, Body=part)
        parts.append({"ETag": told["ETag"], "PartNumber": number})
    assert len(parts) > 1
    client.complete_multipart_upload(Bucket=s3_world.bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    assert go(s3_world, "*.jsonl", older_than(30)) == 1
    assert s3_world.read("big.jsonl") == body[len(lines((1, 90))) :]


def test_lines_go_from_older_versions_too(versioned: S3World) -> None:
    """The version that was rewritten goes, and older ones whose other lines all stand in the newest."""
    versioned.write("a.jsonl", lines((1, 90)))
    versioned.write("a.jsonl", lines((1, 90), (2, 3)))
    at = f"{versioned.prefix}*.jsonl"
    assert versioned.store.measure(at, older_than(30)).rows == 2
    assert go(versioned, "*.jsonl", older_than(30)) == 2
    assert versioned.versions() == ["a.jsonl"]
    assert versioned.read("a.jsonl").decode() == lines((2, 3))


def test_an_older_version_that_alone_holds_a_record_is_left(versioned: S3World) -> None:
    """No record that is to stay goes with it, and it is reported."""
    versioned.write("a.jsonl", lines((1, 90), (9, 2)))
    versioned.write("a.jsonl", lines((2, 3)))
    assert go(versioned, "*.jsonl", older_than(30)) == 0
    assert versioned.versions() == ["a.jsonl", "a.jsonl"]
    assert left(versioned, "*.jsonl") == ("1 objects: older versions that also hold records which stay",)
    assert versioned.store.measure(f"{versioned.prefix}*.jsonl", older_than(30)).rows == 1


def test_a_wholly_old_object_does_not_bring_an_older_version_to_light(versioned: S3World) -> None:
    """Where an older version must stay, a marker hides it before the newest goes."""
    versioned.write("a.jsonl", lines((1, 90), (9, 2)))
    versioned.write("a.jsonl", lines((2, 90)))
    assert go(versioned, "*.jsonl", older_than(30)) == 1
    assert versioned.keys() == []
    assert "a.jsonl" in versioned.versions()


def test_fields_of_lines_are_redacted(s3_world: S3World) -> None:
    """Of JSON and CSV in objects; of whole objects there is nothing to redact."""
    s3_world.write("a.csv", "id,ip\n1,10.0.0.1\n")
    work = Work(deed=Deed.REDACT, at=f"{s3_world.prefix}*.csv", where=EVERYTHING, fields=("ip",))
    assert sum(rows for _, rows in run_through(s3_world.store, work)) == 1
    assert s3_world.read("a.csv") == b"id,ip\n1,\n"
    with pytest.raises(KeptError, match="can only delete objects"):
        s3_world.store.next_batch(Work(deed=Deed.REDACT, at=s3_world.prefix, where=EVERYTHING, fields=("ip",)), None)


def test_a_pattern_that_means_lines_and_whole_objects_is_refused(s3_world: S3World) -> None:
    """A record could be either."""
    with pytest.raises(BadInput, match="files of lines and other objects"):
        s3_world.store.measure("{a.jsonl,b.pdf}", EVERYTHING)


def test_what_one_kind_of_name_and_time_decide_is_not_read(s3_world: S3World) -> None:
    """A condition on name, person and line together."""
    s3_world.write("p/42/2026-01-01.jsonl", lines((1, 90), (2, 3)))
    s3_world.write("p/7/2026-01-01.jsonl", lines((3, 90)))
    at = "p/{user_id}/%Y-%m-%d.jsonl"
    mine = OneOf(field="user_id", values=("42",))
    both = AllOf(parts=(mine, older_than(30), AnyOf(parts=(Before(field=BY_NAME, instant=ago(30)),))))
    assert go(s3_world, at, both) == 1
    assert s3_world.read("p/42/2026-01-01.jsonl").decode() == lines((2, 3))
    assert s3_world.keys() == ["p/42/2026-01-01.jsonl", "p/7/2026-01-01.jsonl"]


def test_prefixes_that_may_not_be_seen_are_named_and_the_rest_goes_on(s3_server: S3Server) -> None:
    """403 on 1 of 3: what can be seen goes, and zero is not said of the rest."""
    client = s3_server.client()
    for name in "abc":
        client.put_object(Bucket=LIMITED, Key=f"tenants/{name}/x.jsonl", Body=lines((1, 90)).encode())
    world = S3World(s3_server, LIMITED)
    store = world.open_store(key_id=READER_ID, secret=READER_SECRET)
    at = "tenants/{a,b,c}/*.jsonl"
    store.ping()
    assert store.measure(at, older_than(30)).rows == 2
    assert sum(rows for _, rows in run_through(store, delete_work(at, older_than(30)))) == 2
    assert "403 on 1 of 3 prefixes" in store.left_for_later(at)
    with pytest.raises(NotPermitted, match="403 on 1 of 3 prefixes"):
        store.measure(at, older_than(30))
    names = [each["Key"] for each in client.list_objects_v2(Bucket=LIMITED)["Contents"]]
    assert names == ["tenants/c/x.jsonl"]
    store.close()
    world.close()
    client.close()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"secret": "wrong"}, "it refused the key or its secret"),
        ({"key_id": "nobody"}, "it refused the key or its secret"),
        ({"bucket": "bucket-of-nobody"}, "it has no bucket bucket-of-nobody"),
        ({"endpoint": "http://127.0.0.1:9"}, "EndpointConnectionError"),
        ({"endpoint": "https://127.0.0.1:{port}"}, "TLS|EndpointConnectionError|ConnectionError|SSL"),
    ],
)
def test_what_keeps_the_bucket_from_being_reached_is_named(
    s3_world: S3World, options: dict[str, str], why: str
) -> None:
    """Each in words, without the secret."""
    given = {name: value.format(port=s3_world.server.port) for name, value in options.items()}
    store = s3_world.open_store(**given)
    with pytest.raises(StoreUnreachable, match=f"did not answer: .*({why})") as refused:
        store.measure("x/", EVERYTHING)
    assert "wrong" not in str(refused.value)
    store.close()


def test_an_endpoint_that_hangs_is_given_up(s3_server: S3Server) -> None:
    """Within the time set, once, and named."""
    with relay_to(s3_server.port) as relay:
        bucket = S3Bucket(
            "archive", "b", endpoint=f"http://127.0.0.1:{relay.port}", key_id=KEY_ID, secret=SECRET, answer_seconds=0.3
        )
        relay.hang()
        begun = time.monotonic()
        with pytest.raises(StoreUnreachable, match="was silent for too long"):
            bucket.now()
        assert time.monotonic() - begun < 5
        bucket.close()


def test_the_clock_is_the_servers(s3_world: S3World) -> None:
    """To the second, by the date of its answers."""
    now = s3_world.store.now()
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=30)
    assert now.microsecond == 0


def test_the_settings_make_a_store(s3_world: S3World) -> None:
    """As `kept.yaml` says them; half of a pair of credentials and a strange endpoint are refused at once."""
    options = {"bucket": s3_world.bucket, "endpoint": s3_world.server.endpoint, "key_id": KEY_ID, "secret": SECRET}
    store = open_store(StoreSettings(name="archive", kind="s3", options=options), clock=FixedClock())
    store.ping()
    s3_world.write("day-2026-01-01.jsonl", lines((1, 1)))
    assert s3_world.prefix in store.collections()
    store.close()
    with pytest.raises(ConfigurationError, match="only one of"):
        S3Bucket("archive", "b", key_id="a")
    with pytest.raises(ConfigurationError, match="ftp"):
        S3Bucket("archive", "b", endpoint="ftp://x")
