"""Other addresses of the same person: each is looked for only once its own link was pressed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.catalogue import mark
from core.clock import day_in
from core.errors import Conflict, NotFound
from core.ids import new_id
from core.one_time import issue_token, look_up_token, spend_token
from core.personal import Personal
from core.words import long_day
from dsr.desk import PERSON, Desk, find_ticket
from dsr.person_page import PersonPages, mask_contact
from dsr.proof import ProofRefused
from dsr.proof_standing import proven_identifiers
from dsr.proof_tables import OtherAddressRow
from dsr.states import State
from dsr.tables import TicketRow
from dsr.typed import check_email

ADDRESS: Final = "request_address"
ADDRESS_LASTS: Final = timedelta(days=3)
MAIL: Final = "address_confirm"
# Before the plan is approved: afterwards it would find what nobody approved.
TAKEN_IN: Final = frozenset({State.RECEIVED, State.PLANNED})


@dataclass(frozen=True, kw_only=True)
class OtherAddress:
    """Another address as pages show it: masked, and whether its link was pressed."""

    masked: str
    proven: bool


class Addresses:
    """Takes other addresses of a person in, and proves each."""

    def __init__(self, desk: Desk, pages: PersonPages) -> None:
        self._desk = desk
        self._pages = pages

    def list_as_person(self, ref: str, grant: str) -> tuple[OtherAddress, ...]:
        """The other addresses of a request. Raises NotFound without a grant for it."""
        with self._desk.database.read() as session:
            ticket = self._pages.require_grant(session, ref, grant)
            return list_addresses(session, ticket)

    def may_add(self, ref: str, grant: str) -> bool:
        """Whether another address can be named now. Raises NotFound without a grant."""
        with self._desk.database.read() as session:
            return State(self._pages.require_grant(session, ref, grant).state) in TAKEN_IN

    def add(self, ref: str, grant: str, *, email: str, source: str) -> None:
        """Send a link to an address that the person says is theirs. The answer is the same whoever's it is; over a limit
        nothing is sent. Raises ProofRefused for what is no address, Conflict once the plan is approved."""
        desk, now, problems = self._desk, self._desk.clock.now(), dict[str, str]()
        typed = check_email(email, problems)
        if problems:
            raise ProofRefused({"address": problems["email"]})
        with desk.database.begin() as session:
            ticket = self._pages.require_grant(session, ref, grant, lock=True)
            if State(ticket.state) not in TAKEN_IN:
                raise Conflict(
                    mark("It is too late for another address here."), remedy=mark("Make a new request for it.")
                )
            known = {one.lower() for one in proven_identifiers(session, ticket)["email"]}
            if typed.lower() in known or not self._may_mail(session, typed, source):
                return
            row = OtherAddressRow(id=new_id("adr"), ticket_id=ticket.id, address=Personal(typed), asked_at=now)
            session.add(row)
            session.flush()
            token = issue_token(session, purpose=ADDRESS, subject=row.id, now=now, lasts=ADDRESS_LASTS)
            zone = desk.document(session, ticket).controller.timezone
            desk.note_event(session, ticket, "address_named", by=PERSON)
            desk.mail(
                session,
                ticket,
                MAIL,
                to=typed,
                link=desk.address(f"/requests/address/{token}", ticket),
                expires=long_day(day_in(now + ADDRESS_LASTS, zone), ticket.language),
            )

    def look(self, token: str) -> TicketRow:
        """The request that a link adds its address to; changes nothing. Raises NotFound."""
        with self._desk.database.read() as session:
            subject = look_up_token(session, token, purpose=ADDRESS, now=self._desk.clock.now())
            return _open_ticket(session, subject)[0]

    def confirm(self, token: str) -> str:
        """Press the link's button: the address is shown to be theirs, and is looked for; gives the reference."""
        desk, now = self._desk, self._desk.clock.now()
        with desk.database.begin() as session:
            ticket, row = _open_ticket(session, spend_token(session, token, purpose=ADDRESS, now=now))
            ticket = find_ticket(session, ticket.ref, lock=True)
            row.proven_at = now
            desk.note_event(session, ticket, "address_proven", by=PERSON)
            address = desk.mark(row.address.reveal().lower())
            desk.record(session, ticket, "request.address_proven", by=PERSON, private={"address": address})
            return ticket.ref

    def _may_mail(self, session: Session, email: str, source: str) -> bool:
        # The limits of the form: this is no second mail cannon beside it.
        desk, now = self._desk, self._desk.clock.now()
        limits, counters = desk.limits, desk.counters
        return (
            counters.take(session, "form.source", source, limits.form_per_source, now)
            and counters.take(session, "form.address", email.lower(), limits.form_per_address, now)
            and counters.take(session, "form.all", "", limits.form_in_all, now)
        )


def list_addresses(session: Session, ticket: TicketRow) -> tuple[OtherAddress, ...]:
    """The other addresses of a ticket, each once."""
    wanted = sa.select(OtherAddressRow).where(OtherAddressRow.ticket_id == ticket.id).order_by(OtherAddressRow.asked_at)
    rows: Sequence[OtherAddressRow] = session.execute(wanted).scalars().all()
    shown = {one.address.reveal().lower(): one for one in sorted(rows, key=lambda one: one.proven_at is not None)}
    return tuple(
        OtherAddress(masked=mask_contact(one.address.reveal()), proven=one.proven_at is not None)
        for one in shown.values()
    )


def _open_ticket(session: Session, row_id: str) -> tuple[TicketRow, OtherAddressRow]:
    row = session.get(OtherAddressRow, row_id)
    ticket = session.get(TicketRow, row.ticket_id) if row else None
    if row is None or ticket is None or State(ticket.state) not in TAKEN_IN:
        raise NotFound("This link has been used, or its time is over.", remedy="Ask for a new one.")
    return ticket, row
