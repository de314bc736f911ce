"""Deciding what was found of a person, and stopping work that was approved, from the ticket's page."""

from __future__ import annotations

from flask import request

from core.errors import BadInput
from dsr.finding import Choice, Matter, Ruling
from web.console.ticket import Answer, act_on
from web.console_blueprint import blueprint
from web.services import services


@blueprint.post("/requests/<ref>/found")
def decide_found(ref: str) -> Answer:
    """Decide what the plan asks; it is made again by that."""
    done = "Decided. The plan is made again: look at it."
    return act_on(ref, lambda by: services().requests.finding.decide(ref, _answers(), by=by), done)


@blueprint.post("/requests/<ref>/found/anew")
def decide_anew(ref: str) -> Answer:
    """Forget what was decided, and look again."""
    done = "What was decided is forgotten, and the plan is made again."
    return act_on(ref, lambda by: services().requests.finding.decide_anew(ref, by=by), done)


@blueprint.post("/requests/<ref>/stop")
def stop_work(ref: str) -> Answer:
    """Take the approval back: no further batch begins."""
    why = request.form.get("stop_why", "")
    done = "The approval is taken back. What was done stands; no further batch begins."
    return act_on(ref, lambda by: services().requests.finding.take_back(ref, by=by, why=why), done, field="stop_why")


def _answers() -> dict[str, Ruling]:
    """What was chosen, by the question's id: one of its choices, or the accounts that were ticked. Of records that are about
    others too, what is said of all of them counts where nothing is chosen."""
    answers: dict[str, Ruling] = {}
    for_all = request.form.get("for_all", "")
    for name in request.form.getlist("asked"):
        is_shared = name.partition(":")[0] == Matter.SHARED
        chosen = request.form.get(f"choice-{name}", "") or (for_all if is_shared else "")
        ticked = request.form.getlist(f"picked-{name}")
        if f"offered-{name}" in request.form:
            if not ticked:
                raise BadInput("No account was chosen.", remedy="Tick those that are this person's.")
            everything = len(ticked) == int(request.form[f"offered-{name}"])
            answers[name] = Ruling(choice=Choice.TAKE, picked=() if everything else tuple(ticked))
        elif chosen in set(Choice):
            answers[name] = Ruling(choice=Choice(chosen))
        else:
            raise BadInput("Not every question is answered.", remedy="Choose one for each.")
    return answers
