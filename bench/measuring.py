"""How a number is measured: interleaved runs of every way, median with the least and the most."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

RUNS: Final = 7


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds of one way to do the work."""

    way: str
    median: float
    least: float
    most: float


@dataclass(frozen=True, kw_only=True)
class Result:
    """One line of the table. `floor` and `stretch` are seconds for Kept's way, which is the last of `timings`."""

    bench: str
    what: str
    includes: str
    timings: Sequence[Timing]
    floor: float
    stretch: float

    @property
    def kept(self) -> Timing:
        return self.timings[-1]

    @property
    def verdict(self) -> str:
        """What Kept's median reaches."""
        if self.kept.median <= self.stretch:
            return "stretch"
        return "floor" if self.kept.median <= self.floor else "missed"

    def as_json(self) -> dict[str, Any]:
        """For the file beside the table; ratios are to the first way, the raw limit."""
        raw = self.timings[0].median
        return asdict(self) | {"verdict": self.verdict, "ratio": self.kept.median / raw if raw else None}


def time_ways(ways: Mapping[str, Callable[[], object]], runs: int = RUNS) -> list[Timing]:
    """Run every way in turn, `runs` times after one to warm up, so that a busy machine slows all of them alike."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(runs + 1):
        for name, work in ways.items():
            start = time.perf_counter()
            work()
            if number:
                taken[name].append(time.perf_counter() - start)
    return [
        Timing(way=name, median=statistics.median(seconds), least=min(seconds), most=max(seconds))
        for name, seconds in taken.items()
    ]
