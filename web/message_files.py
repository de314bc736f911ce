"""Files of messages on their way in and out: taken from a form with limits, handed out as downloads and nothing else."""

from __future__ import annotations

import io
from typing import Final

from flask import Response, request, send_file

from core.catalogue import mark
from core.errors import BadInput
from dsr.attachments import LARGEST_FILE, MOST_FILES, Attachment, OpenedFile

FIELD: Final = "files"


def taken_files() -> tuple[Attachment, ...]:
    """The files that a form came with. Raises BadInput for one that cannot be taken; no more is read than may be kept."""
    chosen = [one for one in request.files.getlist(FIELD) if one.filename]
    if len(chosen) > MOST_FILES:
        raise BadInput(mark("A message takes at most 5 files."), remedy=mark("Send the others with another message."))
    return tuple(Attachment(name=one.filename or "", content=one.stream.read(LARGEST_FILE + 1)) for one in chosen)


def hand_out(file: OpenedFile) -> Response:
    """The file as an attachment of no type: whatever it is, no browser shows it, and it may do nothing where one does."""
    answer = send_file(
        io.BytesIO(file.content),
        mimetype="application/octet-stream",
        as_attachment=True,
        download_name=file.name,
        max_age=0,
        etag=False,
    )
    answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return answer
