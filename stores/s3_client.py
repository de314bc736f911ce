"""The connection to one bucket of an S3 server: listing, fetching, writing and deleting, its errors told in words."""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from urllib.parse import urlsplit

from botocore import exceptions as exc

from core.errors import ConfigurationError, KeptError
from stores.contract import NotPermitted, StoreBusy, StoreUnreachable
from stores.file_reading import CHUNK, LeftAlone
from stores.s3_session import make_session

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0
KNOWN_SECONDS: Final = 30.0
DELETED_AT_ONCE: Final = 1_000
IN_FLIGHT: Final = 4  # requests to delete
MOST_BYTES: Final = 5_000_000_000  # one PUT takes no more
_DENIED: Final = frozenset({"AccessDenied", "403", "Forbidden", "AllAccessDisabled", "AccountProblem"})
_UNKNOWN_USER: Final = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired"}
)
_BUSY: Final = frozenset({"SlowDown", "503", "ServiceUnavailable", "InternalError", "500", "RequestTimeout"})
_CHANGED: Final = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "NoSuchKey", "404"})
_KEPT_HEADERS: Final = (
    "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Metadata",
    "ServerSideEncryption", "SSEKMSKeyId", "StorageClass", "WebsiteRedirectLocation",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One object, or one version of it, or a marker that hides the versions below it. `version` None: none are kept."""

    key: str
    etag: str
    size: int
    modified: datetime
    version: str | None = None
    is_latest: bool = True
    is_marker: bool = False


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An object that the server did not delete, and its word for why."""

    entry: Entry
    code: str


class S3Bucket:
    """One bucket. Opens nothing before it is asked; `secret` is what its requests are signed with."""

    def __init__(
        self,
        name: str,
        bucket: str,
        *,
        endpoint: str | None = None,
        region: str | None = None,
        key_id: str | None = None,
        secret: str | None = None,
        ca: Path | None = None,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        if endpoint is not None and urlsplit(endpoint).scheme not in ("http", "https"):
            raise ConfigurationError(
                f"The endpoint of the store {name} begins with '{urlsplit(endpoint).scheme}'.",
                remedy="Write https://HOST, or http://HOST:PORT.",
            )
        if (key_id is None) != (secret is None):
            raise ConfigurationError(
                f"The store {name} has only one of `key_id` and `secret`.", remedy="Set both, or neither."
            )
        self.name, self.bucket = name, bucket
        self._place = endpoint or "the endpoint of its region"
        self._options: dict[str, Any] = {
            "endpoint_url": endpoint,
            "region_name": region or ("us-east-1" if endpoint else None),
            "aws_access_key_id": key_id,
            "aws_secret_access_key": secret,
            "verify": str(ca) if ca else None,
        }
        self._answer_seconds = answer_seconds
        self._made: S3Client | None = None
        self._versioning: tuple[float, bool | None] = (0.0, None)
        self.conditional_deletes = True

    @property
    def secret(self) -> str:
        """The secret half of the credentials, wherever they come from."""
        credentials = self._client._request_signer._credentials  # type: ignore[attr-defined] # no public way
        return str(credentials.get_frozen_credentials().secret_key) if credentials else ""

    def now(self) -> datetime:
        """By the server's own answers: also one that refuses to list tells the time."""
        with self.answering():
            try:
                told: Mapping[str, Any] = self._client.list_objects_v2(Bucket=self.bucket, MaxKeys=1)
            except exc.ClientError as error:
                if _code(error) not in _DENIED:
                    raise
                told = error.response
        date = told["ResponseMetadata"]["HTTPHeaders"].get("date")
        if date is None:
            raise self.unreachable("it does not tell its time")
        return parsedate_to_datetime(date).astimezone(UTC)

    def keeps_versions(self) -> bool | None:
        """None where this user may not know. Asked twice a minute."""
        since, keeps = self._versioning
        if not since or monotonic() - since > KNOWN_SECONDS:
            try:
                with self.answering():
                    keeps = "Status" in self._client.get_bucket_versioning(Bucket=self.bucket)
            except NotPermitted:
                keeps = None
            self._versioning = (monotonic(), keeps)
        return keeps

    def prefixes(self) -> list[str]:
        """What the names in the bucket begin with, up to the first `/`; objects without one by their names."""
        with self.answering():
            found = self._client.list_objects_v2(Bucket=self.bucket, Delimiter="/")
        top = [each["Prefix"] for each in found.get("CommonPrefixes", [])]
        return top + [each["Key"] for each in found.get("Contents", [])]

    def entries(self, prefix: str, after: str, *, versions: bool) -> Iterator[Entry]:
        """In the order of their keys, from after a key on; of one key the newest version first."""
        word = "list_object_versions" if versions else "list_objects_v2"
        start = {} if not after else {"KeyMarker": after} if versions else {"StartAfter": after}
        with self.answering():
            pages = iter(self._client.get_paginator(word).paginate(Bucket=self.bucket, Prefix=prefix, **start))  # type: ignore[call-overload]
        while True:
            with self.answering():
                page = next(pages, None)
            if page is None:
                return
            if versions:
                found = [_version(each, is_marker=False) for each in page.get("Versions", [])]
                found += [_version(each, is_marker=True) for each in page.get("DeleteMarkers", [])]
                # a server gives them in two lists; within one key the newest stands on top
                yield from sorted(
                    found, key=lambda one: (one.key.encode(), -one.modified.timestamp(), not one.is_latest)
                )
            else:
                yield from (_object(each) for each in page.get("Contents", []))

    def fetch(self, entry: Entry, into: BinaryIO) -> None:
        """Copy an object into a file, as the listing saw it. Raises LeftAlone where it is another one by now."""
        which: dict[str, Any] = {"VersionId": entry.version} if entry.version else {"IfMatch": entry.etag}
        with self.answering():
            try:
                body = self._client.get_object(Bucket=self.bucket, Key=entry.key, **which)["Body"]
                for chunk in body.iter_chunks(CHUNK):
                    into.write(chunk)
            except exc.ClientError as error:
                code = _code(error)
                if code in _CHANGED:
                    raise LeftAlone("written or removed meanwhile") from error
                if code == "InvalidObjectState":
                    raise LeftAlone("in cold storage") from error
                if code in _DENIED:
                    raise NotPermitted(f"The store {self.name} does not let an object be read.") from error
                raise

    def replace(self, entry: Entry, file: BinaryIO, size: int) -> bool:
        """Put a file in the place of an object; is what was there kept as an older version? Raises LeftAlone where it was
        written meanwhile."""
        if size > MOST_BYTES:
            raise LeftAlone("too large to be written at once")
        with self.answering():
            try:
                head = self._head(entry)
                kept = {name: head[name] for name in _KEPT_HEADERS if head.get(name)}
                tags = self._tags(entry) if head.get("TagCount") else {}
                put = self._client.put_object(
                    Bucket=self.bucket, Key=entry.key, Body=file, IfMatch=entry.etag, **kept, **tags
                )
            except exc.ClientError as error:
                code = _code(error)
                if code in _CHANGED:
                    raise LeftAlone("written or removed meanwhile") from error
                if code == "NotImplemented":
                    raise LeftAlone(
                        "on a server that knows no If-Match, so a write in between could be lost"
                    ) from error
                if code in _DENIED:
                    raise LeftAlone("not permitted to be written (403)") from error
                raise
        # where versions are suspended, the new one takes the name of the old one, which must not be deleted by it
        return entry.version is not None and put.get("VersionId", entry.version) not in ("null", entry.version)

    def delete(self, entries: Sequence[Entry], *, unchanged: bool) -> list[Refusal]:
        """Delete all of them, at most a thousand a request; returns those that the server refused, each with its code.

        `unchanged`: only as they were listed. A version is never another one."""
        plain = [entry for entry in entries if _stands_in_xml(entry.key)]
        refused = [refusal for entry in entries if not _stands_in_xml(entry.key) for refusal in self._delete_one(entry)]
        some = [plain[start : start + DELETED_AT_ONCE] for start in range(0, len(plain), DELETED_AT_ONCE)]
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            told = pool.map(
                lambda each: self._delete_some(each, unchanged=unchanged and self.conditional_deletes), some
            )
            return [*refused, *chain.from_iterable(told)]

    def hide(self, entry: Entry) -> None:
        """Put a marker on top of an object's versions."""
        with self.answering():
            self._client.delete_object(Bucket=self.bucket, Key=entry.key)

    def lock_of(self, entry: Entry) -> str | None:
        """Why the store itself keeps an object, in words; None where it does not."""
        try:
            with self.answering():
                head = self._head(entry)
        except KeptError:
            return None
        until = head.get("ObjectLockRetainUntilDate")
        if head.get("ObjectLockLegalHoldStatus") == "ON":
            return "held by the store (legal hold)"
        return f"held by the store until {until:%Y-%m-%d} (object lock)" if until else None

    def may_lock(self) -> bool:
        """May the store itself keep objects of this bucket? Yes, where that may not be known."""
        try:
            with self.answering():
                self._client.get_object_lock_configuration(Bucket=self.bucket)
        except NotPermitted:
            return True
        except KeptError:
            return False
        return True

    def lifecycle_rules(self) -> list[Mapping[str, Any]]:
        with self.answering():
            try:
                return list(self._client.get_bucket_lifecycle_configuration(Bucket=self.bucket)["Rules"])
            except exc.ClientError as error:
                if _code(error) in ("NoSuchLifecycleConfiguration", "404"):
                    return []
                raise

    def close(self) -> None:
        if self._made is not None:
            self._made.close()
            self._made = None

    @contextmanager
    def answering(self) -> Iterator[None]:
        try:
            yield
        except exc.ClientError as error:
            raise self._told(error) from error
        except exc.NoCredentialsError as error:
            raise ConfigurationError(
                f"The store {self.name} has no credentials.", remedy="Set `key_id` and `secret` in kept.yaml."
            ) from error
        except (exc.ConnectTimeoutError, exc.ReadTimeoutError) as error:
            raise self.unreachable(f"{self._place} was silent for too long") from error
        except (exc.SSLError, ssl.SSLError) as error:
            raise self.unreachable(
                f"{self._place}: TLS failed, its certificate is not trusted (set `ca:` to the authority's file)"
            ) from error
        except (exc.BotoCoreError, exc.HTTPClientError) as error:
            raise self.unreachable(f"{self._place}: {type(error).__name__}") from error

    def unreachable(self, why: str) -> StoreUnreachable:
        return StoreUnreachable(
            f"The store {self.name} did not answer: {why}.",
            remedy="Start it or correct its endpoint, and run the same command again.",
        )

    def _told(self, error: exc.ClientError) -> KeptError:
        # A server's message may quote a key: only its code goes on.
        code = _code(error)
        if code in _DENIED:
            return NotPermitted(
                f"The store {self.name} does not permit {error.operation_name} in the bucket {self.bucket} (403).",
                remedy="Give its user the right, or take the collection out of the map.",
            )
        if code in _UNKNOWN_USER:
            return self.unreachable("it refused the key or its secret")
        if code == "RequestTimeTooSkewed":
            return self.unreachable("its clock and this one disagree")
        if code == "NoSuchBucket":
            return self.unreachable(f"it has no bucket {self.bucket}")
        if code in _BUSY:
            return StoreBusy(f"The store {self.name} was too busy ({code}).", remedy="Run it again later.")
        return KeptError(f"The store {self.name} refused a request ({code}).", remedy="Its own log says why.")

    def _delete_some(self, entries: Sequence[Entry], *, unchanged: bool) -> list[Refusal]:
        by_name = {(entry.key, entry.version): entry for entry in entries}
        objects: Any = [_named(entry, unchanged=unchanged) for entry in entries]
        try:
            with self.answering():
                told = self._client.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})
        except NotPermitted:
            return [Refusal(entry=entry, code="AccessDenied") for entry in entries]
        except KeptError as error:
            if not unchanged or isinstance(error, StoreUnreachable | StoreBusy):
                raise
            self.conditional_deletes = False  # a server of before conditional deletes: what was listed just now goes
            return self._delete_some(entries, unchanged=False)
        refused = []
        for each in told.get("Errors", []):
            entry = by_name.get((each.get("Key", ""), each.get("VersionId") or None))
            entry = entry or by_name.get((each.get("Key", ""), None))
            if entry is None:
                raise KeptError(f"The store {self.name} speaks of an object that was not asked for.")
            refused.append(Refusal(entry=entry, code=each.get("Code", "unknown")))
        return refused

    def _delete_one(self, entry: Entry) -> list[Refusal]:
        version: dict[str, Any] = {"VersionId": entry.version} if entry.version else {}
        try:
            self._client.delete_object(Bucket=self.bucket, Key=entry.key, **version)
        except exc.ClientError as error:
            return [Refusal(entry=entry, code=_code(error))]
        return []

    def _head(self, entry: Entry) -> Mapping[str, Any]:
        version: dict[str, Any] = {"VersionId": entry.version} if entry.version else {}
        return self._client.head_object(Bucket=self.bucket, Key=entry.key, **version)

    def _tags(self, entry: Entry) -> dict[str, Any]:
        from urllib.parse import urlencode

        tags = self._client.get_object_tagging(Bucket=self.bucket, Key=entry.key)["TagSet"]
        return {"Tagging": urlencode([(tag["Key"], tag["Value"]) for tag in tags])}

    @property
    def _client(self) -> "S3Client":
        if self._made is None:
            import boto3
            from botocore.config import Config

            config = Config(
                connect_timeout=min(CONNECT_SECONDS, self._answer_seconds),
                read_timeout=self._answer_seconds,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path" if self._options["endpoint_url"] else "auto"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            )
            session = make_session()
            self._made = boto3.session.Session(botocore_session=session).client("s3", config=config, **self._options)
        return self._made


def _code(error: exc.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def _named(entry: Entry, *, unchanged: bool) -> dict[str, str]:
    if entry.version is not None:
        return {"Key": entry.key, "VersionId": entry.version}
    return {"Key": entry.key, "ETag": entry.etag} if unchanged else {"Key": entry.key}


def _stands_in_xml(key: str) -> bool:
    return all(char >= " " or char in "\t\n" for char in key) and not any(char in key for char in "\ufffe\uffff")


def _object(each: Mapping[str, Any]) -> Entry:
    return Entry(key=each["Key"], etag=each["ETag"], size=each["Size"], modified=each["LastModified"].astimezone(UTC))


def _version(each: Mapping[str, Any], *, is_marker: bool) -> Entry:
    return Entry(
        key=each["Key"],
        etag=each.get("ETag", ""),
        size=each.get("Size", 0),
        modified=each["LastModified"].astimezone(UTC),
        version=each["VersionId"],
        is_latest=each["IsLatest"],
        is_marker=is_marker,
    )
