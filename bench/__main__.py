"""`python -m bench [NAME …] [--rows N] [--pairs N]`: measures, prints the tables and keeps them.

Without names every bench is run. What was measured before stays in bench/results.json where it is not measured again, and
docs/benchmarks.md is written from it."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson
from rich.console import Console
from rich.table import Table

from bench import differences, erasure, files, finding, guard, keys, ledger, packages, sweeps
from bench.comparing import Comparison
from bench.measuring import Result
from bench.paper import write_paper

_KEPT_AT: Final = Path(__file__).with_name("results.json")
_PAPER: Final = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_ROWS: Final = 2_000_000
_PAIRS: Final = 5
_WIDTH: Final = 140
Measure = Callable[[int, int, Callable[[str], None]], list[Comparison]]
_TIMED: Final[Mapping[str, Callable[[], list[Result]]]] = {
    "differences": differences.measure,
    "guard": guard.measure,
    "finding": finding.measure,
}
_COMPARED: Final[Mapping[str, Measure]] = {
    "postgresql": sweeps.measure_postgres,
    "partitions": sweeps.measure_partitions,
    "mariadb": sweeps.measure_mariadb,
    "sqlite": sweeps.measure_sqlite,
    "files": files.measure,
    "redis": keys.measure_redis,
    "s3": keys.measure_s3,
    "erasure": erasure.measure,
    "packages": packages.measure,
    "ledger": ledger.measure,
}


def main() -> None:
    given = _arguments()
    names = given.names or [*_TIMED, *_COMPARED]
    kept = _read()
    for name in names:
        if name in _TIMED:
            results = _TIMED[name]()
            _show(results)
            kept["results"][name] = [result.as_json() for result in results]
        else:
            compared = _COMPARED[name](given.rows, given.pairs, lambda line: print(f"  {line}", file=sys.stderr))
            for one in compared:
                _show_compared(one)
            kept["comparisons"][name] = [one.as_json() | {"rows": given.rows} for one in compared]
        kept["python"] = platform.python_version()
        # written after each: a long run that is broken off keeps what it has
        _KEPT_AT.write_bytes(orjson.dumps(kept, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        write_paper(_PAPER, kept)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the numbers that the README tells.")
    choices = [*_TIMED, *_COMPARED]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(choices)}; all without one")
    parser.add_argument("--rows", type=int, default=_ROWS, help="rows of the table on PostgreSQL; half on the others")
    parser.add_argument("--pairs", type=int, default=_PAIRS, help="how often each way is run")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in choices]
    if unknown or given.rows < 1_000 or given.pairs < 1:
        parser.error(f"there is no bench {', '.join(unknown)}" if unknown else "too few rows or pairs")
    return given


def _read() -> dict[str, Any]:
    kept: dict[str, Any] = orjson.loads(_KEPT_AT.read_bytes()) if _KEPT_AT.exists() else {}
    for part in ("results", "comparisons"):
        if not isinstance(kept.get(part), dict):
            kept[part] = {}
    return kept


def _show(results: list[Result]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("Bench", "What", "Way", "median", "min", "max", "floor", "stretch", "reaches"):
        table.add_column(name, justify="right" if name in ("median", "min", "max", "floor", "stretch") else "left")
    for result in results:
        for number, timing in enumerate(result.timings):
            last = timing is result.kept
            table.add_row(
                result.bench if not number else "",
                result.what if not number else "",
                timing.way,
                *(f"{seconds:.3f} s" for seconds in (timing.median, timing.least, timing.most)),
                *((f"{result.floor} s", f"{result.stretch} s", result.verdict) if last else ("", "", "")),
            )
    Console(width=_WIDTH).print(table)


def _show_compared(one: Comparison) -> None:
    table = Table(title=f"{one.bench}: {one.what}", title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in ("Way", "figure", "median", "min", "max", "floor", "stretch", "reaches"):
        table.add_column(name, justify="left" if name in ("Way", "figure", "reaches") else "right")
    for way, figures in one.figures.items():
        for number, (figure, spread) in enumerate(figures.items()):
            goal = next(iter(one.goals_of(way, figure)), None)
            marks = (str(goal.floor), str(goal.stretch or ""), goal.verdict(spread.median)) if goal else ("", "", "")
            values = (f"{value:.2f}" for value in (spread.median, spread.least, spread.most))
            table.add_row("" if number else way, figure, *values, *marks)
    Console(width=_WIDTH).print(table)


if __name__ == "__main__":
    main()
