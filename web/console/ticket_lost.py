"""A mail of a request that did not arrive, seen to on the request's page."""

from __future__ import annotations

from flask import request

from web.console.ticket import Answer, act_on
from web.console_blueprint import blueprint
from web.services import services


@blueprint.post("/requests/<ref>/lost")
def settle_lost(ref: str) -> Answer:
    """Somebody says what was done about it."""
    why, bounced = request.form.get("lost_why", ""), services().requests.bounced
    done = "Written down. It is off the list of what to do."
    return act_on(ref, lambda by: bounced.settle(ref, why=why, by=by), done, field="lost_why")
