"""Disclosures to authorities: logged without anybody's name, proof of the promise only beside somebody's word, struck out and never changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from core.errors import BadInput, Conflict, NotFound
from policies.clauses import RecipientClause, Role
from promises.disclosing import DisclosureLog, Logged, judge_disclosures
from promises.disclosures import DisclosureRefused, NewDisclosure, list_disclosures
from promises.states import Judgement, State, Unseen
from promises.vouching import Vouched
from tests.conftest import OpenPage, Viewport
from tests.kept_commands import run_command
from tests.web_installation import (
    ADMINISTRATOR,
    AGENT,
    PASSWORD,
    POLICY,
    Installation,
    open_installation,
    post,
    read,
    serve,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

CITED, CITE = '{{ clause("account-data").cite }}', '{{ clause("authorities").cite }}'
PAGE = "/console/disclosures"
AUTHORITIES = "{id: authorities, kind: recipient, name: authorities, role: authority, why: [duties under the law], of: [account], silent: true}"
NEW = NewDisclosure(
    day=date(2026, 5, 3), authority="Public prosecutor of Rheinfeld", basis="§ 95 StPO, 12 Js 3456/26",
    categories=("account",), people=2, given="Names and addresses of two accounts, on paper.",
)  # fmt: skip
CLAUSE = RecipientClause(
    id="authorities",
    name="authorities",
    role=Role.AUTHORITY,
    why=("duties under the law",),
    of=("account",),
    silent=True,
)
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)


def plain(words: str) -> str:
    """Without the spaces that keep a number with its word."""
    return words.replace("\xa0", " ")


def logged(day: date, *, at: datetime = NOON, of: str = "account") -> Logged:
    return Logged(day=day, at=at, categories=(of,), people=2)


def judge(*log: Logged, vouched_at: datetime | None = None) -> Judgement | Unseen:
    word = None
    if vouched_at:
        word = Vouched(
            id="att_1",
            name="Mara",
            at=vouched_at,
            until=NOON + timedelta(days=90),
            words="I asked.",
            file="",
            fits=True,
        )
    log_of_clause = DisclosureLog(checked_at=NOON, since=date(2026, 5, 1), logged=log)
    return judge_disclosures(CLAUSE, log_of_clause, word, zone="UTC")


def test_a_log_alone_never_keeps_the_promise() -> None:
    """What is in it is said; that nothing is missing takes a person."""
    for found, said in ((judge(), "No disclosure is recorded."), (judge(logged(date(2026, 5, 3))), "1 disclosure is")):
        assert isinstance(found, Unseen)
        assert said in plain(found.seen)
        assert "somebody has to vouch that there were no others" in found.why


def test_a_disclosure_of_what_the_promise_does_not_name_breaks_it() -> None:
    """From the day on which the version is in force; an earlier one was under other words."""
    found = judge(logged(date(2026, 5, 3), of="payment"), vouched_at=NOON + timedelta(hours=1))
    assert isinstance(found, Judgement)
    assert (found.state, "gave payment" in found.proof, "payment" in found.public) == (State.BROKEN, True, False)
    assert isinstance(judge(logged(date(2026, 4, 30), of="payment")), Unseen)


def test_a_disclosure_that_turns_up_after_somebody_vouched_takes_their_word_away() -> None:
    """One that was made later does not; nor does the word of who vouches again, and knows of it."""
    known, before = logged(date(2026, 5, 3), at=NOON), NOON - timedelta(days=5)
    found = judge(known, vouched_at=before)
    assert isinstance(found, Judgement)
    assert found.state is State.BROKEN
    assert "written down after Mara had vouched on 15 May 2026" in found.proof
    assert isinstance(judge(known, vouched_at=NOON + timedelta(hours=1)), Unseen)
    assert isinstance(judge(logged(date(2026, 5, 19)), vouched_at=before), Unseen)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One whose policy has a promise about authorities."""
    with open_installation(tmp_path_factory.mktemp("told") / "kept", publish=False) as made:
        made.publish(
            POLICY.replace("  - {id: no-sale", f"  - {AUTHORITIES}\n  - {{id: no-sale").replace(
                CITED, f"{CITED} {CITE}"
            )
        )
        yield made


def today(installation: Installation) -> date:
    return installation.kept.disclosures.choices().today


def state_of(installation: Installation) -> tuple[State, str, str]:
    one = next(each for each in installation.kept.board().clauses if each.clause_id == "authorities")
    return one.state, plain(one.proof), one.public_proof


def vouch(installation: Installation) -> None:
    installation.kept.attestations.attest(
        "authorities",
        by="opr_1",
        name="Mara Okonjo",
        until=today(installation) + timedelta(days=90),
        words="I asked legal.",
    )


def test_the_promise_needs_the_log_and_a_word_and_the_ledger_holds_no_word_of_it(installation: Installation) -> None:
    """Red without a word, attested with log and word, red once one turns up that nobody had vouched for, and so on."""
    log, day = installation.kept.disclosures, today(installation)
    assert state_of(installation)[0] is State.BROKEN
    first = log.add(replace(NEW, day=day - timedelta(days=10)), by="opr_1")
    state, proof, _ = state_of(installation)
    assert (state, "1 disclosure is recorded, about 2 people" in proof) == (State.BROKEN, True)
    vouch(installation)
    state, proof, public = state_of(installation)
    assert state is State.ATTESTED
    assert proof.startswith("1 disclosure is recorded, about 2 people, the last of ")
    assert "Mara Okonjo vouches until" in proof
    assert "Mara" not in public
    second = log.add(replace(NEW, day=day - timedelta(days=5), people=1), by="opr_1")
    assert "somebody has to vouch again" in state_of(installation)[1]
    vouch(installation)
    assert "2 disclosures are recorded, about 3 people" in state_of(installation)[1]
    log.strike(second.id, by="opr_1", why="It was written down twice.")
    assert "1 disclosure is recorded" in state_of(installation)[1]
    with pytest.raises(Conflict):
        log.strike(second.id, by="opr_1", why="again")
    with pytest.raises(NotFound):
        log.strike("dsc_none", by="opr_1", why="what")
    with installation.kept.database.read() as session:
        kinds = session.execute(
            sa.text("SELECT kind FROM ledger_entries WHERE kind LIKE 'disclosure.%' ORDER BY at, id")
        )
        assert list(kinds.scalars()) == ["disclosure.recorded", "disclosure.recorded", "disclosure.struck"]
        entry = session.execute(sa.text("SELECT * FROM ledger_entries WHERE id = :id"), {"id": first.entry}).one()
        assert "Rheinfeld" not in str(entry)
        begins = datetime(day.year, day.month, day.day, tzinfo=UTC)
        assert [one.id for one in list_disclosures(session, begins - timedelta(days=30), begins)] == [first.id]
        assert list_disclosures(session, begins - timedelta(days=10), begins - timedelta(days=10)) == ()
        assert list_disclosures(session, begins, begins + timedelta(days=1)) == ()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"day": date(2999, 1, 1)}, "day"),
        ({"authority": " "}, "authority"),
        ({"authority": "Court of anna.quill@post.example"}, "authority"),
        ({"basis": ""}, "basis"),
        ({"given": "x" * 2001}, "given"),
        ({"given": "a\x00b"}, "given"),
        ({"people": 0}, "people"),
        ({"categories": ()}, "categories"),
        ({"categories": ("shoe_size",)}, "categories"),
        ({"clause": "no-sale"}, "clause"),
    ],
)
def test_what_cannot_be_written_down_says_which_field_is_wrong(
    installation: Installation, changed: dict[str, object], field: str
) -> None:
    """No day to come, no address of a person, no category that the policy does not have."""
    with pytest.raises(DisclosureRefused) as refused:
        installation.kept.disclosures.add(replace(NEW, **changed), by="opr_1")  # type: ignore[arg-type]
    assert refused.value.field == field
    assert isinstance(refused.value, BadInput)


def test_the_page_takes_one_down_and_who_answers_for_it_strikes_it_out(installation: Installation) -> None:
    """Everybody reads it; who works on requests writes; an administrator strikes out; GET changes nothing."""
    client, given = installation.signed_in(AGENT), {
        "day": today(installation).isoformat(), "authority": "Tax office", "basis": "§ 93 AO", "people": "3", "given": "Invoices of May.",
    }  # fmt: skip
    assert post(client, PAGE, PAGE, **given).status_code == 400
    assert "It needs the categories of data" in post(client, PAGE, PAGE, **given).get_data(as_text=True)
    assert post(client, PAGE, PAGE, **given, categories="account").status_code == 302
    page = read(installation, PAGE, AGENT)
    assert "Tax office" in page.get_text(" ")
    assert not page.select("details form")
    made = next(one for one in installation.kept.disclosures.list() if one.authority == "Tax office")
    strike = f"{PAGE}/{made.id}/strike"
    assert post(client, strike, PAGE, why="wrong").status_code == 403
    boss = installation.signed_in(ADMINISTRATOR)
    assert boss.get(strike).status_code in (404, 405)
    assert post(boss, strike, PAGE, why="").status_code == 400
    assert post(boss, strike, PAGE, why="It was another house.").status_code == 302
    assert "Struck out" in read(installation, PAGE).get_text(" ")
    assert installation.client().get(PAGE).status_code == 302
    assert read(installation, "/console/promises/authorities").select(f'a[href="{PAGE}"]')


def test_commands_write_list_and_strike(installation: Installation) -> None:
    """The same log, for scripts."""
    root, day = installation.root, today(installation).isoformat()
    words = ("--day", day, "--authority", "Police", "--basis", "§ 163 StPO", "--category", "account", "--people", "1")
    made = json.loads(run_command(root, "disclosures", "add", *words, "--given", "One address.", "--json").stdout)
    struck = run_command(root, "disclosures", "strike", made["id"], "--why", "Another case.")
    assert struck.returncode == 0
    listed = {one["id"]: one for one in json.loads(run_command(root, "disclosures", "list", "--json").stdout)}
    assert (listed[made["id"]]["authority"], bool(listed[made["id"]]["struck_at"])) == ("Police", True)
    assert run_command(root, "disclosures", "add", *words, "--given", " ").returncode == 2


def test_an_empty_log_says_what_it_is_for_and_where_the_policy_lacks_the_promise(tmp_path: Path) -> None:
    """And one may be written down all the same: it happened."""
    with open_installation(tmp_path / "kept") as made:
        page = read(made, PAGE).get_text(" ")
        assert "No disclosure is recorded" in page
        assert "The policy in force has no promise about authorities" in page
        made.kept.disclosures.add(replace(NEW, day=today(made)), by="opr_1")
        assert "Rheinfeld" in read(made, PAGE).get_text(" ")


@pytest.mark.browser
def test_the_pages_keep_their_width_on_a_phone(installation: Installation, page: OpenPage) -> None:
    """In Chromium, with a row in each wide table: nothing beside the screen but inside the table's own sheet."""
    kept = installation.kept
    kept.disclosures.add(replace(NEW, day=today(installation)), by="opr_1")
    kept.hold_desk.add(by="opr_1", reason="A case in court", clause="request-logs")
    with serve(installation.app) as base:
        opened: Page = page(Viewport.PHONE)
        opened.goto(f"{base}/console/sign-in")
        opened.fill("#email", ADMINISTRATOR)
        opened.fill("#password", PASSWORD)
        opened.click("button[type=submit]")
        opened.wait_for_url(f"{base}/console/")
        for address in (PAGE, "/console/retention/holds", "/console/promises", "/console/promises/authorities"):
            opened.goto(base + address)
            for width in (1440, 390):
                opened.set_viewport_size({"width": width, "height": 844})
                assert opened.evaluate("document.documentElement.scrollWidth") <= width, address
