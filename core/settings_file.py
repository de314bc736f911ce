"""Reads `kept.yaml`: marshmallow checks the shape, this module the sense, and all refusals come together with lines."""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from marshmallow import Schema, ValidationError, fields, validate

from core.errors import ConfigurationError
from core.languages import LANGUAGES
from core.lined_yaml import Path as KeyPath
from core.lined_yaml import load_lined
from core.refusals import Refusals, parse_span
from core.settings import (
    AlertSettings,
    CollectionSettings,
    FieldSettings,
    Reference,
    ServiceSettings,
    Settings,
    StoreSettings,
    SweepSettings,
    TimeField,
)
from core.settings_contact import PROOF_POINTS, ContactSchema, read_contact
from core.settings_cookies import CookiesSchema, read_cookies
from core.settings_erasures import ErasuresSchema, read_erasures
from core.settings_handoff import HandoffSchema, HandoffSettings, read_handoff
from core.settings_inbox import InboxSchema, read_inbox
from core.settings_ledger import LedgerSchema, read_ledger
from core.settings_mail import MailSchema, read_mail
from core.settings_owners import owners_field, read_owners
from core.settings_requests import RequestsSchema, read_requests
from core.settings_secrets import read_secrets
from core.settings_webhooks import WebhookSchema, read_webhooks

STORE_KINDS = {
    "sql": ("url",),
    "files": ("root",),
    "s3": ("bucket",),
    "redis": ("url",),
    "http": ("recipe", "key"),
    "manual": ("contact",),
}
STORE_OPTIONS = {
    "sql": {"url", "schema"},
    "files": {"root", "delimiter"},
    "s3": {"bucket", "endpoint", "region", "key_id", "secret", "ca", "delimiter"},
    "redis": {"url", "ca"},
    "http": {"recipe", "key", "base", "user", "ca", "allow"},
    "manual": {"contact", "remind", "due"},
}
HTTP_ALLOWS = ("http", "private")
TIME_FORMS = ("timestamp", "iso", "date", "epoch_s", "epoch_ms", "epoch_us")
PROFILES = ("fast", "normal", "gentle")
EXECUTORS = ("local",)
_NAME = validate.Regexp(r"^[a-z0-9][a-z0-9_-]*$", error="Use lower-case letters, digits, - and _.")


class _Service(Schema):
    base_url = fields.Url(required=True, require_tld=False, schemes={"http", "https"})
    database = fields.Str(required=True)
    secret_key = fields.Str(required=True)
    executor = fields.Str(load_default="local", validate=validate.OneOf(EXECUTORS))
    languages = fields.List(
        fields.Str(validate=validate.OneOf(LANGUAGES)), load_default=["en"], validate=validate.Length(1)
    )
    trusted_proxy = fields.IP(load_default=None)


class _Alerts(Schema):
    mail = fields.List(fields.Email(), load_default=list)
    webhook = fields.Str(load_default=None, allow_none=True)


class _Public(Schema):
    promises = fields.Bool(load_default=False)
    requests = fields.Bool(load_default=False)


class _Field(Schema):
    category = fields.Str(load_default=None)
    fideslang = fields.Str(load_default=None)
    proof = fields.Str(load_default=None, validate=validate.OneOf(PROOF_POINTS))


class _Collection(Schema):
    id = fields.Str(required=True, validate=_NAME)
    at = fields.Str(required=True, validate=validate.Regexp(r"^[^:]+:.+$", error="Write STORE:table."))
    category = fields.Str(required=True)
    time = fields.Raw(load_default=None)
    events = fields.Dict(keys=fields.Str(), values=fields.Raw(), load_default=dict)
    identifies = fields.Dict(keys=fields.Str(), values=fields.Str(), load_default=dict)
    person = fields.Dict(
        keys=fields.Str(),
        values=fields.Str(validate=validate.Regexp(r"^[^.]+\.[^.]+$", error="Write COLLECTION.field.")),
        load_default=dict,
    )
    fields_ = fields.Dict(keys=fields.Str(), values=fields.Nested(_Field), load_default=dict, data_key="fields")
    contact = fields.Nested(ContactSchema, load_default=None, allow_none=True)


class _Sweep(Schema):
    every = fields.Str(load_default="1d")
    window = fields.Str(load_default=None, allow_none=True)
    profile = fields.Str(load_default="normal", validate=validate.OneOf(PROFILES))
    breaker = fields.Str(load_default="20%")
    rate = fields.Int(load_default=None, allow_none=True, strict=True, validate=validate.Range(1, 10_000_000))
    budget = fields.Str(load_default=None, allow_none=True)
    reclaim = fields.Bool(load_default=False)


class _Kept(Schema):
    policy = fields.Str(required=True)
    service = fields.Nested(_Service, required=True)
    mail = fields.Nested(MailSchema, required=True)
    alerts = fields.Nested(_Alerts, load_default=dict)
    public = fields.Nested(_Public, load_default=dict)
    stores = fields.Dict(keys=fields.Str(validate=_NAME), values=fields.Dict(keys=fields.Str()), load_default=dict)
    collections = fields.List(fields.Nested(_Collection), load_default=list)
    sweeps = fields.Dict(keys=fields.Str(), values=fields.Nested(_Sweep), load_default=dict)
    requests = fields.Nested(RequestsSchema, load_default=dict)
    erasures = fields.Nested(ErasuresSchema, load_default=dict)
    handoff = fields.Nested(HandoffSchema, load_default=None)
    owners = owners_field()
    cookies = fields.Nested(CookiesSchema, load_default=None)
    inbox = fields.Nested(InboxSchema, load_default=dict)
    ledger = fields.Nested(LedgerSchema, load_default=dict)
    webhooks = fields.List(fields.Nested(WebhookSchema), load_default=list)


def find_settings_file() -> Path:
    """The file `KEPT_CONFIG` points to, else `kept.yaml` here."""
    path = Path(os.environ.get("KEPT_CONFIG") or "kept.yaml")
    if not path.is_file():
        raise ConfigurationError(
            f"There is no {path}.", remedy="Run `kept init`, change to its directory, or set KEPT_CONFIG to the file."
        )
    return path


def load_settings(path: Path) -> Settings:
    """Read and check a configuration. Raises ConfigurationError with every refusal, a line each."""
    document = load_lined(path.read_text(encoding="utf-8"), source=str(path))
    refusals = Refusals(document, str(path))
    if not isinstance(document.data, dict):
        raise ConfigurationError(
            f"{path}:1: this is not a mapping of settings.", remedy="See the README for an example."
        )
    data = read_secrets(document.data, (), path.parent, refusals)
    try:
        loaded = _Kept().load(data)
    except ValidationError as error:
        for key_path, problem in _flatten(error.messages, ()):
            refusals.add(key_path, _with_found(document.data, key_path, problem))
        _refuse_rest(error.valid_data, path.parent.resolve(), refusals)
        refusals.raise_any()
        raise
    settings = _build(loaded, path, refusals)
    refusals.raise_any()
    return settings


def _refuse_rest(valid: Any, root: Path, refusals: Refusals) -> None:
    """What else is wrong in the parts that the schema let through, so that one run names everything."""
    for name, options in valid.get("stores", {}).items():
        if isinstance(options, dict):
            _store(name, options, root, refusals)
    for name, options in valid.get("sweeps", {}).items():
        if {"every", "window", "breaker", "profile", "rate", "budget", "reclaim"} <= set(options):
            _sweep(name, options, refusals)
    if {"remind", "fallback", "cool_off", "lift_notice"} <= set(valid.get("requests", {})):
        read_requests(valid["requests"], refusals)
    if InboxSchema().fields.keys() <= valid.get("inbox", {}).keys() and "imap" in valid.get("mail", {}):
        read_inbox(valid["inbox"], valid["mail"]["imap"], root, refusals)
    rows = valid.get("collections", [])
    if all({"id", "at", "category", "person", "time"} <= set(row) for row in rows):
        _collections({"stores": valid.get("stores", {}), "collections": rows}, refusals)


def _flatten(messages: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(messages, dict):
        for key, value in messages.items():
            # marshmallow puts the refusals of a mapping's keys and values one level down
            yield from _flatten(value, path if key in ("value", "key", "_schema") else (*path, key))
    else:
        for message in messages:
            yield path, str(message)


def _with_found(data: Any, path: KeyPath, problem: str) -> str:
    if problem == "Unknown field.":
        return "this version knows no such key. Correct its spelling or remove it."
    if problem.startswith("Missing data"):
        return "this key is missing. Add it."
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return problem
    return f"found {data!r}. {problem}" if isinstance(data, str | int | float | bool) else problem


def _build(loaded: Mapping[str, Any], path: Path, refusals: Refusals) -> Settings:
    root = path.parent.resolve()
    service = loaded["service"]
    return Settings(
        path=path.resolve(),
        root=root,
        policy=root / loaded["policy"],
        service=ServiceSettings(
            base_url=service["base_url"].rstrip("/"),
            database=_resolve_database(service["database"], root),
            secret_key=_secret(service["secret_key"], refusals),
            executor=service["executor"],
            languages=tuple(service["languages"]),
            trusted_proxy=str(service["trusted_proxy"]) if service["trusted_proxy"] else None,
        ),
        mail=read_mail(loaded["mail"], root, refusals),
        alerts=AlertSettings(mail=tuple(loaded["alerts"].get("mail", ())), webhook=loaded["alerts"].get("webhook")),
        public_promises=loaded["public"].get("promises", False),
        public_requests=loaded["public"].get("requests", False),
        stores={name: _store(name, options, root, refusals) for name, options in loaded["stores"].items()},
        collections=_collections(loaded, refusals),
        sweeps={name: _sweep(name, options, refusals) for name, options in loaded["sweeps"].items()},
        requests=read_requests(loaded["requests"], refusals),
        erasures=read_erasures(loaded["erasures"], refusals),
        handoff=_handoff(loaded, refusals),
        owners=read_owners(loaded["owners"]),
        cookies=read_cookies(loaded["cookies"], refusals),
        webhooks=read_webhooks(loaded["webhooks"], loaded["alerts"].get("webhook"), service["secret_key"], refusals),
        ledger=read_ledger(loaded["ledger"], root, refusals),
        inbox=read_inbox(loaded["inbox"], loaded["mail"]["imap"], root, refusals),
    )


def _handoff(loaded: Mapping[str, Any], refusals: Refusals) -> HandoffSettings | None:
    kinds = {kind for row in loaded["collections"] for kind in row["identifies"]}
    base_url = loaded["service"]["base_url"].rstrip("/")
    return read_handoff(loaded["handoff"], base_url=base_url, kinds=kinds, refusals=refusals)


def _secret(text: str, refusals: Refusals) -> bytes:
    if len(text) < 32 and text != "unset":
        refusals.add(("service", "secret_key"), "it has fewer than 32 characters. `kept init` writes a good one.")
    return text.encode()


def _resolve_database(url: str, root: Path) -> str:
    # sqlite:///var/kept.db is relative to the file that names it, wherever the command is run
    relative = re.fullmatch(r"sqlite:///(?!/)(.+)", url)
    return f"sqlite:///{root / relative[1]}" if relative else url


def _store(name: str, given: Mapping[str, Any], root: Path, refusals: Refusals) -> StoreSettings:
    options = dict(given)
    kind = options.pop("kind", None)
    if kind not in STORE_KINDS:
        refusals.add(("stores", name), f"kind is {kind!r}. Allowed: {', '.join(STORE_KINDS)}.")
        return StoreSettings(name=name, kind=str(kind))
    receipts = options.pop("receipts", True)
    if not isinstance(receipts, bool):
        refusals.add(("stores", name, "receipts"), f"found {receipts!r}. Write true or false.")
    for missing in (key for key in STORE_KINDS[kind] if key not in options):
        refusals.add(("stores", name), f"a store of kind {kind} needs '{missing}'.")
    for unknown in sorted(set(options) - STORE_OPTIONS[kind]):
        refusals.add(
            ("stores", name, unknown),
            f"a store of kind {kind} has no such key. It has: {', '.join(sorted(STORE_OPTIONS[kind]))}.",
        )
    for key in ("root", "ca"):
        if key in options:
            options[key] = str(root / str(options[key]))
    if kind == "manual":
        _read_waits(name, options, refusals)
    if kind == "http":
        _check_http(options, root, ("stores", name), refusals)
    if kind == "sql" and "url" in options:
        options["url"] = _resolve_database(str(options["url"]), root)
    return StoreSettings(name=name, kind=kind, options=options, receipts=bool(receipts))


def _read_waits(name: str, options: dict[str, Any], refusals: Refusals) -> None:
    """Whom to ask, and how long they get: a mailbox, and two spans of which `remind` is not the longer."""
    contact = str(options.get("contact", ""))
    if contact and not re.fullmatch(r"[^@\s]+@[^@\s]+", contact):
        refusals.add(("stores", name, "contact"), f"found {contact!r}. Write the mailbox of who does the work.")
    spans = {}
    for key in ("remind", "due"):
        if key in options:
            span = parse_span(str(options[key]), ("stores", name, key), refusals)
            spans[key] = options[key] = span or timedelta(days=7)
    if len(spans) == 2 and spans["remind"] > spans["due"]:
        refusals.add(("stores", name, "remind"), "it is longer than 'due': nobody would be reminded in time.")


def _check_http(options: dict[str, Any], root: Path, path: KeyPath, refusals: Refusals) -> None:
    """A recipe is a name, or a file where its name says so; what is not allowed by name is not allowed."""
    recipe, allow = options.get("recipe", ""), options.get("allow", [])
    if isinstance(recipe, str) and ("/" in recipe or recipe.endswith((".yaml", ".yml"))):
        options["recipe"] = str(root / recipe)
    if not isinstance(allow, list) or not set(map(str, allow)) <= set(HTTP_ALLOWS):
        refusals.add((*path, "allow"), f"found {allow!r}. Write a list of: {', '.join(HTTP_ALLOWS)}.")
    for key in ("recipe", "key", "base", "user"):
        if key in options and not isinstance(options[key], str):
            refusals.add((*path, key), "this is no text. Put quotes around it.")


def _collections(loaded: Mapping[str, Any], refusals: Refusals) -> tuple[CollectionSettings, ...]:
    rows = loaded["collections"]
    ids = [row["id"] for row in rows]
    for index, row in enumerate(rows):
        path: KeyPath = ("collections", index)
        store = row["at"].partition(":")[0]
        if ids.index(row["id"]) != index:
            refusals.add((*path, "id"), f"'{row['id']}' is the name of two collections. Names are used once.")
        if store not in loaded["stores"]:
            refusals.add(
                (*path, "at"), f"there is no store '{store}'. Stores: {', '.join(loaded['stores']) or 'none'}."
            )
        for own, target in row["person"].items():
            if target.partition(".")[0] not in ids:
                refusals.add((*path, "person", own), f"there is no collection '{target.partition('.')[0]}'.")
    return tuple(_collection(row, ("collections", index), refusals) for index, row in enumerate(rows))


def _collection(row: Mapping[str, Any], path: KeyPath, refusals: Refusals) -> CollectionSettings:
    store, _, at = row["at"].partition(":")
    events = {
        name: event
        for name, value in row["events"].items()
        if (event := _time(value, (*path, "events", name), refusals)) is not None
    }
    return CollectionSettings(
        id=row["id"],
        store=store,
        at=at,
        category=row["category"],
        time=_time(row["time"], (*path, "time"), refusals) if row["time"] is not None else None,
        events=events,
        identifies=row["identifies"],
        person=tuple(
            Reference(field=own, to=target.partition(".")[0], to_field=target.partition(".")[2])
            for own, target in row["person"].items()
        ),
        fields={name: FieldSettings(**value) for name, value in row["fields_"].items()},
        contact=read_contact(row.get("contact"), row, events, (*path, "contact"), refusals),
    )


def _time(value: Any, path: KeyPath, refusals: Refusals) -> TimeField | None:
    if isinstance(value, str):
        return TimeField(name=value)
    if not isinstance(value, dict) or not isinstance(value.get("field"), str) or set(value) - {"field", "as", "zone"}:
        refusals.add(
            path,
            f"found {value!r}. Write a field, or {{field: ts, as: epoch_ms}}, or {{field: ts, zone: Europe/Berlin}}.",
        )
        return None
    if value.get("as") not in (None, *TIME_FORMS):
        refusals.add(path, f"as: found {value['as']!r}. Allowed: {', '.join(TIME_FORMS)}.")
    if value.get("zone") is not None and value["zone"] not in available_timezones():
        refusals.add(path, f"zone: found {value['zone']!r}. Write one of the tz database, such as Europe/Berlin.")
    return TimeField(name=value["field"], form=value.get("as"), zone=value.get("zone"))


def _sweep(name: str, options: Mapping[str, Any], refusals: Refusals) -> SweepSettings:
    path: KeyPath = ("sweeps", name)
    window = None
    if options["window"] is not None:
        window = _window(options["window"], (*path, "window"), refusals)
    share = re.fullmatch(r"(\d{1,3})\s*%", options["breaker"])
    if not share or not 1 <= int(share[1]) <= 100:
        refusals.add((*path, "breaker"), f"found {options['breaker']!r}. Write a share such as 20%.")
    budget = parse_span(options["budget"], (*path, "budget"), refusals) if options["budget"] is not None else None
    return SweepSettings(
        every=parse_span(options["every"], (*path, "every"), refusals) or timedelta(days=1),
        window=window,
        profile=options["profile"],
        breaker=int(share[1]) / 100 if share else 0.2,
        rate=options["rate"],
        budget=budget,
        reclaim=options["reclaim"],
    )


def _window(text: str, path: KeyPath, refusals: Refusals) -> tuple[time, time] | None:
    match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", text)
    if not match or (match[1], match[2]) == (match[3], match[4]):
        refusals.add(path, f"found {text!r}. Write two times of day, such as 01:00-05:00.")
        return None
    return time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))
