"""Which keys signed the log one after the other, and which rollbacks were accounted for: read from the entries that say so."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import orjson

from ledger.entries import EntryRow

ROTATED: Final = "ledger.key_rotated"
LOST: Final = "ledger.key_lost"
ROLLED_BACK: Final = "ledger.rolled_back"
KINDS: Final = frozenset({ROTATED, LOST, ROLLED_BACK})
EPOCH: Final = re.compile(r"/kept/([2-9]|[1-9][0-9]+)")


@dataclass(frozen=True, kw_only=True)
class Link:
    """The entry at `position` says that `after` signs what `before` signed. `lost`: the old key could not vouch for it."""

    position: int
    before: bytes
    after: bytes
    lost: bool


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """The entry at `position` accounts for checkpoints over more than `kept` and up to `lost` entries that hold no longer."""

    position: int
    kept: int
    lost: int

    def covers(self, size: int) -> bool:
        return self.kept < size <= self.lost


@dataclass(frozen=True, kw_only=True)
class Succession:
    """Keys in their order and rollbacks in theirs. An auditor who holds any one of the keys can follow from it."""

    links: tuple[Link, ...] = ()
    rollbacks: tuple[Rollback, ...] = ()

    def keys(self, known: bytes) -> tuple[bytes, ...]:
        """Every key of the log, oldest first, as far as `known` vouches for them; one that is none of them stands alone.

        Backwards each key vouches for those before it: it signed the entries that name them. Forwards a key vouches for its
        successor only where it signed the entry that names it, so not past a key that was lost."""
        every = self._every()
        if known not in every:
            return (known,)
        last = every.index(known)
        while last < len(self.links) and not self.links[last].lost:
            last += 1
        return every[: last + 1]

    def unvouched(self, known: bytes) -> int | None:
        """The position from which on `known` vouches for nothing, None where it vouches for all."""
        reach = len(self.keys(known))
        return self.links[reach - 1].position if known in self._every() and reach <= len(self.links) else None

    def allowed(self, known: bytes, size: int, covered: int) -> tuple[bytes, ...]:
        """The keys that may have signed a checkpoint over `size` entries, where one over `covered` stood before it: the old
        key signs the entry that names its successor, and nothing after that; one that was lost does not even do that."""
        keys = self.keys(known)
        first = sum(link.position < covered or (link.lost and link.position < size) for link in self.links)
        last = sum(link.position < size for link in self.links)
        return keys[first : last + 1] if known in self._every() else keys

    def gave_up(self, size: int, epoch: int) -> bool:
        """Whether a checkpoint signed in an epoch is one of those that a later rollback accounts for."""
        return any(one.covers(size) for one in self.rollbacks[epoch - 1 :])

    def _every(self) -> tuple[bytes, ...]:
        return (self.links[0].before, *(link.after for link in self.links)) if self.links else ()


NOTHING: Final = Succession()


@dataclass(kw_only=True)
class SuccessionReader:
    """Takes entries in the order of positions; those of no kind that matters are passed over."""

    links: list[Link] = field(default_factory=list)
    rollbacks: list[Rollback] = field(default_factory=list)

    def take(self, position: int, row: EntryRow) -> None:
        named = _named(row.refs)
        if row.kind == ROLLED_BACK:
            lost, kept = (named.get(name, "").partition(":")[0] for name in ("lost", "kept"))
            if lost.isdecimal() and kept.isdecimal():
                self.rollbacks.append(Rollback(position=position, kept=int(kept), lost=int(lost)))
        elif row.kind in (ROTATED, LOST):
            before, after = (_key(named.get(name, "")) for name in ("key-before", "key-after"))
            if before and after and (not self.links or self.links[-1].after == before):
                self.links.append(Link(position=position, before=before, after=after, lost=row.kind == LOST))

    def done(self) -> Succession:
        return Succession(links=tuple(self.links), rollbacks=tuple(self.rollbacks))


def read_succession(entries: Iterable[tuple[int, EntryRow]]) -> Succession:
    """The succession that entries in the order of positions tell of."""
    reader = SuccessionReader()
    for position, row in entries:
        reader.take(position, row)
    return reader.done()


def key_refs(before: bytes, after: bytes) -> list[str]:
    """What an entry about a change of keys names."""
    return [f"key-before:{before.hex()}", f"key-after:{after.hex()}"]


def rollback_refs(*, lost: tuple[int, bytes], kept: tuple[int, bytes]) -> list[str]:
    """What an entry about a rollback names: both heads, as size and root."""
    return [f"lost:{lost[0]}:{lost[1].hex()}", f"kept:{kept[0]}:{kept[1].hex()}"]


def epoch_of(origin: str) -> int:
    """The number in a log's name: 1 for the first, which has none."""
    found = EPOCH.search(origin)
    return int(found[1]) if found and origin.endswith(found[0]) else 1


def origin_in(origin: str, epoch: int) -> str:
    """The name of the log in an epoch."""
    return origin if epoch == 1 else f"{origin}/{epoch}"


def _named(refs: str) -> dict[str, str]:
    found = orjson.loads(refs)
    return dict(str(ref).partition(":")[::2] for ref in found) if isinstance(found, list) else {}


def _key(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        return b""
    return found if len(found) == 32 else b""
