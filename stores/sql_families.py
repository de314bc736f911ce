"""What the values of a SQL column are compared as: its type, in the few families that comparisons tell apart."""

from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql


class Family(StrEnum):
    """What a column's values are compared as."""

    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"
    UUID = "uuid"
    TIMESTAMPTZ = "timestamptz"  # an instant: MariaDB's TIMESTAMP too
    TIMESTAMP = "timestamp"  # a wall-clock time: MariaDB's DATETIME too
    DATE = "date"
    ENUM = "enum"
    JSON = "json"
    ARRAY = "array"
    BLOB = "blob"  # bytes; SQLite: a column without an affinity, compared by storage class
    OTHER = "other"


# the first that fits: an enum is a string too, and a flag an integer
_FAMILIES: dict[type[Any], Family] = {
    sa.Boolean: Family.BOOLEAN,
    sa.Date: Family.DATE,
    sa.Integer: Family.INTEGER,
    sa.Numeric: Family.NUMBER,
    sa.Float: Family.NUMBER,
    sa.Enum: Family.ENUM,
    mysql.SET: Family.ENUM,
    sa.ARRAY: Family.ARRAY,
    sa.JSON: Family.JSON,
    sa.Uuid: Family.UUID,
    sa.LargeBinary: Family.BLOB,
    sa.BINARY: Family.BLOB,
    sa.VARBINARY: Family.BLOB,
    sa.String: Family.TEXT,
}


def family_of(dialect: str, kind: sa.types.TypeEngine[Any]) -> Family:
    if dialect == "sqlite":
        return _sqlite_family(kind)
    if isinstance(kind, sa.DateTime):
        instant = isinstance(kind, mysql.TIMESTAMP) if dialect == "mariadb" else kind.timezone
        return Family.TIMESTAMPTZ if instant else Family.TIMESTAMP
    return next((family for known, family in _FAMILIES.items() if isinstance(kind, known)), Family.OTHER)


def digits_of(dialect: str, kind: sa.types.TypeEngine[Any]) -> int:
    """How many digits of a second's fraction the column keeps."""
    if dialect == "mariadb" and isinstance(kind, mysql.TIMESTAMP | mysql.DATETIME):
        return kind.fsp or 0
    return 6


def type_word(kind: sa.types.TypeEngine[Any]) -> str:
    """The store's own word for a type."""
    if isinstance(kind, sa.types.NullType):
        return "unknown"
    if isinstance(kind, sa.DateTime) and kind.timezone:
        return "timestamptz"
    try:
        return str(kind).lower()
    except sa.exc.CompileError:
        return type(kind).__name__.lower()


def _sqlite_family(kind: sa.types.TypeEngine[Any]) -> Family:
    """SQLite compares by affinity, so text literals fit every column but one that has none."""
    if isinstance(kind, sa.types.NullType | sa.LargeBinary):
        return Family.BLOB
    return Family.TEXT if isinstance(kind, sa.String) else Family.OTHER
