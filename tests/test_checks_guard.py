"""The payload guard: as a function, as WSGI middleware around a host application, and as `POST /api/v1/guard`."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from structlog.testing import capture_logs
from werkzeug.test import Client, TestResponse

from checks.guard import Environ, PayloadGuard, StartResponse, Unreadable, check_body
from checks.sought import Sought, kinds_of, sought_for, sought_in, unknown_to_detectors
from core.operators import create_token
from core.personal import Personal
from core.traces import Trace
from policies.clauses import NeverClause
from policies.consents import NewConsent
from policies.documents import parse_document
from tests.web_installation import POLICY, Installation, open_installation

SECRET = "Anna wants the minutes of Tuesday"
KEY = "sk-ant-api03-" + "Zq7" * 12
CLAUSES = """clauses:
  - {id: no-content, kind: never, of: [content, provider_key], silent: true}
  - {id: no-cards, kind: never, of: card_data, except: [invoice], silent: true}
  - {id: no-location, kind: never, of: location, unless: {consent: maps}, silent: true}
  - {id: no-passwords, kind: never, of: plaintext_password, silent: true}
"""
GUARDED = POLICY.replace("clauses:\n", CLAUSES)


@pytest.fixture(scope="module")
def sought() -> tuple[Sought, ...]:
    return sought_in(parse_document(GUARDED, "guarded.md"))


def places(body: Any, sought: tuple[Sought, ...]) -> list[tuple[str, str]]:
    """Where a body holds what, as (pointer, clause)."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return [(one.pointer, one.clause) for one in check_body(sent, sought)]


CLEAN = {
    "events": [
        {"model": "gpt-4o", "prompt_tokens": 812, "completion_tokens": 90, "latency_ms": 210.5, "status": "ok",
         "user": "u_000042", "request_id": "7f3c1ad2-1111-4abc-8def-001122334455", "at": "2026-01-02T03:04:05.123Z",
         "error": "upstream answered 429: rate limit exceeded", "cost": 0.00213, "order": 4111111111111112,
         "password_hash": "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", "prompt_hash": "9f86d081884c7d659a2feaa0c55ad015",
         "prompt": "[redacted]", "messages": [], "region": "eu-central-1", "version": "1.2.3.4"}
    ]
}  # fmt: skip


def test_a_usage_record_passes(sought: tuple[Sought, ...]) -> None:
    """Counts of tokens, hashes, ids, redaction marks and errors are not what they are about."""
    assert places(CLEAN, sought) == []


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"prompt": "hi"}, [("#/prompt", "no-content")]),
        ({"a": [{}, {"completion": SECRET}]}, [("#/a/1/completion", "no-content")]),
        ({"messages": [{"role": "user", "content": "ok?"}]}, [("#/messages/0/content", "no-content")]),
        ({"x": {"role": "assistant", "content": [{"type": "text", "text": "Yes"}]}}, [("#/x/content/0/text", "no-content")]),
        ({"meta": json.dumps({"prompt": SECRET})}, [("#/meta", "no-content")]),
        ({"note": f"answered with {KEY}"}, [("#/note", "no-content")]),
        ({KEY: 1}, [("#", "no-content")]),
        ({"a/b~c": {"prompt": SECRET}}, [("#/a~1b~0c/prompt", "no-content")]),
        ({"n": 4111111111111111}, [("#/n", "no-cards")]),
        ({"n": "paid with 5555 5555 5555 4444."}, [("#/n", "no-cards")]),
        ({"lat": 52.52001, "lon": 13.40495}, [("#/lat", "no-location"), ("#/lon", "no-location")]),
        ({"geo": {"type": "Point", "coordinates": [13.40495, 52.52001]}}, [("#/geo/coordinates/0", "no-location"), ("#/geo/coordinates/1", "no-location")]),
        ({"password": "hunter2"}, [("#/password", "no-passwords")]),
        ({"line": "login of u_42 failed, password=hunter2"}, [("#/line", "no-passwords")]),
        ([SECRET, {"prompt": SECRET}], [("#/1/prompt", "no-content")]),
    ],
)  # fmt: skip
def test_what_is_never_stored_is_found_by_its_path(
    body: Any, found: list[tuple[str, str]], sought: tuple[Sought, ...]
) -> None:
    """By the name, by the form of a chat, in JSON inside text, in keys, as text or number; each with its clause."""
    assert sorted(places(body, sought)) == sorted(found)


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_another_encoding_hides_nothing(coding: str, sought: tuple[Sought, ...]) -> None:
    """JSON in any encoding that a host application would read is read here too."""
    assert places(json.dumps({"prompt": SECRET}).encode(coding), sought) == [("#/prompt", "no-content")]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not JSON"), (b"\xff\xff\xff", "not JSON"), (b"1" * 5_000, "not JSON"),
        (b"[" * 100_000, "nested deeper"), (b'{"a":' * 100 + b"1" + b"}" * 100, "nested deeper"),
        (b'{"prompt": "secret words", "prompt": ""}', "a key twice"), (b'[{"a": {"b": 1, "b": 2}}]', "a key twice"),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read_one_way_only_is_refused(
    body: bytes, words: str, sought: tuple[Sought, ...]
) -> None:
    """No JSON, too deep, or a key that stands twice, of which two readers may take different ones."""
    with pytest.raises(Unreadable, match=words) as refused:
        check_body(body, sought)
    assert "secret" not in str(refused.value)


def test_exceptions_and_unknown_words_are_honoured(sought: tuple[Sought, ...]) -> None:
    """An invoice may hold card data if the clause says so; a word that no detector knows is said to be unknown."""
    card = {"n": "4111111111111111"}
    assert places(card, sought_for(sought, into="invoice")) == []
    assert places(card, sought_for(sought, into="account"))
    assert kinds_of("user_api_key") == {Trace.API_KEY}
    assert unknown_to_detectors(NeverClause(id="x", of=("content", "biometrics"))) == ("biometrics",)


class Host:
    """A host application that keeps what it is sent."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        self.kept.append(environ["wsgi.input"].read())
        start_response("201 Created", [("Content-Type", "text/plain")])
        return [b"kept"]


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def client(host: Host, sought: tuple[Sought, ...]) -> Client:
    guard = PayloadGuard(
        host, sought, paths=["/usage"], consented=lambda environ, purpose: environ.get("HTTP_X_USER") == "u_1"
    )
    return Client(guard)  # fmt: skip


def problem(answer: TestResponse, status: int) -> dict[str, Any]:
    """The problem document, checked for its form."""
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.content_type == "application/problem+json"
    told: dict[str, Any] = json.loads(answer.data)
    assert told["status"] == status
    assert told["title"]
    assert told["detail"]
    return told


def test_the_middleware_lets_good_bodies_through_whole(client: Client, host: Host) -> None:
    """The application reads exactly what was sent; other methods, other paths and forms are none of the guard's business."""
    assert client.post("/usage/events", json=CLEAN).status_code == 201
    assert json.loads(host.kept[-1]) == CLEAN
    assert client.get("/usage").status_code == 201
    assert client.post("/elsewhere", json={"prompt": SECRET}).status_code == 201
    assert client.post("/usage", data={"prompt": SECRET}).status_code == 201
    assert client.post("/usage", data=b"", content_type="application/json").status_code == 201


def test_the_middleware_refuses_and_the_application_never_sees_it(client: Client, host: Host) -> None:
    """422 with pointers; nothing is stored, no value is answered or logged."""
    with capture_logs() as logs:
        told = problem(client.post("/usage", json={"m": {"prompt": SECRET, "k": KEY}}), 422)
    assert sorted(one["pointer"] for one in told["errors"]) == ["#/m/k", "#/m/prompt"]
    assert host.kept == []
    assert "Anna" not in json.dumps(told) + repr(logs)
    assert KEY not in json.dumps(told) + repr(logs)
    assert logs[0]["event"] == "guard.refused"


def test_nothing_slips_past_by_its_wrapping(client: Client, host: Host) -> None:
    """Another content type, gzip, lines of JSON; what cannot be unpacked or is too large is refused in words."""
    body = json.dumps({"prompt": SECRET}).encode()
    problem(client.post("/usage", data=body, content_type="text/plain"), 422)
    problem(client.post("/usage", data=body, content_type="application/cloudevents+json"), 422)
    problem(client.post("/usage", data=gzip.compress(body), headers={"Content-Encoding": "gzip"}), 422)
    lines = b'{"a": 1}\n\n{"completion": "words"}\n'
    told = problem(client.post("/usage", data=lines, content_type="application/x-ndjson"), 422)
    assert told["errors"][0]["pointer"] == "#/2/completion"
    problem(client.post("/usage", data=body, headers={"Content-Encoding": "br"}), 415)
    problem(
        client.post("/usage", data=gzip.compress(b"[" + b" " * 2_000_000 + b"]"), headers={"Content-Encoding": "gzip"}),
        413,
    )
    problem(client.post("/usage", data=b"x" * 1_100_000, content_type="application/json"), 413)
    problem(client.post("/usage", data=b'{"a": 1, "a": 2}', content_type="application/json"), 400)
    chunked = {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    problem(
        client.post(
            "/usage", input_stream=io.BytesIO(body), content_type="application/json", environ_overrides=chunked
        ),
        422,
    )
    assert host.kept == []


def test_a_consent_lifts_the_clause_for_that_person_only(client: Client) -> None:
    """`unless: {consent: …}` is asked of the host application."""
    place = {"latitude": 52.52001}
    assert client.post("/usage", json=place, headers={"X-User": "u_1"}).status_code == 201
    problem(client.post("/usage", json=place, headers={"X-User": "u_2"}), 422)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose policy says never."""
    with open_installation(tmp_path_factory.mktemp("guard") / "kept", publish=False) as opened:
        opened.publish(GUARDED)
        yield opened


def machine(installation: Installation, *scopes: str) -> tuple[FlaskClient, dict[str, str]]:
    """A host application with a token."""
    with installation.kept.database.begin() as session:
        token = create_token(session, name="shop", scopes=frozenset(scopes), now=installation.kept.clock.now())
    return installation.client(), {"Authorization": f"Bearer {token}"}


def test_the_address_answers_204_or_422(installation: Installation) -> None:
    """By the policy in force, with the pointers; the scope is asked for; exceptions by `into`, consents by `subject`."""
    client, headers = machine(installation, "guard:check")

    def ask(body: Any, query: str = "") -> TestResponse:
        return client.post(f"/api/v1/guard{query}", json=body, headers=headers)

    assert ask(CLEAN).status_code == 204
    told = problem(ask({"prompt": SECRET}), 422)
    assert told["errors"] == [{"pointer": "#/prompt", "detail": "holds prompt or response text"}]
    assert "no-content" in told["detail"]
    assert SECRET not in json.dumps(told)
    assert ask({"n": "4111111111111111"}, "?into=invoice").status_code == 204
    consent = NewConsent(
        subject=Personal("u_9"), purpose="maps", given=True, channel="web", text="Keep my places.", language="en"
    )
    installation.kept.consents.record(consent, actor="test")
    assert ask({"lat": 52.52001}, "?subject=u_9").status_code == 204
    problem(ask({"lat": 52.52001}, "?subject=u_8"), 422)
    problem(ask({"lat": 52.52001}, "?subject=anna@example.com"), 400)
    problem(client.post("/api/v1/guard", data=b"[" * 90_000, headers=headers), 400)
    problem(client.post("/api/v1/guard", data=b"x" * 300_000, headers=headers), 413)
    other, without = machine(installation, "policy:read")
    assert problem(other.post("/api/v1/guard", json={}, headers=without), 403)["title"]
    assert other.post("/api/v1/guard", json={}).status_code == 401


def test_without_a_policy_nothing_is_forbidden(tmp_path: Path) -> None:
    """A guard that knows no promise has none to keep."""
    with open_installation(tmp_path / "kept", publish=False) as fresh:
        client, headers = machine(fresh, "guard:check")
        assert client.post("/api/v1/guard", json={"prompt": SECRET}, headers=headers).status_code == 204
