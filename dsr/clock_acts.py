"""What operators do that a ticket's clock looks at: ask the person, take their answer, extend, announce a fee and take it.

The due date is never set: each act writes an event, and the date is reckoned from all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from sqlalchemy.orm import Session

from core.clock import day_in
from core.errors import BadInput, Conflict
from core.words import full_day
from dsr.answer_words import MAILS, Kind
from dsr.clocks import (
    ASKED,
    EXTENDED,
    FEE_ASKED,
    FEE_PAID,
    QUESTION_ANSWERED,
    ClockEvents,
    law_of,
    read_clock_events,
    reckon_events,
)
from dsr.complaints import authority_of, complaint_of
from dsr.desk import PERSON, Desk, find_ticket, read_events
from dsr.messages import Messages, can_be_written_to
from dsr.states import OPEN, State
from dsr.tables import TicketEventRow, TicketRow
from policies.cites import cite
from policies.clauses import Right
from policies.documents import Document
from policies.reckoning import Fee, Pause, Reckoning
from policies.regimes import Question, Regime, RegimeRow

LONGEST_REASON: Final = 5_000
LONGEST_AMOUNT: Final = 60
# Before the work is approved: later the question is no longer what it waits for.
BEFORE_WORK: Final = frozenset({State.RECEIVED, State.PLANNED})


class ClockAct(StrEnum):
    """What an operator can do with a ticket's clock now."""

    ASK = "ask"
    ANSWERED = "answered"
    EXTEND = "extend"
    ASK_FEE = "ask_fee"
    FEE_PAID = "fee_paid"


@dataclass(frozen=True, kw_only=True)
class ClockView:
    """How the clock of a ticket stands. `question_on`: since when a question is open; `stands`: the clock waits for it.

    `stops`: what could be asked today so that the clock stands. `extend_by`: the last day to tell of an extension;
    `extended_due`: the day it would then be due, None where the law sets no limit and the operator names one.
    `acknowledge_by`: the day by which the law wants receipt confirmed, `acknowledged_on` when it was."""

    acts: frozenset[ClockAct]
    question_on: date | None
    stands: bool
    stops: frozenset[Question]
    extend_by: date | None
    extended_on: date | None
    extended_due: date | None
    acknowledge_by: date | None
    acknowledged_on: date | None
    fee: Fee | None


@dataclass(frozen=True, kw_only=True)
class _Standing:
    """A ticket with all that its acts look at."""

    ticket: TicketRow
    document: Document
    found: ClockEvents
    reckoning: Reckoning
    law: Regime | None
    row: RegimeRow | None
    now: datetime

    @property
    def today(self) -> date:
        return day_in(self.now, self.document.controller.timezone)

    @property
    def state(self) -> State:
        return State(self.ticket.state)

    def supposing(self, found: ClockEvents) -> Reckoning:
        return reckon_events(self.ticket, found, self.document, now=self.now)

    def extended(self, until: date | None) -> Reckoning:
        """The reckoning if an extension were told today."""
        return self.supposing(replace(self.found, extended_on=self.today, extended_to=until))


class Texts(Protocol):
    """Composes the text of a mail as operators may have changed it; see dsr/answer_drafts.py."""

    def variables(
        self, session: Session, ticket: TicketRow, kind: Kind, facts: Mapping[str, str]
    ) -> dict[str, Any]: ...


class Clocks:
    """The acts. Each is a use case with its own transaction; each is refused with what is allowed."""

    def __init__(self, desk: Desk, messages: Messages, texts: Texts) -> None:
        self._desk = desk
        self._messages = messages
        self._texts = texts

    def ask(self, ref: str, *, by: str, words: str, about: Question = Question.CLARIFICATION) -> bool:
        """Ask the person: the words stand on their page, a mail says that something does. Gives whether the clock stands
        until they answer. Raises BadInput, Conflict."""
        desk = self._desk
        with desk.database.begin() as session:
            ticket, standing = self._take(session, ref)
            _require_question(standing)
            self._messages.say(session, ticket, by=by, words=words)
            desk.note_event(session, ticket, ASKED[about], by=by)
            private = {"about": about.value, "words_mark": desk.mark(words.strip())}
            desk.record(session, ticket, "request.asked", by=by, private=private)
            return self._standing(session, ticket).reckoning.stands

    def take_answer(self, ref: str, *, by: str, why: str, day: date | None = None) -> None:
        """The answer came another way, or is not needed any more; `day`: when, today without it."""
        said = _require_words(why, "how the answer came")
        with self._desk.database.begin() as session:
            ticket, standing = self._take(session, ref)
            asked = standing.found.question_on
            if asked is None or standing.state not in OPEN:
                raise Conflict(f"No question is open for request {ticket.ref}.", remedy="Nothing is left to do.")
            came = _require_day(day or standing.today, asked, standing.today, "the answer came")
            note_answer(self._desk, session, ticket, by=by, why=said, day=came)

    def extend(self, ref: str, *, by: str, reason: str, until: date | None = None) -> date:
        """Take longer, once, inside the first period, and tell the person why; gives the new day.

        `until`: only under a law that sets no limit. Raises BadInput, Conflict."""
        desk, said = self._desk, _require_words(reason, "why it takes longer, in words for the person")
        with desk.database.begin() as session:
            ticket, standing = self._take(session, ref)
            law, row = _require_extension(standing)
            _require_later(standing, row, until)
            desk.note_event(session, ticket, EXTENDED, by=by, why=said, day=until)
            due = self._standing(session, ticket).reckoning.due
            private = {"due": due.isoformat(), "law": law.id, "reason_mark": desk.mark(said)}
            desk.record(session, ticket, "request.extended", by=by, private=private)
            rule = cite(row.cite, ticket.language)
            due_words = desk.due_words(ticket)
            facts = {"rule": rule, "due": due_words}
            text = self._texts.variables(session, ticket, Kind.EXTENDED, facts)
            desk.mail(session, ticket, MAILS[Kind.EXTENDED], **{**text, "reason": said, "due": due_words})
            return due

    def ask_fee(self, ref: str, *, by: str, amount: str, reason: str) -> None:
        """Announce a fee for an unfounded or excessive request, where the law allows one. Raises BadInput, Conflict."""
        desk = self._desk
        said, sum_ = _require_words(reason, "why it costs something, in words for the person"), " ".join(amount.split())
        if not sum_ or len(sum_) > LONGEST_AMOUNT:
            raise BadInput("The amount is missing.", remedy="Write it with its currency, such as 12.50 EUR.")
        with desk.database.begin() as session:
            ticket, standing = self._take(session, ref)
            law, rule = _require_fee(standing)
            desk.note_event(session, ticket, FEE_ASKED, by=by, why=f"{sum_}. {said}")
            private = {"amount": sum_, "law": law.id, "reason_mark": desk.mark(said)}
            desk.record(session, ticket, "request.fee_asked", by=by, private=private)
            desk.mail(
                session,
                ticket,
                "request_fee",
                amount=sum_,
                reason=said,
                rule=cite(rule, ticket.language),
                waits=bool(standing.row and standing.row.begins_at_identity),
                **self._ends(session, ticket),
            )

    def take_fee(self, ref: str, *, by: str, day: date | None = None) -> None:
        """The fee was paid on a day, today without one. Raises BadInput, Conflict."""
        with self._desk.database.begin() as session:
            ticket, standing = self._take(session, ref)
            fee = standing.found.fee
            if fee is None or fee.paid is not None or standing.state not in OPEN:
                raise Conflict(f"No fee is open for request {ticket.ref}.", remedy="Nothing is left to do.")
            came = _require_day(day or standing.today, fee.asked, standing.today, "the fee came in")
            self._desk.note_event(session, ticket, FEE_PAID, by=by, day=came)
            self._desk.record(session, ticket, "request.fee_paid", by=by, private={"day": came.isoformat()})

    def _take(self, session: Session, ref: str) -> tuple[TicketRow, _Standing]:
        ticket = find_ticket(session, ref, lock=True)
        return ticket, self._standing(session, ticket)

    def _standing(self, session: Session, ticket: TicketRow) -> _Standing:
        document = self._desk.document(session, ticket)
        return _stand(ticket, read_events(session, ticket), document, self._desk.clock.now())

    def _ends(self, session: Session, ticket: TicketRow) -> dict[str, Any]:
        """The end of a mail: the day it is due, where to complain, and the page, if it opens."""
        document = self._desk.document(session, ticket)
        authority = authority_of(ticket, document)
        return {
            "due": self._desk.due_words(ticket),
            "complaint": complaint_of(ticket, document),
            "authority": {"name": authority.name, "address": authority.address, "url": authority.url}
            if authority
            else None,
            "link": self._desk.page_link(ticket) if ticket.identity_at else "",
        }


def note_answer(
    desk: Desk, session: Session, ticket: TicketRow, *, by: str = PERSON, why: str = "", day: date | None = None
) -> bool:
    """The question that is open is answered: its clock runs again. False where none is open, which changes nothing."""
    found = read_clock_events(read_events(session, ticket), desk.document(session, ticket).controller.timezone)
    if found.question_on is None or State(ticket.state) not in OPEN:
        return False
    desk.note_event(session, ticket, QUESTION_ANSWERED, by=by, why=why, day=day)
    desk.record(session, ticket, "request.question_answered", by=by, private={"why_mark": desk.mark(why)})
    return True


def read_clock(ticket: TicketRow, events: Sequence[TicketEventRow], document: Document, *, now: datetime) -> ClockView:
    """How a ticket's clock stands, and what can be done with it."""
    standing = _stand(ticket, events, document, now)
    found, reckoning = standing.found, standing.reckoning
    can = {
        ClockAct.ASK: _question_refusal(standing) == "",
        ClockAct.ANSWERED: found.question_on is not None and standing.state in OPEN,
        ClockAct.EXTEND: _extension_refusal(standing) == ("", ""),
        ClockAct.ASK_FEE: _fee_refusal(standing) == "",
        ClockAct.FEE_PAID: found.fee is not None and found.fee.paid is None and standing.state in OPEN,
    }
    acts = frozenset(act for act, may in can.items() if may)
    has_limit = standing.row is not None and standing.row.extension is not None and not standing.row.extension.is_open
    return ClockView(
        acts=acts,
        question_on=found.question_on if standing.state in OPEN else None,
        stands=reckoning.stands,
        stops=frozenset(about for about in Question if _would_stop(standing, about)),
        extend_by=reckoning.extend_by,
        extended_on=found.extended_on,
        extended_due=standing.extended(None).due if ClockAct.EXTEND in acts and has_limit else None,
        acknowledge_by=reckoning.acknowledge_by,
        acknowledged_on=found.acknowledged_on,
        fee=found.fee,
    )


def _stand(ticket: TicketRow, events: Sequence[TicketEventRow], document: Document, now: datetime) -> _Standing:
    found = read_clock_events(events, document.controller.timezone)
    law = law_of(ticket, document)
    received = day_in(ticket.received_at, document.controller.timezone)
    return _Standing(
        ticket=ticket,
        document=document,
        found=found,
        reckoning=reckon_events(ticket, found, document, now=now),
        law=law,
        row=law.row(Right(ticket.right), received) if law else None,
        now=now,
    )


def _would_stop(standing: _Standing, about: Question) -> bool:
    pause = Pause(start=standing.today, about=about)
    return standing.supposing(replace(standing.found, pauses=(*standing.found.pauses, pause))).stands


def _question_refusal(standing: _Standing) -> str:
    if standing.state not in BEFORE_WORK:
        return f"it is {standing.state.value.replace('_', ' ')}"
    if not can_be_written_to(standing.ticket):
        return "its address is not proven, so its page opens for nobody"
    return "a question is open already" if standing.found.question_on else ""


def _require_question(standing: _Standing) -> None:
    if why := _question_refusal(standing):
        raise Conflict(f"Nothing can be asked about request {standing.ticket.ref}: {why}.", remedy="Look at it again.")


def _extension_refusal(standing: _Standing) -> tuple[str, str]:
    """Why there is no extension, and what to do instead; empty where there is one."""
    by_then = "Answer by the day it is due, or refuse a part."
    if standing.state not in OPEN:
        return f"it is {standing.state.value.replace('_', ' ')}", "Look at it again."
    if standing.found.extended_on:
        return "it was extended already, and only once is allowed", by_then
    if standing.law is None or standing.row is None:
        return "nobody has said under which law it is", "Set the law first."
    if standing.row.extension is None:
        return f"{standing.law.name} has none for {Right(standing.ticket.right).value.replace('_', ' ')}", by_then
    last = standing.reckoning.extend_by
    if last is None or standing.today > last:
        return f"it had to be told by {full_day(last) if last else 'then'}", by_then
    if not standing.row.extension.is_open and standing.extended(None).due <= standing.reckoning.due:
        return "the policy's own promise is firm, so it would move nothing", by_then
    return "", ""


def _require_extension(standing: _Standing) -> tuple[Regime, RegimeRow]:
    why, remedy = _extension_refusal(standing)
    if why or standing.law is None or standing.row is None:
        raise Conflict(f"Request {standing.ticket.ref} cannot be extended: {why}.", remedy=remedy)
    return standing.law, standing.row


def _require_later(standing: _Standing, row: RegimeRow, until: date | None) -> None:
    """A day is named exactly where the law sets no limit, and it is later than the one that is due."""
    needs_day = row.extension is not None and row.extension.is_open
    if not needs_day and until is not None:
        raise BadInput(f"{row.cite} says until when an extension lasts.", remedy="Leave the day out.")
    if needs_day and (until is None or standing.extended(until).due <= standing.reckoning.due):
        raise BadInput(
            f"{row.cite} sets no limit to an extension.",
            remedy=f"Give the new day, later than {full_day(standing.reckoning.due)}.",
        )


def _fee_refusal(standing: _Standing) -> str:
    if standing.state not in BEFORE_WORK:
        return f"it is {standing.state.value.replace('_', ' ')}"
    if standing.found.fee:
        return "a fee was announced already"
    if standing.law is None:
        return "nobody has said under which law it is"
    return "" if standing.law.fee else f"{standing.law.name} has no fee"


def _require_fee(standing: _Standing) -> tuple[Regime, str]:
    why = _fee_refusal(standing)
    if why or standing.law is None or standing.law.fee is None:
        raise Conflict(f"Request {standing.ticket.ref} is free of charge: {why}.", remedy="Answer it.")
    return standing.law, standing.law.fee.cite


def _require_words(text: str, what: str) -> str:
    said = text.replace("\x00", "").replace("\r\n", "\n").strip()
    if not said or len(said) > LONGEST_REASON:
        raise BadInput(f"Say {what}.", remedy=f"It has 1 to {LONGEST_REASON} characters.")
    return said


def _require_day(day: date, first: date, last: date, what: str) -> date:
    if not first <= day <= last:
        raise BadInput(
            f"{full_day(day)} cannot be the day {what}.", remedy=f"Give one from {full_day(first)} to {full_day(last)}."
        )
    return day
