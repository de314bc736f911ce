"""Whom a person's records are found by: identifiers as they are compared, and what was found as a value."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as field_of
from itertools import islice

from core.errors import BadInput, WaitsForPerson
from core.settings import CollectionSettings
from plans.plan import Gap
from plans.questions import Question
from stores.conditions import AnyOf, Condition, OneOf, Through
from stores.contract import Capability, Store
from stores.datamap import DataMap

MOST_VALUES = 100_000  # values carried from one store into another
MOST_MERGED = 50  # accounts in one chain of merged ones
SHARED = frozenset(
    f"{name}@{domain}"
    for name in ("test", "user", "admin", "info", "noreply", "nobody")
    for domain in ("example.com", "test.com", "localhost")
) | {"null", "none", "nil", "n/a", "na", "unknown", "undefined", "anonymous"}

Identifiers = Mapping[str, tuple[str, ...]]


class NeedsReview(WaitsForPerson):
    """An identifier does not single out one person; somebody has to look before anything goes on."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way from a record to the person. `leads`: the records of which `field` leads to them; `elsewhere`: those of which
    it leads to somebody else too, or instead, None where it cannot; `alone`: what it names is one person's."""

    field: str
    leads: Condition
    elsewhere: Condition | None = None
    alone: bool = True


@dataclass(frozen=True, kw_only=True)
class FoundCollection:
    """A person's records in one collection. `rows` None: not counted, or its store did not answer.

    `leads_to`: every collection that the condition looks through, or took values from. `shared`: which of the records are
    about other people too, `shared_rows` of them; None for none. `ways`: how its records lead to the person."""

    collection: str
    store: str
    at: str
    condition: Condition
    rows: int | None
    leads_to: frozenset[str] = frozenset()
    shared: Condition | None = None
    shared_rows: int = 0
    ways: tuple[Way, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Match:
    """How many records of a collection one identifier matched by itself. `value` is personal data."""

    kind: str
    value: str = field_of(repr=False)
    collection: str
    store: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class Found:
    """Where a person's records are, those that identify first; `gaps` is what could not be looked into. `asked`: where
    nobody can look but the people who do the work there, with the values that they know the person by. `questions`: what a
    person has to decide or look after first; `matches`: what each identifier found by itself."""

    identifiers: Identifiers
    collections: tuple[FoundCollection, ...]
    gaps: tuple[Gap, ...] = ()
    asked: tuple[FoundCollection, ...] = ()
    questions: tuple[Question, ...] = ()
    matches: tuple[Match, ...] = ()

    @property
    def total(self) -> int:
        return sum(found.rows or 0 for found in self.collections)


def clean_identifiers(given: Mapping[str, Sequence[str]]) -> Identifiers:
    """Identifiers as they are compared: Unicode NFC, no space around; an address as given, with its domain in lower case,
    and all in lower case. Refuses empty ones; stops at those that many people share."""
    for kind, values in given.items():
        if any(is_everybodys(kind, value) for value in values):
            raise NeedsReview(
                f"This value of '{kind}' is one that many people share.",
                remedy="Ask the person for another identifier.",
            )
    return spell(given)


def spell(given: Mapping[str, Sequence[str]]) -> Identifiers:
    """The same for identifiers that were looked at: also those that many people share, once somebody said whose they are."""
    cleaned: dict[str, tuple[str, ...]] = {}
    for kind, values in given.items():
        forms = {form for value in values for form in forms_of(kind, value)}
        if not forms:
            raise BadInput(f"No value is given for the identifier '{kind}'.", remedy="Leave it out, or give one.")
        cleaned[kind] = tuple(sorted(forms))
    return cleaned


def forms_of(kind: str, value: str) -> Iterator[str]:
    """The forms in which a store may have written an identifier. Raises BadInput for an empty one."""
    text = unicodedata.normalize("NFC", value).strip()
    if not text:
        raise BadInput(f"An empty value is given for the identifier '{kind}'.", remedy="An empty value is nobody's.")
    folded = _fold(kind, text)
    yield from {text, folded, folded.lower()} if kind == "email" else {text}


def is_everybodys(kind: str, value: str) -> bool:
    """Whether many people type just this."""
    return _fold(kind, unicodedata.normalize("NFC", value).strip()).lower() in SHARED


def _fold(kind: str, text: str) -> str:
    local, at, domain = text.rpartition("@")
    return f"{local}@{domain.lower()}" if at and kind == "email" else text


def person_condition(datamap: DataMap, collection: CollectionSettings, known: Identifiers) -> Condition | None:
    """A person's records in a collection as far as identifiers and the collection's own store tell; asks no store.

    None where the map has no such way."""
    conditions: dict[str, Condition] = {}
    for route in datamap.person_routes(known.keys()):
        parts: list[Condition] = [OneOf(field=field, values=known[kind]) for kind, field in route.identifiers]
        looks_through = Capability.THROUGH in datamap.stores[route.store].capabilities
        for hop in route.hops:
            kinds = [
                kind
                for kind, field in datamap.collection(hop.to).identifies.items()
                if field == hop.to_field and kind in known
            ]
            parts += [OneOf(field=hop.field, values=known[kind]) for kind in kinds]
            if not route.crosses(hop) and looks_through and hop.to in conditions:
                parts.append(Through(field=hop.field, at=hop.at, to_field=hop.to_field, where=conditions[hop.to]))
        condition = any_of(parts)
        if condition is not None:
            conditions[route.collection] = condition
    return conditions.get(collection.id)


def linked_identifiers(datamap: DataMap, known: Identifiers) -> Identifiers:
    """These identifiers, and those that stand beside them in the same records, and in those that these were merged with."""
    linked = {kind: set(values) for kind, values in known.items()}
    for route in datamap.person_routes(known.keys()):
        store = datamap.stores[route.store]
        condition = any_of([OneOf(field=field, values=known[kind]) for kind, field in route.identifiers])
        if condition is None or Capability.READ not in store.capabilities:
            continue
        condition = _with_merged(datamap.collection(route.collection), store, condition)
        for kind, field in datamap.collection(route.collection).identifies.items():
            linked.setdefault(kind, set()).update(islice(store.values(route.at, field, condition), MOST_VALUES))
    return {kind: tuple(sorted(values)) for kind, values in linked.items() if values}


def _with_merged(collection: CollectionSettings, store: Store, condition: Condition) -> Condition:
    """These records of a collection, and those that lead to them by its references to itself: merged accounts, along a
    chain. One chain longer than MOST_MERGED is a mistake in the data; what was found by then counts."""
    merged = [reference for reference in collection.person if reference.to == collection.id]
    found, known = condition, dict[str, tuple[str, ...]]()
    for _ in range(MOST_MERGED if merged else 0):
        values = {
            one.field: tuple(islice(store.values(collection.at, one.to_field, found), MOST_VALUES)) for one in merged
        }
        if values == known:
            break
        known = values
        parts = [OneOf(field=name, values=each) for name, each in values.items() if each]
        found = any_of([condition, *parts]) or condition
    return found


def any_of(parts: Sequence[Condition]) -> Condition | None:
    """At least one of these; None without any."""
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else AnyOf(parts=tuple(parts))
