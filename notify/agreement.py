"""What must hold between campaigns and the ledger: every one that began."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from ledger.agreement import Agreement
from notify.campaign_tables import CampaignRow

AGREEMENTS: Final = (
    Agreement(
        what="campaign",
        rows=CampaignRow.__table__,
        ref=sa.literal("campaign:").concat(CampaignRow.id),
        prefix="campaign:",
        kinds=("campaign.begun",),
        facts={"stage": CampaignRow.stage},
    ),
)
