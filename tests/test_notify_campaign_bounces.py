"""Bounces that come back: delivery status notifications as mail servers write them, matched to the person who was told."""

from __future__ import annotations

import mailbox
from pathlib import Path

import pytest

from core.database import Database
from core.errors import BadInput
from notify.bounces import BounceCount, Bounces
from notify.campaign_tables import CampaignPersonRow, PersonState
from tests.campaign_rooms import TellingRooms, clauses, make_host, wire_telling
from tests.ledger_rooms import SECRET

REPORT = """\
From: MAILER-DAEMON@mx.mail.example (Mail Delivery System)
To: privacy@lanternway.example
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=bound"

--=bound
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--=bound
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.mail.example
Arrival-Date: Sat, 21 Nov 2026 12:00:00 +0000

Final-Recipient: rfc822; {address}
Original-Recipient: rfc822;{address}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 5.1.1 <{address}>: user unknown

--=bound
{returned}
--=bound--
"""
HEADERS = "Content-Type: text/rfc822-headers\n\nFrom: privacy@lanternway.example\nMessage-ID: {id}\nSubject: x\n"
WHOLE = "Content-Type: message/rfc822\n\nFrom: privacy@lanternway.example\nMessage-ID:\n {id}\n\nbody\n"
NOTHING = "Content-Type: text/plain\n\nnothing came back\n"


@pytest.fixture
def rooms(database: Database, tmp_path: Path) -> TellingRooms:
    """Anna and Ben were told of version 2."""
    make_host(tmp_path / "host")
    made = wire_telling(database, tmp_path / "host")
    made.publish(*clauses())
    made.add(("u1", "anna@mail.example"), ("u2", "ben@mail.example"))
    made.publish(*clauses("P60D"))
    made.runs.run(2)
    return made


def take(rooms: TellingRooms, path: Path) -> BounceCount:
    counted = BounceCount()
    bounces = Bounces(rooms.database, rooms.clock, rooms.campaigns, key=SECRET)
    bounces.read_file(path, counted, actor="opr_1")
    return counted


def report(
    rooms: TellingRooms,
    returned: str,
    *,
    action: str = "failed",
    status: str = "5.1.1",
    address: str = "anna@mail.example",
) -> str:
    """What a mail server sends back for the mail to Anna."""
    mail = next(mail for mail in rooms.mails() if mail["To"] == "anna@mail.example")
    back = returned.format(id=str(mail["Message-ID"]).strip())
    return REPORT.format(address=address, action=action, status=status, returned=back)


def anna(rooms: TellingRooms) -> CampaignPersonRow:
    return rooms.people()[0]


@pytest.mark.parametrize("returned", [HEADERS, WHOLE])
def test_a_bounce_is_matched_by_our_message_id(rooms: TellingRooms, tmp_path: Path, returned: str) -> None:
    """Whole or its headers alone, and whatever address the report names: a mailbox may be an alias of another."""
    file = tmp_path / "one.eml"
    file.write_text(report(rooms, returned, address="another@place.example"))
    assert take(rooms, file) == BounceCount(messages=1, bounced=1)
    assert (anna(rooms).state, anna(rooms).reason) == (PersonState.BOUNCED, "Reported: 5.1.1.")
    assert rooms.people()[1].state == PersonState.TOLD
    assert "campaign.bounced" in rooms.kinds()
    assert take(rooms, file) == BounceCount(messages=1, unchanged=1)


def test_without_our_message_id_the_address_decides(rooms: TellingRooms, tmp_path: Path) -> None:
    """By its keyed hash: the address itself is not kept. One that was never written to is unknown."""
    file = tmp_path / "one.eml"
    file.write_text(report(rooms, NOTHING))
    assert take(rooms, file).bounced == 1
    file.write_text(report(rooms, NOTHING, address="stranger@mail.example"))
    assert take(rooms, file) == BounceCount(messages=1, unknown=1)


def test_a_report_settles_who_is_uncertain(rooms: TellingRooms, tmp_path: Path) -> None:
    """Delivered: told. Failed: bounced. Either way the address goes."""
    for action, state in (("delivered", PersonState.TOLD), ("failed", PersonState.BOUNCED)):
        with rooms.database.begin() as session:
            row = session.get_one(CampaignPersonRow, anna(rooms).id)
            row.state, row.email = PersonState.UNCERTAIN.value, "anna@mail.example"  # type: ignore[assignment]
        file = tmp_path / "one.eml"
        file.write_text(report(rooms, HEADERS, action=action, status="2.0.0" if action == "delivered" else "5.7.1"))
        take(rooms, file)
        assert (anna(rooms).state, anna(rooms).email) == (state, None)


def test_a_delay_is_no_end(rooms: TellingRooms, tmp_path: Path) -> None:
    """The other server goes on trying; nothing changes."""
    file = tmp_path / "one.eml"
    file.write_text(report(rooms, HEADERS, action="delayed", status="4.4.1"))
    assert take(rooms, file) == BounceCount(messages=1, others=1)
    assert anna(rooms).state == PersonState.TOLD


def test_an_mbox_is_read_message_by_message(rooms: TellingRooms, tmp_path: Path) -> None:
    """Other mail in it is counted and left alone."""
    box = mailbox.mbox(tmp_path / "bounces.mbox")
    for text in (report(rooms, HEADERS), "From: anna@mail.example\nSubject: hello\n\nWhat is this?\n"):
        box.add(text)
    box.close()
    assert take(rooms, tmp_path / "bounces.mbox") == BounceCount(messages=2, bounced=1, others=1)


def test_what_is_no_mail_is_taken_for_none(rooms: TellingRooms, tmp_path: Path) -> None:
    """Noise changes nothing; a file that is not there is named."""
    file = tmp_path / "noise.eml"
    file.write_bytes(bytes(range(256)) * 40)
    assert take(rooms, file) == BounceCount(messages=1, others=1)
    file.write_text(report(rooms, HEADERS).replace("Action: failed", "Action:").replace("=bound--", ""))
    assert take(rooms, file).bounced == 0
    with pytest.raises(BadInput, match="cannot be read"):
        take(rooms, tmp_path / "none.eml")
