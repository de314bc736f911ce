"""The mails in `var/outbox`, as the console lists and shows them where no mail server is set."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

from core.errors import NotFound
from notify.transport import OUTBOX_FOLDER

_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,60}@[A-Za-z0-9.\-]{1,180}")


@dataclass(frozen=True, kw_only=True)
class StoredMail:
    """One mail. `html` is source, to be offered as a download or in a sandboxed frame, never put into a page."""

    name: str
    subject: str
    to: str
    at: datetime
    text: str
    html: str


class Mailbox:
    """Reads the folder of written mails; a mail's name is its Message-ID."""

    def __init__(self, var: Path) -> None:
        self._folder = var / OUTBOX_FOLDER

    def list_mails(self, *, limit: int = 100) -> list[StoredMail]:
        """The newest mails first."""
        if not self._folder.is_dir():
            return []
        files = sorted(self._folder.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        return [_read(path) for path in files[:limit]]

    def read_mail(self, name: str) -> StoredMail:
        """One mail by its name. Raises NotFound."""
        return _read(self._path(name))

    def read_source(self, name: str) -> bytes:
        """The mail as it would go over the wire. Raises NotFound."""
        return self._path(name).read_bytes()

    def _path(self, name: str) -> Path:
        path = self._folder / f"{name}.eml"  # a file's name has at most 255 bytes
        if not _NAME.fullmatch(name) or not path.is_file():
            raise NotFound("There is no such mail.", remedy="It may have been deleted: look at the list again.")
        return path


def _read(path: Path) -> StoredMail:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    at = parsedate_to_datetime(str(message["Date"])) if message["Date"] else datetime.fromtimestamp(0, UTC)
    return StoredMail(
        name=path.stem,
        subject=str(message["Subject"] or ""),
        to=str(message["To"] or ""),
        at=at.astimezone(UTC),
        text=_part(message, "plain"),
        html=_part(message, "html"),
    )


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""
