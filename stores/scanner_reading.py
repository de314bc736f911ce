"""What the scanner reads of a store: schema, and at most a thousand rows a table, held in memory while it looks and never stored."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

MAX_ROWS = 1_000
MAX_TABLES = 500  # what a person can go through; what is beyond is named
MAX_SECONDS = 120.0
LONGEST_VALUE = 2_000  # characters of a value that are read; of a larger one, only these


class Shape(StrEnum):
    """What a column holds, as far as its type says."""

    INSTANT = "instant"  # with a zone
    NAIVE = "naive"  # a timestamp without one
    DATE = "date"
    NUMBER = "number"
    TEXT = "text"
    JSON = "json"
    LIST = "list"
    BINARY = "binary"
    BOOLEAN = "boolean"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column. `indexed`: an index begins with it. `unique`: it alone is a key."""

    name: str
    type: str
    shape: Shape
    nullable: bool = True
    indexed: bool = False
    unique: bool = False


@dataclass(frozen=True, kw_only=True)
class Link:
    """A declared foreign key of one column."""

    field: str
    to: str
    to_field: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table as it was found. `values`: per column the values of the sample that are not NULL, as text."""

    at: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    rows: int = 0
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    def filled(self, name: str) -> float:
        """The share of the sampled rows that have a value there; 1 where no row was read."""
        return len(self.values.get(name, ())) / self.rows if self.rows else 1.0

    @property
    def sole_key(self) -> str | None:
        return self.key[0] if len(self.key) == 1 else None


@dataclass(frozen=True, kw_only=True)
class Unread:
    """A table that could not be read, and why: no value of it stands in the reason."""

    at: str
    why: str


class Source(Protocol):
    """One store as the scanner sees it. `names` raises StoreUnreachable; `read` names what it could not read and goes on."""

    name: str

    def names(self) -> tuple[str, ...]:
        """The tables there are, sorted."""

    def read(self, names: Sequence[str]) -> Iterator[Table | Unread]:
        """Each of the tables, in any order."""

    def holds(self, at: str, column: str, values: Collection[str]) -> int:
        """How many of these values stand in a column; 0 where it cannot be asked."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What was read of a store, what could not be, and what was left out for its number or for want of time."""

    store: str
    tables: tuple[Table, ...]
    unread: tuple[Unread, ...] = ()
    left_out: tuple[str, ...] = ()

    def qualified(self) -> "Reading":
        """The same with every table named `STORE:table`."""
        return replace(
            self,
            tables=tuple(_qualify(self.store, table) for table in self.tables),
            unread=tuple(replace(one, at=f"{self.store}:{one.at}") for one in self.unread),
            left_out=tuple(f"{self.store}:{name}" for name in self.left_out),
        )


def _qualify(store: str, table: Table) -> Table:
    links = tuple(replace(link, to=f"{store}:{link.to}") for link in table.links)
    return replace(table, at=f"{store}:{table.at}", links=links)


def read_source(
    source: Source,
    *,
    turn: Callable[[str], int] = lambda name: 0,
    max_tables: int = MAX_TABLES,
    max_seconds: float = MAX_SECONDS,
) -> Reading:
    """Read a store within its bounds, by turns: where not all can be read, those of a lower turn are, then by name."""
    deadline = time.monotonic() + max_seconds
    names = sorted(source.names(), key=lambda name: (turn(name), name))
    wanted, left_out = names[:max_tables], names[max_tables:]
    tables: list[Table] = []
    unread: list[Unread] = []
    for place, found in enumerate(source.read(wanted), start=1):
        if isinstance(found, Table):
            tables.append(found)
        else:
            unread.append(found)
        if time.monotonic() > deadline and place < len(wanted):
            seen = {table.at for table in tables} | {one.at for one in unread}
            left_out = [name for name in wanted if name not in seen] + left_out
            break
    return Reading(
        store=source.name,
        tables=tuple(sorted(tables, key=lambda table: table.at)),
        unread=tuple(sorted(unread, key=lambda one: one.at)),
        left_out=tuple(left_out),
    )
