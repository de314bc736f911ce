"""Figures of requests: from tickets and from what is left of them alike, with tests in none, and the files they leave in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import freezegun
import pytest
from freezegun.api import FrozenDateTimeFactory, StepTickTimeFactory, TickingDateTimeFactory

from core.clock import SystemClock
from core.database import Database
from core.leases import Leases
from core.personal import Personal
from core.settings_file import load_settings
from dsr.figure_files import figures_csv, figures_json
from dsr.request_figures import FigureLine, Period, RequestFigures, Times
from dsr.tables import ConversationRow, RequestCountRow, TicketRow
from dsr.tallies import count_days
from plans.own import STORE, own_map, own_plans
from policies.clauses import Right
from policies.own import OwnPolicies
from retention.own import OwnSweeps, with_own_sweeps
from stores.sql import SqlStore
from tests.dsr_house import NOON, OPERATOR, House, build_house

Frozen = FrozenDateTimeFactory | TickingDateTimeFactory
ZONE = "Europe/Berlin"


class OwnStore(SqlStore):
    """The store by the test's clock."""

    def now(self) -> datetime:
        return SystemClock().now()


@pytest.fixture
def time() -> Iterator[Frozen]:
    """A day in June; time runs on from there."""
    with freezegun.freeze_time(NOON, tick=True) as frozen:
        assert not isinstance(frozen, StepTickTimeFactory)
        yield frozen


@pytest.fixture
def house(database: Database, tmp_path: Path, time: Frozen) -> House:
    """On either database."""
    return build_house(database, tmp_path / "house")


def add(
    house: House, number: int, *, right: str = "deletion", ended: str = "answered", days: int = 5, late: bool = False,
    ground: str | None = None, is_test: bool = False, received: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC), regime: str = "gdpr",
) -> None:  # fmt: skip
    """A closed ticket, without the work that led there."""
    closed, name = received + timedelta(days=days), f"{right}_{ended}_{number}"
    ticket = TicketRow(
        id=f"tkt_{name}", ref=f"{right[:3]}-{ended[:6]}-{number}", conversation_id=f"cnv_{name}", right=right, regime=regime, channel="form",
        received_at=received, identity_at=None, due_on=None, state=ended, version=1, contact=Personal(f"{name}@post.example"),
        language="en", country="DE", subdivision=None, details="", plan_id=None, outcome={}, closed_at=closed,
        ended_as="test" if is_test else ended, is_test=is_test, ground=ground,
    )  # fmt: skip
    count_days(ticket, received_at=received, closed_at=closed, late=late, zone=ZONE)
    with house.database.begin() as session:
        session.add(ConversationRow(id=f"cnv_{name}", created_at=received))
        session.flush()
        session.add(ticket)


def period(year: int | None = 2026, regime: str | None = None) -> Period:
    return Period(zone=ZONE, today=date(2026, 6, 11), year=year, regime=regime)


def sweep(house: House) -> int:
    """Kept's own clause on requests, as the scheduler runs it."""
    clock, database = SystemClock(), house.database
    policies, leases = OwnPolicies(database, clock, house.ledger), Leases(database, clock)
    policies.bring_up()
    store = OwnStore(STORE, database.url.render_as_string(hide_password=False), clock=clock)
    settings = with_own_sweeps(load_settings(house.root / "kept.yaml"), own_map())
    plans = own_plans(database, clock, house.ledger, leases, store, house.plans.holds)
    own = OwnSweeps(database, clock, house.ledger, policies, plans, settings, host=house.policies)
    done = own.approve("kept:requests", by=OPERATOR, reason="looked at")
    store.close()
    return sum(one.rows for one in done)


def test_figures_agree_before_and_after_tickets_become_counts(house: House, time: Frozen) -> None:
    """Outcomes, grounds, mean, median and the share that was late survive the sweep; a group of four leaves nothing."""
    for number in range(10):
        add(house, number, days=(2, 2, 6, 6, 6, 6, 20, 28, 28, 95)[number], late=number == 9)
    for number in range(5):
        add(house, number, ended="refused", ground="unfounded", days=10)
        add(house, number, ended="withdrawn", days=1)
        for other in ("expired", "forwarded", "account_closed"):
            add(house, number, ended=other, days=1)
        add(house, number, right="access", days=3, is_test=True)
    before = house.requests.figures.read(period())
    whole = before[0].figures
    assert (whole.received, whole.complied, whole.denied, whole.withdrawn, whole.answered_late) == (20, 10, 5, 5, 1)
    assert (whole.times.answers, whole.times.mean, whole.times.median, whole.times.p90) == (15, 16.6, 14, 30)
    assert (whole.grounds, whole.overdue_share) == ({"unfounded": 5}, 0.0667)
    for number in range(4):
        add(house, number, right="correction")
    time.move_to("2029-01-02 03:00:00")
    assert sweep(house) == 10 + 5 * 6 + 4
    house.requests.tidy()
    with house.database.read() as session:
        assert session.query(TicketRow).count() == 0
        assert session.query(RequestCountRow).count() == 6
    assert house.requests.figures.read(period()) == before
    assert house.requests.figures.years(ZONE) == (2026,)


def test_what_is_open_counts_and_what_came_in_another_year_does_not(house: House, time: Frozen) -> None:
    """An open request is received and, over its day, late; the year is that of the controller's zone."""
    house.confirmed()
    add(house, 1, received=datetime(2025, 12, 31, 23, 30, tzinfo=UTC))  # half past midnight in Berlin
    add(house, 2, received=datetime(2025, 12, 31, 22, 30, tzinfo=UTC))
    found = house.requests.figures.of(period())
    assert (found.received, found.open, found.open_late, found.complied) == (2, 1, 0, 1)
    assert house.requests.figures.of(Period(zone=ZONE, today=date(2027, 1, 1), year=2026)).open_late == 1
    assert house.requests.figures.of(period(2025)).received == 1
    assert house.requests.figures.of(period(None)).received == 3
    assert house.requests.figures.of(period(regime="ccpa")).received == 0
    assert house.requests.figures.of(period(), [Right.ACCESS]).received == 1


def test_a_request_is_tallied_when_it_is_closed(house: House, time: Frozen) -> None:
    """Days from the day it came in, the ground of the refusal, and whether it was over its day."""
    ref = house.confirmed()
    time.tick(timedelta(days=33))
    house.requests.refuse(ref, by=OPERATOR, ground="unfounded", reason="It was asked for the tenth time this week.")
    (line,) = house.requests.figures.read(period())
    assert (line.right, line.figures.denied, line.figures.answered_late) == (Right.ACCESS, 1, 1)
    assert (line.figures.times.days, line.figures.times.median, line.figures.grounds) == (33, 45, {"unfounded": 1})


def test_nothing_gives_no_numbers_and_what_took_longest_has_no_bound() -> None:
    """No answer: no mean and no median; a median over ninety days is none that could be named."""
    empty = RequestFigures()
    assert (empty.times.mean, empty.times.median, empty.overdue_share) == (None, None, None)
    long = Times(answers=2, days=400, within=(0,) * 9 + (2,))
    assert (long.mean, long.median) == (200.0, None)


def test_the_csv_is_no_program_to_a_spreadsheet() -> None:
    """A name that begins as a formula does is text there; the JSON has the same numbers."""
    figures = RequestFigures(
        received=3, denied=3, grounds={"=cmd": 3}, times=Times(answers=3, days=9, within=(0, 3, *[0] * 8))
    )
    line = FigureLine(right=Right.ACCESS, regime="=HYPERLINK(1)", figures=figures)
    head, row = list(csv.reader(io.StringIO(figures_csv([line]))))
    assert row[1] == "'=HYPERLINK(1)"
    assert dict(zip(head, row, strict=True))["ground: =cmd"] == "3"
    said = figures_json(figures)
    assert (said["days"]["mean"], said["days"]["median_within"], said["denied"]) == (3.0, 3, 3)
