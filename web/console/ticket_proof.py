"""The proof of a request in the console: accepting what was shown in another way, going on against a former address."""

from __future__ import annotations

from flask import request

from web.console.ticket import Answer, act_on
from web.console_blueprint import blueprint
from web.services import services


@blueprint.post("/requests/<ref>/proof")
def accept_proof(ref: str) -> Answer:
    """Write down how the person showed who they are in another way."""
    why = request.form.get("proof_why", "")
    done = "The proof is accepted, with your name and reason."
    return act_on(ref, lambda by: services().requests.proof.accept(ref, by=by, why=why), done, field="proof_why")


@blueprint.post("/requests/<ref>/contest")
def lift_contest(ref: str) -> Answer:
    """Go on with a request that the former address stopped."""
    why = request.form.get("lift_why", "")
    done = "The request goes on. Your reason stands on the ticket."
    return act_on(ref, lambda by: services().requests.changes.lift(ref, by=by, why=why), done, field="lift_why")
