"""What tests of work for people share: an installation whose helpdesk is a vendor's, and a request that reaches it."""

from __future__ import annotations

import re

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dsr.task_views import TaskLine
from plans.plan import StepDeed
from tests.request_desk import hand_on, read_mails, received, text_of
from tests.web_installation import CONFIGURATION, Installation

CONTACT = "help@vendor.example"
TASK_LINK = re.compile(r"https?://[^\s/]+(/tasks/[\w-]+)")
NONCE = re.compile(r'name="nonce" value="([0-9a-f]+)"')
WITH_HELPDESK = (
    CONFIGURATION.replace("stores:\n", f"stores:\n  helpdesk: {{kind: manual, contact: {CONTACT}}}\n")
    + """\
  - id: letters
    at: helpdesk:tickets
    category: account
    identifies: {email: requester}
"""
)


def asked(installation: Installation, email: str, right: str = "deletion") -> tuple[str, TaskLine]:
    """A request whose plan is approved and begun: its reference, and the task that it opened."""
    kept = installation.kept
    ref = received(installation, email, right)
    kept.requests.make_plan(ref, by="system")
    plan = kept.requests.view(ref).plan
    assert plan
    assert [step.deed for step in plan.steps if step.store == "helpdesk"] == [StepDeed.ASK]
    kept.requests.approve(ref, by="system", seal=plan.seal)
    hand_on(kept)
    (task,) = kept.tasks.list_tasks(ref=ref)
    return ref, task


def link_of(installation: Installation, ref: str) -> str:
    """The path of the newest link that the contact has for a request."""
    about = [mail for mail in read_mails(installation.root, CONTACT) if ref in str(mail["Subject"])]
    found = TASK_LINK.search(text_of(about[-1]))
    assert found
    return found[1]


def nonce_of(page: TestResponse) -> str:
    """The nonce of a page's forms."""
    found = NONCE.search(page.get_data(as_text=True))
    assert found
    return found[1]


def press(
    client: FlaskClient, link: str, act: str, *, file: tuple[str, bytes] | None = None, **data: str
) -> TestResponse:
    """Send one of the two forms behind a link as its page would; `file`: a name and its bytes."""
    return send_form(client, link, {"nonce": nonce_of(client.get(link)), "act": act, **data}, file)


def send_form(
    client: FlaskClient, address: str, data: dict[str, str], file: tuple[str, bytes] | None = None
) -> TestResponse:
    """Send a form with a file as a browser does, from memory: the test client would leave its own temporary file open."""
    parts = [
        f'--edge\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in data.items()
    ]
    body = "".join(parts).encode()
    if file is not None:
        head = f'--edge\r\nContent-Disposition: form-data; name="evidence"; filename="{file[0]}"\r\n\r\n'
        body += head.encode() + file[1] + b"\r\n"
    return client.post(address, data=body + b"--edge--\r\n", content_type="multipart/form-data; boundary=edge")
