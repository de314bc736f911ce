"""`kept.yaml` as values: read whole, refused whole, each refusal with its line, what was found and what is allowed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from pathlib import Path
from typing import Any

from core.settings_cookies import CookieSettings
from core.settings_handoff import HandoffSettings
from core.settings_inbox import InboxSettings
from core.settings_ledger import LedgerSettings
from core.settings_mail import MailSettings as MailSettings
from core.settings_owners import OwnerSettings
from core.settings_webhooks import WebhookSettings


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """`secret_key` is the installation's secret; every other key is derived from it. `trusted_proxy`: the IP address of the
    reverse proxy that is believed when it says where a visitor comes from; None: nothing is."""

    base_url: str
    database: str = field(repr=False)  # may hold a password
    secret_key: bytes = field(repr=False)
    executor: str = "local"
    languages: tuple[str, ...] = ("en",)
    trusted_proxy: str | None = None


@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """One store: its kind and what its kind needs. Paths in `options` are resolved; secrets are read."""

    name: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    receipts: bool = True


@dataclass(frozen=True, kw_only=True)
class TimeField:
    """A field that holds a time. `form` None: found from the schema and a sample. `zone`: for naive times."""

    name: str
    form: str | None = None
    zone: str | None = None


@dataclass(frozen=True, kw_only=True)
class Reference:
    """`field` of this collection holds the value of `to_field` of the collection `to`."""

    field: str
    to: str
    to_field: str


@dataclass(frozen=True, kw_only=True)
class FieldSettings:
    """What the policy calls a field, and its Fideslang key. `proof`: what a person can be asked for to show who they are."""

    category: str | None = None
    fideslang: str | None = None
    proof: str | None = None


@dataclass(frozen=True, kw_only=True)
class ContactSettings:
    """The `field` that people are reached by, the time it was last `changed`, and the field with the contact `before`."""

    field: str
    changed: TimeField
    before: str | None = None


@dataclass(frozen=True, kw_only=True)
class CollectionSettings:
    """One collection of a store, as the data map describes it. `identifies`: kind of identifier → field."""

    id: str
    store: str
    at: str
    category: str
    time: TimeField | None = None
    events: Mapping[str, TimeField] = field(default_factory=dict)
    identifies: Mapping[str, str] = field(default_factory=dict)
    person: tuple[Reference, ...] = ()
    fields: Mapping[str, FieldSettings] = field(default_factory=dict)
    contact: ContactSettings | None = None


@dataclass(frozen=True, kw_only=True)
class SweepSettings:
    """How the scheduler runs a clause. `window` in the controller's zone; `breaker` a share of a collection, 0 to 1;
    `rate`: rows a second at most; `budget`: how long a run may take before what is left waits for the next one;
    `reclaim`: let the stores give back space after a run."""

    every: timedelta = timedelta(days=1)
    window: tuple[time, time] | None = None
    profile: str = "normal"
    breaker: float = 0.2
    rate: int | None = None
    budget: timedelta | None = None
    reclaim: bool = False


@dataclass(frozen=True, kw_only=True)
class AlertSettings:
    """Where alarms go."""

    mail: tuple[str, ...] = ()
    webhook: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class TellSettings:
    """How recipients are told of a deletion, a correction or a restriction. `knows`: by recipient clause, the kinds of
    identifier that it knows people by; of one that is not named, the opaque id. `due`: how long it has to answer; `remind`:
    how long after each mail the next one comes."""

    knows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    due: timedelta = timedelta(days=14)
    remind: timedelta = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class RequestSettings:
    """`remind`: how many days before a request is due operators get a mail, the longest first; empty: none. `fallback`:
    who gets one once the last of these has passed. `cool_off`: how long data wait after a person's contact was changed.
    `tell`: how recipients are told. `lift_notice`: how long before a restriction ends the person is told.
    `self_service_most`: a request about more records than this waits for an operator, whatever its clause says."""

    remind: tuple[timedelta, ...] = (timedelta(days=7), timedelta(days=2), timedelta(0))
    fallback: tuple[str, ...] = ()
    cool_off: timedelta = timedelta(days=7)
    tell: TellSettings = field(default_factory=TellSettings)
    lift_notice: timedelta = timedelta(days=7)
    self_service_most: int = 10_000


@dataclass(frozen=True, kw_only=True)
class ErasureSettings:
    """`again`: what the nightly look finds of erased people goes again by itself; else a person says so. `breaker`: the share
    of a collection, 0 to 1, that goes again without a person."""

    again: bool = False
    breaker: float = 0.2


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All of `kept.yaml`. `root` is the directory that relative paths are relative to."""

    path: Path
    root: Path
    policy: Path
    service: ServiceSettings
    mail: MailSettings
    alerts: AlertSettings
    public_promises: bool
    stores: Mapping[str, StoreSettings]
    collections: tuple[CollectionSettings, ...]
    sweeps: Mapping[str, SweepSettings]
    requests: RequestSettings = field(default_factory=RequestSettings)
    public_requests: bool = False
    handoff: HandoffSettings | None = None
    owners: OwnerSettings = field(default_factory=OwnerSettings)
    inbox: InboxSettings = field(default_factory=InboxSettings)
    erasures: ErasureSettings = field(default_factory=ErasureSettings)
    webhooks: tuple[WebhookSettings, ...] = ()
    cookies: CookieSettings = field(default_factory=CookieSettings)
    ledger: LedgerSettings = field(default_factory=LedgerSettings)

    def sweep(self, clause: str) -> SweepSettings:
        """How a clause is run: its own entry, else `default`, else once a day."""
        return self.sweeps.get(clause) or self.sweeps.get("default") or SweepSettings()

    @property
    def var(self) -> Path:
        """Where the installation keeps its own files: outbox, packages, keys."""
        return self.root / "var"
