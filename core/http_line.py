"""One request over a connection that goes to the very address that was checked, read within bounds of size and time.

The name is resolved once for each connection and every address it has is judged; the connection is then made to one of
them by number, while TLS still asks for the name. So a name that changes in between changes nothing.
"""

import http.client
import ipaddress
import logging
import socket
import ssl
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Event, Timer
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse

from core.errors import ConfigurationError

# Its warnings name the address, in which may stand what is asked about whom.
logging.getLogger("urllib3").setLevel(logging.ERROR)
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0
WHOLE_SECONDS: Final = 60.0
MOST_BYTES: Final = 8_000_000
CHUNK: Final = 65_536
ALLOWED: Final = ("http", "private")
_ALWAYS_SENT: Final = {"User-Agent": "kept", "Accept": "application/json", "Connection": "close"}

Resolve = Callable[[str, int], Collection[str]]


class Refused(Exception):
    """The connection is not made: where it would lead is not allowed."""


class Broken(Exception):
    """No answer came, or none that could be read. `sent`: the request may have arrived. `final`: the next try
    would end the same way."""

    def __init__(self, why: str, *, sent: bool = True, final: bool = False) -> None:
        super().__init__(why)
        self.sent, self.final = sent, final


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long is waited, and how much is read, for one answer. `status_only`: the status is all that is wanted. The body
    is then read as far as it comes within the bounds, and whatever sends by drops is cut off after `whole_seconds`."""

    connect_seconds: float = CONNECT_SECONDS
    answer_seconds: float = ANSWER_SECONDS
    whole_seconds: float = WHOLE_SECONDS
    most_bytes: int = MOST_BYTES
    status_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Raw:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def resolve_name(host: str, port: int) -> Collection[str]:
    """All addresses of a name, in the order of the system."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[4][0]) for place in found))


class Line:
    """The way to one server. `allow`: 'http' for no TLS, 'private' for addresses that are not public."""

    def __init__(
        self,
        base: str,
        *,
        allow: Collection[str] = (),
        ca: Path | None = None,
        limits: Limits | None = None,
        resolve: Resolve = resolve_name,
    ) -> None:
        parts = urlsplit(base)
        self._secure = parts.scheme == "https"
        if not self._secure and not (parts.scheme == "http" and "http" in allow):
            raise ConfigurationError(
                f"The address {parts.scheme}://{parts.hostname} is not https.",
                remedy="Write https://HOST; `allow: [http]` is for a server on this machine.",
            )
        if not parts.hostname or parts.username or parts.password or parts.query or parts.fragment:
            raise ConfigurationError(
                "The address of an API is https://HOST, with a port and a path where it has them.",
                remedy="Take user, password and query out of it: the key stands in `key:`.",
            )
        self.host = parts.hostname
        self._port = parts.port or (443 if self._secure else 80)
        self._prefix = parts.path.rstrip("/")
        self._named = parts.netloc
        self._private = "private" in allow
        self._limits = limits or Limits()
        self._resolve = resolve
        self._ca = ca

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Raw:
        """One request, one answer, no redirect followed. Raises Refused, Broken; neither tells what was asked."""
        connection = self._connected()
        try:
            with self._cut_off(connection) as is_cut:
                connection.request(
                    method,
                    self._prefix + target,
                    body=body,
                    headers={"Host": self._named, **_ALWAYS_SENT, **headers},
                    preload_content=False,
                    decode_content=False,
                )
                response = connection.getresponse()
                if is_cut.is_set():  # what ends in the middle of its headers is taken for an answer
                    raise Broken(f"it took more than {self._limits.whole_seconds:g} seconds")
                return self._read(response)
        except TimeoutError:
            raise Broken(f"it said nothing for {self._limits.answer_seconds:g} seconds") from None
        except (OSError, HTTPError, http.client.HTTPException) as error:
            raise Broken(f"the connection ended ({type(error).__name__})") from None
        finally:
            connection.close()

    def require_address(self) -> None:
        """Raise Refused or Broken unless its name leads where it may; no connection is made."""
        self._addresses()

    @contextmanager
    def _cut_off(self, connection: HTTPConnection) -> Iterator[Event]:
        """Each read has its own patience, so a line that comes letter by letter never ends: here it does."""
        is_cut = Event()
        if not self._limits.status_only:
            yield is_cut
            return
        timer = Timer(self._limits.whole_seconds, _shut, [connection, is_cut])
        timer.daemon = True
        timer.start()
        try:
            yield is_cut
        finally:
            timer.cancel()

    def _connected(self) -> HTTPConnection:
        why = "it has no address"
        for address in self._addresses():
            connection = self._connection(address)
            try:
                connection.connect()
            except ssl.SSLCertVerificationError as error:
                connection.close()
                raise Broken(
                    f"its certificate is not trusted ({error.verify_message})", sent=False, final=True
                ) from None
            except ssl.SSLError as error:
                connection.close()
                raise Broken(f"TLS failed ({error.reason or type(error).__name__})", sent=False) from None
            except (OSError, HTTPError) as error:
                connection.close()
                why = f"no connection ({type(error).__name__})"
            else:
                connection.timeout = self._limits.answer_seconds  # set on the socket as the request begins
                return connection
        raise Broken(why, sent=False)

    def _connection(self, address: str) -> HTTPConnection:
        if not self._secure:
            return HTTPConnection(address, self._port, timeout=self._limits.connect_seconds)
        return HTTPSConnection(
            address,
            self._port,
            timeout=self._limits.connect_seconds,
            ssl_context=_trusting(self._ca),
            server_hostname=self.host,  # what TLS asks for and checks, whatever address it was reached by
        )

    def _addresses(self) -> list[str]:
        try:
            found = list(self._resolve(self.host, self._port))
        except OSError as error:
            raise Broken(f"its name is not known ({type(error).__name__})", sent=False) from None
        hidden = [address for address in found if not is_public(address)]
        if hidden and not self._private:
            raise Refused(f"{self.host} leads to {hidden[0]}, which is not a public address")
        return found

    def _read(self, response: HTTPResponse) -> Raw:
        if self._limits.status_only:
            self._read_some(response)
            return Raw(status=response.status, headers=_headers(response), body=b"")
        deadline = monotonic() + self._limits.whole_seconds
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise Broken("its answer is packed, which was not asked for", final=True)
        body = bytearray()
        while chunk := response.read1(CHUNK):
            body += chunk
            if len(body) > self._limits.most_bytes:
                raise Broken(f"its answer is larger than {self._limits.most_bytes} bytes", final=True)
            if monotonic() > deadline:
                raise Broken(f"its answer took more than {self._limits.whole_seconds:g} seconds")
        return Raw(status=response.status, headers=_headers(response), body=bytes(body))

    def _read_some(self, response: HTTPResponse) -> None:
        """The status has come: a body that breaks off changes nothing of it."""
        left = self._limits.most_bytes
        with suppress(OSError, HTTPError, http.client.HTTPException):
            while left > 0 and (chunk := response.read1(left)):
                left -= len(chunk)


def _headers(response: HTTPResponse) -> Mapping[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _shut(connection: HTTPConnection, is_cut: Event) -> None:
    """End it under whoever reads from it. Not by the TLS socket's own method, which forgets its state in mid-read."""
    is_cut.set()
    sock = connection.sock
    if sock is not None:
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


@cache
def _trusting(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca) if ca else None)
    except OSError as error:
        raise ConfigurationError(
            f"{ca} is no file of certificates ({type(error).__name__}).", remedy="Correct `ca:` of the store."
        ) from error


def is_public(address: str) -> bool:
    """Also what an IPv6 address carries inside (mapped, 6to4, Teredo, NAT64) has to be public."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inside = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            inside.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        carried = [one for one in inside if one is not None]
        if carried:
            return all(is_public(str(one)) for one in carried)
    return ip.is_global and not ip.is_multicast and not ip.is_reserved
