"""What a person may say is wrong: the fields of the map that are facts about somebody, in words of their language."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.catalogue import catalogue, mark
from plans.correction_changes import Correctable
from policies.clause_words import titled

OTHER: Final = ""
# Fideslang keys of facts about a person. What was measured, written or spent is disputed with words, as something else.
FIELD_WORDS: Final[dict[str, str]] = {
    "user.name": mark("Name"),
    "user.name.first": mark("First name"),
    "user.name.last": mark("Last name"),
    "user.contact.email": mark("E-mail address"),
    "user.contact.phone_number": mark("Phone number"),
    "user.contact.fax_number": mark("Fax number"),
    "user.contact.organization": mark("Company or organisation"),
    "user.contact.url": mark("Web address"),
    "user.contact.address": mark("Postal address"),
    "user.contact.address.street": mark("Street and number"),
    "user.contact.address.city": mark("Town"),
    "user.contact.address.postal_code": mark("Postal code"),
    "user.contact.address.state": mark("State or region"),
    "user.contact.address.country": mark("Country"),
    "user.job_title": mark("Job title"),
    "user.demographic.date_of_birth": mark("Date of birth"),
    "user.demographic.gender": mark("Gender"),
    "user.demographic.language": mark("Language"),
    "user.demographic.marital_status": mark("Marital status"),
    "user.financial.bank_account": mark("Bank account"),
    "user.government_id": mark("Number of an identity document"),
}
_FACTS: Final = tuple(
    f"user.{name}" for name in ("name", "contact", "job_title", "demographic", "government_id", "workplace")
)
_KINDS: Final = {"email": "user.contact.email", "phone": "user.contact.phone_number"}
SOMETHING_ELSE: Final = mark("Something else")


@dataclass(frozen=True, kw_only=True)
class OfferedField:
    """One thing that a person may say is wrong. `about`: its Fideslang key; `word`: what it is called."""

    about: str
    word: str


def about_of(field: Correctable) -> str:
    """What a person would call a field by: its Fideslang key, else that of its kind of identifier; '' for no fact."""
    key = field.key or _KINDS.get(field.kind, "")
    return key if key in FIELD_WORDS or key.startswith(_FACTS) else OTHER


def say_about(about: str, language: str) -> str:
    """What it is called in a language; a key that nobody has put into words, by its last part."""
    words = FIELD_WORDS.get(about) or (SOMETHING_ELSE if about == OTHER else "")
    return catalogue(language).gettext(words) if words else titled(about.rpartition(".")[2])


def offer_fields(fields: Sequence[Correctable], language: str) -> tuple[OfferedField, ...]:
    """What a person may choose from, each once, and something else at the end."""
    keys = dict.fromkeys(about for one in fields if (about := about_of(one)))
    return tuple(OfferedField(about=key, word=say_about(key, language)) for key in (*keys, OTHER))


def suggest(about: str, fields: Sequence[Correctable]) -> str:
    """Where something of that name most likely stands: the first field of that key, accounts before the rest; else ''."""
    return next((one.name for one in fields if about and about_of(one) == about), "")


def word_of_place(collection: str, field: str, fields: Sequence[Correctable], language: str) -> str:
    """What a field is called in an answer: its fact and where it stands; by its own name where it is no fact."""
    known = next((one for one in fields if (one.collection, one.field) == (collection, field)), None)
    about = about_of(known) if known else OTHER
    word = say_about(about, language) if about else titled(field)
    return catalogue(language).gettext(mark("%(field)s in %(place)s")) % {
        "field": word,
        "place": titled(collection),
    }
