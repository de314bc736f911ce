"""What an asker and the person do behind the links of our mails: prove an address, hand in papers, confirm, or deny.

An asker's page holds no data and tells nothing about any: it stands behind the link alone, and says the same whether or not
anybody knows the address of the person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.catalogue import SOURCE, catalogue, mark
from core.errors import BadInput, NotFound, TooMuch
from core.one_time import look_up_token, spend_token, void_tokens
from dsr.asker_routes import proven_asker
from dsr.asker_rules import BY_THEMSELVES, AskerKind, Dispute, Item
from dsr.asker_standing import Asker, read_asker
from dsr.asker_tables import PAPERS, TicketAskerRow, asker_row
from dsr.askers import ASKER_PAGE, PERSON_LINK, SAYS, Askers, is_same_address
from dsr.attachments import Attachment, Attachments
from dsr.conversations import share_proof, tell_received
from dsr.desk import PERSON, SYSTEM, Desk, find_ticket
from dsr.grounds import find_ground
from dsr.person_page import PersonPages, mask_contact
from dsr.proof_changes import watch
from dsr.states import ENDS, State
from dsr.tables import MessageRow, TicketRow
from dsr.words import say_right
from policies.clauses import Right

GROUND: Final = "no_permission"
LONGEST_WORDS: Final = 2_000
# Who an asker is, in the ledger and the events: no operator, and not the person.
ASKER: Final = "asker"
# What an asker is told that they may hand in.
HAND_IN: Final = {
    Item.PERMISSION: mark("The permission that the person signed, with its date and what it covers"),
    Item.POWER_OF_ATTORNEY: mark("A power of attorney, if you have one. You need none."),
    Item.APPOINTMENT: mark("The paper of the court or authority that appoints you"),
    Item.DEATH: mark("A paper that shows the death"),
    Item.INHERITANCE: mark("A paper that shows who the heirs are"),
    Item.MANDATE: mark("Your mandate, signed by the person"),
    Item.INSTRUCTION: mark("Your instruction under our agreement"),
}


@dataclass(frozen=True, kw_only=True)
class AskerPage:
    """What an asker's page shows. `proven`: their own address is; `needs`: what they can hand in, in their words;
    `handed_in`: how many files came. `confirmable`: the person was asked too. Nothing here depends on any data."""

    right_words: str
    person: str
    asked_at: datetime
    proven: bool
    needs: tuple[str, ...]
    handed_in: int
    confirmable: bool
    is_closed: bool
    language: str


@dataclass(frozen=True, kw_only=True)
class AskedFor:
    """What the page of the person's link shows, or the piece of their own page. `to_asker`: the answer goes there too.
    `name` '' on their own page: nobody asks for them. `is_minor`: they are under age, and a parent could ask as well."""

    right_words: str
    name: str
    says: str
    asked_at: datetime
    to_asker: bool
    confirmed: bool
    disputed: bool
    language: str
    is_minor: bool = False


class AskerPages:
    """The links of an asker and of the person they ask for."""

    def __init__(self, desk: Desk, askers: Askers, pages: PersonPages) -> None:
        self._desk = desk
        self._askers = askers
        self._pages = pages
        self._files = Attachments(desk)

    # -- the asker

    def look(self, token: str) -> AskerPage:
        """What the page of an asker's link shows; changes nothing. Raises NotFound."""
        with self._desk.database.read() as session:
            ticket, row, asker = self._of_asker(session, token)
            items = [one for one in (asker.rule.items if asker.rule else ()) if one not in BY_THEMSELVES]
            words = catalogue(ticket.language)
            return AskerPage(
                right_words=say_right(Right(ticket.right), ticket.language),
                person=mask_contact(ticket.contact.reveal()) if ticket.contact else "",
                asked_at=ticket.received_at,
                proven=row.contact_at is not None,
                needs=tuple(words.gettext(HAND_IN[one]) for one in items if one in HAND_IN),
                handed_in=_count_papers(session, ticket),
                confirmable=row.told_at is not None or row.contact_at is None,
                is_closed=State(ticket.state) in ENDS,
                language=ticket.language,
            )

    def prove(self, token: str) -> None:
        """Press the button of an asker's link: their address is theirs, the request is received, and the person is asked
        whether they know of it. The link goes on to open their page. Raises NotFound."""
        desk, now = self._desk, self._desk.clock.now()
        with desk.database.begin() as session:
            found, _, _ = self._of_asker(session, token)
            ticket = find_ticket(session, found.ref, lock=True)
            row = _row(session, ticket)
            if row.contact_at is not None or State(ticket.state) in ENDS:
                return
            row.contact_at = now
            if State(ticket.state) is State.UNCONFIRMED:
                desk.move(session, ticket, State.RECEIVED, by=ASKER, kind="asker_proven")
            else:
                desk.note_event(session, ticket, "asker_proven", by=ASKER)
            private = {"asker": desk.mark(row.contact.reveal().lower())}
            desk.record(session, ticket, "request.asker_proven", by=ASKER, private=private)
            link = desk.address(f"/requests/asker/{token}", ticket)
            self._askers.tell_asker_received(session, ticket, link)
            if row.told_at is None:
                self._askers.ask_person(session, ticket)

    def hand_in(self, token: str, *, words: str, files: Sequence[Attachment]) -> None:
        """Take what shows that somebody may ask: sealed, for operators only, and deleted with the request's end. Raises
        NotFound, BadInput with what to put right, TooMuch."""
        said = words.replace("\x00", "").strip()
        if not files:
            raise BadInput(mark("There is no file."), remedy=mark("Choose the permission, as PDF or as a picture."))
        if len(said) > LONGEST_WORDS:
            raise BadInput(mark("This is longer than 2,000 characters."), remedy=mark("Say it in fewer words."))
        desk, now = self._desk, self._desk.clock.now()
        with desk.database.begin() as session:
            found, row, _ = self._of_asker(session, token)
            ticket = find_ticket(session, found.ref, lock=True)
            if row.contact_at is None or State(ticket.state) in ENDS:
                raise NotFound("This link has been used, or its time is over.", remedy="Ask for a new one.")
            if not desk.counters.take(session, "message", ticket.ref, desk.limits.message_per_ticket, now):
                raise TooMuch(
                    mark("Many messages came in a short time."), remedy=mark("Wait an hour, then send the rest in one.")
                )
            message = desk.write(session, ticket, direction=PAPERS, author=ASKER, body=said)
            session.flush()
            self._files.add(session, ticket, message, files)
            desk.note_event(session, ticket, "asker_handed_in", by=ASKER)
            desk.record(session, ticket, "request.asker_handed_in", by=ASKER, private={"files": len(files)})

    # -- the person, behind the link of our mail

    def look_as_person(self, token: str) -> AskedFor:
        """What the person is asked; changes nothing. Raises NotFound."""
        with self._desk.database.read() as session:
            ticket = self._of_person(session, look_up_token(session, token, purpose=PERSON_LINK, now=self._now()))
            return self._asked_for(session, ticket, _row(session, ticket))

    def confirm(self, token: str) -> str:
        """The person says that they gave the permission: it is confirmed, and their address shown by the same press; gives
        the reference of their own page. Raises NotFound."""
        desk, now = self._desk, self._now()
        with desk.database.begin() as session:
            found = self._of_person(session, spend_token(session, token, purpose=PERSON_LINK, now=now))
            ticket = find_ticket(session, found.ref, lock=True)
            self._askers.add_shown(session, ticket, Item.CONFIRMED, by=PERSON)
            if ticket.identity_at is None:
                ticket.identity_at = now
                desk.note_event(session, ticket, "identity", by=PERSON)
                desk.record(session, ticket, "request.identity", by=PERSON, private={})
                tell_received(desk, session, ticket)
                share_proof(desk, session, ticket)
                watch(desk, session, ticket)
            self._askers.settle(session, ticket, by=PERSON)
            return ticket.ref

    def deny(self, token: str) -> None:
        """The person says that they know nothing of it. Raises NotFound."""
        with self._desk.database.begin() as session:
            found = self._of_person(session, spend_token(session, token, purpose=PERSON_LINK, now=self._now()))
            self._dispute(session, find_ticket(session, found.ref, lock=True))

    # -- the person, on their own page

    def read_as_person(self, ref: str, grant: str) -> AskedFor | None:
        """Who asks for them, on the page that they opened with a code; None where nobody does. Raises NotFound."""
        with self._desk.database.read() as session:
            ticket = self._pages.require_grant(session, ref, grant)
            row = asker_row(session, ticket)
            if row is None or (row.kind == AskerKind.SELF and not row.minor):
                return None
            return self._asked_for(session, ticket, row)

    def deny_as_person(self, ref: str, grant: str) -> None:
        """The same as `deny`, from their page: also a permission that they gave and take back. Raises NotFound."""
        with self._desk.database.begin() as session:
            ticket = self._pages.require_grant(session, ref, grant, lock=True)
            self._dispute(session, self._of_person(session, ticket.id))

    def _dispute(self, session: Session, ticket: TicketRow) -> None:
        """Stop it: nothing is approved and nothing goes out; where the rule of the kind says so it is refused at once. An
        asker hears that they have not shown that they may, and nothing else."""
        desk, now, row = self._desk, self._now(), _row(session, ticket)
        asker = read_asker(desk, session, ticket)
        row.disputed_at, row.shown_at = now, None
        desk.note_event(session, ticket, "asker_disputed", by=PERSON)
        desk.record(session, ticket, "request.asker_disputed", by=PERSON, private={})
        void_tokens(session, purpose=PERSON_LINK, subject=ticket.id, now=now)
        reason = "The person says that they know nothing of it."
        for one in self._open_of_letter(session, ticket):
            if one.plan_id is not None:
                desk.plans.revoke_in(session, one.plan_id, by=SYSTEM, reason=reason)
            if State(one.state) is State.APPROVED:
                desk.move(session, one, State.PLANNED, by=SYSTEM, why=reason)
            if asker and asker.rule and asker.rule.dispute is Dispute.REFUSE and _is_before_work(one):
                self._refuse(session, one, reason)

    def _refuse(self, session: Session, ticket: TicketRow, reason: str) -> None:
        desk = self._desk
        regimes = [ticket.regime] if ticket.regime else list(desk.document(session, ticket).regimes)
        ground = find_ground(GROUND, regimes, Right(ticket.right))
        ticket.outcome = {**ticket.outcome, "ground": ground.id, "cite": ground.cite}
        desk.move(session, ticket, State.REFUSED, by=SYSTEM, why=f"{reason} {ground.sentence(SOURCE)}")

    def _open_of_letter(self, session: Session, ticket: TicketRow) -> Sequence[TicketRow]:
        wanted = sa.select(TicketRow).where(
            TicketRow.conversation_id == ticket.conversation_id,
            TicketRow.state.not_in([one.value for one in (*ENDS, State.UNCONFIRMED)]),
        )
        return session.execute(wanted.order_by(TicketRow.id).with_for_update()).scalars().all()

    def _asked_for(self, session: Session, ticket: TicketRow, row: TicketAskerRow) -> AskedFor:
        asker = read_asker(self._desk, session, ticket)
        assert asker is not None
        return AskedFor(
            right_words=say_right(Right(ticket.right), ticket.language),
            name=row.name.reveal(),
            says=catalogue(ticket.language).gettext(SAYS[asker.kind]) if asker.kind in SAYS else "",
            asked_at=ticket.received_at,
            to_asker=row.answer_to != "person" and bool(proven_asker(row)),
            confirmed=Item.CONFIRMED in asker.shown,
            disputed=row.disputed_at is not None,
            language=ticket.language,
            is_minor=row.minor is not None,
        )

    def _of_asker(self, session: Session, token: str) -> tuple[TicketRow, TicketAskerRow, Asker]:
        ticket = session.get(TicketRow, look_up_token(session, token, purpose=ASKER_PAGE, now=self._now()))
        row = asker_row(session, ticket) if ticket else None
        asker = read_asker(self._desk, session, ticket) if ticket else None
        if ticket is None or row is None or asker is None or State(ticket.state) is State.EXPIRED or not row.contact:
            raise _gone()
        return ticket, row, asker

    def _of_person(self, session: Session, ticket_id: str) -> TicketRow:
        ticket = session.get(TicketRow, ticket_id)
        row = asker_row(session, ticket) if ticket else None
        if ticket is None or row is None or row.kind == AskerKind.SELF:
            raise _gone()
        if State(ticket.state) in ENDS or row.disputed_at is not None:
            raise _gone()
        return ticket

    def _now(self) -> datetime:
        return self._desk.clock.now()


def note_same_address(session: Session, ticket: TicketRow, now: datetime) -> None:
    """The link of a request was pressed: where the asker reads the person's own mail, it proves both addresses."""
    row = asker_row(session, ticket)
    if row is not None and is_same_address(row, ticket):
        row.contact_at = now


def _count_papers(session: Session, ticket: TicketRow) -> int:
    papers = sa.select(sa.func.count(MessageRow.id)).where(
        MessageRow.conversation_id == ticket.conversation_id, MessageRow.direction == PAPERS
    )
    return int(session.execute(papers).scalar_one())


def _is_before_work(ticket: TicketRow) -> bool:
    return State(ticket.state) in (State.RECEIVED, State.PLANNED)


def _row(session: Session, ticket: TicketRow) -> TicketAskerRow:
    row = asker_row(session, ticket)
    if row is None:
        raise _gone()
    return row


def _gone() -> NotFound:
    return NotFound("This link has been used, or its time is over.", remedy="Ask for a new one.")
