"""What people and the board see of retention: frozen views without plans and stores in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from core.clock import iso_utc, parse_iso
from plans.pace import Forecast
from plans.plan import Plan
from plans.preview import Preview, StepPreview
from retention.tables import RunState, SweepRunRow


@dataclass(frozen=True, kw_only=True)
class HeldBy:
    """How many records that are over their time one hold keeps in one collection."""

    hold: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class CollectionSweep:
    """What of one collection is over its time. `timeless` and `future`: records of the whole collection that have no time,
    or one to come; they stay. `blocked`: why the store could not say. `holds`: which holds keep the `held` ones.
    `blockers`: what will keep some of the others, one sentence each; `findings`: what else the store has to say."""

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
    holds: tuple[HeldBy, ...] = ()
    blockers: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """The part of the collection that would go, 0 to 1."""
        return self.rows / self.total if self.total else 0.0


@dataclass(frozen=True, kw_only=True)
class ClauseSweep:
    """A clause's run as it would be now. `waits_for`: why a person must approve it, '' if nobody must.

    `stays` and `gaps`: one sentence each. `samples`: a few masked records by collection. `terms`: the hash of what an
    approval of it would stand for."""

    clause: str
    version: int
    dropped: bool
    now: datetime
    collections: tuple[CollectionSweep, ...]
    stays: tuple[str, ...]
    gaps: tuple[str, ...]
    waits_for: str
    samples: Mapping[str, list[dict[str, str]]] = field(default_factory=dict, repr=False)
    terms: str = ""
    seldom: str = ""  # why the schedule cannot keep the clause, if so

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.collections)

    @property
    def held(self) -> int:
        return sum(one.held for one in self.collections)

    @property
    def size(self) -> int | None:
        """Bytes that would go, as far as the stores know; None where none does."""
        known = [one.size for one in self.collections if one.size is not None and one.rows]
        return sum(known) if known else None

    @property
    def oldest(self) -> datetime | None:
        return min((one.oldest for one in self.collections if one.oldest), default=None)

    @property
    def blocked(self) -> tuple[str, ...]:
        return tuple(one.blocked for one in self.collections if one.blocked)


@dataclass(frozen=True, kw_only=True)
class WaitingApproval:
    """A run that waits for a person: what would go. `missed`: due instants that it makes up for."""

    run_id: str
    clause: str
    since: datetime
    reason: str
    sweep: ClauseSweep
    made_up: bool = False
    missed: int = 0

    @property
    def samples(self) -> Mapping[str, list[dict[str, str]]]:
        """A few masked records by collection."""
        return self.sweep.samples


@dataclass(frozen=True, kw_only=True)
class SweepRun:
    """One run of one clause, as it ended or stands. `held`: records over their time that holds keep; `stopped_by`: who asked
    that it ends after its batch."""

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
    held: int
    overdue: int
    oldest_remaining: datetime | None
    oldest_overdue: datetime | None
    note: str
    stopped_by: str | None


@dataclass(frozen=True, kw_only=True)
class SweepOutcome:
    """What a run came to. `errors`: what a store said no with; `sweep`: the numbers it set out with, None for a run that
    was only taken up again; `forecast`: how far its plan is, and how long the rest takes."""

    clause: str
    run: SweepRun
    sweep: ClauseSweep | None
    errors: tuple[str, ...] = ()
    waiting: WaitingApproval | None = None
    forecast: Forecast | None = None

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
    """Measured now: records over their time (`due`), of those the ones past half of `within` (`half`) and past all of it
    (`broken`); `over`: how long the oldest is over, at least. Held ones are apart."""

    clause: str
    at: datetime
    due: int
    half: int
    broken: int
    over: timedelta
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
        blockers=tuple(row.blockers),
    )


_TIMES = ("oldest", "newest", "cutoff")
_SENTENCES = ("blockers", "findings")


def sweep_json(sweep: ClauseSweep) -> dict[str, Any]:
    """The view as JSON: for `--json`, and for the row of a run that waits."""
    rows = [
        {
            **vars(one),
            **{name: _iso(getattr(one, name)) for name in _TIMES},
            "share": round(one.share, 4),
            "holds": [dict(vars(hold)) for hold in one.holds],
            **{name: list(getattr(one, name)) for name in _SENTENCES},
        }
        for one in sweep.collections
    ]
    return {
        **vars(sweep),
        "now": iso_utc(sweep.now),
        "collections": rows,
        "stays": list(sweep.stays),
        "gaps": list(sweep.gaps),
        "samples": dict(sweep.samples),
    }


def read_sweep(data: Mapping[str, Any]) -> ClauseSweep:
    """The view that `sweep_json` wrote, now or before an update."""
    rows = tuple(_read_collection(row) for row in data["collections"])
    lists = {name: tuple(data[name]) for name in ("stays", "gaps")}
    return ClauseSweep(**{**data, "now": parse_iso(data["now"]), "collections": rows, **lists})


def _read_collection(row: Mapping[str, Any]) -> CollectionSweep:
    known = {name: value for name, value in row.items() if name in CollectionSweep.__dataclass_fields__}
    times = {name: parse_iso(row[name]) if row[name] else None for name in _TIMES}
    holds = tuple(HeldBy(**hold) for hold in row.get("holds", ()))
    return CollectionSweep(
        **{**known, **times, "holds": holds, **{name: tuple(row.get(name, ())) for name in _SENTENCES}}
    )


def read_run(row: SweepRunRow) -> SweepRun:
    """The view of a row."""
    names = SweepRun.__dataclass_fields__
    return SweepRun(**{name: getattr(row, name) for name in names if name != "state"}, state=RunState(row.state))


def read_waiting(row: SweepRunRow) -> WaitingApproval | None:
    """The view of a row that waits for a person; None for any other."""
    if row.state != RunState.WAITING or row.body is None:
        return None
    sweep = read_sweep({"samples": row.body.get("samples", {}), **row.body["sweep"]})
    return WaitingApproval(
        run_id=row.id,
        clause=row.clause,
        since=row.started_at,
        reason=sweep.waits_for,
        sweep=sweep,
        made_up=row.made_up,
        missed=row.missed,
    )


def _iso(instant: datetime | None) -> str | None:
    return iso_utc(instant) if instant else None
