"""Clauses in words: what prose prints for a key, and one plain sentence for each clause."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from babel import Locale

from core.catalogue import SOURCE, catalogue, join_words, mark, short_code
from policies.category_words import UNCOUNTED, call_many
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

_NAMES: Final[Mapping[str, str]] = {
    "by_law": mark("the time the law gives"), "at_once": mark("at once"), "true": mark("yes"), "false": mark("no"),
    "session": mark("the session"), "email": mark("e-mail"), "banner": mark("a banner"), "post": mark("a post on this site"),
    "scc": mark("standard contractual clauses"), "adequacy": mark("an adequacy decision"),
    "bcr": mark("binding corporate rules"), "dpf": mark("the Data Privacy Framework"),
    "idta": mark("the International Data Transfer Agreement"), "derogation": mark("a derogation"),
}  # fmt: skip
# Their own names in English; said here so that they stand in the catalogues.
_NAMED: Final = (
    mark("contract"), mark("consent"), mark("legal obligation"), mark("vital interests"), mark("public interest"),
    mark("legitimate interests"), mark("expression"), mark("public health"), mark("research"), mark("legal claims"),
    mark("access"), mark("portability"), mark("correction"), mark("deletion"), mark("restriction"), mark("objection"),
    mark("opt out"), mark("complaint"), mark("withdraw consent"), mark("limit sensitive"), mark("appeal"),
    mark("processor"), mark("joint controller"), mark("controller"), mark("authority"),
)  # fmt: skip
_DONE: Final = {
    Action.DELETE: mark("deleted"), Action.ANONYMISE: mark("anonymised"), Action.REDACT: mark("redacted"),
    Action.AGGREGATE: mark("turned into totals"), Action.REVOKE: mark("revoked"),
}  # fmt: skip
# English says what has happened to the data, the others name the event: `closed` is said of an account, any other event
# keeps its own words.
_EVENTS: Final = {
    "account_closed": "the account is closed", "last_use": "the last use", "revoked": "they are revoked",
    "request_closed": "the request is closed", "consent_ended": "the consent has ended",
    "proof_ended": "the proof has ended", "mail_settled": "the mail has gone, or cannot",
    "operator_left": "the operator has left", "hold_released": "the hold is released",
    "attestation_over": "the last day that somebody vouched for it",
}  # fmt: skip
_NAMED_EVENTS: Final = {
    "account_closed": mark("closing of the account"), "last_use": mark("last use"), "revoked": mark("revocation"),
    "request_closed": mark("end of the request"), "consent_ended": mark("end of the consent"),
    "proof_ended": mark("end of the proof"), "mail_settled": mark("sending of the mail"),
    "operator_left": mark("departure of the operator"), "hold_released": mark("release of the hold"),
    "attestation_over": mark("end of the attestation"),
}  # fmt: skip
_ASKED: Final = {"opt_out": "opting out", "withdraw_consent": "withdrawal of consent",
                 "limit_sensitive": "limiting the use of sensitive data"}  # fmt: skip
_ACRONYMS: Final = frozenset({"api", "ip", "id", "url"})


def said(value: Any, language: str) -> str:
    """A value of a clause as prose prints it: periods, choices and lists in words of the language."""
    if isinstance(value, Period):
        return value.words(language)
    if isinstance(value, bool | StrEnum):
        name = str(value).lower()
        return catalogue(language).gettext(_NAMES.get(name, name.replace("_", " ")))
    if isinstance(value, Channels):
        return join_words([said(way, language) for way in value.ways], language, any_of=value.any_of)
    if isinstance(value, RetentionException):
        return join_words([many(name, language) for name in value.of], language) + (
            f" ({value.note})" if value.note else ""
        )
    if isinstance(value, tuple):
        return join_words([said(each, language) for each in value], language)
    return "" if value is None else str(value)


def said_key(clause: Clause, key: str, language: str) -> str:
    """What `clause(id).key` prints; `_dative` after a period's key asks for the German dative."""
    if key == "cite":
        return ""
    names = key_names(clause.kind)
    base = key if key in names else key.removesuffix("_dative")
    value = getattr(clause, names[base])
    if isinstance(value, Period):
        return value.words(language, dative=base != key)
    if base == "lasts" and value is None:
        return _say(language, _NAMES["session"])
    if base in ("of", "category", "after", "until", "except") and isinstance(value, str | tuple):
        items = (value,) if isinstance(value, str) else value
        return join_words([plain(item) if isinstance(item, str) else said(item, language) for item in items], language)
    return said(value, language)


def plain(name: str) -> str:
    """A category or event as words: `request_log` is "request log"."""
    words = name.replace("_", " ").replace("-", " ").split(" ")
    return " ".join(word.upper() if word in _ACRONYMS else word for word in words)


def titled(name: str) -> str:
    """A name as words at the start of a line: `api-keys` is "API keys"."""
    words = plain(name)
    return words[:1].upper() + words[1:]


def many(category: str, language: str = "en") -> str:
    """A category in the plural: `request_log` is "request logs"; other languages keep the name of one they have no word for."""
    return call_many(category, plain(category), language)


def say_region(region: str, language: str = SOURCE) -> str:
    """A region by its name in a language: `US` is "United States"; what is no country or union keeps its own words."""
    country, _, part = region.partition("-")
    name = Locale.parse(short_code(language)).territories.get(country.upper()) if len(country) == 2 else None
    return f"{name}, {part}" if name and part else name or region


def describe_clause(clause: Clause, language: str = "en") -> str:
    """One plain sentence for a clause, without a full stop, for lists and the promise board."""
    language = short_code(language)
    sentence = _SENTENCES.get(type(clause), _describe_says)
    words = sentence(clause, language)
    return words[:1].upper() + words[1:]


def _of(categories: Sequence[str], language: str) -> str:
    return join_words([many(one, language) for one in categories], language)


def _be(categories: Sequence[str]) -> str:
    return "is" if len(categories) == 1 and categories[0] in UNCOUNTED else "are"


def _say(language: str, message: str, **words: Any) -> str:
    """A sentence of another language than English: its catalogue has the order of the words."""
    return catalogue(language).gettext(message) % words


def _describe_collects(clause: CollectsClause, language: str) -> str:
    fields, name = join_words(clause.fields, language), plain(clause.category)
    if language != SOURCE:
        return _say(language, mark("we collect %(name)s: %(fields)s"), name=name, fields=fields)
    return f"we collect {name if name.endswith('data') else f'{name} data'}: {fields}"


def _describe_purpose(clause: PurposeClause, language: str) -> str:
    of, why, basis = _of(clause.of, language), join_words(clause.why, language), said(clause.basis, language)
    if language != SOURCE:
        return _say(language, mark("%(of)s: used for %(why)s (%(basis)s)"), of=of, why=why, basis=basis)
    return f"{of} {_be(clause.of)} used for {why} ({basis})"


def _describe_retention(clause: RetentionClause, language: str) -> str:
    if language != SOURCE:
        return _name_retention(clause, language)
    of, done = _of(clause.of, language), _DONE[clause.then]
    if clause.until:
        when = _EVENTS.get(clause.until, plain(clause.until))
        return f"{of} {_be(clause.of)} kept until {when}, then {done}"
    if clause.period is None:
        return f"{of} {_be(clause.of)} {done} at no stated time"
    start = _EVENTS.get(clause.after, plain(clause.after)) if clause.after else "they are written"
    if start == "they are written" and _be(clause.of) == "is":
        start = "it is written"
    return f"{of} {_be(clause.of)} {done} {clause.period.words(language)} after {start}"


def _name_retention(clause: RetentionClause, language: str) -> str:
    words = catalogue(language)
    of, done = _of(clause.of, language), words.gettext(_DONE[clause.then])
    event = clause.until or clause.after
    named = words.gettext(_NAMED_EVENTS.get(event, plain(event)) if event else mark("the entry"))
    if clause.until:
        return _say(language, mark("%(of)s: %(done)s after %(event)s"), of=of, done=done, event=named)
    if clause.period is None:
        return _say(language, mark("%(of)s: %(done)s, at no stated time"), of=of, done=done)
    period = clause.period.words(language)
    frame = mark("%(of)s: %(done)s %(period)s after %(event)s")
    return _say(language, frame, of=of, done=done, period=period, event=named)


def _describe_never(clause: NeverClause, language: str) -> str:
    of, kept = _of(clause.of, language), _of(clause.exceptions, language)
    consent = plain(clause.unless_consent) if clause.unless_consent else ""
    if language != SOURCE:
        words = _say(language, mark("%(of)s: never stored"), of=of)
        words += _say(language, mark(", except %(kept)s"), kept=kept) if kept else ""
        return words + (_say(language, mark(", except with consent: %(consent)s"), consent=consent) if consent else "")
    words = f"{of} {_be(clause.of)} never stored" + (f" except in {kept}" if kept else "")
    return words + (f" without consent to {consent}" if consent else "")


def _describe_says(clause: Clause, language: str) -> str:
    return str(getattr(clause, "says", clause.id))


def _describe_right(clause: RightClause, language: str) -> str:
    if language != SOURCE:
        return _name_right(clause, language)
    right = _ASKED.get(clause.right, said(clause.right, language))
    if clause.of:
        right += f" of {join_words([plain(each) for each in clause.of], language)}"
    if clause.to == "authority":
        return "anyone can complain to the authority"
    if clause.within is Answer.AT_ONCE:
        return f"requests for {right} are done at once"
    if isinstance(clause.within, Period):
        return f"requests for {right} are answered within {clause.within.words(language)}"
    return f"requests for {right} are answered in the time the law gives"


def _name_right(clause: RightClause, language: str) -> str:
    right = said(clause.right, language)
    if clause.to == "authority":
        return _say(language, mark("complaint to the authority"))
    if clause.within is Answer.AT_ONCE:
        return _say(language, mark("%(right)s: at once"), right=right)
    if isinstance(clause.within, Period):
        period = clause.within.words(language, dative=True)
        return _say(language, mark("%(right)s: answered within %(period)s"), right=right, period=period)
    return _say(language, mark("%(right)s: in the time the law gives"), right=right)


def _describe_recipient(clause: RecipientClause, language: str) -> str:
    of, why = _of(clause.of, language), join_words(clause.why, language)
    name = clause.name + (f" ({say_region(clause.region, language)})" if clause.region else "")
    if language != SOURCE:
        only = _say(language, mark(" (only: %(when)s)"), when=clause.when) if clause.when else ""
        return _say(language, mark("%(name)s gets %(of)s for %(why)s"), name=name, of=of, why=why) + only
    # "providers", "authorities": several; Cerebras is one.
    last = clause.name.split(" ")[-1]
    gets = "get" if last.endswith("ies") or (last.islower() and last.endswith("s")) else "gets"
    return f"{name} {gets} {of} for {why}" + (f", only when {clause.when}" if clause.when else "")


def _describe_cookie(clause: CookieClause, language: str) -> str:
    why = join_words(clause.why, language)
    third = clause.party == "third"
    if language == SOURCE and clause.none:
        return f"no {'third-party ' if third else ''}cookies for {why}"
    if language == SOURCE:
        lasts = f"lasts {clause.lasts.words()}" if clause.lasts else "goes when the browser is closed"
        return f"the cookie {clause.name} is for {why} and {lasts}"
    if clause.none:
        frame = mark("no third-party cookies for %(why)s") if third else mark("no cookies for %(why)s")
        return _say(language, frame, why=why)
    if clause.lasts:
        period = clause.lasts.words(language)
        return _say(
            language, mark("cookie %(name)s for %(why)s, lasts %(period)s"), name=clause.name, why=why, period=period
        )
    return _say(language, mark("cookie %(name)s for %(why)s, until the browser is closed"), name=clause.name, why=why)


def _describe_notice(clause: NoticeClause, language: str) -> str:
    ways, ahead = said(clause.material, language), clause.ahead.words(language) if clause.ahead else ""
    if language != SOURCE:
        words = _say(language, mark("changes that matter: %(ways)s"), ways=ways)
        return words + (_say(language, mark(", %(period)s ahead"), period=ahead) if ahead else "")
    return f"changes that matter are told by {ways}" + (f", {ahead} ahead" if ahead else "")


def _describe_acceptance(clause: AcceptanceClause, language: str) -> str:
    if language != SOURCE:
        return _say(language, mark("acceptance of a version: %(by)s"), by=clause.by)
    return f"a version is accepted by {clause.by}"


def _describe_processor(clause: ProcessorClause, language: str) -> str:
    words = clause.within.words(language, dative=True)
    return _say(language, mark("requests about a customer's data are passed on within %(period)s"), period=words)


def _describe_channel(clause: ChannelClause, language: str) -> str:
    ways = [way for way in (clause.email, clause.phone, clause.post, clause.url) if way]
    return _say(language, mark("people reach us at %(ways)s"), ways=join_words(ways, language, any_of=True))


def _describe_age(clause: AgeLimitClause, language: str) -> str:
    frame = (
        mark("nobody under %(age)s or under the age of majority")
        if clause.alternative
        else mark("nobody under %(age)s")
    )
    return _say(language, frame, age=clause.minimum)


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
