"""Requests that came by mail, in the transaction of whoever sorts the mail: opened, written about, and taken back.

Who is named as the sender of a mail is no proof: what a mail says is shown, and the answer goes to a proven contact only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.catalogue import SOURCE, short_code
from core.clock import day_in
from core.errors import BadInput, Conflict, NotFound
from core.personal import Personal
from dsr.asker_tables import asker_row
from dsr.clock_acts import note_answer
from dsr.conversations import add_link, new_conversation
from dsr.desk import PERSON, Desk, find_ticket
from dsr.messages import BY_MAIL, BY_OTHER, IN
from dsr.opening import CONFIRM_LASTS_BY_HAND, Asked, mail_link, open_ticket, version_at
from dsr.states import ENDS, State
from dsr.tables import MessageRow, TicketRow
from dsr.typed import check_email
from dsr.words import RIGHT_NAMES, STATE_NAMES
from policies.clauses import Right, RightClause
from policies.documents import Document
from policies.reckoning import Reckoning, reckon
from policies.versions import Version

CHANNEL: Final = "mail"
LONGEST_WORDS: Final = 20_000
MOST_NAMED: Final = 20
# Nobody's request yet, or no longer anybody's; one that a closed account brought is nobody's question.
UNSEEN: Final = (State.UNCONFIRMED.value, State.EXPIRED.value, State.SCHEDULED.value)
_CUT: Final = "\n\n(The rest stands in the mail.)"


@dataclass(frozen=True, kw_only=True)
class Mailed:
    """What an operator read in a mail. `contact`: where the link goes that proves the address; `language` '': the policy's;
    `regime` None: not known; `words`: what the person wrote."""

    rights: tuple[str, ...]
    received_at: datetime
    contact: str = field(repr=False)
    language: str = ""
    regime: str | None = None
    words: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Supposed:
    """When a right would be due if it were asked for now, and what sets that day."""

    due_on: date
    why: str


@dataclass(frozen=True, kw_only=True)
class Known:
    """A ticket as far as the mail queue shows it."""

    ref: str
    right: Right
    right_name: str
    state_name: str
    due_on: date | None
    is_closed: bool


class ByMail:
    """Each method works in the caller's transaction."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def open(self, session: Session, asked: Mailed, *, by: str) -> list[TicketRow]:
        """One conversation with a ticket for each right, received when the mail was, and the mail with the link that proves
        the address. Open requests of that address for the same right are linked; none waits for another. Raises BadInput."""
        desk = self._desk
        version, why = version_at(desk, session, asked.received_at)
        checked = self._check(asked, version)
        # What the same address has open, before the new ones are among it.
        before = [one for one in self._of_address(session, asked.contact) if State(one.state) not in ENDS]
        conversation = new_conversation(desk, session)
        tickets = [
            open_ticket(desk, session, one, version, State.RECEIVED, by=by, conversation_id=conversation, why=why)
            for one in checked
        ]
        for ticket in tickets:
            row = self._write(session, ticket, author=BY_MAIL, words=asked.words, at=asked.received_at)
            row.settled_at = desk.clock.now()  # the request itself is answered by its answer
            for other in (one for one in before if one.right == ticket.right):
                self._link(session, ticket, other, by)
        mail_link(desk, session, tickets[0], CONFIRM_LASTS_BY_HAND)
        return tickets

    def add(
        self, session: Session, ticket: TicketRow, *, words: str, sender: str, at: datetime, by: str, is_sure: bool
    ) -> MessageRow:
        """Add what somebody wrote about a request; it waits for an answer. It changes where nothing goes. `is_sure`: it came back
        to an address, or under an id, that only our mail about this request named; from the proven contact it then also
        answers the question that is open."""
        desk, is_theirs = self._desk, is_address_of(session, ticket, sender)
        said = words if is_theirs else f"{sender or 'Somebody'} wrote:\n\n{words}"
        row = self._write(session, ticket, author=BY_MAIL if is_theirs else BY_OTHER, words=said, at=at)
        desk.note_event(session, ticket, "person_wrote" if is_theirs else "other_wrote", by=by)
        private = {"direction": IN, "words_mark": desk.mark(words), "from_mark": desk.mark(sender.lower())}
        desk.record(session, ticket, "request.message", by=by, private=private)
        if is_sure and is_contact_of(session, ticket, sender):
            zone = desk.document(session, ticket).controller.timezone
            note_answer(desk, session, ticket, by=PERSON, day=day_in(at, zone))
        return row

    def take_out(self, session: Session, message_id: str, *, by: str) -> None:
        """Take a mail off a request again, before anybody answered it. Raises Conflict."""
        row = session.get(MessageRow, message_id)
        if row is None or row.settled_at is not None:
            raise Conflict("It was answered, or is gone with its request.", remedy="Leave it where it is.")
        ticket = session.get_one(TicketRow, row.ticket_id)
        session.delete(row)
        self._desk.note_event(session, ticket, "mail_moved", by=by)
        self._desk.record(
            session, ticket, "request.mail_moved", by=by, private={"words_mark": self._desk.mark(row.body)}
        )

    def take_back(self, session: Session, refs: Iterable[str], *, by: str) -> None:
        """End requests that were opened from a mail that asked for something else: as tests, so they are in no count. Raises
        Conflict once anything followed: the address is shown, a plan is made, somebody wrote."""
        for ref in refs:
            ticket = find_ticket(session, ref, lock=True)
            if State(ticket.state) is not State.RECEIVED or ticket.identity_at or self._was_written(session, ticket):
                raise Conflict(f"Request {ref} has gone on.", remedy="Withdraw or refuse it on its page.")
            ticket.is_test = True
            self._desk.move(session, ticket, State.WITHDRAWN, by=by, why="Sorted anew: opened from a mail by mistake.")

    def suppose(self, session: Session, received: datetime, regime: str | None) -> Mapping[Right, Supposed]:
        """When each right would be due for a mail received then; empty without a policy in force."""
        version = self._version(session, received)
        return {right: _suppose(version.document, right, received, regime) for right in Right} if version else {}

    def first_due(
        self, session: Session, received: datetime, regime: str | None, rights: Sequence[Right]
    ) -> date | None:
        """The first day that one of these rights would be due; None without a policy in force."""
        version = self._version(session, received)
        return first_due(version.document, received, regime, rights) if version else None

    def choices(self, session: Session, received: datetime) -> tuple[tuple[str, ...], str]:
        """The laws that can be chosen for a mail received then, and the policy's language."""
        version = self._version(session, received)
        return (version.document.regimes, short_code(version.document.language)) if version else ((), SOURCE)

    def known(self, session: Session, *, address: str = "", refs: Sequence[str] = ()) -> list[Known]:
        """Tickets of an address, and those that are named, the open ones first."""
        found = {one.ref: one for one in self._of_address(session, address)} if address else {}
        if refs:
            named = sa.select(TicketRow).where(TicketRow.ref.in_(list(refs)[:MOST_NAMED]))
            found |= {one.ref: one for one in session.execute(named).scalars()}
        known = [
            Known(
                ref=one.ref,
                right=Right(one.right),
                right_name=RIGHT_NAMES[Right(one.right)],
                state_name=STATE_NAMES[State(one.state)],
                due_on=one.due_on,
                is_closed=State(one.state) in ENDS,
            )
            for one in found.values()
            if one.state not in UNSEEN
        ]
        return sorted(known, key=lambda one: (one.is_closed, one.due_on or date.max, one.ref))

    def _check(self, asked: Mailed, version: Version) -> list[Asked]:
        problems: dict[str, str] = {}
        contact = check_email(asked.contact, problems)
        if problems:
            raise BadInput("No mail can go to this address.", remedy="Say which address the link goes to.")
        rights = list(dict.fromkeys(asked.rights))
        unknown = [one for one in rights if one not in frozenset(Right)]
        if unknown or not rights:
            raise BadInput(
                f"'{unknown[0]}' is no right." if unknown else "No right is chosen.",
                remedy=f"Choose of: {', '.join(one.value for one in Right)}.",
            )
        offered = version.document.regimes
        if asked.regime is not None and asked.regime not in offered:
            raise BadInput(f"'{asked.regime}' is no law of the policy.", remedy=f"Use one of: {', '.join(offered)}.")
        if asked.language and asked.language not in self._desk.languages:
            raise BadInput(
                f"No mail of ours is written in '{asked.language}'.",
                remedy=f"Choose one of: {', '.join(self._desk.languages)}.",
            )
        language = asked.language or short_code(version.document.language)
        return [
            Asked(
                email=contact,
                right=Right(one),
                language=language,
                channel=CHANNEL,
                received_at=asked.received_at,
                regime=asked.regime,
            )
            for one in rights
        ]

    def _version(self, session: Session, received: datetime) -> Version | None:
        return self._desk.policies.in_force(session, received) or self._desk.policies.in_force(session)

    def _link(self, session: Session, ticket: TicketRow, other: TicketRow, by: str) -> None:
        add_link(self._desk, session, ticket, other, by=by)
        for this, that in ((ticket, other), (other, ticket)):
            self._desk.note_event(session, this, "linked", by=by, why=that.ref)
            self._desk.record(session, this, "request.linked", by=by, private={"other": that.ref})

    def _write(self, session: Session, ticket: TicketRow, *, author: str, words: str, at: datetime) -> MessageRow:
        said = words.replace("\x00", "").strip() or "(no words)"
        if len(said) > LONGEST_WORDS:
            said = said[:LONGEST_WORDS] + _CUT
        row = self._desk.write(session, ticket, direction=IN, author=author, body=said)
        row.at = min(at, row.at)
        session.flush()
        return row

    def _was_written(self, session: Session, ticket: TicketRow) -> bool:
        waits = sa.select(MessageRow.id).where(
            MessageRow.ticket_id == ticket.id, MessageRow.direction != "out", MessageRow.settled_at.is_(None)
        )
        return session.execute(waits.limit(1)).first() is not None

    def _of_address(self, session: Session, address: str) -> list[TicketRow]:
        wanted = sa.select(TicketRow).where(
            sa.func.lower(TicketRow.contact) == address.lower(), TicketRow.state.not_in(UNSEEN)
        )
        latest = wanted.order_by(TicketRow.closed_at.is_(None).desc(), TicketRow.received_at.desc(), TicketRow.ref)
        return list(session.execute(latest.limit(MOST_NAMED)).scalars())


def is_contact_of(session: Session, ticket: TicketRow, sender: str) -> bool:
    """Whether an address is the proven one of a request: its person's, or that of who asks for them."""
    asker = asker_row(session, ticket)
    proven = [ticket.contact] if ticket.identity_at is not None else []
    proven += [asker.contact] if asker is not None and asker.contact_at is not None else []
    return _is_one_of(sender, proven)


def is_address_of(session: Session, ticket: TicketRow, sender: str) -> bool:
    """Whether it is the address that a request is of, proven or not yet."""
    return _is_one_of(sender, [ticket.contact]) or is_contact_of(session, ticket, sender)


def _is_one_of(sender: str, addresses: Sequence[Personal]) -> bool:
    return bool(sender) and sender.lower() in {one.reveal().lower() for one in addresses}


def find_open(session: Session, refs: Sequence[str]) -> TicketRow | None:
    """Of the requests of one exchange, the one that a mail is about: the first open one, else the latest closed one."""
    wanted = sa.select(TicketRow).where(TicketRow.ref.in_(list(refs)[:MOST_NAMED]), TicketRow.state.not_in(UNSEEN))
    found = list(session.execute(wanted.order_by(TicketRow.received_at, TicketRow.ref)).scalars())
    still = [one for one in found if State(one.state) not in ENDS]
    return still[0] if still else found[-1] if found else None


def find_by_mail(session: Session, mail_ids: Sequence[str]) -> str | None:
    """The reference of the ticket that one of these mails of ours was about."""
    if not mail_ids:
        return None
    wanted = (
        sa.select(TicketRow.ref)
        .join(MessageRow, MessageRow.ticket_id == TicketRow.id)
        .where(MessageRow.mail_id.in_(list(mail_ids)), TicketRow.state.not_in(UNSEEN))
        .order_by(MessageRow.at.desc())
    )
    return session.execute(wanted.limit(1)).scalar_one_or_none()


def require_open(session: Session, ref: str) -> TicketRow:
    """A request that somebody can be written to about, or that was; not one that is nobody's. Raises NotFound."""
    ticket = find_ticket(session, ref, lock=True)
    if ticket.state in UNSEEN:
        raise NotFound(f"Request {ticket.ref} is nobody's yet.", remedy="Name another one, or accept the letter.")
    return ticket


def first_due(document: Document, received: datetime, regime: str | None, rights: Sequence[Right]) -> date | None:
    """The first day that one of these rights would be due under a policy."""
    return min((_suppose(document, one, received, regime).due_on for one in rights), default=None)


def _suppose(document: Document, right: Right, received: datetime, regime: str | None) -> Supposed:
    law = regime if regime in document.regimes else None
    clause = next((one for one in document.of_kind(RightClause) if one.right is right), None)
    found = reckon(
        regime=law,
        right=right,
        within=clause.within if clause else None,
        received=received,
        zone=document.controller.timezone,
        country=document.controller.country,
        subdivision=document.controller.subdivision,
        firm=clause.firm if clause else False,
        candidates=document.regimes,
    )
    return Supposed(due_on=found.due, why=_why(found))


def _why(found: Reckoning) -> str:
    """The rule that gives the day: the last line that binds before the day itself."""
    binding = [one.words for one in found.lines[:-1] if one.binds and not one.happened]
    return binding[-1] if binding else ""
