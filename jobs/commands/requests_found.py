"""`kept request decide|stop`: what a person decides about what was found, and taking an approval back."""

from __future__ import annotations

from typing import Any, Final

import click

from core.errors import BadInput
from dsr.finding import Choice, Question, Ruling
from dsr.views import TicketView
from jobs.actor import command_actor
from jobs.answers import Answer, Line, answering
from jobs.services import Wiring


def questions_json(view: TicketView) -> list[dict[str, Any]]:
    """The questions of a ticket's plan, without the identifiers that they are about."""
    return [
        {
            "id": one.id,
            "matter": one.matter.value,
            "subject": one.subject,
            "why": one.why,
            "rows": one.rows,
            "choices": [choice.value for choice in one.choices],
            "options": list(one.options),
        }
        for one in view.found.questions
    ]


def question_lines(view: TicketView) -> list[str]:
    """The same in words, each with how to decide it."""
    return [line for one in view.found.questions for line in (f"decide: {one.why}", f"  {_how(view.ref, one)}")]


def _how(ref: str, question: Question) -> str:
    if not question.choices:
        return question.remedy or f"Look again: kept request plan {ref}"
    choices = "|".join(choice.value for choice in question.choices)
    some = f"|{','.join(question.options)}" if question.options else ""
    return f"kept request decide {ref} {question.id}={choices}{some}"


@click.command()
@click.argument("ref")
@click.argument("answers", nargs=-1, required=True, metavar="QUESTION=CHOICE…")
@click.pass_obj
@answering
def decide(wiring: Wiring, ref: str, answers: tuple[str, ...]) -> Answer:
    """Decide what a plan asks; it is made again by that. Of several accounts, name those to take: QUESTION=ID,ID."""
    with wiring.open_services(None) as kept:
        options = {one.id: one.options for one in kept.requests.view(ref).found.questions}
        rulings = dict(_read(one, options) for one in answers)
        kept.requests.finding.decide(ref, rulings, by=command_actor())
        kept.ledger.settle()
        view = kept.requests.view(ref)
    left = view.found.questions
    lines: list[Line] = [*question_lines(view)] or [
        f"Decided. Approve it in the console, or with: kept request run {ref} --approve"
    ]
    return Answer(data={"ref": view.ref, "questions": questions_json(view)}, lines=lines, exit_status=1 if left else 0)


def _read(text: str, options: dict[str, tuple[str, ...]]) -> tuple[str, Ruling]:
    question, _, chosen = text.rpartition("=")
    if chosen in set(Choice):
        return question, Ruling(choice=Choice(chosen))
    picked = tuple(chosen.split(","))
    if not question or not set(picked) <= set(options.get(question, ())):
        raise BadInput(
            f"'{text}' decides nothing that is asked.", remedy="Write QUESTION=CHOICE, as the plan shows it."
        )
    return question, Ruling(choice=Choice.TAKE, picked=picked)


@click.command()
@click.argument("ref")
@click.option("--reason", required=True, help="Why the work has to stop.")
@click.pass_obj
@answering
def stop(wiring: Wiring, ref: str, reason: str) -> Answer:
    """Take the approval of a request back: what was done stands, no further batch begins."""
    with wiring.open_services(None) as kept:
        kept.requests.finding.take_back(ref, by=command_actor(), why=reason)
        kept.ledger.settle()
        state = kept.requests.view(ref).state
    return Answer(data={"ref": ref, "state": state.value}, lines=[f"Request {ref} is {state.value} again."])


FOUND_COMMANDS: Final = (decide, stop)
