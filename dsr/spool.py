"""A person's records on their way into a package: read once from the stores, kept sealed on disk, read as often as needed."""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import orjson

from core.settings import CollectionSettings
from dsr.package_format import read_sealed, write_sealed

_CREDENTIAL: Final = re.compile(
    r"(^|_)(password|passwd|passphrase|pwd|secret|salt|otp|pin|cvc|cvv)(_|$)"
    r"|(^|_)(token|key|password|secret|code)_?(hash|digest)(_|$)"
    r"|^token$|(^|_)(access|refresh|session|auth|bearer|reset|login|verification)_token(_|$)"
    r"|security_(answer|question)",
    re.IGNORECASE,
)
_CREDENTIAL_KEYS: Final = ("user.authorization", "user.account.password", "user.credentials")


@dataclass(frozen=True, kw_only=True)
class Spooled:
    """One collection's records. `columns` in order of appearance; `texts`: those that hold text; `withheld` are left out."""

    collection: str
    path: Path
    rows: int
    columns: tuple[str, ...]
    texts: frozenset[str]
    withheld: tuple[str, ...]

    def records(self, key: bytes) -> Iterator[Mapping[str, Any]]:
        """The records, each with JSON values only."""
        rest = b""
        for chunk in read_sealed(self.path, key):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield orjson.loads(line)


def is_credential(name: str, fideslang: str | None) -> bool:
    """Whether a field is a password, a token or the like: named as held, never sent back."""
    return (fideslang or "").startswith(_CREDENTIAL_KEYS) or _CREDENTIAL.search(name) is not None


def spool(
    collection: CollectionSettings,
    records: Iterable[Mapping[str, Any]],
    path: Path,
    key: bytes,
    *,
    without: frozenset[str] = frozenset(),
) -> Spooled:
    """Read a stream to its end into a sealed file. Memory holds one chunk. `without`: fields that the right leaves out."""
    seen = _Seen(collection, without)
    write_sealed(path, seen.lines(records), key)
    return Spooled(
        collection=collection.id,
        path=path,
        rows=seen.rows,
        columns=tuple(seen.columns),
        texts=frozenset(seen.texts),
        withheld=tuple(seen.withheld),
    )


class _Seen:
    """What goes by while the records are written."""

    def __init__(self, collection: CollectionSettings, without: frozenset[str]) -> None:
        self._fields = collection.fields
        self._without = without
        self.rows = 0
        self.columns: dict[str, None] = {}
        self.withheld: dict[str, None] = {}
        self.texts: set[str] = set()

    def lines(self, records: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
        for record in records:
            self.rows += 1
            yield orjson.dumps(self._keep(record)) + b"\n"

    def _keep(self, record: Mapping[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value in record.items():
            if name in self._without:
                continue
            field = self._fields.get(name)
            if is_credential(name, field.fideslang if field else None):
                self.withheld.setdefault(name)
                continue
            self.columns.setdefault(name)
            if isinstance(value, str | list | dict):
                self.texts.add(name)
            kept[name] = _plain(value)
        return kept


def _plain(value: Any) -> Any:
    """A value as JSON: numbers that JSON cannot hold exactly are text, bytes are base64."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items() if not is_credential(str(name), None)}
    return value
