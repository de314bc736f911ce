"""The clock of a request: the table of the law, the policy's own promise, pauses and extensions."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput, NotFound
from policies.authorities import authority_for
from policies.clauses import Answer, Right
from policies.periods import Period
from policies.reckoning import Fee, Pause, Reckoning, is_working_day, reckon
from policies.regimes import Question, all_regimes, regime, regime_of_place

THIRTY = Period(days=30)


def day(text: str) -> date:
    return date.fromisoformat(text)


def at(text: str, **more: Any) -> Reckoning:
    received = datetime.fromisoformat(f"{text}T10:00:00+00:00")
    given: dict[str, Any] = {"regime": "gdpr", "right": "access", "within": Answer.BY_LAW, "zone": "Europe/Berlin"}
    return reckon(received=received, **(given | {"country": "DE"} | more))


@pytest.mark.parametrize(
    ("received", "more", "due"),
    [
        ("2026-03-05", {}, "2026-04-07"),
        ("2026-03-05", {"extended": True}, "2026-06-05"),
        ("2026-08-31", {}, "2026-09-30"),
        ("2026-01-31", {}, "2026-03-02"),
        ("2026-01-31", {"extended": True}, "2026-04-30"),
        ("2026-07-01", {"regime": "ccpa"}, "2026-08-15"),
        ("2026-07-01", {"regime": "ccpa", "extended": True}, "2026-09-29"),
        ("2026-07-01", {"regime": "ccpa", "right": "opt_out"}, "2026-07-23"),
        ("2026-07-01", {"regime": "lgpd"}, "2026-07-16"),
        ("2026-07-01", {"regime": "pipeda", "extended": True}, "2026-08-30"),
        ("2026-07-01", {"regime": "taiwan"}, "2026-07-16"),
        ("2026-07-01", {"regime": "taiwan", "right": "deletion"}, "2026-07-31"),
        ("2026-07-01", {"regime": "virginia", "right": "appeal"}, "2026-08-30"),
        ("2026-07-01", {"right": "withdraw_consent"}, "2026-07-01"),
    ],
)
def test_the_law_sets_the_day(received: str, more: dict[str, Any], due: str) -> None:
    """The table of the law: each regime counts, rolls and extends in its own way."""
    assert at(received, **more).due == day(due)


def test_california_wants_receipt_confirmed_in_ten_business_days() -> None:
    """3 July 2026 is a day off in California, whatever country the controller is in."""
    for country in ("US", "DE", None):
        assert at("2026-07-01", regime="ccpa", country=country).acknowledge_by == day("2026-07-16")


def test_an_extension_must_be_told_inside_the_first_period() -> None:
    """extend_by is the day the answer would have been due without an extension."""
    extended = at("2026-03-05", extended=True)
    assert (extended.extend_by, extended.due) == (day("2026-04-07"), day("2026-06-05"))
    assert at("2026-07-01", regime="quebec").extend_by is None


def test_the_earlier_of_promise_and_law_is_due() -> None:
    """30 days from 1 January are before one month, 30 days from 1 February after it; a promise is not rolled."""
    early = at("2026-01-01", within=THIRTY)
    assert early.due == day("2026-01-31")
    assert not is_working_day(early.due, "DE", None)
    late = at("2026-02-01", within=THIRTY, country=None)
    assert late.due == day("2026-03-02")
    words = [(line.words, line.binds) for line in early.lines]
    assert words == [
        ("Received", True),
        ("One month: GDPR Art. 12(3)", False),
        ("Sunday, so the next working day", False),
        ("The policy promises 30 days", True),
        ("Due", True),
    ]
    assert ("The policy promises 30 days", False) in [(line.words, line.binds) for line in late.lines]


def test_a_pause_moves_the_law_and_the_promise_by_the_same_days() -> None:
    """Only where the regime allows it, and overlapping pauses count once; then the law's day rolls."""
    pauses = [
        Pause(start=day("2026-03-10"), end=day("2026-03-13")),
        Pause(start=day("2026-03-12"), end=day("2026-03-15")),
    ]
    assert at("2026-03-05", pauses=pauses).due == day("2026-04-10")
    assert at("2026-03-05", within=THIRTY, pauses=pauses).due == day("2026-04-09")
    assert at("2026-03-05", within=THIRTY, pauses=pauses, firm=True).due == day("2026-04-04")
    assert at("2026-07-01", regime="ccpa", pauses=pauses).due == day("2026-08-15")


def test_an_open_pause_counts_up_to_today() -> None:
    """While an answer is awaited, the due date moves with the day it is asked for."""
    pauses = [Pause(start=day("2026-03-10"))]
    assert at("2026-03-05", pauses=pauses, today=day("2026-03-20")).due == day("2026-04-15")
    assert at("2026-03-05", pauses=pauses).due == day("2026-04-07")


def test_an_extension_replaces_the_promise_unless_it_is_firm() -> None:
    """Extended: the regime's date alone is due; a firm promise stands."""
    assert at("2026-03-05", within=THIRTY, extended=True).due == day("2026-06-05")
    assert at("2026-03-05", within=THIRTY, extended=True, firm=True).due == day("2026-04-04")


def test_in_the_uk_the_clock_starts_when_identity_is_shown() -> None:
    """The later of receipt and identity begins the month; in the EU it does not."""
    assert at("2026-03-05", regime="uk_gdpr", country="GB", identity=day("2026-03-12")).due == day("2026-04-13")
    assert at("2026-03-05", identity=day("2026-03-12")).due == day("2026-04-07")


def test_an_unknown_regime_takes_the_earliest_of_the_policys() -> None:
    """Until an operator sets one, nobody waits longer than under the strictest of the listed laws."""
    found = at("2026-07-01", regime=None, candidates=["gdpr", "ccpa", "lgpd"])
    assert (found.due, found.regime) == (day("2026-07-16"), "lgpd")
    assert found.acknowledge_by == day("2026-07-16")
    assert {line.words for line in found.lines if not line.binds} == {"GDPR would be later", "CCPA would be later"}
    asked = [Pause(start=day("2026-07-02"))]
    assert at("2026-07-01", regime=None, candidates=["gdpr"], pauses=asked, today=day("2026-07-04")).stands
    assert not at("2026-07-01", regime=None, candidates=["gdpr", "lgpd"], pauses=asked).stands
    extended = at("2026-07-01", regime=None, candidates=["lgpd", "swiss", "gdpr"], extended=True)
    assert extended.due == day("2026-07-16")


def test_the_day_of_receipt_is_that_of_the_controllers_zone() -> None:
    """23:30 UTC is the next day in Berlin."""
    night = datetime(2026, 3, 4, 23, 30, tzinfo=UTC)
    found = reckon(regime="gdpr", right="access", within=None, received=night, zone="Europe/Berlin", country="DE")
    assert found.lines[0].day == day("2026-03-05")


def test_what_the_law_does_not_allow_is_refused() -> None:
    """No extension where there is none; none without a date where there is no limit; no regime, no guess."""
    with pytest.raises(BadInput, match="allows no extension"):
        at("2026-07-01", regime="lgpd", extended=True)
    with pytest.raises(BadInput, match="no limit"):
        at("2026-07-01", regime="swiss", extended=True)
    assert at("2026-07-01", regime="swiss", extended=True, extended_to=day("2026-10-01")).due == day("2026-10-01")
    with pytest.raises(BadInput):
        at("2026-07-01", regime=None)
    with pytest.raises(NotFound, match="gdpr"):
        at("2026-07-01", regime="narnia")


def test_what_was_not_read_in_a_source_is_marked() -> None:
    """A row from memory makes the reckoning unverified, so that a person looks."""
    assert at("2026-03-05").verified
    assert not at("2026-03-05", pauses=[Pause(start=day("2026-03-10"), end=day("2026-03-11"))]).verified
    assert not at("2026-03-05", regime="colorado").verified


@pytest.mark.parametrize("name", list(all_regimes()))
@pytest.mark.parametrize("right", list(Right))
def test_every_regime_has_a_clock_for_every_right(name: str, right: Right) -> None:
    """No request is without a due date, and each line says where it comes from."""
    found = at("2028-01-03", regime=name, right=right)
    assert found.due >= day("2028-01-03")
    assert all(line.words for line in found.lines)
    assert regime(name).row(right, day("2028-01-03")).cite


@given(
    received=st.dates(date(2021, 1, 1), date(2035, 1, 1)),
    name=st.sampled_from(list(all_regimes())),
    days=st.integers(1, 90),
    asked=st.integers(0, 20),
    waited=st.integers(0, 30),
)
def test_a_promise_never_makes_an_answer_later(received: date, name: str, days: int, asked: int, waited: int) -> None:
    """With a promise of its own a policy is bound to the same day as the law, or an earlier one; a pause never hurries."""
    start = received + timedelta(days=asked)
    pauses = [Pause(start=start, end=start + timedelta(days=waited))]
    law = at(received.isoformat(), regime=name, pauses=pauses)
    both = at(received.isoformat(), regime=name, within=Period(days=days), pauses=pauses)
    assert both.due <= law.due
    assert law.due >= at(received.isoformat(), regime=name).due


def test_a_place_gives_its_regime_where_the_policy_lists_it() -> None:
    """A state's law goes before its country's; a law that is not listed is not applied."""
    assert regime_of_place("DE", None, ["gdpr", "ccpa"]) == "gdpr"
    assert regime_of_place("US", "CA", ["gdpr", "ccpa"]) == "ccpa"
    assert regime_of_place("US", "TX", ["gdpr", "ccpa"]) is None
    assert regime_of_place("CA", "QC", ["pipeda", "quebec"]) == "quebec"
    assert regime_of_place(None, None, ["gdpr"]) is None


def test_each_country_of_the_gdpr_has_an_authority_to_complain_to() -> None:
    """A refusal can name the authority, with an address; a part of a country has its own where there is one."""
    for country in regime("gdpr").places:
        found = authority_for(country)
        assert found is not None, country
        assert found.address
    bavaria, germany, swiss = authority_for("DE", "BY"), authority_for("DE"), authority_for("CH")
    assert bavaria is not None
    assert bavaria.slug == "debaylda"
    assert germany is not None
    assert germany.slug == "debfdi"
    assert swiss is not None
    assert swiss.countries[0] == "CH"
    assert authority_for("US", "CA") is None


def test_a_question_stops_a_clock_only_where_the_law_knows_it_and_in_time() -> None:
    """Who somebody is stops the clock of the EU, begins that of the UK, and does nothing in California; asked weeks later
    it stops none. What `kept due` is told was a pause is one."""
    identity: dict[str, Any] = {"about": Question.IDENTITY, "start": day("2026-03-10"), "end": day("2026-03-13")}
    assert at("2026-03-05", pauses=[Pause(**identity)]).due == day("2026-04-08")
    assert at("2026-03-05", regime="uk_gdpr", country="GB", pauses=[Pause(**identity)]).due == day("2026-04-13")
    assert at("2026-07-01", regime="ccpa", pauses=[Pause(start=day("2026-07-02"))]).due == day("2026-08-15")
    late: dict[str, Any] = {"start": day("2026-03-25"), "end": day("2026-03-30")}
    assert at("2026-03-05", pauses=[Pause(**late)]).due == day("2026-04-07")
    assert at("2026-03-05", pauses=[Pause(**late, prompt=True)]).due == day("2026-04-10")


def test_an_extension_counts_where_it_was_told_in_time() -> None:
    """By its day it is judged under whatever law the request is under; one that is told late, or where there is none, moves
    nothing and is no error."""
    assert at("2026-03-05", extended_on=day("2026-04-07")).due == day("2026-06-05")
    assert at("2026-03-05", extended_on=day("2026-04-08")).due == day("2026-04-07")
    assert at("2026-03-05", regime="quebec", extended_on=day("2026-03-06")).due == day("2026-04-04")
    assert at("2026-03-05", regime="swiss", extended_on=day("2026-03-06")).due == day("2026-04-04")
    told = {"extended_on": day("2026-03-06"), "extended_to": day("2026-05-04")}
    assert at("2026-03-05", regime="swiss", **told).due == day("2026-05-04")


def test_in_the_uk_the_clock_begins_with_the_payment_of_a_fee() -> None:
    """The latest of receipt, identity and payment; one that was announced after the first day holds up nothing."""
    uk: dict[str, Any] = {"regime": "uk_gdpr", "country": "GB"}
    paid = Fee(asked=day("2026-03-09"), paid=day("2026-03-16"))
    assert at("2026-03-05", fee=paid, **uk).due == day("2026-04-16")
    assert at("2026-03-05", fee=Fee(asked=day("2026-03-09")), today=day("2026-03-20"), **uk).due == day("2026-04-20")
    assert at("2026-03-05", fee=Fee(asked=day("2026-04-09")), today=day("2026-04-20"), **uk).due == day("2026-04-06")
    assert at("2026-03-05", fee=paid).due == day("2026-04-07")


SPANS = st.tuples(st.integers(0, 60), st.one_of(st.none(), st.integers(0, 60)), st.sampled_from(Question))
EVENTS = st.fixed_dictionaries(
    {
        "regime": st.sampled_from(list(all_regimes())),
        "right": st.sampled_from(["access", "deletion", "opt_out", "appeal"]),
        "received": st.dates(date(2021, 1, 1), date(2034, 1, 1)),
        "identity": st.one_of(st.none(), st.integers(0, 30)),
        "questions": st.lists(SPANS, max_size=3),
        "fee": st.one_of(st.none(), st.tuples(st.integers(0, 40), st.one_of(st.none(), st.integers(0, 30)))),
        "extended": st.one_of(st.none(), st.integers(0, 120)),
        "promise": st.one_of(st.none(), st.integers(1, 90)),
        "firm": st.booleans(),
        "today": st.integers(0, 150),
    }
)


def reckoned(case: dict[str, Any], **more: Any) -> Reckoning:
    """A case of the strategies, reckoned; its numbers are days after receipt."""
    first: date = case["received"]

    def after(days: int | None, start: date = first) -> date | None:
        return None if days is None else start + timedelta(days=days)

    pauses = [Pause(start=begun, end=after(lasts, begun), about=about) for asked, lasts, about in case["questions"]
              if (begun := first + timedelta(days=asked))]  # fmt: skip
    fee = case["fee"] and Fee(
        asked=(asked := first + timedelta(days=case["fee"][0])), paid=after(case["fee"][1], asked)
    )
    given: dict[str, Any] = {
        "regime": case["regime"], "right": case["right"], "identity": after(case["identity"]), "pauses": pauses,
        "fee": fee, "extended_on": after(case["extended"]), "extended_to": after(case["extended"] and case["extended"] + 90),
        "within": Period(days=case["promise"]) if case["promise"] else Answer.BY_LAW, "firm": case["firm"],
        "today": after(case["today"]),
    }  # fmt: skip
    return at(first.isoformat(), **(given | more))


@given(case=EVENTS)
def test_the_same_events_give_the_same_day_and_never_a_later_one_than_the_law(case: dict[str, Any]) -> None:
    """A pure function: nothing but the events is looked at, in whatever order they are given; a policy's own promise can
    only make it earlier, and the day that is due is one that the reckoning's lines give and that binds."""
    found = reckoned(case)
    turned = case | {"questions": case["questions"][::-1]}
    assert (found.due, found.extend_by, found.stands) == (
        reckoned(turned).due, reckoned(turned).extend_by, reckoned(turned).stands,
    )  # fmt: skip
    assert found.due <= reckoned(case, within=Answer.BY_LAW).due
    assert found.due in [line.day for line in found.lines if line.binds]
    assert found.due >= case["received"]


@given(case=EVENTS, asked=st.integers(0, 60), waited=st.integers(0, 40))
def test_no_question_and_no_extension_hurries_an_answer(case: dict[str, Any], asked: int, waited: int) -> None:
    """One more question moves the day by no more than its days and the roll, or leaves it; in California it leaves it. An
    extension never gives an earlier day."""
    one = case | {"questions": case["questions"][:1], "extended": None}
    more = one | {"questions": [*one["questions"], (asked, waited, Question.CLARIFICATION)]}
    moved = (reckoned(more).due - reckoned(one).due).days
    assert moved >= 0
    assert one["regime"] != "ccpa" or not moved
    for told in (1, 20, 200):
        assert reckoned(one | {"extended": told}).due >= reckoned(one).due
