"""Reports: evidence of a span of days as a PDF, with a ZIP that proves every number. Made by the scheduler or a command, never in a request."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import Database
from core.errors import KeptError, NotFound, WaitsForPerson
from core.ids import new_id
from core.outbox import Event, post
from core.rendering import Renderer
from core.settings import CollectionSettings
from dsr.figure_files import figures_csv
from dsr.request_figures import Period, read_figures
from ledger.checkpoints import Checkpoint
from ledger.log import Ledger
from policies.versions import Policies, Version
from promises.board import Board
from promises.processing_record import record_of
from promises.report_facts import Facts, Span, gather
from promises.report_pack import Pack, proof_files, tables_of
from promises.report_tables import ReportRow
from promises.report_words import cover_of

log = structlog.get_logger()
MAKE: Final = "report.make"
TEMPLATE: Final = "documents/report.html"
RECORD_TEMPLATE: Final = "documents/processing_record.html"
ASKED, MADE, FAILED = "asked", "made", "failed"
FORMS: Final = {"pdf": "application/pdf", "zip": "application/zip"}
# Of more, the export of the ledger itself is the proof; a folder of a million files helps nobody.
MOST_PROOFS: Final = 2_000
LARGEST_EXPORT: Final = 500_000


@dataclass(frozen=True, kw_only=True)
class ReportView:
    """A report as the console lists it. `pdf`, `pack`: hashes of its files, None until it is made."""

    id: str
    first: date
    last: date
    asked_at: datetime
    asked_by: str
    state: str
    trouble: str
    made_at: datetime | None
    pdf: str | None
    pack: str | None
    files: int


@dataclass(frozen=True, kw_only=True)
class MadeReport:
    """What was made. `pack` is a file of this process's own, to be moved to where it belongs."""

    facts: Facts
    pdf: bytes
    pack: Path
    pack_sha256: str
    files: int


class Reports:
    """Asks for, makes and finds reports. `verifier`: the program that goes along for auditors."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        ledger: Ledger,
        policies: Policies,
        board: Callable[[], Board],
        collections: Sequence[CollectionSettings],
        renderer: Renderer,
        render_pdf: Callable[[str], bytes],
        folder: Path,
        base_url: str,
        verifier: Path,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._policies = policies
        self._board = board
        self._collections = tuple(collections)
        self._renderer = renderer
        self._render_pdf = render_pdf
        self._folder = folder
        self._base_url = base_url
        self._verifier = verifier

    def ask(self, first: date, last: date, *, by: str) -> str:
        """Have a report made in the background; gives its id. Raises BadInput for a span that there is not."""
        with self._database.begin() as session:
            span = Span(first=first, last=last, zone=self._version(session).document.controller.timezone)
            row = ReportRow(
                id=new_id("rpt"), first=span.first, last=span.last, asked_at=self._clock.now(), asked_by=by, state=ASKED
            )
            session.add(row)
            self._ledger.record(
                session,
                kind="report.asked",
                actor=by,
                refs=[row.id],
                private={"first": first.isoformat(), "last": last.isoformat()},
            )
            post(session, MAKE, {"report": row.id}, now=row.asked_at)
            return row.id

    def handle(self, event: Event) -> None:
        """Make the report of an outbox event. What cannot be made says why in the list."""
        with self._database.read() as session:
            row = session.get(ReportRow, event.payload["report"])
            if row is None or row.state == MADE:
                return
            span = Span(first=row.first, last=row.last, zone=self._version(session).document.controller.timezone)
        try:
            made = self.make(span)
        except KeptError as error:
            with self._database.begin() as session:
                failed = session.get_one(ReportRow, event.payload["report"])
                failed.state, failed.trouble = FAILED, error.message
            raise
        self._keep(event.payload["report"], made)

    def _keep(self, report: str, made: MadeReport) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        made.pack.replace(self._folder / f"{report}.zip")
        draft = self._folder / f".{report}.part"
        draft.write_bytes(made.pdf)
        draft.chmod(0o600)
        draft.replace(self._folder / f"{report}.pdf")
        hashed = hashlib.sha256(made.pdf).hexdigest()
        with self._database.begin() as session:
            row = session.get_one(ReportRow, report)
            row.state, row.trouble, row.made_at, row.files = MADE, "", self._clock.now(), made.files
            row.pdf, row.pack = hashed, made.pack_sha256
            self._ledger.record(
                session,
                kind="report.made",
                actor="system",
                refs=[report],
                private={"pdf": hashed, "pack": made.pack_sha256},
            )

    def list_reports(self, *, limit: int = 100) -> list[ReportView]:
        """The latest first."""
        with self._database.read() as session:
            wanted = sa.select(ReportRow).order_by(ReportRow.asked_at.desc(), ReportRow.id).limit(limit)
            return [_view(row) for row in session.execute(wanted).scalars()]

    def file(self, report: str, form: str) -> Path:
        """A file of a made report. Raises NotFound."""
        with self._database.read() as session:
            row = session.get(ReportRow, report)
            path = self._folder / f"{row.id}.{form}" if row is not None and form in FORMS else None
            if path is None or row is None or row.state != MADE or not path.is_file():
                raise NotFound("There is no such file.", remedy="Ask for the report again.")
            return path

    def make(self, span: Span) -> MadeReport:
        """Count, prove, write: the PDF and its ZIP. Takes seconds; no transaction is open meanwhile."""
        self._ledger.settle()
        board, now = self._board(), self._clock.now()
        with self._database.read() as session:
            version = self._version(session)
            facts = gather(session, span, now=now)
            years = sorted({span.first.year, span.last.year})
            figures = {
                year: figures_csv(read_figures(session, Period(zone=span.zone, today=now.date(), year=year)))
                for year in years
            }
        checkpoint = self._ledger.latest()
        if checkpoint is None:
            raise WaitsForPerson("The ledger has no checkpoint yet.", remedy="Run any command that records.")
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=self._folder, suffix=".zip.part")
        os.close(handle)
        pack = Path(name)
        try:
            files = self._pack(pack, facts, version, board, checkpoint, figures)
            hashed = _hash_file(pack)
            pdf = self._render_pdf(self._compose(facts, version, board, checkpoint, files, hashed))
        except BaseException:
            pack.unlink(missing_ok=True)
            raise
        return MadeReport(facts=facts, pdf=pdf, pack=pack, pack_sha256=hashed, files=files)

    def record(self) -> tuple[bytes, dict[str, Any]]:
        """The record of processing activities of the version in force, on paper and as JSON."""
        with self._database.read() as session:
            version = self._version(session)
        record = record_of(version.document, version.number, self._collections)
        html = self._renderer.text(
            RECORD_TEMPLATE,
            controller={"name": record.controller, "email": record.contact},
            address=version.document.controller.address or "",
            dpo=version.document.controller.dpo or "",
            record=record,
            made=self._clock.now().astimezone(ZoneInfo(version.document.controller.timezone)),
            digest=version.digest,
        )
        return self._render_pdf(html), record.as_json()

    def _version(self, session: Session) -> Version:
        version = self._policies.in_force(session)
        if version is None:
            raise WaitsForPerson("No policy is in force.", remedy="Run `kept policy publish`.")
        return version

    def _pack(
        self,
        path: Path,
        facts: Facts,
        version: Version,
        board: Board,
        checkpoint: Checkpoint,
        figures: dict[int, str],
    ) -> int:
        proofs = self._ledger.proofs_at(facts.entries[:MOST_PROOFS])
        with Pack(path) as pack:
            pack.add("board.json", json.dumps(board.as_json(), indent=1, ensure_ascii=False))
            for name, text in tables_of(facts):
                pack.add(name, text)
            for year, text in figures.items():
                pack.add(f"figures-{year}.csv", text)
            record = record_of(version.document, version.number, self._collections)
            pack.add("processing-record.json", json.dumps(record.as_json(), indent=1, ensure_ascii=False))
            for document in version.documents:
                pack.add(f"policy/{version.number}.{document.language}.md", document.text)
            pack.add("checkpoint.txt", checkpoint.note)
            pack.add("key.txt", f"{self._ledger.key}\n")
            if checkpoint.size <= LARGEST_EXPORT:
                self._add_export(pack, path)
            for name, text in proof_files(proofs):
                pack.add(name, text)
            pack.add_file("verify.py", self._verifier)
            return pack.count

    def _add_export(self, pack: Pack, beside: Path) -> None:
        exported = beside.with_suffix(".jsonl")
        try:
            self._ledger.export(exported)
            pack.add_file("ledger.jsonl", exported)
        finally:
            exported.unlink(missing_ok=True)

    def _compose(
        self, facts: Facts, version: Version, board: Board, checkpoint: Checkpoint, files: int, hashed: str
    ) -> str:
        document = version.document
        return self._renderer.text(
            TEMPLATE,
            language="en",
            controller={"name": document.controller.name, "email": document.controller.email},
            policy_link=self._base_url.split("://", 1)[-1] + "/privacy",
            version=version.number,
            policy=document.title,
            facts=facts,
            cover=cover_of(facts, board),
            board=board,
            checkpoint=checkpoint,
            files=files,
            pack_sha256=hashed,
            proofs=min(len(facts.entries), MOST_PROOFS),
            exported=checkpoint.size <= LARGEST_EXPORT,
            made=self._clock.now().astimezone(ZoneInfo(facts.span.zone)),
            key=str(self._ledger.key),
        )


def _view(row: ReportRow) -> ReportView:
    return ReportView(**{name: getattr(row, name) for name in ReportView.__dataclass_fields__})


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
