"""Where a person can complain: the authority of their place with its address, and the ways of laws that know another."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from core.catalogue import catalogue
from core.lined_yaml import load_lined
from dsr.tables import TicketRow
from policies.authorities import authority_for
from policies.clauses import Right
from policies.documents import Document
from policies.regimes import regime as regime_by_id

RULES: Final = Path(__file__).with_name("answer_rules.yaml")
# The laws under which a refusal names the authority and the court (Art. 12(4)), whatever a policy says.
EUROPEAN: Final = ("gdpr", "uk_gdpr")


@dataclass(frozen=True, kw_only=True)
class Authority:
    """Where to complain."""

    name: str
    address: str
    url: str


@cache
def answer_rules() -> Mapping[str, Any]:
    """The rules of answers as `answer_rules.yaml` has them."""
    return dict(load_lined(RULES.read_text(encoding="utf-8"), source=RULES.name).data)


def regime_for(ticket: TicketRow, document: Document) -> str:
    """The law that an answer is written under: the ticket's; where nobody knows it, the one that asks for most."""
    if ticket.regime:
        return ticket.regime
    return next((one for one in EUROPEAN if one in document.regimes), (*document.regimes, "")[0])


def authority_of(ticket: TicketRow, document: Document) -> Authority | None:
    """The authority of where the person lives, as far as they said; else of the country whose law it is, if that is one;
    else of the controller's."""
    controller = document.controller
    places = regime_by_id(ticket.regime).places if ticket.regime else ()
    if ticket.country:
        found = authority_for(ticket.country, ticket.subdivision)
    elif len(places) == 1 and len(places[0]) == 2:
        found = authority_for(places[0])
    else:
        found = authority_for(controller.country, controller.subdivision)
    if found is None:
        return None
    return Authority(name=found.name, address=", ".join(found.address.split("\n")), url=found.url or "")


def complaint_of(ticket: TicketRow, document: Document) -> str:
    """What a mail says of complaining under a law whose way is its own; '' where it is the authority and the court."""
    law = regime_for(ticket, document)
    is_last = Right(ticket.right) is Right.APPEAL
    row = answer_rules()["after_appeal" if is_last else "complaints"].get(law)
    if row is None:
        return ""
    says = row["words"]
    words = catalogue(ticket.language).gettext(says)
    if "%(period)s" not in words:
        return words
    clock = regime_by_id(law).row(Right.APPEAL, ticket.received_at.date()).clock
    return words % {"period": clock.words(ticket.language, dative=True) if clock else ""}


def extract_messages(*_of_babel: Any, **_options: Any) -> Iterator[tuple[int, None, str, list[str]]]:
    """The words of the rules for the catalogues, as babel.cfg asks for them."""
    rules = answer_rules()
    yield from ((1, None, words, []) for words in rules["closings"].values())
    yield from ((1, None, words, []) for words in rules["follows"].values())
    yield from ((1, None, row["words"], []) for name in ("complaints", "after_appeal") for row in rules[name].values())
