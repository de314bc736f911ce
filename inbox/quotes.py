"""What a person wrote, told from what they quoted, forwarded, signed with, and what their house adds below."""

import re
from dataclasses import dataclass
from typing import Final

from inbox.plain_text import tidy

_I: Final = re.IGNORECASE
# "On 3 March 2026 at 10:00, Ada <ada@x> wrote:" in the languages of our letters and some more; up to four lines long.
# Only what begins like this goes on in the next line: a sentence right above it is not part of it.
_OPENS: Final = re.compile(
    r"(?:on|am|le|el|il(?: giorno)?|op|en|em|den|dnia|w dniu|dne)\s[^\n]{0,30}\d|\d{4}[-./年]\d|\d{1,2}[./]\s?\d{1,2}[./]",
    _I,
)
_WROTE: Final = re.compile(
    r"(?<!\w)(?:wrote|writes|schrieb|geschrieben|a écrit|écrivait|escribió|ha scritto|scrisse|schreef|het volgende geschreven"
    r"|geschreven|skrev|napisał(?:\(a\)|a)?|escreveu|napsal\(?a?\)?|kirjoitti|írta|написал(?:\(а\)|а)?|のメール|写道)(?!\w)[^\n]{0,160}[:：]\s*$",
    _I,
)
_FIRST_PERSON: Final = re.compile(r"(?<!\w)(?:I|ich|je|j'ai|yo|io|ik|ho|he)(?!\w)(?![\w.-]*@)")
_SURE: Final = re.compile(r"[^\s<>@]+@[^\s<>@]+\.\w|\d{1,2}[:.h]\d{2}(?!\d)|\d{4}年")
_OLD_GMAIL: Final = re.compile(r"\d{4}[-./年]\d{1,2}[-./月]\d{1,2}.{0,100}<[^<>\s]{1,200}@[^<>\s]{1,200}>\s*[:：]\s*$")
_LONGEST_ATTRIBUTION: Final = 400
_SHORTEST: Final = 5
_ORIGINAL: Final = re.compile(
    r"[-_*\s]{2,60}(?:original(?:[ -]message| appointment)?|message d['’]origine|message original|ursprüngliche (?:nachricht|e-?mail)|originalnachricht"
    r"|mensaje original|messaggio originale|oorspronkelijk bericht|reply message|wiadomość oryginalna|mensagem original)[-_*:\s]{0,60}",
    _I,
)
_FORWARD: Final = re.compile(
    r"[-_*\s>]{0,60}(?:begin forwarded message|forwarded (?:message|by .{0,80})|anfang der weitergeleiteten (?:nachricht|e-?mail)"
    r"|weitergeleitete (?:nachricht|e-?mail)|début du message (?:réexpédié|transféré)|message (?:transféré|réexpédié)"
    r"|(?:inicio del )?mensaje (?:reenviado|remitido)|(?:inizio (?:del )?)?messaggio inoltrato|(?:begin )?doorgestuurd bericht"
    r"|begin van doorgestuurd bericht)[-_*:\s]{0,60}",
    _I,
)
_FORWARD_SUBJECT: Final = re.compile(r"\s*(?:(?:re|aw)\s*:\s*)?(?:fwd?|wg|tr|rv|doorst|enc|i|vs|vl)\s*:", _I)
_BLOCK: Final = (
    ("from", re.compile(r"[*\s]{0,8}(?:from|von|de|da|van|fra|från|od|От|差出人|发件人)\s{0,2}\*?\s{0,2}[:：]", _I)),
    ("date", re.compile(
        r"[*\s]{0,8}(?:sent|date|gesendet(?: am)?|datum|envoyé(?: le)?|enviado(?: el)?|fecha|inviato(?: il)?|data|verzonden(?: op)?"
        r"|skickat|sendt|wysłano|送信日時|发送时间)\s{0,2}\*?\s{0,2}[:：]", _I)),
    ("to", re.compile(r"[*\s]{0,8}(?:to|an|à|a|para|aan|til|till|do|宛先|收件人)\s{0,2}\*?\s{0,2}[:：]", _I)),
    ("subject", re.compile(
        r"[*\s]{0,8}(?:subject|betreff|objet|asunto|oggetto|onderwerp|emne|ämne|temat|assunto|件名|主题)\s{0,2}\*?\s{0,2}[:：]", _I)),
)  # fmt: skip
_RULE: Final = re.compile(r"[-_=*\s]{5,}")
_DEVICE: Final = re.compile(
    r"\W{0,4}(?:sent (?:from|via|with) (?!you)\S.{0,70}|get outlook for .{0,30}|(?:von|mit) meinem .{0,50} gesendet"
    r"|gesendet (?:von|mit|über) (?:meinem|meiner|der|dem|outlook|mail|yahoo|proton|\S{0,30} ?app).{0,60}|diese nachricht wurde von mein\w+ .{0,50} gesendet"
    r"|outlook für .{0,20} (?:beziehen|herunterladen)|envoyé (?:de|depuis|à partir de|avec) (?!vo)\S.{0,70}|télécharge[rz] outlook pour .{0,20}"
    r"|obtenez outlook pour .{0,20}|enviado (?:desde|con|por) (?:mi|outlook|mail|yahoo|el|la|proton).{0,60}|obtener outlook para .{0,20}"
    r"|inviato (?:da|dal|con) (?:mi[oa]|outlook|mail|yahoo|iphone|ipad|proton|tablet).{0,60}|scarica outlook per .{0,20}"
    r"|(?:verstuurd|verzonden) (?:vanaf|vanuit|met|via) (?:mijn|outlook|mail|yahoo|proton|iphone).{0,60}|outlook voor .{0,20} downloaden)\W{0,4}",
    _I,
)
_SIGNATURE: Final = re.compile(r"-- ?|—|–– ?")
_MAIL_WORD: Final = re.compile(
    r"(?<!\w)(?:e-?mail|message|communication|nachricht|courriel|correo|mensaje|messaggio|bericht|mail|anlagen?|attachments?)(?!\w)",
    _I,
)
_DISCLAIMER: Final = re.compile(
    r"confidential (?:and|or|information|and/or)|intended (?:only |solely )?(?:for|recipient)|(?:are )?not the (?:intended|named) (?:recipient|addressee)"
    r"|vertrauliche (?:und|informationen|oder)|nicht der (?:richtige|vorgesehene|beabsichtigte) (?:adressat|empfänger)|irrtümlich erhalten"
    r"|(?:est|sont) confidentiel|destinataires? (?:visé|prévu|indiqué)|n'êtes pas le destinataire|reçu (?:ce|cet|par) .{0,20}erreur"
    r"|es confidencial|información confidencial|no es (?:usted )?el destinatario|informazioni (?:riservate|confidenziali)"
    r"|(?:non (?:siete|è) |ricevuto .{0,30}per )(?:il destinatario|errore)|vertrouwelijke informatie|niet de (?:beoogde|geadresseerde)"
    r"|uitsluitend bestemd voor|consider the environment before|denken sie an die umwelt|umwelt, bevor sie|pensez à l'environnement"
    r"|virus-?free|virenfrei|sans virus|libre de virus|privo di virus|virusvrij|scanned (?:for viruses|by)|auf viren (?:überprüft|geprüft)",
    _I,
)
_LIST_FOOTER: Final = re.compile(
    r"(?:mailing list|to unsubscribe|zum abbestellen|abmelden|se désabonner|désinscrire|darse de baja|unsubscribe)", _I
)
_MOST_SIGNATURE_LINES: Final = 15
_LONGEST_FOOTER: Final = 6_000
_WORDS: Final = re.compile(r"\w\w")


@dataclass(frozen=True, kw_only=True)
class Split:
    """`text`: what was written; `quoted`: all else. `forwarded`: somebody's mail is passed on in it."""

    text: str
    quoted: str
    forwarded: bool = False


@dataclass(frozen=True, kw_only=True)
class _Seam:
    """Where a quote begins: its own lines `at` to `after`. `block`: it is headers alone; `forward`: it says so."""

    at: int
    after: int
    forward: bool = False
    block: bool = False


def split_quotes(text: str, subject: str = "") -> Split:
    """Tell what a person wrote from what they quoted. What is all quote, and no reply to anything, is what they wrote."""
    lines = text.split("\n")
    written: list[str] = []
    quoted: list[str] = []
    passes_on = _FORWARD_SUBJECT.match(subject) is not None
    forwarded, seams, at = False, 0, 0
    while at < len(lines):
        seam = _find_seam(lines, at)
        if seam is None or (seam.block and not passes_on and not forwarded and not _has_words(written)):
            (quoted if lines[at].startswith(">") else written).append(lines[at])
            at += 1
            continue
        seams += 1
        forwarded = forwarded or seam.forward or (seam.block and passes_on)
        if _is_quoted(lines, seam.after) and not seam.forward:
            quoted += lines[at : seam.after]
            at = seam.after
            continue
        quoted += lines[at:]
        break
    if not seams and not _has_words(written) and _has_words(quoted):
        written, quoted = [line.lstrip("> ") if line.startswith(">") else line for line in lines], []
    kept, below = _take_footers(written)
    parts = [tidy("\n".join(one)) for one in (quoted, below)]
    return Split(text=tidy("\n".join(kept)), quoted="\n\n".join(one for one in parts if one), forwarded=forwarded)


def _find_seam(lines: list[str], at: int) -> _Seam | None:
    line = lines[at].strip()
    if len(line) < _SHORTEST or line.startswith(">") or len(line) > _LONGEST_ATTRIBUTION:
        return None
    if _ORIGINAL.fullmatch(line):
        return _Seam(at=at, after=at + 1)
    if _FORWARD.fullmatch(line):
        return _Seam(at=at, after=at + 1, forward=True)
    start = at
    if _RULE.fullmatch(line):
        start = _next_filled(lines, at + 1)
    if start < len(lines) and _is_block(lines, start):
        return _Seam(at=at, after=start + 1, block=True)
    return None if start != at else _attribution(lines, at, line)


def _attribution(lines: list[str], at: int, line: str) -> _Seam | None:
    """ "On … wrote:", which programs break over up to four lines."""
    opens = _OPENS.match(line) is not None
    whole = ""
    for after in range(at, min(at + 4, len(lines))):
        one = lines[after].strip()
        if not one or one.startswith(">") or len(whole) + len(one) > _LONGEST_ATTRIBUTION:
            return None
        if after > at and (not opens or _OPENS.match(one)):
            return None
        whole = f"{whole} {one}".strip()
        if not one.endswith((":", "：")):
            continue
        said = _WROTE.search(whole) is not None or _OLD_GMAIL.match(whole) is not None
        sure = _SURE.search(whole) is not None and _FIRST_PERSON.search(whole) is None
        if said and (sure or _is_quoted(lines, after + 1)):
            return _Seam(at=at, after=after + 1)
        return None
    return None


def _is_block(lines: list[str], at: int) -> bool:
    """Outlook's "From: … Sent: … To: … Subject: …": at least three of them, in lines that follow each other."""
    first = _block_kind(lines[at])
    if first not in ("from", "date", "subject"):
        return False
    kinds = {first}
    for line in lines[at + 1 : at + 9]:
        if line.strip() and (kind := _block_kind(line)):
            kinds.add(kind)
        elif line.strip() and len(kinds) >= 3:
            break
    return len(kinds) >= 3 and "from" in kinds


def _block_kind(line: str) -> str:
    return next((kind for kind, pattern in _BLOCK if pattern.match(line)), "")


def _is_quoted(lines: list[str], at: int) -> bool:
    filled = _next_filled(lines, at)
    return filled < len(lines) and lines[filled].startswith(">")


def _next_filled(lines: list[str], at: int) -> int:
    return next((place for place in range(at, min(at + 5, len(lines))) if lines[place].strip()), len(lines))


def _has_words(lines: list[str]) -> bool:
    return any(_WORDS.search(line) for line in lines)


def _take_footers(lines: list[str]) -> tuple[list[str], list[str]]:
    """What was written, and what stands below it: signature, words of a device or a house."""
    cut = _signature_at(lines)
    kept, below = lines[:cut], lines[cut:]
    cut = _footer_at(kept)
    kept, below = kept[:cut], kept[cut:] + below
    own = [line for line in kept if len(line) > 200 or not _DEVICE.fullmatch(line.strip())]
    if len(own) < len(kept):
        below = [line for line in kept if len(line) <= 200 and _DEVICE.fullmatch(line.strip())] + below
    return own, below


def _signature_at(lines: list[str]) -> int:
    last = len(lines)
    while last and not lines[last - 1].strip():
        last -= 1
    for at in range(last - 1, max(-1, last - 60), -1):
        if _SIGNATURE.fullmatch(lines[at].strip("\t ") if lines[at] != "-- " else "-- "):
            filled = sum(1 for line in lines[at:last] if line.strip())
            short = filled <= _MOST_SIGNATURE_LINES or lines[at] == "-- "
            return _last_words(lines, at) if short and _has_words(lines[:at]) else len(lines)
    return len(lines)


def _last_words(lines: list[str], at: int) -> int:
    """Past blank lines and further marks of a signature upwards: some programs write two."""
    while not lines[at - 1].strip() or _SIGNATURE.fullmatch(lines[at - 1]):
        at -= 1
    return at


def _footer_at(lines: list[str]) -> int:
    """Where a disclaimer begins that goes on to the end; never in the first paragraph, never a long way up."""
    starts = [at for at in range(1, len(lines)) if lines[at].strip() and not lines[at - 1].strip()]
    length, found = 0, len(lines)
    end = len(lines)
    for at in reversed(starts):
        paragraph = " ".join(lines[at:end])
        length += len(paragraph)
        end = at
        if length > _LONGEST_FOOTER or not _has_words(lines[:1] + lines[1:at]):
            break
        ruled = _RULE.fullmatch(lines[at].strip()) is not None and _LIST_FOOTER.search(paragraph) is not None
        if ruled or (_MAIL_WORD.search(paragraph) and _DISCLAIMER.search(paragraph)):
            found = at
    return found
