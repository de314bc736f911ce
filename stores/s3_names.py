"""Which objects a pattern means, what their names say, and which of them a condition can mean at all."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from core.errors import BadInput
from stores.conditions import AllOf, AnyOf, Before, Condition, Differs, Filled, Not, OneOf, Tells, Unset
from stores.file_names import FilePattern, FileTimes, settle
from stores.file_work import Test, make_test
from stores.matching import FormOf, compile_condition
from stores.name_patterns import OBJECTS, NamePattern
from stores.s3_client import Entry

KEY: Final = "object:key"
LINE_ENDINGS: Final = frozenset({".jsonl", ".ndjson", ".csv", ".tsv"})
_ALTERNATIVES = re.compile(r"\{([^{}]*,[^{}]*)\}")
_FIELD = re.compile(r"\{[A-Za-z][A-Za-z0-9_]*\}")


class ObjectNames:
    """`logs/` is everything below it; `logs/{eu,us}/*.jsonl.gz` two lists of files; `uploads/{user_id}/**` names people.

    Where the pattern ends like a file of lines, each line is a record; else each object is, whatever it holds."""

    def __init__(self, at: str, store: str) -> None:
        texts = tuple(_alternatives(f"{at}**" if at.endswith("/") else at))
        self.patterns = tuple(NamePattern(text, OBJECTS) for text in texts)
        self._dates = tuple(FilePattern(_FIELD.sub("*", text), store) for text in texts)
        kinds = {bool(LINE_ENDINGS & {end.lower() for end in PurePosixPath(text).suffixes}) for text in texts}
        if len(kinds) > 1:
            raise BadInput(
                f"'{at}' of the store {store} means files of lines and other objects.",
                remedy="Make two collections of it: a record is a line of the ones, and the whole of the others.",
            )
        self.of_lines = True in kinds

    def read(self, place: int, key: str) -> Mapping[str, str] | None:
        """The fields in a key that was listed for the pattern at this place; None where it is not of it."""
        if any(earlier.read(key) is not None for earlier in self.patterns[:place]):
            return None
        found = self.patterns[place].read(key)
        return {KEY: key, **found} if found is not None else None

    def times(self, place: int, entry: Entry) -> FileTimes:
        """By the name, and by when it was last written."""
        begin, end = self._dates[place].span(entry.key) or (None, None)
        return FileTimes(begin=begin, end=end, changed=entry.modified)


Tester = Callable[[Mapping[str, str], FileTimes], Test | None]


def make_tester(where: Condition, form_of: FormOf, change: Mapping[str, str | None] | None = None) -> Tester:
    """The test for what an object holds, by what its name and its times tell; None where these exclude all of it."""
    known: dict[Condition, Test | None] = {AnyOf(parts=()): None}

    def test_of(named: Mapping[str, str], times: FileTimes) -> Test | None:
        settled = settle(_settle_names(where, named), times)
        if settled not in known:
            known[settled] = make_test(settled, form_of, change)
        return known[settled]

    return test_of


def _settle_names(condition: Condition, named: Mapping[str, str]) -> Condition:
    match condition:
        case OneOf(field=name) | Unset(field=name) | Filled(field=name) | Tells(field=name) | Differs(field=name) if (
            name in named
        ):
            holds = compile_condition(condition, lambda _: None)(named)
            return AllOf(parts=()) if holds else AnyOf(parts=())
        case Before(field=field) if field.name in named:
            holds = compile_condition(condition, lambda _: None)(named)
            return AllOf(parts=()) if holds else AnyOf(parts=())
        case AllOf(parts=parts):
            return AllOf(parts=tuple(_settle_names(part, named) for part in parts))
        case AnyOf(parts=parts):
            return AnyOf(parts=tuple(_settle_names(part, named) for part in parts))
        case Not(part=part):
            return Not(part=_settle_names(part, named))
        case _:
            return condition


def _alternatives(text: str) -> Iterator[str]:
    found = _ALTERNATIVES.search(text)
    if found is None:
        yield text
        return
    for choice in found[1].split(","):
        yield from _alternatives(text[: found.start()] + choice.strip() + text[found.end() :])
