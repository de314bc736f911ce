"""How a clause's state follows from its evidence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from promises.states import NOT_CHECKED, RightEvidence, State, SweepEvidence, judge_right, judge_sweep

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def evidence(
    *,
    due: int = 0,
    broken: int = 0,
    held: int = 0,
    waits: bool = False,
    trouble: tuple[str, ...] = (),
    age: timedelta = timedelta(hours=1),
) -> SweepEvidence:
    """What was seen `age` ago."""
    return SweepEvidence(
        checked_at=NOW - age,
        due=due,
        broken=broken,
        held=held,
        waits_for_approval=waits,
        trouble=trouble,
        last_run_rows=7,
        last_run_at=NOW - age,
    )


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        (evidence(), State.KEPT, "Nothing is over its period."),
        (evidence(held=2), State.KEPT, "on hold"),
        (evidence(due=3), State.DUE, "3\u00a0records are over the period."),
        (evidence(due=3, broken=1), State.BROKEN, "1 of them past the time the work may take."),
        (evidence(due=9, broken=9, waits=True), State.BROKEN, "A sweep waits for approval"),
        (evidence(age=timedelta(days=3)), State.BROKEN, "too long ago"),
        (evidence(trouble=("gateway did not answer.",)), State.BROKEN, "gateway did not answer."),
        (None, State.BROKEN, "Not checked yet"),
    ],
)
def test_a_retention_clause_is_judged_by_its_evidence(found: SweepEvidence | None, state: State, words: str) -> None:
    """Kept only with young evidence of nothing left; due inside `within`; broken past it, too old, in trouble or silent."""
    judged = judge_sweep(found, allowed_age=DAY, now=NOW)
    assert judged.state is state
    assert words in judged.proof


@pytest.mark.parametrize(
    ("open_tickets", "late", "state"), [(0, 0, State.KEPT), (2, 0, State.DUE), (2, 1, State.BROKEN)]
)
def test_a_right_is_broken_by_one_late_request(open_tickets: int, late: int, state: State) -> None:
    """Open requests inside their time are due; one past it breaks the promise."""
    found = RightEvidence(checked_at=NOW, open_tickets=open_tickets, late_tickets=late, answered=0)
    assert judge_right(found).state is state


def test_a_clause_that_nothing_checks_is_broken_and_says_so() -> None:
    """A clause bound to nothing is never silently fine."""
    assert NOT_CHECKED.state is State.BROKEN
    assert NOT_CHECKED.proof.startswith("Not checked yet")
