"""Tickets among each other: several rights in one letter, requests that ask for the same, and whose work each is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import day_in
from core.errors import BadInput, Conflict
from core.ids import new_id, new_reference
from core.operators import Permission, load_operator
from core.words import long_day
from dsr.choices import begin_at_once
from dsr.complaints import authority_of, complaint_of
from dsr.conversations_tables import TicketLinkRow
from dsr.desk import PERSON, Desk, find_ticket
from dsr.listing import line_of
from dsr.proof_standing import lacks_beyond_address
from dsr.stands import Stand, read_stands
from dsr.states import ENDS, State
from dsr.tables import ConversationRow, TicketRow
from dsr.typed import check_right
from dsr.ways_in_tables import SelfServiceRow
from dsr.words import RIGHT_NAMES, say_right
from policies.clauses import Right

MOST_NEIGHBOURS: Final = 20
# Nobody's request yet, or no longer anybody's.
UNSEEN: Final = (State.UNCONFIRMED.value, State.EXPIRED.value)


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """Another ticket, as far as the page of a ticket shows it."""

    ref: str
    right: Right
    right_name: str
    state: State
    state_name: str
    due_on: date | None
    is_closed: bool
    is_test: bool


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """What a ticket stands beside. `letter`: further rights of the same letter; `linked`: those that ask for the same;
    `gone`: references of linked ones that are forgotten; `address`: others of the same address, which may ask for the
    same; `rights`: those that can still be split off."""

    letter: tuple[Neighbour, ...]
    linked: tuple[Neighbour, ...]
    gone: tuple[str, ...]
    address: tuple[Neighbour, ...]
    rights: tuple[Right, ...]
    assigned_to: str | None


@dataclass(frozen=True, kw_only=True)
class Sibling:
    """Another request of a person's letter, as their own page names it."""

    ref: str
    right_words: str


class Conversations:
    """Splits, links and assigns tickets. Each method is a use case with its own transaction."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def split(self, ref: str, *, right: str, by: str) -> str:
        """Open a ticket for a further right of the same letter; gives its reference.

        It was received when the letter was, and what proved the address proves it here; its clock, plan and answer are its
        own. Raises BadInput for a right that there is not, Conflict where the letter has an open ticket for it already."""
        desk = self._desk
        problems: dict[str, str] = {}
        asked = check_right(right, frozenset(Right), problems)
        if problems:
            raise BadInput(f"'{right}' is no right.", remedy=f"Use one of: {', '.join(one.value for one in Right)}.")
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            _require_seen(ticket)
            # One after the other of a letter, whichever of its tickets somebody splits.
            letter = sa.select(ConversationRow.id).where(ConversationRow.id == ticket.conversation_id)
            session.execute(letter.with_for_update())
            if not ticket.contact:
                raise Conflict(f"The address of request {ticket.ref} is forgotten.", remedy="Open a new request.")
            for other in _of_letter(session, ticket, with_itself=True):
                if other.right == asked.value and State(other.state) not in ENDS:
                    raise Conflict(
                        f"Request {other.ref} asks for {asked.value} in the same letter.", remedy="Work on that one."
                    )
            fresh = open_beside(session, ticket, asked)
            desk.note_event(session, fresh, "opened", by=by)
            desk.note_event(session, fresh, "split_from", by=by, why=ticket.ref)
            desk.record(session, fresh, "request.received", by=by, private={"split_from": ticket.ref})
            desk.note_event(session, ticket, "split", by=by, why=fresh.ref)
            desk.record(session, ticket, "request.split", by=by, private={"to": fresh.ref, "asked": asked.value})
            if fresh.identity_at is not None:
                tell_received(desk, session, fresh)
            return fresh.ref

    def link(self, ref: str, other_ref: str, *, by: str) -> None:
        """Say that two requests ask for the same. Each keeps its own clock and answer, and neither waits for the other.

        Raises BadInput for a request with itself or for another right, Conflict where they are linked."""
        with self._desk.database.begin() as session:
            one, other = self._both(session, ref, other_ref)
            if one.right != other.right:
                raise BadInput(
                    f"Request {one.ref} asks for {one.right}, request {other.ref} for {other.right}.",
                    remedy="Link requests that ask for the same.",
                )
            if _find_link(session, one, other) is not None:
                raise Conflict(f"Requests {one.ref} and {other.ref} are linked.", remedy="Nothing is left to do.")
            add_link(self._desk, session, one, other, by=by)
            self._note_both(session, one, other, "linked", by)

    def unlink(self, ref: str, other_ref: str, *, by: str) -> None:
        """Take a link away. Raises Conflict where there is none."""
        with self._desk.database.begin() as session:
            one, other = self._both(session, ref, other_ref)
            rows = [_find_link(session, one, other), _find_link(session, other, one)]
            if not any(rows):
                raise Conflict(f"Requests {one.ref} and {other.ref} are not linked.", remedy="Nothing is left to do.")
            for row in filter(None, rows):
                session.delete(row)
            self._note_both(session, one, other, "unlinked", by)

    def assign(self, ref: str, *, to: str, by: str) -> None:
        """Make an open ticket an operator's work, by their id; '' is nobody's. Raises BadInput for who cannot do it."""
        desk = self._desk
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            if State(ticket.state) in ENDS:
                raise Conflict(f"Request {ticket.ref} is closed.", remedy="Nothing is left to do.")
            operator = load_operator(session, to) if to else None
            if to and (operator is None or not operator.may(Permission.WORK_REQUESTS)):
                raise BadInput("Nobody of this name works on requests.", remedy="Choose one of the operators.")
            if (ticket.assigned_to or "") == to:
                return
            before, ticket.assigned_to = ticket.assigned_to or "", to or None
            desk.note_event(session, ticket, "assigned", by=by, why=to)
            desk.record(session, ticket, "request.assigned", by=by, private={"from": before, "to": to})

    def neighbours(self, ref: str) -> Neighbours:
        """What a ticket stands beside. Raises NotFound."""
        with self._desk.database.read() as session:
            ticket = find_ticket(session, ref)
            letter = _of_letter(session, ticket)
            names = set(
                session.execute(
                    sa.select(TicketLinkRow.other_ref).where(TicketLinkRow.ticket_id == ticket.id)
                ).scalars()
            )
            linked = _by_due(session, TicketRow.ref.in_(names)) if names else []
            taken = {ticket.id, *(one.id for one in (*letter, *linked))}
            address = [one for one in _of_address(session, ticket) if one.id not in taken]
            stands = read_stands(session, (*letter, *linked, *address))
            open_rights = {one.right for one in (ticket, *letter) if State(one.state) not in ENDS}
            return Neighbours(
                letter=tuple(_neighbour(one, stands) for one in letter),
                linked=tuple(_neighbour(one, stands) for one in linked),
                gone=tuple(sorted(names - {one.ref for one in linked})),
                address=tuple(_neighbour(one, stands) for one in address),
                rights=tuple(one for one in Right if one.value not in open_rights),
                assigned_to=ticket.assigned_to,
            )

    def _both(self, session: Session, ref: str, other_ref: str) -> tuple[TicketRow, TicketRow]:
        # Always in the same order, so that two operators who link the same two at once do not wait for each other.
        first, second = sorted((ref.strip().upper(), other_ref.strip().upper()))
        if first == second:
            raise BadInput("A request cannot be linked with itself.", remedy="Name another one.")
        rows = {name: find_ticket(session, name, lock=True) for name in (first, second)}
        for row in rows.values():
            _require_seen(row)
        return rows[ref.strip().upper()], rows[other_ref.strip().upper()]

    def _note_both(self, session: Session, one: TicketRow, other: TicketRow, kind: str, by: str) -> None:
        for this, that in ((one, other), (other, one)):
            self._desk.note_event(session, this, kind, by=by, why=that.ref)
            self._desk.record(session, this, f"request.{kind}", by=by, private={"other": that.ref})


def add_link(desk: Desk, session: Session, one: TicketRow, other: TicketRow, *, by: str) -> None:
    """Link two tickets, each with the other."""
    for this, that in ((one, other), (other, one)):
        row = TicketLinkRow(id=new_id("lnk"), ticket_id=this.id, other_ref=that.ref, at=desk.clock.now(), by=by)
        session.add(row)


def share_proof(desk: Desk, session: Session, ticket: TicketRow) -> None:
    """What proves the address for one right of a letter proves it for the others; their clocks take it in, and each is
    told that it is received."""
    for other in _of_letter(session, ticket):
        if State(other.state) in ENDS or other.identity_at is not None or not _same_address(other, ticket):
            continue
        other.identity_at = ticket.identity_at
        desk.note_event(session, other, "identity", by=PERSON, why=ticket.ref)
        desk.record(session, other, "request.identity", by=PERSON, private={"with": ticket.ref})
        tell_received(desk, session, other)


def tell_received(desk: Desk, session: Session, ticket: TicketRow) -> None:
    """Queue the mail that says that a request is received, from when it counts and by when it is answered; what Kept carries
    out by itself begins instead, and its answer says that it is done."""
    if begin_at_once(desk, session, ticket):
        return
    document = desk.document(session, ticket)
    zone, authority = document.controller.timezone, authority_of(ticket, document)
    desk.mail(
        session,
        ticket,
        "complaint_received" if Right(ticket.right) is Right.COMPLAINT else "request_received",
        more=lacks_beyond_address(desk, session, ticket),
        by_itself=session.get(SelfServiceRow, ticket.id) is not None,
        right=ticket.right,
        due=desk.due_words(ticket),
        link=desk.page_link(ticket),
        received=long_day(day_in(ticket.received_at, zone), ticket.language),
        complaint=complaint_of(ticket, document),
        authority={"name": authority.name, "address": authority.address, "url": authority.url} if authority else None,
    )


def list_siblings(session: Session, ticket: TicketRow) -> tuple[Sibling, ...]:
    """The further rights of a person's letter, for the person: those whose address is proven and the same."""
    return tuple(
        Sibling(ref=one.ref, right_words=say_right(Right(one.right), ticket.language))
        for one in _of_letter(session, ticket)
        if one.identity_at is not None and _same_address(one, ticket)
    )


def new_conversation(desk: Desk, session: Session) -> str:
    """The id of an exchange that begins now."""
    row = ConversationRow(id=new_id("cnv"), created_at=desk.clock.now())
    session.add(row)
    session.flush()
    return row.id


def open_beside(
    session: Session,
    ticket: TicketRow,
    right: Right,
    *,
    received_at: datetime | None = None,
    version: int | None = None,
) -> TicketRow:
    """A ticket for another right of the same exchange, with what was said and shown for the first. `received_at` and
    `version`: where it is asked for later than that."""
    fresh = TicketRow(
        id=new_id("tkt"),
        ref=new_reference(),
        conversation_id=ticket.conversation_id,
        right=right.value,
        regime=ticket.regime,
        channel=ticket.channel,
        received_at=received_at or ticket.received_at,
        identity_at=ticket.identity_at,
        due_on=None,
        state=State.RECEIVED.value,
        version=version or ticket.version,
        contact=ticket.contact,
        language=ticket.language,
        country=ticket.country,
        subdivision=ticket.subdivision,
        details=ticket.details,
        plan_id=None,
        outcome={},
        is_test=ticket.is_test,
        assigned_to=ticket.assigned_to,
    )
    session.add(fresh)
    session.flush()
    return fresh


def _require_seen(ticket: TicketRow) -> None:
    if ticket.state in UNSEEN:
        raise Conflict(
            f"The link of request {ticket.ref} was not used.", remedy="It is nobody's request before the link is used."
        )


def _of_letter(session: Session, ticket: TicketRow, *, with_itself: bool = False) -> list[TicketRow]:
    found = _by_due(session, TicketRow.conversation_id == ticket.conversation_id)
    return [one for one in found if with_itself or one.id != ticket.id]


def _of_address(session: Session, ticket: TicketRow) -> list[TicketRow]:
    if not ticket.contact:
        return []
    return _by_due(session, sa.func.lower(TicketRow.contact) == ticket.contact.reveal().lower(), latest=True)


def _by_due(session: Session, where: sa.ColumnElement[bool], *, latest: bool = False) -> list[TicketRow]:
    order = TicketRow.received_at.desc() if latest else TicketRow.received_at
    wanted = sa.select(TicketRow).where(where, TicketRow.state.not_in(UNSEEN)).order_by(order, TicketRow.ref)
    return list(session.execute(wanted.limit(MOST_NEIGHBOURS)).scalars())


def _same_address(one: TicketRow, other: TicketRow) -> bool:
    return one.contact.reveal().lower() == other.contact.reveal().lower()


def _find_link(session: Session, one: TicketRow, other: TicketRow) -> TicketLinkRow | None:
    wanted = sa.select(TicketLinkRow).where(TicketLinkRow.ticket_id == one.id, TicketLinkRow.other_ref == other.ref)
    return session.execute(wanted).scalar_one_or_none()


def _neighbour(row: TicketRow, stands: Mapping[str, Stand]) -> Neighbour:
    line = line_of(row, stands.get(row.id))
    return Neighbour(
        ref=row.ref,
        right=line.right,
        right_name=RIGHT_NAMES[line.right],
        state=line.state,
        state_name=line.state_name,
        due_on=row.due_on,
        is_closed=line.is_closed,
        is_test=row.is_test,
    )
