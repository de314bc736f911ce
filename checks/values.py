"""Walks a JSON document, or a record with JSON in its fields: every value with its path and the name it stands under."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple

from core.traces import is_plain, says_what

DEEPEST: Final = 64
_ROLES: Final = frozenset({"user", "assistant", "system", "developer", "tool", "human", "model", "ai"})
_SAID: Final = frozenset({"content", "parts", "text"})
_OPENING: Final = ("{", "[", " ", "\n", "\t", "\r")


class TooDeep(ValueError):
    """A document is nested deeper than anything that is meant to be read."""


class Pairs(tuple[tuple[str, Any], ...]):
    """A JSON object as it was written: a key that stands in it twice is there twice."""

    __slots__ = ()


class Path(NamedTuple):
    """A step from the whole document to a value: the step before, None for the first, and a key or a place."""

    before: Path | None
    step: str


class Leaf(NamedTuple):
    """One value as text. `step`: from `inside`, what it stands in; None for that itself. `name`: the key it stands under,
    that of the list for what stands in one. `is_key`: it is a key, `inside` its object.

    `of_chat`: it is the content of an object with a `role`, as language models are asked."""

    inside: Path | None
    step: str | None
    name: str
    text: str
    is_number: bool = False
    is_key: bool = False
    of_chat: bool = False

    def __repr__(self) -> str:
        return "Leaf(***)"


# Made once: a union made anew at each value takes longer than the look at the value.
_NUMBERS: Final = (int, float, Decimal)
_INSIDE: Final = (Pairs, list)
_Waiting = tuple[Any, Path | None, str, bool, int]


def steps(leaf: Leaf) -> tuple[str, ...]:
    """The way to a value from the beginning of its document."""
    found: list[str] = [] if leaf.step is None else [leaf.step]
    path = leaf.inside
    while path is not None:
        found.append(path.step)
        path = path.before
    return tuple(reversed(found))


def read_json(text: str | bytes) -> Any:
    """A JSON document with `Pairs` for objects. Raises ValueError, TooDeep."""
    try:
        return json.loads(text, object_pairs_hook=Pairs)
    except RecursionError as error:
        raise TooDeep from error


def walk(value: Any, *, telling: bool = False) -> Iterator[Leaf]:
    """Every value, and every key that is no plain name. Text that is itself JSON is walked under the path of the text.

    `telling`: without the values that no detector would look at twice. Raises TooDeep."""
    waiting: list[_Waiting] = [([value], None, "", False, -1)]
    while waiting:
        current, path, name, of_chat, depth = waiting.pop()
        if depth > DEEPEST:
            raise TooDeep
        for key, under, said, one in _members(current, name, of_chat):
            # The list around the whole document is no step of a path.
            step = key if depth >= 0 else None
            if isinstance(one, str):
                if telling and is_plain(one) and not said and not says_what(under):
                    continue
                if one[:1] in _OPENING and (inner := _inner(one)) is not None:
                    # The path within text is no path of the document: the text is what is named.
                    for leaf in walk(inner, telling=telling):
                        yield leaf._replace(
                            inside=path, step=step, name=leaf.name or under, of_chat=leaf.of_chat or said
                        )
                else:
                    yield Leaf(path, step, under, one, False, False, said)
            elif one is None or one is True or one is False:
                continue
            elif isinstance(one, _NUMBERS):
                if not telling or not -1e11 < one < 1e11 or says_what(under):
                    yield Leaf(path, step, under, str(one), True)
            elif isinstance(one, bytes):
                yield Leaf(path, step, under, one.decode("utf-8", "replace"))
            elif isinstance(one, _INSIDE):
                here = Path(path, step) if step is not None else None
                waiting.append((one, here, under, said, depth + 1))
        if isinstance(current, Pairs):
            for key, _ in current:
                if len(key) >= 12 and not key.replace("_", "").isalpha():
                    yield Leaf(path, None, "", key, False, True)


def _members(current: Any, name: str, of_chat: bool) -> list[tuple[str, str, bool, Any]]:
    """What stands in an object or a list: step, name, whether it is said in a chat, and the value."""
    if not isinstance(current, Pairs):
        return [(str(at), name, of_chat, one) for at, one in enumerate(current)]
    role = dict(current).get("role")
    chat = isinstance(role, str) and role in _ROLES
    if not chat and not of_chat:
        return [(key, key, False, one) for key, one in current]
    return [(key, key, (chat and key in _SAID) or (of_chat and key == "text"), one) for key, one in current]


def find_doubled(value: Any) -> tuple[str, ...] | None:
    """The path of a key that stands twice in one object; None where there is none."""
    waiting: list[tuple[Any, tuple[str, ...]]] = [(value, ())]
    while waiting:
        current, path = waiting.pop()
        if isinstance(current, Pairs):
            if len(dict(current)) != len(current):
                keys = [key for key, _ in current]
                return (*path, next(key for key in keys if keys.count(key) > 1))
            waiting += [(one, (*path, key)) for key, one in current if isinstance(one, _INSIDE)]
        elif isinstance(current, list):
            waiting += [(one, (*path, str(at))) for at, one in enumerate(current) if isinstance(one, _INSIDE)]
    return None


def _inner(text: str) -> Any:
    """What a text holds that is itself a JSON object or list; None for any other."""
    if text.rstrip()[-1:] not in ("}", "]"):
        return None
    try:
        found = read_json(text)
    except ValueError:
        return None
    return found if isinstance(found, _INSIDE) and found else None
