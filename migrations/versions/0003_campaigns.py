"""Campaigns."""

import sqlalchemy as sa
from alembic import op

from core.database import PersonalText, UtcTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("previous", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("ways", sa.String(length=60), nullable=False),
        sa.Column("any_of", sa.Boolean(), nullable=False),
        sa.Column("deadline", UtcTime(), nullable=True),
        sa.Column("begun_at", UtcTime(), nullable=False),
        sa.Column("begun_by", sa.String(length=80), nullable=False),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("passes", sa.Integer(), nullable=False),
        sa.Column("passing_since", UtcTime(), nullable=True),
        sa.Column("passed_at", UtcTime(), nullable=True),
        sa.Column("again_at", UtcTime(), nullable=True),
        sa.Column("troubles", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("tolerant", sa.Boolean(), nullable=False),
        sa.Column("completed_at", UtcTime(), nullable=True),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("version", "stage", name=op.f("uq_campaigns_version")),
    )
    op.create_index(op.f("ix_campaigns_ended_at"), "campaigns", ["ended_at"], unique=False)
    op.create_table(
        "campaign_people",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("campaign_id", sa.String(length=40), nullable=False),
        sa.Column("person", sa.String(length=24), nullable=False),
        sa.Column("address", sa.String(length=24), nullable=True),
        sa.Column("email", PersonalText(length=330), nullable=True),
        sa.Column("name", PersonalText(length=200), nullable=True),
        sa.Column("language", sa.String(length=10), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("due_at", UtcTime(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_campaign_people_campaign_id_campaigns")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign_people")),
        sa.UniqueConstraint("address", "campaign_id", name=op.f("uq_campaign_people_address")),
        sa.UniqueConstraint("person", "campaign_id", name=op.f("uq_campaign_people_person")),
    )
    op.create_index(
        "ix_campaign_people_campaign_id", "campaign_people", ["campaign_id", "state", "due_at"], unique=False
    )
