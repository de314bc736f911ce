"""Which servers have partitions that can be dropped as a whole."""

from collections.abc import Callable

import sqlalchemy as sa

from core.settings import TimeField
from stores.contract import Work
from stores.sql_conditions import SqlConditions
from stores.sql_engine import SqlEngine
from stores.sql_partitions import Partitions
from stores.sql_partitions_mariadb import MariaPartitions
from stores.sql_partitions_postgresql import PostgresPartitions
from stores.times import TimeForm


def open_partitions(
    engine: SqlEngine, conditions: SqlConditions, form_of: Callable[[str, TimeField], TimeForm | None]
) -> Partitions | None:
    """None for SQLite, which has none."""
    if engine.dialect == "sqlite":
        return None

    def exact(work: Work, source: sa.FromClause) -> sa.ColumnElement[bool]:
        return conditions.compile_over(work.at, source, work.where)

    kind = PostgresPartitions if engine.dialect == "postgresql" else MariaPartitions
    return Partitions(kind(engine, exact), form_of)
