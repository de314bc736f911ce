"""YAML that remembers the line of every key and value, so that a refusal can name it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from core.errors import BadInput

Path = tuple[str | int, ...]
MAX_BYTES = 1_000_000
MAX_NODES = 50_000


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


def load_lined(text: str, *, source: str, first_line: int = 1) -> LinedDocument:
    """Read one YAML document. `first_line` is where `text` starts in its file. Raises BadInput with source and line."""
    if len(text.encode()) > MAX_BYTES:
        raise BadInput(
            f"{source} is larger than {MAX_BYTES // 1_000_000} MB.", remedy="A configuration is a few pages."
        )
    reader = YAML(typ="rt")
    reader.allow_duplicate_keys = False
    try:
        loaded = reader.load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = first_line + (mark.line if mark else 0)
        problem = getattr(error, "problem", None) or "is not YAML"
        raise BadInput(f"{source}:{line}: {problem}.", remedy="Check indentation, quotes and colons there.") from error
    lines: dict[Path, int] = {(): first_line}
    budget = [MAX_NODES]
    data = _plain(loaded, (), lines, first_line, budget, source)
    return LinedDocument(data=data, lines=lines)


def _plain(node: Any, path: Path, lines: dict[Path, int], first: int, budget: list[int], source: str) -> Any:
    # Aliases are expanded by this walk: the budget stops a document that unfolds without end.
    budget[0] -= 1
    if budget[0] < 0 or len(path) > 40:
        raise BadInput(f"{source} unfolds to more than {MAX_NODES} values.", remedy="Remove its aliases.")
    if isinstance(node, CommentedMap):
        result: dict[Any, Any] = {}
        for key, value in node.items():
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
