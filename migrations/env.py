"""How Alembic reaches the control database: over the connection that the caller opened, in its transaction."""

from alembic import context

from core.database import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
context.run_migrations()
