"""Traces of what a policy may forbid, in a value and the name of its field: pure, each says whether it is sure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from core.detectors import LONGEST, passes_luhn


class Trace(StrEnum):
    """What is looked for."""

    EMAIL = "email"
    IP_ADDRESS = "ip_address"
    CARD_NUMBER = "card_number"
    COORDINATES = "coordinates"
    PASSWORD = "plaintext_password"  # noqa: S105 - the name of a kind
    API_KEY = "api_key"
    MODEL_TEXT = "model_text"  # what is asked of a language model, and what it answers
    CODE = "code"


_EMAIL: Final = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,24}(?![\w@-])")
_IP_LIKE: Final = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|(?=[0-9a-f:]*:[0-9a-f:]*:)[0-9a-f:]{3,39})(?![\w.:])", re.I
)
_DIGITS: Final = re.compile(r"\d{4}[ -]?\d{4}")
_CARD_LIKE: Final = re.compile(
    r"(?<![\w.\-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5})(?![\w\-]|\.\d)"
)
_CARD_RANGES: Final = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[0-8]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11,13}|35\d{14}|6\d{15,18}"
)
_KEY: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-(?:ant-|proj-|or-v1-|svcacct-)?[A-Za-z0-9_-]{20,}|(?:gsk|hf|r8|kept|pat)_[A-Za-z0-9_-]{20,}"
    r"|AIza[A-Za-z0-9_-]{35}|(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])|gh[oprsu]_[A-Za-z0-9]{36}|github_pat_\w{22,}"
    r"|xox[abeprs]-[A-Za-z0-9-]{10,}|[prs]k_(?:live|test)_[A-Za-z0-9]{16,}|glpat-[A-Za-z0-9_-]{20,}"
    r"|xai-[A-Za-z0-9]{20,}|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
_BEARER: Final = re.compile(r"\bbearer\s+[A-Za-z0-9._~+/-]{20,}", re.I)
_HASH: Final = re.compile(
    r"\$(?:argon2|2[abxy]?\$|scrypt|pbkdf2|bcrypt|[156y]\$|7\$|sha)|(?:scrypt|pbkdf2|argon2|bcrypt|sha\d+|md5)[:$_]"
    r"|\{(?:SSHA|SHA|CRYPT|PBKDF2)[^}]*\}|(?:[0-9a-f]{128}|[0-9a-f]{96}|[0-9a-f]{64}|[0-9a-f]{56}|[0-9a-f]{40}|[0-9a-f]{32})\Z",
    re.I,
)
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\Z", re.I)
# What stands where something was taken out.
_BLANK: Final = re.compile(
    r"[\W_x]*(?:(?:redacted|removed|deleted|hidden|masked|none|null|empty|nil|n/a)[\W_x]*)*\Z", re.I
)
_PASSWORD_IN_TEXT: Final = re.compile(
    r"(?:password|passwd|passphrase|pwd)[\"']?\s*[=:]\s*[\"']?([^\s\"',;&]{3,200})|://[^\s/:@]{1,100}:([^\s/@]{3,200})@",
    re.I,
)
_PAIR: Final = re.compile(r"(?<![\w.])(-?\d{1,2}\.\d{3,})\s*[,;/ ]\s*(-?\d{1,3}\.\d{3,})(?![\w.])")
_PLACE_MARK: Final = re.compile(r"[(:°]")
_WRITTEN_PLACE: Final = re.compile(
    r"\bpoint\s*z?\s*\(\s*-?\d+(?:\.\d+)?\s+-?\d+(?:\.\d+)?|\bgeo:-?\d+\.\d+,-?\d|\d{1,3}°\s*\d{1,2}[′'][^\n]{0,10}[NSEW]",
    re.I,
)
_CHAT: Final = re.compile(
    r"<\|(?:im_start|im_end|user|assistant|system|start_header_id|endoftext)\|>|\[/?INST\]|<<SYS>>"
    r"|^#{2,3} ?(?:Instruction|Response|Input):|\"role\"\s*:\s*\"(?:user|assistant|system|developer|tool)\""
    r"|^(?:Human|User):.{0,4000}\n(?:.{0,4000}\n){0,40}?(?:Assistant|AI):"
    r"|\bas an ai (?:language )?(?:model|assistant)\b|^you are an? (?:helpful|expert|assistant|ai|experienced|senior)\b",
    re.I | re.M,
)
_GAP: Final = re.compile(r"[\s<\u3000-\u9fff]")
_ASKS: Final = re.compile(
    r"(?:please |can you |could you |hi[,!]? |hello[,!]? |hey[,!]? )*(?:write|explain|summari[sz]e|translate|refactor|draft"
    r"|rewrite|compare|generate|create|describe|convert|implement|fix|debug|review|give me|tell me|help me|show me|list|act as"
    r"|you are|i want you|i need|why (?:does|do|is|are)|how (?:do|does|can|would|should|to)|what (?:is|are|does|should|would)"
    r"|schreibe?|erkläre?|fasse|übersetze|wie)\b",
    re.I,
)
_CODE_LINE: Final = re.compile(
    r"\s*(?:(?:async )?def \w+\(|class \w+[(:{]|(?:export |async )*function\b.*\{|(?:const|let|var) \w+ = |import [\w{*]"
    r"|from [\w.]+ import |#include\b|(?:public|private|protected|static) [\w<>\[\]]+|fn \w+|func \w+|package \w+|return\b"
    r"|(?:if|for|while)\b.*[:{]$|else[ :{]|@\w+|[)}\]]+[;,]?$|.*[;{]$)"
)
_CODE_ALONE: Final = re.compile(
    r"(?:^|\s)(?:def \w+\([^)]*\)\s*(?:->[^:]+)?:|function\s*\w*\([^)]*\)\s*\{|fn \w+\([^)]*\).*\{|#include\s*<"
    r"|(?:public|private) (?:static )?\w+ \w+\([^)]*\)\s*\{|const \w+ = (?:async )?\([^)]*\) =>)"
)
_WORD: Final = re.compile(r"[^\W\d_]+")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

# Names under which nothing else stands, and names under which it is what it reads like. Without their gaps.
_TEXT_NAMES: Final = frozenset(
    [
        "prompt",
        "prompts",
        "completion",
        "completions",
        "messages",
        "systemprompt",
        "userprompt",
        "prompttext",
        "promptcontent",
        "promptbody",
        "responsetext",
        "responsebody",
        "responsecontent",
        "completiontext",
        "chathistory",
        "userinput",
        "modeloutput",
        "modelinput",
        "generatedtext",
        "llminput",
        "llmoutput",
        "requestmessages",
    ]
)
_SOFT_TEXT_NAMES: Final = frozenset(
    [
        "response",
        "responses",
        "answer",
        "input",
        "output",
        "content",
        "contents",
        "requestbody",
        "conversation",
        "transcript",
        "message",
        "text",
        "query",
        "question",
        "body",
        "instructions",
        "instruction",
    ]
)
_ANSWER_NAMES: Final = frozenset(("response", "answer", "conversation", "transcript", "question"))
_PASSWORD_NAMES: Final = frozenset(
    [
        "password",
        "passwd",
        "pwd",
        "passphrase",
        "passwort",
        "plaintextpassword",
        "passwordplain",
        "passwordplaintext",
        "userpassword",
        "newpassword",
        "oldpassword",
        "currentpassword",
        "passwordconfirmation",
    ]
)
_KEY_NAMES: Final = frozenset(
    [
        "apikey",
        "providerkey",
        "providerapikey",
        "secretkey",
        "accesstoken",
        "authtoken",
        "bearertoken",
        "clientsecret",
        "openaikey",
        "openaiapikey",
        "anthropicapikey",
        "privatekey",
        "refreshtoken",
        "authorization",
    ]
)
_PLACE_NAMES: Final = frozenset(
    [
        "lat",
        "latitude",
        "lon",
        "lng",
        "longitude",
        "coordinates",
        "coords",
        "latlng",
        "latlon",
        "geolat",
        "geolon",
        "geolng",
        "gpslat",
        "gpslon",
        "geopoint",
        "geolocation",
        "gps",
        "locationlat",
        "locationlng",
    ]
)
_TELLING_NAMES: Final = _TEXT_NAMES | _ANSWER_NAMES | _PASSWORD_NAMES | _KEY_NAMES | _PLACE_NAMES
# What most values of a log are, and no detector would look at twice: a short word, an instant, a UUID.
is_plain: Final = re.compile(
    r"[\w -]{0,11}(?:\.\w{1,6})?|\d{4}-\d\d-\d\d[T ][\d:.]{8,15}(?:Z|\+00:00)?|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
).fullmatch


@lru_cache(maxsize=8_192)
def words_of(name: str) -> tuple[str, ...]:
    """The words of a field's name: `userEmail`, `user_email` and `user-email` are the same two."""
    return tuple(_WORD.findall(_CAMEL.sub(" ", name[-200:]).lower()))


@lru_cache(maxsize=8_192)
def says_what(name: str) -> bool:
    """Whether a value is something because of this name, whatever it looks like."""
    return _joined(name) in _TELLING_NAMES


@lru_cache(maxsize=8_192)
def _joined(name: str) -> str:
    return "".join(words_of(name))


def is_soft_name(name: str) -> bool:
    """Whether a name says text, but not whose: `body`, `message`, `content`."""
    return _joined(name) in _SOFT_TEXT_NAMES


def is_blank(text: str) -> bool:
    """Nothing, or a mark where something was taken out: `***`, `[redacted]`, `{}`."""
    return len(text) < 200 and _BLANK.match(text) is not None


def is_password_hash(text: str) -> bool:
    """A password as it may be stored: argon2, bcrypt, scrypt, PBKDF2, crypt, or the digest of one."""
    return _HASH.match(text.strip()) is not None


def is_card_shaped(text: str) -> bool:
    """As long as a card number and in a range that is issued; its check digit may be wrong."""
    return any(_CARD_RANGES.fullmatch(digits) for digits in _card_candidates(text))


def find_email(text: str, _name: str = "") -> bool | None:
    """An e-mail address anywhere in it."""
    if "@" not in text:
        return None
    # What stands before the host of an address, `postgresql://app:secret@db.internal`, is no mailbox.
    found = (
        match
        for match in _EMAIL.finditer(text)
        if "://" not in text[max(0, match.start() - 100) : match.start()].split(" ")[-1]
    )
    return True if next(found, None) else None


def find_ip_address(text: str, name: str = "") -> bool | None:
    """An IPv4 or IPv6 address; sure where the name says so, since the numbers of versions look alike."""
    if text.count(".") < 3 and text.count(":") < 2:
        return None
    for found in _IP_LIKE.finditer(text):
        try:
            ip_address(found.group())
        except ValueError:
            continue
        return bool({"ip", "host", "addr", "address", "client", "remote"} & set(words_of(name))) or ":" in found.group()
    return None


def find_card_number(text: str, _name: str = "") -> bool | None:
    """A card number: length, range and check digit."""
    if len(text) < 13 or _DIGITS.search(text) is None:
        return None
    found = any(
        _CARD_RANGES.fullmatch(digits) and len(set(digits)) > 1 and passes_luhn(digits)
        for digits in _card_candidates(text)
    )
    return True if found else None


def find_coordinates(text: str, name: str = "") -> bool | None:
    """A latitude and a longitude, or one of them under its name; three decimals are a street."""
    if _joined(name) in _PLACE_NAMES:
        try:
            value = float(text)
        except ValueError:
            return True if re.search(r"-?\d+\.\d+", text) else None
        return True if -180 <= value <= 180 and "." in text else None
    if len(text) < 8:
        return None
    if _PLACE_MARK.search(text) and _WRITTEN_PLACE.search(text):
        return True
    pair = _PAIR.search(text) if text.count(".") >= 2 else None
    if pair is None or not (abs(float(pair[1])) <= 90 and abs(float(pair[2])) <= 180):
        return None
    return bool({"geo", "gps", "location", "position", "place"} & set(words_of(name))) or pair.group() == text.strip()


def find_password(text: str, name: str = "") -> bool | None:
    """A password that is no hash, under its name or written into a line of text."""
    if _joined(name) in _PASSWORD_NAMES and not is_blank(text):
        return None if is_password_hash(text) or text.lower() in ("true", "false") else True
    if len(text) < 8 or (":" not in text and "=" not in text):
        return None
    for found in _PASSWORD_IN_TEXT.finditer(text):
        secret = found[1] or found[2]
        if not is_blank(secret) and not is_password_hash(secret):
            return True
    return None


def find_api_key(text: str, name: str = "") -> bool | None:
    """A key of a known provider, a bearer token, a private key; likely, any long secret under such a name."""
    if len(text) < 15:
        return None
    if _KEY.search(text) or (" " in text and _BEARER.search(text)):
        return True
    if _joined(name) not in _KEY_NAMES or not re.fullmatch(r"[A-Za-z0-9+/_.~=-]{20,}", text):
        return None
    varied = bool(re.search(r"\d", text)) and bool(re.search(r"[A-Za-z]", text))
    return False if varied and not is_password_hash(text) and not _UUID.match(text) else None


def find_model_text(text: str, name: str = "") -> bool | None:
    """What is asked of a model or answered by one: by its marks, by the field's name; likely, by how it reads."""
    joined = _joined(name)
    if joined in _TEXT_NAMES:
        empty = is_blank(text) or is_password_hash(text) or _UUID.match(text) or not _WORD.search(text)
        return None if empty else True
    if len(text) < 12 or _GAP.search(text) is None:
        return None
    if _CHAT.search(text) or "```" in text:
        return True
    words = len(_WORD.findall(text[:2_000]))
    if words >= 4 and _ASKS.match(text.lstrip()):
        return joined in _SOFT_TEXT_NAMES
    if words >= 3 and joined in _ANSWER_NAMES:
        return False
    return False if words >= 12 and re.search(r"[.!?](?:\s|\Z)", text) else None


def find_code(text: str, _name: str = "") -> bool | None:
    """Source code: fenced, or lines that read as such; likely, one line."""
    if len(text) < 12:
        return None
    if "```" in text:
        return True
    lines = [line for line in text[:4_000].splitlines() if line.strip()]
    marked = sum(_CODE_LINE.match(line) is not None for line in lines) if len(lines) >= 2 else 0
    if marked >= 2 and marked * 3 >= len(lines):
        return True
    return False if _CODE_ALONE.search(text[:4_000]) else None


_DETECTORS: Final[Mapping[Trace, Callable[[str, str], bool | None]]] = {
    Trace.EMAIL: find_email,
    Trace.IP_ADDRESS: find_ip_address,
    Trace.CARD_NUMBER: find_card_number,
    Trace.COORDINATES: find_coordinates,
    Trace.PASSWORD: find_password,
    Trace.API_KEY: find_api_key,
    Trace.MODEL_TEXT: find_model_text,
    Trace.CODE: find_code,
}


def find_traces(text: str, *, name: str = "", wanted: Collection[Trace] = tuple(Trace)) -> dict[Trace, bool]:
    """What a value holds, of what is wanted: each trace with whether that is sure. `name`: of its field."""
    if is_plain(text) and not says_what(name):
        return {}
    text = text[:LONGEST]
    found: dict[Trace, bool] = {}
    for trace in wanted:
        sure = _DETECTORS[trace](text, name)
        if sure is not None:
            found[trace] = sure
    return found


def _card_candidates(text: str) -> list[str]:
    return [re.sub(r"[ -]", "", found.group()) for found in _CARD_LIKE.finditer(text)]
