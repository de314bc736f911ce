"""Plans whose purpose is over: the day from which on their details are only kept as evidence, and then emptied."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from plans.tables import PlanRow


def close_plans(session: Session, trigger_ref: str, at: datetime) -> None:
    """Inside the caller's transaction: what these plans were made for is over."""
    made_for_it = sa.update(PlanRow).where(PlanRow.trigger_ref == trigger_ref, PlanRow.closed_at.is_(None))
    session.execute(made_for_it.values(closed_at=at))
