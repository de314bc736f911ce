"""The page of a letter: the message read again from its original, beside what was kept of it and decided about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import day_in
from core.languages import LANGUAGES
from dsr.by_mail import UNSEEN, ByMail, Supposed
from dsr.desk import Desk
from dsr.states import ENDS
from dsr.tables import TicketRow
from dsr.words import RIGHT_NAMES
from inbox.acknowledging import Acknowledging
from inbox.deciding import why_not_undone
from inbox.letter_lists import left_of, opened_by_letter, refs_by_letter
from inbox.letter_tables import LetterRow
from inbox.letter_values import (
    VIEW_OF,
    Candidate,
    InThread,
    LetterState,
    LetterView,
    Proposal,
    ProposalLine,
    SignalLine,
)
from inbox.letter_words import file_line, signal_lines
from inbox.message import Message
from inbox.ours import Ours
from inbox.parsing import parse
from inbox.proposals import Found, cut_segments, offered, read_flags, read_found, read_kind, seen_words
from inbox.spoofing import signals
from inbox.tables import InboxMessageRow, OriginalRow
from inbox.threads import refs_of
from policies.clauses import Right
from policies.own import own_period

MOST_IN_THREAD: Final = 50
MOST_KNOWN: Final = 500
_ENDED: Final = [state.value for state in ENDS]
GONE: Final = "The original was deleted at its time; what is left is the request."


class LetterPages:
    """Reads one letter whole."""

    def __init__(self, desk: Desk, ours: Ours) -> None:
        self._desk = desk
        self._ours = ours
        self._by_mail = ByMail(desk)
        self._acknowledging = Acknowledging(desk, ours)

    def view(self, session: Session, row: LetterRow) -> LetterView:
        original = session.get(OriginalRow, row.message_id)
        place = session.get_one(InboxMessageRow, row.message_id)
        message = parse(original.raw, our_hosts=self._ours.hosts, now=row.read_at) if original else None
        found, refs = read_found(row.found), refs_by_letter(session, [row.id]).get(row.id, ())
        proposal = self._proposal(session, row, found)
        keys = {line.right.value: line.key for line in proposal.lines}
        text, hidden = (message.text, message.quoted) if message else ("", "")
        state = LetterState(row.state)
        return LetterView(
            id=row.id,
            thread=row.thread_id,
            state=state,
            view=VIEW_OF[state],
            subject=row.subject.reveal(),
            sender=row.sender.reveal(),
            sender_name=row.sender_name.reveal(),
            to=message.to if message else (),
            place=place.source,
            received_at=row.received_at,
            clock_from=_clock_from(message, row),
            segments=cut_segments(text, found, regime=row.regime, keys=keys),
            hidden=hidden,
            hidden_lines=len(hidden.splitlines()),
            signals=self._signals(session, message),
            attachments=message.attachments if message else (),
            problems=tuple(one for one in (row.trouble, *(message.problems if message else (GONE,))) if one),
            auto=row.auto,
            proposal=proposal,
            candidates=self._candidates(session, row, refs),
            thread_letters=_others(session, row),
            same_as=row.same_as,
            acknowledged_at=row.acknowledged_at,
            no_acknowledgement=self._no_acknowledgement(row),
            refs=refs,
            decided_by=row.decided_by,
            decided_at=row.decided_at,
            why=row.why,
            can_undo=why_not_undone(session, row) == "",
            has_original=original is not None,
            kept_until=self._kept_until(session, row) if original is not None else None,
        )

    def _proposal(self, session: Session, row: LetterRow, found: Found) -> Proposal:
        supposed = self._by_mail.suppose(session, row.received_at, row.regime)
        opened = opened_by_letter(session, [row.id]).get(row.id, {})
        regimes, own_language = self._by_mail.choices(session, row.received_at)
        languages = tuple(self._desk.languages)
        return Proposal(
            kind=read_kind(row),
            lines=tuple(_lines(left_of(row, opened), found, supposed, opened)),
            regime=row.regime,
            regime_words=found.words_for(row.regime) if row.regime else (),
            regimes=regimes,
            language=row.language,
            answered_in=next((one for one in (row.language, own_language) if one in languages), languages[0]),
            languages=languages,
            identifiers=offered(found),
            deadline=found.deadline,
            flags=read_flags(row),
            seen=seen_words(found, row.regime),
        )

    def _signals(self, session: Session, message: Message | None) -> tuple[SignalLine, ...]:
        if message is None:
            return ()
        wanted = (
            sa.select(TicketRow.contact)
            .where(TicketRow.state.not_in([*UNSEEN, *_ENDED]))
            .distinct()
            .order_by(TicketRow.contact)
            .limit(MOST_KNOWN)
        )
        contacts = [one.reveal() for one in session.execute(wanted).scalars() if one]
        known = [*self._ours.hosts, self._ours.domain, *contacts]
        found = signals(message, trusted_servers=self._ours.trusted_servers)
        return (*signal_lines(message, found, known=[one for one in known if one]), file_line(message))

    def _candidates(self, session: Session, row: LetterRow, refs: Sequence[str]) -> tuple[Candidate, ...]:
        thread, hint = refs_of(session, row.thread_id), row.hint_ref
        named = list(dict.fromkeys([*([hint] if hint else []), *thread]))
        known = self._by_mail.known(session, address=row.sender.reveal(), refs=named)
        return tuple(
            Candidate(
                ref=one.ref,
                right=one.right,
                right_name=one.right_name,
                state_name=one.state_name,
                due_on=one.due_on,
                is_closed=one.is_closed,
                why="of this thread" if one.ref in thread else "the same address" if one.ref != hint else "named in it",
            )
            for one in known
            if one.ref not in refs
        )

    def _no_acknowledgement(self, row: LetterRow) -> str:
        if row.acknowledged_at is not None:
            return ""
        return self._acknowledging.why_none(row) or "One went out that day already, in this thread or to this sender."

    def _kept_until(self, session: Session, row: LetterRow) -> date | None:
        ends = [
            own_period(clause).after_instant(at)
            for clause, at in (("originals", row.request_closed_at), ("set-aside", row.set_aside_at))
            if at is not None
        ]
        version = self._desk.policies.in_force(session)
        zone = version.document.controller.timezone if version else "UTC"
        return day_in(min(ends), zone) if ends else None


def language_choice(row: LetterRow, languages: Iterable[str]) -> str:
    """The language that mails about a letter's requests are in: its own, where ours speak it; else the policy's, said by ''."""
    return row.language if row.language in languages and row.language in LANGUAGES else ""


def _lines(
    proposed: Sequence[Right], found: Found, supposed: Mapping[Right, Supposed], opened: Mapping[Right, str]
) -> Iterable[ProposalLine]:
    """Those that are proposed first, then the others that could be."""
    order = [*proposed, *(one for one in Right if one not in proposed and one is not Right.APPEAL)]
    for place, right in enumerate(order, start=1):
        due = supposed.get(right)
        yield ProposalLine(
            key=str(place) if place <= 9 else "",
            right=right,
            name=RIGHT_NAMES[right],
            words=found.words_for(right.value),
            proposed=right in proposed,
            due_on=due.due_on if due else None,
            due_why=due.why if due else "",
            opened=opened.get(right, ""),
        )


def _others(session: Session, row: LetterRow) -> tuple[InThread, ...]:
    wanted = sa.select(LetterRow).where(LetterRow.thread_id == row.thread_id, LetterRow.id != row.id)
    rows = session.execute(wanted.order_by(LetterRow.received_at.desc()).limit(MOST_IN_THREAD)).scalars()
    return tuple(
        InThread(
            id=one.id,
            received_at=one.received_at,
            sender=one.sender.reveal(),
            subject=one.subject.reveal(),
            state=LetterState(one.state),
        )
        for one in reversed(list(rows))
    )


def _clock_from(message: Message | None, row: LetterRow) -> str:
    if message is None:
        return ""
    if message.received_at is not None and _same(message.received_at, row.received_at):
        return "when our server got it"
    return "when the mailbox got it: no time of a server of ours in it can be used"


def _same(one: datetime, other: datetime) -> bool:
    return abs((one - other).total_seconds()) < 1
