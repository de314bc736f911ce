"""People who are reached by post alone: how they showed who they are, letters to print, and the day each was posted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import day_in
from core.errors import BadInput, Conflict, NotFound
from core.personal import Personal
from core.words import long_day
from dsr.conversations import share_proof, tell_received
from dsr.desk import Desk, find_ticket
from dsr.identifiers import add_identifier, read_identifiers
from dsr.package import Download, Packages
from dsr.states import ENDS, State
from dsr.tables import TicketRow
from dsr.ways_in_tables import LetterRow, PostalAddressRow

LONGEST_WHY: Final = 2_000
LONGEST_VALUE: Final = 254
# A download for an operator is handed over at once and never taken up again.
AT_ONCE: Final = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class LetterView:
    """A letter of a ticket. `sent_on` None: it waits to be printed and posted."""

    id: str
    at: datetime
    title: str
    sent_on: date | None
    sent_by: str | None


@dataclass(frozen=True, kw_only=True)
class PostView:
    """What a ticket's page shows of a person without an e-mail address. `kinds`: what the map finds people by."""

    address: str = field(repr=False)
    identity_shown: bool
    is_closed: bool
    letters: tuple[LetterView, ...]
    kinds: tuple[str, ...]
    known: tuple[str, ...]
    has_copy: bool

    @property
    def waiting(self) -> tuple[LetterView, ...]:
        """Letters that nobody has posted yet."""
        return tuple(one for one in self.letters if one.sent_on is None)


@dataclass(frozen=True, kw_only=True)
class WaitingLetter:
    """A letter that waits to be posted, for the list of what is to be done."""

    ref: str
    title: str
    due_on: date | None


class ByPost:
    """Everything about requests of people without an e-mail address."""

    def __init__(self, desk: Desk, packages: Packages) -> None:
        self._desk = desk
        self._packages = packages

    def look(self, ref: str) -> PostView | None:
        """What the page shows; None for who has an e-mail address. Raises NotFound."""
        desk = self._desk
        with desk.database.read() as session:
            ticket = find_ticket(session, ref)
            address = session.get(PostalAddressRow, ticket.id)
            if address is None or ticket.contact:
                return None
            kinds = {kind for one in desk.plans.datamap.collections for kind in one.identifies}
            return PostView(
                address=address.address.reveal(),
                identity_shown=ticket.identity_at is not None,
                is_closed=State(ticket.state) in ENDS,
                letters=tuple(_view(row) for row in _letters(session, ticket)),
                kinds=tuple(sorted(kinds)),
                known=tuple(one.kind for one in read_identifiers(session, ticket)),
                has_copy="package" in ticket.outcome,
            )

    def waiting(self) -> list[WaitingLetter]:
        """Letters that nobody has posted yet, by what is due first."""
        wanted = (
            sa.select(TicketRow.ref, LetterRow.subject, TicketRow.due_on)
            .join(TicketRow, TicketRow.id == LetterRow.ticket_id)
            .where(LetterRow.sent_on.is_(None), TicketRow.is_test.is_(False))
        )
        with self._desk.database.read() as session:
            rows = session.execute(wanted.order_by(TicketRow.due_on, LetterRow.at)).all()
        return [WaitingLetter(ref=ref, title=title, due_on=due) for ref, title, due in rows]

    def show_identity(self, ref: str, *, by: str, why: str, identifiers: Mapping[str, str]) -> None:
        """Write down how a person without an e-mail address showed who they are, and under which of their identifiers they
        are found. Raises BadInput, Conflict."""
        desk, words = self._desk, why.replace("\x00", "").strip()
        given = {kind: value.strip() for kind, value in identifiers.items() if value.strip()}
        _check_shown(words, given, {kind for one in desk.plans.datamap.collections for kind in one.identifies})
        now = desk.clock.now()
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            if ticket.contact or session.get(PostalAddressRow, ticket.id) is None:
                raise Conflict(f"Request {ticket.ref} has an e-mail address.", remedy="Its link proves it.")
            if ticket.identity_at is not None or State(ticket.state) in ENDS:
                raise Conflict(f"Who made request {ticket.ref} is shown already.", remedy="Nothing is left to do.")
            ticket.identity_at = now
            for kind, value in given.items():
                add_identifier(session, ticket, kind, Personal(value), source=by, now=now, proven=True)
            desk.note_event(session, ticket, "identity", by=by, why=words)
            private = {"kinds": sorted(given), "why_mark": desk.mark(words)}
            desk.record(session, ticket, "request.identity", by=by, private=private)
            tell_received(desk, session, ticket)
            share_proof(desk, session, ticket)

    def print_letter(self, ref: str, letter_id: str) -> bytes:
        """The letter as PDF. Raises NotFound."""
        desk = self._desk
        with desk.database.read() as session:
            ticket = find_ticket(session, ref)
            row = self._letter(session, ticket, letter_id)
            address = session.get_one(PostalAddressRow, ticket.id)
            document = desk.words_of(session, ticket)
            zone = document.controller.timezone
            html = desk.renderer.text(
                "documents/post.html",
                controller={"name": document.controller.name, "email": document.controller.email},
                ref=ticket.ref,
                address_lines=address.address.reveal().splitlines(),
                date=long_day(day_in(row.at, zone), ticket.language),
                received=long_day(day_in(ticket.received_at, zone), ticket.language),
                title=row.subject,
                paragraphs=row.body.reveal().split("\n\n"),
                language=ticket.language,
            )
        return desk.render_pdf(html)

    def note_sent(self, ref: str, letter_id: str, *, on: date, by: str) -> None:
        """Write down the day on which a letter was posted. Raises BadInput, Conflict, NotFound."""
        desk = self._desk
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            row = self._letter(session, ticket, letter_id)
            zone = desk.document(session, ticket).controller.timezone
            if row.sent_on is not None:
                raise Conflict("This letter is posted already.", remedy="Nothing is left to do.")
            if not day_in(row.at, zone) <= on <= day_in(desk.clock.now(), zone):
                raise BadInput("The letter cannot have been posted on that day.", remedy="Give a day up to today.")
            row.sent_on, row.sent_by = on, by
            desk.note_event(session, ticket, "letter_sent", by=by, why=row.event, day=on)
            private = {"letter": row.id, "on": on.isoformat()}
            desk.record(session, ticket, "request.letter_sent", by=by, private=private)

    def hand_out(self, ref: str, *, by: str) -> Download:
        """The copy of a person without an e-mail address, to be printed or put on a medium; written down first."""
        with self._desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            if ticket.contact or session.get(PostalAddressRow, ticket.id) is None:
                raise Conflict("This copy goes to its person alone.", remedy="They get it from their page.")
            download = self._packages.open(session, ticket, by=by, lasts=AT_ONCE)
            self._desk.note_event(session, ticket, "handed_out", by=by)
            return download

    @staticmethod
    def _letter(session: Session, ticket: TicketRow, letter_id: str) -> LetterRow:
        row = session.get(LetterRow, letter_id)
        if row is None or row.ticket_id != ticket.id:
            raise NotFound("There is no such letter.", remedy="Look at the request again.")
        return row


def _letters(session: Session, ticket: TicketRow) -> list[LetterRow]:
    wanted = sa.select(LetterRow).where(LetterRow.ticket_id == ticket.id).order_by(LetterRow.at, LetterRow.id)
    return list(session.execute(wanted).scalars())


def _view(row: LetterRow) -> LetterView:
    return LetterView(id=row.id, at=row.at, title=row.subject, sent_on=row.sent_on, sent_by=row.sent_by)


def _check_shown(words: str, given: Mapping[str, str], kinds: set[str]) -> None:
    if not words or len(words) > LONGEST_WHY:
        raise BadInput("It needs a reason.", remedy="Say how they showed who they are; write down no value of it.")
    if not given or not set(given) <= kinds:
        raise BadInput("It needs something to find them by.", remedy=f"Give one of: {', '.join(sorted(kinds))}.")
    if any(len(value) > LONGEST_VALUE for value in given.values()):
        raise BadInput("This is longer than anything that finds a person.", remedy="Look at it again.")
