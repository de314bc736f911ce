"""A letter's original and its attachments on their way out: downloads of no type, whatever they are, kept by no cache."""

from __future__ import annotations

import io

from flask import Response, send_file

from inbox.showing import one_line

NO_TYPE = "application/octet-stream"


def original_as_text(raw: bytes, letter_id: str) -> Response:
    """The mail as it came, for an editor."""
    return _hand_out(raw, f"{letter_id}.txt")


def original_file(raw: bytes, letter_id: str) -> Response:
    """The mail as it came, for a mail program."""
    return _hand_out(raw, f"{letter_id}.eml")


def part_file(content: bytes, name: str) -> Response:
    """One attachment, under the name that it came with."""
    return _hand_out(content, one_line(name.replace("/", " ").replace("\\", " "), "attachment"))


def _hand_out(content: bytes, name: str) -> Response:
    answer = send_file(
        io.BytesIO(content), mimetype=NO_TYPE, as_attachment=True, download_name=name, max_age=0, etag=False
    )
    answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return answer
