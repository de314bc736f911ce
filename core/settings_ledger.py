"""The section `ledger` of `kept.yaml`: where checkpoints are kept outside of this machine, how often, and whose cosignatures count."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from marshmallow import Schema, fields, validate

from core.refusals import Refusals, parse_span

_LOCK: Final = re.compile(r"P([1-9][0-9]{0,4})D")
_KINDS: Final = ("file", "s3", "mail")


@dataclass(frozen=True, kw_only=True)
class CheckpointPlace:
    """One place that checkpoints are kept in. `kind`: file, s3 or mail; `where`: the path, the bucket or the address; `lock`:
    how long the bucket lets nobody delete or replace one."""

    kind: str
    where: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    lock: timedelta | None = None


@dataclass(frozen=True, kw_only=True)
class LedgerSettings:
    """`every`: how often the latest checkpoint goes to each place. `witnesses`: public keys, as their lines."""

    checkpoints: tuple[CheckpointPlace, ...] = ()
    every: timedelta = timedelta(hours=1)
    witnesses: tuple[str, ...] = ()


class _Bucket(Schema):
    bucket = fields.Str(required=True)
    endpoint = fields.Str(load_default=None, allow_none=True)
    region = fields.Str(load_default="us-east-1")
    key_id = fields.Str(load_default=None, allow_none=True)
    secret = fields.Str(load_default=None, allow_none=True)
    prefix = fields.Str(load_default="kept-checkpoints/")


class _Place(Schema):
    file = fields.Str(validate=validate.Length(min=1))
    s3 = fields.Nested(_Bucket)
    lock = fields.Str()
    mail = fields.Email()


class LedgerSchema(Schema):
    """The keys of the section, each with what it is when it is left out."""

    checkpoints = fields.List(fields.Nested(_Place), load_default=list)
    every = fields.Str(load_default="1h")
    witnesses = fields.List(fields.Str(), load_default=list)


def read_ledger(given: Mapping[str, Any], root: Path, refusals: Refusals) -> LedgerSettings:
    """The section as values; paths are relative to the file that names them."""
    loaded = given or LedgerSchema().load({})
    places = [_place(one, index, root, refusals) for index, one in enumerate(loaded["checkpoints"])]
    every = parse_span(loaded["every"], ("ledger", "every"), refusals)
    for index, text in enumerate(loaded["witnesses"]):
        if not re.fullmatch(r"[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44}", text.strip()):
            refusals.add(("ledger", "witnesses", index), "this is no key of a witness. Copy its line: name+HEX+BASE64.")
    return LedgerSettings(
        checkpoints=tuple(one for one in places if one is not None),
        every=every or timedelta(hours=1),
        witnesses=tuple(text.strip() for text in loaded["witnesses"]),
    )


def _place(given: Mapping[str, Any], index: int, root: Path, refusals: Refusals) -> CheckpointPlace | None:
    path = ("ledger", "checkpoints", index)
    kinds = [kind for kind in _KINDS if kind in given]
    if len(kinds) != 1:
        refusals.add(path, "a place is one of file, s3 and mail. Write one of them.")
        return None
    kind, lock = kinds[0], None
    if "lock" in given:
        days = _LOCK.fullmatch(given["lock"])
        if kind != "s3" or not days:
            refusals.add((*path, "lock"), f"found {given['lock']!r}. Write days such as P365D, beside s3.")
            return None
        lock = timedelta(days=int(days[1]))
    if kind == "s3":
        return CheckpointPlace(kind=kind, where=given["s3"]["bucket"], options=dict(given["s3"]), lock=lock)
    where = str(root / given["file"]) if kind == "file" else given["mail"]
    return CheckpointPlace(kind=kind, where=where)
