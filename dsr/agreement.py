"""What must hold between requests and the ledger: every one of them, its state, and what was erased for it."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from dsr.erasure_tables import ErasureRow
from dsr.states import State
from dsr.tables import TicketRow
from ledger.agreement import Agreement

_STATES: Final = {f"request.{state.value}": state.value for state in State} | {
    "request.account_closed": State.SCHEDULED.value
}

AGREEMENTS: Final = (
    Agreement(
        what="request",
        rows=TicketRow.__table__,
        ref=sa.literal("ticket:").concat(TicketRow.ref),
        prefix="ticket:",
        kinds=tuple(_STATES),
        # Until the address is shown it is no request, and nothing is recorded of it.
        where=TicketRow.state != State.UNCONFIRMED.value,
        goes_by=("kept:requests",),
        state=TicketRow.state,
        states=_STATES,
        facts={"right": sa.type_coerce(TicketRow.right, sa.String())},
    ),
    Agreement(
        what="erasure of request",
        rows=ErasureRow.__table__,
        ref=sa.literal("ticket:").concat(ErasureRow.ref),
        prefix="ticket:",
        kinds=("request.approved", "request.account_closed"),
        # Lines that a restore or an import took over from a file are noted as they were erased; their requests stand elsewhere.
        where=sa.or_(ErasureRow.erased_at.is_(None), ErasureRow.noted_at < ErasureRow.erased_at),
        both_ways=False,
    ),
)
