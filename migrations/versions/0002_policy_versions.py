"""The versions of a policy: verdicts, translations, withdrawal; published rows are written once."""

import sqlalchemy as sa
from alembic import op

from ledger.tables import triggers_for

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WRITTEN_ONCE = {
    "policy_versions": "id = NEW.id OR number = NEW.number",
    "policy_translations": "number = NEW.number AND language = NEW.language",
    "policy_events": "id = NEW.id OR (kind = NEW.kind AND number = NEW.number)",
}


def upgrade() -> None:
    """Columns that may be empty: every version published before has no verdict, and told nobody."""
    for column in (
        sa.Column("previous", sa.Integer(), nullable=True),
        sa.Column("weight", sa.String(length=20), nullable=True),
        sa.Column("reasons", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("overruled", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("channels", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("ahead", sa.String(length=40), nullable=True),
    ):
        op.add_column("policy_versions", column)
    op.add_column("policy_events", sa.Column("reason", sa.Text(), nullable=True))
    op.create_table(
        "policy_translations",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["number"], ["policy_versions.number"], name=op.f("fk_policy_translations_number_policy_versions")
        ),
        sa.PrimaryKeyConstraint("number", "language", name=op.f("pk_policy_translations")),
    )
    for statement in triggers_for(WRITTEN_ONCE)[op.get_bind().dialect.name]:
        op.execute(sa.text(statement))


def downgrade() -> None:
    """The versions are left by restoring a backup or removing the database."""
