"""Ways to do one piece of work, side by side in one run: each pair of runs gives ratios, of which the median is told.

A busy machine slows all ways alike, and another machine all of them by its own measure: so only ratios are kept."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any, Final

from bench.writer import Writer, p99

IDLE_SECONDS: Final = 3.0
THROUGHPUT: Final = "throughput"
P99: Final = "p99"
LONGEST: Final = "longest wait, ms"
LOCK: Final = "longest lock, ms"
SECONDS: Final = "s for 2.5 M rows"
_MANY: Final = 2_500_000


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way. `prepare` is not timed and its answer is handed to `work`. `longest_lock`: the most seconds that a transaction
    of the last run took, from before it asked for its lock until after its commit; None where that is not told."""

    name: str
    work: Callable[[Any], object]
    prepare: Callable[[], Any] = lambda: None
    longest_lock: Callable[[], float] | None = None


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A figure over all pairs."""

    median: float
    least: float
    most: float

    @staticmethod
    def of(values: Sequence[float], middle: float | None = None) -> Spread:
        """`middle`: where the figure of all pairs together says more than the median of theirs."""
        return Spread(
            median=statistics.median(values) if middle is None else middle, least=min(values), most=max(values)
        )


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a figure of a way must reach (`floor`), and what is wanted (`stretch`, None for nothing more)."""

    way: str
    figure: str
    floor: float
    stretch: float | None = None

    def verdict(self, reached: float) -> str:
        """`stretch`, `floor` or `missed`: throughput is to be high, all else low."""
        for word, mark in (("stretch", self.stretch), ("floor", self.floor)):
            if mark is not None and (reached >= mark if self.figure.startswith(THROUGHPUT) else reached <= mark):
                return word
        return "missed"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One bench. `figures`: by way, then by what was measured. The first way is the raw limit of the engine."""

    bench: str
    what: str
    includes: str
    pairs: int
    figures: Mapping[str, Mapping[str, Spread]]
    goals: Sequence[Goal] = field(default_factory=tuple)

    def goals_of(self, way: str, figure: str) -> list[Goal]:
        return [goal for goal in self.goals if (goal.way, goal.figure) == (way, figure)]

    def as_json(self) -> dict[str, Any]:
        """For the file beside the table."""
        verdicts = [
            asdict(goal) | {"verdict": goal.verdict(self.figures[goal.way][goal.figure].median)} for goal in self.goals
        ]
        return {**asdict(self), "goals": verdicts}


def compare(
    ways: Sequence[Way],
    *,
    fill: Callable[[], None],
    check: Callable[[], None],
    writer: Writer,
    pairs: int,
    against: Mapping[str, str] | None = None,
    seconds_of: int | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> dict[str, dict[str, Spread]]:
    """Every way once a pair, on data filled anew, the writer beside it. `against`: name of a figure → the way that it is
    the throughput against; against the first one always. `seconds_of`: so many rows go, and how long that takes is told."""
    taken: dict[str, list[float]] = {way.name: [] for way in ways}
    waits: dict[str, list[list[float]]] = {way.name: [] for way in ways}
    locks: dict[str, list[float]] = {way.name: [] for way in ways}
    idle: list[list[float]] = []
    for pair in range(pairs):
        fill()
        idle.append([])
        with writer.writing(idle[-1]):
            time.sleep(IDLE_SECONDS)
        for way in ways:
            fill()
            given, waited = way.prepare(), list[float]()
            with writer.writing(waited):
                start = time.perf_counter()
                way.work(given)
                taken[way.name].append(time.perf_counter() - start)
            check()
            waits[way.name].append(waited)
            if way.longest_lock:
                locks[way.name].append(way.longest_lock())
            say(f"pair {pair + 1} of {pairs}, {way.name}: {taken[ways[0].name][-1] / taken[way.name][-1]:.2f}")
    peers = {THROUGHPUT: ways[0].name, **(against or {})}
    return {
        way.name: {
            **{name: _ratios(taken[peer], taken[way.name]) for name, peer in peers.items()},
            P99: Spread.of(
                [p99(mine) / p99(rest) for mine, rest in zip(waits[way.name], idle, strict=True)],
                p99(list(chain(*waits[way.name]))) / p99(list(chain(*idle))),
            ),
            LONGEST: Spread.of([max(mine) * 1_000 for mine in waits[way.name]]),
            **({LOCK: Spread.of([one * 1_000 for one in locks[way.name]])} if locks[way.name] else {}),
            **({SECONDS: Spread.of([one * _MANY / seconds_of for one in taken[way.name]])} if seconds_of else {}),
        }
        for way in ways
    }


def _ratios(raw: Sequence[float], own: Sequence[float]) -> Spread:
    return Spread.of([limit / mine for limit, mine in zip(raw, own, strict=True)])
