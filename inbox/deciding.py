"""What operators decide about letters: each act in the caller's transaction, with its row, its figures and its ledger entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.canonical import Json
from core.errors import BadInput, Conflict
from core.ids import new_id
from dsr.by_mail import ByMail, Mailed, require_open
from dsr.desk import Desk
from dsr.states import State
from dsr.tables import MessageRow, TicketRow
from inbox.findings import Kind
from inbox.keeping import set_aside, set_closed
from inbox.letter_lists import find_letter, left_of, opened_by_letter
from inbox.letter_tables import LetterRow, LetterTicketRow, TriageDecisionRow
from inbox.letter_values import LetterState
from inbox.ours import Ours
from inbox.parsing import parse
from inbox.tables import OriginalRow
from policies.clauses import Right

LONGEST_WHY: Final = 2_000
ACCEPTED, SPLIT, JOINED, SET_ASIDE = "accepted", "split", "joined", "set_aside"


class Deciding:
    """Accepts, splits, sets aside, adds to a request, and takes any of it back."""

    def __init__(self, desk: Desk, ours: Ours) -> None:
        self._desk = desk
        self._ours = ours
        self._by_mail = ByMail(desk)

    def accept(self, session: Session, letter_id: str, asked: Mailed, *, by: str, whole: bool) -> tuple[str, ...]:
        """Open requests. `whole`: the letter is sorted with it; else it stays in the queue for the rest. What `asked` leaves out
        (words, time, contact) is the letter's."""
        letter = _require_waiting(session, letter_id)
        mailed = Mailed(
            rights=asked.rights,
            received_at=letter.received_at,
            contact=asked.contact or letter.sender.reveal(),
            language=asked.language,
            regime=asked.regime,
            words=self._words(session, letter),
        )
        refs = tuple(ticket.ref for ticket in self._by_mail.open(session, mailed, by=by))
        for ref in refs:
            _attach(session, letter, ref, self._desk, opened=True)
        opened = _rights_of(session, letter)
        if whole:
            self._finish(session, letter, LetterState.ACCEPTED, by=by)
            self._note(session, letter, ACCEPTED, opened, asked.regime)
        else:
            self._suppose(session, letter)
        self._record(session, letter, ACCEPTED if whole else SPLIT, by, refs, {"rights": list(asked.rights)})
        return refs

    def set_aside(self, session: Session, letter_id: str, *, why: str, by: str) -> None:
        """Say that it, or what is left of it, asks for nothing."""
        said = why.replace("\x00", "").strip()
        if not said or len(said) > LONGEST_WHY:
            raise BadInput("The letter was not set aside.", remedy=f"Say why, in at most {LONGEST_WHY} characters.")
        letter = _require_waiting(session, letter_id)
        opened = _rights_of(session, letter)
        letter.why = said
        if opened or letter.ticket_message_id is not None:
            state = LetterState.ACCEPTED if opened else LetterState.REPLIED
            self._finish(session, letter, state, by=by)
            self._note(session, letter, ACCEPTED if opened else JOINED, opened, letter.regime)
        else:
            self._finish(session, letter, LetterState.SET_ASIDE, by=by)
            set_aside(session, letter.id, letter.message_id, self._desk.clock.now())
            self._note(session, letter, SET_ASIDE, (), None)
        self._record(session, letter, SET_ASIDE, by, (), {"why_mark": self._desk.mark(said)})

    def join(self, session: Session, letter_id: str, ref: str, *, by: str) -> None:
        """Add it to a request as what was written about it. An answer to our question is what an operator says is one."""
        letter, ticket = _require_waiting(session, letter_id), require_open(session, ref)
        if letter.ticket_message_id is None:
            row = self._by_mail.add(
                session,
                ticket,
                words=self._words(session, letter),
                sender=letter.sender.reveal(),
                at=letter.received_at,
                by=by,
                is_sure=False,
            )
            letter.ticket_message_id = row.id
            _attach(session, letter, ticket.ref, self._desk, opened=False)
        elif not _is_attached(session, letter, ticket.ref):
            raise Conflict("It went to its request by itself.", remedy="Undo that first, then add it to another.")
        self._finish(session, letter, LetterState.JOINED, by=by)
        self._note(
            session, letter, JOINED, _rights_of(session, letter), letter.regime, is_hint=letter.hint_ref == ticket.ref
        )
        self._record(session, letter, JOINED, by, (ticket.ref,), {})

    def undo(self, session: Session, letter_id: str, *, by: str) -> None:
        """Put it back into the queue. Raises Conflict once anything followed."""
        letter = find_letter(session, letter_id, lock=True)
        if trouble := why_not_undone(session, letter):
            raise Conflict(trouble, remedy="Go on from what there is, on the page of the request.")
        rows = list(session.execute(sa.select(LetterTicketRow).where(LetterTicketRow.letter_id == letter.id)).scalars())
        self._by_mail.take_back(session, [row.ref for row in rows if row.opened], by=by)
        if letter.ticket_message_id is not None:
            self._by_mail.take_out(session, letter.ticket_message_id, by=by)
        for row in rows:
            session.delete(row)
        session.execute(sa.delete(TriageDecisionRow).where(TriageDecisionRow.letter_id == letter.id))
        set_aside(session, letter.id, letter.message_id, None)
        set_closed(session, letter.id, letter.message_id, None)
        was, letter.state = letter.state, LetterState.WAITING.value
        letter.decided_at, letter.decided_by, letter.why, letter.ticket_message_id = None, "", "", None
        session.flush()
        self._suppose(session, letter)
        refs = [letter.id, *(f"ticket:{row.ref}" for row in rows)]
        self._desk.ledger.record(session, kind="letter.unsorted", actor=by, refs=refs, private={"was": was})

    def _suppose(self, session: Session, letter: LetterRow) -> None:
        """The first day that something that is left of it would be due."""
        if letter.due_on is None:
            return
        left = left_of(letter, opened_by_letter(session, [letter.id]).get(letter.id, {}))
        supposed = Right.COMPLAINT if letter.kind == Kind.COMPLAINT.value else Right.ACCESS
        letter.due_on = self._by_mail.first_due(session, letter.received_at, letter.regime, left or (supposed,))

    def _words(self, session: Session, letter: LetterRow) -> str:
        original = session.get(OriginalRow, letter.message_id)
        if original is None:
            return letter.subject.reveal()
        message = parse(original.raw, our_hosts=self._ours.hosts, now=letter.read_at)
        # A mail that passes another on may ask in what it passes on.
        quoted = message.quoted if message.forwarded or not message.text.strip() else ""
        said = [one for one in (message.text.strip(), quoted.strip()) if one]
        return "\n\n".join(said) or letter.subject.reveal()

    def _finish(self, session: Session, letter: LetterRow, state: LetterState, *, by: str) -> None:
        letter.state, letter.decided_at, letter.decided_by = state.value, self._desk.clock.now(), by
        session.flush()

    def _note(
        self,
        session: Session,
        letter: LetterRow,
        decision: str,
        rights: Sequence[str],
        regime: str | None,
        *,
        is_hint: bool = False,
    ) -> None:
        row = TriageDecisionRow(
            id=new_id("trd"),
            letter_id=letter.id,
            at=self._desk.clock.now(),
            kind=letter.kind,
            rights=list(letter.rights),
            regime=letter.regime,
            language=letter.language,
            decision=decision,
            decided_rights=list(rights),
            decided_regime=regime,
            as_proposed=_is_as_proposed(letter, decision, rights, regime, is_hint=is_hint),
        )
        session.add(row)
        session.flush()

    def _record(
        self, session: Session, letter: LetterRow, decision: str, by: str, refs: Sequence[str], private: dict[str, Json]
    ) -> None:
        proposed: dict[str, Json] = {"kind": letter.kind, "rights": list(letter.rights), "regime": letter.regime}
        self._desk.ledger.record(
            session,
            kind="letter.sorted",
            actor=by,
            refs=[letter.id, letter.message_id, *(f"ticket:{ref}" for ref in refs)],
            private={"decision": decision, "proposed": proposed, **private},
        )


def why_not_undone(session: Session, letter: LetterRow) -> str:
    """Why what was decided about a letter cannot be taken back; '' where it can."""
    rows = list(session.execute(sa.select(LetterTicketRow).where(LetterTicketRow.letter_id == letter.id)).scalars())
    opened = [row.ref for row in rows if row.opened]
    is_decided = letter.decided_at is not None or bool(opened) or letter.ticket_message_id is not None
    if not is_decided or letter.state == LetterState.AUTOMATIC.value:
        return "Nothing was decided about this letter."
    tickets = session.execute(sa.select(TicketRow).where(TicketRow.ref.in_(opened))).scalars().all() if opened else []
    if len(tickets) < len(opened):
        return "A request that it opened is forgotten."
    for ticket in tickets:
        if State(ticket.state) is not State.RECEIVED or ticket.identity_at is not None:
            return f"Request {ticket.ref} has gone on."
    if letter.ticket_message_id is not None:
        message = session.get(MessageRow, letter.ticket_message_id)
        if message is None or message.settled_at is not None:
            return "It was answered, or is gone with its request."
    return ""


def _require_waiting(session: Session, letter_id: str) -> LetterRow:
    letter = find_letter(session, letter_id, lock=True)
    if letter.state != LetterState.WAITING.value:
        raise Conflict("This letter is sorted already.", remedy="Undo that first, or leave it.")
    return letter


def _attach(session: Session, letter: LetterRow, ref: str, desk: Desk, *, opened: bool) -> None:
    row = LetterTicketRow(id=new_id("ltt"), letter_id=letter.id, ref=ref, at=desk.clock.now(), opened=opened)
    session.add(row)
    session.flush()


def _is_attached(session: Session, letter: LetterRow, ref: str) -> bool:
    wanted = sa.select(LetterTicketRow.id).where(LetterTicketRow.letter_id == letter.id, LetterTicketRow.ref == ref)
    return session.execute(wanted).first() is not None


def _rights_of(session: Session, letter: LetterRow) -> tuple[str, ...]:
    """The rights that a letter opened requests for."""
    there = opened_by_letter(session, [letter.id]).get(letter.id, {})
    return tuple(right.value for right in Right if right in there)


def _is_as_proposed(
    letter: LetterRow, decision: str, rights: Sequence[str], regime: str | None, *, is_hint: bool
) -> bool:
    """Whether an operator took the proposal as it was. Naming a law where the letter named none corrects nothing."""
    if decision == SET_ASIDE:
        return letter.kind == Kind.OTHER.value
    if decision == JOINED:
        return is_hint or letter.kind in (Kind.REMINDER.value, Kind.COMPLAINT.value)
    same_law = letter.regime is None or letter.regime == regime
    return letter.kind == Kind.REQUEST.value and set(rights) == set(letter.rights) and same_law
