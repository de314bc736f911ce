"""Deleting one batch of a SQL table, whatever points at it or forbids it, and saying afterwards what stayed and why."""

from collections import Counter
from collections.abc import Sequence
from functools import partial

import sqlalchemy as sa

from stores.contract import Batch, Blocker, Work
from stores.sql_batches import BatchKey
from stores.sql_kept import Done, KeptRows
from stores.sql_refused import Refusals, Told, go_round
from stores.sql_tables import KnownTable

Conditions = Sequence[sa.ColumnElement[bool]]


class Deletes:
    """Remembers what was refused and, for runs without receipts, what became a stub."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._refusals = Refusals()
        self._stubs: Counter[str] = Counter()

    def begin(self, at: str) -> None:
        """A run looks from the start: what was refused before is tried again."""
        self._refusals.begin(at)

    def act(
        self, connection: sa.Connection, kept: KeptRows, table: KnownTable, work: Work, batch: Batch, where: Conditions
    ) -> Done:
        """The whole batch at once. Raises Refused where something forbids it for some record."""
        bounds = BatchKey(table, work.where).within(batch.low, batch.high)
        return kept.act(connection, [*bounds, *where])

    def act_with_care(
        self, connection: sa.Connection, kept: KeptRows, table: KnownTable, work: Work, batch: Batch, where: Conditions
    ) -> Done:
        """What can go of a batch that was refused."""
        return go_round(
            connection,
            table.clause,
            BatchKey(table, work.where),
            batch,
            [*where, *kept.more()],
            lambda bounds: kept.act(connection, [*bounds, *where]),
            self._told,
            partial(self._refusals.note, work.at),
        )

    def note_stubs(self, at: str, stubs: int) -> None:
        """For a batch that leaves no receipt."""
        self._stubs[at] += stubs

    def blockers(
        self, connection: sa.Connection, kept: KeptRows, at: str, where: Conditions, made: int | None
    ) -> tuple[Blocker, ...]:
        """`made`: stubs that a step's receipts tell of; 0 where it has none, None where no step is meant."""
        found = [*kept.blockers(connection, where), *self._refusals.blockers(at)]
        if made is not None:
            standing = sum(one.rows or 0 for one in found if one.stub)
            gone = max(made, self._stubs.pop(at, 0)) - standing
            if gone > 0:
                found.append(kept.stub_words(gone))
        return tuple(found)
