"""Opt-outs: kept as hashes of values, looked at before every mail that nobody has to get, taken in from lists."""

from __future__ import annotations

import csv
import io
import json
import random
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

import app
from core.clock import SystemClock
from core.database import Database
from core.errors import BadInput
from core.leases import Leases
from core.outbox import Dispatcher
from core.personal import Personal
from core.rendering import TEMPLATES, Renderer
from core.settings import MailSettings
from jobs.cli import kept as command_line
from jobs.services import Wiring
from ledger.log import Ledger
from notify import mail_natures
from notify.campaign_tables import PersonState
from notify.declining import Declining
from notify.mail import MAIL, Mailer, queue_mail
from notify.mail_natures import DECLINED_BY, ESSENTIAL, NATURES, Nature, declined_by
from notify.preferences import Preferences
from notify.suppression_tables import Purpose
from notify.suppressions import Suppressions
from notify.tables import SentMailRow
from tests.campaign_rooms import TellingRooms, clauses, make_host, wire_telling
from tests.web_installation import CONFIGURATION, write_installation

SECRET = b"0123456789abcdef0123456789abcdef"
ANNA = "anna@post.example"


@pytest.fixture
def suppressions(database: Database) -> Suppressions:
    """On either database."""
    clock = SystemClock()
    ledger = Ledger(database, clock, Leases(database, clock), secret=SECRET, origin="kept.example/kept")
    return Suppressions(database, clock, ledger, SECRET)


def preferences_of(suppressions: Suppressions) -> Preferences:
    return Preferences(suppressions, key=SECRET, base_url="https://kept.example")


def add(
    database: Database, suppressions: Suppressions, value: str, purpose: str = "marketing", kind: str = "email"
) -> bool:
    with database.begin() as session:
        return suppressions.add(session, kind=kind, value=Personal(value), purpose=purpose, source="operator")


def test_an_opt_out_is_of_a_value_and_not_of_its_spelling(database: Database, suppressions: Suppressions) -> None:
    """Small and large letters, spaces and composed accents are one address; another kind or purpose is another opt-out."""
    assert add(database, suppressions, "Ren\u00e9.Anna@Post.Example")
    assert not add(database, suppressions, " rene\u0301.anna@post.example\n")
    assert add(database, suppressions, "Rene", kind="user_id")
    assert add(database, suppressions, "rene", kind="user_id")
    with database.read() as session:
        value = Personal("REN\u00c9.ANNA@post.example")
        assert suppressions.holds(session, kind="email", value=value, purpose="marketing")
        assert not suppressions.holds(session, kind="email", value=value, purpose="all_mail")
        pairs = [("email", f"nobody{number}@post.example") for number in range(1_200)] + [("email", value.reveal())]
        assert suppressions.holds_any(session, pairs, "marketing") == {1_200}
        dump = " ".join(str(row) for row in session.execute(sa.text("SELECT * FROM suppressions")))
    assert "post.example" not in dump
    assert "Rene" not in dump


def test_what_cannot_be_used_is_refused_without_saying_it_again(database: Database, suppressions: Suppressions) -> None:
    """An empty value, a kind that is no name, a purpose or a way in that there is not, a lift without a reason."""
    for change in ({"value": Personal("  ")}, {"kind": "E-Mail x"}, {"purpose": "spam"}, {"source": "pigeon"}):
        given = {"kind": "email", "value": Personal(ANNA), "purpose": "marketing", "source": "api", **change}
        with pytest.raises(BadInput) as refused, database.begin() as session:
            suppressions.add(session, **given)  # type: ignore[arg-type]
        assert ANNA not in str(refused.value)
    with pytest.raises(BadInput), database.begin() as session:
        suppressions.lift(session, kind="email", value=Personal(ANNA), purpose="marketing", by="opr_1", why=" ")


def test_each_change_has_one_entry_in_the_ledger_and_no_person_in_it(
    database: Database, suppressions: Suppressions
) -> None:
    """Added once, lifted once; a repeat of either is no entry."""
    for _ in range(2):
        add(database, suppressions, ANNA)
    with database.begin() as session:
        for expected in (True, False):
            done = suppressions.lift(
                session, kind="email", value=Personal(ANNA), purpose="marketing", by="opr_1", why="Asked by phone."
            )
            assert done is expected
    with database.read() as session:
        entries = session.execute(sa.text("SELECT kind, refs, actor FROM ledger_entries ORDER BY at, id")).all()
    assert [row.kind for row in entries] == ["suppression.added", "suppression.lifted"]
    assert "anna" not in str(entries)


def test_every_mail_says_why_it_goes_out() -> None:
    """Each folder of templates/email has a nature, and what is no essential mail can be declined by some purpose."""
    folders = {path.name for path in (TEMPLATES / "email").iterdir() if path.is_dir()}
    assert folders <= set(NATURES), f"no nature: {', '.join(sorted(folders - set(NATURES)))}"
    assert {name for name, nature in NATURES.items() if nature not in ESSENTIAL} == set(DECLINED_BY)
    assert all(declined_by(name) for name in DECLINED_BY)
    assert not any(declined_by(name) for name, nature in NATURES.items() if nature in ESSENTIAL)


@pytest.fixture
def news(monkeypatch: pytest.MonkeyPatch) -> str:
    """A mail that nobody has to get: an event that exists, taken for news."""
    monkeypatch.setattr(mail_natures, "NATURES", {**NATURES, "hold_review": Nature.NEWS})
    return "hold_review"


def test_a_mail_that_nobody_has_to_get_is_not_sent_to_who_declined_it(
    database: Database, suppressions: Suppressions, tmp_path: Path, news: str
) -> None:
    """Looked at when it leaves, not when it was queued; the others get it with the way to decline, essential ones without."""
    declining = Declining(suppressions, preferences_of(suppressions))
    mailer = Mailer(
        MailSettings(sender="Kept <kept@kept.example>"), tmp_path, Renderer(base_url="https://kept.example"),
        clock=SystemClock(), database=database, key=SECRET, declining=declining,
    )  # fmt: skip
    variables = {
        "controller": {"name": "Kept", "email": "k@kept.example"}, "hold": "hld_1", "added": "1 June", "review": "1 July",
        "link": "https://kept.example/x", "clause": "logs", "rows": 3, "items": [], "reason": "first", "due": "",
    }  # fmt: skip
    with database.begin() as session:
        for event in (news, "sweep_waiting"):
            for to in (ANNA, "bruno@post.example"):
                queue_mail(session, event=event, to=to, variables=variables, now=SystemClock().now())
    add(database, suppressions, ANNA.upper(), "all_mail")
    while Dispatcher(database, SystemClock(), {MAIL: mailer.deliver}).dispatch():
        continue
    with database.read() as session:
        states = sorted(tuple(row) for row in session.execute(sa.select(SentMailRow.event, SentMailRow.state)))
    assert states == [(news, "declined"), (news, "sent"), ("sweep_waiting", "sent"), ("sweep_waiting", "sent")]
    mails = [
        message_from_bytes(path.read_bytes(), policy=policy.default) for path in (tmp_path / "outbox").glob("*.eml")
    ]
    with_way_out = [mail for mail in mails if mail["List-Unsubscribe"]]
    assert [str(mail["To"]) for mail in with_way_out] == ["bruno@post.example"]
    assert with_way_out[0]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert str(with_way_out[0]["List-Unsubscribe"]).startswith("<https://kept.example/preferences/")
    # On one line and in plain letters: mail programs read no encoded words there.
    raw = [line for path in (tmp_path / "outbox").glob("*.eml") for line in path.read_bytes().split(b"\r\n")]
    links = [line for line in raw if line.startswith(b"List-Unsubscribe: ")]
    assert len(links) == 1
    assert links[0].startswith(b"List-Unsubscribe: <https://kept.example/preferences/")
    assert links[0].endswith(b">")


def telling(database: Database, root: Path) -> tuple[TellingRooms, Suppressions]:
    make_host(root)
    rooms = wire_telling(database, root)
    suppressions = Suppressions(database, rooms.clock, rooms.ledger, SECRET)
    rooms.runs._declining = Declining(suppressions, preferences_of(suppressions))
    return rooms, suppressions


def test_a_minor_change_is_not_told_to_who_declined_all_mail_and_one_that_matters_is(
    database: Database, tmp_path: Path
) -> None:
    """What the law wants told comes in any case; a declined mail keeps no address and does not hold the campaign up."""
    rooms, suppressions = telling(database, tmp_path / "host")
    rooms.add(*((f"u{number}", f"p{number}@post.example") for number in range(4)))
    add(database, suppressions, "P2@post.example", "all_mail")
    rooms.publish(*clauses("P60D"))
    rooms.publish(*clauses("P30D"))  # shorter: minor, told by mail because the clause says so
    rooms.runs.run(2)
    assert len(rooms.mails()) == 3
    assert all(mail["List-Unsubscribe"] and mail["List-Unsubscribe-Post"] for mail in rooms.mails())
    dropped = [row for row in rooms.people() if row.state == PersonState.DROPPED]
    assert [(row.email, row.name) for row in dropped] == [(None, None)]
    rooms.publish(*clauses("P90D"))
    view = rooms.runs.run(3)
    assert view.told == 4
    assert sum(mail["List-Unsubscribe"] is None for mail in rooms.mails()) == 4


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "kept"
    write_installation(root, CONFIGURATION)
    monkeypatch.chdir(root)
    return root


def run(*words: str, status: int = 0, typed: str = "") -> Any:
    """A command with --json, in this process."""
    wiring = Wiring(open_services=app.open_services, make_web=app.make_web, examples={})
    result = CliRunner().invoke(command_line, [*words, "--json"], obj=wiring, input=typed)
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


def test_a_list_of_many_lines_with_broken_ones_is_taken_in_and_again_adds_nothing(installed: Path) -> None:
    """Broken lines are counted and named by number; an open quote spoils its own line alone; a dry run writes nothing."""
    chance, out = random.Random(7), io.StringIO()
    writer, broken = (
        csv.writer(out),
        {3: '"anna@post.example,\n', 5: "no-address,x\n", 9: "\x00\x00\n", 11: "x" * 30_000 + "\n", 12: ",\n"},
    )
    writer.writerow(["name", "E-Mail"])
    for number in range(2, 5_002):
        if number in broken:
            out.write(broken[number])
        else:
            writer.writerow([f"Person {chance.random()}", f"Guest{number % 4_000}@Post.Example"])
    (installed / "list.csv").write_text(out.getvalue())
    good = len({number % 4_000 for number in range(2, 5_002) if number not in broken})
    dry = run("suppressions", "import", "list.csv", "--purpose", "marketing", "--dry-run", status=1)
    assert run("suppressions", "list") == []
    done = run("suppressions", "import", "list.csv", "--purpose", "marketing", status=1)
    assert (done["lines"], done["broken"], done["added"]) == (5_000, len(broken), good)
    assert done["broken_lines"] == sorted(broken)
    assert dry["broken"] == done["broken"]
    again = run("suppressions", "import", "list.csv", "--purpose", "marketing", status=1)
    assert (again["added"], again["known"]) == (0, 5_000 - len(broken))
    assert run("suppressions", "list") == [{"purpose": "marketing", "source": "import", "rows": good}]
    assert run("suppressions", "check", typed="guest77@post.example\n", status=1)[0]["purpose"] == "marketing"
    assert run("suppressions", "check", "stranger@post.example") == []
    run("suppressions", "lift", "guest77@post.example", "--purpose", "marketing", "--reason", "Wrote to us.")
    run("suppressions", "lift", "guest77@post.example", "--purpose", "marketing", "--reason", "Wrote to us.", status=1)


@pytest.mark.slow
def test_a_list_of_a_hundred_thousand_lines_is_taken_in_batches(installed: Path) -> None:
    """In bounded memory, one entry of the ledger a batch, and every line is there in the end."""
    lines = (f"guest{number}@post.example{',' if number % 1_000 == 0 else ''}\n" for number in range(100_000))
    (installed / "list.csv").write_text("email,x\n" + "".join(lines))
    done = run("suppressions", "import", "list.csv", "--purpose", "all_mail")
    assert (done["lines"], done["added"], done["broken"]) == (100_000, 100_000, 0)
    with app.open_services(installed / "kept.yaml") as kept, kept.database.read() as session:
        entries = session.execute(sa.text("SELECT count(*) FROM ledger_entries WHERE kind = 'suppression.imported'"))
        assert entries.scalar_one() == 50


def test_a_file_without_such_a_column_is_refused_before_anything_is_written(installed: Path) -> None:
    """The column can be named; a file of bare addresses needs none."""
    (installed / "a.csv").write_text("who;what\nanna@post.example;x\n")
    (installed / "b.csv").write_text("anna@post.example\nbruno@post.example\n")
    refused = run("suppressions", "import", "a.csv", "--purpose", "marketing", status=2)
    assert "column" in str(refused["error"])
    assert run("suppressions", "import", "a.csv", "--purpose", "marketing", "--column", "who")["added"] == 1
    assert run("suppressions", "import", "b.csv", "--purpose", "marketing")["added"] == 1


def test_a_link_can_be_made_by_a_command(installed: Path) -> None:
    """With the headers for a mail; no part of it names the person."""
    made = run("preferences", "link", ANNA, "--purpose", "all_mail")
    assert "anna" not in str(made["url"])
    assert f"<{made['url']}>" == made["headers"]["List-Unsubscribe"]
    assert Purpose.ALL_MAIL in list(Purpose)
