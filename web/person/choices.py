"""What the form asks beside a right: what to stop, what is objected to, why data should only be stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from flask import request

from core.catalogue import mark
from dsr.choices import BOTH, MARKETING, SALE, About, Ground, SaidChoice, offered_opt_outs
from policies.clauses import Right
from policies.documents import Document
from web.languages import gettext

FIELDS: Final = ("opt_out", "about", "ground")
OPT_OUTS: Final[Mapping[str, str]] = {
    BOTH: mark("Both"),
    SALE: mark("Selling my data, or sharing it for advertising"),
    MARKETING: mark("Sending me advertising"),
}
ABOUTS: Final[Mapping[str, str]] = {
    About.MARKETING: mark("Advertising. That ends at once."),
    About.OTHER: mark("Something else. Say below what, and why it is different for you."),
}
GROUNDS: Final[Mapping[str, str]] = {
    Ground.ACCURACY: mark("Something in it is wrong, and you have to check it"),
    Ground.UNLAWFUL: mark("You should not have it, but I do not want it deleted"),
    Ground.CLAIMS: mark("I need it for a claim, although you do not"),
    Ground.OBJECTION: mark("I objected, and you are still deciding"),
}


@dataclass(frozen=True, kw_only=True)
class Group:
    """What is asked beside one right. `name`: the field; `options`: (value, label)."""

    name: str
    legend: str
    options: tuple[tuple[str, str], ...]


def said_choice() -> SaidChoice:
    """What was chosen with the form that was sent."""
    return SaidChoice(**{name: request.form.get(name, "")[:40] for name in FIELDS})


def groups(document: Document) -> dict[str, Group]:
    """What the form asks beside each right, by the right's name."""
    asked = {
        Right.OBJECTION: _group("about", gettext("To what?"), ABOUTS),
        Right.RESTRICTION: _group("ground", gettext("Why?"), GROUNDS),
    }
    if len(offered_opt_outs(document)) > 1:
        asked[Right.OPT_OUT] = _group("opt_out", gettext("What should we stop?"), OPT_OUTS)
    return {right.value: group for right, group in asked.items()}


def _group(name: str, legend: str, words: Mapping[str, str]) -> Group:
    options = tuple((str(value), gettext(label)) for value, label in words.items())
    return Group(name=name, legend=legend, options=options)
