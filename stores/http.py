"""The kind `http`: what a vendor keeps about people, found, read and erased over its API as a recipe says.

THIS IS WHERE A VENDOR IS TOLD TO ERASE. Records are known by identifiers alone: before the deed each one is read again and
has to meet the whole condition, and afterwards it is read once more: gone is what the vendor shows, not what it promises.
"""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NoReturn

from core.clock import Clock, require_utc
from core.errors import KeptError
from core.settings import TimeField
from stores.conditions import Condition
from stores.contract import (
    Batch,
    CannotCompare,
    Capability,
    CollectionMissing,
    Deed,
    Extent,
    Field,
    Receipt,
    Shape,
    Streamed,
    TimeCensus,
    Work,
    unfinished,
)
from stores.http_client import HttpClient
from stores.http_conditions import Question, meets, questions
from stores.http_jobs import Jobs
from stores.http_recipe import ApiObject, Correct, Erase
from stores.matching import as_text

Record = Mapping[str, Any]


class HttpStore:
    """`at` names an object of the recipe, such as `customers`."""

    kind = "http"

    def __init__(self, name: str, client: HttpClient, *, clock: Clock) -> None:
        self.name = name
        self._client = client
        self._clock = clock
        self._objects = client.recipe.objects
        can = {Capability.READ, Capability.MEASURE}
        if any(thing.erase for thing in self._objects.values()):
            can.add(Capability.DELETE)
        if any(thing.correct for thing in self._objects.values()):
            can.add(Capability.CORRECT)
        self.capabilities = frozenset(can)

    def ping(self) -> None:
        self._client.ask(self._client.recipe.ping, {})

    def now(self) -> datetime:
        return require_utc(self._clock.now())

    def collections(self) -> tuple[str, ...]:
        return tuple(sorted(self._objects))

    def shape(self, at: str) -> Shape:
        thing = self._thing(at)
        fields = (Field(name=name, type="json", nullable=name != thing.key) for name in thing.fields)
        return Shape(fields=tuple(fields), key=(thing.key,))

    def time_form(self, at: str, field: TimeField) -> str:
        self._no_times(at)

    def census(self, at: str, field: TimeField) -> TimeCensus:
        self._no_times(at)

    def measure(self, at: str, where: Condition, *, time: TimeField | None = None) -> Extent:
        """Exact, for the records of a person; `time` is not looked at."""
        return Extent(rows=sum(1 for _ in self._matching(at, where)))

    def next_batch(self, work: Work, after: Batch | None) -> Batch | None:
        thing, most = self._thing(work.at), self._at_once(work)
        low = after.high[-1] if after is not None else None
        keys = sorted(self._key(thing, record) for record in self._matching(work.at, unfinished(work)))
        keys = [key for key in keys if low is None or key > low][: min(most, work.batch_rows)]
        return Batch(low=after.high if after is not None else None, high=keys) if keys else None

    def act(self, work: Work, batch: Batch, receipt: Receipt | None = None) -> int:
        """Exact also where a batch is done again: its keys are its bounds, and what of them is gone was of the batch."""
        self._at_once(work)
        if work.deed is Deed.CORRECT:
            return self._correct(work, batch)
        thing, keys = self._thing(work.at), [str(key) for key in batch.high]
        records = {key: self._read(thing, key) for key in keys}
        present = [key for key, record in records.items() if record is not None and meets(thing, work.where, record)]
        gone = [key for key, record in records.items() if record is None]
        if thing.erase is not None:
            self._erase(thing, thing.erase, present, gone)
        left = sum(1 for key in present if self._read(thing, key) is not None)
        if left:
            raise KeptError(
                f"The store {self.name} says that it is done, and {left} of {len(present)} {work.at} can still be read.",
                remedy="Look at them there; what an erased record looks like stands under `gone:` in the recipe.",
            )
        return len(present) + len(gone)

    def prepare_receipts(self) -> None:
        self._refuse("keeps no receipts")

    def receipt_of(self, receipt: Receipt) -> int | None:
        return None

    def drop_receipts(self, *steps: str) -> None:
        """There are none."""

    def records(self, at: str, where: Condition) -> Generator[Record, None, None]:
        for record in self._matching(at, where):
            yield {name: _plain(value) for name, value in record.items()}

    def values(self, at: str, field: str, where: Condition) -> Iterator[str]:
        thing = self._thing(at)
        if field not in thing.fields:
            self._refuse(f"has no field '{field}' in its {at}")
        yield from sorted({text for record in self._matching(at, where) if (text := as_text(record[field]))})

    def stream(
        self, at: str, fields: Sequence[str], where: Condition, after: str | None = None
    ) -> Generator[Streamed, None, None]:
        self._refuse("tells of single people only, not of all of them in an order")

    def sample(self, at: str, where: Condition, *, limit: int = 10) -> list[Record]:
        return list(islice(self.records(at, where), limit))

    def left_for_later(self, at: str) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        """No connection outlives its request."""

    def _thing(self, at: str) -> ApiObject:
        if at not in self._objects:
            raise CollectionMissing(
                f"The recipe {self._client.recipe.name} of the store {self.name} has no object '{at}'.",
                remedy=f"Correct `at:` in kept.yaml. It has: {', '.join(sorted(self._objects))}.",
            )
        return self._objects[at]

    def _matching(self, at: str, where: Condition) -> Iterator[Record]:
        """Each record once, in the order of the questions. What a search says is only where to look: the record is read."""
        thing, seen = self._thing(at), set[str]()
        for question in questions(self.name, thing, where):
            for key in self._asked(thing, question):
                if key in seen:
                    continue
                seen.add(key)
                record = self._read(thing, key)
                if record is not None and meets(thing, where, record):
                    yield record

    def _asked(self, thing: ApiObject, question: Question) -> Iterator[str]:
        if question.field not in thing.find:
            yield question.value
            return
        path = thing.fields[thing.key]
        for listing in thing.find[question.field]:
            for item in self._client.listed(listing, {"value": question.value}, key=path):
                yield self._text_key(thing, self._client.at(item, path))

    def _read(self, thing: ApiObject, key: str) -> Record | None:
        """A record by its key; None where there is none, or where it was erased."""
        answer = self._client.ask(thing.read, {"key": key}, absent=thing.absent)
        data = self._client.at(answer, thing.item)
        if data is None:
            return None
        if thing.gone.flag is not None and self._client.at(data, thing.gone.flag) is True:
            return None
        record = {name: self._client.at(data, path) for name, path in thing.fields.items()}
        if self._key(thing, record) != key:
            raise self._client.out_of_date(f"Asked for one of the {thing.name}, it answers with another.")
        if thing.gone.blank and all(_says_nothing(record[name], thing.gone.words) for name in thing.gone.blank):
            return None
        return record

    def _key(self, thing: ApiObject, record: Record) -> str:
        return self._text_key(thing, record[thing.key])

    def _text_key(self, thing: ApiObject, value: Any) -> str:
        text = as_text(value)
        if not text:
            raise self._client.out_of_date(f"One of the {thing.name} has no '{thing.key}'.")
        return text

    def _at_once(self, work: Work) -> int:
        thing = self._thing(work.at)
        can_erase = work.deed is Deed.DELETE and thing.erase is not None
        if not can_erase and not (work.deed is Deed.CORRECT and thing.correct is not None):
            self._refuse(f"has no way to {work.deed.value} its {work.at}")
        return thing.erase.at_once if can_erase and thing.erase else 1

    def _erase(self, thing: ApiObject, erase: Erase, present: Sequence[str], gone: Sequence[str]) -> None:
        if erase.job is not None:
            Jobs(self._client, erase.job).erase(present, gone)
            return
        for key in present:
            if erase.request is not None:
                self._client.ask(erase.request, {"key": key}, absent=thing.absent)

    def _correct(self, work: Work, batch: Batch) -> int:
        thing = self._thing(work.at)
        correct, wrong = thing.correct, unfinished(work)
        changed = 0
        for key in batch.high:
            record = self._read(thing, str(key))
            if correct is None or record is None or not meets(thing, wrong, record):
                continue
            for field, value in work.corrections:
                if as_text(record[field]) != value:
                    self._put_right(correct, str(key), field, value)
            changed += 1
        return changed

    def _put_right(self, correct: Correct, key: str, field: str, value: str | None) -> None:
        if field not in correct.fields:
            self._refuse(f"has no way to correct '{field}'")
        values = {"key": key, "name": correct.fields[field], "value": value or ""}
        self._client.ask(correct.request, values)

    def _no_times(self, at: str) -> NoReturn:
        raise CannotCompare(
            f"The store {self.name} cannot be asked for {at} by time.",
            remedy="Take `time:` and `events:` out of the collection: a vendor's records go when a person asks.",
        )

    def _refuse(self, what: str) -> NoReturn:
        raise KeptError(f"The store {self.name} {what}.", remedy="What it can do stands in its recipe.")


def _says_nothing(value: Any, words: Sequence[str]) -> bool:
    if isinstance(value, dict):
        return all(_says_nothing(one, words) for one in value.values())
    if isinstance(value, list):
        return all(_says_nothing(one, words) for one in value)
    return value in (None, "") or (isinstance(value, str) and any(word.lower() in value.lower() for word in words))


def _plain(value: Any) -> Any:
    """A value as stores give it: what has parts is told as JSON."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, dict | list) else value
