"""Whole partitions of a SQL table of which every record is over: a batch of its own, dropped and not emptied row by row.

The bounds of a partition only say where to look: whether it may go is decided by the whole condition over each of its rows,
twice. What stays for any reason (a hold, a row that was refreshed, a foreign key) keeps its partition, which then goes by rows.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import True_

from core.settings import TimeField
from stores.conditions import AllOf, AnyOf, Before, Condition, Not, Through, conjuncts
from stores.contract import Batch, Deed, StoreBusy, Work
from stores.sql_receipts import Slip
from stores.sql_tables import KnownTable
from stores.times import TimeForm

# A lock that stops writers is waited for so long at a time, and so long in all: a reader of half a minute is sat out.
LOCK_SECONDS: Final = 0.15
# What partitions there are is read again so often: a tree of thousands is not read for each of them.
LOOK_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 40.0
_PAUSES: Final = (0.05, 1.0)
_PARTITION: Final = "partition"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A partition, as the bounds of its batch name it. `about`: what its server needs to find it, and to put it back."""

    name: str
    about: Mapping[str, Any]

    def batch(self) -> Batch:
        return Batch(low=None, high={_PARTITION: self.name, **self.about})


@dataclass(frozen=True, kw_only=True)
class Meant:
    """What a work compares a partition's bounds with: a time of the records, how it is written, and the instant as a literal."""

    field: TimeField
    form: TimeForm
    instant: Any


class Server(Protocol):
    """How one kind of server tells its partitions, and drops one."""

    def expired(self, connection: sa.Connection, table: KnownTable, meant: Sequence[Meant]) -> Iterator[Part]:
        """Partitions that hold records, all of them before an instant by the partition's bounds; the oldest first."""

    def all_match(self, connection: sa.Connection, work: Work, table: KnownTable, part: Part) -> bool:
        """Are there records, and does the condition hold for each?"""

    def drop(self, work: Work, table: KnownTable, part: Part, slip: Slip) -> int:
        """Drop it, with its receipt, where the condition holds for every row; how many records that were. 0 where it was
        left to go by rows."""

    def is_under_way(self, connection: sa.Connection, slip: Slip) -> bool:
        """Was it counted, and does it wait to be cleared away?"""

    def obstacle(self, connection: sa.Connection, table: KnownTable) -> str:
        """Why nothing of this table is dropped as a whole, in a sentence; '' where it is."""


class Partitions:
    """Finds the partitions of one work after another; each is proposed once a look."""

    def __init__(self, server: Server, form_of: Callable[[str, TimeField], TimeForm | None]) -> None:
        self._server = server
        self._form_of = form_of
        self._tried: dict[str, set[str]] = {}
        self._looked: tuple[Work, float, Sequence[Part]] | None = None

    def next(self, connection: sa.Connection, work: Work, table: KnownTable, after: Batch | None) -> Batch | None:
        """The next partition; None where the rest goes by rows."""
        if work.deed is not Deed.DELETE or not table.partitioned or table.obstacle is not None:
            return None
        if (after is not None and not is_partition(after)) or reaches(work.where, table.at):
            return None
        tried = self._tried.setdefault(table.at, set())
        if after is None:
            tried.clear()
            self._looked = None
        else:
            tried.add(part_of(after).name)
        for part in self._expired(connection, work, table):
            if part.name not in tried and self._server.all_match(connection, work, table, part):
                return part.batch()
        return None

    def _expired(self, connection: sa.Connection, work: Work, table: KnownTable) -> Sequence[Part]:
        """Those whose time is over by their bounds, as they were a moment ago: dropping one looks at it again."""
        if self._looked is not None:
            matter, looked_at, found = self._looked
            if matter == work.matter and time.monotonic() - looked_at <= LOOK_SECONDS:
                return found
        found = list(self._server.expired(connection, table, self._meant(work)))
        self._looked = work.matter, time.monotonic(), found
        return found

    def _meant(self, work: Work) -> list[Meant]:
        times = [part for part in conjuncts(work.where) if isinstance(part, Before)]
        found = [(part, self._form_of(work.at, part.field)) for part in times]
        return [
            Meant(field=part.field, form=form, instant=form.limit(part.instant))
            for part, form in found
            if form is not None
        ]

    def act(self, work: Work, table: KnownTable, batch: Batch, slip: Slip) -> int:
        return self._server.drop(work, table, part_of(batch), slip)

    def is_under_way(self, connection: sa.Connection, slip: Slip) -> bool:
        """Was the batch counted, and does it wait to be cleared away?"""
        return self._server.is_under_way(connection, slip)

    def obstacle(self, connection: sa.Connection, table: KnownTable) -> str:
        return self._server.obstacle(connection, table)


def is_partition(batch: Batch) -> bool:
    """Is it the batch of a whole partition?"""
    return isinstance(batch.high, dict) and _PARTITION in batch.high


def part_of(batch: Batch) -> Part:
    about = dict(batch.high)
    return Part(name=about.pop(_PARTITION), about=about)


def reaches(condition: Condition, at: str) -> bool:
    """Does the condition ask the table itself? Its answer would change while a partition of it is away."""
    match condition:
        case Through(at=other, where=where):
            return other == at or reaches(where, at)
        case AllOf(parts=parts) | AnyOf(parts=parts):
            return any(reaches(part, at) for part in parts)
        case Not(part=part):
            return reaches(part, at)
    return False


def count_of(source: sa.FromClause, exact: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """All rows, and those that the condition holds for."""
    figures: list[Any] = [sa.func.count(), sa.func.count(sa.case((exact, sa.literal_column("1"))))]
    return sa.select(*figures).select_from(source)


def any_of(source: sa.FromClause) -> sa.Select[Any]:
    """Any one row."""
    return sa.select(sa.literal_column("1", sa.Integer)).select_from(source).limit(1)


def strays(source: sa.FromClause, exact: sa.ColumnElement[bool]) -> list[sa.Select[Any]]:
    """What to ask for a row that the condition does not hold for. A comparison of a column is asked about by itself, its
    missing values too, so that an index answers and not a look at each row."""
    parts = list(_conjuncts(exact))
    compared = [part for part in parts if _compares(part)]
    others = [part for part in parts if not _compares(part)]
    outside = [sa.not_(part) for part in compared]
    columns = {part.left.key: part.left for part in compared}
    missing = [column.is_(None) for column in columns.values()]
    rest = [sa.not_(sa.func.coalesce(sa.and_(*others), sa.false(), type_=sa.Boolean()))] if others else []
    return [any_of(source).where(each) for each in (*outside, *missing, *rest)]


def _conjuncts(exact: sa.ColumnElement[bool]) -> Iterator[Any]:
    if isinstance(exact, sa.BooleanClauseList) and exact.operator is operators.and_:
        for part in exact.clauses:
            yield from _conjuncts(part)
    elif not isinstance(exact, True_):
        yield exact


def _compares(part: Any) -> bool:
    ordered = (operators.lt, operators.le, operators.gt, operators.ge)
    return isinstance(part, sa.BinaryExpression) and part.operator in ordered and isinstance(part.left, sa.ColumnClause)


def quoted(connection: sa.Connection, *names: str | None) -> str:
    """A name with the names before it, each in the server's quotation marks."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    return ".".join(quote(name) for name in names if name)


def say(connection: sa.Connection, statement: str) -> None:
    """A statement without values; a % in a name is a %."""
    connection.exec_driver_sql(statement.replace("%", "%%"))


@dataclass(kw_only=True)
class Patience:
    """How long a lock is tried for, with longer and longer pauses between."""

    until: float
    pause: float = _PAUSES[0]

    @classmethod
    def begun(cls, seconds: float) -> Patience:
        return cls(until=time.monotonic() + seconds)

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.until

    def wait(self) -> None:
        time.sleep(self.pause * random.uniform(0.5, 1.0))  # noqa: S311 a pause, not a secret
        self.pause = min(self.pause * 2, _PAUSES[1])


def still_away(table: KnownTable, part: Part, why: str) -> StoreBusy:
    return StoreBusy(
        f"The partition {part.name} of {table.at} is on its way out, and {why}.",
        remedy="The next run goes on with it; nothing is lost. End a transaction that has been open for long.",
    )
