"""`kept request`: list, show, plan and run requests, and fetch a package."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from core.clock import iso_utc
from core.words import count, size
from dsr.listing import TicketLine
from dsr.states import State
from dsr.views import PlanPanel, TimelineLine
from jobs.actor import command_actor
from jobs.answers import Answer, Line, answering, table
from jobs.commands.requests_found import question_lines, questions_json
from jobs.progress import showing_progress
from jobs.restored import require_replayed
from jobs.services import Wiring
from plans.plan import Step, StepDeed
from plans.tables import StepState


@click.group()
def request() -> None:
    """Requests of people."""


def line_json(one: TicketLine) -> dict[str, Any]:
    """A ticket as commands give it: no name or address of a person."""
    return {
        "ref": one.ref,
        "right": one.right.value,
        "state": one.state.value,
        "regime": one.regime,
        "received_at": iso_utc(one.received_at),
        "due_on": one.due_on.isoformat() if one.due_on else None,
        "identity_shown": one.identity_shown,
        "channel": one.channel,
        "is_test": one.is_test,
        "assigned_to": one.assigned_to,
    }


@request.command("list")
@click.option("--all", "closed_too", is_flag=True, help="Closed ones too.")
@click.pass_obj
@answering
def list_requests(wiring: Wiring, closed_too: bool) -> Answer:
    """List open requests by what is due next."""
    with wiring.open_services(None) as kept:
        found = kept.requests.list_tickets(is_open=not closed_too)
    rows = [[one.ref, one.right_name, one.state_name, str(one.due_on or "–"), one.channel] for one in found]
    lines: list[Line] = (
        [table("", ["request", "right", "state", "due", "came by"], rows)] if rows else ["No request is open."]
    )
    return Answer(data=[line_json(one) for one in found], lines=lines)


def _plan_lines(plan: PlanPanel) -> list[Line]:
    def day(instant: datetime | None) -> str:
        return f"{instant:%Y-%m-%d}" if instant else "–"

    rows = [
        [
            step.title,
            step.store,
            step.deed,
            "?" if step.rows is None else count(step.rows),
            day(step.oldest),
            day(step.newest),
            count(step.held),
            step.state,
            step.error or step.blocked or step.note,
        ]
        for step in plan.steps
    ]
    lines: list[Line] = [
        table("", ["what", "store", "deed", "rows", "oldest", "newest", "held", "state", ""], rows, right=(3, 6))
    ]
    lines += [f"stays: {stay.collection}: {stay.reason} {stay.until}".rstrip() for stay in plan.stays]
    lines += [f"gap: {gap.what}: {gap.why} {gap.remedy}" for gap in plan.gaps]
    return lines


def _plan_json(plan: PlanPanel | None) -> dict[str, Any] | None:
    if plan is None:
        return None
    return {
        "id": plan.id,
        "version": plan.version,
        "state": plan.state,
        "total": plan.total,
        "steps": [vars(step) for step in plan.steps],
        "stays": [vars(stay) for stay in plan.stays],
        "gaps": [vars(gap) for gap in plan.gaps],
    }


def _change(one: TimelineLine) -> str:
    what = one.after_name if one.before is not one.after else one.kind.replace("_", " ")
    return f"{what}, by {one.by}{f': {one.why}' if one.why else ''}"


@request.command()
@click.argument("ref")
@click.pass_obj
@answering
def show(wiring: Wiring, ref: str) -> Answer:
    """Show a request: its clock, plan and what happened."""
    with wiring.open_services(None) as kept:
        view = kept.requests.view(ref)
    lines: list[Line] = [f"{view.ref}: {view.line.right_name}, {view.line.state_name}, due {view.due_on}"]
    lines += [f"  {line.day}  {line.words}{'' if line.binds else ' (does not bind)'}" for line in view.reckoning.lines]
    if view.plan:
        lines += _plan_lines(view.plan)
    lines += [f"  {one.at:%Y-%m-%d %H:%M}  {_change(one)}" for one in view.timeline]
    data = line_json(view.line) | {
        "due_on": view.due_on.isoformat(),
        "plan": _plan_json(view.plan),
        "timeline": [
            {
                "at": iso_utc(one.at),
                "kind": one.kind,
                "from": one.before.value,
                "to": one.after.value,
                "by": one.by,
                "why": one.why,
            }
            for one in view.timeline
        ],
    }
    return Answer(data=data, lines=lines)


@request.command()
@click.argument("ref")
@click.pass_obj
@answering
def plan(wiring: Wiring, ref: str) -> Answer:
    """Find the person, build the plan and ask the stores."""
    with wiring.open_services(None) as kept:
        kept.requests.make_plan(ref, by=command_actor())
        kept.ledger.settle()
        view = kept.requests.view(ref)
    lines = _plan_lines(view.plan) if view.plan else []
    data = (_plan_json(view.plan) or {}) | {"questions": questions_json(view)}
    if view.found.questions:
        return Answer(data=data, lines=[*lines, *question_lines(view)], exit_status=1)
    return Answer(data=data, lines=[*lines, f"Approve it in the console, or with: kept request run {ref} --approve"])


@request.command()
@click.argument("ref")
@click.option("--approve", is_flag=True, help="Approve the plan as it stands first.")
@click.option("--reason", default="", help="Why it is approved.")
@click.pass_obj
@answering
def run(wiring: Wiring, ref: str, approve: bool, reason: str) -> Answer:
    """Carry out an approved request and answer it."""
    with wiring.open_services(None) as kept:
        require_replayed(kept.settings.var)
        if approve:
            kept.requests.approve(ref, by=command_actor(), reason=reason)
        with showing_progress() as show_progress:

            def on_progress(step: Step, done: int, total: int) -> None:
                show_progress(step.title or step.collection, done, total)

            state = kept.requests.run(ref, by=command_actor(), on_progress=on_progress)
        kept.ledger.settle()
        open_still = state is State.PARTLY_DONE
        tasks = kept.tasks.list_tasks(ref=ref) if open_still else ()
        panel = kept.requests.view(ref).plan
    own = [step for step in panel.steps if step.deed != StepDeed.ASK] if panel else []
    ours = any(step.state not in (StepState.DONE, StepState.LEFT, StepState.WAITING) for step in own)
    waits = " ".join(f"{task.collection} in {task.store} is work for people: {task.id}." for task in tasks)
    return Answer(
        data={"ref": ref, "state": state.value, "tasks": [task.id for task in tasks]},
        lines=[f"Request {ref} is {state.value.replace('_', ' ')}.", *([waits] if waits else [])],
        exit_status=1 if state is State.PLANNED else 0 if not open_still else 1 if tasks and not ours else 3,
    )


@request.command()
@click.argument("ref")
@click.pass_obj
@answering
def package(wiring: Wiring, ref: str) -> Answer:
    """Say what the package of a request holds. The package itself goes to the person alone."""
    with wiring.open_services(None) as kept:
        found = kept.requests.view(ref).package
        now = kept.clock.now()
    if found is None:
        return Answer(data=None, lines=[f"Request {ref} has no package."], exit_status=1)
    open_words = f"open until {found.expires_at:%Y-%m-%d}" if found.is_open(now) else "gone"
    return Answer(
        data=vars(found) | {"contents": [vars(one) for one in found.contents]},
        lines=[
            table("", ["file", "size"], [[one.name, size(one.size)] for one in found.contents], right=(1,)),
            f"{size(found.size)} in all, made {found.made_at:%Y-%m-%d %H:%M}, {open_words}, downloaded {len(found.downloads)} times.",
        ],
    )
