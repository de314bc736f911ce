"""What a ledger entry is: its values, its canonical form, its leaf, its commitment, and what may not stand in it."""

import hmac
import ipaddress
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import orjson
import rfc8785
from sqlalchemy.orm import Session

from core.canonical import Json, canonical
from core.errors import BadInput
from ledger.merkle import leaf_hash

SALT_SIZE: Final = 32
RANDOM_BITS: Final = 48
RANDOM_MASK: Final = (1 << RANDOM_BITS) - 1
INNER_PAD: Final = bytes(one ^ 0x36 for one in range(256))
OUTER_PAD: Final = bytes(one ^ 0x5C for one in range(256))
INNER_REST: Final = INNER_PAD[:1] * (64 - SALT_SIZE)
OUTER_REST: Final = OUTER_PAD[:1] * (64 - SALT_SIZE)
LONGEST_REF: Final = 200
OPAQUE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]*")
LIKE_ADDRESS: Final = re.compile(r"[0-9a-fA-F.:%]+(/[0-9]+)?|.*:.*%.*")
KIND: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")


@dataclass(frozen=True, kw_only=True, slots=True)
class EntryRow:
    """One row of `ledger_entries` as it is stored. `at` is UTC text, `refs` the canonical JSON text of a list of ids."""

    id: str
    at: str
    kind: str
    actor: str
    refs: str
    commitment: str


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """An entry as it is read: `position` is None until it is settled, `private` is None once it is forgotten."""

    id: str
    at: datetime
    kind: str
    actor: str
    refs: tuple[str, ...]
    commitment: str
    position: int | None
    private: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class NewEntry:
    """What is about to be recorded, as `Ledger.record` takes it."""

    kind: str
    actor: str
    refs: Sequence[str]
    private: Mapping[str, Json]


@dataclass(frozen=True, kw_only=True)
class RecordedEntry:
    """An entry that was just inserted, for whoever has to say that it happened."""

    id: str
    at: datetime
    entry: NewEntry


Listener = Callable[[Session, Sequence[RecordedEntry]], None]


def entry_ids(at: datetime, count: int) -> list[str]:
    """Ids for entries that are recorded at once, in their order: milliseconds and then random bits, both in hex.

    Ids that grow with time keep neighbours in the log neighbours in every index: a log of millions is read and added to from one
    end, instead of from everywhere. They say no more than `at` does."""
    since, start = int(at.timestamp() * 1000), secrets.randbits(RANDOM_BITS)
    return [f"ent_{since:012x}{(start + one) & RANDOM_MASK:012x}" for one in range(count)]


def canonical_entry(row: EntryRow) -> bytes:
    """The canonical form (RFC 8785) of the whole row; `refs` goes in as the bytes that are stored."""
    values = {"actor": row.actor, "at": row.at, "commitment": row.commitment, "id": row.id, "kind": row.kind}
    return orjson.dumps({**values, "refs": orjson.Fragment(row.refs)})


def plain_columns(name: str, at: str, kind: str, actor: str, refs: str, commitment: str) -> bytes:
    """The same from columns that need no escaping, and the tables' checks let no others in; from others, not canonical.

    It serves to compare with a leaf: what lies between the columns occurs once in a recorded entry, so that no other row
    comes to the same bytes, whatever somebody writes into it."""
    return (
        f'{{"actor":"{actor}","at":"{at}","commitment":"{commitment}","id":"{name}","kind":"{kind}","refs":{refs}}}'
    ).encode()


def entry_leaf(row: EntryRow) -> bytes:
    """The leaf hash of an entry."""
    return leaf_hash(canonical_entry(row))


@dataclass(frozen=True, kw_only=True)
class Commitment:
    """The private part of an entry as canonical JSON, the salt, and what the entry says of both."""

    salt: bytes
    private: str
    value: str


def commit(private: Mapping[str, Json]) -> Commitment:
    """Commit to a private part under a fresh salt."""
    try:
        text = canonical(private)
    except rfc8785.CanonicalizationError as error:
        raise BadInput(
            f"The private part of a ledger entry cannot be written as JSON: {type(error).__name__}.",
            remedy="Give text, lists, mappings, and numbers below 2^53.",
        ) from error
    salt = secrets.token_bytes(SALT_SIZE)
    return Commitment(salt=salt, private=text.decode(), value=commitment_of(salt, text))


def commitment_of(salt: bytes, private: bytes) -> str:
    """HMAC-SHA256 over the canonical private part, 64 lower-case hex digits."""
    if len(salt) != SALT_SIZE:
        return hmac.digest(salt, private, "sha256").hex()
    # HMAC written out (RFC 2104): two hashes, and none of what a general one does before; verification is made of these.
    inner = sha256(salt.translate(INNER_PAD) + INNER_REST + private).digest()
    return sha256(salt.translate(OUTER_PAD) + OUTER_REST + inner).hexdigest()


def require_kind(kind: str) -> None:
    """Refuse an entry kind that is not like `sweep.intent`."""
    if len(kind) > LONGEST_REF or not KIND.fullmatch(kind):
        raise BadInput(f"'{kind}' is no kind of ledger entry.", remedy="Write it like 'sweep.intent'.")


def require_opaque(actor: str, refs: Sequence[str]) -> None:
    """Refuse an actor or a ref that may be personal data: entries are never changed, so nothing of that kind goes in."""
    for place, value in [("actor", actor), *(("ref", ref) for ref in refs)]:
        if len(value) > LONGEST_REF or not OPAQUE.fullmatch(value) or _is_address(value):
            raise BadInput(
                f"This {place} of a ledger entry is no opaque id, and is not repeated here.",
                remedy="Name the thing by its id, like 'opr_2f…' or 'clause:request-logs'; the rest belongs in the private part.",
            )


def written_refs(refs: Sequence[str]) -> str:
    """The canonical JSON of refs that are opaque: there is nothing in them to escape."""
    return '["' + '","'.join(refs) + '"]' if refs else "[]"


def _is_address(value: str) -> bool:
    if not LIKE_ADDRESS.fullmatch(value):
        return False
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True
