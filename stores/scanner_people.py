"""How the tables of a store lead to people: the tables that list them, the identifiers, and the references of the others. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stores.scanner_fields import FieldGuess
from stores.scanner_reading import MAX_ROWS, Column, Shape, Table
from stores.scanner_words import (
    ACTOR,
    FOREIGN_ID,
    KEY_FIELD,
    MACHINES,
    MAKER,
    PERSON_FIELD,
    PERSON_NOUNS,
    singular,
    small_letters,
)

Holds = Callable[[str, str, Collection[str]], int]

MOST_ASKED = 200  # values of a column that are looked for in another
LONG_VALUE = 16  # opaque values of this length do not meet by chance
ENOUGH, SOME = 0.5, 0.25
MOST_DEPTH = 4
_KEY_SHAPES = frozenset({Shape.TEXT, Shape.OTHER, Shape.NUMBER})


@dataclass(frozen=True, kw_only=True)
class Way:
    """`field` holds the value of `to_field` of the table `to`."""

    field: str
    to: str
    to_field: str
    confidence: float
    why: str


@dataclass(frozen=True, kw_only=True)
class _Target:
    """A column that others may refer to. `named`: does the name of a column point here?"""

    table: Table
    field: str
    named: Callable[[str], bool]
    lists_people: bool = False


def find_hubs(tables: Sequence[Table], nouns: Mapping[str, str]) -> tuple[str, ...]:
    """The tables that list people: named for them, with a key of one column."""
    return tuple(table.at for table in tables if _lists_people(nouns[table.at]) and _own_key(table) is not None)


def find_identifiers(
    table: Table, noun: str, fields: Sequence[FieldGuess], *, is_hub: bool
) -> tuple[tuple[str, str], ...]:
    """Kinds of identifier and the fields that hold them."""
    found: dict[str, str] = {}
    emails = [guess for guess in fields if guess.fideslang == "user.contact.email" and "->" not in guess.name]
    if emails:
        best = max(emails, key=lambda guess: (guess.confidence, guess.name == "email"))
        found["email"] = best.name
    if not is_hub:
        return tuple(found.items())
    phones = [guess.name for guess in fields if guess.fideslang == "user.contact.phone_number"]
    if phones:
        found["phone"] = phones[0]
    if own := _own_key(table):
        found["user_id"] = own
    for column in table.columns:
        if (match := FOREIGN_ID.match(small_letters(column.name))) and column.shape in _KEY_SHAPES:
            found.setdefault(f"{match[1]}_id", column.name)
    return tuple(found.items())


def find_ways(
    tables: Sequence[Table],
    nouns: Mapping[str, str],
    hubs: Collection[str],
    keys: Sequence[Table],
    holds: Holds,
    makers: Mapping[str, bool],
) -> Mapping[str, tuple[Way, ...]]:
    """The references of each table towards people, nearest first; a table that is reached is what others may refer to.

    `keys`: tables of keys that people hold. `makers`: tables in which who made a row is whose it is; True for records of
    what people did, where everybody who acted counts."""
    by_name = {table.at: table for table in tables}
    ways: dict[str, tuple[Way, ...]] = {}
    depth = dict.fromkeys(hubs, 0)
    targets = [target for at in hubs if (target := _hub_target(by_name[at], nouns[at])) is not None]
    rest = [table for table in tables if table.at not in depth]
    _follow(keys, targets, holds, makers, ways, depth, level=1)
    targets += [target for table in keys if table.at in depth and (target := _key_target(table)) is not None]
    _follow(rest, targets, holds, makers, ways, depth, level=2)
    for level in range(3, MOST_DEPTH + 2):
        reached = [table for table in rest if table.at in ways and depth[table.at] == level - 1]
        further = [target for table in reached if (target := _record_target(table, nouns[table.at])) is not None]
        if not further:
            break
        _follow([table for table in rest if table.at not in ways], further, holds, makers, ways, depth, level=level)
    return ways


def _follow(
    tables: Sequence[Table],
    targets: Sequence[_Target],
    holds: Holds,
    makers: Mapping[str, bool],
    ways: dict[str, tuple[Way, ...]],
    depth: dict[str, int],
    *,
    level: int,
) -> None:
    reachable = {target.table.at: target for target in targets}
    for table in tables:
        found = tuple(_ways_of(table, reachable, holds, makers.get(table.at)))
        known = {(way.field, way.to) for way in ways.get(table.at, ())}
        found = tuple(way for way in found if (way.field, way.to) not in known)
        if found:
            ways[table.at] = (*ways.get(table.at, ()), *found)
            depth.setdefault(table.at, level)


def _ways_of(table: Table, targets: Mapping[str, _Target], holds: Holds, of_deeds: bool | None) -> Iterator[Way]:
    """`of_deeds` None: who made a row says nothing here; True: everybody who acted counts."""
    found: list[Way] = []
    actors: list[Way] = []
    for column in table.columns:
        way = _way(table, column, targets, holds)
        if way is not None:
            (actors if ACTOR.search(small_letters(column.name)) else found).append(way)
    yield from found
    reached = {way.to for way in found}
    for way in actors:
        if of_deeds or (of_deeds is False and MAKER.search(small_letters(way.field)) and way.to not in reached):
            yield way


def _way(table: Table, column: Column, targets: Mapping[str, _Target], holds: Holds) -> Way | None:
    for link in table.links:
        if link.field == column.name and link.to in targets and link.to != table.at:
            return Way(
                field=column.name, to=link.to, to_field=link.to_field, confidence=0.95, why="a declared foreign key"
            )
    if column.shape not in _KEY_SHAPES or any(link.field == column.name for link in table.links):
        return None
    judged = [
        way
        for target in targets.values()
        if target.table.at != table.at and (way := _judge(table, column, target, holds)) is not None
    ]
    return max(judged, key=lambda way: way.confidence, default=None)


def _judge(table: Table, column: Column, target: _Target, holds: Holds) -> Way | None:
    """One column against one key: by its name, and by how many of its values stand there."""
    name = small_letters(column.name)
    named = target.named(name)
    own_key = column.unique  # what names its own rows refers to others only where the values say so
    values = sorted({value for value in table.values.get(column.name, ()) if value})[:MOST_ASKED]
    to = {"field": column.name, "to": target.table.at, "to_field": target.field}
    known = target.table.values.get(target.field, ())
    if not values or not known:
        if not named or own_key:
            return None
        sure = 0.55 if small_letters(target.field) == name else 0.5
        return Way(**to, confidence=sure, why="named so; no values to compare")
    opaque = sum(len(value) >= LONG_VALUE and not value.isdigit() for value in values) >= len(values) / 2
    if not named and (not opaque or len(values) < 2):
        return _free_text(table, column, target, values, to)
    share = _share(values, known, target, holds)
    if named and share >= SOME:
        return Way(
            **to, confidence=round(0.6 + 0.35 * share, 2), why=f"named so, and {share:.0%} of its values stand there"
        )
    if not named and share >= SOME:
        return Way(**to, confidence=round(0.5 + 0.4 * share, 2), why=f"{share:.0%} of its values stand there")
    return None


def _free_text(
    table: Table, column: Column, target: _Target, values: Sequence[str], to: Mapping[str, str]
) -> Way | None:
    """Ids that people chose: only where nearly all of many stand there, and they are not numbers."""
    if not target.lists_people:
        return None
    known = set(target.table.values.get(target.field, ()))
    words = [value for value in values if not value.isdigit()]
    if len(words) < 5 or len(words) < len(values) or table.rows == 0:
        return None
    share = sum(value in known for value in words) / len(words)
    if share < ENOUGH:
        return None
    return Way(**to, confidence=round(0.4 + 0.4 * share, 2), why=f"{share:.0%} of its values stand there")


def _share(values: Sequence[str], known: Sequence[str], target: _Target, holds: Holds) -> float:
    in_sample = set(known)
    share = sum(value in in_sample for value in values) / len(values)
    if share >= ENOUGH or target.table.rows < MAX_ROWS:
        return share
    return max(share, min(1.0, holds(target.table.at, target.field, values) / len(values)))


def _lists_people(noun: str) -> bool:
    if MACHINES & set(noun.split("_")):
        return False
    return singular(noun.rpartition("_")[2]) in PERSON_NOUNS


def _own_key(table: Table) -> str | None:
    if table.sole_key and not any(link.field == table.sole_key for link in table.links):
        return table.sole_key
    unique = [column.name for column in table.columns if column.unique and column.shape in _KEY_SHAPES]
    return next((name for name in unique if small_letters(name).endswith("id")), None)


def _hub_target(table: Table, noun: str) -> _Target | None:
    field = _own_key(table)
    if field is None:
        return None
    last = singular(noun.rpartition("_")[2])
    whole = "_".join([*noun.split("_")[:-1], last])

    def named(name: str) -> bool:
        if ACTOR.search(name):
            return not KEY_FIELD.search(name) and "_" not in whole
        bare = name.removesuffix("_id").removesuffix("_uuid").removesuffix("id").rstrip("_") or name
        if "_" in whole:  # end_user: only what says so
            return bare == whole or (name == small_letters(field) and name not in ("id", "user_id"))
        return bare == last or bool(PERSON_FIELD.match(name)) or (name == small_letters(field) and name != "id")

    return _Target(table=table, field=field, named=named, lists_people=True)


def _key_target(table: Table) -> _Target | None:
    """The column of a table of keys that others write down: the key itself, or its hash."""
    unique = [column.name for column in table.columns if column.unique and KEY_FIELD.search(small_letters(column.name))]
    field = unique[0] if unique else None
    if field is None:
        return None
    return _Target(table=table, field=field, named=lambda name: bool(KEY_FIELD.search(name)))


def _record_target(table: Table, noun: str) -> _Target | None:
    field = table.sole_key
    if field is None:
        return None
    own, last = small_letters(field), singular(noun.rpartition("_")[2])
    names = {f"{last}_id", f"{singular(noun)}_id"} | ({own} if own.endswith(("_id", "_uuid")) else set())
    return _Target(table=table, field=field, named=lambda name: name in names)
