"""Asking many stores at once: one lane a store, so that a slow or dead one keeps nobody waiting but whoever asks for it."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event
from typing import Final, Generic, TypeVar

from core.errors import KeptError
from stores.contract import StoreUnreachable

MOST_LANES: Final = 16
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Ask(Generic[T_co]):
    """One question to a store, by the store's name."""

    store: str
    call: Callable[[], T_co]


def ask_all(asks: Sequence[Ask[T]], *, patience: float | None = None) -> list[T | KeptError]:
    """The answers, in the order asked; what a store refused stands in its place. A store is asked one thing at a time.

    With `patience`, what has no answer after so many seconds is StoreUnreachable: its lane asks nothing more, and ends
    with the store's own time limit. What is no KeptError is raised here."""
    lanes: dict[str, list[int]] = defaultdict(list)
    for number, ask in enumerate(asks):
        lanes[ask.store].append(number)
    answers: dict[int, T | KeptError] = {}
    if len(lanes) == 1 and patience is None:
        return [_answer(ask) for ask in asks]
    if asks:
        _drive(asks, lanes, answers, patience)
    return [answers[number] if number in answers else _late(ask, patience) for number, ask in enumerate(asks)]


def _drive(
    asks: Sequence[Ask[T]], lanes: dict[str, list[int]], answers: dict[int, T | KeptError], patience: float | None
) -> None:
    is_over = Event()

    def drive(numbers: Sequence[int]) -> None:
        for number in numbers:
            if is_over.is_set():
                return
            answer = _answer(asks[number])
            if not is_over.is_set():
                answers[number] = answer

    pool = ThreadPoolExecutor(min(MOST_LANES, len(lanes)), thread_name_prefix="lane")
    try:
        driven: list[Future[None]] = [pool.submit(drive, numbers) for numbers in lanes.values()]
        done, _ = wait(driven, timeout=patience)
        for lane in done:
            lane.result()
    finally:
        is_over.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _answer(ask: Ask[T]) -> T | KeptError:
    try:
        return ask.call()
    except KeptError as error:
        return error


def _late(ask: Ask[T], patience: float | None) -> KeptError:
    return StoreUnreachable(
        f"The store {ask.store} did not answer within {patience or 0:.0f} s.",
        remedy="Look whether it is up, then look again.",
    )
