"""Drafts of the policy: texts that somebody works on, one for each language, kept as rows until they are published or deleted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.clock import Clock
from core.database import Base, Database
from core.errors import BadInput, Conflict, KeptError, NotFound, TooMuch
from core.ids import new_id
from core.languages import LANGUAGES
from policies.documents import MAX_BYTES, Document, DocumentRefused, Problem
from policies.lint import Finding, lint, refusals
from policies.materiality import Weight
from policies.translations import family_of
from policies.version_values import digest_of

MOST_DRAFTS: Final = 50
READ_AT_MOST: Final = 32
ORIGINAL: Final = "original"
_ID: Final = re.compile(r"drf_[0-9a-f]{24}")


class DraftRow(Base):
    """One draft. `texts` is a list of {part, text}, the original first; `edition` grows with each change, so that
    nobody overwrites or publishes what they have not seen. `based_on`: the latest version when it was begun or brought
    up to it, None before the first."""

    __tablename__ = "policy_drafts"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    begun_at: Mapped[datetime]
    begun_by: Mapped[str] = mapped_column(sa.String(80))
    changed_at: Mapped[datetime]
    changed_by: Mapped[str] = mapped_column(sa.String(80))
    edition: Mapped[int]
    based_on: Mapped[int | None]
    came_from: Mapped[str] = mapped_column(sa.String(200))
    texts: Mapped[list[Any]]
    overruled_weight: Mapped[str | None] = mapped_column(sa.String(20))
    overruled_reason: Mapped[str] = mapped_column(sa.Text)
    overruled_by: Mapped[str] = mapped_column(sa.String(80))


@dataclass(frozen=True, kw_only=True)
class DraftFinding:
    """A finding of lint, and in which of the texts; `part` as in the draft."""

    part: str
    finding: Finding


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is made of the texts of a draft: the documents, the original first, or the problems that keep them from being
    read; and what lint finds."""

    documents: tuple[Document, ...] = ()
    problems: tuple[Problem, ...] = ()
    findings: tuple[DraftFinding, ...] = ()

    @property
    def digest(self) -> str:
        """The hash of the version they would be; empty while they cannot be read."""
        return digest_of(self.documents) if self.documents else ""

    @property
    def refused(self) -> int:
        """How many things keep it from being published."""
        return len(self.problems) + len(refusals([one.finding for one in self.findings]))


@dataclass(frozen=True, kw_only=True)
class Draft:
    """One draft as the other rooms see it. `texts`: the original under ORIGINAL, first, each translation under its
    language; `overruled_weight`: what a person says the change weighs, with their reason."""

    id: str
    begun_at: datetime
    begun_by: str
    changed_at: datetime
    changed_by: str
    edition: int
    based_on: int | None
    came_from: str
    texts: Mapping[str, str]
    overruled_weight: Weight | None
    overruled_reason: str
    overruled_by: str

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of its documents, the original first; as far as known while it cannot be read."""
        read = self.read().documents
        return tuple(one.language for one in read) or tuple(part for part in self.texts if part != ORIGINAL)

    def read(self) -> Reading:
        """Its documents, or what is wrong with them."""
        return read_texts(self.texts)


def read_texts(texts: Mapping[str, str]) -> Reading:
    """Read the texts of a policy, the original first, and lint each."""
    return _read(tuple(texts.items()))


@lru_cache(maxsize=READ_AT_MOST)
def _read(texts: tuple[tuple[str, str], ...]) -> Reading:
    # A list of drafts reads each of them; the same texts give the same reading.
    try:
        documents = family_of({name_part(part): text for part, text in texts})
    except DocumentRefused as refusal:
        return Reading(problems=refusal.problems)
    except KeptError as error:
        problem = Problem(source=name_part(ORIGINAL), line=1, clause=None, what=error.message, remedy=error.remedy)
        return Reading(problems=(problem,))
    found = [
        DraftFinding(part=part, finding=finding)
        for (part, _), document in zip(texts, documents, strict=True)
        for finding in lint(document)
    ]
    return Reading(documents=documents, findings=tuple(sorted(found, key=lambda one: one.finding.level)))


def name_part(part: str) -> str:
    """The name of one text of a draft, as its file would have: `policy.md`, `policy.de.md`."""
    return "policy.md" if part == ORIGINAL else f"policy.{part}.md"


class Drafts:
    """Keeps drafts. Each method that takes no session is a use case of its own."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(self, texts: Mapping[str, str], *, by: str, based_on: int | None, came_from: str) -> Draft:
        """Keep a new draft. Raises BadInput for texts that cannot be one, TooMuch when there are too many drafts."""
        check_texts(texts)
        now = self._clock.now()
        with self._database.begin() as session:
            if session.scalar(sa.select(sa.func.count()).select_from(DraftRow)) == MOST_DRAFTS:
                raise TooMuch(f"There are {MOST_DRAFTS} drafts already.", remedy="Delete one that nobody needs.")
            row = DraftRow(
                id=new_id("drf"), begun_at=now, begun_by=by, changed_at=now, changed_by=by, edition=1,
                based_on=based_on, came_from=came_from[:200], texts=_pack(texts),
                overruled_weight=None, overruled_reason="", overruled_by="",
            )  # fmt: skip
            session.add(row)
            return _view(row)

    def change(self, draft_id: str, *, edition: int, texts: Mapping[str, str], by: str, based_on: int | None) -> Draft:
        """Replace the texts of the edition that was looked at; what was overruled was of the old ones and goes.

        Raises Conflict if somebody else changed it meanwhile.
        """
        check_texts(texts)
        with self._database.begin() as session:
            row = self._at(session, draft_id, edition)
            if _pack(texts) != row.texts:
                row.texts, row.overruled_weight, row.overruled_reason, row.overruled_by = _pack(texts), None, "", ""
            row.based_on = based_on
            return self._touch(row, by)

    def overrule(self, draft_id: str, *, edition: int, weight: Weight | None, reason: str, by: str) -> Draft:
        """Say what the change weighs in spite of the verdict, and why; None goes back to the verdict."""
        if weight is not None and not reason.strip():
            raise BadInput("An overruled verdict needs a reason.", remedy="Say why, in a sentence.")
        with self._database.begin() as session:
            row = self._at(session, draft_id, edition)
            row.overruled_weight = weight.value if weight else None
            row.overruled_reason, row.overruled_by = (reason.strip(), by) if weight else ("", "")
            return self._touch(row, by)

    def delete(self, draft_id: str) -> None:
        """Throw a draft away; one that is gone already stays gone."""
        if _ID.fullmatch(draft_id):
            with self._database.begin() as session:
                session.execute(sa.delete(DraftRow).where(DraftRow.id == draft_id))

    def draft(self, session: Session, draft_id: str) -> Draft:
        """One draft. Raises NotFound."""
        return _view(_row(session, draft_id))

    def drafts(self, session: Session) -> list[Draft]:
        """All drafts, the one changed last first."""
        rows = session.scalars(sa.select(DraftRow).order_by(DraftRow.changed_at.desc(), DraftRow.id))
        return [_view(row) for row in rows]

    def _at(self, session: Session, draft_id: str, edition: int) -> DraftRow:
        row = _row(session, draft_id, lock=True)
        if row.edition != edition:
            raise Conflict(
                "The draft was changed by somebody else after this page was opened.",
                remedy="Look at what it says now, then do it again.",
            )
        return row

    def _touch(self, row: DraftRow, by: str) -> Draft:
        row.edition, row.changed_at, row.changed_by = row.edition + 1, self._clock.now(), by
        return _view(row)


def _row(session: Session, draft_id: str, *, lock: bool = False) -> DraftRow:
    row = session.get(DraftRow, draft_id, with_for_update=lock) if _ID.fullmatch(draft_id) else None
    if row is None:
        raise NotFound("There is no such draft any more.", remedy="It was published or deleted; see the versions.")
    return row


def check_texts(texts: Mapping[str, str]) -> None:
    """Refuse what is no text of a policy: none at all, one that is empty, too large, or in a language unknown here."""
    if ORIGINAL not in texts:
        raise BadInput("There is no text.", remedy="Paste one, or choose a file.")
    for part, text in texts.items():
        if part != ORIGINAL and part not in LANGUAGES:
            raise BadInput(f"The language '{part}' is not known.", remedy=f"Allowed: {', '.join(LANGUAGES)}.")
        if not text.strip():
            raise BadInput(f"{name_part(part)} is empty.", remedy="Paste a text, or choose a file.")
        if "\0" in text:
            raise BadInput(f"{name_part(part)} is no text.", remedy="Save it as UTF-8 text, and choose that.")
        if len(text.encode("utf-8", "replace")) > MAX_BYTES:
            raise BadInput(
                f"{name_part(part)} is larger than {MAX_BYTES // 1000} kB.", remedy="A policy is a few pages."
            )


def _pack(texts: Mapping[str, str]) -> list[Any]:
    return [{"part": part, "text": text} for part, text in texts.items()]


def _view(row: DraftRow) -> Draft:
    return Draft(
        id=row.id,
        begun_at=row.begun_at,
        begun_by=row.begun_by,
        changed_at=row.changed_at,
        changed_by=row.changed_by,
        edition=row.edition,
        based_on=row.based_on,
        came_from=row.came_from,
        texts={one["part"]: one["text"] for one in row.texts},
        overruled_weight=Weight(row.overruled_weight) if row.overruled_weight else None,
        overruled_reason=row.overruled_reason,
        overruled_by=row.overruled_by,
    )
