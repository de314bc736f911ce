"""A version of the policy as JSON, clauses under the keys that documents use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from flask import url_for

from core.clock import iso_utc
from policies.clause_schemas import key_names
from policies.clauses import Clause
from policies.documents import Document
from policies.periods import Period
from policies.versions import Version


def summarise(version: Version, document: Document) -> dict[str, Any]:
    """Which version this is and where it stands."""

    def instant(name: str) -> str | None:
        at = getattr(version, name)
        return iso_utc(at) if at else None

    return {
        "policy": version.policy,
        "version": version.number,
        "state": version.state.value,
        "title": document.title,
        "language": document.language,
        "languages": list(version.languages),
        "published_at": instant("published_at"),
        "in_force_at": instant("in_force_at"),
        "planned_for": instant("planned_for"),
        "withdrawn_at": instant("withdrawn_at"),
        "digest": version.digest,
        "url": url_for("public.version", number=version.number, form="html", lang=None),
    }


def describe(version: Version, document: Document) -> dict[str, Any]:
    """The whole version: what it is, who answers for it, every clause."""
    return summarise(version, document) | {
        "regimes": list(document.regimes),
        "controller": _plain(document.controller),
        "clauses": [_clause(one) for one in document.clauses],
    }


def _clause(clause: Clause) -> dict[str, Any]:
    """A clause under the keys that documents use."""
    said = {key: _plain(getattr(clause, name)) for key, name in key_names(clause.kind).items()}
    return {"id": clause.id, "kind": clause.kind} | {
        key: value for key, value in said.items() if value not in (None, [], "")
    }


def _plain(value: Any) -> Any:
    """A value of a policy as JSON: what is not said is left out, periods as ISO 8601."""
    if isinstance(value, Period):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((one.name, getattr(value, one.name)) for one in fields(value) if one.name != "line")
        return {name: _plain(held) for name, held in pairs if held not in (None, (), "")}
    if isinstance(value, Mapping):
        return {str(name): _plain(held) for name, held in value.items()}
    if isinstance(value, tuple | list | frozenset | set):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
