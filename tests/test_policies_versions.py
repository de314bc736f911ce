"""Publishing: numbered, unchanged, recorded, in force when what was promised about notice allows it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from core.database import Database
from core.errors import BadInput, CheckFailed, Conflict, KeptError, NotFound
from policies.cutoffs import bounds
from policies.documents import parse_document
from policies.version_tables import VersionRow
from policies.versions import PublishRefused, VersionState
from tests.policy_house import NOTICE, START, House, logs
from tests.policy_texts import logs_for, policy


@pytest.fixture
def house(tables_url: str) -> Iterator[House]:
    database = Database(tables_url)
    yield House(database)
    database.close()


def test_the_first_version_is_in_force_at_once_and_recorded(house: House) -> None:
    """Publishing and coming into force are two entries of the ledger, with the digest in their private part."""
    document = logs_for("P30D")
    version = house.policies.publish(document, actor="opr_1")
    assert (version.number, version.state, version.in_force_at) == (1, VersionState.IN_FORCE, START)
    assert version.planned_for is None
    assert house.entries(1) == ["policy.in_force", "policy.published"]
    with house.database.read() as session:
        held = [entry.private for entry in house.ledger.entries(session, ref="version:1")]
    assert all(private and private["digest"] == document.digest for private in held)


def test_publishing_the_same_text_again_changes_nothing(house: House) -> None:
    """The same document is the same version, however often."""
    for _ in range(3):
        assert house.policies.publish(logs_for("P30D"), actor="opr_1").number == 1
    assert len(house.all()) == 1
    assert house.entries(1) == ["policy.in_force", "policy.published"]


def test_what_lint_refuses_is_not_published(house: House) -> None:
    """A version cannot say what no clause holds."""
    with pytest.raises(PublishRefused, match="No clause holds '90 days'"):
        house.policies.publish(policy(logs("P30D"), body='{{ clause("logs").for }} or 90 days'), actor="opr_1")
    assert house.all() == []
    assert house.current() is None


def test_a_first_version_waits_for_its_day(house: House) -> None:
    """`not_before` is midnight where the controller is; tick puts the version in force then, once."""
    planned = house.policies.publish(policy(logs("P30D"), extra="not_before: 2026-03-10"), actor="opr_1")
    assert (planned.state, planned.planned_for) == (VersionState.PLANNED, datetime(2026, 3, 9, 23, tzinfo=UTC))
    assert house.policies.tick() == []
    house.clock.go(days=9)
    assert [version.number for version in house.policies.tick()] == [1]
    assert house.policies.tick() == []
    assert house.current() == 1
    assert house.current(at=START) is None


def test_a_change_that_matters_waits_for_the_notice_that_was_promised(house: House) -> None:
    """Version 1 promised 14 days: version 2 is in force 14 days after it was published, and not before."""
    house.policies.publish(policy(logs("P30D"), NOTICE), actor="opr_1")
    house.clock.go(days=1)
    second = house.policies.publish(policy(logs("P60D"), NOTICE), actor="opr_1")
    assert second.planned_for == START + timedelta(days=15)
    house.clock.go(days=13, hours=23)
    assert house.policies.tick() == []
    assert house.current() == 1
    house.clock.go(hours=1)
    assert [version.number for version in house.policies.tick()] == [2]
    assert [version.state for version in house.all()] == [VersionState.SUPERSEDED, VersionState.IN_FORCE]
    assert house.current(at=START + timedelta(days=14)) == 1


def test_a_day_before_the_promised_notice_is_refused(house: House) -> None:
    """The refusal names the day, the promise and the earliest day."""
    house.policies.publish(policy(logs("P30D"), NOTICE), actor="opr_1")
    with pytest.raises(BadInput, match="not_before is 2026-03-10, and version 1 promises notice 14 days ahead"):
        house.policies.publish(policy(logs("P60D"), NOTICE, extra="not_before: 2026-03-10"), actor="opr_1")
    later = house.policies.publish(policy(logs("P60D"), NOTICE, extra="not_before: 2026-04-01"), actor="opr_1")
    assert later.planned_for == datetime(2026, 3, 31, 22, tzinfo=UTC)


def test_other_words_and_a_policy_without_notice_are_in_force_at_once(house: House) -> None:
    """Prose alone changes no promise; without a notice clause nothing was promised."""
    first = policy(logs("P30D"), NOTICE)
    house.policies.publish(first, actor="opr_1")
    worded = policy(logs("P30D"), NOTICE, body='{{ clause("logs").for }}{{ clause("changes").cite }} New words.')
    assert house.policies.publish(worded, actor="opr_1").state is VersionState.IN_FORCE


def test_a_version_that_is_overtaken_never_comes_into_force(house: House) -> None:
    """Of the versions that are due, only the latest does; the history has no gap and no version twice."""
    house.policies.publish(policy(logs("P30D"), NOTICE), actor="opr_1")
    house.policies.publish(policy(logs("P60D"), NOTICE), actor="opr_1")
    house.policies.publish(policy(logs("P90D"), NOTICE), actor="opr_1")
    house.clock.go(days=30)
    assert [version.number for version in house.policies.tick()] == [3]
    assert house.policies.tick() == []
    with house.database.read() as session:
        history = house.policies.history(session)
    assert [version.number for version in history] == [1, 3]
    overtaken = house.all()[1]
    assert (overtaken.state, overtaken.in_force_at, overtaken.planned_for) == (VersionState.OVERTAKEN, None, None)


def test_the_history_is_what_cutoffs_are_reckoned_over(house: House) -> None:
    """A version longer than the last does not lengthen what was promised before."""
    house.policies.publish(logs_for("P10D"), actor="opr_1")
    house.clock.go(days=100)
    house.policies.publish(logs_for("P30D"), actor="opr_1")
    house.clock.go(days=15)
    with house.database.read() as session:
        cutoff = bounds(house.policies.history(session), "logs", house.clock.now())
    assert cutoff.bounds[0].record_before == START + timedelta(days=100)


def test_another_policys_name_is_refused(house: House) -> None:
    """One installation holds one policy."""
    house.policies.publish(logs_for("P30D"), actor="opr_1")
    other = logs_for("P10D").text.replace("policy: gateway", "policy: other")
    with pytest.raises(BadInput, match="policy here is 'gateway'"):
        house.policies.publish(parse_document(other, "p.md"), actor="opr_1")


def test_a_text_that_was_changed_in_the_database_is_not_served(house: House) -> None:
    """The digest that was published and the text that is stored must agree."""
    house.policies.publish(logs_for("P30D"), actor="opr_1")
    house.drop_triggers()
    with house.database.begin() as session:
        session.execute(sa.update(VersionRow).values(text=logs_for("P90D").text))
    assert house.current() == 1  # what this process read before it was changed
    house.open_again()
    with house.database.read() as session, pytest.raises(CheckFailed, match="version 1 is not the one"):
        house.policies.in_force(session)


def test_a_version_that_is_not_there_is_named(house: House) -> None:
    """Asking for version 7 of nothing says so."""
    with house.database.read() as session, pytest.raises(NotFound, match="no version 7"):
        house.policies.version(session, 7)


def test_the_same_document_published_twice_at_once_is_one_version(house: House) -> None:
    """Both get the same version; nothing is recorded twice."""
    document = logs_for("P30D")
    with ThreadPoolExecutor(4) as pool:
        numbers = [
            run.result().number
            for run in [pool.submit(house.policies.publish, document, actor="opr_1") for _ in range(4)]
        ]
    assert numbers == [1, 1, 1, 1]
    assert house.entries(1) == ["policy.in_force", "policy.published"]


def test_two_documents_published_at_once_are_two_versions_or_one_conflict(house: House) -> None:
    """Nobody's document is lost silently: each is a version, or its author is told."""
    house.policies.publish(logs_for("P30D"), actor="opr_1")

    def publish(period: str) -> int | KeptError:
        try:
            return house.policies.publish(logs_for(period), actor="opr_1").number
        except Conflict as conflict:
            return conflict

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(publish, ["P1D", "P2D", "P3D", "P4D"]))
    numbers = sorted(result for result in results if isinstance(result, int))
    assert numbers == list(range(2, 2 + len(numbers)))
    assert numbers
    assert len(house.all()) == 1 + len(numbers)


def test_two_ticks_at_once_put_a_version_in_force_once(house: House) -> None:
    """The event is unique, so two schedulers make one."""
    house.policies.publish(policy(logs("P30D"), extra="not_before: 2026-03-10"), actor="opr_1")
    house.clock.go(days=30)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: house.policies.tick(), range(4)))
    assert sum(len(versions) for versions in done) == 1
    assert house.entries(1) == ["policy.in_force", "policy.published"]
