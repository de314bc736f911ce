"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere, nothing when asked for JSON."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

LINE_EVERY_SECONDS = 5.0


class OnProgress(Protocol):
    """Told after each batch: what is worked on, records done, records expected (0: not known)."""

    def __call__(self, what: str, done: int, expected: int) -> None: ...


@contextmanager
def showing_progress() -> Iterator[OnProgress]:
    """Show progress on standard error while the block runs."""
    context = click.get_current_context(silent=True)
    quiet = bool(context and context.params.get("as_json"))
    if quiet:
        yield lambda what, done, expected: None
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield _BarProgress(bars)
    else:
        yield _LineProgress()


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


class _BarProgress:
    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, tuple[TaskID, float]] = {}

    def __call__(self, what: str, done: int, expected: int) -> None:
        if what not in self._tasks:
            self._tasks[what] = (self._bars.add_task(what, total=expected or None, rate=""), time.monotonic())
        task, since = self._tasks[what]
        rate = done / max(time.monotonic() - since, 0.001)
        self._bars.update(task, completed=done, rate=f"{rate:,.0f}/s".replace(",", "\u202f"))


class _LineProgress:
    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, what: str, done: int, expected: int) -> None:
        now = time.monotonic()
        if now - self._last < LINE_EVERY_SECONDS and done < expected:
            return
        self._last = now
        click.echo(f"{what}: {done} of {expected}" if expected else f"{what}: {done}", err=True)
