"""Work for people: a task is opened, asked for, reminded of, confirmed or refused, and its answer finishes the step."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.canonical import digest
from core.clock import Clock
from core.database import Database
from core.errors import BadInput, Conflict, NotFound
from core.ids import new_id
from core.outbox import post
from core.personal import Personal
from ledger.log import Ledger
from plans.execute import step_refs
from plans.plan import Plan, Step, StepDeed, read_plan
from plans.standing import get_plan
from plans.tables import PlanRow, StepRow, StepState
from plans.task_tables import EvidenceRow, TaskEventRow, TaskRow
from stores.contract import Asks

MAIL_DUE: Final = "task.mail"
LARGEST_EVIDENCE: Final = 10 * 1024 * 1024
MOST_EVIDENCE: Final = 5
LONGEST_NOTE: Final = 5_000
CONTACT: Final = "contact"


class TaskState(StrEnum):
    """ASKED: the work is open. REMINDED: open, and asked for again. CONFIRMED: somebody says that it is done. REFUSED:
    whoever was asked will not do it; an operator decides. WITHDRAWN: nobody needs it any more."""

    ASKED = "asked"
    REMINDED = "reminded"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


_ANSWERS = frozenset({TaskState.REMINDED, TaskState.CONFIRMED, TaskState.REFUSED, TaskState.WITHDRAWN})
TASK_MOVES: Final = MappingProxyType(
    {
        TaskState.ASKED: _ANSWERS,
        TaskState.REMINDED: _ANSWERS,
        # A refusal is not the end: it is asked for again, or somebody did it all the same.
        TaskState.REFUSED: frozenset({TaskState.ASKED, TaskState.CONFIRMED, TaskState.WITHDRAWN}),
        TaskState.CONFIRMED: frozenset(),
        TaskState.WITHDRAWN: frozenset(),
    }
)
OPEN_TASKS: Final = frozenset({TaskState.ASKED, TaskState.REMINDED})


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A file as it was handed in; a name is cut down to what a file may be called."""

    name: str
    content: bytes = field(repr=False)

    def __post_init__(self) -> None:
        plain = re.sub(r"[\x00-\x1f\x7f\"<>|:*?]", "", re.split(r"[/\\]", self.name)[-1]).strip(" .")
        object.__setattr__(self, "name", plain[-120:] or "evidence")
        if len(self.content) > LARGEST_EVIDENCE:
            raise BadInput(
                f"The file has {len(self.content) / 2**20:.1f} MB; evidence has at most 10 MB.",
                remedy="Attach a smaller file, or write in the note where it is kept.",
            )
        if not self.content:
            raise BadInput("The file is empty.", remedy="Choose another file, or none.")


class Tasks:
    """Tasks inside the caller's transaction: each change has its row and its ledger entry."""

    def __init__(self, database: Database, clock: Clock, ledger: Ledger) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger

    def open(self, session: Session, plan: Plan, step: Step, store: Asks, *, by: str) -> TaskRow:
        """The task of a step, asked for now; its mail goes out by the outbox."""
        now = self._clock.now()
        row = TaskRow(
            id=new_id("task"),
            step_id=step.id,
            plan_id=plan.id,
            trigger_ref=plan.trigger.ref,
            store=step.store,
            collection=step.collection,
            asked_for=str(step.asked),
            contact=Personal(store.contact),
            state=TaskState.ASKED.value,
            asked_at=now,
            due_at=now + store.due,
            remind_seconds=int(store.remind.total_seconds()),
            mails=0,
            mail_at=now,
            note="",
        )
        session.add(row)
        session.flush()
        self._write(session, row, kind="asked", before=TaskState.ASKED, by=by)
        post(session, MAIL_DUE, {"task": row.id}, now=now)
        return row

    def of_step(self, session: Session, plan: Plan, step: Step, *, by: str) -> TaskRow | None:
        """The task of a step, or that of the same work in an earlier plan, which this one then takes over: nobody is
        asked twice for the same."""
        own = session.execute(sa.select(TaskRow).where(TaskRow.step_id == step.id)).scalar_one_or_none()
        if own is not None:
            return own
        wanted = sa.select(TaskRow).where(
            TaskRow.trigger_ref == plan.trigger.ref,
            TaskRow.collection == step.collection,
            TaskRow.asked_for == str(step.asked),
            TaskRow.state != TaskState.WITHDRAWN.value,
        )
        for row in session.execute(wanted.order_by(TaskRow.asked_at.desc()).with_for_update()).scalars():
            earlier = self.step(session, row)
            if (earlier.condition, earlier.corrections) == (step.condition, step.corrections):
                row.step_id, row.plan_id = step.id, plan.id
                self._write(session, row, kind="taken_over", before=TaskState(row.state), by=by)
                return row
        return None

    def find(self, session: Session, task_id: str, *, lock: bool = False) -> TaskRow:
        """The task of this id. Raises NotFound."""
        wanted = sa.select(TaskRow).where(TaskRow.id == task_id)
        row = session.execute(wanted.with_for_update() if lock else wanted).scalar_one_or_none()
        if row is None:
            raise NotFound(f"There is no task '{task_id}'.", remedy="`kept task list` shows those there are.")
        return row

    def step(self, session: Session, task: TaskRow) -> Step:
        """The step that a task carries out."""
        return read_plan(get_plan(session, task.plan_id).body).step(task.step_id)

    def claim_mail(self, session: Session, task: TaskRow) -> bool:
        """Take the mail that is due; of several who try, one gets it. The next one is due a whole wait later."""
        now = self._clock.now()
        is_open = TaskState(task.state) in OPEN_TASKS
        after = now + timedelta(seconds=task.remind_seconds) if is_open else None
        claim = sa.update(TaskRow).where(
            TaskRow.id == task.id, TaskRow.mails == task.mails, TaskRow.state == task.state, TaskRow.mail_at <= now
        )
        values = {"mails": task.mails + 1, "mailed_at": now, "mail_at": after}
        taken = session.execute(claim.values(values).returning(TaskRow.id)).first() is not None
        session.refresh(task)
        return taken

    def remind(self, session: Session, task: TaskRow, *, by: str) -> None:
        """Note that an open task is asked for again; the caller queues the mail."""
        self._move(session, task, TaskState.REMINDED, by=by)

    def confirm(
        self, session: Session, task: TaskRow, *, by: str, note: str = "", evidence: Sequence[Evidence] = ()
    ) -> None:
        """Somebody says that the work is done: the step is done by their word, and the ledger says whose it is."""
        for one in evidence:
            self.attach(session, task, one, by=by)
        self._answer(session, task, TaskState.CONFIRMED, by=by, why=clean_note(note))
        who = "the contact" if by == CONTACT else "an operator"
        self._close_step(session, task, StepState.DONE, by=by, note=f"confirmed by {who}")

    def refuse(self, session: Session, task: TaskRow, *, by: str, reason: str) -> None:
        """Whoever was asked will not do it: the step has failed, and an operator decides."""
        words = clean_note(reason)
        if not words:
            raise BadInput("A refusal needs a reason.", remedy="Say in a sentence why it is not done.")
        self._answer(session, task, TaskState.REFUSED, by=by, why=words)
        error = f"{task.store} refused the work on {task.collection}: {words}"
        self._close_step(session, task, StepState.FAILED, by=by, error=error)

    def ask_again(self, session: Session, task: TaskRow, *, by: str, why: str = "") -> None:
        """After a refusal: the task is open again, with its whole time, and its mail is due."""
        now = self._clock.now()
        wait = task.due_at - task.asked_at
        self._move(session, task, TaskState.ASKED, by=by, why=clean_note(why))
        task.asked_at, task.due_at, task.mail_at = now, now + wait, now
        task.answered_at = task.answered_by = None
        task.note = ""
        row = session.get_one(StepRow, task.step_id)
        row.state, row.error, row.ended_at = StepState.INTENDED, "", None
        post(session, MAIL_DUE, {"task": task.id}, now=now)

    def accept_refusal(self, session: Session, task: TaskRow, *, by: str, reason: str) -> None:
        """Go on without the work: what it would have covered is left, and the person is told `reason`."""
        words = clean_note(reason)
        if TaskState(task.state) is not TaskState.REFUSED:
            raise Conflict(f"The task {task.id} is {task.state}.", remedy="Only a refused one can be gone on without.")
        if not words:
            raise BadInput("Going on without the work needs a reason.", remedy="Say why, in words for the person.")
        self._move(session, task, TaskState.WITHDRAWN, by=by, why=words, kind="accepted")
        self._close_step(session, task, StepState.LEFT, by=by, note=words)

    def attach(self, session: Session, task: TaskRow, evidence: Evidence, *, by: str) -> str:
        """Keep a file of evidence with a task; gives its id. Its hash goes into the ledger's private part."""
        if TaskState(task.state) is TaskState.WITHDRAWN:
            raise Conflict(f"The task {task.id} is withdrawn.", remedy="Nothing is attached to it any more.")
        wanted = sa.select(sa.func.count()).where(EvidenceRow.task_id == task.id)
        if session.execute(wanted).scalar_one() >= MOST_EVIDENCE:
            raise BadInput(
                f"The task {task.id} has {MOST_EVIDENCE} files already.", remedy="Put several files into one archive."
            )
        row = EvidenceRow(
            id=new_id("evd"),
            task_id=task.id,
            name=evidence.name,
            size=len(evidence.content),
            sha256=hashlib.sha256(evidence.content).hexdigest(),
            content=evidence.content,
            at=self._clock.now(),
            by=by,
        )
        session.add(row)
        session.flush()
        facts = {"sha256": row.sha256, "size": row.size}
        self._write(session, task, kind="evidence", before=TaskState(task.state), by=by, facts=facts, refs=[row.id])
        return row.id

    def withdraw(self, session: Session, trigger_ref: str, *, by: str, why: str, keep_plan: str = "") -> list[TaskRow]:
        """End what is still open for a trigger, whoever was asked gets a mail; gives the tasks that it ended."""
        left = [state.value for state in (*OPEN_TASKS, TaskState.REFUSED)]
        wanted = sa.select(TaskRow).where(TaskRow.trigger_ref == trigger_ref, TaskRow.state.in_(left))
        rows = list(session.execute(wanted.where(TaskRow.plan_id != keep_plan).with_for_update()).scalars())
        now = self._clock.now()
        for row in rows:
            was_asked = TaskState(row.state) in OPEN_TASKS and row.mails > 0
            self._move(session, row, TaskState.WITHDRAWN, by=by, why=why)
            row.mail_at = now if was_asked else None
            if was_asked:
                post(session, MAIL_DUE, {"task": row.id}, now=now)
        return rows

    def _answer(self, session: Session, task: TaskRow, state: TaskState, *, by: str, why: str) -> None:
        self._move(session, task, state, by=by, why=why)
        task.answered_at, task.answered_by, task.note, task.mail_at = self._clock.now(), by, why, None

    def _move(
        self, session: Session, task: TaskRow, after: TaskState, *, by: str, why: str = "", kind: str = ""
    ) -> None:
        before = TaskState(task.state)
        if after not in TASK_MOVES[before]:
            allowed = ", ".join(sorted(TASK_MOVES[before])) or "none, it is closed"
            raise Conflict(
                f"The task {task.id} is {before.value} and cannot become {after.value}.",
                remedy=f"Look at it again; from here it can become: {allowed}.",
            )
        task.state = after.value
        self._write(session, task, kind=kind or after.value, before=before, by=by, why=why)

    def _write(
        self,
        session: Session,
        task: TaskRow,
        *,
        kind: str,
        before: TaskState,
        by: str,
        why: str = "",
        facts: dict[str, Any] | None = None,
        refs: Sequence[str] = (),
    ) -> None:
        last = sa.select(sa.func.max(TaskEventRow.position)).where(TaskEventRow.task_id == task.id)
        session.add(
            TaskEventRow(
                id=new_id("tke"),
                task_id=task.id,
                position=(session.execute(last).scalar_one() or 0) + 1,
                at=self._clock.now(),
                kind=kind,
                before=before.value,
                after=task.state,
                by=by,
                why=why,
            )
        )
        session.flush()
        private = {
            "from": before.value,
            "to": task.state,
            "collection": task.collection,
            "asked_for": task.asked_for,
            "why_mark": digest([why]) if why else "",
        }
        named = [task.id, task.step_id, task.plan_id, task.trigger_ref, *refs]
        self._ledger.record(session, kind=f"task.{kind}", actor=by, refs=named, private={**private, **(facts or {})})

    def _close_step(
        self, session: Session, task: TaskRow, state: StepState, *, by: str, note: str = "", error: str = ""
    ) -> None:
        """The step's outcome in the ledger, its row and the event, as for a step that a program did."""
        plan = read_plan(session.get_one(PlanRow, task.plan_id).body)
        step, row, now = plan.step(task.step_id), session.get_one(StepRow, task.step_id), self._clock.now()
        row.state, row.note, row.error, row.ended_at = state, note, error, now
        hashes = sa.select(EvidenceRow.sha256).where(EvidenceRow.task_id == task.id).order_by(EvidenceRow.at)
        facts: dict[str, Any] = {
            "collection": step.collection,
            "deed": StepDeed.ASK.value,
            "asked_for": task.asked_for,
            "plan_digest": plan.digest,
            "state": state.value,
            "answer": f"{task.state} by {'contact' if by == CONTACT else 'operator'}",
            "evidence": list(session.execute(hashes).scalars()),
            "note_mark": digest([task.note]),
        }
        refs = [*step_refs(plan, step), task.id]
        row.outcome = self._ledger.record(session, kind="request.outcome", actor=by, refs=refs, private=facts)
        post(session, "plan.step", {"plan": plan.id, "step": row.id, "state": state.value}, now=now)


def clean_note(words: str) -> str:
    """What somebody wrote, without what no text holds. Raises BadInput where it is too long."""
    said = words.replace("\x00", "").replace("\r\n", "\n").strip()
    if len(said) > LONGEST_NOTE:
        raise BadInput(f"A note has at most {LONGEST_NOTE} characters.", remedy="Write it in fewer words.")
    return said
