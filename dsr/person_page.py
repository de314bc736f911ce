"""The person's page: opened by a code to the proven address, never by the link alone; what it shows and what it lets do."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core.canonical import keyed_digest
from core.catalogue import catalogue, mark
from core.clock import day_in
from core.errors import BadInput, NotFound
from core.ids import new_id
from core.keys import derive_key
from dsr.certificates import CertificateView, view_certificate
from dsr.clocks import read_clock_events, reckon_ticket
from dsr.conversations import Sibling, list_siblings
from dsr.desk import PERSON, Desk, find_ticket, read_events
from dsr.how import by_plan
from dsr.package import Download, Packages, PackageView, view_package
from dsr.retries import told_now
from dsr.stands import Stand, read_stand
from dsr.states import DONE, MOVES, OPEN, State
from dsr.tables import PageCodeRow, PageGrantRow, TicketEventRow, TicketRow
from dsr.ways_in_tables import BY_ITSELF, SelfServiceRow
from dsr.words import (
    ASKED,
    BY_HAND,
    BY_OTHERS,
    LOOKED_THROUGH,
    NOT_YET,
    SERVED,
    STATUS,
    StatusWords,
    say_right,
    say_status,
)
from policies.clauses import Right
from policies.reckoning import Reckoning

log = structlog.get_logger()
CODE_LASTS: Final = timedelta(minutes=10)
CODE_TRIES: Final = 5
GRANT_LASTS: Final = timedelta(hours=1)
# How long a download that was broken off can be taken up again without another code.
DOWNLOAD_LASTS: Final = timedelta(hours=2)


class WrongCode(BadInput):
    """The code is not right, is used up, or its time is over: which, is not told."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One line of how far a request is, from the person's side."""

    at: datetime
    words: str


@dataclass(frozen=True, kw_only=True)
class PersonView:
    """What the page shows once it is open. `contact` is masked; `package` None where there is none.

    `outcome`: what an answered request came to, or what is done so far (`so_far`). Its words are in `language`, the one the person used.
    `question_on`: since when we wait for an answer of theirs. `looked_through`: an operator decides about texts in the copy.
    `by_itself`: no operator has to check it; a deletion `goes_on` that day."""

    ref: str
    right: Right
    right_words: str
    state: State
    status: StatusWords
    contact: str
    received_at: datetime
    due_on: date
    reckoning: Reckoning
    steps: tuple[Step, ...]
    package: PackageView | None
    certificate: CertificateView | None
    outcome: Mapping[str, Any]
    question_on: date | None
    looked_through: bool
    by_itself: bool
    goes_on: date | None
    may_withdraw: bool
    zone: str
    language: str
    siblings: tuple[Sibling, ...] = ()


class PersonPages:
    """Codes, grants and what they open. An unknown reference behaves like a known one."""

    def __init__(self, desk: Desk, packages: Packages) -> None:
        self._desk = desk
        self._packages = packages

    def ask_code(self, ref: str, *, source: str) -> None:
        """Send a code to the proven address of a request; over a limit, or for an unknown one, nothing is sent."""
        desk, now = self._desk, self._desk.clock.now()
        with desk.database.begin() as session:
            if not self._may_ask(session, ref, source, now):
                log.warning("requests.code_limited")
                return
            ticket = _proven(session, ref)
            if ticket is None:
                return
            code = f"{secrets.randbelow(1_000_000):06d}"
            session.execute(
                sa.update(PageCodeRow)
                .where(PageCodeRow.ticket_id == ticket.id, PageCodeRow.spent_at.is_(None))
                .values(spent_at=now)
            )
            row = PageCodeRow(
                id=new_id("cod"),
                ticket_id=ticket.id,
                hash=self._hash(ticket, code),
                issued_at=now,
                expires_at=now + CODE_LASTS,
                tries_left=CODE_TRIES,
                spent_at=None,
            )
            session.add(row)
            zone = desk.document(session, ticket).controller.timezone
            until = (now + CODE_LASTS).astimezone(ZoneInfo(zone))
            desk.mail(session, ticket, "status_code", code=f"{code[:3]} {code[3:]}", expires=f"{until:%H:%M}, {zone}")

    def open(self, ref: str, code: str) -> str:
        """Give a grant for a right code: the browser keeps it in its session. Raises WrongCode."""
        desk, now = self._desk, self._desk.clock.now()
        self._spend(ref, code)
        token = secrets.token_urlsafe(32)
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref)
            row = PageGrantRow(
                hash=sha256(token.encode()).hexdigest(),
                ticket_id=ticket.id,
                opened_at=now,
                expires_at=now + GRANT_LASTS,
            )
            session.add(row)
            desk.note_event(session, ticket, "page_opened", by=PERSON)
        return token

    def view(self, ref: str, grant: str) -> PersonView:
        """The page. Raises NotFound without a grant for it."""
        with self._desk.database.read() as session:
            return self._view(session, self.require_grant(session, ref, grant))

    def withdraw(self, ref: str, grant: str) -> None:
        """End the request at the person's wish. Raises Conflict once the work has begun."""
        with self._desk.database.begin() as session:
            ticket = self.require_grant(session, ref, grant, lock=True)
            self._desk.move(session, ticket, State.WITHDRAWN, by=PERSON, why="The person withdrew it.")

    def download(self, ref: str, grant: str, code: str) -> Download:
        """The package, after a fresh code; the download is written down first. Its token takes it up again where it was
        broken off. Raises WrongCode, NotFound."""
        with self._desk.database.read() as session:
            self.require_grant(session, ref, grant)
        self._spend(ref, code)
        with self._desk.database.begin() as session:
            ticket = self.require_grant(session, ref, grant, lock=True)
            download = self._packages.open(session, ticket, by=PERSON, lasts=DOWNLOAD_LASTS)
            self._desk.note_event(session, ticket, "downloaded", by=PERSON)
            return download

    def take_up_download(self, ref: str, token: str) -> Download:
        """The rest of a download that was begun with a code; nothing is written down again. Raises NotFound."""
        with self._desk.database.read() as session:
            ticket = _proven(session, ref)
            if ticket is None:
                raise NotFound("This download is over.", remedy="Ask for a code and open the copy again.")
            return self._packages.take_up(session, ticket, token)

    def expire(self) -> None:
        """Remove codes and grants whose time is over."""
        now = self._desk.clock.now()
        with self._desk.database.begin() as session:
            session.execute(sa.delete(PageCodeRow).where(PageCodeRow.expires_at <= now))
            session.execute(sa.delete(PageGrantRow).where(PageGrantRow.expires_at <= now))

    def _may_ask(self, session: Session, ref: str, source: str, now: datetime) -> bool:
        limits, counters = self._desk.limits, self._desk.counters
        taken = [
            counters.take(session, "code.all", "", limits.code_in_all, now),
            counters.take(session, "code.source", source, limits.code_per_source, now),
            counters.take(session, "code.ticket", ref.strip().upper(), limits.code_per_ticket, now),
        ]
        return all(taken)

    def _spend(self, ref: str, code: str) -> None:
        # A transaction of its own: a wrong try must count although the caller is told no.
        with self._desk.database.begin() as session:
            right = self._try(session, ref, "".join(sign for sign in code if sign.isdigit()))
        if not right:
            raise WrongCode(mark("That is not the code, or its time is over."), remedy=mark("Ask for a new one."))

    def _try(self, session: Session, ref: str, code: str) -> bool:
        now, ticket = self._desk.clock.now(), _proven(session, ref)
        if ticket is None:
            return False
        wanted = sa.select(PageCodeRow).where(
            PageCodeRow.ticket_id == ticket.id,
            PageCodeRow.spent_at.is_(None),
            PageCodeRow.expires_at > now,
            PageCodeRow.tries_left > 0,
        )
        row = session.execute(wanted.order_by(PageCodeRow.issued_at.desc()).limit(1).with_for_update()).scalar()
        if row is None:
            return False
        row.tries_left -= 1
        if not compare_digest(row.hash, self._hash(ticket, code)):
            return False
        row.spent_at = now
        return True

    def _hash(self, ticket: TicketRow, code: str) -> str:
        # Keyed: a million codes are hashed in a second by whoever reads the table.
        return keyed_digest(derive_key(self._desk.secret, "requests.codes"), [ticket.id, code])

    def require_grant(self, session: Session, ref: str, grant: str, *, lock: bool = False) -> TicketRow:
        """The ticket whose page a grant opens now. Raises NotFound."""
        row = session.get(PageGrantRow, sha256(grant.encode()).hexdigest())
        ticket = _proven(session, ref)
        if row is None or ticket is None or row.ticket_id != ticket.id or row.expires_at <= self._desk.clock.now():
            raise NotFound("This page is closed.", remedy="Ask for a code to open it.")
        return find_ticket(session, ref, lock=lock)

    def _view(self, session: Session, ticket: TicketRow) -> PersonView:
        desk, now = self._desk, self._desk.clock.now()
        document = desk.document(session, ticket)
        events, words = read_events(session, ticket), catalogue(ticket.language)
        reckoning = reckon_ticket(ticket, events, document, now=now, language=ticket.language)
        state, stand = State(ticket.state), read_stand(session, ticket)
        served = session.get(SelfServiceRow, ticket.id)
        by_itself = served is not None and served.state in BY_ITSELF and state in (State.RECEIVED, State.PLANNED)
        hour = served.runs_at if by_itself and served else None
        asked_on = read_clock_events(events, document.controller.timezone).question_on if state in OPEN else None
        package = view_package(session, ticket)
        return PersonView(
            ref=ticket.ref,
            right=Right(ticket.right),
            right_words=say_right(Right(ticket.right), ticket.language),
            state=state,
            status=say_status(
                ASKED if asked_on else SERVED if by_itself else _status(ticket, state, stand), ticket.language
            ),
            by_itself=by_itself,
            goes_on=day_in(hour, document.controller.timezone) if hour else None,
            contact=mask_contact(ticket.contact.reveal()),
            received_at=ticket.received_at,
            due_on=reckoning.due,
            reckoning=reckoning,
            steps=tuple(
                Step(at=one.at, words=words.gettext(_WORDS[key]))
                for one in events
                if (key := _key(one)) in _WORDS and not _looked_again(one)
            ),
            package=package if package and package.is_open(now) else None,
            certificate=view_certificate(session, ticket),
            outcome=told_now(ticket, is_done=state in DONE),
            question_on=asked_on,
            looked_through=stand is Stand.TEXTS,
            may_withdraw=State.WITHDRAWN in MOVES[state],
            zone=document.controller.timezone,
            language=ticket.language,
            siblings=list_siblings(session, ticket),
        )


_WORDS: Final = {
    "opened": mark("We have your request. It counts from this day."),
    "identity": mark("You showed that the address is yours."),
    "clarification_asked": mark("We asked you a question."),
    "identity_asked": mark("We asked you to show who you are."),
    "question_answered": mark("The question is answered."),
    "extended": mark("We told you that it takes longer. The reason stands in our mail."),
    "fee_asked": mark("We told you of a fee. The reason stands in our mail."),
    "fee_paid": mark("Your payment came in."),
    State.PLANNED: mark("We looked in every place we keep data."),
    State.APPROVED: mark("A person checked what was found."),
    "approved_by_clause": mark("What was found was checked by fixed rules. Nobody had to decide."),
    State.PARTLY_DONE: mark("In one place it was not possible yet. We try again."),
    State.ANSWERED: mark("Our answer went to you."),
    State.PARTLY_REFUSED: mark("Our answer went to you. It says what we did not do, and why."),
    State.REFUSED: mark("We told you why we do not do it."),
    State.NOTHING_FOUND: mark("We told you that we hold nothing about you."),
    State.FORWARDED: mark("We passed it on to the one who decides."),
    State.WITHDRAWN: mark("You withdrew the request."),
    "downloaded": mark("The copy was opened with a code."),
}


def mask_contact(address: str) -> str:
    """`a•••••@post.example`: enough for its owner to know it, on a page that only they have open."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••••@{domain}"


_BY_STAND: Final[Mapping[Stand, StatusWords]] = {
    Stand.PEOPLE: BY_OTHERS,
    Stand.TEXTS: LOOKED_THROUGH,
    Stand.TIME: NOT_YET,
    Stand.GOING: STATUS[State.RUNNING],
}


def _status(ticket: TicketRow, state: State, stand: Stand | None) -> StatusWords:
    if state is State.RECEIVED and not by_plan(Right(ticket.right)):
        return BY_HAND
    return _BY_STAND.get(stand, STATUS[state]) if stand else STATUS[state]


def _looked_again(event: TicketEventRow) -> bool:
    """A plan that is made anew before anybody approved it tells a person nothing new."""
    return event.kind == "state" and event.before == event.after == State.PLANNED


def _key(event: TicketEventRow) -> str:
    if event.kind != "state":
        return event.kind
    by_clause = event.after == State.APPROVED and event.by.startswith("clause:")
    return "approved_by_clause" if by_clause else event.after


def _proven(session: Session, ref: str) -> TicketRow | None:
    try:
        ticket = find_ticket(session, ref)
    except NotFound:
        return None
    return ticket if ticket.identity_at is not None and ticket.contact else None
