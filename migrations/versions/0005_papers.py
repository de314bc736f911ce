"""Documents made of versions."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "policy_papers",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("says", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("made_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["number"], ["policy_versions.number"], name=op.f("fk_policy_papers_number_policy_versions")
        ),
        sa.PrimaryKeyConstraint("number", "language", name=op.f("pk_policy_papers")),
    )
