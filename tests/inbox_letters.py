"""Builds mails from the letters: filled in, cut short, misspelled, mixed, quoted, signed; the same seed gives the same mails."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from core.lined_yaml import load_lined
from inbox.message import Message

DATA = Path(__file__).parent / "data"
KNOWN = ("en", "de", "fr", "es", "it", "nl")
ARRIVED = datetime(2026, 3, 5, 9, 30, tzinfo=UTC)
_PART = re.compile(r"\[(\w+)>([^\[\]]*)\]")
_BLANK = re.compile(r"\{([^{}]*)\}")
_LABELS_OF_PARTS = {"optional:", "opcional:", "facultatif :", "facoltativo:", "optioneel:"}
_NAMES = ("Anna Berg", "Jean Dupont", "María López", "Tom O'Neill", "Łukasz Nowak", "Sofie de Vries")
_ARTICLES = ("15", "16", "17", "21", "15(1)", "20")
_FOOTERS = (
    "",
    "\n\n-- \nAnna Berg\nMühlweg 3, 04103 Leipzig\n+49 341 555 0199",
    "\n\nSent from my phone",
    "\n\n> You have the right to access, correct and delete your data.\n> Click here to delete your account.",
    "\n\n--\nThis message is confidential. If you are not the intended recipient, delete this email.",
)
_BLANKS = {
    "runs_list": ("example.org, Example Shop Ltd", "shop.example.com"),
    "id_data": (
        "Name: {name}\nE-Mail: {mail}\nCustomer number: {number}",
        "{name}\n{mail}",
        "Name: {name}\nAddress: 12 Mill Lane, York",
    ),
    "erasure_data": ("* +49 341 555 0199\n* photo.jpg", "all of 2024"),
    "rectification_data": ("* Name: {name}", "Street: Mill Lane 12 -> Mill Lane 21"),
    "objection_reason": ("", "1. 2. 3."),
    "request_recipient_address": ("Example Ltd\n1 High Street\nLondon",),
    "request_date": ("2026-01-12", "12.01.2026", "12 January 2026"),
    "request_article": _ARTICLES,
}
# In place of what a letter leaves to the person: "{Description of the problem, …}".
_TOLD = {
    "en": ("I have not received any answer so far.", "The answer was incomplete.", ""),
    "de": ("Leider erhielt ich bisher keine Antwort von Ihnen.", "Die Antwort war unvollständig.", ""),
    "fr": ("Je n'ai malheureusement pas reçu de réponse.", "La réponse était incomplète.", ""),
    "es": ("Desafortunadamente no he recibido respuesta hasta el momento.", "La respuesta estaba incompleta.", ""),
    "it": ("Purtroppo non ho ancora ricevuto risposta.", "La risposta era incompleta.", ""),
    "nl": ("Helaas heb ik nog geen antwoord ontvangen.", "Het antwoord was onvolledig.", ""),
}


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A mail with what it is labelled: `how` says in which way it was made, `source` from what."""

    language: str
    source: str
    how: str
    text: str
    kind: str
    rights: frozenset[str]


def message(text: str, **others: Any) -> Message:
    """A mail of somebody with this text and nothing else that could help."""
    plain: dict[str, Any] = {
        "subject": "", "quoted": "", "sender": "anna@example.org", "sender_name": "", "reply_to": "",
        "to": ("privacy@example.com",), "date": ARRIVED, "received_at": ARRIVED, "message_id": "<1@example.org>",
        "references": (), "headers": {}, "attachments": (), "auto": "", "charset_guessed": False, "problems": (),
    }  # fmt: skip
    return Message(text=text, **(plain | others))


def letters(languages: Sequence[str], *, each: int, seed: int) -> Iterator[Letter]:
    """For every letter of every language, `each` mails of every way to make one."""
    for language in languages:
        made = random.Random(f"{seed}-{language}")
        for name, label in _labels().items():
            for _ in range(each):
                whole = _filled(language, name, label, made)
                yield whole
                yield replace(whole, how="misspelled", text=_misspelled(whole.text, made))
                yield replace(whole, how="dressed", text=_dressed(whole.text, made))
                yield from _shortened(language, name, label, made)
        for _ in range(each * 4):
            yield _mixed(language, made)


def own_letters(language: str, part: str) -> Iterator[Letter]:
    """Mails in a person's own words: those to tune by (`tune`) or those held out (`hold`)."""
    for split, label, text in rows(DATA / "own_letters" / f"{language}.txt"):
        if split == part:
            kind = label if label in ("reminder", "complaint", "request") else "request"
            rights = frozenset() if kind == label else frozenset(label.split(","))
            yield Letter(language=language, source="own words", how=part, text=text, kind=kind, rights=rights)


def no_requests(language: str) -> Iterator[Letter]:
    """Mails that ask for nothing: sales, support, spam, newsletters, invoices, applications."""
    for what, text in rows(DATA / "no_requests" / f"{language}.txt"):
        yield Letter(language=language, source=what, how="own words", text=text, kind="other", rights=frozenset())


def rows(path: Path) -> Iterator[list[str]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line.split("|")


@cache
def _labels() -> dict[str, Any]:
    path = DATA / "letters" / "labels.yaml"
    return dict(load_lined(path.read_text(encoding="utf-8"), source=path.name).data)


def _filled(language: str, name: str, label: Any, made: random.Random) -> Letter:
    template = (DATA / "letters" / language / f"{name}.txt").read_text(encoding="utf-8")
    rights = set(label["rights"])
    chosen = {part: made.random() < 0.5 for part, _ in _PART.findall(template)}
    if "erase_all" in chosen:
        chosen["erase_some"] = not chosen["erase_all"]
    for part, more in label.get("optional", {}).items():
        rights |= set(more) if chosen.get(part) else set()
    text = _PART.sub(lambda found: found[2] if chosen[found[1]] else "", template)
    text = _BLANK.sub(lambda found: _fill(found[1], language, made), text)
    text = re.sub(r"\[[^\]]{0,200}\]", "", text.replace("<italic>", "").replace("</italic>", ""))
    return Letter(language=language, source=name, how="whole", text=text, kind=label["kind"], rights=frozenset(rights))


def _fill(blank: str, language: str, made: random.Random) -> str:
    if blank not in _BLANKS:
        return made.choice(_TOLD[language])
    filled = made.choice(_BLANKS[blank])
    values = {
        "name": made.choice(_NAMES),
        "mail": f"p{made.randrange(999)}@example.org",
        "number": f"K-{made.randrange(10**6)}",
    }
    return filled.format(**values)


def _shortened(language: str, name: str, label: Any, made: random.Random) -> Iterator[Letter]:
    """The first paragraphs that ask: for what the letter's first right is all that is left of it."""
    whole = _filled(language, name, {**label, "optional": {}}, made)
    paragraphs = [part for part in whole.text.split("\n\n") if part.strip()]
    if name in ("admonition", "complaint"):
        yield replace(whole, how="shortened", text="\n\n".join(paragraphs[1:3]), rights=frozenset())
        return
    first = {"access": "access", "erasure": "deletion", "rectification": "correction", "objection": ""}[
        name.split("-")[0]
    ]
    rights = frozenset({first} if first else {"objection", "opt_out"})
    yield replace(whole, how="shortened", text=paragraphs[1].split("\n")[0], rights=rights)


def _misspelled(text: str, made: random.Random) -> str:
    """One word in twelve, of six letters or more, with two letters changed about, one lost, or one doubled."""

    def slip(found: re.Match[str]) -> str:
        word = found[0]
        if made.random() > 1 / 12:
            return word
        at = made.randrange(1, len(word) - 2)
        return made.choice((
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
        ))  # fmt: skip

    return re.sub(r"[^\W\d_]{6,}", slip, text)


def _dressed(text: str, made: random.Random) -> str:
    """With a quote, a signature or a footer, and lines broken as old programs do."""
    text += made.choice(_FOOTERS)
    return text if made.random() < 0.5 else re.sub(r"(.{50,70}) ", r"\1\n", text)


def _mixed(language: str, made: random.Random) -> Letter:
    """Two letters, one after the other: the rights of both; a reminder or complaint with a request is a request."""
    first, second = (_filled(language, name, label, made) for name, label in made.sample(sorted(_labels().items()), 2))
    kinds = {first.kind, second.kind}
    kind = "request" if "request" in kinds else "complaint" if "complaint" in kinds else "reminder"
    return Letter(
        language=language, source=f"{first.source}+{second.source}", how="mixed",
        text=f"{first.text}\n\n{second.text}", kind=kind, rights=first.rights | second.rights,
    )  # fmt: skip
