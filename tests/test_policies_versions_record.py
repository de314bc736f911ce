"""What becomes of a published version: withdrawn, overruled, translated, raced for; and that nobody rewrites it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from threading import Barrier

import pytest
import sqlalchemy as sa
from alembic.command import upgrade as alembic_upgrade
from alembic.config import Config
from sqlalchemy.exc import DatabaseError

from core.database import Database
from core.errors import BadInput, CheckFailed, Conflict, KeptError, Unreachable
from core.migrations import SCRIPTS, upgrade
from policies.clauses import Channels, NoticeChannel
from policies.materiality import Weight
from policies.notices import NoticeTerms
from policies.version_tables import WRITTEN_ONCE, TranslationRow, VersionRow
from policies.version_words import say_verdict, say_when
from policies.versions import Overrule, PublishRefused, Version, VersionState
from tests.policy_house import (
    NOTICE,
    NOTICE_OF_BOTH,
    START,
    HandTelling,
    House,
    german,
    logs,
    publish,
    read,
    telling_house,
    ticked,
)
from tests.policy_texts import policy

ADDED = "{id: team, kind: safeguard, says: Access is logged, owner: security, review: P1Y}"
BY_MAIL = Channels(ways=(NoticeChannel.EMAIL,))

OLD_ROW = """INSERT INTO policy_versions (id, number, policy, text, digest, published_at, planned_for)
    VALUES (:id, :number, 'gateway', :text, :digest, '2026-02-01T00:00:00.000000Z', :planned)"""
OLD_EVENT = """INSERT INTO policy_events (id, number, kind, at, actor, entry)
    VALUES ('pev_1', 1, 'in_force', '2026-02-01T00:00:00.000000Z', 'system', 'ent_1')"""


@pytest.fixture
def house(tables_url: str) -> Iterator[House]:
    """A house in which somebody has to be told of every change that matters."""
    with telling_house(tables_url) as made:
        yield made


@pytest.fixture
def telling(house: House) -> HandTelling:
    """Who tells people there."""
    assert house.telling is not None
    return house.telling


# Withdrawing.


def test_a_planned_version_is_withdrawn_with_a_reason_and_the_telling_stops(house: House, telling: HandTelling) -> None:
    """It never comes into force; who was told is told; the ledger and the version say why."""
    publish(house, "P30D")
    publish(house, "P60D")
    telling.finish(2)
    gone = house.policies.withdraw(2, actor="opr_1", reason="The period was wrong.")
    assert (gone.state, gone.withdrawn_at, gone.withdrawn_because) == (
        VersionState.WITHDRAWN,
        START,
        "The period was wrong.",
    )
    assert gone.planned_for is None
    assert telling.withdrawn == [2]
    assert house.private(2, "policy.withdrawn")["reason"] == "The period was wrong."
    house.clock.go(days=100)
    assert ticked(house) == []
    assert house.current() == 1
    with house.database.read() as session:
        assert [version.number for version in house.policies.history(session)] == [1]
    assert say_when(gone) == "Withdrawn on Sunday, 1 March 2026: The period was wrong."


def test_a_withdrawn_text_is_published_again_under_a_new_number(house: House) -> None:
    """Its number is never used again; what is the same as the one before it gives that one."""
    publish(house, "P30D")
    publish(house, "P60D")
    house.policies.withdraw(2, actor="opr_1", reason="Not yet.")
    assert publish(house, "P30D").number == 1
    assert publish(house, "P60D").number == 3
    assert publish(house, "P60D").number == 3
    assert [version.state for version in house.all()] == [
        VersionState.IN_FORCE,
        VersionState.WITHDRAWN,
        VersionState.PLANNED,
    ]


def test_only_what_is_not_in_force_yet_can_be_withdrawn(house: House, telling: HandTelling) -> None:
    """In force, gone by, withdrawn already: each is refused in words, and nothing is written."""
    publish(house, "P30D")
    with pytest.raises(Conflict, match=r"Version 1 is in force since 2026-03-01 12:00 UTC\. Publish another version"):
        house.policies.withdraw(1, actor="opr_1", reason="No.")
    publish(house, "P60D")
    house.policies.withdraw(2, actor="opr_1", reason="No.")
    with pytest.raises(Conflict, match="Version 2 was withdrawn already"):
        house.policies.withdraw(2, actor="opr_1", reason="No.")
    publish(house, "P90D")
    telling.finish(3)
    house.clock.go(days=14)
    assert ticked(house) == [3]
    with pytest.raises(Conflict, match="Version 1 was in force"):
        house.policies.withdraw(1, actor="opr_1", reason="No.")
    with pytest.raises(BadInput, match="takes a reason"):
        house.policies.withdraw(3, actor="opr_1", reason="  ")
    assert telling.withdrawn == [2]


# Overruling.


def test_a_person_overrules_the_verdict_and_it_shows(house: House, telling: HandTelling) -> None:
    """What counts is their word; what the machine said, its reasons, who and why stand beside it and in the ledger."""
    publish(house, "P30D")
    word = Overrule(weight=Weight.EDITORIAL, reason="Only the test system logs.", by="opr_2")
    second = publish(house, "P60D", overrule=word)
    assert (second.weight, second.state) == (Weight.EDITORIAL, VersionState.IN_FORCE)
    assert second.overruled is not None
    assert (second.overruled.weight, second.overruled.reason, second.overruled.by) == (
        Weight.MATERIAL, "Only the test system logs.", "opr_2",
    )  # fmt: skip
    assert second.reasons
    assert telling.notices == []
    told = house.private(2, "policy.overruled")
    assert told == {"machine": "material", "weight": "editorial", "reason": "Only the test system logs."}
    assert say_verdict(second)[:2] == [
        "The change counts as editorial: Only the test system logs.",
        "By itself it is material:",
    ]


def test_to_overrule_takes_a_reason_a_difference_and_a_version_that_is_not_there_yet(house: House) -> None:
    """An empty reason, a first version, documents that are published with another verdict: refused in words."""
    with pytest.raises(BadInput, match="takes a reason"):
        Overrule(weight=Weight.MINOR, reason=" \n", by="opr_2")
    minor = Overrule(weight=Weight.MINOR, reason="It is so.", by="opr_2")
    with pytest.raises(BadInput, match="first version differs from nothing"):
        publish(house, "P30D", overrule=minor)
    publish(house, "P30D")
    publish(house, "P60D")
    with pytest.raises(Conflict, match=r"version 2, published as material\. A published version never changes"):
        publish(house, "P60D", overrule=minor)


def test_agreeing_with_the_verdict_overrules_nothing(house: House) -> None:
    """A job that always names a verdict leaves no entry when the machine says the same."""
    publish(house, "P30D")
    same = Overrule(weight=Weight.MATERIAL, reason="Sure.", by="opr_2")
    assert publish(house, "P60D", overrule=same).overruled is None
    assert publish(house, "P60D", overrule=same).number == 2
    assert house.entries(2) == ["policy.published"]


# Languages.


def test_a_version_in_two_languages_has_one_digest_over_both(house: House) -> None:
    """The ledger binds it; a text changed in either language is not served."""
    document = policy(logs("P30D"), NOTICE)
    first = house.policies.publish(document, translations=[german(document)], actor="opr_1")
    assert first.languages == ("en", "de")
    assert first.in_language("de-AT").title == "Datenschutz"
    assert first.in_language("fr") is first.document
    assert first.digest != document.digest
    bound = house.private(1, "policy.published")
    assert bound["digest"] == first.digest
    assert bound["documents"] == {"en": document.digest, "de": german(document).digest}
    assert house.policies.publish(document, translations=[german(document)], actor="opr_1").number == 1
    house.drop_triggers()
    with house.database.begin() as session:
        session.execute(sa.update(TranslationRow).values(text=german(policy(logs("P9D"), NOTICE)).text))
    house.open_again()
    with house.database.read() as session, pytest.raises(CheckFailed, match="version 1 is not the one"):
        house.policies.version(session, 1)


def test_a_language_that_comes_or_goes_is_a_version_with_a_reason(house: House) -> None:
    """The text of the original is the same, the version is not."""
    document = policy(logs("P30D"), NOTICE_OF_BOTH)
    house.policies.publish(document, actor="opr_1")
    second = house.policies.publish(document, translations=[german(document)], actor="opr_1")
    assert (second.number, second.weight) == (2, Weight.EDITORIAL)
    assert "The policy is published in German too." in second.reasons
    third = house.policies.publish(document, actor="opr_1")
    assert (third.number, third.weight) == (3, Weight.MINOR)
    assert "The policy is no longer published in German." in third.reasons


def test_a_translation_whose_clauses_differ_is_refused(house: House) -> None:
    """Every language promises the same."""
    with pytest.raises(PublishRefused, match="logs"):
        house.policies.publish(policy(logs("P30D")), translations=[german(policy(logs("P9D")))], actor="opr_1")
    with pytest.raises(PublishRefused, match="two documents are in 'en'"):
        house.policies.publish(policy(logs("P30D")), translations=[policy(logs("P30D"))], actor="opr_1")
    assert house.all() == []


# Nobody rewrites it.


@pytest.mark.parametrize("table", WRITTEN_ONCE)
@pytest.mark.parametrize("deed", ["UPDATE {} SET number = 9", "DELETE FROM {}"])
def test_what_is_published_cannot_be_changed_by_sql(house: House, table: str, deed: str) -> None:
    """Neither a version nor its translations nor its events, not even by whoever has the database open."""
    document = policy(logs("P30D"), NOTICE)
    house.policies.publish(document, translations=[german(document)], actor="opr_1")
    with pytest.raises(DatabaseError, match="written once"), house.database.engine.begin() as connection:
        connection.execute(sa.text(deed.format(table)))
    assert read(house, 1).languages == ("en", "de")


def test_a_text_and_its_digest_that_were_changed_together_are_not_served(house: House) -> None:
    """The digest stands in the ledger, under a checkpoint; the table alone proves nothing."""
    publish(house, "P30D")
    other = policy(logs("P300D"), NOTICE)
    house.drop_triggers()
    with house.database.begin() as session:
        session.execute(sa.update(VersionRow).values(text=other.text, digest=other.digest))
    house.open_again()
    with house.database.read() as session, pytest.raises(CheckFailed, match="not the one that the ledger says"):
        house.policies.in_force(session)


def test_what_cannot_be_told_is_not_published(house: House, telling: HandTelling) -> None:
    """Publishing and the beginning of the campaign are one transaction: nothing of either is left."""
    publish(house, "P30D")
    telling.is_out_of_order = True
    with pytest.raises(Unreachable):
        publish(house, "P60D")
    assert len(house.all()) == 1
    assert house.entries(2) == []


def test_a_version_published_before_there_were_verdicts_is_read_as_it_was(control_url: str) -> None:
    """The migration leaves rows alone: no verdict, nobody told, in force since the same instant, planned for the same."""
    database = Database(control_url)
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        alembic_upgrade(config, "0001")
    house = House(database)
    old, new = policy(logs("P30D"), NOTICE), policy(logs("P60D"), NOTICE)
    with database.begin() as session:
        for number, document in ((1, old), (2, new)):
            row = {"number": number, "text": document.text, "digest": document.digest}
            planned = "2026-03-20T00:00:00.000000Z" if number == 2 else "2026-02-01T00:00:00.000000Z"
            session.execute(sa.text(OLD_ROW), row | {"id": f"ver_{number}", "planned": planned})
            private = {"digest": document.digest, "policy": "gateway"}
            house.ledger.record(
                session, kind="policy.published", actor="system", refs=[f"version:{number}"], private=private
            )
        session.execute(sa.text(OLD_EVENT))
    upgrade(database)
    assert [(one.state, one.weight, one.terms, one.told_at is None) for one in house.all()] == [
        (VersionState.IN_FORCE, None, NoticeTerms(), True), (VersionState.PLANNED, None, NoticeTerms(), False),
    ]  # fmt: skip
    assert house.all()[1].planned_for == datetime(2026, 3, 20, tzinfo=UTC)
    house.clock.go(days=30)
    assert ticked(house) == [2]
    database.close()


def test_sqlite_does_not_let_a_version_be_replaced_either(tmp_path_factory: pytest.TempPathFactory) -> None:
    """INSERT OR REPLACE deletes without a delete trigger."""
    house = House(Database(f"sqlite:///{tmp_path_factory.mktemp('db') / 'kept.db'}"))
    house.make_tables()
    publish(house, "P30D")
    with pytest.raises(DatabaseError, match="written once"), house.database.engine.begin() as connection:
        connection.execute(sa.text("INSERT OR REPLACE INTO policy_versions SELECT * FROM policy_versions"))
    house.database.close()


# Two at once.


def at_once(*acts: Callable[[], object]) -> list[object]:
    """Do things in threads that start together; gives what each gave or raised."""
    start = Barrier(len(acts))

    def run(act: Callable[[], object]) -> object:
        start.wait(timeout=20)
        try:
            return act()
        except KeptError as error:
            return error

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_of_two_people_who_publish_at_once_one_is_told_of_the_other(house: House, telling: HandTelling) -> None:
    """Who was second judged a difference that is none any more: refused in words, and nothing of it is left."""
    publish(house, "P30D")

    def publish_after(seen: int, period: str) -> Version:
        return house.policies.publish(policy(logs(period), NOTICE), actor="opr_1", after=seen)

    for number in range(2, 6):
        results = at_once(
            *(partial(publish_after, number - 1, f"P{days}D") for days in (number * 100, number * 100 + 10))
        )
        conflicts = [one for one in results if isinstance(one, Conflict)]
        assert len(conflicts) == 1
        assert f"version {number} is the latest now" in str(conflicts[0])
        assert len(house.all()) == len(telling.notices) + 1 == number
        assert house.entries(number) == ["policy.published"]
        assert house.entries(number + 1) == []


def test_withdrawing_and_coming_into_force_at_once_is_one_of_the_two(house: House, telling: HandTelling) -> None:
    """A version is never both."""
    publish(house, "P30D")
    for number in range(2, 5):
        publish(house, f"P{number}00D")
        telling.finish(number)
        house.clock.go(days=15)
        withdraw = partial(house.policies.withdraw, number, actor="opr_1", reason="No.")
        at_once(house.policies.tick, withdraw)
        events = set(house.entries(number)) - {"policy.published"}
        assert events in ({"policy.in_force"}, {"policy.withdrawn"})
        assert (house.current() == number) == (events == {"policy.in_force"})


def test_a_page_reads_versions_in_a_handful_of_statements(house: House, telling: HandTelling) -> None:
    """However many versions there are: no statement for each, and no text read twice."""
    for number in range(1, 9):
        publish(house, f"P{number}D")
        telling.finish(number)
        house.clock.go(days=15)
        house.policies.tick()
    house.open_again()
    statements: list[str] = []
    sa.event.listen(house.database.engine, "before_cursor_execute", lambda *a: statements.append(str(a[2])))
    counts = []
    for _ in range(2):
        statements.clear()
        with house.database.read() as session:
            assert len(house.policies.versions(session)) == 8
            assert house.policies.in_force(session) is not None
            assert len(house.policies.history(session)) == 8
        counts.append(len(statements))
    assert counts[1] <= 8
    assert counts[0] <= counts[1] + 2 + 2 * 8  # once for a process: the texts, and what the ledger says of each
    assert not any("policy_versions.text" in one for one in statements)
