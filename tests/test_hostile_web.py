"""What strangers, agents and broken clients send to the pages: none of it leads elsewhere, breaks a page or opens one."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from flask.testing import FlaskClient

from core.one_time import issue_token
from core.operators import PASSWORD_LINK, find_operator
from tests.request_desk import hand_on, read_mails
from tests.test_commands import example, serving, workspace  # noqa: F401 - fixtures
from tests.web_installation import AGENT, CONFIGURATION, PASSWORD, TOKEN, Installation, open_installation, post
from web.security import limiter

SOURCES = (f"198.51.100.{number}" for number in itertools.count(1))
ELSEWHERE = (
    "//evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\nX-Evil: yes",
    "/\\evil.example",
    "https://evil",
)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The small gateway with its two operators."""
    with open_installation(tmp_path_factory.mktemp("hostile") / "kept") as opened:
        yield opened


def stranger(installation: Installation) -> FlaskClient:
    """A browser from a network address that nobody has used."""
    client = installation.client()
    client.environ_base["REMOTE_ADDR"] = next(SOURCES)
    return client


@pytest.mark.parametrize("target", ELSEWHERE)
def test_the_theme_switch_leads_nowhere_else(installation: Installation, target: str) -> None:
    """Browsers drop tabs and line ends from addresses, so `/<tab>/host` is another host; each ends on a page of ours."""
    answer = post(installation.signed_in(), "/theme", "/console/promises", back=target, theme="dark")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize("target", [*ELSEWHERE, "/console/\n/evil.example", "/console/\t/evil.example", "/privacy"])
def test_signing_in_leads_to_the_console_only(installation: Installation, target: str) -> None:
    """The place to go on to comes from the address of the form, which a stranger can write."""
    limiter.reset()
    address = f"/console/sign-in?next={quote(target)}"
    answer = post(stranger(installation), address, "/console/sign-in", email=AGENT, password=PASSWORD)
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/console/"


@pytest.mark.parametrize(
    "address", ["/privacy/versions/99999999999999999999", "/privacy/versions/99999999999999999999.md"]
)
def test_a_version_number_that_no_column_holds_is_not_there(installation: Installation, address: str) -> None:
    """A number beyond the database's integers is an address that does not exist, not a fault."""
    assert stranger(installation).get(address).status_code == 404


def test_a_mail_name_that_no_file_can_have_is_not_there(installation: Installation) -> None:
    """The operating system refuses to look for a name of 3,000 characters; the page says that there is no such mail."""
    assert installation.signed_in().get(f"/console/outbox/{'a' * 3_000}@post.example").status_code == 404


@pytest.mark.parametrize("day", ["0001-01-01", "0999-12-31", "1582-10-01"])
def test_a_day_out_of_all_reason_is_refused_and_breaks_no_list(installation: Installation, day: str) -> None:
    """A letter of the year 1 was taken, and from then on every list of requests failed."""
    client = installation.signed_in(AGENT)
    form = {"email": "old@post.example", "right": "access", "received": day, "channel": "letter"}
    assert post(client, "/console/requests/new", "/console/requests/new", **form).status_code == 400
    assert client.get("/console/requests").status_code == 200
    assert client.get("/console/").status_code == 200


def test_a_password_that_was_chosen_ends_every_other_link_to_choose_one(installation: Installation) -> None:
    """Links of earlier starts and resets stand in terminals and mails; whoever finds one must not take the account over."""
    kept, links = installation.kept, []
    with kept.database.begin() as session:
        operator = find_operator(session, AGENT)
        for _ in range(2):
            token = issue_token(
                session, purpose=PASSWORD_LINK, subject=operator.id, now=kept.clock.now(), lasts=timedelta(hours=24)
            )
            links.append(f"/console/password/{token}")
    installation.sessions.pop(AGENT, None)
    assert post(stranger(installation), links[0], links[0], password=PASSWORD).status_code == 302
    assert stranger(installation).get(links[1]).status_code == 404


def test_a_source_over_its_limit_is_told_that_nothing_was_sent(installation: Installation) -> None:
    """The page after the form says that a mail is on its way: it must not be shown where none is."""
    client = stranger(installation)
    for number in range(21):
        limiter.reset()  # the limit of the pages; the one behind them holds over restarts
        answer = client.post("/requests/new", data={"right": "access", "email": f"person{number}@elsewhere.example"})
    assert answer.status_code == 429
    assert "Nothing was sent" in answer.get_data(as_text=True)
    hand_on(installation.kept)
    assert len(read_mails(installation.root, "person19@elsewhere.example")) == 1
    assert read_mails(installation.root, "person20@elsewhere.example") == []


def test_forms_over_https_are_taken_without_a_referrer(tmp_path: Path) -> None:
    """Our pages send no referrer, so a check that asks for one would refuse every act of the console behind HTTPS."""
    here = "https://kept.example"
    configuration = CONFIGURATION.replace("http://127.0.0.1:8080", here)
    limiter.reset()
    with open_installation(tmp_path / "kept", configuration=configuration) as secure:
        client = secure.client()
        page = client.get("/console/sign-in", base_url=here).get_data(as_text=True)
        token = TOKEN.search(page)
        assert token
        form = {"csrf_token": token[1], "email": AGENT, "password": PASSWORD}
        answer = client.post("/console/sign-in", data=form, base_url=here)
        assert answer.status_code == 302
        assert "Secure" in answer.headers["Set-Cookie"]


def test_every_page_of_one_person_and_of_operators_is_stored_nowhere(installation: Installation) -> None:
    """Walked over all routes, so that a page that is added later is held to it: no-store, unless it is the same for all."""
    walked = 0
    for rule in installation.app.url_map.iter_rules():
        if not rule.rule.startswith(("/requests", "/console", "/api")) or "GET" not in (rule.methods or ()):
            continue
        built = rule.build(dict.fromkeys(rule.arguments, "1"), append_unknown=False)
        assert built is not None
        answer = installation.signed_in().get(str(built[1]))
        answer.close()
        assert answer.headers["Cache-Control"] == "no-store", rule.rule
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"], rule.rule
        walked += 1
    assert walked >= 15


def test_a_body_that_would_fill_the_disk_is_refused_before_it_is_sent(workspace: Path) -> None:  # noqa: F811
    """The server reads a body before the application sees it: what announces more than any form holds is refused at once."""
    with serving(workspace) as (_, address):
        parts = urlsplit(address)
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
            head = f"POST /requests/new HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 900000000\r\n\r\n"
            connection.sendall(head.encode())
            assert connection.recv(64).split()[1] == b"413"
