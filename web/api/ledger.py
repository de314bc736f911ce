"""The log for witnesses and auditors: its latest checkpoint, proofs that it only grew, and cosignatures handed in."""

from __future__ import annotations

import base64
from typing import Final

from flask import Response, jsonify, request

from core.errors import BadInput
from web.api_blueprint import blueprint
from web.services import services

LONGEST_NOTE: Final = 1 << 16


@blueprint.get("/ledger/checkpoint")
def ledger_checkpoint() -> Response:
    """The latest signed checkpoint of the ledger as a note, with its cosignatures. Open to anyone."""
    return Response(services().ledger.checkpoint_note(), mimetype="text/plain", headers={"Cache-Control": "no-store"})


@blueprint.get("/ledger/consistency")
def ledger_consistency() -> Response:
    """That the tree of `old` entries is the beginning of the one of `new` (without it: of the latest). Open to anyone."""
    old, new = _size("old"), _size("new")
    if old is None:
        raise BadInput("'old' is missing.", remedy="Give the size of the tree that you know: ?old=120.")
    checkpoint, proof = services().ledger.consistency(old, new)
    return jsonify(
        old=old,
        new=checkpoint.size,
        checkpoint=checkpoint.note,
        proof=[base64.b64encode(value).decode() for value in proof],
    )


@blueprint.post("/ledger/cosignatures")
def add_cosignatures() -> Response:
    """Keep the cosignatures of known witnesses under a checkpoint: the note with its signature lines. Open to anyone; only
    what a witness of the settings signed is kept."""
    if (request.content_length or 0) > LONGEST_NOTE:
        raise BadInput("A note with cosignatures is at most 64 kB.")
    try:
        note = request.get_data(cache=False).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput("The note is no UTF-8.") from error
    return jsonify(new=services().ledger.cosign(note))


def _size(name: str) -> int | None:
    text = request.args.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise BadInput(f"'{name}' is no number of entries.")
    return int(text)
