"""The blueprint that every address of machines hangs on, whichever module it stands in."""

from __future__ import annotations

from flask import Blueprint

from web.security import csrf

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")
csrf.exempt(blueprint)
