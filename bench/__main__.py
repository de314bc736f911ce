"""`python -m bench`: measures, prints the table and keeps it as bench/results.json."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Final

import orjson
from rich.console import Console
from rich.table import Table

from bench import differences, guard
from bench.measuring import Result

_KEPT_AT: Final = Path(__file__).with_name("results.json")


def main() -> None:
    results = [*differences.measure(), *guard.measure()]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("Bench", "What", "Way", "median", "min", "max", "floor", "stretch", "reaches"):
        table.add_column(name, justify="right" if name in ("median", "min", "max", "floor", "stretch") else "left")
    for result in results:
        _add(table, result)
    Console().print(table)
    content = {"python": platform.python_version(), "results": [result.as_json() for result in results]}
    _KEPT_AT.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _add(table: Table, result: Result) -> None:
    for number, timing in enumerate(result.timings):
        last = timing is result.kept
        table.add_row(
            result.bench if not number else "",
            result.what if not number else "",
            timing.way,
            *(f"{seconds:.3f} s" for seconds in (timing.median, timing.least, timing.most)),
            *((f"{result.floor} s", f"{result.stretch} s", result.verdict) if last else ("", "", "")),
        )


if __name__ == "__main__":
    main()
