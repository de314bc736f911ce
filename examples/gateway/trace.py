"""The sample of the real trace, and its replay over the days up to now."""

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from examples.gateway.instants import DAY_MS

SAMPLE = Path(__file__).with_name("trace.csv.gz")
WINDOW_MS = 45_000
"""A day of the replay is this much of the trace, stretched: every whole window of the sample holds over 200 requests."""


class Sampled(NamedTuple):
    """One request of the trace: which trace, milliseconds into its window, tokens in and out."""

    kind: str
    offset_ms: int
    prompt_tokens: int
    completion_tokens: int


class Day(NamedTuple):
    """A calendar day in UTC, counted from 1970, and the part of it that the replay covers, in milliseconds."""

    number: int
    start_ms: int
    end_ms: int


class Arrival(NamedTuple):
    """One replayed request: when, which trace it is from, tokens in and out."""

    at_ms: int
    kind: str
    prompt_tokens: int
    completion_tokens: int


def read_windows() -> list[list[Sampled]]:
    """The sample, cut into windows of equal length; what is left over at its end is no window."""
    with gzip.open(SAMPLE, "rt", encoding="ascii", newline="") as lines:
        rows = csv.reader(lines)
        next(rows)
        sampled = [Sampled(kind, int(at), int(tokens_in), int(tokens_out)) for kind, at, tokens_in, tokens_out in rows]
    windows: list[list[Sampled]] = [[] for _ in range((sampled[-1].offset_ms + 1) // WINDOW_MS)]
    for row in sampled:
        index, offset_ms = divmod(row.offset_ms, WINDOW_MS)
        if index < len(windows):
            windows[index].append(row._replace(offset_ms=offset_ms))
    return windows


def days_up_to(now_ms: int, count: int) -> list[Day]:
    """The calendar days that the last `count` times 24 hours touch; the first and the last are cut short."""
    start_ms = now_ms - count * DAY_MS
    numbers = range(start_ms // DAY_MS, now_ms // DAY_MS + 1)
    return [Day(n, max(n * DAY_MS, start_ms), min((n + 1) * DAY_MS, now_ms)) for n in numbers]


def replay(days: list[Day]) -> Iterator[tuple[Day, list[Arrival]]]:
    """Window after window, round and round, each stretched over its day: the gaps keep their real proportions.

    A day cut short takes a whole window too, so that the newest file is as full at dawn as at night.
    """
    windows = read_windows()
    for index, day in enumerate(days):
        span_ms = day.end_ms - day.start_ms
        window = windows[index % len(windows)]
        yield day, [Arrival(day.start_ms + row[1] * span_ms // WINDOW_MS, row[0], row[2], row[3]) for row in window]
