"""Drafts of the policy."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "policy_drafts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("begun_at", UtcTime(), nullable=False),
        sa.Column("begun_by", sa.String(length=80), nullable=False),
        sa.Column("changed_at", UtcTime(), nullable=False),
        sa.Column("changed_by", sa.String(length=80), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("based_on", sa.Integer(), nullable=True),
        sa.Column("came_from", sa.String(length=200), nullable=False),
        sa.Column("texts", sa.JSON(), nullable=False),
        sa.Column("overruled_weight", sa.String(length=20), nullable=True),
        sa.Column("overruled_reason", sa.Text(), nullable=False),
        sa.Column("overruled_by", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_drafts")),
    )
