"""Sweeps against a slow reference that knows nothing of plans: it decides record by record, in plain Python, what must go."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.database import Database
from core.settings import CollectionSettings, FieldSettings
from plans.holds import HoldRow
from plans.standing import RunResult
from plans.tables import PlanState
from policies.clauses import RetentionClause
from policies.cutoffs import VersionInForce
from policies.documents import parse_document
from retention.terms import cutoffs_of
from tests.plan_rooms import COLLECTIONS, CREATED, NOW, USER, Gateway, Rooms, wire
from tests.policy_texts import policy_text
from tests.schema import make_tables

HOUR = timedelta(hours=1)
USERS = ("u0", "u1", "u2")
KINDS = ("note", "paper")
BODY = {"body": FieldSettings(category="content")}
MADE = tuple(
    CollectionSettings(
        id=f"{kind}s", store="gateway", at=f"{kind}s", category=kind, time=CREATED, person=USER, fields=BODY
    )
    for kind in KINDS
)
USES = CollectionSettings(id="uses", store="gateway", at="uses", category="use", time=CREATED, person=USER)
TABLES = """
CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT, created_at TEXT, deleted_at TEXT);
CREATE TABLE notes (id INTEGER PRIMARY KEY, user_id TEXT, body TEXT, created_at TEXT);
CREATE TABLE papers (id INTEGER PRIMARY KEY, user_id TEXT, body TEXT, created_at TEXT);
CREATE TABLE uses (id INTEGER PRIMARY KEY, user_id TEXT, model TEXT, tokens INTEGER, created_at TEXT);
CREATE TABLE totals (day TEXT, model TEXT, "rows" INTEGER, tokens INTEGER);
"""


@dataclass(frozen=True, kw_only=True)
class Record:
    """`hours`: how long before NOW it was made, None where it has no time."""

    kind: str
    user: str | None
    hours: int | None

    @property
    def time(self) -> datetime | None:
        return None if self.hours is None else NOW - self.hours * HOUR


@dataclass(frozen=True, kw_only=True)
class Version:
    """What one version of the clause says, and for how many hours it has been in force. `days` None: it is left out."""

    hours: int
    days: int | None
    event: bool


@dataclass(frozen=True, kw_only=True)
class Held:
    user: str | None
    since: int | None
    until: int | None


@dataclass(frozen=True, kw_only=True)
class World:
    records: list[Record]
    versions: list[Version]
    closed: dict[str, int]  # hours ago
    exception: int | None  # days that papers are kept at least
    holds: list[Held]
    redact: bool


HOURS = st.integers(-30, 500)
DAYS = st.integers(1, 15)
RECORDS = st.builds(
    Record, kind=st.sampled_from(KINDS), user=st.sampled_from((*USERS, None)), hours=st.one_of(st.none(), HOURS)
)
WORLDS = st.builds(
    World,
    records=st.lists(RECORDS, min_size=1, max_size=25),
    versions=st.lists(
        st.builds(Version, hours=st.integers(0, 400), days=st.one_of(st.none(), DAYS), event=st.booleans()),
        min_size=1,
        max_size=3,
        unique_by=lambda one: one.hours,
    ).filter(lambda found: max(found, key=lambda one: one.hours).days is not None),
    closed=st.dictionaries(st.sampled_from(USERS), st.integers(0, 500), max_size=3),
    exception=st.one_of(st.none(), DAYS),
    holds=st.lists(
        st.builds(
            Held,
            user=st.sampled_from((*USERS, None)),
            since=st.one_of(st.none(), st.integers(200, 500)),
            until=st.one_of(st.none(), st.integers(0, 190)),
        ),
        max_size=2,
    ),
    redact=st.booleans(),
)


def is_over(record: Record, world: World) -> bool:
    """Some version that was in force at the record's time, or came after, says that its time is up."""
    versions = sorted(world.versions, key=lambda one: -one.hours)
    for place, version in enumerate(versions):
        if version.days is None:
            continue
        ends = NOW - versions[place + 1].hours * HOUR if place + 1 < len(versions) else None
        limit = NOW - timedelta(days=version.days)
        promised = ends is None or (record.time is not None and record.time < ends)
        closed = world.closed.get(record.user or "")
        counted = NOW - closed * HOUR if closed is not None else None
        since = counted if version.event else record.time
        if promised and since is not None and since < limit:
            return True
    return False


def is_held(record: Record, hold: Held) -> bool:
    """By whose it is and when it was made; without a time it cannot be shown to lie outside."""
    if hold.user not in (None, record.user):
        return False
    if record.time is None:
        return True
    after = hold.since is None or record.time >= NOW - hold.since * HOUR
    return after and (hold.until is None or record.time < NOW - hold.until * HOUR)


def must_go(record: Record, world: World) -> bool:
    kept = record.kind == "paper" and world.exception is not None
    if kept and (record.time is None or record.time >= NOW - timedelta(days=world.exception or 0)):
        return False
    return is_over(record, world) and not any(is_held(record, hold) for hold in world.holds)


def history_of(world: World) -> list[VersionInForce]:
    other = "{id: other, kind: retention, of: invoice, for: P10Y, then: delete}"
    made = []
    for number, version in enumerate(sorted(world.versions, key=lambda one: -one.hours), start=1):
        clauses = [other]
        if version.days is not None:
            after = "after: account_closed, " if version.event else ""
            of = "content" if world.redact else "[note, paper]"
            excepted = f", except: [{{of: paper, basis: legal_claims, for: P{world.exception}D}}]"
            clauses.append(
                f"{{id: made, kind: retention, of: {of}, {after}for: P{version.days}D, "
                f"then: {'redact' if world.redact else 'delete'}"
                f"{excepted if world.exception is not None and not world.redact else ''}}}"
            )
        document = parse_document(policy_text(*clauses, body="-"), "p.md")
        in_force = NOW - version.hours * HOUR
        made.append(VersionInForce(number=number, in_force_at=in_force, document=document))
    return made


def text_of(instant: datetime | None) -> str | None:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ") if instant is not None else None


class House:
    """One control database for many small gateways."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._number = count()
        self.database = Database(f"sqlite:///{root / 'kept.db'}")
        make_tables(self.database)

    def gateway(self, closed: dict[str, int]) -> Gateway:
        """An empty one, with its people."""
        root = self._root / f"host{next(self._number)}"
        (root / "logs").mkdir(parents=True)
        made = Gateway(root=root)
        with closing(sqlite3.connect(made.path)) as connection:
            connection.executescript(TABLES)
        people = [(user, f"{user}@x.test", text_of(NOW), closed.get(user)) for user in USERS]
        rows = [(*row[:3], text_of(NOW - row[3] * HOUR) if row[3] is not None else None) for row in people]
        made.run("INSERT INTO users VALUES (?, ?, ?, ?)", rows)
        with self.database.begin() as session:
            session.execute(sa.delete(HoldRow))
        return made

    def run(self, rooms: Rooms, history: list[VersionInForce], name: str) -> tuple[int, RunResult]:
        """Plan, preview, approve, run; gives what the preview said and what was done."""
        found = [one.document.clause(name) for one in history]
        clause = [one for one in found if isinstance(one, RetentionClause)][-1]
        plan = rooms.plans.draft_sweep(
            clause=clause, cutoffs=cutoffs_of(history, name, NOW), version=len(history), now=NOW
        )
        rooms.plans.store(plan)
        said = rooms.plans.preview(plan.id).total
        rooms.plans.approve(plan.id, by="opr_1", reason="looked at it")
        return said, rooms.plans.run(plan.id)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("reference"))
    yield made
    made.database.close()


def check(house: House, world: World) -> None:
    """Exactly what must go went, and the numbers say so."""
    gateway = house.gateway(world.closed)
    for number, record in enumerate(world.records):
        row = (number, record.user, "text", text_of(record.time))
        gateway.run(f"INSERT INTO {record.kind}s VALUES (?, ?, ?, ?)", [row])
    rooms = wire(house.database, gateway, batch_rows=3, collections=(COLLECTIONS[0], *MADE))
    for hold in world.holds:
        rooms.plans.holds.add(
            by="opr_1",
            reason="case",
            person={"user_id": [hold.user]} if hold.user else None,
            since=NOW - hold.since * HOUR if hold.since is not None else None,
            until=NOW - hold.until * HOUR if hold.until is not None else None,
        )
    plain = World(**{**vars(world), "exception": None}) if world.redact else world
    wanted = {number for number, record in enumerate(world.records) if must_go(record, plain)}
    said, result = house.run(rooms, history_of(world), "made")
    where = "body IS NULL" if world.redact else "1"
    there = {number for kind in KINDS for number in gateway.values(f"SELECT id FROM {kind}s WHERE {where}")}
    assert there == (wanted if world.redact else set(range(len(world.records))) - wanted)
    assert (result.state, said, result.rows) == (PlanState.DONE, len(wanted), len(wanted))


@dataclass(frozen=True, kw_only=True)
class Use:
    user: str | None
    model: str
    hours: int


USE_LISTS = st.lists(
    st.builds(Use, user=st.sampled_from((*USERS, None)), model=st.sampled_from("ab"), hours=st.integers(0, 200)),
    min_size=1,
    max_size=25,
)


def check_totals(house: House, uses: list[Use], days: int, k: int) -> None:
    """Whole days before the cutoff become totals of at least `k` people, and go; each once."""
    gateway = house.gateway({})
    rows = [
        (number, use.user, use.model, number + 1, text_of(NOW - use.hours * HOUR)) for number, use in enumerate(uses)
    ]
    gateway.run("INSERT INTO uses VALUES (?, ?, ?, ?, ?)", rows)
    midnight = (NOW - timedelta(days=days)).replace(hour=0)
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    left = set()
    for number, use in enumerate(uses):
        at = NOW - use.hours * HOUR
        if at < midnight:
            groups[at.date().isoformat(), use.model].append(number)
        else:
            left.add(number)
    wanted = sorted(
        (day, model, len(found), sum(number + 1 for number in found))
        for (day, model), found in groups.items()
        if len({uses[number].user for number in found} - {None}) >= k
    )
    clause = f"{{id: totals, kind: retention, of: use, for: P{days}D, then: aggregate, into: totals, by: [day, model], k: {k}}}"
    document = parse_document(policy_text(clause, body="-"), "p.md")
    rooms = wire(house.database, gateway, batch_rows=3, collections=(COLLECTIONS[0], USES))
    said, result = house.run(rooms, [VersionInForce(number=1, in_force_at=NOW, document=document)], "totals")
    with closing(sqlite3.connect(gateway.path)) as connection:
        assert connection.execute('SELECT day, model, "rows", tokens FROM totals ORDER BY 1, 2').fetchall() == wanted
    assert set(gateway.values("SELECT id FROM uses")) == left
    assert (result.state, said, result.rows) == (PlanState.DONE, len(uses) - len(left), len(uses) - len(left))


QUICK = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(world=WORLDS)
def test_exactly_what_the_reference_says_goes(house: House, world: World) -> None:
    """Versions, periods, events, exceptions and holds: what goes is decided for each record alone, and is what went."""
    check(house, world)


@QUICK
@given(uses=USE_LISTS, days=st.integers(1, 5), k=st.integers(2, 3))
def test_totals_are_those_of_the_reference(house: House, uses: list[Use], days: int, k: int) -> None:
    """Counted by hand, day by day and group by group."""
    check_totals(house, uses, days, k)


@pytest.mark.slow
@LONG
@given(world=WORLDS)
def test_exactly_what_the_reference_says_goes_at_length(house: House, world: World) -> None:
    """The same, many times."""
    check(house, world)


@pytest.mark.slow
@LONG
@given(uses=USE_LISTS, days=st.integers(1, 5), k=st.integers(2, 3))
def test_totals_are_those_of_the_reference_at_length(house: House, uses: list[Use], days: int, k: int) -> None:
    """The same, many times."""
    check_totals(house, uses, days, k)
