"""Opening a ticket, whichever way the request came in, and the mail with the link that proves its address."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from core.clock import day_in, require_utc
from core.errors import BadInput, Conflict
from core.ids import new_id, new_reference
from core.one_time import issue_token
from core.personal import Personal
from core.words import long_day
from dsr.conversations import new_conversation
from dsr.desk import Desk
from dsr.states import State
from dsr.tables import TicketRow
from policies.clauses import Right
from policies.regimes import regime_of_place
from policies.versions import Version

CONFIRM: Final = "request_confirm"
CONFIRM_LASTS: Final = timedelta(days=3)
# An operator's letter may have come by post: the person has longer to find the mail.
CONFIRM_LASTS_BY_HAND: Final = timedelta(days=14)
OLDEST: Final = timedelta(days=3_653)
BEFORE_POLICY: Final = "Received before the first policy was in force; that policy is taken."


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What came in, checked. `email` '': there is no address to mail to. `regime` None: the law of the place, where one is given."""

    email: str
    right: Right
    country: str | None = None
    subdivision: str | None = None
    regime: str | None = None
    details: str = ""
    language: str = "en"
    channel: str = "form"
    received_at: datetime
    is_test: bool = False


def open_ticket(
    desk: Desk,
    session: Session,
    asked: Asked,
    version: Version,
    state: State,
    *,
    by: str,
    conversation_id: str = "",
    why: str = "",
) -> TicketRow:
    """A ticket in its first state, with its event and, where it counts already, its entry in the ledger. `conversation_id`:
    the exchange that it belongs to, a new one without."""
    ticket = TicketRow(
        id=new_id("tkt"),
        ref=new_reference(),
        conversation_id=conversation_id or new_conversation(desk, session),
        right=asked.right.value,
        regime=asked.regime or regime_of_place(asked.country, asked.subdivision, version.document.regimes),
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
    desk.note_event(session, ticket, "opened", by=by, why=why)
    if state is State.RECEIVED:
        desk.record(session, ticket, "request.received", by=by, private={"channel": asked.channel})
    return ticket


def require_version(desk: Desk, session: Session, at: datetime) -> Version:
    """The version that is in force at an instant. Raises Conflict without one."""
    version = desk.policies.in_force(session, at)
    if version is None:
        raise Conflict("No policy is in force.", remedy="Publish one with `kept policy publish`.")
    return version


def check_received(received_at: datetime, now: datetime) -> datetime:
    """When a request came in that came another way. Raises BadInput for a time that cannot be."""
    received = require_utc(received_at)
    if received > now:
        raise BadInput("The request is received in the future.", remedy="Give the day and hour it came in.")
    if received < now - OLDEST:
        raise BadInput("The request is received more than ten years ago.", remedy="Give the day it came in.")
    return received


def version_at(desk: Desk, session: Session, received: datetime) -> tuple[Version, str]:
    """The version that was in force when a request came in, and what is to be said of that. A letter that is older than the
    first policy still has to be answered, under that one."""
    then = desk.policies.in_force(session, received)
    if then is not None:
        return then, ""
    now = require_version(desk, session, desk.clock.now())
    earlier = [one for one in desk.policies.versions(session) if one.in_force_at is not None]
    return min(earlier, key=lambda one: one.number, default=now), BEFORE_POLICY


def mail_link(desk: Desk, session: Session, ticket: TicketRow, lasts: timedelta) -> None:
    """Send the link that proves the address of a ticket."""
    now = desk.clock.now()
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
