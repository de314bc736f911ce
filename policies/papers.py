"""Versions on paper: one PDF/UA for each version and language, made when it is published and again when what it says of itself changes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.canonical import digest
from core.catalogue import catalogue
from core.clock import Clock, day_in
from core.database import Base, Database
from core.rendering import Renderer
from policies.documents import Document
from policies.prose import render, render_text
from policies.standing import say_standing
from policies.versions import Policies, Version

TEMPLATE: Final = "documents/policy.html"


class PaperRow(Base):
    """The paper of one version in one language. `says`: a digest of what went into it; `digest`: SHA-256 of the file."""

    __tablename__ = "policy_papers"
    number: Mapped[int] = mapped_column(sa.ForeignKey("policy_versions.number"), primary_key=True, autoincrement=False)
    language: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    says: Mapped[str] = mapped_column(sa.String(64))
    digest: Mapped[str] = mapped_column(sa.String(64))
    made_at: Mapped[datetime]


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A PDF that is there. `digest` is the SHA-256 of its bytes."""

    number: int
    language: str
    path: Path
    digest: str
    made_at: datetime


class Papers:
    """Makes and finds papers. Making one takes a second: never while somebody waits for a page."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        policies: Policies,
        *,
        renderer: Renderer,
        render_pdf: Callable[[str], bytes],
        folder: Path,
        base_url: str,
    ) -> None:
        self._database = database
        self._clock = clock
        self._policies = policies
        self._renderer = renderer
        self._render_pdf = render_pdf
        self._folder = folder
        self._base_url = base_url.rstrip("/")

    def find(self, session: Session, number: int, language: str) -> Paper | None:
        """The paper of a version in a language; None while it is not made, or its file is gone."""
        row = session.get(PaperRow, (number, language))
        if row is None or not (path := self._path(row)).is_file():
            return None
        return Paper(number=number, language=language, path=path, digest=row.digest, made_at=row.made_at)

    def make_missing(self) -> list[Paper]:
        """Make every paper that is not there, or that no longer says where its version stands. Safe to call at any time."""
        with self._database.read() as session:
            versions = self._policies.versions(session)
            missing = list(self._missing(session, versions))
        return [self._make(version, document) for version, document in missing]

    def compose(self, version: Version, document: Document, *, bare: bool = False) -> str:
        """The HTML that a paper is made of; `bare`: without the style sheet, which only this machine has."""
        prose = render(document, in_force=_since(version, document), version=version.number)
        address = f"{self._base_url}/privacy/versions/{version.number}"
        return self._renderer.text(
            TEMPLATE,
            controller={"name": document.controller.name, "email": document.controller.email},
            title=document.title,
            language=document.language,
            version=version.number,
            standing=say_standing(version, document.language),
            body=prose.html,
            address=address,
            said_address=_without_scheme(address),
            policy_link=_without_scheme(f"{self._base_url}/privacy"),
            hash=version.digest,
            previous=version.previous,
            # The verdict speaks the language of the original.
            reasons=version.reasons if document is version.document else (),
            difference=f"{self._base_url}/privacy/diff/{version.previous}/{version.number}",
            bare=bare,
        )

    def read_or_make(self, version: Version, document: Document) -> bytes:
        """The PDF of a version in a language: the one that is kept where it still says what holds, else a new one."""
        with self._database.read() as session:
            missing = [one for _, one in self._missing(session, [version])]
            paper = self.find(session, version.number, document.language)
        if paper is None or document in missing:
            paper = self._make(version, document)
        return paper.path.read_bytes()

    def plain(self, version: Version, document: Document) -> str:
        """The version as text: where it stands, then its prose in Markdown with every value filled in."""
        words = catalogue(document.language)
        name = words.gettext("Version %(number)s") % {"number": version.number}
        prose = render_text(document, in_force=_since(version, document), version=version.number)
        return f"{document.title}\n{name}. {say_standing(version, document.language)}.\n\n{prose.strip()}\n"

    def _missing(self, session: Session, versions: Sequence[Version]) -> Iterator[tuple[Version, Document]]:
        for version in versions:
            for document in version.documents:
                row = session.get(PaperRow, (version.number, document.language))
                if row is None or row.says != _says(version, document) or not self._path(row).is_file():
                    yield version, document

    def _make(self, version: Version, document: Document) -> Paper:
        body = self._render_pdf(self.compose(version, document))
        row = PaperRow(
            number=version.number,
            language=document.language,
            says=_says(version, document),
            digest=hashlib.sha256(body).hexdigest(),
            made_at=self._clock.now(),
        )
        path = self._path(row)
        _write(path, body)
        paper = Paper(number=row.number, language=row.language, path=path, digest=row.digest, made_at=row.made_at)
        try:
            with self._database.begin() as session:
                session.merge(row)
        except IntegrityError:
            # Another process made the same paper at the same moment, and its row stands.
            path.unlink(missing_ok=True)
            return paper
        for other in self._folder.glob(f"{paper.number}.{paper.language}.*.pdf"):
            if other != path:
                other.unlink(missing_ok=True)
        return paper

    def _path(self, row: PaperRow) -> Path:
        # The digest is in the name: a row leads to the bytes it was written for, whoever else writes meanwhile.
        return self._folder / f"{row.number}.{row.language}.{row.digest[:16]}.pdf"


def _since(version: Version, document: Document) -> date | None:
    return day_in(version.in_force_at, document.controller.timezone) if version.in_force_at else None


def _says(version: Version, document: Document) -> str:
    return digest(
        {"text": document.digest, "version": version.digest, "standing": say_standing(version, document.language)}
    )


def _write(path: Path, body: bytes) -> None:
    """Readable by the owner alone; it has its name only once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(f".{os.getpid()}.part")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _without_scheme(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.netloc}{parts.path}"
