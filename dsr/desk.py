"""What every use case of requests stands on: the services handed in, and the one way to change, note and write to a ticket."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.canonical import Json, keyed_digest
from core.catalogue import SOURCE
from core.clock import Clock, day_in
from core.database import Database
from core.errors import Conflict, NotFound
from core.ids import new_id
from core.keys import derive_key
from core.personal import Personal
from core.settings import ErasureSettings, RequestSettings
from core.words import long_day
from dsr.asker_routes import addresses_for, closing_mail
from dsr.asker_tables import end_asking
from dsr.clocks import reckon_ticket
from dsr.conversations_tables import RefusedPartRow
from dsr.letters import keep_letter
from dsr.limits import DEFAULT_LIMITS, Counters, Limits
from dsr.proof_tables import end_proof
from dsr.states import ENDS, State, require_move
from dsr.tables import MessageRow, TicketEventRow, TicketRow
from dsr.tallies import count_days
from dsr.words import say_right
from ledger.log import Ledger
from plans.closing import close_plans
from plans.engine import Plans
from policies.clauses import Right
from policies.documents import Document
from policies.versions import Policies

SYSTEM: Final = "system"
PERSON: Final = "person"


class QueueMail(Protocol):
    """Puts a mail into the outbox in the caller's transaction; gives the outbox id. `reply_ref`: the ticket or thread that an
    answer to it belongs to; `in_reply_to`: the Message-IDs that it answers, the latest last."""

    def __call__(
        self,
        session: Session,
        *,
        event: str,
        to: str,
        variables: Mapping[str, Any],
        now: datetime,
        language: str = "en",
        reply_ref: str | None = None,
        in_reply_to: Sequence[str] = (),
    ) -> str: ...


class Suppress(Protocol):
    """Writes down who opted out of what, and tells it again: `sale_sharing`, `marketing`, `sensitive` or `all_mail`."""

    def add(
        self, session: Session, *, kind: str, value: Personal, purpose: str, source: str, ref: str | None = None
    ) -> bool: ...

    def holds(self, session: Session, *, kind: str, value: Personal, purpose: str) -> bool: ...


class NoSuppressions:
    """Where no list of opt-outs is wired: whoever wants to keep one is refused, and nothing is lost unnoticed."""

    def add(
        self, session: Session, *, kind: str, value: Personal, purpose: str, source: str, ref: str | None = None
    ) -> bool:
        raise self._refused()

    def holds(self, session: Session, *, kind: str, value: Personal, purpose: str) -> bool:
        raise self._refused()

    def _refused(self) -> Conflict:
        return Conflict("This installation has no list of opt-outs.", remedy="Hand one to the desk where it is wired.")


class TextRenderer(Protocol):
    """Renders one template under `templates/`."""

    def text(self, template: str, **variables: Any) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The services of this room. `render_pdf` turns HTML into PDF; `packages` is the folder of sealed packages.
    `languages`: those that the pages are offered in. `settings`: the section `requests` of kept.yaml, `erasures` the one of
    that name; `alerts`: who hears of what goes wrong where no operator can be reminded."""

    database: Database
    clock: Clock
    ledger: Ledger
    policies: Policies
    plans: Plans
    queue_mail: QueueMail
    renderer: TextRenderer
    render_pdf: Callable[[str], bytes]
    base_url: str
    packages: Path
    secret: bytes = field(repr=False)
    limits: Limits = DEFAULT_LIMITS
    languages: Sequence[str] = (SOURCE,)
    settings: RequestSettings = field(default_factory=RequestSettings)
    erasures: ErasureSettings = field(default_factory=ErasureSettings)
    alerts: Sequence[str] = ()
    suppressions: Suppress = field(default_factory=NoSuppressions)

    @property
    def counters(self) -> Counters:
        return Counters(derive_key(self.secret, "requests.counters"))

    def mark(self, text: str) -> str:
        """A keyed hash of an address or of somebody's words: what the ledger holds of them, to be compared with later."""
        return keyed_digest(derive_key(self.secret, "requests.marks"), text)

    def document(self, session: Session, ticket: TicketRow) -> Document:
        """The policy document that the ticket is pinned to."""
        return self.policies.version(session, ticket.version).document

    def words_of(self, session: Session, ticket: TicketRow) -> Document:
        """The same policy in the person's language, where it is published in it."""
        return self.policies.version(session, ticket.version).in_language(ticket.language)

    def page_link(self, ticket: TicketRow) -> str:
        return self.address(f"/requests/{ticket.ref}", ticket)

    def address(self, path: str, ticket: TicketRow) -> str:
        """Where a mail to a person leads; it names their language, since whoever opens it may have set none."""
        choice = f"?lang={ticket.language}" if len(self.languages) > 1 else ""
        return f"{self.base_url}{path}{choice}"

    def move(
        self, session: Session, ticket: TicketRow, after: State, *, by: str, why: str = "", kind: str = "state"
    ) -> None:
        """Change a ticket's state by the machine, with its row and its ledger entry, and reckon the due date again."""
        before = State(ticket.state)
        require_move(ticket.ref, before, after)
        ticket.state = after.value
        self._add_event(session, ticket, kind=kind, before=before, by=by, why=why)
        self.record(
            session, ticket, f"request.{after.value}", by=by, private={"from": before.value, "why_mark": self.mark(why)}
        )
        if after in ENDS:  # whoever was asked to do something for it need not any more
            ticket.closed_at, ticket.ended_as = self.clock.now(), "test" if ticket.is_test else after.value
            self._tally(session, ticket)
            close_plans(session, f"ticket:{ticket.ref}", self.clock.now())
            end_proof(session, ticket.id)
            self._end_asking(session, ticket)
            self.plans.tasks.withdraw(session, f"ticket:{ticket.ref}", by=by, why=f"The request is {after.value}.")

    def _end_asking(self, session: Session, ticket: TicketRow) -> None:
        # Whoever asked for somebody else hears that it is over, and what they showed for it is deleted.
        closing = closing_mail(session, ticket)
        if closing:
            self.mail(session, ticket, closing[0], to=closing[1])
        end_asking(session, ticket)

    def _tally(self, session: Session, ticket: TicketRow) -> None:
        """The numbers that are left of a ticket once its time is over."""
        now, zone = self.clock.now(), self.document(session, ticket).controller.timezone
        late = ticket.due_on is not None and day_in(now, zone) > ticket.due_on
        count_days(ticket, received_at=ticket.received_at, closed_at=now, late=late, zone=zone)
        if ticket.state == State.REFUSED:
            ticket.ground = ticket.outcome.get("ground")
        elif ticket.state == State.PARTLY_REFUSED:
            wanted = sa.select(RefusedPartRow.ground).where(RefusedPartRow.ticket_id == ticket.id)
            ticket.ground = session.execute(wanted.order_by(RefusedPartRow.at).limit(1)).scalar_one_or_none()

    def note_event(
        self, session: Session, ticket: TicketRow, kind: str, *, by: str, why: str = "", day: date | None = None
    ) -> None:
        """Write down that something happened that leaves the state as it is, and reckon the due date again.

        `day`: the one it is about, where that is another than today."""
        self._add_event(session, ticket, kind=kind, before=State(ticket.state), by=by, why=why, day=day)

    def _add_event(
        self,
        session: Session,
        ticket: TicketRow,
        *,
        kind: str,
        before: State,
        by: str,
        why: str,
        day: date | None = None,
    ) -> None:
        last = session.execute(
            sa.select(sa.func.max(TicketEventRow.position)).where(TicketEventRow.ticket_id == ticket.id)
        ).scalar_one()
        row = TicketEventRow(
            id=new_id("tev"),
            ticket_id=ticket.id,
            position=(last or 0) + 1,
            at=self.clock.now(),
            kind=kind,
            before=before.value,
            after=ticket.state,
            by=by,
            why=why,
            day=day,
        )
        session.add(row)
        session.flush()
        events, now = read_events(session, ticket), self.clock.now()
        ticket.due_on = reckon_ticket(ticket, events, self.document(session, ticket), now=now).due

    def record(self, session: Session, ticket: TicketRow, kind: str, *, by: str, private: Mapping[str, Json]) -> None:
        """A ledger entry about a ticket: the reference outside, everything else salted."""
        refs = [f"ticket:{ticket.ref}", f"version:{ticket.version}"]
        refs += [ticket.plan_id] if ticket.plan_id else []
        mark = {"contact": self.mark(ticket.contact.reveal()), "right": ticket.right}
        self.ledger.record(session, kind=kind, actor=by, refs=refs, private={**mark, **private})

    def mail(self, session: Session, ticket: TicketRow, event: str, *, to: str = "", **variables: Json) -> None:
        """Queue a mail to the contact of a ticket, to whoever asks for them (see asker_routes) or to `to`, and list it in the
        conversation. For who has no address of mail it is kept as a letter; for who gave none at all, as with a closed
        account, nothing goes out."""
        document = self.document(session, ticket)
        given = {
            "controller": {"name": document.controller.name, "email": document.controller.email},
            "ref": ticket.ref,
            "right_words": say_right(Right(ticket.right), ticket.language),
            "policy_link": self.address("/privacy", ticket),
            **variables,
        }
        now = self.clock.now()
        for address in (to,) if to else addresses_for(session, ticket, event):
            if not address:
                if keep_letter(session, self.renderer, ticket, event, given, now):
                    self.note_event(session, ticket, "letter_made", by=SYSTEM, why=event)
                continue
            mail_id = self.queue_mail(
                session,
                event=event,
                to=address,
                variables=given,
                now=now,
                language=ticket.language,
                reply_ref=ticket.ref,
            )
            self.write(session, ticket, direction="out", author=SYSTEM, body=event, mail_id=mail_id)

    def write(
        self, session: Session, ticket: TicketRow, *, direction: str, author: str, body: str, mail_id: str | None = None
    ) -> MessageRow:
        """Add a message to a ticket's conversation."""
        row = MessageRow(
            id=new_id("msg"),
            conversation_id=ticket.conversation_id,
            ticket_id=ticket.id,
            at=self.clock.now(),
            direction=direction,
            author=author,
            body=body,
            mail_id=mail_id,
            during=ticket.state,
        )
        session.add(row)
        return row

    def due_words(self, ticket: TicketRow) -> str:
        """The due date as a mail says it."""
        if ticket.due_on is None:
            raise Conflict(f"Request {ticket.ref} has no due date.", remedy="Its clock was not reckoned yet.")
        return long_day(ticket.due_on, ticket.language)


def find_ticket(session: Session, ref: str, *, lock: bool = False) -> TicketRow:
    """The ticket of a reference. Raises NotFound."""
    wanted = sa.select(TicketRow).where(TicketRow.ref == ref.strip().upper())
    row = session.execute(wanted.with_for_update() if lock else wanted).scalar_one_or_none()
    if row is None:
        raise NotFound("There is no request of this reference.", remedy="`kept request list` shows those there are.")
    return row


def read_events(session: Session, ticket: TicketRow) -> Sequence[TicketEventRow]:
    """What happened to a ticket, in order."""
    wanted = sa.select(TicketEventRow).where(TicketEventRow.ticket_id == ticket.id).order_by(TicketEventRow.position)
    return session.execute(wanted).scalars().all()
