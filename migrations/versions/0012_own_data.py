"""Kept's own data under its own clauses: when each thing's use ended, what is left of requests, the policy of each release."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ENDS = "('answered', 'refused', 'nothing_found', 'withdrawn', 'expired')"
_BACKFILL = (
    f"UPDATE tickets SET outcome = CASE WHEN is_test THEN 'test' ELSE state END, closed_at = (SELECT max(e.at) FROM ticket_events e WHERE e.ticket_id = tickets.id AND e.after = tickets.state AND e.before <> e.after) WHERE state IN {_ENDS}",  # noqa: S608
    "UPDATE plans SET closed_at = (SELECT t.closed_at FROM tickets t WHERE 'ticket:' || t.ref = plans.trigger_ref) WHERE trigger_kind = 'request'",
    "UPDATE plans SET closed_at = (SELECT max(s.ended_at) FROM plan_steps s WHERE s.plan_id = plans.id) WHERE trigger_kind = 'sweep' AND state = 'done'",
    "UPDATE consents SET ended_at = (SELECT min(w.at) FROM consents w WHERE w.subject = consents.subject AND w.purpose = consents.purpose AND NOT w.given AND w.turn >= consents.turn)",
)


def upgrade() -> None:
    op.create_table(
        "own_policy_versions",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("in_force_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_own_policy_versions")),
    )
    op.create_table(
        "request_counts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("year", sa.Date(), nullable=False),
        sa.Column("right", sa.String(length=30), nullable=False),
        sa.Column("regime", sa.String(length=40), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_counts")),
    )
    op.execute("ALTER TABLE tickets RENAME COLUMN outcome TO told")
    op.add_column("tickets", sa.Column("outcome", sa.String(length=20), nullable=True))
    op.add_column("tickets", sa.Column("closed_at", UtcTime(), nullable=True))
    op.create_index(op.f("ix_tickets_closed_at"), "tickets", ["closed_at"])
    op.add_column("plans", sa.Column("closed_at", UtcTime(), nullable=True))
    op.add_column("consents", sa.Column("ended_at", UtcTime(), nullable=True))
    op.add_column("acceptances", sa.Column("account_closed_at", UtcTime(), nullable=True))
    for statement in _BACKFILL:
        op.execute(statement)
