"""Appeals: a refused or late request looked at again, by an operator who did not decide it; upheld, or overturned and reopened."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.catalogue import catalogue, mark
from core.clock import day_in
from core.errors import BadInput, Conflict
from core.operators import Permission, list_operators
from dsr.answer_drafts import AnswerDrafts
from dsr.answer_words import MAILS, Kind
from dsr.choices import note_choice, read_choice
from dsr.clocks import law_of
from dsr.conversations import add_link, open_beside, tell_received
from dsr.desk import PERSON, SYSTEM, Desk, find_ticket, read_events
from dsr.other_rights import require_reasons
from dsr.person_page import PersonPages
from dsr.rights_tables import AppealRow
from dsr.states import OPEN, State, require_move
from dsr.tables import TicketRow
from policies.clauses import Right, RightClause
from policies.documents import Document

REFUSED: Final = frozenset({State.REFUSED, State.PARTLY_REFUSED})
LONGEST_WORDS: Final = 10_000
LONGEST_NOTE: Final = 2_000


class Outcome(StrEnum):
    """UPHELD: the first decision stands. OVERTURNED: it was wrong, and the request goes on."""

    UPHELD = "upheld"
    OVERTURNED = "overturned"


STANDS: Final = mark("our decision stands")
WAS_WRONG: Final = mark("our decision was wrong, and your request goes on as request %(ref)s")
GOES_ON: Final = mark("we are late, and your request goes on")
ANOTHER: Final = mark("somebody who had no part in it")
THE_SAME: Final = mark("the person who made it, as nobody else works on requests here")


@dataclass(frozen=True, kw_only=True)
class AppealView:
    """What a ticket's page shows of appeals. `of_ref`: what this ticket is an appeal against, '' where it is none, or nobody
    has said; `deciders`: the operators who decided that; `alone`: of all operators only they could decide again.

    `offered`: an appeal against this ticket can be opened; `appeal_ref`: the one there is."""

    of_ref: str
    deciders: tuple[str, ...]
    alone: bool
    outcome: Outcome | None
    alone_why: str
    reopened_ref: str
    offered: bool
    appeal_ref: str


@dataclass(frozen=True, kw_only=True)
class PersonAppeal:
    """What the person's page shows: whether an appeal is offered, and the reference of the one there is."""

    offered: bool
    ref: str


class Appeals:
    """Opens and decides appeals. Each method is a use case with its own transaction."""

    def __init__(self, desk: Desk, pages: PersonPages) -> None:
        self._desk = desk
        self._pages = pages
        self._texts = AnswerDrafts(desk)

    def view(self, ref: str) -> AppealView:
        """What a ticket has to do with appeals. Raises NotFound."""
        with self._desk.database.read() as session:
            ticket = find_ticket(session, ref)
            row, against = session.get(AppealRow, ticket.id), _against(session, ticket)
            deciders = self._deciders(session, row) if row else set[str]()
            return AppealView(
                of_ref=row.of_ref if row else "",
                deciders=tuple(sorted(deciders)),
                alone=bool(deciders) and not _others(session, deciders),
                outcome=Outcome(row.outcome) if row and row.outcome else None,
                alone_why=row.alone_why if row else "",
                reopened_ref=(row.reopened_ref or "") if row else "",
                offered=not self._why_not(session, ticket),
                appeal_ref=against or "",
            )

    def open(self, ref: str, *, by: str, words: str = "") -> str:
        """Open an appeal against a request, for who asked for it in another way; gives its reference.

        Raises Conflict where there is none to be had: an appeal of an appeal, a law without one, a request that is neither
        refused nor late, one that was appealed already."""
        with self._desk.database.begin() as session:
            return self._open(session, find_ticket(session, ref, lock=True), by=by, words=words)

    def open_as_person(self, ref: str, grant: str, *, words: str = "") -> str:
        """The same by the person, on the page of the request. Raises NotFound without a grant for it."""
        with self._desk.database.begin() as session:
            ticket = self._pages.require_grant(session, ref, grant, lock=True)
            return self._open(session, ticket, by=PERSON, words=words)

    def read_as_person(self, ref: str, grant: str) -> PersonAppeal:
        """What the person's page offers. Raises NotFound without a grant for it."""
        with self._desk.database.read() as session:
            ticket = self._pages.require_grant(session, ref, grant)
            return PersonAppeal(offered=not self._why_not(session, ticket), ref=_against(session, ticket) or "")

    def name_first(self, ref: str, first: str, *, by: str) -> None:
        """Say which request an appeal is against that came by letter. Raises Conflict where that is said, or cannot be."""
        with self._desk.database.begin() as session:
            ticket, other = find_ticket(session, ref, lock=True), find_ticket(session, first, lock=True)
            if Right(ticket.right) is not Right.APPEAL or session.get(AppealRow, ticket.id) is not None:
                raise Conflict(f"Request {ticket.ref} is no appeal that lacks this.", remedy="Look at it again.")
            if ticket.contact.reveal().lower() != other.contact.reveal().lower():
                raise Conflict(
                    f"Requests {ticket.ref} and {other.ref} are not of the same address.", remedy="Look at them again."
                )
            self._require(session, other)
            self._attach(session, ticket, other, by=by)

    def decide(self, ref: str, *, by: str, outcome: str, reasons: str, alone_why: str = "") -> str:
        """Decide an appeal and answer it; gives the reference under which an overturned request goes on, else ''.

        Raises Conflict for an operator who decided first, while there is another one; where there is none, `alone_why`
        has to say how the decision was looked at all the same."""
        words = require_reasons(reasons)
        if outcome not in set(Outcome):
            raise BadInput("An appeal is upheld or overturned.", remedy=f"Choose one of: {', '.join(Outcome)}.")
        with self._desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            row = session.get(AppealRow, ticket.id)
            if row is None:
                raise Conflict(
                    f"Nobody has said what {ticket.ref} is an appeal against.", remedy="Name that request first."
                )
            require_move(ticket.ref, State(ticket.state), State.ANSWERED)
            row.alone_why = self._require_another(session, ticket, row, by, alone_why)
            row.outcome = outcome
            first = find_ticket(session, row.of_ref, lock=True)
            is_open = State(first.state) in OPEN
            if Outcome(outcome) is Outcome.OVERTURNED and not is_open:
                row.reopened_ref = self._reopen(session, first, by=by)
            self._answer(session, ticket, row, words, by=by, is_open=is_open)
            return row.reopened_ref or ""

    def _open(self, session: Session, first: TicketRow, *, by: str, words: str) -> str:
        said = words.replace("\x00", "").strip()
        if len(said) > LONGEST_WORDS:
            raise BadInput(f"More than {LONGEST_WORDS} characters.", remedy="Say it in fewer words.")
        self._require(session, first)
        version = self._desk.policies.in_force(session, self._desk.clock.now())
        number = version.number if version else first.version
        ticket = open_beside(session, first, Right.APPEAL, received_at=self._desk.clock.now(), version=number)
        ticket.details, ticket.assigned_to = said, None
        ticket.channel = first.channel if by == PERSON else "letter"
        self._desk.note_event(session, ticket, "opened", by=by)
        self._desk.record(session, ticket, "request.received", by=by, private={"appeal_of": first.ref})
        self._attach(session, ticket, first, by=by)
        if ticket.identity_at is not None:
            tell_received(self._desk, session, ticket)
        return ticket.ref

    def _attach(self, session: Session, ticket: TicketRow, first: TicketRow, *, by: str) -> None:
        deciders = self._deciders_of(session, first)
        row = AppealRow(
            ticket_id=ticket.id,
            at=self._desk.clock.now(),
            of_ref=first.ref,
            decided_by=next(iter(sorted(deciders)), None),
        )
        session.add(row)
        session.flush()
        for one, other in ((ticket, first), (first, ticket)):
            self._desk.note_event(session, one, "appeal_of" if one is ticket else "appealed", by=by, why=other.ref)
        self._desk.record(session, ticket, "request.appeal", by=by, private={"of": first.ref})

    def _require(self, session: Session, first: TicketRow) -> None:
        if why := self._why_not(session, first):
            raise Conflict(why, remedy="What is left is the authority that the answer names.")

    def _why_not(self, session: Session, first: TicketRow) -> str:
        """Why no appeal against a ticket can be opened; '' where one can."""
        if Right(first.right) is Right.APPEAL:
            return f"Request {first.ref} is an appeal itself: there is no appeal of an appeal."
        document = self._desk.document(session, first)
        if not gives_appeal(first, document):
            return f"The law of request {first.ref} knows no appeal."
        if State(first.state) not in REFUSED and not self._is_late(first, document):
            return f"Request {first.ref} is neither refused nor late."
        if against := _against(session, first):
            return f"Request {first.ref} was appealed already, as {against}."
        return ""

    def _is_late(self, first: TicketRow, document: Document) -> bool:
        today = day_in(self._desk.clock.now(), document.controller.timezone)
        return State(first.state) in OPEN and first.due_on is not None and first.due_on < today

    def _deciders(self, session: Session, row: AppealRow) -> set[str]:
        known = {row.decided_by} if row.decided_by else set[str]()
        first = session.execute(sa.select(TicketRow).where(TicketRow.ref == row.of_ref)).scalar_one_or_none()
        return known | (self._deciders_of(session, first) if first else set())

    def _deciders_of(self, session: Session, first: TicketRow) -> set[str]:
        decided = {State.REFUSED.value, State.PARTLY_REFUSED.value, State.APPROVED.value}
        return {
            one.by
            for one in read_events(session, first)
            if one.kind == "part_refused" or (one.before != one.after and one.after in decided)
        } - {SYSTEM, PERSON}

    def _require_another(self, session: Session, ticket: TicketRow, row: AppealRow, by: str, alone_why: str) -> str:
        """The note of who decides again because there is nobody else; '' for somebody who had no part in it."""
        deciders = self._deciders(session, row)
        if by not in deciders:
            return ""
        if _others(session, deciders):
            raise Conflict(
                f"You decided request {row.of_ref}, so somebody else decides the appeal.",
                remedy="Give it to another operator.",
            )
        note = alone_why.replace("\x00", "").strip()
        if not note or len(note) > LONGEST_NOTE:
            raise Conflict(
                "You decided it the first time, and there is no other operator.",
                remedy=f"Add another operator, or note in 1 to {LONGEST_NOTE} characters how you looked at it anew.",
            )
        self._desk.note_event(session, ticket, "appeal_alone", by=by, why=note)
        self._desk.record(session, ticket, "request.appeal_alone", by=by, private={"why_mark": self._desk.mark(note)})
        return note

    def _reopen(self, session: Session, first: TicketRow, *, by: str) -> str:
        now = self._desk.clock.now()
        version = self._desk.policies.in_force(session, now)
        number = version.number if version else first.version
        fresh = open_beside(session, first, Right(first.right), received_at=now, version=number)
        note_choice(self._desk, session, fresh, read_choice(session, first))
        self._desk.note_event(session, fresh, "opened", by=by)
        self._desk.note_event(session, fresh, "reopened_from", by=by, why=first.ref)
        self._desk.record(session, fresh, "request.received", by=by, private={"reopened_from": first.ref})
        self._desk.note_event(session, first, "reopened", by=by, why=fresh.ref)
        add_link(self._desk, session, first, fresh, by=by)
        if fresh.identity_at is not None:
            tell_received(self._desk, session, fresh)
        return fresh.ref

    def _answer(
        self, session: Session, ticket: TicketRow, row: AppealRow, reasons: str, *, by: str, is_open: bool
    ) -> None:
        say = catalogue(ticket.language).gettext
        if Outcome(row.outcome) is Outcome.UPHELD:
            outcome = say(STANDS)
        else:
            outcome = say(GOES_ON) if is_open else say(WAS_WRONG) % {"ref": row.reopened_ref}
        facts = {"first": row.of_ref, "decider": say(THE_SAME if row.alone_why else ANOTHER), "outcome": outcome}
        ticket.outcome = {**ticket.outcome, "appeal": row.outcome, "by_hand": reasons}
        self._desk.move(session, ticket, State.ANSWERED, by=by, why=row.outcome)
        self._desk.record(session, ticket, "request.appeal_decided", by=by, private={"outcome": row.outcome})
        variables = self._texts.variables(session, ticket, Kind.APPEAL, facts)
        self._desk.mail(session, ticket, MAILS[Kind.APPEAL], **{**variables, "refused": [], "reasons": reasons})


def gives_appeal(ticket: TicketRow, document: Document) -> bool:
    """Whether a ticket's law, or the policy for it, has an appeal."""
    clauses = [one for one in document.of_kind(RightClause) if one.right is Right.APPEAL]
    if any(not one.regimes or ticket.regime in one.regimes for one in clauses):
        return True
    law = law_of(ticket, document)
    return law is not None and any(Right.APPEAL in row.rights for row in law.rows)


def _against(session: Session, first: TicketRow) -> str | None:
    wanted = sa.select(TicketRow.ref).join(AppealRow, AppealRow.ticket_id == TicketRow.id)
    return session.execute(wanted.where(AppealRow.of_ref == first.ref)).scalar_one_or_none()


def _others(session: Session, deciders: set[str]) -> bool:
    """Whether anybody works on requests who did not decide."""
    return any(one.id not in deciders and one.may(Permission.WORK_REQUESTS) for one in list_operators(session))
