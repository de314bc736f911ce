"""Addresses that look like others: skeletons as in UTS 39, near misses of a domain, and domains shown both ways.

The table of confusable letters is our own and bounded: Latin, Cyrillic, Greek and Armenian letters that people cannot tell
apart in the fonts of mail programs, and digits that stand for letters. Full-width, mathematical and other styled letters
come from Unicode's own compatibility forms (`unicodedata`). What is not in it is not found: a warning, never a proof.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

_LOOKS: Final = {
    "a": "аɑα⍺", "b": "ьƅ", "c": "сϲᴄ", "d": "ԁ", "e": "еҽ℮", "f": "ƒ", "g": "ɡց", "h": "հһ", "i": "іɩιıɪ˛ꙇ", "j": "јϳ",
    "k": "кκĸ", "l": "ӏ|ǀ1", "m": "м", "n": "ոռ", "o": "оοօ0σ໐", "p": "рρ⍴", "q": "ԛգզ", "r": "гᴦ", "s": "ѕꜱƽ", "t": "тτ",
    "u": "սυᴜʋ", "v": "νѵᴠ", "w": "ԝѡɯᴡա", "x": "хχ×", "y": "уүγʏ", "z": "ᴢ", "-": "‐‑‒–—−", "ss": "ß", "ae": "æ", "oe": "œ",
}  # fmt: skip
_TABLE: Final = str.maketrans({letter: plain for plain, letters in _LOOKS.items() for letter in letters})
# Pairs that run together in many fonts.
_PAIRS: Final = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_SCRIPTS: Final = (
    "LATIN",
    "CYRILLIC",
    "GREEK",
    "ARMENIAN",
    "HEBREW",
    "ARABIC",
    "CJK",
    "HIRAGANA",
    "KATAKANA",
    "HANGUL",
)
_TOGETHER: Final = frozenset(["LATIN", "CJK", "HIRAGANA", "KATAKANA", "HANGUL"])
# Names this short are near to each other by chance.
_SHORTEST: Final = 5
_LONGEST: Final = 320
_LABEL: Final = re.compile(r"xn--([a-z0-9-]{1,59})")


class Likeness(StrEnum):
    """How one address is like another that is not the same."""

    SAME_LOOK = "same_look"  # people cannot tell them apart
    NEAR = "near"  # one letter more, less, other, or two swapped, in the domain


@dataclass(frozen=True, kw_only=True)
class LookAlike:
    """An address that looks like one that is known. `shown`: it, its domain both ways."""

    likeness: Likeness
    known: str = field(repr=False)
    shown: str = field(repr=False)


def look_alike(address: str, known: Sequence[str]) -> LookAlike | None:
    """The known address or bare domain that this one looks like; None where it is one of them, or like none.

    `known`: addresses, and domains without an `@` (ours, say). Near domains count for the same name before the `@`, or for
    a bare domain.
    """
    own = _unify(address)
    exact = {_unify(one) for one in known}
    if not own or own in exact or own.rpartition("@")[2] in exact:
        return None
    bones = skeleton(own)
    name, _, domain = bones.rpartition("@")
    near = None
    for one in exact:
        there, _, other = skeleton(one).rpartition("@")
        if other == domain and there in (name, ""):
            return LookAlike(likeness=Likeness.SAME_LOOK, known=one, shown=show_both_ways(address))
        if there in (name, "") and near is None and _is_near(domain, other):
            near = one
    return LookAlike(likeness=Likeness.NEAR, known=near, shown=show_both_ways(address)) if near else None


def skeleton(text: str) -> str:
    """What a text looks like: two with one skeleton cannot be told apart (UTS 39, 4)."""
    plain = unicodedata.normalize("NFKC", text[:_LONGEST]).lower().translate(_TABLE)
    apart = unicodedata.normalize("NFD", plain).translate(_TABLE)
    for pair, one in _PAIRS:
        apart = apart.replace(pair, one)
    return apart


def show_both_ways(address: str) -> str:
    """An address with its domain as machines write it, and as people read it where that differs."""
    name, at, domain = address[:_LONGEST].rpartition("@")
    machine, people = to_ascii(domain), to_unicode(domain)
    return f"{name}{at}{machine}" + (f" ({people})" if people != machine else "")


def to_unicode(domain: str) -> str:
    """A domain as people read it. Labels that decode to nothing stay."""
    return ".".join(_read_label(label) for label in domain.lower().split("."))


def to_ascii(domain: str) -> str:
    """A domain as machines write it."""
    labels = unicodedata.normalize("NFKC", domain[:_LONGEST]).lower().split(".")
    return ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode', 'replace').decode('ascii')}" for label in labels
    )


def is_mixed(domain: str) -> bool:
    """Whether one label of a domain mixes scripts that no language writes together."""
    for label in to_unicode(domain).split("."):
        scripts = set(_scripts(label))
        if len(scripts) > 1 and not scripts <= _TOGETHER:
            return True
    return False


def _scripts(label: str) -> Iterator[str]:
    for letter in label[:100]:
        if letter.isalpha():
            name = unicodedata.name(letter, "")
            yield next((one for one in _SCRIPTS if name.startswith(one)), name.partition(" ")[0])


def _read_label(label: str) -> str:
    found = _LABEL.fullmatch(label)
    if found is None:
        return label
    try:
        read = found[1].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError):
        return label
    return label if any("\ud800" <= one <= "\udfff" or not one.isprintable() for one in read) else read


def _unify(address: str) -> str:
    name, at, domain = unicodedata.normalize("NFC", address[:_LONGEST]).strip().lower().rpartition("@")
    return name + at + to_unicode(domain)


def _is_near(one: str, other: str) -> bool:
    """One letter more, less or other, or two neighbours swapped."""
    if one == other or min(len(one), len(other)) < _SHORTEST or abs(len(one) - len(other)) > 1:
        return False
    if min(len(one.partition(".")[0]), len(other.partition(".")[0])) < _SHORTEST - 1:
        return False
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    if len(one) != len(other):
        longer, shorter = (one, other) if len(one) > len(other) else (other, one)
        return longer[start + 1 :] == shorter[start:]
    swapped = one[start + 1 : start + 2] + one[start : start + 1] == other[start : start + 2]
    return one[start + 1 :] == other[start + 1 :] or (swapped and one[start + 2 :] == other[start + 2 :])
