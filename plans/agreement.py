"""What must hold between plans, holds and the ledger: every approval of exactly its plan, every hold and its end."""

from __future__ import annotations

from typing import Final

from ledger.agreement import Agreement
from plans.holds import HoldRow
from plans.tables import ApprovalRow

AGREEMENTS: Final = (
    Agreement(
        what="approval",
        rows=ApprovalRow.__table__,
        ref=ApprovalRow.id,
        prefix="apr_",
        kinds=("plan.approved",),
        facts={"plan_digest": ApprovalRow.plan_digest, "preview_digest": ApprovalRow.preview_digest},
    ),
    Agreement(
        what="hold",
        rows=HoldRow.__table__,
        ref=HoldRow.id,
        prefix="hold_",
        kinds=("hold.added",),
        goes_by=("kept:holds",),
        facts={"collection": HoldRow.collection},
    ),
    Agreement(
        what="released hold",
        rows=HoldRow.__table__,
        ref=HoldRow.id,
        prefix="hold_",
        kinds=("hold.released",),
        where=HoldRow.released_at.is_not(None),
        goes_by=("kept:holds",),
        binds=True,
    ),
)
