"""Who asks for whom: said with the request, shown piece by piece, and looked at before anything is approved or goes out.

A way in that opens a ticket for somebody else calls `Askers.declare` in its own transaction, right after the ticket is
there: it writes the asker down and sends the mails. The ticket's `contact` is always the person's own address."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from sqlalchemy.orm import Session

from core.catalogue import catalogue, mark
from core.clock import day_in
from core.errors import BadInput, Conflict, WaitsForPerson
from core.ids import new_id
from core.one_time import issue_token
from core.personal import Personal
from core.words import long_day
from dsr.asker_rules import ALONE, BY_THEMSELVES, ITEM_WORDS, MINOR_NAMES, AnswerTo, AskerKind, Item, Minor
from dsr.asker_standing import Asker, read_asker
from dsr.asker_tables import AskerShownRow, TicketAskerRow, asker_row, new_asker_row, shown_rows
from dsr.choices import begin_at_once
from dsr.clocks import ACKNOWLEDGED
from dsr.conversations import share_proof, tell_received
from dsr.desk import PERSON, Desk, find_ticket
from dsr.proof_changes import watch
from dsr.proof_standing import read_standing, require_shown
from dsr.states import ENDS, State
from dsr.tables import TicketRow
from dsr.typed import check_email

ASKER_PAGE: Final = "asker_page"
PERSON_LINK: Final = "asker_person"
LINKS_LAST: Final = timedelta(days=90)
CONFIRM_MAIL, PERSON_MAIL, RECEIVED_MAIL = "asker_confirm", "asker_permission", "asker_received"
LONGEST_NAME: Final = 100
LONGEST_NOTE: Final = 2_000
# A name that carries an address would make our mail somebody's advertisement.
_NO_NAME: Final = re.compile(r"[\x00-\x1f\x7f<>@]|://|www\.", re.IGNORECASE)
# What the form and the mails say of each, in the asker's place.
ASKS_FOR: Final[Mapping[AskerKind, str]] = {
    AskerKind.SELF: mark("Myself"),
    AskerKind.AGENT: mark("Somebody who gave me permission"),
    AskerKind.PARENT: mark("My child"),
    AskerKind.GUARDIAN: mark("A person who has died or cannot act"),
}
SAYS: Final[Mapping[AskerKind, str]] = {
    AskerKind.AGENT: mark("that you gave permission for it"),
    AskerKind.PARENT: mark("to be your mother or father"),
    AskerKind.GUARDIAN: mark("to act for you"),
    AskerKind.CUSTOMER: mark("to act for you"),
    AskerKind.HEIR: mark("to act for you"),
    AskerKind.LAWYER: mark("to act for you as your lawyer"),
}


@dataclass(frozen=True, kw_only=True)
class SaidAsker:
    """Who asks, as a form or an operator says it. `kind` is one of AskerKind; `contact` may be '' where an operator says it."""

    kind: str = AskerKind.SELF
    name: str = ""
    contact: str = ""

    @property
    def is_person(self) -> bool:
        return self.kind == AskerKind.SELF


THEMSELVES: Final = SaidAsker()


class Askers:
    """People who ask for others. Methods that take a session work in the caller's transaction."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    # -- said with the request

    def declare(
        self, session: Session, ticket: TicketRow, *, kind: str, name: str = "", contact: str = "", by: str = PERSON
    ) -> None:
        """Write down that somebody asks for the person of a ticket, and mail both: the asker a link that proves their own
        address and leads to their page, the person one that asks whether they know of it. `by` PERSON: a stranger's form, so
        that the person hears of it only once the asker's address is proven. Kind `self` writes nothing down.

        `kind` is one of AskerKind. Raises BadInput for another, a name that is none, or an address that is none."""
        asked, problems = as_kind(kind), dict[str, str]()
        if asked is AskerKind.SELF:
            return
        said, address = check_asker(name, contact, problems, needs_contact=False)
        if problems:
            raise BadInput(" ".join(problems.values()), remedy="Give the asker's own name and address.")
        desk, now = self._desk, self._desk.clock.now()
        row = asker_row(session, ticket) or new_asker_row(session, ticket, now)
        row.kind, row.name, row.contact, row.contact_at = asked.value, Personal(said), Personal(address), None
        row.shown_at = row.disputed_at = None
        session.flush()
        desk.note_event(session, ticket, "asker_declared", by=by, why=asked.value)
        desk.record(session, ticket, "request.asker_declared", by=by, private={"kind": asked.value, **self._marks(row)})
        if is_same_address(row, ticket):
            row.contact_at = now if ticket.identity_at is not None else None
        elif address:
            self.mail_asker(session, ticket, row)
        if by != PERSON:
            self.ask_person(session, ticket)

    def asker(self, session: Session, ticket: TicketRow) -> Asker | None:
        """Who asks for the person of a ticket; None where it is the person, and nothing more is known of them."""
        return read_asker(self._desk, session, ticket)

    # -- what holds before anything is approved or goes out

    def require_shown(self, session: Session, ticket: TicketRow) -> None:
        """Refuse to approve, or to let anything out, before it is shown who the person is and that whoever asks may. From
        here on the asker counts as shown. Raises WaitsForPerson with what is missing."""
        require_shown(self._desk, session, ticket)
        row = asker_row(session, ticket)
        if row is not None and row.shown_at is None and row.kind != AskerKind.SELF:
            row.shown_at = self._desk.clock.now()

    def settle(self, session: Session, ticket: TicketRow, *, by: str) -> None:
        """After something was shown: where it is enough, the asker counts as shown, and where the person took no part in it,
        so does the address, by whoever looked. The person hears of it."""
        desk, now, row = self._desk, self._desk.clock.now(), asker_row(session, ticket)
        asker = read_asker(desk, session, ticket)
        if row is None or asker is None or asker.rule is None:
            return
        if read_standing(desk, session, ticket).may_ask:
            return
        is_new = row.shown_at is None
        if is_new:
            row.shown_at = now
            desk.note_event(session, ticket, "asker_shown", by=by)
            desk.record(session, ticket, "request.asker_shown", by=by, private={"items": sorted(asker.shown)})
        if ticket.identity_at is None and State(ticket.state) not in ENDS:
            ticket.identity_at = now
            desk.note_event(session, ticket, "identity", by=by, why="By what was shown for whoever asks.")
            desk.record(session, ticket, "request.identity", by=by, private={"by_asker": asker.kind.value})
            if asker.answer_to is not AnswerTo.ASKER:
                tell_received(desk, session, ticket)
            share_proof(desk, session, ticket)
            watch(desk, session, ticket)
        elif is_new:
            begin_at_once(desk, session, ticket)

    # -- the operators

    def say_who(self, ref: str, *, kind: str, name: str = "", contact: str = "", by: str) -> None:
        """Write down on an open ticket that somebody asks for its person, or that it is somebody else than was said."""
        with self._desk.database.begin() as session:
            ticket = _open_ticket(session, ref)
            if as_kind(kind) is AskerKind.SELF:
                raise BadInput("Nobody else is named.", remedy="Say who asks: an agent, a parent, an heir, a lawyer.")
            self.declare(session, ticket, kind=kind, name=name, contact=contact, by=by)

    def accept(self, ref: str, *, item: str, note: str, by: str, good_until: date | None = None) -> None:
        """Write down that something was shown, who looked at it and what it was, and until when it is good; no copy of it.
        Raises BadInput for what nobody asks for here, or what is over already."""
        with self._desk.database.begin() as session:
            ticket, asker = self._asked(session, ref)
            assert asker.rule is not None
            found = next((one for one in asker.rule.items if one.value == item and one not in BY_THEMSELVES), None)
            if found is None:
                offered = ", ".join(one.value for one in asker.rule.items if one not in BY_THEMSELVES)
                raise BadInput(f"'{item}' is not asked for here.", remedy=f"Use one of: {offered}.")
            words = _words(
                note, "Say what was shown and how you know that it is good; write down no number of a document."
            )
            if good_until is not None and good_until < self._today(session, ticket):
                raise BadInput("It is over already.", remedy="Ask for one that still holds, or refuse the request.")
            if found is Item.PARENT_CONTACT and asker.contact_at is None:
                raise Conflict("The asker’s own address is not proven.", remedy="They have a mail with a link.")
            self.add_shown(session, ticket, found, by=by, note=words, good_until=good_until)
            self.settle(session, ticket, by=by)

    def take_back(self, ref: str, *, item: str, why: str, by: str) -> None:
        """What was shown does not hold after all, for a permission that was withdrawn or an error of ours: it counts no more.
        An approval that rested on it lapses when the work would begin."""
        words = _words(why, "Say why it no longer holds.")
        with self._desk.database.begin() as session:
            ticket, _ = self._asked(session, ref)
            rows = [one for one in shown_rows(session, ticket) if one.item == item]
            if not rows:
                raise Conflict(f"Nothing of the kind was shown on request {ticket.ref}.", remedy="Look at it again.")
            for row in rows:
                session.delete(row)
            _forget_shown(session, ticket)
            desk = self._desk
            desk.note_event(session, ticket, "asker_taken_back", by=by, why=f"{ITEM_WORDS[Item(item)]}: {words}")
            private = {"item": item, "why_mark": desk.mark(words)}
            desk.record(session, ticket, "request.asker_taken_back", by=by, private=private)

    def send_answer_to(self, ref: str, *, to: str, why: str, by: str) -> None:
        """Say who gets the answer, by what the permission says. Raises Conflict before the asker's own address is proven, and
        for an asker alone where the person can read it themselves."""
        words = _words(why, "Say where the permission says so.")
        with self._desk.database.begin() as session:
            ticket, asker = self._asked(session, ref)
            wanted = next((one for one in AnswerTo if one.value == to), None)
            if wanted is None or (wanted is AnswerTo.ASKER and asker.kind not in ALONE):
                raise BadInput("The answer cannot go there.", remedy="Send it to the person, or to both.")
            if wanted is not AnswerTo.PERSON and asker.contact_at is None:
                raise Conflict("The asker’s own address is not proven.", remedy="They have a mail with a link.")
            row, desk = _row_of(session, ticket), self._desk
            row.answer_to = wanted.value
            desk.note_event(session, ticket, "asker_answer_to", by=by, why=f"{wanted.value}: {words}")
            private = {"to": wanted.value, "why_mark": desk.mark(words)}
            desk.record(session, ticket, "request.asker_answer_to", by=by, private=private)

    def set_minor(self, ref: str, *, age: str, by: str) -> None:
        """Write down how old somebody under age is, '' that they are not: a flag, from which notes follow."""
        minor = next((one for one in Minor if one.value == age), None)
        if age and minor is None:
            raise BadInput(f"'{age}' is no age.", remedy=f"Use one of: {', '.join(Minor)}.")
        with self._desk.database.begin() as session:
            ticket, desk = _open_ticket(session, ref), self._desk
            row = asker_row(session, ticket) or new_asker_row(session, ticket, desk.clock.now())
            row.minor = minor.value if minor else None
            desk.note_event(session, ticket, "asker_minor", by=by, why=MINOR_NAMES[minor] if minor else "Of age")
            desk.record(session, ticket, "request.asker_minor", by=by, private={"age": age})
            self.settle(session, ticket, by=by)

    def go_on(self, ref: str, *, why: str, by: str) -> None:
        """Go on although somebody at the person's address said that they know nothing of it. Raises Conflict."""
        words = _words(why, "Say how you know that whoever asks may.")
        with self._desk.database.begin() as session:
            ticket, asker = self._asked(session, ref)
            if asker.disputed_at is None:
                raise Conflict(f"Request {ticket.ref} is not stopped.", remedy="Look at it again.")
            _row_of(session, ticket).disputed_at = None
            self._desk.note_event(session, ticket, "asker_dispute_lifted", by=by, why=words)
            private = {"why_mark": self._desk.mark(words)}
            self._desk.record(session, ticket, "request.asker_dispute_lifted", by=by, private=private)
            self.settle(session, ticket, by=by)

    def mail_again(self, ref: str, *, by: str) -> None:
        """Send both mails once more: the asker's link while it was not pressed, and the question to the person."""
        with self._desk.database.begin() as session:
            ticket, asker = self._asked(session, ref)
            if asker.contact and asker.contact_at is None:
                self.mail_asker(session, ticket, _row_of(session, ticket))
            if Item.CONFIRMED not in asker.shown:
                self.ask_person(session, ticket)
            self._desk.note_event(session, ticket, "asked_again", by=by)

    # -- in the transaction of whoever calls

    def add_shown(
        self,
        session: Session,
        ticket: TicketRow,
        item: Item,
        *,
        by: str,
        note: str = "",
        good_until: date | None = None,
    ) -> None:
        """One thing more is shown."""
        desk, until = self._desk, f", good until {good_until.isoformat()}" if good_until else ""
        row = AskerShownRow(
            id=new_id("ask"),
            ticket_id=ticket.id,
            at=desk.clock.now(),
            item=item.value,
            by=by,
            note=note,
            good_until=good_until,
        )
        session.add(row)
        session.flush()
        desk.note_event(session, ticket, "asker_item", by=by, why=f"{ITEM_WORDS[item]}{until}")
        private = {
            "item": item.value,
            "note_mark": desk.mark(note),
            "until": good_until.isoformat() if good_until else "",
        }
        desk.record(session, ticket, "request.asker_item", by=by, private=private)

    def mail_asker(self, session: Session, ticket: TicketRow, row: TicketAskerRow) -> None:
        """A link that proves the asker's address and then leads to their page."""
        self._mail(session, ticket, CONFIRM_MAIL, row.contact.reveal(), ASKER_PAGE, "/requests/asker")

    def ask_person(self, session: Session, ticket: TicketRow) -> None:
        """Ask the person, at the address that was given as theirs, whether they know of it: the same mail whoever's it is."""
        row = _row_of(session, ticket)
        if row.kind == AskerKind.CUSTOMER or is_same_address(row, ticket) or not ticket.contact:
            return
        row.told_at = self._desk.clock.now()
        self._mail(session, ticket, PERSON_MAIL, ticket.contact.reveal(), PERSON_LINK, "/requests/for-me")

    def tell_asker_received(self, session: Session, ticket: TicketRow, link: str) -> None:
        """Confirm receipt to the asker, with the way to their page; it names the day by which it is answered."""
        desk, row = self._desk, _row_of(session, ticket)
        desk.note_event(session, ticket, ACKNOWLEDGED, by=PERSON)
        desk.mail(
            session,
            ticket,
            RECEIVED_MAIL,
            to=row.contact.reveal(),
            link=link,
            due=desk.due_words(ticket),
            received=self._day(session, ticket),
        )

    def _mail(self, session: Session, ticket: TicketRow, event: str, to: str, purpose: str, path: str) -> None:
        desk, now, row = self._desk, self._desk.clock.now(), _row_of(session, ticket)
        token = issue_token(session, purpose=purpose, subject=ticket.id, now=now, lasts=LINKS_LAST)
        words = catalogue(ticket.language)
        kind = AskerKind(row.kind)
        desk.mail(
            session,
            ticket,
            event,
            to=to,
            link=desk.address(f"{path}/{token}", ticket),
            asker=row.name.reveal(),
            says=words.gettext(SAYS[kind]),
            received=self._day(session, ticket),
            expires=long_day(self._today(session, ticket) + LINKS_LAST, ticket.language),
        )

    def _asked(self, session: Session, ref: str) -> tuple[TicketRow, Asker]:
        ticket = _open_ticket(session, ref)
        asker = read_asker(self._desk, session, ticket)
        if asker is None or asker.rule is None:
            raise Conflict(f"Nobody asks for the person of request {ticket.ref}.", remedy="Say first who asks.")
        return ticket, asker

    def _marks(self, row: TicketAskerRow) -> dict[str, str]:
        return {"name": self._desk.mark(row.name.reveal()), "asker": self._desk.mark(row.contact.reveal().lower())}

    def _today(self, session: Session, ticket: TicketRow) -> date:
        return day_in(self._desk.clock.now(), self._desk.document(session, ticket).controller.timezone)

    def _day(self, session: Session, ticket: TicketRow) -> str:
        zone = self._desk.document(session, ticket).controller.timezone
        return long_day(day_in(ticket.received_at, zone), ticket.language)


def as_kind(kind: str) -> AskerKind:
    """The kind of this name. Raises BadInput."""
    found = next((one for one in AskerKind if one.value == kind), None)
    if found is None:
        raise BadInput(f"'{kind}' asks for nobody.", remedy=f"Use one of: {', '.join(AskerKind)}.")
    return found


def check_asker(name: str, contact: str, problems: dict[str, str], *, needs_contact: bool = True) -> tuple[str, str]:
    """The asker's own name and address; problems under `asker_name` and `asker_email`."""
    said, found = " ".join(name.split()), dict[str, str]()
    if not said or len(said) > LONGEST_NAME or _NO_NAME.search(said):
        problems["asker_name"] = mark("Give your own name, without an address in it.")
    address = check_email(contact, found) if contact.strip() or needs_contact else ""
    if found:
        problems["asker_email"] = found["email"]
    return said, address


def is_same_address(row: TicketAskerRow, ticket: TicketRow) -> bool:
    """Whether the asker reads the person's own mail, as parents of small children do: one link then proves both."""
    return bool(row.contact) and row.contact.reveal().lower() == ticket.contact.reveal().lower()


def _row_of(session: Session, ticket: TicketRow) -> TicketAskerRow:
    row = asker_row(session, ticket)
    if row is None:
        raise WaitsForPerson(f"Nobody asks for the person of request {ticket.ref}.", remedy="Say first who asks.")
    return row


def _forget_shown(session: Session, ticket: TicketRow) -> None:
    _row_of(session, ticket).shown_at = None


def _open_ticket(session: Session, ref: str) -> TicketRow:
    ticket = find_ticket(session, ref, lock=True)
    if State(ticket.state) in ENDS or State(ticket.state) is State.UNCONFIRMED:
        raise Conflict(f"Request {ticket.ref} is not open.", remedy="Nothing is left to show.")
    return ticket


def _words(text: str, remedy: str) -> str:
    words = text.replace("\x00", "").strip()
    if not words or len(words) > LONGEST_NOTE:
        raise BadInput("It needs a reason." if not words else "The reason is too long.", remedy=remedy)
    return words
