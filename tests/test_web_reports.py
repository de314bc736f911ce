"""The page of reports: asked for by an administrator, made by the scheduler, taken along by everybody who may sign in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bs4 import BeautifulSoup

from core.outbox import Dispatcher
from jobs.handlers import work_handlers
from tests.web_installation import AGENT, Installation, csrf_of, open_installation, post, read


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with a policy in force."""
    with open_installation(tmp_path_factory.mktemp("reports") / "kept") as one:
        one.kept.ledger.settle()
        yield one


def ask(installation: Installation, month: str) -> tuple[int, BeautifulSoup]:
    """Post the form of the page as an administrator; gives the status and what is shown then."""
    client = installation.signed_in()
    token = csrf_of(client, "/console/reports")
    sent = client.post("/console/reports", data={"csrf_token": token, "month": month}, follow_redirects=True)
    return sent.status_code, BeautifulSoup(sent.get_data(as_text=True), "html.parser")


def count_reports(installation: Installation) -> int:
    """How many were asked for."""
    return len(installation.kept.reports.list_reports())


def test_a_report_is_asked_for_made_and_taken_along(installation: Installation) -> None:
    """The page says that it is being made, then gives both files, named for the month; nobody waits for it in a request."""
    month = f"{installation.kept.clock.now():%Y-%m}"
    assert "No report was made yet" in read(installation, "/console/reports").get_text()
    status, page = ask(installation, month)
    assert status == 200
    assert "Being made" in page.get_text()
    Dispatcher(installation.kept.database, installation.kept.clock, work_handlers(installation.kept)).dispatch()
    page = read(installation, "/console/reports")
    links = [str(one["href"]) for one in page.select("main td a")]
    assert [one.rsplit(".", 1)[1] for one in links] == ["pdf", "zip"]
    client = installation.signed_in(AGENT)
    for link, begins in zip(links, (b"%PDF", b"PK"), strict=True):
        with client.get(link) as answer:
            assert answer.get_data().startswith(begins)
            assert answer.headers["Content-Disposition"].startswith(f"attachment; filename=evidence-{month}.")
    assert client.get(links[0].replace("rpt_", "rpt_x")).status_code == 404


def test_a_month_that_there_is_not_is_refused_with_what_to_write(installation: Installation) -> None:
    """The form comes back with the reason, and nothing is asked for."""
    before = count_reports(installation)
    status, page = ask(installation, "May")
    assert status == 400
    assert "such as 2026-05" in page.get_text()
    assert count_reports(installation) == before


def test_who_only_works_on_requests_makes_no_report(installation: Installation) -> None:
    """No form for them, and what they post is refused."""
    client = installation.signed_in(AGENT)
    page = BeautifulSoup(client.get("/console/reports").get_data(as_text=True), "html.parser")
    assert page.select_one("form[action='/console/reports']") is None
    before = count_reports(installation)
    assert post(client, "/console/reports", "/console/reports", month="2026-05").status_code == 403
    assert count_reports(installation) == before


def test_home_and_figures_draw_what_is_open(installation: Installation) -> None:
    """A request that is open stands in the chart of due dates and in the one of ages, each with a table behind it."""
    kept = installation.kept
    kept.requests.open_by_hand(
        email="ada.lorne@post.example", right="access", received_at=kept.clock.now(), channel="phone", by="system"
    )
    home, figures = read(installation, "/console/"), read(installation, "/console/figures")
    for page, title in ((home, "most on"), (figures, "request is open")):
        charts = [one for one in page.select("main svg.chart") if title in one.get_text()]
        assert len(charts) == 1, title
    rows = [one.get_text(" ", strip=True) for one in figures.select("details.behind tr")]
    assert any(one.startswith("0–7 days: 1") for one in rows), rows
