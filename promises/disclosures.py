"""Disclosures to authorities: written down with the day, the office, the law and how many people, struck out when wrong, listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.canonical import Json
from core.clock import Clock, day_in, iso_utc
from core.database import Database
from core.detectors import Kind, kinds_of
from core.errors import BadInput, Conflict, NotFound
from core.ids import new_id
from ledger.log import Ledger
from policies.clauses import CollectsClause, RecipientClause, RetentionClause, Role
from policies.documents import Document
from policies.versions import Policies, Version
from promises.disclosing import DisclosureLog, Logged
from promises.disclosure_tables import DisclosureRow

RECORDED, STRUCK = "disclosure.recorded", "disclosure.struck"
LONGEST_WORDS: Final = 2000
LONGEST_NAME: Final = 200
MOST_PEOPLE: Final = 1_000_000_000
_ELSEWHERE: Final = "UTC"  # where no policy in force says where the controller is


class DisclosureRefused(BadInput):
    """What was given for a disclosure cannot be written down. `field`: which of it is wrong."""

    def __init__(self, message: str, *, field: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.field = field


@dataclass(frozen=True, kw_only=True)
class NewDisclosure:
    """What an operator writes down. `clause` "": the one promise about authorities that the policy has. `basis`: the law, and
    the authority's reference; `given`: what, in words, and nobody's name."""

    day: date
    authority: str
    basis: str
    categories: tuple[str, ...]
    people: int
    given: str
    clause: str = ""


@dataclass(frozen=True, kw_only=True)
class Disclosure:
    """One disclosure. `at`, `by`: when and by whom it was written down; `entry`: its ledger entry; `struck_at`: since when it
    does not count any more."""

    id: str
    clause: str
    day: date
    authority: str
    basis: str
    categories: tuple[str, ...]
    people: int
    given: str
    at: datetime
    by: str
    entry: str
    struck_at: datetime | None
    struck_by: str | None

    def as_json(self) -> dict[str, Json]:
        """For machines."""
        return {
            "id": self.id,
            "clause": self.clause or None,
            "day": self.day.isoformat(),
            "authority": self.authority,
            "basis": self.basis,
            "categories": list(self.categories),
            "people": self.people,
            "given": self.given,
            "at": iso_utc(self.at),
            "entry": self.entry,
            "struck_at": iso_utc(self.struck_at) if self.struck_at else None,
        }


@dataclass(frozen=True, kw_only=True)
class DisclosureChoices:
    """What may be chosen from: the promises about authorities and the categories of the version in force; today, there."""

    clauses: tuple[str, ...]
    categories: tuple[str, ...]
    today: date


class Disclosures:
    """The log. Each method is a use case with its own transaction and, where it changes something, its ledger entry."""

    def __init__(self, database: Database, clock: Clock, ledger: Ledger, policies: Policies) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._policies = policies

    def choices(self) -> DisclosureChoices:
        """What the form of the console offers."""
        with self._database.read() as session:
            return _choices(self._policies.in_force(session), self._clock.now())

    def add(self, new: NewDisclosure, *, by: str) -> Disclosure:
        """Write one down. Raises DisclosureRefused."""
        now = self._clock.now()
        with self._database.begin() as session:
            choices = _choices(self._policies.in_force(session), now)
            clause = _clause_of(new, choices)
            _require_sound(new, choices)
            row_id = new_id("dsc")
            entry = self._ledger.record(
                session,
                kind=RECORDED,
                actor=by,
                refs=[f"disclosure:{row_id}", *([f"clause:{clause}"] if clause else [])],
                private={
                    "day": new.day.isoformat(), "authority": new.authority.strip(), "basis": new.basis.strip(),
                    "categories": sorted(set(new.categories)), "people": new.people, "given": new.given.strip(),
                },
            )  # fmt: skip
            row = DisclosureRow(
                id=row_id, clause=clause, day=new.day, authority=new.authority.strip(), basis=new.basis.strip(),
                categories=sorted(set(new.categories)), people=new.people, given=new.given.strip(), at=now, by=by, entry=entry,
            )  # fmt: skip
            session.add(row)
            session.flush()
            return _view(row)

    def strike(self, disclosure_id: str, *, by: str, why: str) -> Disclosure:
        """One that was wrong counts no more; it stays in the list. Raises NotFound, Conflict, DisclosureRefused."""
        if not why.strip() or len(why) > LONGEST_WORDS:
            raise DisclosureRefused(
                "Striking a disclosure out needs a reason.", field="why", remedy="Say what was wrong with it."
            )
        with self._database.begin() as session:
            row = session.get(DisclosureRow, disclosure_id, with_for_update=True)
            if row is None:
                raise NotFound(
                    f"There is no disclosure {disclosure_id}.", remedy="`kept disclosures list` names them all."
                )
            if row.struck_at is not None:
                raise Conflict("It was struck out already.", remedy="Nothing is left to do.")
            row.struck_at, row.struck_by = self._clock.now(), by
            refs = [f"disclosure:{row.id}", *([f"clause:{row.clause}"] if row.clause else [])]
            self._ledger.record(session, kind=STRUCK, actor=by, refs=refs, private={"why": why.strip()})
            return _view(row)

    def list(self) -> list[Disclosure]:
        """Every one, struck out ones too, the latest day first."""
        wanted = sa.select(DisclosureRow).order_by(DisclosureRow.day.desc(), DisclosureRow.at.desc())
        with self._database.read() as session:
            return [_view(row) for row in session.execute(wanted).scalars()]


def list_disclosures(session: Session, begins: datetime, ends: datetime) -> tuple[Disclosure, ...]:
    """What was disclosed from the day of `begins` to before that of `ends`, by the days of their own zones, the earliest first;
    without what was struck out."""
    wanted = (
        sa.select(DisclosureRow)
        .where(DisclosureRow.struck_at.is_(None))
        .where(DisclosureRow.day >= begins.date(), DisclosureRow.day < ends.date())
        .order_by(DisclosureRow.day, DisclosureRow.at)
    )
    return tuple(_view(row) for row in session.execute(wanted).scalars())


def read_log(session: Session, clause: str, *, since: date, now: datetime) -> DisclosureLog:
    """The log of one promise; what was disclosed while the policy had no such promise counts for each."""
    wanted = (
        sa.select(DisclosureRow)
        .where(DisclosureRow.struck_at.is_(None), DisclosureRow.clause.in_([clause, ""]))
        .order_by(DisclosureRow.day, DisclosureRow.at)
    )
    rows = session.execute(wanted).scalars()
    logged = [Logged(day=row.day, at=row.at, categories=tuple(row.categories), people=row.people) for row in rows]
    return DisclosureLog(checked_at=now, since=since, logged=logged)


def _choices(version: Version | None, now: datetime) -> DisclosureChoices:
    if version is None:
        return DisclosureChoices(clauses=(), categories=(), today=day_in(now, _ELSEWHERE))
    document = version.document
    return DisclosureChoices(
        clauses=tuple(one.id for one in document.of_kind(RecipientClause) if one.role is Role.AUTHORITY),
        categories=_categories(document),
        today=day_in(now, document.controller.timezone),
    )


def _categories(document: Document) -> tuple[str, ...]:
    found = [one.category for one in document.of_kind(CollectsClause)]
    found += [name for one in document.of_kind(RetentionClause) for name in one.of]
    found += [name for one in document.of_kind(RecipientClause) for name in one.of]
    return tuple(dict.fromkeys(found))


def _clause_of(new: NewDisclosure, choices: DisclosureChoices) -> str:
    if new.clause and new.clause not in choices.clauses:
        raise DisclosureRefused(
            f"The policy in force has no promise '{new.clause}' about authorities.",
            field="clause",
            remedy=f"There are: {', '.join(choices.clauses)}." if choices.clauses else "Leave it out.",
        )
    if not new.clause and len(choices.clauses) > 1:
        raise DisclosureRefused(
            "The policy has several promises about authorities.",
            field="clause",
            remedy=f"Name one: {', '.join(choices.clauses)}.",
        )
    return new.clause or next(iter(choices.clauses), "")


def _require_sound(new: NewDisclosure, choices: DisclosureChoices) -> None:
    if new.day > choices.today:
        raise DisclosureRefused(
            "That day is still to come.", field="day", remedy="Name the day on which the data were given."
        )
    _require_text(new.authority, LONGEST_NAME, "authority", "the office that got the data")
    _require_text(new.basis, LONGEST_WORDS, "basis", "the law and the authority's reference")
    _require_text(new.given, LONGEST_WORDS, "given", "what was given, in words")
    if not 1 <= new.people <= MOST_PEOPLE:
        raise DisclosureRefused("It needs the number of people.", field="people", remedy="At least one.")
    strange = [one for one in new.categories if choices.categories and one not in choices.categories]
    if strange or not new.categories:
        raise DisclosureRefused(
            f"'{strange[0]}' is no category of the policy in force." if strange else "It needs the categories of data.",
            field="categories",
            remedy=f"There are: {', '.join(choices.categories)}." if choices.categories else "Name at least one.",
        )


def _require_text(text: str, longest: int, field: str, what: str) -> None:
    if not text.strip() or len(text) > longest or "\x00" in text:
        raise DisclosureRefused(f"It needs {what}.", field=field, remedy=f"At most {longest} letters.")
    if _has_address(text.split()):
        raise DisclosureRefused(
            "An e-mail address stands there.", field=field, remedy="Nobody's name or address belongs into the log."
        )


def _has_address(words: Sequence[str]) -> bool:
    return any(Kind.EMAIL in kinds_of(word.strip("()<>[],;:.\"'")) for word in words)


def _view(row: DisclosureRow) -> Disclosure:
    return Disclosure(
        id=row.id, clause=row.clause, day=row.day, authority=row.authority, basis=row.basis,
        categories=tuple(row.categories), people=row.people, given=row.given, at=row.at, by=row.by, entry=row.entry,
        struck_at=row.struck_at, struck_by=row.struck_by,
    )  # fmt: skip
