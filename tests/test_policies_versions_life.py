"""When a version takes effect: told of, in force when that is done, in its turn among those that are planned."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import BadInput
from policies.clauses import Channels, NoticeChannel
from policies.materiality import Weight
from policies.notices import Notice, NoticeTerms, notice_terms
from policies.periods import Period
from policies.version_words import say_when
from policies.versions import Overrule, VersionState
from tests.policy_house import (
    NOTICE,
    NOTICE_OF_BOTH,
    START,
    HandTelling,
    House,
    logs,
    publish,
    read,
    telling_house,
    ticked,
)
from tests.policy_texts import policy

ADDED = "{id: team, kind: safeguard, says: Access is logged, owner: security, review: P1Y}"
BY_MAIL = Channels(ways=(NoticeChannel.EMAIL,))


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


# When a version takes effect.


def test_the_first_version_has_no_difference_and_tells_nobody(house: House, telling: HandTelling) -> None:
    """There is nothing to be told of: no verdict, no campaign, in force at once."""
    first = publish(house, "P30D")
    assert (first.state, first.previous, first.weight, first.reasons) == (VersionState.IN_FORCE, None, None, ())
    assert first.terms == NoticeTerms()
    assert telling.notices == []


def test_a_material_change_is_told_in_the_transaction_that_publishes_it(house: House, telling: HandTelling) -> None:
    """The notice names both versions, the channels that the version in force promised, the reasons and who published."""
    publish(house, "P30D")
    second = publish(house, "P60D", notice=NOTICE_OF_BOTH)
    assert second.weight is Weight.MATERIAL
    assert telling.notices == [
        Notice(
            number=2, previous=1, channels=BY_MAIL, deadline=None, actor="opr_1", weight=Weight.MATERIAL,
            reasons=second.reasons, ahead=Period(days=14),
        )
    ]  # fmt: skip
    assert second.reasons


def test_without_a_day_it_takes_effect_ahead_after_the_last_was_told(house: House, telling: HandTelling) -> None:
    """However long the campaign takes, the last person has the time that was promised."""
    publish(house, "P30D")
    second = publish(house, "P60D")
    assert (second.told_at, second.planned_for) == (None, START + timedelta(days=14))
    house.clock.go(days=30)
    assert ticked(house) == []
    assert read(house, 2).planned_for == START + timedelta(days=44)
    telling.finish(2)
    house.clock.go(days=13, hours=23)
    assert ticked(house) == []
    assert read(house, 2).told_at == START + timedelta(days=30)
    house.clock.go(hours=1)
    assert ticked(house) == [2]
    assert read(house, 2).in_force_at == START + timedelta(days=44)


def test_a_day_holds_if_everyone_is_told_in_time_and_the_deadline_says_by_when(
    house: House, telling: HandTelling
) -> None:
    """Told by the day less `ahead`: in force on the day, not before, though everyone was told long ago."""
    publish(house, "P30D")
    second = publish(house, "P60D", day="2026-04-01")
    day = datetime(2026, 3, 31, 22, tzinfo=UTC)
    assert telling.notices[0].deadline == day - timedelta(days=14)
    house.clock.instant = day - timedelta(days=14)
    telling.finish(2)
    house.clock.instant = day - timedelta(seconds=1)
    assert ticked(house) == []
    house.clock.instant = day
    assert ticked(house) == [2]
    assert second.planned_for == day


def test_a_day_moves_when_the_campaign_ends_too_late_for_it(house: House, telling: HandTelling) -> None:
    """An hour late to tell is an hour late to take effect: nobody's notice is cut short."""
    publish(house, "P30D")
    publish(house, "P60D", day="2026-04-01")
    day = datetime(2026, 3, 31, 22, tzinfo=UTC)
    house.clock.instant = day - timedelta(days=14) + timedelta(hours=1)
    telling.finish(2)
    house.clock.instant = day
    assert ticked(house) == []
    assert read(house, 2).planned_for == day + timedelta(hours=1)
    house.clock.go(hours=1)
    assert ticked(house) == [2]


def test_a_minor_change_waits_for_its_telling_and_for_no_ahead(house: House, telling: HandTelling) -> None:
    """`minor` names the channels; `ahead` is promised for material changes only."""
    publish(house, "P30D", notice=NOTICE_OF_BOTH)
    minor = Overrule(weight=Weight.MINOR, reason="A new word for the same thing.", by="opr_2")
    second = publish(house, "P30D", ADDED, notice=NOTICE_OF_BOTH, overrule=minor)
    assert second.terms == NoticeTerms(channels=Channels(ways=(NoticeChannel.BANNER,)))
    assert (second.state, telling.notices[0].deadline, telling.notices[0].ahead) == (VersionState.PLANNED, None, None)
    telling.finish(2)
    assert ticked(house) == [2]


def test_an_editorial_change_is_told_nobody(house: House, telling: HandTelling) -> None:
    """Nothing that is promised has changed."""
    publish(house, "P30D", notice=NOTICE_OF_BOTH)
    same = policy(logs("P30D"), NOTICE_OF_BOTH, body='Now: {{ clause("logs").cite }}{{ clause("changes").cite }}')
    word = Overrule(weight=Weight.EDITORIAL, reason="One word.", by="opr_2")
    assert house.policies.publish(same, actor="opr_1", overrule=word).state is VersionState.IN_FORCE
    assert telling.notices == []


def test_without_a_notice_clause_a_material_change_is_posted_and_nothing_is_waited_for(
    house: House, telling: HandTelling
) -> None:
    """The law wants it said all the same; nobody was promised a time."""
    house.policies.publish(policy(logs("P30D")), actor="opr_1")
    second = house.policies.publish(policy(logs("P60D")), actor="opr_1")
    assert telling.notices[0].channels == Channels(ways=(NoticeChannel.POST,))
    assert second.state is VersionState.PLANNED
    telling.finish(2)
    assert ticked(house) == [2]


def test_the_notice_clause_that_binds_is_that_of_the_version_in_force(house: House) -> None:
    """Who shortens `ahead` to a day still owes the fourteen that were promised."""
    publish(house, "P30D")
    second = publish(house, "P60D", notice="{id: changes, kind: notice, material: [post], ahead: P1D}")
    assert second.terms == NoticeTerms(channels=BY_MAIL, ahead=Period(days=14))


def test_reaching_back_is_material_and_its_reason_stands_in_the_notice(house: House, telling: HandTelling) -> None:
    """It takes back what was promised for what is there already: whoever is concerned is told why."""
    publish(house, "P30D")
    back = logs("P60D").replace("then: delete", "then: delete, reaches_back: the tax office asks for it")
    house.policies.publish(policy(back, NOTICE), actor="opr_1")
    assert telling.notices[0].weight is Weight.MATERIAL
    assert any("the tax office asks for it" in reason for reason in telling.notices[0].reasons)


@pytest.mark.parametrize("kept", [(), (logs("P30D").replace("request_log", "trace"),)])
def test_dropping_a_period_is_material(house: House, kept: tuple[str, ...]) -> None:
    """What no clause holds any more may be kept for ever: the longest of all lengthenings."""
    house.policies.publish(policy(logs("P30D"), NOTICE), actor="opr_1")
    assert house.policies.publish(policy(*kept, NOTICE), actor="opr_1").weight is Weight.MATERIAL


def test_several_notice_clauses_all_bind() -> None:
    """Every way that any of them names, and the longest time ahead."""
    other = "{id: more, kind: notice, material: {any: [post, banner]}, ahead: P1M}"
    assert notice_terms(policy(NOTICE, other), Weight.MATERIAL) == NoticeTerms(
        channels=Channels(ways=(NoticeChannel.EMAIL, NoticeChannel.POST, NoticeChannel.BANNER)), ahead=Period(months=1)
    )
    assert notice_terms(policy(NOTICE, other), Weight.MINOR) == NoticeTerms()


@pytest.mark.parametrize("day", [datetime(2028, 3, 31, tzinfo=UTC), datetime(2027, 3, 1, tzinfo=UTC)])
@pytest.mark.parametrize("ahead", ["P1M", "P14D", "P1Y", "P1M2D", "PT12H"])
def test_the_deadline_is_the_last_instant_that_keeps_the_day(day: datetime, ahead: str) -> None:
    """At the deadline the day holds; a microsecond later it does not. At month ends too."""
    terms = NoticeTerms(channels=BY_MAIL, ahead=Period.parse(ahead))
    last = terms.tell_by(day)
    assert last is not None
    assert terms.takes_effect_at(day, last) == day
    assert terms.takes_effect_at(day, last + timedelta(microseconds=1)) > day


# Days that cannot be, and several versions that are planned.


def test_a_day_that_has_gone_by_is_refused_and_today_is_not(house: House) -> None:
    """Before midnight where the controller is; a first version too."""
    with pytest.raises(BadInput, match="not_before is 2026-02-28, and today is 2026-03-01"):
        publish(house, "P30D", day="2026-02-28")
    assert house.all() == []
    assert publish(house, "P30D", day="2026-03-01").in_force_at == START


def test_two_versions_planned_for_one_day_are_refused(house: House) -> None:
    """Which of them holds must not depend on their order."""
    publish(house, "P30D")
    publish(house, "P60D", day="2026-04-01")
    with pytest.raises(BadInput, match=r"Version 2 is planned for 2026-04-01 already\. Withdraw version 2"):
        publish(house, "P90D", day="2026-04-01")
    assert len(house.all()) == 2


def test_a_version_that_would_come_before_a_planned_one_is_refused(house: House) -> None:
    """It would end the other one's life unseen: a person withdraws that first, and whoever was told hears of it."""
    publish(house, "P30D")
    publish(house, "P60D", day="2026-05-01")
    with pytest.raises(
        BadInput, match="Version 2 is planned for 2026-05-01, and this one would take effect before it, on"
    ):
        publish(house, "P90D", day="2026-04-01")
    with pytest.raises(BadInput, match="on 2026-03-15"):
        publish(house, "P90D")
    house.policies.withdraw(2, actor="opr_1", reason="Another day.")
    assert publish(house, "P90D", day="2026-04-01").number == 3


def test_of_two_that_are_planned_each_has_its_day(house: House, telling: HandTelling) -> None:
    """The later day follows the earlier; each is in force in its turn, and the history has both."""
    publish(house, "P30D")
    publish(house, "P60D", day="2026-04-01")
    publish(house, "P90D", day="2026-05-01")
    for number in (2, 3):
        telling.finish(number)
    house.clock.go(days=40)
    assert ticked(house) == [2]
    house.clock.go(days=40)
    assert ticked(house) == [3]
    assert [version.superseded_at for version in house.all()] == [
        START + timedelta(days=40),
        START + timedelta(days=80),
        None,
    ]


def test_a_version_whose_telling_lasts_is_overtaken_and_its_campaign_stopped(
    house: House, telling: HandTelling
) -> None:
    """The later one is due while people are still told of the earlier: that one never comes, and they hear of it."""
    publish(house, "P30D")
    publish(house, "P60D", day="2026-04-01")
    publish(house, "P90D", day="2026-05-01")
    telling.finish(3)
    house.clock.go(days=70)
    assert ticked(house) == [3]
    assert telling.withdrawn == [2]
    telling.finish(2)
    house.clock.go(days=70)
    assert ticked(house) == []
    assert read(house, 2).state is VersionState.OVERTAKEN
    assert house.entries(2) == ["policy.overtaken", "policy.published"]
    assert say_when(read(house, 2)) == "A later version came into force before it; it never will."


def test_what_follows_a_planned_version_is_weighed_against_that_too(house: House, telling: HandTelling) -> None:
    """Back to what is in force is no change, unless the planned version comes first: then it is one, and is told."""
    publish(house, "P30D")
    publish(house, "P10D", day="2026-04-01")
    third = publish(house, "P30D", day="2026-05-01")
    assert third.weight is Weight.MATERIAL
    assert third.previous == 1
    assert all(reason.startswith("Against version 2, which is planned: ") for reason in third.reasons)
    assert [notice.number for notice in telling.notices] == [3]
