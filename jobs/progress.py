"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere, nothing when asked for JSON."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from core.words import count, span

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
        TextColumn("{task.fields[left]}"),
        console=Console(stderr=True),
    )


class Speed:
    """Records a second since the first word of a piece of work, which may have been begun long before."""

    def __init__(self, done: int, now: float) -> None:
        self._first = done
        self._since = now

    def at(self, done: int, now: float) -> float | None:
        """None until there is something to measure."""
        took = now - self._since
        return (done - self._first) / took if took > 0 and done > self._first else None


def _rate(rate: float | None) -> str:
    return f"{count(round(rate))}/s" if rate else ""


def _left(rate: float | None, done: int, expected: int) -> str:
    if not rate or expected <= done:
        return ""
    return f"{span(timedelta(seconds=(expected - done) / rate))} left"


class _BarProgress:
    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, tuple[TaskID, Speed]] = {}

    def __call__(self, what: str, done: int, expected: int) -> None:
        if what not in self._tasks:
            task = self._bars.add_task(what, total=expected or None, rate="", left="")
            self._tasks[what] = (task, Speed(done, time.monotonic()))
        task, speed = self._tasks[what]
        rate = speed.at(done, time.monotonic())
        self._bars.update(
            task, completed=done, total=expected or None, rate=_rate(rate), left=_left(rate, done, expected)
        )


class _LineProgress:
    def __init__(self) -> None:
        self._last = 0.0
        self._speeds: dict[str, Speed] = {}

    def __call__(self, what: str, done: int, expected: int) -> None:
        now = time.monotonic()
        rate = self._speeds.setdefault(what, Speed(done, now)).at(done, now)
        if now - self._last < LINE_EVERY_SECONDS and done < expected:
            return
        self._last = now
        said = [
            f"{what}: {done} of {expected}" if expected else f"{what}: {done}",
            _rate(rate),
            _left(rate, done, expected),
        ]
        click.echo(", ".join(part for part in said if part), err=True)
