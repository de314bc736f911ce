"""For each example policy an installation with stores built for it: a table for every category, a map of them, mail in, people."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import freezegun
import sqlalchemy as sa

from app import open_services
from core.heartbeats import beat
from core.keys import write_secret
from core.personal import Personal
from jobs.scheduler import standing_jobs
from jobs.services import Services
from policies.acceptances import NewAcceptance
from policies.clauses import (
    AcceptanceClause,
    CollectsClause,
    RetentionClause,
)
from policies.documents import Document, parse_document
from policies.succession import AcceptedBy
from promises.board import ClauseState
from promises.states import State
from promises.vouching import longest_for, may_be_vouched
from tests.schema import write_migrated

EXAMPLES = Path(__file__).parent.parent / "policies" / "examples"
# How long the policy has been in force when a test looks: longer than any clause lets its work take.
AGE = timedelta(days=40)
EVENTS = {"last_use": "last_used_at", "revoked": "revoked_at"}
ACCOUNTS = "account"


def read_example(name: str) -> Document:
    return parse_document((EXAMPLES / f"{name}.md").read_text(encoding="utf-8"), f"{name}.md")


def categories(document: Document) -> tuple[str, ...]:
    """Every category that the policy collects or keeps, that of accounts first."""
    found = [one.category for one in document.of_kind(CollectsClause)]
    found += [category for one in document.of_kind(RetentionClause) for category in one.of]
    return tuple(dict.fromkeys([ACCOUNTS, *found]))


def columns_of(document: Document, category: str) -> dict[str, str]:
    """The event columns of a category's table: event → column."""
    asked = {one.event for one in document.of_kind(RetentionClause) if category in one.of and one.event}
    return {event: EVENTS[event] for event in sorted(asked) if event in EVENTS}


def totals_of(document: Document) -> list[tuple[str, tuple[str, ...]]]:
    """Where totals go, with the fields that they are counted by."""
    return [(one.into, one.by) for one in document.of_kind(RetentionClause) if one.into]


def write_stores(path: Path, document: Document, now: datetime) -> None:
    """A table for every category with a few fresh records of three people; none of them is over its time."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE account (id TEXT PRIMARY KEY, email TEXT, name TEXT, created_at TEXT, deleted_at TEXT)"
        )
        people = [(f"u{n}", f"person{n}@post.example", f"Person {n}", iso(now - timedelta(days=9))) for n in range(3)]
        connection.executemany("INSERT INTO account VALUES (?, ?, ?, ?, NULL)", people)
        by = {field for _, fields in totals_of(document) for field in fields if field != "day"}
        for category in categories(document)[1:]:
            events = columns_of(document, category)
            more = "".join(f", {name} TEXT" for name in (*sorted(by), *events.values()))
            connection.execute(
                f"CREATE TABLE {category} (id INTEGER PRIMARY KEY, user_id TEXT, created_at TEXT, note TEXT{more})"
            )
            rows = [(f"u{n % 3}", iso(now - timedelta(days=n)), "fine") for n in range(6)]
            connection.executemany(f"INSERT INTO {category} (user_id, created_at, note) VALUES (?, ?, ?)", rows)
            for column in [one for event, one in events.items() if event == "last_use"]:
                connection.execute(f"UPDATE {category} SET {column} = created_at")
        for into, fields in totals_of(document):
            named = "".join(f"{name} TEXT, " for name in fields)
            connection.execute(f"CREATE TABLE {into} ({named}rows INTEGER)")


def configuration(name: str, document: Document) -> str:
    """The kept.yaml of it: every table mapped, a mailbox that is read, somebody who hears of alarms."""
    lines = [
        f"policy: policies/{name}.md",
        "service: {base_url: 'http://127.0.0.1:8080', database: 'sqlite:///var/kept.db', secret_key: 'file:var/secret.key'}",
        "mail: {from: Privacy <privacy@kept.example>}",
        "inbox: {maildir: mail}",
        "alerts: {mail: [lead@kept.example]}",
        "owners: {legal: [legal@kept.example], security: [security@kept.example]}",
        "public: {promises: true}",
        "stores: {gateway: {kind: sql, url: 'sqlite:///gateway.db'}}",
        "collections:",
        "  - {id: account, at: 'gateway:account', category: account, time: created_at,",
        "     events: {account_closed: deleted_at}, identifies: {email: email, user_id: id},",
        "     fields: {name: {fideslang: user.name}}}",
    ]
    for category in categories(document)[1:]:
        events = "".join(f"{event}: {column}, " for event, column in columns_of(document, category).items())
        lines += [
            f"  - {{id: {category}, at: 'gateway:{category}', category: {category}, time: created_at,",
            f"     events: {{{events.rstrip(', ')}}}, person: {{user_id: account.id}}}}",
        ]
    for into, fields in totals_of(document):
        named = ", ".join(f"{name}: {{fideslang: system.operations}}" for name in (*fields[1:], "rows"))
        lines.append(
            f"  - {{id: {into}, at: 'gateway:{into}', category: usage_total, time: {{field: day, zone: UTC}}, fields: {{{named}}}}}"
        )
    return "\n".join(lines) + "\n"


@dataclass(kw_only=True)
class BoardHouse:
    """One installation under one of the five policies."""

    root: Path
    kept: Services
    document: Document
    stack: ExitStack

    def restart(self) -> None:
        """Another process takes over: what was known of tables for half a minute is read again."""
        self.stack.close()
        self.kept = self.stack.enter_context(open_services(self.root / "kept.yaml"))

    def run(self, statement: str, *values: object) -> None:
        """Something happens in the gateway's database, without Kept."""
        with closing(sqlite3.connect(self.root / "gateway.db")) as connection, connection:
            connection.execute(statement, values)

    def own(self, statement: str, **values: object) -> None:
        """Something happens in Kept's own database: time passes there."""
        with self.kept.database.begin() as session:
            session.execute(sa.text(statement), values)

    def look(self) -> dict[str, ClauseState]:
        """Every machine looks, as the scheduler has them do; then the board, by clause."""
        kept = self.kept
        kept.evidences.refresh()
        kept.drift.check()
        kept.content.scan()
        return {one.clause_id: one for one in kept.board().clauses}

    def read_mail(self) -> None:
        """The job that reads mailboxes runs, and leaves its heartbeat."""
        job = next(one for one in standing_jobs(self.kept) if one.name == "inbox")
        job.run()
        with self.kept.database.begin() as session:
            beat(session, job.name, self.kept.clock.now())

    def vouch_for_the_rest(self, seen: dict[str, ClauseState]) -> list[str]:
        """Somebody vouches for what no machine can see; gives the clauses."""
        now, zone = self.kept.clock.now(), self.document.controller.timezone
        open_ones = [name for name, one in seen.items() if one.state is State.BROKEN]
        for name in open_ones:
            clause = self.document.clause(name)
            assert clause is not None
            assert may_be_vouched(clause), seen[name].proof
            self.kept.attestations.attest(
                name, by="opr_1", name="Mara Okonjo", until=longest_for(clause, now, zone), words="I looked at it."
            )
        return open_ones

    def accept(self) -> None:
        """The application reports that people use the version."""
        way = next((one.by for one in self.document.of_kind(AcceptanceClause)), "")
        if way:
            new = NewAcceptance(subject=Personal("u1"), version=1, by=AcceptedBy(way), channel="web")
            self.kept.acceptances.record(new, actor="tok_1")


def iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def open_board(name: str, root: Path) -> Iterator[BoardHouse]:
    """An installation whose policy has been in force for some weeks, with records that are all inside their time."""
    now, document = datetime.now(UTC), read_example(name)
    (root / "policies").mkdir(parents=True)
    for part in ("cur", "new", "tmp"):
        (root / "mail" / part).mkdir(parents=True)
    (root / "policies" / f"{name}.md").write_text(document.text, encoding="utf-8")
    (root / "kept.yaml").write_text(configuration(name, document), encoding="utf-8")
    write_secret(root / "var" / "secret.key")
    write_migrated(root / "var" / "kept.db")
    write_stores(root / "gateway.db", document, now)
    with freezegun.freeze_time(now - AGE, tick=True), open_services(root / "kept.yaml") as kept:
        kept.policies.publish(document, actor="system")
        kept.ledger.settle()
    with ExitStack() as stack:
        kept = stack.enter_context(open_services(root / "kept.yaml"))
        yield BoardHouse(root=root, kept=kept, document=document, stack=stack)
