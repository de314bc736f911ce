"""Packages: made from a person's records, sealed on disk for as long as Kept's own policy says, opened with a code, and thrown away with their key."""

import errno
import hashlib
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core.clock import day_in
from core.errors import CheckFailed, NotFound, Unreachable
from core.ids import new_id
from core.keys import derive_key
from core.words import size
from dsr.answers import HeldCollection, Letter, write_access_letter
from dsr.complaints import authority_of, complaint_of
from dsr.desk import Desk
from dsr.package_files import PackedFile, Packing
from dsr.package_format import new_key, plain_size, read_sealed_from, unwrap_key, wrap_key, write_sealed
from dsr.package_records import Packed
from dsr.proof_standing import may_send_numbers, proven_identifiers
from dsr.redactions import Redactions, Rules, TextReader
from dsr.tables import DownloadRow, PackageRow, TicketRow
from dsr.withheld import numbers_of
from plans.plan import Gap
from plans.portability import why_not_portable
from plans.reading import Reading
from plans.tools import Progress
from policies.clauses import Right
from policies.documents import Document
from policies.own import own_period

log = structlog.get_logger()
ORPHAN_AFTER: Final = timedelta(days=1)
# What a system says when a file cannot grow: the disk, a quota or a limit on files.
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


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
    """A sealed file that has no row yet: without its row nobody has its key. `taken_out`: what was redacted, in words."""

    row: PackageRow
    held: tuple[HeldCollection, ...]
    taken_out: tuple[Mapping[str, str], ...] = ()

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.held)


@dataclass(frozen=True, kw_only=True)
class Download:
    """One package on its way out. `mark`: the same as long as it is the same file. `read` gives the ZIP's bytes from one
    place up to another, each proven; `token` takes a download up again that was broken off."""

    name: str
    size: int
    mark: str
    read: Callable[[int, int], Iterator[bytes]]
    token: str

    @property
    def chunks(self) -> Iterator[bytes]:
        """All of it."""
        return self.read(0, self.size)


class NoSpace(Unreachable):
    """The disk is full; nothing of the package is left on it."""


class Packages:
    """Makes, opens and throws away packages."""

    def __init__(self, desk: Desk, reading: Reading) -> None:
        self._desk = desk
        self._reading = reading
        self._redactions = Redactions(desk)

    def make(
        self,
        ticket: TicketRow,
        document: Document,
        gaps: Sequence[Gap],
        *,
        left_out: Sequence[Mapping[str, str]] = (),
        actor: str,
        on_progress: Progress | None = None,
    ) -> MadePackage:
        """Read the approved plan of a ticket into a sealed file. Repeated after a crash it begins anew.

        `left_out`: what the right does not cover, for the letter. Raises UndecidedFindings where the texts hold what an
        operator has to decide about, NoSpace where the disk is full."""
        if ticket.plan_id is None:
            raise NotFound(f"Request {ticket.ref} has no plan.", remedy="Make one first.")
        package_id, key = new_id("pkg"), new_key()
        try:
            with Packing(self._desk.packages / f"{package_id}.work", key) as packing:
                beyond = self._beyond(Right(ticket.right), document)
                packed = self._read(ticket, document, packing, beyond, actor, on_progress)
                held = tuple(self._held(one, beyond.get(one.collection, {})) for one in packed)
                taken_out = self._redactions.taken_out(ticket)
                letter = self._letter(ticket, held, gaps, [*left_out, *taken_out])
                row = self._seal(package_id, key, ticket, letter, held, packed, packing)
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise self._no_space(ticket) from error
        return MadePackage(row=row, held=held, taken_out=tuple(taken_out))

    def open(self, session: Session, ticket: TicketRow, *, by: str, lasts: timedelta) -> Download:
        """The ticket's package, with the download written down. Raises NotFound when there is none any more. `lasts`: how
        long the download can be taken up again with its token, without being written down again."""
        desk, now = self._desk, self._desk.clock.now()
        row = self._open_row(session, ticket)
        token = secrets.token_urlsafe(32)
        written = DownloadRow(
            id=new_id("dwn"),
            package_id=row.id,
            at=now,
            token_hash=_hash(token),
            ends_at=now + lasts,
        )
        session.add(written)
        desk.record(session, ticket, "request.downloaded", by=by, private={"package": row.id, "size": row.size})
        return self._download(ticket, row, token)

    def take_up(self, session: Session, ticket: TicketRow, token: str) -> Download:
        """A download that was begun, for the browser that began it. Raises NotFound."""
        wanted = sa.select(DownloadRow).where(DownloadRow.token_hash == _hash(token)) if token else None
        begun = session.execute(wanted).scalar_one_or_none() if wanted is not None else None
        row = self._open_row(session, ticket)
        if begun is None or begun.package_id != row.id or not begun.ends_at or begun.ends_at <= self._desk.clock.now():
            raise NotFound("This download is over.", remedy="Ask for a code and open the copy again.")
        return self._download(ticket, row, token)

    def _open_row(self, session: Session, ticket: TicketRow) -> PackageRow:
        row = _latest(session, ticket)
        here = row is not None and row.wrapped_key is not None and row.expires_at > self._desk.clock.now()
        if row is None or not here or not self._path(row.id).is_file():
            raise NotFound("This copy is no longer here.", remedy="Ask for a new one; it costs nothing.")
        return row

    def _download(self, ticket: TicketRow, row: PackageRow, token: str) -> Download:
        path, key = self._path(row.id), unwrap_key(row.wrapped_key or b"", self._wrapping(row.id))
        if plain_size(path) != row.size:
            raise CheckFailed(
                f"The package of request {ticket.ref} has not the size it was made with.",
                remedy="Make it again: its file was changed.",
            )
        return Download(
            name=f"{ticket.ref}.zip",
            size=row.size,
            mark=row.sha256,
            read=lambda start, stop: read_sealed_from(path, key, start, stop),
            token=token,
        )

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

    def _read(
        self,
        ticket: TicketRow,
        document: Document,
        packing: Packing,
        beyond: Mapping[str, Mapping[str, str]],
        actor: str,
        on_progress: Progress | None,
    ) -> tuple[Packed, ...]:
        datamap, readers, packed = self._desk.plans.datamap, dict[str, TextReader](), list[Packed]()
        rules, numbers = self._rules(ticket, document)
        stream = self._reading.stream_person(ticket.plan_id or "", actor=actor, on_progress=on_progress)
        for name, batches in stream:
            collection, without = datamap.collection(name), frozenset(beyond.get(name, ()))
            readers[name] = TextReader(name, rules)
            named = frozenset[str]() if numbers else numbers_of(collection)
            packed.append(packing.pack(collection, batches, readers[name], without=without, numbers=named))
        self._redactions.keep_found(ticket, {name: reader.seen for name, reader in readers.items()})
        # Plans read the deepest first; people want their account first.
        return tuple(reversed(packed))

    def _rules(self, ticket: TicketRow, document: Document) -> tuple[Rules, bool]:
        """How texts are treated, and whether account numbers go out. The person's own addresses are no finding."""
        with self._desk.database.read() as session:
            own = {one for values in proven_identifiers(session, ticket).values() for one in values}
            numbers = may_send_numbers(self._desk, session, ticket)
        return self._redactions.rules(ticket, own | {document.controller.email}), numbers

    def _held(self, one: Packed, left_out: Mapping[str, str]) -> HeldCollection:
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

    def _no_space(self, ticket: TicketRow) -> NoSpace:
        folder = self._desk.packages
        free = size(shutil.disk_usage(folder if folder.is_dir() else folder.parent).free)
        return NoSpace(
            f"The disk is full: no room for the copy of request {ticket.ref}, {free} free at {folder}.",
            remedy="Make room there: a copy needs about as much as the records it holds. Nothing half-made was left.",
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
            complaint=complaint_of(ticket, document),
            language=ticket.language,
        )

    def _seal(
        self,
        package_id: str,
        key: bytes,
        ticket: TicketRow,
        letter: Letter,
        held: Sequence[HeldCollection],
        packed: Sequence[Packed],
        packing: Packing,
    ) -> PackageRow:
        desk, now = self._desk, self._desk.clock.now()
        pdf = desk.render_pdf(desk.renderer.text("documents/letter.html", **letter.variables()))
        collections = {one.collection: desk.plans.datamap.collection(one.collection) for one in packed}
        chunks, files = packing.archive(
            letter=letter, letter_pdf=pdf, held=held, packed=packed, collections=collections, at=now
        )
        hashed = hashlib.sha256()
        size = write_sealed(self._path(package_id), _hashing(chunks, hashed), key)
        return PackageRow(
            id=package_id,
            ticket_id=ticket.id,
            wrapped_key=wrap_key(key, self._wrapping(package_id)),
            size=size,
            sha256=hashed.hexdigest(),
            contents=[vars(one) for one in files],
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


def _latest(session: Session, ticket: TicketRow) -> PackageRow | None:
    wanted = sa.select(PackageRow).where(PackageRow.ticket_id == ticket.id).order_by(PackageRow.made_at.desc()).limit(1)
    return session.execute(wanted).scalar_one_or_none()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _hashing(chunks: Iterator[bytes], hashed: Any) -> Iterator[bytes]:
    for chunk in chunks:
        hashed.update(chunk)
        yield chunk
