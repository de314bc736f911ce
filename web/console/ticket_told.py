"""Recipients that are told what was done with data they got: the card of a request, one recipient's page, and its acts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, Final

from flask import Response as FlaskResponse
from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from core.errors import BadInput, Conflict, NotFound
from core.operators import Permission
from core.words import plural
from dsr.tasks import CONTACT
from dsr.telling_views import GROUND_NAMES, SHORT_WORDS, Ground, TellingLine, TellingState, Way
from web.console.actors import actor_names
from web.console_blueprint import blueprint
from web.evidence_files import hand_out, taken_evidence
from web.services import services

LOOKS: Final = {
    TellingState.FORESEEN: "todo",
    TellingState.ASKED: "waiting",
    TellingState.REMINDED: "waiting",
    TellingState.DONE: "kept",
    TellingState.NOTHING_HELD: "kept",
    TellingState.CANNOT: "broken",
    TellingState.BY_HAND: "due",
    TellingState.TOLD_BY_HAND: "kept",
    TellingState.EXCUSED: "held",
    TellingState.WITHDRAWN: "plain",
}
WAYS: Final = {
    Way.STORE: "by the steps of the plan",
    Way.MAIL: "by mail, with a page to answer on",
    Way.FORM: "with a form of theirs",
    Way.HAND: "by hand",
}
ANSWERS: Final = (
    (TellingState.DONE.value, "It is done"),
    (TellingState.NOTHING_HELD.value, "They hold nothing about this person"),
    (TellingState.CANNOT.value, "They cannot do it, or will not"),
)
GROUNDS: Final = tuple((ground.value, f"{words[:1].upper()}{words[1:]}") for ground, words in GROUND_NAMES.items())
Answer = Response | tuple[str, int]
Row = tuple[TellingLine, str, str]


def look_of_telling(line: TellingLine) -> tuple[str, str]:
    """The look of a telling's state, and its word: what is over its day says so first."""
    return ("broken", "Overdue") if line.is_overdue else (LOOKS[line.state], line.state_name)


def tellings_of(ref: str) -> list[Row]:
    """The recipients of a request, each with its look and its word."""
    return [(one, *look_of_telling(one)) for one in services().requests.told.lines(ref=ref)]


def open_tellings() -> list[Row]:
    """Every recipient that is still to be told, or whose answer is awaited."""
    return [(one, *look_of_telling(one)) for one in services().requests.told.lines()]


def say_tellings(rows: list[Row]) -> str:
    """How many recipients are still to be told, and how many are late."""
    late = sum(line.is_overdue for line, _, _ in rows)
    words = f"{plural(len(rows), 'recipient is', 'recipients are')} to be told, or to answer."
    return f"{words} {plural(late, 'is', 'are')} overdue." if late else words


@blueprint.get("/tasks/told/<telling_id>")
def telling(telling_id: str) -> str:
    """One recipient of one request: what it is told, how, what it answered, and what an operator can do."""
    return _show(_line(telling_id))


@blueprint.post("/tasks/told/<telling_id>/by-hand")
def tell_by_hand(telling_id: str) -> Answer:
    """Write down that somebody told it."""
    how, day = request.form.get("how", ""), request.form.get("day", "")
    done = "It is written down that they were told."

    def act(by: str) -> None:
        told = services().requests.told
        told.note_told(telling_id, by=by, on=_day(day), how=how, evidence=taken_evidence())

    return _do(telling_id, act, done, field="how" if not how.strip() else "day")


@blueprint.post("/tasks/told/<telling_id>/answer")
def note_telling_answer(telling_id: str) -> Answer:
    """Write down an answer that came another way."""
    answer, note = request.form.get("answer", ""), request.form.get("note", "")

    def act(by: str) -> None:
        chosen = next((one for one in TellingState if one.value == answer), TellingState.FORESEEN)
        services().requests.told.note_answer(telling_id, chosen, by=by, note=note, evidence=taken_evidence())

    return _do(telling_id, act, "Their answer is written down.", field="note" if answer else "answer")


@blueprint.post("/tasks/told/<telling_id>/excuse")
def excuse_telling(telling_id: str) -> Answer:
    """Do not tell it, for a ground of the law or because it never got the data."""
    ground, reason = request.form.get("ground", ""), request.form.get("reason", "")

    def act(by: str) -> None:
        if ground not in set(Ground):
            raise BadInput("Choose the ground.", remedy="")
        services().requests.told.excuse(telling_id, by=by, ground=Ground(ground), reason=reason)

    return _do(telling_id, act, "They are not told. Your reason is kept.", field="reason" if ground else "ground")


@blueprint.post("/tasks/told/<telling_id>/remind")
def remind_telling(telling_id: str) -> Answer:
    """Remind it now."""
    return _do(telling_id, lambda by: services().requests.told.remind(telling_id, by=by), "A reminder is on its way.")


@blueprint.post("/tasks/told/<telling_id>/ask-again")
def tell_again(telling_id: str) -> Answer:
    """After an answer that they cannot: ask once more."""
    return _do(telling_id, lambda by: services().requests.told.ask_again(telling_id, by=by), "They are asked again.")


@blueprint.post("/tasks/told/<telling_id>/withdraw")
def withdraw_telling(telling_id: str) -> Answer:
    """Nobody needs their answer any more."""
    why = request.form.get("why", "")
    done = "It is withdrawn. If they had a mail, another says that they need to do nothing more."
    return _do(telling_id, lambda by: services().requests.told.withdraw(telling_id, by=by, why=why), done, field="why")


@blueprint.get("/tasks/told/<telling_id>/files/<file_id>")
def telling_file(telling_id: str, file_id: str) -> FlaskResponse:
    """A file that came with an answer, as a download."""
    return hand_out(services().requests.told.read_file(telling_id, file_id))


def _line(telling_id: str) -> TellingLine:
    return services().requests.told.view(telling_id)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadInput("That is no day.", remedy="Give one as 2026-06-11.") from error


def _do(telling_id: str, act: Callable[[str], Any], done: str, *, field: str = "") -> Answer:
    """Do one act and come back to the recipient's page; what it refuses stands there."""
    try:
        act(current_user.operator.id)
    except NotFound:
        raise
    except (BadInput, Conflict) as error:
        line = _line(telling_id)
        if field and isinstance(error, BadInput):
            return _show(line, problems={field: str(error)}), error.status
        return _show(line, trouble=(error.message, error.remedy)), error.status
    flash(done)
    return redirect(url_for("console.telling", telling_id=telling_id))


def _show(line: TellingLine, *, problems: dict[str, str] | None = None, trouble: tuple[str, str] | None = None) -> str:
    may_work = current_user.operator.may(Permission.WORK_REQUESTS)
    return render_template(
        "console/telling.html",
        here="tasks",
        line=line,
        look=look_of_telling(line),
        way=WAYS[line.way],
        acts=_acts(line) if may_work else set(),
        may_work=may_work,
        answered_by=line.recipient if line.answered_by == CONTACT else actor_names().get(line.answered_by or "", ""),
        short=SHORT_WORDS[line.what],
        ground=GROUND_NAMES[line.ground] if line.ground else "",
        answers=ANSWERS,
        grounds=GROUNDS,
        problems=problems or {},
        typed=request.form,
        trouble=trouble,
    )


def _acts(line: TellingLine) -> set[str]:
    is_cannot = line.state is TellingState.CANNOT
    can = {
        "remind": line.waits,
        "answer": line.is_open,
        "by_hand": line.state is TellingState.BY_HAND or is_cannot,
        "ask_again": is_cannot and line.way is not Way.STORE,
        "excuse": line.is_open or line.state is TellingState.FORESEEN,
        "withdraw": line.is_open,
    }
    return {name for name, may in can.items() if may}
