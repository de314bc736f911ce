"""Every action of a retention clause, carried out for real: what it does to a record, what it leaves, what it refuses."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from core.database import Database
from core.settings import CollectionSettings, FieldSettings, Reference, TimeField
from plans.plan import StepDeed, plan_json, read_plan
from policies.clauses import RetentionClause
from policies.cutoffs import VersionInForce
from policies.documents import Document, parse_document
from retention.tables import RunState
from retention.terms import cutoffs_of
from retention.views import SweepOutcome
from stores.contract import Capability
from stores.periods import PERIODS
from tests.ledger_rooms import StandingClock
from tests.plan_rooms import COLLECTIONS, CREATED, NOW, USER, Gateway, Rooms, ago, make_gateway, wire
from tests.schema import make_tables

EXAMPLES = Path(__file__).parent.parent / "policies" / "examples"
TABLES = (
    "CREATE TABLE chats (id INTEGER PRIMARY KEY, user_id TEXT, prompt TEXT, answer TEXT NOT NULL, model TEXT, created_at TEXT)",
    "CREATE TABLE uses (id INTEGER PRIMARY KEY, user_id TEXT, model TEXT, tokens INTEGER, created_at TEXT, closed_at TEXT)",
    'CREATE TABLE usage_daily (day TEXT, model TEXT, "rows" INTEGER, tokens INTEGER)',
    "CREATE TABLE feedback (id INTEGER PRIMARY KEY, user_id TEXT, email TEXT NOT NULL, body TEXT, rating INTEGER, created_at TEXT)",
)
CONTENT = FieldSettings(category="content", fideslang="user.content")
CHATS = CollectionSettings(
    id="chats",
    store="gateway",
    at="chats",
    category="chat",
    time=CREATED,
    person=USER,
    fields={"prompt": CONTENT, "answer": CONTENT, "model": FieldSettings(fideslang="user.behavior")},
)
USES = CollectionSettings(
    id="uses",
    store="gateway",
    at="uses",
    category="usage",
    time=CREATED,
    events={"use_closed": TimeField(name="closed_at")},
    person=USER,
)
DAILY = CollectionSettings(id="usage-daily", store="gateway", at="usage_daily", category="usage_total")
FEEDBACK = CollectionSettings(
    id="feedback",
    store="gateway",
    at="feedback",
    category="feedback",
    time=CREATED,
    person=USER,
    identifies={"email": "email"},
    fields={"body": FieldSettings(fideslang="user.content"), "rating": FieldSettings(fideslang="system.operations")},
)
ACCOUNTS = next(one for one in COLLECTIONS if one.id == "accounts")
ALL = (*COLLECTIONS, CHATS, USES, DAILY, FEEDBACK)
PROMPTS = "{id: prompts, kind: retention, of: content, for: P3D, then: redact}"
TOTALS = (
    "{id: totals, kind: retention, of: usage, for: P30D, then: aggregate, into: usage_daily, by: [day, model], k: 2}"
)
CHATS_DELETED = "{id: chats, kind: retention, of: chat, for: P3D, then: delete, except: [{of: content, basis: legal_claims, for: P1Y}]}"
NAMELESS = "{id: nameless, kind: retention, of: feedback, for: P90D, then: anonymise}"


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    made = make_gateway(tmp_path / "host", requests=3)
    for table in TABLES:
        made.run(table)
    made.run(
        "INSERT INTO chats VALUES (?, 'u1', 'why?', 'because', 'm', ?)",
        [(1, ago(1)), (2, ago(2.9)), (3, ago(3.1)), (4, ago(40)), (5, None), (6, ago(-2))],
    )
    return made


@pytest.fixture
def control(tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    make_tables(made)
    return made


def rooms_of(
    control: Database,
    gateway: Gateway,
    *clauses: str,
    collections: Sequence[CollectionSettings] = ALL,
    receipts: bool = True,
    breaker: float = 1.0,
) -> Rooms:
    made = wire(control, gateway, collections=collections, receipts=receipts, breaker=breaker)
    made.publish(*clauses)
    return made


def sweep(rooms: Rooms, clause: str) -> SweepOutcome:
    (outcome,) = rooms.sweeps.approve(clause, by="opr_1", reason="looked at it")
    return outcome


def test_redacting_empties_the_fields_of_a_category_and_keeps_the_row(control: Database, gateway: Gateway) -> None:
    """Only what is over its time, only the clause's fields; a time that is missing or to come is counted, never swept;
    where nothing may not stand, the value that says nothing stands; once done, nothing is over its time any more."""
    day = gateway.write_day(4, ["u1", "u2"])
    files = replace(next(one for one in COLLECTIONS if one.id == "request-days"), fields={"prompt": CONTENT})
    rooms = rooms_of(control, gateway, PROMPTS, collections=(*COLLECTIONS[:4], files, CHATS))
    (dry,) = rooms.sweeps.dry_run("prompts")
    seen = {one.collection: (one.rows, one.timeless, one.future) for one in dry.collections}
    assert seen == {"chats": (2, 1, 1), "request-days": (2, 0, 0)}
    outcome = sweep(rooms, "prompts")
    assert (outcome.state, outcome.rows, outcome.run.overdue, outcome.errors) == (RunState.DONE, 4, 0, ())
    assert gateway.values("SELECT id FROM chats WHERE prompt IS NULL AND answer = '' ORDER BY id") == [3, 4]
    assert gateway.count("chats", "model = 'm' AND user_id = 'u1'") == 6
    assert [json.loads(line)["prompt"] for line in day.read_text().splitlines()] == [None, None]
    (again,) = rooms.sweeps.run("prompts")
    assert (again.state, again.rows, again.run.plan_id) == (RunState.DONE, 0, None)
    assert again.run.oldest_remaining == NOW - timedelta(days=2.9)


def test_redacting_a_whole_category_leaves_keys_times_and_what_other_clauses_speak_for(
    control: Database, gateway: Gateway
) -> None:
    """Of a collection that is the category's as a whole, every field goes that the map names for it, and no other."""
    rooms = rooms_of(control, gateway, "{id: chats, kind: retention, of: chat, for: P3D, then: redact}")
    assert sweep(rooms, "chats").rows == 2
    assert gateway.values("SELECT id FROM chats WHERE user_id IS NULL AND model IS NULL ORDER BY id") == [3, 4]
    assert gateway.count("chats", "prompt = 'why?' AND answer = 'because'") == 6
    assert gateway.count("chats", "created_at IS NOT NULL") == 5


def test_anonymising_takes_what_leads_to_a_person_and_leaves_the_rest(control: Database, gateway: Gateway) -> None:
    """References, identifiers and personal fields go; the key, the time and what is nobody's stay; a gap without any."""
    rows = [(n, f"u{n}", f"p{n}@mail.test", "nice", n, ago(30 * n)) for n in range(1, 6)]
    gateway.run("INSERT INTO feedback VALUES (?, ?, ?, ?, ?, ?)", rows)
    bare = replace(USES, person=())
    rooms = rooms_of(
        control, gateway, NAMELESS, NAMELESS.replace("nameless", "bare").replace("feedback", "usage"),
        collections=[bare if one is USES else one for one in ALL],
    )  # fmt: skip
    outcome = sweep(rooms, "nameless")
    assert (outcome.state, outcome.rows, outcome.run.overdue) == (RunState.DONE, 2, 0)
    assert gateway.values("SELECT id FROM feedback WHERE user_id IS NULL AND body IS NULL ORDER BY id") == [4, 5]
    assert gateway.count("feedback", "email LIKE '%@mail.test'") == 3
    assert gateway.values("SELECT rating FROM feedback ORDER BY id") == [1, 2, 3, 4, 5]
    assert sweep(rooms, "nameless").rows == 0
    (dry,) = rooms.sweeps.dry_run("bare")
    assert "no field of it that leads to a person" in dry.gaps[0]


def use_rows(gateway: Gateway) -> None:
    """Over two closed days and an open one: model a by two people, model b by one."""
    rows = []
    for number, day in enumerate((32, 31, 30)):
        for each, (user, model) in enumerate((("u1", "a"), ("u2", "a"), ("u3", "b"))):
            rows.append((number * 10 + each, user, model, 7, ago(day + 0.3 + each / 100)))
    gateway.run("INSERT INTO uses VALUES (?, ?, ?, ?, ?, NULL)", rows)


def test_aggregating_makes_totals_of_closed_periods_and_suppresses_small_groups(
    control: Database, gateway: Gateway
) -> None:
    """A group is of people; one under `k` leaves nothing; the day that is not over as a whole waits for its end; a second
    run finds nothing; totals, delete and receipt are one act of the store."""
    use_rows(gateway)
    rooms = rooms_of(control, gateway, TOTALS)
    plan = rooms.sweeps.dry_run("totals")[0]
    assert [(one.rows, one.deed) for one in plan.collections] == [(6, "aggregate")]
    outcome = sweep(rooms, "totals")
    assert (outcome.state, outcome.rows, outcome.run.overdue, outcome.run.remaining) == (RunState.DONE, 6, 0, 0)
    assert gateway.values("SELECT day || model || \"rows\" || ' ' || tokens FROM usage_daily ORDER BY day") == [
        "2026-10-20a2 14", "2026-10-21a2 14",
    ]  # fmt: skip
    assert gateway.count("uses") == 3
    (again,) = rooms.sweeps.run("totals")
    assert (again.state, again.rows) == (RunState.DONE, 0)
    rooms.clock.advance(timedelta(days=1))
    (next_day,) = rooms.sweeps.run("totals")
    assert (next_day.rows, gateway.count("uses"), gateway.count("usage_daily")) == (3, 0, 3)


def test_totals_by_an_event_of_the_record_itself(control: Database, gateway: Gateway) -> None:
    """Counted after an event, the periods are those of the event; what has none is not over."""
    gateway.run(
        "INSERT INTO uses VALUES (?, ?, 'a', 1, ?, ?)",
        [
            (1, "u1", ago(90), ago(40)),
            (2, "u2", ago(80), ago(40)),
            (3, "u3", ago(90), None),
            (4, "u1", ago(90), ago(5)),
        ],
    )
    rooms = rooms_of(control, gateway, TOTALS.replace("for:", "after: use_closed, for:"))
    assert sweep(rooms, "totals").rows == 2
    assert gateway.values("SELECT id FROM uses ORDER BY id") == [3, 4]
    assert gateway.values("SELECT day FROM usage_daily") == [ago(40)[:10]]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("into: usage_daily", "into: accounts_daily", "There is no accounts_daily in gateway"),
        ("into: usage_daily", "into: request-days", "Its totals go to request-days in files"),
        ("into: usage_daily", "into: uses", "Its totals would go into itself"),
        ("by: [day, model]", "by: [day, region]", "no field region of usage_daily, region of uses in gateway"),
        ("for:", "after: account_closed, for:", "The event account_closed stands in accounts"),
    ],
)
def test_totals_that_cannot_be_made_are_a_gap(
    control: Database, gateway: Gateway, before: str, after: str, words: str
) -> None:
    """Before anything goes: the plan names what is missing, and has no step."""
    use_rows(gateway)
    rooms = rooms_of(control, gateway, TOTALS.replace(before, after))
    (dry,) = rooms.sweeps.dry_run("totals")
    assert words in dry.gaps[0]
    assert dry.collections == ()


def test_totals_want_receipts(control: Database, gateway: Gateway) -> None:
    """What became a total cannot be done again: without receipts there is a gap, and a plan made before is stopped."""
    use_rows(gateway)
    without = rooms_of(control, gateway, TOTALS, receipts=False)
    (dry,) = without.sweeps.dry_run("totals")
    assert "keeps no receipts" in dry.gaps[0]
    rooms = wire(control, gateway, collections=ALL)
    store = rooms.datamap.stores["gateway"]
    rooms.sweeps.approve("totals", by="opr_1", reason="looked at it")
    rooms.clock.advance(timedelta(days=1))
    (draft,) = rooms.sweeps.dry_run("totals")
    assert draft.rows == 3
    store.capabilities -= {Capability.RECEIPTS}
    assert sweep(rooms, "totals").rows == 0
    assert gateway.count("uses") == 3


def test_a_key_is_revoked_and_later_deleted_by_the_clause_that_counts_from_that(
    control: Database, gateway: Gateway
) -> None:
    """`then: revoke` writes the event that a second clause counts `after:`; neither touches what is not its own."""
    rooms = rooms_of(
        control, gateway,
        "{id: idle, kind: retention, of: api_key, after: last_use, for: P90D, then: revoke}",
        "{id: revoked, kind: retention, of: api_key, after: revoked, for: P30D, then: delete}",
    )  # fmt: skip
    assert sweep(rooms, "revoked").rows == 1  # revoked 110 days ago
    assert sweep(rooms, "idle").rows == 2
    assert gateway.values("SELECT id FROM api_keys WHERE revoked_at IS NOT NULL ORDER BY id") == [2, 4]
    rooms.clock.advance(timedelta(days=29))
    assert sum(one.rows for one in rooms.sweeps.run("revoked")) == 0
    rooms.clock.advance(timedelta(days=2))
    assert sum(one.rows for one in rooms.sweeps.run("revoked")) == 2
    assert gateway.values("SELECT id FROM api_keys ORDER BY id") == [1, 3]


def test_an_exception_ends_and_what_it_kept_goes_by_the_same_clause(control: Database, gateway: Gateway) -> None:
    """Over the clause's period and under the exception's: counted as kept, with basis and end; over both: gone."""
    gateway.run("INSERT INTO invoices VALUES (?, 'u2', ?)", [(3, ago(50)), (4, ago(5000))])
    clause = (
        "{id: closed, kind: retention, of: [account, invoice], after: account_closed, for: P30D, then: delete, "
        "except: [{of: invoice, basis: legal_obligation, for: P10Y, note: tax records}]}"
    )
    rooms = rooms_of(control, gateway, clause)
    (dry,) = rooms.sweeps.dry_run("closed")
    assert dry.stays == ("invoices: tax records (1)",)
    outcome = sweep(rooms, "closed")
    assert (outcome.state, outcome.run.overdue) == (RunState.DONE, 0)
    assert gateway.values("SELECT id FROM invoices ORDER BY id") == [1, 2, 3]
    assert gateway.values("SELECT id FROM users ORDER BY id") == ["u1", "u3"]


def test_an_exception_without_an_end_stays_open(control: Database, gateway: Gateway) -> None:
    """No period, or no time to count it from: everything stays, counted. A record with one excepted field stays whole.
    (Lint refuses a document with such an exception; a map without a time shows only when a plan is made.)"""
    rooms = rooms_of(control, gateway, CHATS_DELETED)
    with rooms.database.read() as session:
        history = rooms.policies.history(session)
    clause = history[0].document.clause("chats")
    assert isinstance(clause, RetentionClause)
    endless = replace(clause, exceptions=(replace(clause.exceptions[0], period=None),))
    cutoffs = cutoffs_of(history, "chats", NOW)
    plan = rooms.plans.draft_sweep(clause=endless, cutoffs=cutoffs, version=1, now=NOW)
    assert plan.steps == ()
    (stays,) = rooms.plans.look(plan).stays
    assert (stays.rows, stays.until, stays.basis) == (2, "", "legal_claims")


def test_an_exception_keeps_single_fields_where_the_record_stays(control: Database, gateway: Gateway) -> None:
    """Redacting goes field by field: what an exception covers has its own step, at its own end."""
    clause = (
        "{id: chats, kind: retention, of: chat, for: P3D, then: redact, "
        "except: [{of: content, basis: legal_claims, for: P20D, note: disputes}]}"
    )
    rooms = rooms_of(control, gateway, clause)
    (dry,) = rooms.sweeps.dry_run("chats")
    assert sorted(one.rows for one in dry.collections) == [1, 2]
    assert dry.stays == ("chats: disputes (1)",)
    assert sweep(rooms, "chats").rows == 3
    assert gateway.values("SELECT id FROM chats WHERE model IS NULL ORDER BY id") == [3, 4]
    assert gateway.values("SELECT id FROM chats WHERE prompt IS NULL ORDER BY id") == [4]


def test_two_clauses_by_different_events_count_each_record_once(control: Database, gateway: Gateway) -> None:
    """A record that two clauses claim goes by the one that runs first; the numbers of the runs add up to what went."""
    rooms = rooms_of(
        control, gateway,
        "{id: old, kind: retention, of: api_key, for: P200D, then: delete}",
        "{id: closed, kind: retention, of: api_key, after: account_closed, for: P30D, then: delete}",
    )  # fmt: skip
    dry = {one.clause: one.rows for one in rooms.sweeps.dry_run()}
    assert dry == {"old": 5, "closed": 1}
    rows = [outcome.rows for outcome in rooms.sweeps.approve("all", by="opr_1", reason="looked at it")]
    assert (sum(rows), gateway.count("api_keys")) == (5, 0)


@pytest.mark.parametrize(
    ("statement", "shape"),
    [
        ("UPDATE chats SET created_at = model", "'a'"),
        ("UPDATE chats SET created_at = '2026-10-12T12:00:00.000+02:00' WHERE id = 3", "+99:99"),
    ],
)
def test_times_that_cannot_be_compared_stop_the_clause(
    control: Database, gateway: Gateway, statement: str, shape: str
) -> None:
    """A column that is no time, or times of mixed zones: the shapes are named, and nothing is swept by a guess."""
    gateway.run(statement)
    rooms = rooms_of(control, gateway, PROMPTS)
    (dry,) = rooms.sweeps.dry_run("prompts")
    assert shape in dry.blocked[0]
    outcome = sweep(rooms, "prompts")
    assert outcome.state is RunState.FAILED
    assert gateway.count("chats", "prompt = 'why?'") == 6


def test_minutes_for_days_wait_for_a_person(control: Database, gateway: Gateway) -> None:
    """A policy of 30 minutes where 30 days were meant: the changed clause waits, with what it would take."""
    rooms = rooms_of(control, gateway, "{id: chats, kind: retention, of: chat, for: P30D, then: delete}", breaker=0.2)
    assert sweep(rooms, "chats").rows == 1
    rooms.clock.advance(timedelta(minutes=1))
    rooms.publish("{id: chats, kind: retention, of: chat, for: PT30M, then: delete}")
    (outcome,) = rooms.sweeps.run("chats")
    assert outcome.state is RunState.WAITING
    assert outcome.waiting is not None
    assert outcome.waiting.sweep.rows == 3
    assert gateway.count("chats") == 5


def test_a_hold_that_a_store_cannot_filter_by_keeps_all_of_the_collection(control: Database, gateway: Gateway) -> None:
    """The files lead to the person through a table of another store that holds no identifier: nobody can tell there whose
    records they are, so all stay, the plan names hold and collection, and no other collection is kept for that."""
    gateway.run("CREATE TABLE sessions (id TEXT PRIMARY KEY, user_id TEXT)")
    sessions = CollectionSettings(id="sessions", store="gateway", at="sessions", category="session", person=USER)
    days = next(one for one in COLLECTIONS if one.id == "request-days")
    days = replace(days, person=(Reference(field="user_id", to="sessions", to_field="id"),))
    old = gateway.write_day(40, ["s1"])
    gateway.run("INSERT INTO request_log VALUES (90, 'u1', ?)", [(ago(40),)])
    rooms = rooms_of(
        control, gateway, "{id: request-logs, kind: retention, of: request_log, for: P30D, then: delete}",
        collections=(*COLLECTIONS[:4], sessions, days),
    )  # fmt: skip
    hold = rooms.plans.holds.add(by="opr_1", reason="case 7", person={"email": ["ben@mail.test"]})
    (dry,) = rooms.sweeps.dry_run("request-logs")
    assert {one.collection: (one.rows, one.held) for one in dry.collections} == {
        "requests": (1, 0), "request-days": (0, 1),
    }  # fmt: skip
    assert [hold.id in gap and "request-days" in gap for gap in dry.gaps] == [True]
    assert sweep(rooms, "request-logs").rows == 1
    assert old.exists()
    assert gateway.count("request_log", "id = 90") == 0


def test_a_hold_without_a_way_keeps_what_may_be_the_persons(control: Database, gateway: Gateway) -> None:
    """A collection of people's data that the map does not lead to keeps all of it; one of nobody's data keeps nothing."""
    gateway.run("INSERT INTO feedback VALUES (1, 'u2', 'b@mail.test', 'x', 1, ?)", [(ago(100),)])
    gateway.run("INSERT INTO usage_daily VALUES (?, 'a', 12, 9)", [(ago(100),)])
    lost = replace(FEEDBACK, person=(), identifies={})
    daily = replace(DAILY, time=TimeField(name="day"))
    rooms = rooms_of(
        control, gateway, "{id: all, kind: retention, of: [feedback, usage_total], for: P9D, then: delete}",
        collections=(ACCOUNTS, lost, daily),
    )  # fmt: skip
    rooms.plans.holds.add(by="opr_1", reason="case 7", person={"email": ["ben@mail.test"]})
    assert [gap.split(" ")[0] for gap in rooms.sweeps.dry_run("all")[0].gaps] == ["feedback"]
    assert sweep(rooms, "all").rows == 1
    assert (gateway.count("feedback"), gateway.count("usage_daily")) == (1, 0)


def test_a_store_with_a_wrong_clock_stops_its_own_clauses_only(control: Database, gateway: Gateway) -> None:
    """What other stores hold goes on, and by the right time."""
    rooms = rooms_of(control, gateway, PROMPTS, NAMELESS)
    day = gateway.write_day(40, ["u1"])
    rooms.datamap.stores["gateway"].capabilities |= {Capability.OWN_CLOCK}
    rooms.datamap.stores["gateway"]._clock = StandingClock(NOW - timedelta(days=9))  # type: ignore[attr-defined]
    assert rooms.plans.now() == NOW
    outcome = sweep(rooms, "prompts")
    assert outcome.state is RunState.FAILED
    assert "clock of the store gateway" in outcome.errors[0]
    rooms.clock.advance(timedelta(minutes=1))
    rooms.publish("{id: files, kind: retention, of: request_file, for: P30D, then: delete}")
    files = replace(next(one for one in COLLECTIONS if one.id == "request-days"), category="request_file")
    rooms.plans.datamap = type(rooms.datamap)((files,), rooms.datamap.stores)
    assert sweep(rooms, "files").rows == 1
    assert not day.exists()


def test_a_delete_names_what_may_lose_its_pointer_and_every_step_survives_json(
    control: Database, gateway: Gateway
) -> None:
    """The mapped tables of the same store, and no others; what is stored of a plan is what was made."""
    use_rows(gateway)
    rooms = rooms_of(
        control, gateway, PROMPTS, TOTALS, NAMELESS,
        "{id: request-logs, kind: retention, of: request_log, for: P1D, then: delete}",
    )  # fmt: skip
    plans = {one.clause.id: rooms.sweeps._drafting.draft(one, NOW).plan for one in rooms.sweeps.clauses()}
    tables, files = plans["request-logs"].steps
    assert set(tables.loosens) == {one.at for one in ALL if one.store == "gateway"}
    assert files.loosens == ()
    assert {step.deed for plan in plans.values() for step in plan.steps} == {
        StepDeed.DELETE, StepDeed.REDACT, StepDeed.AGGREGATE, StepDeed.ANONYMISE,
    }  # fmt: skip
    for plan in plans.values():
        assert read_plan(json.loads(json.dumps(plan_json(plan)))) == plan


def test_every_retention_clause_of_the_example_policies_becomes_a_step(control: Database, tmp_path: Path) -> None:
    """Whatever a published policy promises can be planned, given a map that names times, events and fields."""
    for path in sorted(EXAMPLES.glob("[!.]*.md")):
        document = parse_document(path.read_text("utf-8"), path.name)
        plan_all(control, make_gateway(tmp_path / path.name, requests=1), document)


def plan_all(control: Database, gateway: Gateway, document: Document) -> None:
    """Every retention clause of a document over tables made for it: no gap, and nothing that blocks."""
    clauses = document.of_kind(RetentionClause)
    collections = []
    for clause in clauses:
        groups = [name for name in clause.by if name not in PERIODS]
        if clause.into:
            gateway.run(f"CREATE TABLE IF NOT EXISTS {clause.into} ({', '.join(clause.by)}, rows INTEGER)")
        for category in (*clause.of, *(name for one in clause.exceptions for name in one.of)):
            events = [one.event for one in clauses if one.event and category in one.of]
            columns = dict.fromkeys(["user_id", "body", "made_at", "revoked_at", *events, *groups])
            gateway.run(f"CREATE TABLE IF NOT EXISTS held_{category} (id INTEGER PRIMARY KEY, {', '.join(columns)})")
            collections.append(
                CollectionSettings(
                    id=category,
                    store="gateway",
                    at=f"held_{category}",
                    category=category,
                    time=TimeField(name="made_at"),
                    events={"revoked": TimeField(name="revoked_at")} | {one: TimeField(name=one) for one in events},
                    person=USER,
                    fields={"body": FieldSettings(fideslang="user.content")},
                )
            )
    known = {one.id: one for one in reversed(collections) if one.id != "account"}
    rooms = wire(control, gateway, collections=(ACCOUNTS, *known.values()))
    history = [VersionInForce(number=1, in_force_at=NOW, document=document)]
    for clause in clauses:
        cutoffs = cutoffs_of(history, clause.id, NOW)
        plan = rooms.plans.draft_sweep(clause=clause, cutoffs=cutoffs, version=1, now=NOW)
        gaps = [gap for gap in plan.gaps if not gap.what.startswith("accounts")]
        assert (gaps, bool(plan.steps or plan.stays or plan.gaps)) == ([], True), clause.id
        assert rooms.plans.look(plan).blocked == (), clause.id
