"""Packages: made from a person's records, sealed on disk for as long as Kept's own policy says, opened with a code, and thrown away with their key."""

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core.clock import day_in
from core.errors import NotFound
from core.ids import new_id
from core.keys import derive_key
from dsr.answers import Authority, HeldCollection, Letter, write_access_letter
from dsr.desk import Desk
from dsr.package_files import PackedFile, zip_package
from dsr.package_format import new_key, read_sealed, unwrap_key, wrap_key, write_sealed
from dsr.spool import Spooled, spool
from dsr.tables import DownloadRow, PackageRow, TicketRow
from plans.plan import Gap
from plans.portability import why_not_portable
from plans.reading import Reading
from policies.authorities import authority_for
from policies.clauses import Right
from policies.documents import Document
from policies.own import own_period

log = structlog.get_logger()
ORPHAN_AFTER: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class PackageView:
    """A package as pages show it. `deleted_at` set: it is gone. `size`: bytes of the ZIP."""

    id: str
    size: int
    contents: tuple[PackedFile, ...]
    made_at: datetime
    expires_at: datetime
    deleted_at: datetime | None
    downloads: tuple[datetime, ...]

    def is_open(self, now: datetime) -> bool:
        return self.deleted_at is None and now < self.expires_at


@dataclass(frozen=True, kw_only=True)
class MadePackage:
    """A sealed file that has no row yet: without its row nobody has its key."""

    row: PackageRow
    held: tuple[HeldCollection, ...]

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.held)


@dataclass(frozen=True, kw_only=True)
class Download:
    """One package on its way out; `chunks` are the ZIP's bytes, each proven."""

    name: str
    size: int
    chunks: Iterator[bytes]


class Packages:
    """Makes, opens and throws away packages."""

    def __init__(self, desk: Desk, reading: Reading) -> None:
        self._desk = desk
        self._reading = reading

    def make(
        self,
        ticket: TicketRow,
        document: Document,
        gaps: Sequence[Gap],
        *,
        left_out: Sequence[Mapping[str, str]] = (),
        actor: str,
    ) -> MadePackage:
        """Read the approved plan of a ticket into a sealed file. Repeated after a crash it begins anew.

        `left_out`: what the right does not cover, for the letter."""
        if ticket.plan_id is None:
            raise NotFound(f"Request {ticket.ref} has no plan.", remedy="Make one first.")
        package_id, key = new_id("pkg"), new_key()
        work = self._desk.packages / f"{package_id}.work"
        work.mkdir(parents=True, mode=0o700)
        try:
            beyond = self._beyond(Right(ticket.right), document)
            spooled = self._spool(ticket.plan_id, work, key, actor, beyond)
            held = tuple(self._held(one, beyond.get(one.collection, {})) for one in spooled)
            letter = self._letter(ticket, held, gaps, left_out)
            row = self._seal(package_id, key, ticket, letter, held, spooled)
        finally:
            shutil.rmtree(work)
        return MadePackage(row=row, held=held)

    def open(self, session: Session, ticket: TicketRow, *, by: str) -> Download:
        """The ticket's package, with the download written down. Raises NotFound when there is none any more."""
        desk, now = self._desk, self._desk.clock.now()
        row = _latest(session, ticket)
        if row is None or row.wrapped_key is None or row.expires_at <= now:
            raise NotFound("This copy is no longer here.", remedy="Ask for a new one; it costs nothing.")
        session.add(DownloadRow(id=new_id("dwn"), package_id=row.id, at=now))
        desk.record(session, ticket, "request.downloaded", by=by, private={"package": row.id, "size": row.size})
        key = unwrap_key(row.wrapped_key, self._wrapping(row.id))
        path = self._path(row.id)
        if not path.is_file():
            raise NotFound("This copy is no longer here.", remedy="Ask for a new one; it costs nothing.")
        return Download(name=f"{ticket.ref}.zip", size=row.size, chunks=read_sealed(path, key))

    def throw_away(self, session: Session, row: PackageRow) -> None:
        """Delete a package: its key first, which makes the file mean nothing, then the file."""
        row.wrapped_key, row.deleted_at = None, self._desk.clock.now()
        session.flush()
        self._path(row.id).unlink(missing_ok=True)

    def expire(self) -> int:
        """Throw away what is over its time, and files that a crash left without a row; gives how many packages."""
        now = self._desk.clock.now()
        with self._desk.database.begin() as session:
            over = sa.select(PackageRow).where(PackageRow.wrapped_key.is_not(None), PackageRow.expires_at <= now)
            rows = session.execute(over).scalars().all()
            for row in rows:
                self.throw_away(session, row)
            known = set(session.execute(sa.select(PackageRow.id).where(PackageRow.wrapped_key.is_not(None))).scalars())
        self._remove_orphans(known, now)
        return len(rows)

    def _remove_orphans(self, known: set[str], now: datetime) -> None:
        for path in self._desk.packages.glob("pkg_*"):
            age = now.timestamp() - path.stat().st_mtime
            if path.name.partition(".")[0] in known or age < ORPHAN_AFTER.total_seconds():
                continue
            log.info("package.orphan_removed", package=path.name.partition(".")[0])
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def _beyond(self, right: Right, document: Document) -> dict[str, dict[str, str]]:
        """By collection, the fields of another category that the right does not cover, with the reason."""
        if right is not Right.PORTABILITY:
            return {}
        return {
            one.id: {
                name: why
                for name, field in one.fields.items()
                if field.category and (why := why_not_portable(document.clauses, field.category))
            }
            for one in self._desk.plans.datamap.collections
        }

    def _spool(
        self, plan_id: str, work: Path, key: bytes, actor: str, beyond: Mapping[str, Mapping[str, str]]
    ) -> tuple[Spooled, ...]:
        datamap = self._desk.plans.datamap
        spooled: list[Spooled] = []
        for name, records in self._reading.stream_person(plan_id, actor=actor):
            path, without = work / f"{len(spooled)}.spool", frozenset(beyond.get(name, ()))
            spooled.append(spool(datamap.collection(name), records, path, key, without=without))
        # Plans read the deepest first; people want their account first.
        return tuple(reversed(spooled))

    def _held(self, one: Spooled, left_out: Mapping[str, str]) -> HeldCollection:
        datamap = self._desk.plans.datamap
        collection = datamap.collection(one.collection)
        gone = {field.category for name, field in collection.fields.items() if name in left_out}
        return HeldCollection(
            collection=one.collection,
            rows=one.rows,
            categories=datamap.categories(collection) - gone,
            withheld=one.withheld,
            left_out=left_out,
        )

    def _letter(
        self,
        ticket: TicketRow,
        held: Sequence[HeldCollection],
        gaps: Sequence[Gap],
        left_out: Sequence[Mapping[str, str]],
    ) -> Letter:
        with self._desk.database.read() as session:
            document = self._desk.words_of(session, ticket)
        zone = document.controller.timezone
        return write_access_letter(
            ref=ticket.ref,
            right=Right(ticket.right),
            document=document,
            held=held,
            gaps=gaps,
            left_out=left_out,
            received_on=day_in(ticket.received_at, zone),
            written_on=day_in(self._desk.clock.now(), zone),
            authority=authority_of(ticket, document),
            language=ticket.language,
        )

    def _seal(
        self,
        package_id: str,
        key: bytes,
        ticket: TicketRow,
        letter: Letter,
        held: Sequence[HeldCollection],
        spooled: Sequence[Spooled],
    ) -> PackageRow:
        desk, now = self._desk, self._desk.clock.now()
        pdf = desk.render_pdf(desk.renderer.text("documents/letter.html", **letter.variables()))
        chunks, packed = zip_package(letter=letter, letter_pdf=pdf, held=held, spooled=spooled, key=key)
        hashed = hashlib.sha256()
        size = write_sealed(self._path(package_id), _hashing(chunks, hashed), key)
        return PackageRow(
            id=package_id,
            ticket_id=ticket.id,
            wrapped_key=wrap_key(key, self._wrapping(package_id)),
            size=size,
            sha256=hashed.hexdigest(),
            contents=[vars(one) for one in packed],
            made_at=now,
            expires_at=own_period("packages").after_instant(now),
            deleted_at=None,
        )

    def _wrapping(self, package_id: str) -> bytes:
        return derive_key(self._desk.secret, f"package:{package_id}")

    def _path(self, package_id: str) -> Path:
        return self._desk.packages / f"{package_id}.kept"


def view_package(session: Session, ticket: TicketRow) -> PackageView | None:
    """The ticket's latest package, if it ever had one."""
    row = _latest(session, ticket)
    if row is None:
        return None
    downloads = sa.select(DownloadRow.at).where(DownloadRow.package_id == row.id).order_by(DownloadRow.at)
    return PackageView(
        id=row.id,
        size=row.size,
        contents=tuple(PackedFile(**one) for one in row.contents),
        made_at=row.made_at,
        expires_at=row.expires_at,
        deleted_at=row.deleted_at,
        downloads=tuple(session.execute(downloads).scalars()),
    )


def authority_of(ticket: TicketRow, document: Document) -> Authority | None:
    """Where this person can complain: of their country where they said it, else of the controller's."""
    controller = document.controller
    place: Mapping[str, Any] = (
        {"country": ticket.country, "subdivision": ticket.subdivision}
        if ticket.country
        else {"country": controller.country, "subdivision": controller.subdivision}
    )
    found = authority_for(place["country"], place["subdivision"])
    if found is None:
        return None
    return Authority(name=found.name, address=", ".join(found.address.split("\n")), url=found.url or "")


def _latest(session: Session, ticket: TicketRow) -> PackageRow | None:
    wanted = sa.select(PackageRow).where(PackageRow.ticket_id == ticket.id).order_by(PackageRow.made_at.desc()).limit(1)
    return session.execute(wanted).scalar_one_or_none()


def _hashing(chunks: Iterator[bytes], hashed: Any) -> Iterator[bytes]:
    for chunk in chunks:
        hashed.update(chunk)
        yield chunk
