"""The machine interface under `/api/v1/`: bearer tokens with scopes, errors as RFC 9457 problem documents."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from web.security import csrf
from web.services import services

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")
csrf.exempt(blueprint)


@blueprint.get("/promises")
def promises() -> Response:
    """The board: each clause with its state, evidence and age. Scope `promises:read`."""
    return jsonify(services().board().as_json())
