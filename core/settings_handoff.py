"""The section `handoff` of `kept.yaml`: whose signed word about a person is taken, with which keys, and what it says of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from marshmallow import Schema, fields, validate

from core.errors import BadInput
from core.public_keys import PublicKey, read_public_keys
from core.refusals import Refusals, parse_span

LONGEST_AGE: Final = timedelta(minutes=15)
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_KIND: Final = validate.Regexp(r"^[a-z][a-z0-9_]*$", error="Use a kind of identifier of your collections, as user_id.")


@dataclass(frozen=True, kw_only=True)
class HandoffSettings:
    """`keys`: those of files; `addresses`: where sets of keys are fetched. `identifiers`: kind of identifier → claim."""

    issuer: str
    audience: str
    keys: tuple[PublicKey, ...] = field(default=(), repr=False)
    addresses: tuple[str, ...] = ()
    max_age: timedelta = timedelta(minutes=5)
    identifiers: Mapping[str, str] = field(default_factory=dict)


class HandoffSchema(Schema):
    """The keys of the section."""

    issuer = fields.Str(required=True, validate=validate.Length(1, 200))
    audience = fields.Str(load_default=None, allow_none=True, validate=validate.Length(1, 200))
    keys = fields.List(fields.Str(), required=True, validate=validate.Length(1, 10))
    max_age = fields.Str(load_default="5m")
    identifiers = fields.Dict(
        keys=fields.Str(validate=_KIND), values=fields.Str(), required=True, validate=validate.Length(1, 10)
    )


def read_handoff(
    given: Mapping[str, Any] | None, *, base_url: str, kinds: Collection[str], refusals: Refusals
) -> HandoffSettings | None:
    """The section as values; None where there is none. `kinds`: what the collections identify people by."""
    if given is None:
        return None
    keys: list[PublicKey] = []
    addresses: list[str] = []
    for index, text in enumerate(given["keys"]):
        if text.startswith(("https://", "http://")):
            _check_address(text, index, refusals)
            addresses.append(text)
        elif text != "unset":  # a file that cannot be read was refused already
            keys += _read_keys(text, index, refusals)
    names = [one.kid for one in keys if one.kid is not None]
    for kid in sorted({one for one in names if names.count(one) > 1}):
        refusals.add(("handoff", "keys"), f"two keys have the kid {kid!r}. Give each a name of its own.")
    max_age = parse_span(given["max_age"], ("handoff", "max_age"), refusals) or timedelta(minutes=5)
    if max_age > LONGEST_AGE:
        refusals.add(("handoff", "max_age"), f"found {given['max_age']!r}. It is at most 15m: a hand-over is for now.")
    for kind in given["identifiers"]:
        if kind not in kinds:
            known = ", ".join(sorted(kinds)) or "none"
            refusals.add(
                ("handoff", "identifiers", kind), f"no collection identifies people by it. They do by: {known}."
            )
    if "email" not in given["identifiers"]:
        refusals.add(("handoff", "identifiers"), "it has no 'email': the answer would have no address to go to.")
    return HandoffSettings(
        issuer=given["issuer"],
        audience=given["audience"] or base_url,
        keys=tuple(keys),
        addresses=tuple(addresses),
        max_age=max_age,
        identifiers=dict(given["identifiers"]),
    )


def _read_keys(text: str, index: int, refusals: Refusals) -> tuple[PublicKey, ...]:
    try:
        return read_public_keys(text)
    except BadInput as error:
        refusals.add(
            ("handoff", "keys", index), f"{error.message} {error.remedy} Write file:PATH, or an https address."
        )
        return ()


def _check_address(text: str, index: int, refusals: Refusals) -> None:
    parts = urlsplit(text)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        refusals.add(("handoff", "keys", index), f"found {text!r}. Keys are fetched by https alone.")
