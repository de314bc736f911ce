"""`kept promises`: the board, with evidence taken now."""

from __future__ import annotations

from collections.abc import Sequence

import click

from core.words import ago
from jobs.answers import Answer, Line, answering, table
from jobs.services import Wiring
from promises.board import WORST_FIRST, Board, ClauseState
from promises.states import State


@click.command()
@click.pass_obj
@answering
def promises(wiring: Wiring) -> Answer:
    """Show each clause with its state, evidence and age; looks at the stores first. Exit 1 while one is broken or a job
    is not heard of."""
    with wiring.open_services(None) as kept:
        kept.evidences.refresh()
        kept.checks.refresh()
        board = kept.board()
    counts = ", ".join(f"{board.count(state)} {state.value}" for state in WORST_FIRST if board.count(state))
    ending = (
        f"Version {board.version}: {counts}." if board.version else "No policy is in force. Run `kept policy publish`."
    )
    lines = [_table("", board.clauses, board)] if board.clauses else []
    lines += [_table("Kept's own data", board.own, board)] if board.own else []
    alarms = [f"Alarm: {one.alarm.title}. {one.alarm.says}" for one in board.alarms]
    silent = [one.words(board.at) for one in board.silences]
    return Answer(
        data=board.as_json(),
        lines=[*lines, *alarms, *silent, ending],
        exit_status=1 if _is_amiss(board) or not board.version else 0,
    )


def _is_amiss(board: Board) -> bool:
    return bool(board.silences) or any(one.state is State.BROKEN for one in (*board.clauses, *board.own))


def _table(title: str, clauses: Sequence[ClauseState], board: Board) -> Line:
    rows = [
        [
            one.state.value,
            one.clause_id,
            one.sentence,
            one.proof,
            one.history.words(board.at.date()) if one.history else "",
            ago(one.checked_at, board.at) if one.checked_at else "–",
        ]
        for one in sorted(clauses, key=lambda one: WORST_FIRST.index(one.state))
    ]
    return table(title, ["state", "clause", "promise", "evidence", "last 30 days", "looked"], rows)
