"""Somebody vouches for a clause: in commands and in the console, with a file, until a day; owners hear of it in time."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from freezegun import freeze_time

from core.errors import BadInput, Conflict, NotFound
from core.outbox import OutboxRow
from core.rendering import Renderer
from ledger.tables import EntryTable
from plans.tasks import Evidence
from policies.documents import parse_document
from promises.attestation_tables import AttestationFileRow, AttestationRow
from promises.board import ClauseState
from promises.states import State
from tests.web_installation import AGENT, CONFIGURATION, POLICY, Installation, csrf_of, open_installation, post, read

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
OWNED = CONFIGURATION + "alerts: {mail: [lead@lanternway.example]}\nowners: {legal: [counsel@lanternway.example]}\n"
PAGE = "/console/promises/no-sale"
SCAN = Evidence(name="../contracts of 2026.pdf", content=b"%PDF-1.7 nothing is sold")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    """A small installation whose policy has one pledge, owned by legal."""
    with open_installation(tmp_path / "kept", configuration=OWNED) as made:
        yield made


def clause(house: Installation, name: str = "no-sale") -> ClauseState:
    return next(one for one in house.kept.board().clauses if one.clause_id == name)


def today() -> date:
    return datetime.now(UTC).date()


def vouch(house: Installation, days: int = 90, words: str = "I read every contract.", **more: object) -> str:
    until = today() + timedelta(days=days)
    return house.kept.attestations.attest(
        "no-sale", by="opr_1", name="Mara Okonjo", until=until, words=words, evidence=SCAN
    ).id


def test_a_word_is_kept_with_its_file_and_the_ledger_has_its_hash_and_no_name(house: Installation) -> None:
    """The state, the file as it came, an entry with the clause and the SHA-256 of the file; whose word it is stands in the
    private part alone. Taken back, the clause is broken at once."""
    kept = house.kept
    made = vouch(house)
    assert clause(house).state is State.ATTESTED
    assert "Mara Okonjo vouches until" in clause(house).proof
    assert "Mara" not in clause(house).public_proof
    file = kept.attestations.read_file(made)
    assert (file.name, file.content) == ("contracts of 2026.pdf", SCAN.content)
    with kept.database.read() as session:
        (entry,) = kept.ledger.entries(session, kind="attestation.given")
        rows = session.execute(sa.select(EntryTable)).scalars().all()
        assert not [row for row in rows if "Mara" in row.refs + row.actor]
    assert set(entry.refs) == {
        "clause:no-sale",
        f"attestation:{made}",
        f"sha256:{hashlib.sha256(SCAN.content).hexdigest()}",
    }
    assert entry.private is not None
    assert entry.private["name"] == "Mara Okonjo"
    with pytest.raises(BadInput):
        kept.attestations.take_back(made, by="opr_1", why=" ")
    kept.attestations.take_back(made, by="opr_1", why="A contract was found.")
    assert clause(house).state is State.BROKEN
    with pytest.raises(Conflict):
        kept.attestations.take_back(made, by="opr_1", why="again")


WORTHLESS: tuple[tuple[str, int, str, str, type[Exception]], ...] = (
    ("nothing", 30, "Looked.", "Mara", NotFound),
    ("request-logs", 30, "Looked.", "Mara", BadInput),
    ("access", 30, "Looked.", "Mara", BadInput),
    ("no-sale", -1, "Looked.", "Mara", BadInput),
    ("no-sale", 367, "Looked.", "Mara", BadInput),
    ("no-sale", 30, "  ", "Mara", BadInput),
    ("no-sale", 30, "x" * 2001, "Mara", BadInput),
    ("no-sale", 30, "Looked.", "", BadInput),
)


def test_a_word_that_is_worth_nothing_is_refused(house: Installation) -> None:
    """No such clause, one that a machine looks at, a day that is past or beyond the review, no words, nobody's name: nothing
    is written."""
    for name, days, words, who, wanted in WORTHLESS:
        with pytest.raises(wanted):
            house.kept.attestations.attest(
                name, by="opr_1", name=who, until=today() + timedelta(days=days), words=words
            )
    with house.kept.database.read() as session:
        assert not session.execute(sa.select(AttestationRow)).first()
        assert not session.execute(sa.select(AttestationFileRow)).first()


def test_a_clause_that_says_something_else_has_to_be_vouched_for_anew(house: Installation) -> None:
    """The new words are broken until somebody vouches for them; the word for the old ones stays in the list, marked."""
    vouch(house)
    house.publish(POLICY.replace("personal data is not sold", "personal data is neither sold nor shared"))
    assert clause(house).state is State.BROKEN
    assert "has changed" in clause(house).proof
    vouch(house, words="Nor shared.")
    assert clause(house).state is State.ATTESTED
    with house.kept.database.read() as session:
        assert [one.fits for one in house.kept.attestations.list_of(session, "no-sale")] == [True, False]


def mails(house: Installation) -> list[tuple[str, str, list[str]]]:
    """Every mail that was queued: event, address, titles."""
    with house.kept.database.read() as session:
        rows = session.execute(
            sa.select(OutboxRow).where(OutboxRow.kind == "mail").order_by(OutboxRow.created_at, OutboxRow.id)
        )
        found = []
        for row in rows.scalars():
            told = row.payload["vars"].get("clauses") or row.payload["vars"].get("alarms") or []
            found.append((row.payload["event"], str(row.payload["to"]), [one["title"] for one in told]))
        return found


def test_the_owner_hears_of_it_before_it_turns_red_and_when_it_did(tmp_path: Path) -> None:
    """That nobody vouches yet; a month and a week before the day; and once it is over by the alarm, which those under
    `alerts:` get too. Each once, however often the job runs."""
    with freeze_time(NOON, tick=True) as time, open_installation(tmp_path / "kept", configuration=OWNED) as house:
        kept, owner = house.kept, "counsel@lanternway.example"

        def told() -> list[tuple[str, str, list[str]]]:
            before = len(mails(house))
            for _ in range(2):
                kept.owner_reminders.tick()
            return mails(house)[before:]

        assert told() == [("attestation_due", owner, ["no-sale: vouch for it"])]
        assert told() == []
        vouch(house, days=60)
        assert told() == []
        time.move_to(NOON + 31 * DAY)
        assert told() == [("attestation_due", owner, ["no-sale: look at it again"])]
        time.move_to(NOON + 55 * DAY)
        assert told() == [("attestation_due", owner, ["no-sale: look at it again"])]
        vouch(house, days=20)
        assert told() == []
        time.move_to(NOON + 80 * DAY)
        assert clause(house).state is State.BROKEN
        assert told() == []
        before = len(mails(house))
        kept.alarms.check()
        heard = [(event, to) for event, to, titles in mails(house)[before:] if "no-sale is broken" in titles]
        assert sorted(heard) == [("alarm_raised", owner), ("alarm_raised", "lead@lanternway.example")]


def test_the_mail_to_an_owner_says_what_and_where() -> None:
    """One promise is the subject itself; several are counted, and each stands in the mail with its page."""
    one = {
        "title": "no-sale: vouch for it",
        "says": "Nobody vouches for it yet.",
        "link": "https://kept.example/c/no-sale",
    }
    for clauses in ([one], [one, one | {"title": "tls: look at it again"}]):
        variables = {"controller": {"name": "ccr", "email": "p@ccr.example"}, "clauses": clauses}
        subject, text = (
            Renderer(base_url="").text(f"email/attestation_due/{part}.txt", **variables) for part in ("subject", "body")
        )
        assert ("no-sale" if len(clauses) == 1 else "2 promises") in subject
        assert all(each["title"] in text and each["link"] in text for each in clauses)


def test_an_administrator_vouches_in_the_console_and_an_agent_only_reads(house: Installation) -> None:
    """The form, what it refuses beside the field, the list with the file as a download, taking back; an agent gets none of it
    but the page and the file."""
    client = house.signed_in()
    assert "Nobody has vouched for it" in client.get(PAGE).get_data(as_text=True)
    data = {"csrf_token": csrf_of(client, PAGE), "words": "", "until": (today() + 90 * DAY).isoformat()}
    refused = client.post(f"{PAGE}/attest", data=data)
    assert refused.status_code == 400
    assert "It needs words" in refused.get_data(as_text=True)
    late = client.post(f"{PAGE}/attest", data=data | {"words": "Looked.", "until": (today() + 800 * DAY).isoformat()})
    assert "has to be looked at again before that" in late.get_data(as_text=True)
    done = client.post(
        f"{PAGE}/attest",
        data=data | {"words": "I read every contract.", "evidence": (io.BytesIO(SCAN.content), SCAN.name)},
    )
    assert done.status_code == 302
    page = read(house, PAGE, AGENT)
    assert "Ada Vogelsang" in page.get_text()
    assert "Attested" in page.get_text()
    assert not page.select("form[action$='/attest']")
    (link,) = [one["href"] for one in page.select("a[href$='/file']")]
    agent = house.signed_in(AGENT)
    file = agent.get(str(link))
    assert file.data == SCAN.content
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert agent.post(f"{PAGE}/attest", data={"csrf_token": csrf_of(agent, "/console/promises")}).status_code == 403
    with house.kept.database.read() as session:
        (made,) = house.kept.attestations.list_of(session, "no-sale")
    action = f"{PAGE}/attestations/{made.id}/take-back"
    assert agent.post(action, data={"csrf_token": csrf_of(agent, "/console/promises")}).status_code == 403
    assert "needs a reason" in post(client, action, PAGE, why="").get_data(as_text=True)
    assert post(client, action, PAGE, why="Not so.").status_code == 302
    assert clause(house).state is State.BROKEN
    assert client.get("/console/promises/nothing").status_code == 404


def test_the_public_page_of_measures_says_who_vouches_in_no_name(house: Installation) -> None:
    """A safeguard that is attested shows until when; whose name it is stays inside."""
    safe = "  - {id: tls, kind: safeguard, says: connections are encrypted, owner: security, review: P1Y}\n---\nLanternway passes"
    house.publish(POLICY.replace("---\nLanternway passes", safe, 1) + '\nSafe.{{ clause("tls").cite }}\n')
    before = house.client().get("/privacy/security").get_data(as_text=True)
    assert "Not vouched for yet" in before
    house.kept.attestations.attest("tls", by="opr_1", name="Mara Okonjo", until=today() + 90 * DAY, words="Scanned.")
    after = house.client().get("/privacy/security").get_data(as_text=True)
    assert "Vouched for until" in after
    assert "Mara" not in after + house.client().get("/privacy/promises").get_data(as_text=True)


def test_what_a_clause_of_a_planned_version_says_can_be_vouched_for_ahead(house: Installation) -> None:
    """It holds from the day the version is in force; until then the clause in force is judged by the word for its own."""
    vouch(house)
    later = (today() + 40 * DAY).isoformat()
    planned = POLICY.replace("language: en\n", f"language: en\nnot_before: {later}\n", 1).replace(
        "is not sold", "is never sold"
    )
    house.kept.policies.publish(parse_document(planned, "small.md"), actor="system")
    house.kept.attestations.attest(
        "no-sale", by="opr_1", name="Mara Okonjo", until=today() + 90 * DAY, words="Ahead.", version=2
    )
    assert clause(house).state is State.ATTESTED
    assert "I read every contract." in clause(house).proof
