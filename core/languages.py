"""The languages that people can be spoken to in: their codes, what each calls itself, and which one stands in for another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SOURCE: Final = "en"
# What each language calls itself; every one but the source has a catalogue under `translations/`.
LANGUAGES: Final[Mapping[str, str]] = {
    "en": "English",
    "de": "Deutsch",
    "fr": "Français",
    "es": "Español",
    "it": "Italiano",
    "nl": "Nederlands",
}


def short_code(language: str) -> str:
    """The language that words are kept for: `de-AT` is `de`, an unknown one the source."""
    short = language.replace("_", "-").split("-", 1)[0].lower()
    return short if short in LANGUAGES else SOURCE
