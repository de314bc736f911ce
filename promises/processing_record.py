"""The record of processing activities (GDPR Art. 30(1)): the clauses of a version, by purpose, with where the data lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.settings import CollectionSettings
from policies.clause_words import describe_clause, many, said, say_region
from policies.clauses import (
    CollectsClause,
    PurposeClause,
    RecipientClause,
    RetentionClause,
    SafeguardClause,
)
from policies.documents import Document

LANGUAGE = "en"
NOT_SAID = "not said in the policy"


@dataclass(frozen=True, kw_only=True)
class Given:
    """A recipient of the categories of an activity: who, in which role, where, under which safeguard for a third country."""

    name: str
    role: str
    region: str
    safeguard: str


@dataclass(frozen=True, kw_only=True)
class Activity:
    """One purpose clause, with what the others say of its categories. Each is a sentence or a name; `lies_in`: `STORE:what`."""

    clause: str
    purposes: tuple[str, ...]
    basis: str
    categories: tuple[str, ...]
    subjects: tuple[str, ...]
    recipients: tuple[Given, ...]
    erased: tuple[str, ...]
    lies_in: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ProcessingRecord:
    """What Art. 30(1) wants recorded. `unused`: categories that are collected and no purpose clause names."""

    controller: str
    contact: str
    version: int
    activities: tuple[Activity, ...]
    safeguards: tuple[str, ...]
    unused: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For machines, by the names of the fields."""
        return asdict(self)


def record_of(document: Document, version: int, collections: Sequence[CollectionSettings] = ()) -> ProcessingRecord:
    """The record as a version says it. `collections`: those of the map, so that it says where each category lies."""
    purposes = document.of_kind(PurposeClause)
    used = {category for one in purposes for category in one.of}
    return ProcessingRecord(
        controller=document.controller.name,
        contact=document.controller.email,
        version=version,
        activities=tuple(_activity(one, document, collections) for one in purposes),
        safeguards=tuple(one.says for one in document.of_kind(SafeguardClause)),
        unused=tuple(
            dict.fromkeys(
                many(one.category, LANGUAGE) for one in document.of_kind(CollectsClause) if one.category not in used
            )
        ),
    )


def _activity(purpose: PurposeClause, document: Document, collections: Sequence[CollectionSettings]) -> Activity:
    of = set(purpose.of)
    basis = said(purpose.basis, LANGUAGE)
    return Activity(
        clause=purpose.id,
        purposes=purpose.why,
        basis=f"{basis}: {purpose.interest}" if purpose.interest else basis,
        categories=tuple(_category(category, document) for category in purpose.of),
        subjects=tuple(dict.fromkeys(one.source for one in document.of_kind(CollectsClause) if one.category in of))
        or (NOT_SAID,),
        recipients=tuple(_given(one) for one in document.of_kind(RecipientClause) if of & set(one.of)),
        erased=tuple(describe_clause(one, LANGUAGE) for one in document.of_kind(RetentionClause) if of & set(one.of))
        or (NOT_SAID,),
        lies_in=tuple(f"{one.store}:{one.at}" for one in collections if one.category in of),
    )


def _category(category: str, document: Document) -> str:
    fields = [name for one in document.of_kind(CollectsClause) if one.category == category for name in one.fields]
    return f"{many(category, LANGUAGE)} ({', '.join(fields)})" if fields else many(category, LANGUAGE)


def _given(clause: RecipientClause) -> Given:
    return Given(
        name=clause.name,
        role=said(clause.role, LANGUAGE),
        region=say_region(clause.region) if clause.region else NOT_SAID,
        safeguard=said(clause.safeguard, LANGUAGE) if clause.safeguard else "",
    )
