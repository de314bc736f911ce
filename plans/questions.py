"""What only a person can decide before a plan may be approved: whose an identifier is, what of shared records goes."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as field_of
from enum import StrEnum
from typing import Any, Final


class Matter(StrEnum):
    """IDENTIFIER: a value that many people share, or that matches more records than one person has. ACCOUNTS: several
    accounts have it. SHARED: records of a collection are about other people too. EMPTY: a collection that held records
    holds none. UNREACHED: a place could not be looked into; nothing to decide, it is looked at again."""

    IDENTIFIER = "identifier"
    ACCOUNTS = "accounts"
    SHARED = "shared"
    EMPTY = "empty"
    UNREACHED = "unreached"


class Choice(StrEnum):
    """TAKE: it is this person's. SKIP: leave the identifier out. KEEP, REDACT, DELETE: what happens to shared records;
    redacted, they stay, and what leads to the person goes from them. GIVE, LEAVE_OUT: whether they go into a copy.
    EMPTY: the collection is rightly empty."""

    TAKE = "take"
    SKIP = "skip"
    KEEP = "keep"
    REDACT = "redact"
    DELETE = "delete"
    GIVE = "give"
    LEAVE_OUT = "leave_out"
    EMPTY = "empty"


@dataclass(frozen=True, kw_only=True)
class Question:
    """One thing to decide. `subject`: a collection, or the kind of identifier; `value`: the identifier, personal data;
    `of`: what tells it from others of its kind, so that a decision is of exactly this; `rows`: how many records it is
    about, None where nobody counted. `options`: names of accounts to take single ones of. No choice: make the plan again."""

    matter: Matter
    subject: str
    why: str
    remedy: str = ""
    choices: tuple[Choice, ...] = ()
    rows: int | None = None
    value: str = field_of(default="", repr=False)
    options: tuple[str, ...] = field_of(default=(), repr=False)
    of: str = ""

    @property
    def id(self) -> str:
        return ":".join(part for part in (self.matter.value, self.subject, self.of) if part)


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What was decided. `picked`: of several accounts, those that are the person's; () for all."""

    choice: Choice
    picked: tuple[str, ...] = field_of(default=(), repr=False)


Rulings = Mapping[str, Ruling]  # by the question's id
NO_RULINGS: Final[Rulings] = {}


def fingerprint(values: Sequence[str]) -> str:
    """Tells one set of values from another without showing them."""
    return hashlib.sha256("\0".join(sorted(values)).encode()).hexdigest()[:16]


def question_json(question: Question) -> dict[str, Any]:
    """The question as JSON; an identifier may stand in it."""
    return {
        **vars(question),
        "matter": question.matter.value,
        "choices": [choice.value for choice in question.choices],
        "options": list(question.options),
    }


def read_question(data: Mapping[str, Any]) -> Question:
    """The question that `question_json` wrote."""
    return Question(
        **{
            **data,
            "matter": Matter(data["matter"]),
            "choices": tuple(map(Choice, data["choices"])),
            "options": tuple(data["options"]),
        }
    )
