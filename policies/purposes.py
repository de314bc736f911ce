"""The purposes of a version that rest on consent, and whether a consent given to an older version still covers one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from policies.clauses import Basis, NeverClause, PurposeClause
from policies.documents import Document


@dataclass(frozen=True, kw_only=True)
class ConsentPurpose:
    """One purpose. `clauses`: the ids that speak of it; `allows`: (category, what for) pairs that a consent to it permits."""

    name: str
    clauses: tuple[str, ...]
    allows: frozenset[tuple[str, str]]

    def covers(self, other: ConsentPurpose) -> bool:
        """Whether a consent to this one permits all that the other one needs."""
        return other.allows <= self.allows


def consent_purposes(document: Document) -> Mapping[str, ConsentPurpose]:
    """Every purpose of a document that needs consent, by name.

    A purpose clause with `basis: consent` is named by its id; a `never` clause names its consent itself. Where the two
    names are one, it is one purpose.
    """
    clauses: dict[str, list[str]] = {}
    allows: dict[str, set[tuple[str, str]]] = {}

    def add(name: str, clause_id: str, permitted: set[tuple[str, str]]) -> None:
        clauses.setdefault(name, []).append(clause_id)
        allows.setdefault(name, set()).update(permitted)

    for one in document.of_kind(PurposeClause):
        if one.basis is Basis.CONSENT:
            add(one.id, one.id, {(category, why) for category in one.of for why in one.why})
    for never in document.of_kind(NeverClause):
        if never.unless_consent:
            # Kept in the store at all: a permission of its own, whatever it is then used for.
            add(never.unless_consent, never.id, {(category, "stored") for category in never.of})
    return {
        name: ConsentPurpose(name=name, clauses=tuple(clauses[name]), allows=frozenset(allows[name]))
        for name in clauses
    }
