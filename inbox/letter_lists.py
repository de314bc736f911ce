"""The lists of letters: a page of each, how many there are, and what waits too long; a few statements however long they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.errors import NotFound
from dsr.states import ENDS
from dsr.tables import TicketRow
from inbox.findings import Kind
from inbox.letter_tables import LetterRow, LetterTicketRow, TriageDecisionRow
from inbox.letter_values import (
    VIEW_OF,
    Correction,
    LetterLine,
    LetterState,
    TriageFigures,
    View,
    WaitingLetters,
)
from inbox.letter_words import say
from inbox.proposals import read_flags, read_kind, read_rights
from policies.clauses import Right

_MOST_CORRECTIONS = 200


def find_letter(session: Session, letter_id: str, *, lock: bool = False) -> LetterRow:
    """The row of a letter. Raises NotFound."""
    wanted = sa.select(LetterRow).where(LetterRow.id == letter_id)
    row = session.execute(wanted.with_for_update() if lock else wanted).scalar_one_or_none()
    if row is None:
        raise NotFound("There is no letter of this id.", remedy="It may have been deleted at its time: see the list.")
    return row


def states_of(view: View) -> list[str]:
    return [state.value for state, where in VIEW_OF.items() if where is view]


def list_lines(session: Session, view: View, *, limit: int, before: str | None) -> list[LetterLine]:
    """One page, the newest first."""
    wanted = sa.select(LetterRow).where(LetterRow.state.in_(states_of(view)))
    if before is not None:
        last = find_letter(session, before)
        older = sa.tuple_(LetterRow.received_at, LetterRow.id) < sa.tuple_(
            sa.literal(last.received_at, LetterRow.received_at.type), sa.literal(last.id)
        )
        wanted = wanted.where(older)
    rows = session.execute(
        wanted.order_by(LetterRow.received_at.desc(), LetterRow.id.desc()).limit(max(1, min(limit, 500)))
    ).scalars()
    return read_lines(session, list(rows))


def read_lines(session: Session, rows: Sequence[LetterRow]) -> list[LetterLine]:
    """Letters as lists show them."""
    refs = refs_by_letter(session, [row.id for row in rows])
    opened = opened_by_letter(
        session, [row.id for row in rows if row.state == LetterState.WAITING.value and row.id in refs]
    )
    closed = _closed(session, [row.hint_ref for row in rows if row.hint_ref])
    firsts = _firsts(session, {row.thread_id for row in rows})
    return [
        _line(
            row,
            refs.get(row.id, ()),
            left_of(row, opened.get(row.id, {})),
            hint_closed=row.hint_ref in closed,
            follows=firsts.get(row.thread_id) != row.id,
        )
        for row in rows
    ]


def count_views(session: Session) -> Mapping[View, int]:
    """How many letters each list has."""
    counted = dict.fromkeys(View, 0)
    for state, number in session.execute(sa.select(LetterRow.state, sa.func.count()).group_by(LetterRow.state)):
        counted[VIEW_OF[LetterState(state)]] += number
    return counted


def waiting(session: Session, now: datetime) -> WaitingLetters:
    """Letters that nobody has sorted. `now`: what came in later, by clocks that differ, counts too."""
    wanted = sa.select(sa.func.count(), sa.func.min(LetterRow.received_at), sa.func.min(LetterRow.due_on)).where(
        LetterRow.state == LetterState.WAITING.value
    )
    number, oldest, due = session.execute(wanted).one()
    return WaitingLetters(count=number, oldest_at=min(oldest, now) if oldest else None, next_due=due)


def refs_by_letter(session: Session, letter_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """The requests of each letter."""
    wanted = (
        sa.select(LetterTicketRow.letter_id, LetterTicketRow.ref)
        .where(LetterTicketRow.letter_id.in_(letter_ids))
        .order_by(LetterTicketRow.at, LetterTicketRow.ref)
    )
    found: dict[str, tuple[str, ...]] = {}
    for letter_id, ref in session.execute(wanted):
        found[letter_id] = (*found.get(letter_id, ()), ref)
    return found


def opened_by_letter(session: Session, letter_ids: Sequence[str]) -> Mapping[str, Mapping[Right, str]]:
    """The rights that each letter opened requests for, with the reference of each."""
    wanted = (
        sa.select(LetterTicketRow.letter_id, TicketRow.right, TicketRow.ref)
        .join(TicketRow, TicketRow.ref == LetterTicketRow.ref)
        .where(LetterTicketRow.letter_id.in_(letter_ids), LetterTicketRow.opened.is_(True))
        .order_by(TicketRow.ref)
    )
    found: dict[str, dict[Right, str]] = {}
    for letter_id, right, ref in session.execute(wanted) if letter_ids else ():
        found.setdefault(letter_id, {}).setdefault(Right(right), ref)
    return found


def left_of(row: LetterRow, opened: Collection[Right]) -> tuple[Right, ...]:
    """The rights that are proposed: of a letter that was split, without what was opened; of a sorted one, as it was read."""
    waits = row.state == LetterState.WAITING.value
    return tuple(one for one in read_rights(row) if not waits or one not in opened)


def read_figures(session: Session, now: datetime, days: int) -> TriageFigures:
    """How the proposals of the last days fared."""
    since = TriageDecisionRow.at >= now - timedelta(days=days)
    counted = sa.select(TriageDecisionRow.as_proposed, sa.func.count()).where(since)
    numbers = {bool(one): number for one, number in session.execute(counted.group_by(TriageDecisionRow.as_proposed))}
    corrected = sa.select(TriageDecisionRow).where(since, TriageDecisionRow.as_proposed.is_(False))
    rows = session.execute(corrected.order_by(TriageDecisionRow.at.desc()).limit(_MOST_CORRECTIONS)).scalars()
    return TriageFigures(
        days=days,
        decided=sum(numbers.values()),
        accepted=numbers.get(True, 0),
        corrections=tuple(
            Correction(
                at=row.at,
                proposed_kind=Kind(row.kind),
                proposed=tuple(Right(one) for one in row.rights),
                decided=tuple(Right(one) for one in row.decided_rights),
                proposed_regime=row.regime,
                decided_regime=row.decided_regime,
                language=row.language,
                decision=row.decision,
            )
            for row in rows
        ),
    )


def _line(
    row: LetterRow, refs: tuple[str, ...], left: tuple[Right, ...], *, hint_closed: bool, follows: bool
) -> LetterLine:
    says, tone = say(row, refs, left, hint_closed=hint_closed)
    return LetterLine(
        id=row.id,
        thread=row.thread_id,
        sender=row.sender.reveal(),
        sender_name=row.sender_name.reveal(),
        subject=row.subject.reveal(),
        received_at=row.received_at,
        state=LetterState(row.state),
        kind=read_kind(row),
        rights=left,
        regime=row.regime,
        language=row.language,
        flags=read_flags(row),
        auto=row.auto,
        says=says,
        tone=tone,
        due_on=row.due_on,
        refs=refs,
        follows=follows,
        same_as=row.same_as,
    )


def _closed(session: Session, refs: Sequence[str]) -> frozenset[str]:
    wanted = sa.select(TicketRow.ref).where(TicketRow.ref.in_(refs), TicketRow.state.in_([one.value for one in ENDS]))
    return frozenset(session.execute(wanted).scalars()) if refs else frozenset()


def _firsts(session: Session, threads: set[str]) -> Mapping[str, str]:
    """The first letter of each thread."""
    ranked = sa.select(
        LetterRow.thread_id,
        LetterRow.id,
        sa.func.row_number()
        .over(partition_by=LetterRow.thread_id, order_by=(LetterRow.received_at, LetterRow.id))
        .label("place"),
    ).where(LetterRow.thread_id.in_(threads))
    numbered = ranked.subquery()
    rows = session.execute(sa.select(numbered.c.thread_id, numbered.c.id).where(numbered.c.place == 1))
    return {str(thread): str(letter) for thread, letter in rows}
