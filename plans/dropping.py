"""Receipts in stores, dropped once what they tell is proven in the ledger: one transaction a store, however many steps."""

from collections import defaultdict

import sqlalchemy as sa
import structlog

from core.database import Database
from core.errors import KeptError
from plans.plan import read_plan
from plans.tables import FINISHED, PlanRow, StepRow
from stores.datamap import DataMap

log = structlog.get_logger()


def drop_receipts(database: Database, datamap: DataMap) -> None:
    """Drop the receipts of every step that is finished; what cannot be dropped now goes after a later run."""
    for name, steps in _finished(database).items():
        store = datamap.stores.get(name)
        if store is None:
            continue
        try:
            store.drop_receipts(*steps)
        except KeptError as error:
            log.warning("receipts.kept", store=name, steps=len(steps), reason=str(error))
            continue
        with database.begin() as session:
            session.execute(sa.update(StepRow).where(StepRow.id.in_(steps)).values(receipts=False))


def _finished(database: Database) -> dict[str, list[str]]:
    """Steps with receipts, by store."""
    found: dict[str, list[str]] = defaultdict(list)
    with database.read() as session:
        wanted = sa.select(StepRow.plan_id, StepRow.id).where(StepRow.receipts, StepRow.state.in_(FINISHED))
        of_plan: dict[str, list[str]] = defaultdict(list)
        for plan_id, step_id in session.execute(wanted):
            of_plan[plan_id].append(step_id)
        for row in session.execute(sa.select(PlanRow).where(PlanRow.id.in_(of_plan))).scalars():
            if not row.body:  # its details were emptied since
                continue
            plan = read_plan(row.body)
            for step_id in of_plan[row.id]:
                found[plan.step(step_id).store].append(step_id)
    return found
