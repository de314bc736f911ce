"""Requests that come by the host application: of people it hands over, and those it sends with a token of its own."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.catalogue import short_code
from core.clock import iso_utc, parse_iso
from core.errors import BadInput, NotFound
from core.idempotency import IdempotencyKey
from core.outbox import Event, post
from core.personal import Personal
from dsr.askers import Askers
from dsr.conversations import new_conversation, tell_received
from dsr.desk import PERSON, SYSTEM, Desk, find_ticket, read_events
from dsr.handoff import HandedOver, HandOffs
from dsr.how import by_plan
from dsr.identifiers import API, HANDOFF, SUBJECT_KIND, add_identifier, read_identifiers
from dsr.intake import MOST_DETAILS_BYTES, TOO_LONG, FormRefused
from dsr.opening import (
    CONFIRM_LASTS_BY_HAND,
    Asked,
    check_received,
    mail_link,
    open_ticket,
    require_version,
    version_at,
)
from dsr.person_page import GRANT_LASTS
from dsr.proof_changes import watch
from dsr.proof_standing import proof_row
from dsr.self_service import SelfService
from dsr.states import State
from dsr.tables import PageGrantRow, TicketRow
from dsr.typed import check_email, check_place, check_right
from plans.people import linked_identifiers
from policies.clauses import Right, RightClause
from policies.versions import Version

log = structlog.get_logger()
FIND_CONTACT: Final = "request.contact"
MOST_LISTED: Final = 200
# Nobody's request yet, or no longer anybody's.
_UNSEEN: Final = (State.UNCONFIRMED.value, State.EXPIRED.value)


@dataclass(frozen=True, kw_only=True)
class OnBehalf:
    """Who asks for the person, by the host application's word."""

    kind: str
    name: str
    contact: str


@dataclass(frozen=True, kw_only=True)
class NewRequest:
    """What a host application sends. `received_at` None: now. `handoff`: a signed token of the person, '' without one."""

    right: str
    subject: Personal | None = None
    email: str = ""
    country: str = ""
    subdivision: str = ""
    language: str = ""
    details: str = ""
    received_at: datetime | None = None
    on_behalf: OnBehalf | None = None
    is_test: bool = False
    handoff: str = ""


@dataclass(frozen=True, kw_only=True)
class Happened:
    """One line of the history, without anything of a person. `by`: person, operator, policy, application or system."""

    at: datetime
    kind: str
    before: State
    after: State
    by: str


@dataclass(frozen=True, kw_only=True)
class Followed:
    """A request as a host application sees it."""

    ref: str
    right: Right
    state: State
    channel: str
    received_at: datetime
    due_on: date | None
    closed_at: datetime | None
    identity_shown: bool
    is_test: bool
    page: str
    history: tuple[Happened, ...] = field(default=())


class Arrivals:
    """Opens and shows requests of the host application's people."""

    def __init__(self, desk: Desk, handoffs: HandOffs, served: SelfService) -> None:
        self._desk = desk
        self._handoffs = handoffs
        self._served = served
        self._askers = Askers(desk)

    # -- handed over, at the form

    def submit(
        self,
        name: str,
        *,
        rights: Sequence[str],
        country: str = "",
        subdivision: str = "",
        details: str = "",
        language: str,
    ) -> list[tuple[str, str]]:
        """Take the form of somebody who was handed over: a request for each right, proven, each with a grant that opens its
        page in their browser. Raises FormRefused with what to put right, NotFound once their minutes are over."""
        desk, now = self._desk, self._desk.clock.now()
        with desk.database.begin() as session:
            version = require_version(desk, session, now)
            person = self._handoffs.look(name)
            # What else people can ask for wants more to be said: there is the form for it.
            offered = frozenset(one.right for one in version.document.of_kind(RightClause) if by_plan(one.right))
            problems: dict[str, str] = {}
            if len(details.encode(errors="replace")) > MOST_DETAILS_BYTES:
                problems["details"] = TOO_LONG
            chosen = [check_right(one, offered, problems) for one in dict.fromkeys(rights or [""])]
            land = check_place(country, 2, "country", problems)
            state = check_place(subdivision, 3, "subdivision", problems)
            if problems:
                raise FormRefused(problems)
            self._handoffs.take(session, name)
            conversation = new_conversation(desk, session)
            opened = []
            for right in chosen:
                asked = Asked(
                    email=person.email.reveal(),
                    right=right,
                    country=land,
                    subdivision=state,
                    details=details.replace("\x00", "").strip(),
                    language=language,
                    channel="handoff",
                    received_at=now,
                )
                ticket = open_ticket(
                    desk, session, asked, version, State.RECEIVED, by=PERSON, conversation_id=conversation
                )
                self._prove(session, ticket, person, by=PERSON)
                opened.append((ticket.ref, self._grant(session, ticket)))
            return opened

    # -- by a token of the interface

    def open(self, new: NewRequest, *, by: str, key: IdempotencyKey | None = None) -> tuple[str, bool]:
        """Open a request for a host application; gives its reference, and whether it is new. Raises FormRefused with every
        field that is wrong, HandoffRefused, KeyReused."""
        try:
            return self._open(new, by, key)
        except IntegrityError:  # the same key at the same moment: now it is known
            return self._open(new, by, key)

    def _open(self, new: NewRequest, by: str, key: IdempotencyKey | None) -> tuple[str, bool]:
        desk, now = self._desk, self._desk.clock.now()
        if key is not None:
            with desk.database.read() as session:
                if known := _made_by(session, key, now):
                    return known, False
        # Before a transaction is open: keys may have to be fetched.
        person = self._handoffs.check(new.handoff) if new.handoff else None
        with desk.database.begin() as session:
            if key is not None and (known := _made_by(session, key, now)):
                return known, False
            asked, version, why = self._check(session, new, person, now)
            if person is not None:
                self._handoffs.spend(session, person)
            ticket = open_ticket(desk, session, asked, version, State.RECEIVED, by=by, why=why)
            if person is not None:
                self._prove(session, ticket, person, by=by)
            self._follow_up(session, ticket, new, person, by)
            if key is not None:
                key.keep(session, ticket.id, now)
            return ticket.ref, True

    def _follow_up(
        self, session: Session, ticket: TicketRow, new: NewRequest, person: HandedOver | None, by: str
    ) -> None:
        """What is known and not proven, who asks, and the mail that proves the address."""
        desk, now = self._desk, self._desk.clock.now()
        if person is None and new.subject is not None:
            # Known by the application's word; what its people hold is given to nobody by that.
            add_identifier(session, ticket, SUBJECT_KIND, new.subject, source=API, now=now, proven=False)
        if new.on_behalf is not None:
            one = new.on_behalf
            self._askers.declare(session, ticket, kind=one.kind, name=one.name, contact=one.contact, by=by)
        elif person is None and ticket.contact:
            mail_link(desk, session, ticket, CONFIRM_LASTS_BY_HAND)
        elif person is None:
            post(session, FIND_CONTACT, {"ref": ticket.ref}, now=now)

    def find_contact(self, event: Event) -> None:
        """The outbox's handler: of somebody who was named by an id alone, the link goes to the address on file. Where there is
        none, or several, an operator looks. Raises Unreachable while a store does not answer."""
        desk, ref = self._desk, str(event.payload["ref"])
        with desk.database.read() as session:
            ticket = find_ticket(session, ref)
            known = [one.value.reveal() for one in read_identifiers(session, ticket) if one.kind == SUBJECT_KIND]
        if ticket.contact or ticket.identity_at is not None or not known:
            return
        found = linked_identifiers(desk.plans.datamap, {SUBJECT_KIND: tuple(known)}).get("email", ())
        addresses = {one.strip().lower(): one.strip() for one in found}
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            problems: dict[str, str] = {}
            email = check_email(next(iter(addresses.values())), problems) if len(addresses) == 1 else ""
            if not email:
                why = f"{len(addresses)} addresses are on file for the account that the application named."
                desk.note_event(session, ticket, "no_contact", by=SYSTEM, why=why)
                return
            ticket.contact = Personal(email)
            desk.note_event(session, ticket, "contact_found", by=SYSTEM)
            mail_link(desk, session, ticket, CONFIRM_LASTS_BY_HAND)

    def follow(self, ref: str) -> Followed:
        """A request with its history. Raises NotFound, also for one whose link was never used."""
        with self._desk.database.read() as session:
            ticket = find_ticket(session, ref)
            if ticket.state in _UNSEEN:
                raise NotFound("There is no request of this reference.", remedy="Look at the reference.")
            history = tuple(
                Happened(
                    at=one.at,
                    kind=one.kind,
                    before=State(one.before),
                    after=State(one.after),
                    by=_kind_of_actor(one.by),
                )
                for one in read_events(session, ticket)
            )
            return self._followed(ticket, history)

    def list_page(
        self, *, after: str = "", limit: int = 50, state: State | None = None, right: Right | None = None
    ) -> tuple[list[Followed], str]:
        """Requests in the order in which they came in, and the cursor of the next page, '' at the end. Raises BadInput."""
        wanted = sa.select(TicketRow).where(TicketRow.state.not_in(_UNSEEN))
        if state is not None:
            wanted = wanted.where(TicketRow.state == state.value)
        if right is not None:
            wanted = wanted.where(TicketRow.right == right.value)
        if after:
            at, ref = _read_cursor(after)
            later = sa.and_(TicketRow.received_at == at, TicketRow.ref > ref)
            wanted = wanted.where(sa.or_(TicketRow.received_at > at, later))
        limit = max(1, min(limit, MOST_LISTED))
        with self._desk.database.read() as session:
            ordered = wanted.order_by(TicketRow.received_at, TicketRow.ref).limit(limit + 1)
            rows = session.execute(ordered).scalars().all()
        last = rows[limit - 1] if len(rows) > limit else None
        cursor = f"{iso_utc(last.received_at)}_{last.ref}" if last else ""
        return [self._followed(one) for one in rows[:limit]], cursor

    def _followed(self, ticket: TicketRow, history: tuple[Happened, ...] = ()) -> Followed:
        return Followed(
            ref=ticket.ref,
            right=Right(ticket.right),
            state=State(ticket.state),
            channel=ticket.channel,
            received_at=ticket.received_at,
            due_on=ticket.due_on,
            closed_at=ticket.closed_at,
            identity_shown=ticket.identity_at is not None,
            is_test=ticket.is_test,
            page=f"{self._desk.base_url}/requests/{ticket.ref}",
            history=history,
        )

    def _prove(self, session: Session, ticket: TicketRow, person: HandedOver, *, by: str) -> None:
        """The application vouches for who this is: the address and all else that it says is theirs counts as shown."""
        desk, now = self._desk, self._desk.clock.now()
        ticket.identity_at = now
        for kind, value in person.identifiers.items():
            if kind != "email":
                add_identifier(session, ticket, kind, value, source=HANDOFF, now=now, proven=True)
        proof_row(desk, session, ticket).accepted_by = HANDOFF
        kinds = sorted(person.identifiers)
        desk.note_event(session, ticket, "identity", by=by, why=f"Handed over by the application: {', '.join(kinds)}.")
        desk.record(session, ticket, "request.identity", by=by, private={"handoff": kinds})
        self._served.offer(session, ticket)
        tell_received(desk, session, ticket)
        watch(desk, session, ticket)

    def _grant(self, session: Session, ticket: TicketRow) -> str:
        token, now = secrets.token_urlsafe(32), self._desk.clock.now()
        row = PageGrantRow(
            hash=sha256(token.encode()).hexdigest(), ticket_id=ticket.id, opened_at=now, expires_at=now + GRANT_LASTS
        )
        session.add(row)
        self._desk.note_event(session, ticket, "page_opened", by=PERSON)
        return token

    def _check(
        self, session: Session, new: NewRequest, person: HandedOver | None, now: datetime
    ) -> tuple[Asked, Version, str]:
        desk, problems = self._desk, dict[str, str]()
        received = now
        if new.received_at is not None:
            try:
                received = check_received(new.received_at, now)
            except BadInput as error:
                problems["received_at"] = f"{error.message} {error.remedy}"
        version, why = version_at(desk, session, received)
        email = self._address(new, person, problems)
        if new.language and new.language not in desk.languages:
            problems["language"] = f"Use one of: {', '.join(desk.languages)}."
        if len(new.details.encode(errors="replace")) > MOST_DETAILS_BYTES:
            problems["details"] = TOO_LONG
        right = check_right(new.right, frozenset(Right), problems)
        if "right" in problems:
            problems["right"] = f"Use one of: {', '.join(one.value for one in Right)}."
        asked = Asked(
            email=email,
            right=right,
            country=check_place(new.country, 2, "country", problems),
            subdivision=check_place(new.subdivision, 3, "subdivision", problems),
            details=new.details.replace("\x00", "").strip(),
            language=new.language or short_code(version.document.language),
            channel="handoff" if person else "api",
            received_at=received,
            is_test=new.is_test,
        )
        if problems:
            raise FormRefused(problems)
        return asked, version, why

    @staticmethod
    def _address(new: NewRequest, person: HandedOver | None, problems: dict[str, str]) -> str:
        if person is None:
            if not new.email and new.subject is None:
                problems["subject"] = "Name the person: a subject, an email, or a handoff."
            return check_email(new.email, problems) if new.email else ""
        said = person.identifiers.get(SUBJECT_KIND)
        if new.subject is not None and new.subject != said:
            problems["subject"] = "The handoff is about somebody else. Leave the subject out."
        if new.email and new.email.strip().lower() != person.email.reveal().lower():
            problems["email"] = "The handoff has another address. Leave the email out."
        if new.on_behalf is not None:
            problems["on_behalf"] = "Whoever is handed over asks for themselves. Leave one of both out."
        return person.email.reveal()


def _made_by(session: Session, key: IdempotencyKey, now: datetime) -> str:
    """The reference that a key opened before; '' for a new one. Raises KeyReused."""
    used = key.find(session, now)
    ticket = session.get(TicketRow, used.made) if used else None
    return ticket.ref if ticket else ""


def _kind_of_actor(by: str) -> str:
    if by in (PERSON, SYSTEM):
        return by
    prefix = by.partition(":")[0].partition("_")[0]
    return {"clause": "policy", "tok": "application", "token": "application"}.get(prefix, "operator")


def _read_cursor(text: str) -> tuple[datetime, str]:
    at, _, ref = text.partition("_")
    try:
        return parse_iso(at), ref
    except BadInput as error:
        raise BadInput("This is no cursor.", remedy="Follow `next` of the page before, or leave it out.") from error
