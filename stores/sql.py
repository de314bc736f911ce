"""The kind `sql`: tables of a PostgreSQL, MariaDB or SQLite database as collections, worked where they live, set by set."""

import json
import operator
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
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
    Streamed,
    TimeCensus,
    Work,
    unfinished,
)
from stores.sql_batches import Batches, BatchKey, compare_key, deed_statement, unpointed
from stores.sql_conditions import SqlConditions
from stores.sql_deeds import corrections, differs, is_filled, redactions
from stores.sql_engine import CONNECT_SECONDS, LOCK_SECONDS, SqlEngine
from stores.sql_families import Family
from stores.sql_mariadb import abandon, in_unicode
from stores.sql_pointers import unindexed
from stores.sql_receipts import SqlReceipts
from stores.sql_streams import stream_pages
from stores.sql_tables import KNOWN_SECONDS, KnownTable, Tables
from stores.sql_times import find_form, is_after, is_time, time_column, written
from stores.sql_totals import RollUp
from stores.times import Kind, TimeForm

PAGE_ROWS = 1_000
_CLOCKS = {"postgresql": "SELECT clock_timestamp()", "mariadb": "SELECT UTC_TIMESTAMP(6)"}
_PLAIN = (str, int, float, bool, datetime, date, Decimal, bytes, type(None))


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """A work in SQL: the whole predicate of the deed, the quicker one that finds its bounds, what it writes."""

    since: float
    table: KnownTable
    search: list[sa.ColumnElement[bool]]
    exact: list[sa.ColumnElement[bool]]
    values: Mapping[str, Any]
    rolls_up: RollUp | None = None


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
        ready = self._prepare(work)
        with self._engine.read() as connection:
            if ready.rolls_up is not None:
                return ready.rolls_up.next(connection, after)
            return self._batches.next(connection, ready.table, work, ready.search, ready.exact, after)

    def act(self, work: Work, batch: Batch, receipt: Receipt | None = None) -> int:
        ready = self._prepare(work)
        try:
            with self._engine.write() as connection:
                kept = receipt if receipt is not None and self._keeps_receipts(connection) else None
                if kept is not None and (done := self._receipts.find(connection, kept)) is not None:
                    return done
                rows = _change(connection, work, ready, batch)
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
        """Page by page along the key where the server does not stream for as long as the caller takes (SQLite, MariaDB)."""
        table, condition = self._tables.table(at), self._conditions.compile(at, where)
        if self._dialect != "postgresql" and table.key:
            yield from self._paged(table, condition)
            return
        found = self._found(table, condition)
        with self._engine.read() as connection, self._streaming(connection, found) as rows:
            yield from (_plain_record(table, row) for row in rows)

    def values(self, at: str, field: str, where: Condition) -> Iterator[str]:
        table, condition = self._tables.table(at), self._conditions.compile(at, where)
        column = table.column(field)
        if self._dialect == "mariadb" and table.family(field) is Family.TEXT:
            column = in_unicode(column)  # its collation may take two values for one
        found = sa.select(column).where(condition, column.is_not(None)).distinct().order_by(column)
        with self._engine.read() as connection, self._streaming(connection, found) as rows:
            yield from (text for (value,) in rows if (text := str(_plain(value))) != "")

    def stream(
        self, at: str, fields: Sequence[str], where: Condition, after: str | None = None
    ) -> Generator[Streamed, None, None]:
        """Page by page along the key: no transaction stays open, however slowly the caller reads."""
        table, condition = self._tables.table(at), self._conditions.compile(at, where)
        yield from stream_pages(self._engine, table, fields, condition, after, plain=_plain)

    def sample(self, at: str, where: Condition, *, limit: int = 10) -> list[Mapping[str, Any]]:
        table, condition = self._tables.table(at), self._conditions.compile(at, where)
        with self._engine.read() as connection:
            rows = connection.execute(self._found(table, condition).limit(limit)).all()
        return [_plain_record(table, row) for row in rows]

    def findings(self, at: str) -> tuple[str, ...]:
        """What a person should know before work on this table: what forbids it, and what makes it slow."""
        table = self._tables.table(at)
        if table.obstacle is not None:
            return (f"{at} {table.obstacle}: nothing can be deleted from it or changed in it.",)
        with self._engine.read() as connection:
            slow = unindexed(connection, table.pointers)
        found = [
            f"No index begins with {', '.join(pointer.fields)} of {pointer.table.name}, whose foreign key "
            f"{pointer.name} points at {at}: each delete here reads all of {pointer.table.name}."
            for pointer in slow
        ]
        if not table.primary_key:
            found.append(f"{at} has no primary key: a stream of it cannot be taken up again.")
        return tuple(found)

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
        more, values = self._writes(work, table)
        search_all, exact_all = [search, *more], [exact, *more]
        rolls_up = self._roll_up(work, table, exact_all) if work.deed is Deed.AGGREGATE else None
        ready = _Ready(
            since=time.monotonic(), table=table, search=search_all, exact=exact_all, values=values, rolls_up=rolls_up
        )
        self._ready = {work: ready}
        return ready

    def _writes(self, work: Work, table: KnownTable) -> tuple[list[sa.ColumnElement[bool]], Mapping[str, Any]]:
        """What must hold besides for a row to be changed, so that a batch done twice changes nothing; and what is written."""
        if work.deed in (Deed.DELETE, Deed.AGGREGATE):
            return unpointed(table), {}
        if work.deed is Deed.REDACT:
            return [sa.or_(*(is_filled(table, name) for name in work.fields))], redactions(table, work.fields)
        if work.deed is Deed.CORRECT:
            wrong = (differs(table, name, value) for name, value in work.corrections)
            return [sa.or_(*wrong)], corrections(table, work.corrections)
        if work.field is None or work.value is None:
            raise KeptError(f"{work.at}: to set a time takes a field and a value.")
        value = written(self._form_to_write(table, work.field, work.order_by), work.value)
        return [table.column(work.field.name).is_(None)], {work.field.name: value}

    def _roll_up(self, work: Work, table: KnownTable, exact: list[sa.ColumnElement[bool]]) -> RollUp | None:
        form = self._form(work.at, work.order_by) if work.order_by is not None else None
        closed = self._conditions.compile(work.at, unfinished(work))
        if form is None or work.totals is None:
            return None  # no record has a time yet
        return RollUp(work, table, self._tables.table(work.totals.into), form, [*exact, closed])

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
        if form is None and sibling is not None and table.family(field.name) is table.family(sibling.name):
            form = self._form(table.at, sibling)
        if form is None and table.family(field.name) in (Family.TEXT, Family.BLOB):
            form = TimeForm(kind=Kind.TEXT, word="iso", suffix="Z")
        if form is None:
            raise CannotCompare(
                f"{table.at}.{field.name} has no value yet, so how it writes times is not known.",
                remedy=f"Say it in kept.yaml: {{field: {field.name}, as: epoch_s}}, or epoch_ms or epoch_us.",
            )
        return form

    def _found(self, table: KnownTable, condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
        fields = [table.clause.c[field.name] for field in table.fields]
        key = [table.clause.c[name] for name in table.key]
        return sa.select(*fields).where(condition).order_by(*(key or fields[:1]))

    @contextmanager
    def _streaming(self, connection: sa.Connection, found: sa.Select[Any]) -> Iterator[Iterator[sa.Row[Any]]]:
        """Through a server-side cursor. Left early, MariaDB's connection goes: it would read the rest to the end."""
        options = {"stream_results": True, "yield_per": PAGE_ROWS}
        result = connection.execute(found, execution_options=options)
        try:
            yield iter(result)
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
            yield from (_plain_record(table, row) for row in rows)
            if len(rows) < PAGE_ROWS:
                return
            last = [sa.literal(value, sa.types.NullType()) for value in rows[-1][len(table.fields) :]]
            after = [compare_key(self._dialect, key, last, operator.gt)]

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


def _change(connection: sa.Connection, work: Work, ready: _Ready, batch: Batch) -> int:
    if ready.rolls_up is not None:
        return ready.rolls_up.act(connection, batch)
    bounds = BatchKey(ready.table, work.where).within(batch.low, batch.high)
    return connection.execute(deed_statement(work, ready.table, [*bounds, *ready.exact], ready.values)).rowcount


def _capabilities(dialect: str, *, receipts: bool) -> frozenset[Capability]:
    lacking = {Capability.OWN_CLOCK} if dialect == "sqlite" else set()
    if not receipts:
        lacking.add(Capability.RECEIPTS)
    return frozenset(Capability) - lacking


def _plain_record(table: KnownTable, row: sa.Row[Any]) -> Mapping[str, Any]:
    values = {field.name: _plain(value) for field, value in zip(table.fields, row, strict=False)}
    if table.dialect == "mariadb":  # its instants come without a zone; the session's is UTC
        for name, value in values.items():
            if isinstance(value, datetime) and table.families[name] is Family.TIMESTAMPTZ:
                values[name] = value.replace(tzinfo=UTC)
    return values


def _count_of(condition: sa.ColumnElement[bool]) -> Any:
    """How many rows hold it; MariaDB knows no FILTER."""
    return sa.func.count(sa.case((condition, sa.literal_column("1"))))


def _plain(value: Any) -> Any:
    """What JSON has no word for becomes text; what the contract names stays as it is."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, dict | list):
        return json.dumps(value, default=str, ensure_ascii=False, sort_keys=True)
    return str(value)
