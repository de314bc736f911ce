"""What a published version is to whoever looks at it: its documents, its verdict, where it stands in its life."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from core.canonical import digest
from core.errors import BadInput
from policies.documents import Document, Problem
from policies.materiality import Verdict, Weight
from policies.notices import NoticeTerms

MAX_REASON: Final = 2000


class VersionState(StrEnum):
    """Where a version stands. OVERTAKEN: a later one came into force before it, so it never will."""

    PLANNED = "planned"
    IN_FORCE = "in_force"
    SUPERSEDED = "superseded"
    OVERTAKEN = "overtaken"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, kw_only=True)
class Overrule:
    """What a person puts in the place of the verdict when publishing: the weight, why, and who (an opaque actor)."""

    weight: Weight
    reason: str
    by: str

    def __post_init__(self) -> None:
        require_reason(self.reason, "overrule the verdict")


@dataclass(frozen=True, kw_only=True)
class Overruled:
    """A verdict that a person overruled: the weight that the difference had by itself, and what the person said."""

    weight: Weight
    reason: str
    by: str


@dataclass(frozen=True, kw_only=True)
class Version:
    """A published version. `documents`: the original first, then the translations.

    `previous` is the version in force when it was published, None for the first; with it come `weight` and `reasons`,
    the verdict on the difference (`overruled`: by whom it was changed, and from what), and `terms`, what people had been
    promised for such a change. `in_force_at`: when it came into force, `superseded_at`: when the next one did;
    while it has not, `planned_for` is when it is to take effect as things stand, and `told_at` since when everyone who
    must be told has been (when it was published, where there is nothing to tell; None while people are being told).
    """

    number: int
    policy: str
    documents: tuple[Document, ...]
    digest: str
    published_at: datetime
    state: VersionState
    in_force_at: datetime | None
    planned_for: datetime | None
    previous: int | None = None
    weight: Weight | None = None
    reasons: tuple[str, ...] = ()
    overruled: Overruled | None = None
    terms: NoticeTerms = field(default_factory=NoticeTerms)
    told_at: datetime | None = None
    superseded_at: datetime | None = None
    withdrawn_at: datetime | None = None
    withdrawn_because: str | None = None

    @property
    def document(self) -> Document:
        """The original."""
        return self.documents[0]

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages it is published in, that of the original first."""
        return tuple(document.language for document in self.documents)

    def in_language(self, code: str) -> Document:
        """The document in a language (`de`, `de-AT`), the original where there is none."""
        short = code.partition("-")[0].lower()
        return next((one for one in self.documents if one.language == short), self.document)


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What publishing would do now. `same_as`: the version these documents are already, so that nothing would change.

    `verdict` is the machine's, None for the first version; `weight` is what counts, a person's where one overrules.
    `planned_for`: the earliest it can take effect; `deadline`: by when people have to be told for that day to hold.
    """

    number: int
    digest: str
    planned_for: datetime
    previous: int | None = None
    verdict: Verdict | None = None
    weight: Weight | None = None
    terms: NoticeTerms = field(default_factory=NoticeTerms)
    deadline: datetime | None = None
    same_as: Version | None = None


class PublishRefused(BadInput):
    """Documents that lint refuses, or that are no translations of each other; `problems` has each reason."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


def digest_of(documents: Sequence[Document]) -> str:
    """The hash of a version: the document's own, or over those of every language."""
    if len(documents) == 1:
        return documents[0].digest
    return digest({"documents": {document.language: document.digest for document in documents}})


def require_reason(reason: str, deed: str) -> None:
    """Refuse an empty reason, and one that is a document of its own."""
    if not reason.strip():
        raise BadInput(f"To {deed} takes a reason.", remedy="Say why in a sentence: it stands in the ledger.")
    if len(reason) > MAX_REASON:
        raise BadInput(f"The reason has {len(reason)} characters.", remedy=f"At most {MAX_REASON} are kept.")
