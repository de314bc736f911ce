"""`kept task`: work that people were asked to do: list it, confirm or refuse it for them, remind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from core.clock import iso_utc
from dsr.task_views import TaskLine
from dsr.tasks import Evidence
from jobs.actor import command_actor
from jobs.answers import Answer, Line, answering, table
from jobs.services import Wiring


@click.group()
def task() -> None:
    """Work for people: tasks of stores of kind manual."""


def _json(one: TaskLine) -> dict[str, Any]:
    return {
        "id": one.id,
        "request": one.ref,
        "state": one.state.value,
        "asked_for": one.asked_for.value,
        "store": one.store,
        "collection": one.collection,
        "asked_at": iso_utc(one.asked_at),
        "due_at": iso_utc(one.due_at),
        "reminders": one.reminders,
        "files": one.files,
        "overdue": one.is_overdue,
    }


def _row(one: TaskLine) -> list[str]:
    reminded = f"{one.mailed_at:%Y-%m-%d}" if one.reminders and one.mailed_at else "–"
    state = "Overdue" if one.is_overdue else one.state_name
    place = f"{one.collection} in {one.store}"
    return [one.id, one.short_words, place, one.ref, state, f"{one.due_at:%Y-%m-%d}", reminded]


@task.command("list")
@click.option("--all", "closed_too", is_flag=True, help="Closed ones too.")
@click.pass_obj
@answering
def list_tasks(wiring: Wiring, closed_too: bool) -> Answer:
    """List open tasks, the earliest due first. Ends with 1 while one is overdue."""
    with wiring.open_services(None) as kept:
        found = kept.tasks.list_tasks(is_open=not closed_too)
    head = ["task", "what", "where", "request", "state", "due", "reminded"]
    lines: list[Line] = [table("", head, [_row(one) for one in found])] if found else ["No work for people is open."]
    late = any(one.is_overdue for one in found)
    return Answer(data=[_json(one) for one in found], lines=lines, exit_status=1 if late else 0)


@task.command()
@click.argument("task_id", metavar="ID")
@click.option("--note", default="", help="How you know that it is done.")
@click.option(
    "--evidence",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that shows it, up to 10 MB.",
)
@click.pass_obj
@answering
def confirm(wiring: Wiring, task_id: str, note: str, evidence: Path | None) -> Answer:
    """Confirm on somebody's behalf that the work is done."""
    files = [Evidence(name=evidence.name, content=evidence.read_bytes())] if evidence else []
    with wiring.open_services(None) as kept:
        kept.tasks.confirm(task_id, by=command_actor(), note=note, evidence=files)
        kept.ledger.settle()
        line = kept.tasks.view(task_id).line
    return Answer(data=_json(line), lines=[f"Task {task_id} is confirmed. Request {line.ref} goes on by itself."])


@task.command()
@click.argument("task_id", metavar="ID")
@click.option("--reason", required=True, help="Why it is not done.")
@click.pass_obj
@answering
def refuse(wiring: Wiring, task_id: str, reason: str) -> Answer:
    """Write down that the work will not be done; the request then waits for a decision."""
    with wiring.open_services(None) as kept:
        kept.tasks.refuse(task_id, by=command_actor(), reason=reason)
        kept.ledger.settle()
        line = kept.tasks.view(task_id).line
    return Answer(
        data=_json(line), lines=[f"Task {task_id} is refused. Decide about request {line.ref} in the console."]
    )


@task.command()
@click.argument("task_id", metavar="ID")
@click.pass_obj
@answering
def remind(wiring: Wiring, task_id: str) -> Answer:
    """Ask again now; the mail goes out with the next round of the outbox."""
    with wiring.open_services(None) as kept:
        kept.tasks.remind(task_id, by=command_actor())
        kept.ledger.settle()
        line = kept.tasks.view(task_id).line
    return Answer(data=_json(line), lines=[f"A reminder of task {task_id} is on its way."])
