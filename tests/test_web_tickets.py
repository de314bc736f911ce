"""Whole requests in the console: the list by page and by whose work it is, further rights, duplicates, parts refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.operators import find_operator
from dsr.states import State
from tests.request_desk import (
    INVOICES,
    WITH_INVOICES,
    add_invoices,
    count_of,
    hand_on,
    read_mails,
    received,
    text_of,
)
from tests.web_installation import AGENT, CONFIGURATION, Installation, csrf_of, open_installation
from web.console.requests import PAGE


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The small gateway with two invoices for each person, which stay by law."""
    root = tmp_path_factory.mktemp("tickets") / "kept"
    with open_installation(root, publish=False, configuration=CONFIGURATION + INVOICES) as opened:
        add_invoices(root)
        opened.publish(WITH_INVOICES)
        yield opened


@pytest.fixture(scope="module")
def operator(installation: Installation) -> FlaskClient:
    """An agent, signed in: requests are an agent's work."""
    return installation.signed_in(AGENT)


def read(answer: TestResponse) -> BeautifulSoup:
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser")


def see(client: FlaskClient, address: str) -> BeautifulSoup:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return read(answer)


def ticket(client: FlaskClient, ref: str) -> BeautifulSoup:
    return see(client, f"/console/requests/{ref}")


def do(client: FlaskClient, ref: str, act: str, **data: object) -> TestResponse:
    """Send one form of a ticket."""
    page = f"/console/requests/{ref}"
    return client.post(f"{page}/{act}", data={"csrf_token": csrf_of(client, page), **data})


def refs_of(page: BeautifulSoup) -> list[str]:
    return [str(link["href"]).rpartition("/")[2] for link in page.select("td a.who")]


def by_letter(installation: Installation, email: str, right: str = "deletion", *, days_ago: int = 2) -> str:
    kept = installation.kept
    asked = kept.clock.now() - timedelta(days=days_ago)
    return kept.requests.open_by_hand(email=email, right=right, received_at=asked, channel="letter", by="system")


def test_a_long_list_has_pages_and_its_filters_are_links(installation: Installation, operator: FlaskClient) -> None:
    """Fifty on a page, none twice; a filter keeps the others and goes back to the first page; a wrong page is the first."""
    refs = [by_letter(installation, f"many{number}@post.example", "objection") for number in range(PAGE + 3)]
    first = see(operator, "/console/requests?right=objection")
    later = first.select_one("a[rel=next]")
    assert later is not None
    second = see(operator, str(later["href"]))
    assert sorted([*refs_of(first), *refs_of(second)]) == sorted(refs)
    assert len(refs_of(first)) == PAGE
    assert second.select_one("a[rel=next]") is None
    assert second.select_one("a[rel=prev]") is not None
    assert f"1 to {PAGE} of {PAGE + 3} requests" in first.get_text(" ")
    chips = {chip.get_text(" ").split(" ")[0]: str(chip["href"]) for chip in second.select("a.chip")}
    assert chips["Mine"] == "/console/requests?right=objection&whose=mine"
    assert "from=" not in chips["Closed"]
    for wrong in ("from=-50", "from=9999", "from=x", "whose=everyone"):
        assert refs_of(see(operator, f"/console/requests?right=objection&{wrong}")) == refs_of(first)


def test_a_request_is_taken_and_given(installation: Installation, operator: FlaskClient) -> None:
    """The select offers the reader first; what is mine stands under Mine with my initials, and who did it in the rows."""
    ref = by_letter(installation, "person1@post.example")
    with installation.kept.database.read() as session:
        tom = find_operator(session, AGENT).id
    assert ref in refs_of(see(operator, "/console/requests?whose=nobodys&right=deletion"))
    choices = ticket(operator, ref).select("select[name=to] option")
    assert [one.get_text() for one in choices] == ["Nobody", "Tom Ackerby (you)", "Ada Vogelsang"]
    assert do(operator, ref, "assign", to=tom).status_code == 302
    mine = see(operator, "/console/requests?whose=mine")
    assert refs_of(mine) == [ref]
    assert mine.select_one("td .face[title='Tom Ackerby']") is not None
    assert ref not in refs_of(see(operator, "/console/requests?whose=nobodys&right=deletion"))
    assert "Given to Tom Ackerby by Tom Ackerby" in ticket(operator, ref).select_one(".talk").get_text(" ")  # type: ignore[union-attr]
    assert do(operator, ref, "assign", to="opr_nobody").status_code == 400
    assert do(operator, ref, "assign", to="").status_code == 302
    assert "No request here is yours" in see(operator, "/console/requests?whose=mine").get_text(" ")


def test_a_further_right_of_a_letter_is_split_off_and_leads_back(
    installation: Installation, operator: FlaskClient
) -> None:
    """One form: the page goes to the new request, each names the other, and the right is offered no more."""
    ref = received(installation, "person2@post.example", "deletion", details="Delete it, and send me a copy.")
    assert do(operator, ref, "split", further_right="").status_code == 400
    assert do(operator, ref, "split", further_right="deletion").status_code == 409
    answer = do(operator, ref, "split", further_right="access")
    other = answer.headers["Location"].rpartition("/")[2]
    assert other != ref
    page = ticket(operator, other)
    assert "Delete it, and send me a copy." in page.get_text(" ")
    assert ref in page.select_one("section[aria-labelledby=f-others]").get_text(" ")  # type: ignore[union-attr]
    offered = [str(one["value"]) for one in ticket(operator, ref).select("select[name=further_right] option")]
    assert "access" not in offered
    assert "portability" in offered
    hand_on(installation.kept)
    assert any(other in text_of(mail) for mail in read_mails(installation.root, "person2@post.example"))


def test_duplicates_are_linked_from_either_page(installation: Installation, operator: FlaskClient) -> None:
    """The same address offers a button, another needs its reference; a wrong one stands at its field, not on a page of errors."""
    one, two = (by_letter(installation, "person3@post.example", days_ago=days) for days in (3, 1))
    elsewhere = by_letter(installation, "person4@post.example")
    offered = ticket(operator, one).select("form[action$='/link'] input[name=other][type=hidden]")
    assert [str(field["value"]) for field in offered] == [two]
    for wrong, status in (("", 400), ("ZZZZZ-ZZZZ", 400), (one, 400)):
        answer = do(operator, one, "link", other=wrong)
        assert answer.status_code == status
        assert read(answer).select_one("#other-e") is not None
    assert do(operator, one, "link", other=two).status_code == 302
    assert do(operator, one, "link", other=elsewhere.lower()).status_code == 302
    assert one in ticket(operator, elsewhere).select_one("section[aria-labelledby=f-others]").get_text(" ")  # type: ignore[union-attr]
    assert do(operator, elsewhere, "unlink", other=one).status_code == 302
    near = installation.kept.requests.conversations.neighbours(one)
    assert [each.ref for each in near.linked] == [two]


def test_a_part_is_refused_before_the_approval_and_told_after_it(
    installation: Installation, operator: FlaskClient
) -> None:
    """Ticked on the page with a ground and a reason; the button's number is the rest, the tables keep what was refused."""
    email = "person6@post.example"
    ref = received(installation, email, "deletion")
    assert ticket(operator, ref).select_one("#refuse-part") is None
    do(operator, ref, "plan")
    rows = count_of(installation, "request_log", 6)
    for missing in ({"part_reason": "No.", "part_ground": ""}, {"part_ground": "legal_claims", "part_reason": " "}):
        answer = do(operator, ref, "refuse-part", part="requests", **missing)
        assert answer.status_code == 400
        assert read(answer).select_one("details#refuse-part[open]") is not None
    given = {"part_ground": "legal_claims", "part_reason": "A case is open."}
    assert do(operator, ref, "refuse-part", part=["requests", "accounts"], **given).status_code == 409
    assert do(operator, ref, "refuse-part", part="requests", **given).status_code == 302
    page = ticket(operator, ref)
    main = page.select_one("button.main-act")
    assert main is not None
    assert main.get_text().replace("\u00a0", " ").replace("\u202f", " ") == "Approve: delete 1 record"
    assert "A case is open." in page.get_text(" ")
    part = page.select_one("form[action$='/take-back-part'] input[name=id]")
    assert part is not None
    seal = page.select_one("input[name=seal]")
    assert seal is not None
    do(operator, ref, "approve", seal=str(seal["value"]))
    assert do(operator, ref, "take-back-part", id=str(part["value"])).status_code == 409
    hand_on(installation.kept)
    done = ticket(operator, ref)
    assert installation.kept.requests.view(ref).state is State.PARTLY_REFUSED
    assert "Partly refused" in done.get_text(" ")
    assert done.select_one("form[action$='/take-back-part']") is None
    assert [count_of(installation, table, 6) for table in ("request_log", "users", "invoices")] == [rows, 0, 2]
    mail = " ".join(text_of(read_mails(installation.root, email)[-1]).split())
    assert "A case is open" in mail
    assert ref in refs_of(see(operator, "/console/requests?state=closed"))
    assert ref in refs_of(see(operator, "/console/requests?state=partly_refused"))


def test_every_change_is_a_row_with_who_and_why(installation: Installation, operator: FlaskClient) -> None:
    """The table has as many rows as there are events, each with when, what, from, to and who."""
    ref = received(installation, "person7@post.example")
    do(operator, ref, "refuse", ground="unfounded", reason="Asked a hundred times.")
    table = ticket(operator, ref).select("#changes tbody tr")
    assert len(table) == len(installation.kept.requests.view(ref).timeline)
    last = [cell.get_text(" ") for cell in table[-1].select("td")]
    assert last[1:5] == ["Refused", "New", "Refused", "Tom Ackerby"]
    assert "unfounded" in last[5]


def test_a_test_is_marked_and_stands_in_no_number_of_the_console(
    installation: Installation, operator: FlaskClient
) -> None:
    """It stands in the list with its tag; the counts of the chips, of Home and of the metrics do not move."""
    kept = installation.kept

    def numbers() -> list[str]:
        chips = [one.get_text(" ") for one in see(operator, "/console/requests").select("a.chip")]
        home = [one.get_text(" ") for one in see(operator, "/console/").select(".rail .count, .figures")]
        lines = operator.get("/metrics").get_data(as_text=True).splitlines()
        return [*chips, *home, *(line for line in lines if line.startswith("kept_requests"))]

    before = numbers()
    late = kept.clock.now() - timedelta(days=90)
    ref = kept.requests.open_by_hand(
        email="person8@post.example", right="access", received_at=late, channel="phone", by="system", is_test=True
    )
    assert numbers() == before
    page = see(operator, "/console/requests")
    row = next(row for row in page.select("tr") if ref in row.get_text(" "))
    assert row.select_one(".tag") is not None
    assert "a test" in page.select_one("section.card footer").get_text(" ")  # type: ignore[union-attr]
    assert ref not in see(operator, "/console/").select_one("main").get_text(" ")  # type: ignore[union-attr]


@pytest.mark.parametrize("act", ["assign", "split", "link", "unlink", "refuse-part", "take-back-part"])
def test_who_is_not_signed_in_changes_no_request(installation: Installation, act: str) -> None:
    """Each act asks for an operator who works on requests; anybody else is sent to the sign-in page."""
    ref = by_letter(installation, "person9@post.example", "restriction")
    before = len(installation.kept.requests.view(ref).timeline)
    client = installation.client()
    token = csrf_of(client, "/console/sign-in")
    answer = client.post(f"/console/requests/{ref}/{act}", data={"csrf_token": token, "to": "", "other": ref})
    assert answer.status_code in (302, 401)
    assert "/console/sign-in" in answer.headers.get("Location", "/console/sign-in")
    assert len(installation.kept.requests.view(ref).timeline) == before
