"""Erasing again: what is back of whom, whether a machine may decide that, and the deletion once more through a plan."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core.canonical import Json
from core.errors import BadInput, Conflict, KeptError, NotFound, WaitsForPerson
from core.leases import Leases
from core.outbox import Event, post
from core.words import count, plural
from dsr.desk import Desk
from dsr.erasure_judging import Judgement, Judging
from dsr.erasure_looks import BackLine, Look, Looks, OnRead, back_line, settle
from dsr.erasure_tables import BackState, ErasureFindingRow, ErasureLookRow
from dsr.erasures import Erasures
from plans.closing import close_plans
from plans.erased import Again, total_rows
from plans.leasing import hold_lease
from plans.tables import PlanState

log = structlog.get_logger()
AGAIN: Final = "erasure.again"
LEASE: Final = "erasures"
NEVER_TOO_MANY: Final = 10  # records of a collection, whatever share of it they are
LONGEST_WHY: Final = 2_000
OnDone = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What a replay came to. `again`: people erased again; `waits`: those that wait for a person; `too_many`: why all that a
    machine could decide waits too; `failed`: (reference, what went wrong); `dry`: nothing was changed."""

    look: Look
    merged: int
    again: tuple[BackLine, ...]
    waits: tuple[BackLine, ...]
    found: tuple[BackLine, ...]
    failed: tuple[tuple[str, str], ...]
    too_many: str
    dry: bool

    @property
    def is_complete(self) -> bool:
        """Whether all that a machine can decide was done."""
        return not (self.dry or self.too_many or self.failed)


class Replays:
    """Runs deletions again for people who are back. One process at a time."""

    def __init__(self, desk: Desk, erasures: Erasures) -> None:
        self._desk = desk
        self._erasures = erasures
        self.looks = Looks(desk, erasures)
        self._judging = Judging(desk, self.looks)

    def replay(
        self,
        *,
        by: str,
        store: str = "",
        dry: bool = False,
        approve: bool = False,
        reason: str = "",
        on_read: OnRead | None = None,
        on_done: OnDone | None = None,
    ) -> Replayed:
        """Look for erased people in the stores, and run what was approved for them once more. Taken up again after a kill.

        What a machine cannot decide waits for a person, and so does everything where more than the breaker's share of a
        collection would go, until `approve` with a `reason`."""
        if approve and not reason.strip():
            raise BadInput("--approve needs a reason.", remedy="Say why: --reason 'after the restore of 3 May'.")
        with self._alone():
            merged = self._erasures.merge_file()
            look = self.looks.look(store=store, on_read=on_read)
            self._judge()
            too_many = self._too_many()
            if approve and too_many:
                self._record_approval(by, reason, too_many)
                too_many = ""
            before = self._lines()
            again, failed = ((), ()) if dry or too_many else self._run_each(by, reason, on_done)
            left = self._lines()
        waits = tuple(one for one in left if one.state is BackState.DOUBT)
        found = tuple(one for one in before if one.state is BackState.BACK)
        return Replayed(
            look=look,
            merged=merged,
            again=again,
            waits=waits,
            found=found,
            failed=failed,
            too_many=too_many,
            dry=dry,
        )

    def look_at_night(self) -> Look:
        """The look of the night: finds and judges; erases again only where `erasures: {again: true}` says so."""
        with self._alone():
            look = self.looks.look()
            self._judge()
            if self._desk.erasures.again and not self._too_many():
                self._run_each("system", "erasures: again", None)
        return look

    def list_back(self) -> tuple[BackLine, ...]:
        """Everyone of whom something is back, the longest first."""
        return tuple(one for one in self._lines() if one.state is not BackState.SEEN)

    def last_look(self) -> ErasureLookRow | None:
        """The last look at all stores."""
        with self._desk.database.read() as session:
            return self.looks.last(session)

    def erase_again(self, finding: str, *, by: str, why: str) -> None:
        """Decide that what is back of somebody goes again, and schedule it. Raises NotFound, Conflict."""
        with self._desk.database.begin() as session:
            row = self._open(session, finding)
            if not row.rows:
                raise Conflict(
                    f"No plan covers what is back of request {row.ref}.", remedy="Look there by hand, then leave it."
                )
            self._decide(session, row, by, why, "erasure.again_decided")
            post(session, AGAIN, {"finding": row.id}, now=self._desk.clock.now())

    def leave(self, finding: str, *, by: str, why: str) -> None:
        """Decide that what was found is not what was erased: it stays, and is not asked about again. Raises NotFound."""
        if not why.strip():
            raise BadInput("A reason is missing.", remedy="Say how you know that it is not what was erased.")
        with self._desk.database.begin() as session:
            row = self._open(session, finding)
            self._decide(session, row, by, why, "erasure.left")
            settle(row, BackState.LEFT, self._desk.clock.now(), why=row.why)

    def handle_again(self, event: Event) -> None:
        """The outbox's handler for the kind `erasure.again`; what is settled by now is let be."""
        self.run_decided(event.payload["finding"])

    def run_decided(self, finding: str) -> None:
        """Carry out what was decided of a finding, where that is still to be done."""
        with self._alone():
            with self._desk.database.read() as session:
                row = session.get(ErasureFindingRow, finding)
            if row is not None and row.settled_at is None and row.decided_by:
                self._run(row, row.decided_by, row.decided_why or "")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with hold_lease(Leases(self._desk.database, self._desk.clock), self._desk.clock, LEASE):
            yield

    def _lines(self) -> tuple[BackLine, ...]:
        with self._desk.database.read() as session:
            return tuple(back_line(row) for row in self.looks.open_findings(session))

    def _open(self, session: Session, finding: str) -> ErasureFindingRow:
        row = session.get(ErasureFindingRow, finding)
        if row is None or row.settled_at is not None:
            raise NotFound("This is settled, or was never found.", remedy="`kept erasures list` shows what is open.")
        return row

    def _decide(self, session: Session, row: ErasureFindingRow, by: str, why: str, kind: str) -> None:
        words = why.replace("\x00", "").strip()
        if len(words) > LONGEST_WHY:
            raise BadInput(f"A reason has at most {LONGEST_WHY} characters.", remedy="Say it in fewer words.")
        row.decided_by, row.decided_why = by, words
        private: dict[str, Json] = {"why_mark": self._desk.mark(words), "rows": dict(back_line(row).rows)}
        self._desk.ledger.record(session, kind=kind, actor=by, refs=[f"ticket:{row.ref}", row.id], private=private)

    def _judge(self) -> None:
        """Look again at everything open: what was back may be gone, what was down may answer."""
        with self._desk.database.read() as session:
            rows = self.looks.open_findings(session)
        for row in rows:
            if row.plan_id is not None:
                continue  # its plan is under way
            judged = self._judging.judge(row)
            with self._desk.database.begin() as session:
                self._keep(session.get_one(ErasureFindingRow, row.id), session, judged)

    def _keep(self, row: ErasureFindingRow, session: Session, judged: Judgement) -> None:
        if judged.state is BackState.NOTHING:
            session.delete(row)
            return
        row.state, row.why = judged.state.value, judged.why
        row.rows = [list(one) for one in judged.rows.items()]

    def _too_many(self) -> str:
        """In words, where more would go than may without a person."""
        rows: dict[str, int] = {}
        for line in self._lines():
            for name, number in line.rows.items() if line.state is BackState.BACK else ():
                rows[name] = rows.get(name, 0) + number
        share = self._desk.erasures.breaker
        said = []
        for name, number in rows.items():
            if number <= NEVER_TOO_MANY:
                continue
            total = total_rows(self._desk.plans.datamap, name)
            if number > share * total:
                said.append(f"{count(number)} of {count(total)} records of {name}")
        return f"{'; '.join(said)} would go, more than {share:.0%} without a person." if said else ""

    def _record_approval(self, by: str, reason: str, too_many: str) -> None:
        with self._desk.database.begin() as session:
            private = {"reason": reason, "says": too_many}
            self._desk.ledger.record(session, kind="erasure.replay_approved", actor=by, refs=[LEASE], private=private)

    def _run_each(
        self, by: str, reason: str, on_done: OnDone | None
    ) -> tuple[tuple[BackLine, ...], tuple[tuple[str, str], ...]]:
        with self._desk.database.read() as session:
            rows = [row for row in self.looks.open_findings(session) if row.state == BackState.BACK]
        again, failed = list[BackLine](), list[tuple[str, str]]()
        for number, row in enumerate(rows, start=1):
            try:
                self._run(row, by, reason)
            except KeptError as error:
                failed.append((row.ref, error.message))
            else:
                again.append(back_line(row))
            if on_done:
                on_done("erasing again", number, len(rows))
        return tuple(again), tuple(failed)

    def _run(self, row: ErasureFindingRow, by: str, reason: str) -> None:
        """One person: the plan stored and approved with the finding, run, and closed in one transaction with its entry."""
        plan_id = row.plan_id or self._store_plan(row, by, reason)
        result = self._desk.plans.run(plan_id, actor=by)
        if result.state is not PlanState.DONE:
            words = "; ".join(step.error for step in result.steps if step.error) or "not done yet"
            raise WaitsForPerson(f"What is back of request {row.ref} is not gone: {words}", remedy="Replay again.")
        now = self._desk.clock.now()
        rows = {step.collection: step.rows for step in result.steps if step.rows}
        with self._desk.database.begin() as session:
            kept = session.get_one(ErasureFindingRow, row.id)
            settle(kept, BackState.AGAIN, now)
            kept.rows = [list(one) for one in rows.items()]
            close_plans(session, _trigger(row.ref), now)
            refs = [f"ticket:{row.ref}", plan_id, row.id]
            self._desk.ledger.record(session, kind="erasure.replayed", actor=by, refs=refs, private={"rows": rows})
        log.info("erasure.replayed", ref=row.ref, plan=plan_id, rows=sum(rows.values()))

    def _store_plan(self, row: ErasureFindingRow, by: str, reason: str) -> str:
        again: Again | None = self._judging.draft(row, trigger=_trigger(row.ref))
        if again is None or not again.plan.steps:
            raise NotFound(f"Nothing that a plan covers is back of request {row.ref}.", remedy="Look again.")
        if again.preview.blocked:
            raise WaitsForPerson("; ".join(again.preview.blocked), remedy="Look again once the store answers.")
        plans = self._desk.plans
        with self._desk.database.begin() as session:
            plans.add(session, again.plan, preview=again.preview)
            words = reason or "the erasure was approved with its request"
            plans.approve_in(session, again.plan.id, by=by, reason=f"{words}; again for request {row.ref}")
            session.get_one(ErasureFindingRow, row.id).plan_id = again.plan.id
        return again.plan.id


def _trigger(ref: str) -> str:
    return f"erasure:{ref}"


def say_back(lines: Sequence[BackLine]) -> str:
    """What is back, in a sentence."""
    total = sum(line.total for line in lines)
    return f"{plural(len(lines), 'person is', 'people are')} back, {plural(total, 'record', 'records')}."


def count_back(session: Session) -> int:
    """Of how many people something that was erased is there again."""
    states = [BackState.BACK.value, BackState.DOUBT.value]
    wanted = sa.select(sa.func.count()).where(
        ErasureFindingRow.settled_at.is_(None), ErasureFindingRow.state.in_(states)
    )
    return int(session.execute(wanted).scalar_one())


def since_of(session: Session) -> datetime | None:
    """Since when the oldest open finding is known."""
    wanted = sa.select(sa.func.min(ErasureFindingRow.found_at)).where(ErasureFindingRow.settled_at.is_(None))
    return session.execute(wanted).scalar_one()
