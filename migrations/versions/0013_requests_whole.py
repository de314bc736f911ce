"""Requests made whole: conversations of several tickets, clocks, proof, decisions, corrections, certificates."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Each room adds its own part here, as a function of its own."""
    _tickets()
    _messages()
    _clocks()
    _proof()
    _corrections()
    _answers()
    _packages()


def _messages() -> None:
    """What people and operators write to each other, with files sealed under their ticket's own key."""
    op.add_column("ticket_messages", sa.Column("during", sa.String(length=20), nullable=True))
    op.add_column("ticket_messages", sa.Column("settled_at", UtcTime(), nullable=True))
    op.create_table(
        "ticket_keys",
        sa.Column("ticket_id", sa.String(length=40), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("made_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_keys_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_ticket_keys")),
    )
    op.create_table(
        "ticket_attachments",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("ticket_id", sa.String(length=40), nullable=False),
        sa.Column("message_id", sa.String(length=40), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("gone_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_attachments_ticket_id_tickets")),
        sa.ForeignKeyConstraint(
            ["message_id"], ["ticket_messages.id"], name=op.f("fk_ticket_attachments_message_id_ticket_messages")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_attachments")),
    )
    op.create_index(op.f("ix_ticket_attachments_ticket_id"), "ticket_attachments", ["ticket_id"])
    op.create_index(op.f("ix_ticket_attachments_message_id"), "ticket_attachments", ["message_id"])


def _clocks() -> None:
    """What operators were reminded of, and the day that an event is about."""
    op.add_column("tickets", sa.Column("reminded_for", sa.Date(), nullable=True))
    op.add_column("tickets", sa.Column("reminded_left", sa.Integer(), nullable=True))
    op.add_column("ticket_events", sa.Column("day", sa.Date(), nullable=True))


def _tickets() -> None:
    """Who works on a ticket, which others ask for the same, and what of one is refused."""
    op.add_column("tickets", sa.Column("assigned_to", sa.String(length=40), nullable=True))
    op.create_index(op.f("ix_tickets_assigned_to"), "tickets", ["assigned_to"])
    op.create_table(
        "ticket_links",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("ticket_id", sa.String(length=40), nullable=False),
        sa.Column("other_ref", sa.String(length=20), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_links_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_links")),
        sa.UniqueConstraint("ticket_id", "other_ref", name=op.f("uq_ticket_links_ticket_id")),
    )
    op.create_index(op.f("ix_ticket_links_ticket_id"), "ticket_links", ["ticket_id"])
    op.create_table(
        "ticket_refused_parts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("ticket_id", sa.String(length=40), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("collections", sa.JSON(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("ground", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_refused_parts_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_refused_parts")),
    )
    op.create_index(op.f("ix_ticket_refused_parts_ticket_id"), "ticket_refused_parts", ["ticket_id"])


def _proof() -> None:
    """How far a person has shown who they are, what they gave for it, and their other addresses."""
    op.create_table(
        "request_proofs",
        sa.Column("ticket_id", sa.String(length=40), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("matched", sa.JSON(), nullable=False),
        sa.Column("compared_at", UtcTime(), nullable=True),
        sa.Column("accepted_by", sa.String(length=80), nullable=True),
        sa.Column("changed_at", UtcTime(), nullable=True),
        sa.Column("waits_until", UtcTime(), nullable=True),
        sa.Column("contested_at", UtcTime(), nullable=True),
        sa.Column("warned", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_request_proofs_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_request_proofs")),
    )
    for name, columns in {
        "proof_points": (
            sa.Column("kind", sa.String(length=40), nullable=False),
            sa.Column("sealed", sa.LargeBinary(), nullable=False),
            sa.Column("ends_at", UtcTime(), nullable=False),
        ),
        "request_declarations": (
            sa.Column("at", UtcTime(), nullable=False),
            sa.Column("words", sa.Text(), nullable=False),
            sa.Column("name", sa.String(length=200), nullable=False),
        ),
        "request_addresses": (
            sa.Column("address", sa.String(length=254), nullable=False),
            sa.Column("asked_at", UtcTime(), nullable=False),
            sa.Column("proven_at", UtcTime(), nullable=True),
        ),
    }.items():
        op.create_table(
            name,
            sa.Column("id", sa.String(length=40), nullable=False),
            sa.Column("ticket_id", sa.String(length=40), nullable=False),
            *columns,
            sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f(f"fk_{name}_ticket_id_tickets")),
            sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
        )
        op.create_index(op.f(f"ix_{name}_ticket_id"), name, ["ticket_id"])
    op.create_index(op.f("ix_proof_points_ends_at"), "proof_points", ["ends_at"])


def _corrections() -> None:
    """What a person says is wrong and right, and what the stores say now of what would be put right."""
    op.create_table(
        "correction_proposals",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("ticket_id", sa.String(length=40), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("about", sa.String(length=120), nullable=False),
        sa.Column("value", sa.String(length=2000), nullable=False),
        sa.Column("collection", sa.String(length=80), nullable=True),
        sa.Column("field", sa.String(length=120), nullable=True),
        sa.Column("part_id", sa.String(length=40), nullable=True),
        sa.Column("decided_by", sa.String(length=80), nullable=True),
        sa.Column("decided_at", UtcTime(), nullable=True),
        sa.Column("taken_back_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_correction_proposals_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_correction_proposals")),
    )
    op.create_index(op.f("ix_correction_proposals_ticket_id"), "correction_proposals", ["ticket_id"])
    op.create_table(
        "correction_changes",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("ticket_id", sa.String(length=40), nullable=False),
        sa.Column("collection", sa.String(length=80), nullable=False),
        sa.Column("store", sa.String(length=80), nullable=False),
        sa.Column("field", sa.String(length=120), nullable=False),
        sa.Column("before", sa.String(length=2000), nullable=True),
        sa.Column("after", sa.String(length=2000), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("is_copy", sa.Boolean(), nullable=False),
        sa.Column("is_spared", sa.Boolean(), nullable=False),
        sa.Column("spared_why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_correction_changes_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_correction_changes")),
    )
    op.create_index(op.f("ix_correction_changes_ticket_id"), "correction_changes", ["ticket_id"])


def _answers() -> None:
    """Texts of answers that operators wrote, and certificates of what was deleted."""
    op.create_table(
        "ticket_answers",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("ticket_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_answers_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_answers")),
        sa.UniqueConstraint("ticket_id", "kind", name=op.f("uq_ticket_answers_ticket_id")),
    )
    op.create_index(op.f("ix_ticket_answers_ticket_id"), "ticket_answers", ["ticket_id"])
    op.create_table(
        "certificates",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("ticket_id", sa.String(length=40), nullable=False),
        sa.Column("made_at", UtcTime(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("paper", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_certificates_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificates")),
        sa.UniqueConstraint("ticket_id", name=op.f("uq_certificates_ticket_id")),
    )


def _packages() -> None:
    """What was seen in the texts of a copy, and downloads that can be taken up again."""
    op.create_table(
        "package_findings",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("ticket_id", sa.String(length=40), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("collection", sa.String(length=80), nullable=False),
        sa.Column("sort", sa.String(length=20), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("samples", sa.JSON(), nullable=False),
        sa.Column("decision", sa.String(length=10), nullable=True),
        sa.Column("decided_by", sa.String(length=80), nullable=True),
        sa.Column("decided_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_package_findings_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_package_findings")),
        sa.UniqueConstraint("ticket_id", "collection", "sort", name=op.f("uq_package_findings_ticket_id")),
    )
    op.create_index(op.f("ix_package_findings_ticket_id"), "package_findings", ["ticket_id"])
    op.add_column("package_downloads", sa.Column("token_hash", sa.String(length=64), nullable=True))
    op.add_column("package_downloads", sa.Column("ends_at", UtcTime(), nullable=True))
    op.create_index(op.f("ix_package_downloads_token_hash"), "package_downloads", ["token_hash"])
