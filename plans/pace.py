"""How fast a run goes: batches that fit the time a batch may take, rows a second that it keeps to, what is left then.

Pure but for `Timer`, the one door to the machine's own running time; instants of the clock play no part here."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from core.errors import BadInput
from core.words import plural, span

LEAST_ROWS: Final = 100  # so few records cost next to nothing: a slow batch of them says that the store is slow
FIRST_ROWS: Final = 5_000
GROWS: Final = 2.0
RATE_SLICE: Final = 0.05  # under a rate, a batch is what may go in a twentieth of a second, so that the load stays even
TRIES: Final = 5
FIRST_WAIT: Final = 0.1
DOZE: Final = 5.0  # nobody sleeps longer than this without looking at the lease and the budget again
MOST_RATE: Final = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Timer:
    """Running time in seconds, and how to let some of it pass."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a run may take from the application beside it. `target`: seconds a batch should take, during which it holds its
    locks and what it writes is flushed; `most`: records a batch; `rest`: seconds of pause for each second of work."""

    name: str
    target: float
    most: int
    rest: float = 0.0


PROFILES: Final = {
    one.name: one
    for one in (
        Profile(name="fast", target=0.5, most=200_000),
        Profile(name="normal", target=0.07, most=100_000),
        Profile(name="gentle", target=0.015, most=25_000, rest=0.2),
    )
}


@dataclass(frozen=True, kw_only=True)
class Pacing:
    """What was asked for: a profile, and rows a second at most (None: as many as the profile gives)."""

    profile: str = "normal"
    rate: int | None = None

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise BadInput(f"There is no profile '{self.profile}'.", remedy=f"There are: {', '.join(PROFILES)}.")
        if self.rate is not None and not 1 <= self.rate <= MOST_RATE:
            raise BadInput(f"The rate is {self.rate}.", remedy=f"Give rows a second, from 1 to {MOST_RATE}.")


class Pace:
    """The size of the next batch and the pause before it, from how the last ones went. Time is handed in.

    `most`: never more records a batch than this, whatever the profile says."""

    def __init__(self, pacing: Pacing, *, most: int | None = None) -> None:
        profile = PROFILES[pacing.profile]
        ceiling = profile.most if most is None else min(profile.most, most)
        if pacing.rate is not None:
            ceiling = min(ceiling, max(LEAST_ROWS, round(pacing.rate * RATE_SLICE)))
        self._profile = profile
        self._rate = pacing.rate
        self._ceiling = max(1, ceiling)
        self._least = min(LEAST_ROWS, self._ceiling)
        self._ready_at = 0.0
        self._last: tuple[int, float] | None = None
        self.rows = min(FIRST_ROWS, self._ceiling)

    def done(self, rows: int, *, began: float, ended: float) -> None:
        """A batch is through: fit the next one to the time that this one took, and say when it may begin."""
        took = max(0.0, ended - began)
        asked, last = self.rows, self._last
        self._last = (asked, took)
        if took > self._profile.target:
            if last is not None and asked < last[0] and took > last[1] * (asked / last[0]) ** 0.5:
                self._fit(last[0] / asked)  # with fewer records it took as long: it is not they that take it
            else:
                self._fit(max(1 / GROWS, self._profile.target / took))
        elif rows * 2 > self.rows:  # a batch that found little to do tells nothing of a full one
            self._fit(min(GROWS, self._profile.target / max(took, 1e-6)))
        rest = ended + took * self._profile.rest
        due = max(self._ready_at, began) + rows / self._rate if self._rate is not None else rest
        self._ready_at = max(rest, due)

    def stopped(self) -> None:
        """The store was busy with somebody else's work: half as much next time."""
        self._fit(1 / GROWS)

    def pause(self, now: float) -> float:
        """Seconds until the next batch may begin."""
        return max(0.0, self._ready_at - now)

    def _fit(self, factor: float) -> None:
        self.rows = min(self._ceiling, max(self._least, int(self.rows * factor)))


def wait_after(attempt: int) -> float:
    """Seconds before a batch that gave way is tried again; twice as long each time."""
    return FIRST_WAIT * float(2**attempt)


@dataclass(frozen=True, kw_only=True)
class StepProgress:
    """How far one step is. `matched` None: nobody has counted yet. `rate`: rows a second while it was worked on, pauses
    included; None before the first batch. `finished`: nothing more will be done in this plan."""

    step_id: str
    collection: str
    done: int
    matched: int | None
    rate: float | None
    finished: bool

    @property
    def left(self) -> int:
        """Records still to do; 0 where nobody has counted."""
        return 0 if self.finished else max(0, (self.matched or 0) - self.done)


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """How far a plan is and how long the rest will take. `rate` None: not measured yet, so `seconds` is not known."""

    done: int
    matched: int
    left: int
    rate: float | None
    seconds: float | None

    @property
    def words(self) -> str:
        """`12 000 records left, about 40 min at 5 000 a second`."""
        left = f"{plural(self.left, 'record', 'records')} left"
        if self.seconds is None or self.rate is None:
            return left
        return f"{left}, about {span(timedelta(seconds=max(1, round(self.seconds))))} at {_round(self.rate)} a second"

    def runs_left(self, budget: timedelta) -> int | None:
        """How many more runs of such a budget it takes."""
        if self.seconds is None or budget <= timedelta(0):
            return None
        return max(1, -int(-self.seconds // budget.total_seconds()))


def forecast(steps: Sequence[StepProgress]) -> Forecast:
    """Of a whole plan: each step at its own rate, one that was not begun at the rate of all that were."""
    done, left = sum(step.done for step in steps), sum(step.left for step in steps)
    timed = [(step.done, step.done / step.rate) for step in steps if step.rate]
    spent = sum(seconds for _, seconds in timed)
    rate = sum(rows for rows, _ in timed) / spent if spent else None
    seconds = sum(step.left / (step.rate or rate) for step in steps if step.left) if rate else None
    return Forecast(done=done, matched=done + left, left=left, rate=rate, seconds=seconds)


def _round(rate: float) -> str:
    """A rate to two figures: a forecast that says more would be a lie."""
    digits = max(0, len(str(int(rate))) - 2)
    return f"{round(int(rate), -digits):,}".replace(",", "\u202f") if rate >= 1 else f"{rate:.1f}"
