"""How a run was asked for: by whom, until when, how fast, and which approval it is carried out under."""

from dataclasses import dataclass
from datetime import datetime

from plans.leasing import HeldLease
from plans.plan import Step
from plans.tools import Progress
from retention.drafts import Draft
from retention.views import WaitingApproval


@dataclass(frozen=True, kw_only=True)
class Approver:
    """Who approves, and why."""

    by: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Order:
    """How a run was asked for. `due_only`: by the scheduler, which lets be what another one has run meanwhile. `seen`: the
    waiting run that an approval is of."""

    actor: str
    approver: Approver | None = None
    deadline: datetime | None = None
    profile: str | None = None
    rate: int | None = None
    on_progress: Progress | None = None
    due_only: bool = False
    seen: WaitingApproval | None = None

    def progress(self, lease: HeldLease) -> Progress:
        """Keeps the lease after each batch, and tells whoever asked to be told."""

        def on_progress(step: Step, done: int, total: int) -> None:
            lease.renew()
            if self.on_progress:
                self.on_progress(step, done, total)

        return on_progress


def has_lapsed(seen: WaitingApproval | None, draft: Draft, breaker: float) -> bool:
    """Is what would go now another thing than what the person approved: another clause, another reach, many more records?"""
    if seen is None:
        return False
    return seen.sweep.terms != draft.terms or draft.sweep.rows > seen.sweep.rows * (1 + breaker)
