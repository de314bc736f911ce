"""Acceptance: whom to ask, what counts, what is refused; and that it never stands for consent."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.database import Database
from core.errors import BadInput, Conflict, KeptError, NotFound
from core.idempotency import KeyReused, read_key
from policies.acceptances import NewAcceptance
from policies.materiality import Weight
from policies.subjects import read_channel, read_subject
from policies.succession import AcceptedBy
from tests.acceptance_rooms import ANNA, BRUNO, BY_USE, EXPLICIT, LOGS, NEWS, START, House, open_house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """On SQLite: what is asked does not depend on the database."""
    with open_house(tmp_path) as opened:
        yield opened


@pytest.fixture
def everywhere(database: Database) -> House:
    """On SQLite and on PostgreSQL: what is written, and by many at once."""
    return House(database)


def test_a_person_is_asked_until_the_version_in_force_is_accepted(everywhere: House) -> None:
    """An explicit clause: ask; once accepted: do not; somebody else is still asked."""
    everywhere.publish(LOGS, EXPLICIT)
    before = everywhere.acceptances.question(ANNA)
    assert (before.ask, before.version, before.by, before.accepted) == (True, 1, AcceptedBy.EXPLICIT, None)
    everywhere.accept(1)
    after = everywhere.acceptances.question(ANNA)
    assert (after.ask, after.why) == (False, "This person accepted version 1.")
    assert after.accepted is not None
    assert (after.accepted.version, after.accepted.at, after.accepted.channel) == (1, START, "web")
    assert everywhere.acceptances.question(BRUNO).ask


@pytest.mark.parametrize(
    ("weight", "asked"), [(Weight.MATERIAL, True), (Weight.MINOR, False), (Weight.EDITORIAL, False)]
)
def test_only_a_change_that_matters_is_asked_about_again(house: House, weight: Weight, asked: bool) -> None:
    """A minor or editorial version leaves the acceptance of the one before standing; who accepted nothing is asked anyway."""
    house.publish(LOGS, EXPLICIT)
    house.accept(1)
    house.publish(LOGS, EXPLICIT, words="Other words.", weight=weight)
    assert house.acceptances.question(ANNA).version == 2
    assert house.ask() is asked
    assert house.acceptances.question(BRUNO).ask


def test_two_small_changes_after_a_great_one_go_back_to_the_great_one(house: House) -> None:
    """Accepted: 1, then 2 mattered and 3 did not. Accepting 2 would have been enough; accepting 1 is not; 3 settles it."""
    house.publish(LOGS, EXPLICIT)
    house.accept(1)
    house.publish(LOGS, EXPLICIT, words="Two.", weight=Weight.MATERIAL)
    house.publish(LOGS, EXPLICIT, words="Three.", weight=Weight.MINOR)
    question = house.acceptances.question(ANNA)
    assert question.ask
    assert question.why == "This person accepted version 1; version 2 changed what matters."
    house.accept(3)
    house.publish(LOGS, EXPLICIT, words="Four.", weight=Weight.EDITORIAL)
    assert (
        house.acceptances.question(ANNA).why
        == "This person accepted version 3; nothing that matters has changed since."
    )


def test_acceptance_by_use_asks_nobody_and_is_recorded_once_in_force(house: House) -> None:
    """Use is reported by the host application, once for each version; nothing of it is consent."""
    house.publish(LOGS, BY_USE, NEWS)
    assert not house.ask()
    assert "not consent" in house.acceptances.question(ANNA).why
    house.accept(1, AcceptedBy.USE)
    question = house.acceptances.question(ANNA)
    assert question.accepted is not None
    assert (question.ask, question.accepted.by) == (False, AcceptedBy.USE)
    assert not house.consents.state(ANNA, "news").given


def test_use_before_a_version_was_in_force_accepts_nothing(house: House) -> None:
    """Nobody can accept by use what they could not have been told of: refused, and nothing is written."""
    house.publish(LOGS, BY_USE)
    house.clock.go(days=1)
    with pytest.raises(Conflict, match="after this acceptance"):
        house.accept(1, AcceptedBy.USE, at=START - timedelta(seconds=1))
    assert house.count("acceptances") == 0
    house.accept(1, AcceptedBy.USE, at=START)


def test_use_does_not_accept_a_version_that_asks_for_an_act(house: House) -> None:
    """Neither where an act is asked for nor where the policy says nothing; an act counts under both."""
    house.publish(LOGS, EXPLICIT)
    with pytest.raises(Conflict, match="not accepted by use"):
        house.accept(1, AcceptedBy.USE)
    house.publish(LOGS, weight=Weight.MATERIAL)
    with pytest.raises(Conflict, match="not accepted by use"):
        house.accept(2, AcceptedBy.USE)
    house.accept(2)
    question = house.acceptances.question(ANNA)
    assert (question.ask, question.by) == (False, None)


def test_use_of_an_older_version_is_no_act(house: House) -> None:
    """The policy went from use to an act: who only used it is asked, however small the change."""
    house.publish(LOGS, BY_USE)
    house.accept(1, AcceptedBy.USE)
    house.publish(LOGS, EXPLICIT, weight=Weight.MINOR)
    question = house.acceptances.question(ANNA)
    assert (question.ask, question.accepted) == (True, None)


def test_a_planned_version_is_told_with_whether_it_will_be_asked_about(house: House) -> None:
    """A host application can prepare: version 2 matters, so everyone will be asked; version 1 is still what counts."""
    house.publish(LOGS, EXPLICIT)
    house.accept(1)
    house.publish(LOGS, EXPLICIT, words="Later.", weight=Weight.MATERIAL, day="2026-05-01")
    question = house.acceptances.question(ANNA)
    assert (question.version, question.ask) == (1, False)
    assert question.next is not None
    assert (question.next.version, question.next.ask, question.next.by) == (2, True, AcceptedBy.EXPLICIT)
    assert question.next.planned_for is not None


def test_before_the_first_version_nobody_is_asked(house: House) -> None:
    """There is nothing to accept yet, and the answer says so."""
    question = house.acceptances.question(ANNA)
    assert (question.ask, question.version, question.why) == (False, None, "No policy is in force yet.")
    house.publish(LOGS, EXPLICIT, day="2026-05-01")
    planned = house.acceptances.question(ANNA).next
    assert planned is not None
    assert planned.ask


def test_only_the_version_in_force_can_be_accepted(everywhere: House) -> None:
    """One that is planned, one that is gone and one that is not there are each refused in words."""
    everywhere.publish(LOGS, EXPLICIT)
    everywhere.publish(LOGS, EXPLICIT, words="Two.", weight=Weight.MATERIAL)
    everywhere.publish(LOGS, EXPLICIT, words="Three.", weight=Weight.MATERIAL, day="2026-05-01")
    for version, words in ((1, "is not in force any more"), (3, "is not in force yet")):
        with pytest.raises(Conflict, match=words):
            everywhere.accept(version)
    with pytest.raises(NotFound):
        everywhere.accept(9)
    assert everywhere.count("acceptances") == 0


def test_a_time_ahead_and_a_language_that_is_not_there_are_refused(house: House) -> None:
    """What has not happened is not recorded, nor a text that nobody can have seen."""
    house.publish(LOGS, EXPLICIT)
    with pytest.raises(BadInput, match="lies ahead"):
        house.accept(1, at=START + timedelta(hours=1))
    french = NewAcceptance(subject=ANNA, version=1, by=AcceptedBy.EXPLICIT, channel="web", language="fr")
    with pytest.raises(BadInput, match="not published in this language"):
        house.acceptances.record(french, actor="tok_1")


def test_accepting_again_gives_the_first_acceptance(house: House) -> None:
    """The time stays that of the first; one row, one entry."""
    house.publish(LOGS, EXPLICIT)
    first = house.accept(1)
    house.clock.go(days=3)
    assert house.accept(1) == first
    assert house.count("acceptances") == 1
    assert len(house.entries("acceptance.recorded")) == 1


def test_eight_at_once_are_one_acceptance(everywhere: House) -> None:
    """Two tabs, a retry, two servers: one row, one entry in the ledger, nobody is told of an error."""
    everywhere.publish(LOGS, EXPLICIT)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: everywhere.accept(1).id, range(8)))
    assert len(set(made)) == 1
    assert everywhere.count("acceptances") == 1
    assert len(everywhere.entries("acceptance.recorded")) == 1


def test_the_ledger_holds_the_acceptance_and_no_person(everywhere: House) -> None:
    """The entry names version and row; the person stands in its private part as a keyed hash. The tree verifies."""
    everywhere.publish(LOGS, EXPLICIT)
    made = everywhere.accept(1)
    assert everywhere.entries("acceptance.recorded") == [(f"acceptance:{made.id}", "version:1")]
    with everywhere.database.read() as session:
        private = everywhere.ledger.entries(session, kind="acceptance.recorded")[0].private
    assert private is not None
    assert (private["by"], private["channel"]) == ("explicit", "web")
    assert "usr_anna" not in str(private)
    everywhere.ledger.settle()
    assert everywhere.ledger.verify().ok


def test_a_key_that_comes_again_gives_the_same_answer(everywhere: House) -> None:
    """Same key, same body: as the first time. Another body: refused. After a day the key is free again."""
    everywhere.publish(LOGS, EXPLICIT)
    new = NewAcceptance(subject=ANNA, version=1, by=AcceptedBy.EXPLICIT, channel="web")

    def key(body: str, name: str = "k1") -> object:
        return read_key(name, secret=b"s" * 32, token="tok_1", address="/api/v1/acceptances", body=body)

    first = everywhere.acceptances.record(new, actor="tok_1", key=key("a"))  # type: ignore[arg-type]
    assert first[1]
    everywhere.clock.go(hours=1)
    assert everywhere.acceptances.record(new, actor="tok_1", key=key("a")) == first  # type: ignore[arg-type]
    assert everywhere.acceptances.record(new, actor="tok_1", key=key("a", "k2")) == (first[0], False)  # type: ignore[arg-type]
    with pytest.raises(KeyReused):
        everywhere.acceptances.record(new, actor="tok_1", key=key("b"))  # type: ignore[arg-type]
    everywhere.clock.go(days=2)
    everywhere.acceptances.record(new, actor="tok_1", key=key("b"))  # type: ignore[arg-type]
    assert everywhere.count("idempotency_keys") == 1


@pytest.mark.parametrize("text", ["anna@example.com", "203.0.113.9", "2001:db8::1", "", "a b", "x" * 121, "/etc", "ä"])
def test_a_person_is_named_by_an_opaque_id_only(text: str) -> None:
    """Addresses and whatever is no id are refused, and not repeated in the words."""
    with pytest.raises(KeptError) as refused:
        read_subject(text)
    assert len(text) < 2 or text not in str(refused.value)


def test_ids_and_channels_of_common_kinds_are_taken() -> None:
    """Numbers, UUIDs, prefixed ids; channels are one word."""
    for text in ("4821", "6f1c1c7e-7e4b-4b5e-9b1a-0e8d1c2f3a4b", "auth0:abc", "usr_1.x~y"):
        assert read_subject(text).reveal() == text
    assert read_channel("web") == "web"
    with pytest.raises(BadInput):
        read_channel("Anna's phone")


def test_what_a_person_accepted_can_be_read(house: House) -> None:
    """For an answer to the person: every version with time and channel, the oldest first."""
    house.publish(LOGS, EXPLICIT)
    house.accept(1)
    house.publish(LOGS, EXPLICIT, words="Two.", weight=Weight.MATERIAL)
    house.accept(2)
    with house.database.read() as session:
        assert [one.version for one in house.acceptances.read_person(session, ANNA)] == [1, 2]
        assert house.acceptances.read_person(session, BRUNO) == ()


def test_the_question_is_answered_from_an_index(house: House) -> None:
    """With a million acceptances a person's few are found by the unique index, never by reading the table."""
    with house.database.read() as session:
        plan = session.execute(sa.text("EXPLAIN QUERY PLAN SELECT * FROM acceptances WHERE subject = 'x'")).all()
    assert "USING INDEX" in str(plan)
