"""The places outside of this machine that checkpoints are kept in: a file, a bucket with object lock, an auditor's mailbox."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from core.errors import CheckFailed, Unreachable
from core.settings_ledger import CheckpointPlace
from ledger.notes import NoteRefused, head_inside

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

LINE: Final = "-----"  # between two notes of a file; no line of a note is this
SECONDS: Final = 30.0

SendMail = Callable[[str, int, str], None]
"""Queues a mail with a checkpoint: to whom, over how many entries, the note."""


class Place(Protocol):
    """One place. `name` holds no secret and no address."""

    can_be_read: bool

    @property
    def name(self) -> str: ...

    def keep(self, size: int, note: str, now: datetime) -> None:
        """Keep a checkpoint for good, and see that it is there; the same one again does nothing. Raises Unreachable, CheckFailed."""
        ...

    def read(self) -> list[str]:
        """Every checkpoint that is there; none where the place cannot be read back. Raises Unreachable, CheckFailed."""
        ...

    def newest(self) -> str | None:
        """The one over the most entries."""
        ...


class FilePlace:
    """A file that is only ever appended to, such as on a share that keeps what was written."""

    can_be_read = True

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        return f"file {self._path.parent.name}/{self._path.name}"

    def keep(self, size: int, note: str, now: datetime) -> None:
        block = f"{note}{LINE}\n"
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            with os.fdopen(handle, "r+", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if note in split_notes(_cut_half(file)):
                    return
                file.write(block)
                file.flush()
                os.fsync(file.fileno())
                file.seek(0)
                if not file.read().endswith(block):
                    raise CheckFailed(f"{self._path.name} does not hold what was written to it.")
        except OSError as error:
            raise Unreachable(
                f"{self._path.name} cannot be written: {error.strerror}.", remedy="Mount or make its folder."
            ) from error

    def read(self) -> list[str]:
        try:
            return split_notes(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if not self._path.parent.is_dir():
                raise Unreachable(f"The folder of {self._path.name} is not there.", remedy="Mount it.") from None
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise Unreachable(f"{self._path.name} cannot be read.", remedy="Look at the file.") from error

    def newest(self) -> str | None:
        return max(self.read(), key=size_of, default=None)


class BucketPlace:
    """A bucket on S3. With `lock`, each object is kept in COMPLIANCE mode: nobody deletes or replaces it before its day."""

    can_be_read = True

    def __init__(self, options: Mapping[str, Any], lock: timedelta | None) -> None:
        self._options = options
        self._lock = lock
        self._made: S3Client | None = None

    @property
    def name(self) -> str:
        return f"s3 {self._options['bucket']}/{self._options['prefix']}"

    def keep(self, size: int, note: str, now: datetime) -> None:
        key, content = f"{self._options['prefix']}{size:012d}-{_mark(note)}", note.encode()
        more: dict[str, Any] = {}
        if self._lock is not None:
            more = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": now + self._lock}
        with _asking(self.name):
            bucket = self._options["bucket"]
            if self._content(key) == content:
                return
            self._client().put_object(
                Bucket=bucket,
                Key=key,
                Body=content,
                ContentType="text/plain; charset=utf-8",
                ChecksumAlgorithm="SHA256",
                **more,
            )
            if self._content(key) != content:
                raise CheckFailed(f"{self.name} does not hold what was written to it.")
            if self._lock is not None:
                kept = self._client().get_object_retention(Bucket=bucket, Key=key).get("Retention", {})
                if kept.get("Mode") != "COMPLIANCE":
                    raise CheckFailed(
                        f"{self.name} does not lock what is written to it.", remedy="Make the bucket with object lock."
                    )

    def read(self) -> list[str]:
        with _asking(self.name):
            return [self._note(key) for key in self._keys()]

    def newest(self) -> str | None:
        with _asking(self.name):
            keys = self._keys()
            return self._note(keys[-1]) if keys else None

    def _keys(self) -> list[str]:
        pages = self._client().get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self._options["bucket"], Prefix=self._options["prefix"])
        return sorted(one["Key"] for page in found for one in page.get("Contents", []))

    def _note(self, key: str) -> str:
        return (self._content(key) or b"").decode("utf-8", "replace")

    def _content(self, key: str) -> bytes | None:
        from botocore.exceptions import ClientError

        try:
            return self._client().get_object(Bucket=self._options["bucket"], Key=key)["Body"].read()
        except ClientError as error:
            if str(error.response.get("Error", {}).get("Code")) in ("NoSuchKey", "404"):
                return None
            raise

    def _client(self) -> "S3Client":
        if self._made is None:
            import boto3
            from botocore.config import Config

            given = self._options
            config = Config(
                connect_timeout=5,
                read_timeout=SECONDS,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path" if given.get("endpoint") else "auto"},
            )
            self._made = boto3.session.Session().client(
                "s3",
                endpoint_url=given.get("endpoint"),
                region_name=given.get("region"),
                aws_access_key_id=given.get("key_id"),
                aws_secret_access_key=given.get("secret"),
                config=config,
            )
        return self._made


class MailPlace:
    """An auditor's mailbox. It cannot be read back: the auditor compares, with `kept ledger verify --seen`."""

    can_be_read = False

    def __init__(self, address: str, send: SendMail) -> None:
        self._address = address
        self._send = send

    @property
    def name(self) -> str:
        return f"mail {_mark(self._address)[:8]}"

    def keep(self, size: int, note: str, now: datetime) -> None:
        self._send(self._address, size, note)

    def read(self) -> list[str]:
        return []

    def newest(self) -> str | None:
        return None


def make_place(given: CheckpointPlace, send: SendMail) -> Place:
    """The place that settings describe."""
    if given.kind == "s3":
        return BucketPlace(given.options, given.lock)
    return FilePlace(Path(given.where)) if given.kind == "file" else MailPlace(given.where, send)


def size_of(note: str) -> int:
    """Over how many entries a note is, -1 for what is no checkpoint."""
    try:
        return head_inside(note).size
    except NoteRefused:
        return -1


def split_notes(text: str) -> list[str]:
    """The notes of a file of checkpoints. A last one that was cut in half is none: it was never said to be kept."""
    return [part for part in text.split(f"{LINE}\n")[:-1] if part]


def _cut_half(file: Any) -> str:
    """What stands in the file, without a note that a crash cut in half."""
    text = str(file.read())
    whole = text[: text.rfind(f"{LINE}\n") + len(LINE) + 1] if f"{LINE}\n" in text else ""
    if whole != text:
        file.truncate(len(whole.encode()))
    return whole


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextlib.contextmanager
def _asking(name: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        raise Unreachable(f"{name} refuses: {code}.", remedy="Look at the key's rights and the bucket.") from error
    except BotoCoreError as error:
        raise Unreachable(f"{name} does not answer: {type(error).__name__}.", remedy="It is tried again.") from error
