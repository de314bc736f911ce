"""How long things last, as a policy text says it: periods with their role, events, 'indefinitely', and vague words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from core.errors import BadInput
from policies.facts_subjects import Place, subjects_at
from policies.facts_types import CERTAIN, CLEAR, GUESS, LIKELY, Fact, FactKind, PeriodRole
from policies.periods import Period

_UNITS: Final = (
    ("minutes", r"minutes?|Minuten?"),
    ("hours", r"hours?|hrs?|Stunden?"),
    ("days", r"days?|Tag(?:e[ns]?)?"),
    ("weeks", r"weeks?|Wochen?"),
    ("months", r"months?|Monat(?:e[ns]?|s)?"),
    ("years", r"years?|yrs?|Jahr(?:e[ns]?|es)?"),
)
NUMBER_WORDS: Final = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "eighteen": 18, "twenty": 20, "twenty-four": 24, "thirty": 30,
    "forty-five": 45, "sixty": 60, "ninety": 90, "ein": 1, "eine": 1, "einem": 1, "einen": 1, "einer": 1, "eines": 1,
    "zwei": 2, "drei": 3, "vier": 4, "fünf": 5, "sechs": 6, "sieben": 7, "acht": 8, "neun": 9, "zehn": 10, "zwölf": 12,
    "vierzehn": 14, "dreißig": 30, "neunzig": 90,
}  # fmt: skip
_WORKING: Final = r"business|working|Werk|Arbeits|Geschäfts"
_PERIOD: Final = re.compile(
    rf"(?<![\w.,$€£-])(?P<number>\d{{1,5}}(?:[.,]\d+)?|{'|'.join(sorted(NUMBER_WORDS, key=len, reverse=True))})"
    rf"(?:\s*\((?P<figure>\d{{1,5}})\))?[\s-]*(?:(?P<working>{_WORKING})[\s-]*)?"
    rf"(?:(?:calendar|rolling|consecutive|full|additional|further|volle[nr]?|weitere[nr]?|Kalender)[\s-]*)?"
    rf"(?:{'|'.join(f'(?P<{unit}>{words})' for unit, words in _UNITS)})(?!\w)",
    re.I,
)
_AGE: Final = re.compile(
    r"\b(?:years?\s+(?:of\s+age|old)|aged?|Lebensjahr|Jahre\s+alt|under|younger\s+than|unter|at\s+least\s+1[0-9])\b",
    re.I,
)
_LOOKS_BACK: Final = re.compile(
    r"\b(?:preceding|past|last|previous|prior|every|each|per|once|twice|vergangenen|letzten|vorangegangenen|alle)\s+(?:\w+\s+)?$",
    re.I,
)
_EXTENDS: Final = re.compile(
    r"\bexten(?:d|sion)\w*\b[^.;]{0,60}$|\bverlänger\w*\b[^.;]{0,60}$|\b(?:further|additional)\s+$", re.I
)
_AHEAD: Final = re.compile(
    r"^\W*(?:'|’)?\s*(?:before|prior|in\s+advance|ahead|notice|advance|vor\b|vorher|zuvor|im\s+Voraus)|\b(?:in\s+advance|prior\s+notice|advance\s+notice)\b",
    re.I,
)
_CHANGES: Final = re.compile(
    r"\b(?:chang|notif|notice|effective|take[s]?\s+effect|updat|Änderung|Inkrafttreten|benachrichtig)", re.I
)
_ANSWERS: Final = re.compile(
    r"\b(?:respond|reply|replies|answer|get\s+back|act\s+on|fulfill?\s+(?:your|the|any|an?|such)\s+request|comply\s+with\s+(?:your|the|any)\s+request|"
    r"process\s+(?:your|the|any)\s+request|beantwort\w*|antwort\w*|Auskunft\s+erteilen)",
    re.I,
)
_CLOSING: Final = re.compile(
    r"\b(?:delet\w+|clos\w+|terminat\w+|deactivat\w+|cancel\w*|end\s+of)\b[^.;]{0,40}\b(?:account|subscription|contract)s?\b|"
    r"\baccount\s+(?:is\s+)?(?:delet\w+|clos\w+|terminat\w+|deactivat\w+)|\b(?:Löschung|Kündigung|Schließung|Beendigung)\w*\b[^.;]{0,40}\b(?:Konto|Vertrag)\w*",
    re.I,
)
_KEEPS: Final = re.compile(
    r"\b(?:retain\w*|retention|kept|keep|keeps|stor(?:e|es|ed|age)|hold|held|sav(?:e|ed)|preserv\w+|archiv\w+|delet\w+|eras\w+|remov\w+|purg\w+|"
    r"destroy\w*|expir\w+|anonymi[sz]\w+|rotat\w+|revok\w+|log(?:s|ged|ging)?|aufbewahr\w*|speicher\w*|gespeichert|gelöscht|lösch\w*|vorgehalten)\b",
    re.I,
)
_KEEPS_HEADING: Final = re.compile(
    r"\b(?:retention|how\s+long|storage|keep|delet|Speicherdauer|Aufbewahrung|Löschung|wie\s+lange)", re.I
)
_COOKIES: Final = re.compile(r"\bcookies?\b", re.I)
_EVENT: Final = re.compile(
    r"\b(?:until\s+(?:you\s+(?:delete|close|terminate|deactivate|cancel)\s+(?:your|the)\s+(?:[\w-]+\s+)?account|(?:your\s+|the\s+)?account\s+(?:is\s+)?"
    r"(?:deleted|closed|terminated|deletion|closure))|(?:for\s+)?(?:as|so)\s+long\s+as\s+(?:your\s+account\s+(?:is|remains)\s+(?:active|open)|you\s+(?:have|maintain|keep)\s+"
    r"(?:an|your)\s+(?:active\s+)?account)|while\s+(?:your|the)\s+account\s+is\s+(?:active|open)|bis\s+zur\s+(?:Löschung|Schließung|Kündigung)\s+(?:Ihres|des)\s+\w*kontos|"
    r"bis\s+Sie\s+Ihr\s+\w*konto\s+löschen|solange\s+(?:Ihr|das)\s+\w*konto\s+(?:besteht|aktiv\s+ist))",
    re.I,
)
_INDEFINITE: Final = re.compile(
    r"\b(?:indefinitely|forever|for\s+ever|in\s+perpetuity|without\s+(?:any\s+)?time\s+limit|unbegrenzt|unbefristet|dauerhaft)\b",
    re.I,
)
_VAGUE: Final = re.compile(
    r"\b(?:(?:for\s+)?(?:only\s+)?(?:a|an|the)?\s*(?:limited|reasonable|short|certain|minimum|appropriate|brief)\s+(?:period|time|amount)(?:\s+of\s+time)?|"
    r"(?:only\s+)?(?:for\s+)?(?:only\s+)?(?:as|so)\s+long\s+as\s+(?:it\s+is\s+|is\s+|reasonably\s+|we\s+are\s+|we\s+|are\s+|they\s+are\s+|strictly\s+)*"
    r"(?:necessary|needed|required|need)|no\s+longer\s+than\s+(?:is\s+)?(?:necessary|needed)|(?:only\s+)?for\s+necessary\s+[\w\s]*?windows?|"
    r"(?:as|when|where)\s+(?:needed|necessary|required)\s+(?:for|to)\s+[\w/]+(?:\s+(?:purposes|obligations|needs))?|"
    r"(?:for\s+)?the\s+(?:period|time)\s+(?:necessary|needed|required)|retention\s+periods?\s+(?:may\s+|will\s+)?(?:vary|be\s+different)|regularly|periodically|"
    r"(?:nur\s+)?(?:so\s*lange|solange)\s[\w\s,]{0,60}?(?:nötig|erforderlich|notwendig)|für\s+(?:eine[nr]?\s+)?(?:begrenzte|angemessene)[nr]?\s+Zeit(?:raum)?)\b",
    re.I,
)
_KEPT_FOR: Final = re.compile(r"\b(?:retained|kept|stored)\s+(?P<how>(?:for|as|to)\s+[^.;,(]{3,60})", re.I)
_NOT_KEPT: Final = re.compile(
    r"\b(?:not|never|nicht|kein\w*|no\s+longer)\b[^.;]{0,30}\b(?:retain\w*|kept|keep|stor\w+|persist\w*|log\w*|gespeichert)\b",
    re.I,
)
_KEEPS_ITSELF: Final = re.compile(
    r"\b(?:retain(?:s|ed)?|kept|keep|keeps|stored?|stores|aufbewahr\w*|speicher\w*|gespeichert)\b", re.I
)
_CLEANS: Final = re.compile(r"\b(?:revoked|cleaned|deleted|purged|erased|removed)\b", re.I)


_EXCEPTION: Final = re.compile(
    r"\b(?:subject\s+to\s+(?:our\s+)?(?:legal|statutory|regulatory)\s+\w+|(?:except|unless)\s+(?:where|when|if|as|to\s+the\s+extent)?\s*(?:we\s+are\s+|it\s+is\s+)?"
    r"(?:legally\s+|otherwise\s+)?(?:required|obliged|permitted)(?:\s+(?:by|to)\s+\w+)?|soweit\s+keine\s+gesetzlich\w*\s+\w+)",
    re.I,
)
_DELETES: Final = re.compile(r"\b(?:delet\w+|eras\w+|remov\w+|lösch\w*|Löschung\w*)\b", re.I)


def find_exceptions(place: Place) -> Iterator[Fact]:
    """Under what a deletion does not happen: except where we are legally required to retain it."""
    if _DELETES.search(place.text) and (match := _EXCEPTION.search(place.text)):
        yield from _about(place, match, FactKind.EXCEPTION, " ".join(match[0].split()), "")


def find_periods(place: Place) -> Iterator[Fact]:
    """Every period of a sentence with its role, and the vague words in place of one."""
    text = place.text
    said, until = False, False
    for match in _PERIOD.finditer(text):
        made = _one_period(place, match)
        said = said or any(one.role != PeriodRole.OTHER for one in made)
        yield from made
    for match in _EVENT.finditer(text):
        until = True
        yield from _about(place, match, FactKind.EVENT, "account_closed", "")
    for match in _INDEFINITE.finditer(text):
        if _KEEPS.search(text):
            said = True
            yield from _about(place, match, FactKind.INDEFINITE, "indefinite", "")
    if (vague := _find_vague(place, said=said, until=until)) is not None:
        yield from _about(place, vague, FactKind.VAGUE_PERIOD, " ".join(vague[0].split()), "")


def _one_period(place: Place, match: re.Match[str]) -> list[Fact]:
    unit = next(unit for unit, _ in _UNITS if match[unit])
    word = match["number"].lower()
    count = (
        int(match["figure"]) if match["figure"] else NUMBER_WORDS.get(word) or (int(word) if word.isdecimal() else 0)
    )
    role, sure = role_of(place, match)
    if role is PeriodRole.AGE:
        return []
    if match["working"] or not count:
        # No clause counts working days, or half ones: what it says is shown to a person instead.
        return list(_about(place, match, FactKind.VAGUE_PERIOD, match[0], role.value))
    try:
        value = str(Period(**{unit: count}))
    except BadInput:
        return []
    return list(_about(place, match, FactKind.PERIOD, value, role.value, sure))


def role_of(place: Place, match: re.Match[str]) -> tuple[PeriodRole, float]:
    """What the period at a match is for, and how sure that is."""
    text, before, after = place.text, place.text[: match.start()], place.text[match.end() :]
    if match["years"] and _AGE.search(before[-25:] + match[0] + after[:14]):
        return PeriodRole.AGE, CERTAIN
    if _LOOKS_BACK.search(before[-30:]) or _EXTENDS.search(before[-90:]) or re.match(r"\s+ago\b", after):
        return PeriodRole.OTHER, GUESS
    if (
        (_AHEAD.search(after[:40]) or _AHEAD.search(before[-30:]))
        and _CHANGES.search(text)
        and not _CLOSING.search(text)
    ):
        return PeriodRole.AHEAD, CERTAIN
    if _ANSWERS.search(before[-160:] + match[0]) and re.search(
        r"\b(?:request|inquir|right|Anfrage|Antrag)", text + place.around, re.I
    ):
        return PeriodRole.ANSWER, CERTAIN
    if _CLOSING.search(text) and not re.search(r"\bin\s+case\s+of\b", text, re.I):
        return PeriodRole.AFTER_CLOSING, CERTAIN
    if _COOKIES.search(text) and re.search(r"\b(?:last|expire|valid|lifetime|gültig|Laufzeit)", text, re.I):
        return PeriodRole.LASTS, CLEAR
    if _KEEPS.search(text):
        return PeriodRole.RETENTION, LIKELY if _counted_from_elsewhere(after) else CERTAIN
    if _KEEPS_HEADING.search(" ".join((*place.headings[-1:], place.lead))):
        return PeriodRole.RETENTION, LIKELY if _counted_from_elsewhere(after) else CLEAR
    return PeriodRole.OTHER, GUESS


def _counted_from_elsewhere(text: str) -> bool:
    """Whether the words after a period count it from an event that no category has a name for."""
    return bool(re.match(r"\s*(?:following|after|from|since|ab|nach)\s+(?:the|your|any|der|dem|Ende)\b", text, re.I))


def _about(
    place: Place, match: re.Match[str], kind: FactKind, value: str, role: str, sure: float = CERTAIN
) -> Iterator[Fact]:
    """One finding for each category it is about: less sure where that stands above the sentence, or nowhere."""
    names, said_here = subjects_at(place, match.start(), match.end())
    if role in (PeriodRole.ANSWER, PeriodRole.AHEAD, PeriodRole.OTHER):
        names, said_here = ("",), True
    elif kind is FactKind.VAGUE_PERIOD and re.match(r"retention\s+period", match[0], re.I):
        names, said_here = (), False
    elif role == PeriodRole.AFTER_CLOSING and not names:
        names, said_here = ("account",), True
    certainty = sure if said_here else min(sure, CLEAR if names else LIKELY)
    for name in names or ("",):
        yield Fact(
            kind=kind, value=value, subject=name, sentence=place.text, line=place.sentence.line, role=role,
            confidence=certainty, found=match[0].strip(), block=place.sentence.number,
        )  # fmt: skip


def _find_vague(place: Place, *, said: bool, until: bool) -> re.Match[str] | None:
    """Words that stand where a period should, or beside an event: until you leave and as long as the law requires."""
    text = place.text
    if said or _NOT_KEPT.search(text):
        return None
    about_keeping = _KEEPS_HEADING.search(" ".join((*place.headings[-1:], place.lead)))
    if (found := _VAGUE.search(text)) and (
        _KEEPS_ITSELF.search(text) or (about_keeping and _CLEANS.search(text)) or "etention period" in found[0]
    ):
        return found
    return _KEPT_FOR.search(text) if about_keeping and not until else None
