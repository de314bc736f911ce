"""Requests and closed accounts by the machine interface: scopes, problem documents that name every field, one act for one key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from core.operators import create_token
from tests.handoff_keys import claims, signed, with_handoff
from tests.request_desk import CONFIRM_LINK, find, hand_on, read_mails
from tests.web_installation import CONFIGURATION, Installation, open_installation

SCOPES = ("requests:read", "requests:write", "events:write")
PERSON = "person{}@post.example"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One for all: each test has people of its own."""
    root = tmp_path_factory.mktemp("api") / "kept"
    with open_installation(root, configuration=with_handoff(CONFIGURATION, root)) as made:
        yield made


@pytest.fixture(scope="module")
def token(installation: Installation) -> str:
    """A token with all scopes of this interface."""
    return made_token(installation, SCOPES)


def made_token(installation: Installation, scopes: tuple[str, ...]) -> str:
    kept = installation.kept
    with kept.database.begin() as session:
        return create_token(session, name="shop", scopes=frozenset(scopes), now=kept.clock.now())


def send(installation: Installation, token: str, path: str, body: Any, **headers: str) -> TestResponse:
    sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return installation.client().post(f"/api/v1/{path}", data=json.dumps(body), headers=sent)


def get(installation: Installation, token: str, path: str) -> TestResponse:
    return installation.client().get(path, headers={"Authorization": f"Bearer {token}"})


def pointers(answer: TestResponse) -> set[str]:
    assert answer.content_type == "application/problem+json", answer.data
    return {one["pointer"] for one in answer.get_json()["errors"]}


def test_a_request_is_opened_followed_and_proven_by_its_person(installation: Installation, token: str) -> None:
    """201 with reference, due date and links; the person gets the link; the history names no one."""
    email = PERSON.format(5)
    answer = send(installation, token, "requests", {"right": "access", "email": email, "country": "DE"})
    made = answer.get_json()
    assert (answer.status_code, made["state"], made["identity_shown"]) == (201, "received", False)
    assert answer.headers["Location"] == made["links"]["self"] == f"/api/v1/requests/{made['ref']}"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", made["due"])
    hand_on(installation.kept)
    installation.kept.requests.confirm(find(CONFIRM_LINK, installation.root, email).rpartition("/")[2])
    followed = get(installation, token, made["links"]["self"])
    told = followed.get_json()
    assert (told["identity_shown"], [one["by"] for one in told["history"]]) == (True, ["application", "person"])
    assert "post.example" not in followed.get_data(as_text=True)
    assert get(installation, token, "/api/v1/requests/NONE-OF-IT").status_code == 404


def test_the_same_key_opens_one_request(installation: Installation, token: str) -> None:
    """Sent again it gives the same reference and no second mail; with another body it is refused."""
    body = {"right": "deletion", "email": PERSON.format(6)}
    first = send(installation, token, "requests", body, Idempotency_Key="k-1")
    again = send(installation, token, "requests", body, Idempotency_Key="k-1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.get_json()["ref"] == again.get_json()["ref"]
    hand_on(installation.kept)
    assert len(read_mails(installation.root, PERSON.format(6))) == 1
    other = send(installation, token, "requests", body | {"right": "access"}, Idempotency_Key="k-1")
    assert other.status_code == 422


def test_every_wrong_field_is_named_and_no_value_is_said_again(installation: Installation, token: str) -> None:
    """An address as a subject, tomorrow, a language that is none, a key that there is not: 400 with a pointer for each."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    answer = send(
        installation, token, "requests", {"right": "access", "subject": PERSON.format(7), "received_at": "noon"}
    )
    assert (answer.status_code, pointers(answer)) == (400, {"#/subject", "#/received_at"})
    assert "person7" not in answer.get_data(as_text=True)
    wrong = {"right": "all", "email": "nobody", "received_at": tomorrow, "language": "tlh", "country": "Germany"}
    answer = send(installation, token, "requests", wrong)
    assert (answer.status_code, pointers(answer)) == (400, {f"#/{name}" for name in wrong})
    answer = send(
        installation, token, "requests", {"right": "access", "email": PERSON.format(7), "person7@post.example": 1}
    )
    assert (answer.status_code, pointers(answer)) == (400, {"#"})
    assert "person7" not in answer.get_data(as_text=True)
    behalf = {"right": "access", "on_behalf": {"kind": "friend"}, "subject": "7"}
    bodies: tuple[Any, ...] = ([], "x", {"right": "access"}, behalf)
    for body in bodies:
        assert send(installation, token, "requests", body).status_code == 400, body


def test_a_scope_opens_its_own_addresses_alone(installation: Installation) -> None:
    """Reading opens nothing, writing tells nothing but what it made, events are apart; no token is 401."""
    reader = made_token(installation, ("requests:read",))
    assert send(installation, reader, "requests", {"right": "access", "subject": "7"}).status_code == 403
    assert send(installation, reader, "events/account-closed", {}).status_code == 403
    writer = made_token(installation, ("requests:write",))
    assert get(installation, writer, "/api/v1/requests").status_code == 403
    assert installation.client().get("/api/v1/requests").status_code == 401


def test_a_hand_off_opens_a_proven_request_once(installation: Installation, token: str) -> None:
    """With a signed token of the person the request is proven at once; replayed, forged or large it is refused by name."""
    email = PERSON.format(8)
    said = signed(claims("8", email))
    made = send(installation, token, "requests", {"right": "access", "handoff": said})
    assert (made.status_code, made.get_json()["identity_shown"], made.get_json()["channel"]) == (201, True, "handoff")
    again = send(installation, token, "requests", {"right": "access", "handoff": said})
    assert (again.status_code, pointers(again)) == (400, {"#/handoff"})
    assert "replayed" in again.get_data(as_text=True)
    assert pointers(send(installation, token, "requests", {"right": "access", "handoff": "a.b.c"})) == {"#/handoff"}
    assert send(installation, token, "requests", {"right": "access", "handoff": "x" * 1_000_000}).status_code == 413


def test_a_list_is_followed_by_its_links(installation: Installation, token: str) -> None:
    """Every request once, page by page; what is no state, limit or cursor is refused with what is."""
    for number in range(10, 15):
        send(installation, token, "requests", {"right": "correction", "email": PERSON.format(number)})
    refs, path = list[str](), "/api/v1/requests?right=correction&limit=2"
    while path:
        page = get(installation, token, path).get_json()
        refs += [one["ref"] for one in page["requests"]]
        path = page["next"]
    assert len(refs) == len(set(refs)) == 5
    for wrong in ("state=lost", "right=all", "limit=0", "limit=many", "cursor=1"):
        assert get(installation, token, f"/api/v1/requests?{wrong}").status_code == 400, wrong


def test_closed_accounts_are_taken_alone_and_by_the_thousand(installation: Installation, token: str) -> None:
    """202 with what is new; the same again is known; one that is wrong refuses the list, each by its place; 1,001 are too
    many; tickets are made in the background and no mail goes to anybody."""
    at = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    one = {"subject": "20", "closed_at": at, "reason": "user"}
    first = send(installation, token, "events/account-closed", one)
    assert (first.status_code, first.get_json()) == (202, {"new": 1, "known": 0})
    assert send(installation, token, "events/account-closed", one).get_json() == {"new": 0, "known": 1}
    many = [{"subject": f"usr_{number}", "closed_at": at, "reason": "idle " * 30} for number in range(1_000)]
    assert send(installation, token, "events/account-closed", {"events": many}).get_json() == {"new": 1_000, "known": 0}
    assert send(installation, token, "events/account-closed", {"events": [*many, one]}).status_code == 400
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    wrong = [one, {"subject": PERSON.format(1), "closed_at": at}, {"subject": "21"}, 7]
    answer = send(installation, token, "events/account-closed", {"events": wrong})
    assert pointers(answer) == {"#/events/1/subject", "#/events/2/closed_at", "#/events/3"}
    assert "person1" not in answer.get_data(as_text=True)
    late = send(installation, token, "events/account-closed", {"events": [one, one | {"closed_at": tomorrow}]})
    assert pointers(late) == {"#/events/1/closed_at"}
    hand_on(installation.kept)  # what other tests left
    before = len(list((installation.root / "var" / "outbox").glob("*.eml")))
    installation.kept.requests.closed_accounts.tick()
    hand_on(installation.kept)
    counts = installation.kept.requests.closed_accounts.counts()
    assert (counts["waiting"], counts["unknown"]) == (1, 1_000)  # type: ignore[index]
    assert len(list((installation.root / "var" / "outbox").glob("*.eml"))) == before
    page = installation.signed_in().get("/console/requests/closed-accounts?state=unknown").get_data(as_text=True)
    assert len(re.findall(r"<code>usr_\d+</code>", page)) == 50


def test_the_description_names_every_address_with_its_scope(installation: Installation) -> None:
    """openapi.json is made from what runs: every address below /api/v1, bodies with their keys, scopes; open to anyone."""
    told = installation.client().get("/api/v1/openapi.json").get_json()
    assert told["openapi"] == "3.1.0"
    paths = told["paths"]
    rules = {one.rule for one in installation.app.url_map.iter_rules() if one.endpoint.startswith("api.")}
    assert set(paths) == {re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule) for rule in rules}
    create = paths["/api/v1/requests"]["post"]
    assert create["security"] == [{"token": ["requests:write"]}]
    body = create["requestBody"]["content"]["application/json"]["schema"]
    assert (body["required"], "handoff" in body["properties"]) == (["right"], True)
    page = installation.client().get("/api/v1/docs")
    assert (page.status_code, "POST /api/v1/events/account-closed" in page.get_data(as_text=True)) == (200, True)


def test_the_page_about_the_interface_has_every_scope_and_address() -> None:
    """docs/api.md and the table of access say the same."""
    from web.access import ACCESS

    text = (Path(__file__).parent.parent / "docs" / "api.md").read_text(encoding="utf-8")
    scopes = {str(rule) for endpoint, rule in ACCESS.items() if endpoint.startswith("api.") and ":" in str(rule)}
    assert {scope for scope in scopes if f"`{scope}`" not in text} == set()
