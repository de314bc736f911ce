"""Whether the other tables agree with the log: each row has the entries it must have, each entry its row or a reason.

Each room hands in what must hold for its tables as values; this room imports none of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import iso_utc
from ledger.tables import EntryTable, LeafTable, PendingTable, PrivateTable, RefTable

PAGE: Final = 2_000
WAITS: Final = 1 << 62  # the place of an entry that has no position yet: behind all that have one

SqlText = sa.SQLColumnExpression[str]
Extra = Callable[[Session], Iterator["Disagreement"]]


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """One thing that tables and log say differently; `entry_id` where an entry is what is left of it."""

    problem: str
    entry_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What must hold between the rows of one kind and the log.

    `what`: a row in one word. `ref`: SQL of the id that entries name it by, which begins with `prefix`. `where`: the rows it is
    about, all without it. `kinds`: an entry of one of these names each row, and such an entry has its row. `goes_by`: ids of
    clauses of Kept's own policy by which rows go; without one, rows stay for good. `states`: by kind of entry, what `state`
    says after it; the last one counts. `facts`: by name in the private part of the last entry, the column that says the same.
    `binds`: an entry says that its row is one of `where`, and not only that there is one. `both_ways`: entries are looked at."""

    what: str
    rows: sa.FromClause
    ref: SqlText
    prefix: str
    kinds: tuple[str, ...]
    where: sa.ColumnElement[bool] | None = None
    goes_by: tuple[str, ...] = ()
    state: SqlText | None = None
    states: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, sa.SQLColumnExpression[Any]] = field(default_factory=dict)
    binds: bool = False
    both_ways: bool = True


@dataclass(frozen=True, slots=True)
class _Seen:
    """The entry of a row that counts: its place, id, kind and private part."""

    place: int
    entry_id: str
    kind: str
    private: str | None


def disagreements(
    session: Session, agreements: Sequence[Agreement], extras: Sequence[Extra] = ()
) -> Iterator[Disagreement]:
    """Everything that is not agreed on, table by table, in pages."""
    for one in agreements:
        yield from _rows_without_entries(session, one)
        if one.both_ways:
            yield from _entries_without_rows(session, one)
        if one.states or one.facts:
            yield from _rows_that_say_otherwise(session, one)
    for extra in extras:
        yield from extra(session)


def _entries_of(ref: SqlText, kinds: Sequence[str]) -> sa.Select[Any]:
    """The entries of these kinds that name an id. The index of ids is no evidence: the entry itself has to say so."""
    return (
        sa.select(RefTable.entry_id)
        .join(EntryTable, EntryTable.id == RefTable.entry_id)
        .where(RefTable.ref == ref, EntryTable.kind.in_(kinds), _says(RefTable.ref))
    )


def _says(ref: SqlText) -> sa.ColumnElement[bool]:
    return EntryTable.refs.contains(sa.literal('"').concat(ref).concat('"'), autoescape=False)


def _rows_without_entries(session: Session, one: Agreement) -> Iterator[Disagreement]:
    wanted = sa.select(one.ref).distinct().select_from(one.rows).where(~_entries_of(one.ref, one.kinds).exists())
    if one.where is not None:
        wanted = wanted.where(one.where)
    for name in session.execute(wanted.order_by(one.ref)).scalars():
        yield Disagreement(
            problem=f"The {one.what} {_plain(one, name)} stands in the tables, and no entry ({', '.join(one.kinds)}) "
            "names it: it was put in past Kept, or its entry was taken away."
        )


def _entries_without_rows(session: Session, one: Agreement) -> Iterator[Disagreement]:
    here = sa.select(sa.literal(1)).select_from(one.rows).where(one.ref == RefTable.ref)
    if one.where is not None and one.binds:
        here = here.where(one.where)
    wanted = (
        sa.select(RefTable.ref, EntryTable.id, EntryTable.kind, LeafTable.position)
        .join(EntryTable, EntryTable.id == RefTable.entry_id)
        .outerjoin(LeafTable, LeafTable.entry_id == EntryTable.id)
        .where(RefTable.ref.startswith(one.prefix, autoescape=True), EntryTable.kind.in_(one.kinds), ~here.exists())
        .order_by(RefTable.ref)
    )
    last_run = _last_run(session, one.goes_by)
    for ref, entry_id, kind, position in session.execute(wanted):
        if last_run > (WAITS if position is None else position):
            continue  # it was over its time, and the run that took it is in the log
        yield Disagreement(
            problem=f"Entry {entry_id} ({kind}) names the {one.what} {_plain(one, ref)}, which is not there or not in "
            "that state, and no run of a clause that lets it go came after it.",
            entry_id=entry_id,
        )


def _last_run(session: Session, clauses: Sequence[str]) -> int:
    """The place of the last entry by which rows went by one of the clauses; -1 where there is none."""
    if not clauses:
        return -1
    names = [f"clause:{clause}" for clause in clauses]
    entries = (
        sa.select(RefTable.entry_id)
        .join(EntryTable, EntryTable.id == RefTable.entry_id)
        .where(RefTable.ref.in_(names), EntryTable.kind.in_(("sweep.outcome", "sweep.run")), _says(RefTable.ref))
    )
    waits = session.execute(sa.select(PendingTable.seq).where(PendingTable.entry_id.in_(entries)).limit(1)).first()
    if waits:
        return WAITS + 1
    found = session.execute(
        sa.select(sa.func.max(LeafTable.position)).where(LeafTable.entry_id.in_(entries))
    ).scalar_one()
    return -1 if found is None else int(found)


def _rows_that_say_otherwise(session: Session, one: Agreement) -> Iterator[Disagreement]:
    columns: list[sa.SQLColumnExpression[Any]] = [
        value.label(f"fact_{number}") for number, value in enumerate(one.facts.values())
    ]
    if one.state is not None:
        columns.append(one.state.label("state_now"))
    wanted = sa.select(one.ref.label("ref"), *columns).select_from(one.rows)
    if one.where is not None:
        wanted = wanted.where(one.where)
    after = ""
    while page := session.execute(wanted.where(one.ref > after).order_by(one.ref).limit(PAGE)).all():
        seen = _last_entries(session, one, [row.ref for row in page])
        for row in page:
            if row.ref in seen:
                yield from _compare(one, row, seen[row.ref])
        after = page[-1].ref


def _last_entries(session: Session, one: Agreement, refs: Sequence[str]) -> dict[str, _Seen]:
    kinds = set(one.states) or set(one.kinds)
    place = sa.func.coalesce(LeafTable.position, sa.literal(WAITS) + PendingTable.seq)
    wanted = (
        sa.select(RefTable.ref, place, EntryTable.id, EntryTable.kind, PrivateTable.private)
        .join(EntryTable, EntryTable.id == RefTable.entry_id)
        .outerjoin(LeafTable, LeafTable.entry_id == EntryTable.id)
        .outerjoin(PendingTable, PendingTable.entry_id == EntryTable.id)
        .outerjoin(PrivateTable, PrivateTable.entry_id == EntryTable.id)
        .where(RefTable.ref.in_(refs), EntryTable.kind.in_(kinds), _says(RefTable.ref))
    )
    last: dict[str, _Seen] = {}
    for ref, position, entry_id, kind, private in session.execute(wanted):
        if ref not in last or position > last[ref].place:
            last[ref] = _Seen(position, entry_id, kind, private)
    return last


def _compare(one: Agreement, row: Any, seen: _Seen) -> Iterator[Disagreement]:
    name = f"The {one.what} {_plain(one, row.ref)}"
    expected = one.states.get(seen.kind)
    if one.state is not None and expected is not None and row.state_now != expected:
        yield Disagreement(
            problem=f"{name} is '{row.state_now}' in the tables, and its last entry {seen.entry_id} says '{expected}': "
            "the row was changed past Kept.",
            entry_id=seen.entry_id,
        )
    private = orjson.loads(seen.private) if seen.private else {}
    for number, fact in enumerate(one.facts):
        value = getattr(row, f"fact_{number}")
        value = iso_utc(value) if isinstance(value, datetime) else value
        if fact in private and private[fact] != value:
            yield Disagreement(
                problem=f"{name} says another {fact.replace('_', ' ')} than its entry {seen.entry_id} committed to: "
                "the row was changed past Kept.",
                entry_id=seen.entry_id,
            )


def _plain(one: Agreement, ref: str) -> str:
    return ref.removeprefix(one.prefix) if one.prefix.endswith(":") else ref
