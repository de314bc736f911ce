"""Writes a mail out: subject, text and HTML of an event, in the words of the installation where it has some of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
from markupsafe import Markup

from notify.mail_kinds import COMPLAINT, PARTS, Block, kind_of

log = structlog.get_logger()
OwnWords = Mapping[str, str]  # by block; what is not there is the original
Piece = dict[str, Any]
NAMED: Final = re.compile(r"\{([a-z_]+)\}")
_MARKED: Final = re.compile(r"^@(lead|next|closing|foot)@$(.*?)^@end@$", re.MULTILINE | re.DOTALL)
_HTML_KINDS: Final = {"link": "link", "email": "mail"}


class TextRenderer(Protocol):
    """Renders one template under `templates/`."""

    def text(self, template: str, **variables: Any) -> str: ...


@dataclass(frozen=True, kw_only=True)
class WrittenMail:
    """A mail as it reads; the subject is one line."""

    subject: str
    text: str
    html: str


class MailWriter:
    """`words` gives what an installation says in its own words, by event and language.

    A block of its own that names something this one mail has not (a day that is not known, a link that there is none) goes
    out in its original words: a mail is never late, and never holds an empty place, for the sake of its wording.
    """

    def __init__(self, renderer: TextRenderer, words: Callable[[str, str], OwnWords] | None = None) -> None:
        self._renderer = renderer
        self._words = words

    def write(
        self,
        event: str,
        language: str,
        variables: Mapping[str, Any],
        *,
        own: OwnWords | None = None,
        html_variables: Mapping[str, Any] | None = None,
    ) -> WrittenMail:
        """`own`: words to try instead of those that hold; `html_variables`: what is another in the HTML part."""
        if own is None:
            own = self._words(event, language) if self._words else {}
        given = {**variables, "language": language}
        blocks = {name: words for name, words in own.items() if name in kind_of(event).blocks}
        said = {name: words for name, words in blocks.items() if self._can_be_said(event, name, words, given)}
        subject = said.pop(Block.SUBJECT, "")
        return WrittenMail(
            subject=" ".join(self._subject(event, subject, given).split()),
            text=self._body(event, "txt", said, given),
            html=self._body(event, "html", said, given | dict(html_variables or {})),
        )

    def values(self, event: str, given: Mapping[str, Any], form: str = "txt") -> dict[str, str]:
        """What own words may name, filled in from the variables of one mail; what it has not is not there."""
        found = {name: find_value(given, PARTS[name].path) for name in kind_of(event).names}
        found[COMPLAINT] = self._renderer.text(f"email/complaint.{form}", **given).strip()
        return {name: value for name, value in found.items() if value}

    def originals(self, event: str, language: str, given: Mapping[str, Any]) -> dict[str, str]:
        """The original words of the blocks that may be changed, with names in braces where the facts of a mail stand."""
        blocks = kind_of(event).blocks
        if not blocks:
            return {}
        named = _with_names({**given, "language": language}, self.values(event, {**given, "language": language}))
        marked = self._renderer.text("email/marked.txt", base=f"email/{event}/body.txt", **named)
        found = {name: _unwrap(words, name) for name, words in _MARKED.findall(marked)}
        found[Block.SUBJECT] = " ".join(self._renderer.text(f"email/{event}/subject.txt", **named).split())
        return {str(name): found.get(name, "") for name in blocks}

    def _can_be_said(self, event: str, block: str, words: str, given: Mapping[str, Any]) -> bool:
        lacking = set(NAMED.findall(words)) - set(self.values(event, given))
        if lacking:
            log.warning("mail.words_left_out", mail=event, block=block, lacking=sorted(lacking))
        return not lacking

    def _subject(self, event: str, own: str, given: Mapping[str, Any]) -> str:
        if not own:
            return self._renderer.text(f"email/{event}/subject.txt", **given)
        values = self.values(event, given)
        return NAMED.sub(lambda found: values[found[1]], own)

    def _body(self, event: str, form: str, own: Mapping[str, str], given: Mapping[str, Any]) -> str:
        base = f"email/{event}/body.{form}"
        if not own:
            return self._renderer.text(base, **given)
        values = self.values(event, given, form)
        pieces = {str(name): _paragraphs(words, values, form) for name, words in own.items()}
        return self._renderer.text(f"email/worded.{form}", base=base, own=pieces, **given)


def find_value(given: Mapping[str, Any], path: str) -> str:
    """The value at `controller.name` and the like; '' where there is none."""
    value: Any = given
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    return "" if value is None else str(value)


def _with_names(given: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The variables of a mail with `{due}` instead of the day, and so on."""
    changed: dict[str, Any] = {**given, COMPLAINT: f"{{{COMPLAINT}}}"}
    for name in names:
        whole, _, field = PARTS[name].path.partition(".")
        if field:
            changed[whole] = {**changed[whole], field: f"{{{name}}}"}
        elif whole:
            changed[whole] = f"{{{name}}}"
    return changed


def _unwrap(words: str, block: str) -> str:
    """Paragraphs of one line each; the lines of a closing stay."""
    parts = [one.strip() for one in re.split(r"\n\s*\n", words) if one.strip()]
    return "\n\n".join(one if block == Block.CLOSING else " ".join(one.split()) for one in parts)


def _paragraphs(words: str, values: Mapping[str, str], form: str) -> list[list[list[Piece]]]:
    parts = [one for one in re.split(r"\n\s*\n", words.strip()) if one.strip()]
    return [[_pieces(line.rstrip(), values, form) for line in part.split("\n")] for part in parts]


def _pieces(line: str, values: Mapping[str, str], form: str) -> list[Piece]:
    pieces: list[Piece] = []
    for at, text in enumerate(NAMED.split(line)):
        if at % 2 == 0:
            pieces.append({"kind": "", "text": text})
        elif form == "html" and text == COMPLAINT:
            # Rendered by the template that marks up its address, everything in it escaped there.
            pieces.append({"kind": "", "text": Markup(values[text])})  # noqa: S704 - our own template's output
        else:
            pieces.append({"kind": _HTML_KINDS.get(text, ""), "text": values[text]})
    return pieces
