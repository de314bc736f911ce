"""The connection to one Redis server: bounded in time, never retried behind one's back, its errors told in words."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import redis
from redis import exceptions as exc
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.errors import ConfigurationError, KeptError
from stores.contract import NotPermitted, StoreUnreachable

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 20.0
SCHEMES: Final = ("redis", "rediss", "unix")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class RedisClient:
    """One server and one of its numbered databases, as the url says. Opens nothing before it is asked."""

    def __init__(self, name: str, url: str, *, ca: Path | None = None, answer_seconds: float = ANSWER_SECONDS) -> None:
        self.name = name
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES:
            raise ConfigurationError(
                f"The url of the store {name} begins with '{parts.scheme}'.",
                remedy="Write redis://HOST:6379/0, rediss://… for TLS, or unix:///PATH.",
            )
        self._place = parts.path if parts.scheme == "unix" else f"{parts.hostname or 'localhost'}:{_port(name, url)}"
        trusted = {"ssl_ca_certs": str(ca)} if ca is not None and parts.scheme == "rediss" else {}
        self._server: Any = redis.Redis.from_url(
            url,
            socket_connect_timeout=min(CONNECT_SECONDS, answer_seconds),
            socket_timeout=answer_seconds,
            retry=Retry(NoBackoff(), 0),  # a deed is repeated by whoever knows what it did
            protocol=2,
            client_name="kept",
            **trusted,
        )

    def time(self) -> datetime:
        with self.answering():
            seconds, micros = self._server.time()
        return _EPOCH + timedelta(seconds=int(seconds), microseconds=int(micros))

    def scan(self, cursor: int, glob: bytes, count: int) -> tuple[int, list[bytes]]:
        """One step over the keyspace: where it stands now, 0 at the end, and the keys that it met."""
        with self.answering():
            place, names = self._server.scan(cursor, match=glob, count=count)
        return int(place), names

    def ask(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """All commands in one round; an error of a single one stands in its place."""
        if not commands:
            return []
        with self.answering():
            pipe = self._server.pipeline(transaction=False)
            for command in commands:
                pipe.execute_command(*command)
            answers: list[Any] = pipe.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, exc.ResponseError) and not is_of_one_key(answer):
                raise self.told(answer)
        return answers

    @contextmanager
    def watching(self, names: Sequence[bytes]) -> Iterator[Any]:
        """A transaction that does nothing if one of these keys changed since here: `execute` raises WatchError then."""
        with self.answering(), self._server.pipeline(transaction=True) as pipe:
            pipe.watch(*names)
            pipe.multi()
            yield pipe

    @contextmanager
    def answering(self) -> Iterator[None]:
        try:
            yield
        except exc.WatchError:
            raise
        except exc.RedisError as error:
            raise self.told(error) from error
        except OSError as error:
            raise self._unreachable(str(error.strerror or type(error).__name__)) from error

    def told(self, error: exc.RedisError) -> KeptError:
        """What an error means. The server's own text names no key and no value in these."""
        text = (str(error).splitlines() or ["no answer"])[0].rstrip(".")
        match error:
            case exc.AuthenticationError() | exc.AuthorizationError():
                return self._unreachable("it refused the user or the password")
            case exc.TimeoutError():
                return self._unreachable(f"{self._place} was silent for too long")
            case exc.ConnectionError() if "CERTIFICATE" in text.upper() or "SSL" in text.upper():
                return self._unreachable(f"{self._place}: TLS failed, {_tls_reason(text)}")
            case exc.ConnectionError() | exc.ReadOnlyError() | exc.OutOfMemoryError():
                return self._unreachable(text)
        if text.startswith("NOAUTH"):
            return self._unreachable("it asks for a password")
        if isinstance(error, exc.NoPermissionError):
            return NotPermitted(
                f"The store {self.name} does not permit this: {text}.",
                remedy="Let its user SCAN, TYPE, PTTL, STRLEN, GET, GETRANGE, HMGET, HSCAN, WATCH, MULTI, UNLINK and PEXPIRE.",
            )
        if isinstance(error, exc.MovedError | exc.CrossSlotTransactionError | exc.ClusterError):
            return KeptError(f"The store {self.name} is a cluster.", remedy="Name each of its masters as a store.")
        return KeptError(f"The store {self.name} refused a command: {text}.", remedy="Its own log says why.")

    def close(self) -> None:
        self._server.close()

    def _unreachable(self, why: str) -> StoreUnreachable:
        return StoreUnreachable(
            f"The store {self.name} did not answer: {why}.",
            remedy="Start it or correct its url, and run the same command again.",
        )


def is_of_one_key(error: Any) -> bool:
    """Is it about one key alone: of another type than was asked, or not to be seen by this user?"""
    text = str(error)
    return text.startswith("WRONGTYPE") or "Operation against a key" in text or is_denied(error)


def is_denied(answer: Any) -> bool:
    return isinstance(answer, exc.NoPermissionError) and "key" in str(answer)


def _port(name: str, url: str) -> int:
    try:
        return urlsplit(url).port or 6379
    except ValueError as error:
        raise ConfigurationError(
            f"The url of the store {name} has no proper port.", remedy="Write it as :6379."
        ) from error


def _tls_reason(text: str) -> str:
    if "VERIFY" in text.upper() or "self-signed" in text or "self signed" in text:
        return "its certificate is not trusted (set `ca:` to the authority's file)"
    return "it does not speak TLS as it should"
