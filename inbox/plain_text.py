"""Text as triage reads it: composed, without invisible characters, with plain line ends; and format=flowed put together."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Final

_ENDS: Final = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SPACES: Final = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_CONTROLS: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_LONE: Final = re.compile("[\ud800-\udfff]")
_INVISIBLE: Final = re.compile(
    "[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_TURNS: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
# So many marks on one letter are still a language; more are there to break what sorts them.
_MOST_MARKS: Final = 6
_BLANK_LINES: Final = re.compile(r"\n[ \t]*(?:\n[ \t]*){2,}")
# A few soft hyphens or a joined emoji are nothing to tell.
_WORTH_TELLING: Final = 10


@dataclass(frozen=True, kw_only=True)
class Plain:
    """Plain text, and how many characters that nobody sees were left out of it. `turns`: some of them turn its direction."""

    text: str
    invisible: int = 0
    turns: bool = False

    @property
    def problem(self) -> str:
        if self.invisible < _WORTH_TELLING and not self.turns:
            return ""
        return (
            f"{self.invisible} characters that nobody sees (marks of direction, of no width) are left out of the text."
        )


def make_plain(text: str) -> Plain:
    """Text without what only machines see. Line by line the same; NFC."""
    whole = _CONTROLS.sub("", _ENDS.sub("\n", _LONE.sub("\ufffd", text)))
    turns = _TURNS.search(whole) is not None
    seen, invisible = _INVISIBLE.subn("", whole)
    composed = unicodedata.normalize("NFC", _too_many_marks().sub(r"\1", _SPACES.sub(" ", seen)))
    return Plain(text=composed, invisible=invisible, turns=turns)


def one_line(text: str) -> str:
    """A name or a subject: plain, on one line."""
    return " ".join(make_plain(text).text.split())


def tidy(text: str) -> str:
    """No spaces at the ends of lines, never more than one blank line."""
    lines = "\n".join(line.rstrip() for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", lines).strip("\n")


def unflow(text: str, *, delete_space: bool) -> str:
    """Lines that a program broke (RFC 3676) made whole again; quoted ones keep their depth."""
    out: list[str] = []
    open_depth = -1
    for line in text.split("\n"):
        bare = line.lstrip(">")
        depth = len(line) - len(bare)
        bare = bare[1:] if bare.startswith(" ") else bare
        signature = bare == "-- "
        if depth == open_depth and not signature:
            out.append(bare)
        else:
            out.append(("\n" if out else "") + (">" * depth + " " if depth else "") + bare)
        flows = bare.endswith(" ") and not signature
        if flows and delete_space:
            out[-1] = out[-1][:-1]
        open_depth = depth if flows else -1
    return "".join(out)


@cache
def _too_many_marks() -> re.Pattern[str]:
    marks = [chr(point) for point in range(0x300, 0x1E94B) if unicodedata.combining(chr(point))]
    return re.compile(f"([{''.join(marks)}]{{{_MOST_MARKS}}})[{''.join(marks)}]+")
