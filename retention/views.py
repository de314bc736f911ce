"""What people and the board see of retention: frozen views without plans and stores in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.clock import iso_utc, parse_iso
from plans.plan import Plan
from plans.preview import Preview, StepPreview
from retention.tables import RunState, SweepRunRow


@dataclass(frozen=True, kw_only=True)
class CollectionSweep:
    """What of one collection is over its time. `timeless` and `future`: records of the whole collection that have no time,
    or one to come; they stay. `blocked`: why the store could not say."""

    collection: str
    store: str
    deed: str
    rows: int
    total: int
    held: int
    oldest: datetime | None
    newest: datetime | None
    timeless: int
    future: int
    size: int | None
    cutoff: datetime | None
    blocked: str | None

    @property
    def share(self) -> float:
        """The part of the collection that would go, 0 to 1."""
        return self.rows / self.total if self.total else 0.0


@dataclass(frozen=True, kw_only=True)
class ClauseSweep:
    """A clause's run as it would be now. `waits_for`: why a person must approve it, '' if nobody must.

    `stays` and `gaps`: one sentence each."""

    clause: str
    version: int
    dropped: bool
    now: datetime
    collections: tuple[CollectionSweep, ...]
    stays: tuple[str, ...]
    gaps: tuple[str, ...]
    waits_for: str

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.collections)

    @property
    def held(self) -> int:
        return sum(one.held for one in self.collections)

    @property
    def oldest(self) -> datetime | None:
        return min((one.oldest for one in self.collections if one.oldest), default=None)

    @property
    def blocked(self) -> tuple[str, ...]:
        return tuple(one.blocked for one in self.collections if one.blocked)


@dataclass(frozen=True, kw_only=True)
class WaitingApproval:
    """A run that waits for a person: what would go, and a few masked records of it by collection."""

    run_id: str
    clause: str
    since: datetime
    reason: str
    sweep: ClauseSweep
    samples: Mapping[str, list[dict[str, str]]]


@dataclass(frozen=True, kw_only=True)
class SweepRun:
    """One run of one clause, as it ended or stands."""

    id: str
    clause: str
    state: RunState
    due_at: datetime | None
    made_up: bool
    missed: int
    version: int | None
    plan_id: str | None
    actor: str
    started_at: datetime
    ended_at: datetime | None
    rows: int
    remaining: int
    overdue: int
    oldest_remaining: datetime | None
    oldest_overdue: datetime | None
    note: str


@dataclass(frozen=True, kw_only=True)
class SweepOutcome:
    """What a run came to. `errors`: what a store said no with; `sweep`: the numbers it set out with, None for a run that
    was only taken up again."""

    clause: str
    run: SweepRun
    sweep: ClauseSweep | None
    errors: tuple[str, ...] = ()
    waiting: WaitingApproval | None = None

    @property
    def rows(self) -> int:
        return self.run.rows

    @property
    def state(self) -> RunState:
        return self.run.state


@dataclass(frozen=True, kw_only=True)
class ClauseState:
    """How a clause's sweeping stands, from what is recorded. `last_good`: the last run that left nothing undone."""

    clause: str
    last_run: SweepRun | None
    last_good: SweepRun | None
    next_due: datetime
    waiting: WaitingApproval | None
    runs: tuple[SweepRun, ...]

    @property
    def overdue(self) -> int:
        return self.last_run.overdue if self.last_run else 0

    @property
    def oldest_overdue(self) -> datetime | None:
        return self.last_run.oldest_overdue if self.last_run else None


@dataclass(frozen=True, kw_only=True)
class ClauseOverdue:
    """Measured now: records over their time (`due`), and of those the ones past `within` (`broken`). Held ones are apart."""

    clause: str
    at: datetime
    due: int
    broken: int
    held: int
    oldest: datetime | None
    blocked: tuple[str, ...]
    gaps: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Due:
    """A clause that is due: since when, and how many instants were missed before that one."""

    clause: str
    due_at: datetime
    missed: int
    made_up: bool


def clause_sweep(plan: Plan, preview: Preview, *, dropped: bool, waits_for: str) -> ClauseSweep:
    """The view of a plan and its preview."""
    return ClauseSweep(
        clause=plan.trigger.ref,
        version=plan.version,
        dropped=dropped,
        now=plan.made_at,
        collections=tuple(_collection(plan, row) for row in preview.rows),
        stays=tuple(
            f"{stay.collection}: {stay.reason}" + (f" ({stay.rows})" if stay.rows is not None else "")
            for stay in preview.stays
        ),
        gaps=tuple(f"{gap.what}: {gap.why} {gap.remedy}" for gap in plan.gaps),
        waits_for=waits_for,
    )


def _collection(plan: Plan, row: StepPreview) -> CollectionSweep:
    step = plan.step(row.step)
    return CollectionSweep(
        collection=row.collection,
        store=step.store,
        deed=step.deed.value,
        rows=row.rows,
        total=row.total,
        held=row.held,
        oldest=row.extent.oldest if row.extent else None,
        newest=row.extent.newest if row.extent else None,
        timeless=row.census.missing if row.census else 0,
        future=row.census.future if row.census else 0,
        size=row.extent.size if row.extent else None,
        cutoff=plan.cutoffs.get(row.collection),
        blocked=row.blocked,
    )


_TIMES = ("oldest", "newest", "cutoff")


def sweep_json(sweep: ClauseSweep) -> dict[str, Any]:
    """The view as JSON: for `--json`, and for the row of a run that waits."""
    rows = [{**vars(one), **{name: _iso(getattr(one, name)) for name in _TIMES}} for one in sweep.collections]
    return {
        **vars(sweep),
        "now": iso_utc(sweep.now),
        "collections": rows,
        "stays": list(sweep.stays),
        "gaps": list(sweep.gaps),
    }


def read_sweep(data: Mapping[str, Any]) -> ClauseSweep:
    """The view that `sweep_json` wrote."""
    rows = tuple(
        CollectionSweep(**{**row, **{name: parse_iso(row[name]) if row[name] else None for name in _TIMES}})
        for row in data["collections"]
    )
    lists = {name: tuple(data[name]) for name in ("stays", "gaps")}
    return ClauseSweep(**{**data, "now": parse_iso(data["now"]), "collections": rows, **lists})


def read_run(row: SweepRunRow) -> SweepRun:
    """The view of a row."""
    names = SweepRun.__dataclass_fields__
    return SweepRun(**{name: getattr(row, name) for name in names if name != "state"}, state=RunState(row.state))


def read_waiting(row: SweepRunRow) -> WaitingApproval | None:
    """The view of a row that waits for a person; None for any other."""
    if row.state != RunState.WAITING or row.body is None:
        return None
    sweep = read_sweep(row.body["sweep"])
    return WaitingApproval(
        run_id=row.id,
        clause=row.clause,
        since=row.started_at,
        reason=sweep.waits_for,
        sweep=sweep,
        samples=row.body["samples"],
    )


def _iso(instant: datetime | None) -> str | None:
    return iso_utc(instant) if instant else None
