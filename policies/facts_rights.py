"""What people may ask for and how they hear of changes, as a policy text says it: rights, ages, laws, days, notices."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Final

from policies.clauses import Right
from policies.facts_subjects import Place
from policies.facts_types import CERTAIN, CLEAR, GUESS, LIKELY, Fact, FactKind
from policies.plain_texts import BlockKind

_RIGHTS: Final = {
    Right.ACCESS: r"(?:^|\b(?:to|of|request|requests|may|can)\s+)access\b(?!\s+(?:to\s+)?(?:essential|third|our|the\s+(?:serv|site)))|"
    r"\baccess\s+(?:to\s+)?(?:your|the\s+personal|my|data|information|personal)|\baccess(?:,\s|\s+&)|"
    r"\bcop(?:y|ies)\s+of\s+(?:your|the|such|my|personal|data)|\bright\s+to\s+know\b|\bexport\s+(?:of\s+)?your\b|\bAuskunft",
    Right.PORTABILITY: r"\bportab\w+|\bport\b|\btransfer\s+your\s+personal\s+data\s+you\s+provided|\bDatenübertragbarkeit|\bübertragbar",
    Right.CORRECTION: r"\bcorrect(?:ion|ed|ing)?\b|\brectif\w+|\bamend(?:ment)?\b|\bupdate\s+(?:your|or\s+correct|or\s+amend)|\bupdate,|\bBerichtigung|\bberichtig\w+",
    Right.DELETION: r"\bdelet(?:e|ion|ing)\b|\beras(?:e|ure)\b|\bforgotten\b|\bLöschung|\blösch\w+",
    Right.RESTRICTION: r"\brestrict(?:ion)?\b(?!ed)|\bfreeze\s+the\s+processing|\blimit\s+(?:the|our)\s+processing|\bEinschränkung",
    Right.OBJECTION: r"\bobject(?:ion)?\b(?!ive)|\bWiderspruch|\bwidersprechen",
    Right.OPT_OUT: r"\bopt(?:ing)?[\s-]?out\b|\bunsubscribe\b|\bAbmeldung\b",
    Right.LIMIT_SENSITIVE: r"\blimit\s+(?:the\s+)?(?:use|disclosure)\b[^.;]{0,40}\bsensitive",
    Right.WITHDRAW_CONSENT: r"\bwithdraw\w*\s+(?:of\s+)?(?:your\s+|their\s+|my\s+|such\s+)?consent|\bconsent\s+withdrawal|\bEinwilligung\b[^.;]{0,40}\bwiderruf\w*|\bWiderruf\w*",
    Right.COMPLAINT: r"\bcomplain(?:t|ts)?\b|\braise\s+a\s+concern\s+with|\bBeschwerde|\bbeschwer\w+",
    Right.APPEAL: r"\bappeal\s+(?:requests|our|a|an|such|any|the|[A-Z]\w+(?:\s+\w+)?’s)\b(?!\s+period)|\bright\s+to\s+appeal\b",
}  # fmt: skip
_EACH_RIGHT: Final = tuple((right, re.compile(words, re.I)) for right, words in _RIGHTS.items())
_GRANTED: Final = re.compile(
    r"\brights?(?:\s+(?:to|of|include|are)\b|\s*:\s)|\b(?:have|following|certain)\s+(?:\w+\s+){0,2}rights?\b|\bentitled\s+to\b|\bRechte?\s+(?:auf|zu|der)\b|\b(?:haben|steht)\b[^.]*\bRecht",
    re.I,
)
_OFFERED: Final = re.compile(
    r"\b(?:you|users|individuals|consumers|customers|residents)\s+(?:can|may|are\s+able\s+to)\b[^.;]*?\b(?:data|information|account|consent|copy|complaint|decision|marketing|emails?|deletion)\b|"
    r"^Request\s+(?:access|correction|deletion|a\s+copy)\b|\bEinwilligung\b[^.;]*\bwiderruf\w*|\b(?:Sie\s+können|können\s+Sie)\b[^.;]*\b(?:Daten|Konto|Einwilligung|Beschwerde)",
    re.I,
)
_BY_ONESELF: Final = re.compile(
    r"\b(?:export\b[^.;]*\bfrom\s+the\s+(?:console|dashboard)|download\b[^.;]*\b(?:in|from)\s+your\s+(?:account|settings)|user\s+control)",
    re.I,
)
_SELF_SERVED: Final = (Right.ACCESS, Right.PORTABILITY)
_RIGHTS_HEADING: Final = re.compile(r"\brights?\b|\bchoices\b|\bRechte\b", re.I)
_RIGHTS_LEAD: Final = re.compile(r"\b(?:rights?|you\s+(?:can|may|have)|Recht)\b", re.I)
_NOT_GRANTED: Final = re.compile(
    r"\b(?:not\s+discriminat\w*|reserve\s+the\s+right|we\s+have\s+the\s+right|rights\s+of\s+others|our\s+rights?)\b|^(?:if\s+you\s+choose\s+to)",
    re.I,
)
_THEIRS: Final = re.compile(
    r"\b(?:you|your|users?|individuals?|consumers?|data\s+subjects?|residents?|Sie|Ihre?n?|Betroffene)\b|^Request\b",
    re.I,
)
_NARROWED: Final = (
    ("marketing", r"marketing|e-?mails?\b|newsletter|unsubscribe"),
    ("sale", r"\bs(?:ale|ell|old|elling)\b|sharing|targeted\s+advert"),
    ("training", r"\btrain"),
)
_AGE: Final = re.compile(
    r"\b(?:under|below|younger\s+than|less\s+than|unter|at\s+least|over|above)\s+(?:the\s+age\s+of\s+|age\s+|von\s+)?(?P<a>1[0-9]|2[01])(?:\s+(?:years?|Jahren?))?\b|"
    r"\b(?P<b>1[0-9]|2[01])\s+(?:years?\s+(?:of\s+age|old)|Jahre\s+alt|or\s+older)\b|\b(?P<c>1[0-9]|2[01])\.\s+Lebensjahr",
    re.I,
)
_FOR_AGE: Final = re.compile(
    r"\b(?:child\w*|minors?|age|old|older|anyone|use[d]?|directed|intended|Kinder\w*|Minderjährig\w*|Personen|Jahre)\b",
    re.I,
)
_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        ("january januar jan", "february februar feb", "march märz mar", "april apr", "may mai", "june juni jun", "july juli jul", "august aug",
         "september sep sept", "october oktober oct", "november nov", "december dezember dec"), start=1)
    for name in names.split()
}  # fmt: skip
_MONTH: Final = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DAY: Final = re.compile(
    rf"\b(?P<iso>\d{{4}}-\d{{2}}-\d{{2}})\b|\b(?P<month>{_MONTH})\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})(?!\d)|"
    rf"\b(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?\.?\s+(?P<month2>{_MONTH})\.?,?\s+(?P<year2>\d{{4}})(?!\d)|\b(?P<day3>\d{{1,2}})\.(?P<month3>\d{{1,2}})\.(?P<year3>\d{{4}})\b",
    re.I,
)
_UPDATED: Final = re.compile(
    r"\b(?:(?:last\s+)?(?:updated?|modified|revised)|Stand|zuletzt\s+(?:geändert|aktualisiert)|letzte\s+(?:Änderung|Aktualisierung))\b",
    re.I,
)
_EFFECTIVE: Final = re.compile(r"\b(?:effective|in\s+force|gültig\s+ab|in\s+Kraft)", re.I)
_REGIMES: Final = (
    ("uk_gdpr", r"\bUK\s+GDPR\b|\bUK\s+General\s+Data"),
    (
        "gdpr",
        r"(?<!UK\s)\bGDPR\b(?!/)|\bEU(?:/UK)?\s+GDPR\b|(?<!UK\s)\bGeneral\s+Data\s+Protection\s+Regulation|\bDSGVO\b|\bGDPR/UK",
    ),
    ("ccpa", r"\bCCPA\b|\bCPRA\b|\bCalifornia\s+(?:Consumer|Privacy|notice)"),
    ("lgpd", r"\bLGPD\b"),
    ("pipeda", r"\bPIPEDA\b"),
    ("virginia", r"\bVirginia\s+(?:Consumer|CDPA)|\bVCDPA\b"),
    ("colorado", r"\bColorado\s+Privacy\s+Act"),
    ("swiss", r"\bFADP\b|\bSwiss\s+(?:Federal\s+)?(?:Act\s+on\s+)?Data\s+Protection|\brevDSG\b"),
)
_EACH_REGIME: Final = tuple((name, re.compile(words)) for name, words in _REGIMES)
_EU_UK: Final = re.compile(r"\bEU/UK\s+GDPR\b", re.I)
_CHANGES: Final = re.compile(r"\b(?:chang\w*|updat\w*|revis\w*|amend\w*|version|Änderung\w*|geändert\w*)\b", re.I)
_CHANNELS: Final = (
    (
        "email",
        r"\b(?:via|by|per|through|an)\s+e-?mail\b|\be-?mail\s+you\b|\bsend(?:ing)?\s+(?:you\s+)?an\s+e-?mail|\bE-?Mail\b(?=[^.]*\binformier)",
    ),
    (
        "banner",
        r"\bprominent\s+notice\b|\bbanner\b|\bin-app\b|\bnotice\s+(?:on|in|through|within)\s+(?:our|the)\s+(?:web)?(?:site|services?|app|console|dashboard|platform)",
    ),
    (
        "post",
        r"\bpost(?:ed|ing)?\b|\bpublish\w*\s+on\s+this\s+page|\bon\s+this\s+page\b|\breflected\s+in\s+updated\s+dates|\bveröffentlich\w*",
    ),
)
_TELLS: Final = re.compile(
    r"\b(?:notif\w+|inform\w*|post(?:ed|ing)?|publish\w*|reflected|let\s+you\s+know|alert|e-?mail|update\s+the|benachrichtig\w*|informier\w*|veröffentlich\w*)\b",
    re.I,
)
_BY_USE: Final = re.compile(
    r"\bcontinu(?:ed|ing|e)\b[^.;]{0,30}\b(?:use|usage|using|access)\b[^.;]*\b(?:accept\w*|agree\w*|consent|acknowledg\w*|follows|bound)\b|\bweitere\s+Nutzung\b[^.]*\b(?:Zustimmung|akzeptier\w*|einverstanden)",
    re.I,
)


def find_rights(place: Place) -> Iterator[Fact]:
    """Each right that a sentence grants, in so many words, or as an item under a heading or a lead-in about rights."""
    text = place.text
    certainty = _granted(place)
    if certainty is None:
        return
    for right, words in _EACH_RIGHT:
        match = words.search(text)
        if match is None or (
            right is Right.DELETION and re.search(r"\bpersonal\s+data\s+(?:of|from)\s+children", text, re.I)
        ):
            continue
        subject = next((name for name, said in _NARROWED if re.search(said, text[match.start() :], re.I)), "")
        if right is Right.OPT_OUT and re.search(r"\bunless\b|\beven\s+if\b|\bcontrols\b", text[: match.start()], re.I):
            continue
        narrowed = subject if right is Right.OPT_OUT else ""
        fact = _fact(place, FactKind.RIGHT, right.value, narrowed, certainty, match[0])
        yield replace(fact, role="self_service") if _BY_ONESELF.search(text) and right in _SELF_SERVED else fact


def _granted(place: Place) -> float | None:
    text = place.text
    if _NOT_GRANTED.search(text):
        return None
    if _GRANTED.search(text):
        return CERTAIN
    listed = place.sentence.block.kind in (BlockKind.ITEM, BlockKind.CELL)
    first = place.sentence.block.text.startswith(text)
    under = bool(place.headings and _RIGHTS_HEADING.search(place.headings[-1]))
    if listed and first and (_RIGHTS_LEAD.search(place.lead) if place.lead else under):
        return CLEAR
    if (
        _OFFERED.search(text)
        and (under or _THEIRS.search(text))
        and not re.search(r"\bour\s+services?\s+may\b", text, re.I)
    ):
        return CLEAR if under else LIKELY
    return None


def find_ages(place: Place) -> Iterator[Fact]:
    """The least age of a user. An age in a sentence about sale or special cases is a guess."""
    for match in _AGE.finditer(place.text):
        years = match["a"] or match["b"] or match["c"]
        if not _FOR_AGE.search(place.text):
            continue
        other_rule = re.search(
            r"\b(?:sell|sold|sale|consumers?|parent\w*|guardian|where|depending)\b", place.text, re.I
        )
        majority = "majority" if re.search(r"\bage\s+of\s+majority|\bvolljährig", place.text, re.I) else ""
        sure = GUESS if other_rule and not majority else CERTAIN
        yield _fact(place, FactKind.AGE, years, majority, sure, match[0])


def find_days(place: Place) -> Iterator[Fact]:
    """The day a policy was last changed, or takes effect."""
    for match in _DAY.finditer(place.text):
        before = place.text[max(0, match.start() - 50) : match.start()]
        subject = "updated" if _UPDATED.search(before) else "effective" if _EFFECTIVE.search(before) else ""
        if subject and (day := _day(match)) is not None:
            yield _fact(place, FactKind.DAY, day.isoformat(), subject, CERTAIN, match[0])


def _day(match: re.Match[str]) -> date | None:
    try:
        if match["iso"]:
            return date.fromisoformat(match["iso"])
        if match["year3"]:
            return date(int(match["year3"]), int(match["month3"]), int(match["day3"]))
        month = _MONTHS[(match["month"] or match["month2"]).lower()]
        return date(int(match["year"] or match["year2"]), month, int(match["day"] or match["day2"]))
    except ValueError:
        return None


def find_regimes(place: Place) -> Iterator[Fact]:
    """The laws that a sentence names."""
    for name, words in _EACH_REGIME:
        if match := words.search(place.text):
            yield _fact(place, FactKind.REGIME, name, "", CERTAIN, match[0])
        elif name == "uk_gdpr" and (both := _EU_UK.search(place.text)):
            yield _fact(place, FactKind.REGIME, name, "", CERTAIN, both[0])


def find_notices(place: Place) -> Iterator[Fact]:
    """How people hear of changes, and whether using the service on accepts them."""
    text = place.text
    if match := _BY_USE.search(text):
        yield _fact(place, FactKind.ACCEPTANCE, "use", "", CERTAIN, match[0])
    about = f"{text} {place.headings[-1] if place.headings else ''}"
    if not (
        _CHANGES.search(about)
        and _TELLS.search(text)
        and re.search(r"\b(?:policy|notice|chang|version|statement|update|Änderung|Erklärung)", about, re.I)
    ):
        return
    if not _CHANGES.search(text) or re.search(r"\bdelet|\brequest|\bservice\s+updates|\bnewsletter", text, re.I):
        return
    found = [(name, match) for name, words in _CHANNELS if (match := re.search(words, text, re.I))]
    if found:
        one_of = len(found) > 1 and re.search(r"\b(?:or|oder)\b", text, re.I)
        value = " ".join((["any"] if one_of else []) + [name for name, _ in found])
        sure = CERTAIN if re.search(r"\bmaterial|significant|substantial|wesentlich", text, re.I) else CLEAR
        yield _fact(place, FactKind.NOTICE, value, "", sure, found[0][1][0])


def _fact(place: Place, kind: FactKind, value: str, subject: str, sure: float, found: str) -> Fact:
    return Fact(
        kind=kind, value=value, subject=subject, sentence=place.text, line=place.sentence.line,
        confidence=sure, found=found, block=place.sentence.number,
    )  # fmt: skip
