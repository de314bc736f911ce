"""Work for people: tasks, what happened to each, and their evidence."""

import sqlalchemy as sa
from alembic import op

from core.database import PersonalText, UtcTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "plan_tasks",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("step_id", sa.String(length=40), nullable=False),
        sa.Column("plan_id", sa.String(length=40), nullable=False),
        sa.Column("trigger_ref", sa.String(length=200), nullable=False),
        sa.Column("store", sa.String(length=120), nullable=False),
        sa.Column("collection", sa.String(length=120), nullable=False),
        sa.Column("asked_for", sa.String(length=20), nullable=False),
        sa.Column("contact", PersonalText(length=254), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("asked_at", UtcTime(), nullable=False),
        sa.Column("due_at", UtcTime(), nullable=False),
        sa.Column("remind_seconds", sa.BigInteger(), nullable=False),
        sa.Column("mails", sa.Integer(), nullable=False),
        sa.Column("mailed_at", UtcTime(), nullable=True),
        sa.Column("mail_at", UtcTime(), nullable=True),
        sa.Column("answered_at", UtcTime(), nullable=True),
        sa.Column("answered_by", sa.String(length=80), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_plan_tasks_plan_id_plans")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_tasks")),
        sa.UniqueConstraint("step_id", name=op.f("uq_plan_tasks_step_id")),
    )
    for column in ("plan_id", "trigger_ref", "state", "mail_at"):
        op.create_index(op.f(f"ix_plan_tasks_{column}"), "plan_tasks", [column])
    op.create_table(
        "plan_task_events",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("task_id", sa.String(length=40), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("before", sa.String(length=20), nullable=False),
        sa.Column("after", sa.String(length=20), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["plan_tasks.id"], name=op.f("fk_plan_task_events_task_id_plan_tasks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_task_events")),
        sa.UniqueConstraint("task_id", "position", name=op.f("uq_plan_task_events_task_id")),
    )
    op.create_index(op.f("ix_plan_task_events_task_id"), "plan_task_events", ["task_id"])
    op.create_table(
        "plan_task_files",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("task_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["plan_tasks.id"], name=op.f("fk_plan_task_files_task_id_plan_tasks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_task_files")),
    )
    op.create_index(op.f("ix_plan_task_files_task_id"), "plan_task_files", ["task_id"])
