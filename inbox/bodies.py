"""Which parts of a mail are its words and which are its files: the words as one text, the text of mails inside it apart."""

import re
from dataclasses import dataclass, field
from typing import Final

from inbox.charsets import decode
from inbox.header_text import header_text
from inbox.html_text import read_html
from inbox.parts import Part, content_of
from inbox.plain_text import unflow

MOST_BYTES: Final = 2_000_000
_META: Final = re.compile(rb"<meta[^>]{0,200}charset\s{0,5}=\s{0,5}[\"']?\s{0,5}([\w.:-]{1,40})", re.IGNORECASE)
_WORD: Final = re.compile(r"\w{3,}")
_REPORTS: Final = frozenset(
    [
        "message/delivery-status",
        "message/global-delivery-status",
        "text/rfc822-headers",
        "message/disposition-notification",
    ]
)
_MAILS: Final = frozenset(["message/rfc822", "message/global"])
# So much of what the shorter text says stands in the longer one too, or they are two different texts.
_ALIKE: Final = 0.4


@dataclass(kw_only=True)
class Body:
    """What was gathered so far. `inside`: the texts of mails in the mail; `html`: how many of the texts came of HTML."""

    texts: list[str] = field(default_factory=list)
    inside: list[str] = field(default_factory=list)
    files: list[Part] = field(default_factory=list)
    problems: dict[str, None] = field(default_factory=dict)
    guessed: bool = False

    @property
    def text(self) -> str:
        return "\n\n".join(one.strip("\n") for one in self.texts if one.strip())

    def take(self, other: "Body", *, texts: bool = True) -> None:
        self.texts += other.texts if texts else []
        self.inside += other.inside if texts else []
        self.files += other.files
        self.problems |= other.problems
        self.guessed = self.guessed or (other.guessed and texts)


def gather(raw: bytes, root: Part) -> Body:
    """The words and the files of a mail."""
    gatherer = _Gatherer(raw, root)
    body = gatherer.read(root)
    if not body.text and not body.inside:
        gatherer.read_named(body)
    return body


class _Gatherer:
    def __init__(self, raw: bytes, root: Part) -> None:
        self._raw = raw
        self._root = root
        self._bytes_left = MOST_BYTES

    def read(self, part: Part) -> Body:
        body = Body()
        if part.type == "multipart/alternative":
            self._choose(part, body)
        elif part.type in ("multipart/related", "multipart/signed"):
            for number, child in enumerate(part.children):
                if number:
                    body.files.append(child)
                else:
                    body.take(self.read(child))
        elif part.children and part.type.startswith("multipart/"):
            for child in part.children:
                body.take(self.read(child))
        elif part.type in _MAILS:
            self._read_mail(part, body)
        elif part.type in _REPORTS:
            pass
        elif part.type == "multipart/encrypted":
            body.problems["The mail is encrypted and cannot be read here."] = None
        elif _is_words(part, alone=part is self._root):
            self._read_words(part, body)
        else:
            body.files.append(part)
        return body

    def read_named(self, body: Body) -> None:
        """Texts with a file's name are files, unless a mail has no other words and shows them."""
        for part in body.files:
            if part.type == "text/plain" and part.disposition != "attachment" and self._bytes_left:
                self._read_words(part, body)

    def _choose(self, part: Part, body: Body) -> None:
        """The plain text of alternatives, unless it is a stub or says something else than what people see."""
        read = [(child, self.read(child)) for child in part.children]
        plain = next((one for child, one in read if child.type == "text/plain" and one.text), None)
        rich = max(
            (one for child, one in read if child.type != "text/plain"), key=lambda one: len(one.text), default=None
        )
        chosen = plain or rich
        if plain and rich and rich.text:
            alike = _likeness(plain.text, rich.text)
            if len(plain.text) * 4 < len(rich.text):
                chosen = rich
            elif alike < _ALIKE:
                body.problems["The mail carries two texts that differ: both are shown, the plain one first."] = None
                chosen = Body(texts=[*plain.texts, *rich.texts], guessed=plain.guessed or rich.guessed)
        for _, one in read:
            body.take(one, texts=False)
        if chosen is not None:
            body.texts += chosen.texts
            body.inside += chosen.inside
            body.guessed = body.guessed or chosen.guessed

    def _read_mail(self, part: Part, body: Body) -> None:
        """A mail in the mail: a file of it, and its words apart."""
        body.files.append(part)
        for child in part.children:
            inner = self.read(child)
            names = (("From", "from"), ("Date", "date"), ("To", "to"), ("Subject", "subject"))
            head = [f"{name}: {header_text(child.get(key))[:500]}" for name, key in names if child.get(key)]
            body.inside.append("\n".join([*head, "", inner.text]))
            body.inside += inner.inside
            body.problems |= inner.problems
            body.guessed = body.guessed or inner.guessed

    def _read_words(self, part: Part, body: Body) -> None:
        content = content_of(self._raw, part, self._bytes_left)
        self._bytes_left -= len(content.data)
        if content.cut:
            body.problems[f"The text is longer than {MOST_BYTES // 1_000_000} MB and was cut."] = None
        if content.broken:
            body.problems[f"The text's coding ({part.coding}) is broken in places."] = None
        is_html = part.type == "text/html"
        charset = part.params.get("charset", "")
        if is_html and not charset and (found := _META.search(content.data, 0, 4_096)):
            charset = found[1].decode("ascii")
        read = decode(content.data, charset, cut=content.cut)
        body.guessed = body.guessed or read.guessed
        if read.broken:
            body.problems["Some characters of the text could not be read; \ufffd stands for them."] = None
        body.texts.append(self._from_html(read.text, body) if is_html else _from_plain(read.text, part))

    def _from_html(self, source: str, body: Body) -> str:
        page = read_html(source)
        if page.hidden:
            body.problems["The page hides some of its text; that was left out."] = None
        return page.text


def _from_plain(text: str, part: Part) -> str:
    text = text.replace("\r\n", "\n")
    if part.params.get("format", "").lower() == "flowed":
        text = unflow(text, delete_space=part.params.get("delsp", "").lower() == "yes")
    return text


def _is_words(part: Part, *, alone: bool) -> bool:
    if part.disposition == "attachment" or (part.filename and not alone) or part.children:
        return False
    return part.type in ("text/plain", "text/html") or (
        part.type.startswith("text/") and part.type.endswith(("enriched", "markdown"))
    )


def _likeness(one: str, other: str) -> float:
    """How many words of the text with fewer words stand in the other, 0 to 1."""
    first, second = (set(_WORD.findall(text[:50_000].lower())) for text in (one, other))
    fewer, more = sorted((first, second), key=len)
    return len(fewer & more) / len(fewer) if fewer else 1.0
