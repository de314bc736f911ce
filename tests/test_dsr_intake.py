"""How requests come in: bad input, links that are used or over, limits, and pages that tell nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import freezegun
import pytest
import sqlalchemy as sa
from freezegun.api import FrozenDateTimeFactory, StepTickTimeFactory, TickingDateTimeFactory

from core.database import Base, Database
from core.errors import BadInput, NotFound, TooMuch
from core.personal import Personal
from dsr.intake import FormRefused
from dsr.limits import Limit, Limits
from dsr.states import State
from dsr.tables import CounterRow, TicketRow
from policies.clauses import Right
from tests.dsr_house import ANNA, NOON, OPERATOR, STRANGER, House, build_house

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TIGHT = Limits(
    form_per_address=Limit(most=2, window=DAY),
    form_per_source=Limit(most=4, window=HOUR),
    form_in_all=Limit(most=3, window=HOUR),
    confirm_per_source=Limit(most=3, window=HOUR),
)
Frozen = FrozenDateTimeFactory | TickingDateTimeFactory


@pytest.fixture
def time() -> Iterator[Frozen]:
    """A day in June; time runs on from there."""
    with freezegun.freeze_time(NOON, tick=True) as frozen:
        assert not isinstance(frozen, StepTickTimeFactory)
        yield frozen


@pytest.fixture
def house(database: Database, tmp_path: Path, time: Frozen) -> House:
    """A house with tight limits, on either database."""
    return build_house(database, tmp_path / "house", limits=TIGHT)


def snapshot(house: House) -> dict[str, list[str]]:
    """Every row of the control database."""
    with house.database.read() as session:
        tables = Base.metadata.sorted_tables
        return {table.name: sorted(str(row) for row in session.execute(sa.select(table))) for table in tables}


def test_looking_at_a_link_changes_nothing(house: House) -> None:
    """A mail scanner may open the page as often as it likes: no row anywhere is another one."""
    house.submit()
    token = house.link_token(ANNA)
    before = snapshot(house)
    for _ in range(10):
        view = house.requests.look_at_confirm(token)
    assert snapshot(house) == before
    assert view.right is Right.ACCESS
    assert (str(view.due_on), str(view.expires_on)) == ("2026-07-11", "2026-06-14")


def test_a_link_works_once(house: House) -> None:
    """The second press is told that it is used, and makes no second ticket or mail."""
    house.submit()
    token = house.link_token(ANNA)
    ref = house.requests.confirm(token)
    house.work()
    before = len(house.mails_to(ANNA))
    for act in (house.requests.look_at_confirm, house.requests.confirm):
        with pytest.raises(NotFound, match="used, or its time is over"):
            act(token)
    assert len(house.mails_to(ANNA)) == before
    assert [line.ref for line in house.requests.list_tickets()] == [ref]


def test_a_link_that_nobody_uses_ends_and_is_forgotten(house: House, time: Frozen) -> None:
    """After three days the link is over, and what was typed is gone."""
    house.submit()
    token = house.link_token(ANNA)
    time.tick(timedelta(days=3, minutes=1))
    with pytest.raises(NotFound):
        house.requests.confirm(token)
    house.requests.tidy()
    with house.database.read() as session:
        row = session.execute(sa.select(TicketRow)).scalar_one()
    assert (row.state, row.contact, row.details, row.country) == (State.EXPIRED, Personal(""), "", None)


def test_a_made_up_link_tells_nothing_and_is_limited(house: House) -> None:
    """Guessing is answered like a used link, and stops for a source that goes on."""
    for _ in range(3):
        with pytest.raises(NotFound, match="used, or its time is over"):
            house.requests.confirm("x" * 43, source="192.0.2.9")
    with pytest.raises(TooMuch):
        house.requests.confirm("x" * 43, source="192.0.2.9")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", ""),
        ("email", "anna"),
        ("email", "anna@"),
        ("email", "anna@post.example, eve@post.example"),
        ("email", "anna@post.example\nBcc: eve@post.example"),
        ("email", "a" * 10_000_000 + "@post.example"),
        ("right", ""),
        ("right", "everything"),
        ("right", "limit_sensitive"),
        ("details", "x" * 10_000_000),
        ("details", "ü" * 6_000),
        ("country", "Deutschland"),
        ("subdivision", "<b>"),
    ],
)
def test_what_cannot_be_used_is_refused_at_its_field(house: House, field: str, value: str) -> None:
    """The form says which field and what to do; nothing is stored, nothing is sent."""
    given: dict[str, Any] = {"email": ANNA, "right": "access", field: value}
    with pytest.raises(FormRefused) as caught:
        house.requests.submit_form(source="192.0.2.7", **given)
    assert list(caught.value.problems) == [field]
    assert len(str(caught.value)) < 200
    assert house.mails_to(ANNA) == []
    with house.database.read() as session:
        assert session.execute(sa.select(sa.func.count()).select_from(TicketRow)).scalar_one() == 0


def test_the_form_says_the_same_for_known_and_unknown_addresses(house: House) -> None:
    """No result either way, and the same mail but for the link."""
    house.submit(ANNA)
    house.submit(STRANGER)
    texts = [house.latest_mail(address, "Did you ask").text for address in (ANNA, STRANGER)]
    stripped = [[line for line in text.splitlines() if "/confirm/" not in line] for text in texts]
    assert stripped[0] == stripped[1]


def test_the_form_is_no_mail_cannon(house: House) -> None:
    """Two mails a day for one address, whatever its capitals, and the page stays the same; four an hour from one source."""
    for address in (ANNA, ANNA, ANNA, ANNA.replace("anna", "Anna")):
        house.submit(address)
    assert len(house.mails_to(ANNA)) == 2
    with pytest.raises(TooMuch, match="from your network"):
        house.submit(STRANGER)
    assert house.mails_to(STRANGER) == []
    house.submit(STRANGER, source="198.51.100.4")
    assert len(house.mails_to(STRANGER)) == 1
    with pytest.raises(TooMuch, match="come in just now"):
        house.submit("third@post.example", source="203.0.113.1")
    assert house.mails_to("third@post.example") == []


def test_counters_name_nobody_and_go(house: House, time: Frozen) -> None:
    """No address or source stands in the table, and windows that are over are removed."""
    house.submit()
    with house.database.read() as session:
        rows = [vars(row) for row in session.execute(sa.select(CounterRow)).scalars()]
    assert len(rows) == 3
    assert ANNA not in str(rows)
    assert "192.0.2.7" not in str(rows)
    time.tick(timedelta(days=2))
    house.requests.tidy()
    with house.database.read() as session:
        assert session.execute(sa.select(CounterRow)).first() is None


def test_a_ticket_opened_by_hand_counts_from_its_letter(house: House) -> None:
    """The clock runs from the day the letter came; it waits for proof, and the link can be sent again."""
    ref = house.requests.open_by_hand(
        email=ANNA,
        right="deletion",
        received_at=datetime(2026, 6, 1, 9, tzinfo=UTC),
        channel="letter",
        by=OPERATOR,
        note="Came by post",
        country="GB",
    )
    view = house.requests.view(ref)
    assert (view.line.state_name, view.line.regime, str(view.due_on)) == ("Waits for proof", "uk_gdpr", "2026-07-01")
    assert [message.body for message in view.messages] == ["Came by post", "request_confirm"]
    house.requests.ask_again(ref, by=OPERATOR)
    assert house.requests.confirm(house.link_token(ANNA)) == ref
    assert house.requests.view(ref).line.identity_shown


@pytest.mark.parametrize("change", [{"received_at": datetime(2027, 1, 1, tzinfo=UTC)}, {"channel": "pigeon"}])
def test_a_ticket_by_hand_with_nonsense_is_refused(house: House, change: dict[str, object]) -> None:
    """A day to come and an unknown channel are refused."""
    given = {"email": ANNA, "right": "access", "received_at": datetime(2026, 6, 1, tzinfo=UTC), "channel": "mail"}
    with pytest.raises(BadInput):
        house.requests.open_by_hand(by=OPERATOR, **{**given, **change})  # type: ignore[arg-type]


def test_an_operator_can_set_the_regime_and_the_clock_follows(house: House) -> None:
    """Unknown: the earliest date; set: that regime's; both with their lines, and the change is an event."""
    house.requests.submit_form(email=ANNA, right="access", source="192.0.2.7")
    ref = house.requests.confirm(house.link_token(ANNA))
    assert house.requests.view(ref).line.regime is None
    house.requests.set_regime(ref, regime="ccpa", by=OPERATOR)
    view = house.requests.view(ref)
    assert view.line.regime == "ccpa"
    assert view.reckoning.acknowledge_by is not None
    assert view.timeline[-1].why == "unknown to ccpa"
    with pytest.raises(BadInput, match="gdpr"):
        house.requests.set_regime(ref, regime="swiss", by=OPERATOR)


def test_the_list_is_by_what_is_due_next(house: House, time: Frozen) -> None:
    """Filters by state and right, and a search by reference or whole address."""
    first = house.confirmed()
    time.tick(timedelta(days=1))
    second = house.confirmed(STRANGER, right="deletion")
    assert [line.ref for line in house.requests.list_tickets()] == [first, second]
    assert [line.ref for line in house.requests.list_tickets(search=second[:5].lower())] == [second]
    assert [line.ref for line in house.requests.list_tickets(search=STRANGER.upper())] == [second]
    assert house.requests.list_tickets(search="nobody") == []
    assert house.requests.list_tickets(state=State.ANSWERED) == []
    house.requests.add_note(first, by=OPERATOR, text="Called back")
    assert house.requests.view(first).messages[-1].body == "Called back"
    house.requests.withdraw(first, by=OPERATOR, why="By telephone")
    assert [line.ref for line in house.requests.list_tickets()] == [second]
    assert {line.ref for line in house.requests.list_tickets(is_open=False)} == {first, second}


def test_a_ticket_does_not_print_whose_it_is(house: House) -> None:
    """The address comes out of the database as a value that masks itself: a repr, a log or a traceback shows ***."""
    ref = house.confirmed()
    view = house.requests.view(ref)
    assert ANNA not in f"{view.line!r}{view.line.contact}{view!s}"
    assert view.line.contact.reveal() == ANNA
    with house.database.read() as session:
        assert ANNA not in f"{vars(session.execute(sa.select(TicketRow)).scalar_one())}"
