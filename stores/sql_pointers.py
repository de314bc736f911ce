"""The foreign keys that point at a table of a SQL store, and whether an index serves them."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """A foreign key of another table (or this one) that points here. `action`: what a delete here would do there.
    `full`: all of its fields are NULL, or none is (MATCH FULL)."""

    name: str
    table: sa.TableClause
    fields: tuple[str, ...]
    to_fields: tuple[str, ...]
    action: str
    own: bool  # the table points at itself
    full: bool = False


def find_pointers(dialect: str, connection: sa.Connection, name: str, schema: str | None) -> tuple[Pointer, ...]:
    """Every declared foreign key whose target is this table, in the order of the tables that hold them."""
    if dialect == "sqlite":
        return _in_sqlite(connection, name, schema)
    return _in_mariadb(connection, name, schema) if dialect == "mariadb" else _in_postgresql(connection, name, schema)


def unindexed(connection: sa.Connection, pointers: tuple[Pointer, ...]) -> tuple[Pointer, ...]:
    """The pointers that no index of their own table begins with: each delete here reads that whole table."""
    inspector = sa.inspect(connection)
    return tuple(pointer for pointer in pointers if not is_indexed(inspector, pointer.table, pointer.fields))


def is_indexed(inspector: sa.Inspector, table: sa.TableClause, fields: Sequence[str]) -> bool:
    """Does a whole index begin with these columns?"""
    name, schema = table.name, table.schema
    keys = [list(inspector.get_pk_constraint(name, schema)["constrained_columns"] or ())]
    keys += [list(found["column_names"]) for found in inspector.get_unique_constraints(name, schema)]
    keys += [
        [column or "" for column in found["column_names"]]
        for found in inspector.get_indexes(name, schema)
        if not any(option.endswith("_where") for option in found.get("dialect_options", {}))
    ]
    wanted = set(fields)
    return any(set(key[: len(wanted)]) == wanted for key in keys)


def _in_sqlite(connection: sa.Connection, name: str, schema: str | None) -> tuple[Pointer, ...]:
    found: dict[tuple[str, int], list[tuple[str, str | None, str]]] = {}
    for row in connection.execute(sa.text(_SQLITE_POINTERS), {"name": name}):
        found.setdefault((row.child, row.id), []).append((row.own_field, row.to_field, row.action))
    pointers = []
    for (child, _), fields in found.items():
        to_fields = tuple(to for _, to, _ in fields if to)
        if len(to_fields) != len(fields):
            to_fields = tuple(sa.inspect(connection).get_pk_constraint(name, schema)["constrained_columns"])
        own_fields = tuple(own for own, _, _ in fields)
        pointers.append(
            Pointer(
                name=f"{child}({', '.join(own_fields)})",
                table=sa.table(child, *map(sa.column, own_fields)),
                fields=own_fields,
                to_fields=to_fields,
                action=fields[0][2].upper(),
                own=child.lower() == name.lower(),
            )
        )
    return tuple(pointers)


def _in_postgresql(connection: sa.Connection, name: str, schema: str | None) -> tuple[Pointer, ...]:
    rows = connection.execute(sa.text(_POSTGRESQL_POINTERS), {"name": name, "schema": schema})
    return tuple(
        Pointer(
            name=row.name,
            table=sa.table(row.child, *map(sa.column, row.fields), schema=row.child_schema),
            fields=tuple(row.fields),
            to_fields=tuple(row.to_fields),
            action={"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}.get(row.action, "NO ACTION"),
            own=row.own,
            full=row.matched == "f",
        )
        for row in rows
    )


def _in_mariadb(connection: sa.Connection, name: str, schema: str | None) -> tuple[Pointer, ...]:
    found: dict[tuple[str, str, str], list[sa.Row[tuple[str, ...]]]] = {}
    for row in connection.execute(sa.text(_MARIADB_POINTERS), {"name": name, "schema": schema}):
        found.setdefault((row.child_schema, row.child, row.name), []).append(row)
    here = schema or connection.scalar(sa.text("SELECT DATABASE()"))
    return tuple(
        Pointer(
            name=constraint,
            table=sa.table(
                child, *(sa.column(row.field) for row in rows), schema=None if space == here and not schema else space
            ),
            fields=tuple(row.field for row in rows),
            to_fields=tuple(row.to_field for row in rows),
            action=rows[0].action,
            own=(space, child) == (here, name),
        )
        for (space, child, constraint), rows in found.items()
    )


_SQLITE_POINTERS = """
SELECT m.name AS child, f.id AS id, f."from" AS own_field, f."to" AS to_field, f.on_delete AS action
FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f
WHERE m.type = 'table' AND f."table" = :name COLLATE NOCASE ORDER BY m.name, f.id, f.seq
"""
_POSTGRESQL_POINTERS = """
SELECT c.conname AS name, child.relname AS child, space.nspname AS child_schema, c.confdeltype::text AS action,
       c.conrelid = c.confrelid AS own, c.confmatchtype::text AS matched,
       ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY AS k(number, place)
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY k.place) AS fields,
       ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY AS k(number, place)
             JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number ORDER BY k.place) AS to_fields
FROM pg_constraint c
JOIN pg_class child ON child.oid = c.conrelid
JOIN pg_namespace space ON space.oid = child.relnamespace
JOIN pg_class parent ON parent.oid = c.confrelid
JOIN pg_namespace parent_space ON parent_space.oid = parent.relnamespace
WHERE c.contype = 'f' AND c.conparentid = 0 AND parent.relname = :name
  AND CASE WHEN CAST(:schema AS text) IS NULL THEN pg_table_is_visible(parent.oid)
           ELSE parent_space.nspname = CAST(:schema AS text) END
ORDER BY c.conname
"""
_MARIADB_POINTERS = """
SELECT r.CONSTRAINT_SCHEMA AS child_schema, r.TABLE_NAME AS child, r.CONSTRAINT_NAME AS name, r.DELETE_RULE AS action,
       k.COLUMN_NAME AS field, k.REFERENCED_COLUMN_NAME AS to_field
FROM information_schema.REFERENTIAL_CONSTRAINTS r
JOIN information_schema.KEY_COLUMN_USAGE k
  ON k.CONSTRAINT_SCHEMA = r.CONSTRAINT_SCHEMA AND k.TABLE_SCHEMA = r.CONSTRAINT_SCHEMA
 AND k.TABLE_NAME = r.TABLE_NAME AND k.CONSTRAINT_NAME = r.CONSTRAINT_NAME
WHERE r.UNIQUE_CONSTRAINT_SCHEMA = COALESCE(:schema, DATABASE()) AND r.REFERENCED_TABLE_NAME = :name
ORDER BY r.TABLE_NAME, r.CONSTRAINT_NAME, k.ORDINAL_POSITION
"""
