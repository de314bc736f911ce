"""Schemas as companies have them: names, keys, types and tables of every make, on PostgreSQL, MariaDB and SQLite."""

from datetime import UTC, datetime, timedelta

import pytest

from core.errors import KeptError
from core.settings import TimeField
from stores.conditions import AllOf, Before, Condition, OneOf, Through
from stores.contract import CannotCompare, Deed, FieldMissing, Work, unfinished
from stores.sql import SqlStore
from tests.store_worlds import NOW, PostgresWorld, SqliteWorld, ago, delete_work, older_than, run_through, zulu
from tests.store_worlds_mariadb import MariaWorld

EVERYTHING = AllOf(parts=())
SqlWorld = SqliteWorld | PostgresWorld | MariaWorld


def ids(world: SqlWorld, at: str, where: Condition, name: str = "id") -> list[int]:
    return sorted(int(record[name]) for record in world.store.records(at, where))


def store_of(world: SqlWorld) -> SqlStore:
    assert isinstance(world.store, SqlStore)
    return world.store


def test_two_names_that_differ_in_case_only_are_two_fields(sql_world: SqlWorld) -> None:
    """Where the server tells them apart; elsewhere the name stands as it was made."""
    world = sql_world
    if isinstance(world, PostgresWorld):
        world.run('CREATE TABLE "People" (id integer PRIMARY KEY, "userId" text, userid text)')
        world.run("INSERT INTO \"People\" VALUES (1, 'a', 'b'), (2, 'b', 'a')")
    else:
        world.run('CREATE TABLE "People" (id integer PRIMARY KEY, "userId" varchar(20), "user-id" varchar(20))')
        world.run("INSERT INTO \"People\" VALUES (1, 'a', 'b'), (2, 'b', 'a')")
    assert ids(world, "People", OneOf(field="userId", values=("a",))) == [1]


@pytest.mark.parametrize("name", ["per`cent%s", 'double"quote', "semi;colon", "q?:x", "größe"])
def test_names_with_signs_of_the_language_are_only_names(sql_world: SqlWorld, name: str) -> None:
    """Quoted in each server's way, in every statement."""
    world, quoted = sql_world, '"' + name.replace('"', '""') + '"'
    world.ask(f"CREATE TABLE {quoted} (id integer PRIMARY KEY, {quoted} text)")
    world.ask(f"INSERT INTO {quoted} VALUES (1, 'a'), (2, 'b')")
    assert name in world.store.collections()
    work = Work(deed=Deed.REDACT, at=name, where=OneOf(field=name, values=("a",)), fields=(name,))
    assert [rows for _, rows in run_through(world.store, work)] == [1]
    assert ids(world, name, OneOf(field=name, values=("b",))) == [2]


def test_a_unique_key_serves_where_there_is_no_primary_one(sql_world: SqlWorld) -> None:
    """Batches go along it, each no larger than asked."""
    world = sql_world
    world.run("CREATE TABLE t (id integer NOT NULL, part varchar(20) NOT NULL, ts text, UNIQUE (part, id))")
    rows = (f"({place}, 'p{place % 3}', '{zulu(ago(place))}')" for place in range(1, 21))
    world.run(f"INSERT INTO t VALUES {', '.join(rows)}")
    done = run_through(world.store, delete_work("t", older_than(5), batch_rows=4))
    assert [rows for _, rows in done] == [4, 4, 4, 3]
    assert ids(world, "t", EVERYTHING) == [1, 2, 3, 4, 5]


def test_a_key_that_holds_an_enum_bounds_batches(sql_world: SqlWorld) -> None:
    """An enum sorts by its place in the list and compares by its word: batches go by one of the two, not by both."""
    world, kind = sql_world, "text"
    if isinstance(world, PostgresWorld):
        world.run("CREATE TYPE level AS ENUM ('low', 'high', 'extreme')")
        kind = "level"
    elif isinstance(world, MariaWorld):
        kind = "enum('low', 'high', 'extreme')"
    world.ask(f"CREATE TABLE t (kind {kind} NOT NULL, id integer NOT NULL, ts text, PRIMARY KEY (kind, id))")
    words = ("low", "high", "extreme")
    rows = (f"('{words[place % 3]}', {place}, '{zulu(ago(place))}')" for place in range(1, 31))
    world.ask(f"INSERT INTO t VALUES {', '.join(rows)}")
    done = run_through(world.store, delete_work("t", older_than(9), batch_rows=5))
    assert [rows for _, rows in done] == [5, 5, 5, 5, 1]
    assert len(ids(world, "t", OneOf(field="kind", values=("high", "nothing")))) == 3


def test_views_are_read_and_never_changed(sql_world: SqlWorld) -> None:
    """Refused in words that name what it is; a finding says so before."""
    world = sql_world
    world.put([{"id": 1, "ts": ago(90)}])
    world.run("CREATE VIEW recent AS SELECT * FROM requests")
    assert ids(world, "recent", EVERYTHING) == [1]
    with pytest.raises(KeptError, match="recent is a view"):
        world.store.next_batch(delete_work("recent", older_than(30)), None)
    assert "is a view" in store_of(world).findings("recent")[0]


def test_tables_whose_deletes_take_nothing_away_are_refused(mariadb_world: MariaWorld) -> None:
    """System versioning keeps what was deleted; MyISAM cannot take a batch back."""
    mariadb_world.run("CREATE TABLE kept (id int PRIMARY KEY, ts timestamptz) WITH SYSTEM VERSIONING")
    mariadb_world.run("CREATE TABLE plain (id int PRIMARY KEY, ts timestamptz) ENGINE=MyISAM")
    assert {"kept", "plain"} <= set(mariadb_world.store.collections())
    for at, why in (("kept", "keeps every version"), ("plain", "stored by MyISAM")):
        with pytest.raises(KeptError, match=why):
            mariadb_world.store.next_batch(delete_work(at, older_than(30)), None)


def test_materialised_views_and_foreign_tables_are_refused(postgres_world: PostgresWorld) -> None:
    """They have rows, but not their own."""
    postgres_world.run("CREATE MATERIALIZED VIEW copy AS SELECT * FROM requests")
    with pytest.raises(KeptError, match="materialised view"):
        postgres_world.store.next_batch(delete_work("copy", older_than(30)), None)


def test_generated_columns_are_named_and_never_written(sql_world: SqlWorld) -> None:
    """They follow when what they are made of is redacted."""
    world = sql_world
    world.run(
        "CREATE TABLE t (id integer PRIMARY KEY, email text, low varchar(190) GENERATED ALWAYS AS (lower(email)) STORED)"
    )
    world.run("INSERT INTO t (id, email) VALUES (1, 'Anna@Post.Example')")
    assert [field.name for field in world.store.shape("t").fields if field.generated] == ["low"]
    with pytest.raises(KeptError, match=r"low is made by the store"):
        world.store.next_batch(Work(deed=Deed.REDACT, at="t", where=EVERYTHING, fields=("low",)), None)
    run_through(world.store, Work(deed=Deed.REDACT, at="t", where=EVERYTHING, fields=("email",)))
    assert world.ask("SELECT email, low FROM t") == [(None, None)]


def test_enums_are_found_and_corrected_by_their_words(sql_world: SqlWorld) -> None:
    """A word that is none of them matches nothing, and is refused as a correction."""
    world, kind = sql_world, "varchar(9) CHECK (plan IN ('free', 'paid'))"
    if isinstance(world, PostgresWorld):
        world.run("CREATE TYPE plan AS ENUM ('free', 'paid')")
        kind = "plan"
    elif isinstance(world, MariaWorld):
        kind = "enum('free', 'paid')"
    world.ask(f"CREATE TABLE t (id integer PRIMARY KEY, plan {kind})")
    world.run("INSERT INTO t VALUES (1, 'free'), (2, 'paid')")
    assert ids(world, "t", OneOf(field="plan", values=("paid", "gold"))) == [2]
    right = Work(deed=Deed.CORRECT, at="t", where=EVERYTHING, corrections=(("plan", "paid"),))
    assert [rows for _, rows in run_through(world.store, right)] == [1]
    wrong = Work(deed=Deed.CORRECT, at="t", where=EVERYTHING, corrections=(("plan", "gold"),))
    with pytest.raises(KeptError, match="refused"):
        run_through(world.store, wrong)
    assert ids(world, "t", OneOf(field="plan", values=("paid",))) == [1, 2]


def test_an_array_is_matched_by_its_elements(postgres_world: PostgresWorld) -> None:
    """A member of a list is found in it, and the list is emptied as a whole."""
    postgres_world.run("CREATE TABLE t (id integer PRIMARY KEY, members text[] NOT NULL, numbers integer[])")
    postgres_world.run("INSERT INTO t VALUES (1, '{a,\"b c\"}', '{1,2}'), (2, '{c}', NULL), (3, '{}', '{}')")
    assert ids(postgres_world, "t", OneOf(field="members", values=("b c", "x"))) == [1]
    assert ids(postgres_world, "t", OneOf(field="numbers", values=("2",))) == [1]
    assert postgres_world.store.sample("t", EVERYTHING)[0]["members"] == '["a", "b c"]'
    work = Work(deed=Deed.REDACT, at="t", where=EVERYTHING, fields=("members", "numbers"))
    assert [rows for _, rows in run_through(postgres_world.store, work)] == [3]
    assert postgres_world.store.measure("t", unfinished(work)).rows == 0
    assert postgres_world.ask("SELECT members, numbers FROM t WHERE id = 1") == [([], None)]


def json_table(world: SqlWorld) -> None:
    kind = "jsonb" if isinstance(world, PostgresWorld) else "json"
    world.ask(f"CREATE TABLE t (id integer PRIMARY KEY, metadata {kind})")
    documents = [
        f'{{"user_email": "a@x.example", "at": "{zulu(ago(90))}", "ms": {int(ago(90).timestamp() * 1000)}, "user": {{"id": 7}}}}',
        f'{{"user_email": "b@x.example", "at": "{zulu(ago(3))}", "ms": {int(ago(3).timestamp() * 1000)}, "user": {{"id": 8}}}}',
        '{"user_email": null, "tags": ["a@x.example"]}',
        "[]",
    ]
    for place, document in enumerate(documents, start=1):
        world.ask(f"INSERT INTO t VALUES ({place}, '{document}')")
    world.ask("INSERT INTO t VALUES (5, NULL)")


def test_a_path_into_json_is_a_field_that_finds_a_person(sql_world: SqlWorld) -> None:
    """By text, by number, by an element of a list, through another table."""
    json_table(sql_world)
    mail = OneOf(field="metadata->user_email", values=("a@x.example", "null"))
    assert ids(sql_world, "t", mail) == [1]
    assert ids(sql_world, "t", OneOf(field="metadata->user->id", values=("8",))) == [2]
    assert ids(sql_world, "t", OneOf(field="metadata->tags->0", values=("a@x.example",))) == [3]
    assert list(sql_world.store.values("t", "metadata->user_email", EVERYTHING)) == ["a@x.example", "b@x.example"]
    sql_world.run("INSERT INTO users (id, email) VALUES (7, 'a@x.example')")
    by_mail = Through(field="metadata->user_email", at="users", to_field="email", where=EVERYTHING)
    by_id = Through(field="metadata->user->id", at="users", to_field="id", where=EVERYTHING)
    assert ids(sql_world, "t", by_mail) == ids(sql_world, "t", by_id) == [1]


@pytest.mark.parametrize(("path", "word"), [("metadata->at", "iso"), ("metadata->ms", "epoch_ms")])
def test_a_path_into_json_is_a_time(sql_world: SqlWorld, path: str, word: str) -> None:
    """ISO text and numbers, counted, bounded and swept like any other."""
    json_table(sql_world)
    field = TimeField(name=path)
    assert sql_world.store.time_form("t", field) == word
    extent = sql_world.store.measure("t", EVERYTHING, time=field)
    assert (extent.rows, extent.oldest, extent.newest, extent.timeless) == (5, ago(90), ago(3), 3)
    assert sql_world.store.census("t", field).missing == 3
    work = Work(deed=Deed.DELETE, at="t", where=Before(field=field, instant=ago(30)))
    assert [rows for _, rows in run_through(sql_world.store, work)] == [1]
    assert ids(sql_world, "t", EVERYTHING) == [2, 3, 4, 5]


def test_a_path_into_json_is_redacted_and_corrected(sql_world: SqlWorld) -> None:
    """The member becomes null, what stands beside it stays; a member that was not there is not made by redacting."""
    json_table(sql_world)
    work = Work(deed=Deed.REDACT, at="t", where=EVERYTHING, fields=("metadata->user_email", "metadata->user"))
    assert sum(rows for _, rows in run_through(sql_world.store, work)) == 2
    assert sql_world.store.measure("t", unfinished(work)).rows == 0
    documents = [str(row[0]) for row in sql_world.ask("SELECT metadata FROM t ORDER BY id")]
    assert "@x.example" not in "".join(documents[:2])
    assert all("ms" in document for document in documents[:2])
    assert documents[3:] == ["[]", "None"]
    first = OneOf(field="id", values=("1",))
    right = Work(deed=Deed.CORRECT, at="t", where=first, corrections=(("metadata->user_email", "c@x.example"),))
    assert [rows for _, rows in run_through(sql_world.store, right)] == [1]
    assert sql_world.store.measure("t", unfinished(right)).rows == 0
    assert ids(sql_world, "t", OneOf(field="metadata->user_email", values=("c@x.example",))) == [1]


def test_text_that_is_no_json_has_no_fields(sql_world: SqlWorld) -> None:
    """It matches nothing and breaks nothing; a column of another type is refused by name."""
    sql_world.run("CREATE TABLE t (id integer PRIMARY KEY, metadata text)")
    sql_world.run("INSERT INTO t VALUES (1, 'no json'), (2, '{\"a\": \"x\"}')")
    wanted = OneOf(field="metadata->a", values=("x",))
    if isinstance(sql_world, PostgresWorld):
        with pytest.raises(FieldMissing, match="not of a JSON type"):
            sql_world.store.measure("t", wanted)
    else:
        work = Work(deed=Deed.DELETE, at="t", where=wanted)
        assert [rows for _, rows in run_through(sql_world.store, work)] == [1]
    with pytest.raises(FieldMissing, match="no field 'nothing'"):
        sql_world.store.measure("t", OneOf(field="nothing->a", values=("x",)))


def test_a_column_that_may_not_be_null_gets_the_value_that_says_nothing(sql_world: SqlWorld) -> None:
    """Text is empty, a number nought; a time has no such value and is refused by name; a key stays."""
    world = sql_world
    world.run(
        "CREATE TABLE t (id integer PRIMARY KEY, name text NOT NULL, age integer NOT NULL, at timestamp NOT NULL, ip text)"
    )
    world.run("INSERT INTO t VALUES (1, 'Anna', 44, '2026-01-01 00:00:00', '10.0.0.1')")
    work = Work(deed=Deed.REDACT, at="t", where=EVERYTHING, fields=("name", "age", "ip"))
    assert [rows for _, rows in run_through(world.store, work)] == [1]
    assert world.store.measure("t", unfinished(work)).rows == 0
    assert world.ask("SELECT name, age, ip FROM t") == [("", 0, None)]
    for name, why in (("at", "may not be NULL"), ("id", "the table's key")):
        with pytest.raises(KeptError, match=why):
            world.store.next_batch(Work(deed=Deed.REDACT, at="t", where=EVERYTHING, fields=(name,)), None)


def test_json_that_may_not_be_null_becomes_an_empty_object(sql_world: SqlWorld) -> None:
    """Also where JSON is text with a check, as in MariaDB."""
    if isinstance(sql_world, SqliteWorld):
        return  # to SQLite it is text, and the value that says nothing is an empty text
    kind = "jsonb" if isinstance(sql_world, PostgresWorld) else "json"
    sql_world.ask(f"CREATE TABLE t (id integer PRIMARY KEY, metadata {kind} NOT NULL)")
    sql_world.ask('INSERT INTO t VALUES (1, \'{"email": "a@x.example"}\')')
    work = Work(deed=Deed.REDACT, at="t", where=EVERYTHING, fields=("metadata",))
    assert [rows for _, rows in run_through(sql_world.store, work)] == [1]
    assert sql_world.store.measure("t", unfinished(work)).rows == 0
    assert str(sql_world.ask("SELECT metadata FROM t")[0][0]) == "{}"


def test_an_unindexed_child_key_is_named(sql_world: SqlWorld) -> None:
    """Each delete of a parent would read the whole child; MariaDB makes the index itself."""
    world = sql_world
    world.run(
        "CREATE TABLE child (id integer PRIMARY KEY, request bigint, FOREIGN KEY (request) REFERENCES requests(id))"
    )
    found = " ".join(store_of(world).findings("requests"))
    if isinstance(world, MariaWorld):
        assert found == ""
    else:
        assert "No index begins with request of child" in found
        world.run("CREATE INDEX by_request ON child (request)")
        assert store_of(world).findings("requests") == ()
    world.run("CREATE TABLE bare (note text)")
    assert "no primary key" in store_of(world).findings("bare")[0]


def test_partitioned_tables_are_one_collection(postgres_world: PostgresWorld, mariadb_world: MariaWorld) -> None:
    """Found once, swept exactly across their partitions, key or none."""
    postgres_world.run(
        "CREATE TABLE log (id integer, ts timestamptz) PARTITION BY RANGE (ts);"
        "CREATE TABLE log_old PARTITION OF log FOR VALUES FROM ('2000-01-01Z') TO ('2026-05-01Z');"
        "CREATE TABLE log_new PARTITION OF log FOR VALUES FROM ('2026-05-01Z') TO ('2100-01-01Z')"
    )
    mariadb_world.run(
        "CREATE TABLE log (id integer, ts datetime(6) NOT NULL, PRIMARY KEY (id, ts)) PARTITION BY RANGE (YEAR(ts))"
        " (PARTITION old VALUES LESS THAN (2026), PARTITION new VALUES LESS THAN MAXVALUE)"
    )
    for world in (postgres_world, mariadb_world):
        rows = (f"({place}, '{ago(place * 10).replace(tzinfo=None)}')" for place in range(1, 41))
        world.ask(f"INSERT INTO log VALUES {', '.join(rows)}")
        work = delete_work("log", Before(field=TimeField(name="ts", zone="UTC"), instant=ago(100)), batch_rows=7)
        if isinstance(world, PostgresWorld):
            work = delete_work("log", older_than(100), batch_rows=7)
        assert [name for name in world.store.collections() if name.startswith("log")] == ["log"]
        assert sum(rows for _, rows in run_through(world.store, work)) == 30
        assert ids(world, "log", EVERYTHING) == list(range(1, 11))


def test_mariadb_tells_an_instant_from_a_wall_clock_time(mariadb_world: MariaWorld) -> None:
    """TIMESTAMP is an instant, whatever zone the server lives in; DATETIME needs its zone declared."""
    mariadb_world.run("CREATE TABLE t (id int PRIMARY KEY, a timestamp(6) NULL, b datetime)")
    mariadb_world.ask("SET GLOBAL time_zone = '+05:00'")
    try:
        store = SqlStore("again", mariadb_world.url, clock=mariadb_world.store._clock)  # type: ignore[attr-defined]
        mariadb_world.ask("INSERT INTO t VALUES (1, '2026-05-16 11:59:59.999999', '2026-05-16 13:59:59')")
        mariadb_world.ask("INSERT INTO t VALUES (2, '2026-05-16 12:00:00', '2026-05-16 14:00:00')")
        assert store.time_form("t", TimeField(name="a")) == "timestamp"
        with pytest.raises(CannotCompare, match="without a time zone"):
            store.time_form("t", TimeField(name="b"))
        for field in (TimeField(name="a"), TimeField(name="b", zone="Europe/Berlin")):
            found = store.records("t", Before(field=field, instant=ago(30)))
            assert [record["id"] for record in found] == [1]
        assert store.sample("t", EVERYTHING)[0]["a"] == datetime(2026, 5, 16, 11, 59, 59, 999999, tzinfo=UTC)
        assert abs(store.now() - datetime.now(UTC)) < timedelta(seconds=30)
        store.close()
    finally:
        mariadb_world.ask("SET GLOBAL time_zone = 'SYSTEM'")


def test_a_column_of_whole_seconds_is_compared_in_whole_seconds(mariadb_world: MariaWorld) -> None:
    """A time that was cut off at the second may lie anywhere in it, so it is before nothing within it."""
    mariadb_world.run("CREATE TABLE t (id int PRIMARY KEY, at datetime(0))")
    mariadb_world.run("INSERT INTO t VALUES (1, '2026-06-15 12:00:00'), (2, '2026-06-15 11:59:59')")
    field = TimeField(name="at", zone="UTC")
    before = Before(field=field, instant=NOW + timedelta(milliseconds=500))
    assert ids(mariadb_world, "t", before) == [2]


def test_zero_dates_of_mariadb_are_no_times(mariadb_world: MariaWorld) -> None:
    """0000-00-00 is less than every cutoff, and says nothing about when."""
    mariadb_world.run("CREATE TABLE t (id int PRIMARY KEY, ts datetime)")
    mariadb_world.run("INSERT INTO t VALUES (1, '0000-00-00 00:00:00'), (2, '2020-01-01 00:00:00'), (3, NULL)")
    field = TimeField(name="ts", zone="UTC")
    work = Work(deed=Deed.DELETE, at="t", where=Before(field=field, instant=NOW))
    assert [rows for _, rows in run_through(mariadb_world.store, work)] == [1]
    assert mariadb_world.store.measure("t", EVERYTHING, time=field).timeless == 2
    assert ids(mariadb_world, "t", EVERYTHING) == [1, 3]


def test_identifiers_compare_by_the_columns_own_collation(mariadb_world: MariaWorld) -> None:
    """What the database takes for the same is the same; every spelling of it is handed on to other stores."""
    mariadb_world.run(
        "CREATE TABLE t (id int PRIMARY KEY, ci varchar(40) COLLATE utf8mb4_general_ci, cs varchar(40) COLLATE utf8mb4_bin,"
        " old varchar(40) CHARACTER SET latin1)"
    )
    mariadb_world.run("INSERT INTO t VALUES (1, 'Anna@X', 'Anna@X', 'Anna@X'), (2, 'anna@x', 'anna@x', 'é')")
    store = mariadb_world.store
    assert ids(mariadb_world, "t", OneOf(field="ci", values=("ANNA@x",))) == [1, 2]
    assert ids(mariadb_world, "t", OneOf(field="cs", values=("anna@x", "ANNA@x"))) == [2]
    assert ids(mariadb_world, "t", OneOf(field="old", values=("é", "☃", "😀"))) == [2]
    assert list(store.values("t", "ci", EVERYTHING)) == ["Anna@X", "anna@x"]
    for field, to_field in (("ci", "cs"), ("cs", "ci"), ("old", "ci")):
        through = Through(field=field, at="t", to_field=to_field, where=OneOf(field="id", values=("1",)))
        assert ids(mariadb_world, "t", through) == [1]


def test_a_text_is_never_taken_for_a_number(mariadb_world: MariaWorld) -> None:
    """There '1abc' = 1 is true: a person would get what is another's."""
    mariadb_world.run("CREATE TABLE t (id int PRIMARY KEY, owner varchar(40), num int)")
    mariadb_world.run("INSERT INTO t VALUES (1, '1abc', 1), (2, '1', 2), (3, 'abc', 0)")
    assert ids(mariadb_world, "t", OneOf(field="owner", values=("1",))) == [2]
    assert ids(mariadb_world, "t", OneOf(field="num", values=("1abc", "abc", "2"))) == [2]
    through = Through(field="owner", at="t", to_field="num", where=EVERYTHING)
    work = Work(deed=Deed.DELETE, at="t", where=through)
    assert [rows for _, rows in run_through(mariadb_world.store, work)] == [1]
    assert ids(mariadb_world, "t", EVERYTHING) == [1, 3]
