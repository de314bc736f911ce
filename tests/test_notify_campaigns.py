"""Campaigns: everyone who must hear of a version is told once, and what came of it stands in rows, counts and the ledger."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SmtpSession
from structlog.testing import capture_logs

from core.database import Database
from core.errors import BadInput, Conflict, NotFound
from core.leases import Leases
from core.outbox import Dispatcher
from notify.campaign_sending import REFUSED_IN_A_ROW
from notify.campaign_tables import CampaignRow, CampaignState, PersonState, Stage
from notify.campaign_views import CampaignView
from notify.campaigns import PREVIEW
from plans.leasing import hold_lease
from policies.versions import VersionState
from tests.campaign_rooms import ACCOUNTS, NOTICE, NOW, TellingRooms, clauses, flat, make_host, part, wire_telling
from tests.policy_texts import policy_text
from tests.servers import SmtpServer, free_port

MAIL_ONLY = "{id: changes, kind: notice, material: [email], ahead: P14D}"
POSTED = "{id: changes, kind: notice, material: [banner, post], ahead: P14D}"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    make_host(tmp_path / "host")
    return tmp_path / "host"


@pytest.fixture
def rooms(database: Database, host: Path) -> Iterator[TellingRooms]:
    yield from begin(database, host)


def begin(database: Database, host: Path, notice: str = NOTICE, **given: object) -> Iterator[TellingRooms]:
    """Version 1 is in force, and there are Anna and Ben."""
    made = wire_telling(database, host, **given)  # type: ignore[arg-type]
    made.publish(*clauses(notice=notice))
    made.add(("u1", "anna@mail.example"), ("u2", "ben@mail.example"))
    yield made
    for store in made.stores:
        store.close()


def change(rooms: TellingRooms, *, notice: str = NOTICE, extra: str = "") -> int:
    """Publish what people must be told of."""
    return rooms.publish(*clauses("P60D", notice=notice), extra=extra).number


def view(rooms: TellingRooms, number: int = 2, stage: Stage = Stage.NOTICE) -> CampaignView:
    with rooms.database.read() as session:
        return rooms.campaigns.view(session, number, stage)


def figures(one: CampaignView) -> tuple[int, int, int, int]:
    return one.told, one.bounced, one.uncertain, one.waiting


def test_everyone_with_an_open_account_is_told_once(rooms: TellingRooms) -> None:
    """Two accounts of one address get one mail, a closed account none; who has no usable address counts as bounced."""
    rooms.add(("u3", "ANNA@mail.EXAMPLE"), ("u4", "anna@mail.example"), ("u5", None), ("u6", "no address"), ("u7", " "))
    rooms.add(("u8", "gone@mail.example"))
    rooms.sql("UPDATE users SET deleted_at = '2026-10-01T00:00:00Z' WHERE id = 'u8'")
    number = change(rooms)
    assert figures(view(rooms)) == (0, 0, 0, 0)
    found = rooms.runs.run(number)
    assert (found.state, figures(found), found.total) == (CampaignState.COMPLETED, (3, 3, 0, 0), 6)
    told = sorted(str(mail["To"]) for mail in rooms.mails())
    assert told == ["ANNA@mail.example", "anna@mail.example", "ben@mail.example"]
    for row in rooms.people():
        assert (row.email, row.name, row.language) == (None, None, None)
    rooms.runs.run_slice()
    assert len(rooms.mails()) == 3


def test_a_version_waits_until_everyone_was_told(rooms: TellingRooms) -> None:
    """Its 14 days begin when the last one was told, not when it was published."""
    number = change(rooms)
    rooms.clock.advance(timedelta(days=3))
    with rooms.database.read() as session:
        assert rooms.policies.version(session, number).told_at is None
    rooms.runs.run_slice()
    with rooms.database.read() as session:
        version = rooms.policies.version(session, number)
    assert (version.told_at, version.planned_for) == (NOW + timedelta(days=3), NOW + timedelta(days=17))
    rooms.clock.advance(timedelta(days=14))
    assert [one.number for one in rooms.policies.tick()] == [number]


def test_what_happened_stands_in_the_ledger_without_a_person_in_it(rooms: TellingRooms) -> None:
    """Begun, completed with counts and a hash of the rows; no address, no name."""
    with capture_logs() as logs:
        rooms.runs.run(change(rooms))
    assert sorted(rooms.kinds()) == ["campaign.begun", "campaign.completed"]
    with rooms.database.read() as session:
        private = [str(row) for row in session.execute(sa.text("SELECT private FROM ledger_private")).scalars()]
    held = "".join(private) + str(logs)
    assert re.search(r'"?digest"?: ?"?[0-9a-f]{64}', held)
    assert not re.search("anna|ben@|mail.example", held)


def test_without_mail_the_publishing_tells_everyone(database: Database, host: Path) -> None:
    """Banner and post need no row for a person: such a campaign is complete as it begins."""
    for rooms in begin(database, host, POSTED):
        change(rooms, notice=POSTED)
        found = view(rooms)
        assert (found.state, found.completed_at, found.total) == (CampaignState.COMPLETED, NOW, 0)
        rooms.runs.run_slice()
        assert rooms.mails() == []


def test_a_map_without_addresses_leaves_it_to_the_banner_where_the_clause_lets_it(
    database: Database, host: Path
) -> None:
    """`any: [email, banner]` is kept by the banner, and the campaign says that nobody got a mail."""
    bare = replace(ACCOUNTS, identifies={"user_id": "id"})
    for rooms in begin(database, host, collections=(bare,)):
        found = rooms.runs.run(change(rooms))
        assert found.state is CampaignState.COMPLETED
        assert "People are told by banner alone" in found.problem


def test_a_map_without_addresses_waits_for_a_person_where_mail_was_promised(database: Database, host: Path) -> None:
    """It is never complete in silence: somebody maps the addresses, or says how people were told."""
    bare = replace(ACCOUNTS, identifies={"user_id": "id"})
    for rooms in begin(database, host, MAIL_ONLY, collections=(bare,)):
        found = rooms.runs.run(change(rooms, notice=MAIL_ONLY))
        assert (found.state, found.completed_at) == (CampaignState.RUNNING, None)
        assert "identifies people by e-mail" in found.problem
        with pytest.raises(BadInput), rooms.database.begin() as session:
            rooms.campaigns.complete_by_hand(session, 2, actor="opr_1", reason=" ")
        with rooms.database.begin() as session:
            rooms.campaigns.complete_by_hand(session, 2, actor="opr_1", reason="letters, posted on 20 November")
        assert (view(rooms).state, view(rooms).problem) == (CampaignState.COMPLETED, "")


def test_who_joins_before_it_is_in_force_is_told_and_holds_nothing_up(rooms: TellingRooms) -> None:
    """They saw the old version. Those who join after it is in force saw the new one already."""
    number = change(rooms)
    rooms.runs.run(number)
    completed = view(rooms).completed_at
    rooms.add(("u3", "late@mail.example"))
    rooms.runs.run_slice()
    assert len(rooms.mails()) == 2  # the look for joiners comes within the hour
    rooms.clock.advance(timedelta(hours=1))
    rooms.runs.run_slice()
    assert (len(rooms.mails()), view(rooms).completed_at) == (3, completed)
    rooms.sql("INSERT INTO users VALUES ('u4', 'last@mail.example', NULL, NULL, '2026-12-05T11:59:00.000Z', NULL)")
    rooms.clock.advance(timedelta(days=14))
    assert rooms.policies.tick()
    rooms.sql("INSERT INTO users VALUES ('u5', 'new@mail.example', NULL, NULL, '2026-12-05T14:00:00.000Z', NULL)")
    rooms.clock.advance(timedelta(hours=2))
    rooms.runs.run_slice()
    told = {str(mail["To"]) for mail in rooms.mails()}
    assert told == {f"{name}@mail.example" for name in ("anna", "ben", "late", "last")}
    assert "It has been in force since" in flat(part(next(m for m in rooms.mails() if "last@" in str(m["To"]))))
    assert view(rooms).problem == ""


def test_a_new_address_does_not_make_a_new_person(rooms: TellingRooms) -> None:
    """Somebody who was told under one address is known by the account when they have another."""
    rooms.runs.run(change(rooms))
    rooms.sql("UPDATE users SET email = 'anna.new@mail.example' WHERE id = 'u1'")
    rooms.clock.advance(timedelta(hours=2))
    rooms.runs.run_slice()
    assert len(rooms.mails()) == 2


def test_a_paused_campaign_tells_nobody_until_it_is_resumed(rooms: TellingRooms) -> None:
    """A person stops it at once, and sees how it stands."""
    change(rooms)
    with rooms.database.begin() as session:
        rooms.campaigns.pause(session, 2, actor="opr_1")
    rooms.runs.run_slice()
    assert (view(rooms).state, rooms.mails()) == (CampaignState.PAUSED, [])
    with pytest.raises(Conflict), rooms.database.begin() as session:
        rooms.campaigns.pause(session, 2, actor="opr_1")
    with rooms.database.begin() as session:
        rooms.campaigns.resume(session, 2, actor="opr_1")
    rooms.runs.run_slice()
    assert view(rooms).told == 2
    with pytest.raises(NotFound), rooms.database.begin() as session:
        rooms.campaigns.pause(session, 9, actor="opr_1")


def test_a_withdrawn_version_is_taken_back_from_those_who_were_told(database: Database, host: Path) -> None:
    """They are told once more; who was not told yet never is, and nobody's address stays."""
    for rooms in begin(database, host):
        number = change(rooms)
        rooms.runs.run(number)
        rooms.add(("u3", "late@mail.example"))
        rooms.policies.withdraw(number, actor="opr_1", reason="wrong day")
        rooms.runs.run_slice()
        rooms.runs.run_slice()
        told = [(str(mail["To"]), str(mail["Subject"])) for mail in rooms.mails()]
        stays = [to for to, subject in told if subject == "Our privacy policy stays as it is"]
        assert (len(told), sorted(stays)) == (4, ["anna@mail.example", "ben@mail.example"])
        assert view(rooms).state is CampaignState.WITHDRAWN
        assert view(rooms, stage=Stage.WITHDRAWN).state is CampaignState.COMPLETED
        assert all(row.email is None for row in rooms.people())


def run_until_mailed(rooms: TellingRooms, server: SmtpServer) -> None:
    """Run short slices until the server has a mail: on a busy machine one may end before the first."""
    for _ in range(40):
        rooms.runs.run_slice(seconds=0.3)
        if server.mails:
            return


def test_who_still_waits_when_a_version_is_withdrawn_is_let_go(
    database: Database, host: Path, smtp_server: SmtpServer
) -> None:
    """At one mail a minute one person was told, the other is dropped with the address."""
    for rooms in begin(database, host, smtp=smtp_server.url, per_minute=1):
        number = change(rooms)
        run_until_mailed(rooms, smtp_server)
        rooms.policies.withdraw(number, actor="opr_1", reason="wrong day")
        for _ in range(40):
            rooms.runs.run_slice(seconds=0.1)
            if view(rooms).dropped:
                break
        assert (view(rooms).told, view(rooms).dropped, view(rooms).waiting) == (1, 1, 0)
        assert [row.email for row in rooms.people() if row.state == PersonState.DROPPED] == [None]


class FussyServer:
    """An SMTP server that refuses `no…` for good, puts `later…` off once, and goes silent after the mail of `silent…`."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.put_off: set[str] = set()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: SmtpSession, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("no"):
            return "550 5.1.1 no such user"
        if address.startswith("later") and address not in self.put_off:
            self.put_off.add(address)
            return "451 4.7.1 greylisted"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:  # noqa: N802
        self.got += envelope.rcpt_tos
        if envelope.rcpt_tos[0].startswith("silent"):
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return "250 OK"


@contextmanager
def serving(handler: FussyServer) -> Iterator[str]:
    port = free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield f"smtp://127.0.0.1:{port}"
    finally:
        controller.stop()


def test_what_a_server_says_of_each_decides(database: Database, host: Path) -> None:
    """Refused: bounced. Put off: tried again later. Silent after the mail: uncertain, and not sent again by itself."""
    handler = FussyServer()
    with serving(handler) as smtp:
        for rooms in begin(database, host, smtp=smtp):
            for name in ("no-one", "later", "silent"):
                rooms.add((name, f"{name}@mail.example"))
            number = change(rooms)
            found = rooms.runs.run(number)
            assert "went silent" in found.problem
            rooms.clock.advance(timedelta(minutes=1))
            found = rooms.runs.run(number)
            assert figures(found) == (2, 1, 1, 1)
            assert found.completed_at is None
            rooms.clock.advance(timedelta(minutes=10))
            found = rooms.runs.run(number)
            assert (figures(found), found.state, found.problem) == ((3, 1, 1, 0), CampaignState.COMPLETED, "")
            assert sorted(handler.got) == sorted(f"{name}@mail.example" for name in ("anna", "ben", "later", "silent"))
            kept = [row.email for row in rooms.people() if row.email is not None]
            assert len(kept) == 1  # the uncertain one may have to be sent again


def settle(rooms: TellingRooms, *, told: bool) -> int:
    with rooms.database.begin() as session:
        return rooms.campaigns.settle(session, 2, told=told, actor="opr_1")


@pytest.mark.parametrize("told", [True, False])
def test_a_person_settles_who_is_uncertain(database: Database, host: Path, told: bool) -> None:
    """As told, or sent again; either way nobody is uncertain any more, and the ledger says who decided."""
    handler = FussyServer()
    with serving(handler) as smtp:
        for rooms in begin(database, host, smtp=smtp):
            rooms.add(("silent", "silent@mail.example"))
            number = change(rooms)
            for _ in range(2):
                rooms.runs.run(number)
                rooms.clock.advance(timedelta(minutes=5))
            assert view(rooms).uncertain == 1
            rooms.sql("UPDATE users SET email = 'other' WHERE id = 'silent'")
            assert settle(rooms, told=told) == 1
            handler.got.clear()
            rooms.runs.run_slice()
            assert handler.got == ([] if told else ["silent@mail.example"])
            assert view(rooms).uncertain == (0 if told else 1)
            if told:
                with pytest.raises(Conflict, match="Nobody is uncertain"):
                    settle(rooms, told=True)


def test_a_server_that_refuses_everyone_stops_the_campaign(database: Database, host: Path) -> None:
    """A wrong setting must not turn everyone into a dead address: those refused are asked for again after a look."""
    handler = FussyServer()
    with serving(handler) as smtp:
        for rooms in begin(database, host, smtp=smtp):
            rooms.add(*((f"n{place}", f"no{place}@mail.example") for place in range(REFUSED_IN_A_ROW + 5)))
            number = change(rooms)
            found = rooms.runs.run(number)
            assert (found.state, found.bounced) == (CampaignState.PAUSED, 0)
            assert "50 people in a row" in found.problem
            with rooms.database.begin() as session:
                rooms.campaigns.resume(session, number, actor="opr_1")
            found = rooms.runs.run(number)
            assert (found.state, figures(found)) == (CampaignState.COMPLETED, (2, 55, 0, 0))
            assert sorted(handler.got) == ["anna@mail.example", "ben@mail.example"]


def test_a_server_that_puts_everyone_off_makes_nobody_bounce(database: Database, host: Path) -> None:
    """After twenty in a row it is the server's trouble: the others lose no attempt, and are told when it is well again."""
    handler = FussyServer()
    with serving(handler) as smtp:
        for rooms in begin(database, host, smtp=smtp):
            rooms.sql("DELETE FROM users")
            rooms.add(*((f"n{place:02}", f"later{place}@mail.example") for place in range(40)))
            number = change(rooms)
            found = rooms.runs.run(number)
            assert (figures(found), handler.got) == ((0, 0, 0, 40), [])
            assert "put the recipient off (451)" in found.problem
            assert sum(row.attempts for row in rooms.people()) == 20
            for _ in range(25):
                rooms.clock.advance(timedelta(hours=1))
                found = rooms.runs.run(number)
            assert (figures(found), len(set(handler.got)), len(handler.got)) == ((40, 0, 0, 0), 40, 40)


def test_who_was_told_by_hand_gets_no_mail(database: Database, host: Path, smtp_server: SmtpServer) -> None:
    """A person says how; those who still waited count as told, their addresses go, and nobody is written to any more."""
    for rooms in begin(database, host, smtp=smtp_server.url, per_minute=1):
        number = change(rooms)
        run_until_mailed(rooms, smtp_server)
        with rooms.database.begin() as session:
            rooms.campaigns.complete_by_hand(session, number, actor="opr_1", reason="letters")
        rooms.clock.advance(timedelta(minutes=5))
        rooms.runs.run_slice(seconds=0.3)
        assert (len(smtp_server.mails), view(rooms).told) == (1, 2)
        assert [row.email for row in rooms.people()] == [None, None]


def test_a_server_that_is_down_is_waited_for(database: Database, host: Path) -> None:
    """Nobody is uncertain and nobody bounced: nothing had left."""
    for rooms in begin(database, host, smtp=f"smtp://127.0.0.1:{free_port()}"):
        found = rooms.runs.run(change(rooms))
        assert (figures(found), found.state) == ((0, 0, 0, 2), CampaignState.RUNNING)
        assert "did not take the mail" in found.problem


def test_one_connection_serves_many_mails_at_the_rate_that_is_set(
    database: Database, host: Path, smtp_server: SmtpServer
) -> None:
    """In two seconds at 240 a minute about eight leave, with the two seconds that may be caught up on; the rest waits."""
    for rooms in begin(database, host, smtp=smtp_server.url, per_minute=240):
        rooms.add(*((f"n{place}", f"n{place}@mail.example") for place in range(40)))
        change(rooms)
        rooms.runs.run_slice(seconds=2.0)
        assert 1 <= len(smtp_server.mails) <= 20
        found = view(rooms)
        assert (found.per_minute, found.waiting) == (240, 42 - len(smtp_server.mails))
        assert found.ends_about == NOW + timedelta(minutes=found.waiting / 240)


def test_while_one_process_tells_people_another_leaves_it_alone(rooms: TellingRooms) -> None:
    """One sender at a time: the rate is one for all, and no row is taken twice."""
    change(rooms)
    with hold_lease(Leases(rooms.database, rooms.clock), rooms.clock, "campaigns"):
        rooms.runs.run_slice()
    assert rooms.mails() == []


def test_a_campaign_for_a_purpose_that_no_policy_names_is_held_with_its_reason(database: Database, host: Path) -> None:
    """Nobody is looked up or told; the campaign says why and looks again by itself, and goes on once the purpose is named."""
    for rooms in begin(database, host, purpose="news-of-the-house"):
        number = change(rooms)
        held = rooms.runs.run(number)
        assert (held.state, figures(held), rooms.people()) == (CampaignState.RUNNING, (0, 0, 0, 0), [])
        assert "Neither the policy in force nor Kept's own names the purpose 'news-of-the-house'" in held.problem
        assert "Nobody is told until a policy names it" in held.problem
        assert rooms.mails() == []
        with rooms.database.read() as session:
            again_at = session.execute(sa.select(CampaignRow.again_at)).scalar_one()
        assert again_at is not None
        assert again_at > rooms.clock.now()
        named = wire_telling(database, host, clock=rooms.clock)
        rooms.clock.advance(timedelta(minutes=1))
        assert figures(named.runs.run(number)) == (2, 0, 0, 0)
        assert view(rooms).problem == ""


def test_a_preview_goes_to_one_address_alone(rooms: TellingRooms) -> None:
    """The operator sees the mail as people get it; nobody counts as told, and the outbox forgets the address."""
    change(rooms)
    with rooms.database.begin() as session:
        rooms.campaigns.ask_preview(session, 2, to="ines@ccr.example", language=None, actor="opr_ines")
    Dispatcher(rooms.database, rooms.clock, {PREVIEW: rooms.runs.handle_preview}).dispatch()
    (mail,) = rooms.mails()
    assert (mail["To"], view(rooms).total) == ("ines@ccr.example", 0)
    assert "Request logs are deleted 60 days" in flat(part(mail))


def test_the_mail_says_what_changes_from_when_and_what_one_can_do(rooms: TellingRooms) -> None:
    """Text of at most 72 columns and HTML say the same; it is no advertising, so there is no way to unsubscribe."""
    number = change(rooms, extra="not_before: 2026-12-15")
    rooms.runs.run(number)
    mail = rooms.mails()[0]
    assert mail["Subject"] == "Our privacy policy changes on 15 December 2026"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] is None
    assert re.fullmatch(r"<cmp_[0-9a-f]{24}_[0-9a-f]{24}@lanternway\.example>", str(mail["Message-ID"]).strip())
    text = part(mail)
    assert max(len(line) for line in text.splitlines()) <= 72
    for words in (
        "Tuesday, 15 December 2026", "1. Data are kept longer than people were told",
        "Now: Request logs are deleted 30 days after they are written.",
        "Then: Request logs are deleted 60 days after they are written.",
        "https://kept.example/privacy/diff/1/2", "https://kept.example/requests/new", "Do nothing.",
        "because you have an account with Lanternway", "14 days before it",
    ):  # fmt: skip
        assert words in flat(text)
    html = re.sub("<[^>]+>", " ", part(mail, "html"))
    for words in ("Request logs are deleted 60 days", "Tuesday, 15 December 2026", "Do nothing."):
        assert words in flat(html)


def test_each_gets_the_language_of_the_account_where_there_is_one(rooms: TellingRooms) -> None:
    """German for a German account, the original for a language that the version is not in."""
    rooms.sql("UPDATE users SET lang = 'de-AT', name = 'Anna Müller' WHERE id = 'u1'")
    rooms.sql("UPDATE users SET lang = 'fr' WHERE id = 'u2'")
    new = clauses("P60D")
    rooms.publish(*new, translations=[policy_text(*new, extra="language: de")])
    rooms.runs.run(2)
    mails = {str(mail["To"]): mail for mail in rooms.mails()}
    german = mails["anna@mail.example"]
    assert german["Content-Language"] == "de"
    assert part(german).startswith("Guten Tag Anna Müller,\n")
    assert "Daten bleiben länger als gesagt" in part(german)
    assert mails["ben@mail.example"]["Subject"] == "Our privacy policy changes"


def test_a_name_can_neither_add_a_header_nor_markup(rooms: TellingRooms) -> None:
    """What a person typed as a name is one line of text, escaped in HTML; a very long one is left out."""
    rooms.sql("UPDATE users SET name = ? WHERE id = 'u1'", "Eve\r\nBcc: x@y.example\r\n\r\n<script>")
    rooms.sql("UPDATE users SET name = ? WHERE id = 'u2'", "n" * 100)
    rooms.runs.run(change(rooms))
    mails = {str(mail["To"]): mail for mail in rooms.mails()}
    eve = mails["anna@mail.example"]
    assert eve["Bcc"] is None
    assert part(eve).startswith("Hello Eve Bcc: x@y.example <script>,\n")
    assert "&lt;script&gt;" in part(eve, "html")
    assert part(mails["ben@mail.example"]).startswith("Hello,\n")


def test_a_version_that_is_overtaken_is_taken_back(rooms: TellingRooms) -> None:
    """Who was told of version 2 hears that version 3 has taken its place."""
    rooms.runs.run(change(rooms))
    with rooms.database.begin() as session:  # as if it had been paused before its last person
        row = rooms.campaigns.row(session, 2)
        row.state, row.completed_at = CampaignState.PAUSED.value, None
    rooms.publish(*clauses("P45D"))
    rooms.runs.run(3)
    rooms.clock.advance(timedelta(days=14))
    assert [one.number for one in rooms.policies.tick()] == [3]
    with rooms.database.read() as session:
        assert rooms.policies.version(session, 2).state is VersionState.OVERTAKEN
    rooms.runs.run_slice()
    rooms.runs.run_slice()
    last = [flat(part(mail)) for mail in rooms.mails() if "has taken its place" in flat(part(mail))]
    assert len(last) == 2


def test_the_audience_is_taken_up_after_any_person(rooms: TellingRooms) -> None:
    """A pass that was broken off goes on behind the last place, and gives the same people in the same order."""
    rooms.add(*((f"v{place:03}", f"v{place}@mail.example") for place in range(20)))
    everyone = list(rooms.audience.people(None))
    with closing(rooms.audience.people(everyone[6].place)) as rest:
        assert [person.subject for person in rest] == [person.subject for person in everyone[7:]]
    assert "mail.example" not in repr(everyone)
