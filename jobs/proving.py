"""What every room says must hold between its tables and the ledger, in one list."""

from __future__ import annotations

from typing import Final

from dsr.agreement import AGREEMENTS as REQUESTS
from ledger.agreement import Agreement, Extra
from notify.agreement import AGREEMENTS as NOTICES
from plans.agreement import AGREEMENTS as PLANS
from policies.agreement import AGREEMENTS as POLICIES
from policies.agreement import check_texts
from promises.agreement import AGREEMENTS as PROMISES
from promises.agreement import EXTRAS as PROMISES_TOO
from retention.agreement import AGREEMENTS as SWEEPS

AGREEMENTS: Final[tuple[Agreement, ...]] = (*POLICIES, *REQUESTS, *SWEEPS, *PLANS, *NOTICES, *PROMISES)
EXTRAS: Final[tuple[Extra, ...]] = (check_texts, *PROMISES_TOO)
