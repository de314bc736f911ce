"""`kept promises`: the board, with evidence taken now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import click

from core.errors import BadInput
from core.words import ago, full_day
from jobs.answers import Answer, Line, answering, table
from jobs.services import Wiring
from promises.board import WORST_FIRST, Board, ClauseState
from promises.record import BoardOfDay, ClauseOfDay
from promises.states import State


@click.command()
@click.option("--on", "day", metavar="DATE", help="What the board said on a day, from the ledger; looks at nothing.")
@click.pass_obj
@answering
def promises(wiring: Wiring, day: str | None) -> Answer:
    """Show each clause with its state, evidence and age; looks at the stores first. Exit 1 while one is broken or a job
    is not heard of."""
    with wiring.open_services(None) as kept:
        if day is not None:
            return _answer_day(kept.board_record.on(_read_day(day)))
        kept.evidences.refresh()
        kept.checks.refresh()
        board = kept.board()
        kept.board_record.note()
        kept.ledger.settle()
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


def _answer_day(said: BoardOfDay) -> Answer:
    """A past board: exit 1 where it was broken then, or where the ledger does not bear it out."""
    rows = [
        [one.state.value, one.clause, f"{one.since.at:%Y-%m-%d %H:%M} UTC", _say_changes(one), one.since.entry]
        for one in sorted(said.clauses, key=lambda one: WORST_FIRST.index(one.state))
    ]
    counts = ", ".join(f"{len(each)} {state.value}" for state in WORST_FIRST if (each := _in_state(said, state)))
    ending = f"{full_day(said.day)}, version {said.version}: {counts}."
    if not said.looked:
        ending += " Nobody looked on that day: this is how it was left before."
    elif said.proven:
        ending += f" The ledger bears it out; digest {said.digest} in entry {said.digest_entry}."
    else:
        ending += " The ledger does not bear it out: run `kept ledger verify`."
    broken = any(one.state is State.BROKEN for one in said.clauses)
    lines: list[Line] = [table("", ["state", "clause", "since", "that day", "entry"], rows), ending]
    return Answer(data=said.as_json(), lines=lines, exit_status=1 if broken or (said.looked and not said.proven) else 0)


def _in_state(said: BoardOfDay, state: State) -> list[ClauseOfDay]:
    return [one for one in said.clauses if one.state is state]


def _say_changes(one: ClauseOfDay) -> str:
    return ", ".join(f"{each.state.value} at {each.at:%H:%M}" for each in one.changes)


def _read_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"'{text}' is no day.", remedy="Write it as 2026-11-01.") from error


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
