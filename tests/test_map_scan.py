"""The schema scanner: what it proposes from schema and bounded samples, and how it goes on when a store does not."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from app import make_web, open_services
from core.errors import BadInput
from core.lined_yaml import load_lined
from core.settings import TimeField
from core.settings_file import load_settings
from jobs.cli import kept as commands
from jobs.map_file import merge_collections
from jobs.services import Wiring
from stores.scanner import Bounds, Mapped, PolicyWords, Proposal, Scan, scan_sources
from stores.scanner_reading import MAX_ROWS, Column, Shape, Table, Unread
from stores.scanner_sql import SqlSource
from stores.scanner_text import collection_lines, remark_lines
from tests.servers import Postgres, free_port

POLICY = PolicyWords(
    clauses={"account": ("closed",), "credential": ("idle-keys",), "content": ("no-content",), "usage": ()}
)
SHOP = """
CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT, signed_up TEXT, created_at TEXT, deleted_at TEXT);
CREATE TABLE api_keys (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users(id), key_hash TEXT UNIQUE,
                       created_at TEXT, last_used_at TEXT, revoked_at TEXT);
CREATE TABLE "Request Log" (id INTEGER PRIMARY KEY, "userId" INTEGER, "key" TEXT, ts INTEGER, client TEXT, prompt TEXT, meta TEXT);
CREATE TABLE invoices (id INTEGER PRIMARY KEY, customer INTEGER, issued_at TEXT, amount REAL);
CREATE TABLE letters (id INTEGER PRIMARY KEY, who TEXT, at TEXT, body TEXT);
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT, created_at TEXT, created_by INTEGER);
"""

MARIADB = """
SET sql_mode = '';
CREATE TABLE users (id CHAR(36) PRIMARY KEY, `E-Mail` VARCHAR(200), photo LONGBLOB, created_at DATETIME);
INSERT INTO users SELECT UUID(), CONCAT('p', seq, '@post.example'), x'fffe', '0000-00-00 00:00:00' FROM seq_1_to_30;
CREATE TABLE `Request Log` (id BIGINT AUTO_INCREMENT PRIMARY KEY, user_id CHAR(36) REFERENCES users(id), ts BIGINT, meta JSON);
INSERT INTO `Request Log` (user_id, ts, meta) SELECT id, 1780000000000, '{"mail": "a@post.example"}' FROM users
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[SqlSource]:
    """A shop's SQLite database, with people who do not exist."""
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SHOP)
        for n in range(1, 61):
            made = f"2026-0{n % 9 + 1}-1{n % 10}T08:00:00Z"
            connection.execute(
                "INSERT INTO users VALUES (?, ?, ?, ?, ?, NULL)", (n, f"p{n}@post.example", f"Person {n}", made, made)
            )
            connection.execute(
                "INSERT INTO api_keys VALUES (?, ?, ?, ?, NULL, NULL)",
                (n, n, sha256(f"key {n}".encode()).hexdigest(), made),
            )
            connection.execute(
                'INSERT INTO "Request Log" VALUES (?, ?, ?, ?, ?, ?, ?)',
                (n, n, sha256(f"key {n}".encode()).hexdigest(), 1_780_000_000_000 + n, f"203.0.113.{n}", f"Write to person {n} about it, in a kind way.",
                 f'{{"mail": "p{n}@post.example", "n": {n}}}'),
            )  # fmt: skip
            connection.execute("INSERT INTO invoices VALUES (?, ?, ?, ?)", (n, n, made[:10], n * 1.5))
            connection.execute(
                "INSERT INTO letters VALUES (?, ?, ?, ?)",
                (n, f"q{n}@post.example", made.replace("T", " ")[:19], "Good day"),
            )
        connection.execute("INSERT INTO settings VALUES ('theme', 'dark', '2026-01-01T00:00:00Z', 1)")
    source = SqlSource("shop", f"sqlite:///{path}")
    yield source
    source.close()


def of(scan: Scan, table: str) -> Proposal:
    """The proposal for one table."""
    return next(one for one in scan.proposals if one.at.partition(":")[2] == table)


def test_a_shop_is_mapped_with_times_events_identifiers_and_ways_to_the_person(shop: SqlSource) -> None:
    """Foreign keys lead to the person, names and values do where none is declared, and values say what names do not."""
    scan = scan_sources([shop], policy=POLICY)
    users, keys, log = of(scan, "users"), of(scan, "api_keys"), of(scan, "Request Log")
    assert dict(users.identifies) == {"email": "email", "user_id": "id"}
    assert (users.category, users.clauses) == ("account", ("closed",))
    assert users.time is not None
    assert users.time.name == "created_at"
    assert [(event, guess.name) for event, guess in users.events] == [("account_closed", "deleted_at")]
    assert keys.category == "credential", "the policy's own word for keys"
    assert {event: guess.name for event, guess in keys.events} == {"last_use": "last_used_at", "revoked": "revoked_at"}
    assert [(way.field, way.to, way.to_field, way.why) for way in keys.person] == [
        ("user_id", "users", "id", "a declared foreign key")
    ]
    assert log.time is not None
    assert (log.time.name, log.time.form) == ("ts", "epoch_ms")
    assert {(way.field, way.to) for way in log.person} == {("userId", "users"), ("key", "api-keys")}
    held = {guess.name: guess.fideslang for guess in log.fields}
    assert held["client"] == "user.device.ip_address"
    assert held["prompt"] == "user.content"
    assert held["meta->mail"] == "user.contact.email", "a member of a JSON column is a field"
    assert next(guess.category for guess in log.fields if guess.name == "prompt") == "content"
    assert [(way.field, way.to) for way in of(scan, "invoices").person] == [("customer", "users")]
    assert of(scan, "invoices").clauses == ()


def test_people_without_an_account_are_found_by_what_the_values_look_like(shop: SqlSource) -> None:
    """A column of any name that holds addresses identifies; its naive times want a zone, which the text asks for."""
    scan = scan_sources([shop], policy=POLICY)
    letters = of(scan, "letters")
    assert dict(letters.identifies) == {"email": "who"}
    assert letters.time is not None
    assert letters.time.naive
    text = "\n".join(collection_lines(scan))
    assert "time: at" in text
    assert "it has no zone" in text
    assert "zone: Europe/Berlin}" in "\n".join(collection_lines(scan, zone="Europe/Berlin"))


def test_a_table_that_only_says_who_set_it_up_is_none_of_peoples(shop: SqlSource) -> None:
    """`created_by` leads nowhere in a table of settings: its row is the company's."""
    assert scan_sources([shop], policy=POLICY).without_people == ("shop:settings",)


def test_what_is_mapped_is_not_proposed_and_its_missing_fields_are_named(shop: SqlSource) -> None:
    """A mapped collection is what others refer to, by its own id; fields it does not name are remarked on."""
    mapped = [Mapped(id="people", at="shop:users", fields=frozenset({"id", "email"}))]
    scan = scan_sources([shop], policy=POLICY, mapped=mapped)
    assert "shop:users" not in {one.at for one in scan.proposals}
    assert of(scan, "invoices").person[0].to == "people"
    assert [guess.name for guess in scan.unmapped_fields["people"]] == ["name"]
    assert any("people does not say what these fields hold: name" in line for line in remark_lines(scan))


def test_the_text_reads_back_as_what_was_proposed_whatever_things_are_called(shop: SqlSource) -> None:
    """Names with spaces, signs and YAML's own words are quoted; the map that is read is the map that was meant."""
    scan = scan_sources([shop], policy=POLICY)
    data = load_lined("\n".join(["collections:", *collection_lines(scan)]), source="text").data["collections"]
    log = next(row for row in data if row["at"] == "shop:Request Log")
    assert log["time"] == {"field": "ts", "as": "epoch_ms"}
    assert log["person"] == {"userId": "users.id", "key": "api-keys.key_hash"}
    assert log["fields"]["prompt"] == {"category": "content", "fideslang": "user.content"}
    assert [row["id"] for row in data] == [one.id for one in scan.proposals]


def test_no_value_that_was_read_stands_in_what_comes_out(shop: SqlSource) -> None:
    """Samples are looked at and dropped: neither the text nor the printed form of a scan holds any of them."""
    scan = scan_sources([shop], policy=POLICY)
    told = repr(scan) + "\n".join([*collection_lines(scan), *remark_lines(scan)])
    assert "post.example" not in told
    assert "Person 7" not in told
    assert "203.0.113" not in told


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("stores: {}  # none yet\n", "stores: {}  # none yet\n\ncollections:\n  - id: a\n"),
        ("collections: []\n\n# the end\n", "collections:\n  - id: a\n\n# the end\n"),
        ("collections:\n- id: x   # mine\n  at: s:t\n\n# the end\n", "collections:\n- id: x   # mine\n  at: s:t\n\n- id: a\n\n# the end\n"),
        ("collections:\n    - {id: x}\nsweeps: {}\n", "collections:\n    - {id: x}\n\n    - id: a\nsweeps: {}\n"),
    ],
)  # fmt: skip
def test_merging_leaves_every_letter_of_the_file_as_it_was(before: str, after: str) -> None:
    """Comments, spacing and order stay; new collections stand at the end of the list, indented as it is."""
    assert merge_collections(before, ["- id: a"], "kept.yaml") == after


def test_a_list_in_one_line_is_not_added_to() -> None:
    """What cannot be added to without rewriting it is refused, with what to do."""
    with pytest.raises(BadInput, match="one line"):
        merge_collections("collections: [{id: x}]\n", ["- id: a"], "kept.yaml")


class Failing:
    """A source of many tables of which one cannot be read."""

    name = "many"

    def __init__(self, tables: int) -> None:
        self._tables = tables

    def names(self) -> tuple[str, ...]:
        return (*(f"table_{n:05}" for n in range(self._tables)), "z_users")

    def read(self, names: Sequence[str]) -> Iterator[Table | Unread]:
        for name in names:
            if name == "table_00003":
                yield Unread(at=name, why="it went while it was read")
            else:
                yield Table(at=name, columns=(Column(name="email", type="text", shape=Shape.TEXT),))

    def holds(self, at: str, column: str, values: Collection[str]) -> int:
        return 0


def test_ten_thousand_tables_are_bounded_and_what_was_left_out_is_said() -> None:
    """A scan reads so many tables and no more; those beyond are named; mapped ones come first."""
    mapped = [Mapped(id="last", at="many:table_09999", fields=frozenset())]
    scan = scan_sources([Failing(10_000)], policy=POLICY, mapped=mapped, bounds=Bounds(tables=50))
    assert (scan.tables, len(scan.left_out)) == (49, 9_951)
    assert {one.at for one in scan.proposals} >= {"many:z_users"}, "what is named for people is read before the rest"
    assert "last" in scan.unmapped_fields
    assert [one.at for one in scan.unread] == ["many:table_00003"]
    told = "\n".join(remark_lines(scan))
    assert "Left out, beyond the bounds of one scan: many:table_00048" in told
    assert "and 9911 more" in told


def test_a_store_that_does_not_answer_is_named_and_the_others_go_on(shop: SqlSource) -> None:
    """A closed port is one line of the answer, not its end."""
    down = SqlSource("down", f"postgresql://postgres@127.0.0.1:{free_port()}/x")
    scan = scan_sources([down, shop], policy=POLICY)
    assert "did not answer" in scan.unreached["down"]
    assert of(scan, "users").id == "users"


def test_on_postgresql_a_table_that_fails_is_named_and_the_rest_goes_on(postgres: Postgres, postgres_url: str) -> None:
    """Permission denied, a table that is locked, dates that Python has no word for, a large field and a view: each is met."""
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            """
            CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email text, born date, created_at timestamptz);
            INSERT INTO users (email, born, created_at)
                SELECT 'u' || n || '@post.example', '0044-03-15 BC', 'infinity' FROM generate_series(1, 2500) n;
            CREATE TABLE secret_files (id int, email text);
            CREATE TABLE busy_members (id int, email text);
            CREATE TABLE notes (id int, "user" uuid, note text, created_at timestamp);
            INSERT INTO notes SELECT 1, id, repeat('x', 3000000), now() FROM users LIMIT 3;
            CREATE VIEW all_users AS SELECT * FROM users;
            CREATE SCHEMA "Sales Team";
            CREATE TABLE "Sales Team"."Leads" (id int, "E-Mail" text, at timestamp);
            INSERT INTO "Sales Team"."Leads" SELECT n, 'l' || n || '@post.example', now() FROM generate_series(1, 9) n;
            DROP ROLE IF EXISTS map_reader; CREATE ROLE map_reader LOGIN;
            GRANT USAGE ON SCHEMA "Sales Team" TO map_reader;
            GRANT SELECT ON users, notes, busy_members, "Sales Team"."Leads" TO map_reader;
            """
        )
        with psycopg.connect(postgres_url.replace("+psycopg", "")) as holder:
            holder.execute("LOCK TABLE busy_members IN ACCESS EXCLUSIVE MODE")
            source = SqlSource("main", postgres_url.replace("postgres@", "map_reader@"))
            started = time.monotonic()
            scan = scan_sources([source], policy=POLICY)
            source.close()
        connection.execute("DROP OWNED BY map_reader; DROP ROLE map_reader")
    assert time.monotonic() - started < 10
    assert [one.at for one in scan.unread] == ["main:busy_members", "main:secret_files"]
    assert "too busy" in scan.unread[0].why
    assert "permit" in scan.unread[1].why
    assert dict(of(scan, "users").identifies) == {"email": "email", "user_id": "id"}
    assert [(way.field, way.to) for way in of(scan, "notes").person] == [("user", "users")]
    leads = of(scan, "Sales Team.Leads")
    assert dict(leads.identifies) == {"email": "E-Mail"}
    assert not {one.at for one in scan.proposals} & {"main:all_users"}


def test_mariadb_is_read_like_the_others(mariadb_url: str) -> None:
    """Backticked names, JSON, a time that is no date, a large binary: the same proposals as elsewhere."""
    engine = sa.create_engine(mariadb_url)
    with engine.begin() as connection:
        for statement in MARIADB.split(";"):
            connection.exec_driver_sql(statement)
    engine.dispose()
    source = SqlSource("m", mariadb_url)
    scan = scan_sources([source], policy=POLICY)
    source.close()
    users, log = of(scan, "users"), of(scan, "Request Log")
    assert dict(users.identifies) == {"email": "E-Mail", "user_id": "id"}
    assert [(way.field, way.to, way.why) for way in log.person] == [("user_id", "users", "a declared foreign key")]
    assert log.time is not None
    assert (log.time.name, log.time.form) == ("ts", "epoch_ms")
    assert "meta->mail" in {guess.name for guess in log.fields}


def test_a_table_that_is_dropped_while_others_are_read_is_named(postgres_url: str) -> None:
    """The catalogue was read before: the look at the table itself finds it gone, and says so."""
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE a_users (id int PRIMARY KEY, email text); CREATE TABLE b_gone (id int, email text)"
        )
        source = SqlSource("main", postgres_url)
        reading = source.read(source.names())
        first = next(reading)
        connection.execute("DROP TABLE b_gone")
        rest = list(reading)
        source.close()
    assert isinstance(first, Table)
    assert rest == [Unread(at="b_gone", why="it went while it was read")]


def test_a_host_that_hangs_is_given_up(shop: SqlSource) -> None:
    """A port that accepts and never speaks ends as a store that did not answer, within seconds."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        hanging = SqlSource("hanging", f"postgresql://postgres@127.0.0.1:{listener.getsockname()[1]}/x")
        done = threading.Event()
        found: list[Scan] = []

        def scan() -> None:
            found.append(scan_sources([hanging, shop], policy=POLICY))
            done.set()

        threading.Thread(target=scan, daemon=True).start()
        assert done.wait(15)
    assert "hanging" in found[0].unreached
    assert found[0].tables == 6


def test_at_most_a_thousand_rows_of_a_table_and_only_the_beginning_of_a_value_are_read(tmp_path: Path) -> None:
    """Bytes that are no UTF-8, a large value and a long table do not matter: what is read is bounded."""
    path = tmp_path / "odd.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, remark TEXT)")
        connection.executemany(
            "INSERT INTO people VALUES (?, ?, CAST(x'fffe41' AS TEXT))",
            ((n, f"m{n}@post.example") for n in range(3_000)),
        )
        connection.execute("UPDATE people SET remark = ? WHERE id = 0", ("y" * 5_000_000,))
    source = SqlSource("odd", f"sqlite:///{path}")
    (table,) = source.read(["people"])
    source.close()
    assert isinstance(table, Table)
    assert table.rows == MAX_ROWS
    assert max(len(value) for value in table.values["remark"]) <= 2_000


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs one command in a directory below `tmp_path` and gives what it printed, after its exit status was checked."""
    monkeypatch.delenv("KEPT_CONFIG", raising=False)
    wiring = Wiring(open_services=open_services, make_web=make_web, examples={})

    def run(*words: str, within: Path = tmp_path, status: int = 0) -> str:
        monkeypatch.chdir(within)
        ran = CliRunner().invoke(commands, list(words), obj=wiring)
        assert ran.exit_code == status, ran.output
        return ran.output if "--json" not in words else ran.stdout

    return run


def test_a_database_becomes_an_installation_with_a_whole_map(
    shop: SqlSource, tmp_path: Path, kept: Callable[..., str]
) -> None:
    """`init --database` proposes the map and leaves the policy a draft; `map scan` then finds nothing new, until there is."""
    said = kept("init", "here", "--database", "sqlite:///shop.db", "--zone", "UTC")
    assert "6 tables read, 5 collections proposed" in said
    here = tmp_path / "here"
    settings = load_settings(here / "kept.yaml")
    assert {one.at for one in settings.collections} == {"users", "api_keys", "Request Log", "invoices", "letters"}
    assert next(one.time for one in settings.collections if one.at == "letters") == TimeField(name="at", zone="UTC")
    assert "Everything that holds people's data is mapped." in kept("map", "scan", within=here)
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        connection.execute("CREATE TABLE visits (id INTEGER PRIMARY KEY, user_id INTEGER, ip TEXT, created_at TEXT)")
    before = (here / "kept.yaml").read_text().replace("# What is in them", "# My own remark. What is in them")
    (here / "kept.yaml").write_text(before)
    proposed = json.loads(kept("map", "scan", "--json", within=here))
    assert [one["at"] for one in proposed["collections"]] == ["main:visits"]
    assert not proposed["written"]
    assert "Added to kept.yaml" in kept("map", "scan", "main", "--write", within=here)
    after = (here / "kept.yaml").read_text()
    place = before.index("\n# How the scheduler")
    assert after.startswith(before[:place])
    assert after.endswith(before[place:])
    assert "at: main:visits" in after
    assert "There is no store 'other'" in kept("map", "scan", "other", status=2, within=here)


def test_nothing_that_can_be_reached_is_status_3_and_nothing_is_written(
    postgres: Postgres, tmp_path: Path, kept: Callable[..., str]
) -> None:
    """A closed port, a server without TLS where TLS is asked for, a user it does not know: named, and no file is left."""
    port = free_port()
    for url in (
        f"postgresql://anna:secret-word@127.0.0.1:{port}/x",
        f"postgresql://postgres@127.0.0.1:{postgres.port}/postgres?sslmode=require",
        f"postgresql://nobody_here:secret-word@127.0.0.1:{postgres.port}/postgres",
    ):
        said = kept("init", "here", "--database", url, status=3)
        assert "did not answer" in said
        assert "secret-word" not in said
        assert not (tmp_path / "here").exists()
    kept("init", "here", "--database", "no url", status=2)


def test_a_password_in_a_url_goes_into_a_file_of_its_own(
    postgres_url: str, tmp_path: Path, kept: Callable[..., str]
) -> None:
    """kept.yaml is shown around; the file that holds the secret is its owner's alone."""
    kept("init", "here", "--database", postgres_url.replace("postgres@", "postgres:secret-word@"))
    assert "secret-word" not in (tmp_path / "here" / "kept.yaml").read_text()
    secret = tmp_path / "here" / "var" / "database.url"
    assert "secret-word" in secret.read_text()
    assert secret.stat().st_mode & 0o077 == 0
    assert load_settings(tmp_path / "here" / "kept.yaml").stores["main"].options["url"].endswith(postgres_url[-20:])


def test_values_of_a_column_are_looked_for_in_a_table_longer_than_its_sample(postgres_url: str) -> None:
    """Where the sample does not hold them, the store is asked, by uuid and by number, with the column bare for its index."""
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            """
            CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int, email text);
            INSERT INTO users (n, email) SELECT n, 'u' || n || '@post.example' FROM generate_series(1, 3000) n;
            CREATE TABLE visits (id serial, who text, at timestamptz DEFAULT now());
            INSERT INTO visits (who) SELECT id::text FROM users WHERE n > 2900;
            """
        )
    source = SqlSource("main", postgres_url)
    scan = scan_sources([source], policy=POLICY)
    assert source.holds("users", "n", ["1", "2", "no number"]) == 2
    source.close()
    assert [(way.field, way.to, way.why) for way in of(scan, "visits").person] == [
        ("who", "users", "100% of its values stand there")
    ]
