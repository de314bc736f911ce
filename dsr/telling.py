"""Telling recipients what was done with data they got (Art. 19): their page, what operators do, mails, and restrictions."""

import hashlib
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.catalogue import short_code
from core.clock import day_in
from core.errors import BadInput, Conflict, NotFound
from core.ids import new_id
from core.one_time import issue_token, look_up_token, spend_token, void_tokens
from core.outbox import Event, post
from core.personal import Personal
from core.words import long_day
from dsr.desk import SYSTEM, Desk, find_ticket
from dsr.states import ENDS
from dsr.tables import TicketRow
from dsr.tasks import GONE, LINK_LASTS, LINK_OUTLASTS, EvidenceFile
from dsr.telling_plans import MAIL_DUE, add_row, begin, begin_one, note_telling, plans_of
from dsr.telling_restrictions import look_for_restricted
from dsr.telling_tables import FORESEEN, TellingFileRow, TellingRow
from dsr.telling_views import (
    OPEN,
    WAITING,
    Ground,
    TellingLine,
    TellingState,
    count_overdue_tellings,
    line_of,
    list_tellings,
    of_ticket,
    say_telling,
    say_told,
)
from plans.build_told import What
from plans.tasks import CONTACT, MOST_EVIDENCE, Evidence, clean_note

PURPOSE: Final = "telling"
RESTRICT_DUE: Final = "telling.restriction"
ANSWERS: Final = frozenset({TellingState.DONE, TellingState.NOTHING_HELD, TellingState.CANNOT})


class Told:
    """All that can be done with tellings. Each public method is a use case with its own transaction, but `note_restriction`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    # -- looking

    def lines(self, *, ref: str = "", is_open: bool = True) -> tuple[TellingLine, ...]:
        """Recipients to tell: those that are open, the earliest due first; or all of one request."""
        with self._desk.database.read() as session:
            ticket_id = find_ticket(session, ref).id if ref else ""
            states = tuple(OPEN) if is_open and not ref else ()
            return list_tellings(session, self._desk.clock.now(), ticket_id=ticket_id, states=states)

    def view(self, telling_id: str) -> TellingLine:
        """One recipient of one request. Raises NotFound."""
        with self._desk.database.read() as session:
            row = _find(session, telling_id)
            ticket = session.get_one(TicketRow, row.ticket_id)
            return line_of(session, row, ticket.ref, self._desk.clock.now(), is_test=ticket.is_test)

    def count_overdue(self) -> int:
        """How many recipients are over their day."""
        with self._desk.database.read() as session:
            return count_overdue_tellings(session, self._desk.clock.now())

    def say(self, ref: str, language: str) -> list[dict[str, str]]:
        """Who was told and what they answered so far, for the person."""
        with self._desk.database.read() as session:
            return say_told(session, find_ticket(session, ref), language)

    def read_file(self, telling_id: str, file_id: str) -> EvidenceFile:
        """A file that came with an answer. Raises NotFound."""
        with self._desk.database.read() as session:
            row = session.get(TellingFileRow, file_id)
            if row is None or row.telling_id != telling_id:
                raise NotFound("There is no such file.", remedy="Look at its request again.")
            return EvidenceFile(name=row.name, content=row.content)

    # -- the page behind the link in the mail

    def look_at_link(self, token: str) -> TellingLine:
        """What the page shows; changes nothing. Raises NotFound for a link that can do nothing any more."""
        now = self._desk.clock.now()
        with self._desk.database.read() as session:
            row = _find(session, look_up_token(session, token, purpose=PURPOSE, now=now))
            _require_waiting(row)
            ticket = session.get_one(TicketRow, row.ticket_id)
            return line_of(session, row, ticket.ref, now, is_test=ticket.is_test)

    def answer_by_link(
        self, token: str, answer: TellingState, *, note: str = "", evidence: Sequence[Evidence] = ()
    ) -> None:
        """The recipient answers for what its own link names, once, and for nothing else. Raises NotFound, BadInput."""
        now = self._desk.clock.now()
        with self._desk.database.begin() as session:
            ticket, row = self._lock(session, spend_token(session, token, purpose=PURPOSE, now=now))
            _require_waiting(row)
            self._answer(session, ticket, row, answer, note=note, evidence=evidence, by=CONTACT)

    # -- the operators

    def note_answer(
        self, telling_id: str, answer: TellingState, *, by: str, note: str = "", evidence: Sequence[Evidence] = ()
    ) -> None:
        """Write down an answer that came in another way. Raises Conflict where none is awaited."""
        with self._desk.database.begin() as session:
            ticket, row = self._lock(session, telling_id)
            _require_state(row, OPEN)
            self._answer(session, ticket, row, answer, note=note, evidence=evidence, by=by)

    def note_told(self, telling_id: str, *, by: str, on: date, how: str, evidence: Sequence[Evidence] = ()) -> None:
        """A person told it by hand: on which day, and how. Raises BadInput for a day to come, Conflict."""
        words = clean_note(how)
        if not words:
            raise BadInput("Say how they were told.", remedy="For example by telephone, and with whom you spoke.")
        with self._desk.database.begin() as session:
            ticket, row = self._lock(session, telling_id)
            _require_state(row, frozenset({TellingState.BY_HAND, TellingState.CANNOT}))
            zone = self._desk.document(session, ticket).controller.timezone
            began = day_in(row.asked_at or row.at, zone)
            if not began <= on <= day_in(self._desk.clock.now(), zone):
                raise BadInput(
                    f"They cannot have been told on {on.isoformat()}.",
                    remedy=f"Give a day from {began.isoformat()} to today.",
                )
            self._keep(session, row, evidence, by=by)
            row.told_on = on
            self._close(session, ticket, row, TellingState.TOLD_BY_HAND, by=by, note=words)

    def excuse(self, telling_id: str, *, by: str, ground: Ground, reason: str) -> None:
        """Do not tell it, with the ground; before the work as well. The person gets the reason, but where it never got the data."""
        words = clean_note(reason)
        if not words:
            raise BadInput("Not telling a recipient needs a reason.", remedy="Say why, in words for the person.")
        with self._desk.database.begin() as session:
            ticket, row = self._lock(session, telling_id)
            _require_state(row, OPEN | {TellingState.FORESEEN})
            row.ground = ground.value
            self._close(session, ticket, row, TellingState.EXCUSED, by=by, note=words)

    def ask_again(self, telling_id: str, *, by: str) -> None:
        """After an answer that they cannot: ask once more, with the whole time. Raises Conflict."""
        with self._desk.database.begin() as session:
            ticket, row = self._lock(session, telling_id)
            _require_state(row, frozenset({TellingState.CANNOT}))
            if not row.facts:
                raise Conflict(
                    f"{row.recipient} is told by the steps of a plan.", remedy="Tell them by hand and write it down."
                )
            row.answered_at, row.answered_by, row.note, row.mailed_at = None, None, "", None
            begin_one(self._desk, session, ticket, row, by=by)

    def remind(self, telling_id: str, *, by: str) -> None:
        """Remind it now; the next reminder comes a whole wait later. Raises Conflict where no answer is awaited."""
        with self._desk.database.begin() as session:
            ticket, row = self._lock(session, telling_id)
            _require_state(row, WAITING)
            row.mail_at = self._desk.clock.now()
            session.flush()
            self._send(session, ticket, row, by=by)

    def withdraw(self, telling_id: str, *, by: str, why: str) -> None:
        """It need not answer any more: its links are void, and it gets a mail that says so. Raises BadInput, Conflict."""
        words = clean_note(why)
        if not words:
            raise BadInput("Withdrawing needs a reason.", remedy="Say why nobody needs their answer any more.")
        with self._desk.database.begin() as session:
            ticket, row = self._lock(session, telling_id)
            _require_state(row, OPEN)
            self._withdraw(session, ticket, row, by=by, why=words)

    # -- restrictions

    def note_restriction(
        self, session: Session, ticket: TicketRow, lifted: bool = False, categories: Sequence[str] = ()
    ) -> None:
        """Inside the caller's transaction, which restricts a person's data or lifts that: have recipients told soon after.
        Their stores are asked where the person is, which no transaction waits for. `categories`: only these, where not
        all of it is restricted."""
        payload = {"ref": ticket.ref, "lifted": lifted, "categories": list(categories)}
        post(session, RESTRICT_DUE, payload, now=self._desk.clock.now())

    def handle_restriction(self, event: Event) -> None:
        """The outbox's handler for the kind `telling.restriction`."""
        found = look_for_restricted(self._desk, event)
        with self._desk.database.begin() as session:
            ticket = find_ticket(session, str(event.payload["ref"]), lock=True)
            rows = of_ticket(session, ticket.id)
            if any(one.what == found.what and one.at >= event.created_at for one in rows):
                return  # this very event was handled before a crash
            to_tell = found.to_tell(rows)
            for row in rows:  # what is not answered need not be any more: the new mail says what holds
                if row.what in (What.RESTRICTED, What.LIFTED) and TellingState(row.state) in OPEN:
                    self._close(
                        session, ticket, row, TellingState.WITHDRAWN, by=SYSTEM, note="Something newer is told."
                    )
            for one in to_tell:
                begin_one(self._desk, session, ticket, add_row(self._desk, session, ticket, one, found.what), by=SYSTEM)

    # -- the clock's work

    def tidy(self) -> None:
        """A request that came to its end without an answer has told what was done until then, if anything was."""
        ended = sa.select(TicketRow.ref).where(TicketRow.state.in_([one.value for one in ENDS]))
        left = sa.select(TellingRow.ticket_id).where(TellingRow.state == FORESEEN)
        with self._desk.database.read() as session:
            refs = list(session.execute(ended.where(TicketRow.id.in_(left))).scalars())
        for ref in refs:
            with self._desk.database.begin() as session:
                ticket = find_ticket(session, ref, lock=True)
                begin(self._desk, session, ticket, plans_of(self._desk, ticket))

    def send_due(self) -> int:
        """Queue every mail that is due: those that an outbox lost, and reminders."""
        self.tidy()
        wanted = sa.select(TellingRow.id).where(TellingRow.mail_at <= self._desk.clock.now())
        with self._desk.database.read() as session:
            due = list(session.execute(wanted.order_by(TellingRow.mail_at)).scalars())
        return sum(self._send_one(one) for one in due)

    def handle_mail(self, event: Event) -> None:
        """The outbox's handler for the kind `telling.mail`; a mail that is queued already is not queued again."""
        self._send_one(str(event.payload["telling"]))

    def _send_one(self, telling_id: str) -> bool:
        with self._desk.database.begin() as session:
            if session.get(TellingRow, telling_id) is None:
                return False
            ticket, row = self._lock(session, telling_id)
            return self._send(session, ticket, row, by=SYSTEM)

    def _send(self, session: Session, ticket: TicketRow, row: TellingRow, *, by: str) -> bool:
        """Claim the mail that is due and queue it, in the caller's transaction: both or neither; of several who try, one."""
        now, was_asked = self._desk.clock.now(), row.mailed_at is not None
        waits = TellingState(row.state) in WAITING
        claim = sa.update(TellingRow).where(
            TellingRow.id == row.id,
            TellingRow.mails == row.mails,
            TellingRow.state == row.state,
            TellingRow.mail_at <= now,
        )
        after = now + self._desk.settings.tell.remind if waits else None
        values = {"mails": row.mails + 1, "mailed_at": now, "mail_at": after}
        if session.execute(claim.values(values).returning(TellingRow.id)).first() is None:
            return False
        session.refresh(row)
        if not waits:
            self._mail(session, ticket, row, "telling_withdrawn")
            return True
        if was_asked:
            row.state = TellingState.REMINDED.value
            note_telling(self._desk, session, ticket, row, by=by)
        self._mail(session, ticket, row, "telling_reminded" if was_asked else "telling_asked")
        return True

    def _mail(self, session: Session, ticket: TicketRow, row: TellingRow, event: str) -> None:
        """What was done, by when we want an answer, and the link, in the language of the policy. Who it is about stands on
        the page behind the link, never in the mail."""
        desk, now = self._desk, self._desk.clock.now()
        document = desk.document(session, ticket)
        controller, language = document.controller, short_code(document.language)
        zone, asked_at, due_at = controller.timezone, row.asked_at or row.at, row.due_at or now
        variables: dict[str, Any] = {
            "controller": {"name": controller.name, "email": controller.email},
            "ref": ticket.ref,
            "recipient": row.recipient,
            "what": row.what,
            "work": say_telling(What(row.what), language),
            "due": long_day(day_in(due_at, zone), language),
            "asked_on": long_day(day_in(asked_at, zone), language),
            "is_overdue": due_at < now,
        }
        if TellingState(row.state) in WAITING:
            lasts = max(LINK_LASTS, desk.settings.tell.remind + LINK_OUTLASTS)
            token = issue_token(session, purpose=PURPOSE, subject=row.id, now=now, lasts=lasts)
            variables["link"] = f"{desk.base_url}/tasks/told/{token}"
            variables["expires"] = long_day(day_in(now + lasts, zone), language)
        to = row.address.reveal()
        desk.queue_mail(session, event=event, to=to, variables=variables, now=now, language=language)

    # -- changing one

    def _lock(self, session: Session, telling_id: str) -> tuple[TicketRow, TellingRow]:
        """The ticket first, then the telling: of two answers at the same time, the later one sees the earlier."""
        ref = session.get_one(TicketRow, _find(session, telling_id).ticket_id).ref
        ticket = find_ticket(session, ref, lock=True)
        wanted = sa.select(TellingRow).where(TellingRow.id == telling_id).with_for_update()
        row = session.execute(wanted).scalar_one()
        session.refresh(row)
        return ticket, row

    def _answer(
        self,
        session: Session,
        ticket: TicketRow,
        row: TellingRow,
        answer: TellingState,
        *,
        note: str,
        evidence: Sequence[Evidence],
        by: str,
    ) -> None:
        words = clean_note(note)
        if answer not in ANSWERS:
            raise BadInput("That is no answer.", remedy="It is done, nothing is held, or it cannot be done.")
        if answer is TellingState.CANNOT and not words:
            raise BadInput("A refusal needs a reason.", remedy="Say in a sentence why it is not done.")
        self._keep(session, row, evidence, by=by)
        self._close(session, ticket, row, answer, by=by, note=words)

    def _close(
        self, session: Session, ticket: TicketRow, row: TellingRow, state: TellingState, *, by: str, note: str
    ) -> None:
        """The answer stands, its links are void, and what found the person there is forgotten, unless they are asked again."""
        now = self._desk.clock.now()
        void_tokens(session, purpose=PURPOSE, subject=row.id, now=now)
        row.state, row.note, row.answered_at, row.answered_by, row.mail_at = state.value, note, now, by, None
        if state is not TellingState.CANNOT:
            row.facts = Personal("")
        session.flush()
        note_telling(self._desk, session, ticket, row, by=by, why=note)

    def _withdraw(self, session: Session, ticket: TicketRow, row: TellingRow, *, by: str, why: str) -> None:
        was_mailed = row.mails > 0 and TellingState(row.state) in WAITING
        self._close(session, ticket, row, TellingState.WITHDRAWN, by=by, note=why)
        if was_mailed:
            now = self._desk.clock.now()
            row.mail_at = now
            post(session, MAIL_DUE, {"telling": row.id}, now=now)

    def _keep(self, session: Session, row: TellingRow, evidence: Sequence[Evidence], *, by: str) -> None:
        wanted = sa.select(sa.func.count()).where(TellingFileRow.telling_id == row.id)
        if evidence and session.execute(wanted).scalar_one() + len(evidence) > MOST_EVIDENCE:
            raise BadInput(f"There are {MOST_EVIDENCE} files already.", remedy="Put several files into one archive.")
        for one in evidence:
            file = TellingFileRow(
                id=new_id("tlf"),
                telling_id=row.id,
                name=one.name,
                size=len(one.content),
                sha256=hashlib.sha256(one.content).hexdigest(),
                content=one.content,
                at=self._desk.clock.now(),
                by=by,
            )
            session.add(file)


def _find(session: Session, telling_id: str) -> TellingRow:
    row = session.get(TellingRow, telling_id)
    if row is None:
        raise NotFound(f"There is no recipient '{telling_id}' to tell.", remedy="Look at the request again.")
    return row


def _require_waiting(row: TellingRow) -> None:
    if TellingState(row.state) not in WAITING:
        raise NotFound(GONE, remedy="Ask for a new one.")


def _require_state(row: TellingRow, states: frozenset[TellingState]) -> None:
    if TellingState(row.state) not in states:
        raise Conflict(
            f"{row.recipient} is {row.state.replace('_', ' ')}, so that cannot be done.", remedy="Look at it again."
        )
