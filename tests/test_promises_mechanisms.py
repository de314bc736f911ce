"""Every kind of clause gets its state by a mechanism, and somebody's word counts where no machine sees, until its day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from policies.clauses import (
    CLAUSE_TYPES,
    ChannelClause,
    Channels,
    Clause,
    CookieClause,
    NoticeChannel,
    NoticeClause,
    PledgeClause,
    RecipientClause,
    Role,
)
from policies.notices import NoticeTerms
from policies.periods import Period
from promises.mechanisms import (
    AcceptanceEvidence,
    ChannelEvidence,
    HandledEvidence,
    NoticeEvidence,
    PurposeEvidence,
    ToldVersion,
    judge_acceptance,
    judge_age,
    judge_channel,
    judge_complaint,
    judge_notice,
    judge_processor,
    judge_purpose,
)
from promises.states import CookieEvidence, Judgement, State, Unseen, judge_cookie
from promises.vouching import Vouched, judge_vouched, may_be_vouched, promise_of, settle

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
INBOX = ChannelClause(id="inbox", email="privacy@kept.example")
CHANGES = NoticeClause(id="changes", material=Channels(ways=(NoticeChannel.EMAIL,)), ahead=Period(days=14))
PLEDGE = PledgeClause(id="no-sale", says="personal data is not sold", review=Period(months=12), owner="legal")


def state(judged: Judgement | Unseen) -> State | None:
    return judged.state if isinstance(judged, Judgement) else None


def heard(ago: timedelta | None, **more: Any) -> ChannelEvidence:
    return ChannelEvidence(checked_at=NOW, heard_at=None if ago is None else NOW - ago, **more)


@pytest.mark.parametrize(
    ("clause", "found", "wanted", "words"),
    [
        (INBOX, heard(MINUTE), State.KEPT, "No letter waits."),
        (INBOX, heard(14 * MINUTE), State.KEPT, "No letter waits."),
        (INBOX, heard(15 * MINUTE, trouble="No route to host."), State.BROKEN, "No route to host."),
        (INBOX, heard(None), State.BROKEN, "never read"),
        (INBOX, heard(MINUTE, waiting=3), State.DUE, "3\u00a0letters wait"),
        (INBOX, heard(MINUTE, waiting=3, late=1), State.BROKEN, "past the day"),
        (INBOX, heard(MINUTE, unread_since=NOW - 16 * MINUTE), State.BROKEN, "has lain unread"),
        (INBOX, None, None, "No mailbox is read"),
        (ChannelClause(id="desk", phone="+49 30 1"), heard(MINUTE), None, "No machine hears"),
    ],
)
def test_a_channel_is_kept_while_its_mailbox_is_read(
    clause: ChannelClause, found: ChannelEvidence | None, wanted: State | None, words: str
) -> None:
    """Fifteen minutes of silence break it; without a mailbox a person has to vouch, and the board says what to do."""
    judged = judge_channel(clause, found, now=NOW)
    assert state(judged) is wanted
    assert words in (judged.proof if isinstance(judged, Judgement) else judged.why)


def told(**more: Any) -> ToldVersion:
    usual: dict[str, Any] = {
        "number": 2, "terms": NoticeTerms(channels=CHANGES.material, ahead=CHANGES.ahead), "in_force_at": NOW - DAY,
        "begun": True, "completed_at": NOW - 20 * DAY, "told": 90, "bounced": 2,
    }  # fmt: skip
    return ToldVersion(**usual | more)


@pytest.mark.parametrize(
    ("versions", "reach", "wanted", "words"),
    [
        ((), 1, State.KEPT, "No change had to be told"),
        ((), 0, State.BROKEN, "addresses to write to"),
        ((told(),), 1, State.KEPT, "90\u00a0people told, 2 bounced"),
        ((told(begun=False),), 1, State.BROKEN, "Nobody was told of version 2"),
        ((told(completed_at=None),), 1, State.BROKEN, "not everyone was told"),
        ((told(completed_at=NOW - 10 * DAY),), 1, State.BROKEN, "less than 14 days after"),
        ((told(in_force_at=None, completed_at=None, told=5, to_tell=7, bounced=0),), 1, State.DUE, "5 of 12 told"),
    ],
)
def test_a_notice_is_kept_by_campaigns_that_were_whole_and_early_enough(
    versions: tuple[ToldVersion, ...], reach: int, wanted: State, words: str
) -> None:
    """Nobody told, not everyone, or too short before: broken. While people are being told it is due."""
    judged = judge_notice(CHANGES, NoticeEvidence(checked_at=NOW, versions=versions, reach=reach))
    assert judged.state is wanted
    assert words in judged.proof
    any_way = NoticeClause(
        id="changes", material=Channels(ways=(NoticeChannel.EMAIL, NoticeChannel.BANNER), any_of=True)
    )
    if not versions:
        assert judge_notice(any_way, NoticeEvidence(checked_at=NOW, versions=(), reach=0)).state is State.KEPT


def test_the_rest_of_the_kinds_follow_their_evidence() -> None:
    """Acceptances that come, copies and mails with a purpose, requests passed on or of minors, an authority to name."""

    def accepted(recorded: int, since: timedelta) -> State | None:
        found = AcceptanceEvidence(
            checked_at=NOW, version=3, since=NOW - since, recorded=recorded, last_at=NOW - DAY if recorded else None
        )
        return state(judge_acceptance(found, now=NOW))

    assert [accepted(4, 90 * DAY), accepted(0, DAY), accepted(0, 8 * DAY)] == [State.KEPT, State.DUE, None]

    def handled(opened: int, late: int, settled: int) -> HandledEvidence:
        return HandledEvidence(checked_at=NOW, open=opened, late=late, settled=settled)

    for judge in (judge_processor, judge_age):
        assert state(judge(handled(2, 1, 0))) is State.BROKEN
        assert state(judge(handled(2, 0, 0))) is State.DUE
        assert state(judge(handled(0, 0, 3))) is State.KEPT
    assert state(judge_processor(handled(0, 0, 0))) is State.KEPT
    assert state(judge_age(handled(0, 0, 0))) is None
    assert judge_purpose(PurposeEvidence(checked_at=NOW, copies=214, mails=9)).state is State.KEPT
    assert judge_purpose(PurposeEvidence(checked_at=NOW, copies=0, mails=9, strange=("sale",))).state is State.BROKEN
    assert judge_complaint(("DE",), NOW).state is State.KEPT
    assert judge_complaint((), NOW).state is State.BROKEN


def test_a_visit_of_the_pages_judges_cookies_and_without_one_nobody_can() -> None:
    """What no clause names, pages that did not answer, a visit too long ago: broken. No visit: a person has to vouch."""

    def visit(**more: Any) -> CookieEvidence:
        usual: dict[str, Any] = {
            "checked_at": NOW - DAY, "pages": 9, "undeclared": (), "missing": (), "how": "browser",
        }  # fmt: skip
        return CookieEvidence(**usual | more)

    def judged(found: CookieEvidence | None) -> State | None:
        return state(judge_cookie(found, good_for=2 * DAY, now=NOW))

    assert judged(visit()) is State.KEPT
    assert judged(visit(undeclared=("The site leaves _ga.",))) is State.BROKEN
    assert judged(visit(missing=("session lasts a year.",))) is State.BROKEN
    assert judged(visit(trouble="A page did not answer.")) is State.BROKEN
    assert judged(visit(checked_at=NOW - 3 * DAY)) is State.BROKEN
    assert judged(None) is None


def word(until: timedelta = 90 * DAY, *, fits: bool = True, file: str = "scan.pdf") -> Vouched:
    return Vouched(
        id="att_1", name="Mara Okonjo", at=NOW - 30 * DAY, until=NOW + until, words="I read the contracts.", file=file, fits=fits
    )  # fmt: skip


def test_somebodys_word_holds_until_its_day_and_for_the_words_it_was_given_for() -> None:
    """Attested until the review date, then broken; a clause that was changed since has not been vouched for. Who vouches is
    named on the board, and not for everyone, nor in what alarms say."""
    good = judge_vouched(word(), now=NOW)
    assert good.state is State.ATTESTED
    assert good.good_until == NOW + 90 * DAY
    assert good.proof == "Mara Okonjo vouches until 19 February 2027, with scan.pdf: I read the contracts."
    assert "Mara" not in good.public
    over, changed, nobody = (judge_vouched(one, now=NOW) for one in (word(-DAY), word(fits=False), None))
    assert {over.state, changed.state, nobody.state} == {State.BROKEN}
    assert not [one.proof for one in (over, changed, nobody) if "Mara" in one.proof]
    assert over.checked_at
    assert nobody.checked_at is None


def test_a_word_mends_nothing_that_a_machine_sees_broken_and_must_be_kept_up() -> None:
    """Beside a machine that is content it adds to the proof; once its day has passed the clause is broken until it is given
    again or taken back."""
    kept = Judgement(state=State.KEPT, proof="Read just now.", checked_at=NOW, good_until=NOW + MINUTE)
    broken = Judgement(state=State.BROKEN, proof="Not read.", checked_at=NOW)
    unseen = Unseen(why="No mailbox is read.")

    def together(machine: Judgement | Unseen, vouched: Vouched | None) -> Judgement:
        return settle(machine, vouched, now=NOW, zone="UTC")

    assert together(broken, word()) is broken
    assert together(kept, None) is kept
    both = together(kept, word())
    assert (both.state, both.good_until) == (State.KEPT, NOW + MINUTE)
    assert both.public == "Read just now."
    assert together(kept, word(-DAY)).state is State.BROKEN
    assert together(unseen, word()).state is State.ATTESTED
    assert together(unseen, None).proof == "No mailbox is read."


def test_what_a_clause_promises_is_the_same_as_long_as_its_words_are() -> None:
    """Moving a clause, another owner or a shorter review change nothing; other words do."""
    moved = PledgeClause(
        id="sale", says="personal data is not sold", review=Period(months=6), owner="board", line=9, promises=("ccr-8",)
    )
    other = PledgeClause(id="no-sale", says="personal data is not sold or shared", review=Period(months=12))
    assert promise_of(PLEDGE) == promise_of(moved)
    assert promise_of(PLEDGE) != promise_of(other)
    cookie = CookieClause(id="c", party="third", why=("advertising",), none=True)
    assert promise_of(cookie) != promise_of(CookieClause(id="c", party="first", why=("advertising",), none=True))


def test_nobodys_word_counts_where_a_machine_looks() -> None:
    """Retention, rights, what is collected and what is never stored are looked at; of recipients only authorities are not."""

    def recipient(role: Role) -> Clause:
        return RecipientClause(id="r", name="R", role=role, why=("hosting",), of=("account",))

    assert may_be_vouched(recipient(Role.AUTHORITY))
    assert not may_be_vouched(recipient(Role.PROCESSOR))
    assert {"retention", "right", "collects", "never"} <= {one.kind for one in CLAUSE_TYPES}
    assert may_be_vouched(PLEDGE)
    assert may_be_vouched(INBOX)
