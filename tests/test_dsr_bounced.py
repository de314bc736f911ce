"""A mail of a request that comes back: the request says so, somebody is asked to find another way, and says what was done."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import freezegun
import pytest
import sqlalchemy as sa

from core.clock import SystemClock
from core.database import Database
from core.errors import BadInput, Conflict
from dsr.tables import TicketEventRow
from notify.bounced_mails import BouncedMails
from notify.bounces import Bounces
from notify.campaigns import Campaigns
from notify.lost_mails import LostMail
from notify.tables import MailState, SentMailRow
from tests.dsr_house import ANNA, NOON, SECRET, House, build_house
from tests.schema import make_tables


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    database = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    make_tables(database)
    with freezegun.freeze_time(NOON, tick=True):
        yield build_house(database, tmp_path / "house")
    database.close()


def bounces_of(house: House) -> Bounces:
    """As app.py wires it."""

    def on_lost(session: sa.orm.Session, mail: LostMail) -> None:
        house.requests.bounced.note(session, ref=mail.ref, event=mail.event, how=mail.how.value, status=mail.status)

    clock = SystemClock()
    mails = BouncedMails(clock, key=SECRET, on_lost=on_lost)
    return Bounces(house.database, clock, Campaigns(clock, house.ledger, per_minute=None), key=SECRET, mails=mails)


def received(house: House) -> tuple[str, SentMailRow]:
    """A request, and the mail that it is there."""
    ref = house.confirmed()
    house.latest_mail(ANNA, "We have")
    with house.database.read() as session:
        return ref, session.execute(sa.select(SentMailRow).where(SentMailRow.event == "request_received")).scalar_one()


def kinds(house: House, ref: str) -> list[tuple[str, str]]:
    with house.database.read() as session:
        rows = session.execute(sa.select(TicketEventRow.kind, TicketEventRow.why).order_by(TicketEventRow.position))
        return [(kind, why) for kind, why in rows if kind.startswith("mail_")]


def test_a_mail_that_comes_back_is_an_event_of_its_request_and_waits_for_somebody(house: House) -> None:
    """By its Message-ID, whatever address the report names; told twice it is one; the ledger hears of it without an address."""
    ref, mail = received(house)
    assert mail.ref == ref
    bounces = bounces_of(house)
    for _ in range(2):
        assert bounces.take(
            original_message_id=mail.message_id, recipient="alias@else.example", action="failed", status="5.1.1"
        )
    assert kinds(house, ref) == [("mail_lost", "request_received came back (5.1.1)")]
    (line,) = house.requests.bounced.waiting()
    assert (line.ref, line.event, line.how) == (ref, "request_received", "came back (5.1.1)")
    with house.database.read() as session:
        row = session.get_one(SentMailRow, mail.id)
    assert (row.state, row.status, row.why) == (MailState.BOUNCED, "5.1.1", "It came back (5.1.1).")
    with pytest.raises(BadInput):
        house.requests.bounced.settle(ref, why=" ", by="opr_1")
    house.requests.bounced.settle(ref, why="Called them: a new address follows.", by="opr_1")
    assert house.requests.bounced.waiting() == ()
    assert house.requests.bounced.look(ref) is None
    with pytest.raises(Conflict):
        house.requests.bounced.settle(ref, why="Again.", by="opr_1")


def test_a_delay_is_shown_and_is_no_end_and_a_stranger_s_report_is_nobody_s(house: House) -> None:
    """It stands once on the request, and asks for nothing; then it may come back after all. What we did not send is not ours."""
    ref, mail = received(house)
    bounces = bounces_of(house)
    for _ in range(2):
        assert bounces.take(original_message_id=mail.message_id, recipient=ANNA, action="delayed", status="4.4.1")
    assert kinds(house, ref) == [("mail_late", "request_received is on its way still (4.4.1)")]
    assert house.requests.bounced.waiting() == ()
    with house.database.read() as session:
        assert session.get_one(SentMailRow, mail.id).state == MailState.SENT
    assert bounces.take(original_message_id=mail.message_id, recipient=ANNA, action="failed", status="4.4.7")
    assert len(house.requests.bounced.waiting()) == 1
    assert not bounces.take(original_message_id="<x@evil.example>", recipient=ANNA, action="failed", status="5.0.0")
    assert not bounces.take(original_message_id=mail.message_id, recipient=ANNA, action="exploded", status="")
    # Where no Message-ID came back, the latest mail to that address is the one.
    assert bounces.take(original_message_id="", recipient=ANNA, action="failed", status="5.2.2")
    assert not bounces.take(original_message_id="", recipient="eve@else.example", action="failed", status="5.2.2")


def test_a_report_that_it_arrived_settles_what_was_uncertain(house: House) -> None:
    """Nobody need be asked then."""
    _, mail = received(house)
    with house.database.begin() as session:
        session.get_one(SentMailRow, mail.id).state = MailState.UNCERTAIN.value
    assert bounces_of(house).take(
        original_message_id=mail.message_id, recipient=ANNA, action="delivered", status="2.0.0"
    )
    with house.database.read() as session:
        assert session.get_one(SentMailRow, mail.id).state == MailState.SENT
    assert re.fullmatch(r"<evt_[0-9a-f]{24}@[a-z.]+>", mail.message_id)
