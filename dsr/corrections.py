"""Corrections: what somebody says is wrong and right, where an operator says it stands, what stays as it is, and what is declined.

Nothing here writes to a store. A value is a person's: it stands in no event, no ledger entry and no address."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy.orm import Session

from core.catalogue import mark
from core.errors import BadInput, Conflict, NotFound, TooMuch
from core.ids import new_id
from core.personal import Personal
from dsr.conversations_tables import RefusedPartRow
from dsr.correction_plans import CHANGEABLE, refused_ids, standing_corrections
from dsr.correction_tables import LONGEST_VALUE, CorrectionChangeRow, CorrectionRow
from dsr.correction_views import CorrectionView, PersonCorrections, read_corrections, read_for_person
from dsr.correction_words import OTHER, may_be_empty, offer_fields, say_about
from dsr.desk import PERSON, Desk, find_ticket
from dsr.grounds import find_ground
from dsr.person_page import PersonPages
from dsr.states import State
from dsr.tables import TicketRow
from dsr.typed import check_email
from plans.build_correction import Correction, check_place
from plans.correction_changes import Correctable, correctable_fields
from policies.clauses import Right

MOST: Final = 20
LONGEST_WHY: Final = 2_000


class WrongValue(BadInput):
    """What is right cannot be taken as it was typed; message and remedy are of the catalogues."""


class Corrections:
    """What should be put right for a request for correction. `replan` makes its plan anew: (reference, who)."""

    def __init__(self, desk: Desk, pages: PersonPages, replan: Callable[[str, str], object]) -> None:
        self._desk = desk
        self._pages = pages
        self._replan = replan

    # -- looking

    def view(self, ref: str) -> CorrectionView:
        """Everything about what should be put right, for operators. Raises NotFound."""
        return read_corrections(self._desk, ref)

    def read_as_person(self, ref: str, grant: str) -> PersonCorrections | None:
        """What the person's page shows; None for another right. Raises NotFound without a grant."""
        with self._desk.database.read() as session:
            ticket = self._pages.require_grant(session, ref, grant)
            return read_for_person(self._desk, session, ticket)

    # -- saying what is wrong

    def propose_as_person(self, ref: str, grant: str, *, about: str, value: str, empty: bool = False) -> None:
        """The person says what is right, or, with `empty`, that nothing is. Raises NotFound without a grant, WrongValue,
        Conflict once the work has begun."""
        with self._desk.database.begin() as session:
            ticket = self._pages.require_grant(session, ref, grant, lock=True)
            if about not in {one.about for one in self._offered(ticket)}:
                raise WrongValue(mark("Choose what is wrong."))
            self._add(session, ticket, about, value, by=PERSON, empty=empty)

    def propose(self, ref: str, *, about: str, value: str, by: str, empty: bool = False) -> str:
        """An operator writes down what a person said is right, in a letter or on the phone; gives its id."""
        with self._desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            if about not in {one.about for one in self._offered(ticket)}:
                known = ", ".join(one.about for one in self._offered(ticket) if one.about)
                raise BadInput(
                    f"'{about}' is nothing that can be put right here.",
                    remedy=f"Use one of: {known or 'none'}; or nothing, for something else.",
                )
            return self._add(session, ticket, about, value, by=by, empty=empty)

    def take_back(self, ref: str, grant: str, correction_id: str) -> None:
        """The person takes back what nobody has decided yet. Raises NotFound, Conflict."""
        with self._desk.database.begin() as session:
            ticket = self._pages.require_grant(session, ref, grant, lock=True)
            row = self._find(session, ticket, correction_id)
            if row.decided_at is not None:
                raise Conflict(f"It is decided already for request {ticket.ref}.", remedy="Look at the page again.")
            row.taken_back_at = self._desk.clock.now()
            self._note(session, ticket, row, "correction_taken_back", PERSON)

    # -- deciding

    def place(self, ref: str, correction_id: str, *, where: str, by: str) -> None:
        """Say where something stands: `where` is COLLECTION.FIELD. Raises BadInput for a field that may not be changed, or a
        value that cannot stand there; whether the person is found there the plan says."""
        desk = self._desk
        collection, _, field = where.partition(".")
        if not collection or not field:
            raise BadInput("It is not said where it stands.", remedy="Name COLLECTION.FIELD.")
        with desk.database.read() as session:
            value = self._find(session, find_ticket(session, ref), correction_id).value.reveal() or None
        # No transaction is open while the store says what it takes.
        check_place(Correction(collection=collection, field=field, value=value), desk.plans.datamap)
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            row = self._find(session, ticket, correction_id)
            self._undecline(session, ticket, row)
            row.collection, row.field = collection, field
            self._decide(session, ticket, row, "correction_placed", by, why=where)

    def decline(self, ref: str, correction_id: str, *, ground: str, reason: str, by: str) -> None:
        """Say that something is not put right, on which ground and why, in words for the person: a part of the request is
        then refused. Raises BadInput."""
        desk, words = self._desk, _words(reason, "A reason")
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            row = self._find(session, ticket, correction_id)
            regimes = [ticket.regime] if ticket.regime else list(desk.document(session, ticket).regimes)
            found = find_ground(ground, regimes, Right(ticket.right))
            self._undecline(session, ticket, row)
            part = RefusedPartRow(
                id=new_id("prt"),
                ticket_id=ticket.id,
                at=desk.clock.now(),
                by=by,
                collections=[],
                what=say_about(row.about, ticket.language),
                ground=found.id,
                reason=words,
            )
            session.add(part)
            row.collection, row.field, row.part_id = None, None, part.id
            self._decide(session, ticket, row, "correction_declined", by, why=say_about(row.about, "en"))

    def spare(self, ref: str, change_id: str, *, why: str, by: str) -> None:
        """Leave some records as they are, with the reason in words for the person, and plan again without them."""
        self._set_spared(ref, change_id, _words(why, "A reason"), by)

    def unspare(self, ref: str, change_id: str, *, by: str) -> None:
        """Put them right after all, and plan again with them."""
        self._set_spared(ref, change_id, "", by)

    def _set_spared(self, ref: str, change_id: str, why: str, by: str) -> None:
        desk = self._desk
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            _require_changeable(ticket)
            row = session.get(CorrectionChangeRow, change_id)
            if row is None or row.ticket_id != ticket.id or row.is_spared == bool(why):
                raise NotFound(f"The plan of request {ticket.ref} has no such change.", remedy="Look at it again.")
            if row.rows is None or row.before is None:
                raise Conflict(
                    f"What {row.collection}.{row.field} says there is not one value.",
                    remedy="Refuse the whole collection as a part of the request, or decline the correction.",
                )
            kind = "correction_spared" if why else "correction_unspared"
            row.is_spared, row.spared_why = bool(why), why
            place = f"{row.collection}.{row.field}"
            desk.note_event(session, ticket, kind, by=by, why=place)
            private = {"place": place, "before_mark": desk.mark(row.before.reveal()), "why_mark": desk.mark(why)}
            desk.record(session, ticket, f"request.{kind}", by=by, private=private)
        self._replan(ref, by)

    # -- what they share

    def _offered(self, ticket: TicketRow) -> tuple[Any, ...]:
        return offer_fields(self._fields(), ticket.language)

    def _fields(self) -> tuple[Correctable, ...]:
        return correctable_fields(self._desk.plans.datamap)

    def _add(self, session: Session, ticket: TicketRow, about: str, value: str, *, by: str, empty: bool) -> str:
        _require_changeable(ticket)
        if empty:
            _require_may_be_empty(about, self._fields())
        if len(standing_corrections(session, ticket)) >= MOST:
            raise TooMuch(
                mark("That is as much as one request takes."), remedy=mark("Send another request for the rest.")
            )
        row = CorrectionRow(
            id=new_id("cor"),
            ticket_id=ticket.id,
            at=self._desk.clock.now(),
            by=by,
            about=about,
            value=Personal("" if empty else check_value(about, value)),
        )
        session.add(row)
        session.flush()
        self._note(session, ticket, row, "correction_proposed", by)
        return row.id

    def _find(self, session: Session, ticket: TicketRow, correction_id: str) -> CorrectionRow:
        _require_changeable(ticket)
        row = session.get(CorrectionRow, correction_id)
        if row is None or row.ticket_id != ticket.id or row.taken_back_at is not None:
            raise NotFound(f"Request {ticket.ref} has nothing of this id to put right.", remedy="Look at it again.")
        return row

    def _undecline(self, session: Session, ticket: TicketRow, row: CorrectionRow) -> None:
        if row.part_id in refused_ids(session, ticket):
            session.delete(session.get_one(RefusedPartRow, row.part_id))
        row.part_id = None

    def _decide(self, session: Session, ticket: TicketRow, row: CorrectionRow, kind: str, by: str, *, why: str) -> None:
        row.decided_by, row.decided_at = by, self._desk.clock.now()
        self._note(session, ticket, row, kind, by, why=why)

    def _note(
        self, session: Session, ticket: TicketRow, row: CorrectionRow, kind: str, by: str, *, why: str = ""
    ) -> None:
        desk = self._desk
        desk.note_event(session, ticket, kind, by=by, why=why or say_about(row.about, "en"))
        private = {"correction": row.id, "about": row.about, "value_mark": desk.mark(row.value.reveal()), "place": why}
        desk.record(session, ticket, f"request.{kind}", by=by, private=private)


def check_value(about: str, value: str) -> str:
    """A value as it is kept. Raises WrongValue, with words for whoever typed it."""
    text = value.replace("\x00", "").replace("\r\n", "\n").strip()
    if about != OTHER:
        text = " ".join(text.split())
    if not text or len(text) > LONGEST_VALUE:
        raise WrongValue(mark("Say what is right, in at most 2 000 characters."))
    if about == "user.contact.email":
        problems: dict[str, str] = {}
        text = check_email(text, problems)
        if problems:
            raise WrongValue(problems["email"])
    return text


def _require_may_be_empty(about: str, fields: Sequence[Correctable]) -> None:
    if about == OTHER:
        raise WrongValue(mark("Say in words what should go."))
    if not may_be_empty(about, fields):
        raise WrongValue(
            mark("This cannot be emptied: where it stands, something has to be."),
            remedy=mark("Say what is right instead."),
        )


def _words(text: str, what: str) -> str:
    words = text.replace("\x00", "").strip()
    if not words or len(words) > LONGEST_WHY:
        raise BadInput(f"{what} has 1 to {LONGEST_WHY} characters.", remedy="Say why, in words for the person.")
    return words


def _require_changeable(ticket: TicketRow) -> None:
    if Right(ticket.right) is not Right.CORRECTION:
        raise BadInput(
            f"Request {ticket.ref} asks for {ticket.right}, which corrects nothing.",
            remedy="Open a request for correction.",
        )
    if State(ticket.state) not in CHANGEABLE:
        raise Conflict(
            f"Request {ticket.ref} is {ticket.state.replace('_', ' ')}: what is put right can no longer change.",
            remedy="Open another request for the rest.",
        )
