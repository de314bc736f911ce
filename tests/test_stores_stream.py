"""Streams of a store: a few fields of very many records, in one order, taken up again after any record, against every kind."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from core.errors import BadInput, KeptError
from stores.conditions import AllOf, OneOf, Unset
from stores.contract import Capability, FieldMissing
from stores.manual import ManualStore
from stores.sql import SqlStore
from tests.store_worlds import FilesWorld, FixedClock, PostgresWorld, SqliteWorld, World, ago

EVERYTHING = AllOf(parts=())


@pytest.fixture(params=["sqlite", "postgresql", "files"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made: World
    if request.param == "sqlite":
        made = SqliteWorld(tmp_path)
    elif request.param == "postgresql":
        made = PostgresWorld(request.getfixturevalue("postgres_url"))
    else:
        made = FilesWorld(tmp_path)
    yield made
    made.store.close()


def put(world: World, number: int) -> None:
    world.put(
        {"id": place, "user_id": f"u{place}", "ts": ago(place % 7), "note": None if place % 3 else "n"}
        for place in range(1, number + 1)
    )


def test_a_stream_gives_the_fields_that_were_asked_for(world: World) -> None:
    """And of the records that match, no other."""
    put(world, 9)
    found = list(world.store.stream(world.at, ("user_id", "note"), Unset(field="note")))
    assert sorted(one.values["user_id"] for one in found) == ["u1", "u2", "u4", "u5", "u7", "u8"]
    assert {tuple(one.values) for one in found} == {("user_id", "note")}
    assert "u1" not in repr(found[0])  # what people wrote is not printed by accident


def test_a_stream_is_taken_up_after_any_record(world: World) -> None:
    """More records than a page has: wherever it broke off, the rest comes in the same order, none twice, none left out."""
    put(world, 2_300)
    everyone = [one.values["id"] for one in world.store.stream(world.at, ("id",), EVERYTHING)]
    assert sorted(everyone) == list(range(1, 2_301))
    for taken in (1, 999, 1_000, 1_001, 2_299, 2_300):
        stream = world.store.stream(world.at, ("id",), EVERYTHING)
        place = list(islice(stream, taken))[-1].place
        stream.close()
        rest = [one.values["id"] for one in world.store.stream(world.at, ("id",), EVERYTHING, place)]
        assert rest == everyone[taken:]


def test_a_record_that_comes_meanwhile_is_in_a_later_stream(world: World) -> None:
    """A stream that is read slowly keeps nobody from writing."""
    put(world, 1_500)
    stream = world.store.stream(world.at, ("id",), EVERYTHING)
    next(stream)
    world.put([{"id": 9_999, "user_id": "u", "ts": ago(0)}])
    assert 1_499 <= len(list(stream)) <= 1_500
    assert len(list(world.store.stream(world.at, ("id",), OneOf(field="user_id", values=("u",))))) == 1


def test_keys_of_several_columns_and_of_text_keep_their_order(tmp_path: Path, postgres_url: str) -> None:
    """On SQLite and PostgreSQL, whatever the key is made of; a table without one has no stream that could be taken up."""
    script = (
        "CREATE TABLE pairs (tenant text NOT NULL, number integer NOT NULL, PRIMARY KEY (tenant, number));"
        "CREATE TABLE loose (number integer)"
    )
    lite, server = SqliteWorld(tmp_path), PostgresWorld(postgres_url)
    for world in (lite, server):
        world.run(script)
        for tenant in ("b", "a", "ä"):
            for number in (10, 9, 2):
                world.run(f"INSERT INTO pairs VALUES ('{tenant}', {number})")
        found = list(world.store.stream("pairs", ("tenant", "number"), EVERYTHING))
        assert [one.values["number"] for one in found] == [2, 9, 10] * 3
        rest = world.store.stream("pairs", ("tenant", "number"), EVERYTHING, found[3].place)
        assert [one.values for one in rest] == [one.values for one in found[4:]]
        with pytest.raises(BadInput):
            list(world.store.stream("pairs", ("number",), EVERYTHING, "[1]"))
    with pytest.raises(KeptError, match="no primary key"):
        list(server.store.stream("loose", ("number",), EVERYTHING))
    for world in (lite, server):
        world.store.close()


def test_a_field_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A map that names a wrong column says so before anybody is told anything."""
    store = SqliteWorld(tmp_path).store
    assert isinstance(store, SqlStore)
    with pytest.raises(FieldMissing, match="user_name"):
        list(store.stream("requests", ("user_name",), EVERYTHING))
    store.close()


def test_a_store_of_people_has_no_stream() -> None:
    """What only people can read says so in its capabilities."""
    manual = ManualStore("vendor", "privacy@vendor.example", clock=FixedClock())
    assert Capability.STREAM not in manual.capabilities
    with pytest.raises(KeptError):
        list(manual.stream("people", ("email",), EVERYTHING))
