"""`kept promises`: the board, with evidence taken now."""

from __future__ import annotations

import click

from core.words import ago
from jobs.answers import Answer, answering, table
from jobs.services import Wiring
from promises.board import WORST_FIRST
from promises.states import State


@click.command()
@click.pass_obj
@answering
def promises(wiring: Wiring) -> Answer:
    """Show each clause with its state, evidence and age; looks at the stores first. Exit 1 while one is broken."""
    with wiring.open_services(None) as kept:
        kept.evidences.refresh()
        kept.checks.refresh()
        board = kept.board()
    rows = [
        [
            one.state.value,
            one.clause_id,
            one.sentence,
            one.proof,
            ago(one.checked_at, board.at) if one.checked_at else "–",
        ]
        for one in sorted(board.clauses, key=lambda one: WORST_FIRST.index(one.state))
    ]
    counts = ", ".join(f"{board.count(state)} {state.value}" for state in WORST_FIRST if board.count(state))
    ending = (
        f"Version {board.version}: {counts}." if board.version else "No policy is in force. Run `kept policy publish`."
    )
    lines = [table("", ["state", "clause", "promise", "evidence", "looked"], rows)] if rows else []
    return Answer(
        data=board.as_json(),
        lines=[*lines, ending],
        exit_status=1 if board.count(State.BROKEN) or not board.version else 0,
    )
