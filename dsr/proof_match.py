"""Comparing what a person gave with what is held: folded, hashed under a key, in constant time, never shown."""

import unicodedata
from collections.abc import Sequence
from hmac import compare_digest
from typing import Final

from core.canonical import keyed_digest

# Each value given is compared at least so often, so that the work tells nobody how much is held, or whether anything is.
LEAST_COMPARED: Final = 64


def fold(text: str) -> str:
    """A value as it is compared: letters and digits alone, whatever their form and case; '' matches nothing."""
    return "".join(sign for sign in unicodedata.normalize("NFKC", text).casefold() if sign.isalnum())


def is_held(given: str, held: Sequence[str], key: bytes) -> bool:
    """Whether a value is among those that are held. Every one is compared, also after one was the same."""
    wanted, found = keyed_digest(key, ["given", fold(given)]), False
    for mark in held_marks(held, key):
        found |= compare_digest(mark, wanted)
    return found and bool(fold(given))


def held_marks(held: Sequence[str], key: bytes) -> list[str]:
    """The held values as keyed hashes, filled up with such that nothing equals."""
    marks = [keyed_digest(key, ["given", folded]) for one in held if (folded := fold(one))]
    return marks + [keyed_digest(key, ["nothing", number]) for number in range(LEAST_COMPARED - len(marks))]
