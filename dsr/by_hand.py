"""Requests that operators write down: what came by letter, telephone, chat or over the counter, and when it came in."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from core.catalogue import short_code
from core.errors import BadInput, Conflict
from core.personal import Personal
from dsr.askers import THEMSELVES, Askers, SaidAsker, check_asker
from dsr.attachments import Attachment, Attachments
from dsr.conversations import new_conversation
from dsr.desk import Desk, find_ticket
from dsr.intake import FormRefused
from dsr.opening import CONFIRM_LASTS_BY_HAND, Asked, check_received, mail_link, open_ticket, version_at
from dsr.states import State
from dsr.tables import TicketRow
from dsr.typed import check_email, check_place, check_right
from dsr.ways_in_tables import PostalAddressRow
from policies.clauses import Right
from policies.versions import Version

LONGEST_ADDRESS: Final = 600
CHANNELS: Final = ("mail", "letter", "phone", "chat", "counter")


class ByHand:
    """Opens tickets for what did not come through the form."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._askers = Askers(desk)
        self._files = Attachments(desk)

    def open(
        self,
        *,
        rights: Sequence[str],
        received_at: datetime,
        channel: str,
        by: str,
        email: str = "",
        postal_address: str = "",
        note: str = "",
        country: str = "",
        subdivision: str = "",
        language: str = "",
        files: Sequence[Attachment] = (),
        is_test: bool = False,
        asker: SaidAsker = THEMSELVES,
    ) -> list[str]:
        """Open one conversation with a ticket for each right; gives their references. The clocks run from `received_at`.

        With an e-mail address a link goes there, and until its button is pressed nothing is planned. Without one
        the answer goes to `postal_address`, and an operator says how the person showed who they are. `asker`:
        who asks, where it is not the person; then each gets a mail of their own. Raises FormRefused, BadInput.
        """
        desk = self._desk
        received = check_received(received_at, desk.clock.now())
        if channel not in CHANNELS:
            raise BadInput(f"'{channel}' is no channel.", remedy=f"Use one of: {', '.join(CHANNELS)}.")
        _require_asker(asker)
        with desk.database.begin() as session:
            version, why = version_at(desk, session, received)
            asked = self._check(
                version, received, rights, channel, email, postal_address, country, subdivision, language, is_test
            )
            conversation = new_conversation(desk, session)
            tickets = [
                open_ticket(desk, session, one, version, State.RECEIVED, by=by, conversation_id=conversation, why=why)
                for one in asked
            ]
            self._keep(session, tickets, postal_address.strip(), note.strip(), files, by)
            self._askers.declare(session, tickets[0], kind=asker.kind, name=asker.name, contact=asker.contact, by=by)
            if tickets[0].contact and asker.is_person:
                mail_link(desk, session, tickets[0], CONFIRM_LASTS_BY_HAND)
            return [one.ref for one in tickets]

    def ask_again(self, ref: str, *, by: str) -> None:
        """Send the link that proves the address once more; earlier ones stay good until their time is over."""
        with self._desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            if ticket.identity_at is not None:
                raise Conflict(f"The address of request {ref} is shown already.", remedy="Nothing is left to do.")
            if not ticket.contact:
                raise Conflict(f"Request {ref} has no e-mail address.", remedy="Say how they showed who they are.")
            mail_link(self._desk, session, ticket, CONFIRM_LASTS_BY_HAND)
            self._desk.note_event(session, ticket, "asked_again", by=by)

    def _check(
        self,
        version: Version,
        received: datetime,
        rights: Sequence[str],
        channel: str,
        email: str,
        postal_address: str,
        country: str,
        subdivision: str,
        language: str,
        is_test: bool,
    ) -> list[Asked]:
        problems: dict[str, str] = {}
        address = "" if postal_address.strip() and not email.strip() else check_email(email, problems)
        if len(postal_address) > LONGEST_ADDRESS:
            problems["postal_address"] = f"An address has at most {LONGEST_ADDRESS} characters."
        chosen = [check_right(one, frozenset(Right), problems) for one in dict.fromkeys(rights)]
        if not chosen:
            problems["right"] = "Choose what they ask for."
        if language and language not in self._desk.languages:
            problems["language"] = f"Choose one of: {', '.join(self._desk.languages)}."
        land = check_place(country, 2, "country", problems)
        state = check_place(subdivision, 3, "subdivision", problems)
        if problems:
            raise FormRefused(problems)
        return [
            Asked(
                email=address,
                right=right,
                country=land,
                subdivision=state,
                # Where nobody has said which they read: the policy's own.
                language=language or short_code(version.document.language),
                channel=channel,
                received_at=received,
                is_test=is_test,
            )
            for right in chosen
        ]

    def _keep(
        self,
        session: Session,
        tickets: Sequence[TicketRow],
        postal_address: str,
        note: str,
        files: Sequence[Attachment],
        by: str,
    ) -> None:
        """What came with it: where to write to, the words, and files with the first ticket."""
        desk, first = self._desk, tickets[0]
        for ticket in tickets:
            if postal_address:
                lines = "\n".join(line.strip() for line in postal_address.splitlines() if line.strip())
                address = Personal(lines)
                session.add(PostalAddressRow(ticket_id=ticket.id, at=desk.clock.now(), address=address))
        if note or files:
            words = note or "The files that came with it."
            message = desk.write(session, first, direction="note", author=by, body=words)
            session.flush()
            self._files.add(session, first, message, files)


def _require_asker(asker: SaidAsker) -> None:
    """Refuse an asker without a name, or with an address that is none; an operator may know no address of theirs."""
    problems: dict[str, str] = {}
    if not asker.is_person:
        check_asker(asker.name, asker.contact, problems, needs_contact=False)
    if problems:
        raise FormRefused(problems)
