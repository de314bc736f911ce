"""Bytes of a mail as text: by the charset that is declared, or, where that is wrong or missing, by the likeliest one."""

import codecs
import re
from dataclasses import dataclass
from typing import Final

_REPLACED: Final = "\ufffd"
# A guess is made from this much; longer texts are alike throughout.
_SAMPLE: Final = 20_000
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What programs write and what they mean by it (the WHATWG's list, where Python's names differ from it).
_MEANT: Final = {
    "iso-8859-1": "cp1252", "latin-1": "cp1252", "latin1": "cp1252", "iso8859-1": "cp1252", "us-ascii": "cp1252",
    "ascii": "cp1252", "iso-8859-9": "cp1254", "gb2312": "gb18030", "gbk": "gb18030", "gb_2312-80": "gb18030",
    "x-gbk": "gb18030", "shift_jis": "cp932", "shift-jis": "cp932", "x-sjis": "cp932", "sjis": "cp932",
    "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "ksc5601": "cp949", "big5": "big5hkscs", "tis-620": "cp874",
    "iso-8859-11": "cp874", "iso-8859-8-i": "iso8859-8", "iso-8859-6-i": "iso8859-6", "unicode-1-1-utf-7": "utf-7",
    "unicode-1-1-utf-8": "utf-8", "iso-2022-jp": "iso2022_jp_2", "hz-gb-2312": "hz", "x-mac-roman": "mac-roman",
    "macintosh": "mac-roman", "windows-31j": "cp932", "windows-949": "cp949", "windows-874": "cp874",
}  # fmt: skip
# Python knows codecs that are no charsets, and some that take an age: only these are used.
_KNOWN: Final = frozenset(
    ["utf-8", "utf-7", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030", "hz", "cp932", "euc_jp", "euc_jis_2004",
     "iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_3", "iso2022_jp_ext", "iso2022_kr", "cp949", "johab",
     "big5hkscs", "cp950", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "cp437", "cp850", "cp852", "cp855", "cp866",
     "cp874", *(f"cp125{n}" for n in range(9)), *(f"iso8859-{n}" for n in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16))]
)  # fmt: skip
# In these, bytes below 0x80 are not simply ASCII.
_SHIFTED: Final = re.compile(r"utf-7|utf-16.*|utf-32|hz|iso2022_.*")
_MANY_BYTES: Final = re.compile(r"utf-.*|gb18030|hz|cp932|cp949|cp950|euc.*|iso2022.*|johab|big5.*")
_ESCAPES: Final = re.compile(rb"\x1b(?:\$[@B]|\([BJI]|\$\([A-D])")
_HIGH: Final = re.compile(r"[^\x00-\x7f]+")
_MISPLACED: Final = re.compile(r"[a-zа-яёα-ω][А-ЯЁΑ-Ω]")
_LATIN: Final = {
    "cp1252": "äöüßéèàçñêâîôûïëìòùáíóúãõåæøœÄÖÜÉÈÀÇÑÁÍÓÚÅØÆ¿¡’‘“”„–—…€«»°§ºª\xa0",
    "cp1250": "ąćęłńóśźżáčďéěíňřšťúůýžőűöüäßăâîşţđĄĆĘŁŃŚŹŻČĎĚŇŘŠŤŽŐŰ’‘“”„–—…€§\xa0",
    "cp1254": "ışğİçöüŞĞÇÖÜ",
}
_CYRILLIC: Final = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъёїієґ –«»—№\xa0"
_HAN: Final = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经"
    "么去法学如都同现当没动面起看定天分还进好小部其些主样理心本前开但因只从想实日者意无与长把公此已使情明性知全关点正业外将间由问"
    "很最重并物手应向文体见被等新信数据请求除删据您好谢个人保护规条姓名"
)
_OTHER: Final = {
    "cp1251": _CYRILLIC,
    "koi8-r": _CYRILLIC,
    "cp1253": "αοιετσνηυρπκμλςόάίέωήγύδθχώφβξζψ–«»’\xa0",
    "cp932": "",
    "euc_jp": "",
    "gb18030": _HAN + "，。、：；？！（）",
    "cp949": "",
    "big5hkscs": "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用請資料刪除，。、：",
}


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """Text, whether its charset had to be guessed, and whether some of it could not be read (U+FFFD stands there)."""

    text: str
    guessed: bool = False
    broken: bool = False


def decode(data: bytes, declared: str = "", *, cut: bool = False) -> Decoded:
    """Bytes as text. `declared`: the label that came with them; `cut`: the end may stand in the middle of a character."""
    for bom, wide in _BOMS:
        if data.startswith(bom):
            return _as(data, wide, cut=cut)
    name = codec_named(declared)
    shifted = bool(name and _SHIFTED.fullmatch(name))
    if not shifted and _ESCAPES.search(data, 0, _SAMPLE):
        return _as(data, "iso2022_jp_ext", cut=cut, guessed=True)
    if not shifted and data.isascii():
        if not name and data[:200].count(0) > len(data[:200]) // 3:
            return _as(data, "utf-16-le" if data[1:2] == b"\0" else "utf-16-be", cut=cut, guessed=True)
        return Decoded(text=data.decode("ascii"))
    if name and (read := _read_declared(data, name, cut=cut)) is not None:
        return read
    if (text := _strict(data, "utf-8", cut=cut)) is not None:
        return Decoded(text=text, guessed=name != "utf-8")
    return _as(data, guess(data), cut=cut, guessed=True)


def codec_named(label: str) -> str:
    """The codec that a label means; '' for none, or for one that is no charset."""
    plain = label.strip().strip("\"'").strip().lower()[:40]
    name = _MEANT.get(plain.replace(" ", ""), plain)
    if not name.isascii() or not name or "\0" in name:
        return ""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return ""
    return found if found in _KNOWN else ""


def guess(data: bytes) -> str:
    """The likeliest charset of bytes that are no UTF-8."""
    sample = data[:_SAMPLE]
    rated = [(_rate(sample, name), name) for name in (*_LATIN, *_OTHER)]
    return max(rated, key=lambda one: one[0])[1]


def _read_declared(data: bytes, name: str, *, cut: bool) -> Decoded | None:
    if _MANY_BYTES.fullmatch(name) is None:
        # Any bytes are letters of a one-byte charset; what is also well-formed UTF-8 is hardly that by chance.
        as_utf8 = _strict(data, "utf-8", cut=cut)
        return Decoded(text=as_utf8, guessed=True) if as_utf8 is not None else _as(data, name, cut=cut)
    text = _strict(data, name, cut=cut)
    if text is not None:
        return Decoded(text=text)
    loose = data.decode(name, "replace")
    # One bad byte in a page is damage, one in ten letters is another charset.
    few = loose.count(_REPLACED) * 20 <= sum(1 for letter in loose if letter > "\x7f")
    return Decoded(text=loose, broken=True) if few or _SHIFTED.fullmatch(name) else None


def _strict(data: bytes, name: str, *, cut: bool) -> str | None:
    try:
        return codecs.getincrementaldecoder(name)("strict").decode(data, final=not cut)
    except UnicodeError:
        return None


def _as(data: bytes, name: str, *, cut: bool, guessed: bool = False) -> Decoded:
    text = _strict(data, name, cut=cut)
    if text is not None:
        return Decoded(text=text, guessed=guessed)
    return Decoded(text=data.decode(name, "replace"), guessed=guessed, broken=True)


def _rate(sample: bytes, name: str) -> float:
    """How much text in this charset looks like language: 2 is all of it, below 0 is none."""
    text = sample.decode(name, "replace")
    runs = _HIGH.findall(text)
    letters = sum(len(run) for run in runs)
    if not letters:
        return -9.0
    if name in _LATIN:
        plain = frozenset(_LATIN[name])
        points = sum(sum(2.0 if one in plain else -0.5 for one in run) if len(run) <= 2 else -len(run) for run in runs)
        points -= 5 * text.count(_REPLACED)
    else:
        common = _OTHER[name]
        points = sum(_worth(one, name, common) for run in runs for one in run) - 2 * len(_MISPLACED.findall(text))
    return points / letters


def _worth(letter: str, name: str, common: str) -> float:
    if (place := common.find(letter)) >= 0:
        # The lists begin with the most frequent letters: they tell two alphabets apart in a short name.
        return 2.0 - min(place, 40) / 50
    if name in ("cp932", "euc_jp") and "\u3040" <= letter <= "\u30ff":
        return 2.0
    if letter == _REPLACED:
        return -5.0
    if name == "cp949" and "\uac00" <= letter <= "\ud7a3":
        # The syllables that Korean uses; the rest of them is what Japanese looks like as Korean.
        return 1.9 if _is_common_korean(letter) else 0.0
    if letter.isalpha() and letter.lower() in common:
        return 0.6
    # Half-width signs, symbols and rare characters are what a wrong charset makes.
    return 0.2 if "\u4e00" <= letter <= "\u9fff" else 0.0 if letter.isalpha() and letter < "\uff00" else -1.0


def _is_common_korean(letter: str) -> bool:
    try:
        return len(letter.encode("euc_kr")) == 2
    except UnicodeError:
        return False
