"""Reads any store for the scanner through the store contract alone: names, fields and a bounded sample; no foreign keys."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from core.errors import KeptError
from stores.conditions import AllOf
from stores.contract import Capability, Field, Store, StoreUnreachable
from stores.scanner_reading import LONGEST_VALUE, MAX_ROWS, Column, Shape, Table, Unread

_SHAPES = {
    "str": Shape.TEXT,
    "int": Shape.NUMBER,
    "float": Shape.NUMBER,
    "bool": Shape.BOOLEAN,
    "dict": Shape.JSON,
    "list": Shape.JSON,
}


class ContractSource:
    """A store of any kind that can be read, to be scanned."""

    def __init__(self, store: Store) -> None:
        self.name = store.name
        self._store = store

    def names(self) -> tuple[str, ...]:
        return self._store.collections() if Capability.READ in self._store.capabilities else ()

    def read(self, names: Sequence[str]) -> Iterator[Table | Unread]:
        for name in names:
            try:
                yield self._table(name)
            except StoreUnreachable:
                self._store.ping()
                yield Unread(at=name, why="the store broke off while it was read")
            except KeptError as error:
                yield Unread(at=name, why=error.message)

    def holds(self, at: str, column: str, values: Collection[str]) -> int:
        return 0  # a look through all records is more than a scan may ask of such a store

    def _table(self, name: str) -> Table:
        shape = self._store.shape(name)
        rows = self._store.sample(name, AllOf(parts=()), limit=MAX_ROWS)
        return Table(
            at=name,
            columns=tuple(_column(field) for field in shape.fields),
            key=shape.key,
            rows=len(rows),
            values={field.name: tuple(_values(rows, field.name)) for field in shape.fields},
        )


def _column(field: Field) -> Column:
    return Column(name=field.name, type=field.type, shape=_SHAPES.get(field.type, Shape.OTHER), nullable=field.nullable)


def _values(rows: Sequence[Mapping[str, Any]], name: str) -> Iterator[str]:
    for row in rows:
        value = row.get(name)
        if value is not None:
            text = json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)
            yield text[:LONGEST_VALUE]
