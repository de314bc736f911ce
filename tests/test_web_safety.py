"""Who may reach what, that no act goes without its token, what every answer carries, and what is said when something is down."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from bs4 import BeautifulSoup
from werkzeug.routing import Rule

from tests.web_installation import (
    ADMINISTRATOR,
    AGENT,
    PAGES,
    PASSWORD,
    PUBLIC,
    Installation,
    csrf_of,
    open_installation,
    post,
    read,
)
from web.access import ACCESS, Open
from web.security import CSRF_EXEMPT


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Version 1 is in force; 250 requests and 2 accounts are over their time, so both first sweeps wait for a person."""
    with open_installation(tmp_path_factory.mktemp("safety") / "kept") as opened:
        opened.kept.sweeps.run()
        opened.kept.ledger.settle()
        yield opened


def fill(rule: Rule) -> str:
    """An address that the rule matches."""
    values: dict[str, str | int] = dict.fromkeys(rule.arguments, "1") | dict(rule.defaults or {})
    for name, converter in rule._converters.items():
        if name not in (rule.defaults or {}):
            values[name] = 1 if type(converter).__name__ == "IntegerConverter" else "x"
    built = rule.build(values, append_unknown=False)
    assert built is not None, rule
    return str(built[1])


def test_somebody_decided_about_every_address(installation: Installation) -> None:
    """An endpoint that the table does not name is refused at run time; here it fails. Rows without an address fail too."""
    endpoints = {rule.endpoint for rule in installation.app.url_map.iter_rules()}
    assert endpoints - ACCESS.keys() == set()
    assert ACCESS.keys() - endpoints == set()


def test_an_endpoint_that_nobody_decided_about_is_refused(tmp_path: Path) -> None:
    """Forgetting a row closes a page, it never opens one."""
    with open_installation(tmp_path / "kept") as fresh:
        fresh.app.add_url_rule("/forgotten", "forgotten", lambda: "open")
        assert fresh.signed_in().get("/forgotten").status_code == 403


def test_without_a_sign_in_every_page_of_operators_leads_to_it(installation: Installation) -> None:
    """Every endpoint with a permission, read from the table, sends a stranger away and tells nothing."""
    tried = 0
    for rule in installation.app.url_map.iter_rules():
        if isinstance(ACCESS[rule.endpoint], Open) or rule.endpoint.startswith("api."):
            continue
        if "GET" in (rule.methods or ()):
            answer = installation.client().get(fill(rule))
            assert answer.status_code == 302, rule.rule
            assert "/console/sign-in" in answer.headers["Location"], rule.rule
            tried += 1
    assert tried >= len(PAGES)


def test_every_act_without_its_token_is_refused(installation: Installation) -> None:
    """Each address that takes POST answers 400 without a CSRF token, whoever is signed in; machines' are exempt by name."""
    client = installation.signed_in()
    tried = 0
    for rule in installation.app.url_map.iter_rules():
        if "POST" not in (rule.methods or ()) or rule.endpoint.split(".")[0] in CSRF_EXEMPT:
            continue
        # another site's form leads to a hand-off, which takes nothing but that site's signed token; here no site has one
        refused = 404 if rule.endpoint == "person.hand_off" else 400
        assert client.post(fill(rule)).status_code == refused, rule.rule
        tried += 1
    assert tried >= 4
    assert CSRF_EXEMPT == ("api",)


def test_an_agent_may_look_at_a_sweep_but_not_approve_it(installation: Installation) -> None:
    """Approving is an administrator's: the page offers an agent no button, and the address refuses."""
    page = read(installation, "/console/retention", AGENT)
    assert not page.select('form[action*="/approve"]')
    client = installation.signed_in(AGENT)
    answer = post(client, "/console/retention/request-logs/approve", "/console/ledger", reason="it may go")
    assert answer.status_code == 403
    assert installation.rows("request_log") == 400


def test_a_wrong_password_says_the_same_as_an_unknown_address(installation: Installation) -> None:
    """Nobody learns from the answer who is an operator."""
    shown = []
    for address in (ADMINISTRATOR, "nobody@lanternway.example"):
        answer = post(installation.client(), "/console/sign-in", "/console/sign-in", email=address, password="wrong")
        assert answer.status_code == 401
        shown.append(BeautifulSoup(answer.get_data(as_text=True), "html.parser").select_one(".alert"))
    assert shown[0] == shown[1]


def test_guessing_passwords_is_slowed_down(tmp_path: Path) -> None:
    """Ten tries a minute from one source; then the page says to wait, also with the right password."""
    with open_installation(tmp_path / "kept") as fresh:
        client = fresh.client()
        form = {"csrf_token": csrf_of(client, "/console/sign-in"), "email": ADMINISTRATOR, "password": "wrong"}
        assert {client.post("/console/sign-in", data=form).status_code for _ in range(10)} == {401}
        answer = client.post("/console/sign-in", data=form | {"password": PASSWORD})
        assert answer.status_code == 429
        assert "Wait a little" in answer.get_data(as_text=True)


def test_signing_out_ends_the_session(installation: Installation) -> None:
    """After it the console asks for a password again."""
    client = installation.signed_in()
    assert post(client, "/console/sign-out", "/console/").status_code == 302
    assert client.get("/console/").status_code == 302


# what every answer carries


@pytest.mark.parametrize("address", [*PAGES, *PUBLIC, "/static/css/base.css", "/healthz", "/api/v1/promises"])
def test_every_answer_carries_the_headers_of_safety(installation: Installation, address: str) -> None:
    """No inline script or style, no framing, no sniffing, no referrer; whatever is personal is stored nowhere."""
    answer = installation.signed_in().get(address)
    answer.close()
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    if address.startswith(("/console", "/api")):
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("address", [*PAGES, *PUBLIC])
def test_no_page_holds_inline_script_or_style(installation: Installation, address: str) -> None:
    """What the content policy would block is not there to begin with."""
    html = installation.signed_in().get(address).get_data(as_text=True)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", html)


@pytest.mark.parametrize("address", ["/privacy", "/console/", "/nowhere"])
def test_a_database_that_does_not_answer_is_said_in_words(tmp_path: Path, address: str) -> None:
    """A table that is gone is a page with what to do, not a bare error; the liveness probe still answers."""
    with open_installation(tmp_path / "kept") as fresh:
        client = fresh.signed_in()
        with fresh.kept.database.begin() as session:
            session.execute(sa.text("ALTER TABLE policy_versions RENAME TO elsewhere"))
        answer = client.get(address)
        assert answer.status_code == 503
        assert "Something" in answer.get_data(as_text=True)
        assert "OperationalError" not in answer.get_data(as_text=True)
        assert answer.headers["Cache-Control"] == "no-store"
        assert client.get("/healthz").status_code == 200
