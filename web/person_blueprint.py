"""The blueprints of pages behind links in mails: those of one person's requests, of what they declined, and of work that people do."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("person", __name__, url_prefix="/requests")
preferences = Blueprint("preferences", __name__, url_prefix="/preferences")
tasks = Blueprint("tasks", __name__, url_prefix="/tasks")
