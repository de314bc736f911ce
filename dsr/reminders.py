"""Who is told that a request is nearly due: operators at the points that kept.yaml names, then the fallback.

It also does what the calendar asks for by itself: receipt is confirmed where the law gives that a day of its own, and the
due date of a clock that stands moves on with the day.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core.catalogue import SOURCE
from core.clock import day_in
from core.errors import KeptError
from core.operators import Operator, Permission, list_operators
from core.words import day_left, long_day
from dsr.clocks import ACKNOWLEDGED, ASKED, FEE_ASKED, read_clock_events, reckon_ticket
from dsr.complaints import authority_of, complaint_of
from dsr.desk import SYSTEM, Desk, find_ticket, read_events
from dsr.listing import state_name
from dsr.stands import Stand, read_stand
from dsr.states import OPEN
from dsr.tables import TicketEventRow, TicketRow
from dsr.words import RIGHT_NAMES
from policies.clauses import Right

log = structlog.get_logger()
MAIL: Final = "request_due"
FALLBACK: Final = -1
# So many requests stand in one mail; the rest is told in the next round.
MOST_AT_ONCE: Final = 200


@dataclass(frozen=True, kw_only=True)
class _Reached:
    """A request at a point, and the addresses that hear of it now."""

    line: dict[str, str]
    operators: tuple[str, ...]
    fallback: tuple[str, ...]


class Reminders:
    """The work of the calendar on requests. `tick` is safe to run again at any time: what was told is written down."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def tick(self) -> int:
        """Move what stands, confirm what has to be, remind of what is nearly due; gives how many mails were queued."""
        for ref in self._refs(self._waiting()):
            self._each(ref, self._move_on)
        acknowledged = sum(self._each(ref, self._acknowledge) for ref in self._refs(self._unacknowledged()))
        return acknowledged + self._remind()

    def _each(self, ref: str, work: Callable[[Session, TicketRow], bool]) -> bool:
        """One ticket in a transaction of its own: one that cannot be read must not stop the others."""
        try:
            with self._desk.database.begin() as session:
                return work(session, find_ticket(session, ref, lock=True))
        except KeptError as error:
            log.error("request.clock_failed", ref=ref, reason=error.message)
            return False

    def _refs(self, wanted: sa.Select[str]) -> Sequence[str]:
        with self._desk.database.read() as session:
            return session.execute(wanted).scalars().all()

    def _waiting(self) -> sa.Select[str]:
        """Open tickets that were asked something, or for a fee: their due date may move by itself."""
        kinds = [*ASKED.values(), FEE_ASKED]
        asked = sa.select(TicketEventRow.ticket_id).where(TicketEventRow.kind.in_(kinds))
        return _open_refs().where(TicketRow.id.in_(asked))

    def _unacknowledged(self) -> sa.Select[str]:
        """Open tickets whose person has not heard that we have the request: whoever shows the address gets that mail."""
        told = sa.select(TicketEventRow.ticket_id).where(TicketEventRow.kind == ACKNOWLEDGED)
        return _open_refs().where(TicketRow.identity_at.is_(None), TicketRow.id.not_in(told))

    def _move_on(self, session: Session, ticket: TicketRow) -> bool:
        desk = self._desk
        events, document = read_events(session, ticket), desk.document(session, ticket)
        due = reckon_ticket(ticket, events, document, now=desk.clock.now()).due
        if ticket.due_on != due:  # a hint, reckoned from the events: no event of its own
            ticket.due_on = due
        return False

    def _acknowledge(self, session: Session, ticket: TicketRow) -> bool:
        desk, now = self._desk, self._desk.clock.now()
        events, document = read_events(session, ticket), desk.document(session, ticket)
        found = read_clock_events(events, document.controller.timezone)
        if found.acknowledged_on or reckon_ticket(ticket, events, document, now=now).acknowledge_by is None:
            return False
        authority = authority_of(ticket, document)
        desk.note_event(session, ticket, ACKNOWLEDGED, by=SYSTEM)
        desk.record(session, ticket, "request.acknowledged", by=SYSTEM, private={})
        desk.mail(
            session,
            ticket,
            "request_acknowledged",
            right=ticket.right,
            due=desk.due_words(ticket),
            received=long_day(day_in(ticket.received_at, document.controller.timezone), ticket.language),
            complaint=complaint_of(ticket, document),
            authority={"name": authority.name, "address": authority.address, "url": authority.url}
            if authority
            else None,
        )
        return True

    def _remind(self) -> int:
        desk, settings = self._desk, self._desk.settings
        if not settings.remind and not settings.fallback:
            return 0
        with desk.database.begin() as session:
            version = desk.policies.in_force(session)
            if version is None:
                return 0
            controller = version.document.controller
            today = day_in(desk.clock.now(), controller.timezone)
            able = [one for one in list_operators(session) if one.may(Permission.WORK_REQUESTS)]
            found = (self._reach(session, row, able) for row in self._near(session, today))
            reached = list(islice((one for one in found if one is not None), MOST_AT_ONCE))
            said = {"name": controller.name, "email": controller.email}
            return self._tell(session, reached, said)

    def _near(self, session: Session, today: date) -> Sequence[TicketRow]:
        ahead = max((*self._desk.settings.remind, timedelta(0)))
        wanted = (
            sa.select(TicketRow)
            .where(_is_open(), TicketRow.is_test.is_(False), TicketRow.due_on <= today + ahead)
            .where(
                sa.or_(
                    TicketRow.reminded_for.is_(None),
                    TicketRow.reminded_for != TicketRow.due_on,
                    TicketRow.reminded_left > self._least(),
                )
            )
            .order_by(TicketRow.due_on, TicketRow.ref)
        )
        return session.execute(wanted.with_for_update()).scalars().all()

    def _least(self) -> int:
        """What is written down of a request that nobody is to be told of any more."""
        settings = self._desk.settings
        return FALLBACK if settings.fallback else min(one.days for one in settings.remind)

    def _reach(self, session: Session, ticket: TicketRow, able: Sequence[Operator]) -> _Reached | None:
        """What is to be told of a ticket now, written down as told; None where nothing is, or nobody is there to be told."""
        desk, settings = self._desk, self._desk.settings
        document, now = desk.document(session, ticket), desk.clock.now()
        reckoning = reckon_ticket(ticket, read_events(session, ticket), document, now=now)
        if reckoning.stands:  # it is the person's turn, and no day comes nearer
            return None
        today = day_in(now, document.controller.timezone)
        left, points = (reckoning.due - today).days, [one.days for one in settings.remind]
        told = ticket.reminded_left if ticket.reminded_for == reckoning.due else None
        level = min((point for point in points if left <= point), default=None)
        fallback = settings.fallback if left < min(points, default=0) and told != FALLBACK else ()
        operators = self._addresses(ticket, able) if level is not None and (told is None or told > level) else ()
        if not operators and not fallback:
            return None
        ticket.due_on = ticket.reminded_for = reckoning.due
        ticket.reminded_left = FALLBACK if fallback else level
        return _Reached(
            line=self._line(ticket, reckoning.due, today, read_stand(session, ticket)),
            operators=operators,
            fallback=fallback,
        )

    def _line(self, ticket: TicketRow, due: date, today: date, stand: Stand | None) -> dict[str, str]:
        return {
            "ref": ticket.ref,
            "right": RIGHT_NAMES[Right(ticket.right)],
            "due": long_day(due, SOURCE),
            "left": day_left(due, today, SOURCE),
            "state": state_name(ticket, stand),
            "link": f"{self._desk.base_url}/console/requests/{ticket.ref}",
        }

    def _tell(self, session: Session, reached: Sequence[_Reached], controller: dict[str, str]) -> int:
        """One mail to each, with all that is theirs."""
        desk = self._desk
        mails: dict[tuple[str, bool], list[dict[str, str]]] = {}
        for one in reached:
            for addresses, is_fallback in ((one.operators, False), (one.fallback, True)):
                for address in addresses:
                    mails.setdefault((address, is_fallback), []).append(one.line)
        for (address, is_fallback), lines in mails.items():
            variables = {
                "controller": controller,
                "requests": lines,
                "is_fallback": is_fallback,
                "link": f"{desk.base_url}/console/requests",
            }
            desk.queue_mail(session, event=MAIL, to=address, variables=variables, now=desk.clock.now(), language=SOURCE)
        if mails:
            log.info("requests.reminded", requests=len(reached), mails=len(mails))
        return len(mails)

    def _addresses(self, ticket: TicketRow, able: Sequence[Operator]) -> tuple[str, ...]:
        """Whoever works on it; else everyone who may; where there is no operator, the people of alarms."""
        own = [who.email for who in able if who.id == ticket.assigned_to]
        return tuple(own or [who.email for who in able] or self._desk.alerts)


def _is_open() -> sa.ColumnElement[bool]:
    return TicketRow.state.in_([one.value for one in OPEN])


def _open_refs() -> sa.Select[str]:
    return sa.select(TicketRow.ref).where(_is_open()).order_by(TicketRow.due_on)
