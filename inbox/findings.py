"""What triage says about a message: values only, each with the words that led to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from core.personal import Personal
from policies.clauses import Right


class Kind(StrEnum):
    """What a message is. What cannot be read is a request; `other` is only what is recognised as none."""

    REQUEST = "request"
    REMINDER = "reminder"  # of an earlier request, to which it belongs
    COMPLAINT = "complaint"  # for a person to read
    BOUNCE = "bounce"
    OTHER = "other"


class Flag(StrEnum):
    """What an operator looks at twice."""

    AGENT = "agent"  # somebody writes for somebody else
    LAWYER = "lawyer"
    MINOR = "minor"
    FOREIGN_LANGUAGE = "foreign_language"  # one with a small lexicon, or none at all
    MIXED = "mixed"  # two matters, or two languages, in one message
    UNREAD = "unread"  # nothing in it was recognised, or it was too long to be looked at whole


class Offer(StrEnum):
    """What an identifier offered in a message is."""

    EMAIL = "email"
    CUSTOMER_NUMBER = "customer_number"
    ACCOUNT_NUMBER = "account_number"
    ORDER_NUMBER = "order_number"
    USER_NAME = "user_name"
    PHONE = "phone"
    NAME = "name"


class Part(StrEnum):
    """Where in a message something stands."""

    SUBJECT = "subject"
    TEXT = "text"
    QUOTED = "quoted"
    HEADER = "header"


@dataclass(frozen=True, kw_only=True)
class Why:
    """Which words, at which place, speak for what; `against`: why they do not count after all, empty where they do.

    `start` and `end` are characters in that part of the message as it was parsed."""

    words: str
    part: Part
    start: int
    end: int
    speaks_for: str
    against: str = ""


@dataclass(frozen=True, kw_only=True)
class Identifier:
    """An identifier that the message offers: a claim, proven by nothing yet."""

    kind: Offer
    value: Personal
    part: Part


@dataclass(frozen=True, kw_only=True)
class Triage:
    """A proposal for the operator, never final. `regime`: the law it names; `deadline`: the day by which it wants an answer."""

    kind: Kind
    rights: tuple[Right, ...]
    regime: str | None
    language: str  # ISO 639-1; `und` where none was told
    identifiers: tuple[Identifier, ...]
    deadline: date | None
    flags: frozenset[Flag]
    why: tuple[Why, ...]
