"""The clauses of a policy as values: one frozen dataclass for each kind of promise."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Final

from policies.periods import Period


class Action(StrEnum):
    """What happens to a record when its time is up."""

    DELETE = "delete"
    ANONYMISE = "anonymise"
    REDACT = "redact"
    AGGREGATE = "aggregate"
    REVOKE = "revoke"


class Right(StrEnum):
    """What a person can ask for."""

    ACCESS = "access"
    PORTABILITY = "portability"
    CORRECTION = "correction"
    DELETION = "deletion"
    RESTRICTION = "restriction"
    OBJECTION = "objection"
    OPT_OUT = "opt_out"
    LIMIT_SENSITIVE = "limit_sensitive"
    WITHDRAW_CONSENT = "withdraw_consent"
    COMPLAINT = "complaint"
    APPEAL = "appeal"


class Basis(StrEnum):
    """The ground in law for a purpose, or for keeping a record longer than its clause."""

    CONSENT = "consent"
    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal_obligation"
    VITAL_INTERESTS = "vital_interests"
    PUBLIC_INTEREST = "public_interest"
    LEGITIMATE_INTERESTS = "legitimate_interests"
    LEGAL_CLAIMS = "legal_claims"
    EXPRESSION = "expression"
    PUBLIC_HEALTH = "public_health"
    RESEARCH = "research"


class Role(StrEnum):
    """What a recipient is to the controller."""

    PROCESSOR = "processor"
    JOINT_CONTROLLER = "joint_controller"
    CONTROLLER = "controller"
    AUTHORITY = "authority"


class TransferSafeguard(StrEnum):
    """Under what a transfer abroad stands."""

    SCC = "scc"
    ADEQUACY = "adequacy"
    BCR = "bcr"
    DPF = "dpf"
    IDTA = "idta"
    DEROGATION = "derogation"


class Answer(StrEnum):
    """When a right is answered, where the clause names no period of its own."""

    BY_LAW = "by_law"
    AT_ONCE = "at_once"


class NoticeChannel(StrEnum):
    """How people hear of a change."""

    EMAIL = "email"
    BANNER = "banner"
    POST = "post"


DEFAULT_WITHIN: Final = Period(days=1)


@dataclass(frozen=True, kw_only=True)
class Clause:
    """What every clause has. `line` is where it stands in its document; `promises` names rows of a list kept elsewhere."""

    kind: ClassVar[str] = ""
    id: str
    line: int = field(default=1, compare=False)
    promises: tuple[str, ...] = ()
    owner: str | None = None
    silent: bool = False


@dataclass(frozen=True, kw_only=True)
class CollectsClause(Clause):
    """A category that is collected, and from whom."""

    kind: ClassVar[str] = "collects"
    category: str
    source: str
    fields: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PurposeClause(Clause):
    """What categories are used for, and on which ground; `interest` names the legitimate interest."""

    kind: ClassVar[str] = "purpose"
    of: tuple[str, ...]
    why: tuple[str, ...]
    basis: Basis
    interest: str | None = None


@dataclass(frozen=True, kw_only=True)
class RetentionException:
    """Categories that stay although their clause or a deletion says they go. `period` None: lint refuses it."""

    of: tuple[str, ...]
    basis: Basis
    period: Period | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class RetentionClause(Clause):
    """How long categories are kept: `period` from the record's own time or `after` an event, or `until` an event.

    `within` is how long the work may then take: over `period` a record is due, past `within` the promise is broken.
    A clause with neither period nor `until` can be read and is refused by lint. `into`, `by`, `k` belong to aggregate.
    """

    kind: ClassVar[str] = "retention"
    of: tuple[str, ...]
    then: Action
    period: Period | None = None
    after: str | None = None
    until: str | None = None
    within: Period = DEFAULT_WITHIN
    exceptions: tuple[RetentionException, ...] = ()
    reaches_back: str | None = None
    into: str | None = None
    by: tuple[str, ...] = ()
    k: int | None = None

    @property
    def event(self) -> str | None:
        """The event it is counted from, None where it is the record's own time."""
        return self.after or self.until


@dataclass(frozen=True, kw_only=True)
class NeverClause(Clause):
    """Categories that are never stored, save in the excepted ones, or under a consent (`unless_consent`)."""

    kind: ClassVar[str] = "never"
    of: tuple[str, ...]
    unless_consent: str | None = None
    exceptions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PledgeClause(Clause):
    """What a named owner vouches for, looked at again every `review`."""

    kind: ClassVar[str] = "pledge"
    says: str
    review: Period


@dataclass(frozen=True, kw_only=True)
class RightClause(Clause):
    """A right and its clock. `within` None: lint refuses it, except for a complaint `to` the authority.

    `of` narrows an opt-out (sale, sharing, marketing); `regimes` names the laws under which it is given, all if empty;
    `firm`: the period of its own is neither paused nor extended.
    """

    kind: ClassVar[str] = "right"
    right: Right
    within: Period | Answer | None = None
    to: str | None = None
    self_service: bool = False
    firm: bool = False
    of: tuple[str, ...] = ()
    regimes: tuple[str, ...] = ()
    exceptions: tuple[RetentionException, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RecipientClause(Clause):
    """Who gets which categories, where, and under which safeguard; `tell` is where deletions are reported.

    `terms`: the agreement it is bound by; `when`: the condition under which it gets anything at all, both in words.
    """

    kind: ClassVar[str] = "recipient"
    name: str
    role: Role
    why: tuple[str, ...]
    of: tuple[str, ...]
    region: str | None = None
    safeguard: TransferSafeguard | None = None
    tell: str | None = None
    terms: str | None = None
    when: str | None = None


@dataclass(frozen=True, kw_only=True)
class CookieClause(Clause):
    """A cookie that is set, or (`none`) a sort of cookie that is not. `lasts` None means the session, or does not apply."""

    kind: ClassVar[str] = "cookie"
    party: str
    why: tuple[str, ...]
    name: str | None = None
    none: bool = False
    where: tuple[str, ...] = ()
    storage: tuple[str, ...] = ()
    lasts: Period | None = None


@dataclass(frozen=True, kw_only=True)
class Channels:
    """Ways to tell people: all of them, or one of them where `any_of`."""

    ways: tuple[NoticeChannel, ...]
    any_of: bool = False


@dataclass(frozen=True, kw_only=True)
class NoticeClause(Clause):
    """How people hear of material and minor changes, and how long before they take effect."""

    kind: ClassVar[str] = "notice"
    material: Channels
    minor: Channels | None = None
    ahead: Period | None = None


@dataclass(frozen=True, kw_only=True)
class AcceptanceClause(Clause):
    """How a version is accepted. Use of the service never counts as consent."""

    kind: ClassVar[str] = "acceptance"
    by: str


@dataclass(frozen=True, kw_only=True)
class ProcessorClause(Clause):
    """Where requests go that concern data held for a customer, and how soon."""

    kind: ClassVar[str] = "processor"
    forward_to: str
    within: Period


@dataclass(frozen=True, kw_only=True)
class SafeguardClause(Clause):
    """A measure of security that a named owner vouches for."""

    kind: ClassVar[str] = "safeguard"
    says: str
    review: Period


@dataclass(frozen=True, kw_only=True)
class ChannelClause(Clause):
    """Where people can write or call."""

    kind: ClassVar[str] = "channel"
    email: str | None = None
    phone: str | None = None
    post: str | None = None
    url: str | None = None


@dataclass(frozen=True, kw_only=True)
class AgeLimitClause(Clause):
    """The least age in years; `alternative` "majority": that age or majority where the person lives, if later."""

    kind: ClassVar[str] = "age_limit"
    minimum: int
    alternative: str | None = None


CLAUSE_TYPES: Final[tuple[type[Clause], ...]] = (
    CollectsClause,
    PurposeClause,
    RetentionClause,
    NeverClause,
    PledgeClause,
    RightClause,
    RecipientClause,
    CookieClause,
    NoticeClause,
    AcceptanceClause,
    ProcessorClause,
    SafeguardClause,
    ChannelClause,
    AgeLimitClause,
)
KINDS: Final[dict[str, type[Clause]]] = {each.kind: each for each in CLAUSE_TYPES}
