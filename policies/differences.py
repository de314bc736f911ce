"""What differs between two documents, clause by clause, and whether that looks material to the people it is promised to."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum

from policies.clauses import Clause
from policies.documents import Document


class Change(StrEnum):
    """What happened to a clause."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, kw_only=True)
class ClauseChange:
    """One clause that differs; `keys` are the dataclass fields that changed."""

    clause_id: str
    change: Change
    keys: tuple[str, ...] = ()


# What can change in a clause without changing anything for the people it is promised to.
_QUIET = frozenset({"line", "silent", "promises", "owner"})


def clause_changes(old: Document, new: Document) -> tuple[ClauseChange, ...]:
    """Every clause that was added, removed or changed, in the order of the new document, removed ones last."""
    before = {clause.id: clause for clause in old.clauses}
    changes = []
    for clause in new.clauses:
        was = before.pop(clause.id, None)
        if was is None:
            changes.append(ClauseChange(clause_id=clause.id, change=Change.ADDED))
        elif keys := _changed_keys(was, clause):
            changes.append(ClauseChange(clause_id=clause.id, change=Change.CHANGED, keys=keys))
    return (*changes, *(ClauseChange(clause_id=name, change=Change.REMOVED) for name in before))


def looks_material(old: Document, new: Document) -> bool:
    """Whether anything but prose differs. Coarse on purpose: what is not known to be harmless counts."""
    return bool(clause_changes(old, new)) or (old.controller, old.regimes) != (new.controller, new.regimes)


def _changed_keys(old: Clause, new: Clause) -> tuple[str, ...]:
    if type(old) is not type(new):
        return ("kind",)
    names = (one.name for one in fields(new) if one.name not in _QUIET)
    return tuple(name for name in names if getattr(old, name) != getattr(new, name))
