"""The clock of a ticket through its events: questions, extensions, fees, receipt confirmed, reminders, and what is overdue."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import freezegun
import pytest
from freezegun.api import FrozenDateTimeFactory, TickingDateTimeFactory

from core.clock import SystemClock
from core.database import Database
from core.errors import BadInput, Conflict
from core.operators import Role, add_operator
from dsr.answer_words import Kind, NotWhole
from dsr.clock_acts import ClockAct
from dsr.figures import list_late
from dsr.states import State
from ledger.entries import LedgerEntry
from policies.regimes import Question
from promises.alarms import AlarmKind, find_news, judge_alarms
from tests.dsr_house import ANNA, BRUNO, NOON, OPERATOR, House, build_house

Frozen = FrozenDateTimeFactory | TickingDateTimeFactory
EXAMPLE = Path(__file__).parents[1] / "examples" / "gateway"
# What only the reckoning and the words decide is the same on both databases: once is enough.
ON_SQLITE = pytest.mark.parametrize("tables_url", ["sqlite"], indirect=True)
REASON = "The archive of 2024 has to be read back from tape first."


@pytest.fixture
def time() -> Iterator[Frozen]:
    """Thursday 11 June 2026, noon in Berlin; time runs on from there."""
    with freezegun.freeze_time(NOON, tick=True) as frozen:
        assert not isinstance(frozen, freezegun.api.StepTickTimeFactory)
        yield frozen


@pytest.fixture
def house(database: Database, tmp_path: Path, time: Frozen) -> House:
    """A house with a person to fall back on."""
    text = (EXAMPLE / "kept.yaml").read_text()
    text = text.replace("remind: [7d, 2d, 0d]", "remind: [7d, 2d]\n  fallback: [lead@kept.example]")
    more = "alerts: {mail: [alarms@kept.example]}\n"
    return build_house(database, tmp_path / "house", configuration=text + more)


def on(time: Frozen, day: str) -> None:
    """Go to noon of a day."""
    time.move_to(f"{day} 10:06:00")


def due(house: House, ref: str) -> str:
    return house.requests.view(ref).due_on.isoformat()


def says(house: House, ref: str) -> list[str]:
    """The reckoning's lines: a day, and what it says."""
    return [f"{line.day:%m-%d} {line.words}" for line in house.requests.view(ref).reckoning.lines]


def acts(house: House, ref: str) -> set[ClockAct]:
    return set(house.requests.view(ref).clock.acts)


def under(house: House, ref: str, regime: str) -> str:
    house.requests.set_regime(ref, regime=regime, by=OPERATOR)
    return ref


def opened(house: House, day: str, *, country: str = "", right: str = "access", is_test: bool = False) -> str:
    """A letter of a day; its address is not proven."""
    return house.requests.open_by_hand(
        email=BRUNO,
        right=right,
        received_at=datetime.fromisoformat(f"{day}T09:00:00+00:00"),
        channel="letter",
        by=OPERATOR,
        country=country[:2],
        subdivision=country[3:],
        is_test=is_test,
    )


def entries(house: House, ref: str) -> list[LedgerEntry]:
    return list(house.requests.view(ref).evidence)


def test_a_whole_life_from_receipt_to_an_extended_answer(house: House, time: Frozen) -> None:
    """Received, proven, asked, answered on the page, extended in time, reminded, answered: each moves the day as the law
    says, and the ticket shows it event by event."""
    house.submit()
    on(time, "2026-06-12")
    ref = house.requests.confirm(house.link_token(ANNA))
    assert due(house, ref) == "2026-07-11"  # the policy's 30 days; the law's month would roll to Monday the 13th
    on(time, "2026-06-15")
    assert house.requests.clocks.ask(ref, by=OPERATOR, words="Do you mean the old account, too?")
    view = house.requests.view(ref)
    assert (view.clock.question_on, view.clock.stands) == (date(2026, 6, 15), True)
    assert ClockAct.ASK not in acts(house, ref)
    assert "message" in house.latest_mail(ANNA, "message about your request").subject
    on(time, "2026-06-20")
    assert due(house, ref) == "2026-07-16"
    house.requests.reminders.tick()
    (line,) = house.requests.list_tickets()
    assert str(line.due_on) == "2026-07-16"  # the list moves on with the day, without an event
    grant = house.open_page(ref)
    assert house.requests.page(ref, grant).question_on == date(2026, 6, 15)
    house.requests.messages.write_as_person(ref, grant, words="Yes, both.")
    assert house.requests.page(ref, grant).question_on is None
    on(time, "2026-07-01")
    assert due(house, ref) == "2026-07-16"
    house.requests.make_plan(ref, by=OPERATOR)
    on(time, "2026-07-15")
    assert house.requests.view(ref).clock.extended_due == date(2026, 9, 16)
    answers = house.requests.answers
    assert Kind.EXTENDED in {one.kind for one in answers.offered(ref)}
    draft = answers.read(ref, Kind.EXTENDED)
    assert "16 September 2026" in draft.mail
    with pytest.raises(NotWhole, match=r"\{due\}, the new day"):
        answers.write(ref, Kind.EXTENDED, text=draft.text.replace("{due}", "soon"), by=OPERATOR)
    answers.write(ref, Kind.EXTENDED, text=f"{draft.text}\n\nWe are sorry for it.", by=OPERATOR)
    assert house.requests.clocks.extend(ref, by=OPERATOR, reason=REASON) == date(2026, 9, 16)
    assert "We are sorry for it." in house.latest_mail(ANNA, "takes longer").text
    assert Kind.EXTENDED not in {one.kind for one in answers.offered(ref)}
    mail = " ".join(house.latest_mail(ANNA, "takes longer").text.split())
    for words in (REASON, "Wednesday, 16 September 2026", "GDPR Art. 12(3)", "Graurheindorfer"):
        assert words in mail
    assert says(house, ref) == [
        "06-11 Received",
        "06-15 A question was asked, the clock stands",
        "06-20 The question was answered, the clock runs",
        "07-15 Told that it takes longer",
        "07-11 One month: GDPR Art. 12(3)",
        "09-11 Extended to 3 months from receipt",
        "09-16 Waited for an answer: + 5 days",
        "07-11 The policy promises 30 days",
        "07-16 Waited for an answer: + 5 days",
        "09-16 Due",
    ]
    on(time, "2026-09-10")
    assert house.requests.reminders.tick() == 1  # no operator signs in here: the people of alarms
    panel = house.requests.view(ref).plan
    assert panel
    house.requests.approve(ref, by=OPERATOR, seal=panel.seal)
    house.work()
    assert house.requests.view(ref).state is State.ANSWERED
    on(time, "2026-09-20")
    assert house.requests.reminders.tick() == 0
    kinds = [entry.kind for entry in entries(house, ref)]
    assert {"request.asked", "request.question_answered", "request.extended", "request.answered"} <= set(kinds)
    assert REASON not in str([vars(entry) for entry in entries(house, ref)])
    house.ledger.settle()
    assert house.ledger.verify().ok


@ON_SQLITE
def test_no_question_stops_the_clock_of_california(house: House, time: Frozen) -> None:
    """Never, not for verification either; the page of the ticket says so before and after."""
    ref = under(house, house.confirmed(), "ccpa")
    before = due(house, ref)
    assert house.requests.view(ref).clock.stops == frozenset()
    assert not house.requests.clocks.ask(ref, by=OPERATOR, words="Which account?", about=Question.IDENTITY)
    on(time, "2026-06-30")
    assert due(house, ref) == before
    assert "06-11 A question was asked; CCPA lets no clock stand for it" in says(house, ref)
    assert not house.requests.view(ref).clock.stands


@ON_SQLITE
def test_a_question_that_comes_late_stops_nothing(house: House, time: Frozen) -> None:
    """It has to be asked without undue delay; it may still be asked, and the page says that the clock runs on."""
    ref = house.confirmed()
    assert house.requests.view(ref).clock.stops == set(Question)
    on(time, "2026-06-29")
    assert house.requests.view(ref).clock.stops == frozenset()
    assert not house.requests.clocks.ask(ref, by=OPERATOR, words="Which account?")
    on(time, "2026-07-05")
    assert due(house, ref) == "2026-07-11"
    assert "06-29 A question was asked, too late to stop the clock" in says(house, ref)


@ON_SQLITE
def test_one_question_at_a_time_and_its_answer_may_come_by_letter(house: House, time: Frozen) -> None:
    """The day it came counts, not the day somebody wrote it down; a day before the question or to come is refused."""
    ref = house.confirmed()
    house.requests.clocks.ask(ref, by=OPERATOR, words="Which account?")
    with pytest.raises(Conflict, match="a question is open already"):
        house.requests.clocks.ask(ref, by=OPERATOR, words="And which year?")
    on(time, "2026-06-20")
    for day in (date(2026, 6, 10), date(2026, 6, 21)):
        with pytest.raises(BadInput, match="cannot be the day the answer came"):
            house.requests.clocks.take_answer(ref, by=OPERATOR, why="By letter.", day=day)
    house.requests.clocks.take_answer(ref, by=OPERATOR, why="By letter.", day=date(2026, 6, 14))
    assert due(house, ref) == "2026-07-14"
    with pytest.raises(Conflict, match="No question is open"):
        house.requests.clocks.take_answer(ref, by=OPERATOR, why="Again.")
    house.requests.clocks.ask(ref, by=OPERATOR, words="And which year?")
    letter = opened(house, "2026-06-12")
    with pytest.raises(Conflict, match="not proven"):
        house.requests.clocks.ask(letter, by=OPERATOR, words="Who are you?")


@ON_SQLITE
def test_a_clock_set_back_and_a_request_that_is_closed_make_no_day_earlier_or_later(house: House, time: Frozen) -> None:
    """An answer that seems to come before its question is one of the same day; a question that was open when the request
    was closed moves nothing since."""
    ref, closed = house.confirmed(), house.confirmed(BRUNO)
    on(time, "2026-06-14")
    house.requests.clocks.ask(ref, by=OPERATOR, words="Which account?")
    house.requests.clocks.ask(closed, by=OPERATOR, words="Which account?")
    on(time, "2026-06-16")
    house.requests.withdraw(closed, by=OPERATOR, why="By phone.")
    on(time, "2026-06-12")
    grant = house.open_page(ref)
    house.requests.messages.write_as_person(ref, grant, words="Both.")
    on(time, "2026-07-01")
    assert (due(house, ref), due(house, closed)) == ("2026-07-11", "2026-07-13")


@ON_SQLITE
def test_an_extension_is_told_once_inside_the_first_period_with_its_reason(house: House, time: Frozen) -> None:
    """No reason, a second one, one too late, one under a law that nobody has named: refused, with what to do instead."""
    ref, late, unknown = house.confirmed(), opened(house, "2026-06-11", country="DE"), opened(house, "2026-06-11")
    with pytest.raises(BadInput, match="Say why it takes longer"):
        house.requests.clocks.extend(ref, by=OPERATOR, reason=" ")
    with pytest.raises(BadInput, match="says until when"):
        house.requests.clocks.extend(ref, by=OPERATOR, reason=REASON, until=date(2026, 12, 1))
    with pytest.raises(Conflict, match="under which law"):
        house.requests.clocks.extend(unknown, by=OPERATOR, reason=REASON)
    house.requests.clocks.extend(ref, by=OPERATOR, reason=REASON)
    with pytest.raises(Conflict, match="only once"):
        house.requests.clocks.extend(ref, by=OPERATOR, reason=REASON)
    on(time, "2026-07-13")  # the law's last day: Saturday the 11th rolls to Monday
    assert ClockAct.EXTEND in acts(house, late)
    on(time, "2026-07-14")
    with pytest.raises(Conflict, match="had to be told by 13 July 2026"):
        house.requests.clocks.extend(late, by=OPERATOR, reason=REASON)
    assert len([mail for mail in house.mails_to(ANNA) if "takes longer" in mail.subject]) == 1


@ON_SQLITE
def test_another_law_weighs_the_same_events_anew(house: House, time: Frozen) -> None:
    """An extension that the new law would have allowed no more does not count: the events stay, the date is reckoned."""
    ref = under(house, house.confirmed(), "ccpa")
    on(time, "2026-07-20")
    assert house.requests.clocks.extend(ref, by=OPERATOR, reason=REASON) == date(2026, 9, 9)
    under(house, ref, "gdpr")
    assert due(house, ref) == "2026-07-11"
    assert "07-20 Told that it takes longer, too late to count" in says(house, ref)
    under(house, ref, "ccpa")
    assert due(house, ref) == "2026-09-09"


@ON_SQLITE
def test_a_firm_promise_is_not_extended(database: Database, tmp_path: Path, time: Frozen) -> None:
    """Where the policy's own period stands whatever the law allows, an extension would move nothing."""
    text = (
        (EXAMPLE / "policy.md")
        .read_text()
        .replace("right: access, within: P30D", "right: access, within: P30D, firm: true")
    )
    house = build_house(database, tmp_path / "house", policy=text)
    ref = house.confirmed()
    with pytest.raises(Conflict, match="firm"):
        house.requests.clocks.extend(ref, by=OPERATOR, reason=REASON)
    house.requests.clocks.ask(ref, by=OPERATOR, words="Which account?")
    on(time, "2026-06-16")
    assert due(house, ref) == "2026-07-11"


@ON_SQLITE
def test_a_fee_begins_the_clock_of_the_united_kingdom_and_no_other(house: House, time: Frozen) -> None:
    """Announced first, with reason and rule; there the clock begins with the payment, in the EU it runs on, in California
    there is none."""
    ref, german = under(house, house.confirmed(), "uk_gdpr"), house.confirmed(BRUNO)
    assert due(house, ref) == "2026-07-11"
    house.requests.clocks.ask_fee(ref, by=OPERATOR, amount="12.50 EUR", reason="The third copy in a month. Pay to …")
    house.requests.clocks.ask_fee(german, by=OPERATOR, amount="12.50 EUR", reason="The third copy in a month.")
    mail = " ".join(house.latest_mail(ANNA, "fee").text.split())
    for words in ("12.50 EUR", "The third copy", "UK GDPR Art. 12(5)", "begins on the day the fee comes in"):
        assert words in mail
    assert "You still hear from us by" in house.latest_mail(BRUNO, "fee").text
    on(time, "2026-06-21")
    assert (due(house, ref), due(house, german)) == ("2026-07-21", "2026-07-11")
    on(time, "2026-06-30")
    house.requests.clocks.take_fee(ref, by=OPERATOR, day=date(2026, 6, 25))
    assert due(house, ref) == "2026-07-25"
    with pytest.raises(Conflict, match="No fee is open"):
        house.requests.clocks.take_fee(ref, by=OPERATOR)
    californian = under(house, opened(house, "2026-06-20"), "ccpa")
    with pytest.raises(Conflict, match="CCPA has no fee"):
        house.requests.clocks.ask_fee(californian, by=OPERATOR, amount="1 USD", reason="Often.")


@ON_SQLITE
def test_receipt_is_confirmed_by_its_own_day_without_anybody(house: House, time: Frozen) -> None:
    """California wants it inside ten business days, with how it will be handled; who shows the address has had that mail."""
    ref, german, shown = (
        opened(house, "2026-06-11", country="US-CA"),
        opened(house, "2026-06-11", country="DE"),
        house.confirmed(),
    )
    assert house.requests.view(ref).clock.acknowledge_by == date(2026, 6, 26)  # the 19th is a holiday
    assert house.requests.reminders.tick() == 1
    assert house.requests.reminders.tick() == 0
    mail = house.latest_mail(BRUNO, f"We have your request {ref}")
    assert "press" in mail.text
    assert "person checks what was found" in " ".join(mail.text.split())
    assert house.requests.view(ref).clock.acknowledged_on == date(2026, 6, 11)
    assert house.requests.view(german).clock.acknowledge_by is None
    assert house.requests.view(shown).clock.acknowledged_on == date(2026, 6, 11)


def test_reminders_go_to_who_works_on_it_then_to_the_fallback(house: House, time: Frozen) -> None:
    """At each point once, for all that is due together; missed points are one; after the last the fallback hears of it."""
    with house.database.begin() as session:
        now = SystemClock().now()
        ines = add_operator(session, email="ines@kept.example", name="Ines", role=Role.AGENT, now=now)
        add_operator(session, email="olaf@kept.example", name="Olaf", role=Role.ADMINISTRATOR, now=now)
    mine, open_to_all = house.confirmed(), house.confirmed(BRUNO)
    opened(house, "2026-06-01", country="DE", is_test=True)
    house.requests.conversations.assign(mine, to=ines.id, by=OPERATOR)
    assert house.requests.reminders.tick() == 0
    on(time, "2026-07-04")
    assert house.requests.reminders.tick() == 2
    assert house.requests.reminders.tick() == 0
    to_ines = house.latest_mail("ines@kept.example", "2 requests are due, the first 7 days")
    assert f"{mine}, Access: due Saturday, 11 July 2026, 7 days." in to_ines.text
    assert ANNA not in to_ines.text
    assert mine not in house.latest_mail("olaf@kept.example", open_to_all).text
    assert house.mails_to("lead@kept.example") == []
    on(time, "2026-07-10")  # two days before went by unnoticed: they are told now, and the fallback with them
    assert house.requests.reminders.tick() == 3
    assert "Nobody has answered 2 requests" in house.latest_mail("lead@kept.example", "Nobody").subject
    on(time, "2026-07-20")
    assert house.requests.reminders.tick() == 0


@ON_SQLITE
def test_a_new_due_date_is_reminded_of_anew_and_a_clock_that_stands_of_nothing(house: House, time: Frozen) -> None:
    """Extended: its new day has points of its own. While the person is asked, no day comes nearer."""
    ref, asked = house.confirmed(), house.confirmed(BRUNO)
    house.requests.clocks.ask(asked, by=OPERATOR, words="Which account?")
    on(time, "2026-07-05")
    assert house.requests.reminders.tick() == 1
    house.requests.clocks.extend(ref, by=OPERATOR, reason=REASON)
    on(time, "2026-09-04")
    assert house.requests.reminders.tick() == 1
    assert f"Request {ref} is due: 7 days" in house.latest_mail("alarms@kept.example", f"{ref} is due: 7").subject


@ON_SQLITE
def test_overdue_is_an_alarm_of_its_own_until_it_is_answered(house: House, time: Frozen) -> None:
    """From the end of its day in the controller's zone; tests are nobody's alarm."""
    ref = house.confirmed()
    opened(house, "2026-05-01", country="DE", is_test=True)
    on(time, "2026-07-11")
    with house.database.read() as session:
        assert list_late(session, SystemClock().now(), "Europe/Berlin") == ()
    time.move_to("2026-07-11 22:30:00")  # half past midnight in Berlin
    now = SystemClock().now()
    with house.database.read() as session:
        (late,) = list_late(session, now, "Europe/Berlin")
    assert (late.ref, late.since) == (ref, datetime(2026, 7, 11, 22, tzinfo=UTC))
    (alarm,) = judge_alarms([], [], now, late=[late])
    assert (alarm.kind, alarm.title) == (AlarmKind.OVERDUE, f"Request {ref} is overdue")
    assert alarm.says == "Access, due on 11 July 2026."
    assert find_news([alarm], judge_alarms([], [], now)).over == (alarm.key,)
    assert house.requests.count_overdue((now + timedelta(hours=2)).date()) == 1
