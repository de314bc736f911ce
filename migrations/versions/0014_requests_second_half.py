"""Restriction, opt-outs, people who ask for others, other ways in, recipients told, the register of erasures."""

import sqlalchemy as sa
from alembic import op

from core.database import PersonalText, UtcTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _rights()
    _signals()
    _askers()
    _ways_in()
    _recipients()
    _erasures()


def downgrade() -> None:
    _no_erasures()
    _no_recipients()
    _no_ways_in()
    _no_askers()
    _no_signals()
    _no_rights()


def _rights() -> None:
    """The rights that change no record: what was chosen, restrictions and objections with their feed, appeals."""
    op.create_table(
        "ticket_choices",
        sa.Column("ticket_id", sa.String(length=40), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("opt_out", sa.JSON(), nullable=False),
        sa.Column("about", sa.String(length=20), nullable=False),
        sa.Column("ground", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_choices_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_ticket_choices")),
    )
    op.create_table(
        "restrictions",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("ref", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("ground", sa.String(length=20), nullable=False),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("purposes", sa.JSON(), nullable=False),
        sa.Column("holds", sa.JSON(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("contact", sa.String(length=254), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("told_at", UtcTime(), nullable=True),
        sa.Column("lift_at", UtcTime(), nullable=True),
        sa.Column("lift_by", sa.String(length=80), nullable=True),
        sa.Column("lift_why", sa.Text(), nullable=False),
        sa.Column("lifted_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restrictions")),
    )
    op.create_index(op.f("ix_restrictions_ref"), "restrictions", ["ref"])
    op.create_index(op.f("ix_restrictions_number"), "restrictions", ["number"])
    op.create_index(op.f("ix_restrictions_lift_at"), "restrictions", ["lift_at"])
    op.create_table(
        "restriction_people",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("restriction_id", sa.String(length=40), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["restriction_id"], ["restrictions.id"], name=op.f("fk_restriction_people_restriction_id_restrictions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restriction_people")),
    )
    op.create_index(op.f("ix_restriction_people_restriction_id"), "restriction_people", ["restriction_id"])
    op.create_index(op.f("ix_restriction_people_hash"), "restriction_people", ["hash"])
    op.create_table(
        "restriction_feed",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restriction_feed")),
    )
    op.create_table(
        "ticket_appeals",
        sa.Column("ticket_id", sa.String(length=40), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("of_ref", sa.String(length=20), nullable=False),
        sa.Column("decided_by", sa.String(length=80), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("alone_why", sa.Text(), nullable=False),
        sa.Column("reopened_ref", sa.String(length=20), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_appeals_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_ticket_appeals")),
        sa.UniqueConstraint("of_ref", name=op.f("uq_ticket_appeals_of_ref")),
    )


def _no_rights() -> None:
    op.drop_table("ticket_appeals")
    op.drop_table("restriction_feed")
    op.drop_table("restriction_people")
    op.drop_table("restrictions")
    op.drop_table("ticket_choices")


def _signals() -> None:
    """Opt-outs as keyed hashes, and figures."""
    op.create_table(
        "suppressions",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("ref", sa.String(length=80), nullable=True),
        sa.Column("at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
        sa.UniqueConstraint("hash", "purpose", name=op.f("uq_suppressions_hash")),
    )
    for table in ("tickets", "request_counts"):
        op.add_column(table, sa.Column("received_in", sa.Integer(), nullable=True))
        op.add_column(table, sa.Column("ground", sa.String(length=40), nullable=True))
        for name in _TALLIES:
            op.add_column(table, sa.Column(name, sa.Integer(), nullable=True))
    _tally_what_is_closed()


_TALLY_BOUNDS = (1, 3, 7, 14, 21, 30, 45, 60, 90)
_TALLIES = ("answered_late", "took_days", *(f"took_{days}" for days in _TALLY_BOUNDS), "took_longer")


def _tally_what_is_closed() -> None:
    """Requests that were closed before get their numbers, by days in UTC; those that are totals already keep their year."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    day, year = "(closed_at::date - received_at::date)", "CAST(EXTRACT(YEAR FROM received_at) AS INTEGER)"
    late, ground, of_year = "(closed_at::date > due_on)", "told->>'ground'", "CAST(EXTRACT(YEAR FROM year) AS INTEGER)"
    if is_sqlite:
        day = "CAST(julianday(substr(closed_at, 1, 10)) - julianday(substr(received_at, 1, 10)) AS INTEGER)"
        year, of_year = "CAST(substr(received_at, 1, 4) AS INTEGER)", "CAST(substr(year, 1, 4) AS INTEGER)"
        late, ground = "(substr(closed_at, 1, 10) > due_on)", "json_extract(told, '$.ground')"
    sets = [
        f"received_in = {year}",
        f"took_days = {day}",
        f"answered_late = CASE WHEN {late} THEN 1 ELSE 0 END",
        f"ground = CASE WHEN state = 'refused' THEN {ground} END",
    ]
    low = -1
    for bound in _TALLY_BOUNDS:
        sets.append(f"took_{bound} = CASE WHEN {day} > {low} AND {day} <= {bound} THEN 1 ELSE 0 END")
        low = bound
    sets.append(f"took_longer = CASE WHEN {day} > {low} THEN 1 ELSE 0 END")
    op.execute(f"UPDATE tickets SET {', '.join(sets)} WHERE closed_at IS NOT NULL")  # noqa: S608
    op.execute(f"UPDATE request_counts SET received_in = {of_year}")  # noqa: S608


def _no_signals() -> None:
    for table in ("tickets", "request_counts"):
        with op.batch_alter_table(table) as batch:
            for name in ("received_in", "ground", *_TALLIES):
                batch.drop_column(name)
    op.drop_table("suppressions")


def _askers() -> None:
    """Who asks for somebody else, and what was looked at for it."""
    op.create_table(
        "ticket_askers",
        sa.Column("ticket_id", sa.String(length=40), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("name", PersonalText(length=200), nullable=False),
        sa.Column("contact", PersonalText(length=254), nullable=False),
        sa.Column("contact_at", UtcTime(), nullable=True),
        sa.Column("told_at", UtcTime(), nullable=True),
        sa.Column("shown_at", UtcTime(), nullable=True),
        sa.Column("disputed_at", UtcTime(), nullable=True),
        sa.Column("answer_to", sa.String(length=20), nullable=False),
        sa.Column("minor", sa.String(length=20), nullable=True),
        sa.Column("customer", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_askers_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_ticket_askers")),
    )
    op.create_table(
        "ticket_asker_shown",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("ticket_id", sa.String(length=40), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("item", sa.String(length=30), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("good_until", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_asker_shown_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_asker_shown")),
    )
    op.create_index(op.f("ix_ticket_asker_shown_ticket_id"), "ticket_asker_shown", ["ticket_id"])


def _no_askers() -> None:
    op.drop_index(op.f("ix_ticket_asker_shown_ticket_id"), table_name="ticket_asker_shown")
    op.drop_table("ticket_asker_shown")
    op.drop_table("ticket_askers")


def _ways_in() -> None:
    """Hand-offs of the host application, accounts that were closed, post, and requests that need no operator."""
    op.create_table(
        "ticket_identifiers",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("ticket_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("value", sa.String(length=254), nullable=False),
        sa.Column("source", sa.String(length=80), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("proven_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_identifiers_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_identifiers")),
    )
    op.create_index(op.f("ix_ticket_identifiers_ticket_id"), "ticket_identifiers", ["ticket_id"])
    op.create_index(op.f("ix_ticket_identifiers_value"), "ticket_identifiers", ["value"])
    op.create_table(
        "closed_accounts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("closed_at", UtcTime(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("taken_at", UtcTime(), nullable=False),
        sa.Column("batch", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("ticket_id", sa.String(length=40), nullable=True),
        sa.Column("settled_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_closed_accounts")),
        sa.UniqueConstraint("subject", "closed_at", name=op.f("uq_closed_accounts_subject")),
    )
    for name in ("taken_at", "batch", "ticket_id"):
        op.create_index(op.f(f"ix_closed_accounts_{name}"), "closed_accounts", [name])
    op.create_table(
        "ticket_postal_addresses",
        sa.Column("ticket_id", sa.String(length=40), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("address", sa.String(length=600), nullable=False),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_postal_addresses_ticket_id_tickets")
        ),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_ticket_postal_addresses")),
    )
    op.create_table(
        "ticket_letters",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("ticket_id", sa.String(length=40), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.String(length=40_000), nullable=False),
        sa.Column("sent_on", sa.Date(), nullable=True),
        sa.Column("sent_by", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_letters_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_letters")),
    )
    op.create_index(op.f("ix_ticket_letters_ticket_id"), "ticket_letters", ["ticket_id"])
    op.create_table(
        "handoffs",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_handoffs")),
    )
    op.create_index(op.f("ix_handoffs_expires_at"), "handoffs", ["expires_at"])
    op.create_table(
        "ticket_self_service",
        sa.Column("ticket_id", sa.String(length=40), nullable=False),
        sa.Column("clause", sa.String(length=80), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("why", sa.JSON(), nullable=False),
        sa.Column("runs_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_self_service_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_ticket_self_service")),
    )
    op.create_index(op.f("ix_ticket_self_service_state"), "ticket_self_service", ["state"])
    op.create_index(op.f("ix_ticket_self_service_runs_at"), "ticket_self_service", ["runs_at"])


def _no_ways_in() -> None:
    for name in (
        "ticket_self_service",
        "handoffs",
        "ticket_letters",
        "ticket_postal_addresses",
        "closed_accounts",
        "ticket_identifiers",
    ):
        op.drop_table(name)


def _recipients() -> None:
    """Who was told of an erasure, and what they answered."""
    op.create_table(
        "ticket_tellings",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("ticket_id", sa.String(length=40), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("what", sa.String(length=20), nullable=False),
        sa.Column("clause", sa.String(length=120), nullable=False),
        sa.Column("recipient", sa.String(length=200), nullable=False),
        sa.Column("recipient_key", sa.String(length=200), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("way", sa.String(length=20), nullable=False),
        sa.Column("address", PersonalText(length=500), nullable=False),
        sa.Column("of", sa.JSON(), nullable=False),
        sa.Column("facts", PersonalText(length=20_000), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("asked_at", UtcTime(), nullable=True),
        sa.Column("due_at", UtcTime(), nullable=True),
        sa.Column("mails", sa.Integer(), nullable=False),
        sa.Column("mailed_at", UtcTime(), nullable=True),
        sa.Column("mail_at", UtcTime(), nullable=True),
        sa.Column("told_on", sa.Date(), nullable=True),
        sa.Column("answered_at", UtcTime(), nullable=True),
        sa.Column("answered_by", sa.String(length=80), nullable=True),
        sa.Column("ground", sa.String(length=20), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_tellings_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_tellings")),
    )
    for column in ("ticket_id", "recipient_key", "state", "mail_at"):
        op.create_index(op.f(f"ix_ticket_tellings_{column}"), "ticket_tellings", [column])
    op.create_table(
        "ticket_telling_files",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("telling_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["telling_id"], ["ticket_tellings.id"], name=op.f("fk_ticket_telling_files_telling_id_ticket_tellings")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_telling_files")),
    )
    op.create_index(op.f("ix_ticket_telling_files_telling_id"), "ticket_telling_files", ["telling_id"])


def _no_recipients() -> None:
    op.drop_table("ticket_telling_files")
    op.drop_table("ticket_tellings")


def _erasures() -> None:
    """The register of what was erased."""
    op.create_table(
        "erasures",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=120), nullable=False),
        sa.Column("ref", sa.String(length=20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("noted_at", UtcTime(), nullable=False),
        sa.Column("erased_at", UtcTime(), nullable=True),
        sa.Column("kept", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
        sa.UniqueConstraint("hash", "ref", name=op.f("uq_erasures_hash")),
    )
    op.create_index(op.f("ix_erasures_hash"), "erasures", ["hash"])
    op.create_index(op.f("ix_erasures_ref"), "erasures", ["ref"])
    op.create_table(
        "erasure_looks",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("store", sa.String(length=120), nullable=False),
        sa.Column("begun_at", UtcTime(), nullable=False),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.Column("places", sa.JSON(), nullable=False),
        sa.Column("done", sa.JSON(), nullable=False),
        sa.Column("read", sa.BigInteger(), nullable=False),
        sa.Column("not_looked", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure_looks")),
    )
    op.create_index(op.f("ix_erasure_looks_begun_at"), "erasure_looks", ["begun_at"])
    op.create_table(
        "erasure_findings",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("ref", sa.String(length=20), nullable=False),
        sa.Column("look_id", sa.String(length=40), nullable=False),
        sa.Column("found_at", UtcTime(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("marks", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("rows", sa.JSON(), nullable=False),
        sa.Column("plan_id", sa.String(length=40), nullable=True),
        sa.Column("decided_by", sa.String(length=80), nullable=True),
        sa.Column("decided_why", sa.Text(), nullable=True),
        sa.Column("settled_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure_findings")),
    )
    for column in ("ref", "look_id", "state"):
        op.create_index(op.f(f"ix_erasure_findings_{column}"), "erasure_findings", [column])


def _no_erasures() -> None:
    for table in ("erasure_findings", "erasure_looks", "erasures"):
        op.drop_table(table)
