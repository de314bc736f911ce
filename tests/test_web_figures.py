"""Pages of figures: the console's, its file, the yearly public page, and that nothing is shown where nobody asked for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from bs4 import BeautifulSoup

from core.personal import Personal
from dsr.tables import ConversationRow, TicketRow
from dsr.tallies import count_days
from tests.web_installation import CONFIGURATION, Installation, open_installation, read

THIS_YEAR = datetime.now(UTC).year
LAST_YEAR = THIS_YEAR - 1


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Requests of last year: six deletions, one of them refused, two of access; shown to everyone, in two languages."""
    configuration = CONFIGURATION.replace("languages: [en]", "languages: [en, de]")
    configuration = configuration.replace("public: {promises: true}", "public: {promises: true, requests: true}")
    with open_installation(tmp_path_factory.mktemp("figures") / "kept", configuration=configuration) as opened:
        for number in range(6):
            add(opened, number, "deletion", days=number * 4, ended="refused" if number == 5 else "answered")
        for number in range(2):
            add(opened, number, "access", days=2)
        yield opened


def add(installation: Installation, number: int, right: str, *, days: int, ended: str = "answered") -> None:
    """A closed ticket of last year."""
    received, name = datetime(LAST_YEAR, 5, 4, 12, tzinfo=UTC), f"{right}_{number}"
    closed = received + timedelta(days=days)
    ticket = TicketRow(
        id=f"tkt_{name}", ref=f"F-{name}", conversation_id=f"cnv_{name}", right=right, regime="ccpa", channel="form",
        received_at=received, identity_at=None, due_on=None, state=ended, version=1, contact=Personal(f"{name}@post.example"),
        language="en", country=None, subdivision=None, details="", plan_id=None, outcome={}, closed_at=closed, ended_as=ended,
        ground="unfounded" if ended == "refused" else None,
    )  # fmt: skip
    count_days(ticket, received_at=received, closed_at=closed, late=False, zone="UTC")
    with installation.kept.database.begin() as session:
        session.add(ConversationRow(id=f"cnv_{name}", created_at=received))
        session.flush()
        session.add(ticket)


def test_the_console_shows_outcomes_days_and_grounds(installation: Installation) -> None:
    """One row for each right and law, charts that say their finding, and a file with the same numbers."""
    page = read(installation, f"/console/figures?year={LAST_YEAR}")
    rows = {
        str(row.find_all("td")[0].get_text()): [cell.get_text() for cell in row.find_all("td")]
        for row in page.select("table tbody tr")
        if len(row.find_all("td")) > 9
    }
    assert rows["Deletion"][2:6] == ["6", "5", "0", "1"]
    assert rows["Access"][2:6] == ["2", "2", "0", "0"]
    assert "answers came within 7 days" in page.get_text()
    assert page.select("svg.chart title")
    client = installation.signed_in()
    answer = client.get(f"/console/figures.csv?year={LAST_YEAR}")
    assert answer.content_type.startswith("text/csv")
    assert "deletion,ccpa,6,5,0,1" in answer.get_data(as_text=True)
    assert "No request came in" in read(installation, "/console/figures?year=1999").get_text()
    assert "No request came in" in read(installation, f"/console/figures?year={LAST_YEAR}&regime=gdpr").get_text()
    assert installation.client().get("/console/figures").status_code == 302


def test_the_yearly_page_says_what_the_regulation_lists(installation: Installation) -> None:
    """For each kind: received, complied with, denied, and days; beside it the same as JSON; the running year is not shown."""
    client = installation.client()
    said = client.get(f"/privacy/requests/{LAST_YEAR}.json").get_json()
    assert said["kinds"]["delete"] == {
        "received": 6, "complied_in_whole_or_part": 5, "complied_in_whole": 5, "complied_in_part": 0, "denied": 1,
        "nothing_found": 0, "withdrawn": 0, "open": 0, "mean_days": 10.0, "median_within_days": 14,
    }  # fmt: skip
    assert set(said["kinds"]) == {"delete", "correct", "know", "opt_out", "limit"}
    page = BeautifulSoup(client.get(f"/privacy/requests/{LAST_YEAR}").data, "html.parser")
    row = page.find(id="delete")
    assert row is not None
    assert [cell.get_text() for cell in row.find_all("td")] == [
        "To delete",
        "6",
        "5",
        "1",
        "0",
        "0",
        "0",
        "10",
        "14 days",
    ]
    german = client.get(f"/privacy/requests/{LAST_YEAR}?lang=de").get_data(as_text=True)
    assert "Anfragen im Jahr" in german
    assert "14 Tagen" in german
    for year in (THIS_YEAR, THIS_YEAR + 1, 1999):
        assert client.get(f"/privacy/requests/{year}").status_code == 404
    assert f"/privacy/requests/{LAST_YEAR}" in client.get("/privacy").get_data(as_text=True)


def test_nothing_is_shown_to_everyone_unless_the_installation_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without `public: {requests: true}` there is no such page, and no link to it."""
    with open_installation(tmp_path_factory.mktemp("private") / "kept") as opened:
        client = opened.client()
        assert client.get(f"/privacy/requests/{LAST_YEAR}").status_code == 404
        assert "/privacy/requests/" not in client.get("/privacy").get_data(as_text=True)
