"""The machine interface as a host application uses it: tokens, acceptance, consent, the policy, and what is refused in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.operators import create_token
from jobs.commands.operators import SCOPES
from policies.documents import parse_document
from policies.materiality import Weight
from policies.versions import Overrule
from tests.acceptance_rooms import EXPLICIT
from tests.web_installation import POLICY, Installation, open_installation
from web.access import ACCESS, Open

NEWS = "{id: news, kind: purpose, of: [account], why: [a newsletter], basis: consent, silent: true}"
ASKING = POLICY.replace("clauses:\n", f"clauses:\n  - {EXPLICIT[:-1]}, silent: true}}\n  - {NEWS}\n")
WORDS = "Send me the newsletter."


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Version 1 asks for acceptance and has one purpose that rests on consent; version 2 is planned."""
    with open_installation(tmp_path_factory.mktemp("api") / "kept", publish=False) as opened:
        opened.publish(ASKING)
        later = ASKING.replace("language: en\n", "language: en\nnot_before: 2099-01-01\n").replace("P30D", "P60D")
        opened.kept.policies.publish(
            parse_document(later, "later.md"),
            actor="system",
            overrule=Overrule(weight=Weight.MATERIAL, reason="longer", by="opr_1"),
        )
        yield opened


class Machine:
    """A host application with a token."""

    def __init__(self, installation: Installation, *scopes: str) -> None:
        self.client: FlaskClient = installation.client()
        with installation.kept.database.begin() as session:
            token = create_token(session, name="shop", scopes=frozenset(scopes), now=installation.kept.clock.now())
        self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, address: str) -> TestResponse:
        return self.client.get(f"/api/v1{address}", headers=self.headers)

    def post(self, body: Any, **headers: str) -> TestResponse:
        return self.client.post("/api/v1/acceptances", json=body, headers=self.headers | headers)

    def put(self, address: str, body: Any) -> TestResponse:
        return self.client.put(f"/api/v1/consents{address}", json=body, headers=self.headers)


@pytest.fixture
def machine(installation: Installation) -> Machine:
    return Machine(installation, *SCOPES)


def problem(answer: TestResponse, status: int) -> dict[str, Any]:
    """The problem document of an answer, checked for its form."""
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.content_type == "application/problem+json"
    told: dict[str, Any] = json.loads(answer.data)
    assert (told["type"], told["status"]) == ("about:blank", status)
    assert told["title"]
    assert answer.headers["Cache-Control"] == "no-store"
    return told


def accept(subject: str, **more: Any) -> dict[str, Any]:
    return {"subject": subject, "version": 1, "by": "explicit", "channel": "web"} | more


def test_every_scope_of_an_address_can_be_given_to_a_token() -> None:
    """`kept token create` knows each scope that the access table asks for, and no other."""
    asked = {rule for name, rule in ACCESS.items() if name.startswith("api.")}
    assert asked == {Open.ANYONE, *SCOPES} - {"metrics:read"}, "the description of the API is open"


@pytest.mark.parametrize(
    "address", ["/policy/current", "/acceptances/usr_1", "/consents/usr_1", "/consents/usr_1/news", "/promises"]
)
def test_a_token_opens_only_what_its_scope_says(installation: Installation, address: str) -> None:
    """None: 401. One that nobody issued: 401. One with another scope: 403, naming the scope that is missing."""
    bare = installation.client().get(f"/api/v1{address}")
    assert bare.headers["WWW-Authenticate"] == "Bearer"
    problem(bare, 401)
    stranger = Machine(installation, "promises:read")
    stranger.headers = {"Authorization": "Bearer kept_nobody"}
    problem(stranger.get(address), 401)
    other = Machine(installation, "acceptances:write")
    assert "does not carry the scope" in problem(other.get(address), 403)["title"]


def test_reading_does_not_allow_writing(installation: Installation) -> None:
    """The scopes to read open neither address that writes."""
    reader = Machine(installation, "acceptances:read", "consents:read", "policy:read")
    problem(reader.post(accept("usr_1")), 403)
    problem(reader.put("/usr_1/news", {"given": False, "channel": "web"}), 403)


def test_a_host_application_asks_records_and_asks_again(installation: Installation, machine: Machine) -> None:
    """The whole round: ask true, 201, ask false; the planned version says that it will be asked about."""
    before = machine.get("/acceptances/usr_round").get_json()
    assert (before["subject"], before["version"], before["ask"], before["by"]) == ("usr_round", 1, True, "explicit")
    assert before["accepted"] is None
    assert (before["next"]["version"], before["next"]["ask"]) == (2, True)
    made = machine.post(accept("usr_round", language="en"))
    assert made.status_code == 201
    assert made.get_json()["channel"] == "web"
    again = machine.post(accept("usr_round", language="en"))
    assert (again.status_code, again.get_json()) == (200, made.get_json())
    after = machine.get("/acceptances/usr_round").get_json()
    assert (after["ask"], after["accepted"]["version"], after["accepted"]["language"]) == (False, 1, "en")
    entries = installation.kept.ledger
    with installation.kept.database.read() as session:
        actors = {one.actor for one in entries.entries(session, kind="acceptance.recorded")}
    assert all(actor.startswith("tok_") for actor in actors)


def test_an_idempotency_key_gives_the_same_answer_or_refuses(machine: Machine) -> None:
    """Same key and body: 201 with the same body again. Another body: 422. A key that is none: 400."""
    sent = accept("usr_key", at="2099-01-01T00:00:00Z")
    problem(machine.post(sent, **{"Idempotency-Key": "a1"}), 400)
    first = machine.post(accept("usr_key"), **{"Idempotency-Key": "a1"})
    second = machine.post(accept("usr_key"), **{"Idempotency-Key": "a1"})
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.get_json() == second.get_json()
    problem(machine.post(accept("usr_other"), **{"Idempotency-Key": "a1"}), 422)
    problem(machine.post(accept("usr_key"), **{"Idempotency-Key": "two words"}), 400)


@pytest.mark.parametrize(
    "address", ["/acceptances/anna@example.com", "/consents/anna@example.com", "/consents/a@b.example/news"]
)
def test_an_address_is_no_name_of_a_person(machine: Machine, address: str) -> None:
    """400, and what was sent is not said again, not even as the place of the problem."""
    told = problem(machine.get(address), 400)
    assert "@" not in json.dumps(told)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (accept("anna@example.com"), None),
        (accept("usr_1", channel="Anna's phone"), None),
        (accept("usr_1", version="1"), "#/version"),
        (accept("usr_1", version=True), "#/version"),
        (accept("usr_1", version=2**40), "#/version"),
        (accept("usr_1", by="silence"), "#/by"),
        (accept("usr_1", at="yesterday"), "#/at"),
        (accept("usr_1", at="2026-01-01T00:00:00"), "#/at"),
        (accept("usr_1", language="English"), "#/language"),
        (accept("usr_1", email="anna@example.com"), "#"),
        (accept("usr\x00"), "#/subject"),
        ({"subject": "usr_1"}, "#/by"),
        ([], None),
        ("words", None),
        (None, None),
    ],
)
def test_a_body_that_cannot_be_used_is_refused_by_its_keys(machine: Machine, body: Any, pointer: str | None) -> None:
    """400 with a pointer to each key that is wrong; a value is never repeated."""
    told = problem(machine.post(body), 400)
    assert "anna" not in json.dumps(told).lower()
    if pointer:
        assert pointer in [one["pointer"] for one in told["errors"]]


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 5_000, b'{"subject": "a", "subject"'])
def test_a_body_that_is_no_json_is_refused(installation: Installation, machine: Machine, raw: bytes) -> None:
    """Whatever the bytes: 400 in words."""
    answer = installation.client().post("/api/v1/acceptances", data=raw, headers=machine.headers)
    assert "JSON" in problem(answer, 400)["title"]


def test_a_version_that_cannot_be_accepted_is_refused_in_words(machine: Machine) -> None:
    """Planned: 409. Unknown: 404. By use where an act is asked for: 409."""
    assert "not in force yet" in problem(machine.post(accept("usr_1", version=2)), 409)["title"]
    problem(machine.post(accept("usr_1", version=77)), 404)
    assert "not accepted by use" in problem(machine.post(accept("usr_1", by="use")), 409)["title"]


def test_consent_is_given_read_and_withdrawn(machine: Machine) -> None:
    """The text that was shown comes back with it; withdrawing needs a channel alone; the history stays."""
    assert machine.get("/consents/usr_c/news").get_json()["given"] is False
    given = machine.put("/usr_c/news", {"given": True, "channel": "web", "text": WORDS, "language": "en"})
    assert given.status_code == 200
    state = given.get_json()
    assert (state["given"], state["current"], state["shown"]["text"], state["shown"]["version"]) == (
        True,
        True,
        WORDS,
        1,
    )
    assert machine.get("/consents/usr_c/news").get_json() == state
    gone = machine.put("/usr_c/news", {"given": False, "channel": "app"}).get_json()
    assert (gone["given"], gone["channel"], [one["given"] for one in gone["history"]]) == (False, "app", [True, False])
    every = machine.get("/consents/usr_c").get_json()
    assert [one["purpose"] for one in every["consents"]] == ["news"]


def test_consent_without_the_text_or_to_nothing_is_refused(machine: Machine) -> None:
    """422 without what was shown; 404 for a purpose that is none, naming those there are; 400 for half a body."""
    told = problem(machine.put("/usr_d/news", {"given": True, "channel": "web"}), 422)
    assert "text that was shown" in told["title"]
    told = problem(machine.put("/usr_d/sale", {"given": True, "channel": "web", "text": WORDS}), 404)
    assert told["detail"] == "It has: news."
    for body in ({"given": "yes", "channel": "web"}, {"channel": "web"}, {"given": False}):
        assert problem(machine.put("/usr_d/news", body), 400)["errors"]
    problem(machine.put("/usr_d/news", {"given": True, "channel": "web", "text": "x" * 10_001}), 400)


def test_the_policy_tells_what_current_json_tells_and_more(installation: Installation, machine: Machine) -> None:
    """The same keys with the same values; acceptance, consents, the planned version with its verdict."""
    told = machine.get("/policy/current").get_json()
    public = installation.client().get("/privacy/current.json").get_json()
    assert {key: told[key] for key in public} == public
    assert (told["acceptance"], told["languages"]) == ("explicit", ["en"])
    assert told["consents"] == [{"purpose": "news", "clauses": ["news"]}]
    assert (told["planned"]["version"], told["planned"]["weight"]) == (2, "material")
    assert told["planned"]["reasons"]


def test_without_a_policy_in_force_nobody_is_asked(tmp_path: Path) -> None:
    """The question is answered all the same; the policy itself is not there, in words."""
    with open_installation(tmp_path / "kept", publish=False) as fresh:
        machine = Machine(fresh, *SCOPES)
        told = machine.get("/acceptances/usr_1").get_json()
        assert (told["ask"], told["version"], told["next"]) == (False, None, None)
        assert "No version of the policy is in force yet" in problem(machine.get("/policy/current"), 404)["title"]
        assert machine.get("/consents/usr_1").get_json()["consents"] == []
