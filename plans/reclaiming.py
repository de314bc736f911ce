"""Space that stores give back only when asked: asked for after a run, for the collections that records went from."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from core.errors import KeptError
from plans.plan import Plan
from plans.standing import RunResult
from stores.contract import Reclaims
from stores.datamap import DataMap

RENEW_SECONDS: Final = 5.0


def reclaim(datamap: DataMap, plan: Plan, result: RunResult, *, renew: Callable[[], None]) -> Iterator[str]:
    """What was done, a sentence for each place. A store that cannot now says so and fails nothing. `renew` is called while a
    store is at it, which may take minutes."""
    removed = {done.step_id for done in result.steps if done.rows}
    places = dict.fromkeys((step.store, step.at) for step in plan.steps if step.id in removed)
    said = dict[str, None]()
    for name, at in places:
        store = datamap.stores[name]
        if isinstance(store, Reclaims):
            with ThreadPoolExecutor(max_workers=1) as one:
                said[_outcome(one.submit(store.reclaim, at), renew)] = None
    yield from said


def _outcome(work: Future[str], renew: Callable[[], None]) -> str:
    while True:
        try:
            return work.result(timeout=RENEW_SECONDS)
        except TimeoutError:
            renew()
        except KeptError as error:
            return f"No space was given back: {error.message}"
