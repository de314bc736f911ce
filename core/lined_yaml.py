"""YAML that remembers the line of every key and value, so that a refusal can name it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent, ScalarEvent

from core.errors import BadInput

Path = tuple[str | int, ...]
MAX_BYTES = 1_000_000
MAX_NODES = 50_000
MAX_DEPTH = 40
_DAY = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)(?=$|[Tt \t]+\d)", flags=re.ASCII)


@dataclass(frozen=True, kw_only=True)
class LinedDocument:
    """Plain data (dict, list, str, int, float, bool, None, date) and the 1-based line of each path in it."""

    data: Any
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """The line of a path, or of its nearest parent that has one; 1 where none has."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class YamlRefused(BadInput):
    """Text that is not read as plain data: `line` is that of the file, `what` says it without source and line."""

    def __init__(self, source: str, line: int, what: str, *, remedy: str) -> None:
        super().__init__(f"{source}:{line}: {what}.", remedy=remedy)
        self.line, self.what = line, what


def load_lined(text: str, *, source: str, first_line: int = 1) -> LinedDocument:
    """Read one YAML document. `first_line` is where `text` starts in its file. Raises BadInput with source and line."""
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        what = f"the file is larger than {MAX_BYTES // 1_000_000} MB"
        raise YamlRefused(source, first_line, what, remedy="A configuration is a few pages.")
    reader = YAML(typ="rt")
    reader.allow_duplicate_keys = False
    try:
        _inspect(text, source, first_line)
        loaded = reader.load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = first_line + (mark.line if mark else 0)
        problem = getattr(error, "problem", None) or "is not YAML"
        raise YamlRefused(source, line, problem, remedy="Check indentation, quotes and colons there.") from error
    except RecursionError as error:
        raise _too_deep(source, first_line) from error
    except (ValueError, TypeError, AttributeError) as error:
        # What the reader makes of a value that only looks like a number, a day or a merge.
        what = f"a value or a merge in it cannot be read ({error})"
        raise YamlRefused(source, first_line, what, remedy="Put quotes around what is text.") from error
    lines: dict[Path, int] = {(): first_line}
    budget = [MAX_NODES]
    data = _plain(loaded, (), lines, first_line, budget, source)
    return LinedDocument(data=data, lines=lines)


def _inspect(text: str, source: str, first: int) -> None:
    """Refuse by its events, which need no memory, what would be slow, endless or no plain data once it is built."""
    open_anchors: list[str | None] = []
    nodes = 0
    for event in YAML(typ="rt").parse(text):
        line = first + event.start_mark.line
        nodes += isinstance(event, NodeEvent)
        if nodes > MAX_NODES:
            what = f"there are more than {MAX_NODES} values"
            raise YamlRefused(source, line, what, remedy="A configuration is a few pages.")
        if isinstance(event, CollectionStartEvent):
            open_anchors.append(event.anchor)
            if len(open_anchors) > MAX_DEPTH:
                raise _too_deep(source, line)
        elif isinstance(event, CollectionEndEvent):
            open_anchors.pop()
        elif isinstance(event, AliasEvent) and event.anchor in open_anchors:
            raise YamlRefused(source, line, f"*{event.anchor} stands inside itself", remedy="Write the value out.")
        if getattr(event, "tag", None) is not None:
            raise YamlRefused(source, line, f"the tag {event.tag} is not understood", remedy="Remove the tag.")
        if isinstance(event, ScalarEvent) and event.style is None:
            _inspect_plain(event.value, source, line)


def _inspect_plain(value: str, source: str, line: int) -> None:
    if len(value) > 4000 and value.strip("+-0123456789_") == "":
        raise YamlRefused(source, line, f"a number has {len(value)} digits", remedy="Put quotes around what is text.")
    if day := _DAY.match(value):
        try:
            date(int(day[1]), int(day[2]), int(day[3]))
        except ValueError as error:
            raise YamlRefused(source, line, f"there is no day {day[0]}", remedy="Correct the date.") from error


def _too_deep(source: str, line: int) -> YamlRefused:
    remedy = f"At most {MAX_DEPTH} levels are read."
    return YamlRefused(source, line, "values stand inside each other too deeply", remedy=remedy)


def _plain(node: Any, path: Path, lines: dict[Path, int], first: int, budget: list[int], source: str) -> Any:
    # Aliases are expanded by this walk: the budget stops a document that unfolds without end.
    budget[0] -= 1
    if len(path) > MAX_DEPTH:
        raise _too_deep(source, lines.get(path[:1], first))
    if budget[0] < 0:
        raise YamlRefused(source, first, f"it unfolds to more than {MAX_NODES} values", remedy="Remove its aliases.")
    if isinstance(node, CommentedMap):
        result: dict[Any, Any] = {}
        for key, value in node.items():
            if not isinstance(key, str | int):
                line = lines.get(path, first)
                raise YamlRefused(source, line, "a key is neither text nor a number", remedy="Put quotes around it.")
            here = (*path, str(key) if not isinstance(key, int) else key)
            lines[here] = first + node.lc.key(key)[0] if key in (node.lc.data or {}) else lines.get(path, first)
            result[key] = _plain(value, here, lines, first, budget, source)
        return result
    if isinstance(node, CommentedSeq):
        items = []
        for index, value in enumerate(node):
            here = (*path, index)
            lines[here] = first + node.lc.item(index)[0] if index in (node.lc.data or {}) else lines.get(path, first)
            items.append(_plain(value, here, lines, first, budget, source))
        return items
    if isinstance(node, bool) or node is None:
        return node
    for plain in (int, float, str):
        if isinstance(node, plain):
            return plain(node)
    return node
