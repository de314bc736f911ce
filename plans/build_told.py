"""Whom a deletion, a correction or a restriction is told to, from values alone: which recipients, how, and by which identifiers."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from core.settings import CollectionSettings
from plans.plan import Plan, Step, StepDeed
from policies.clauses import Clause, RecipientClause, Role
from stores.datamap import DataMap

STORE, MAIL, FORM = "store:", "mailto:", "https://"
# The host application's own id, which says nothing about a person to whoever does not hold their account.
OPAQUE: Final = ("user_id",)
_TOLD: Final = frozenset({StepDeed.DELETE, StepDeed.CORRECT, StepDeed.ANONYMISE, StepDeed.ASK})


class What(StrEnum):
    """What a recipient is told: that data were deleted or corrected, are restricted, or are restricted no more."""

    DELETED = "deleted"
    CORRECTED = "corrected"
    RESTRICTED = "restricted"
    LIFTED = "lifted"


class Way(StrEnum):
    """How a recipient is told. STORE: over its API, by the steps of the plan. MAIL: a mail with a page to answer on. FORM:
    a form of its own, which people fill in. HAND: the policy names no way that a program can go."""

    STORE = "store"
    MAIL = "mail"
    FORM = "form"
    HAND = "hand"


@dataclass(frozen=True, kw_only=True)
class ToTell:
    """One recipient to tell. `address`: the store, the mailbox or the form. `of`: the categories it gets of those touched.
    `identifiers`: what finds the person there, no more; `corrections`: (field, what is right). `why`: for operators, why no
    program can tell it; '' where one can."""

    clause: str
    name: str
    way: Way
    address: str
    of: tuple[str, ...]
    condition: str = ""
    identifiers: tuple[tuple[str, tuple[str, ...]], ...] = field(default=(), repr=False)
    corrections: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Known:
    """How people are known elsewhere. `identifiers`: of this person, by kind; `knows`: by recipient clause, the kinds that it
    knows people by."""

    identifiers: Mapping[str, Sequence[str]] = field(repr=False)
    knows: Mapping[str, Sequence[str]]


def touched_by(plan: Plan, datamap: DataMap, collections: Set[str] | None = None) -> dict[str, frozenset[str]]:
    """The categories that a plan changes, by collection; `collections`: only of these. A record that goes takes all of its
    categories along, a correction only those of its fields."""
    touched: dict[str, frozenset[str]] = {}
    for step in plan.steps:
        if step.deed not in _TOLD or (collections is not None and step.collection not in collections):
            continue
        known = touched.get(step.collection, frozenset())
        touched[step.collection] = known | _categories(step, datamap)
    return touched


def build_told(
    *,
    clauses: Sequence[Clause],
    touched: Set[str],
    plan: Plan | None,
    datamap: DataMap,
    known: Known,
    what: What,
) -> tuple[ToTell, ...]:
    """The recipients to tell of what was done to the categories `touched`, in the order of the policy. One that several
    clauses name is told once, for all of them; an authority is none (Art. 4(9)). `plan`: None for a restriction."""
    found: dict[tuple[str, str], list[RecipientClause]] = {}
    for clause in clauses:
        if isinstance(clause, RecipientClause) and clause.role is not Role.AUTHORITY and _gets(clause, touched):
            found.setdefault((recipient_key(clause.name), clause.tell or ""), []).append(clause)
    return tuple(_to_tell(same, touched, plan, datamap, known, what) for same in found.values())


def recipient_key(name: str) -> str:
    """A recipient's name, the same over versions however it is spelled."""
    return " ".join(name.casefold().split())


def steps_at(plan: Plan, store: str) -> tuple[Step, ...]:
    """The steps of a plan by which a recipient with an API is told."""
    return tuple(step for step in plan.steps if step.store == store and step.deed in _TOLD)


def _to_tell(
    same: Sequence[RecipientClause],
    touched: Set[str],
    plan: Plan | None,
    datamap: DataMap,
    known: Known,
    what: What,
) -> ToTell:
    first = same[0]
    of = tuple(dict.fromkeys(one for clause in same for one in _gets(clause, touched)))
    way, address, why = _way(first.tell or "", plan, datamap, what)
    kinds = next((known.knows[one.id] for one in same if one.id in known.knows), OPAQUE)
    identifiers = tuple((kind, tuple(known.identifiers[kind])) for kind in kinds if known.identifiers.get(kind))
    if way is Way.MAIL and not identifiers:
        why = f"Nothing is known of the person that {first.name} knows people by ({', '.join(kinds)})."
        way = Way.HAND
    return ToTell(
        clause=first.id,
        name=first.name,
        way=way,
        address=address,
        of=of,
        condition=first.when or "",
        identifiers=() if way is Way.STORE else identifiers,
        corrections=_corrections(plan, datamap, of) if plan and what is What.CORRECTED and way is not Way.STORE else (),
        why=why,
    )


def _way(tell: str, plan: Plan | None, datamap: DataMap, what: What) -> tuple[Way, str, str]:
    """How it is told, where, and why by hand."""
    if tell.startswith(STORE):
        name = tell.removeprefix(STORE)
        if plan is not None and what in (What.DELETED, What.CORRECTED):
            why = _cannot(name, plan, datamap)
            return (Way.STORE, name, "") if not why else (Way.HAND, name, why)
        return Way.HAND, name, f"No program can restrict data in the store {name}."
    if tell.startswith(MAIL):
        return Way.MAIL, tell.removeprefix(MAIL), ""
    if tell.startswith(FORM):
        return Way.FORM, tell, "It has a form of its own."
    return Way.HAND, "", "The policy does not say how it is told."


def _cannot(store: str, plan: Plan, datamap: DataMap) -> str:
    """Why a plan does not reach a store that a recipient is told through; '' where it does, or looked there and found nothing."""
    collections = [one.id for one in datamap.collections if one.store == store]
    if store not in datamap.stores or not collections:
        return f"No collection of the data map lies in the store {store}."
    if any(gap.what.startswith(f"{one} in ") or gap.what == one for gap in plan.gaps for one in collections):
        return f"The plan does not reach the store {store}."
    return ""


def _gets(clause: RecipientClause, touched: Set[str]) -> tuple[str, ...]:
    return tuple(one for one in clause.of if one in touched)


def _categories(step: Step, datamap: DataMap) -> frozenset[str]:
    collection = datamap.collection(step.collection)
    if not step.corrections:
        return datamap.categories(collection)
    return frozenset(_category_of(collection, name) for name, _ in step.corrections)


def _category_of(collection: CollectionSettings, name: str) -> str:
    known = collection.fields.get(name)
    return known.category if known and known.category else collection.category


def _corrections(plan: Plan, datamap: DataMap, of: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """What is right now, each once: only in the categories that the recipient gets."""
    return tuple(dict.fromkeys(_right_values(plan, datamap, of)))


def _right_values(plan: Plan, datamap: DataMap, of: Sequence[str]) -> Iterator[tuple[str, str]]:
    for step in plan.steps:
        collection = datamap.collection(step.collection)
        for name, value in step.corrections:
            if _category_of(collection, name) in of:
                yield name, value or ""
