"""What a person may say is wrong: the fields of the map that are facts about somebody, in words of their language."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.catalogue import catalogue, mark
from plans.correction_changes import NO_PROGRAM, Correctable
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


@dataclass(frozen=True, kw_only=True)
class FixedField:
    """One fact that no correction can change here, and why, in words for the person."""

    about: str
    word: str
    why: str


# Why a field cannot be changed, as plans say it, and as a person reads it.
_WHY_FIXED: Final[dict[str, str]] = {
    "is a key": mark("other records are found by it"),
    "is what other collections refer to": mark("other records are found by it"),
    "is a time that clauses count from": mark("it decides how long records are kept"),
    "is made by its store from other fields": mark("it is made from other entries, which you can have put right"),
    NO_PROGRAM: mark("no program can change it where it stands"),
}


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
    keys = dict.fromkeys(about for one in fields if not one.fixed and (about := about_of(one)))
    return tuple(OfferedField(about=key, word=say_about(key, language)) for key in (*keys, OTHER))


def fixed_fields(fields: Sequence[Correctable], language: str) -> tuple[FixedField, ...]:
    """The facts that no correction can change anywhere here, each once, with the reason."""
    free = {about_of(one) for one in fields if not one.fixed}
    fixed = {
        about: one.fixed for one in reversed(fields) if one.fixed and (about := about_of(one)) not in (*free, OTHER)
    }
    words = catalogue(language)
    return tuple(
        FixedField(about=about, word=say_about(about, language), why=words.gettext(_WHY_FIXED.get(why, why)))
        for about, why in sorted(fixed.items())
    )


def may_be_empty(about: str, fields: Sequence[Correctable]) -> bool:
    """Whether a fact may say nothing in some place where it can be changed."""
    return any(one.may_be_empty for one in fields if not one.fixed and about_of(one) == about)


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
