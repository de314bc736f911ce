"""Clauses in words: what prose prints for a key, and one plain sentence for each clause."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from policies.clause_schemas import key_names
from policies.clauses import (
    AcceptanceClause,
    Action,
    AgeLimitClause,
    Answer,
    ChannelClause,
    Channels,
    Clause,
    CollectsClause,
    CookieClause,
    NeverClause,
    NoticeClause,
    ProcessorClause,
    PurposeClause,
    RecipientClause,
    RetentionClause,
    RetentionException,
    RightClause,
)
from policies.periods import Period

_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "by_law": "the time the law gives", "at_once": "at once", "true": "yes", "false": "no", "session": "the session",
        "email": "e-mail", "banner": "a banner", "post": "a post on this site", "scc": "standard contractual clauses",
        "adequacy": "an adequacy decision", "bcr": "binding corporate rules", "dpf": "the Data Privacy Framework",
        "idta": "the International Data Transfer Agreement", "derogation": "a derogation",
    },
    "de": {
        "by_law": "der gesetzlichen Frist", "at_once": "sofort", "true": "ja", "false": "nein", "session": "die Sitzung",
        "email": "E-Mail", "banner": "ein Banner", "post": "eine Mitteilung auf dieser Seite", "or": "oder", "and": "und",
        "scc": "Standardvertragsklauseln", "adequacy": "ein Angemessenheitsbeschluss",
        "bcr": "verbindliche interne Datenschutzvorschriften", "dpf": "das Data Privacy Framework",
        "idta": "das International Data Transfer Agreement", "derogation": "eine Ausnahme",
        "contract": "Vertrag", "consent": "Einwilligung", "legal_obligation": "rechtliche Verpflichtung",
        "vital_interests": "lebenswichtige Interessen", "public_interest": "öffentliches Interesse",
        "expression": "Meinungs- und Informationsfreiheit", "public_health": "öffentliche Gesundheit",
        "research": "Archivierung, Forschung oder Statistik",
        "legitimate_interests": "berechtigte Interessen", "legal_claims": "Rechtsansprüche", "access": "Auskunft",
        "portability": "Datenübertragbarkeit", "correction": "Berichtigung", "deletion": "Löschung",
        "restriction": "Einschränkung", "objection": "Widerspruch", "opt_out": "Abwahl", "complaint": "Beschwerde",
        "withdraw_consent": "Widerruf der Einwilligung", "limit_sensitive": "Beschränkung sensibler Daten",
        "appeal": "Einspruch", "processor": "Auftragsverarbeiter", "joint_controller": "gemeinsam Verantwortlicher",
        "controller": "Verantwortlicher", "authority": "Behörde",
    },
}  # fmt: skip
_DONE: Final = {
    "en": {Action.DELETE: "deleted", Action.ANONYMISE: "anonymised", Action.REDACT: "redacted",
           Action.AGGREGATE: "turned into totals", Action.REVOKE: "revoked"},
    "de": {Action.DELETE: "gelöscht", Action.ANONYMISE: "anonymisiert", Action.REDACT: "geschwärzt",
           Action.AGGREGATE: "zu Summen zusammengefasst", Action.REVOKE: "widerrufen"},
}  # fmt: skip
# `closed` is said of an account; any other event keeps its own words.
_EVENTS: Final = {
    "en": {
        "account_closed": "the account is closed", "last_use": "the last use", "revoked": "they are revoked",
        "request_closed": "the request is closed", "consent_ended": "the consent has ended",
        "proof_ended": "the proof has ended", "mail_settled": "the mail has gone, or cannot",
        "operator_left": "the operator has left", "hold_released": "the hold is released",
    },
    "de": {
        "account_closed": "Schließung des Kontos", "last_use": "der letzten Nutzung", "revoked": "dem Widerruf",
        "request_closed": "Abschluss der Anfrage", "consent_ended": "Ende der Einwilligung",
        "proof_ended": "Ende des Nachweises", "mail_settled": "Versand der Mail", "operator_left": "dem Ausscheiden",
        "hold_released": "Aufhebung der Sperre",
    },
}  # fmt: skip
_ASKED: Final = {"opt_out": "opting out", "withdraw_consent": "withdrawal of consent",
                 "limit_sensitive": "limiting the use of sensitive data"}  # fmt: skip
_ACRONYMS: Final = frozenset({"api", "ip", "id", "url"})
_WEIRD_PLURALS: Final = {
    "content": "content", "usage": "usage", "card_data": "card data", "code": "code", "metadata": "metadata",
    "billing": "billing data", "technical": "technical data",
}  # fmt: skip


def speak(language: str) -> str:
    """The language that words are kept for: `de-AT` is German, an unknown one English."""
    short = language.split("-", 1)[0].lower()
    return short if short in _NAMES else "en"


def said(value: Any, language: str) -> str:
    """A value of a clause as prose prints it: periods, choices and lists in words of the language."""
    language = speak(language)
    if isinstance(value, Period):
        return value.words(language)
    if isinstance(value, bool | StrEnum):
        name = str(value).lower()
        return _NAMES[language].get(name, name.replace("_", " "))
    if isinstance(value, Channels):
        return join([said(way, language) for way in value.ways], language, any_of=value.any_of)
    if isinstance(value, RetentionException):
        return join([plain(name) for name in value.of], language) + (f" ({value.note})" if value.note else "")
    if isinstance(value, tuple):
        return join([said(each, language) for each in value], language)
    return "" if value is None else str(value)


def said_key(clause: Clause, key: str, language: str) -> str:
    """What `clause(id).key` prints; `_dative` after a period's key asks for the German dative."""
    if key == "cite":
        return ""
    names = key_names(clause.kind)
    base = key if key in names else key.removesuffix("_dative")
    value = getattr(clause, names[base])
    if isinstance(value, Period):
        return value.words(speak(language), dative=base != key)
    if base == "lasts" and value is None:
        return _NAMES[speak(language)]["session"]
    if base in ("of", "category", "after", "until", "except") and isinstance(value, str | tuple):
        items = (value,) if isinstance(value, str) else value
        return join([plain(item) if isinstance(item, str) else said(item, language) for item in items], language)
    return said(value, language)


def join(items: Sequence[str], language: str, *, any_of: bool = False) -> str:
    """`a, b and c`."""
    word = {"en": ("and", "or"), "de": ("und", "oder")}[speak(language)][any_of]
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}" if items else ""


def plain(name: str) -> str:
    """A category or event as words: `request_log` is "request log"."""
    words = name.replace("_", " ").replace("-", " ").split(" ")
    return " ".join(word.upper() if word in _ACRONYMS else word for word in words)


def titled(name: str) -> str:
    """A name as words at the start of a line: `api-keys` is "API keys"."""
    words = plain(name)
    return words[:1].upper() + words[1:]


def many(category: str, language: str = "en") -> str:
    """A category in the plural: `request_log` is "request logs"; other languages than English keep its name."""
    if speak(language) != "en":
        return plain(category)
    if category in _WEIRD_PLURALS:
        return _WEIRD_PLURALS[category]
    words = plain(category)
    if words.endswith("s"):
        return words
    return f"{words[:-1]}ies" if words.endswith("y") and words[-2:-1] not in "aeiou" else f"{words}s"


def describe_clause(clause: Clause, language: str = "en") -> str:
    """One plain sentence for a clause, without a full stop, for lists and the promise board."""
    language = speak(language)
    sentence = _SENTENCES.get(type(clause), _describe_says)
    words = sentence(clause, language)
    return words[:1].upper() + words[1:]


def _of(categories: Sequence[str], language: str) -> str:
    return join([many(one) if language == "en" else plain(one) for one in categories], language)


def _be(categories: Sequence[str]) -> str:
    return "is" if len(categories) == 1 and categories[0] in _WEIRD_PLURALS else "are"


def _describe_collects(clause: CollectsClause, language: str) -> str:
    fields, name = join(clause.fields, language), plain(clause.category)
    if language == "de":
        return f"wir erheben {name}: {fields}"
    return f"we collect {name if name.endswith('data') else f'{name} data'}: {fields}"


def _describe_purpose(clause: PurposeClause, language: str) -> str:
    of, why = _of(clause.of, language), join(clause.why, language)
    if language == "de":
        return f"{of}: genutzt für {why} ({said(clause.basis, language)})"
    return f"{of} {_be(clause.of)} used for {why} ({said(clause.basis, language)})"


def _describe_retention(clause: RetentionClause, language: str) -> str:
    of, done = _of(clause.of, language), _DONE[language][clause.then]
    if clause.until:
        when = _EVENTS[language].get(clause.until, plain(clause.until))
        return (
            f"{of} {_be(clause.of)} kept until {when}, then {done}" if language == "en" else f"{of}: {done} nach {when}"
        )
    if clause.period is None:
        return f"{of} {_be(clause.of)} {done} at no stated time" if language == "en" else f"{of}: {done}, ohne Frist"
    period = clause.period.words(language)
    if language == "de":
        event = _EVENTS["de"].get(clause.after, plain(clause.after)) if clause.after else "dem Eintrag"
        return f"{of}: {done} {period} nach {event}"
    start = _EVENTS["en"].get(clause.after, plain(clause.after)) if clause.after else "they are written"
    if start == "they are written" and _be(clause.of) == "is":
        start = "it is written"
    return f"{of} {_be(clause.of)} {done} {period} after {start}"


def _describe_never(clause: NeverClause, language: str) -> str:
    of, english = _of(clause.of, language), language == "en"
    words = f"{of} {_be(clause.of)} never stored" if english else f"{of}: nie gespeichert"
    if clause.exceptions:
        words += f"{' except in ' if english else ', außer in '}{_of(clause.exceptions, language)}"
    if clause.unless_consent:
        words += f"{' without consent to ' if english else ', außer mit Einwilligung: '}{plain(clause.unless_consent)}"
    return words


def _describe_says(clause: Clause, language: str) -> str:
    return str(getattr(clause, "says", clause.id))


def _describe_right(clause: RightClause, language: str) -> str:
    right = said(clause.right, language) if language == "de" else _ASKED.get(clause.right, said(clause.right, language))
    if clause.of and language == "en":
        right += f" of {join([plain(each) for each in clause.of], language)}"
    if clause.to == "authority":
        return "anyone can complain to the authority" if language == "en" else "Beschwerde bei der Aufsichtsbehörde"
    english = language == "en"
    if clause.within is Answer.AT_ONCE:
        return f"requests for {right} are done at once" if english else f"{right}: sofort"
    if isinstance(clause.within, Period):
        words = clause.within.words(language, dative=True)
        return (
            f"requests for {right} are answered within {words}" if english else f"{right}: beantwortet binnen {words}"
        )
    return (
        f"requests for {right} are answered in the time the law gives" if english else f"{right}: in gesetzlicher Frist"
    )


def _describe_recipient(clause: RecipientClause, language: str) -> str:
    of, why = _of(clause.of, language), join(clause.why, language)
    where = f" ({clause.region})" if clause.region else ""
    if language == "de":
        return f"{clause.name}{where} erhält {of} für {why}" + (f" (nur: {clause.when})" if clause.when else "")
    # "providers", "authorities": several; Cerebras is one.
    last = clause.name.split(" ")[-1]
    gets = "get" if last.endswith("ies") or (last.islower() and last.endswith("s")) else "gets"
    return f"{clause.name}{where} {gets} {of} for {why}" + (f", only when {clause.when}" if clause.when else "")


def _describe_cookie(clause: CookieClause, language: str) -> str:
    why = join(clause.why, language)
    if clause.none:
        if language == "de":
            return f"keine Cookies {'Dritter ' if clause.party == 'third' else ''}für {why}"
        return f"no {'third-party ' if clause.party == 'third' else ''}cookies for {why}"
    if language == "de":
        lasts = f"gültig für {clause.lasts.words('de')}" if clause.lasts else "bis der Browser geschlossen wird"
        return f"Cookie {clause.name} für {why}, {lasts}"
    lasts = f"lasts {clause.lasts.words()}" if clause.lasts else "goes when the browser is closed"
    return f"the cookie {clause.name} is for {why} and {lasts}"


def _describe_notice(clause: NoticeClause, language: str) -> str:
    ways = said(clause.material, language)
    if language == "de":
        ahead = f", {clause.ahead.words('de')} vorher" if clause.ahead else ""
        return f"wesentliche Änderungen: {ways}{ahead}"
    return f"changes that matter are told by {ways}" + (f", {clause.ahead.words()} ahead" if clause.ahead else "")


def _describe_acceptance(clause: AcceptanceClause, language: str) -> str:
    return f"a version is accepted by {clause.by}" if language == "en" else f"Annahme einer Fassung: {clause.by}"


def _describe_processor(clause: ProcessorClause, language: str) -> str:
    words = clause.within.words(language, dative=True)
    if language == "de":
        return f"Anfragen zu Daten eines Kunden werden binnen {words} weitergeleitet"
    return f"requests about a customer's data are passed on within {words}"


def _describe_channel(clause: ChannelClause, language: str) -> str:
    ways = [way for way in (clause.email, clause.phone, clause.post, clause.url) if way]
    joined = join(ways, language, any_of=True)
    return f"people reach us at {joined}" if language == "en" else f"erreichbar unter {joined}"


def _describe_age(clause: AgeLimitClause, language: str) -> str:
    if language == "de":
        return f"nur ab {clause.minimum} Jahren" + (" oder ab Volljährigkeit" if clause.alternative else "")
    return f"nobody under {clause.minimum}" + (" or under the age of majority" if clause.alternative else "")


_SENTENCES: Final[Mapping[type[Clause], Callable[[Any, str], str]]] = {
    CollectsClause: _describe_collects,
    PurposeClause: _describe_purpose,
    RetentionClause: _describe_retention,
    NeverClause: _describe_never,
    RightClause: _describe_right,
    RecipientClause: _describe_recipient,
    CookieClause: _describe_cookie,
    NoticeClause: _describe_notice,
    AcceptanceClause: _describe_acceptance,
    ProcessorClause: _describe_processor,
    ChannelClause: _describe_channel,
    AgeLimitClause: _describe_age,
}
