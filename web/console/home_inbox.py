"""What the first page says of the inbox: letters that nobody has sorted."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import url_for

from core.words import ago, day_left, plural, short_day
from inbox.letter_values import WaitingLetters
from inbox.letter_words import waiting_sentence
from web.glance import waiting_letters
from web.services import services


def letters_to_sort(today: date) -> list[dict[str, Any]]:
    """One line for all of them; nobody is named here."""
    waiting = waiting_letters()
    if not waiting.count:
        return []
    is_pressing = waiting_sentence(waiting, services().clock.now(), today) != ""
    return [
        {
            "state": "due" if is_pressing else "plain",
            "icon": "mail",
            "title": plural(waiting.count, "letter to sort", "letters to sort"),
            "href": url_for("console.letters"),
            "sub": _say(waiting, today),
            "act": "Sort",
        }
    ]


def _say(waiting: WaitingLetters, today: date) -> str:
    one = waiting.count == 1
    words = []
    if waiting.oldest_at:
        words.append(f"{'It' if one else 'The oldest'} came in {ago(waiting.oldest_at, services().clock.now())}.")
    if waiting.next_due:
        due = f"{short_day(waiting.next_due, today)}, {day_left(waiting.next_due, today)}"
        words.append(f"What {'it asks' if one else 'the first one asks'} for would be due {due}.")
    return " ".join(words)
