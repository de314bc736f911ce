"""The console's rooms for the policy: drafts, what they would do, publishing, telling people, withdrawing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
import sqlalchemy as sa
from bs4 import BeautifulSoup
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import make_web, open_services
from core.clock import SystemClock
from core.database import Database
from core.errors import BadInput, Conflict
from notify.campaign_tables import CampaignPersonRow, CampaignRow, PersonState
from policies.documents import MAX_BYTES, parse_document
from policies.drafts import ORIGINAL, Drafts
from policies.materiality import Weight
from policies.versions import Policies, VersionState
from tests.conftest import OpenPage, Viewport
from tests.web_installation import (
    ADMINISTRATOR,
    AGENT,
    CONFIGURATION,
    PASSWORD,
    POLICY,
    Installation,
    csrf_of,
    open_installation,
    post,
    read,
    serve,
)

FORM = "application/x-www-form-urlencoded"
TWO_LANGUAGES = CONFIGURATION.replace("languages: [en]", "languages: [en, de]")
FIRST = POLICY.replace(
    "---\nLanternway",
    "  - {id: changes, kind: notice, material: {any: [email, banner]}, minor: [post], ahead: P14D}\n---\n"
    'You hear of changes {{ clause("changes").ahead }} before.\n\nLanternway',
)
# Longer: people must hear of it.
LONGER = FIRST.replace("of: request_log, for: P30D", "of: request_log, for: P90D")
GERMAN = LONGER.replace("language: en", "language: de").replace("title: Privacy Policy", "title: Datenschutz")
REFUSED = LONGER + "\nWe keep mails for 7 days.\n"
UNREADABLE = LONGER.replace("for: P90D", "for: 90d")
BOMB = (
    "---\na: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True))
    + "---\nHello.\n"
)


@dataclass
class Desk:
    """An installation with version 1 in force, and the administrator's browser."""

    house: Installation
    client: FlaskClient

    @property
    def policies(self) -> Policies:
        return self.house.kept.policies

    def states(self) -> list[VersionState]:
        with self.house.kept.database.read() as session:
            return [one.state for one in self.policies.versions(session)]

    def begin(self, text: str, german: str = "") -> str:
        """A draft of pasted texts; gives its address."""
        return self.send("/console/policy/new", **{"start": "text", "text-original": text, "text-de": german}).location

    def send(self, address: str, **data: object) -> TestResponse:
        """Post a form with its files, as a page of this browser would."""
        form = {"csrf_token": csrf_of(self.client, "/console/policy"), **data}
        return self.client.post(address, data=form, content_type="multipart/form-data")

    def page(self, address: str) -> BeautifulSoup:
        answer = self.client.get(address)
        assert answer.status_code == 200, address
        return BeautifulSoup(answer.get_data(as_text=True), "html.parser")

    def publish(self, draft: str) -> TestResponse:
        """Press the button of a draft's page."""
        form = self.page(draft).select_one('form[action$="/publish"]')
        assert form is not None, "no button to publish"
        fields = {str(one["name"]): str(one.get("value", "")) for one in form.select("input")}
        return self.client.post(str(form["action"]), data=fields)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation with version 1 in force and both operators signed in: closed, to be copied."""
    with open_installation(
        tmp_path_factory.mktemp("built") / "kept", publish=False, configuration=TWO_LANGUAGES
    ) as house:
        house.publish(FIRST)
        house.signed_in(ADMINISTRATOR)
        house.signed_in(AGENT)
        return house


@pytest.fixture
def desk(built: Installation, tmp_path: Path) -> Iterator[Desk]:
    """A copy of it for each test: making one anew costs a second."""
    root = shutil.copytree(built.root, tmp_path / "kept")
    with open_services(root / "kept.yaml") as kept:
        house = Installation(root=root, kept=kept, app=make_web(kept), sessions=dict(built.sessions))
        yield Desk(house, house.signed_in())


def words(page: BeautifulSoup | TestResponse) -> str:
    """What a page says, its spaces made plain."""
    soup = page if isinstance(page, BeautifulSoup) else BeautifulSoup(page.get_data(as_text=True), "html.parser")
    return re.sub(r"\s+", " ", soup.get_text(" "))


# drafts


def test_a_draft_is_kept_has_an_address_and_stands_among_the_versions(desk: Desk) -> None:
    """Pasted in two languages, it can be come back to; nothing of it is public."""
    address = desk.begin(LONGER, GERMAN)
    assert re.fullmatch(r"/console/policy/drafts/drf_[0-9a-f]+", address)
    page = desk.page(address)
    assert "Draft of version 2" in words(page)
    assert "1 translation with the same clauses" in words(page)
    listed = desk.page("/console/policy").select_one(f'tbody a[href="{address}"]')
    assert listed is not None
    row = words(BeautifulSoup(str(listed.find_parent("tr")), "html.parser"))
    assert "en de" in row
    assert "Ada Vogelsang" in row
    assert "material" in row
    assert desk.states() == [VersionState.IN_FORCE]


def test_a_draft_begins_from_a_file_from_the_version_in_force_or_from_the_file_of_kept_yaml(desk: Desk) -> None:
    """Whatever it begins from, it holds that text and says so."""
    uploaded = desk.send("/console/policy/new", start="text", **{"file-original": (BytesIO(LONGER.encode()), "new.md")})
    assert "from new.md" in words(desk.page(uploaded.location))
    copied = desk.send("/console/policy/new", start="version")
    assert "It says what version 1 says" in words(desk.page(copied.location))
    from_disk = desk.send("/console/policy/new", start="file")
    assert "from policies/small.md" in words(desk.page(from_disk.location))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"x" * (MAX_BYTES + 1), "long.md is larger than 400 kB"),
        ("Grüße".encode("latin-1"), "long.md is not UTF-8 text"),
        (b"---\0\0\1", "long.md is no text"),
        (b"  \n", "long.md holds no text"),
    ],
)
def test_a_file_that_is_no_text_of_a_policy_is_refused_beside_its_field(desk: Desk, data: bytes, says: str) -> None:
    """Too large, in another encoding, binary or empty: said in words, and nothing is kept."""
    answer = desk.send("/console/policy/new", start="text", **{"file-original": (BytesIO(data), "long.md")})
    assert answer.status_code == 400
    assert says in words(answer)
    with desk.house.kept.database.read() as session:
        assert session.scalar(sa.text("SELECT count(*) FROM policy_drafts")) == 0


def test_a_body_far_too_large_is_refused_before_it_is_read(desk: Desk) -> None:
    """What no policy can be is answered by its length alone."""
    answer = desk.client.post("/console/policy/new", data=b"text-original=" + b"x" * 3_000_000, content_type=FORM)
    assert answer.status_code == 413
    assert "400 kB in each language" in words(answer)


@pytest.mark.parametrize(
    ("text", "german", "says"),
    [
        (UNREADABLE, "", "P90D"),
        (BOMB, "", "unfolds to more than"),
        ("No head at all.", "", "there is no head between two lines of ---"),
        (
            LONGER,
            GERMAN.replace("of: request_log, for: P90D", "of: request_log, for: P60D"),
            "not that of the original",
        ),
        (LONGER, GERMAN.replace("language: de", "language: en"), "the file's name says 'de'"),
    ],
    ids=["unreadable", "bomb", "no head", "other clauses", "other language"],
)
def test_what_cannot_be_read_is_kept_shown_with_its_remedy_and_cannot_be_published(
    desk: Desk, text: str, german: str, says: str
) -> None:
    """The text is not lost: it stands below what is wrong with it, and there is no button."""
    address = desk.begin(text, german)
    page = desk.page(address)
    assert says.lower() in words(page).lower()
    assert not page.select('form[action$="/publish"]')
    assert desk.send(f"{address}/publish", edition="1", after="1").status_code == 409
    assert desk.states() == [VersionState.IN_FORCE]
    assert "Lint refuses" in words(desk.page("/console/policy")) or "refusal" in words(desk.page("/console/policy"))


def test_what_lint_refuses_is_listed_with_its_line_and_not_published(desk: Desk) -> None:
    """The button is not there; sent all the same, the answer lists each thing and nothing is published."""
    address = desk.begin(REFUSED)
    page = desk.page(address)
    assert not page.select('form[action$="/publish"]')
    answer = desk.send(f"{address}/publish", edition="1", after="1")
    assert answer.status_code == 400
    for said in ("No clause holds '7 days'", "Lint refuses it", "line "):
        assert said in words(answer)
    assert desk.states() == [VersionState.IN_FORCE]


def test_two_people_who_change_one_draft_do_not_overwrite_each_other(desk: Desk) -> None:
    """The second sees that it was changed; what was typed is still in the form."""
    address = desk.begin(LONGER)
    desk.send(f"{address}/edit", edition="1", **{"text-original": LONGER.replace("P90D", "P60D")})
    answer = desk.send(f"{address}/edit", edition="1", **{"text-original": LONGER.replace("P90D", "P80D")})
    assert answer.status_code == 409
    assert "Somebody else changed it meanwhile" in words(answer)
    assert "P80D" in answer.get_data(as_text=True)
    with desk.house.kept.database.read() as session:
        assert "P60D" in session.scalar(sa.text("SELECT texts FROM policy_drafts"))


def test_a_draft_that_is_older_than_the_latest_version_says_so(desk: Desk) -> None:
    """Somebody published meanwhile: the page says what that may undo, until the author has taken it up."""
    address = desk.begin(LONGER)
    desk.house.publish(FIRST.replace("passes requests", "hands requests"))
    assert "Version 2 was published after this draft was begun" in words(desk.page(address))
    desk.send(f"{address}/edit", edition="1", caught_up="yes", **{"text-original": LONGER})
    assert "after this draft was begun" not in words(desk.page(address))


def test_a_deleted_draft_is_gone(desk: Desk) -> None:
    """It leaves the list; its address says what became of it."""
    address = desk.begin(LONGER)
    assert "1 text, begun by Ada Vogelsang" in words(desk.page(f"{address}/delete"))
    assert desk.send(f"{address}/delete").status_code == 302
    assert desk.client.get(address).status_code == 404
    assert address not in desk.page("/console/policy").decode()


@pytest.mark.parametrize("name", ["1", "%00", "drf_0", "..%2F", "x" * 400])
def test_a_draft_that_nobody_made_is_not_there(desk: Desk, name: str) -> None:
    """Whatever stands in the address."""
    assert desk.client.get(f"/console/policy/drafts/{name}").status_code == 404


def test_a_draft_is_kept_alike_on_both_databases(database: Database) -> None:
    """Texts in their order, editions that grow, an old edition refused, and texts that are none."""
    drafts = Drafts(database, SystemClock())
    made = drafts.begin({ORIGINAL: LONGER, "de": GERMAN}, by="opr_1", based_on=None, came_from="a text")
    overruled = drafts.overrule(made.id, edition=1, weight=Weight.MINOR, reason="A slip", by="opr_2")
    assert overruled.overruled_weight is Weight.MINOR
    changed = drafts.change(made.id, edition=2, texts={ORIGINAL: FIRST}, by="opr_2", based_on=3)
    assert (changed.edition, changed.overruled_weight, changed.based_on) == (3, None, 3)
    with pytest.raises(Conflict):
        drafts.change(made.id, edition=2, texts={ORIGINAL: LONGER}, by="opr_1", based_on=3)
    for texts in (
        {},
        {ORIGINAL: " "},
        {ORIGINAL: "x\0"},
        {ORIGINAL: "x", "xx": "x"},
        {ORIGINAL: "x" * (MAX_BYTES + 1)},
    ):
        with pytest.raises(BadInput):
            drafts.begin(texts, by="opr_1", based_on=None, came_from="a text")
    with database.read() as session:
        assert [tuple(one.texts) for one in drafts.drafts(session)] == [(ORIGINAL,)]


# what publishing would do


def test_the_page_of_a_draft_says_what_it_weighs_when_it_holds_and_who_hears_of_it(desk: Desk) -> None:
    """Verdict with reasons, the day, the channels; the one main button names the deed and its size."""
    page = desk.page(desk.begin(LONGER))
    said = words(page)
    assert "Material: everyone must hear of it 14 days ahead" in said
    assert "by mail or banner" in said
    main = page.select(".btn.main-act")
    assert [one.get_text() for one in main] == ["Publish version 2 and tell everyone with an account"]
    assert "Request logs are kept for 90 days" in said


@pytest.mark.parametrize("view", ["clauses", "words", "sides"])
def test_the_difference_has_three_views_with_their_state_in_the_address(desk: Desk, view: str) -> None:
    """Links, not scripts: the view that is shown is marked."""
    page = desk.page(f"{desk.begin(LONGER)}?view={view}")
    here = page.select_one("#difference .seg a[aria-current]")
    assert here is not None
    assert f"view={view}" in str(here["href"])
    assert bool(page.select_one("#difference table")) == (view == "clauses")


def test_overruling_a_verdict_takes_a_reason_and_changes_what_would_happen(desk: Desk) -> None:
    """Without a reason nothing changes; with one the page reckons anew, and both stand with the version."""
    address = desk.begin(LONGER)
    answer = desk.send(f"{address}/overrule", edition="1", weight="editorial", reason=" ")
    assert answer.status_code == 400
    assert "Say why" in words(answer)
    desk.send(f"{address}/overrule", edition="1", weight="editorial", reason="It was a slip of the pen")
    assert "Nobody has to be told" in words(desk.page(address))
    desk.publish(address)
    page = words(desk.page("/console/policy/versions/2"))
    assert "By itself it would be material" in page
    assert "It was a slip of the pen" in page
    assert "Verdict overruled" in page


@pytest.mark.parametrize(
    ("days", "says"), [(-1, "Write a day to come"), (3, "promises notice 14 days ahead")], ids=["past", "too soon"]
)
def test_a_day_that_cannot_be_is_said_before_anybody_presses_a_button(desk: Desk, days: int, says: str) -> None:
    """A planned day in the past, or before the promised notice ends."""
    day = (datetime.now(UTC) + timedelta(days=days)).date()
    page = desk.page(desk.begin(LONGER.replace("regimes:", f"not_before: {day}\nregimes:")))
    assert says in words(page)
    assert not page.select('form[action$="/publish"]')


# publishing


def test_publishing_makes_the_next_version_tells_people_and_ends_the_draft(desk: Desk) -> None:
    """Who pressed the button is its publisher; the entry is under a checkpoint; the page comes back to what follows."""
    address = desk.begin(LONGER, GERMAN)
    answer = desk.publish(address)
    assert answer.status_code == 302
    assert desk.states() == [VersionState.IN_FORCE, VersionState.PLANNED]
    assert desk.client.get(address).status_code == 404
    kept = desk.house.kept
    with kept.database.read() as session:
        entry = kept.ledger.entries(session, kind="policy.published")[0]
        assert session.scalars(sa.select(CampaignRow.version)).all() == [2]
    assert entry.actor.startswith("opr_")
    assert entry.position is not None
    said = words(desk.page(answer.location))
    for part in (
        "Telling people about version 2",
        "Version 2, what happens when",
        "by Ada Vogelsang",
        "People are told",
    ):
        assert part in said
    assert "2 en de Planned can be withdrawn" in said


def test_two_people_who_publish_at_once_are_told_of_each_other(desk: Desk) -> None:
    """The form names the version that was the latest when it was shown; when it no longer is, nothing is published."""
    address = desk.begin(LONGER)
    desk.house.publish(FIRST.replace("passes requests", "hands requests"))
    answer = desk.send(f"{address}/publish", edition="1", after="1")
    assert answer.status_code == 409
    assert "Version 2 was published after this page was opened" in words(answer)
    assert len(desk.states()) == 2


def test_a_draft_that_was_changed_after_it_was_looked_at_is_not_published(desk: Desk) -> None:
    """Nobody publishes what they have not seen."""
    address = desk.begin(LONGER)
    desk.send(f"{address}/edit", edition="1", **{"text-original": LONGER.replace("P90D", "P60D")})
    assert desk.send(f"{address}/publish", edition="1", after="1").status_code == 409
    assert desk.states() == [VersionState.IN_FORCE]


def test_the_first_version_is_published_from_the_console_too(tmp_path: Path) -> None:
    """Nothing is published yet: the page leads to a draft, and the draft becomes version 1, in force at once."""
    with open_installation(tmp_path / "kept", publish=False, configuration=TWO_LANGUAGES) as house:
        desk = Desk(house, house.signed_in())
        assert "Nothing is published yet" in words(desk.page("/console/policy"))
        assert desk.publish(desk.begin(FIRST)).status_code == 302
        assert desk.states() == [VersionState.IN_FORCE]


# telling people, withdrawing


def put_people(desk: Desk, number: int, **counts: int) -> None:
    """People of a campaign in the states given, as the job would leave them."""
    with desk.house.kept.database.begin() as session:
        row = session.scalars(sa.select(CampaignRow).where(CampaignRow.version == number)).one()
        now = datetime.now(UTC)
        row.passed_at, row.passes = now, 1
        for state, many in counts.items():
            for n in range(many):
                session.add(
                    CampaignPersonRow(
                        campaign_id=row.id, person=f"{state}-{n}", address=f"{state}-{n}", email=None, name=None,
                        language=None, state=PersonState(state).value, due_at=now, at=now,
                    )
                )  # fmt: skip


def test_a_campaign_shows_its_figures_and_is_paused_resumed_and_settled(desk: Desk) -> None:
    """Each button names its size; the uncertain ones are settled only after a choice, and only those that were seen."""
    desk.publish(desk.begin(LONGER))
    put_people(desk, 2, told=5, bounced=2, uncertain=4, waiting=3)
    said = words(desk.page("/console/policy"))
    for part in ("5 told by mail", "2 bounced", "4 uncertain", "3 still to tell", "14 people in all", "5 of 14"):
        assert part in said
    at = "/console/policy/versions/2/campaign"
    assert desk.send(f"{at}/pause").status_code == 302
    assert "Resume, 3 to tell" in words(desk.page("/console/policy"))
    assert "version 2: it is paused 3 people are still to tell." in words(desk.page("/console/"))
    desk.send(f"{at}/resume")
    assert "version 2: 4 people uncertain" in words(desk.page("/console/"))
    assert desk.send(f"{at}/settle", count="4").status_code == 400
    assert desk.send(f"{at}/settle", count="3", **{"as": "told"}).status_code == 409
    assert "Settle 4 uncertain people" in words(desk.page(f"{at}/settle"))
    desk.send(f"{at}/settle", count="4", **{"as": "told"})
    said = words(desk.page("/console/policy/versions/2"))
    assert "9 of 14" in said
    for part in ("Telling paused", "Telling resumed", "Uncertain ones settled"):
        assert part in said


def test_people_who_were_told_by_letter_count_as_told_with_a_reason(desk: Desk) -> None:
    """Where mail cannot do it: an administrator says how they were told, and the days ahead run from then."""
    desk.publish(desk.begin(LONGER))
    put_people(desk, 2, waiting=3)
    at = "/console/policy/versions/2/campaign"
    desk.send(f"{at}/pause")
    assert "They were told in another way" in words(desk.page("/console/policy"))
    assert desk.send(f"{at}/by-hand", reason="").status_code == 400
    assert desk.send(f"{at}/by-hand", reason="Letters of 3 June").status_code == 302
    assert "Everyone was told" in words(desk.page("/console/policy/versions/2"))
    assert desk.client.get(f"{at}/by-hand").status_code == 409


def test_the_mail_can_be_read_before_and_after_publishing(desk: Desk) -> None:
    """What people get, as text, in each language; the HTML part is never put into a page."""
    draft = desk.begin(LONGER, GERMAN)
    before = desk.page(f"{draft}/mail")
    assert "90 days" in words(before)
    desk.publish(draft)
    at = "/console/policy/versions/2/campaign/mail"
    assert "90 days" in words(desk.page(at))
    assert "90 Tage" in words(desk.page(f"{at}?language=de"))
    assert "<table role" not in desk.page(at).decode()


def test_a_preview_goes_to_the_operator_who_asks(desk: Desk) -> None:
    """To their own address and to nobody else; no address can be typed."""
    desk.publish(desk.begin(LONGER))
    desk.send("/console/policy/versions/2/campaign/preview", to="somebody@post.example")
    with desk.house.kept.database.read() as session:
        payloads = session.scalars(sa.text("SELECT payload FROM outbox WHERE kind = 'campaign.preview'")).all()
    assert len(payloads) == 1
    assert ADMINISTRATOR in payloads[0]
    assert "somebody" not in payloads[0]


def test_withdrawing_names_the_deed_and_who_gets_a_second_mail(desk: Desk) -> None:
    """A page of its own says how many; a reason is needed; then the version never comes, and the page says why."""
    desk.publish(desk.begin(LONGER))
    put_people(desk, 2, told=5, uncertain=1, waiting=3)
    assert "6 people would get a second mail" in words(desk.page("/console/policy"))
    at = "/console/policy/versions/2/withdraw"
    page = desk.page(at)
    assert "Withdraw version 2 and mail 6 people" in words(page)
    assert desk.send(at, reason=" ").status_code == 400
    assert desk.send(at, reason="The vendor went out of business").status_code == 302
    assert desk.states() == [VersionState.IN_FORCE, VersionState.WITHDRAWN]
    assert "The vendor went out of business" in words(desk.page("/console/policy/versions/2"))
    assert desk.client.get(at).status_code == 409


# who may, and how


def test_an_agent_sees_everything_and_changes_nothing(desk: Desk) -> None:
    """No button is drawn, and every address refuses."""
    draft = desk.begin(LONGER)
    desk.publish(desk.begin(LONGER))
    agent = desk.house.signed_in(AGENT)
    for address in ("/console/policy", draft, "/console/policy/versions/2"):
        page = read(desk.house, address, AGENT)
        forms = [str(one["action"]) for one in page.select("main form")]
        assert forms == [], address
        assert not page.select("main .btn.danger")
    for address in ("/console/policy/new", f"{draft}/edit", "/console/policy/versions/2/withdraw"):
        assert agent.get(address).status_code == 403
    for act in (
        f"{draft}/publish",
        f"{draft}/delete",
        f"{draft}/overrule",
        "/console/policy/versions/2/campaign/pause",
    ):
        assert post(agent, act, "/console/policy").status_code == 403


def test_looking_changes_nothing(desk: Desk) -> None:
    """Every page of these rooms is opened; rows and ledger are as before."""
    draft = desk.begin(LONGER)
    desk.publish(desk.begin(LONGER))
    put_people(desk, 2, told=1, uncertain=1)

    def rows() -> list[object]:
        with desk.house.kept.database.read() as session:
            tables = ("policy_drafts", "policy_versions", "campaigns", "ledger_entries", "outbox")
            return [session.execute(sa.text(f"SELECT * FROM {name} ORDER BY id")).all() for name in tables]

    before = rows()
    for address in pages_of(draft):
        assert desk.client.get(address).status_code == 200, address
    assert rows() == before


def pages_of(draft: str) -> list[str]:
    """Every page of these rooms while version 2 is planned."""
    version = "/console/policy/versions/2"
    return [
        "/console/policy", "/console/policy?view=sides", "/console/policy?version=1&all=1", "/console/policy/new", draft,
        f"{draft}?view=words", f"{draft}?view=sides", f"{draft}/edit", version, "/console/policy/versions/1",
        f"{draft}/delete",
        f"{draft}/mail",
        f"{version}/withdraw", f"{version}/campaign/settle", f"{version}/campaign/mail",
    ]  # fmt: skip


def test_the_page_names_the_versions_by_what_they_changed(desk: Desk) -> None:
    """State, day, change, verdict and hash of each; a version of an address that does not exist is not found."""
    desk.house.publish(FIRST.replace("passes requests", "hands requests"))
    said = words(desk.page("/console/policy"))
    assert "1 en Superseded" in said
    assert "The first version" in said
    assert "minor" in said
    assert "posted" in said
    assert parse_document(FIRST, "x").digest[:4] in said
    assert desk.client.get("/console/policy/versions/99").status_code == 404


@pytest.mark.browser
@pytest.mark.parametrize("viewport", list(Viewport), ids=lambda one: one.name.lower())
def test_the_rooms_fit_the_screen_and_a_version_is_published_by_keyboard(
    desk: Desk, page: OpenPage, viewport: Viewport
) -> None:
    """In Chromium, light and dark: nothing wider than the screen, nothing blocked; Enter on the main button publishes."""
    draft = desk.begin(LONGER, GERMAN)
    desk.publish(desk.begin(LONGER))
    put_people(desk, 2, told=5, bounced=2, uncertain=4, waiting=3)
    with serve(desk.house.app) as base:
        for dark in (False, True):
            opened = page(viewport, dark=dark)
            opened.goto(f"{base}/console/sign-in")
            opened.fill("#email", ADMINISTRATOR)
            opened.fill("#password", PASSWORD)
            opened.click("button[type=submit]")
            for address in pages_of(draft)[:: 6 if dark else 1]:
                opened.goto(base + address)
                width = opened.evaluate("document.documentElement.scrollWidth")
                assert width <= viewport.value[0], f"{address} is {width} wide"
        opened.goto(base + draft)
        opened.focus(".btn.main-act")
        opened.keyboard.press("Enter")
        opened.wait_for_url("**/console/policy?version=3")
    assert desk.states() == [VersionState.IN_FORCE, VersionState.PLANNED, VersionState.PLANNED]
