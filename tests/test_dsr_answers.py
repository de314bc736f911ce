"""Answers: what each has to hold under which law, what operators may change of it, what goes on by itself, and certificates."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import freezegun
import pytest
from freezegun.api import FrozenDateTimeFactory, StepTickTimeFactory, TickingDateTimeFactory

from core.catalogue import LANGUAGES
from core.database import Database
from core.errors import Conflict, NotFound
from core.outbox import Event
from dsr.answer_drafts import AnswerDrafts
from dsr.answer_words import Kind, NotWhole, clean_text, compose, parts_of, standard_text
from dsr.answers import HeldCollection, write_access_letter
from dsr.certificates import MAKE
from dsr.complaints import answer_rules, authority_of, complaint_of
from dsr.desk import find_ticket
from dsr.outcome_lines import count_gone
from dsr.retries import MOST_TRIES, Trying
from dsr.stands import Stand
from dsr.states import State
from ledger.entries import commitment_of
from ledger.merkle import leaf_hash, verify_inclusion
from ledger.notes import open_note, parse_key, read_proof
from plans.standing import StepResult
from plans.tables import StepState
from policies.clauses import Right
from policies.documents import parse_document
from policies.regimes import all_regimes
from tests.dsr_house import ANNA, NOON, OPERATOR, House, build_house

Frozen = FrozenDateTimeFactory | TickingDateTimeFactory
EXAMPLE = Path(__file__).parent.parent / "examples" / "gateway"
RIGHTS_OF = {
    Kind.COPY: (Right.ACCESS, Right.PORTABILITY),
    Kind.DELETED: (Right.DELETION,),
    Kind.NOTHING_FOUND: (Right.ACCESS, Right.DELETION),
    Kind.REFUSED: tuple(Right),
    Kind.BY_HAND: tuple(Right),
    Kind.EXTENDED: tuple(Right),
}


@pytest.fixture
def time() -> Iterator[Frozen]:
    """A day in June; time runs on from there."""
    with freezegun.freeze_time(NOON, tick=True) as frozen:
        assert not isinstance(frozen, StepTickTimeFactory)
        yield frozen


@pytest.fixture
def house(database: Database, tmp_path: Path, time: Frozen) -> House:
    """A house on either database."""
    return build_house(database, tmp_path / "house")


def approved(house: House, right: str = "deletion") -> str:
    ref = house.confirmed(right=right)
    house.requests.make_plan(ref, by=OPERATOR)
    house.requests.approve(ref, by=OPERATOR)
    return ref


def lock_out(house: House, *, shut: bool) -> None:
    """The billing table is away, and comes back."""
    old, new = ("billing_log", "away") if shut else ("away", "billing_log")
    with closing(sqlite3.connect(house.root / "gateway.db")) as connection, connection:
        connection.execute(f"ALTER TABLE {old} RENAME TO {new}")


# what an answer has to hold


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_standard_text_holds_what_each_law_wants(language: str) -> None:
    """Of every kind, for every right, under every regime: checked as an operator's own text is."""
    for kind, rights in RIGHTS_OF.items():
        for right in rights:
            text = standard_text(kind, right, language, places=7)
            for regime in (*all_regimes(), "unknown"):
                assert clean_text(text, kind, right, regime) == text, (kind, right, regime)


def test_a_text_that_lacks_a_part_is_refused_and_the_part_is_named() -> None:
    """By its name, in words, and with the rule that wants it; a part that there is not is named too."""
    text = standard_text(Kind.REFUSED, Right.DELETION, "en")
    with pytest.raises(NotWhole, match=r"\{complaint\}, where to complain.*GDPR Art. 12\(4\)"):
        clean_text(text.replace("{complaint}", ""), Kind.REFUSED, Right.DELETION, "gdpr")
    with pytest.raises(NotWhole, match=r"no part \{stay\} in this answer.*There are: .*\{stays\}"):
        clean_text("{deleted}\n\n{stay}", Kind.DELETED, Right.DELETION, "gdpr")
    with pytest.raises(NotWhole, match="paragraph of its own"):
        clean_text("We did {deleted}\n\n{stays}\n\n{recipients}", Kind.DELETED, Right.DELETION, "gdpr")
    restricted = standard_text(Kind.BY_HAND, Right.RESTRICTION, "en").replace("{closing}", "")
    with pytest.raises(NotWhole, match=r"Art. 18\(3\)"):
        clean_text(restricted, Kind.BY_HAND, Right.RESTRICTION, "gdpr")
    assert clean_text(restricted, Kind.BY_HAND, Right.RESTRICTION, "swiss") == restricted.strip()


def test_what_the_law_wants_is_put_back_where_a_text_came_to_lack_it() -> None:
    """The law a ticket is under may change after the text was written: no answer goes out without its parts."""
    blocks = compose("No.", parts_of(Kind.REFUSED, Right.ACCESS, "gdpr"), {"rule": "GG"})
    assert blocks == [
        {"part": "", "lines": ["No."]}, {"part": "reason"}, {"part": "", "lines": ["GG"]}, {"part": "complaint"},
    ]  # fmt: skip


def test_every_rule_says_whether_it_was_read() -> None:
    """Each need names a part there is, its rule and whether that was verified; each regime's way to complain too."""
    rules = answer_rules()
    for answer in rules["answers"].values():
        for needs in answer["needs"].values():
            for need in needs:
                assert need["part"] in answer["parts"]
                assert need["cite"]
                assert isinstance(need["verified"], bool)
    assert set(rules["complaints"]) | {"gdpr", "uk_gdpr"} == set(all_regimes())


def test_each_law_has_its_own_way_to_complain(house: House) -> None:
    """The authority of where somebody lives, with its address; elsewhere the way of that law, with its own number of days."""
    ref = house.confirmed()
    with house.database.begin() as session:
        ticket = find_ticket(session, ref)
        document = house.policies.version(session, ticket.version).document
        said = {}
        for regime, country, subdivision in (
            ("gdpr", "DE", "BE"), ("gdpr", "FR", None), ("uk_gdpr", None, None), ("virginia", "US", "VA"), ("ccpa", "US", "CA"),
        ):  # fmt: skip
            ticket.regime, ticket.country, ticket.subdivision = regime, country, subdivision
            authority = authority_of(ticket, document)
            said[regime, country] = (
                authority.name + authority.address if authority else "",
                complaint_of(ticket, document),
            )
        session.rollback()
    assert "Berlin" in said["gdpr", "DE"][0]
    assert "PARIS" in said["gdpr", "FR"][0]
    assert "Wilmslow" in said["uk_gdpr", None][0]
    assert "within 60 days" in said["virginia", "US"][1]
    assert "Attorney General of California" in said["ccpa", "US"][1]
    assert not said["ccpa", "US"][0]


# what operators change


def test_an_operators_words_go_out_with_the_facts_filled_in(house: House) -> None:
    """The mail says what was done, not what somebody typed; the ticket and the ledger say that it was put in other words."""
    ref = house.confirmed(right="deletion")
    answers: AnswerDrafts = house.requests.answers
    house.requests.make_plan(ref, by=OPERATOR)
    with pytest.raises(NotWhole, match=r"\{stays\}"):
        answers.write(ref, Kind.DELETED, text="Gone.\n\n{deleted}", by=OPERATOR)
    with pytest.raises(Conflict, match="does not come to the answer"):
        answers.write(ref, Kind.COPY, text="Here.", by=OPERATOR)
    words = "Dear Anna Quill, it is gone since {day}.\n\n{deleted}\n\n{stays}\n\n{recipients}"
    answers.write(ref, Kind.DELETED, text=words, by=OPERATOR)
    draft = answers.read(ref, Kind.DELETED)
    assert (draft.text, draft.written_by) == (words, OPERATOR)
    assert "Requests: 7" in draft.mail.replace("\u00a0", " ")  # foreseen by the preview
    assert "Thursday, 11 June 2026" in draft.mail
    assert [one.own_words for one in answers.offered(ref) if one.kind is Kind.DELETED] == [True]
    house.requests.approve(ref, by=OPERATOR)
    house.work()
    said = " ".join(house.latest_mail(ANNA, "deleted").text.replace("\u00a0", " ").split())
    for part in ("Dear Anna Quill, it is gone since Thursday, 11 June 2026.", "Requests: 7", "Invoices, 2 records",
                 "2 June 2036 at the latest", "You may complain to"):  # fmt: skip
        assert part in said
    assert "{" not in said
    kinds = [one.kind for one in house.requests.view(ref).timeline]
    assert "answer_worded" in kinds
    assert not answers.offered(ref)
    with house.database.read() as session:
        entries = [one for one in house.ledger.entries(session, ref=f"ticket:{ref}") if "worded" in one.kind]
    assert "Quill" not in str(entries)


def test_a_refusal_goes_out_whole_and_the_standard_text_comes_back(house: House) -> None:
    """Other words around the reason, the rule and the authority; forgotten, the standard ones go out."""
    ref = house.confirmed()
    text = "No, and we are sorry.\n\n{reason}\n\n{rule}\n\n{complaint}"
    house.requests.answers.write(ref, Kind.REFUSED, text="We will not.\n\n" + text, by=OPERATOR)
    house.requests.answers.forget(ref, Kind.REFUSED, by=OPERATOR)
    assert house.requests.answers.read(ref, Kind.REFUSED).written_by == ""
    house.requests.answers.write(ref, Kind.REFUSED, text=text, by=OPERATOR)
    house.requests.refuse(ref, by=OPERATOR, ground="excessive", reason="You asked last week.")
    said = " ".join(house.latest_mail(ANNA, "cannot do").text.split())
    for part in ("No, and we are sorry.", "You asked last week.", "GDPR Art. 12(5)", "Graurheindorfer", "go to court"):
        assert part in said
    assert "We do not do it" not in said


# what is tried again, and what is told meanwhile


def test_what_is_done_so_far_is_told_while_a_place_fails(house: House, time: Frozen) -> None:
    """Partial is shown as partial: what is done and what is left stand on the ticket and the person's page, with when it is
    tried again; once it is through, the answer says all of it."""
    ref = approved(house)
    lock_out(house, shut=True)
    house.work()
    view = house.requests.view(ref)
    assert view.state is State.PARTLY_DONE
    assert view.trying is not None
    assert (view.trying.tries, view.trying.gave_up) == (1, False)
    told = house.requests.page(ref, house.open_page(ref)).outcome["so_far"]
    assert told["rows"]["requests"] == 7
    assert "billing" in told["left"]
    assert not [mail for mail in house.mails_to(ANNA) if "deleted" in mail.subject]
    lock_out(house, shut=False)
    assert view.trying.next_at is not None
    time.move_to(view.trying.next_at.replace(tzinfo=None) + timedelta(seconds=1))
    house.work()
    assert house.requests.view(ref).trying is None
    assert "so_far" not in house.requests.page(ref, house.open_page(ref)).outcome
    assert "Requests: 7" in house.latest_mail(ANNA, "deleted").text.replace("\u00a0", " ")


def test_what_waits_for_its_time_has_not_failed_and_goes_on_at_its_moment(house: House, time: Frozen) -> None:
    """A file of today can be rewritten once the day is over: until then nothing counts as a failure, no try is spent, the
    ticket and the person's page say that it waits, and at midnight it goes on by itself."""
    today = house.root / "logs" / "requests-2026-06-11.jsonl"
    today.write_text('{"ts": "2026-06-11T09:00:00Z", "user_id": "u_anna", "prompt": "now", "response": "ok"}\n')
    ref = approved(house)
    for _ in range(3):  # whoever has it tried again in between changes nothing
        house.work()
        house.requests.schedule_run(ref, by=OPERATOR)
    house.work()
    view = house.requests.view(ref)
    assert (view.state, view.line.stand, view.line.state_name) == (State.PARTLY_DONE, Stand.TIME, "Waits for its time")
    assert view.plan
    assert [one.state for one in view.plan.steps if one.collection == "request-days"] == ["later"]
    assert view.trying == Trying(tries=0, next_at=datetime(2026, 6, 12, tzinfo=UTC))
    assert "still being written" in house.requests.page(ref, house.open_page(ref)).status.body
    assert house.count("users", "id = 'u_anna'") == 1  # the account goes last
    time.move_to(datetime(2026, 6, 12, 0, 0, 1))
    house.work()
    assert house.requests.view(ref).state is State.ANSWERED
    assert (house.count_lines("u_anna"), house.count("users", "id = 'u_anna'")) == (0, 0)


@pytest.mark.slow
def test_work_that_keeps_failing_waits_for_an_operator(database: Database, tmp_path: Path, time: Frozen) -> None:
    """It is tried again later each time, for some days; then it waits, says so, one mail goes to those who get alarms, and
    an operator sets it going."""
    configuration = (EXAMPLE / "kept.yaml").read_text() + "alerts: {mail: [alarms@kept.example]}\n"
    house = build_house(database, tmp_path / "house", configuration=configuration)
    ref = approved(house)
    lock_out(house, shut=True)
    house.work()
    waits = []
    while (trying := house.requests.view(ref).trying) and trying.next_at:
        waits.append(trying.next_at)
        time.move_to(trying.next_at.replace(tzinfo=None) + timedelta(seconds=1))
        house.work()
    view = house.requests.view(ref)
    assert view.trying is not None
    assert (view.trying.tries, view.trying.gave_up, view.state) == (MOST_TRIES, True, State.PARTLY_DONE)
    assert [one.kind for one in view.timeline][-1] == "gave_up"
    told = house.mails_to("alarms@kept.example")
    assert sum(mail.subject == f"Request {ref} is not tried again by itself" for mail in told) == 1
    assert ANNA not in told[0].text
    apart = [round((later - sooner).total_seconds(), -2) for sooner, later in pairwise(waits)]
    assert apart == sorted(apart)
    assert timedelta(days=3) < waits[-1] - waits[0] < timedelta(days=5)
    lock_out(house, shut=False)
    house.requests.schedule_run(ref, by=OPERATOR)
    house.work()
    assert house.requests.view(ref).state is State.ANSWERED


# certificates


def test_a_certificate_can_be_checked_without_us(house: House) -> None:
    """Its counts are those that the ledger committed to, every entry is proven under a signed checkpoint, its fingerprint is
    in the ledger, and nothing in it names anybody."""
    ref = approved(house)
    house.work()
    view = house.requests.view(ref)
    assert view.certificate
    body = house.requests.certificate(ref, "json").content
    certificate = json.loads(body)
    assert hashlib.sha256(body).hexdigest() == view.certificate.sha256
    entries = {one["id"]: one for one in certificate["ledger"]["entries"]}
    key = parse_key(certificate["ledger"]["key"])
    for one in entries.values():
        proof = read_proof(one["proof"])
        head = open_note(proof.checkpoint, [key]).split("\n")
        size, root = int(head[1]), b64decode(head[2])
        leaf = leaf_hash(one["entry"].encode())
        assert verify_inclusion(leaf=leaf, index=proof.index, size=size, proof=list(proof.hashes), root=root)
    records = {}
    for step in certificate["steps"]:
        entry = entries[step["entries"]["outcome"]]
        assert commitment_of(bytes.fromhex(entry["salt"]), entry["private"].encode()) in entry["entry"]
        committed = json.loads(entry["private"])
        assert (committed["rows"], committed["remaining"]) == (step["records"], step["read_back"]["remaining"])
        records[step["collection"]] = step["records"]
    assert records == house.requests.view(ref).outcome["rows"]
    assert certificate["stays"][0]["title"] == "Invoices, 2\u00a0records"
    for secret in (ANNA, "Quill", "u_anna"):
        assert secret not in body.decode()
    house.ledger.settle()
    with house.database.read() as session:
        (written,) = house.ledger.entries(session, ref=f"ticket:{ref}", kind="request.certified")
    assert written.private
    assert written.private["sha256"] == view.certificate.sha256


def test_a_certificate_is_made_once_and_only_of_a_deletion(house: House) -> None:
    """Asked for again it is the same; before the answer, and of anything else, there is none."""
    ref = approved(house)
    with pytest.raises(NotFound, match="no certificate"):
        house.requests.certificate(ref, "json")
    house.work()
    first = house.requests.certificate(ref, "json")
    assert b"ertificate of deletion" in house.requests.certificate(ref, "pdf").content
    house.requests.handle_certificate(Event(id="evt_1", kind=MAKE, payload={"ref": ref}, created_at=datetime.now(UTC)))
    assert house.requests.certificate(ref, "json") == first
    with pytest.raises(NotFound, match="no certificate"):
        house.requests.certificate(ref, "exe")
    grant = house.open_page(ref)
    assert house.requests.page_certificate(ref, grant, "json") == first
    other = house.confirmed()
    with pytest.raises(NotFound):
        house.requests.page_certificate(other, grant, "json")


# words of the letter and of what stays


def test_a_letter_names_countries_kinds_and_exceptions_in_words_of_its_language() -> None:
    """Regions by their names, kinds of data in the plural and in the person's language, also where the policy is in
    another one, and the way to complain that the law has."""
    document = parse_document((EXAMPLE / "policy.md").read_text(), "gateway.md")
    held = [
        HeldCollection(collection="requests", rows=7, categories=frozenset({"request_log", "feedback"})),
        HeldCollection(collection="invoices", rows=0, categories=frozenset({"invoice"})),
    ]
    day = datetime(2026, 6, 11, tzinfo=UTC).date()
    told = {}
    for language in ("en", "de"):
        letter = write_access_letter(
            ref="K7F3Q-2MXB", right=Right.ACCESS, document=document, held=held, gaps=(), received_on=day, written_on=day,
            authority=None, complaint="You can appeal.", language=language,
        )  # fmt: skip
        told[language] = " ".join(str(letter.variables()).replace("\\xa0", " ").split())
        assert "beside this letter" not in letter.page_summary
    for words in ("(United States)", "feedback and request logs", "Nothing held: Invoices.", "Exceptions: invoices (",
                  "You can appeal."):  # fmt: skip
        assert words in told["en"], words
    assert "in US" not in told["en"]
    assert "Feedbacks" not in told["en"]
    for words in ("(Vereinigte Staaten)", "Rückmeldungen und Anfrageprotokolle", "Ausnahmen: Rechnungen ("):
        assert words in told["de"], words


def test_a_record_that_stands_as_its_key_is_counted_among_what_stays_only() -> None:
    """One place for each record: gone, or staying with its reason."""
    step = StepResult(
        step_id="s", collection="accounts", state=StepState.LEFT, rows=3, remaining=1,
        note="1 rows of users stand as their key alone: kept records of invoices point at them",
    )  # fmt: skip
    assert count_gone(step) == 2
    assert count_gone(replace(step, state=StepState.DONE, note="")) == 3
