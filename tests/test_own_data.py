"""Kept's own data under Kept's own clauses: what is over its time goes, what is needed stays, and the ledger still verifies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import freezegun
import pytest
import sqlalchemy as sa
from freezegun.api import FrozenDateTimeFactory, StepTickTimeFactory, TickingDateTimeFactory

from core.clock import SystemClock
from core.database import Database
from core.leases import Leases
from core.one_time import issue_token
from core.operators import Role, add_operator, part_with
from core.outbox import post
from core.personal import Personal
from core.settings_file import load_settings
from dsr.attachments import Attachment
from dsr.package import Packages
from dsr.tables import ConversationRow, TicketRow
from inbox.taking import Taking
from plans.own import STORE, own_map, own_plans
from policies.acceptance_tables import ConsentRow
from policies.cutoffs import bounds
from policies.own import OwnPolicies, OwnVersionRow, is_own, own_document, own_period
from retention.own import AllSweeps, OwnSweeps, with_own_sweeps
from retention.tables import RunState
from retention.views import SweepOutcome
from stores.sql import SqlStore
from tests.dsr_house import ANNA, BRUNO, NOON, OPERATOR, House, build_house
from tests.ledger_rooms import count_rows

Frozen = FrozenDateTimeFactory | TickingDateTimeFactory
START = datetime(2026, 6, 11, 10, 6, tzinfo=UTC)


class OwnStore(SqlStore):
    """The store by the test's clock, as years pass there and not on the server."""

    def now(self) -> datetime:
        return SystemClock().now()


@dataclass(frozen=True, kw_only=True)
class Home:
    """A house of requests with its own data swept. `everything`: the policy's clauses and Kept's own, as app.py has it."""

    house: House
    sweeps: OwnSweeps
    everything: AllSweeps
    policies: OwnPolicies

    def sweep(self, clause: str | None = None) -> dict[str, SweepOutcome]:
        return {one.clause: one for one in self.sweeps.run(f"kept:{clause}" if clause else None)}

    def count(self, table: str, where: str = "1 = 1") -> int:
        """By SQL of the test's own."""
        return int(self.scalar(f"SELECT count(*) FROM {table} WHERE {where}"))

    def scalar(self, statement: str) -> Any:
        with self.house.database.engine.begin() as connection:
            return connection.scalar(sa.text(statement))

    def run(self, statement: str, **values: object) -> None:
        with self.house.database.engine.begin() as connection:
            connection.execute(sa.text(statement), values)


@pytest.fixture
def time() -> Iterator[Frozen]:
    """A day in June; time runs on from there."""
    with freezegun.freeze_time(NOON, tick=True) as frozen:
        assert not isinstance(frozen, StepTickTimeFactory)
        yield frozen


@pytest.fixture
def home(database: Database, tmp_path: Path, time: Frozen) -> Iterator[Home]:
    """On either database."""
    house = build_house(database, tmp_path / "house")
    clock, shipped = SystemClock(), own_map()
    settings = with_own_sweeps(load_settings(house.root / "kept.yaml"), shipped)
    policies, leases = OwnPolicies(database, clock, house.ledger), Leases(database, clock)
    policies.bring_up()
    store = OwnStore(STORE, database.url.render_as_string(hide_password=False), clock=clock)
    plans = own_plans(database, clock, house.ledger, leases, store, house.plans.holds)
    own = OwnSweeps(database, clock, house.ledger, policies, plans, settings, host=house.policies)
    both = AllSweeps(database, clock, house.ledger, house.policies, house.plans, settings, own=own)
    yield Home(house=house, sweeps=own, everything=both, policies=policies)
    store.close()


def answer(house: House, ref: str) -> None:
    house.requests.make_plan(ref, by=OPERATOR)
    panel = house.requests.view(ref).plan
    assert panel
    house.requests.approve(ref, by=OPERATOR, seal=panel.seal)
    house.work()


def add_closed(home: Home, number: int, *, right: str, closed_at: datetime) -> None:
    """A closed ticket of a person of its own, without the work that led there."""
    with home.house.database.begin() as session:
        session.add(ConversationRow(id=f"cnv_{right}_{number}", created_at=closed_at))
        session.flush()
        session.add(
            TicketRow(
                id=f"tkt_{right}_{number}", ref=f"{right[:4].upper()}-{number}", conversation_id=f"cnv_{right}_{number}",
                right=right, regime="gdpr", channel="form", received_at=closed_at, identity_at=None, due_on=None,
                state="answered", version=1, contact=Personal(f"p{number}@post.example"), language="en", country="DE",
                subdivision=None, details="", plan_id=None, outcome={}, closed_at=closed_at, ended_as="answered",
                received_in=closed_at.year,
            )
        )  # fmt: skip


def age(home: Home, time: Frozen, until: datetime) -> None:
    time.move_to(until.replace(tzinfo=None))
    home.house.requests.tidy()


def test_a_life_of_three_years(home: Home, time: Frozen) -> None:
    """Each thing goes at its own time, by counts of SQL; an open request keeps all of its own throughout."""
    house = home.house
    ref, open_ref = house.confirmed(), house.confirmed(BRUNO)
    house.requests.make_plan(open_ref, by=OPERATOR)
    for one, address in ((ref, ANNA), (open_ref, BRUNO)):
        grant, card = house.open_page(one, address), Attachment(name="card.png", content=b"card")
        house.requests.messages.write_as_person(one, grant, words="My card", files=[card])
    answer(house, ref)
    house.requests.add_note(ref, by=OPERATOR, text="Answered by phone too.")
    house.requests.add_note(open_ref, by=OPERATOR, text="Waits for a colleague.")
    for number in range(5):
        add_closed(home, number, right="access", closed_at=START)
    for number in range(4):
        add_closed(home, number, right="correction", closed_at=START)
    with house.database.begin() as session:
        leaves = add_operator(session, email="ines@kept.example", name="Ines", role=Role.AGENT, now=START)
        stays = add_operator(session, email="olaf@kept.example", name="Olaf", role=Role.AGENT, now=START)
        part_with(session, leaves.id, START)
        post(session, "nobody.reads", {"to": BRUNO}, now=START)
    home.run('UPDATE outbox SET payload = \'{"to": "left over"}\' WHERE done_at IS NOT NULL')
    ticket = home.scalar(f"SELECT id FROM tickets WHERE ref = '{ref}'")
    package = home.scalar("SELECT id FROM packages")
    file = house.root / "var" / "packages" / f"{package}.kept"
    assert file.is_file()
    assert home.scalar("SELECT count(*) FROM page_codes") == 2

    # Before the two weeks are over settled mail goes, and proof that has ended; a link that still works stays.
    age(home, time, START + timedelta(days=13, hours=12))
    assert home.count("one_time_tokens") > 1
    with house.database.begin() as session:
        issue_token(session, purpose="t", subject="s", now=SystemClock().now(), lasts=timedelta(days=1))
    outcomes = home.sweep()
    assert {one.state for one in outcomes.values()} == {RunState.DONE}
    assert not any(one.errors or (one.sweep and one.sweep.gaps) for one in outcomes.values())
    assert (home.count("packages"), file.is_file()) == (1, True)
    assert home.count("outbox", "CAST(payload AS TEXT) LIKE '%left over%'") == 0
    assert home.count("outbox", f"CAST(payload AS TEXT) LIKE '%{BRUNO}%'") == 1  # nobody has taken it yet

    # Two weeks: the copy goes with its key and its file.
    age(home, time, START + timedelta(days=14, hours=1))
    assert home.count("one_time_tokens") == 1
    home.sweep()
    assert (home.count("packages"), home.count("package_downloads"), file.exists()) == (0, 0, False)
    assert house.requests.view(ref).package is None

    # Half a year: the plan of what is closed says nothing of a person any more, the one at work on says all of it.
    assert home.count("plans", "CAST(body AS TEXT) LIKE '%anna.quill%'") == 1
    age(home, time, START + timedelta(days=185))
    assert home.sweep("plans")["kept:plans"].state is RunState.DONE
    assert home.count("plans", "CAST(body AS TEXT) LIKE '%anna.quill%'") == 0
    assert home.count("plans", f"CAST(body AS TEXT) LIKE '%{BRUNO}%' AND preview IS NOT NULL") == 1
    assert house.requests.view(ref).plan is None
    assert house.requests.view(open_ref).plan is not None

    # A year: who left is nobody any more, who stayed is there; mail that went is forgotten.
    age(home, time, START + timedelta(days=366))
    home.sweep("operators")
    assert home.count("operators", "name = 'Ines' OR email LIKE 'ines%' OR password_hash IS NOT NULL") == 0
    assert home.count("operators", f"id = '{stays.id}' AND name = 'Olaf' AND email = 'olaf@kept.example'") == 1
    mails = "SELECT 'more' || id, event, to_hash, at, message_id, state FROM sent_mails"
    home.run(f"INSERT INTO sent_mails (id, event, to_hash, at, message_id, state) {mails}")
    home.run(f"INSERT INTO sent_mails (id, event, to_hash, at, message_id, state) {mails.replace('more', 'still')}")
    waits = home.sweep("mail-logs")["kept:mail-logs"]
    assert waits.state is RunState.WAITING  # all of them at once: the breaker holds for our own clauses too
    assert waits.waiting is not None
    assert home.everything.approve_waiting(waits.waiting.run_id, by=OPERATOR, reason="a year of silence")[0].rows > 10
    assert home.count("sent_mails") == 0

    # Two years: what was written goes, and what it was about is counted once its year is over for all of it.
    age(home, time, datetime(2028, 6, 12, tzinfo=UTC))
    written = home.count("ticket_messages", f"ticket_id = '{ticket}'")
    assert written > 1
    home.sweeps.approve("kept:messages", by=OPERATOR, reason="looked at")
    assert home.count("ticket_messages", f"ticket_id = '{ticket}'") == 0
    assert home.count("ticket_events", f"ticket_id = '{ticket}'") == 0
    assert home.count("ticket_attachments") == home.count("ticket_keys") == 1  # those of the open request
    assert home.count("ticket_attachments", f"ticket_id = '{ticket}'") == 0
    assert home.count("ticket_messages", "body = 'Waits for a colleague.'") == 1
    home.sweep("requests")
    assert home.count("tickets") == 11
    age(home, time, datetime(2029, 1, 1, 0, 5, tzinfo=UTC))
    assert home.sweep("requests")["kept:requests"].rows == 10
    assert (home.count("tickets"), home.scalar("SELECT ref FROM tickets")) == (1, open_ref)
    with house.database.engine.begin() as connection:
        counts = [
            tuple(row)
            for row in connection.execute(sa.text('SELECT "right", regime, outcome, "rows" FROM request_counts'))
        ]
    assert counts == [("access", "gdpr", "answered", 6)]  # four corrections are fewer than five

    # Three years: the private part of evidence and its salt go, the entries stay, and the tree verifies.
    entries, old = count_rows(house.database, "ledger_entries"), home.count("ledger_entries", "at < '2026-06-12'")
    age(home, time, datetime(2029, 6, 12, tzinfo=UTC))
    assert home.sweeps.approve("kept:ledger-details", by=OPERATOR, reason="looked at")[0].state is RunState.DONE
    gone = "id NOT IN (SELECT entry_id FROM ledger_private)"
    assert home.count("ledger_entries", gone) == home.count("ledger_entries", f"at < '2026-06-12' AND {gone}") == old
    assert count_rows(house.database, "ledger_entries") > entries
    house.ledger.settle()
    assert house.ledger.verify().ok


def test_a_mail_goes_with_its_request_or_after_it_was_found_to_be_none(home: Home, time: Frozen) -> None:
    """Each by the event it has; one that is still needed has none. That it was taken stays known, or it would come again."""
    taking = Taking(home.house.database, SystemClock(), home.house.ledger)
    for name in ("open", "closed", "none"):
        assert taking.take(f"Subject: {name}\r\n".encode(), source="box", place=name, arrived_at=START)
    named = "message_id = (SELECT id FROM inbox_messages WHERE place = '{}')"
    for column, name in (("request_closed_at", "closed"), ("set_aside_at", "none")):
        home.run(f"UPDATE message_originals SET {column} = at WHERE {named.format(name)}")
    age(home, time, START + timedelta(days=89))
    assert [home.sweep(clause)[f"kept:{clause}"].rows for clause in ("originals", "set-aside")] == [0, 0]
    age(home, time, START + timedelta(days=91))
    assert home.sweeps.approve("kept:set-aside", by=OPERATOR, reason="looked at")[0].run.rows == 1
    assert home.count("message_originals", named.format("none")) == 0
    age(home, time, START + timedelta(days=190))
    assert home.sweeps.approve("kept:originals", by=OPERATOR, reason="looked at")[0].run.rows == 1
    assert home.count("message_originals") == home.count("message_originals", named.format("open")) == 1
    assert taking.take(b"Subject: none\r\n", source="box", place="none", arrived_at=START) is None


def test_a_package_whose_file_or_row_is_missing_goes_all_the_same(home: Home, time: Frozen) -> None:
    """A row without its file is swept like any other; a file without its row goes within a day."""
    ref = home.house.confirmed()
    answer(home.house, ref)
    folder = home.house.root / "var" / "packages"
    next(folder.glob("pkg_*.kept")).unlink()
    stray = folder / "pkg_stray.kept"
    stray.write_bytes(b"sealed")
    os.utime(stray, (START.timestamp(), START.timestamp()))
    age(home, time, START + timedelta(days=14, hours=1))
    assert home.sweep("packages")["kept:packages"].rows == 1
    assert (home.count("packages"), list(folder.glob("*"))) == (0, [])


def test_the_number_that_is_shown_is_the_number_that_is_run(home: Home) -> None:
    """A package lasts as long as the clause says, in one place."""
    answer(home.house, home.house.confirmed())
    made, ends = home.house.database.engine.connect().execute(sa.text("SELECT made_at, expires_at FROM packages")).one()
    made, ends = (datetime.fromisoformat(str(one)) for one in (made, ends))
    assert ends - made == timedelta(days=14)
    assert own_period("packages").after_instant(made) == ends
    assert Packages.__module__ == "dsr.package"


def test_a_hold_on_a_person_keeps_what_is_kept_of_their_requests(home: Home, time: Frozen) -> None:
    """Messages of who is under a hold stay past their time; those of others go."""
    house = home.house
    ref, other = house.confirmed(), house.confirmed(BRUNO)
    for one in (ref, other):
        house.requests.withdraw(one, by=OPERATOR, why="Asked by phone.")
    house.plans.holds.add(by=OPERATOR, reason="a case", person={"email": [BRUNO]})
    age(home, time, START + timedelta(days=740))
    outcome = home.sweeps.approve("kept:messages", by=OPERATOR, reason="looked at")[0]
    held = home.count("ticket_messages", f"ticket_id = (SELECT id FROM tickets WHERE ref = '{other}')")
    assert held == home.count("ticket_messages") > 0
    assert outcome.run.held >= held


def test_consent_that_holds_stays_and_what_was_withdrawn_goes_after_its_years(home: Home, time: Frozen) -> None:
    """The end of a consent is its withdrawal; without one it has no time to be over."""
    rows = [("u_1", 1, True, START), ("u_1", 2, False, START), ("u_2", 1, True, None)]
    with home.house.database.begin() as session:
        for subject, turn, given, ended in rows:
            session.add(
                ConsentRow(
                    id=f"con_{subject}_{turn}", subject=Personal(subject), purpose="news", turn=turn, given=given,
                    version=1, language="en", text=None, channel="web", at=START, entry="ent", ended_at=ended,
                )
            )  # fmt: skip
    age(home, time, datetime(2029, 6, 11, 10, 0, tzinfo=UTC))
    assert home.sweep("consents")["kept:consents"].rows == 0
    age(home, time, datetime(2029, 6, 11, 10, 30, tzinfo=UTC))
    assert home.sweep("consents")["kept:consents"].rows == 2
    assert home.scalar("SELECT id FROM consents") == "con_u_2_1"


def test_every_clause_reaches_what_the_map_says_and_nothing_stands_in_its_way(home: Home) -> None:
    """No clause of what is kept has a gap; those of the policy and Kept's own are told apart by their ids."""
    found = home.sweeps.dry_run()
    assert {one.clause for one in found} == {
        f"kept:{name}"
        for name in ("requests", "messages", "originals", "set-aside", "plans", "proofs", "packages", "consents", "acceptances", "notices", "mails",
                     "mail-texts", "mail-logs", "webhooks", "operators", "attestations", "ledger-details", "suppressions", "erasures", "restrictions",
                     "holds", "counters", "samples")
    }  # fmt: skip
    assert [
        (one.clause, one.gaps, one.blocked, one.seldom) for one in found if one.gaps or one.blocked or one.seldom
    ] == []
    names = [one.clause.id for one in home.everything.clauses()]
    assert "request-logs" in names
    assert [name for name in names if is_own(name)] == [one.clause for one in found]
    assert {one.clause for one in home.everything.dry_run()} == set(names)


def test_a_command_runs_what_is_due_of_our_own_once(home: Home) -> None:
    """Where nothing but `kept sweep` runs they are swept as often as they are due; nobody has to name them."""
    assert [name for name in home.everything.by_hand(approving=False) if is_own(name)] == []
    assert {one.clause for one in home.everything.run_own_due()} == {one.clause.id for one in home.sweeps.clauses()}
    assert home.everything.run_own_due() == []
    assert {one.state for one in home.everything.run_due(SystemClock().now()) if is_own(one.clause)} == set()


def test_a_release_with_other_terms_does_not_lengthen_what_was_promised(home: Home, time: Frozen) -> None:
    """The terms of each release are a version of their own; a longer period does not reach back."""
    shorter = own_document().text.replace(
        "of: package, after: package_made, for: P14D", "of: package, after: package_made, for: P7D"
    )
    home.run("UPDATE own_policy_versions SET text = :text, digest = 'earlier'", text=shorter)
    time.tick(timedelta(days=1))
    home.policies.bring_up()
    home.policies.bring_up()
    with home.house.database.read() as session:
        assert session.execute(sa.select(sa.func.count()).select_from(OwnVersionRow)).scalar_one() == 2
        history = home.policies.history(session)
    now = START + timedelta(days=9)
    cutoff = bounds(history, "kept:packages", now)
    earlier = next(one for one in cutoff.bounds if one.version == 1)
    assert earlier.event_before == now - timedelta(days=7)
    assert earlier.record_before == history[1].in_force_at


def test_a_sweep_and_writers_of_the_control_database_do_not_stop_each_other(home: Home, time: Frozen) -> None:
    """The store writes on connections of its own: both get their turn, every link that was over goes, none that works."""
    database, ends = home.house.database, START + timedelta(hours=1)
    with database.begin() as session:
        for number in range(300):
            issue_token(session, purpose="t", subject=f"s{number}", now=START, lasts=timedelta(hours=1))
    time.move_to((ends + timedelta(hours=1)).replace(tzinfo=None))
    lasting = 40

    def write() -> None:
        for _ in range(lasting):
            with database.begin() as session:
                issue_token(session, purpose="new", subject="s", now=SystemClock().now(), lasts=timedelta(days=1))

    with ThreadPoolExecutor(2) as pool:
        writing = [pool.submit(write) for _ in range(2)]
        swept = home.sweep("proofs")["kept:proofs"]
        for one in writing:
            one.result(timeout=60)
    assert (swept.state, swept.rows) == (RunState.DONE, 300)
    assert home.count("one_time_tokens") == home.count("one_time_tokens", "purpose = 'new'") == 2 * lasting
