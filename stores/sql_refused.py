"""A delete that a constraint or a trigger forbids for some records: these are found by halving, and the rest goes."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc

from core.errors import KeptError
from stores.contract import Batch, Blocker, Refused
from stores.sql_batches import BatchKey
from stores.sql_kept import Done

MOST_TRIES: Final = 400  # a batch of 5,000 with some thirty records of the kind
MOST_IN_VAIN: Final = 16  # so many refusals before anything went: it is not a matter of some records

Act = Callable[[Sequence[sa.ColumnElement[bool]]], Done]
Told = Callable[[exc.DBAPIError], KeptError]


class Refusals:
    """What was refused in the batches of one work since it last began from the start: how many records, and why."""

    def __init__(self) -> None:
        self._rows: dict[str, Counter[str]] = {}

    def begin(self, at: str) -> None:
        self._rows.pop(at, None)

    def note(self, at: str, why: str, rows: int) -> None:
        self._rows.setdefault(at, Counter())[why] += rows

    def blockers(self, at: str) -> list[Blocker]:
        remedy = "Cover the records that it protects by a clause of their own, or change it."
        found = self._rows.get(at, Counter())
        return [Blocker(why=f"{rows} rows of {at}: {why}", remedy=remedy, rows=rows) for why, rows in found.items()]


def go_round(
    connection: sa.Connection,
    clause: sa.TableClause,
    key: BatchKey,
    batch: Batch,
    matching: Sequence[sa.ColumnElement[bool]],
    act: Act,
    told: Told,
    note: Callable[[str, int], None],
) -> Done:
    """Do what can be done of a batch that was refused as a whole. Raises Refused where nothing of it can.

    `matching`: what the records to go hold; `act` deletes between the bounds that it is given."""
    if connection.dialect.name == "postgresql":  # what would be looked at when the batch ends is looked at now
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
    spans: list[tuple[Any, Any]] = [(batch.low, batch.high)]
    gone = stubs = tries = refusals = 0
    while spans:
        low, high = spans.pop()
        bounds = key.within(low, high)
        refused = None
        try:
            with connection.begin_nested():
                done = act(bounds)
            gone, stubs = gone + done.gone, stubs + done.stubs
        except exc.DBAPIError as error:
            refused = told(error)
            if not isinstance(refused, Refused):
                raise
        tries += 1
        if refused is None:
            continue
        middle = _middle(connection, clause, key, [*bounds, *matching]) if tries < MOST_TRIES else None
        if middle is None or middle == high:
            refusals += 1
            note(_reason(refused), _count(connection, clause, [*bounds, *matching]))
            if refusals >= MOST_IN_VAIN and not gone + stubs:
                raise refused
        else:
            spans += [(middle, high), (low, middle)]
    return Done(gone=gone, stubs=stubs)


def _middle(
    connection: sa.Connection, clause: sa.TableClause, key: BatchKey, where: Sequence[sa.ColumnElement[bool]]
) -> Any:
    """The key that halves what is left between the bounds; None where that is one record, or there is no key."""
    rows = _count(connection, clause, where)
    return key.nth(connection, where, rows // 2) if rows > 1 and key.columns else None


def _count(connection: sa.Connection, clause: sa.TableClause, where: Sequence[sa.ColumnElement[bool]]) -> int:
    return int(connection.scalar(sa.select(sa.func.count()).select_from(clause).where(*where)) or 0)


def _reason(refused: KeptError) -> str:
    """Without "nothing of this batch was changed": the rest of it was."""
    return refused.message.partition(": ")[2].partition(". Nothing of this batch")[0] or "the store refused it"
