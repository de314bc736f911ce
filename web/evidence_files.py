"""Files of evidence on their way in and out: taken from a form with a limit, handed out as a download and nothing else."""

from __future__ import annotations

import io
from typing import Final

from flask import Response, request, send_file
from werkzeug.exceptions import RequestEntityTooLarge

from core.catalogue import mark
from dsr.certificates import CertificateFile
from dsr.tasks import Evidence, EvidenceFile

FIELD: Final = "evidence"
TOO_LARGE: Final = mark(
    "The file is too large; evidence has at most 10 MB. Attach a smaller file, or write in the note where it is kept."
)


def taken_evidence() -> tuple[Evidence, ...]:
    """The file that a form came with, if one was chosen. Raises BadInput for one that is empty or too large."""
    chosen = request.files.get(FIELD)
    if chosen is None or not chosen.filename:
        return ()
    return (Evidence(name=chosen.filename, content=chosen.stream.read()),)


def is_too_large() -> bool:
    """Whether what is sent is larger than any evidence and the form around it may be."""
    try:
        return request.form is None
    except RequestEntityTooLarge:
        return True


def hand_out(file: EvidenceFile) -> Response:
    """The file as an attachment of no type: whatever it is, no browser shows it."""
    return send_file(
        io.BytesIO(file.content),
        mimetype="application/octet-stream",
        as_attachment=True,
        download_name=file.name,
        max_age=0,
        etag=False,
    )


def hand_out_certificate(file: CertificateFile) -> Response:
    """A certificate as an attachment, kept by no cache."""
    return send_file(
        io.BytesIO(file.content),
        mimetype=file.media_type,
        as_attachment=True,
        download_name=file.name,
        max_age=0,
        etag=False,
    )
