"""A mail of a request that came back, in the browser: the first page asks, the request says so, and whoever works writes it down."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from bs4 import BeautifulSoup

from notify.outbox_desk import BY_HAND
from notify.stuck_mails import read_stuck
from notify.tables import SentMailRow
from promises.alarms import AlarmKind, judge_alarms
from tests.request_desk import received
from tests.web_installation import Installation, open_installation, post


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with open_installation(tmp_path_factory.mktemp("lost") / "kept") as made:
        yield made


def test_a_mail_that_came_back_is_seen_to_in_the_console(installation: Installation) -> None:
    """Through the wiring of app.py; who is not signed in cannot settle it; once settled it is off the list, and on the record."""
    kept, ref = installation.kept, received(installation, "person3@post.example")
    with kept.database.read() as session:
        wanted = sa.select(SentMailRow.message_id).where(SentMailRow.ref == ref)
        message_id = session.execute(wanted.order_by(SentMailRow.queued_at.desc())).scalars().first()
    assert message_id is not None
    assert kept.bounces.take(
        original_message_id=message_id, recipient="person3@post.example", action="failed", status="5.1.1"
    )
    client, page = installation.signed_in(), f"/console/requests/{ref}"
    home = BeautifulSoup(client.get("/console/").get_data(as_text=True), "html.parser")
    link = home.find("a", href=f"{page}#lost")
    assert link is not None
    assert f"A mail of {ref} did not arrive" in home.get_text()
    shown = client.get(page).get_data(as_text=True)
    assert "came back (5.1.1)" in shown
    stranger = installation.client()
    assert stranger.post(f"{page}/lost", data={"lost_why": "x"}).status_code in (302, 400, 401, 403)
    assert kept.requests.bounced.look(ref) is not None
    assert post(client, f"{page}/lost", page, lost_why=" ").status_code == 400
    assert post(client, f"{page}/lost", page, lost_why="They gave a new address.").status_code == 302
    assert f"A mail of {ref} did not arrive" not in client.get("/console/").get_data(as_text=True)
    assert "They gave a new address." in client.get(page).get_data(as_text=True)
    kept.ledger.settle()


def test_mails_that_nobody_knows_of_are_an_alarm_until_somebody_has_seen_to_them(installation: Installation) -> None:
    """Given up by itself or uncertain; by a person: none."""
    kept = installation.kept
    now = kept.clock.now()
    with kept.database.begin() as session:
        rows = session.execute(sa.select(SentMailRow).limit(2)).scalars().all()
        assert read_stuck(session, now) is None
        rows[0].state, rows[0].at = "given_up", now - timedelta(days=2)
        rows[1].state, rows[1].at = "uncertain", now
        session.flush()
        stuck = read_stuck(session, now)
        assert stuck is not None
        (alarm,) = judge_alarms([], [], now, mails=stuck)
        assert alarm.kind is AlarmKind.MAIL
        assert (
            alarm.says.replace("\xa0", " ")
            == "1 mail was given up after days of tries. Of 1 mail nobody knows whether they arrived."
        )
        assert alarm.since == now - timedelta(days=2)
        for row in rows:
            row.state, row.why = "given_up", BY_HAND
        session.flush()
        assert read_stuck(session, now) is None
