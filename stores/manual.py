"""The kind `manual`: a place that people work on; it only says whom to ask, by when, and how often to remind them."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NoReturn

from core.clock import Clock, require_utc
from core.errors import KeptError
from core.settings import TimeField
from stores.conditions import Condition
from stores.contract import Batch, Capability, Extent, Receipt, Shape, Streamed, TimeCensus, Work

REMIND, DUE = timedelta(days=7), timedelta(days=14)


class ManualStore:
    """`contact`: the mailbox of who does the work. `remind`: how long they get before they are asked again; `due`: in all."""

    kind = "manual"
    capabilities: frozenset[Capability] = frozenset()

    def __init__(
        self, name: str, contact: str, *, clock: Clock, remind: timedelta = REMIND, due: timedelta = DUE
    ) -> None:
        self.name = name
        self.contact = contact
        self.remind = remind
        self.due = due
        self._clock = clock

    def ping(self) -> None:
        """Nothing to reach: people answer in their own time."""

    def now(self) -> datetime:
        return require_utc(self._clock.now())

    def collections(self) -> tuple[str, ...]:
        return ()

    def shape(self, at: str) -> Shape:
        self._refuse("describe", at)

    def time_form(self, at: str, field: TimeField) -> str:
        self._refuse("describe", at)

    def census(self, at: str, field: TimeField) -> TimeCensus:
        self._refuse("count", at)

    def measure(self, at: str, where: Condition, *, time: TimeField | None = None) -> Extent:
        self._refuse("count", at)

    def next_batch(self, work: Work, after: Batch | None) -> Batch | None:
        self._refuse("change", work.at)

    def act(self, work: Work, batch: Batch, receipt: Receipt | None = None) -> int:
        self._refuse("change", work.at)

    def prepare_receipts(self) -> None:
        self._refuse("change", "receipts")

    def receipt_of(self, receipt: Receipt) -> int | None:
        self._refuse("read", "receipts")

    def drop_receipts(self, *steps: str) -> None:
        self._refuse("change", "receipts")

    def records(self, at: str, where: Condition) -> Iterator[Mapping[str, Any]]:
        self._refuse("read", at)

    def values(self, at: str, field: str, where: Condition) -> Iterator[str]:
        self._refuse("read", at)

    def stream(
        self, at: str, fields: Sequence[str], where: Condition, after: str | None = None
    ) -> Generator[Streamed, None, None]:
        self._refuse("read", at)

    def sample(self, at: str, where: Condition, *, limit: int = 10) -> list[Mapping[str, Any]]:
        self._refuse("read", at)

    def left_for_later(self, at: str) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        """Nothing is open."""

    def _refuse(self, deed: str, at: str) -> NoReturn:
        raise KeptError(
            f"People do the work in the store {self.name}: no program can {deed} '{at}' there.",
            remedy=f"Ask {self.contact}, and note the answer.",
        )
