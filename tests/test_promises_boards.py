"""The board of each of the five example policies, on stores built for it: every clause bound, and each break seen where it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policies.clauses import (
    ChannelClause,
    CollectsClause,
    NeverClause,
    PledgeClause,
    RetentionClause,
    Right,
    RightClause,
    SafeguardClause,
)
from promises.states import State
from tests.policy_boards import BoardHouse, categories, iso, open_board

FIVE = ("ccr", "crouter", "corouter", "self-hosted-proxy", "ai-max")
# What may not be stored, in words that a scan knows it by.
FORBIDDEN = {
    "card_data": "charged to 4111 1111 1111 1111 today",
    "content": '{"messages": [{"role": "user", "content": "Write a poem about the sea, in four verses, for my sister."}]}',
    "code": "def read_all(path):\n    with open(path) as file:\n        return [line.strip() for line in file]\n",
}
OLD = timedelta(days=4000)


def overdue(house: BoardHouse) -> set[str]:
    """A record that should have gone long ago: exactly the clauses that count it from its own time."""
    document = house.document
    category = next(
        one.of[0]
        for one in document.of_kind(RetentionClause)
        if one.period and not one.event and one.of[0] != "account"
    )
    house.run(
        f"INSERT INTO {category} (user_id, created_at, note) VALUES ('u1', ?, 'fine')", iso(datetime.now(UTC) - OLD)
    )
    return {one.id for one in document.of_kind(RetentionClause) if category in one.of and one.period and not one.event}


def late(house: BoardHouse) -> set[str]:
    """A request for a copy whose day has passed: the clauses of that right."""
    house.kept.requests.open_by_hand(
        email="person1@post.example", right="access", received_at=datetime.now(UTC), channel="letter", by="opr_1"
    )
    house.own("UPDATE tickets SET due_on = :day", day=(datetime.now(UTC) - timedelta(days=3)).date().isoformat())
    return {one.id for one in house.document.of_kind(RightClause) if one.right is Right.ACCESS}


def unmapped(house: BoardHouse) -> set[str]:
    """A new column with people's data in it: the clauses that say what is collected there."""
    category = categories(house.document)[1]
    house.run(f"ALTER TABLE {category} ADD COLUMN phone_number TEXT")
    house.restart()
    return {one.id for one in house.document.of_kind(CollectsClause) if one.category == category}


def forbidden(house: BoardHouse) -> set[str]:
    """What is never stored is: the clauses that say so."""
    nevers = house.document.of_kind(NeverClause)
    if not nevers:
        return silent(house)
    what = next(word for one in nevers for word in one.of if word in FORBIDDEN)
    excepted = {word for one in nevers for word in one.exceptions}
    category = next(
        word
        for word in categories(house.document)[1:]
        if word not in excepted and word not in {one.of[0] for one in nevers}
    )
    for _ in range(3):
        house.run(
            f"INSERT INTO {category} (user_id, created_at, note) VALUES ('u1', ?, ?)",
            iso(datetime.now(UTC)),
            FORBIDDEN[what],
        )
    return {one.id for one in nevers if what in one.of}


def expired(house: BoardHouse) -> set[str]:
    """The review date of what somebody vouched for passes: that clause."""
    clause = (*house.document.of_kind(PledgeClause), *house.document.of_kind(SafeguardClause))[0].id
    house.own("UPDATE attestations SET until = :then WHERE clause = :clause", then=iso_text(-1), clause=clause)
    return {clause}


def silent(house: BoardHouse) -> set[str]:
    """The mailbox is not read for a while: the clauses that name an address."""
    house.own("UPDATE heartbeats SET good_at = :then, ran_at = :then WHERE job = 'inbox'", then=iso_text(-1))
    return {one.id for one in house.document.of_kind(ChannelClause) if one.email}


BREAKS: tuple[Callable[[BoardHouse], set[str]], ...] = (expired, late, forbidden, unmapped, overdue)


def iso_text(hours: int) -> str:
    """An instant as SQLite keeps it."""
    return (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%d %H:%M:%S.%f")


@pytest.mark.parametrize(
    "name", [name if name == "ccr" else pytest.param(name, marks=pytest.mark.slow) for name in FIVE]
)
def test_a_board_has_no_clause_unbound_and_turns_red_where_it_is_broken(name: str, tmp_path: Path) -> None:
    """Everything is kept, or vouched for by name where no machine sees; then five breaks, one after the other, and each turns
    exactly its own clauses red."""
    with open_board(name, tmp_path / "house") as house:
        house.read_mail()
        house.accept()
        before = house.look()
        assert not [one.proof for one in before.values() if one.proof.startswith("Not checked")]
        vouched = house.vouch_for_the_rest(before)
        board = house.kept.board().clauses
        assert not [one for one in board if one.state in (State.BROKEN, State.DUE)]
        assert {one.clause_id for one in board if one.state is State.ATTESTED} == set(vouched)
        red: set[str] = set()
        for broken in BREAKS:
            wanted = broken(house)
            assert wanted, broken.__name__
            red |= wanted
            found = {clause: one.proof for clause, one in house.look().items() if one.state is State.BROKEN}
            assert set(found) == red, (broken.__name__, found)
