"""Whether identifiers single out one person: values that everybody types, that match crowds, that several accounts have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from core.errors import KeptError
from plans.lanes import Ask, ask_all
from plans.people import Identifiers, Match, NeedsReview, any_of, forms_of, is_everybodys
from plans.questions import Choice, Matter, Question, Rulings, fingerprint
from stores.conditions import Condition, OneOf
from stores.contract import Capability
from stores.datamap import DataMap, PersonRoute

MOST_ACCOUNTS: Final = 20  # more accounts than this under one identifier are no one person
MOST_RECORDS: Final = 100_000  # so many records that name one identifier may well be of many people
_WHOSE: Final = "Look whose it is: take it for this person, or leave it out and ask them for one that is theirs alone."


@dataclass(frozen=True, kw_only=True)
class Identified:
    """What is followed: `known` by its forms, and of the accounts of a collection those that `narrowed` lets through."""

    known: Identifiers
    narrowed: Mapping[str, Condition]
    questions: tuple[Question, ...]
    matches: tuple[Match, ...]


@dataclass(frozen=True, kw_only=True)
class _Value:
    kind: str
    text: str = field(repr=False)
    forms: tuple[str, ...] = field(repr=False)

    @property
    def of(self) -> str:
        return fingerprint([self.kind, *self.forms])


def identify(
    datamap: DataMap, given: Mapping[str, Sequence[str]], rulings: Rulings, *, patience: float | None = None
) -> Identified:
    """Ask the stores how much each identifier matches by itself. What is doubtful is a question and followed no further
    until it is decided. Raises BadInput for an empty one, NeedsReview where a person left every identifier out."""
    values = _read(given)
    questions: list[Question] = []
    left = [one for one in values if _may_follow(one, _everybodys(one), rulings, questions)]
    matches = _match(datamap, left, patience)
    left = [one for one in left if _may_follow(one, _crowd(datamap, one, matches), rulings, questions)]
    if not left and not questions:
        raise NeedsReview(
            "Every identifier of this person was left out.", remedy="Ask them for one that is theirs alone."
        )
    known = _by_kind(left)
    narrowed, several = _accounts(datamap, known, matches, rulings, patience)
    return Identified(known=known, narrowed=narrowed, questions=(*questions, *several), matches=matches)


def is_account(datamap: DataMap, route: PersonRoute) -> bool:
    """Is it what other records refer to, and itself refers to nobody? One record of it is one person's account."""
    others = (one for one in datamap.collections if one.id != route.collection)
    referred = any(reference.to == route.collection for other in others for reference in other.person)
    return bool(route.identifiers) and referred and not any(hop.to != route.collection for hop in route.hops)


def _read(given: Mapping[str, Sequence[str]]) -> list[_Value]:
    values = {}
    for kind, texts in given.items():
        for text in texts or [""]:
            one = _Value(kind=kind, text=text.strip(), forms=tuple(sorted(set(forms_of(kind, text)))))
            values[one.of] = one
    return list(values.values())


def _by_kind(values: Sequence[_Value]) -> Identifiers:
    known: dict[str, set[str]] = {}
    for one in values:
        known.setdefault(one.kind, set()).update(one.forms)
    return {kind: tuple(sorted(forms)) for kind, forms in known.items()}


def _may_follow(one: _Value, doubt: tuple[str, int | None] | None, rulings: Rulings, asked: list[Question]) -> bool:
    if doubt is None:
        return True
    question = Question(
        matter=Matter.IDENTIFIER,
        subject=one.kind,
        of=one.of,
        value=one.text,
        why=doubt[0],
        rows=doubt[1],
        remedy=_WHOSE,
        choices=(Choice.TAKE, Choice.SKIP),
    )
    ruling = rulings.get(question.id)
    if ruling is None:
        asked.append(question)
    return ruling is not None and ruling.choice is Choice.TAKE


def _everybodys(one: _Value) -> tuple[str, int | None] | None:
    return ("Many people type just this.", None) if is_everybodys(one.kind, one.text) else None


def _match(datamap: DataMap, values: Sequence[_Value], patience: float | None) -> tuple[Match, ...]:
    """What each identifier matches; a store that does not answer shows where its records are looked for."""
    wanted = [
        (route, one, field)
        for route in datamap.person_routes({one.kind for one in values})
        if can_look(datamap, route)
        for kind, field in route.identifiers
        for one in values
        if one.kind == kind
    ]
    asks = [Ask(store=route.store, call=_Count(datamap, route, field, one)) for route, one, field in wanted]
    return tuple(
        Match(kind=one.kind, value=one.text, collection=route.collection, store=route.store, rows=rows)
        for (route, one, _), rows in zip(wanted, ask_all(asks, patience=patience), strict=True)
        if isinstance(rows, int)
    )


class _Count:
    """Counts what one identifier matches in one collection."""

    def __init__(self, datamap: DataMap, route: PersonRoute, name: str, value: _Value) -> None:
        self._store, self._at = datamap.stores[route.store], route.at
        self._where = OneOf(field=name, values=value.forms)

    def __call__(self) -> int:
        return self._store.measure(self._at, self._where).rows


def can_look(datamap: DataMap, route: PersonRoute) -> bool:
    """Can a program read and count there?"""
    return {Capability.READ, Capability.MEASURE} <= datamap.stores[route.store].capabilities


def _crowd(datamap: DataMap, one: _Value, matches: Sequence[Match]) -> tuple[str, int | None] | None:
    accounts = {route.collection for route in datamap.person_routes([one.kind]) if is_account(datamap, route)}
    for match in matches:
        if (match.kind, match.value) != (one.kind, one.text):
            continue
        is_one = match.collection in accounts
        if match.rows > MOST_ACCOUNTS if is_one else match.rows >= MOST_RECORDS:
            most = f"more than {MOST_ACCOUNTS}" if is_one else f"{MOST_RECORDS} or more"
            why = f"It matches {match.rows} records of {match.collection}; {most} are not taken for one person's."
            return why, match.rows
    return None


def _accounts(
    datamap: DataMap, known: Identifiers, matches: Sequence[Match], rulings: Rulings, patience: float | None
) -> tuple[dict[str, Condition], list[Question]]:
    """Several accounts under what was proven may be several people, such as a couple with one mailbox."""
    followed = {form for forms in known.values() for form in forms}
    rows: dict[str, int] = {}
    for match in matches:
        if match.value in followed or set(forms_of(match.kind, match.value)) & followed:
            rows[match.collection] = rows.get(match.collection, 0) + match.rows
    routes = [
        (route, key)
        for route in datamap.person_routes(known)
        if rows.get(route.collection, 0) > 1 and is_account(datamap, route) and (key := _key_of(datamap, route))
    ]
    asks = [Ask(store=route.store, call=_Keys(datamap, route, key, known)) for route, key in routes]
    narrowed: dict[str, Condition] = {}
    questions: list[Question] = []
    for (route, key), keys in zip(routes, ask_all(asks, patience=patience), strict=True):
        if isinstance(keys, KeptError) or len(keys) < 2:
            continue
        question = _several(route, keys)
        ruling = rulings.get(question.id)
        if ruling is None:
            questions.append(question)
        elif ruling.picked:
            narrowed[route.collection] = OneOf(field=key, values=ruling.picked)
    return narrowed, questions


def _several(route: PersonRoute, keys: tuple[str, ...]) -> Question:
    return Question(
        matter=Matter.ACCOUNTS,
        subject=route.collection,
        of=fingerprint(keys),
        why=f"{len(keys)} accounts in {route.collection} have what was proven.",
        remedy="Look whether they are one person's: take all of them, or only those that are.",
        choices=(Choice.TAKE,),
        rows=len(keys),
        options=keys[:MOST_ACCOUNTS],
    )


def _key_of(datamap: DataMap, route: PersonRoute) -> str | None:
    others = (one for one in datamap.collections if one.id != route.collection)
    return next((ref.to_field for one in others for ref in one.person if ref.to == route.collection), None)


class _Keys:
    """Reads the names of the accounts that identifiers lead to."""

    def __init__(self, datamap: DataMap, route: PersonRoute, key: str, known: Identifiers) -> None:
        self._store, self._at, self._key = datamap.stores[route.store], route.at, key
        self._where = any_of([OneOf(field=name, values=known[kind]) for kind, name in route.identifiers])

    def __call__(self) -> tuple[str, ...]:
        if self._where is None:
            return ()
        return tuple(sorted(islice(self._store.values(self._at, self._key, self._where), MOST_ACCOUNTS + 1)))
