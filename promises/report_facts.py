"""What a report says: the promises day by day, sweeps, requests, holds, changes of the policy and incidents of a span of days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from statistics import median
from typing import Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import day_in
from core.errors import BadInput
from dsr.closed_accounts import ENDED_AS
from dsr.figures import TEST
from dsr.states import State as TicketState
from dsr.tables import TicketRow
from ledger.tables import LeafTable, RefTable
from plans.holds import HoldRow
from policies.clauses import Right
from policies.own import is_own
from policies.version_tables import PolicyEventRow, VersionRow
from promises.alerting import AlarmRow
from promises.history import HistoryRow
from promises.record_tables import StateRow
from promises.states import State
from retention.tables import RunState, SweepRunRow

LONGEST: Final = timedelta(days=400)
_IN_NONE: Final = (TEST, TicketState.EXPIRED.value, ENDED_AS)
# A day counts as the worst that was seen on it.
_WORST_FIRST: Final = (State.BROKEN, State.DUE, State.ATTESTED, State.KEPT)


@dataclass(frozen=True, kw_only=True)
class Span:
    """Whole days in a zone, both of them in it."""

    first: date
    last: date
    zone: str

    def __post_init__(self) -> None:
        if not timedelta(0) <= self.last - self.first <= LONGEST:
            raise BadInput(
                f"A report covers up to {LONGEST.days} days, the first before the last.", remedy="Choose another span."
            )

    @staticmethod
    def month(text: str, zone: str) -> Span:
        """The month of `2026-05`. Raises BadInput."""
        try:
            first = date.fromisoformat(f"{text}-01")
        except ValueError as error:
            raise BadInput(f"'{text}' is no month.", remedy="Write one such as 2026-05.") from error
        following = (first.replace(day=28) + timedelta(days=4)).replace(day=1)
        return Span(first=first, last=following - timedelta(days=1), zone=zone)

    @property
    def begins(self) -> datetime:
        return datetime.combine(self.first, time(), ZoneInfo(self.zone))

    @property
    def ends(self) -> datetime:
        """The instant after the last day."""
        return datetime.combine(self.last + timedelta(days=1), time(), ZoneInfo(self.zone))

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]


@dataclass(frozen=True, kw_only=True)
class ClauseDays:
    """How one clause stood on each day of the span; None: nothing was recorded of it then."""

    clause: str
    days: tuple[State | None, ...]

    def count(self, state: State) -> int:
        return self.days.count(state)

    @property
    def seen(self) -> int:
        """How many days anything is known of."""
        return sum(one is not None for one in self.days)


@dataclass(frozen=True, kw_only=True)
class SweepLine:
    """The runs of one retention clause. `rows`: records that went; `left`, `held`: at the end of the last run; `worst`: the
    longest that any record was over its time; `failed`: runs that left something undone. `entries`: positions in the ledger."""

    clause: str
    runs: int
    rows: int
    left: int
    held: int
    failed: int
    worst: timedelta
    entries: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class RequestLine:
    """One request, by its reference alone. `days`: to the answer, None while it is open; `late`: over its day."""

    ref: str
    right: Right
    regime: str | None
    channel: str
    received: date
    due: date | None
    closed: date | None
    outcome: str
    late: bool

    @property
    def days(self) -> int | None:
        return (self.closed - self.received).days if self.closed else None


@dataclass(frozen=True, kw_only=True)
class RightLine:
    """The requests for one right. `came`: within the span; `answered`, `in_time`, `refused`: those closed within it."""

    right: Right
    came: int
    answered: int
    in_time: int
    refused: int
    median: int | None
    longest: int | None


@dataclass(frozen=True, kw_only=True)
class HoldLine:
    """A hold that stood within the span; never whom it is about."""

    id: str
    about: str
    reason: str
    since: datetime
    released_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class ChangeLine:
    """Something that happened to a version: published, in_force, withdrawn, overtaken."""

    number: int
    what: str
    at: datetime
    weight: str
    reasons: tuple[str, ...]
    entry: int | None


@dataclass(frozen=True, kw_only=True)
class Incident:
    """An alarm that stood within the span."""

    says: str
    about: str
    since: datetime
    over_at: datetime | None
    told: bool


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything a report says that is counted."""

    span: Span
    clauses: Mapping[str, ClauseDays]
    sweeps: tuple[SweepLine, ...]
    requests: tuple[RequestLine, ...]
    rights: tuple[RightLine, ...]
    holds: tuple[HoldLine, ...]
    changes: tuple[ChangeLine, ...]
    incidents: tuple[Incident, ...]

    @property
    def promised(self) -> tuple[SweepLine, ...]:
        """The sweeps of the policy's clauses."""
        return tuple(one for one in self.sweeps if not is_own(one.clause))

    @property
    def own(self) -> tuple[SweepLine, ...]:
        """Those of Kept's own data."""
        return tuple(one for one in self.sweeps if is_own(one.clause))

    @property
    def entries(self) -> list[int]:
        """The ledger's positions that the lines rest on, in order."""
        named = {position for line in self.sweeps for position in line.entries}
        return sorted(named | {one.entry for one in self.changes if one.entry is not None})


def gather(session: Session, span: Span, *, now: datetime) -> Facts:
    """Count it all from the control database, in one read."""
    requests = _requests(session, span, now)
    return Facts(
        span=span,
        clauses=_clauses(session, span, now),
        sweeps=_sweeps(session, span),
        requests=requests,
        rights=_rights(requests, span),
        holds=_holds(session, span),
        changes=_changes(session, span),
        incidents=_incidents(session, span),
    )


def _clauses(session: Session, span: Span, now: datetime) -> dict[str, ClauseDays]:
    """The worst state of each day, from the changes that were recorded: a state holds until the next one."""
    turns: dict[str, list[tuple[datetime, State]]] = defaultdict(list)
    wanted = sa.select(StateRow).where(StateRow.at < span.ends).order_by(StateRow.clause, StateRow.turn)
    for row in session.execute(wanted).scalars():
        turns[row.clause].append((row.at, State(row.state)))
    return {
        clause: ClauseDays(clause=clause, days=tuple(_worst_of(day, span.zone, changes, now) for day in span.days))
        for clause, changes in turns.items()
    }


def _worst_of(day: date, zone: str, changes: Sequence[tuple[datetime, State]], now: datetime) -> State | None:
    begins = datetime.combine(day, time(), ZoneInfo(zone))
    ends = begins + timedelta(days=1)
    if begins > now:
        return None
    before = [state for at, state in changes if at <= begins]
    held = {*before[-1:], *(state for at, state in changes if begins < at < ends)}
    return next((state for state in _WORST_FIRST if state in held), None)


def _sweeps(session: Session, span: Span) -> tuple[SweepLine, ...]:
    settled = (RunState.DONE.value, RunState.FAILED.value, RunState.PAUSED.value, RunState.STOPPED.value)
    wanted = (
        sa.select(SweepRunRow)
        .where(SweepRunRow.started_at >= span.begins, SweepRunRow.started_at < span.ends)
        .where(SweepRunRow.state.in_(settled))
        .order_by(SweepRunRow.clause, SweepRunRow.started_at)
    )
    by_clause: dict[str, list[SweepRunRow]] = defaultdict(list)
    for row in session.execute(wanted).scalars():
        by_clause[row.clause].append(row)
    worst = _worst_over(session, span)
    return tuple(
        SweepLine(
            clause=clause,
            runs=len(rows),
            rows=sum(row.rows for row in rows),
            left=rows[-1].remaining,
            held=rows[-1].held,
            failed=sum(row.state == RunState.FAILED for row in rows),
            worst=worst.get(clause, timedelta(0)),
            entries=_positions(session, [row.id for row in rows]),
        )
        for clause, rows in by_clause.items()
    )


def _worst_over(session: Session, span: Span) -> dict[str, timedelta]:
    wanted = (
        sa.select(HistoryRow.clause, sa.func.max(HistoryRow.over_seconds))
        .where(HistoryRow.day >= span.first, HistoryRow.day <= span.last)
        .group_by(HistoryRow.clause)
    )
    return {clause: timedelta(seconds=seconds or 0) for clause, seconds in session.execute(wanted)}


def _positions(session: Session, refs: Sequence[str]) -> tuple[int, ...]:
    found: set[int] = set()
    for start in range(0, len(refs), 500):
        wanted = (
            sa.select(LeafTable.position)
            .join(RefTable, RefTable.entry_id == LeafTable.entry_id)
            .where(RefTable.ref.in_(refs[start : start + 500]))
        )
        found.update(session.execute(wanted).scalars())
    return tuple(sorted(found))


def _requests(session: Session, span: Span, now: datetime) -> tuple[RequestLine, ...]:
    """Requests that were open on any day of the span. What is over its own time is not there any more."""
    wanted = (
        sa.select(TicketRow)
        .where(TicketRow.received_at < span.ends, ~TicketRow.is_test)
        .where(sa.or_(TicketRow.closed_at.is_(None), TicketRow.closed_at >= span.begins))
        .where(sa.or_(TicketRow.ended_as.is_(None), TicketRow.ended_as.not_in(_IN_NONE)))
        .order_by(TicketRow.received_at, TicketRow.ref)
    )
    return tuple(_request(row, span, now) for row in session.execute(wanted).scalars())


def _request(row: TicketRow, span: Span, now: datetime) -> RequestLine:
    is_closed = row.closed_at is not None and row.closed_at < span.ends
    closed = day_in(row.closed_at, span.zone) if is_closed and row.closed_at else None
    last = closed or min(span.last, day_in(now, span.zone))
    return RequestLine(
        ref=row.ref,
        right=Right(row.right),
        regime=row.regime,
        channel=row.channel,
        received=day_in(row.received_at, span.zone),
        due=row.due_on,
        closed=closed,
        outcome=(row.ended_as or "") if is_closed else "open",
        late=row.due_on is not None and last > row.due_on,
    )


def _rights(requests: Sequence[RequestLine], span: Span) -> tuple[RightLine, ...]:
    lines = []
    for right in sorted({one.right for one in requests}, key=lambda one: list(Right).index(one)):
        mine = [one for one in requests if one.right is right]
        closed = [one for one in mine if one.closed is not None]
        answered = [one for one in closed if one.outcome not in (TicketState.WITHDRAWN, TicketState.FORWARDED)]
        lengths = [one.days for one in answered if one.days is not None]
        lines.append(
            RightLine(
                right=right,
                came=sum(span.first <= one.received <= span.last for one in mine),
                answered=len(answered),
                in_time=sum(not one.late for one in answered),
                refused=sum(one.outcome == TicketState.REFUSED for one in answered),
                median=round(median(lengths)) if lengths else None,
                longest=max(lengths, default=None),
            )
        )
    return tuple(lines)


def _holds(session: Session, span: Span) -> tuple[HoldLine, ...]:
    wanted = (
        sa.select(HoldRow)
        .where(HoldRow.added_at < span.ends)
        .where(sa.or_(HoldRow.released_at.is_(None), HoldRow.released_at >= span.begins))
        .order_by(HoldRow.added_at)
    )
    return tuple(
        HoldLine(
            id=row.id,
            about=row.clause or row.collection or ("one person" if row.person else "everything"),
            reason=row.reason,
            since=row.added_at,
            released_at=row.released_at,
        )
        for row in session.execute(wanted).scalars()
    )


def _changes(session: Session, span: Span) -> tuple[ChangeLine, ...]:
    versions = {row.number: row for row in session.execute(sa.select(VersionRow)).scalars()}
    lines = [
        _change(session, row, "published", row.published_at, None)
        for row in versions.values()
        if span.begins <= row.published_at < span.ends
    ]
    wanted = sa.select(PolicyEventRow).where(PolicyEventRow.at >= span.begins, PolicyEventRow.at < span.ends)
    lines += [
        _change(session, versions[row.number], row.kind, row.at, row.entry)
        for row in session.execute(wanted).scalars()
        if row.number in versions
    ]
    return tuple(sorted(lines, key=lambda one: (one.at, one.number)))


def _change(session: Session, row: VersionRow, what: str, at: datetime, entry: str | None) -> ChangeLine:
    position = None
    if entry is not None:
        wanted = sa.select(LeafTable.position).where(LeafTable.entry_id == entry)
        position = session.execute(wanted).scalar_one_or_none()
    reasons = tuple(row.reasons or ()) if what == "published" else ()
    return ChangeLine(number=row.number, what=what, at=at, weight=row.weight or "", reasons=reasons, entry=position)


def _incidents(session: Session, span: Span) -> tuple[Incident, ...]:
    wanted = (
        sa.select(AlarmRow)
        .where(AlarmRow.raised_at < span.ends)
        .where(sa.or_(AlarmRow.over_at.is_(None), AlarmRow.over_at >= span.begins))
        .order_by(AlarmRow.since)
    )
    return tuple(
        Incident(says=row.says, about=row.about, since=row.since, over_at=row.over_at, told=row.told_at is not None)
        for row in session.execute(wanted).scalars()
    )
