"""Checks: types of fields as they were seen, the last look at the map, the last scans for what is never stored."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "known_fields",
        sa.Column("store", sa.String(length=120), nullable=False),
        sa.Column("at", sa.String(length=400), nullable=False),
        sa.Column("field", sa.String(length=400), nullable=False),
        sa.Column("type", sa.String(length=200), nullable=False),
        sa.Column("seen_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("store", "at", "field", name=op.f("pk_known_fields")),
    )
    op.create_table(
        "drift_looks",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("checked_at", UtcTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("collections", sa.JSON(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drift_looks")),
    )
    op.create_table(
        "content_looks",
        sa.Column("clause", sa.String(length=120), nullable=False),
        sa.Column("checked_at", UtcTime(), nullable=False),
        sa.Column("sought", sa.JSON(), nullable=False),
        sa.Column("collections", sa.Integer(), nullable=False),
        sa.Column("rows_seen", sa.BigInteger(), nullable=False),
        sa.Column("rows_total", sa.BigInteger(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("trouble", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("clause", name=op.f("pk_content_looks")),
    )
