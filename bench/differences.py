"""B12: the difference of two policies, from text to verdict."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Final

from bench.measuring import Result, time_ways
from policies.differences import compare, read_either

_HISTORY: Final = Path(__file__).parent.parent / "tests" / "data" / "policies" / "history"
# Each line: a real policy and the one that followed it. The first pair is the most rewritten of all.
_SMALL: Final = (("claude-ai/2026-05-18T1031.md", "claude-ai/2026-06-09T1030.md"),)
_LARGE: Final = (
    *_SMALL,
    ("claude-ai/2026-06-09T2230.md", "claude-ai/2026-07-08T2231.md"),
    ("le-chat/2025-12-15T2334.md", "le-chat/2025-12-31T2335.md"),
    ("le-chat/2025-12-31T2335.md", "le-chat/2026-04-02T2233.md"),
    ("deepseek/2025-11-11T1523.md", "deepseek/2025-12-23T1131.md"),
    ("deepseek/2025-12-23T1131.md", "deepseek/2026-02-10T1130.md"),
    ("le-chat/2025-11-11T1533.md", "le-chat/2025-12-15T2334.md"),
)


def measure() -> list[Result]:
    """Two policies of 60 kB, then of 300 kB."""
    return [_measure(_SMALL, floor=0.3, stretch=0.2), _measure(_LARGE, floor=3.0, stretch=2.0)]


def _measure(pairs: tuple[tuple[str, str], ...], *, floor: float, stretch: float) -> Result:
    old, new = ("\n\n".join(_read(pair[side]) for pair in pairs) for side in (0, 1))
    ways = {
        "lines, difflib": lambda: list(difflib.unified_diff(old.splitlines(), new.splitlines())),
        "words, difflib": lambda: difflib.SequenceMatcher(None, old.split(), new.split()).get_opcodes(),
        "Kept": lambda: compare(read_either(old, "old.md"), read_either(new, "new.md")),
    }
    sizes = f"{len(old.encode()) // 1000} and {len(new.encode()) // 1000} kB"
    return Result(
        bench="B12",
        what=f"difference of two policies, {sizes}",
        includes="reading both, paragraphs and moves, words, facts, verdict",
        timings=time_ways(ways),
        floor=floor,
        stretch=stretch,
    )


def _read(name: str) -> str:
    return (_HISTORY / name).read_text(encoding="utf-8")
