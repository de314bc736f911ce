"""Patterns of names (keys of Redis, keys of objects) whose `{field}` parts are fields of the records under them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from core.errors import BadInput


class _Part(Enum):
    LITERAL = "literal"
    FIELD = "field"
    SOME = "some"  # a wildcard, as a regular expression


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a kind of store reads patterns. `separator` stands in no field; `star`: the expression that `*` means."""

    separator: str
    star: str


REDIS = Dialect(separator=":", star=".*")
OBJECTS = Dialect(separator="/", star="[^/]*")
_TOKEN = re.compile(
    r"\\(?P<escaped>.)|\{(?P<field>[A-Za-z][A-Za-z0-9_]*)\}|(?P<deep>\*\*)|(?P<star>\*)|(?P<one>\?)|%(?P<part>[YmdH])",
    re.S,
)
_GLOB = re.compile(r"([*?\[\]\\])")


class NamePattern:
    """`session:{user_id}:*`: `*` is any text (of objects: without `/`, and `**` with it), `?` one character, `\\` makes
    the next character plain, and what stands for `{user_id}` is the record's field of that name. In names of objects
    %Y, %m, %d and %H are digits of a date."""

    def __init__(self, text: str, dialect: Dialect) -> None:
        self.text = text
        self._dialect = dialect
        self._parts = tuple(_split(text, dialect))
        self.fields = tuple(value for part, value in self._parts if part is _Part.FIELD)
        if len(set(self.fields)) < len(self.fields):
            raise BadInput(f"'{text}' names a field twice.", remedy="Give each part of the name a field of its own.")
        self._expression = re.compile("".join(self._as_expression(*part) for part in self._parts), re.S)

    @property
    def head(self) -> str:
        """What every name begins with."""
        return self._parts[0][1] if self._parts and self._parts[0][0] is _Part.LITERAL else ""

    @property
    def is_exact(self) -> bool:
        """Do the fields alone make out the name?"""
        return all(part is not _Part.SOME for part, _ in self._parts)

    @property
    def is_glob(self) -> bool:
        """Is it text and `*` alone, which Redis reads as we do?"""
        return (
            all(part is _Part.LITERAL or value == self._dialect.star for part, value in self._parts) and not self.fields
        )

    def read(self, name: str) -> Mapping[str, str] | None:
        """The fields that stand in a name; None for a name of something else."""
        match = self._expression.fullmatch(name)
        return match.groupdict() if match else None

    def fill(self, values: Mapping[str, str]) -> str | None:
        """The one name of these fields, where the pattern is exact and such a name can be."""
        if not self.is_exact:
            return None
        name = "".join(values[value] if part is _Part.FIELD else value for part, value in self._parts)
        return name if self.read(name) == dict(values) else None

    def fill_one(self, values: Iterable[str]) -> list[str]:
        """The names for many values of a pattern that is exact and has one field: those values that can be in a name."""
        ends = [value if part is _Part.LITERAL else None for part, value in self._parts]
        before, after = (
            "".join(e or "" for e in ends[: ends.index(None)]),
            "".join(e or "" for e in ends[ends.index(None) :]),
        )
        separator = self._dialect.separator
        return [f"{before}{value}{after}" for value in values if value and separator not in value]

    def glob(self, values: Mapping[str, str]) -> str:
        """The pattern as Redis reads it, narrowed to those fields that are given."""
        return "".join(self._as_glob(part, value, values) for part, value in self._parts)

    def _as_glob(self, part: _Part, value: str, given: Mapping[str, str]) -> str:
        if part is _Part.SOME:
            return "*" if value.endswith("*") else "?"
        literal = value if part is _Part.LITERAL else given.get(value)
        return "*" if literal is None else _GLOB.sub(r"\\\1", literal)

    def _as_expression(self, part: _Part, value: str) -> str:
        match part:
            case _Part.LITERAL:
                return re.escape(value)
            case _Part.FIELD:
                return f"(?P<{value}>[^{re.escape(self._dialect.separator)}]+)"
            case _Part.SOME:
                return value


def _split(text: str, dialect: Dialect) -> list[tuple[_Part, str]]:
    """Literals are joined, so that a pattern begins with the whole of what its names begin with."""
    parts: list[tuple[_Part, str]] = []

    def literal(plain: str) -> None:
        if plain and parts and parts[-1][0] is _Part.LITERAL:
            parts[-1] = (_Part.LITERAL, parts[-1][1] + plain)
        elif plain:
            parts.append((_Part.LITERAL, plain))

    done = 0
    for token in _TOKEN.finditer(text):
        literal(text[done : token.start()])
        done = token.end()
        if token["escaped"]:
            literal(token["escaped"])
        elif token["field"]:
            parts.append((_Part.FIELD, token["field"]))
        elif token["part"] and dialect is OBJECTS:
            parts.append((_Part.SOME, r"\d{4}" if token["part"] == "Y" else r"\d{2}"))
        elif token["part"]:
            literal(token[0])
        else:
            one = "." if dialect is REDIS else "[^/]"
            parts.append((_Part.SOME, one if token["one"] else ".*" if token["deep"] else dialect.star))
    literal(text[done:])
    return parts
