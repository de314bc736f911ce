"""What anonymising writes into a SQL table: NULL, or a random value that leads nowhere, another one in each record."""

import re
import secrets
from typing import Any, Final

import sqlalchemy as sa

from core.errors import KeptError
from stores.contract import Field
from stores.sql_deeds import is_filled, redactions, untyped
from stores.sql_families import Family
from stores.sql_tables import KnownTable

PREFIX: Final = "anonymised-"
_LEAST, _MOST = 8, 32  # hexadecimal digits behind the prefix
_UUID_HEAD: Final = "00000000-"  # no method makes one that begins like this
_LENGTH = re.compile(r"\((\d+)\)")


def find_unique(connection: sa.Connection, table: KnownTable) -> frozenset[str]:
    """The columns that have a part in a unique key, expressions over them included."""
    if table.dialect == "sqlite":
        key = {"name": table.clause.name}
        return frozenset(table.primary_key) | set(connection.scalars(sa.text(_SQLITE_UNIQUE), key)) & set(
            table.families
        )
    inspector, name, schema = sa.inspect(connection), table.clause.name, table.clause.schema
    names = set(inspector.get_pk_constraint(name, schema)["constrained_columns"] or ())
    for constraint in inspector.get_unique_constraints(name, schema):
        names |= set(constraint["column_names"])
    for index in (one for one in inspector.get_indexes(name, schema) if one["unique"]):
        names |= {column for column in index["column_names"] if column is not None}
        words = {word for text in index.get("expressions", ()) for word in re.findall(r"\w+", text)}
        names |= words & set(table.families)
    return frozenset(names)


def anonymisations(table: KnownTable, names: tuple[str, ...], unique: frozenset[str]) -> dict[str, Any]:
    """What stands in each column afterwards. Raises KeptError for a key, and for what can neither be empty nor random."""
    _refuse_targets(table, names)
    values = redactions(table, tuple(name for name in names if not _gets_random(table, name, unique)) or names)
    for name in names:
        if _gets_random(table, name, unique):
            redactions(table, (name,))  # raises for what cannot be changed at all
            values[name] = _random(table, table.field(name))
    return values


def random_value(table: KnownTable, field: Field) -> sa.ColumnElement[Any] | None:
    """Another one in each record; None where the column cannot hold one that could be told from a real value."""
    family, digits = table.families[field.name], _digits(table, field)
    if family is Family.UUID:
        return _random_uuid(table.dialect)
    if family is not Family.TEXT or digits < _LEAST:
        return None
    return sa.literal(PREFIX, sa.Text()) + sa.func.substr(_random_hex(table.dialect), 1, digits, type_=sa.Text())


def tells(table: KnownTable, name: str, source: sa.FromClause | None = None) -> sa.ColumnElement[bool]:
    """Is the field filled, and not by what anonymising puts there?"""
    filled, column = is_filled(table, name, source), table.column(name, source)
    if name not in table.families or table.families[name] not in (Family.TEXT, Family.UUID):
        return filled
    if table.families[name] is Family.UUID:
        return sa.and_(filled, sa.cast(column, sa.Text()).not_like(f"{_UUID_HEAD}%"))
    return sa.and_(filled, sa.not_(_is_anonymised(table.dialect, column)))


def _refuse_targets(table: KnownTable, names: tuple[str, ...]) -> None:
    for pointer in table.pointers:
        targets = {field.lower() for field in pointer.to_fields}
        for name in (one for one in names if one.lower() in targets):
            raise KeptError(
                f"{table.at}.{name} is what {pointer.table.name} points at (key {pointer.name}): with another value "
                "in it those records would lead nowhere, or not be allowed.",
                remedy="Delete the record instead, or map the fields that tell whom it is about.",
            )


def _gets_random(table: KnownTable, name: str, unique: frozenset[str]) -> bool:
    if name not in table.families or table.field(name).generated or name in table.primary_key:
        return False
    field, family = table.field(name), table.families[name]
    if field.nullable:
        return name in unique and family in (Family.TEXT, Family.UUID)
    if name in unique:
        return True
    return random_value(table, field) is not None


def _random(table: KnownTable, field: Field) -> Any:
    value = random_value(table, field)
    if value is None and field.nullable:
        return sa.null()
    if value is None:
        raise KeptError(
            f"{table.at}.{field.name} may not be NULL and is part of a unique key, and its type ({field.type}) holds no "
            "random value that could be told from a real one.",
            remedy="Let the column be NULL or longer, or delete the record instead.",
        )
    column = table.clause.c[field.name]
    return sa.case((column.is_not(None), value)) if field.nullable else value


def _digits(table: KnownTable, field: Field) -> int:
    """So many digits fit behind the prefix. SQLite does not hold its columns to their length."""
    length = _LENGTH.search(field.type) if table.dialect != "sqlite" else None
    return min(int(length[1]) - len(PREFIX), _MOST) if length else _MOST


def _random_hex(dialect: str) -> sa.ColumnElement[Any]:
    """32 hexadecimal digits that nothing leads back from."""
    if dialect == "postgresql":
        return sa.literal_column("replace(CAST(gen_random_uuid() AS text), '-', '')", sa.Text())
    if dialect == "sqlite":
        return sa.literal_column("lower(hex(randomblob(16)))", sa.Text())
    # its UUID tells the machine and the moment; hashed with a secret that nobody keeps, it tells nothing
    salted = sa.func.concat(sa.func.rand(), sa.func.uuid(), untyped(secrets.token_hex(32)))
    return sa.func.substr(sa.func.sha2(salted, sa.literal_column("256")), 1, _MOST, type_=sa.Text())


def _random_uuid(dialect: str) -> sa.ColumnElement[Any]:
    if dialect == "postgresql":
        text = sa.literal_column(f"'{_UUID_HEAD}' || substr(CAST(gen_random_uuid() AS text), 10)", sa.Text())
        return sa.cast(text, sa.Uuid())
    tail = sa.func.substr(_random_hex(dialect), 1, 12)
    rest = sa.func.substr(_random_hex(dialect), 1, 3)
    middle = sa.func.concat(_UUID_HEAD, sa.func.substr(_random_hex(dialect), 1, 4), "-8", rest)
    return sa.func.concat(middle, "-a", sa.func.substr(_random_hex(dialect), 1, 3), "-", tail)


def _is_anonymised(dialect: str, column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    pattern = f"^{PREFIX}[0-9a-f]{{{_LEAST},{_MOST}}}$"
    if dialect == "postgresql":
        return sa.cast(column, sa.Text()).op("~", is_comparison=True)(sa.literal(pattern, sa.Text()))
    if dialect == "mariadb":
        return column.op("REGEXP", is_comparison=True)(sa.literal(pattern, sa.Text()))
    start = len(PREFIX) + 1
    digits = sa.func.substr(column, start)
    return sa.and_(
        sa.func.substr(column, 1, len(PREFIX)) == sa.literal(PREFIX, sa.Text()),
        sa.func.length(digits).between(_LEAST, _MOST),
        digits.op("NOT GLOB", is_comparison=True)(sa.literal("*[^0-9a-f]*", sa.Text())),
    )


# an index over an expression tells no name
_SQLITE_UNIQUE = """
SELECT info.name FROM pragma_index_list(:name) AS list, pragma_index_info(list.name) AS info
WHERE list."unique" AND info.name IS NOT NULL
"""
