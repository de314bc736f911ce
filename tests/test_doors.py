"""The rooms and their doors: every import, those inside functions too, goes through a door of tests/doors.toml."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOORS: dict[str, list[str]] = tomllib.loads((ROOT / "tests" / "doors.toml").read_text(encoding="utf-8"))
ROOMS = set(DOORS)


def room_files(room: str) -> list[Path]:
    """The source files of a room."""
    return [ROOT / "app.py"] if room == "app" else sorted((ROOT / room).rglob("*.py"))


def imported_rooms(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and top-level name of every import of a tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative imports hide the room they lead to"
            if node.module:
                yield node.lineno, node.module.split(".")[0]


def trespasses(room: str, source: str) -> list[str]:
    """The imports of a source text that no door of its room allows."""
    allowed = {room, *DOORS[room]}
    return [
        f"line {line}: {room} -> {to}"
        for line, to in imported_rooms(ast.parse(source))
        if to in ROOMS and to not in allowed
    ]


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_imports_only_through_its_doors(room: str) -> None:
    """DESIGN: no import goes where no door is, and nobody imports app."""
    found = {str(path): trespasses(room, path.read_text(encoding="utf-8")) for path in room_files(room)}
    assert not {path: lines for path, lines in found.items() if lines}


def test_an_import_inside_a_function_is_seen() -> None:
    """The walk sees what stands inside functions: a hidden import is an import."""
    assert trespasses("stores", "def f():\n    from ledger.log import Ledger\n") == ["line 2: stores -> ledger"]


def test_the_doors_have_no_cycle() -> None:
    """DESIGN: no cycle. Taking away rooms whose doors all lead to rooms already taken ends with none left."""
    left = {room: set(may) & ROOMS for room, may in DOORS.items()}
    while left:
        free = {room for room, may in left.items() if not may & set(left)}
        assert free, f"these rooms form a cycle: {sorted(left)}"
        left = {room: may for room, may in left.items() if room not in free}


def test_every_package_is_a_room() -> None:
    """A folder with Python in it that no door names would escape the walk."""
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages - {"tests", "bench"} <= ROOMS
