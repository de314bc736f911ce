"""The regimes: which law sets which clock for which right, since when, and whether the row was read in a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

from core.errors import NotFound
from core.lined_yaml import load_lined
from policies.clauses import Right
from policies.periods import Period

_FILE: Final = Path(__file__).with_name("regimes.yaml")


class Question(StrEnum):
    """What a person is asked about: who they are, or what they mean."""

    IDENTITY = "identity"
    CLARIFICATION = "clarification"


@dataclass(frozen=True, kw_only=True)
class FeeRule:
    """Under which rule a fee may be asked for an unfounded or excessive request; what it does to a clock says its row."""

    cite: str
    verified: bool


@dataclass(frozen=True, kw_only=True)
class Extension:
    """How far an answer may be put off: `to` counted from the start, `by` on top of the clock, `is_open`: no fixed limit."""

    to: Period | None
    by: Period | None
    is_open: bool
    verified: bool


@dataclass(frozen=True, kw_only=True)
class Acknowledgement:
    """By when receipt must be confirmed: a period, or a number of business days."""

    period: Period | None
    business: int | None
    verified: bool


@dataclass(frozen=True, kw_only=True)
class RegimeRow:
    """One clock. `rights` empty: every right that no other row names. One of `clock`, `business`, `at_once` is set.

    `begins_at_identity`: at the latest of receipt, identity shown and fee paid. `pauses`: what may be asked while the clock
    stands. `pause_within`: how soon after its start a question has to be asked to stop it; no law has a number for that."""

    rights: tuple[Right, ...]
    since: date
    cite: str
    verified: bool
    clock: Period | None
    business: int | None
    at_once: bool
    begins_at_identity: bool
    rolls: bool
    pauses: frozenset[Question]
    pause_within: Period | None
    pause_verified: bool
    extension: Extension | None
    acknowledge: Acknowledgement | None


@dataclass(frozen=True, kw_only=True)
class Regime:
    """One law. `places` are ISO 3166 codes (`DE`, `US-CA`); `home` is whose business days count, where the law says."""

    id: str
    name: str
    places: tuple[str, ...]
    home: tuple[str, str] | None
    appeal: str | None
    keep_record: Period | None
    keep_data: str | None
    fee: FeeRule | None
    rows: tuple[RegimeRow, ...]

    def row(self, right: Right, day: date) -> RegimeRow:
        """The clock of a right on a day: of the rows for it, the latest that holds by then, else the first to come."""
        fitting = [row for row in self.rows if right in row.rights] or [row for row in self.rows if not row.rights]
        in_force = [row for row in fitting if row.since <= day]
        return max(in_force, key=lambda row: row.since) if in_force else min(fitting, key=lambda row: row.since)


@cache
def all_regimes() -> Mapping[str, Regime]:
    """Every regime of the data file, by id."""
    document = load_lined(_FILE.read_text(encoding="utf-8"), source=_FILE.name)
    return {name: _regime(name, data) for name, data in document.data.items()}


def regime(name: str) -> Regime:
    """One regime by its id. Raises NotFound, naming those there are."""
    found = all_regimes().get(name)
    if found is None:
        raise NotFound(f"There is no regime '{name}'.", remedy=f"Use one of: {', '.join(all_regimes())}.")
    return found


def regime_of_place(country: str | None, subdivision: str | None, offered: Sequence[str]) -> str | None:
    """The regime of where a person lives, if the policy lists it; None where it is unknown or not listed."""
    if not country:
        return None
    for place in (f"{country}-{subdivision}".upper() if subdivision else "", country.upper()):
        for name in offered:
            if place and place in regime(name).places:
                return name
    return None


def _regime(name: str, data: Mapping[str, Any]) -> Regime:
    home, fee = data.get("home"), data.get("fee")
    return Regime(
        id=name,
        name=data["name"],
        places=tuple(data["places"]),
        home=(home[:2], home[3:]) if home else None,
        appeal=data.get("appeal"),
        keep_record=_period(data.get("keep_record")),
        keep_data=data.get("keep_data"),
        fee=FeeRule(**fee) if fee else None,
        rows=tuple(_row(row) for row in data["rows"]),
    )


def _row(data: Mapping[str, Any]) -> RegimeRow:
    extension, acknowledge = data.get("extension"), data.get("acknowledge")
    return RegimeRow(
        rights=tuple(Right(right) for right in data.get("rights", ())),
        since=data["since"],
        cite=data["cite"],
        verified=data["verified"],
        clock=_period(data.get("clock")),
        business=data.get("business"),
        at_once=data.get("at_once", False),
        begins_at_identity=data.get("begins") == "identity",
        rolls=data.get("roll", False),
        pauses=frozenset(Question(about) for about in data.get("pause", ())),
        pause_within=_period(data.get("pause_within")),
        pause_verified=data.get("pause_verified", True),
        extension=_extension(extension) if extension else None,
        acknowledge=_acknowledgement(acknowledge) if acknowledge else None,
    )


def _extension(data: Mapping[str, Any]) -> Extension:
    return Extension(
        to=_period(data.get("to")),
        by=_period(data.get("by")),
        is_open=data.get("open", False),
        verified=data["verified"],
    )


def _acknowledgement(data: Mapping[str, Any]) -> Acknowledgement:
    return Acknowledgement(period=_period(data.get("period")), business=data.get("business"), verified=data["verified"])


def _period(text: str | None) -> Period | None:
    return Period.parse(text) if text else None
