"""How requests come in: the public form, the link that proves the address, and what operators open by hand.

Nothing here looks into a store, so a form takes the same time and gives the same answer whoever's address was typed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core.catalogue import mark
from core.clock import day_in
from core.errors import BadInput, NotFound, TooMuch
from core.one_time import OneTimeToken, look_up_token, spend_token
from core.personal import Personal
from dsr.asker_pages import note_same_address
from dsr.asker_tables import is_known_asker
from dsr.askers import ASKS_FOR, THEMSELVES, Askers, SaidAsker, check_asker
from dsr.choices import NOTHING_SAID, Choice, SaidChoice, begin_at_once, check_choice, note_choice, takes_no_proof
from dsr.conversations import share_proof, tell_received
from dsr.desk import PERSON, Desk, find_ticket
from dsr.how import HOW
from dsr.opening import CONFIRM, CONFIRM_LASTS, Asked, mail_link, open_ticket, require_version
from dsr.proof_changes import watch
from dsr.proof_standing import lacks_beyond_address
from dsr.states import State
from dsr.tables import TicketRow
from dsr.typed import check_email, check_place, check_right
from policies.clauses import Right, RightClause
from policies.documents import Document
from policies.regimes import regime_of_place

log = structlog.get_logger()
MOST_DETAILS_BYTES: Final = 10_000
TOO_LONG: Final = mark("This is longer than 10 kB. Say it in fewer words.")
TOO_MANY: Final = mark("Nothing was sent. Try again in an hour.")


class FormRefused(BadInput):
    """What was typed cannot be used; `problems` says for each field what to put right, by messages of the catalogues."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()), remedy="Put it right and send it again.")
        self.problems = dict(problems)


@dataclass(frozen=True, kw_only=True)
class OfferedRight:
    """One choice of the form."""

    right: Right
    clause: str


@dataclass(frozen=True, kw_only=True)
class ConfirmView:
    """What the page behind the link shows before the button is pressed."""

    right: Right
    asked_at: datetime
    expires_on: date
    due_on: date
    controller: str
    controller_email: str
    asks_for_more: bool


class Intake:
    """Takes requests in."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._askers = Askers(desk)

    def offered_rights(self) -> tuple[OfferedRight, ...]:
        """What the form offers: the rights of the policy in force that Kept carries out."""
        with self._desk.database.read() as session:
            version = self._desk.policies.in_force(session)
            return _offered(version.document) if version else ()

    def submit_form(
        self,
        *,
        email: str,
        right: str,
        country: str = "",
        subdivision: str = "",
        details: str = "",
        source: str,
        language: str = "en",
        asker: SaidAsker = THEMSELVES,
        chosen: SaidChoice = NOTHING_SAID,
    ) -> bool:
        """Take the form; gives whether a link has to be pressed now. An unconfirmed ticket and a mail with a link, or, for an address over its limit, neither; the
        page is the same. What the law wants done for whoever asks is done at once, without a link.

        `asker`: who asks, where it is not the person; then the asker gets the link, and the person a mail of their own once
        it was pressed. `source` is the network address it came from; it is counted and not kept. Raises FormRefused, and TooMuch for a
        source, or a time, with very many forms: that tells nothing about an address, and no mail is claimed.
        """
        desk, now = self._desk, self._desk.clock.now()
        with desk.database.begin() as session:
            version = require_version(desk, session, now)
            asked, choice = _check_form(
                version.document,
                email=email,
                right=right,
                country=country,
                subdivision=subdivision,
                details=details,
                language=language,
                now=now,
                asker=asker,
                chosen=chosen,
            )
            waits = not asker.is_person or not self._is_for_all(asked, version.document)
            if not self._may_mail(session, asked.email, source, now) or not self._may_ask(session, asker, now):
                return waits
            state = State.UNCONFIRMED if waits else State.RECEIVED
            ticket = open_ticket(desk, session, asked, version, state, by=PERSON)
            note_choice(desk, session, ticket, choice)
            if not waits:
                begin_at_once(desk, session, ticket)
                return waits
            if asker.is_person or asker.contact.strip().lower() == asked.email.lower():
                mail_link(desk, session, ticket, CONFIRM_LASTS)
            self._askers.declare(session, ticket, kind=asker.kind, name=asker.name, contact=asker.contact)
            return waits

    def look_at_confirm(self, token: str) -> ConfirmView:
        """What the page of a link shows; changes nothing. Raises NotFound for a link that is used, over or unknown."""
        desk, now = self._desk, self._desk.clock.now()
        with desk.database.read() as session:
            ticket = self._ticket_of(session, look_up_token(session, token, purpose=CONFIRM, now=now))
            controller = desk.document(session, ticket).controller
            right, ends = Right(ticket.right), _last_link(session, ticket)
            if ticket.due_on is None or ends is None:
                raise _gone()
            return ConfirmView(
                right=right,
                asked_at=ticket.received_at,
                expires_on=day_in(ends, controller.timezone),
                due_on=ticket.due_on,
                controller=controller.name,
                controller_email=controller.email,
                asks_for_more=lacks_beyond_address(desk, session, ticket),
            )

    def confirm(self, token: str, *, source: str = "") -> str:
        """Press the button: the address is shown, the ticket is received, the person is told; gives the reference.

        A link works once. Raises NotFound, and TooMuch for a source that tries very many.
        """
        desk, now = self._desk, self._desk.clock.now()
        if not self._may_confirm(source, now):
            raise TooMuch(
                mark("Too many links were tried from here."), remedy=mark("Wait an hour and press the button again.")
            )
        with desk.database.begin() as session:
            found = self._ticket_of(session, spend_token(session, token, purpose=CONFIRM, now=now))
            ticket = find_ticket(session, found.ref, lock=True)
            if ticket.identity_at is not None or State(ticket.state) not in (State.UNCONFIRMED, State.RECEIVED):
                raise _gone()
            ticket.identity_at = now
            note_same_address(session, ticket, now)
            if State(ticket.state) is State.UNCONFIRMED:
                desk.move(session, ticket, State.RECEIVED, by=PERSON, kind="identity")
            else:
                desk.note_event(session, ticket, "identity", by=PERSON)
                desk.record(session, ticket, "request.identity", by=PERSON, private={})
            tell_received(desk, session, ticket)
            share_proof(desk, session, ticket)
            watch(desk, session, ticket)
            self._askers.settle(session, ticket, by=PERSON)
            return ticket.ref

    def expire(self) -> int:
        """Forget what was typed into forms whose link nobody used; gives how many."""
        desk, now = self._desk, self._desk.clock.now()
        with desk.database.begin() as session:
            unused = sa.select(TicketRow).where(
                TicketRow.state == State.UNCONFIRMED.value, TicketRow.received_at <= now - CONFIRM_LASTS
            )
            tickets = session.execute(unused.with_for_update()).scalars().all()
            for ticket in tickets:
                desk.move(session, ticket, State.EXPIRED, by="system")
                ticket.contact, ticket.details, ticket.country, ticket.subdivision = Personal(""), "", None, None
            desk.counters.sweep(session, now)
            return len(tickets)

    @staticmethod
    def _is_for_all(asked: Asked, document: Document) -> bool:
        """Whether the law wants it done for whoever asks, so that nothing is proven by a link."""
        regime = regime_of_place(asked.country, asked.subdivision, document.regimes)
        return takes_no_proof(regime, document.regimes, asked.right)

    def _may_mail(self, session: Session, email: str, source: str, now: datetime) -> bool:
        # In this order, and no further once one is passed: nobody uses up what is there for all by what is refused.
        limits, counters = self._desk.limits, self._desk.counters
        if not counters.take(session, "form.source", source, limits.form_per_source, now):
            log.warning("requests.form_limited", limit="form.source")
            raise TooMuch(mark("Many requests came from your network."), remedy=TOO_MANY)
        if not counters.take(session, "form.address", email.lower(), limits.form_per_address, now):
            log.warning("requests.form_limited", limit="form.address")
            return False
        if not counters.take(session, "form.all", "", limits.form_in_all, now):
            log.warning("requests.form_limited", limit="form.all")
            raise TooMuch(mark("Very many requests come in just now."), remedy=TOO_MANY)
        return True

    def _may_ask(self, session: Session, asker: SaidAsker, now: datetime) -> bool:
        # An agent asks for many people; an address that nobody has shown to be an asker's is nobody's to write to often.
        if asker.is_person:
            return True
        address, limits = asker.contact.strip().lower(), self._desk.limits
        limit = limits.form_per_asker if is_known_asker(session, address) else limits.form_per_address
        if self._desk.counters.take(session, "form.asker", address, limit, now):
            return True
        log.warning("requests.form_limited", limit="form.asker")
        return False

    def _may_confirm(self, source: str, now: datetime) -> bool:
        # In a transaction of its own: a try counts although the confirming is rolled back.
        limits, counters = self._desk.limits, self._desk.counters
        with self._desk.database.begin() as session:
            alone = counters.take(session, "confirm.source", source, limits.confirm_per_source, now)
            return counters.take(session, "confirm.all", "", limits.confirm_in_all, now) and alone

    @staticmethod
    def _ticket_of(session: Session, ticket_id: str) -> TicketRow:
        ticket = session.get(TicketRow, ticket_id)
        if ticket is None:
            raise _gone()
        return ticket


def _last_link(session: Session, ticket: TicketRow) -> datetime | None:
    ends = sa.select(OneTimeToken.expires_at).where(OneTimeToken.subject == ticket.id, OneTimeToken.purpose == CONFIRM)
    return session.execute(ends.order_by(OneTimeToken.expires_at.desc()).limit(1)).scalar_one_or_none()


def _offered(document: Document) -> tuple[OfferedRight, ...]:
    clauses = {one.right: one.id for one in document.of_kind(RightClause) if one.to is None}
    return tuple(
        OfferedRight(right=right, clause=clauses[right])
        for right, how in HOW.items()
        if right in clauses and how.on_form
    )


def _check_form(
    document: Document,
    *,
    email: str,
    right: str,
    country: str,
    subdivision: str,
    details: str,
    language: str,
    now: datetime,
    asker: SaidAsker,
    chosen: SaidChoice,
) -> tuple[Asked, Choice]:
    problems: dict[str, str] = {}
    if not asker.is_person:
        check_asker(asker.name, asker.contact, problems)
        if asker.kind not in ASKS_FOR:
            problems["asks_for"] = mark("Choose for whom you ask.")
    if len(details.encode(errors="replace")) > MOST_DETAILS_BYTES:
        problems["details"] = TOO_LONG
    asked = Asked(
        email=check_email(email, problems),
        right=check_right(right, frozenset(one.right for one in _offered(document)), problems),
        country=check_place(country, 2, "country", problems),
        subdivision=check_place(subdivision, 3, "subdivision", problems),
        details=details.replace("\x00", "").strip()[:MOST_DETAILS_BYTES],
        language=language,
        received_at=now,
    )
    choice = Choice() if "right" in problems else check_choice(asked.right, document, problems, chosen)
    if problems:
        raise FormRefused(problems)
    return asked, choice


def _gone() -> NotFound:
    return NotFound("This link has been used, or its time is over.", remedy="Ask for a new one.")
