"""The board, for machines."""

from __future__ import annotations

from flask import Response, jsonify

from web.api_blueprint import blueprint
from web.services import services


@blueprint.get("/promises")
def promises() -> Response:
    """The board: each clause with its state, evidence and age. Scope `promises:read`."""
    return jsonify(services().board().as_json())
