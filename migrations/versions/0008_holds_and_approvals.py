"""Holds: who asked for a release, and what each keeps; approvals that are revoked; runs that are stopped."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("holds", sa.Column("unlinked", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("holds", sa.Column("review_told_at", UtcTime(), nullable=True))
    op.add_column("holds", sa.Column("release_asked_at", UtcTime(), nullable=True))
    op.add_column("holds", sa.Column("release_asked_by", sa.String(length=80), nullable=True))
    op.add_column("holds", sa.Column("release_due_at", UtcTime(), nullable=True))
    op.add_column("sweep_runs", sa.Column("held", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("sweep_runs", sa.Column("stopped_by", sa.String(length=80), nullable=True))
    op.add_column("sweep_approvals", sa.Column("revoked_at", UtcTime(), nullable=True))
    op.add_column("sweep_approvals", sa.Column("revoked_by", sa.String(length=80), nullable=True))
    op.add_column("sweep_approvals", sa.Column("revoke_reason", sa.Text(), nullable=False, server_default=""))
    op.add_column("plan_approvals", sa.Column("revoked_at", UtcTime(), nullable=True))
    op.add_column("plans", sa.Column("stop_asked_at", UtcTime(), nullable=True))
    op.create_table(
        "hold_counts",
        sa.Column("hold", sa.String(length=40), nullable=False),
        sa.Column("clause", sa.String(length=120), nullable=False),
        sa.Column("collection", sa.String(length=120), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("oldest", UtcTime(), nullable=True),
        sa.Column("counted_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("hold", "clause", "collection", name=op.f("pk_hold_counts")),
    )
