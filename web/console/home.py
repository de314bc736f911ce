"""The first page of the console: what to do now, the last runs, and how the promises stand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from flask import render_template, url_for
from flask_login import current_user

from core.words import count, day_left, long_day, plural, short_day
from dsr.listing import TicketLine, Wanted
from dsr.task_views import TaskLine
from notify.campaign_tables import CampaignState
from notify.campaign_views import CampaignView
from policies.own import is_own
from promises.alarms import AlarmKind
from promises.board import WORST_FIRST
from promises.states import State
from retention.tables import RunState
from retention.views import SweepRun
from web.console.actors import actor_names
from web.console.erased import erased_to_do
from web.console.hold_lines import HoldLine, hold_lines
from web.console.home_inbox import letters_to_sort
from web.console.home_letters import letters_to_do
from web.console.home_lost import lost_mails_to_do
from web.console.home_requests import is_overdue, look_on_home, needs_operator, next_move, overdue_to_do
from web.console.home_told import tellings_to_do
from web.console.request_charts import due_chart
from web.console.retention_runs import RESULTS
from web.console_blueprint import blueprint
from web.context import controller_zone
from web.glance import board, count_states, open_requests, waiting_approvals
from web.services import services
from web.words import say_number

RUNS: Final = 8
REQUESTS_SHOWN: Final = 6
BROKEN_SHOWN: Final = 5
# Broken promises, stores that could not be read, approvals and silence have lines of their own.
ALARMS_SHOWN: Final = frozenset({AlarmKind.HALF, AlarmKind.MISSED, AlarmKind.WEBHOOK, AlarmKind.MAIL})


@dataclass(frozen=True, kw_only=True)
class Run:
    """One line of the last runs."""

    clause: str
    state: str
    word: str
    rows: int
    took: timedelta | None
    at: datetime


@blueprint.get("/")
def home() -> str:
    """What needs a person, first."""
    kept = services()
    with kept.database.read() as session:
        version = kept.policies.in_force(session)
    todo = [
        *_silences_to_do(),
        *overdue_to_do(_open_tickets(), _today()),
        *letters_to_sort(_today()),
        *lost_mails_to_do(),
        *_messages_to_do(),
        *_requests_to_do(),
        *erased_to_do(),
        *_tasks_to_do(),
        *tellings_to_do(_today()),
        *letters_to_do(_today()),
        *_approvals_to_do(),
        *_holds_to_do(),
        *_campaigns_to_do(),
        *_promises_to_do(),
    ]
    todo += _alarms_to_do()
    if version is None:
        text = "Every page of the console begins with it. Run kept policy publish."
        todo.insert(
            0,
            {
                "state": "due",
                "title": "Publish a policy",
                "href": url_for("console.policy"),
                "sub": text,
                "act": "Look at the draft",
            },
        )
    counts = count_states()
    return render_template(
        "console/home.html",
        here="home",
        greeting=_greet(),
        says=_say(len(todo)),
        figures=_figures(),
        todo=todo,
        due=due_chart(_today()),
        runs=_last_runs() if version else [],
        parts=[(state.value, counts[state], state.value) for state in WORST_FIRST if counts[state]],
    )


def _greet() -> str:
    hour = services().clock.now().astimezone(controller_zone()).hour
    part = "morning" if 4 <= hour < 12 else "afternoon" if 12 <= hour < 18 else "evening"
    return f"Good {part}, {current_user.operator.name.split()[0]}"


def _say(todo: int) -> str:
    today = long_day(_today())
    broken, late = count_states()[State.BROKEN], open_requests(_today()).overdue
    needs = f"{say_number(todo)} {'thing needs' if todo == 1 else 'things need'} you." if todo else "Nothing needs you."
    overdue = f" {plural(late, 'request is', 'requests are')} overdue." if late else ""
    return f"{today}. {needs}{overdue}" + (f" {plural(broken, 'promise is', 'promises are')} broken." if broken else "")


def _figures() -> list[dict[str, Any]]:
    counts, waiting, requests = count_states(), waiting_approvals(), open_requests(_today())
    total, board_at = sum(counts.values()), url_for("console.promises")
    return [
        {
            "number": requests.overdue,
            "word": "overdue",
            "href": url_for("console.requests", state="overdue"),
            "state": "broken" if requests.overdue else "",
        },
        {
            "number": requests.number,
            "word": "open requests" if requests.number != 1 else "open request",
            "href": url_for("console.requests"),
        },
        {
            "number": len(waiting),
            "word": "sweeps wait for approval" if len(waiting) != 1 else "sweep waits for approval",
            "href": url_for("console.retention"),
            "state": "due" if waiting else "",
        },
        {
            "number": counts[State.BROKEN],
            "word": "promise broken" if counts[State.BROKEN] == 1 else "promises broken",
            "href": f"{board_at}?state=broken",
            "state": "broken" if counts[State.BROKEN] else "",
        },
        {
            "number": counts[State.DUE],
            "word": "promise due" if counts[State.DUE] == 1 else "promises due",
            "href": f"{board_at}?state=due",
            "state": "due" if counts[State.DUE] else "",
        },
        {
            "number": counts[State.KEPT],
            "word": "promise kept" if counts[State.KEPT] == 1 else "promises kept",
            "href": f"{board_at}?state=kept",
            "state": "kept",
            "rest": f"of {count(total)}",
        },
    ]


def _today() -> date:
    return services().clock.now().astimezone(controller_zone()).date()


def _open_tickets() -> list[TicketLine]:
    return services().requests.find_tickets(Wanted(with_tests=False))


def _requests_to_do() -> list[dict[str, Any]]:
    """Requests whose next move is an operator's, those due first; no name or address of a person stands here."""
    today = _today()
    waits = [one for one in _open_tickets() if needs_operator(one) and not is_overdue(one, today)]
    asks = waits[:REQUESTS_SHOWN]
    return [
        {
            "state": look_on_home(one, today),
            "icon": "inbox" if look_on_home(one, today) == "plain" else "",
            "title": f"{one.right_name}, {one.ref}",
            "href": url_for("console.ticket", ref=one.ref),
            "sub": (f"Due {short_day(one.due_on, today)}, {day_left(one.due_on, today)}. " if one.due_on else "")
            + one.state_name,
            "act": next_move(one),
        }
        for one in asks
    ] + _further_requests(len(waits) - len(asks))


def _further_requests(number: int) -> list[dict[str, Any]]:
    """One line for the requests that have no line of their own, so that none is left unsaid."""
    if not number:
        return []
    return [
        {
            "state": "plain",
            "icon": "inbox",
            "title": plural(number, "more request waits for you", "more requests wait for you"),
            "href": url_for("console.requests"),
            "sub": "The list has them by the day they are due.",
            "act": "Open the list",
        }
    ]


def _messages_to_do() -> list[dict[str, Any]]:
    """What people wrote on their pages and nobody has answered, the longest waiting first; closed requests too."""
    return [
        {
            "state": "due",
            "icon": "mail",
            "title": f"The person of {ref} wrote",
            "href": f"{url_for('console.ticket', ref=ref)}#reply",
            "sub": f"{plural(number, 'message waits', 'messages wait')} for an answer.",
            "act": "Answer",
        }
        for ref, number in list(services().requests.messages.waiting().items())[:REQUESTS_SHOWN]
    ]


def _tasks_to_do() -> list[dict[str, Any]]:
    """Work that people should have done by now, and what they refused to do."""
    today = _today()
    return [
        {
            "state": "broken",
            "title": f"{one.short_words}: {one.collection} in {one.store}, {one.ref}",
            "href": url_for("console.task", task_id=one.id),
            "sub": _say_task(one, one.due_at.astimezone(controller_zone()).date(), today),
            "act": "Look" if one.is_overdue else "Decide",
        }
        for one in services().tasks.list_tasks()
        if (one.is_overdue or not one.is_open) and not one.is_test
    ]


def _say_task(task: TaskLine, due: date, today: date) -> str:
    if not task.is_open:
        return "Refused. The request waits for your decision."
    reminded = f", reminded {plural(task.reminders, 'time', 'times')}" if task.reminders else ""
    return f"Work for people, overdue: due {short_day(due, today)}, {day_left(due, today)}{reminded}."


def _approvals_to_do() -> list[dict[str, Any]]:
    return [
        {
            "state": "stopped",
            "title": f"The sweep of {one.clause} waits for approval",
            "href": f"{url_for('console.retention')}#waiting-{one.clause}",
            "sub": f"{plural(one.sweep.rows, 'row', 'rows')}. {one.reason} Nothing was deleted.",
            "act": "Look",
        }
        for one in waiting_approvals()
    ]


def _holds_to_do() -> list[dict[str, Any]]:
    """Holds that wait for a second person, and those whose review date has passed; nobody is named here."""
    lines, at = hold_lines(services().hold_desk.list(), actor_names()), url_for("console.holds")
    asked = [
        {
            "state": "held",
            "title": f"{one.asked} wants to release the hold on {_what(one)}",
            "href": f"{at}#{one.hold.id}",
            "sub": "It ends when somebody else agrees.",
            "act": "Look",
        }
        for one in lines
        if one.asked and not one.mine and one.hold.release_due_at is None
    ]
    over = [
        {
            "state": "due",
            "title": f"Look again at the hold on {_what(one)}",
            "href": f"{at}#{one.hold.id}",
            "sub": f"Set by {one.set_by}. Its review date has passed; it goes on until it is released.",
            "act": "Look",
        }
        for one in lines
        if one.review_over and not one.asked
    ]
    return [*asked, *over]


def _what(one: HoldLine) -> str:
    return "a person" if one.hold.person else one.covers


def _campaigns_to_do() -> list[dict[str, Any]]:
    """Campaigns that wait for a person: paused, in trouble, too slow for their day, or with people nobody knows were told."""
    kept = services()
    with kept.database.read() as session:
        standing = kept.campaigns.standing(session)
    asks = ((one, _campaign_asks(one)) for one in standing)
    return [
        {
            "state": state,
            "title": f"Telling people about version {one.version}: {title}",
            "href": url_for("console.policy"),
            "sub": sub,
            "act": "Look",
        }
        for one, asked in asks
        if asked
        for state, title, sub in [asked]
    ]


def _campaign_asks(one: CampaignView) -> tuple[str, str, str] | None:
    """State, what is the matter, and the rest of it; None for a campaign that needs nobody."""
    left = f"{plural(one.waiting, 'person is', 'people are')} still to tell."
    if one.problem:
        return "broken", "it stands still", one.problem
    if one.state is CampaignState.PAUSED:
        return "stopped", "it is paused", left
    if one.state is CampaignState.RUNNING and one.late:
        return "broken", "it ends too late", f"{left} At this pace its planned day cannot hold."
    if one.uncertain:
        unknown = plural(one.uncertain, "person", "people")
        return (
            "due",
            f"{unknown} uncertain",
            "The server may have taken the mail. None of them is told again by itself.",
        )
    return None


def _promises_to_do() -> list[dict[str, Any]]:
    """Promises that evidence says are broken, one by one; those that nothing has looked at, as one line."""
    broken = [one for one in board().clauses if one.state is State.BROKEN]
    proven = [one for one in broken if one.checked_at is not None]
    at = url_for("console.promises")
    items = [
        {"state": "broken", "title": one.sentence, "href": f"{at}#{one.clause_id}", "sub": one.proof, "act": "See"}
        for one in proven[:BROKEN_SHOWN]
    ]
    unproven = len(broken) - len(proven)
    if unproven:
        title = f"{plural(unproven, 'promise was', 'promises were')} never checked"
        sub = "Without evidence a promise counts as broken. The board says for each what would look at it."
        items.append(
            {"state": "gap", "title": title, "href": f"{at}?state=broken", "sub": sub, "act": "Open the board"}
        )
    return items


def _silences_to_do() -> list[dict[str, Any]]:
    """Jobs that are not heard of: a scheduler that is dead sends no mail, so this page has to say it."""
    text, at = "Run kept doctor, and look whether kept serve runs.", url_for("console.promises")
    return [
        {"state": "broken", "title": one.words(board().at), "href": at, "sub": text, "act": "See"}
        for one in board().silences
    ]


def _alarms_to_do() -> list[dict[str, Any]]:
    """The alarms that no other line of this page stands for."""
    at = url_for("console.promises")
    elsewhere = {AlarmKind.WEBHOOK: url_for("console.webhooks"), AlarmKind.MAIL: url_for("console.outbox")}
    return [
        {
            "state": "due",
            "title": one.alarm.title,
            "href": elsewhere.get(one.alarm.kind, at),
            "sub": f"{one.alarm.says} {one.alarm.to_do}",
            "act": "See",
        }
        for one in board().alarms
        if one.alarm.kind in ALARMS_SHOWN
    ]


def _last_runs() -> list[Run]:
    sweeps = services().sweeps
    known = [run for one in sweeps.clauses() for run in sweeps.state(one.clause.id).runs[:RUNS] if run.state in RESULTS]
    # Kept's own clauses run daily and mostly find nothing: they would fill the list.
    runs = [run for run in known if run.rows or run.state is not RunState.DONE or not is_own(run.clause)]
    return [_run(one) for one in sorted(runs, key=lambda run: run.started_at, reverse=True)[:RUNS]]


def _run(run: SweepRun) -> Run:
    state, word = RESULTS[run.state]
    if run.state is RunState.DONE and run.remaining:
        state, word = "held", f"{count(run.remaining)} left, each with its reason"
    took = run.ended_at - run.started_at if run.ended_at else None
    return Run(clause=run.clause, state=state, word=word, rows=run.rows, took=took, at=run.started_at)
