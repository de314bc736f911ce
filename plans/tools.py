"""What the work on the steps of one run needs, handed down as one value."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import Database
from ledger.log import Ledger
from plans.holds import Holds
from plans.leasing import HeldLease
from plans.pace import Pace, Timer
from plans.plan import Plan, Step
from stores.datamap import DataMap

Progress = Callable[[Step, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What the work of steps needs, for one run of one plan. `deadline`: no batch begins after it. `make_pace`: a step
    finds its own pace.

    `require_approved` raises unless exactly this plan and its preview are approved. `prepared`: stores that this run has
    made ready for receipts."""

    database: Database
    clock: Clock
    ledger: Ledger
    datamap: DataMap
    holds: Holds
    lease: HeldLease
    require_approved: Callable[[Session, str], Plan]
    plan: Plan
    actor: str
    make_pace: Callable[[], Pace]
    timer: Timer = field(default_factory=Timer)
    deadline: datetime | None = None
    on_progress: Progress | None = None
    prepared: set[str] = field(default_factory=set)

    @property
    def is_over_budget(self) -> bool:
        return self.deadline is not None and self.clock.now() >= self.deadline
