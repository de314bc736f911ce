"""Records that stay and point at records that go: their pointer becomes NULL, else what they point at stays as its key.

THIS IS WHERE RECORDS OF OTHER TABLES ARE TOUCHED. Only the pointer of a table that the work names is, only where the
record that it points at goes in the same transaction, and never one that is pinned. A foreign key takes no record along.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

import sqlalchemy as sa

from core.errors import KeptError
from stores.contract import Blocker
from stores.sql_anonymise import random_value, tells
from stores.sql_deeds import is_filled, redactions
from stores.sql_families import Family
from stores.sql_pointers import Pointer
from stores.sql_tables import KnownTable

_TIMES: Final = (Family.TIMESTAMPTZ, Family.TIMESTAMP, Family.DATE)
_MOST_ROUNDS: Final = 100  # one after the other the ends of a chain go, of records that point at each other
_GOING: Final = "kept_going"

Test = Callable[[sa.FromClause], sa.ColumnElement[bool]]


class Way(Enum):
    """What becomes of a record that goes and is pointed at. FREE: it goes, and the server sees to the pointer. LOOSENED: it
    goes, once the pointer is NULL. STUB: its key stays, all else of it goes. BLOCKED: it stays as it is."""

    FREE = "free"
    LOOSENED = "loosened"
    STUB = "stub"
    BLOCKED = "blocked"


@dataclass(frozen=True, kw_only=True)
class Tie:
    """One foreign key that points at a table, as one work takes it. `nulls`: the fields that become NULL to loosen it.
    `goes`: which of the pointing records go by the same work, `pinned`: which keep their pointer whatever it allows, `gone`:
    which are foreseen to go before."""

    pointer: Pointer
    child: sa.TableClause
    way: Way
    nulls: tuple[str, ...] = ()
    goes: Test | None = None
    pinned: Test | None = None
    gone: Test | None = None


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a batch did: `gone` records, and `stubs` that stand as their key."""

    gone: int
    stubs: int = 0

    @property
    def rows(self) -> int:
        return self.gone + self.stubs


def may_null(pointer: Pointer, child: KnownTable, shared: frozenset[str]) -> tuple[str, ...]:
    """The fields of a pointer that can become NULL so that it points at nothing; () where none can.

    One NULL is enough but for MATCH FULL. A field that another key of the child shares (`shared`) is left where it can be."""
    if child.obstacle is not None:
        return ()
    known = {one.name.lower(): one for one in child.fields}
    free = [
        known[name.lower()].name
        for name in pointer.fields
        if known[name.lower()].nullable
        and not known[name.lower()].generated
        and known[name.lower()].name not in child.primary_key
    ]
    if pointer.full:
        return tuple(free) if len(free) == len(pointer.fields) else ()
    return tuple(name for name in free if name not in shared) or tuple(free[-1:])


def find_shared(connection: sa.Connection, child: sa.TableClause, fields: Sequence[str]) -> frozenset[str]:
    """The fields that another foreign key of the child has a part in, too."""
    keys = sa.inspect(connection).get_foreign_keys(child.name, child.schema)
    wanted = {name.lower() for name in fields}
    others = (key["constrained_columns"] for key in keys)
    return frozenset(
        name for columns in others if {one.lower() for one in columns} != wanted for name in columns if name in fields
    )


def find_own_pointers(connection: sa.Connection, table: KnownTable) -> frozenset[str]:
    """The fields of a table's own foreign keys: nothing neutral or random may stand in them."""
    keys = sa.inspect(connection).get_foreign_keys(table.clause.name, table.clause.schema)
    return frozenset(name for key in keys for name in key["constrained_columns"])


@dataclass(frozen=True, kw_only=True)
class Stub:
    """What a record becomes that stays as its key: `values` are written, `filled` holds until they are; `stays` besides
    the key: what may be neither NULL nor anything else."""

    values: Mapping[str, Any] = field(default_factory=dict)
    filled: sa.ColumnElement[bool] = field(default_factory=sa.false)
    stays: tuple[str, ...] = ()


def make_stub(table: KnownTable, unique: frozenset[str], pointing: frozenset[str]) -> Stub:
    """`unique`: fields of unique keys; `pointing`: of the table's own foreign keys."""
    kept = {name.lower() for pointer in table.pointers for name in pointer.to_fields}
    kept |= {name.lower() for name in table.primary_key}
    values: dict[str, Any] = {}
    stays: list[str] = []
    for one in table.fields:
        if one.name.lower() in kept or one.generated:
            continue
        value = _emptied(table, one.name, unique, pointing)
        if value is None:
            stays.append(one.name)
        else:
            values[one.name] = value
    # a time may be set anew by the table itself whenever the record changes
    asked = [name for name in values if table.families[name] not in _TIMES] or list(values)
    filled = sa.or_(sa.false(), *(tells(table, name) if name in unique else is_filled(table, name) for name in asked))
    return Stub(values=values, filled=filled, stays=tuple(stays))


def _emptied(table: KnownTable, name: str, unique: frozenset[str], pointing: frozenset[str]) -> Any:
    """What stands in the field of a stub; None where it stays as it is."""
    one = table.field(name)
    if not one.nullable and name in pointing:
        return None
    if not one.nullable and name in unique:
        return random_value(table, one)
    try:
        return redactions(table, (name,))[name]
    except KeptError:
        return None  # it may not be NULL, and its type has no value that says nothing


class KeptRows:
    """The deletes of one work over a table that others point at."""

    def __init__(self, table: KnownTable, ties: Sequence[Tie] = (), stub: Stub | None = None) -> None:
        self._table = table
        self._ties = ties
        self._stub = stub or Stub()
        blocked = [self._pointed(tie) for tie in ties if tie.way is Way.BLOCKED]
        stubbed = [self._pointed(tie) for tie in ties if tie.way is Way.STUB]
        stubbed += [self._pointed(tie, tie.pinned) for tie in ties if tie.pinned]
        self._blocked = sa.or_(sa.false(), *blocked)
        self._stubbed = sa.or_(sa.false(), *stubbed)

    @property
    def is_plain(self) -> bool:
        """Nothing points here that would have to be looked at."""
        return all(tie.way is Way.FREE and tie.pinned is None for tie in self._ties)

    def more(self) -> list[sa.ColumnElement[bool]]:
        """What must hold besides for a record to be deleted or emptied."""
        if self.is_plain:
            return []
        return [sa.not_(self._blocked), sa.or_(sa.not_(self._stubbed), self._stub.filled)]

    def act(self, connection: sa.Connection, base: Sequence[sa.ColumnElement[bool]]) -> Done:
        """`base`: the bounds and the whole condition of the work, without `more`."""
        if self.is_plain:
            return Done(gone=connection.execute(sa.delete(self._table.clause).where(*base)).rowcount)
        self._lock(connection, base)
        goes = [*base, sa.not_(self._blocked), sa.not_(self._stubbed)]
        for tie in self._ties:
            if tie.way is Way.LOOSENED:
                connection.execute(self._loosen(tie, goes))
        return Done(gone=self._delete(connection, goes), stubs=self._empty(connection, base))

    def blockers(self, connection: sa.Connection, where: Sequence[sa.ColumnElement[bool]]) -> list[Blocker]:
        """Why records stay, each of them under one reason only: what keeps it whole comes before what keeps its key."""
        found: list[Blocker] = []
        seen: list[sa.ColumnElement[bool]] = []
        for tie, test, is_stub in self._reasons():
            here = self._pointed(tie, test)
            wanted = sa.select(sa.func.count()).select_from(self._table.clause).where(*where, here, *seen)
            if rows := int(connection.scalar(wanted) or 0):
                found.append(self._word(tie, rows, is_stub=is_stub, more=bool(seen) and bool(found)))
            seen.append(sa.not_(here))
        return found

    def stub_words(self, rows: int) -> Blocker:
        """The same for records that were emptied, and match no more."""
        names = dict.fromkeys(tie.pointer.table.name for tie, _, is_stub in self._reasons() if is_stub)
        why = f"{rows} rows of {self._table.at} stand as their key alone: kept records of {' or '.join(names)} point at them"
        return Blocker(why=why + self._say_stays(), rows=rows, stub=True, matches=False)

    def _reasons(self) -> list[tuple[Tie, Test | None, bool]]:
        blocked: list[tuple[Tie, Test | None, bool]] = [(t, None, False) for t in self._ties if t.way is Way.BLOCKED]
        stubs: list[tuple[Tie, Test | None, bool]] = [(t, None, True) for t in self._ties if t.way is Way.STUB]
        pinned = [(t, t.pinned, True) for t in self._ties if t.pinned]
        return [*blocked, *stubs, *pinned]

    def _word(self, tie: Tie, rows: int, *, is_stub: bool, more: bool) -> Blocker:
        pointer, at = tie.pointer, self._table.at
        word = f"{rows} {'more ' if more else ''}rows of {at}"
        if not is_stub:
            takes = ", and would be taken along" if pointer.action == "CASCADE" else ""
            why = f"{word} are pointed at by {pointer.table.name} (key {pointer.name}){takes}"
            remedy = f"They go once {pointer.table.name} lets go of them: map it, and cover it by a clause."
            return Blocker(why=why, remedy=remedy, rows=rows)
        because = "which may not be NULL" if tie.way is Way.STUB else "under a hold"
        why = f"{word} stay as their key alone: {pointer.table.name} points at them (key {pointer.name}, {because})"
        return Blocker(why=why + self._say_stays(), rows=rows, stub=True)

    def _say_stays(self) -> str:
        return f"; {', '.join(self._stub.stays)} cannot be emptied" if self._stub.stays else ""

    def _lock(self, connection: sa.Connection, base: Sequence[sa.ColumnElement[bool]]) -> None:
        """No record comes to point here from now on; SQLite has one writer at a time."""
        counting: sa.Select[Any] = sa.select(sa.func.count()).select_from(self._table.clause).where(*base)
        if self._table.dialect == "postgresql":
            found: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(self._table.clause).where(*base)
            counting = sa.select(sa.func.count()).select_from(found.with_for_update().subquery())
        if self._table.dialect != "sqlite":
            connection.scalar(counting.with_for_update() if self._table.dialect == "mariadb" else counting)

    def _loosen(self, tie: Tie, goes: Sequence[sa.ColumnElement[bool]]) -> sa.Update:
        # From a list that stands before the update begins: MariaDB reads no table that it is changing.
        own = {column.name.lower(): column for column in self._table.clause.c}
        targets = [own[name.lower()].label(f"kept_{place}") for place, name in enumerate(tie.pointer.to_fields)]
        going = sa.select(*targets).select_from(self._table.clause).where(*goes).distinct().subquery(_GOING)
        pairs = zip(tie.pointer.fields, going.c, strict=True)
        same = [tie.child.c[name] == target for name, target in pairs]
        return sa.update(tie.child).values(dict.fromkeys(tie.nulls, sa.null())).where(*same)

    def _delete(self, connection: sa.Connection, goes: Sequence[sa.ColumnElement[bool]]) -> int:
        # what points here again since it was loosened keeps its record
        free = [sa.not_(self._pointed(tie)) for tie in self._ties if tie.way is Way.LOOSENED]
        chained = [tie for tie in self._ties if tie.way is Way.STUB and tie.goes is not None]
        last = [sa.not_(self._pointed(tie, whole=True)) for tie in chained]
        statement, gone = sa.delete(self._table.clause).where(*goes, *free, *last), 0
        for _ in range(_MOST_ROUNDS if chained else 1):
            rows = connection.execute(statement).rowcount
            gone += rows
            if not rows:
                break
        return gone

    def _empty(self, connection: sa.Connection, base: Sequence[sa.ColumnElement[bool]]) -> int:
        if not self._stub.values:
            return 0
        where = [*base, sa.not_(self._blocked), self._stubbed, self._stub.filled]
        return connection.execute(sa.update(self._table.clause).values(dict(self._stub.values)).where(*where)).rowcount

    def _pointed(self, tie: Tie, test: Test | None = None, *, whole: bool = False) -> sa.ColumnElement[bool]:
        """Does a record of the child point here? One that goes by the same work does not count, but `whole`."""
        child = tie.child.alias()
        own = {column.name.lower(): column for column in self._table.clause.c}
        pairs = zip(tie.pointer.fields, tie.pointer.to_fields, strict=True)
        where = [child.c[name] == own[to.lower()] for name, to in pairs]
        if test is not None:
            where.append(test(child))
        if tie.gone is not None:
            where.append(sa.not_(sa.func.coalesce(tie.gone(child), sa.false(), type_=sa.Boolean())))
        if tie.goes is not None:
            where += self._own(child, tie.goes, whole=whole)
        found = sa.select(sa.literal(1)).select_from(child).where(*where)
        return sa.exists(found.correlate(self._table.clause))

    def _own(self, child: sa.FromClause, goes: Test, *, whole: bool) -> Iterator[sa.ColumnElement[bool]]:
        """Which of a table's records that point at the table itself count. MariaDB lets no record go that points at itself."""
        itself = sa.and_(sa.true(), *(child.c[name] == self._table.clause.c[name] for name in self._table.key))
        stays = sa.not_(sa.func.coalesce(goes(child), sa.false(), type_=sa.Boolean()))
        if self._table.dialect == "mariadb" and self._table.key:
            stays = sa.or_(itself, stays)
        elif self._table.key:
            yield sa.not_(itself)
        if not whole:
            yield stays
