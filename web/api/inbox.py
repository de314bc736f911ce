"""Mail that a server hands in by itself, as it came."""

from __future__ import annotations

import hashlib
from typing import Final

from flask import Response, jsonify, request

from core.errors import BadInput
from web.access import token_id
from web.api_blueprint import blueprint
from web.services import services

SOURCE: Final = "api"
TYPES: Final = frozenset({"message/rfc822", "application/octet-stream"})


@blueprint.post("/inbox")
def take_mail() -> tuple[Response, int]:
    """Take one raw message (message/rfc822, up to 50 MB); 201 with its id, 200 when it was there already. Scope `inbox:write`."""
    if request.mimetype not in TYPES:
        raise BadInput(
            "The body is not said to be a mail.", remedy="Send the message as it came, as Content-Type: message/rfc822."
        )
    raw = request.get_data(cache=False)
    if not raw.strip():
        raise BadInput("The body is empty.", remedy="Send the message as it came, headers and all.")
    kept, digest = services(), hashlib.sha256(raw).hexdigest()
    taken = kept.inbox.taking.take(raw, source=SOURCE, place=digest, arrived_at=kept.clock.now(), by=token_id())
    message_id = taken or kept.inbox.taking.find(digest)
    return jsonify(id=message_id, new=taken is not None), 201 if taken else 200
