"""What people typed, checked field by field: each check gives the value, or says in `problems` what to put right.

The problems are messages of the catalogues: who shows them says them in the reader's language."""

import unicodedata
from typing import Final

from email_validator import EmailNotValidError, validate_email

from core.catalogue import mark
from policies.clauses import Right

LONGEST_EMAIL: Final = 254
PLACES: Final = {
    "country": mark("Choose a country from the list, or none."),
    "subdivision": mark("Choose a state from the list, or none."),
}


def check_email(text: str, problems: dict[str, str]) -> str:
    """The address as it is written to, large letters as typed, since a store may hold them so; '' and a problem where it
    is none that mail can go to."""
    if not text.strip() or len(text) > LONGEST_EMAIL:
        problems["email"] = mark("Give an e-mail address, like name@post.example.")
        return ""
    try:
        typed = unicodedata.normalize("NFC", text.strip())
        normalized = validate_email(
            typed, check_deliverability=False, test_environment=True, allow_smtputf8=False
        ).normalized
        return typed if typed.lower() == normalized.lower() else normalized
    except EmailNotValidError:
        problems["email"] = mark("This is not an e-mail address. Give one like name@post.example.")
        return ""


def check_right(text: str, offered: frozenset[Right], problems: dict[str, str]) -> Right:
    """The right that was chosen; a problem where it is not offered."""
    found = next((right for right in offered if right.value == text), None)
    if found is None:
        problems["right"] = mark("Choose what we should do.")
    return found or Right.ACCESS


def check_place(text: str, longest: int, field: str, problems: dict[str, str]) -> str | None:
    """An ISO 3166 code, None where nothing was chosen; a problem where it is none."""
    code = text.strip().upper()
    if code and not (code.isascii() and code.isalnum() and len(code) <= longest):
        problems[field] = PLACES[field]
        return None
    return code or None
