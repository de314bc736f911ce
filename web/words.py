"""How pages say states and clauses: the order of the states, counts in a sentence, the groups of the board."""

from __future__ import annotations

from collections import Counter
from typing import Final

from core.words import count
from promises.board import WORST_FIRST
from promises.states import State

# What a person calls these kinds of clause, in the order of the board.
GROUPS: Final = (
    ("How long we keep things", ("retention",)),
    ("Your rights", ("right", "channel")),
    ("What we hold and why", ("collects", "purpose", "never")),
    ("Who gets what", ("recipient", "pledge", "cookie", "processor")),
    ("Safety and changes", ("safeguard", "notice", "acceptance", "age_limit")),
)
SMALL_NUMBERS: Final = (
    "No",
    "One",
    "Two",
    "Three",
    "Four",
    "Five",
    "Six",
    "Seven",
    "Eight",
    "Nine",
    "Ten",
    "Eleven",
    "Twelve",
)


def say_number(number: int) -> str:
    """A number at the start of a sentence: in letters up to twelve."""
    return SMALL_NUMBERS[number] if number < len(SMALL_NUMBERS) else count(number)


def say_states(states: Counter[State]) -> str:
    """`2 broken, 1 due, 8 kept`: bad news first, and nothing that is not there."""
    return ", ".join(f"{count(states[state])} {state.value}" for state in WORST_FIRST if states[state])


def say_title(states: Counter[State]) -> str:
    """The title of the public page of promises: bad news first, and whole."""
    total, broken = sum(states.values()), states[State.BROKEN]
    if broken == total:
        return (
            f"None of our {count(total)} promises is proven today" if total > 1 else "Our promise is not proven today"
        )
    if broken:
        verb = "is" if broken == 1 else "are"
        return f"{say_number(broken)} of our {count(total)} promises {verb} broken today"
    if states[State.DUE]:
        verb = "has" if states[State.DUE] == 1 else "have"
        return f"No promise is broken today, {say_number(states[State.DUE]).lower()} of {count(total)} {verb} work outstanding"
    return f"All of our {count(total)} promises are kept today"
