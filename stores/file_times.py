"""Times of records in files: how they are written, found from a sample, and the sums of a look through many."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.settings import TimeField
from stores.contract import CannotCompare
from stores.matching import epoch_number
from stores.times import TimeForm, find_number_form, name_shapes, read_text


@dataclass(kw_only=True)
class Tally:
    """How many records there were, their bytes, and of their times the first, the last, and how many after `now`.

    `unread`: files that could not be read to their end."""

    now: datetime | None
    rows: int = 0
    size: int = 0
    timeless: int = 0
    future: int = 0
    unread: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None

    def add(self, size: int, time: datetime | None) -> None:
        self.add_many(1, size, time, timed=True)

    def add_many(self, rows: int, size: int, time: datetime | None, *, timed: bool) -> None:
        """So many records of one time; not `timed`: nobody asked for it."""
        self.rows += rows
        self.size += size
        if not timed or not rows:
            return
        if time is None:
            self.timeless += rows
            return
        if self.now is not None and time > self.now:
            self.future += rows
        self._stretch(time, time)

    def merge(self, other: "Tally") -> None:
        self.rows += other.rows
        self.size += other.size
        self.timeless += other.timeless
        self.future += other.future
        if other.oldest is not None and other.newest is not None:
            self._stretch(other.oldest, other.newest)

    def _stretch(self, oldest: datetime, newest: datetime) -> None:
        self.oldest = oldest if self.oldest is None or oldest < self.oldest else self.oldest
        self.newest = newest if self.newest is None or newest > self.newest else self.newest


def find_time_form(values: Sequence[Any], field: TimeField, where: str) -> TimeForm | None:
    """The unit of a field's numbers; None where it holds text, which is read value by value. Raises CannotCompare."""
    read = [(epoch_number(value) or value) if isinstance(value, str) else value for value in values]
    texts = [value for value in read if isinstance(value, str)]
    numbers = [value for value in read if not isinstance(value, str | bool | dict | list)]
    if numbers and len(numbers) == len(values):
        return find_number_form(numbers, field, where)
    if not values or (any(read_text(text, field.zone) is not None for text in texts) and not numbers):
        return None
    if any(read_text(text, "UTC") is not None for text in texts) and not numbers:
        raise CannotCompare(
            f"The times in {where}.{field.name} have no zone.",
            remedy=f"Declare it in kept.yaml: {{field: {field.name}, zone: UTC}} or the zone they are in.",
        )
    raise CannotCompare(
        f"{where}.{field.name} does not hold times: {name_shapes([str(value) for value in values])}.",
        remedy="Name the field that holds the record's time in kept.yaml.",
    )
