"""Consent: to one purpose, with the text that was shown, withdrawn as easily; and that it never stands for acceptance."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.database import Database
from core.errors import BadInput, Conflict, KeptError, NotFound
from policies.consents import NewConsent, TextNotShown
from policies.materiality import Weight
from policies.purposes import consent_purposes
from tests.acceptance_rooms import (
    ANNA,
    AUDIT,
    BILLING,
    BRUNO,
    EXPLICIT,
    LOGS,
    NEWS,
    START,
    WIDER_NEWS,
    WORDS,
    House,
    document,
    open_house,
)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """On SQLite: how a person stands does not depend on the database."""
    with open_house(tmp_path) as opened:
        opened.publish(LOGS, NEWS, AUDIT, BILLING)
        yield opened


@pytest.fixture
def everywhere(database: Database) -> House:
    """On SQLite and on PostgreSQL: what is written, and by many at once."""
    made = House(database)
    made.publish(LOGS, NEWS, AUDIT, BILLING)
    return made


def test_the_purposes_are_those_that_rest_on_consent() -> None:
    """A purpose clause with that basis by its id, a `never` by the consent it names; one name is one purpose."""
    assert list(consent_purposes(document(LOGS, NEWS, AUDIT, BILLING))) == ["news", "audit_log"]
    both = document("{id: audit_log, kind: purpose, of: [content], why: [audits], basis: consent}", AUDIT)
    assert [one.clauses for one in consent_purposes(both).values()] == [("audit_log", "no-content")]


def test_consent_is_given_with_the_text_that_was_shown(everywhere: House) -> None:
    """Time, channel, text, its hash, and the version that was in force."""
    state = everywhere.consent(True)
    assert (state.given, state.current, state.offered) == (True, True, True)
    assert state.last is not None
    shown = state.last.shown
    assert shown is not None
    assert (shown.text, shown.version, len(shown.digest or "")) == (WORDS, 1, 64)
    assert (state.last.at, state.last.channel) == (START, "web")
    assert not everywhere.consents.state(BRUNO, "news").given
    assert not everywhere.consents.state(ANNA, "audit_log").given


def test_the_clauses_of_the_version_in_force_may_be_what_was_shown(house: House) -> None:
    """Then version and language say which text it was."""
    state = house.consent(True, "audit_log", version=1, language="en")
    assert state.last is not None
    assert state.last.shown is not None
    assert (state.last.shown.text, state.last.shown.version, state.last.shown.language) == (None, 1, "en")


@pytest.mark.parametrize("shown", [{"text": ""}, {"text": "  "}, {"version": 1}, {"language": "en"}])
def test_consent_without_the_text_is_refused(house: House, shown: dict[str, Any]) -> None:
    """Nothing is written: a consent to nobody knows what is none."""
    with pytest.raises(TextNotShown, match="without the text that was shown") as refused:
        house.consent(True, **shown)
    assert refused.value.status == 422
    assert house.count("consents") == 0


def test_a_text_of_another_version_or_language_is_refused(house: House) -> None:
    """Who was shown what is not in force has to be asked again."""
    house.publish(LOGS, WIDER_NEWS, AUDIT, weight=Weight.MATERIAL)
    with pytest.raises(Conflict, match="Version 2 is in force, not version 1"):
        house.consent(True, version=1, language="en")
    with pytest.raises(BadInput, match="not published in this language"):
        house.consent(True, version=2, language="fr")


def test_withdrawing_takes_no_more_than_a_channel(everywhere: House) -> None:
    """As easy as giving, and easier: no text. The history keeps both."""
    everywhere.consent(True)
    everywhere.clock.go(days=2)
    state = everywhere.consent(False)
    assert (state.given, state.current) == (False, False)
    assert [one.given for one in state.history] == [True, False]
    assert [one.shown is None for one in state.history] == [False, True]
    everywhere.consent(True)
    assert [one.given for one in everywhere.consents.state(ANNA, "news").history] == [True, False, True]


def test_saying_the_same_again_changes_nothing(house: House) -> None:
    """Given twice with one text, withdrawn twice: one turn each, one entry each. Withdrawing nothing is no turn."""
    assert house.consent(False).history == ()
    for given in (True, True, False, False):
        house.consent(given)
    assert len(house.consents.state(ANNA, "news").history) == 2
    assert len(house.entries("consent.given")) == len(house.entries("consent.withdrawn")) == 1


def test_another_text_is_a_consent_of_its_own(house: House) -> None:
    """What was shown last is what was agreed to last; both stay in the history."""
    house.consent(True)
    state = house.consent(True, text="Send me the newsletter and offers.")
    assert [one.shown.text for one in state.history if one.shown] == [WORDS, "Send me the newsletter and offers."]


def test_a_wider_purpose_is_not_covered_by_an_older_consent(house: House) -> None:
    """The policy wants more than was agreed to: still given, to the older text, and not current."""
    house.consent(True)
    house.publish(LOGS, WIDER_NEWS, AUDIT, weight=Weight.MATERIAL)
    state = house.consents.state(ANNA, "news")
    assert (state.given, state.current) == (True, False)
    assert state.last is not None
    assert state.last.shown is not None
    assert state.last.shown.version == 1
    assert house.consent(True).current


def test_other_words_and_a_narrower_purpose_keep_a_consent_current(house: House) -> None:
    """Consent does not expire, nor fall with a version that asks for no more."""
    house.publish(LOGS, WIDER_NEWS, AUDIT, weight=Weight.MATERIAL)
    house.consent(True)
    house.publish(LOGS, NEWS, AUDIT, words="Other words.", weight=Weight.MINOR)
    house.clock.go(days=2000)
    assert house.consents.state(ANNA, "news").current


def test_a_consent_to_what_the_policy_dropped_can_be_withdrawn_not_given(house: House) -> None:
    """The purpose is gone from the policy; the consent is not gone from the record."""
    house.consent(True)
    house.publish(LOGS, AUDIT, weight=Weight.MATERIAL)
    state = house.consents.state(ANNA, "news")
    assert (state.given, state.offered, state.current) == (True, False, False)
    with pytest.raises(Conflict, match="does not ask for this consent"):
        house.consent(True)
    assert not house.consent(False).given


def test_an_unknown_purpose_names_those_there_are(house: House) -> None:
    """And what was asked for is not repeated: it may be anything."""
    with pytest.raises(NotFound) as refused:
        house.consents.state(ANNA, "anna@example.com")
    assert str(refused.value).endswith("It has: news, audit_log.")
    assert "anna" not in str(refused.value)
    with pytest.raises(NotFound):
        house.consent(True, "billing")


def test_all_purposes_of_a_person_at_once(everywhere: House) -> None:
    """Those of the version in force, given or not, and those of older ones that the person consented to."""
    everywhere.consent(True)
    everywhere.publish(LOGS, AUDIT, weight=Weight.MATERIAL)
    found = {one.purpose: (one.offered, one.given) for one in everywhere.consents.states(ANNA)}
    assert found == {"audit_log": (True, False), "news": (False, True)}


def test_giving_and_withdrawing_at_once_leave_one_order(everywhere: House) -> None:
    """Every turn has its number, each once, given and withdrawn by turns; whoever collides looks again."""

    def turn(number: int) -> bool:
        try:
            return everywhere.consent(number % 2 == 0).given
        except Conflict:
            return False

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(turn, range(12)))
    history = everywhere.consents.state(ANNA, "news").history
    assert [one.given for one in history] == [number % 2 == 0 for number in range(len(history))]
    assert len(everywhere.entries("consent.given")) + len(everywhere.entries("consent.withdrawn")) == len(history)


def test_the_ledger_holds_the_consent_and_no_person(everywhere: House) -> None:
    """Purpose, version and row are named; person and text stand in the private part as hashes. The tree verifies."""
    everywhere.consent(True)
    everywhere.consent(False)
    assert [refs[1:] for refs in everywhere.entries("consent.given")] == [("purpose:news", "version:1")]
    with everywhere.database.read() as session:
        held = [entry.private for entry in everywhere.ledger.entries(session, ref="purpose:news")]
    assert len(held) == 2
    assert "usr_anna" not in str(held)
    assert WORDS not in str(held)
    everywhere.ledger.settle()
    assert everywhere.ledger.verify().ok


def test_a_text_that_many_people_saw_is_kept_once(house: House) -> None:
    """A million consents to one sentence hold one sentence."""
    house.consent(True)
    house.consents.record(
        NewConsent(subject=BRUNO, purpose="news", given=True, channel="app", text=WORDS), actor="tok_1"
    )
    assert house.count("consents") == 2
    assert house.count("consent_texts") == 1


def test_before_any_version_there_is_nothing_to_consent_to(tmp_path: Path) -> None:
    """Refused in words, as an unknown purpose."""
    with open_house(tmp_path) as house, pytest.raises(NotFound, match="It has none"):
        house.consents.state(ANNA, "news")


# never mixed


def test_accepting_the_policy_is_no_consent(house: House) -> None:
    """The whole policy, purposes and all, was accepted by an act: every purpose still stands at not given."""
    house.publish(LOGS, NEWS, AUDIT, EXPLICIT, weight=Weight.MATERIAL)
    house.accept(2)
    assert not any(one.given for one in house.consents.states(ANNA))
    assert house.count("consents") == 0
    assert house.entries("consent.given") == []


def test_consenting_to_everything_accepts_nothing(house: House) -> None:
    """The person is asked to accept the policy all the same."""
    house.publish(LOGS, NEWS, AUDIT, EXPLICIT, weight=Weight.MATERIAL)
    for purpose in ("news", "audit_log"):
        house.consent(True, purpose)
    question = house.acceptances.question(ANNA)
    assert (question.ask, question.accepted) == (True, None)
    assert house.count("acceptances") == 0


@pytest.mark.parametrize(("module", "others"), [("acceptances", "consents"), ("consents", "acceptances")])
def test_neither_module_knows_the_other(module: str, others: str) -> None:
    """No import and no table crosses: what is not reachable cannot be mixed."""
    tree = ast.parse((ROOT / "policies" / f"{module}.py").read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert f"policies.{others}" not in imported
    assert not named & ({"ConsentRow", "ConsentTextRow"} if module == "acceptances" else {"AcceptanceRow"})


def test_what_a_person_consented_to_can_be_read(house: House) -> None:
    """For an answer to the person: every turn with its text."""
    house.consent(True)
    house.consent(False)
    with house.database.read() as session:
        turns = house.consents.read_person(session, ANNA)
        assert [(one.purpose, one.given) for one in turns] == [("news", True), ("news", False)]
        assert turns[0].shown is not None
        assert turns[0].shown.text == WORDS
        assert house.consents.read_person(session, BRUNO) == ()


def test_a_purpose_of_a_planned_version_is_not_asked_for_yet(house: House) -> None:
    """Only what is in force can be consented to."""
    house.publish(LOGS, NEWS, AUDIT, NEWS.replace("news,", "more,"), weight=Weight.MATERIAL, day="2026-05-01")
    with pytest.raises(KeptError):
        house.consent(True, "more")
