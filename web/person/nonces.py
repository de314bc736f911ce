"""The nonce of pages that have no session: it shows that a form was sent from a page of ours made for that very subject."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final

from flask import abort, request

from core.keys import derive_key
from web.services import services

FIELD: Final = "nonce"


def make_nonce(page: str, subject: str) -> str:
    """The nonce of one page about one subject (a token or a reference); it tells nothing about either."""
    key = derive_key(services().settings.service.secret_key, f"web nonce: {page}")
    return hmac.new(key, subject.encode(), sha256).hexdigest()


def require_nonce(page: str, subject: str) -> None:
    """Refuse with 400 a form that does not carry the nonce of its page."""
    given = request.form.get(FIELD, "")
    if not hmac.compare_digest(given.encode(), make_nonce(page, subject).encode()):
        abort(400)
