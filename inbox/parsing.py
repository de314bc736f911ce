"""A raw message read into one value: whatever the bytes are, something comes back and nothing is raised."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from inbox.automatic import why_automatic
from inbox.bodies import Body, gather
from inbox.files import file_content, list_files
from inbox.header_text import decode_words, header_text, raw_text, read_addresses, read_parameters
from inbox.message import LARGEST, Attachment, Message
from inbox.parts import Content, Part, Splitter
from inbox.plain_text import make_plain, one_line
from inbox.quotes import Split, split_quotes
from inbox.received import date_problem, first_received, read_date

__all__ = ["LARGEST", "Attachment", "Message", "open_file", "parse"]

LONGEST_SUBJECT: Final = 1_000
LONGEST_TEXT: Final = 200_000
MOST_REFERENCES: Final = 100
_LONGEST_HEADER: Final = 4_000
_ID: Final = re.compile(r"<[^<>\s\x00-\x1f\x7f]{1,250}>")
_BREAKS: Final = re.compile("[\r\n\x00\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SEALED: Final = "-----BEGIN PGP MESSAGE-----"
_RECIPIENTS: Final = ("to", "cc", "delivered-to", "x-original-to", "envelope-to")


def parse(raw: bytes, *, our_hosts: Sequence[str] = (), now: datetime) -> Message:
    """Read a message. `our_hosts`: names of our servers and domains. Never raises, whatever the bytes; `now` is aware."""
    splitter, root = _split(raw)
    body = gather(splitter.raw, root)
    problems = [*splitter.problems, *body.problems]
    if len(raw) > LARGEST:
        problems.insert(0, f"The mail has more than {LARGEST // 1_000_000} MB: what is beyond was not read.")
    headers = _read_headers(root)
    subject = _subject(root, problems)
    senders = _addresses(root, "from")
    problems += _sender_problems(root, senders)
    to = tuple(dict.fromkeys(address for name in _RECIPIENTS for _, address in _addresses(root, name)))
    said = header_text(root.get("date"))
    date = read_date(said)
    received = [header_text(value) for name, value in root.fields if name == "received"]
    received_at, trouble = first_received(received, our_hosts, now)
    files, file_problems = list_files(splitter.raw, body.files)
    split = _words(body, subject, problems)
    sender = senders[0][1] if senders else ""
    message_id, references = _ids(raw, root, problems)
    problems += [one for one in (date_problem(date, said, now), trouble) if one] + list(file_problems)
    return Message(
        subject=subject,
        text=split.text,
        quoted=split.quoted,
        sender=sender,
        sender_name=senders[0][0] if senders else "",
        reply_to=next((address for _, address in _addresses(root, "reply-to")), ""),
        to=to,
        date=date,
        received_at=received_at,
        message_id=message_id,
        references=references,
        headers=headers,
        attachments=files,
        auto=why_automatic(
            headers,
            kind=read_parameters(root.get("content-type"))[0],
            report=root.params.get("report-type", "").lower(),
            subject=subject,
            sender=sender,
            to=to,
            our_hosts=our_hosts,
        ),
        charset_guessed=body.guessed,
        problems=tuple(dict.fromkeys(problems)),
        forwarded=split.forwarded,
        authentication=tuple(
            header_text(value)[:_LONGEST_HEADER] for name, value in root.fields if name == "authentication-results"
        )[:20],
    )


def open_file(raw: bytes, number: int) -> Content | None:
    """The bytes of the attachment at this place (0 is the first), for a download; None where there is none."""
    splitter, root = _split(raw)
    files = gather(splitter.raw, root).files
    return file_content(splitter.raw, files[number]) if 0 <= number < len(files) else None


def _split(raw: bytes) -> tuple[Splitter, Part]:
    whole = raw if raw.find(b"\n", 0, LARGEST) >= 0 else raw[:LARGEST].replace(b"\r", b"\n")
    splitter = Splitter(raw=whole, end=min(len(whole), LARGEST))
    return splitter, splitter.read()


def _read_headers(root: Part) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for name, value in root.fields:
        if name not in headers:
            headers[name] = header_text(value)[:_LONGEST_HEADER]
    return headers


def _subject(root: Part, problems: list[str]) -> str:
    subject = header_text(root.get("subject"))
    if len(subject) > LONGEST_SUBJECT:
        problems.append(f"The subject has {len(subject):,} characters; it was cut at {LONGEST_SUBJECT:,}.")
    return subject[:LONGEST_SUBJECT].strip()


def _addresses(root: Part, name: str) -> tuple[tuple[str, str], ...]:
    values = [raw_text(value) for one, value in root.fields if one == name][:20]
    return tuple(found for value in values for found in read_addresses(value))


def _sender_problems(root: Part, senders: Sequence[tuple[str, str]]) -> list[str]:
    problems = []
    said = raw_text(root.get("from"))
    if not said.strip():
        problems.append("The mail names no sender.")
    elif not senders:
        problems.append("The sender's address cannot be read.")
    if len(senders) > 1:
        problems.append(f"The mail names {len(senders)} senders; the first one is shown.")
    if any(_BREAKS.search(decode_words(raw_text(root.get(name)))) for name in ("from", "reply-to", "to", "subject")):
        problems.append(
            "A name or the subject holds line breaks or marks that turn the writing direction; they were taken out."
        )
    return problems


def _words(body: Body, subject: str, problems: list[str]) -> Split:
    """What was written and what was quoted, plain; the texts of mails inside are quoted."""
    plain = make_plain(body.text)
    split = split_quotes(plain.text[:LONGEST_TEXT], subject)
    inside = make_plain("\n\n".join(body.inside)[:LONGEST_TEXT])
    quoted = "\n\n".join(one for one in (split.quoted, inside.text.strip()) if one)
    problems += [one for one in (plain.problem, inside.problem) if one]
    if max(len(plain.text), len(quoted)) > LONGEST_TEXT:
        problems.append(f"The text was cut at {LONGEST_TEXT:,} characters.")
    if body.files and not split.text and not quoted:
        problems.append("The mail has no words of its own: what is asked may stand in its files.")
    if _SEALED in split.text:
        problems.append("The text is encrypted (PGP) and cannot be read here.")
    return Split(text=split.text, quoted=quoted[:LONGEST_TEXT], forwarded=split.forwarded or bool(body.inside))


def _ids(raw: bytes, root: Part, problems: list[str]) -> tuple[str, tuple[str, ...]]:
    """The Message-ID, or a lasting one made of the bytes; and the ids that it answers to, each once."""
    own = _ID.search(one_line(raw_text(root.get("message-id"))))
    if own is None:
        problems.append("The mail has no Message-ID that can be used; one was made of its bytes.")
    made = f"<{hashlib.sha256(raw).hexdigest()[:40]}@derived.invalid>"
    said = " ".join(one_line(raw_text(root.get(name))) for name in ("references", "in-reply-to"))
    references = tuple(dict.fromkeys(_ID.findall(said)))
    return own[0] if own else made, references[-MOST_REFERENCES:]
