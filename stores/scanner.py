"""Proposes the data map of a store: collections, times, events, identifiers, the way to the person, categories. Pure; a person corrects it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from core.errors import KeptError
from stores.scanner_fields import FieldGuess, TimeGuess, guess_events, guess_fields, guess_times, record_time
from stores.scanner_people import Way, find_hubs, find_identifiers, find_ways
from stores.scanner_reading import MAX_SECONDS, MAX_TABLES, Reading, Shape, Source, Table, Unread, read_source
from stores.scanner_words import ACTOR, ALTERNATES, TABLE_CATEGORIES, noun_of, shared_prefix, singular

MANY_COUNTERS = 4


@dataclass(frozen=True, kw_only=True)
class PolicyWords:
    """The categories a policy speaks of, each with the clauses that say what becomes of it (retention, never); () for none."""

    clauses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def word(self, meaning: str) -> str:
        """The policy's own word for a meaning; the plain word where it has none."""
        return next((word for word in ALTERNATES.get(meaning, (meaning,)) if word in self.clauses), meaning)

    def speaking(self, category: str) -> tuple[str, ...]:
        return self.clauses.get(category, ())


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """One collection as it might stand in the map. `clauses`: those that speak for its category."""

    id: str
    at: str
    category: str
    confidence: float
    why: str
    clauses: tuple[str, ...] = ()
    time: TimeGuess | None = None
    events: tuple[tuple[str, TimeGuess], ...] = ()
    identifies: tuple[tuple[str, str], ...] = ()
    person: tuple[Way, ...] = ()
    fields: tuple[FieldGuess, ...] = ()
    uncertain: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What the map should have. Names are `STORE:table`. `without_people`: tables that seem to hold nothing of people.

    `unreached`: stores that did not answer, each with why. `unmapped_fields`: by mapped collection."""

    proposals: tuple[Proposal, ...]
    without_people: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()
    left_out: tuple[str, ...] = ()
    unreached: Mapping[str, str] = field(default_factory=dict)
    unmapped_fields: Mapping[str, tuple[FieldGuess, ...]] = field(default_factory=dict)
    tables: int = 0


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """A collection that the map has already: its id, `STORE:table`, and the fields it names."""

    id: str
    at: str
    fields: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much one scan may read of a store."""

    tables: int = MAX_TABLES
    seconds: float = MAX_SECONDS


@dataclass(frozen=True, kw_only=True)
class _Seen:
    table: Table
    noun: str
    fields: tuple[FieldGuess, ...]
    category: str
    confidence: float
    why: str


def scan_sources(
    sources: Sequence[Source], *, policy: PolicyWords, mapped: Collection[Mapped] = (), bounds: Bounds | None = None
) -> Scan:
    """Read stores within bounds and propose what the map has not. A store that does not answer is named, the rest goes on."""
    known = {one.at: one for one in mapped}
    limit = bounds or Bounds()
    readings, unreached = [], {}
    for source in sources:
        turn = partial(_turn, source.name, known)
        try:
            reading = read_source(source, turn=turn, max_tables=limit.tables, max_seconds=limit.seconds)
        except KeptError as error:
            unreached[source.name] = error.message
        else:
            readings.append(reading.qualified())
    by_name = {source.name: source for source in sources}

    def holds(at: str, column: str, values: Collection[str]) -> int:
        store, _, table = at.partition(":")
        return by_name[store].holds(table, column, values)

    return replace(propose(readings, holds, policy=policy, mapped=known), unreached=unreached)


def _turn(store: str, mapped: Collection[str], table: str) -> int:
    """What is mapped is read first, since others refer to it; then what is named for people and what they do."""
    if f"{store}:{table}" in mapped:
        return 0
    noun = noun_of(table)
    return 1 if any(pattern.search(noun) for pattern, _ in TABLE_CATEGORIES) else 2


def propose(
    readings: Sequence[Reading],
    holds: Callable[[str, str, Collection[str]], int],
    *,
    policy: PolicyWords,
    mapped: Mapping[str, Mapped],
) -> Scan:
    """The proposals for what was read, tables named `STORE:table`. `holds` answers how many of some values stand in a column."""
    tables = [table for reading in readings for table in reading.tables]
    nouns: dict[str, str] = {}
    for reading in readings:
        prefix = shared_prefix([table.at for table in reading.tables])
        nouns |= {table.at: noun_of(table.at, prefix) for table in reading.tables}
    hubs = find_hubs(tables, nouns)
    seen = {table.at: _see(table, nouns[table.at], lists_people=table.at in hubs) for table in tables}
    keys = [table for table in tables if seen[table.at].category == "api_key"]
    ways = find_ways(tables, nouns, hubs, keys, holds, _maker_counts(seen))
    people = {at for at in seen if _is_of_people(seen[at], hubs, ways.get(at, ()))} | (set(mapped) & set(seen))
    ids = {at: one.id for at, one in mapped.items()}
    ids |= _name_ids(sorted(people - set(mapped)), nouns, ids.values())
    chosen = [
        _proposal(seen[at], ids, hubs, [way for way in ways.get(at, ()) if way.to in people], policy)
        for at in sorted(people - set(mapped))
    ]
    return Scan(
        proposals=tuple(sorted(chosen, key=lambda one: (not one.identifies, one.id))),
        without_people=tuple(sorted(set(seen) - people)),
        unread=tuple(one for reading in readings for one in reading.unread),
        left_out=tuple(name for reading in readings for name in reading.left_out),
        unmapped_fields={
            one.id: missing
            for at, one in mapped.items()
            if at in seen and (missing := tuple(guess for guess in seen[at].fields if guess.name not in one.fields))
        },
        tables=len(tables),
    )


def _see(table: Table, noun: str, *, lists_people: bool) -> _Seen:
    fields = guess_fields(table, lists_people=lists_people)
    category, confidence, why = _categorise(table, noun, fields)
    return _Seen(table=table, noun=noun, fields=fields, category=category, confidence=confidence, why=why)


def _categorise(table: Table, noun: str, fields: Sequence[FieldGuess]) -> tuple[str, float, str]:
    counters = sum(column.shape is Shape.NUMBER for column in table.columns) - len(table.links)
    contents = sum(guess.category == "content" for guess in fields)
    named = next((category for pattern, category in TABLE_CATEGORIES if pattern.search(noun)), None)
    if named == "session" and counters >= MANY_COUNTERS and not contents:
        return "usage", 0.6, f"{counters} counters a row"
    if named in ("session", "api_key") and contents > 1:
        return "content", 0.6, f"{contents} fields of text that people wrote"
    if named is not None:
        return named, 0.8, "named so"
    if contents:
        return "content", 0.6, "it has a field of text that people wrote"
    if counters >= MANY_COUNTERS // 2:
        return "usage", 0.4, f"{counters} counters a row"
    return "usage", 0.3, "nothing says what it is"


def _maker_counts(seen: Mapping[str, _Seen]) -> Mapping[str, bool]:
    """Where who made a row is whose it is: records of what people did (True), and what people wrote or uploaded (False)."""
    return {
        at: one.category == "audit_log"
        for at, one in seen.items()
        if one.category == "audit_log" or any(guess.category == "content" and guess.leads for guess in one.fields)
    }


def _is_of_people(one: _Seen, hubs: Collection[str], ways: Sequence[Way]) -> bool:
    return (
        one.table.at in hubs or bool(ways) or any(guess.leads and not ACTOR.search(guess.name) for guess in one.fields)
    )


def _proposal(
    one: _Seen, ids: Mapping[str, str], hubs: Collection[str], ways: Sequence[Way], policy: PolicyWords
) -> Proposal:
    table = one.table
    identifies = find_identifiers(table, one.noun, one.fields, is_hub=table.at in hubs)
    exact = next((word for word in (one.noun, singular(one.noun)) if word in policy.clauses), None)
    category = exact or policy.word(one.category)
    times = guess_times(table)
    words = set(one.noun.split("_"))
    time = record_time(
        table,
        times,
        of_days=bool(words & {"daily", "day", "hourly", "monthly"}),
        archive=bool(words & {"deleted", "archived", "archive"}),
        log=one.category == "request_log",
    )
    fields = _with_links(one.fields, identifies, ways, hubs)
    return Proposal(
        id=ids[table.at],
        at=table.at,
        category=category,
        confidence=0.9 if exact else one.confidence,
        why="the policy has this very word" if exact else one.why,
        clauses=policy.speaking(category),
        time=time,
        events=guess_events(times, one.category, time),
        identifies=identifies,
        person=tuple(replace(way, to=ids[way.to]) for way in ways if way.to in ids),
        fields=tuple(_in_policy_words(guess, one.category, policy) for guess in fields),
        uncertain=_uncertain(identifies, ways, time),
    )


def _uncertain(identifies: Sequence[object], ways: Sequence[Way], time: TimeGuess | None) -> tuple[str, ...]:
    found = []
    if not identifies and not ways:
        found.append("nothing found that leads to a person: add `identifies` or `person`, or no request will find it")
    if time is None:
        found.append("no time found: clauses that count from the record's time cannot run here")
    elif time.trouble:
        found.append(time.trouble)
    return tuple(found)


def _with_links(
    fields: Sequence[FieldGuess], identifies: Sequence[tuple[str, str]], ways: Sequence[Way], hubs: Collection[str]
) -> list[FieldGuess]:
    """The fields, with those that name a person by an id added."""
    known = {guess.name for guess in fields}
    named = [(name, "it identifies") for _, name in identifies] + [
        (way.field, way.why) for way in ways if way.to in hubs
    ]
    added = [
        FieldGuess(name=name, fideslang="user.unique_id", confidence=0.8, why=why)
        for name, why in dict(named).items()
        if name not in known
    ]
    return [*added, *fields]


def _in_policy_words(guess: FieldGuess, table_category: str, policy: PolicyWords) -> FieldGuess:
    own = guess.category if guess.category != table_category else None
    return replace(guess, category=policy.word(own) if own else None)


def _name_ids(tables: Sequence[str], nouns: Mapping[str, str], taken: Collection[str]) -> dict[str, str]:
    """A name for each new collection: the plural of its noun, its whole name where that is taken."""
    named: dict[str, str] = {}
    used = set(taken)
    for at in tables:
        plain = nouns[at].replace("_", "-").strip("-") or "collection"
        whole = noun_of(at.replace(".", "_").replace(":", "_")).replace("_", "-")
        options = [
            _plural(plain),
            plain,
            whole,
            *(f"{whole}-{number}" for number in range(2, len(tables) + len(used) + 3)),
        ]
        named[at] = next(option for option in options if option not in used)
        used.add(named[at])
    return named


def _plural(noun: str) -> str:
    head, dash, last = noun.rpartition("-")
    if last.endswith(("s", "x", "z", "ch", "sh")) or last in (
        "people",
        "content",
        "metadata",
        "usage",
        "spend",
        "memory",
    ):
        return noun
    if singular(last) != last:
        return noun
    return head + dash + (last[:-1] + "ies" if last.endswith("y") and last[-2:-1] not in tuple("aeiou") else last + "s")
