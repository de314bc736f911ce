"""The schema: from scratch by migrations it is what the tables declare, and a newer one is refused."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import app  # noqa: F401 - every room declares its tables
from core.database import Base, Database
from core.errors import ConfigurationError
from core.migrations import current_revision, upgrade
from ledger.tables import TRIGGERS, triggers_for
from policies.version_tables import WRITTEN_ONCE
from tests.schema import import_tables


# SQLite's indexes over expressions are not compared; PostgreSQL's are.
@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index")
def test_migrations_make_the_schema_that_the_tables_declare(control_url: str) -> None:
    """No table, column or index is missing from the migrations, and none is left over."""
    import_tables()
    database = Database(control_url)
    upgrade(database)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    database.close()


def test_migrations_make_the_triggers_of_what_is_written_once(control_url: str) -> None:
    """A database made by migrations refuses to change an entry or a version, as one made from the tables does."""
    database = Database(control_url)
    upgrade(database)
    names = {
        "sqlite": "SELECT count(*) FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal",
    }
    with database.engine.connect() as connection:
        made = connection.execute(sa.text(names[database.dialect])).scalar_one()
    database.close()
    wanted = (*TRIGGERS[database.dialect], *triggers_for(WRITTEN_ONCE)[database.dialect])
    assert made == sum("CREATE TRIGGER" in statement.upper() for statement in wanted)


def test_upgrading_twice_changes_nothing(control_url: str) -> None:
    """Every start upgrades; the second finds nothing to do."""
    database = Database(control_url)
    upgrade(database)
    first = current_revision(database)
    upgrade(database)
    assert current_revision(database) == first
    database.close()


def test_a_database_newer_than_the_code_is_refused_untouched(control_url: str) -> None:
    """Old code on a new schema would write rows that the new one cannot read."""
    database = Database(control_url)
    upgrade(database)
    with database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'from_the_future'"))
    with pytest.raises(ConfigurationError, match="from_the_future"):
        upgrade(database)
    assert current_revision(database) == "from_the_future"
    database.close()
