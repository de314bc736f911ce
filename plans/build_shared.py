"""What a plan does with records that are about other people too: as a person decided, and a question until then. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from plans.people import FoundCollection, Way
from plans.plan import Stays
from plans.questions import Choice, Matter, Question, Rulings
from stores.conditions import AllOf, Condition, Not
from stores.contract import Capability, Store

THEIRS_TOO: Final = "they are about other people too"
TAKEN_OUT: Final = "they are about other people too; what leads to you goes from them"
BUT_TEXTS: Final = (
    "they are about other people too; what leads to you goes from them, and what was written in their texts stays"
)
_FOR_A_COPY: Final = (Choice.LEAVE_OUT, Choice.GIVE)


@dataclass(frozen=True, kw_only=True)
class Divided:
    """`own`: the place with what the right covers all of; `stays`: what is shared and stays, or is left out of a copy;
    `redact`: which records lose which field, that leads to the person."""

    own: FoundCollection
    stays: Stays | None = None
    redact: tuple[tuple[str, Condition], ...] = ()
    question: Question | None = None


def divide_shared(
    place: FoundCollection, store: Store, rulings: Rulings, *, clause: str, is_copy: bool, texts: Sequence[str] = ()
) -> Divided:
    """A place as it is where nothing of it is shared, or where the person who decided says so. `texts`: its fields in which
    people write freely; who is named in them, no program can tell."""
    if place.shared is None:
        return Divided(own=place)
    question = _question(place, store, is_copy=is_copy, texts=texts)
    ruling = rulings.get(question.id)
    choice = ruling.choice if ruling is not None and ruling.choice in question.choices else None
    if choice in (Choice.DELETE, Choice.GIVE):
        return Divided(own=place)
    own = replace(place, condition=AllOf(parts=(place.condition, Not(part=place.shared))), shared=None, shared_rows=0)
    if choice is None:
        return Divided(own=own, question=question)
    redact = tuple(_redacted(place)) if choice is Choice.REDACT else ()
    stays = Stays(
        collection=place.collection,
        store=place.store,
        at=place.at,
        clause=clause,
        basis="",  # no exception of the policy keeps it: it is somebody else's as well
        until="",
        reason=(BUT_TEXTS if texts else TAKEN_OUT) if redact else THEIRS_TOO,
        condition=AllOf(parts=(place.condition, place.shared)),
    )
    return Divided(own=own, stays=stays, redact=redact)


def _question(place: FoundCollection, store: Store, *, is_copy: bool, texts: Sequence[str]) -> Question:
    if is_copy:
        choices: tuple[Choice, ...] = _FOR_A_COPY
    else:
        can_redact = Capability.ANONYMISE in store.capabilities and any(_is_own(way) for way in place.ways)
        choices = (Choice.KEEP, *((Choice.REDACT,) if can_redact else ()), Choice.DELETE)
    stays = f" Kept without the person, what was written in {', '.join(texts)} stays, with any name or address in it."
    said, about = ("record", "is about") if place.shared_rows == 1 else ("records", "are about")
    return Question(
        matter=Matter.SHARED,
        subject=place.collection,
        of="copy" if is_copy else "deletion",
        why=f"{place.shared_rows} {said} of {place.collection} {about} other people too.",
        remedy=f"Decide what happens to them.{stays if texts and Choice.REDACT in choices else ''}",
        choices=choices,
        rows=place.shared_rows,
    )


def _is_own(way: Way) -> bool:
    """Does the field lead to the person alone, so that it may go? A team's does not."""
    return way.alone


def _redacted(place: FoundCollection) -> Iterator[tuple[str, Condition]]:
    for way in place.ways:
        if _is_own(way) and place.shared is not None:
            parts = [place.condition, place.shared, way.leads]
            parts += [Not(part=way.elsewhere)] if way.elsewhere is not None else []
            yield way.field, AllOf(parts=tuple(parts))
