"""Disclosures to authorities: logged without anybody's name, proof of the promise only beside somebody's word, struck out and never changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.errors import BadInput, Conflict, NotFound
from policies.clauses import RecipientClause, Role, TransferSafeguard
from promises.disclosing import DisclosureLog, Logged, judge_disclosures
from promises.disclosures import DisclosureRefused, NewDisclosure, list_disclosures
from promises.states import Judgement, State, Unseen
from promises.vouching import Vouched
from tests.conftest import OpenPage, Viewport
from tests.kept_commands import run_kept
from tests.policy_texts import policy_text
from tests.web_installation import ADMINISTRATOR, AGENT, Installation, open_installation, post, read, serve

PAGE = "/console/disclosures"
AUTHORITIES = (
    "{id: authorities, kind: recipient, name: authorities, role: authority, why: [duties under the law], of: [account], silent: true}"
)
NEW = NewDisclosure(
    day=date(2026, 5, 3), authority="Public prosecutor of Rheinfeld", basis="§ 95 StPO, 12 Js 3456/26",
    categories=("account",), people=2, given="Names and addresses of two accounts, on paper.",
)  # fmt: skip
CLAUSE = RecipientClause(
    id="authorities", name="authorities", role=Role.AUTHORITY, why=("duties under the law",), of=("account",), silent=True
)
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)


def logged(day: date, *, at: datetime = NOON, of: str = "account") -> Logged:
    return Logged(day=day, at=at, categories=(of,), people=2)


def judge(*log: Logged, vouched_at: datetime | None = None) -> Judgement | Unseen:
    word = None
    if vouched_at:
        word = Vouched(
            id="att_1", name="Mara", at=vouched_at, until=NOON + timedelta(days=90), words="I asked.", file="", fits=True
        )
    log_of_clause = DisclosureLog(checked_at=NOON, since=date(2026, 5, 1), logged=log)
    return judge_disclosures(CLAUSE, log_of_clause, word, zone="UTC")


def test_a_log_alone_never_keeps_the_promise() -> None:
    """What is in it is said; that nothing is missing takes a person."""
    for found, said in ((judge(), "No disclosure is recorded."), (judge(logged(date(2026, 5, 3))), "1 disclosure is")):
        assert isinstance(found, Unseen)
        assert said in found.seen
        assert "somebody has to vouch that there were no others" in found.why


def test_a_disclosure_of_what_the_promise_does_not_name_breaks_it() -> None:
    """From the day on which the version is in force; an earlier one was under other words."""
    found = judge(logged(date(2026, 5, 3), of="payment"), vouched_at=NOON + timedelta(hours=1))
    assert isinstance(found, Judgement)
    assert (found.state, "gave payment" in found.proof, "payment" in found.public) == (State.BROKEN, True, False)
    assert isinstance(judge(logged(date(2026, 4, 30), of="payment")), Unseen)


def test_a_disclosure_that_turns_up_after_somebody_vouched_takes_their_word_away() -> None:
    """One that was made later does not; nor does the word of who vouches again, and knows of it."""
    known, before = logged(date(2026, 5, 3), at=NOON), NOON - timedelta(days=5)
    found = judge(known, vouched_at=before)
    assert isinstance(found, Judgement)
    assert found.state is State.BROKEN
    assert "written down after Mara had vouched on 15 May 2026" in found.proof
    assert isinstance(judge(known, vouched_at=NOON + timedelta(hours=1)), Unseen)
    assert isinstance(judge(logged(date(2026, 5, 19)), vouched_at=before), Unseen)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One whose policy has a promise about authorities."""
    with open_installation(tmp_path_factory.mktemp("told") / "kept", policy=POLICY) as made:
        yield made
