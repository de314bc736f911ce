"""How one work takes each foreign key that points at its table: by what the work may loosen, and what the schema allows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa

from stores.conditions import AnyOf, Condition
from stores.contract import CollectionMissing, Work
from stores.sql_anonymise import find_unique
from stores.sql_kept import KeptRows, Stub, Test, Tie, Way, find_own_pointers, find_shared, make_stub, may_null
from stores.sql_pointers import Pointer
from stores.sql_tables import KnownTable

Place = tuple[str, str]
TableOf = Callable[[str], KnownTable]
CompileOver = Callable[[str, sa.FromClause, Condition], sa.ColumnElement[bool]]

_BY_SERVER = ("SET NULL", "SET DEFAULT")


def tie_up(
    connection: sa.Connection, table: KnownTable, work: Work, table_of: TableOf, compile_over: CompileOver
) -> KeptRows:
    """The deletes of a work: its foreign keys looked at, and what its records become where one keeps them."""
    places = Places(connection, table.dialect)
    named = [*work.loosens, *(at for at, _ in (*work.pins, *work.gone))]
    children = places.known(named, table_of) if table.pointers else {}
    ties = []
    for pointer in table.pointers:
        child = children.get(places.of(pointer.table))
        tie = _tie(connection, pointer, child, loosens=child is not None and child.at in work.loosens)
        ties.append(tie if child is None else _tested(tie, child, work, compile_over))
    needs_stub = any(tie.way is Way.STUB or tie.pinned for tie in ties)
    stub = (
        make_stub(table, find_unique(connection, table), find_own_pointers(connection, table)) if needs_stub else Stub()
    )
    return KeptRows(table, ties, stub)


def pointers_between(connection: sa.Connection, ats: Sequence[str], table_of: TableOf) -> Iterator[tuple[str, str]]:
    """Pairs of these tables, the one pointing at the other."""
    found = _those_there(ats, table_of)
    places = Places(connection, found[0].dialect) if found else None
    names = {places.of(table.clause): table.at for table in found} if places else {}
    for table in found:
        for pointer in table.pointers:
            child = names.get(places.of(pointer.table)) if places else None
            if child is not None and child != table.at:
                yield child, table.at


class Places:
    """Where a table is, told the same way whichever part of the schema names it."""

    def __init__(self, connection: sa.Connection, dialect: str) -> None:
        self._default = "" if dialect == "sqlite" else sa.inspect(connection).default_schema_name or ""
        self._folds = dialect == "sqlite"

    def of(self, table: sa.TableClause) -> Place:
        name = table.name.lower() if self._folds else table.name
        return str(table.schema or self._default), name

    def known(self, ats: Sequence[str], table_of: TableOf) -> Mapping[Place, KnownTable]:
        return {self.of(table.clause): table for table in _those_there(ats, table_of)}


def _those_there(ats: Sequence[str], table_of: TableOf) -> list[KnownTable]:
    found = []
    for at in dict.fromkeys(ats):
        try:
            found.append(table_of(at))
        except CollectionMissing:
            continue  # its own step says so; it points at nothing
    return found


def _tie(connection: sa.Connection, pointer: Pointer, child: KnownTable | None, *, loosens: bool) -> Tie:
    clause = child.clause if child is not None else pointer.table
    if child is None or not loosens:
        by_server = pointer.action in _BY_SERVER or (pointer.own and pointer.action != "CASCADE")
        return Tie(pointer=pointer, child=clause, way=Way.FREE if by_server else Way.BLOCKED)
    nulls = may_null(pointer, child, find_shared(connection, child.clause, pointer.fields))
    if pointer.action == "SET DEFAULT" or (pointer.action == "SET NULL" and len(nulls) == len(pointer.fields)):
        return Tie(pointer=pointer, child=clause, way=Way.FREE)
    if nulls:
        return Tie(pointer=pointer, child=clause, way=Way.LOOSENED, nulls=nulls)
    return Tie(pointer=pointer, child=clause, way=Way.STUB)


def _tested(tie: Tie, child: KnownTable, work: Work, compile_over: CompileOver) -> Tie:
    """Which of the pointing records are pinned, which have gone by then, and which go by the same work."""
    chained = tie.pointer.own and tie.way is Way.STUB
    return replace(
        tie,
        pinned=_any_of(child.at, work.pins, compile_over) if tie.way in (Way.FREE, Way.LOOSENED) else None,
        gone=_any_of(child.at, work.gone, compile_over),
        goes=_any_of(work.at, ((work.at, work.where),), compile_over) if chained else None,
    )


def _any_of(at: str, named: Sequence[tuple[str, Condition]], compile_over: CompileOver) -> Test | None:
    parts = tuple(condition for name, condition in named if name == at)
    return (lambda source: compile_over(at, source, AnyOf(parts=parts))) if parts else None
