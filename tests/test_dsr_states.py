"""The machine of a ticket's states, and the grounds for refusing, as data that hold together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.errors import BadInput, Conflict
from dsr.grounds import all_grounds, find_ground, grounds_for
from dsr.states import BEGINNINGS, DONE, ENDS, MOVES, OPEN, State, draw_states, require_move
from dsr.words import RIGHT_WORDS, STATE_NAMES, STATUS
from policies.clauses import Right
from policies.regimes import all_regimes


def test_every_state_can_be_reached_and_every_open_one_left() -> None:
    """From the beginnings, each state can come about; from each that is no end, an end can be reached."""
    reached, waiting = set[State](), list(BEGINNINGS)
    while waiting:
        state = waiting.pop()
        if state not in reached:
            reached.add(state)
            waiting += MOVES[state]
    assert reached == set(State)
    ending = set(ENDS)
    while more := {state for state in State if MOVES[state] & ending} - ending:
        ending |= more
    assert ending == set(State)
    assert OPEN | ENDS | {State.UNCONFIRMED, State.SCHEDULED} == set(State)


@pytest.mark.parametrize("before", State)
@pytest.mark.parametrize("after", State)
def test_only_the_moves_of_the_table_are_made(before: State, after: State) -> None:
    """Each pair is either in the table or refused, with the states that can follow."""
    if after in MOVES[before]:
        require_move("K7F3Q-2MXB", before, after)
    else:
        with pytest.raises(Conflict, match="K7F3Q-2MXB"):
            require_move("K7F3Q-2MXB", before, after)


def test_nothing_is_deleted_or_copied_without_approval() -> None:
    """Running follows approval, or a failed run of what was approved; an answer follows running, or, for a right that no
    plan carries out, an operator's own words; of a closed account, the sweep's work under its own approval."""
    assert {state for state in State if State.RUNNING in MOVES[state]} == {State.APPROVED, State.PARTLY_DONE}
    for end in DONE:
        before = {state for state in State if end in MOVES[state]}
        assert before - {State.SCHEDULED} == {State.RECEIVED, State.RUNNING}


def test_the_page_about_requests_draws_the_machine_that_runs() -> None:
    """The diagram is made from the table of moves, and each state has its row in the page's table."""
    page = (Path(__file__).parent.parent / "docs" / "requests.md").read_text(encoding="utf-8")
    between = page.split("<!-- states: begin -->\n")[1].split("<!-- states: end -->")[0]
    assert between == f"```mermaid\n{draw_states()}\n```\n"
    rows = re.findall(r"^\| ([a-z ]+) \| [^|]+ \| [^|]+ \|$", page.split("<!-- states: end -->")[1], flags=re.MULTILINE)
    assert rows[0] == "state"
    assert [row.replace(" ", "_") for row in rows[1 : len(State) + 1]] == [state.value for state in State]


def test_every_state_and_right_has_its_words() -> None:
    """No page has to make words up."""
    assert set(STATE_NAMES) == set(STATUS) == set(State)
    assert set(RIGHT_WORDS) == set(Right)


def test_grounds_are_of_regimes_that_there_are() -> None:
    """A regime of the grounds is one of the clocks; a regime without grounds of its own gets the general ones."""
    assert set(all_grounds()) - {"any"} <= set(all_regimes())
    assert {ground.id for ground in grounds_for(["swiss"], Right.DELETION)} >= {"cannot_identify", "legal_obligation"}


def test_a_ground_against_another_right_is_refused_with_those_that_fit() -> None:
    """A deletion cannot be refused because a copy would harm others."""
    with pytest.raises(BadInput, match="legal_claims"):
        find_ground("others_rights", ["gdpr"], Right.DELETION)
    assert find_ground("others_rights", ["gdpr"], Right.ACCESS).cite == "GDPR Art. 15(4)"
