"""The kind `sql`: tables of a SQLite or PostgreSQL database as collections, worked where they live, set by set."""

import json
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

import sqlalchemy as sa

from core.clock import Clock, require_utc
from core.errors import KeptError
from core.settings import TimeField
from stores.conditions import Before, Condition, conjuncts
from stores.contract import (
    Batch,
    CannotCompare,
    Capability,
    CollectionMissing,
    Deed,
    Extent,
    Receipt,
    Shape,
    StoreUnreachable,
    TimeCensus,
    Work,
)
from stores.sql_batches import Batches, BatchKey, deed_statement, unpointed
from stores.sql_conditions import SqlConditions
from stores.sql_engine import LOCK_SECONDS, SqlEngine
from stores.sql_receipts import SqlReceipts
from stores.sql_tables import KNOWN_SECONDS, Family, KnownTable, Tables
from stores.sql_times import find_form, is_after, is_time, written
from stores.times import Kind, TimeForm

PAGE_ROWS = 1_000
_PLAIN = (str, int, float, bool, datetime, date, Decimal, bytes, type(None))


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """A work in SQL: the whole predicate of the deed, the quicker one that finds its bounds, what SET_TIME writes."""

    since: float
    table: KnownTable
    search: list[sa.ColumnElement[bool]]
    exact: list[sa.ColumnElement[bool]]
    value: Any


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
    ) -> None:
        self.name = name
        self._clock = clock
        self._engine = SqlEngine(name, url, lock_seconds=lock_seconds)
        self._dialect = self._engine.dialect
        self._tables = Tables(self._engine, schema)
        self._conditions = SqlConditions(self._dialect, self._tables.table, self._form)
        self._batches = Batches(self._dialect)
        self._receipts = SqlReceipts(schema)
        self._receipts_seen = False
        self._forms: dict[tuple[str, TimeField], tuple[float, TimeForm]] = {}
        self._ready: dict[Work, _Ready] = {}
        self.capabilities = _capabilities(self._dialect, receipts=receipts)

    def ping(self) -> None:
        with self._engine.read() as connection:
            connection.execute(sa.text("SELECT 1 FROM sqlite_master" if self._dialect == "sqlite" else "SELECT 1"))

    def now(self) -> datetime:
        if self._dialect == "sqlite":
            return require_utc(self._clock.now())
        with self._engine.read() as connection:
            told = connection.scalar(sa.text("SELECT clock_timestamp()"))
        if not isinstance(told, datetime):
            raise StoreUnreachable(f"The store {self.name} does not tell its time.")
        return require_utc(told)

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
        now, column = self.now(), table.column(field.name)
        known = is_time(column, form, self._dialect) if form else sa.false()
        future = is_after(column, form, now, self._dialect) if form else sa.false()
        counts: list[Any] = [sa.func.count(), sa.func.count().filter(known), sa.func.count().filter(future)]
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
        column = table.column(time.name)
        known = is_time(column, form, self._dialect)
        if any(isinstance(part, Before) and part.field == time for part in conjuncts(where)):
            known = sa.true()  # the condition has looked at each value already
        ends: list[Any] = [sa.func.min(column).filter(known), sa.func.max(column).filter(known)]
        figures: list[Any] = [sa.func.count(), sa.func.count().filter(known), *ends]
        with self._engine.read() as connection:
            rows, timed, oldest, newest = connection.execute(
                sa.select(*figures).select_from(table.clause).where(condition)
            ).one()
        return Extent(rows=rows, oldest=form.read(oldest), newest=form.read(newest), timeless=rows - timed)

    def next_batch(self, work: Work, after: Batch | None) -> Batch | None:
        ready = self._prepare(work)
        with self._engine.read() as connection:
            return self._batches.next(connection, ready.table, work, ready.search, ready.exact, after)

    def act(self, work: Work, batch: Batch, receipt: Receipt | None = None) -> int:
        ready = self._prepare(work)
        key = BatchKey(ready.table, work.where, self._dialect)
        bounds = key.within(batch.low, batch.high)
        statement = deed_statement(work, ready.table, [*bounds, *ready.exact], ready.value)
        try:
            with self._engine.write() as connection:
                kept = receipt if receipt is not None and self._keeps_receipts(connection) else None
                if kept is not None and (done := self._receipts.find(connection, kept)) is not None:
                    return done
                rows = connection.execute(statement).rowcount
                if kept is not None:
                    self._receipts.write(connection, kept, rows, self._clock.now())
                return rows
        except CollectionMissing:
            self._forget()
            raise

    def prepare_receipts(self) -> None:
        self._need(Capability.RECEIPTS, "keeps no receipts: kept.yaml refuses them")
        with self._engine.write() as connection:
            self._receipts.create(connection)

    def receipt_of(self, receipt: Receipt) -> int | None:
        with self._engine.read() as connection:
            return self._receipts.find(connection, receipt) if self._keeps_receipts(connection) else None

    def drop_receipts(self, step: str) -> None:
        with self._engine.write() as connection:
            if self._keeps_receipts(connection):
                self._receipts.drop(connection, step)

    def records(self, at: str, where: Condition) -> Generator[Mapping[str, Any], None, None]:
        table, condition = self._tables.table(at), self._conditions.compile(at, where)
        key = [table.clause.c[name] for name in table.key]
        fields = [table.clause.c[field.name] for field in table.fields]
        if self._dialect == "sqlite" and key:
            yield from self._paged(table, fields, condition)
            return
        found = sa.select(*fields).where(condition).order_by(*(key or fields[:1]))
        with self._engine.read() as connection:
            options = {"stream_results": True, "yield_per": PAGE_ROWS}
            with connection.execute(found, execution_options=options) as rows:
                yield from (_plain_record(table, row) for row in rows)

    def values(self, at: str, field: str, where: Condition) -> Iterator[str]:
        table, condition = self._tables.table(at), self._conditions.compile(at, where)
        column = table.column(field)
        found = sa.select(column).where(condition, column.is_not(None)).distinct().order_by(column)
        with self._engine.read() as connection:
            options = {"stream_results": True, "yield_per": PAGE_ROWS}
            with connection.execute(found, execution_options=options) as rows:
                yield from (text for value in rows.scalars() if (text := str(_plain(value))) != "")

    def sample(self, at: str, where: Condition, *, limit: int = 10) -> list[Mapping[str, Any]]:
        with closing(self.records(at, where)) as records:
            return list(islice(records, limit))

    def left_for_later(self, at: str) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        self._engine.close()

    def _prepare(self, work: Work) -> _Ready:
        """Built once for the batches of half a minute, like what is known of the table."""
        known = self._ready.get(work)
        if known is not None and time.monotonic() - known.since <= KNOWN_SECONDS:
            return known
        table = self._tables.table(work.at)
        search, exact = (
            self._conditions.compile_search(work.at, work.where),
            self._conditions.compile(work.at, work.where),
        )
        more, value = unpointed(table), None
        if work.deed is Deed.SET_TIME:
            if work.field is None or work.value is None:
                raise KeptError(f"{work.at}: to set a time takes a field and a value.")
            value = written(self._form_to_write(table, work.field, work.order_by), work.value)
            more = [table.column(work.field.name).is_(None)]
        ready = _Ready(since=time.monotonic(), table=table, search=[search, *more], exact=[exact, *more], value=value)
        self._ready = {work: ready}
        return ready

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

    def _form_to_write(self, table: KnownTable, field: TimeField, sibling: TimeField | None) -> TimeForm:
        """A column nobody has written to yet is written like the record's own time, where that is of the same type."""
        form = self._form(table.at, field)
        if form is None and sibling is not None and table.families[field.name] is table.families.get(sibling.name):
            form = self._form(table.at, sibling)
        if form is None and table.families[field.name] in (Family.TEXT, Family.BLOB):
            form = TimeForm(kind=Kind.TEXT, word="iso", suffix="Z")
        if form is None:
            raise CannotCompare(
                f"{table.at}.{field.name} has no value yet, so how it writes times is not known.",
                remedy=f"Say it in kept.yaml: {{field: {field.name}, as: epoch_s}}, or epoch_ms or epoch_us.",
            )
        return form

    def _paged(
        self, table: KnownTable, fields: list[Any], condition: sa.ColumnElement[bool]
    ) -> Iterator[Mapping[str, Any]]:
        # A read held open while a person's package is written would keep other programs from committing.
        key = [table.clause.c[name] for name in table.key]
        page = sa.select(*fields, *(column.label(f"kept_key_{place}") for place, column in enumerate(key)))
        page = page.where(condition).order_by(*key).limit(PAGE_ROWS)
        after: list[sa.ColumnElement[bool]] = []
        while True:
            with self._engine.read() as connection:
                rows = connection.execute(page.where(*after)).all()
            yield from (_plain_record(table, row) for row in rows)
            if len(rows) < PAGE_ROWS:
                return
            last = [sa.literal(value, sa.types.NullType()) for value in rows[-1][len(fields) :]]
            after = [sa.tuple_(*key) > sa.tuple_(*last)] if len(key) > 1 else [key[0] > last[0]]

    def _keeps_receipts(self, connection: sa.Connection) -> bool:
        if not self._receipts_seen and Capability.RECEIPTS in self.capabilities:
            self._receipts_seen = self._receipts.exist(connection)
        return self._receipts_seen

    def _forget(self) -> None:
        self._receipts_seen = False
        self._tables.forget()
        self._forms.clear()
        self._ready.clear()

    def _need(self, capability: Capability, problem: str) -> None:
        if capability not in self.capabilities:
            raise KeptError(f"The store {self.name} {problem}.", remedy="Set receipts: true, or go on without them.")


def _capabilities(dialect: str, *, receipts: bool) -> frozenset[Capability]:
    lacking = {Capability.OWN_CLOCK} if dialect == "sqlite" else set()
    if not receipts:
        lacking.add(Capability.RECEIPTS)
    return frozenset(Capability) - lacking


def _plain_record(table: KnownTable, row: sa.Row[Any]) -> Mapping[str, Any]:
    return {field.name: _plain(value) for field, value in zip(table.fields, row, strict=False)}


def _plain(value: Any) -> Any:
    """What JSON has no word for becomes text; what the contract names stays as it is."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, dict | list):
        return json.dumps(value, default=str, ensure_ascii=False, sort_keys=True)
    return str(value)
