"""The kind `redis`: keys under a pattern as records; what has no time of its own is given an expiry, the rest is unlinked.

THIS IS WHERE KEYS GO. Only SCAN, reads of single keys, UNLINK and PEXPIRE are sent, in pipelines; a key is watched from
before it is read until it goes, so that one that was written meanwhile stays as it is. No expiry is ever made longer.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any, Final, NoReturn

from redis.exceptions import WatchError

from core.clock import Clock
from core.errors import KeptError
from core.settings import TimeField
from stores.conditions import AllOf, Condition
from stores.contract import (
    Batch,
    Capability,
    CollectionMissing,
    Deed,
    Extent,
    Field,
    NotPermitted,
    Receipt,
    Shape,
    Streamed,
    TimeCensus,
    Work,
)
from stores.file_times import find_time_form
from stores.matching import FormOf, as_text, getter, time_reader
from stores.name_patterns import REDIS, NamePattern
from stores.redis_batches import PAGE, Candidates, Recent
from stores.redis_client import RedisClient, is_denied, is_unknown_option
from stores.redis_inventory import name_patterns_of
from stores.redis_lifetimes import EXPIRY, GONE, Lifetime, compile_lifetime, compile_timeless, fields_of, longest_life
from stores.redis_records import KEY, READ_BYTES, TYPE, Asker, KeyReader, Seen, with_expiry
from stores.redis_wire import Command, each
from stores.times import Kind, TimeForm

ACT_KEYS: Final = 500
WORKERS: Final = 2
AT_ONCE: Final = 10_000  # names in one round
KNOWN_SECONDS: Final = 30.0  # how long it is taken to be known in which form a field holds times
SAMPLE_KEYS: Final = 500
SCANNED_FOR_NAMES: Final = 20_000
TRIES: Final = 3


@dataclass(frozen=True, kw_only=True)
class _Look:
    """The keys that `next_batch` found between two bounds."""

    work: Work
    batch: Batch
    names: Sequence[bytes]


class RedisStore:
    """`at` is a pattern such as `session:{user_id}:*`; `key:name` and `key:expiry` are fields of every record."""

    kind = "redis"
    capabilities = frozenset(
        {Capability.MEASURE, Capability.BY_TIME, Capability.DELETE, Capability.READ, Capability.OWN_CLOCK}
    )

    def __init__(
        self, name: str, url: str, *, clock: Clock, ca: Path | None = None, answer_seconds: float | None = None
    ) -> None:
        self.name = name
        self._clock = clock
        limits = {} if answer_seconds is None else {"answer_seconds": answer_seconds}
        self._client = RedisClient(name, url, ca=ca, **limits)
        self._look: _Look | None = None
        self._met: tuple[str, Condition, Candidates] | None = None
        self._left: dict[str, dict[str, str]] = {}
        self._knows_shorter = True
        self._known_forms: dict[tuple[str, TimeField], tuple[float, TimeForm | None]] = {}

    def ping(self) -> None:
        self._client.ask([("PING",)])

    def now(self) -> datetime:
        return self._client.time()

    def collections(self) -> tuple[str, ...]:
        """Patterns of the keys that a bounded scan meets: parts that look like ids are left open."""
        names: list[bytes] = []
        everything = Candidates(self._client, NamePattern("*", REDIS), AllOf(parts=()))
        for page in everything.pages():
            names += page.names
            if len(names) >= SCANNED_FOR_NAMES:
                break
        return name_patterns_of(names)

    def shape(self, at: str) -> Shape:
        records = list(islice((seen.record for seen in self._all(at, None)), SAMPLE_KEYS))
        if not records:
            raise CollectionMissing(
                f"The store {self.name} has no key '{at}'.",
                remedy="Correct `at:` in kept.yaml, or the database's number.",
            )
        types: dict[str, set[str]] = {}
        for record in records:
            for name, value in record.items():
                if name != TYPE:
                    types.setdefault(name, set()).add("null" if value is None else type(value).__name__)
        fields = [Field(name=name, type="|".join(sorted(kinds - {"null"})) or "null") for name, kinds in types.items()]
        return Shape(fields=(*fields, Field(name=EXPIRY, type="datetime")), key=(KEY,))

    def time_form(self, at: str, field: TimeField) -> str:
        form = self._form(at, field)
        return form.word if form is not None else "iso"

    def census(self, at: str, field: TimeField) -> TimeCensus:
        """No key is without an expiry that a clause could not set: by `key:expiry` none is missing."""
        now, time_of = self.now(), time_reader(field, self._form(at, field))
        rows = missing = future = 0
        for seen in self._all(at, frozenset({field.name})):
            time = now if field.name == EXPIRY else time_of(seen.record)
            rows += 1
            missing += time is None
            future += time is not None and time > now
        return TimeCensus(rows=rows, missing=missing, future=future)

    def measure(self, at: str, where: Condition, *, time: TimeField | None = None) -> Extent:
        """Raises where keys that may match cannot be seen and none that can be seen does: zero is not said of them."""
        timed = time if time is not None and time.name != EXPIRY else None
        if timed is None and (counted := self._count_known(at, where)) is not None:
            return Extent(rows=counted)
        reader = self._reader(at, where, *([timed.name] if timed else []))
        time_of = time_reader(timed, self._form(at, timed)) if timed else None
        rows = timeless = 0
        times: list[datetime] = []
        for seen, _ in self._matching(at, where, reader):
            rows += 1
            instant = time_of(seen.record) if time_of else None
            timeless += timed is not None and instant is None
            if instant is not None:
                times = [min(*times[:1], instant, instant), max(*times[-1:], instant, instant)]
        if reader.unseen.denied and not rows:
            raise NotPermitted(
                f"The store {self.name} does not let {reader.unseen.denied} keys of '{at}' be read.",
                remedy="Give its user the right to these keys, or take them out of the pattern.",
            )
        return Extent(
            rows=rows, oldest=times[0] if times else None, newest=times[-1] if times else None, timeless=timeless
        )

    def next_batch(self, work: Work, after: Batch | None) -> Batch | None:
        self._need_delete(work)
        if after is None:
            self._left.pop(work.at, None)
        low = high = after.high if after is not None else None
        candidates, reader = self._candidates(work.at, work.where), self._reader(work.at, work.where)
        lifetime = self._judge(work, candidates, reader)
        size = max(1, min(PAGE, work.batch_rows // 4))
        names: list[bytes] = []
        for page in candidates.pages(low, size=size):
            found = list(page.names)
            # behind the first key that is meant, others are only met: `act` reads every one of them before it does anything
            if lifetime is not None and not (names and not reader.by_name_alone):
                found = [s.name for s in reader.read(page.names) if lifetime(s.record, s.remaining) is not None]
            if names and len(names) + len(found) > work.batch_rows:
                break
            names, high = names + found, page.high
            if len(names) >= work.batch_rows:
                break
        self._note_unseen(work.at, reader)
        if not names:
            return None
        batch = Batch(low=low, high=high)
        self._look = _Look(work=work, batch=batch, names=names)
        return batch

    def act(self, work: Work, batch: Batch, receipt: Receipt | None = None) -> int:
        """Unlinks the keys whose time is over; gives those that would live too long the longest life that is left."""
        self._need_delete(work)
        look, self._look = self._look, None
        if look is not None and (look.work, look.batch) == (work, batch):
            names = list(look.names)
            known_look = self._candidates(work.at, work.where).known is None
        else:
            known_look = False
            pages = self._candidates(work.at, work.where).within(batch.low, batch.high)
            names = list(dict.fromkeys(name for page in pages for name in page.names))
        by_name, forms = self._reader(work.at, work.where).by_name_alone, self._forms(work.at)
        if by_name:
            is_judged = known_look or self._candidates(work.at, work.where).is_certain
            names = names if is_judged else self._named(work, names)  # a name does not change
        if by_name:
            return self._unlink(work, names)
        if (shortened := self._shorten(work, names)) is not None:
            return shortened
        groups = [names[start : start + ACT_KEYS] for start in range(0, len(names), ACT_KEYS)]
        # while the server works on one group, the answers of another are read
        with ThreadPoolExecutor(WORKERS) as pool:
            return sum(pool.map(lambda group: self._end(work, group, forms), groups))

    def prepare_receipts(self) -> None:
        self._refuse("keeps no receipts")

    def receipt_of(self, receipt: Receipt) -> int | None:
        return None

    def drop_receipts(self, *steps: str) -> None:
        """There are none."""

    def records(self, at: str, where: Condition) -> Generator[Mapping[str, Any], None, None]:
        """In the order of the keys. Only their names are held in memory."""
        names = sorted(seen.name for seen, _ in self._matching(at, where, self._reader(at, where)))
        reader = KeyReader(self._client, NamePattern(at, REDIS), None, exist=False)
        for start in range(0, len(names), ACT_KEYS):
            yield from (with_expiry(seen, self.now) for seen in reader.read(names[start : start + ACT_KEYS]))

    def values(self, at: str, field: str, where: Condition) -> Iterator[str]:
        get, reader = getter(field), self._reader(at, where, field)
        found = {as_text(get(seen.record)) for seen, _ in self._matching(at, where, reader)}
        yield from sorted(text for text in found if text)

    def stream(
        self, at: str, fields: Sequence[str], where: Condition, after: str | None = None
    ) -> Generator[Streamed, None, None]:
        self._refuse("has no order of keys that a stream could be taken up in")

    def sample(self, at: str, where: Condition, *, limit: int = 10) -> list[Mapping[str, Any]]:
        names = [seen.name for seen, _ in islice(self._matching(at, where, self._reader(at, where)), limit)]
        reader = KeyReader(self._client, NamePattern(at, REDIS), None, exist=False)
        return [with_expiry(seen, self.now) for seen in reader.read(names)]

    def left_for_later(self, at: str) -> tuple[str, ...]:
        return tuple(self._left.get(at, {}).values())

    def close(self) -> None:
        self._client.close()

    def _judge(self, work: Work, candidates: Candidates, reader: KeyReader) -> Lifetime | None:
        """None where every candidate is meant."""
        if candidates.known is not None and reader.by_name_alone:
            return None
        if work.where == AllOf(parts=()) and NamePattern(work.at, REDIS).is_glob:
            return None
        return compile_lifetime(work.where, self._forms(work.at), self.now())

    def _shorten(self, work: Work, names: Sequence[bytes]) -> int | None:
        """Where a clause asks for an expiry and nothing else, the server compares and sets in one command (`LT`: never
        longer), of Redis 7 on. None where that is not so, or the server knows it not: then nothing was done."""
        period = longest_life(work.where, self.now())
        if not period or not self._knows_shorter or not NamePattern(work.at, REDIS).is_glob or not names:
            return None
        first, rest = names[:1], names[1:]
        answers = self._client.ask([("PEXPIRE", first[0], period, "LT")])
        if answers and is_unknown_option(answers[0]):
            self._knows_shorter = False
            return None
        answers += self._client.ask(each("PEXPIRE", rest, period, "LT"))
        if any(is_denied(answer) for answer in answers):
            self._leave(work.at, "act", "this user may not change some of the keys")
        return sum(answer for answer in answers if isinstance(answer, int))

    def _end(self, work: Work, names: Sequence[bytes], forms: FormOf, tries: int = TRIES) -> int:
        """Read, decide and do, all while the keys are watched; a group that was disturbed is tried again in halves."""
        try:
            with self._client.watching(names) as watched:
                reader = self._reader(work.at, work.where, asker=watched)
                lifetime = compile_lifetime(work.where, forms, self.now())
                meant = [(seen.name, lifetime(seen.record, seen.remaining)) for seen in reader.read(names)]
                gone = [name for name, left in meant if left == GONE]
                deeds: list[Command] = [("UNLINK", *gone)] if gone else []
                for life in {left for _, left in meant if left is not None and left != GONE}:
                    deeds += each("PEXPIRE", [name for name, left in meant if left == life], life)
                done = watched.do(deeds) if deeds else []
        except WatchError:
            return self._end_in_halves(work, names, forms, tries)
        except NotPermitted:
            if len(names) > 1:  # nothing of this group was done
                return self._end_in_halves(work, names, forms, tries)
            self._leave(work.at, "act", "this user may not change some of the keys")
            return 0
        return sum(answer for answer in done if isinstance(answer, int))

    def _end_in_halves(self, work: Work, names: Sequence[bytes], forms: FormOf, tries: int) -> int:
        middle = len(names) // 2
        if middle:
            return sum(self._end(work, half, forms, tries) for half in (names[:middle], names[middle:]))
        if tries > 1:
            return self._end(work, names, forms, tries - 1)
        self._leave(work.at, "busy", "a key is written to all the time")
        return 0

    def _named(self, work: Work, names: Sequence[bytes]) -> list[bytes]:
        """Those keys whose names the condition means."""
        reader = KeyReader(self._client, NamePattern(work.at, REDIS), fields_of(work.where))
        matches = compile_timeless(work.where, self._forms(work.at))
        return [seen.name for seen in reader.read(names) if matches(seen.record)]

    def _unlink(self, work: Work, meant: Sequence[bytes]) -> int:
        """In one round; the keys of a group that this user may not change as a whole, one by one."""
        groups = [meant[start : start + PAGE] for start in range(0, len(meant), PAGE)]
        answers = self._client.ask([("UNLINK", *group) for group in groups])
        refused = [group for group, answer in zip(groups, answers, strict=True) if not isinstance(answer, int)]
        for group in refused:
            answers += self._client.ask([("UNLINK", name) for name in group])
            self._leave(work.at, "act", "this user may not change some of the keys")
        return sum(answer for answer in answers if isinstance(answer, int))

    def _matching(self, at: str, where: Condition, reader: KeyReader) -> Iterator[tuple[Seen, int]]:
        """Each key that the condition holds for, once."""
        lifetime = compile_lifetime(where, self._forms(at), self.now())
        recent = Recent()
        for page in self._candidates(at, where).pages():
            for seen in reader.read(page.names):
                left = lifetime(seen.record, seen.remaining)
                if left is not None and recent.is_new(seen.name):
                    yield seen, left

    def _count_known(self, at: str, where: Condition) -> int | None:
        """How many of the keys that the condition names are there; None where it takes more than their names to know."""
        candidates = self._candidates(at, where)
        if candidates.known is None or not candidates.is_certain:
            return None
        known = candidates.known
        total = 0
        for start in range(0, len(known), AT_ONCE):
            some = known[start : start + AT_ONCE]
            answers = self._client.ask([("EXISTS", *some[at : at + PAGE]) for at in range(0, len(some), PAGE)])
            if not all(isinstance(answer, int) for answer in answers):
                return None
            total += sum(answers)
        return total

    def _all(self, at: str, wanted: frozenset[str] | None) -> Iterator[Seen]:
        everything = AllOf(parts=())
        reader = KeyReader(self._client, NamePattern(at, REDIS), wanted)
        return (seen for seen, _ in self._matching(at, everything, reader))

    def _candidates(self, at: str, where: Condition) -> Candidates:
        """Made once for the calls that follow each other over one condition: a person may have very many keys."""
        if self._met is None or self._met[0] != at or self._met[1] != where:
            self._met = (at, where, Candidates(self._client, NamePattern(at, REDIS), where))
        return self._met[2]

    def _reader(self, at: str, where: Condition, *more: str, asker: Asker | None = None) -> KeyReader:
        """For what a condition looks at, and more. Keys that are known by name alone are looked for, others were met."""
        exist = self._candidates(at, where).known is None
        wanted = fields_of(where) | set(more)
        return KeyReader(asker or self._client, NamePattern(at, REDIS), wanted, exist=exist)

    def _forms(self, at: str) -> FormOf:
        def form_of(field: TimeField) -> TimeForm | None:
            since, form = self._known_forms.get((at, field), (None, None))
            if since is None or monotonic() - since > KNOWN_SECONDS:
                form = self._form(at, field)
                self._known_forms[(at, field)] = (monotonic(), form)
            return form

        return form_of

    def _form(self, at: str, field: TimeField) -> TimeForm | None:
        if field.name == EXPIRY:
            return TimeForm(kind=Kind.AWARE, word="timestamp")
        get, where = getter(field.name), f"{self.name}:{at}"
        some = islice(self._all(at, frozenset({field.name})), SAMPLE_KEYS)
        values = [value for seen in some if (value := get(seen.record)) is not None]
        return find_time_form(values, field, where)

    def _note_unseen(self, at: str, reader: KeyReader) -> None:
        if reader.unseen.denied:
            self._leave(at, "read", f"this user may not read {reader.unseen.denied} keys")
        if reader.unseen.too_large:
            size = f"{READ_BYTES // 1_000_000} MB"
            self._leave(
                at, "large", f"{reader.unseen.too_large} values are larger than {size}: their fields are not read"
            )

    def _leave(self, at: str, kind: str, words: str) -> None:
        self._left.setdefault(at, {})[kind] = words

    def _need_delete(self, work: Work) -> None:
        if work.deed is not Deed.DELETE:
            self._refuse("can only delete keys and let them expire, not change them")

    def _refuse(self, what: str) -> NoReturn:
        raise KeptError(f"The store {self.name} {what}.", remedy="The plan shows it as a gap.")
