"""Reading keys of Redis as records: the fields of their names, of JSON objects and of hashes, a page in two rounds."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import orjson

from stores.name_patterns import NamePattern
from stores.redis_client import is_denied
from stores.redis_lifetimes import EXPIRY, NEVER
from stores.redis_wire import Command, each

KEY: Final = "key:name"
TYPE: Final = "key:type"
VALUE: Final = "value"
READ_BYTES: Final = 1_000_000
COPY_BYTES: Final = 64_000_000  # of one value, in a person's copy
STEP: Final = 500
_NO_KEY: Final = -2


class Asker(Protocol):
    """Where a reader asks: the client, or the connection that watches the keys."""

    def ask(self, commands: Sequence[Command]) -> list[Any]: ...


@dataclass(slots=True, kw_only=True)  # not frozen, which takes twice as long: one is made for each key
class Seen:
    """One key: its record as far as it was asked for, and its remaining milliseconds (NEVER where it does not expire)."""

    name: bytes
    record: Mapping[str, Any] = field(repr=False)
    remaining: int = NEVER


@dataclass(kw_only=True)
class Unseen:
    """What could not be read: keys this user may not see, of so many that were asked, and values that are too large."""

    denied: int = 0
    too_large: int = 0


class KeyReader:
    """Reads what `wanted` names (None: all of it). `exist`: the keys were met in a scan, so they need not be looked for."""

    def __init__(
        self,
        client: Asker,
        pattern: NamePattern,
        wanted: frozenset[str] | None,
        *,
        exist: bool = True,
    ) -> None:
        self._client = client
        self._pattern = pattern
        self._exist = exist
        named = {KEY, *pattern.fields}
        self._all = wanted is None
        # names that met the server's own look at the pattern need no second one, where nobody asks what is in them
        self._trusts = exist and pattern.is_glob
        self._names_matter = wanted is None or bool(wanted & named)
        self._fields = tuple(sorted((wanted or frozenset()) - named - {EXPIRY, TYPE}))
        self._all = self._all or (TYPE in (wanted or ()) and bool(self._fields))
        self._needs_expiry = wanted is None or EXPIRY in wanted
        self._needs_type = wanted is None or bool(self._fields) or TYPE in wanted
        self.unseen = Unseen()

    @property
    def by_name_alone(self) -> bool:
        """Does a key's name, which never changes, tell all that is wanted?"""
        return not (self._needs_expiry or self._needs_type)

    def read(self, names: Sequence[bytes]) -> list[Seen]:
        """Those of the keys that are there and belong to the pattern."""
        ours = self._ours(names)
        if self.by_name_alone:
            if not self._exist:
                there = self._client.ask(each("EXISTS", [name for name, _ in ours]))
                ours = [pair for pair, count in zip(ours, there, strict=True) if count == 1]
            return [Seen(name=name, record=record) for name, record in ours]
        return list(self._look(ours) if self._all or not self._fields else self._look_at_fields(ours))

    def _ours(self, names: Sequence[bytes]) -> list[tuple[bytes, dict[str, Any]]]:
        """Those of the pattern, each with what its name says."""
        if self._trusts and not self._names_matter:
            return [(name, {}) for name in names]
        read = self._pattern.read
        found = [(name, text, read(text)) for name, text in ((name, as_name(name)) for name in names)]
        return [(name, {KEY: text, **fields}) for name, text, fields in found if fields is not None]

    def _look_at_fields(self, ours: Sequence[tuple[bytes, dict[str, Any]]]) -> Iterator[Seen]:
        """Most keys with fields are strings: they are asked for at once, as far as they may be read, the rest again."""
        names = [name for name, _ in ours]
        first = each("PTTL", names) if self._needs_expiry else []
        answers = self._client.ask([*first, *each("GETRANGE", names, 0, READ_BYTES)])
        told: Sequence[Any] = answers[: len(names)] if first else [NEVER] * len(names)
        others: list[tuple[bytes, dict[str, Any], int]] = []
        for (name, record), left, value in zip(ours, told, answers[-len(names) :], strict=True):
            if not isinstance(value, bytes) or not value:
                if is_denied(value):
                    self.unseen.denied += 1
                else:
                    others.append((name, record, left))
                continue
            if len(value) > READ_BYTES:
                self.unseen.too_large += 1
            else:
                record.update(_of_string(value))
            yield Seen(name=name, record=record, remaining=left)
        if others:
            yield from self._look_at_hashes(others)

    def _look_at_hashes(self, others: Sequence[tuple[bytes, dict[str, Any], int]]) -> Iterator[Seen]:
        kinds = [as_name(kind) for kind in self._client.ask(each("TYPE", [name for name, _, _ in others]))]
        hashes = [name for (name, _, _), kind in zip(others, kinds, strict=True) if kind == "hash"]
        fields = [part.encode() for part in self._fields]
        values = iter(self._client.ask(each("HMGET", hashes, *fields)))
        for (name, record, left), kind in zip(others, kinds, strict=True):
            if kind == "hash" and isinstance(answer := next(values), list):
                record.update(_of_hash(zip(self._fields, answer, strict=True)))
            if kind != "none" and left != _NO_KEY:
                yield Seen(name=name, record=record, remaining=left)

    def _look(self, ours: Sequence[tuple[bytes, dict[str, Any]]]) -> Iterator[Seen]:
        names = [name for name, _ in ours]
        words = ["PTTL", *(["TYPE", "STRLEN"] if self._needs_type else [])]
        answers = self._client.ask([command for word in words for command in each(word, names)])
        columns = [answers[start : start + len(names)] for start in range(0, len(answers), len(names) or 1)]
        seen: list[tuple[bytes, dict[str, Any], int]] = []
        for (name, record), *told in zip(ours, *columns, strict=True):
            if any(is_denied(answer) for answer in told):
                self.unseen.denied += 1
            elif told[0] != _NO_KEY:
                if self._needs_type:
                    record[TYPE] = as_name(told[1])
                    record["_size"] = told[2] if isinstance(told[2], int) else 0
                seen.append((name, record, told[0]))
        if self._all:
            self._add_values([(name, record) for name, record, _ in seen])
        yield from (
            Seen(name=name, record=record, remaining=left) for name, record, left in seen if record.get(TYPE) != "none"
        )

    def _add_values(self, seen: Sequence[tuple[bytes, dict[str, Any]]]) -> None:
        commands: list[tuple[Any, ...]] = []
        takers: list[dict[str, Any]] = []
        for name, record in seen:
            size = record.pop("_size")
            if record[TYPE] == "string" and size > COPY_BYTES:
                self.unseen.too_large += 1
            elif record[TYPE] == "string":
                commands.append(("GET", name))
                takers.append(record)
            else:
                record.update(self._whole(name, record[TYPE]))
        for record, answer in zip(takers, self._client.ask(commands), strict=True):
            if isinstance(answer, bytes):
                record.update(_of_string(answer))

    def _whole(self, name: bytes, kind: str) -> Mapping[str, Any]:
        """All of a key that is no string, in steps: a hash's fields; members of the rest as JSON under `value`."""
        if kind == "hash":
            return dict(_of_hash((as_name(key), value) for key, value in self._steps("HSCAN", name)))
        if kind == "zset":
            return {VALUE: _json({as_name(key): float(score) for key, score in self._steps("ZSCAN", name)})}
        if kind == "set":
            return {VALUE: _json(sorted(as_name(one) for (one,) in self._steps("SSCAN", name)))}
        if kind == "list":
            return {VALUE: _json([as_name(one) for one in self._listed(name)])}
        return {}

    def _steps(self, word: str, name: bytes) -> Iterator[tuple[Any, ...]]:
        cursor: Any = 0
        while True:
            [answer] = self._client.ask([(word, name, cursor, "COUNT", STEP)])
            if not isinstance(answer, list | tuple):
                return
            cursor, found = answer
            yield from found.items() if isinstance(found, dict) else _grouped(found, 1 if word == "SSCAN" else 2)
            if int(cursor) == 0:
                return

    def _listed(self, name: bytes) -> Iterator[bytes]:
        start = 0
        while True:
            [found] = self._client.ask([("LRANGE", name, start, start + STEP - 1)])
            if not isinstance(found, list) or not found:
                return
            yield from found
            start += STEP


def with_expiry(seen: Seen, now: Callable[[], datetime]) -> Mapping[str, Any]:
    """The record as it is read out: with the instant at which it expires."""
    ends = None if seen.remaining == NEVER else now() + timedelta(milliseconds=seen.remaining)
    return {name: _plain(value) for name, value in seen.record.items() if name != TYPE} | {EXPIRY: ends}


def as_name(raw: bytes | str) -> str:
    """A name as text; bytes that are not UTF-8 come back as they were by `as_bytes`."""
    return raw.decode("utf-8", "surrogateescape") if isinstance(raw, bytes) else raw


def as_bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def as_value(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _of_string(raw: bytes) -> Mapping[str, Any]:
    if raw[:1] == b"{":
        try:
            found = orjson.loads(raw)
        except orjson.JSONDecodeError:
            found = None
        if isinstance(found, dict):
            return found
    return {VALUE: as_value(raw)}


def _of_hash(pairs: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    return ((name, as_value(raw)) for name, raw in pairs if isinstance(raw, bytes))


def _grouped(found: Sequence[Any], size: int) -> Iterator[tuple[Any, ...]]:
    if found and isinstance(found[0], tuple):
        return iter(found)
    return (tuple(found[place : place + size]) for place in range(0, len(found), size))


def _plain(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)  # orjson refuses names that are not UTF-8
