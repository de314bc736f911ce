"""Promises: the worst of each day by clause, alarms, and what a look says of the oldest record over its time."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "promise_history",
        sa.Column("clause", sa.String(length=120), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("broken", sa.BigInteger(), nullable=False),
        sa.Column("over_seconds", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("clause", "day", name=op.f("pk_promise_history")),
    )
    op.create_table(
        "promise_alarms",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("about", sa.String(length=120), nullable=False),
        sa.Column("open_key", sa.String(length=150), nullable=True),
        sa.Column("says", sa.Text(), nullable=False),
        sa.Column("since", UtcTime(), nullable=False),
        sa.Column("raised_at", UtcTime(), nullable=False),
        sa.Column("told_at", UtcTime(), nullable=True),
        sa.Column("over_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promise_alarms")),
        sa.UniqueConstraint("open_key", name=op.f("uq_promise_alarms_open_key")),
    )
    op.add_column("promise_evidence", sa.Column("half", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("promise_evidence", sa.Column("over_seconds", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("promise_evidence", sa.Column("unreached", sa.JSON(), nullable=False, server_default="[]"))
