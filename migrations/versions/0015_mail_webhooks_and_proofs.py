"""Mail that comes in, the queue of mail that goes out, webhooks, checkpoints kept elsewhere, attestations, cookies."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
_LOOKED_UP = ("message_id", "state", "ref")  # columns of sent_mails that got an index


def upgrade() -> None:
    _fetching()
    _letters()
    _outgoing()
    _wording()
    _webhooks()
    _ledger()
    _board()
    _cookies()
    _reports()


def downgrade() -> None:
    _no_reports()
    _no_cookies()
    _no_board()
    _no_ledger()
    _no_webhooks()
    _no_wording()
    _no_outgoing()
    _no_letters()
    _no_fetching()


def _fetching() -> None:
    """Messages that were taken, their originals, and how far each mailbox was read."""
    op.create_table(
        "inbox_messages",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("place", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("fetched_at", UtcTime(), nullable=False),
        sa.Column("arrived_at", UtcTime(), nullable=False),
        sa.Column("too_large", sa.Boolean(), nullable=False),
        sa.Column("read_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox_messages")),
        sa.UniqueConstraint("digest", name=op.f("uq_inbox_messages_digest")),
        sa.UniqueConstraint("source", "place", name=op.f("uq_inbox_messages_source")),
    )
    op.create_index("ix_inbox_messages_read_at", "inbox_messages", ["read_at", "fetched_at"])
    op.create_table(
        "message_originals",
        sa.Column("message_id", sa.String(length=40), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("request_closed_at", UtcTime(), nullable=True),
        sa.Column("set_aside_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"], ["inbox_messages.id"], name=op.f("fk_message_originals_message_id_inbox_messages")
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_message_originals")),
    )
    op.create_table(
        "inbox_positions",
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("validity", sa.BigInteger(), nullable=False),
        sa.Column("last_uid", sa.BigInteger(), nullable=False),
        sa.Column("era", sa.Integer(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_inbox_positions")),
    )
    op.create_table(
        "inbox_tokens",
        sa.Column("account", sa.String(length=200), nullable=False),
        sa.Column("configured", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_inbox_tokens")),
    )


def _no_fetching() -> None:
    op.drop_table("inbox_tokens")
    op.drop_table("inbox_positions")
    op.drop_table("message_originals")
    op.drop_table("inbox_messages")


def _letters() -> None:
    """What was made of each message: threads, proposals, what operators decided, acknowledgements."""
    op.create_table(
        "letters",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("message_id", sa.String(length=40), nullable=False),
        sa.Column("thread_id", sa.String(length=40), nullable=False),
        sa.Column("header_id", sa.String(length=260), nullable=False),
        sa.Column("received_at", UtcTime(), nullable=False),
        sa.Column("read_at", UtcTime(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("auto", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("rights", sa.JSON(), nullable=False),
        sa.Column("regime", sa.String(length=40), nullable=True),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.Column("found", sa.JSON(), nullable=False),
        sa.Column("sender", sa.String(length=320), nullable=False),
        sa.Column("sender_name", sa.String(length=1000), nullable=False),
        sa.Column("subject", sa.String(length=1000), nullable=False),
        sa.Column("text_mark", sa.String(length=64), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("hint_ref", sa.String(length=20), nullable=True),
        sa.Column("same_as", sa.String(length=40), nullable=True),
        sa.Column("mail_id", sa.String(length=40), nullable=True),
        sa.Column("acknowledged_at", UtcTime(), nullable=True),
        sa.Column("ticket_message_id", sa.String(length=40), nullable=True),
        sa.Column("decided_at", UtcTime(), nullable=True),
        sa.Column("decided_by", sa.String(length=80), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("request_closed_at", UtcTime(), nullable=True),
        sa.Column("set_aside_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"], ["inbox_messages.id"], name=op.f("fk_letters_message_id_inbox_messages")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letters")),
        sa.UniqueConstraint("message_id", name=op.f("uq_letters_message_id")),
    )
    for column in ("thread_id", "header_id", "sender", "text_mark", "mail_id"):
        op.create_index(op.f(f"ix_letters_{column}"), "letters", [column])
    op.create_index("ix_letters_state_received_at_id", "letters", ["state", "received_at", "id"])
    op.create_index("ix_tickets_lower_contact", "tickets", [sa.text("lower(contact)")])
    op.create_table(
        "letter_tickets",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("letter_id", sa.String(length=40), nullable=False),
        sa.Column("ref", sa.String(length=20), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("opened", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["letter_id"], ["letters.id"], name=op.f("fk_letter_tickets_letter_id_letters")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letter_tickets")),
        sa.UniqueConstraint("letter_id", "ref", name=op.f("uq_letter_tickets_letter_id")),
    )
    op.create_index(op.f("ix_letter_tickets_letter_id"), "letter_tickets", ["letter_id"])
    op.create_index(op.f("ix_letter_tickets_ref"), "letter_tickets", ["ref"])
    op.create_table(
        "triage_decisions",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("letter_id", sa.String(length=40), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("rights", sa.JSON(), nullable=False),
        sa.Column("regime", sa.String(length=40), nullable=True),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("decision", sa.String(length=20), nullable=False),
        sa.Column("decided_rights", sa.JSON(), nullable=False),
        sa.Column("decided_regime", sa.String(length=40), nullable=True),
        sa.Column("as_proposed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_triage_decisions")),
    )
    op.create_index(op.f("ix_triage_decisions_letter_id"), "triage_decisions", ["letter_id"])
    op.create_index(op.f("ix_triage_decisions_at"), "triage_decisions", ["at"])
    op.create_index(op.f("ix_ticket_messages_mail_id"), "ticket_messages", ["mail_id"])


def _no_letters() -> None:
    op.drop_index("ix_tickets_lower_contact", "tickets")
    op.drop_index(op.f("ix_ticket_messages_mail_id"), "ticket_messages")
    op.drop_table("triage_decisions")
    op.drop_table("letter_tickets")
    op.drop_table("letters")


def _outgoing() -> None:
    """The states, tries and texts of mails that go out."""
    with op.batch_alter_table("sent_mails") as batch:
        for name in ("queued_at", "next_at", "delayed_at"):
            batch.add_column(sa.Column(name, UtcTime(), nullable=True))
        batch.add_column(sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"))
        for name, size in (("language", 10), ("purpose", 80), ("status", 20)):
            batch.add_column(sa.Column(name, sa.String(length=size), nullable=False, server_default=""))
        batch.add_column(sa.Column("why", sa.Text(), nullable=False, server_default=""))
        batch.add_column(sa.Column("ref", sa.String(length=40), nullable=True))
    for name in _LOOKED_UP:
        op.create_index(f"ix_sent_mails_{name}", "sent_mails", [name])
    op.create_table(
        "mail_tries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("mail_id", sa.String(length=40), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_tries")),
    )
    op.create_index(op.f("ix_mail_tries_mail_id"), "mail_tries", ["mail_id"])
    op.create_index(op.f("ix_mail_tries_at"), "mail_tries", ["at"])
    op.create_table(
        "mail_texts",
        sa.Column("mail_id", sa.String(length=40), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("mail_id", name=op.f("pk_mail_texts")),
    )
    op.create_index(op.f("ix_mail_texts_at"), "mail_texts", ["at"])
    op.create_index(op.f("ix_mail_texts_recipient"), "mail_texts", ["recipient"])


def _no_outgoing() -> None:
    op.drop_table("mail_texts")
    op.drop_table("mail_tries")
    for name in _LOOKED_UP:
        op.drop_index(f"ix_sent_mails_{name}", "sent_mails")
    with op.batch_alter_table("sent_mails") as batch:
        for name in ("ref", "why", "status", "purpose", "language", "attempts", "delayed_at", "next_at", "queued_at"):
            batch.drop_column(name)


def _wording() -> None:
    """What an operator changed in the words of a mail."""
    op.create_table(
        "mail_wordings",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("event", sa.String(length=60), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("blocks", sa.JSON(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("by", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_wordings")),
        sa.UniqueConstraint("event", "language", "number", name=op.f("uq_mail_wordings_event")),
    )


def _no_wording() -> None:
    op.drop_table("mail_wordings")


def _webhooks() -> None:
    """Deliveries of webhooks and their tries."""
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("event_id", sa.String(length=40), nullable=False),
        sa.Column("endpoint", sa.String(length=40), nullable=False),
        sa.Column("type", sa.String(length=80), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("made_at", UtcTime(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("due_at", UtcTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("tries", sa.JSON(), nullable=False),
        sa.Column("settled_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint("source", "endpoint", name=op.f("uq_webhook_deliveries_source")),
    )
    op.create_index("ix_webhook_deliveries_endpoint_state", "webhook_deliveries", ["endpoint", "state", "due_at"])
    op.create_index("ix_webhook_deliveries_made_at_id", "webhook_deliveries", ["made_at", "id"])
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("good_at", UtcTime(), nullable=True),
        sa.Column("failing_since", UtcTime(), nullable=True),
        sa.Column("gone_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
    )


def _no_webhooks() -> None:
    op.drop_table("webhook_endpoints")
    op.drop_table("webhook_deliveries")


def _ledger() -> None:
    """Where checkpoints are kept, keys that were changed, restarts that somebody accounted for."""
    size = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "ledger_terms",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("key_number", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("public", sa.LargeBinary(length=32), nullable=False),
        sa.Column("entry_id", sa.String(length=40), nullable=True),
        sa.Column("kept_size", size, nullable=True),
        sa.Column("lost_size", size, nullable=True),
        sa.Column("at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_ledger_terms")),
    )
    op.create_table(
        "ledger_kept",
        sa.Column("place", sa.String(length=120), nullable=False),
        sa.Column("size", size, autoincrement=False, nullable=False),
        sa.Column("queued_at", UtcTime(), nullable=False),
        sa.Column("kept_at", UtcTime(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("place", "size", name=op.f("pk_ledger_kept")),
    )
    op.create_table(
        "ledger_cosignatures",
        sa.Column("size", size, autoincrement=False, nullable=False),
        sa.Column("witness", sa.String(length=120), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", "witness", name=op.f("pk_ledger_cosignatures")),
    )


def _no_ledger() -> None:
    for name in ("ledger_cosignatures", "ledger_kept", "ledger_terms"):
        op.drop_table(name)


def _board() -> None:
    """Attestations with their evidence, and what the board said on each day."""
    op.create_table(
        "attestations",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("clause", sa.String(120), nullable=False),
        sa.Column("promise", sa.String(64), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("until", UtcTime(), nullable=False),
        sa.Column("by", sa.String(80), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("entry", sa.String(40), nullable=False),
        sa.Column("taken_back_at", UtcTime(), nullable=True),
        sa.Column("taken_back_by", sa.String(80), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_attestations"),
    )
    op.create_index("ix_attestations_clause", "attestations", ["clause"])
    op.create_table(
        "attestation_files",
        sa.Column("attestation_id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("attestation_id", name="pk_attestation_files"),
        sa.ForeignKeyConstraint(
            ["attestation_id"], ["attestations.id"], name="fk_attestation_files_attestation_id_attestations"
        ),
    )
    op.create_table(
        "owner_reminders",
        sa.Column("clause", sa.String(120), nullable=False),
        sa.Column("about", sa.String(64), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("clause", "about", "days", name="pk_owner_reminders"),
    )
    op.create_table(
        "promise_states",
        sa.Column("clause", sa.String(120), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("entry", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("clause", "turn", name="pk_promise_states"),
    )
    op.create_index("ix_promise_states_at", "promise_states", ["at"])
    op.create_table(
        "promise_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("entry", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_promise_days"),
    )


def _no_board() -> None:
    for table in ("promise_days", "promise_states", "owner_reminders", "attestation_files", "attestations"):
        op.drop_table(table)


def _cookies() -> None:
    """What the last visit of the company's pages found."""
    op.create_table(
        "cookie_looks",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("checked_at", UtcTime(), nullable=False),
        sa.Column("how", sa.String(length=10), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("places", sa.JSON(), nullable=False),
        sa.Column("left", sa.JSON(), nullable=False),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("trouble", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cookie_looks")),
    )


def _no_cookies() -> None:
    op.drop_table("cookie_looks")


def _reports() -> None:
    """Reports that were asked for and made."""
    op.create_table(
        "reports",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        sa.Column("asked_at", UtcTime(), nullable=False),
        sa.Column("asked_by", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.Column("made_at", UtcTime(), nullable=True),
        sa.Column("pdf", sa.String(length=64), nullable=True),
        sa.Column("pack", sa.String(length=64), nullable=True),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
    )
    op.create_index(op.f("ix_reports_asked_at"), "reports", ["asked_at"], unique=False)


def _no_reports() -> None:
    op.drop_table("reports")
