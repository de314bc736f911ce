"""`kept inbox`: what the machine makes of messages."""

from __future__ import annotations

import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from core.clock import SystemClock
from core.errors import BadInput, KeptError
from inbox.findings import Triage
from inbox.message import LARGEST, Message
from inbox.parsing import parse
from inbox.triage import triage
from jobs.answers import Answer, answering, table

_STDIN: Final = "-"
_MAIL: Final = frozenset({".eml", ".msg", ".mbox"})
_PLAIN_HEADERS: Final = (
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
)
# What a mail begins with: two headers, one of them of a kind that every mail has.
_HEADERS: Final = re.compile(
    rb"(?:[A-Za-z][A-Za-z0-9-]{1,40}:[^\r\n]{0,998}(?:\r?\n[ \t][^\r\n]{0,998}){0,50}\r?\n){2}"
)
_EVERY_MAIL: Final = re.compile(rb"^(?:from|date|received|message-id|return-path|subject|mime-version):", re.I | re.M)


@click.group()
def inbox() -> None:
    """Mail that comes in."""


@inbox.command("triage")
@click.argument("files", metavar="FILE…", nargs=-1, required=True)
@answering
def triage_files(files: tuple[str, ...]) -> Answer:
    """Say what messages ask for: mails (.eml), letters (.txt, .md), or - for standard input. Needs no configuration."""
    now = SystemClock().now()
    rows: list[dict[str, Any]] = []
    status = 0
    for file in files:
        try:
            rows.append(_row(file, triage(_message(file, now))))
        except KeptError as error:
            click.echo(f"kept: {error.message}\n  {error.remedy}", err=True)
            status = max(status, error.exit_status)
    return Answer(data=rows, lines=[_table(rows)] if rows else [], exit_status=status)


def _message(file: str, now: datetime) -> Message:
    """The message in a file: a mail as it was sent, or a plain text."""
    raw = _read(file)
    is_mail = Path(file).suffix.lower() in _MAIL or (_HEADERS.match(raw) and _EVERY_MAIL.search(raw[:4_000]))
    return parse(raw if is_mail else _PLAIN_HEADERS + raw.removeprefix(b"\xef\xbb\xbf"), now=now)


def _read(file: str) -> bytes:
    try:
        if file == _STDIN:
            raw = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with Path(file).open("rb") as opened:
                raw = opened.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is none"
        raise BadInput(
            f"'{file}' cannot be read: {reason}.", remedy="Name files that are there, or - for standard input."
        ) from error
    if len(raw) > LARGEST:
        raise BadInput(
            f"'{file}' is larger than {LARGEST // 1_000_000} MB.", remedy="No mail server takes such a mail."
        )
    return raw


def _row(file: str, proposal: Triage) -> dict[str, Any]:
    return {
        "file": file,
        "kind": proposal.kind.value,
        "rights": [right.value for right in proposal.rights],
        "language": proposal.language,
        "regime": proposal.regime,
        "identifiers": [
            {"kind": one.kind.value, "value": one.value.reveal(), "in": one.part.value} for one in proposal.identifiers
        ],
        "why": [
            {
                "words": one.words, "for": one.speaks_for, "against": one.against,
                "in": one.part.value, "start": one.start, "end": one.end,
            }
            for one in proposal.why
        ],
    }  # fmt: skip


def _table(rows: list[dict[str, Any]]) -> Any:
    return table(
        "",
        ["file", "kind", "rights", "language", "law", "because of"],
        [
            [
                row["file"],
                row["kind"],
                ", ".join(row["rights"]) or "-",
                row["language"],
                row["regime"] or "-",
                _because(row),
            ]
            for row in rows
        ],
    )


def _because(row: dict[str, Any]) -> str:
    """The words that count for what was proposed, a few of them."""
    spoken = dict.fromkeys(
        why["words"] for why in row["why"] if not why["against"] and why["for"] in (*row["rights"], row["kind"])
    )
    return " · ".join(list(spoken)[:4])
