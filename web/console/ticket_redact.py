"""What an operator decides about the texts of a copy: what is taken out, and what goes out as it is."""

from __future__ import annotations

from flask import request

from web.console.ticket import Answer, act_on
from web.console_blueprint import blueprint
from web.services import services


@blueprint.post("/requests/<ref>/texts")
def decide_texts(ref: str) -> Answer:
    """Decide about every finding; once none is open, the copy is made."""
    decisions = {name: value for name, value in request.form.items() if ":" in name}
    done = "Decided. The copy is made within a minute."
    return act_on(ref, lambda by: services().requests.redactions.decide(ref, decisions, by=by), done)
