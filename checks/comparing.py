"""Compares the map with what stores have and with a policy: pure; each difference in words, with its remedy."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Final

from core.settings import CollectionSettings
from policies.clauses import CollectsClause, NeverClause, RetentionClause
from policies.documents import Document
from stores.contract import Field, Shape
from stores.scanner_words import FIELD_WORDS, TABLE_CATEGORIES, small_letters

# Where other programs keep book of their migrations: nothing of people.
_BOOKS: Final = (
    "alembic_version _prisma_migrations schema_migrations ar_internal_metadata django_migrations flyway_schema_history"
    " databasechangelog databasechangeloglock goose_db_version knex_migrations knex_migrations_lock sqlite_sequence"
    " kept_receipts __efmigrationshistory doctrine_migration_versions phinxlog __drizzle_migrations"
)
BOOKKEEPING: Final = frozenset(_BOOKS.split())
# A path into JSON belongs to its column.
_ARROW: Final = "->"


class Difference(StrEnum):
    """Each way in which map, stores and policy can disagree."""

    UNMAPPED_TABLE = "unmapped_table"
    UNMAPPED_FIELD = "unmapped_field"
    MISSING_COLLECTION = "missing_collection"
    MISSING_FIELD = "missing_field"
    CHANGED_TYPE = "changed_type"
    UNSPOKEN_CATEGORY = "unspoken_category"
    FORBIDDEN_CATEGORY = "forbidden_category"
    CLAUSE_WITHOUT_COLLECTION = "clause_without_collection"
    NOT_LOOKED = "not_looked"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One difference. `categories`: those it puts in doubt, () for all; names only, never a value."""

    kind: Difference
    what: str
    remedy: str
    store: str | None = None
    collection: str | None = None
    field: str | None = None
    clause: str | None = None
    categories: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "kind": self.kind.value, "categories": list(self.categories)}

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Finding:
        return cls(**{**kept, "kind": Difference(kept["kind"]), "categories": tuple(kept["categories"])})


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a table or collection: the type that each field had; empty before the first look."""

    types: Mapping[str, str]


def named_fields(collection: CollectionSettings) -> frozenset[str]:
    """The fields that the map says something of; of a path into JSON, its column."""
    times = [collection.time, *collection.events.values()]
    names = [one.name for one in times if one] + [*collection.fields, *collection.identifies.values()]
    names += [reference.field for reference in collection.person]
    names += [collection.contact.before] if collection.contact and collection.contact.before else []
    return frozenset(name.partition(_ARROW)[0] for name in names)


def categories_of(collection: CollectionSettings) -> tuple[str, ...]:
    """Every category that a collection holds."""
    own = {field.category for field in collection.fields.values() if field.category}
    return tuple(sorted(own | {collection.category}))


def seems_personal(name: str) -> bool:
    """Whether a field's name alone says that it holds something of a person."""
    small = small_letters(name)
    return any(word.leads and word.pattern.search(small) for word in FIELD_WORDS)


def compare_fields(
    collection: CollectionSettings, shape: Shape, known: Known | None, *, exact: bool, strict: bool
) -> Iterator[Finding]:
    """A collection against its fields. `exact`: the store has a schema, where others show a few records.

    `strict`: the map has to name every field; else one that was there from the first look, and is not called as people's
    data are, has the collection's own category."""
    named, present = named_fields(collection), {one.name: one for one in shape.fields}
    for name, field in present.items():
        was = known.types.get(name) if known else None
        unheard = was is None and (known is not None or seems_personal(name))
        if name not in named and name not in shape.key and (strict or unheard):
            yield _unmapped_field(collection, name)
        if exact and was is not None and was != field.type:
            yield _changed(collection, field, was)
    for name in sorted(named - set(present)) if present and exact else ():
        yield Finding(
            kind=Difference.MISSING_FIELD,
            what=f"{collection.id} has no field '{name}' any more.",
            remedy="Take it out of the map, or correct its name.",
            store=collection.store,
            collection=collection.id,
            field=name,
            categories=categories_of(collection),
        )


def _unmapped_field(collection: CollectionSettings, name: str) -> Finding:
    return Finding(
        kind=Difference.UNMAPPED_FIELD,
        what=f"{collection.id} has a field '{name}' that the map does not name.",
        remedy=f"Name it under `fields:` of {collection.id}, as {name}: {{}} where it is {collection.category};"
        " or run `kept map check --accept` once somebody has looked at it.",
        store=collection.store,
        collection=collection.id,
        field=name,
        categories=categories_of(collection),
    )


def _changed(collection: CollectionSettings, field: Field, was: str) -> Finding:
    return Finding(
        kind=Difference.CHANGED_TYPE,
        what=f"{collection.id}.{field.name} was {was} and is {field.type} now.",
        remedy="See that times and identifiers are still read right, then run `kept map check --accept`.",
        store=collection.store,
        collection=collection.id,
        field=field.name,
        categories=categories_of(collection),
    )


def uncovered(names: Sequence[str], collections: Sequence[CollectionSettings]) -> tuple[str, ...]:
    """The names of one store that no collection of it covers."""
    patterns = {_as_pattern(one.at) for one in collections}
    wide = tuple(pattern for pattern in patterns if any(sign in pattern for sign in "*?["))

    def is_covered(name: str) -> bool:
        plain = _as_pattern(name)
        if plain in patterns or any(fnmatchcase(plain, pattern) for pattern in wide):
            return True
        return "*" in plain and any(fnmatchcase(pattern, plain) for pattern in patterns)

    return tuple(name for name in names if name.rpartition(".")[2].lower() not in BOOKKEEPING and not is_covered(name))


def _as_pattern(at: str) -> str:
    """`session:{user_id}:*` covers what `session:*:*` does."""
    text, depth = "", 0
    for letter in at.removeprefix("public."):
        depth += (letter == "{") - (letter == "}")
        text += "*" if letter == "{" else "" if depth or letter == "}" else letter
    return text


def table_seems_personal(name: str, shape: Shape | None) -> bool:
    """Whether a table's fields, or where they are not known its name, say that it holds people's data."""
    if shape is not None:
        return any(seems_personal(field.name) for field in shape.fields)
    return any(pattern.search(small_letters(name)) for pattern, _ in TABLE_CATEGORIES)


def unmapped_table(store: str, name: str) -> Finding:
    """A table that nobody has said anything of."""
    return Finding(
        kind=Difference.UNMAPPED_TABLE,
        what=f"{store} has a table '{name}' that no collection covers.",
        remedy=f"Add it to the map (`kept map scan {store}` proposes how); or run `kept map check --accept` where it"
        " holds nothing about people.",
        store=store,
    )


def missing_collection(collection: CollectionSettings) -> Finding:
    return Finding(
        kind=Difference.MISSING_COLLECTION,
        what=f"{collection.store} has no '{collection.at}' any more: {collection.id} is gone.",
        remedy="Take the collection out of the map, or correct its `at:`.",
        store=collection.store,
        collection=collection.id,
        categories=categories_of(collection),
    )


def not_looked(
    store: str, why: str, remedy: str, *, of: Sequence[CollectionSettings], collection: str | None = None
) -> Finding:
    """A store or a collection that did not let itself be looked at."""
    return Finding(
        kind=Difference.NOT_LOOKED,
        what=why,
        remedy=remedy or "Correct that, then run `kept map check` again.",
        store=store,
        collection=collection,
        categories=tuple(sorted({word for one in of for word in categories_of(one)})),
    )


def compare_policy(collections: Sequence[CollectionSettings], document: Document) -> Iterator[Finding]:
    """Categories that no clause speaks for, those that a clause forbids, and clauses that no collection stands behind."""
    spoken = {clause.category for clause in document.of_kind(CollectsClause)}
    for clause in document.of_kind(RetentionClause):
        spoken |= {*clause.of, *(word for exception in clause.exceptions for word in exception.of)}
    nevers = document.of_kind(NeverClause)
    totals = {clause.into for clause in document.of_kind(RetentionClause)}
    for collection in collections:
        # What records are rolled up into is spoken for by the clause that rolls them up.
        spoken_here = spoken | {collection.category} if collection.id in totals else spoken
        for word in categories_of(collection):
            yield from _forbidden(collection, word, nevers)
            if word not in spoken_here and not any(word in never.of for never in nevers):
                yield _unspoken(collection, word)
    held = {word for one in collections for word in categories_of(one)}
    yield from _without_collection(document, held)


def _forbidden(collection: CollectionSettings, word: str, nevers: Sequence[NeverClause]) -> Iterator[Finding]:
    for never in nevers:
        if word in never.of and collection.category not in never.exceptions and not never.unless_consent:
            yield Finding(
                kind=Difference.FORBIDDEN_CATEGORY,
                what=f"{collection.id} holds {word}, which clause {never.id} says is never stored.",
                remedy=f"Stop storing it, or except {collection.category} in the clause.",
                store=collection.store,
                collection=collection.id,
                clause=never.id,
                categories=(word,),
            )


def _unspoken(collection: CollectionSettings, word: str) -> Finding:
    return Finding(
        kind=Difference.UNSPOKEN_CATEGORY,
        what=f"{collection.id} holds {word}, and no clause of the policy speaks for it.",
        remedy=f"Say in the policy that {word} is collected and how long it is kept, or use a word of the policy.",
        store=collection.store,
        collection=collection.id,
        categories=(),
    )


def _without_collection(document: Document, held: Collection[str]) -> Iterator[Finding]:
    wanted: list[tuple[str, str]] = [(one.id, one.category) for one in document.of_kind(CollectsClause)]
    wanted += [(one.id, word) for one in document.of_kind(RetentionClause) for word in one.of]
    for clause, word in wanted:
        if word not in held:
            yield Finding(
                kind=Difference.CLAUSE_WITHOUT_COLLECTION,
                what=f"Clause {clause} speaks of {word}, which no collection of the map holds.",
                remedy=f"Map where {word} is kept, or take it out of the clause.",
                clause=clause,
                categories=(word,),
            )
