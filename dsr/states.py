"""The states of a ticket and the moves between them; nothing else changes a state."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from core.errors import Conflict


class State(StrEnum):
    """UNCONFIRMED: typed into the form, the address not shown. RECEIVED: the address is shown, or an operator opened it.
    PLANNED: plan and preview are made. APPROVED: by a person, the work is scheduled. RUNNING: being done. PARTLY_DONE: open,
    a step failed and is named. SCHEDULED: the account was closed, and the sweep deletes when its time is over. The rest
    are ends. PARTLY_REFUSED: answered, and a part of it refused with its ground.
    FORWARDED: the data is held for a customer, who decides; it was passed on to them, and the person was told so."""

    UNCONFIRMED = "unconfirmed"
    SCHEDULED = "scheduled"
    RECEIVED = "received"
    PLANNED = "planned"
    APPROVED = "approved"
    RUNNING = "running"
    PARTLY_DONE = "partly_done"
    ANSWERED = "answered"
    PARTLY_REFUSED = "partly_refused"
    REFUSED = "refused"
    NOTHING_FOUND = "nothing_found"
    FORWARDED = "forwarded"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


MOVES: Final[Mapping[State, frozenset[State]]] = MappingProxyType(
    {
        State.UNCONFIRMED: frozenset({State.RECEIVED, State.EXPIRED}),
        # Answered by the sweep, which nobody asked for an answer of; received: the sweep left something, an operator looks.
        State.SCHEDULED: frozenset({State.RECEIVED, State.ANSWERED, State.WITHDRAWN}),
        # Answered without a plan: the rights that no plan carries out, done by hand.
        State.RECEIVED: frozenset(
            {
                State.PLANNED,
                State.ANSWERED,
                State.PARTLY_REFUSED,
                State.REFUSED,
                State.NOTHING_FOUND,
                State.FORWARDED,
                State.WITHDRAWN,
            }
        ),
        State.PLANNED: frozenset(
            {
                State.PLANNED,
                State.APPROVED,
                State.REFUSED,
                State.NOTHING_FOUND,
                State.FORWARDED,
                State.WITHDRAWN,
            }
        ),
        # Back to planned: an approval lapses when the plan or what the stores say has changed since.
        State.APPROVED: frozenset({State.PLANNED, State.RUNNING, State.WITHDRAWN}),
        State.RUNNING: frozenset({State.PLANNED, State.PARTLY_DONE, State.ANSWERED, State.PARTLY_REFUSED}),
        State.PARTLY_DONE: frozenset({State.PLANNED, State.RUNNING}),
        State.ANSWERED: frozenset(),
        State.PARTLY_REFUSED: frozenset(),
        State.REFUSED: frozenset(),
        State.NOTHING_FOUND: frozenset(),
        State.FORWARDED: frozenset(),
        State.WITHDRAWN: frozenset(),
        State.EXPIRED: frozenset(),
    }
)
ENDS: Final = frozenset(state for state, moves in MOVES.items() if not moves)
# What the operators' list shows: what is open, was shown to come from the address, and is not left to a sweep.
OPEN: Final = frozenset(State) - ENDS - {State.UNCONFIRMED, State.SCHEDULED}
# Ends that say what was done.
DONE: Final = frozenset({State.ANSWERED, State.PARTLY_REFUSED})
# Where a ticket can begin, and how it comes there.
BEGINNINGS: Final[Mapping[State, str]] = MappingProxyType(
    {
        State.UNCONFIRMED: "the form",
        State.RECEIVED: "opened by hand, split off, or an opt-out without proof",
        State.SCHEDULED: "an account was closed",
    }
)


def require_move(ref: str, before: State, after: State) -> None:
    """Refuse a move that the machine does not know."""
    if after not in MOVES[before]:
        allowed = ", ".join(sorted(state.value for state in MOVES[before])) or "none, it is closed"
        raise Conflict(
            f"Request {ref} is {before.value.replace('_', ' ')} and cannot become {after.value.replace('_', ' ')}.",
            remedy=f"Look at it again; from here it can become: {allowed.replace('_', ' ')}.",
        )


def draw_states() -> str:
    """The machine as a Mermaid diagram, as docs/requests.md shows it."""
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {state.value}: {how}" for state, how in BEGINNINGS.items()]
    lines += [f"    {one.value} --> {after.value}" for one in State for after in State if after in MOVES[one]]
    lines += [f"    {one.value} --> [*]" for one in State if one in ENDS]
    return "\n".join(lines)
