"""The kind `sql`: tables of a PostgreSQL, MariaDB or SQLite database as collections, worked where they live, set by set."""

import operator
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from core.clock import Clock, require_utc
from core.errors import KeptError
from core.settings import TimeField
from stores.conditions import Before, Condition, conjuncts
from stores.contract import (
    Batch,
    Blocker,
    Capability,
    CollectionMissing,
    Deed,
    Extent,
    Receipt,
    Refused,
    Shape,
    StoreBusy,
    StoreUnreachable,
    Streamed,
    TimeCensus,
    Work,
    unfinished,
)
from stores.sql_batches import Batches, BatchKey, change_first, compare_key, deed_statement, is_of_first
from stores.sql_conditions import SqlConditions
from stores.sql_deletes import Deletes
from stores.sql_engine import CONNECT_SECONDS, LOCK_SECONDS, SqlEngine
from stores.sql_families import Family
from stores.sql_findings import find as find_findings
from stores.sql_kept import Done
from stores.sql_mariadb import abandon, in_unicode
from stores.sql_partitions import Patience, is_partition
from stores.sql_partitions_kinds import open_partitions
from stores.sql_plain import plain, plain_records
from stores.sql_ready import Preparing, Ready
from stores.sql_receipts import Slip, SqlReceipts
from stores.sql_reclaim import reclaim_space
from stores.sql_streams import stream_pages
from stores.sql_tables import KNOWN_SECONDS, KnownTable, Tables
from stores.sql_ties import pointers_between
from stores.sql_times import find_form, is_after, is_time, time_column
from stores.times import TimeForm

PAGE_ROWS = 1_000
_CLOCKS = {"postgresql": "SELECT clock_timestamp()", "mariadb": "SELECT UTC_TIMESTAMP(6)"}


class SqlStore:
    """One SQL database. `schema` None: the connection's default; `at` is a table or `schema.table`."""

    kind = "sql"

    def __init__(
        self,
        name: str,
        url: str,
        *,
        clock: Clock,
        receipts: bool = True,
        schema: str | None = None,
        lock_seconds: float = LOCK_SECONDS,
        connect_seconds: int = CONNECT_SECONDS,
    ) -> None:
        self.name = name
        self._clock = clock
        self._engine = SqlEngine(name, url, lock_seconds=lock_seconds, connect_seconds=connect_seconds)
        self._dialect = self._engine.dialect
        self._tables = Tables(self._engine, schema)
        self._conditions = SqlConditions(self._dialect, self._tables.table, self._form)
        self._batches = Batches()
        self._receipts = SqlReceipts(schema)
        self._receipts_seen = False
        self._partitions = open_partitions(self._engine, self._conditions, self._form)
        self._forms: dict[tuple[str, TimeField], tuple[float, TimeForm]] = {}
        self._ready = Preparing(self._engine, self._tables, self._conditions, self._form)
        self._deletes = Deletes(self._engine.told)
        self.capabilities = _capabilities(self._dialect, receipts=receipts)

    def ping(self) -> None:
        with self._engine.read() as connection:
            connection.execute(sa.text("SELECT 1 FROM sqlite_master" if self._dialect == "sqlite" else "SELECT 1"))

    def now(self) -> datetime:
        if self._dialect == "sqlite":
            return require_utc(self._clock.now())
        with self._engine.read() as connection:
            told = connection.scalar(sa.text(_CLOCKS[self._dialect]))
        if not isinstance(told, datetime):
            raise StoreUnreachable(f"The store {self.name} does not tell its time.")
        return require_utc(told.replace(tzinfo=UTC) if self._dialect == "mariadb" else told)

    def collections(self) -> tuple[str, ...]:
        return self._tables.names()

    def shape(self, at: str) -> Shape:
        table = self._tables.table(at)
        return Shape(fields=table.fields, key=table.primary_key)

    def time_form(self, at: str, field: TimeField) -> str:
        """The word of the form. A column in which no row has a value yet has the form that is declared, else iso."""
        form = self._form(at, field)
        return form.word if form is not None else field.form or "iso"

    def census(self, at: str, field: TimeField) -> TimeCensus:
        table, form = self._tables.table(at), self._form(at, field)
        known: sa.ColumnElement[bool] = sa.false()
        future: sa.ColumnElement[bool] = sa.false()
        table.column(field.name)
        if form is not None:
            column = time_column(table, field, form)
            known = is_time(column, form, self._dialect)
            future = is_after(column, form, self.now(), self._dialect)
        counts: list[Any] = [sa.func.count(), _count_of(known), _count_of(future)]
        with self._engine.read() as connection:
            rows, timed, later = connection.execute(sa.select(*counts).select_from(table.clause)).one()
        return TimeCensus(rows=rows, missing=rows - timed, future=later)

    def measure(self, at: str, where: Condition, *, time: TimeField | None = None) -> Extent:
        table, condition = self._tables.table(at), self._conditions.compile(at, where)
        form = self._form(at, time) if time is not None else None
        if time is None or form is None:
            with self._engine.read() as connection:
                rows = connection.scalar(sa.select(sa.func.count()).select_from(table.clause).where(condition)) or 0
            return Extent(rows=rows, timeless=0 if time is None else rows)
        column = time_column(table, time, form)
        known = is_time(column, form, self._dialect)
        if any(isinstance(part, Before) and part.field == time for part in conjuncts(where)):
            known = sa.true()  # the condition has looked at each value already
        timed_only: Any = sa.case((known, column))
        figures: list[Any] = [sa.func.count(), _count_of(known), sa.func.min(timed_only), sa.func.max(timed_only)]
        with self._engine.read() as connection:
            rows, timed, oldest, newest = connection.execute(
                sa.select(*figures).select_from(table.clause).where(condition)
            ).one()
        return Extent(rows=rows, oldest=form.read(oldest), newest=form.read(newest), timeless=rows - timed)

    def next_batch(self, work: Work, after: Batch | None) -> Batch | None:
        ready = self._ready.of(work)
        if after is None:
            self._deletes.begin(work.at)
        with self._engine.read() as connection:
            if ready.rolls_up is not None:
                return ready.rolls_up.next(connection, after)
            if self._partitions is not None:
                # what others point at goes row by row: a partition lets go of nobody
                whole = None if ready.table.pointers else self._partitions.next(connection, work, ready.table, after)
                if whole is not None:
                    return whole
                after = None if after is not None and is_partition(after) else after
            return self._batches.next(connection, ready.table, work, ready.search, ready.exact, after)

    def act(self, work: Work, batch: Batch, receipt: Receipt | None = None) -> int:
        ready, slip = self._ready.of(work), self._slip(receipt)
        try:
            if self._partitions is not None and is_partition(batch):
                return self._partitions.act(work, ready.table, batch, slip)
            return self._act_patiently(work, ready, batch, slip)
        except CollectionMissing:
            self._forget()
            raise

    def _act_patiently(self, work: Work, ready: Ready, batch: Batch, slip: Slip) -> int:
        """A lock that another program has is not waited for: the batch is taken back, and tried again a little later."""
        patience, with_care = Patience.begun(self._engine.lock_seconds), False
        while True:
            try:
                return self._act(work, ready, batch, slip, with_care=with_care)
            except Refused:
                if work.deed is not Deed.DELETE or with_care:
                    raise
                with_care = True
                continue
            except StoreBusy:
                if patience.over or work.deed is Deed.AGGREGATE:
                    raise
            patience.wait()

    def _act(self, work: Work, ready: Ready, batch: Batch, slip: Slip, *, with_care: bool) -> int:
        with self._engine.write(gives_way=work.deed is not Deed.AGGREGATE) as connection:
            if (done := slip.found(connection)) is not None:
                return done
            if is_of_first(batch):
                changed = Done(gone=change_first(connection, work, ready.table, batch, ready.exact, ready.values))
            elif ready.kept is None or work.deed is not Deed.DELETE:
                changed = Done(gone=_change(connection, work, ready, batch))
            else:
                act = self._deletes.act_with_care if with_care else self._deletes.act
                changed = act(connection, ready.kept, ready.table, work, batch, [ready.whole])
            self._batches.note(work, batch, changed.rows)
            if not slip.write(connection, changed.rows, stubs=changed.stubs):
                self._deletes.note_stubs(work.at, changed.stubs)
            return changed.rows

    def blockers(self, work: Work, step: str | None = None) -> tuple[Blocker, ...]:
        ready = self._ready.of(work)
        if ready.kept is None:
            return ()
        where = [self._conditions.compile(work.at, unfinished(work))]
        with self._engine.read() as connection:
            made = None if step is None else 0
            if step is not None and self._keeps_receipts(connection):
                made = self._receipts.stubs(connection, step)
            return self._deletes.blockers(connection, ready.kept, work.at, where, made)

    def pointers_between(self, ats: Sequence[str]) -> tuple[tuple[str, str], ...]:
        with self._engine.read() as connection:
            return tuple(pointers_between(connection, ats, self._tables.table))

    def prepare_receipts(self) -> None:
        self._need(Capability.RECEIPTS, "keeps no receipts: kept.yaml refuses them")
        with self._engine.write() as connection:
            self._receipts.create(connection)

    def receipt_of(self, receipt: Receipt) -> int | None:
        with self._engine.read() as connection:
            slip = self._slip(receipt)
            if self._partitions is not None and self._partitions.is_under_way(connection, slip):
                return None  # counted, and not cleared away yet: `act` does that
            return slip.found(connection)

    def drop_receipts(self, *steps: str) -> None:
        with self._engine.write() as connection:
            if self._keeps_receipts(connection):
                self._receipts.drop(connection, steps)

    def records(self, at: str, where: Condition) -> Generator[Mapping[str, Any], None, None]:
        """Page by page along the key where the server does not stream for as long as the caller takes (SQLite, MariaDB)."""
        table, condition = self._tables.table(at), self._conditions.compile(at, where)
        if self._dialect != "postgresql" and table.key:
            yield from self._paged(table, condition)
            return
        found = self._found(table, condition)
        with self._engine.read() as connection, self._streaming(connection, found) as rows:
            # The driver's own tuples: rows of SQLAlchemy are kept by the collector of cycles, which would then go through
            # all of the process now and then, in the middle of a copy.
            while page := rows.cursor_strategy.fetchmany(rows, rows.cursor, PAGE_ROWS):
                yield from plain_records(table, page)

    def values(self, at: str, field: str, where: Condition) -> Iterator[str]:
        table, condition = self._tables.table(at), self._conditions.compile(at, where)
        column = table.column(field)
        if self._dialect == "mariadb" and table.family(field) is Family.TEXT:
            column = in_unicode(column)  # its collation may take two values for one
        found = sa.select(column).where(condition, column.is_not(None)).distinct().order_by(column)
        with self._engine.read() as connection, self._streaming(connection, found) as rows:
            yield from (text for (value,) in rows if (text := str(plain(value))) != "")

    def stream(
        self, at: str, fields: Sequence[str], where: Condition, after: str | None = None
    ) -> Generator[Streamed, None, None]:
        """Page by page along the key: no transaction stays open, however slowly the caller reads."""
        table, condition = self._tables.table(at), self._conditions.compile(at, where)
        yield from stream_pages(self._engine, table, fields, condition, after, plain=plain)

    def sample(self, at: str, where: Condition, *, limit: int = 10) -> list[Mapping[str, Any]]:
        table, condition = self._tables.table(at), self._conditions.compile(at, where)
        with self._engine.read() as connection:
            rows = connection.execute(self._found(table, condition).limit(limit)).all()
        return list(plain_records(table, rows))

    def findings(self, at: str, *, times: Sequence[TimeField] = (), period: timedelta | None = None) -> tuple[str, ...]:
        """What a person should know before work on this table: what forbids it, and what makes it slow."""
        return find_findings(self._engine, self._tables.table(at), self._partitions, times)

    def reclaim(self, at: str) -> str:
        """Give back the space of rows that went; says what was done."""
        return reclaim_space(self._engine, self._tables.table(at))

    def left_for_later(self, at: str) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        self._engine.close()

    def _form(self, at: str, field: TimeField) -> TimeForm | None:
        known = self._forms.get((at, field))
        if known is not None and time.monotonic() - known[0] <= KNOWN_SECONDS:
            return known[1]
        table = self._tables.table(at)
        with self._engine.read() as connection:
            form = find_form(connection, table, field, self._dialect)
        if form is not None:  # the first value decides, and it may come any moment
            self._forms[(at, field)] = (time.monotonic(), form)
        return form

    def _found(self, table: KnownTable, condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
        fields = [table.clause.c[field.name] for field in table.fields]
        key = [table.clause.c[name] for name in table.key]
        return sa.select(*fields).where(condition).order_by(*(key or fields[:1]))

    @contextmanager
    def _streaming(self, connection: sa.Connection, found: sa.Select[Any]) -> Iterator[sa.CursorResult[Any]]:
        """Through a server-side cursor. Left early, MariaDB's connection goes: it would read the rest to the end."""
        options = {"stream_results": True, "yield_per": PAGE_ROWS}
        result = connection.execute(found, execution_options=options)
        try:
            yield result
        except GeneratorExit:
            if self._dialect == "mariadb":
                abandon(connection, result)
            raise
        result.close()

    def _paged(self, table: KnownTable, condition: sa.ColumnElement[bool]) -> Iterator[Mapping[str, Any]]:
        # A read held open while a person's package is written would keep other programs from committing.
        key = [table.clause.c[name] for name in table.key]
        marks = (column.label(f"kept_key_{place}") for place, column in enumerate(key))
        page = self._found(table, condition).add_columns(*marks).limit(PAGE_ROWS)
        after: list[sa.ColumnElement[bool]] = []
        while True:
            with self._engine.read() as connection:
                rows = connection.execute(page.where(*after)).all()
            yield from plain_records(table, rows)
            if len(rows) < PAGE_ROWS:
                return
            last = [sa.literal(value, sa.types.NullType()) for value in rows[-1][len(table.fields) :]]
            after = [compare_key(self._dialect, key, last, operator.gt)]

    def _slip(self, receipt: Receipt | None) -> Slip:
        return Slip(self._receipts, receipt, self._keeps_receipts, self._clock.now)

    def _keeps_receipts(self, connection: sa.Connection) -> bool:
        if not self._receipts_seen and Capability.RECEIPTS in self.capabilities:
            self._receipts_seen = self._receipts.exist(connection)
        return self._receipts_seen

    def _forget(self) -> None:
        self._receipts_seen = False
        self._tables.forget()
        self._forms.clear()
        self._ready.forget()

    def _need(self, capability: Capability, problem: str) -> None:
        if capability not in self.capabilities:
            raise KeptError(f"The store {self.name} {problem}.", remedy="Set receipts: true, or go on without them.")


def _change(connection: sa.Connection, work: Work, ready: Ready, batch: Batch) -> int:
    if ready.rolls_up is not None:
        return ready.rolls_up.act(connection, batch)
    bounds = BatchKey(ready.table, work.where).within(batch.low, batch.high)
    return connection.execute(deed_statement(work, ready.table, [*bounds, *ready.exact], ready.values)).rowcount


def _capabilities(dialect: str, *, receipts: bool) -> frozenset[Capability]:
    lacking = {Capability.OWN_CLOCK} if dialect == "sqlite" else set()
    if not receipts:
        lacking.add(Capability.RECEIPTS)
    return frozenset(Capability) - lacking


def _count_of(condition: sa.ColumnElement[bool]) -> Any:
    """How many rows hold it; MariaDB knows no FILTER."""
    return sa.func.count(sa.case((condition, sa.literal_column("1"))))
