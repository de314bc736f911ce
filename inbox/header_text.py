"""What a header says: its words decoded (RFC 2047), its parameters (RFC 2231), its addresses; broken ones as far as they go."""

import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from inbox.charsets import decode
from inbox.plain_text import make_plain, one_line

# More of one header is not read.
LONGEST: Final = 65_536
MOST_ADDRESSES: Final = 500
_LONGEST_ADDRESS: Final = 320
_FOLD: Final = re.compile(r"\r?\n[ \t]*|\r(?!\n)")
_WORD: Final = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?((?:[^?]|\?(?!=)){0,2000})\?=", re.DOTALL)
_Q: Final = re.compile(rb"=([0-9A-Fa-f]{2})")
_TYPE: Final = re.compile(r"\s*([\w!#$&^.+-]{1,60}(?:/[\w!#$&^.+-]{1,90})?)", re.ASCII)
_PARAMETER: Final = re.compile(r';\s{0,50}([^\s=;"]{1,100})\s{0,50}=\s{0,50}("(?:\\.|[^"\\])*"?|[^;]*)', re.DOTALL)
_PIECE: Final = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*)?")
_PIECES: Final = re.compile(r'"(?:\\.|[^"\\])*"?|<[^>]*>?|[(),;]|[^"<(),;]+', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_ADDRESS: Final = re.compile(r'[^\s@<>",;]{1,128}@[^\s@<>",;:]{1,255}|"[^"]{1,64}"@[^\s@<>",;:]{1,255}')


def header_text(value: bytes) -> str:
    """A header's value on one line, encoded words decoded."""
    return one_line(decode_words(raw_text(value)))


def raw_text(value: bytes) -> str:
    """A header's value as it stands: 8-bit characters read, nothing else decoded yet."""
    return decode(value[:LONGEST], cut=True).text


def decode_words(text: str) -> str:
    """Encoded words in a text made words. Neighbours of one charset are one: programs break characters between them."""
    out: list[str] = []
    pending: list[bytes] = []
    charset, end = "", 0
    for found in _WORD.finditer(text):
        between = text[end : found.start()]
        named = found[1].partition("*")[0].lower()
        if pending and (between.strip() or named != charset):
            out.append(decode(b"".join(pending), charset).text)
            pending = []
        if between.strip() or not end:
            out.append(_FOLD.sub(" ", between))
        charset, end = named, found.end()
        pending.append(_word_bytes(found[2].lower(), _FOLD.sub("", found[3])))
    if pending:
        out.append(decode(b"".join(pending), charset).text)
    return "".join([*out, _FOLD.sub(" ", text[end:])])


def read_parameters(value: bytes) -> tuple[str, Mapping[str, str]]:
    """`type/subtype` in small letters and the parameters by small names; '' where there is no type."""
    text = _FOLD.sub(" ", raw_text(value))
    kind = _TYPE.match(text)
    pieces: dict[str, dict[int, tuple[bool, str]]] = {}
    for found in _PARAMETER.finditer(text):
        piece = _PIECE.fullmatch(found[1])
        if piece is not None:
            written = _unquote(found[2].strip())
            pieces.setdefault(piece[1].lower(), {}).setdefault(int(piece[2] or 0), (bool(piece[3]), written))
    return kind[1].lower() if kind else "", {name: _join(parts) for name, parts in pieces.items()}


def read_addresses(text: str) -> tuple[tuple[str, str], ...]:
    """(name, address) of a list of them, read from its raw text; addresses in small letters. What has none is left out."""
    found = (_read_one(words, inside, comments) for words, inside, comments in _split_addresses(text))
    return tuple(one for one in found if one[1])[:MOST_ADDRESSES]


def _word_bytes(kind: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if kind == "q":
        return _Q.sub(lambda found: bytes([int(found[1], 16)]), data.replace(b"_", b" "))
    return decode_base64(data)[0]


def decode_base64(data: bytes) -> tuple[bytes, bool]:
    """Bytes of base64 as far as they go, and whether something in it was none."""
    clean = data.translate(None, _NOT_BASE64)
    broken = len(clean) < len(data.translate(None, b" \t\r\n"))
    out = []
    for piece in re.split(rb"=+", clean) if b"=" in clean else (clean,):
        if len(piece) % 4 == 1:
            piece, broken = piece[:-1], True
        out.append(binascii.a2b_base64(piece + b"=" * (-len(piece) % 4)))
    return b"".join(out), broken


_NOT_BASE64: Final = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))


def _unquote(text: str) -> str:
    return _ESCAPED.sub(r"\1", text[1:].removesuffix('"')) if text.startswith('"') else text


def _join(pieces: Mapping[int, tuple[bool, str]]) -> str:
    """A parameter of one piece or of several; the first says the charset of those with a star."""
    ordered = [pieces[number] for number in sorted(pieces)]
    encoded, first = ordered[0]
    if not any(starred for starred, _ in ordered):
        return one_line(decode_words("".join(text for _, text in ordered)))
    charset, _, rest = first.partition("'") if encoded and first.count("'") >= 2 else ("", "", first)
    texts = [(encoded, rest.partition("'")[2] if charset or first.startswith("'") else rest), *ordered[1:]]
    data = b"".join(unquote_to_bytes(text) if starred else text.encode("utf-8", "replace") for starred, text in texts)
    return one_line(decode(data, charset).text)


def _split_addresses(text: str) -> Iterator[tuple[str, str, str]]:
    words: list[str] = []
    comments: list[str] = []
    inside, depth = "", 0
    for found in _PIECES.finditer(text):
        piece = found[0]
        if piece == "(" or (piece == ")" and depth):
            depth += 1 if piece == "(" else -1
        elif depth:
            comments.append(piece)
        elif piece in ",;":
            yield "".join(words), inside, "".join(comments)
            words, comments, inside = [], [], ""
        elif piece.startswith("<"):
            inside = inside or piece.strip("<>")
        else:
            words.append(piece)
    yield "".join(words), inside, "".join(comments)


def _read_one(words: str, inside: str, comments: str) -> tuple[str, str]:
    plain = make_plain(inside).text.rpartition(":")[2] if inside else make_plain(words).text
    found = _ADDRESS.search("".join(plain.split()) if inside else plain)
    if found is None or len(found[0]) > _LONGEST_ADDRESS:
        return "", ""
    name = words if inside else comments
    return one_line(decode_words(_unquote(name.strip()))).strip("\"' ")[:500], found[0].lower().rstrip(".")
