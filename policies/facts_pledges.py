"""What a policy text vouches for and what it collects: pledges, what is never stored, safeguards, cookies, categories, purposes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from policies.facts_subjects import Place, category_of, label_of, mentions
from policies.facts_types import CERTAIN, CLEAR, LIKELY, Fact, FactKind
from policies.plain_texts import BlockKind

_NOT: Final = (
    r"(?:(?:do|does|did|will|has|have|shall)\s+(?:not|never)|don['’]t|doesn['’]t|never|nor|neither|nicht|kein\w*)"
)
_SOLD: Final = re.compile(
    rf"\b{_NOT}\b[^.;]{{0,60}}?[“\"‘]?\b(?P<what>sell|sold|rent|verkauf\w*)\b[^.;]*|\b(?:verkaufen|vermieten)\b[^.;]{{0,60}}\bnicht\b",
    re.I,
)
_TRAINED: Final = re.compile(
    rf"\b{_NOT}\b(?:\s+\w+){{0,4}}?\s+(?:train(?:ed|ing)?\b[^.;]*|trainier\w*)|\bnot\s+(?:be\s+)?used\s+(?:to|for)\s+train\w*[^.;]*",
    re.I,
)
_KEEPS_NOT: Final = re.compile(
    rf"\b{_NOT}\s+(?:intentionally\s+)?(?P<verbs>(?:store|retain|log|collect|keep|track|record|save|persist|transmits?|speichern|erheben)\b[^.;]*)",
    re.I,
)
_NOT_KEPT: Final = re.compile(
    r"\b(?:(?:is|are|be)\s+)(?:(?:never|not)\s+)(?:\w+\s+)?(?:retained|stored|logged|persisted|kept|recorded|collected|saved)\b",
    re.I,
)
_OF_OTHERS: Final = re.compile(
    r"\b(?:knowingly|from\s+children|personal\s+data\s+from|control|guarantee|sensitive)\b", re.I
)
_BY_DEFAULT: Final = re.compile(r"\bby\s+default\b|\bunless\b|\bdefault\b[^.;]*\bdeployment", re.I)
_OPTED_IN: Final = re.compile(r"\bopt(?:s|ed|ing)?[\s-]in\b|\bconsent\b|\bEinwilligung\b", re.I)
_EXCEPT_LOG: Final = re.compile(r"\b(?:beyond|except|other\s+than)\b[^.;(]*\blog(?:s|ging)?\b", re.I)
_PLAINTEXT: Final = re.compile(r"\b(?:not|never)\s+(?:in\s+)?plain[\s-]?text\b", re.I)
_SAFEGUARDS: Final = (
    ("TLS for connections", r"\bTLS\b|\bencrypted\s+connections|\bSSL\b"),
    ("HTTPS for all communication", r"\bHTTPS\b(?!:)"),
    ("encryption in transit", r"\bencrypt\w*\b[^.;]{0,20}\bin\s+transit|\bverschlüssel\w*\b[^.;]{0,20}\bÜbertragung"),
    ("encryption at rest", r"\bencrypt\w*\b[^.;]{0,40}\bat\s+rest|\bverschlüsselt\s+gespeichert"),
    ("hashed credentials", r"\bhashed\s+(?:credentials|passwords)|\bpassword\s+hashes"),
    ("credentials stored securely", r"\bsecure\s+credential\s+storage|\bcredential\s+handling"),
    (
        "API keys stored encrypted",
        r"\bAPI\s+keys\s+are\s+(?:stored\s+)?(?:securely\s+and\s+)?(?:encrypted|stored\s+securely)",
    ),
    ("access controls", r"\baccess\s+controls?\b|\bZugriffskontroll\w*"),
    ("least privilege", r"\bleast[\s-]privilege"),
    ("secret management", r"\bsecrets?\s+management"),
    ("key rotation", r"\bkey\s+rotation"),
    ("alerts on suspicious access", r"\b(?:monitoring|alert\w*)\b[^.;]{0,30}\bsuspicious"),
    ("incident response", r"\bincident\s+response\s+(?:procedure|plan|process)"),
    ("reviewed security measures", r"\bregularly\s+review\s+our\s+security"),
    ("audits of providers", r"\bsecurity\s+team\s+conducts\s+audits"),
    (
        "technical and organisational measures",
        r"\btechnical\b[^.;]{0,40}\b(?:organi[sz]ational|administrative|physical)\b[^.;]{0,30}\bmeasures|\btechnische\w*\s+und\s+organisatorische",
    ),
)
_MEASURES: Final = tuple((says, re.compile(words, re.I)) for says, words in _SAFEGUARDS)
_SORTS: Final = (
    r"(?:single|minimal|only|strictly|HMAC-signed|first-party|necessary|essential|technically|functional|authentication|session|analytics|locale|"
    r"preference|language|security|performance|marketing|advertising|csrf|technisch|notwendige|Sitzungs|Marketing|Analyse)"
)
_COOKIE: Final = re.compile(
    rf"(?P<name>(?<![\w-]){_SORTS}(?:(?:,\s*|\s+and\s+|\s+und\s+|[\s-]+){_SORTS})*[\s-]*)?\bcookies?\b(?:\s+(?:for|to|für)\s+(?P<why>[a-zA-Z][^.;]{{3,70}}))?|"
    rf"(?P<joined>(?:Sitzungs|Session|Marketing|Analyse)-?)cookies?\b",
    re.I,
)
_NO_COOKIE: Final = re.compile(
    r"\b(?:do\s+not\s+use|no|don['’]t\s+use|without|keine)\s+(?P<party>third[\s-]party|first[\s-]party)?\s*(?P<why>(?:advertising|tracking|analytics|marketing)(?:\s+(?:or|and)\s+(?:advertising|tracking|analytics|marketing))?)\s+cookies?\b",
    re.I,
)
_KEINE_COOKIES: Final = re.compile(r"\bkeine\s+(?:Tracking|Werbe|Marketing|Analyse)-?cookies\b", re.I)
_COOKIELESS: Final = re.compile(r"\bcookieless\b|\bno\s+cookies\b|\bohne\s+Cookies\b", re.I)
_FILLER: Final = re.compile(r"\b(?:single|minimal|only|strictly|hmac-signed|first-party|technically)\b[,\s]*", re.I)
_LOCAL: Final = re.compile(r"\bcookies\s+or\s+local\s+storage\b", re.I)
_COLLECTS_HEADING: Final = re.compile(
    r"\b(?:collect\w*|data\s+we|telemetry|information\s+we|erheben|verarbeiten\s+wir|welche\s+Daten)\b", re.I
)
_SPEAKS: Final = re.compile(r"(?:we|if|you|in|when|our|this|these|they|it|wir|wenn|handled)\b", re.I)
_OF_DATA: Final = re.compile(r"\b(?:data|information|content|details|records|\w*daten)$", re.I)
_NOT_COLLECTS: Final = re.compile(
    r"\b(?:don['’]t|not|nicht|who|how|why|use[sd]?|shar\w+|disclos\w+|rights|wie|warum)\b", re.I
)
_COLLECTS: Final = re.compile(
    r"\bwe\s+(?:also\s+)?(?:(?:may|automatically)\s+)?(?:collect|log|receive|record|track|process)\s+(?P<what>[^.;]+)",
    re.I,
)
_USES_HEADING: Final = re.compile(
    r"\b(?:how|why)\s+(?:do\s+)?we\s+(?:use|process)|(?:^|\d\W+)uses?\s+of\b|\bpurposes?\b|\bhow\s+we\s+use|\bwe\s+use\s+your|\bZwecke?\b|\bwofür\b",
    re.I,
)
_ON_BEHALF: Final = re.compile(
    r"\b(?:on\s+(?:your|their|customers?['’]?)\s+behalf\s+as\s+a\s+processor|see\s+the\s+DPA|as\s+a?\s*_?data\s+processor|Auftragsverarbeitungsvertrag)\b",
    re.I,
)
_ABROAD: Final = re.compile(
    r"\b(?:countries\s+other\s+than|outside\s+(?:of\s+)?(?:the\s+)?(?:EEA|EU|UK|European|country|your\s+country)|transfer\w*\b[^.;]{0,60}\b(?:abroad|countr(?:y|ies))|international\s+transfers|Drittländer\w*|Drittstaaten)\b",
    re.I,
)
_TRANSFER_BY: Final = (
    ("scc", r"standard\s+contractual\s+clauses|\bSCCs?\b|Standardvertragsklauseln|Standarddatenschutzklauseln"), ("adequacy", r"adequacy\s+decision|Angemessenheitsbeschl"),
    ("dpf", r"data\s+privacy\s+framework"), ("bcr", r"binding\s+corporate\s+rules"),
)  # fmt: skip


def find_pledges(place: Place) -> Iterator[Fact]:
    """That data are not sold and train no models; what is never stored; data held for customers; transfers."""
    text = place.text
    if match := _SOLD.search(text):
        more = " or rented" if re.search(r"\brent\b", match[0], re.I) else ""
        more += " or shared for marketing" if re.search(r"\bshare\b[^.;]*\bmarketing", match[0], re.I) else ""
        more += " for unrelated advertising" if re.search(r"\bunrelated\s+advertising", match[0], re.I) else ""
        yield _fact(place, FactKind.PLEDGE, f"personal data is not sold{more}", "sale", CERTAIN, match[0])
    if (match := _TRAINED.search(text)) and not re.search(r"\bopt", match[0], re.I):
        named = mentions(text[match.start() :])
        what = named[0].category if named else ""
        words = {"code": "code is not used to train models", "content": "content is not used to train models"}
        yield _fact(
            place,
            FactKind.PLEDGE,
            words.get(what, "data is not used to train models"),
            "training",
            CERTAIN if what else CLEAR,
            match[0],
        )
    yield from _find_never(place)
    if match := _ON_BEHALF.search(text):
        yield _fact(place, FactKind.PROCESSOR, "dpa", "", CLEAR, match[0])
    if match := _ABROAD.search(text):
        safeguard = next((name for name, words in _TRANSFER_BY if re.search(words, text, re.I)), "")
        yield _fact(place, FactKind.TRANSFER, "abroad", safeguard, CLEAR, match[0])


def _find_never(place: Place) -> Iterator[Fact]:
    text = place.text
    condition = "by_default" if _BY_DEFAULT.search(text) else "request_log" if _EXCEPT_LOG.search(text) else ""
    if condition == "by_default" and _OPTED_IN.search(place.sentence.block.text):
        condition = "opt_in"
    said = []
    if (match := _KEEPS_NOT.search(text)) and not _OF_OTHERS.search(match[0]):
        said.append((re.split(r"\bbeyond\b|\bexcept\b|\bother\s+than\b", match["verbs"])[0], match[0]))
    if match := _NOT_KEPT.search(text):
        start = max(text.rfind(".", 0, match.start()), text.rfind(";", 0, match.start())) + 1
        if not _OF_OTHERS.search(text[start : match.end()]):
            said.append((text[start : match.start()], text[start : match.end()].strip()))
    if match := _PLAINTEXT.search(text):
        yield _fact(place, FactKind.NEVER, "plaintext_password", "", CERTAIN, match[0])
    seen = set()
    for words, found in said:
        for one in mentions(words):
            if (
                one.category in ("content", "code", "card_data", "location", "api_key", "technical")
                and one.category not in seen
            ):
                seen.add(one.category)
                yield _fact(
                    place,
                    FactKind.NEVER,
                    one.category,
                    condition,
                    LIKELY if condition in ("by_default", "opt_in") else CERTAIN,
                    found.strip(),
                )


def find_safeguards(place: Place) -> Iterator[Fact]:
    """Measures of security by their usual names."""
    for says, words in _MEASURES:
        if match := words.search(place.text):
            yield _fact(place, FactKind.SAFEGUARD, says, "", CERTAIN, match[0])


def find_cookies(place: Place) -> Iterator[Fact]:
    """Cookies by name or sort, and sorts of cookies that are not set."""
    text = place.text
    denied = list(_NO_COOKIE.finditer(text))
    for match in denied:
        party = "first" if (match["party"] or "").lower().startswith("first") else "third"
        why = ", ".join(re.split(r"\s+(?:or|and)\s+", match["why"].lower()))
        yield _fact(place, FactKind.NO_COOKIE, party, why, CERTAIN if match["party"] else CLEAR, match[0])
    if none_german := _KEINE_COOKIES.search(text):
        why = "tracking" if "racking" in none_german[0] else "advertising"
        yield _fact(place, FactKind.NO_COOKIE, "third", why, CLEAR, none_german[0])
        denied.append(none_german)
    if cookieless := _COOKIELESS.search(text):
        yield _fact(place, FactKind.NO_COOKIE, "first", "analytics", CLEAR, cookieless[0])
    if local := _LOCAL.search(text):
        yield _fact(place, FactKind.COOKIE, "analytics", "analytics", LIKELY, local[0])
    for match in _COOKIE.finditer(text):
        if any(no.start() <= match.start() < no.end() for no in denied) or re.search(
            r"\b(?:no|not)\b[^.;]{0,25}$", text[: match.start()], re.I
        ):
            continue
        for name in _cookie_names(match):
            yield _fact(
                place,
                FactKind.COOKIE,
                name,
                (match["why"] or name).strip()[:60],
                CERTAIN if match["name"] else CLEAR,
                match[0].strip(),
            )


def _cookie_names(match: re.Match[str]) -> list[str]:
    """The sorts of cookie that are named before the word, else those that its purpose names."""
    words = _FILLER.sub(
        "",
        (match["name"] or match["joined"] or "")
        .lower()
        .replace("locale-preference", "locale")
        .replace("locale preference", "locale"),
    )
    names = [name.strip(" -") for name in re.split(r",\s*|\s+and\s+|\s+und\s+", words) if name.strip(" -")]
    if names or not match["why"]:
        return names[:4]
    sorts = {
        "authentication": "authenticat|sign",
        "session": "session",
        "security": "security",
        "analytics": "analy|understand",
        "preferences": "preference",
    }
    return [sort for sort, said in sorts.items() if re.search(said, match["why"], re.I)]


def find_collected(place: Place) -> Iterator[Fact]:
    """Categories collected, with their fields; and what they are used for."""
    block, heading = place.sentence.block, place.headings[-1] if place.headings else ""
    text = place.text
    listed = block.kind in (BlockKind.ITEM, BlockKind.CELL)
    about = any(_COLLECTS_HEADING.search(one) for one in place.headings[-2:]) and not _NOT_COLLECTS.search(heading)
    if block.kind is BlockKind.ITEM and about and block.text.startswith(text):
        label = label_of(block)
        category = category_of(label or text) if mentions(label or text) or _OF_DATA.search(label) else ""
        if category and not _KEEPS_NOT.search(text):
            fields = block.text[len(label) :] if label else text
            yield _fact(
                place, FactKind.CATEGORY, category, _fields(fields), CERTAIN if label else CLEAR, label or text[:60]
            )
    elif (
        not listed
        and not place.introduces
        and (about or heading == "")
        and (match := _COLLECTS.search(text))
        and not text.endswith(":")
    ):
        named = mentions(match["what"])
        if not re.search(r"\b(?:payments?|data)\b", match["what"].split(",")[0].strip().lower()[:8]):
            category = named[0].category if named else "account" if re.search(r"\baccount\b", text) else ""
            if category:
                yield _fact(place, FactKind.CATEGORY, category, _fields(match["what"]), CLEAR, match[0])
    elif match := re.search(r"\bwe\s+track\s+(page\s+views\b[^.;]*)", text, re.I):
        yield _fact(place, FactKind.CATEGORY, "analytics", _fields(match[1]), CLEAR, match[0])
    yield from _find_purposes(place, heading, listed=listed)


def _find_purposes(place: Place, heading: str, *, listed: bool) -> Iterator[Fact]:
    if not _USES_HEADING.search(heading):
        return
    text = place.text
    if place.sentence.block.kind is BlockKind.CELL:
        return
    if listed and place.sentence.block.text.startswith(text):
        words = re.sub(r"^(?:To|Um)\s+", "", text).strip(" .;")
        yield _fact(place, FactKind.PURPOSE, words[0].lower() + words[1:120] if words else "", "", CLEAR, text[:60])
    elif match := re.search(r"\b(?:is|are)\s+used\s+(?:for|to)\s+(?P<why>.+)|^To\s+(?P<to>.+)", text, re.I):
        named = mentions(text[: match.start()])
        subject = (
            named[0].category if named else "account" if re.search(r"\bemail\b", text[: match.start()], re.I) else ""
        )
        for part in re.split(r",\s+(?:and\s+)?(?![^(]*\))", match["why"] or match["to"]):
            yield _fact(
                place, FactKind.PURPOSE, re.sub(r"^and\s+", "", part.strip(" ."))[:120], subject, CLEAR, match[0]
            )


def _fields(words: str) -> str:
    """The things a sentence lists, each in a few words, comma between them; nothing where it lists none."""
    whole = words.strip(" .:—–-")
    listed = re.search(
        r"\b(?:such\s+as|including(?:\s+but\s+not\s+limited\s+to)?,?|includes?|collects?\s+identifiers|wie)\s+(?P<them>[^.;]+)",
        whole,
    )
    main = (
        listed["them"] if listed else re.split(r"\.\s|;\s|\s[—–]\s(?=used)|\bused\s+for\b|\bfor\s+billing\b", whole)[0]
    )
    parts = re.split(r",\s*(?:and\s+|or\s+|und\s+)?(?![^(]*\))|\s+(?:and|and/or|und)\s+", main)
    parts = [re.sub(r"\s*\([^)]*\)?", "", part) for part in parts]
    clean = [re.sub(r"^(?:your|the|any|our|Ihre)\s+", "", part.strip(' .:()"“”—–-'), flags=re.I) for part in parts]
    named = [part.replace(",", "") for part in clean if 1 < len(part) <= 60 and not _SPEAKS.match(part)]
    return ", ".join(dict.fromkeys(named))


def _fact(place: Place, kind: FactKind, value: str, subject: str, sure: float, found: str) -> Fact:
    return Fact(
        kind=kind, value=value, subject=subject, sentence=place.text, line=place.sentence.line,
        confidence=sure, found=found, block=place.sentence.number,
    )  # fmt: skip
