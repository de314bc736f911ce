"""What can be found in a policy text, as values: each finding with the sentence it stands in and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class FactKind(StrEnum):
    """What a finding is; `value` of each is named here, and `subject` where it is more than a category."""

    PERIOD = "period"  # an ISO 8601 period
    INDEFINITE = "indefinite"  # "indefinitely"; subject: a category
    EVENT = "event"  # kept until an event: account_closed; subject: a category
    VAGUE_PERIOD = "vague_period"  # the vague words, such as "a limited period"; subject: a category
    EXCEPTION = "exception"  # the words under which a deletion does not happen
    ADDRESS = "address"  # an e-mail address; "unreadable" where the page hides it
    POST = "post"  # a postal address in one line
    WEB = "web"  # a path or web address where people can do something; subject: what it is for
    RECIPIENT = "recipient"  # a name; subject: what for
    RECIPIENTS = "recipients"  # a class of recipients without names, such as "service providers"; subject: what for
    DISCLOSURE = "disclosure"  # the words under which data are passed on, such as "only when required by law"
    RIGHT = "right"  # a Right's value; subject: what it is narrowed to, such as "marketing"
    COOKIE = "cookie"  # a name or sort of cookie; subject: what for
    NO_COOKIE = "no_cookie"  # third or first; subject: what for
    DAY = "day"  # an ISO date; subject: "updated" or "effective"
    NOTICE = "notice"  # channels such as "email", "any email banner", "post"
    ACCEPTANCE = "acceptance"  # "use"
    AGE = "age"  # years; subject: "majority" where that counts too
    PLEDGE = "pledge"  # what is vouched for, in words
    SAFEGUARD = "safeguard"  # the measure, in words
    NEVER = "never"  # a category that is never stored; subject: "opt_in", "by_default" or "request_log" where that is its limit
    CATEGORY = "category"  # a category that is collected; subject: its fields, comma between them
    PURPOSE = "purpose"  # a purpose in a few words
    REGIME = "regime"  # gdpr, uk_gdpr, ccpa …
    PROCESSOR = "processor"  # "dpa": data held for customers fall under their agreement
    TRANSFER = "transfer"  # "abroad"; subject: the safeguard, if named


class PeriodRole(StrEnum):
    """What a period is for."""

    RETENTION = "retention"
    AFTER_CLOSING = "after_closing"
    ANSWER = "answer"
    AHEAD = "ahead"
    AGE = "age"
    LASTS = "lasts"
    OTHER = "other"


CERTAIN: Final = 0.95
CLEAR: Final = 0.8
LIKELY: Final = 0.6
GUESS: Final = 0.4
LEAST_DRAFTED: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One finding. `found`: its words as they stand in `sentence`; `block`: its place among the text's blocks, from 0.

    `confidence`: 0.95 the sentence says it in so many words, and what it is about; 0.8 it says it, and what it is about
    comes from its heading or its list; 0.6 it probably means it, so that a person should read it; 0.4 a guess, which is
    listed and never drafted.
    """

    kind: FactKind
    value: str
    subject: str
    sentence: str
    line: int
    confidence: float
    role: str = ""
    found: str = ""
    block: int = 0


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that was found, in the order of the text, each thing once for each sentence it stands in."""

    facts: tuple[Fact, ...]

    def of_kind(self, *kinds: FactKind) -> tuple[Fact, ...]:
        """Those of some kinds."""
        return tuple(each for each in self.facts if each.kind in kinds)
