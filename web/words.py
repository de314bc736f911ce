"""How pages say states and clauses: the order of the states, counts in a sentence, the groups of the board."""

from __future__ import annotations

from collections import Counter
from typing import Final

from core.catalogue import SOURCE, catalogue
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


def say_in_sentence(number: int, language: str) -> str:
    """A number inside a sentence: in letters where the language has them here, else in digits."""
    return _number(number, language).lower()


def say_state(state: State, language: str = SOURCE) -> str:
    """What people call a state."""
    words = catalogue(language)
    said = {
        State.KEPT: words.gettext("kept"),
        State.DUE: words.gettext("due"),
        State.BROKEN: words.gettext("broken"),
        State.ATTESTED: words.gettext("attested"),
    }
    return said[state]


def say_states(states: Counter[State], language: str = SOURCE) -> str:
    """`2 broken, 1 due, 8 kept`: bad news first, and nothing that is not there."""
    return ", ".join(f"{count(states[state])} {say_state(state, language)}" for state in WORST_FIRST if states[state])


def say_title(states: Counter[State], language: str = SOURCE) -> str:
    """The title of the public page of promises: bad news first, and whole."""
    words = catalogue(language)
    total, broken, due = sum(states.values()), states[State.BROKEN], states[State.DUE]
    if broken == total:
        said = words.ngettext(
            "Our promise is not proven today", "None of our %(total)s promises is proven today", total
        )
        return said % {"total": count(total)}
    if broken:
        said = words.ngettext(
            "%(number)s of our %(total)s promises is broken today",
            "%(number)s of our %(total)s promises are broken today",
            broken,
        )
        return said % {"number": _number(broken, language), "total": count(total)}
    if due:
        said = words.ngettext(
            "No promise is broken today, %(number)s of %(total)s has work outstanding",
            "No promise is broken today, %(number)s of %(total)s have work outstanding",
            due,
        )
        return said % {"number": _number(due, language).lower(), "total": count(total)}
    return words.gettext("All of our %(total)s promises are kept today") % {"total": count(total)}


def _number(number: int, language: str) -> str:
    return say_number(number) if language == SOURCE else count(number)
