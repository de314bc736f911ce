"""How requests come in: the public form, the link that proves the address, and what operators open by hand.

Nothing here looks into a store, so a form takes the same time and gives the same answer whoever's address was typed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core.catalogue import mark, short_code
from core.clock import day_in, require_utc
from core.errors import BadInput, Conflict, NotFound, TooMuch
from core.ids import new_id, new_reference
from core.one_time import OneTimeToken, issue_token, look_up_token, spend_token
from core.personal import Personal
from core.words import long_day
from dsr.conversations import new_conversation, share_proof, tell_received
from dsr.desk import PERSON, Desk, find_ticket
from dsr.proof_changes import watch
from dsr.proof_standing import lacks_beyond_address
from dsr.states import State
from dsr.tables import TicketRow
from dsr.typed import check_email, check_place, check_right
from policies.clauses import Right, RightClause
from policies.documents import Document
from policies.regimes import regime_of_place
from policies.versions import Version

log = structlog.get_logger()
CONFIRM: Final = "request_confirm"
CONFIRM_LASTS: Final = timedelta(days=3)
# An operator's letter may have come by post: the person has longer to find the mail.
CONFIRM_LASTS_BY_HAND: Final = timedelta(days=14)
OLDEST_BY_HAND: Final = timedelta(days=3_653)
MOST_DETAILS_BYTES: Final = 10_000
TOO_LONG: Final = mark("This is longer than 10 kB. Say it in fewer words.")
TOO_MANY: Final = mark("Nothing was sent. Try again in an hour.")
# What Kept carries out from plan to answer; the form offers these, where the policy gives them.
CARRIED_OUT: Final = frozenset({Right.ACCESS, Right.PORTABILITY, Right.CORRECTION, Right.DELETION})
# What can also be done in the application itself, and is then told in an operator's words.
ALSO_BY_HAND: Final = frozenset({Right.CORRECTION})
CHANNELS: Final = frozenset({"form", "mail", "letter", "phone", "chat", "api"})


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


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What came in, checked."""

    email: str
    right: Right
    country: str | None = None
    subdivision: str | None = None
    details: str = ""
    language: str = "en"
    channel: str = "form"
    received_at: datetime
    is_test: bool = False


class Intake:
    """Takes requests in."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

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
    ) -> None:
        """Take the form: an unconfirmed ticket and a mail with a link, or, for an address over its limit, neither; the
        page is the same.

        `source` is the network address it came from; it is counted and not kept. Raises FormRefused, and TooMuch for a
        source, or a time, with very many forms: that tells nothing about an address, and no mail is claimed.
        """
        desk, now = self._desk, self._desk.clock.now()
        with desk.database.begin() as session:
            version = _require_version(desk, session, now)
            asked = _check_form(
                version.document,
                email=email,
                right=right,
                country=country,
                subdivision=subdivision,
                details=details,
                language=language,
                now=now,
            )
            if not self._may_mail(session, asked.email, source, now):
                return
            ticket = _open(desk, session, asked, version, State.UNCONFIRMED, by=PERSON)
            self._mail_link(session, ticket, CONFIRM_LASTS)

    def open_by_hand(
        self,
        *,
        email: str,
        right: str,
        received_at: datetime,
        channel: str,
        by: str,
        note: str = "",
        country: str = "",
        subdivision: str = "",
        is_test: bool = False,
    ) -> str:
        """Open a ticket for a request that came another way; gives its reference. Its clock runs from `received_at`.

        The address is not shown to be the person's by that: a mail with a link goes there, and until its button is
        pressed the ticket can be refused or noted on, but not planned.
        """
        desk, now = self._desk, self._desk.clock.now()
        received = require_utc(received_at)
        if received > now:
            raise BadInput("The request is received in the future.", remedy="Give the day it came in.")
        if received < now - OLDEST_BY_HAND:
            raise BadInput("The request is received more than ten years ago.", remedy="Give the day it came in.")
        if channel not in CHANNELS - {"form"}:
            raise BadInput(f"'{channel}' is no channel.", remedy="Use mail, letter, phone or chat.")
        with desk.database.begin() as session:
            version = _require_version(desk, session, now)
            problems: dict[str, str] = {}
            asked = _Asked(
                email=check_email(email, problems),
                right=check_right(right, frozenset(Right), problems),
                country=check_place(country, 2, "country", problems),
                subdivision=check_place(subdivision, 3, "subdivision", problems),
                # Nobody has said which they read: the policy's own.
                language=short_code(version.document.language),
                channel=channel,
                received_at=received,
                is_test=is_test,
            )
            if problems:
                raise FormRefused(problems)
            ticket = _open(desk, session, asked, version, State.RECEIVED, by=by)
            if note.strip():
                desk.write(session, ticket, direction="note", author=by, body=note.strip())
            self._mail_link(session, ticket, CONFIRM_LASTS_BY_HAND)
            return ticket.ref

    def ask_again(self, ref: str, *, by: str) -> None:
        """Send the link that proves the address once more; earlier ones stay good until their time is over."""
        with self._desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            if ticket.identity_at is not None:
                raise Conflict(f"The address of request {ref} is shown already.", remedy="Nothing is left to do.")
            self._mail_link(session, ticket, CONFIRM_LASTS_BY_HAND)
            self._desk.note_event(session, ticket, "asked_again", by=by)

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
            if State(ticket.state) is State.UNCONFIRMED:
                desk.move(session, ticket, State.RECEIVED, by=PERSON, kind="identity")
            else:
                desk.note_event(session, ticket, "identity", by=PERSON)
                desk.record(session, ticket, "request.identity", by=PERSON, private={})
            tell_received(desk, session, ticket)
            share_proof(desk, session, ticket)
            watch(desk, session, ticket)
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

    def _mail_link(self, session: Session, ticket: TicketRow, lasts: timedelta) -> None:
        desk, now = self._desk, self._desk.clock.now()
        token = issue_token(session, purpose=CONFIRM, subject=ticket.id, now=now, lasts=lasts)
        zone = desk.document(session, ticket).controller.timezone
        desk.mail(
            session,
            ticket,
            CONFIRM,
            link=desk.address(f"/requests/confirm/{token}", ticket),
            expires=long_day(day_in(now + lasts, zone), ticket.language),
            asked_at=long_day(day_in(ticket.received_at, zone), ticket.language),
            due=desk.due_words(ticket),
        )

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


def _open(desk: Desk, session: Session, asked: _Asked, version: Version, state: State, *, by: str) -> TicketRow:
    regimes = version.document.regimes
    ticket = TicketRow(
        id=new_id("tkt"),
        ref=new_reference(),
        conversation_id=new_conversation(desk, session),
        right=asked.right.value,
        regime=regime_of_place(asked.country, asked.subdivision, regimes),
        channel=asked.channel,
        received_at=asked.received_at,
        identity_at=None,
        due_on=None,
        state=state.value,
        version=version.number,
        contact=Personal(asked.email),
        language=asked.language,
        country=asked.country,
        subdivision=asked.subdivision,
        details=asked.details,
        plan_id=None,
        outcome={},
        is_test=asked.is_test,
    )
    session.add(ticket)
    session.flush()
    desk.note_event(session, ticket, "opened", by=by)
    if state is State.RECEIVED:
        desk.record(session, ticket, "request.received", by=by, private={"channel": asked.channel})
    return ticket


def _last_link(session: Session, ticket: TicketRow) -> datetime | None:
    ends = sa.select(OneTimeToken.expires_at).where(OneTimeToken.subject == ticket.id, OneTimeToken.purpose == CONFIRM)
    return session.execute(ends.order_by(OneTimeToken.expires_at.desc()).limit(1)).scalar_one_or_none()


def _require_version(desk: Desk, session: Session, now: datetime) -> Version:
    version = desk.policies.in_force(session, now)
    if version is None:
        raise Conflict("No policy is in force.", remedy="Publish one with `kept policy publish`.")
    return version


def _offered(document: Document) -> tuple[OfferedRight, ...]:
    return tuple(
        OfferedRight(right=clause.right, clause=clause.id)
        for clause in document.of_kind(RightClause)
        if clause.right in CARRIED_OUT
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
) -> _Asked:
    problems: dict[str, str] = {}
    if len(details.encode(errors="replace")) > MOST_DETAILS_BYTES:
        problems["details"] = TOO_LONG
    asked = _Asked(
        email=check_email(email, problems),
        right=check_right(right, frozenset(one.right for one in _offered(document)), problems),
        country=check_place(country, 2, "country", problems),
        subdivision=check_place(subdivision, 3, "subdivision", problems),
        details=details.replace("\x00", "").strip()[:MOST_DETAILS_BYTES],
        language=language,
        received_at=now,
    )
    if problems:
        raise FormRefused(problems)
    return asked


def _gone() -> NotFound:
    return NotFound("This link has been used, or its time is over.", remedy="Ask for a new one.")
