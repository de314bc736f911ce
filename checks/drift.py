"""The drift check: looks at every store, compares it with the map and the policy, keeps what it found and what it knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from checks.comparing import (
    Difference,
    Finding,
    Known,
    categories_of,
    compare_fields,
    compare_policy,
    missing_collection,
    not_looked,
    table_seems_personal,
    uncovered,
    unmapped_table,
)
from checks.nights import is_due
from checks.tables import DriftLookRow, KnownFieldRow
from core.clock import Clock
from core.database import Database
from core.errors import KeptError
from core.settings import CollectionSettings
from policies.documents import Document
from policies.versions import Policies
from stores.contract import CollectionMissing, Shape, Store, StoreUnreachable
from stores.datamap import DataMap

# Tables that no collection covers are looked into up to so many a store; of the rest their names have to say it.
MOST_LOOKED_INTO: Final = 300
_LAST: Final = "last"
# Under the empty name of a field stands what the thing itself was known as.
_TABLE, _COLLECTION = "table", "collection"
# Work that people do: nothing to look at.
_BY_HAND: Final = "manual"
Draft = Callable[[], Document | None]


@dataclass(frozen=True, kw_only=True)
class DriftEvidence:
    """The last look. `collections`: for each mapped category the collections that hold it and were looked at."""

    checked_at: datetime
    version: int | None
    collections: dict[str, tuple[str, ...]]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class DriftReport:
    """What a look found. `judged_by`: the policy it was compared with, in words. `reached` False: no store answered."""

    findings: tuple[Finding, ...]
    collections: int
    without_people: tuple[str, ...]
    by_hand: tuple[str, ...]
    judged_by: str
    reached: bool


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What one store showed."""

    findings: tuple[Finding, ...]
    shapes: dict[str, Shape]
    tables: tuple[str, ...] = ()
    looked: tuple[str, ...] = ()
    without_people: tuple[str, ...] = ()
    reached: bool = True


class Drift:
    """Compares map, stores and policy. `draft`: the document that is judged by while no version is in force."""

    def __init__(self, database: Database, clock: Clock, datamap: DataMap, policies: Policies, draft: Draft) -> None:
        self._database = database
        self._clock = clock
        self._datamap = datamap
        self._policies = policies
        self._draft = draft

    def check(self, *, strict: bool = False, accept: bool = False) -> DriftReport:
        """Look now, and keep it as evidence. `accept`: what is there now is right, and known from here on."""
        with self._database.read() as session:
            version = self._policies.in_force(session)
            known = _read_known(session)
        document = version.document if version else self._read_draft()
        seen = {name: self._look(name, store, known, strict=strict) for name, store in self._stores()}
        if accept:
            self._accept(seen)
            with self._database.read() as session:
                known = _read_known(session)
            seen = {name: self._look(name, store, known, strict=strict) for name, store in self._stores()}
        findings = tuple(one for each in seen.values() for one in each.findings)
        findings += tuple(compare_policy(self._datamap.collections, document)) if document else ()
        self._keep(version.number if version else None, seen, findings)
        return DriftReport(
            findings=findings,
            collections=sum(len(each.looked) for each in seen.values()),
            without_people=tuple(f"{name}:{table}" for name, each in seen.items() for table in each.without_people),
            by_hand=tuple(name for name, store in self._datamap.stores.items() if store.kind == _BY_HAND),
            judged_by=f"version {version.number}" if version else "the draft" if document else "no policy",
            reached=any(each.reached for each in seen.values()) or not seen,
        )

    def check_if_due(self) -> None:
        """The look of the night; also where another version came into force, or the map was changed, since the last one."""
        with self._database.read() as session:
            version = self._policies.in_force(session)
            last = self.last(session)
        if version is None:
            return  # nothing is promised yet
        zone = version.document.controller.timezone
        same = last is not None and last.version == version.number and set(last.collections) == self._mapped()
        if last is None or not same or is_due(last.checked_at, self._clock.now(), zone, in_doubt=bool(last.findings)):
            self.check()

    def last(self, session: Session) -> DriftEvidence | None:
        """The last look; None if nobody has looked yet."""
        row = session.get(DriftLookRow, _LAST)
        if row is None:
            return None
        return DriftEvidence(
            checked_at=row.checked_at,
            version=row.version,
            collections={word: tuple(ids) for word, ids in row.collections},
            findings=tuple(Finding.of_json(one) for one in row.findings),
        )

    def _read_draft(self) -> Document | None:
        try:
            return self._draft()
        except KeptError:
            return None  # `kept policy lint` says what is wrong with it

    def _stores(self) -> Iterator[tuple[str, Store]]:
        return ((name, store) for name, store in self._datamap.stores.items() if store.kind != _BY_HAND)

    def _mapped(self) -> set[str]:
        return {word for one in self._datamap.collections for word in categories_of(one)}

    def _look(self, name: str, store: Store, known: dict[tuple[str, str], Known], *, strict: bool) -> _Seen:
        mapped = [one for one in self._datamap.collections if one.store == name]
        try:
            names = store.collections()
        except StoreUnreachable as error:
            found = not_looked(name, error.message, error.remedy, of=mapped)
            return _Seen(findings=(found,), shapes={}, reached=False)
        except KeptError as error:
            names, refused = (), [not_looked(name, error.message, error.remedy, of=())]
        else:
            refused = []
        shapes: dict[str, Shape] = {}
        findings: list[Finding] = refused
        for collection in mapped:
            before = known.get((name, collection.at))
            before = before if before and before.types.get("") == _COLLECTION else None
            findings += _look_at(store, collection, before, shapes, strict=strict)
        looked = tuple(one.id for one in mapped if one.at in shapes)
        first = (name, "") not in known
        rest = [table for table in uncovered(names, mapped) if strict or not _is_known_table(known.get((name, table)))]
        personal = {
            table
            for number, table in enumerate(rest)
            if strict or not first or _holds_people(store, table, look_into=number < MOST_LOOKED_INTO)
        }
        findings += [unmapped_table(name, table) for table in sorted(personal)]
        quiet = tuple(table for table in uncovered(names, mapped) if table not in personal)
        return _Seen(findings=tuple(findings), shapes=shapes, tables=tuple(names), looked=looked, without_people=quiet)

    def _accept(self, seen: dict[str, _Seen]) -> None:
        """Everything that is there becomes known, with the types it has now."""
        now = self._clock.now()
        with self._database.begin() as session:
            for name, each in seen.items():
                if not each.reached:
                    continue
                session.execute(sa.delete(KnownFieldRow).where(KnownFieldRow.store == name))
                mapped = [one for one in self._datamap.collections if one.store == name]
                _remember(session, name, _tables(uncovered(each.tables, mapped)) | _types(each.shapes), now)

    def _keep(self, version: int | None, seen: dict[str, _Seen], findings: Sequence[Finding]) -> None:
        try:
            self._write(version, seen, findings)
        except IntegrityError:
            self._write(version, seen, findings)  # another process looked at the same moment, and came first

    def _write(self, version: int | None, seen: dict[str, _Seen], findings: Sequence[Finding]) -> None:
        now = self._clock.now()
        looked = {one for each in seen.values() for one in each.looked}
        words = {
            word: [one.id for one in self._datamap.collections if one.id in looked and word in categories_of(one)]
            for word in sorted(self._mapped())
        }
        with self._database.begin() as session:
            for name, each in seen.items():
                if each.reached:
                    self._remember_quiet(session, name, each, now)
            row = session.get(DriftLookRow, _LAST) or DriftLookRow(id=_LAST)
            row.checked_at, row.version = now, version
            row.collections = [[word, ids] for word, ids in words.items()]
            row.findings = [one.as_json() for one in findings]
            session.add(row)

    def _remember_quiet(self, session: Session, name: str, each: _Seen, now: datetime) -> None:
        """What was seen and raised no question is known from now on; what did raise one waits for the map or a person."""
        open_fields = {(one.collection, one.field) for one in each.findings if one.kind is Difference.UNMAPPED_FIELD}
        at_of = {one.id: one.at for one in self._datamap.collections if one.store == name}
        waiting = {(at_of[collection], field) for collection, field in open_fields if collection in at_of}
        types = {
            at: {field: kind for field, kind in fields.items() if (at, field) not in waiting}
            for at, fields in _types(each.shapes).items()
        }
        _remember(session, name, _tables(each.without_people) | types, now)


def _look_at(
    store: Store, collection: CollectionSettings, known: Known | None, shapes: dict[str, Shape], *, strict: bool
) -> list[Finding]:
    try:
        shape = store.shape(collection.at)
    except CollectionMissing:
        return [missing_collection(collection)]
    except KeptError as error:
        return [not_looked(store.name, error.message, error.remedy, of=[collection], collection=collection.id)]
    shapes[collection.at] = shape
    return list(compare_fields(collection, shape, known, exact=store.kind == "sql", strict=strict))


def _holds_people(store: Store, table: str, *, look_into: bool) -> bool:
    shape: Shape | None = None
    if look_into:
        try:
            shape = store.shape(table)
        except KeptError:
            shape = None  # its name has to say it
    return table_seems_personal(table, shape)


def _is_known_table(known: Known | None) -> bool:
    return known is not None and known.types.get("") == _TABLE


def _tables(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """The store itself, as looked at, and its tables that no collection has to cover."""
    return {at: {"": _TABLE} for at in ("", *names)}


def _types(shapes: dict[str, Shape]) -> dict[str, dict[str, str]]:
    return {
        at: {"": _COLLECTION, **{field.name: field.type[:200] for field in shape.fields}}
        for at, shape in shapes.items()
    }


def _read_known(session: Session) -> dict[tuple[str, str], Known]:
    found: dict[tuple[str, str], dict[str, str]] = {}
    for row in session.execute(sa.select(KnownFieldRow)).scalars():
        found.setdefault((row.store, row.at), {})[row.field] = row.type
    return {key: Known(types=types) for key, types in found.items()}


def _remember(session: Session, store: str, tables: dict[str, dict[str, str]], now: datetime) -> None:
    """What is not known yet; a type that is known stays, what a table is to the map does not."""
    rows = session.execute(sa.select(KnownFieldRow).where(KnownFieldRow.store == store)).scalars()
    there = {(row.at, row.field): row for row in rows}
    for at, fields in tables.items():
        for field, kind in fields.items():
            row = there.get((at, field))
            if row is not None and field == "":
                row.type = kind
            elif row is None and len(at) <= 400 and len(field) <= 400:
                session.add(KnownFieldRow(store=store, at=at, field=field, type=kind, seen_at=now))
