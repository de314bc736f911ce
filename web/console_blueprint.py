"""The blueprint that every page of the console hangs on, whichever module it stands in."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("console", __name__, url_prefix="/console")
