"""What an answer says, each line from a clause or the data map: the sections of the letter for access and portability."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from core.words import long_day, plural
from dsr.words import RIGHT_WORDS
from plans.plan import Gap
from policies.clause_words import describe_clause, join, plain, said
from policies.clauses import (
    Clause,
    CollectsClause,
    PurposeClause,
    RecipientClause,
    RetentionClause,
    Right,
    RightClause,
)
from policies.documents import Document

COVERS_ALL: Final = "*"


LEFT_OUT_NOTE: Final = "To see all we hold, ask us for a copy of your data: that right has no such limits."


@dataclass(frozen=True, kw_only=True)
class HeldCollection:
    """What was read out of one collection. `withheld`: fields that are named and never sent back; `left_out`: fields that
    the right does not cover, with the reason."""

    collection: str
    rows: int
    categories: frozenset[str]
    withheld: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return plain(self.collection).capitalize()


@dataclass(frozen=True, kw_only=True)
class Authority:
    """Where to complain."""

    name: str
    address: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Letter:
    """The letter of answer as values; `sections` are what templates/documents/letter.html takes."""

    ref: str
    title: str
    controller: Mapping[str, str]
    written_on: date
    received_on: date
    summary: str
    opening: str
    sections: tuple[Mapping[str, Any], ...]
    authority: Authority | None

    def variables(self) -> dict[str, Any]:
        """What the template takes."""
        return {
            "controller": dict(self.controller),
            "ref": self.ref,
            "person_name": "",
            "date": long_day(self.written_on),
            "received": long_day(self.received_on),
            "title": self.title,
            "opening": self.opening,
            "summary": self.summary,
            "sections": [dict(section) for section in self.sections],
            "authority": vars(self.authority) if self.authority else None,
        }


def write_access_letter(
    *,
    ref: str,
    right: Right,
    document: Document,
    held: Sequence[HeldCollection],
    gaps: Sequence[Gap],
    left_out: Sequence[Mapping[str, str]] = (),
    received_on: date,
    written_on: date,
    authority: Authority | None,
) -> Letter:
    """The letter that goes with a copy (Art. 15): the data, purposes, categories, recipients, periods, rights, source.

    `left_out`: what the right does not cover (title, why), as portability (Art. 20) leaves some of it."""
    categories = frozenset[str]().union(*(one.categories for one in held if one.rows))
    rows = sum(one.rows for one in held)
    places = sum(1 for one in held if one.rows)
    sections = [
        _what_we_hold(held, right),
        _section("What it is used for", _cover(document.of_kind(PurposeClause), categories)),
        _section("How long it is kept", _cover(document.of_kind(RetentionClause), categories), _exceptions(document)),
        *_recipients(document, categories),
        _sources(document, categories),
        _rights(document),
        _left_out(held, left_out),
        _gaps(gaps),
    ]
    return Letter(
        ref=ref,
        title="A copy of your data",
        controller=_controller(document),
        written_on=written_on,
        received_on=received_on,
        opening=f"you asked us: {RIGHT_WORDS[right]}. Yes, we keep data about you, {_comes_with(right, rows)}.",
        summary=_summary(right, rows, places),
        sections=tuple(section for section in sections if section),
        authority=authority,
    )


def _controller(document: Document) -> dict[str, str]:
    controller = document.controller
    given = {"name": controller.name, "email": controller.email}
    return {**given, "address": controller.address} if controller.address else given


def _section(title: str, points: Sequence[str], note: str = "") -> dict[str, Any]:
    if not points:
        return {}
    return {"title": title, "points": list(points), **({"note": note} if note else {})}


def _comes_with(right: Right, rows: int) -> str:
    if right is not Right.PORTABILITY:
        return "and this letter comes with all of it"
    covered = "what you gave us yourself and we use with your consent or for a contract"
    return f"and this letter comes with {covered}" if rows else f"but none that is {covered}"


def _summary(right: Right, rows: int, places: int) -> str:
    found = f"{plural(rows, 'record', 'records')} in {plural(places, 'place', 'places')}."
    if right is Right.PORTABILITY and not rows:
        return f"{found} What is left out stands below, with the reason."
    return f"{found} The data is in the files beside this letter."


def _what_we_hold(held: Sequence[HeldCollection], right: Right) -> dict[str, Any]:
    if not held:
        return {}
    title = "What is in this copy" if right is Right.PORTABILITY else "What we hold"
    rows = [[one.title, join([plain(name) for name in sorted(one.categories)], "en"), one.rows] for one in held]
    withheld = [f"{field} in {one.title}" for one in held if one.rows for field in one.withheld]
    note = f"Held, and never sent back: {join(withheld, 'en')}." if withheld else ""
    table = {"head": ["Where", "What kind", "Records"], "rows": rows, "num": [2]}
    return {"title": title, "table": table, **({"note": note} if note else {})}


def _cover(clauses: Sequence[Clause], categories: frozenset[str]) -> list[str]:
    return [f"{describe_clause(one)}." for one in clauses if set(getattr(one, "of", ())) & (categories | {COVERS_ALL})]


def _exceptions(document: Document) -> str:
    words = []
    found = [one for clause in document.of_kind(RetentionClause) for one in clause.exceptions]
    found += [one for clause in document.of_kind(RightClause) for one in clause.exceptions]
    for one in found:
        until = f" for {one.period.words('en')}" if one.period else ""
        words.append(f"{said(one, 'en')} stay{until}: {said(one.basis, 'en')}")
    return f"Exceptions: {'; '.join(dict.fromkeys(words))}." if words else ""


def _recipients(document: Document, categories: frozenset[str]) -> list[dict[str, Any]]:
    home = document.controller.country
    near, abroad = list[str](), list[str]()
    for one in document.of_kind(RecipientClause):
        if set(one.of) & (categories | {COVERS_ALL}):
            words = f"{one.name}, {said(one.role, 'en')}: {join(one.why, 'en')}"
            if one.region and one.region != home:
                safeguard = f", under {said(one.safeguard, 'en')}" if one.safeguard else ""
                abroad.append(f"{words}, in {one.region}{safeguard}.")
            else:
                near.append(f"{words}.")
    return [_section("Who gets it", near), _section("Who gets it abroad, and under which safeguard", abroad)]


def _sources(document: Document, categories: frozenset[str]) -> dict[str, Any]:
    points = [
        f"{plain(one.category).capitalize()}: from {plain(one.source)}."
        for one in document.of_kind(CollectsClause)
        if one.category in categories and one.source != "person"
    ]
    return _section("Where it comes from, if not from you", points)


def _rights(document: Document) -> dict[str, Any]:
    points = [f"{describe_clause(one)}." for one in document.of_kind(RightClause)]
    return _section("Your rights", points)


def _left_out(held: Sequence[HeldCollection], left_out: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    points = [f"{one['title']}: {one['why']}." for one in left_out]
    points += [f"{name} in {one.title}: {why}." for one in held if one.rows for name, why in one.left_out.items()]
    return _section("What is left out, and why", points, LEFT_OUT_NOTE)


def _gaps(gaps: Sequence[Gap]) -> dict[str, Any]:
    points = [f"{gap.what}: {gap.why}" for gap in gaps]
    return _section("Where no program could look", points)
