"""Tasks as pages, mails and commands show them: frozen values, read in the caller's session."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.catalogue import catalogue, mark
from core.personal import Personal
from dsr.tables import TicketRow
from plans.asked_values import before_of, values_of
from plans.plan import AskedFor, Step
from plans.task_tables import EvidenceRow, TaskEventRow, TaskRow
from plans.tasks import OPEN_TASKS, Tasks, TaskState

ASK_WORDS: Final[Mapping[AskedFor, str]] = {
    AskedFor.COPY: mark("Send a copy of what you hold about one person"),
    AskedFor.DELETE: mark("Delete what you hold about one person"),
    AskedFor.CORRECT: mark("Correct what you hold about one person"),
}
SHORT_WORDS: Final[Mapping[AskedFor, str]] = {
    AskedFor.COPY: "Send a copy",
    AskedFor.DELETE: "Delete",
    AskedFor.CORRECT: "Correct",
}
TASK_STATE_NAMES: Final[Mapping[TaskState, str]] = {
    TaskState.ASKED: "Asked",
    TaskState.REMINDED: "Reminded",
    TaskState.CONFIRMED: "Confirmed",
    TaskState.REFUSED: "Refused",
    TaskState.WITHDRAWN: "Withdrawn",
}


# What test tickets asked for stands in no count.
_TESTS: Final = sa.select(sa.literal("ticket:").concat(TicketRow.ref)).where(TicketRow.is_test.is_(True))


class TaskAct(StrEnum):
    """What an operator can do with a task now."""

    CONFIRM = "confirm"
    REFUSE = "refuse"
    REMIND = "remind"
    ATTACH = "attach"
    ASK_AGAIN = "ask_again"
    GO_ON = "go_on"


@dataclass(frozen=True, kw_only=True)
class TaskLine:
    """One task of a list. `ref`: the ticket's reference. `mailed_at`: the last mail; `reminders`: how many there were."""

    id: str
    ref: str
    state: TaskState
    state_name: str
    store: str
    collection: str
    asked_for: AskedFor
    short_words: str
    contact: Personal
    asked_at: datetime
    due_at: datetime
    mailed_at: datetime | None
    reminders: int
    answered_at: datetime | None
    answered_by: str | None
    note: str
    files: int
    is_open: bool
    is_overdue: bool
    is_test: bool


@dataclass(frozen=True, kw_only=True)
class AskedValues:
    """What a person is known by in one field there."""

    field: str
    values: tuple[Personal, ...]


@dataclass(frozen=True, kw_only=True)
class TaskEvent:
    """One thing that happened to a task. `by`: `contact`, `system`, an operator's id or a command's account."""

    at: datetime
    kind: str
    by: str
    why: str


@dataclass(frozen=True, kw_only=True)
class TaskFile:
    """One file of evidence, without its bytes. `size`: bytes."""

    id: str
    name: str
    size: int
    sha256: str
    at: datetime
    by: str


@dataclass(frozen=True, kw_only=True)
class TaskView:
    """Everything about one task. `values`: personal data, for the page behind the link and the console only. `before`:
    the field and the instant before which records are meant; None: all. `corrections`: (field, what is right)."""

    line: TaskLine
    words: str
    values: tuple[AskedValues, ...]
    before: tuple[str, datetime] | None
    corrections: tuple[tuple[str, Personal], ...]
    events: tuple[TaskEvent, ...]
    files: tuple[TaskFile, ...]
    acts: frozenset[TaskAct]


def say_work(asked_for: AskedFor, language: str) -> str:
    """What somebody is asked to do, in their language."""
    return catalogue(language).gettext(ASK_WORDS[asked_for])


def ref_of(row: TaskRow) -> str:
    """The reference of the ticket that a task is for."""
    return row.trigger_ref.removeprefix("ticket:")


def list_task_lines(
    session: Session, now: datetime, *, states: Sequence[TaskState] = (), trigger_ref: str = "", limit: int = 500
) -> tuple[TaskLine, ...]:
    """Tasks by when their answer is due, the earliest first."""
    wanted = sa.select(TaskRow).order_by(TaskRow.due_at, TaskRow.id)
    if states:
        wanted = wanted.where(TaskRow.state.in_([state.value for state in states]))
    if trigger_ref:
        wanted = wanted.where(TaskRow.trigger_ref == trigger_ref)
    rows = session.execute(wanted.limit(limit)).scalars().all()
    return tuple(_line(session, row, now, _count_files(session, row)) for row in rows)


def count_overdue_tasks(session: Session, now: datetime) -> int:
    """How many open tasks are over their day, those of test tickets left out."""
    is_open = TaskRow.state.in_([state.value for state in OPEN_TASKS])
    wanted = sa.select(sa.func.count()).where(is_open, TaskRow.due_at < now, TaskRow.trigger_ref.not_in(_TESTS))
    return session.execute(wanted).scalar_one()


def read_task(session: Session, tasks: Tasks, row: TaskRow, now: datetime) -> TaskView:
    """One task with all that belongs to it."""
    step = tasks.step(session, row)
    events = sa.select(TaskEventRow).where(TaskEventRow.task_id == row.id).order_by(TaskEventRow.position)
    files = sa.select(EvidenceRow).where(EvidenceRow.task_id == row.id).order_by(EvidenceRow.at, EvidenceRow.id)
    kept = tuple(_file(one) for one in session.execute(files).scalars())
    return TaskView(
        line=_line(session, row, now, len(kept)),
        words=ASK_WORDS[AskedFor(row.asked_for)],
        values=_values(step),
        before=before_of(step.condition),
        corrections=tuple((name, Personal(value or "")) for name, value in step.corrections),
        events=tuple(
            TaskEvent(at=one.at, kind=one.kind, by=one.by, why=one.why) for one in session.execute(events).scalars()
        ),
        files=kept,
        acts=_acts(TaskState(row.state)),
    )


def _values(step: Step) -> tuple[AskedValues, ...]:
    return tuple(
        AskedValues(field=field, values=tuple(Personal(value) for value in values))
        for field, values in values_of(step.condition).items()
    )


def _acts(state: TaskState) -> frozenset[TaskAct]:
    can = {
        TaskAct.CONFIRM: state in OPEN_TASKS or state is TaskState.REFUSED,
        TaskAct.REFUSE: state in OPEN_TASKS,
        TaskAct.REMIND: state in OPEN_TASKS,
        TaskAct.ATTACH: state is not TaskState.WITHDRAWN,
        TaskAct.ASK_AGAIN: state is TaskState.REFUSED,
        TaskAct.GO_ON: state is TaskState.REFUSED,
    }
    return frozenset(act for act, may in can.items() if may)


def _count_files(session: Session, row: TaskRow) -> int:
    return session.execute(sa.select(sa.func.count()).where(EvidenceRow.task_id == row.id)).scalar_one()


def _file(row: EvidenceRow) -> TaskFile:
    return TaskFile(id=row.id, name=row.name, size=row.size, sha256=row.sha256, at=row.at, by=row.by)


def _is_test(session: Session, row: TaskRow) -> bool:
    found = sa.select(TicketRow.is_test).where(TicketRow.ref == ref_of(row))
    return bool(session.execute(found).scalar_one_or_none())


def _line(session: Session, row: TaskRow, now: datetime, files: int) -> TaskLine:
    state, asked_for = TaskState(row.state), AskedFor(row.asked_for)
    return TaskLine(
        id=row.id,
        ref=ref_of(row),
        state=state,
        state_name=TASK_STATE_NAMES[state],
        store=row.store,
        collection=row.collection,
        asked_for=asked_for,
        short_words=SHORT_WORDS[asked_for],
        contact=row.contact,
        asked_at=row.asked_at,
        due_at=row.due_at,
        mailed_at=row.mailed_at,
        reminders=max(row.mails - 1, 0),
        answered_at=row.answered_at,
        answered_by=row.answered_by,
        note=row.note,
        files=files,
        is_open=state in OPEN_TASKS,
        is_overdue=state in OPEN_TASKS and row.due_at < now,
        is_test=_is_test(session, row),
    )
