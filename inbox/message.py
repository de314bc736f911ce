"""What a raw message comes to: the values that parsing hands on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

# What a caller refuses by its size before it reads it; `parse` looks at no more than this.
LARGEST: Final = 50_000_000


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file of a mail, named and measured, never unpacked. `size`: bytes once decoded. `refused`: '' or the sentence
    that says why it is not handed on."""

    name: str = field(repr=False)
    type: str
    size: int
    refused: str = ""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One mail, as far as it could be read. What a person wrote stands in no `repr`, so it reaches no log by accident.

    `text`: what this person wrote, HTML reduced to text, quotes, signature and footers taken off (they are in `quoted`,
    with what was forwarded). `date`: as the mail says. `received_at`: the first time at a server of ours, None where no
    plausible one is found. `references`: References and In-Reply-To. `headers`: small names, the first value of each.
    `auto`: '' or why it is automatic: 'bounce', 'loop', 'auto-reply', 'list', or 'generated' (a program wrote it: no
    automatic answer, yet it may well be a request). `problems`: what was cut or could not be read, in sentences.
    `forwarded`: it passes on somebody's mail, so the request may stand in `quoted`. `authentication`: every
    Authentication-Results header, topmost first.
    """

    subject: str = field(repr=False)
    text: str = field(repr=False)
    quoted: str = field(repr=False)
    sender: str = field(repr=False)
    sender_name: str = field(repr=False)
    reply_to: str = field(repr=False)
    to: tuple[str, ...] = field(repr=False)
    date: datetime | None
    received_at: datetime | None
    message_id: str
    references: tuple[str, ...]
    headers: Mapping[str, str] = field(repr=False)
    attachments: tuple[Attachment, ...]
    auto: str
    charset_guessed: bool
    problems: tuple[str, ...]
    forwarded: bool = False
    authentication: tuple[str, ...] = field(default=(), repr=False)
