"""Authentication-Results (RFC 8601): which server says what of SPF, DKIM and DMARC."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

METHODS: Final = ("spf", "dkim", "dmarc")
# What RFC 8601 knows; any other word is no result.
RESULTS: Final = frozenset(
    ["none", "pass", "fail", "softfail", "neutral", "policy", "temperror", "permerror", "hardfail", "bestguesspass"]
)
_TOKEN: Final = re.compile(r'"(?:\\.|[^"\\])*"?|[();]|[^"();]+')
_ID: Final = re.compile(r"([^\s=/]{1,255})(?:\s+\d{1,3})?\s*")
_RESULT: Final = re.compile(
    r"\s*([a-z0-9-]{1,30})(?:\s*/\s*\d{1,3})?\s*=\s*([a-z]{1,20})\b(.*)", re.IGNORECASE | re.DOTALL
)
_PROPERTY: Final = re.compile(
    r"\b(smtp|header|policy|body)\s{0,5}\.\s{0,5}([a-z-]{1,30})\s{0,5}=\s{0,5}\"?([^\s\";]{1,320})", re.IGNORECASE
)


@dataclass(frozen=True, kw_only=True)
class Result:
    """One result: `method` such as dkim, `result` in small letters, and its properties, such as header.d."""

    method: str
    result: str
    properties: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Authentication:
    """One header. `server`: who says it, '' where it names nobody (some large providers do not)."""

    server: str
    results: tuple[Result, ...]


def read_authentication(value: str) -> Authentication:
    """One Authentication-Results header, as far as it can be read."""
    first, *others = [*_statements(value[:20_000])] or [""]
    named = _ID.fullmatch(first.strip())
    # Without a name, the first statement is a result already.
    statements = others if named or not first.strip() else [first, *others]
    found = (_read_result(one) for one in statements[:100])
    return Authentication(
        server=named[1].lower() if named else "", results=tuple(one for one in found if one is not None)
    )


def _read_result(statement: str) -> Result | None:
    found = _RESULT.match(statement)
    if found is None or found[2].lower() not in RESULTS:
        return None
    properties: dict[str, str] = {}
    for one in _PROPERTY.finditer(found[3]):
        properties.setdefault(f"{one[1]}.{one[2]}".lower(), one[3].lower())
    result = {"hardfail": "fail", "bestguesspass": "none"}.get(found[2].lower(), found[2].lower())
    return Result(method=found[1].lower(), result=result, properties=properties)


def _statements(value: str) -> Iterator[str]:
    """The statements between semicolons, comments left out: a result inside one is none."""
    words: list[str] = []
    depth = 0
    for found in _TOKEN.finditer(value):
        piece = found[0]
        if piece == "(" or (piece == ")" and depth):
            depth += 1 if piece == "(" else -1
        elif depth:
            continue
        elif piece == ";":
            yield "".join(words)
            words = []
        else:
            words.append(piece)
    yield "".join(words)
