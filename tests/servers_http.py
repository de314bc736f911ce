"""A server that stands in for a vendor's API: Stripe's customers, search and redaction jobs as its documentation says, and
every way in which such a server fails."""

from __future__ import annotations

import base64
import json
import re
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

KEY = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"
_CLAUSE = re.compile(r"""email:(['"])((?:\\.|(?!\1)[^\\])*)\1""")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    form: list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Fails:
    """What is answered instead. `how`: answer, hang, reset, cut, lost (done, and never answered)."""

    how: str = "answer"
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"error": {"code": "api_error", "message": "about anna@mail.test"}}'


def customer(key: str, email: str | None, name: str | None = "Anna Ash", **more: Any) -> dict[str, Any]:
    """A customer object with every key that Stripe documents as always there."""
    return {
        "id": key, "object": "customer", "address": {"city": "Bonn", "line1": "1 Ash Way"}, "balance": 0,
        "created": 1680893993, "currency": None, "default_source": None, "delinquent": False, "description": None,
        "email": email, "invoice_prefix": "0759376C", "livemode": False, "metadata": {"plan": "pro"}, "name": name,
        "phone": "+4915100000", "preferred_locales": [], "shipping": None, "tax_exempt": "none", **more,
    }  # fmt: skip


class Vendor:
    """The state of the stand-in. `stuck`: a job that comes to this state stays in it. `page`: items a page at most."""

    def __init__(self) -> None:
        self.customers: dict[str, dict[str, Any]] = {}
        self.index: dict[str, str] | None = None  # None: the search index is up to date
        self.jobs: dict[str, dict[str, Any]] = {}
        self.asked: list[Asked] = []
        self.stuck: str | None = None
        self.invalid: set[str] = set()
        self.page = 100
        self.blanks = True
        self._fails: deque[tuple[str, Fails]] = deque()
        self._once: dict[str, tuple[int, dict[str, Any]]] = {}
        self.stopped = threading.Event()
        self._lock = threading.Lock()

    def put(self, *customers: dict[str, Any]) -> None:
        self.customers |= {one["id"]: one for one in customers}

    def fail(self, path: str, *fails: Fails) -> None:
        """The next requests whose path begins like this are answered so, one after another."""
        self._fails += [(path, one) for one in fails]

    def forget_failures(self) -> None:
        self._fails.clear()

    def next_failure(self, path: str) -> Fails | None:
        with self._lock:
            for place, (prefix, fails) in enumerate(self._fails):
                if path.startswith(prefix):
                    del self._fails[place]
                    return fails
        return None

    def sent(self, method: str, path: str) -> list[Asked]:
        return [one for one in self.asked if one.method == method and one.path.startswith(path)]

    def answer(self, asked: Asked) -> tuple[int, dict[str, Any]]:
        with self._lock:
            if asked.headers.get("authorization") != f"Bearer {KEY}":
                return 401, _error(None, "Invalid API Key")
            once = asked.headers.get("idempotency-key")
            if asked.method == "POST" and once in self._once:
                return self._once[once]
            answer = self._route(asked)
            if asked.method == "POST" and once:
                self._once[once] = answer
            return answer

    def _route(self, asked: Asked) -> tuple[int, dict[str, Any]]:
        parts = asked.path.strip("/").split("/")
        match asked.method, *parts:
            case "GET", "v1", "customers", "search":
                return self._search(asked)
            case "GET", "v1", "customers":
                wanted = asked.query.get("email", [None])[0]
                return 200, self._listed(
                    asked, [one for one in self.customers.values() if wanted is None or one.get("email") == wanted]
                )
            case "GET", "v1", "customers", key:
                if key not in self.customers:
                    return 404, _error("resource_missing", f"No such customer: '{key}'")
                one = self.customers[key]
                return 200, {k: one[k] for k in ("id", "object", "deleted")} if one.get("deleted") else one
            case "POST", "v1", "customers", key:
                self.customers[key] |= {name: value or None for name, value in asked.form}
                return 200, self.customers[key]
            case method, "v1", "privacy", "redaction_jobs", *rest:
                if not asked.headers.get("stripe-version", "").endswith(".preview"):
                    return 404, _error(None, "Unrecognized request URL")
                return self._jobs(asked, method, rest)
        return 404, _error(None, "Unrecognized request URL")

    def _search(self, asked: Asked) -> tuple[int, dict[str, Any]]:
        clause = _CLAUSE.fullmatch(asked.query["query"][0])
        if clause is None:
            return 400, _error("parameter_invalid", "unable to parse the query")
        wanted = re.sub(r"\\(.)", r"\1", clause[2]).casefold()
        index = self.index if self.index is not None else {k: c.get("email") or "" for k, c in self.customers.items()}
        found = [self.customers[key] for key, email in index.items() if wanted in email.casefold()]
        start = int(asked.query.get("page", ["0"])[0])
        more = start + self.page < len(found)
        page = {"object": "search_result", "data": found[start : start + self.page], "has_more": more}
        return 200, page | ({"next_page": str(start + self.page)} if more else {})

    def _listed(self, asked: Asked, rows: list[dict[str, Any]]) -> dict[str, Any]:
        after = asked.query.get("starting_after", [None])[0]
        start = [one["id"] for one in rows].index(after) + 1 if after else 0
        return {"object": "list", "data": rows[start : start + self.page], "has_more": start + self.page < len(rows)}

    def _jobs(self, asked: Asked, method: str, rest: list[str]) -> tuple[int, dict[str, Any]]:
        if method == "POST" and not rest:
            return self._create(asked)
        if method == "GET" and not rest:
            newest = list(reversed(self.jobs.values()))
            whole = asked.query.get("expand[]") == ["data.objects"]
            listed = self._listed(asked, newest)
            return 200, {**listed, "data": [one if whole else _short(one) for one in listed["data"]]}
        job = self.jobs.get(rest[0])
        if job is None:
            return 404, _error("resource_missing", "No such redaction job")
        if method == "GET":
            self._move(job)
            return 200, _short(job)
        return self._push(job, rest[1])

    def _create(self, asked: Asked) -> tuple[int, dict[str, Any]]:
        keys = [value for name, value in asked.form if name == "objects[customers][]"]
        if len(keys) > 10 or any(key not in self.customers for key in keys):
            return 400, _error("resource_missing", "No such customer")
        live = [job for job in self.jobs.values() if job["status"] not in ("failed", "canceled", "succeeded")]
        if any(set(keys) & set(job["objects"]["customers"]) for job in live):
            return 400, _error(None, "already included in a redaction job")
        job = {
            "id": f"prj_{len(self.jobs) + 1}", "object": "privacy.redaction_job", "created": 1, "livemode": False,
            "objects": {"customers": keys, "charges": None}, "status": "validating", "validation_behavior": "error",
        }  # fmt: skip
        self.jobs[str(job["id"])] = job
        return 200, _short(job)

    def _move(self, job: dict[str, Any]) -> None:
        if job["status"] == self.stuck:
            return
        if job["status"] == "validating":
            job["status"] = "failed" if self.invalid & set(job["objects"]["customers"]) else "ready"
        elif job["status"] == "redacting":
            job["status"] = "succeeded"
            for key in job["objects"]["customers"] if self.blanks else ():
                self.redact(key)

    def _push(self, job: dict[str, Any], word: str) -> tuple[int, dict[str, Any]]:
        allowed = {"run": ("ready", "redacting"), "validate": ("failed", "validating")}
        before, after = allowed[word]
        if job["status"] != before:
            return 400, _error("redaction_job_wrong_status", f"the job is {job['status']}")
        job["status"] = after
        return 200, _short(job)

    def redact(self, key: str) -> None:
        one, said = self.customers[key], "[redacted]"
        self.customers[key] = one | {
            "email": said, "name": said, "phone": said, "metadata": {}, "address": {"city": said, "line1": said},
        }  # fmt: skip


class Helpdesk(Vendor):
    """Another vendor: basic auth, numbered pages, the next page by its address, one DELETE for each record."""

    def __init__(self) -> None:
        super().__init__()
        self.people = {str(n): {"no": n, "contact": {"mail": "desk@mail.test"}} for n in range(1, 6)}
        self.link_host = ""

    def answer(self, asked: Asked) -> tuple[int, dict[str, Any]]:
        if asked.headers.get("authorization") != "Basic " + base64.b64encode(b"kept:pass:word").decode():
            return 401, {}
        key = asked.path.rpartition("/")[2]
        if asked.method == "DELETE":
            return (204, {}) if self.people.pop(key, None) else (410, {})
        if asked.path.startswith("/api/people/"):
            return (200, {"person": self.people[key]}) if key in self.people else (410, {})
        place = int(asked.query.get("page", ["1"])[0])
        rows = list(self.people.values())[place * 2 - 2 : place * 2]
        more = f"{self.link_host}/api/linked?page={place + 1}" if place * 2 < len(self.people) else None
        return 200, {"results": {"people": rows}, "links": {"next": more}}


def _short(job: dict[str, Any]) -> dict[str, Any]:
    short = {name: value for name, value in job.items() if name != "objects"}
    if job["status"] == "failed":
        short["validation_errors"] = {
            "object": "list",
            "data": [{"code": "payment_intent_not_terminal", "message": "x"}],
        }
    return short


def _error(code: str | None, message: str) -> dict[str, Any]:
    return {"error": {"type": "invalid_request_error", "message": message, **({"code": code} if code else {})}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    vendor: Vendor

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        asked = Asked(
            method=self.command,
            path=parts.path,
            query=parse_qs(parts.query, keep_blank_values=True),
            headers={name.lower(): value for name, value in self.headers.items()},
            form=parse_qsl(body, keep_blank_values=True),
        )
        self.vendor.asked.append(asked)
        fails = self.vendor.next_failure(parts.path)
        if fails is None:
            status, data = self.vendor.answer(asked)
            self._write(status, {}, json.dumps(data).encode() if status != 204 else b"")
        elif fails.how == "answer":
            self._write(fails.status, fails.headers, fails.body)
        else:
            self._misbehave(fails, asked)

    def _misbehave(self, fails: Fails, asked: Asked) -> None:
        self.close_connection = True
        if fails.how == "hang":
            self.vendor.stopped.wait(20)
        elif fails.how == "lost":  # carried out, and the answer never arrives
            self.vendor.answer(asked)
        elif fails.how == "cut":
            self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"object": "li')
        if fails.how in ("reset", "lost"):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def _write(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 # the name it has there
        """Tests look at `asked` instead."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the tests."""


@contextmanager
def run_vendor(
    certificate: tuple[Path, Path] | None = None, vendor: Vendor | None = None
) -> Iterator[tuple[Vendor, str]]:
    """Starts the stand-in on a free port; gives it and its address."""
    vendor = vendor or Vendor()
    handler = type("Handler", (_Handler,), {"vendor": vendor})
    server = _Server(("127.0.0.1", 0), handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield vendor, f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        vendor.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for a host name or 127.0.0.1 that is its own authority, and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    alternative: x509.GeneralName = x509.DNSName(name)
    if name[0].isdigit():
        alternative = x509.IPAddress(ip_address(name))
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}.key"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return files
