"""Recipes: what a vendor's API is asked, as checked values. Plain data; a recipe holds no program, key or personal data."""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as field_of
from enum import StrEnum
from typing import Any

from core.errors import KeptError


class Auth(StrEnum):
    """BEARER: `Authorization: Bearer KEY`. BASIC: the key as password of `user`, or as user where the recipe says so.
    HEADER: a header of the vendor's own."""

    BEARER = "bearer"
    BASIC = "basic"
    HEADER = "header"


class Paging(StrEnum):
    """NONE: one answer is all. CURSOR: a value in the answer is sent back. LAST: the key of the last item is sent back. LINK:
    the answer names the next address. NUMBER: pages are counted from `first`."""

    NONE = "none"
    CURSOR = "cursor"
    LAST = "last"
    LINK = "link"
    NUMBER = "number"


class Compare(StrEnum):
    """How a value asked for and the value of a record are the same."""

    EXACT = "exact"
    IGNORE_CASE = "ignore_case"


class Move(StrEnum):
    """What a job's state asks for. WAIT: ask again. DONE: it is done. DEAD: it will never be; a new one may be made. STOP: a
    person has to look at it there. SEND: one more request takes it on."""

    WAIT = "wait"
    DONE = "done"
    DEAD = "dead"
    STOP = "stop"
    SEND = "send"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request. `path`, `query`, `form` and `body` have places such as `{value}`; at most one of form and body."""

    method: str
    path: str
    query: Mapping[str, Any] = field_of(default_factory=dict)
    headers: Mapping[str, str] = field_of(default_factory=dict)
    form: Mapping[str, Any] | None = None
    body: Any = None

    @property
    def writes(self) -> bool:
        return self.method != "GET"


@dataclass(frozen=True, kw_only=True)
class Pages:
    """How the next page is asked for. `next`: the path of the cursor or address; `more`: the path of a yes or no; `send`: the
    name in the query. `most`: more pages than that are refused."""

    kind: Paging = Paging.NONE
    next: str | None = None
    more: str | None = None
    send: str | None = None
    first: int = 1
    most: int = 50


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A request that answers with a list at `items`."""

    request: Request
    items: str
    pages: Pages


@dataclass(frozen=True, kw_only=True)
class Absent:
    """What "not found" looks like: these statuses, and where `code` is given only with that code in the error."""

    statuses: tuple[int, ...] = (404,)
    code: str | None = None


@dataclass(frozen=True, kw_only=True)
class Gone:
    """What an erased record looks like, where it can still be read: a path that says so, or fields that all say nothing (null,
    empty, or one of `words`)."""

    flag: str | None = None
    blank: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class JobState:
    """What to do in a state: `send` for SEND; for STOP, where it was so before this run began. `say`: for people."""

    move: Move
    send: Request | None = None
    say: str = ""


@dataclass(frozen=True, kw_only=True)
class Job:
    """An erasure that the vendor carries out in its own time. `known`: the jobs there are, newest first; `covers`: the path of
    the keys in each; `why`: the path of codes that say why a job stopped. `every`, `within`: seconds."""

    submit: Request
    read: Request
    id: str
    state: str
    states: Mapping[str, JobState]
    known: Listing | None = None
    covers: str | None = None
    why: str | None = None
    every: float = 2.0
    within: float = 60.0


@dataclass(frozen=True, kw_only=True)
class Erase:
    """`request`: for one record at a time; or `job`, for at most `at_once` records."""

    request: Request | None = None
    job: Job | None = None
    at_once: int = 1


@dataclass(frozen=True, kw_only=True)
class Correct:
    """`fields`: what the request calls each field; its places are `{key}`, `{name}` and `{value}`."""

    request: Request
    fields: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ApiObject:
    """One kind of thing that the vendor keeps. `fields`: our name → path in what `read` answers."""

    name: str
    key: str
    fields: Mapping[str, str]
    find: Mapping[str, tuple[Listing, ...]]
    compare: Mapping[str, Compare]
    read: Request
    item: str
    absent: Absent
    gone: Gone
    erase: Erase | None = None
    correct: Correct | None = None

    @property
    def identifying(self) -> frozenset[str]:
        """The fields that records can be asked for by."""
        return frozenset(self.find) | {self.key}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """`idempotency`: the header that makes a repeated write one write. `per_second`: requests at most. `tries` and `patience`:
    how often and how many seconds in all a request is repeated. `error_code`: the path of a code in an error's body."""

    name: str
    base: str
    auth: Auth
    auth_header: str | None
    key_as_user: bool
    headers: Mapping[str, str]
    idempotency: str | None
    per_second: float
    tries: int
    patience: float
    error_code: str | None
    ping: Request
    objects: Mapping[str, ApiObject]


class OutOfDate(KeptError):
    """The vendor answers in a way that the recipe does not know."""
