"""Answers and certificates on pages: the text of an answer changed in the console, the certificate as PDF and JSON."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader

from dsr.answer_words import Kind
from dsr.states import State
from tests.request_desk import CODE, INVOICES, WITH_INVOICES, add_invoices, find, hand_on, read_mails, received, text_of
from tests.web_installation import AGENT, CONFIGURATION, Installation, csrf_of, open_installation

EMAIL = "person7@post.example"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The small gateway with two invoices for each person, which stay by law."""
    root = tmp_path_factory.mktemp("answers") / "kept"
    with open_installation(root, publish=False, configuration=CONFIGURATION + INVOICES) as opened:
        add_invoices(root)
        opened.publish(WITH_INVOICES)
        yield opened


def test_an_answer_is_changed_looked_at_and_checked(installation: Installation) -> None:
    """The page shows the text, its parts and the mail; what lacks a part comes back with its name; looking changes nothing."""
    client = installation.signed_in(AGENT)
    ref = received(installation, "person3@post.example")
    page = f"/console/requests/{ref}/answers/refused"
    assert page in client.get(f"/console/requests/{ref}").get_data(as_text=True)
    shown = BeautifulSoup(client.get(page).get_data(as_text=True), "html.parser")
    area = shown.select_one("textarea")
    assert area is not None
    text = area.get_text().strip("\n")
    assert "{complaint}" in text
    assert "And you may go to court." in str(shown.select("pre")[0])
    assert "readonly" not in area.attrs
    token = csrf_of(client, page)
    # Browsers end the lines of a field with CR and LF.
    looked = client.post(page, data={"csrf_token": token, "act": "look", "text": "Short.\r\n\r\n{complaint}"})
    assert looked.status_code == 200
    mail = BeautifulSoup(looked.get_data(as_text=True), "html.parser").select("pre")[0].get_text()
    assert "Short." in mail
    assert "And you may go to court." in mail
    assert installation.kept.requests.answers.read(ref, Kind.REFUSED).written_by == ""
    lacking = client.post(page, data={"csrf_token": token, "text": text.replace("{complaint}", "")})
    assert lacking.status_code == 400
    assert "{complaint}, where to complain" in lacking.get_data(as_text=True)
    kept = client.post(page, data={"csrf_token": token, "text": f"<b>Well</b>, no.\n\n{text}"})
    assert kept.status_code == 302
    after = client.get(page).get_data(as_text=True)
    assert "Tom Ackerby wrote this text" in after
    assert "<b>Well</b>" not in after
    assert client.post(f"{page}/standard", data={"csrf_token": token}).status_code == 302
    assert installation.kept.requests.answers.read(ref, Kind.REFUSED).written_by == ""
    assert client.get(f"/console/requests/{ref}/answers/copies").status_code == 404
    assert client.get(f"/console/requests/{ref}/answers/by_hand").status_code == 409
    assert installation.client().get(page).status_code == 302  # to sign in


def test_the_certificate_stands_on_both_pages_as_pdf_for_all_and_json(installation: Installation) -> None:
    """A tagged PDF in the person's language and the JSON that it names, for who has the page open and for operators only."""
    requests = installation.kept.requests
    ref = received(installation, EMAIL, right="deletion")
    requests.make_plan(ref, by="system")
    requests.approve(ref, by="system")
    hand_on(installation.kept)
    assert requests.view(ref).state is State.ANSWERED
    person = installation.client()
    assert person.get(f"/requests/{ref}/certificate.pdf").status_code == 403
    nonce = re.search(r'name="nonce" value="([^"]+)"', person.get(f"/requests/{ref}").get_data(as_text=True))
    assert nonce
    person.post(f"/requests/{ref}/code", data={"nonce": nonce[1]})
    hand_on(installation.kept)
    code = find(CODE, installation.root, EMAIL)
    person.post(f"/requests/{ref}/open", data={"nonce": nonce[1], "code": code})
    assert f"/requests/{ref}/certificate.pdf" in person.get(f"/requests/{ref}").get_data(as_text=True)
    answer = person.get(f"/requests/{ref}/certificate.pdf")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    pdf = PdfReader(io.BytesIO(answer.data))
    words = " ".join(page.extract_text() for page in pdf.pages)
    body = json.loads(person.get(f"/requests/{ref}/certificate.json").data)
    root: Any = pdf.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert b"pdfuaid" in root["/Metadata"].get_data()
    for part in (ref, "Certificate of deletion", "Invoices", "tax records", body["certificate"]):
        assert part in words
    assert EMAIL not in words + json.dumps(body)
    operator = installation.signed_in(AGENT)
    assert f"/console/requests/{ref}/certificate.json" in operator.get(f"/console/requests/{ref}").get_data(
        as_text=True
    )
    assert json.loads(operator.get(f"/console/requests/{ref}/certificate.json").data) == body
    assert person.get(f"/requests/{ref}/certificate.exe").status_code == 404
    told = next(one for one in read_mails(installation.root, EMAIL) if "deleted" in str(one["Subject"]))
    assert "certificate" in text_of(told)
