"""Legal holds as people see them: frozen views with what each keeps, and the acts on them. Its pages ask no store."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import Database
from core.errors import BadInput, WaitsForPerson
from plans.engine import Plans
from plans.holds import Hold
from plans.plan import Step
from plans.showing import count_covered, count_held
from policies.cutoffs import BindingClause
from retention.drafts import Drafting
from retention.tables import HoldCountRow

COUNTED_EVERY: Final = timedelta(minutes=10)
HOLDS_COUNTED: Final = 200  # of more holds the oldest are counted; the others say that nobody has


@dataclass(frozen=True, kw_only=True)
class HeldRows:
    """How many records over their time a hold keeps from one clause in one collection."""

    clause: str
    collection: str
    rows: int
    oldest: datetime | None


@dataclass(frozen=True, kw_only=True)
class HoldView:
    """One hold. `person`: the identifiers, personal data. `counted_at` None: the stores were not asked yet."""

    id: str
    collection: str | None
    clause: str | None
    person: Mapping[str, tuple[str, ...]] = field(repr=False)
    since: datetime | None
    until: datetime | None
    by: str
    reason: str = field(repr=False)
    added_at: datetime
    review_at: datetime | None
    release_asked_at: datetime | None
    release_asked_by: str | None
    release_due_at: datetime | None
    released_at: datetime | None
    released_by: str | None
    release_reason: str = field(repr=False)
    kept: tuple[HeldRows, ...] = ()
    counted_at: datetime | None = None

    @property
    def rows(self) -> int:
        """Records that it keeps past their time."""
        return sum(one.rows for one in self.kept)

    @property
    def oldest(self) -> datetime | None:
        return min((one.oldest for one in self.kept if one.oldest), default=None)


class HoldDesk:
    """Adds, shows, counts and releases holds."""

    def __init__(self, database: Database, clock: Clock, plans: Plans, drafting: Drafting) -> None:
        self._database = database
        self._clock = clock
        self._plans = plans
        self._drafting = drafting

    def add(
        self,
        *,
        by: str,
        reason: str,
        collection: str | None = None,
        clause: str | None = None,
        person: Mapping[str, Sequence[str]] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        review_at: datetime | None = None,
    ) -> HoldView:
        """Put records on hold. Refuses what the map or the policy does not know: a hold with a slip in it keeps nothing."""
        if clause is not None:
            self._refuse_unknown_clause(clause)
        unknown = set(person or {}) - self.kinds()
        if unknown:
            raise BadInput(
                f"The map knows no identifier '{min(unknown)}'.", remedy=f"It knows: {', '.join(sorted(self.kinds()))}."
            )
        made = self._plans.holds.add(
            by=by,
            reason=reason,
            collection=collection,
            clause=clause,
            person=person,
            since=since,
            until=until,
            review_at=review_at,
        )
        return _view(made, ())

    def covers(self, hold_id: str) -> int | None:
        """How many records a hold means now, over their time or not; None where a store did not say."""
        hold = self._plans.holds.get(hold_id)
        of = {category for one in self._bindings() if one.clause.id == hold.clause for category in one.clause.of}
        return count_covered(self._plans.datamap, hold, of if hold.clause else None)

    def release(self, hold_id: str, *, by: str, reason: str) -> HoldView:
        """Ask for the end of a hold, or agree to it."""
        return _view(self._plans.holds.release(hold_id, by=by, reason=reason), ())

    def keep(self, hold_id: str, *, by: str, reason: str = "") -> HoldView:
        """Take back, or refuse, that a hold ends."""
        return _view(self._plans.holds.keep(hold_id, by=by, reason=reason), ())

    def list(self, *, released: bool = False) -> list[HoldView]:
        """The holds that bind with what they keep; with `released` those that did, the latest first."""
        holds = self._plans.holds.list(released=released)
        if released:
            return [_view(one, ()) for one in reversed(holds) if one.released_at is not None]
        with self._database.read() as session:
            counts = _counts(session)
        return [_view(one, counts.get(one.id, ())) for one in holds]

    def collections(self) -> tuple[str, ...]:
        """What a hold may be on."""
        return tuple(one.id for one in self._plans.datamap.collections)

    def kinds(self) -> set[str]:
        """The kinds of identifiers that a hold on a person may name."""
        return {kind for one in self._plans.datamap.collections for kind in one.identifies}

    def count(self) -> None:
        """Ask the stores how much each hold keeps past its time, and write it down for the pages."""
        holds = self._plans.holds.list()[:HOLDS_COUNTED]
        rows = [row for binding in self._bindings() for row in self._count_clause(binding, holds)] if holds else []
        with self._database.begin() as session:
            session.execute(sa.delete(HoldCountRow))
            session.add_all(rows)

    def count_if_due(self) -> None:
        """Count again after ten minutes, or within the minute after a hold was added."""
        with self._database.read() as session:
            last = session.execute(sa.select(sa.func.max(HoldCountRow.counted_at))).scalar_one()
        holds = self._plans.holds.list()
        if last is None and not holds:
            return
        newest = max((one.added_at for one in holds), default=None)
        if last is None or self._clock.now() - last >= COUNTED_EVERY or (newest is not None and newest > last):
            self.count()

    def _count_clause(self, binding: BindingClause, holds: Sequence[Hold]) -> Iterator[HoldCountRow]:
        plan = self._drafting.plan(binding, self._plans.now())
        for step in plan.steps:
            yield from self._count_step(step, holds)

    def _count_step(self, step: Step, holds: Sequence[Hold]) -> Iterator[HoldCountRow]:
        now = self._clock.now()
        for hold_id, extent in count_held(self._plans.datamap, holds, step, limit=HOLDS_COUNTED):
            yield HoldCountRow(
                hold=hold_id,
                clause=step.clause,
                collection=step.collection,
                rows=extent.rows,
                oldest=extent.oldest,
                counted_at=now,
            )

    def _bindings(self) -> tuple[BindingClause, ...]:
        try:
            return self._drafting.clauses(self._clock.now())
        except WaitsForPerson:  # no policy is in force: nothing goes, so nothing is kept from going
            return ()

    def _refuse_unknown_clause(self, clause: str) -> None:
        known = [one.clause.id for one in self._drafting.clauses(self._clock.now())]
        if clause not in known:
            raise BadInput(
                f"There is no retention clause '{clause}' that binds.",
                remedy=f"There are: {', '.join(known) or 'none'}.",
            )


def _counts(session: Session) -> dict[str, list[HoldCountRow]]:
    found: dict[str, list[HoldCountRow]] = defaultdict(list)
    for row in session.execute(
        sa.select(HoldCountRow).order_by(HoldCountRow.clause, HoldCountRow.collection)
    ).scalars():
        found[row.hold].append(row)
    return found


def _view(hold: Hold, counts: Sequence[HoldCountRow]) -> HoldView:
    kept = [HeldRows(clause=row.clause, collection=row.collection, rows=row.rows, oldest=row.oldest) for row in counts]
    return HoldView(**vars(hold), kept=tuple(kept), counted_at=min((row.counted_at for row in counts), default=None))
