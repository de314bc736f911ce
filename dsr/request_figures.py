"""How requests went over a year: outcomes, grounds and days, by right and regime, from tickets and from what is left of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import day_in
from core.database import Database
from dsr.closed_accounts import ENDED_AS
from dsr.figures import TEST
from dsr.states import OPEN, State
from dsr.tables import RequestCountRow, TicketRow
from dsr.tallies import BOUNDS, COLUMNS
from policies.clauses import Right

_SUMS: Final = ("answered_late", "took_days", *COLUMNS)
_ANSWERS: Final = (State.ANSWERED, State.PARTLY_REFUSED, State.REFUSED, State.NOTHING_FOUND)
_IN_NONE: Final = (TEST, State.EXPIRED.value, State.FORWARDED.value, ENDED_AS)
_HALF: Final = 0.5
_NINETY: Final = 0.9


@dataclass(frozen=True, kw_only=True)
class Times:
    """How long answers took. `within`: how many in each span of days, as `BOUNDS` has them, the last for all that took longer."""

    answers: int = 0
    days: int = 0
    within: tuple[int, ...] = (0,) * len(COLUMNS)

    @property
    def mean(self) -> float | None:
        """Days on average, exactly; None without an answer."""
        return round(self.days / self.answers, 1) if self.answers else None

    @property
    def median(self) -> int | None:
        """Half of all were answered within so many days: the end of the span in which the middle one lies."""
        return self._within(_HALF)

    @property
    def p90(self) -> int | None:
        """Nine of ten were answered within so many days; None too where those took longer than the longest span."""
        return self._within(_NINETY)

    def _within(self, share: float) -> int | None:
        reached = 0
        for bound, number in zip(BOUNDS, self.within, strict=False):
            reached += number
            if self.answers and reached >= share * self.answers:
                return bound
        return None


@dataclass(frozen=True, kw_only=True)
class RequestFigures:
    """Requests that came in, and where they stand; each is in one number of these. `answered_late` and `open_late`: of them,
    those over their day. `grounds`: of refusals, in whole or in part. In none: tests, forms that nobody confirmed, accounts that
    were closed, and what a customer answers to whom it was sent on."""

    received: int = 0
    complied: int = 0
    complied_in_part: int = 0
    denied: int = 0
    nothing_found: int = 0
    withdrawn: int = 0
    open: int = 0
    open_late: int = 0
    answered_late: int = 0
    times: Times = field(default_factory=Times)
    grounds: Mapping[str, int] = field(default_factory=dict)

    @property
    def answered(self) -> int:
        """Requests that got an answer, whatever it was."""
        return self.complied + self.complied_in_part + self.denied + self.nothing_found

    @property
    def overdue_share(self) -> float | None:
        """How much of what was answered or is open was, or is, over its day; None where there is nothing."""
        of = self.answered + self.open
        return round((self.answered_late + self.open_late) / of, 4) if of else None


@dataclass(frozen=True, kw_only=True)
class FigureLine:
    """The figures of one right under one law; `regime` None: none was said."""

    right: Right
    regime: str | None
    figures: RequestFigures


@dataclass(frozen=True, kw_only=True)
class Period:
    """Which requests: those that came in in one year, in the zone, or in all of them; under one law, or any."""

    zone: str
    today: date
    year: int | None = None
    regime: str | None = None


class _Cell:
    """What is added up for one right under one law."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.sums: Counter[str] = Counter()
        self.grounds: Counter[str] = Counter()
        self.answers = self.open = self.open_late = 0

    def add_closed(self, outcome: str, ground: str | None, rows: int, sums: Mapping[str, int]) -> None:
        self.outcomes[outcome] += rows
        if ground:
            self.grounds[ground] += rows
        if outcome in _ANSWERS:  # who took a request back was not answered
            self.answers += rows
            self.sums.update(sums)

    def add(self, other: _Cell) -> None:
        self.outcomes.update(other.outcomes)
        self.sums.update(other.sums)
        self.grounds.update(other.grounds)
        self.answers += other.answers
        self.open += other.open
        self.open_late += other.open_late

    def figures(self) -> RequestFigures:
        return RequestFigures(
            received=sum(self.outcomes.values()) + self.open,
            complied=self.outcomes[State.ANSWERED],
            complied_in_part=self.outcomes[State.PARTLY_REFUSED],
            denied=self.outcomes[State.REFUSED],
            nothing_found=self.outcomes[State.NOTHING_FOUND],
            withdrawn=self.outcomes[State.WITHDRAWN],
            open=self.open,
            open_late=self.open_late,
            answered_late=self.sums["answered_late"],
            times=Times(
                answers=self.answers, days=self.sums["took_days"], within=tuple(self.sums[name] for name in COLUMNS)
            ),
            grounds=dict(sorted(self.grounds.items())),
        )


class Figures:
    """Reads the figures of an installation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, period: Period) -> tuple[FigureLine, ...]:
        """By right and law; tests in none."""
        with self._database.read() as session:
            return read_figures(session, period)

    def of(self, period: Period, rights: Iterable[Right] = tuple(Right)) -> RequestFigures:
        """Of several rights together."""
        with self._database.read() as session:
            return sum_figures(session, period, rights)

    def years(self, zone: str) -> tuple[int, ...]:
        """The years of which there are figures, the newest first."""
        with self._database.read() as session:
            return years_with_requests(session, zone)


def read_figures(session: Session, period: Period) -> tuple[FigureLine, ...]:
    """The figures of each right and law that was asked under, in the order of the rights."""
    cells = _read(session, period)
    order = list(Right)
    lines = sorted(cells.items(), key=lambda item: (order.index(item[0][0]), item[0][1] or ""))
    return tuple(FigureLine(right=right, regime=law, figures=cell.figures()) for (right, law), cell in lines)


def sum_figures(session: Session, period: Period, rights: Iterable[Right] = tuple(Right)) -> RequestFigures:
    """The figures of several rights taken together."""
    wanted, whole = set(rights), _Cell()
    for (right, _), cell in _read(session, period).items():
        if right in wanted:
            whole.add(cell)
    return whole.figures()


def years_with_requests(session: Session, zone: str) -> tuple[int, ...]:
    """The years of which there are figures, the newest first."""
    found = set(session.execute(sa.select(RequestCountRow.received_in).distinct()).scalars())
    is_real = TicketRow.is_test.is_(False)
    closed = sa.select(TicketRow.received_in).where(TicketRow.received_in.is_not(None), is_real).distinct()
    found |= set(session.execute(closed).scalars())
    found |= {day_in(row.received_at, zone).year for row in _open_rows(session)}
    return tuple(sorted((year for year in found if year), reverse=True))


def _read(session: Session, period: Period) -> dict[tuple[Right, str | None], _Cell]:
    cells: dict[tuple[Right, str | None], _Cell] = {}
    for right, law, outcome, ground, rows, *sums in (*_closed_rows(session, period), *_left_rows(session, period)):
        cell = cells.setdefault((Right(right), law), _Cell())
        cell.add_closed(outcome, ground, rows, dict(zip(_SUMS, sums, strict=True)))
    for row in _open_rows(session):
        if period.year not in (None, day_in(row.received_at, period.zone).year):
            continue
        if period.regime in (None, row.regime):
            cell = cells.setdefault((Right(row.right), row.regime), _Cell())
            cell.open += 1
            cell.open_late += row.due_on is not None and row.due_on < period.today
    return cells


def _closed_rows(session: Session, period: Period) -> Sequence[Any]:
    closed = (TicketRow.is_test.is_(False), TicketRow.closed_at.is_not(None), TicketRow.ended_as.not_in(_IN_NONE))
    return _rows(session, period, TicketRow, TicketRow.ended_as, sa.func.count(), closed)


def _left_rows(session: Session, period: Period) -> Sequence[Any]:
    kept = (RequestCountRow.outcome.not_in(_IN_NONE),)
    return _rows(session, period, RequestCountRow, RequestCountRow.outcome, sa.func.sum(RequestCountRow.rows), kept)


def _rows(
    session: Session,
    period: Period,
    table: type[TicketRow] | type[RequestCountRow],
    outcome: Any,
    rows: Any,
    where: Sequence[Any],
) -> Sequence[Any]:
    groups = (table.right, table.regime, outcome, table.ground)
    sums = (sa.func.coalesce(sa.func.sum(getattr(table, name)), 0) for name in _SUMS)
    wanted = sa.select(*groups, rows, *sums).where(*where, *_asked(table, period)).group_by(*groups)
    return session.execute(wanted).all()


def _asked(table: type[TicketRow] | type[RequestCountRow], period: Period) -> Iterator[Any]:
    if period.year is not None:
        yield table.received_in == period.year
    if period.regime is not None:
        yield table.regime == period.regime


def _open_rows(session: Session) -> Sequence[Any]:
    columns = (TicketRow.right, TicketRow.regime, TicketRow.received_at, TicketRow.due_on)
    is_open = TicketRow.state.in_([state.value for state in OPEN])
    return session.execute(sa.select(*columns).where(is_open, TicketRow.is_test.is_(False))).all()
