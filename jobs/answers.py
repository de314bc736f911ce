"""How commands speak: an answer is data for `--json` and lines for people, with the exit status that `INTERFACES` fixes."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from core.errors import KeptError

Line = str | Table
WIDEST = 400


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`data`: the JSON document. `lines`: what people read. `exit_status`: 0 done, 1 no or waiting, 2 bad input, 3 unreachable."""

    data: Any
    lines: list[Line] = field(default_factory=list)
    exit_status: int = 0


def answering(function: Callable[..., Answer]) -> Callable[..., None]:
    """Give a command `--json`, print its answer the way that was asked for, and end with its status."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else on stdout.")
    @functools.wraps(function)
    def run(*args: Any, as_json: bool, **kwargs: Any) -> None:
        try:
            answer = function(*args, **kwargs)
        except KeptError as error:
            _print_error(error, as_json=as_json)
            sys.exit(error.exit_status)
        if as_json:
            sys.stdout.write(json_text(answer.data) + "\n")
        else:
            _print_lines(answer.lines)
        sys.exit(answer.exit_status)

    return run


def json_text(data: Any) -> str:
    """JSON with instants as ISO 8601 in UTC."""
    return orjson.dumps(
        data, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS, default=str
    ).decode()


def table(title: str, columns: list[str], rows: list[list[str]], *, right: tuple[int, ...] = ()) -> Table:
    """A plain table; `right`: the columns of numbers."""
    made = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        made.add_column(column, justify="right" if index in right else "left", no_wrap=index in right)
    for row in rows:
        made.add_row(*row)
    return made


def _print_lines(lines: list[Line]) -> None:
    console = Console(highlight=False, markup=False, soft_wrap=True)
    if not console.is_terminal:
        # A pipe has no width: there a table is as wide as what stands in it, and nothing is cut off.
        console = Console(highlight=False, markup=False, soft_wrap=True, width=WIDEST)
    for line in lines:
        console.print(line)


def _print_error(error: KeptError, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"error": error.message, "remedy": error.remedy}) + "\n")
    click.echo(f"kept: {error.message}" + (f"\n  {error.remedy.strip()}" if error.remedy else ""), err=True)
