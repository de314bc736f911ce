"""Puts proposed collections into a kept.yaml: everything that stands there stays as it is, comments and spacing included."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from core.errors import BadInput, KeptError
from core.lined_yaml import load_lined
from core.settings_file import load_settings

KEY = "collections"


def merge_collections(text: str, lines: Sequence[str], source: str) -> str:
    """The text with items added at the end of its `collections:`. Raises BadInput where that is not a list of lines."""
    before = load_lined(text, source=source).data
    root = YAML(typ="rt").compose(text)
    if not isinstance(root, MappingNode) or not isinstance(before, dict):
        raise BadInput(f"{source} is not a mapping of settings.", remedy="Nothing was changed.")
    found = next((value for key, value in root.value if key.value == KEY), None)
    rows = text.splitlines()
    if found is None:
        merged = [*rows, "", f"{KEY}:", *_indented(lines, 2)]
    elif isinstance(found, SequenceNode) and found.value and not found.flow_style:
        dash = found.start_mark.column
        end = _last_line(found) + 1
        merged = [*rows[:end], "", *_indented(lines, dash), *rows[end:]]
    elif not found.value:
        place = next(key.start_mark.line for key, _ in root.value if key.value == KEY)
        merged = [*rows[:place], f"{KEY}:", *_indented(lines, 2), *rows[place + 1 :]]
    else:
        raise BadInput(
            f"{source}: `{KEY}` is written in one line.", remedy="Write it as a list, a collection on lines of its own."
        )
    made = "\n".join(merged) + "\n"
    _check_same(before, load_lined(made, source=source).data, source)
    return made


def write_collections(path: Path, lines: Sequence[str]) -> None:
    """Add items to a kept.yaml. It is replaced only by one that reads well; its mode stays."""
    merged = merge_collections(path.read_text(encoding="utf-8"), lines, str(path))
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(merged, encoding="utf-8")
        shutil.copymode(path, beside)
        load_settings(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _indented(lines: Sequence[str], by: int) -> list[str]:
    return [" " * by + line if line else "" for line in lines]


def _last_line(node: Node) -> int:
    """The last line that a node's own text stands on, counted from 0; what follows it are comments and space."""
    if isinstance(node, MappingNode | SequenceNode) and node.value and not node.flow_style:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    end = node.end_mark
    return int(end.line - (1 if end.column == 0 and end.line > node.start_mark.line else 0))


def _check_same(before: dict[str, Any], after: Any, source: str) -> None:
    kept = {key: value for key, value in before.items() if key != KEY}
    old = before.get(KEY) or []
    same = isinstance(after, dict) and {key: value for key, value in after.items() if key != KEY} == kept
    if not same or after[KEY][: len(old)] != old:
        raise KeptError(f"{source} could not be added to without changing it.", remedy="Copy the printed text by hand.")
