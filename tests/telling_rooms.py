"""What tests of recipients share: a policy that names six, one behind an API and two behind mailboxes, with real servers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from dsr.telling_views import TellingLine
from tests.request_desk import CODE, CONFIRM_LINK, SOURCES, hand_on, text_of
from tests.servers import SmtpServer
from tests.servers_http import KEY, Vendor, customer, run_vendor
from tests.web_installation import CONFIGURATION, POLICY, Installation, open_installation

GROQ, MAILER = "privacy@groq.example", "dpo@letters.example"
TOLD_LINK = re.compile(r"https?://[^\s/]+(/tasks/told/[\w-]+)")
RECIPIENTS = """\
  - {id: groq, kind: recipient, name: Groq, role: processor, why: [inference], of: [request_log], region: US,
     safeguard: scc, tell: "mailto:privacy@groq.example", silent: true}
  - {id: groq-more, kind: recipient, name: Groq, role: processor, why: [billing], of: [account], region: US,
     safeguard: scc, tell: "mailto:privacy@groq.example", silent: true}
  - {id: letters, kind: recipient, name: Letterbox, role: processor, why: [letters], of: [account], region: DE,
     when: you asked for our letter, tell: "mailto:dpo@letters.example", silent: true}
  - {id: paying, kind: recipient, name: Paywell, role: processor, why: [payment], of: [account], region: DE,
     tell: "store:billing", silent: true}
  - {id: counting, kind: recipient, name: Countly Board, role: controller, why: [statistics], of: [request_log], region: DE,
     tell: "https://countly.example/erase", silent: true}
  - {id: adviser, kind: recipient, name: Our adviser, role: controller, why: [taxes], of: [account], region: DE, silent: true}
  - {id: elsewhere, kind: recipient, name: Faraway, role: processor, why: [storage], of: [photos], region: DE,
     tell: "mailto:nobody@faraway.example", silent: true}
  - {id: court, kind: recipient, name: Courts, role: authority, why: [orders], of: [account], silent: true}
"""
WITH_RECIPIENTS = POLICY.replace(
    "  - {id: no-sale,",
    RECIPIENTS + "  - {id: correction, kind: right, right: correction, within: P30D, silent: true}\n  - {id: no-sale,",
)
STRIPE = """\
  - id: payers
    at: billing:customers
    category: account
    identifies: {email: email}
    fields: {name: {fideslang: user.name}}
"""


@dataclass(frozen=True, kw_only=True)
class Rooms:
    """An installation, the mail server that takes its mails, and the vendor that it erases at."""

    installation: Installation
    smtp: SmtpServer
    vendor: Vendor

    def mails_to(self, address: str) -> list[EmailMessage]:
        """What the mail server took for an address, the oldest first."""
        hand_on(self.installation.kept)
        return [one.message for one in self.smtp.mails if address in one.recipients]

    def find(self, pattern: re.Pattern[str], address: str) -> str:
        """What a pattern finds in the newest mail to an address that holds it."""
        for mail in reversed(self.mails_to(address)):
            if found := pattern.search(text_of(mail)):
                return found[1]
        raise AssertionError(f"no mail to {address} holds {pattern.pattern}")

    def received(self, email: str, right: str = "deletion", language: str = "en") -> str:
        """A request whose address is proven; gives its reference."""
        requests = self.installation.kept.requests
        requests.submit_form(email=email, right=right, country="DE", source=next(SOURCES), language=language)
        link = self.find(CONFIRM_LINK, email)
        return requests.confirm(link.rpartition("/")[2].partition("?")[0], source=next(SOURCES))

    def planned(self, email: str, right: str = "deletion", language: str = "en") -> str:
        """A request with its plan."""
        ref = self.received(email, right, language)
        self.installation.kept.requests.make_plan(ref, by="system")
        return ref

    def done(self, email: str, right: str = "deletion", language: str = "en") -> str:
        """A request whose plan is approved and carried out."""
        ref = self.planned(email, right, language)
        self.approve(ref)
        return ref

    def approve(self, ref: str) -> None:
        kept = self.installation.kept
        plan = kept.requests.view(ref).plan
        assert plan
        kept.requests.approve(ref, by="system", seal=plan.seal)
        hand_on(kept)

    def told(self, ref: str) -> dict[str, TellingLine]:
        """The recipients of a request by name."""
        return {one.recipient: one for one in self.installation.kept.requests.told.lines(ref=ref)}

    def link(self, address: str) -> str:
        """The path of the newest link that a recipient has."""
        return self.find(TOLD_LINK, address)

    def code(self, email: str) -> str:
        return self.find(CODE, email)


@contextmanager
def open_rooms(root: Path, smtp: SmtpServer) -> Iterator[Rooms]:
    """The small gateway with its recipients; the vendor knows everybody by their address."""
    with run_vendor() as (vendor, base):
        vendor.put(*(customer(f"cus_{n}", f"person{n}@post.example", f"Person {n}") for n in range(3, 41)))
        root.parent.mkdir(parents=True, exist_ok=True)
        (root.parent / "billing.key").write_text(KEY)
        (root.parent / "billing.key").chmod(0o600)
        store = f"  billing: {{kind: http, recipe: stripe, key: 'file:../billing.key', base: '{base}', allow: [http, private]}}\n"
        configuration = (
            CONFIGURATION.replace("stores:\n", f"stores:\n{store}")
            .replace("languages: [en]", "languages: [en, de]")
            .replace("mail:\n", f"mail:\n  smtp: {smtp.url}\n")
            .replace("stores:\n", "requests: {tell: {knows: {letters: [email]}}}\nstores:\n", 1)
            + STRIPE
        )
        with open_installation(root, publish=False, configuration=configuration) as opened:
            opened.publish(WITH_RECIPIENTS)
            yield Rooms(installation=opened, smtp=smtp, vendor=vendor)
