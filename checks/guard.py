"""The payload guard: says whether a JSON body holds what the policy says is never stored, and refuses it at the door of a host application."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final
from urllib.parse import quote

import structlog

from checks.sought import WORDS, Sought, sought_for
from checks.values import Leaf, TooDeep, find_doubled, read_json, steps, walk
from core.errors import BadInput
from core.traces import Trace, find_traces

log = structlog.get_logger()
LARGEST_BODY: Final = 1_048_576
MOST_FINDINGS: Final = 100
# What a number can be; every other kind is text.
_NUMBERS: Final = frozenset({Trace.CARD_NUMBER, Trace.COORDINATES, Trace.PASSWORD})
_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})
_LINES: Final = ("application/x-ndjson", "application/jsonl", "application/json-lines")
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/")

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
# Whether the person behind a request has consented to a purpose, as the host application knows.
Consented = Callable[[Environ, str], bool]


class Unreadable(BadInput):
    """A body that cannot be checked, so it is not let in: no JSON, too large, too deep, a key twice."""

    def __init__(self, message: str, *, remedy: str, status: int = 400, wrong: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
        self.wrong = tuple(wrong)


class Forbidden(BadInput):
    """A body that holds what is never stored. `wrong`: (JSON pointer, what stands there) pairs; never a value."""

    status = 422

    def __init__(self, findings: Sequence[GuardFinding]) -> None:
        clauses = ", ".join(dict.fromkeys(one.clause for one in findings))
        super().__init__(
            "The body holds what the policy says is never stored.",
            remedy=f"Send it without what stands at these paths. Clauses: {clauses}. Nothing of it was stored.",
        )
        self.wrong = tuple((one.pointer, f"holds {WORDS[one.kind]}") for one in findings)


@dataclass(frozen=True, kw_only=True)
class GuardFinding:
    """Where a body holds what a clause forbids. The pointer may repeat a key of the body: it is for who sent it, not for logs."""

    pointer: str = field(repr=False)
    kind: Trace
    clause: str


def check_body(body: bytes, sought: Sequence[Sought], *, lines: bool = False) -> tuple[GuardFinding, ...]:
    """Where a JSON body holds what is sought, at most a hundred places. `lines`: one document a line. Raises Unreadable."""
    documents = body.splitlines() if lines else [body]
    found: list[GuardFinding] = []
    for number, document in enumerate(documents):
        if lines and not document.strip():
            continue
        try:
            read = read_json(document)
            _refuse_doubled(read)
            start = (str(number),) if lines else ()
            found += _find(walk(read, telling=True), sought, start)
        except TooDeep as error:
            raise Unreadable("The body is nested deeper than 64 levels.", remedy="Send it flatter.") from error
        except ValueError as error:
            raise Unreadable("The body is not JSON.", remedy="Send one JSON document, in UTF-8.") from error
    return tuple(found[:MOST_FINDINGS])


def require_clean(body: bytes, sought: Sequence[Sought], *, lines: bool = False) -> None:
    """Raises Forbidden with every place, or Unreadable; returns where there is nothing."""
    found = check_body(body, sought, lines=lines)
    if found:
        log.info("guard.refused", places=len(found), kinds=sorted({one.kind.value for one in found}))
        raise Forbidden(found)


def _find(leaves: Iterable[Leaf], sought: Sequence[Sought], start: tuple[str, ...]) -> list[GuardFinding]:
    kinds = tuple({one.trace for one in sought})
    of_numbers = tuple(kind for kind in kinds if kind in _NUMBERS)
    found: dict[tuple[str, Trace], GuardFinding] = {}
    for leaf in leaves:
        held = find_traces(leaf.text, name=leaf.name, wanted=of_numbers if leaf.is_number else kinds)
        if leaf.of_chat and Trace.MODEL_TEXT in kinds and leaf.text.strip():
            held[Trace.MODEL_TEXT] = True
        if not held:
            continue
        for kind in (kind for kind, sure in held.items() if sure):
            pointer = _pointer((*start, *steps(leaf)))
            clause = next(one.clause for one in sought if one.trace is kind)
            found.setdefault((pointer, kind), GuardFinding(pointer=pointer, kind=kind, clause=clause))
    return list(found.values())


def _pointer(path: tuple[str, ...]) -> str:
    """RFC 6901, as the fragment of an address; `#` is the whole body."""
    parts = (quote(part.replace("~", "~0").replace("/", "~1")[:200], safe="~!$&'()*+,;=:@") for part in path)
    return "#" + "".join(f"/{part}" for part in parts)


def _refuse_doubled(value: Any) -> None:
    """Two readers of one body may each take another of the two values, so none is let in."""
    doubled = find_doubled(value)
    if doubled is not None:
        wrong = ((_pointer(doubled), "is there twice"),)
        raise Unreadable("The body has a key twice.", remedy="Send each key once.", wrong=wrong)


class PayloadGuard:
    """WSGI middleware: a POST, PUT or PATCH below `paths` whose JSON body holds what is never stored gets 422 and goes no further.

    `sought`: from `checks.sought.sought_in(document)`. `into`: the category of what these addresses store, for clauses
    with exceptions. `consented` decides about clauses with `unless: {consent: …}`; without it they hold for everybody.
    Bodies that are forms are let through, so are those of other methods. Nothing that was sent is logged or kept.
    """

    def __init__(
        self,
        app: Application,
        sought: Sequence[Sought],
        *,
        into: str | None = None,
        paths: Sequence[str] = ("/",),
        consented: Consented | None = None,
        largest: int = LARGEST_BODY,
    ) -> None:
        self._app = app
        self._sought = sought_for(sought, into=into)
        self._paths = tuple(paths)
        self._consented = consented
        self._largest = largest

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if not self._guards(environ):
            return self._app(environ, start_response)
        try:
            body = self._take_body(environ)
            kind = str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
            if body.strip() and (_is_json(kind) or body.lstrip()[:1] in (b"{", b"[") or body[:2] in _WIDE):
                require_clean(_unpack(body, environ, self._largest), self._sought_of(environ), lines=kind in _LINES)
        except (Forbidden, Unreadable) as error:
            return _answer(error, environ, start_response)
        return self._app(environ, start_response)

    def _guards(self, environ: Environ) -> bool:
        path = str(environ.get("PATH_INFO", "/")) or "/"
        kind = str(environ.get("CONTENT_TYPE", "")).lower()
        inside = any(path == one or path.startswith(one.rstrip("/") + "/") for one in self._paths)
        return environ.get("REQUEST_METHOD") in _METHODS and inside and not kind.startswith(_FORMS)

    def _sought_of(self, environ: Environ) -> tuple[Sought, ...]:
        asked: dict[str, bool] = {}
        for one in self._sought:
            if one.consent and self._consented and one.consent not in asked:
                asked[one.consent] = self._consented(environ, one.consent)
        return tuple(one for one in self._sought if not (one.consent and asked.get(one.consent)))

    def _take_body(self, environ: Environ) -> bytes:
        """The body, left in the environment for the application. Raises Unreadable where it is larger than the limit."""
        length = str(environ.get("CONTENT_LENGTH") or "")
        if not length.isdecimal():
            if not environ.get("wsgi.input_terminated"):
                return b""  # without a length there is no body, as WSGI has it
            length = str(self._largest + 1)
        if int(length) > self._largest and not environ.get("wsgi.input_terminated"):
            raise _too_large(self._largest)
        body: bytes = environ["wsgi.input"].read(min(int(length), self._largest + 1))
        if len(body) > self._largest:
            raise _too_large(self._largest)
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(body), str(len(body))
        return body


_WIDE: Final = (b"\xef\xbb", b"\xff\xfe", b"\xfe\xff", b"{\x00", b"\x00{", b"[\x00", b"\x00[", b"\x1f\x8b")


def _is_json(kind: str) -> bool:
    return kind in ("application/json", "text/json", *_LINES) or kind.endswith("+json")


def _unpack(body: bytes, environ: Environ, largest: int) -> bytes:
    """The body as the application will see it once it has unpacked it, no further than the limit."""
    packing = str(environ.get("HTTP_CONTENT_ENCODING", "identity")).strip().lower()
    if packing in ("identity", "") and body[:2] != b"\x1f\x8b":
        return body
    if packing not in ("gzip", "x-gzip", "deflate", "identity", ""):
        raise Unreadable(
            "The body is packed in a way that cannot be checked.", remedy="Send it plain or as gzip.", status=415
        )
    reader = zlib.decompressobj(wbits=47)  # gzip or zlib, by its own header
    try:
        plain = reader.decompress(body, largest + 1)
    except zlib.error as error:
        raise Unreadable("The body is not packed as its header says.", remedy="Send it plain or as gzip.") from error
    if len(plain) > largest or reader.unused_data or not reader.eof:
        raise _too_large(largest)
    return plain


def _too_large(largest: int) -> Unreadable:
    return Unreadable(
        f"The body is larger than {largest:,} bytes.",
        remedy="Send less at a time; what is larger is not checked.",
        status=413,
    )


_REASONS: Final = {
    400: "Bad Request",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
}


def _answer(error: Forbidden | Unreadable, environ: Environ, start_response: StartResponse) -> list[bytes]:
    told: dict[str, Any] = {
        "type": "about:blank",
        "title": error.message,
        "status": error.status,
        "detail": error.remedy,
    }
    if error.wrong:
        told["errors"] = [{"pointer": pointer, "detail": said} for pointer, said in error.wrong]
    answer = json.dumps(told, ensure_ascii=False).encode()
    headers = [
        ("Content-Type", "application/problem+json"),
        ("Content-Length", str(len(answer))),
        ("Cache-Control", "no-store"),
    ]
    start_response(f"{error.status} {_REASONS[error.status]}", headers)
    return [answer]
