"""The blueprint that every page for one person hangs on: the form, the link from the mail, the page of a request."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("person", __name__, url_prefix="/requests")
