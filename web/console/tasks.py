"""Work for people in the console: what was asked of whom, what is overdue, and the answers that operators give for others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import Response as FlaskResponse
from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from core.errors import BadInput, Conflict, NotFound
from core.operators import Permission, list_operators
from core.words import plural
from dsr.task_views import TaskEvent, TaskLine, TaskView
from dsr.tasks import CONTACT, TaskState
from web.console.ticket_told import open_tellings, say_tellings
from web.console_blueprint import blueprint
from web.evidence_files import hand_out, taken_evidence
from web.services import services

LOOKS: Final = {
    TaskState.ASKED: "waiting",
    TaskState.REMINDED: "waiting",
    TaskState.CONFIRMED: "kept",
    TaskState.REFUSED: "broken",
    TaskState.WITHDRAWN: "plain",
}
HAPPENED: Final = {
    "asked": ("now", "Asked"),
    "reminded": ("due", "Reminded"),
    "confirmed": ("kept", "Confirmed"),
    "refused": ("broken", "Refused"),
    "withdrawn": ("plain", "Withdrawn"),
    "accepted": ("held", "Gone on without it"),
    "taken_over": ("plain", "Taken over by a new plan"),
    "evidence": ("attested", "A file was attached"),
}
Answer = Response | tuple[str, int]


def look_of_task(line: TaskLine) -> tuple[str, str]:
    """The look of a task's state, and its word: what is over its day says so first."""
    return ("broken", "Overdue") if line.is_overdue else (LOOKS[line.state], line.state_name)


@blueprint.get("/tasks")
def tasks() -> str:
    """What people were asked to do: the open tasks, the earliest due first, or all of them."""
    shows_all = request.args.get("state") == "all"
    lines, tellings = services().tasks.list_tasks(is_open=not shows_all), open_tellings()
    return render_template(
        "console/tasks.html",
        here="tasks",
        says=say_tellings(tellings) if tellings and not lines else _say(lines, shows_all=shows_all),
        rows=[(line, LOOKS[line.state], line.state_name) for line in lines],
        shows_all=shows_all,
        tellings=tellings,
        chips=[
            {"word": "Open", "href": url_for("console.tasks"), "here": not shows_all},
            {"word": "All", "href": url_for("console.tasks", state="all"), "here": shows_all},
        ],
    )


@blueprint.get("/tasks/<task_id>")
def task(task_id: str) -> str:
    """One task: what is asked about whom, what happened, its evidence, and what an operator can do."""
    return _show(services().tasks.view(task_id))


@blueprint.post("/tasks/<task_id>/confirm")
def confirm_task(task_id: str) -> Answer:
    """Confirm on somebody's behalf, with an optional note and file."""
    note, desk = request.form.get("note", ""), services().tasks
    done = "The task is confirmed. With the last one of its request the work goes on."
    return _do(
        task_id, lambda by: desk.confirm(task_id, by=by, note=note, evidence=taken_evidence()), done, field="note"
    )


@blueprint.post("/tasks/<task_id>/refuse")
def refuse_task(task_id: str) -> Answer:
    """Write down that it will not be done."""
    reason, desk = request.form.get("reason", ""), services().tasks
    done = "The task is refused. Its request waits for your decision."
    return _do(task_id, lambda by: desk.refuse(task_id, by=by, reason=reason), done, field="reason")


@blueprint.post("/tasks/<task_id>/remind")
def remind_task(task_id: str) -> Answer:
    """Ask again now."""
    return _do(task_id, lambda by: services().tasks.remind(task_id, by=by), "A reminder is on its way.")


@blueprint.post("/tasks/<task_id>/ask-again")
def ask_task_again(task_id: str) -> Answer:
    """After a refusal: ask once more."""
    return _do(task_id, lambda by: services().tasks.ask_again(task_id, by=by), "They are asked again.")


@blueprint.post("/tasks/<task_id>/go-on")
def go_on_without_task(task_id: str) -> Answer:
    """After a refusal: answer the request without this work."""
    words, desk = request.form.get("words", ""), services().tasks
    done = "The request goes on without it. The person is told your reason."
    return _do(task_id, lambda by: desk.go_on_without(task_id, by=by, reason=words), done, field="words")


@blueprint.post("/tasks/<task_id>/evidence")
def attach_evidence(task_id: str) -> Answer:
    """Keep a file with the task."""

    def attach(by: str) -> None:
        files = taken_evidence()
        if not files:
            raise BadInput("No file was chosen.", remedy="Choose one, then attach it.")
        services().tasks.attach(task_id, files[0], by=by)

    return _do(task_id, attach, "The file is attached.", field="file")


@blueprint.get("/tasks/<task_id>/evidence/<file_id>")
def task_evidence(task_id: str, file_id: str) -> FlaskResponse:
    """A file of evidence, as a download."""
    return hand_out(services().tasks.read_evidence(task_id, file_id))


def _do(task_id: str, act: Callable[[str], Any], done: str, *, field: str = "") -> Answer:
    """Do one act and come back to the task; what it refuses stands on the task's page."""
    try:
        act(current_user.operator.id)
    except NotFound:
        raise
    except (BadInput, Conflict) as error:
        view = services().tasks.view(task_id)
        if field and isinstance(error, BadInput):
            return _show(view, problems={field: str(error)}), error.status
        return _show(view, trouble=(error.message, error.remedy)), error.status
    flash(done)
    return redirect(url_for("console.task", task_id=task_id))


def _show(view: TaskView, *, problems: dict[str, str] | None = None, trouble: tuple[str, str] | None = None) -> str:
    may_work = current_user.operator.may(Permission.WORK_REQUESTS)
    return render_template(
        "console/task.html",
        here="tasks",
        view=view,
        look=(LOOKS[view.line.state], view.line.state_name),
        acts={act.value for act in view.acts} if may_work else set(),
        may_work=may_work,
        happened=[_happened(one, _operator_names(), view) for one in view.events],
        problems=problems or {},
        typed=request.form,
        trouble=trouble,
    )


def _happened(one: TaskEvent, names: dict[str, str], view: TaskView) -> dict[str, Any]:
    look, word = HAPPENED.get(one.kind, ("plain", one.kind))
    who = view.line.contact.reveal() if one.by == CONTACT else names.get(one.by, "")
    return {"state": look, "title": f"{word} by {who}" if who else word, "sub": one.why, "at": one.at}


def _say(lines: tuple[TaskLine, ...], *, shows_all: bool) -> str:
    open_now, late = sum(one.is_open for one in lines), sum(one.is_overdue for one in lines)
    refused = sum(one.state is TaskState.REFUSED for one in lines)
    if not lines:
        return "Nobody was asked to do anything." if shows_all else "No work for people is open."
    words = [f"{plural(open_now, 'task is', 'tasks are')} open." if open_now else "No task is open."]
    words += [f"{plural(late, 'is', 'are')} overdue."] if late else []
    words += [f"{plural(refused, 'was', 'were')} refused and waits for your decision."] if refused == 1 else []
    words += [f"{plural(refused, 'was', 'were')} refused and wait for your decision."] if refused > 1 else []
    return " ".join(words)


def _operator_names() -> dict[str, str]:
    with services().database.read() as session:
        return {one.id: one.name for one in list_operators(session)}
