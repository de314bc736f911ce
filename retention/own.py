"""Kept's own data: its control database as the store `kept`, swept by the same engine under the clauses of its own policy."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Final

from core.clock import Clock
from core.database import Database
from core.errors import WaitsForPerson
from core.map_file import ShippedMap
from core.settings import Settings
from ledger.log import Ledger
from plans.engine import Plans
from policies.clauses import RetentionClause
from policies.cutoffs import BindingClause
from policies.own import OWN, OwnPolicies, is_own, own_document
from policies.versions import Policies
from retention import runs
from retention.drafts import Draft, Drafting
from retention.orders import Order
from retention.sweeps import Sweeps
from retention.terms import over_breaker
from retention.views import ClauseOverdue, ClauseSweep, SweepOutcome

# Whoever runs a release has approved its terms; the breaker still waits for a person. docs/adr/0006 has the reasons.
RELEASE: Final = "of this release"


def with_own_sweeps(settings: Settings, shipped: ShippedMap) -> Settings:
    """How Kept's own clauses are swept: as the release says, unless kept.yaml says it under the clause's own name."""
    names = [f"{OWN}{one.id}" for one in own_document().of_kind(RetentionClause)]
    ships = {name: shipped.sweeps.get(name, shipped.default) for name in names}
    return replace(settings, sweeps={**ships, **settings.sweeps})


class OwnDrafting(Drafting):
    """Drafts of Kept's own clauses. They stand approved by the release, unless a person has taken that back."""

    def __init__(
        self, database: Database, own: OwnPolicies, plans: Plans, settings: Settings, *, host: Policies
    ) -> None:
        super().__init__(database, own, plans, settings)
        self._host = host

    def clauses(self, now: datetime) -> tuple[BindingClause, ...]:
        """Those that bind something this release keeps: some of the policy are for what a later one will."""
        mapped = {name for one in self._plans.datamap.collections for name in self._plans.datamap.categories(one)}
        return tuple(one for one in super().clauses(now) if mapped & set(one.clause.of))

    def zone(self) -> str:
        """Windows are meant in the zone of the policy in force, else in UTC."""
        with self._database.read() as session:
            version = self._host.in_force(session)
        return version.document.controller.timezone if version else "UTC"

    def draft(self, binding: BindingClause, now: datetime) -> Draft:
        drafted = super().draft(binding, now)
        with self._database.read() as session:
            last = runs.last_approval(session, binding.clause.id)
        if drafted.standing is not None or (last is not None and last.revoked_at is not None):
            return drafted
        over = over_breaker(drafted.preview, self._settings.sweep(binding.clause.id).breaker)
        return replace(drafted, standing=RELEASE, sweep=replace(drafted.sweep, waits_for=over))


class OwnSweeps(Sweeps):
    """Runs Kept's own clauses over Kept's own database."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ledger: Ledger,
        own: OwnPolicies,
        plans: Plans,
        settings: Settings,
        *,
        host: Policies,
    ) -> None:
        super().__init__(database, clock, ledger, own, plans, settings)
        self._drafting = OwnDrafting(database, own, plans, settings, host=host)


class AllSweeps(Sweeps):
    """Every clause of an installation: those of its policy, and Kept's own, each over its own map."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ledger: Ledger,
        policies: Policies,
        plans: Plans,
        settings: Settings,
        *,
        own: Sweeps,
    ) -> None:
        super().__init__(database, clock, ledger, policies, plans, settings)
        self._own = own

    def clauses(self) -> tuple[BindingClause, ...]:
        return (*super().clauses(), *self._own.clauses())

    def dry_run(self, clause: str | None = None) -> list[ClauseSweep]:
        found: list[ClauseSweep] = []
        for one in self._chosen(clause):
            name = one.clause.id
            found += self._own.dry_run(name) if is_own(name) else super().dry_run(name)
        return found

    def by_hand(self, *, approving: bool) -> tuple[str, ...]:
        """The clauses of a run by hand that names none: those of the policy, and with `approving` our own that wait."""
        asked = {one.clause for one in self.waiting()} if approving else set()
        names = [one.clause.id for one in self.clauses()]
        return tuple(name for name in names if not is_own(name) or name in asked)

    def run_own_due(self) -> list[SweepOutcome]:
        """What is due of Kept's own clauses, so that they run where nothing but commands does."""
        return self._own.run_due(self._clock.now())

    def run_due(self, now: datetime) -> list[SweepOutcome]:
        """Before a policy is in force too: Kept's own clauses bind from the start."""
        try:
            return super().run_due(now)
        except WaitsForPerson:
            return self._own.run_due(now)

    def overdue(self, now: datetime | None = None, *, but: Collection[str] = ()) -> list[ClauseOverdue]:
        """Before a policy is in force, of Kept's own clauses alone."""
        moment, own = now or self._plans.now(), self._own.overdue(now, but=but)
        try:
            bindings = self._drafting.clauses(self._clock.now())
        except WaitsForPerson:
            return own
        return [*(self._drafting.overdue(one, moment) for one in bindings if one.clause.id not in but), *own]

    def _run_clause(self, binding: BindingClause, order: Order) -> list[SweepOutcome]:
        if is_own(binding.clause.id):
            return self._own._run_clause(binding, order)
        return super()._run_clause(binding, order)
