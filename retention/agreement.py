"""What must hold between sweeps and the ledger: every run that ended, and the numbers it ended with."""

from __future__ import annotations

from typing import Final

from ledger.agreement import Agreement
from retention.tables import RunState, SweepRunRow

AGREEMENTS: Final = (
    Agreement(
        what="sweep",
        rows=SweepRunRow.__table__,
        ref=SweepRunRow.id,
        prefix="swp_",
        kinds=("sweep.run",),
        where=SweepRunRow.state.in_([RunState.DONE.value, RunState.FAILED.value]),
        facts={
            "state": SweepRunRow.state,
            "rows": SweepRunRow.rows,
            "remaining": SweepRunRow.remaining,
            "held": SweepRunRow.held,
        },
    ),
)
