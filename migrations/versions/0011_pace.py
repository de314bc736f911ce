"""Pace: how long the batches of a step have taken, from which a forecast is made."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("plan_steps", sa.Column("worked_seconds", sa.Double(), nullable=False, server_default="0"))
