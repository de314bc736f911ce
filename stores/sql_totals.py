"""Records rolled up into totals: counted, summed and deleted in one transaction, a whole period at a time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from core.clock import iso_utc
from core.errors import KeptError
from stores.contract import Batch, StoreBusy, Totals, Work
from stores.periods import PERIODS, end_of, period_in, start_of
from stores.sql_families import Family
from stores.sql_tables import KnownTable
from stores.sql_times import is_before, time_column
from stores.times import Kind, TimeForm

ROWS: Final = "rows"  # the field of the totals that counts records
_LABELS: Final = {"hour": "%Y-%m-%d %H:00:00", "day": "%Y-%m-%d", "month": "%Y-%m-%d", "year": "%Y-%m-%d"}
_NUMBERS: Final = (Family.INTEGER, Family.NUMBER, Family.OTHER)


class RollUp:
    """One work of the deed AGGREGATE. `exact`: what a record must hold, the end of the last closed period included."""

    def __init__(
        self,
        work: Work,
        table: KnownTable,
        totals: KnownTable,
        form: TimeForm,
        exact: Sequence[sa.ColumnElement[bool]],
    ) -> None:
        if work.totals is None or work.order_by is None:
            raise KeptError(f"{work.at}: to roll up takes a time, and where the totals go.")
        if table.obstacle or totals.obstacle:
            raise KeptError(f"{work.at}: {totals.obstacle or table.obstacle}, so nothing can be rolled up.")
        if form.kind in (Kind.DATE, Kind.DATE_TEXT) and form.zone is None:
            raise KeptError(
                f"{work.at}.{work.order_by.name} holds dates of no zone, so their days in UTC are not known.",
                remedy=f"Declare it in kept.yaml: {{field: {work.order_by.name}, zone: UTC}} or the zone they are of.",
            )
        self._totals: Totals = work.totals
        self._period = period_in(work.totals.by)
        self._table = table
        self._into = totals
        self._form = form
        self._exact = exact
        self._time = time_column(table, work.order_by, form)
        for name in work.totals.by:
            totals.column(name)  # raises where there is none

    def next(self, connection: sa.Connection, after: Batch | None) -> Batch | None:
        """The oldest period with a record, after the one before."""
        behind = datetime.fromisoformat(after.high) if after is not None else None
        where = [*self._exact, *([self._from(behind)] if behind else [])]
        oldest = self._form.read(connection.scalar(sa.select(sa.func.min(self._time)).where(*where)))
        if oldest is None:
            return None
        start = start_of(oldest, self._period)
        start = max(start, behind) if behind else start
        return Batch(low=after.high if after else None, high=iso_utc(end_of(start, self._period)))

    def act(self, connection: sa.Connection, batch: Batch) -> int:
        """Raises StoreBusy where records came while they were counted: nothing is done then."""
        end = datetime.fromisoformat(batch.high)
        low = [self._from(datetime.fromisoformat(batch.low))] if batch.low else []
        where = [*self._exact, is_before(self._time, self._form, end, self._table.dialect), *low]
        counted = self._lock(connection, where)
        if counted:
            connection.execute(self._insert(where, start_of(_just_before(end), self._period)))
        gone = connection.execute(sa.delete(self._table.clause).where(*where)).rowcount
        if gone != counted:
            raise StoreBusy(
                f"{self._table.at} changed while it was rolled up. This batch was rolled back.",
                remedy="Run it again: nothing is lost and nothing counted twice.",
            )
        return gone

    def _from(self, instant: datetime) -> sa.ColumnElement[bool]:
        before = is_before(self._time, self._form, instant, self._table.dialect)
        return sa.not_(sa.func.coalesce(before, sa.false(), type_=sa.Boolean()))

    def _lock(self, connection: sa.Connection, where: Sequence[sa.ColumnElement[bool]]) -> int:
        """How many records there are, none of which changes from here on; SQLite has one writer at a time."""
        found: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(self._table.clause).where(*where)
        if self._table.dialect == "mariadb":
            counting = sa.select(sa.func.count()).select_from(self._table.clause).where(*where).with_for_update()
        else:
            inner = found.with_for_update() if self._table.dialect == "postgresql" else found
            counting = sa.select(sa.func.count()).select_from(inner.subquery())
        return int(connection.scalar(counting) or 0)

    def _insert(self, where: Sequence[sa.ColumnElement[bool]], start: datetime) -> sa.Insert:
        groups = [name for name in self._totals.by if name not in PERIODS]
        values: dict[str, Any] = {self._period: self._label(start)}
        values |= {name: self._table.column(name) for name in groups}
        for field in self._into.fields:
            if field.name in values or field.generated or field.name in self._into.primary_key:
                continue
            if field.name == ROWS:
                values[ROWS] = sa.func.count()
            elif self._table.families.get(field.name) in _NUMBERS:
                values[field.name] = sa.func.coalesce(sa.func.sum(self._table.column(field.name)), 0)
        told_apart = sa.func.count()
        if self._totals.person is not None:
            told_apart = sa.func.count(sa.distinct(self._table.column(self._totals.person)))
        chosen = sa.select(*(value.label(f"kept_{place}") for place, value in enumerate(values.values())))
        chosen = chosen.select_from(self._table.clause).where(*where)
        chosen = chosen.group_by(*(self._table.column(name) for name in groups)).having(told_apart >= self._totals.k)
        return sa.insert(self._into.clause).from_select(list(values), chosen)

    def _label(self, start: datetime) -> sa.ColumnElement[Any]:
        kind = self._into.family(self._period)
        if kind is Family.DATE:
            return sa.literal(start.date(), sa.Date())
        if kind is Family.TIMESTAMPTZ:
            return sa.literal(start, sa.TIMESTAMP(timezone=True))
        if kind is Family.TIMESTAMP:
            return sa.literal(start.replace(tzinfo=None), sa.TIMESTAMP())
        return sa.literal(start.strftime(_LABELS[self._period]), sa.Text())


def _just_before(end: datetime) -> datetime:
    return datetime.fromtimestamp(end.timestamp() - 1, tz=end.tzinfo)
