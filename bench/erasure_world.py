"""The people that requests are measured on: an account and five tables of a gateway in PostgreSQL, with declared keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
import sqlalchemy as sa

from core.settings import CollectionSettings, Reference, TimeField
from tests.servers import run_postgres

TABLES: Final = ("request_log", "billing_log", "playground", "feedback", "support")
ROWS_EACH: Final = 2_000
_SETTINGS: Final = {"shared_buffers": "512MB", "max_wal_size": "4GB", "checkpoint_timeout": "30min"}


class PeopleWorld:
    """So many people, each with one account and ROWS_EACH rows in each of five tables, about 200 bytes a row; their rows lie
    among those of the others, as they came in. Each person is erased once."""

    def __init__(self, url: str, people: int) -> None:
        self.url, self._left = url, iter(range(1, people + 1))
        plain = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection = psycopg.connect(plain, autocommit=True)
        self._fill(people)

    @property
    def rows(self) -> int:
        """Of one person, with the account."""
        return ROWS_EACH * len(TABLES) + 1

    def next_person(self) -> str:
        """The address of somebody who is still there."""
        return f"person{next(self._left)}@post.example"

    def raw(self, email: str) -> None:
        """What somebody would type, children first, in one transaction."""
        with self._connection.transaction():
            found = self._connection.execute("SELECT id FROM accounts WHERE email = %s", (email,)).fetchone()
            assert found is not None
            for table in TABLES:
                self._connection.execute(f"DELETE FROM {table} WHERE user_id = %s".encode(), found)
            self._connection.execute("DELETE FROM accounts WHERE id = %s", found)

    def left(self, email: str) -> int:
        """Accounts that still have this address."""
        row = self._connection.execute("SELECT count(*) FROM accounts WHERE email = %s", (email,)).fetchone()
        assert row is not None
        return int(row[0])

    def tidy(self) -> None:
        """Away with dead rows, so that no way meets those of the one before."""
        self._run("VACUUM ANALYZE")
        self._run("CHECKPOINT")

    def close(self) -> None:
        self._connection.close()

    def _fill(self, people: int) -> None:
        self._run("CREATE TABLE accounts (id bigint PRIMARY KEY, email text UNIQUE, created_at timestamptz)")
        self._run(
            "INSERT INTO accounts SELECT i, 'person' || i || '@post.example', now() "
            f"FROM generate_series(1, {people}) i"
        )
        for table in TABLES:
            self._run(
                f"CREATE TABLE {table} (id bigint PRIMARY KEY, user_id bigint REFERENCES accounts, "
                "created_at timestamptz, model text, note text)"
            )
            self._run(
                f"INSERT INTO {table} SELECT i, i % {people} + 1, now() - i * interval '1 second', 'gpt-4o', "
                f"repeat(md5(i::text), 4) FROM generate_series(0, {people * ROWS_EACH - 1}) i"
            )
            self._run(f"CREATE INDEX ON {table} (user_id)")
        self.tidy()

    def _run(self, statement: str) -> None:
        self._connection.execute(statement.encode())


def people_map(store: str) -> tuple[CollectionSettings, ...]:
    """The map of this world, as somebody would write it."""
    created = TimeField(name="created_at")
    accounts = CollectionSettings(
        id="accounts", store=store, at="accounts", category="account", time=created, identifies={"email": "email"}
    )
    return (
        accounts,
        *(
            CollectionSettings(
                id=name,
                store=store,
                at=name,
                category=name,
                time=created,
                person=(Reference(field="user_id", to="accounts", to_field="id"),),
            )
            for name in TABLES
        ),
    )


@contextmanager
def people_world(people: int) -> Iterator[PeopleWorld]:
    """The world on a durable server of its own."""
    with run_postgres(fsync=True, settings=_SETTINGS) as cluster, cluster.fresh_database() as url:
        world = PeopleWorld(url, people)
        try:
            yield world
        finally:
            world.close()
