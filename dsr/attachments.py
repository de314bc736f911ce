"""Files of messages: checked on their way in, sealed under their ticket's own key, opened as downloads, thrown away with it."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from io import BytesIO
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.catalogue import mark
from core.errors import BadInput, CheckFailed, NotFound
from core.ids import new_id
from core.keys import derive_key
from dsr.desk import Desk
from dsr.message_tables import AttachmentRow, TicketKeyRow
from dsr.package_format import new_key, seal, unseal, unwrap_key, wrap_key
from dsr.tables import MessageRow, TicketRow

LARGEST_FILE: Final = 10 * 2**20
MOST_FILES: Final = 5
LONGEST_NAME: Final = 120
# Signs that hide what a name ends with, or that a header or a folder would read as its own.
_SLY: Final = re.compile(r"[\x00-\x1f\x7f\"<>|:*?\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


class FileKind(StrEnum):
    """What a file begins like, whatever its name says."""

    PDF = "pdf"
    PICTURE = "picture"
    TEXT = "text"
    WEB_PAGE = "web_page"
    ARCHIVE = "archive"
    PROGRAM = "program"
    OTHER = "other"


KIND_WORDS: Final = {
    FileKind.PDF: mark("PDF"),
    FileKind.PICTURE: mark("Picture"),
    FileKind.TEXT: mark("Text"),
    FileKind.WEB_PAGE: mark("Web page"),
    FileKind.ARCHIVE: mark("Archive or office document"),
    FileKind.PROGRAM: mark("Program"),
    FileKind.OTHER: mark("Other file"),
}
_BEGINNINGS: Final = (
    (b"%PDF-", FileKind.PDF),
    (b"\x89PNG\r\n\x1a\n", FileKind.PICTURE),
    (b"\xff\xd8\xff", FileKind.PICTURE),
    (b"GIF8", FileKind.PICTURE),
    (b"II*\x00", FileKind.PICTURE),
    (b"MM\x00*", FileKind.PICTURE),
    (b"PK\x03\x04", FileKind.ARCHIVE),
    (b"\x1f\x8b", FileKind.ARCHIVE),
    (b"7z\xbc\xaf'\x1c", FileKind.ARCHIVE),
    (b"Rar!", FileKind.ARCHIVE),
    (b"\xd0\xcf\x11\xe0", FileKind.ARCHIVE),
    (b"MZ", FileKind.PROGRAM),
    (b"\x7fELF", FileKind.PROGRAM),
    (b"#!", FileKind.PROGRAM),
    (b"\xcf\xfa\xed\xfe", FileKind.PROGRAM),
)
_MARKUP: Final = re.compile(rb"^\s*(?:<!doctype html|<html|<svg|<script|<\?xml)", re.IGNORECASE)
_NO_TEXT: Final = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file as it was handed in; its name is cut down to what a file may be called. Raises BadInput."""

    name: str
    content: bytes = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", plain_name(self.name))
        if not self.content:
            raise BadInput(mark("A file is empty."), remedy=mark("Choose another one, or send your words alone."))
        if len(self.content) > LARGEST_FILE:
            raise BadInput(
                mark("A file has more than 10 MB."), remedy=mark("Choose a smaller one, or cut it into several.")
            )

    @property
    def kind(self) -> FileKind:
        return kind_of(self.content)


@dataclass(frozen=True, kw_only=True)
class FileView:
    """A file as pages show it. `gone_at` set: it was thrown away, and its name with it."""

    id: str
    name: str
    kind: FileKind
    size: int
    gone_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class OpenedFile:
    """A file on its way out: to be handed over as a download, never shown."""

    name: str
    content: bytes = field(repr=False)


def kind_of(content: bytes) -> FileKind:
    """What a file begins like."""
    for beginning, kind in _BEGINNINGS:
        if content.startswith(beginning):
            return kind
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return FileKind.PICTURE
    if _MARKUP.match(content):
        return FileKind.WEB_PAGE
    try:
        words = content.decode("utf-8")
    except UnicodeDecodeError:
        return FileKind.OTHER
    return FileKind.OTHER if _NO_TEXT.search(words) else FileKind.TEXT


def plain_name(name: str) -> str:
    """A file's own name without folders, without signs that hide its end, in at most 120 characters."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    plain = _SLY.sub("", last.encode(errors="replace").decode()).strip(" .")
    return plain[-LONGEST_NAME:].strip(" .") or "file"


class Attachments:
    """Files inside the caller's transaction. The key of a ticket's files is made with the first of them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add(self, session: Session, ticket: TicketRow, message: MessageRow, files: Sequence[Attachment]) -> None:
        """Seal files under the ticket's key and keep them with a message. Raises BadInput over the limits."""
        if not files:
            return
        if len(files) > MOST_FILES:
            raise BadInput(
                mark("A message takes at most 5 files."), remedy=mark("Send the others with another message.")
            )
        most = self._desk.limits.file_bytes_per_ticket
        if held_bytes(session, ticket) + sum(len(one.content) for one in files) > most:
            raise BadInput(
                mark("The files of this request have reached 100 MB."),
                remedy=mark("Say in words what else there is, and we tell you how to send it."),
            )
        key = self._key(session, ticket)
        session.flush()
        for one in files:
            session.add(self._sealed(ticket, message, one, key))

    def open(self, session: Session, ticket: TicketRow, file_id: str) -> OpenedFile:
        """One file of a ticket. Raises NotFound for one that is gone or another ticket's."""
        row, kept = session.get(AttachmentRow, file_id), session.get(TicketKeyRow, ticket.id)
        if row is None or row.ticket_id != ticket.id or row.content is None or kept is None or not kept.wrapped_key:
            raise NotFound("This file is no longer here.", remedy="Ask for it again.")
        key = unwrap_key(kept.wrapped_key, self._wrapping(ticket))
        try:
            content = b"".join(unseal(BytesIO(row.content), key))
        except CheckFailed as error:
            raise CheckFailed(
                f"File {row.id} of request {ticket.ref} was changed.", remedy="Ask for it again."
            ) from error
        return OpenedFile(name=row.name, content=content)

    def throw_away(self, session: Session, ticket: TicketRow) -> int:
        """Delete the files of a ticket: their key first, which makes them mean nothing, then bytes and names; gives how many."""
        kept, now = session.get(TicketKeyRow, ticket.id), self._desk.clock.now()
        if kept is not None:
            kept.wrapped_key = None
            session.flush()
        there = sa.update(AttachmentRow).where(AttachmentRow.ticket_id == ticket.id, AttachmentRow.gone_at.is_(None))
        gone = session.execute(there.values(content=None, name="", gone_at=now).returning(AttachmentRow.id)).all()
        return len(gone)

    def _sealed(self, ticket: TicketRow, message: MessageRow, one: Attachment, key: bytes) -> AttachmentRow:
        sealed = BytesIO()
        return AttachmentRow(
            id=new_id("fil"),
            ticket_id=ticket.id,
            message_id=message.id,
            at=self._desk.clock.now(),
            name=one.name,
            kind=one.kind.value,
            size=seal([one.content], key, sealed),
            sha256=hashlib.sha256(one.content).hexdigest(),
            content=sealed.getvalue(),
            gone_at=None,
        )

    def _key(self, session: Session, ticket: TicketRow) -> bytes:
        kept = session.get(TicketKeyRow, ticket.id)
        if kept is not None and kept.wrapped_key:
            return unwrap_key(kept.wrapped_key, self._wrapping(ticket))
        key = new_key()
        wrapped = wrap_key(key, self._wrapping(ticket))
        if kept is None:
            session.add(TicketKeyRow(ticket_id=ticket.id, wrapped_key=wrapped, made_at=self._desk.clock.now()))
        else:
            kept.wrapped_key = wrapped
        return key

    def _wrapping(self, ticket: TicketRow) -> bytes:
        return derive_key(self._desk.secret, f"ticket files:{ticket.id}")


def held_bytes(session: Session, ticket: TicketRow) -> int:
    """The plain bytes of all files that a ticket holds now."""
    wanted = sa.select(sa.func.coalesce(sa.func.sum(AttachmentRow.size), 0))
    there = wanted.where(AttachmentRow.ticket_id == ticket.id, AttachmentRow.gone_at.is_(None))
    return int(session.execute(there).scalar_one())


def list_files(session: Session, ticket: TicketRow) -> dict[str, tuple[FileView, ...]]:
    """The files of a ticket by message, in the order they came; none of their bytes are read."""
    wanted = sa.select(
        AttachmentRow.message_id,
        AttachmentRow.id,
        AttachmentRow.name,
        AttachmentRow.kind,
        AttachmentRow.size,
        AttachmentRow.gone_at,
    ).where(AttachmentRow.ticket_id == ticket.id)
    found: dict[str, tuple[FileView, ...]] = {}
    for row in session.execute(wanted.order_by(AttachmentRow.at, AttachmentRow.name)):
        view = FileView(id=row.id, name=row.name, kind=FileKind(row.kind), size=row.size, gone_at=row.gone_at)
        found[row.message_id] = (*found.get(row.message_id, ()), view)
    return found
