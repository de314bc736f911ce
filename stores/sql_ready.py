"""A work made ready in SQL: which rows it looks for, which it changes, and what it writes; kept for its next batches."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from core.errors import KeptError
from core.settings import TimeField
from stores.contract import CannotCompare, Deed, Work, unfinished
from stores.sql_anonymise import anonymisations, find_unique, tells
from stores.sql_batches import unpointed
from stores.sql_conditions import SqlConditions
from stores.sql_deeds import corrections, differs, is_filled, redactions
from stores.sql_engine import SqlEngine
from stores.sql_families import Family
from stores.sql_kept import KeptRows
from stores.sql_tables import KNOWN_SECONDS, KnownTable, Tables
from stores.sql_ties import tie_up
from stores.sql_times import written
from stores.sql_totals import RollUp
from stores.times import Kind, TimeForm


@dataclass(frozen=True, kw_only=True)
class Ready:
    """`whole`: the condition of the work alone; `exact`: with it, what must hold for the deed to change a row; `search`:
    the quicker one that finds the bounds of batches; `kept`: where rows go, those that are pointed at."""

    since: float
    table: KnownTable
    search: list[sa.ColumnElement[bool]]
    exact: list[sa.ColumnElement[bool]]
    whole: sa.ColumnElement[bool]
    values: Mapping[str, Any]
    rolls_up: RollUp | None = None
    kept: KeptRows | None = None


class Preparing:
    """Makes works ready; of one work what was built last is good for as long as what is known of its table."""

    def __init__(
        self,
        engine: SqlEngine,
        tables: Tables,
        conditions: SqlConditions,
        form_of: Callable[[str, TimeField], TimeForm | None],
    ) -> None:
        self._engine = engine
        self._tables = tables
        self._conditions = conditions
        self._form_of = form_of
        self._known: dict[Work, Ready] = {}

    def of(self, work: Work) -> Ready:
        matter = work.matter
        known = self._known.get(matter)
        if known is not None and time.monotonic() - known.since <= KNOWN_SECONDS:
            return known
        table = self._tables.table(work.at)
        search = self._conditions.compile_search(work.at, work.where)
        whole = self._conditions.compile(work.at, work.where)
        kept = self._tie_up(work, table)
        more, values = self._writes(work, table, kept)
        ready = Ready(
            since=time.monotonic(),
            table=table,
            search=[search, *more],
            exact=[whole, *more],
            whole=whole,
            values=values,
            rolls_up=self._roll_up(work, table, [whole, *more]) if work.deed is Deed.AGGREGATE else None,
            kept=kept,
        )
        self._known = {matter: ready}
        return ready

    def forget(self) -> None:
        self._known.clear()

    def _tie_up(self, work: Work, table: KnownTable) -> KeptRows | None:
        if work.deed not in (Deed.DELETE, Deed.AGGREGATE):
            return None
        meant = work if work.deed is Deed.DELETE else replace(work, loosens=(), pins=())
        if not table.pointers:
            return KeptRows(table)
        with self._engine.read() as connection:
            return tie_up(connection, table, meant, self._tables.table, self._conditions.compile_over)

    def _writes(
        self, work: Work, table: KnownTable, kept: KeptRows | None
    ) -> tuple[list[sa.ColumnElement[bool]], Mapping[str, Any]]:
        """What must hold besides for a row to be changed, so that a batch done twice changes nothing; and what is written."""
        match work.deed:
            case Deed.DELETE:
                return (kept.more() if kept is not None else []), {}
            case Deed.AGGREGATE:
                return unpointed(table), {}
            case Deed.REDACT:
                return [sa.or_(*(is_filled(table, name) for name in work.fields))], redactions(table, work.fields)
            case Deed.ANONYMISE:
                values = self._anonymisations(work, table)
                return [sa.or_(*(tells(table, name) for name in work.fields))], values
            case Deed.CORRECT:
                wrong = (differs(table, name, value) for name, value in work.corrections)
                return [sa.or_(*wrong)], corrections(table, work.corrections)
            case Deed.SET_TIME:
                return self._set_time(work, table)

    def _anonymisations(self, work: Work, table: KnownTable) -> Mapping[str, Any]:
        with self._engine.read() as connection:
            unique = find_unique(connection, table)
        return anonymisations(table, work.fields, unique)

    def _set_time(self, work: Work, table: KnownTable) -> tuple[list[sa.ColumnElement[bool]], Mapping[str, Any]]:
        if work.field is None or work.value is None:
            raise KeptError(f"{work.at}: to set a time takes a field and a value.")
        value = written(self._form_to_write(table, work.field, work.order_by), work.value)
        return [table.column(work.field.name).is_(None)], {work.field.name: value}

    def _roll_up(self, work: Work, table: KnownTable, exact: list[sa.ColumnElement[bool]]) -> RollUp | None:
        form = self._form_of(work.at, work.order_by) if work.order_by is not None else None
        closed = self._conditions.compile(work.at, unfinished(work))
        if form is None or work.totals is None:
            return None  # no record has a time yet
        return RollUp(work, table, self._tables.table(work.totals.into), form, [*exact, closed])

    def _form_to_write(self, table: KnownTable, field: TimeField, sibling: TimeField | None) -> TimeForm:
        """A column nobody has written to yet is written like the record's own time, where that is of the same type."""
        form = self._form_of(table.at, field)
        if form is None and sibling is not None and table.family(field.name) is table.family(sibling.name):
            form = self._form_of(table.at, sibling)
        if form is None and table.family(field.name) in (Family.TEXT, Family.BLOB):
            form = TimeForm(kind=Kind.TEXT, word="iso", suffix="Z")
        if form is None:
            raise CannotCompare(
                f"{table.at}.{field.name} has no value yet, so how it writes times is not known.",
                remedy=f"Say it in kept.yaml: {{field: {field.name}, as: epoch_s}}, or epoch_ms or epoch_us.",
            )
        return form
