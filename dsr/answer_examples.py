"""The middle of an answer with example data: its standard text, as it goes out where nobody has written another."""

from collections.abc import Mapping
from typing import Any, Final

from core.catalogue import catalogue, mark
from dsr.answer_words import MAILS, Block, Kind, compose, parts_of, standard_text
from policies.clauses import Right

_OF: Final = {name: kind for kind, name in MAILS.items()}
_RIGHT: Final = {
    Kind.COPY: Right.ACCESS, Kind.CORRECTED: Right.CORRECTION, Kind.BY_HAND: Right.RESTRICTION, Kind.CARRIED_OUT: Right.WITHDRAW_CONSENT,
    Kind.COMPLAINT: Right.COMPLAINT, Kind.APPEAL: Right.APPEAL, Kind.EXTENDED: Right.ACCESS, Kind.REFUSED: Right.ACCESS,
    Kind.NOTHING_FOUND: Right.ACCESS,
}  # fmt: skip
_OUTCOME: Final = mark("your complaint is right in part")
_DECIDER: Final = "Ines Vogelsang"


def example_blocks(event: str, language: str, given: Mapping[str, Any]) -> list[Block]:
    """The blocks of an answer's mail; none for a mail that is no answer."""
    kind = _OF.get(event)
    if kind is None:
        return []
    right = _RIGHT.get(kind, Right.DELETION)
    text = standard_text(kind, right, language, places=given["searched"], in_part=bool(given.get("refused")))
    facts = {
        "request": given["right_words"], "day": given["done_on"], "size": given["size"], "rule": given["ground"], "due": given["due"],
        "number": str(given["searched"]), "outcome": catalogue(language).gettext(_OUTCOME), "first": "H2J4N-7PQC", "decider": _DECIDER,
    }  # fmt: skip
    return compose(text, parts_of(kind, right, "gdpr"), facts)
