"""What a store offers and what must hold after each call. A store knows no clause, no ticket and no ledger.

Destructive work goes batch by batch, so that it can be killed anywhere and taken up again:

1. `next_batch(work, after)` finds the bounds of the next batch and changes nothing; None means that no record
   matches any more (as far as this look can tell: done is what `measure` says afterwards, zero).
2. The caller stores the bounds.
3. `act(work, batch, receipt)` does the batch in one transaction of the store, with the whole condition repeated in
   the statement, so that a record that was refreshed, held or added meanwhile stays as it is. With a receipt, and
   where the store can keep one, the receipt commits in the same transaction.
4. The caller stores the count. A caller that was killed between 3 and 4 asks `receipt_of`, and where there is none
   does `act` again: the deed is idempotent, its count is then said to be settled by read-back.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as field_of
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from core.errors import Conflict, KeptError, Unreachable
from core.settings import TimeField
from stores.conditions import AllOf, AnyOf, Before, Condition, Differs, Filled, Tells, Unset, conjuncts
from stores.periods import period_in, start_of


class StoreUnreachable(Unreachable):
    """The store did not answer. What was done stands; the rest is still to do."""


class CollectionMissing(KeptError):
    """The store answers, but has nothing under this name."""


class FieldMissing(KeptError):
    """The collection is there, but has no field of this name."""


class NotPermitted(KeptError):
    """The store does not let its user do this; other collections of it may be open to them."""


class StoreBusy(Conflict):
    """A lock or a time limit of the store stopped this act, and it was rolled back: doing it again later is safe."""


class Refused(KeptError):
    """A constraint or a trigger of the store forbids this for some record; nothing of the batch was changed."""


class CannotCompare(KeptError):
    """Times of this field cannot be compared safely: mixed forms, no zone, not a time. The message names the shapes seen."""


class Deed(StrEnum):
    """DELETE: the record goes. SET_TIME: the named field, where it is NULL, gets a time (revoking). REDACT: the named
    fields become NULL, or say nothing where they may not be NULL; the record stays. CORRECT: fields get given values.
    AGGREGATE: whole periods of records become totals, and go. ANONYMISE: the named fields become NULL or, where they may
    not be, a random value that leads nowhere, another one in each record; the record stays."""

    DELETE = "delete"
    SET_TIME = "set_time"
    REDACT = "redact"
    CORRECT = "correct"
    AGGREGATE = "aggregate"
    ANONYMISE = "anonymise"


class Capability(StrEnum):
    """What a kind of store can do; what it cannot do shows in a plan as a gap."""

    MEASURE = "measure"
    DELETE = "delete"
    SET_TIME = "set_time"
    REDACT = "redact"
    CORRECT = "correct"
    AGGREGATE = "aggregate"
    ANONYMISE = "anonymise"
    BY_TIME = "by_time"  # conditions on a time of the records; without it only a person's records can be asked for
    THROUGH = "through"  # conditions over another collection of the same store
    READ = "read"
    STREAM = "stream"  # some fields of very many records, taken up again after any of them
    RECEIPTS = "receipts"
    OWN_CLOCK = "own_clock"


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a collection: its name, the store's own word for its type, whether it may be NULL, and whether the
    store makes its value from other fields."""

    name: str
    type: str
    nullable: bool = True
    generated: bool = False


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a collection is made of."""

    fields: tuple[Field, ...]
    key: tuple[str, ...] = ()

    def has(self, name: str) -> bool:
        return any(field.name == name for field in self.fields)


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much matches a condition. `oldest` and `newest` are of the time field asked for, None where no row has one.

    `size`: bytes, None where the store cannot say. `timeless`: matching records whose time is NULL or unreadable.
    `unread`: parts of the collection (files) that could not be read, so that nobody knows what is in them."""

    rows: int
    size: int | None = None
    oldest: datetime | None = None
    newest: datetime | None = None
    timeless: int = 0
    unread: int = 0


@dataclass(frozen=True, kw_only=True)
class TimeCensus:
    """All records of a collection by one time field: how many have none, and how many one in the future."""

    rows: int
    missing: int
    future: int


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Where totals go: `into`, a collection of the same store, one record a group.

    `by`: one word of PERIODS (its field says when it began, in UTC) and fields that both have. A field `rows` counts the
    records; every other field of `into` that the records have as a number is summed. A group of fewer than `k` leaves no
    total: of people where `person` names the field that tells them apart, else of records."""

    into: str
    by: tuple[str, ...]
    k: int
    person: str | None = None


@dataclass(frozen=True, kw_only=True)
class Work:
    """One deed over the records of one collection for which `where` holds.

    `order_by`: the time field that the physical order follows, where one is known. `field` and `value`: for SET_TIME.
    `fields`: for REDACT and ANONYMISE. `corrections`: for CORRECT, (field, what is right as text or None). `totals`: for AGGREGATE, whose
    batches are the periods of `order_by`, and whose `where` has a Before of it. `loosens`: for DELETE, what the store calls
    the collections whose records may lose their pointer (a declared key) at a record that goes. `pins`: for DELETE, what the
    store calls a collection, and those of its records that keep their pointer: what they point at stays as its key. `gone`:
    for `blockers` before a run, likewise, those that other work has taken away by then. `batch_rows`: at most so many records a batch (a file is one batch, whatever it holds).
    `look`: how often the caller has looked from the start before and found, asked again, that records still match: the first
    look may go by what is likely, a later one may not."""

    deed: Deed
    at: str
    where: Condition
    order_by: TimeField | None = None
    field: TimeField | None = None
    value: datetime | None = None
    fields: tuple[str, ...] = ()
    corrections: tuple[tuple[str, str | None], ...] = field_of(default=(), repr=False)
    totals: Totals | None = None
    loosens: tuple[str, ...] = ()
    pins: tuple[tuple[str, Condition], ...] = field_of(default=(), repr=False)
    gone: tuple[tuple[str, Condition], ...] = field_of(default=(), repr=False)
    batch_rows: int = 5_000
    look: int = 0

    @property
    def matter(self) -> "Work":
        """The work whatever the size of its batches: what is kept from batch to batch is kept under it."""
        return replace(self, batch_rows=0, look=0)


def unfinished(work: Work) -> Condition:
    """The records that the deed would still change: measured to zero, the work is done."""
    match work.deed:
        case Deed.DELETE:
            return work.where
        case Deed.SET_TIME:
            parts: tuple[Condition, ...] = (Unset(field=work.field.name),) if work.field else ()
            return AllOf(parts=(work.where, *parts))
        case Deed.REDACT:
            return AllOf(parts=(work.where, AnyOf(parts=tuple(Filled(field=name) for name in work.fields))))
        case Deed.ANONYMISE:
            return AllOf(parts=(work.where, AnyOf(parts=tuple(Tells(field=name) for name in work.fields))))
        case Deed.CORRECT:
            wrong = tuple(Differs(field=name, value=value) for name, value in work.corrections)
            return AllOf(parts=(work.where, AnyOf(parts=wrong)))
        case Deed.AGGREGATE:
            return AllOf(parts=(work.where, Before(field=_time_of(work), instant=closed_before(work))))


def closed_before(work: Work) -> datetime:
    """The end of the last period that is over as a whole: what lies in one that is not is rolled up with the rest of it."""
    field, totals = _time_of(work), work.totals
    instants = [part.instant for part in conjuncts(work.where) if isinstance(part, Before) and part.field == field]
    if totals is None or not instants:
        raise KeptError(f"{work.at}: to roll up takes totals, and an instant that the records are older than.")
    return start_of(min(instants), period_in(totals.by))


def _time_of(work: Work) -> TimeField:
    if work.order_by is None:
        raise KeptError(f"{work.at}: to roll up takes the records' time.")
    return work.order_by


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The bounds of one batch: everything after `low` up to and with `high`, in the store's own order. JSON values only."""

    low: Any
    high: Any


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The key of a receipt: `step` is an opaque id, `batch` counts from 1."""

    step: str
    batch: int


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """One record of a stream: the fields that were asked for, and the `place` that the stream goes on after."""

    place: str
    values: Mapping[str, Any] = field_of(repr=False)


@runtime_checkable
class Advises(Protocol):
    """A store that can say what stands in the way of work on a collection, beyond what a call refuses."""

    def findings(self, at: str, *, times: Sequence[TimeField] = (), period: timedelta | None = None) -> tuple[str, ...]:
        """Each in a sentence: a key that no index serves, a table that nothing can be deleted from. No personal data.

        `times`: the fields that conditions compare; `period`: how long the clause keeps records, where that is known."""


@dataclass(frozen=True, kw_only=True)
class Blocker:
    """Records that match a work and cannot go, for one reason. `why`: a sentence that names the key and the table, the lock
    or the right that is missing; `remedy`: what to do about it. `rows` None: nobody counted. `stub`: they were emptied but
    for their key, which a kept record needs, and that is all that will be done. `matches` False: emptied by this step, and
    what it asks for is gone with the rest. No personal data."""

    why: str
    remedy: str = ""
    rows: int | None = None
    stub: bool = False
    matches: bool = True


@runtime_checkable
class Explains(Protocol):
    """A store that can say which of the records that match cannot go."""

    def blockers(self, work: Work, step: str | None = None) -> tuple[Blocker, ...]:
        """Asked before a run, for its preview, and after it, for what is left. Changes nothing. No record is counted twice.

        With `step`, the id that its receipts bear, also the stubs that its batches left and that match no more."""


@runtime_checkable
class Points(Protocol):
    """A store that knows which of its collections point at which."""

    def pointers_between(self, ats: Sequence[str]) -> tuple[tuple[str, str], ...]:
        """Pairs of these, each pointing (a declared key) at the other one; a collection that is not there points at none."""


@runtime_checkable
class Asks(Protocol):
    """A store whose work people do: somebody is asked by mail, and reminded until they answer."""

    contact: str  # the mailbox of who does the work
    remind: timedelta  # how long to wait for an answer before asking again
    due: timedelta  # how long they have


@runtime_checkable
class Reclaims(Protocol):
    """A store that gives space back only when it is asked to."""

    def reclaim(self, at: str) -> str:
        """Give back the space of records that went (VACUUM and its like); says in a sentence what was done. Only in a
        window, and only where kept.yaml asks for it."""


class Store(Protocol):
    """One store. Every method raises StoreUnreachable when the store does not answer."""

    name: str
    kind: str
    capabilities: frozenset[Capability]

    def ping(self) -> None:
        """Return if the store answers."""

    def now(self) -> datetime:
        """The store's own clock where it has one (OWN_CLOCK), else the clock it was made with. Aware, UTC."""

    def collections(self) -> tuple[str, ...]:
        """The names of all collections the store holds, sorted."""

    def shape(self, at: str) -> Shape:
        """What a collection is made of. Raises CollectionMissing."""

    def time_form(self, at: str, field: TimeField) -> str:
        """How the field's times are written (a TIME_FORMS word), found from schema and sample. Raises CannotCompare."""

    def census(self, at: str, field: TimeField) -> TimeCensus:
        """Count records without a time and with one in the future."""

    def measure(self, at: str, where: Condition, *, time: TimeField | None = None) -> Extent:
        """Count what matches; exact. Never changes anything."""

    def next_batch(self, work: Work, after: Batch | None) -> Batch | None:
        """The bounds of the batch that follows `after` (None: the first). Changes nothing."""

    def act(self, work: Work, batch: Batch, receipt: Receipt | None = None) -> int:
        """Do one batch; returns how many records it changed, exactly."""

    def prepare_receipts(self) -> None:
        """Create the store's `kept_receipts` table if it is not there. Only after a person approved it."""

    def receipt_of(self, receipt: Receipt) -> int | None:
        """The count that a batch committed with its receipt; None where there is no such receipt."""

    def drop_receipts(self, *steps: str) -> None:
        """Remove the receipts of steps, once their outcomes are proven elsewhere."""

    def records(self, at: str, where: Condition) -> Iterator[Mapping[str, Any]]:
        """The matching records as a stream, in a stable order. Values are str, int, float, bool, None, datetime, date, Decimal or bytes."""

    def values(self, at: str, field: str, where: Condition) -> Iterator[str]:
        """The distinct values of one field over the matching records, as text, without NULL and ''."""

    def stream(
        self, at: str, fields: Sequence[str], where: Condition, after: str | None = None
    ) -> Generator[Streamed, None, None]:
        """The named fields of the matching records, in an order that stays the same from call to call, from after a
        `place` on (None: from the start). Memory stays flat, and nothing in the store is held open between records.
        Raises CollectionMissing, FieldMissing; KeptError where the collection has no such order."""

    def sample(self, at: str, where: Condition, *, limit: int = 10) -> list[Mapping[str, Any]]:
        """A few matching records; never stored by the caller unmasked."""

    def left_for_later(self, at: str) -> tuple[str, ...]:
        """What matched but was not touched since the last first `next_batch`, each with its reason (a file that is being
        written, a symbolic link). () for a store that leaves nothing. No personal data in it."""

    def close(self) -> None:
        """Give connections back."""
