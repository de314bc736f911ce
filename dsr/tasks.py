"""Work for people as the other rooms use it: the contact's page, what operators do, the mails that ask and remind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.catalogue import short_code
from core.clock import day_in
from core.errors import Conflict, NotFound
from core.one_time import issue_token, look_up_token, spend_token, void_tokens
from core.outbox import Event, post
from core.words import long_day
from dsr.desk import SYSTEM, Desk, find_ticket
from dsr.planning import RUN, RUNNABLE
from dsr.states import State
from dsr.tables import TicketRow
from dsr.task_views import TaskLine, TaskView, count_overdue_tasks, list_task_lines, read_task, ref_of, say_work
from plans.plan import AskedFor
from plans.task_tables import EvidenceRow, TaskRow
from plans.tasks import CONTACT as CONTACT
from plans.tasks import OPEN_TASKS
from plans.tasks import Evidence as Evidence
from plans.tasks import TaskState as TaskState

PURPOSE: Final = "task"
LINK_LASTS: Final = timedelta(days=30)
# The next reminder comes before the last link ends, however long somebody waits between two.
LINK_OUTLASTS: Final = timedelta(days=7)
GONE: Final = "This link has been used, or its time is over."


@dataclass(frozen=True, kw_only=True)
class EvidenceFile:
    """A file of evidence with its bytes, for a download."""

    name: str
    content: bytes = field(repr=False)


class TaskDesk:
    """All that can be done with tasks. Each method is a use case with its own transaction."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tasks = desk.plans.tasks

    def list_tasks(self, *, is_open: bool = True, ref: str = "") -> tuple[TaskLine, ...]:
        """Tasks by due date; refused ones wait for an operator, so they count as open."""
        states = (TaskState.ASKED, TaskState.REMINDED, TaskState.REFUSED) if is_open else ()
        with self._desk.database.read() as session:
            trigger = f"ticket:{ref}" if ref else ""
            return list_task_lines(session, self._desk.clock.now(), states=states, trigger_ref=trigger)

    def count_overdue(self) -> int:
        """How many open tasks are over their day."""
        with self._desk.database.read() as session:
            return count_overdue_tasks(session, self._desk.clock.now())

    def view(self, task_id: str) -> TaskView:
        """Everything about a task. Raises NotFound."""
        with self._desk.database.read() as session:
            return read_task(session, self._tasks, self._tasks.find(session, task_id), self._desk.clock.now())

    # -- the page behind the link in the mail

    def look_at_link(self, token: str) -> TaskView:
        """What the page shows; changes nothing. Raises NotFound for a link that can do nothing any more."""
        now = self._desk.clock.now()
        with self._desk.database.read() as session:
            task = self._tasks.find(session, look_up_token(session, token, purpose=PURPOSE, now=now))
            _require_open(task)
            return read_task(session, self._tasks, task, now)

    def confirm_by_link(self, token: str, *, note: str = "", evidence: Sequence[Evidence] = ()) -> None:
        """The contact says that it is done. Raises NotFound, BadInput."""
        self._answer_by_link(
            token, lambda session, task: self._tasks.confirm(session, task, by=CONTACT, note=note, evidence=evidence)
        )

    def refuse_by_link(self, token: str, *, reason: str) -> None:
        """The contact says that it will not be done. Raises NotFound, BadInput."""
        self._answer_by_link(token, lambda session, task: self._tasks.refuse(session, task, by=CONTACT, reason=reason))

    # -- the operators

    def confirm(self, task_id: str, *, by: str, note: str = "", evidence: Sequence[Evidence] = ()) -> None:
        """Confirm on somebody's behalf. Raises Conflict where it is closed."""
        self._change(
            task_id,
            lambda session, task: self._tasks.confirm(session, task, by=by, note=note, evidence=evidence),
            by=by,
        )

    def refuse(self, task_id: str, *, by: str, reason: str) -> None:
        """Write down that it will not be done."""
        self._change(task_id, lambda session, task: self._tasks.refuse(session, task, by=by, reason=reason), by=by)

    def go_on_without(self, task_id: str, *, by: str, reason: str) -> None:
        """After a refusal: answer the request without this work; the person is told the reason."""
        self._change(
            task_id, lambda session, task: self._tasks.accept_refusal(session, task, by=by, reason=reason), by=by
        )

    def ask_again(self, task_id: str, *, by: str) -> None:
        """After a refusal: ask once more, with the whole time."""
        with self._desk.database.begin() as session:
            _, task = self._lock(session, task_id)
            self._tasks.ask_again(session, task, by=by)

    def attach(self, task_id: str, evidence: Evidence, *, by: str) -> str:
        """Keep a file of evidence; gives its id."""
        with self._desk.database.begin() as session:
            _, task = self._lock(session, task_id)
            return self._tasks.attach(session, task, evidence, by=by)

    def remind(self, task_id: str, *, by: str) -> None:
        """Ask again now; the next reminder comes a whole wait later. Raises Conflict where the task is not open."""
        with self._desk.database.begin() as session:
            ticket, task = self._lock(session, task_id)
            if TaskState(task.state) not in OPEN_TASKS:
                raise Conflict(f"The task {task.id} is {task.state}.", remedy="Only an open task can be reminded of.")
            task.mail_at = self._desk.clock.now()
            session.flush()
            self._send(session, ticket, task, by=by)

    def read_evidence(self, task_id: str, file_id: str) -> EvidenceFile:
        """A file of evidence. Raises NotFound."""
        with self._desk.database.read() as session:
            row = session.get(EvidenceRow, file_id)
            if row is None or row.task_id != task_id:
                raise NotFound("There is no such file.", remedy="Look at its task again.")
            return EvidenceFile(name=row.name, content=row.content)

    # -- the clock's work

    def send_due(self) -> int:
        """Queue every mail that is due: first ones that an outbox lost, reminders, and that nothing is needed any more."""
        wanted = sa.select(TaskRow.id).where(TaskRow.mail_at <= self._desk.clock.now()).order_by(TaskRow.mail_at)
        with self._desk.database.read() as session:
            due = list(session.execute(wanted).scalars())
        return sum(self._send_one(task_id) for task_id in due)

    def handle_mail(self, event: Event) -> None:
        """The outbox's handler for the kind `task.mail`; a mail that is queued already is not queued again."""
        self._send_one(str(event.payload["task"]))

    def _send_one(self, task_id: str) -> bool:
        with self._desk.database.begin() as session:
            ticket, task = self._lock(session, task_id)
            return self._send(session, ticket, task, by=SYSTEM)

    def _send(self, session: Session, ticket: TicketRow, task: TaskRow, *, by: str) -> bool:
        """Claim the mail that is due and queue it, in the caller's transaction: both or neither."""
        was_asked = task.mailed_at is not None and task.mailed_at >= task.asked_at
        if not self._tasks.claim_mail(session, task):
            return False
        if TaskState(task.state) not in OPEN_TASKS:
            self._mail(session, ticket, task, "task_withdrawn")
            return True
        if was_asked:
            self._tasks.remind(session, task, by=by)
        self._mail(session, ticket, task, "task_reminded" if was_asked else "task_asked")
        return True

    def _mail(self, session: Session, ticket: TicketRow, task: TaskRow, event: str) -> None:
        """What is asked, by when, and the link, in the language of the policy: the person's own is nobody's business. Who
        it is about stands on the page behind the link, never in the mail."""
        desk, now = self._desk, self._desk.clock.now()
        document = desk.document(session, ticket)
        controller, language = document.controller, short_code(document.language)
        task.contact = desk.plans.contact_of(task.store) or task.contact  # kept.yaml may name another mailbox by now
        variables: dict[str, Any] = {
            "controller": {"name": controller.name, "email": controller.email},
            "ref": ticket.ref,
            "store": task.store,
            "collection": task.collection,
            "work": say_work(AskedFor(task.asked_for), language),
            "due": long_day(day_in(task.due_at, controller.timezone), language),
            "asked_on": long_day(day_in(task.asked_at, controller.timezone), language),
            "is_overdue": task.due_at < now,
        }
        if TaskState(task.state) in OPEN_TASKS:
            lasts = max(LINK_LASTS, timedelta(seconds=task.remind_seconds) + LINK_OUTLASTS)
            token = issue_token(session, purpose=PURPOSE, subject=task.id, now=now, lasts=lasts)
            variables["link"] = f"{desk.base_url}/tasks/{token}"
            variables["expires"] = long_day(day_in(now + lasts, controller.timezone), language)
        to = task.contact.reveal()
        desk.queue_mail(session, event=event, to=to, variables=variables, now=now, language=language)

    def _answer_by_link(self, token: str, answer: Callable[[Session, TaskRow], None]) -> None:
        now = self._desk.clock.now()
        with self._desk.database.begin() as session:
            task_id = spend_token(session, token, purpose=PURPOSE, now=now)
            ticket, task = self._lock(session, task_id)
            _require_open(task)
            answer(session, task)
            self._follow_up(session, ticket, task, by=CONTACT)

    def _change(self, task_id: str, change: Callable[[Session, TaskRow], None], *, by: str) -> None:
        with self._desk.database.begin() as session:
            ticket, task = self._lock(session, task_id)
            change(session, task)
            self._follow_up(session, ticket, task, by=by)

    def _lock(self, session: Session, task_id: str) -> tuple[TicketRow, TaskRow]:
        """The ticket first, then the task: of two answers at the same time, the later one sees the earlier."""
        ref = ref_of(self._tasks.find(session, task_id))
        ticket = find_ticket(session, ref, lock=True)
        task = self._tasks.find(session, task_id, lock=True)
        session.refresh(task)
        return ticket, task

    def _follow_up(self, session: Session, ticket: TicketRow, task: TaskRow, *, by: str) -> None:
        """After an answer its links are void, the ticket notes it, and with the last one the work goes on."""
        desk, now = self._desk, self._desk.clock.now()
        void_tokens(session, purpose=PURPOSE, subject=task.id, now=now)
        desk.note_event(session, ticket, f"task_{task.state}", by=by, why=f"{task.collection} in {task.store}")
        waits = sa.select(sa.func.count()).where(
            TaskRow.plan_id == task.plan_id,
            TaskRow.state.in_([TaskState.ASKED.value, TaskState.REMINDED.value, TaskState.REFUSED.value]),
        )
        session.flush()
        is_its_plan = ticket.plan_id == task.plan_id and State(ticket.state) in RUNNABLE
        if is_its_plan and not session.execute(waits).scalar_one():
            post(session, RUN, {"ref": ticket.ref}, now=now)


def _require_open(task: TaskRow) -> None:
    if TaskState(task.state) not in OPEN_TASKS:
        raise NotFound(GONE, remedy="Ask for a new one.")
