"""From an approved plan to the answer: the copy, the deletion read back, the refusal, and that nothing was found."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.orm import Session

from core.catalogue import SOURCE
from core.clock import day_in
from core.errors import BadInput, Conflict, KeptError, NotFound, WaitsForPerson
from core.leases import Leases
from core.outbox import Event
from core.words import long_day, size
from dsr.answer_drafts import AnswerDrafts
from dsr.answer_words import MAILS, Kind
from dsr.certificates import Certificates
from dsr.choices import why_never_refused
from dsr.correcting import corrected
from dsr.desk import SYSTEM, Desk, find_ticket
from dsr.erasures import Erasures
from dsr.grounds import find_ground
from dsr.outcome_lines import (
    Line,
    Reader,
    asked_for_copies,
    asked_to_delete,
    beyond_line,
    count_gone,
    gap_lines,
    gone_on_without,
    left_lines,
    stay_line,
    title_of,
)
from dsr.package import Packages
from dsr.parts import end_of, read_parts, refused_lines, without_refused
from dsr.planning import holds_nothing, stays_in
from dsr.proof_standing import require_may_ask, require_shown
from dsr.redactions import UndecidedFindings
from dsr.retries import give_up, schedule_later, so_far
from dsr.run_ends import NotDone, NotYet, OpenWork, require_by_hand, require_through
from dsr.stands import LATER, TEXTS, WAITS
from dsr.states import ENDS, State, require_move
from dsr.tables import TicketRow
from dsr.telling_plans import begin as begin_telling
from dsr.telling_plans import plans_of
from plans.build_request import READ_RIGHTS
from plans.execute import Progress
from plans.leasing import hold_lease
from plans.plan import StepDeed
from plans.standing import PlanView, StepResult
from plans.tables import PlanState
from policies.clauses import Right

log = structlog.get_logger()
LONGEST_ANSWER = 10_000


class Answering:
    """Carries out what is approved and tells the person."""

    def __init__(self, desk: Desk, packages: Packages) -> None:
        self._desk = desk
        self._packages = packages
        self._texts = AnswerDrafts(desk)
        self._certificates = Certificates(desk)
        self._erasures = Erasures(desk)

    def run(self, ref: str, *, by: str = SYSTEM, on_progress: Progress | None = None) -> State:
        """Carry out an approved request, or what is left of it, and answer. Run again after a crash it goes on.

        Raises NotDone when a step failed (the ticket is then partly done and says which), WaitsForPerson when the
        approval has lapsed (the ticket is then planned), Conflict while another process is at it.
        """
        desk = self._desk
        with desk.database.read() as session:
            name = f"request:{find_ticket(session, ref).ref}"
        with hold_lease(Leases(desk.database, desk.clock), desk.clock, name):
            return self._carry_out(ref, by, on_progress)

    def _carry_out(self, ref: str, by: str, on_progress: Progress | None) -> State:
        ticket = self._begin(ref, by)
        right = Right(ticket.right)
        work: Callable[[TicketRow, str, Progress | None], None] = (
            self._copy if right in READ_RIGHTS else self._correct if right is Right.CORRECTION else self._delete
        )
        try:
            self._require_shown(ref)
            work(ticket, by, on_progress)
        except WaitsForPerson as lapsed:
            self._give_back(ref, State.PLANNED, str(lapsed))
            raise
        except Conflict:
            raise
        except OpenWork as waits:  # nothing to try again: the answer to the last task takes it up
            self._give_back(ref, State.PARTLY_DONE, waits.message, kind=WAITS)
            return State.PARTLY_DONE
        except NotYet as waits:  # no try that failed: it goes on at its moment
            self._give_back(ref, State.PARTLY_DONE, waits.message, kind=LATER, goes_on_at=waits.at)
            return self._state(ref)
        except UndecidedFindings as waits:  # nor here: the operator's decision takes it up
            self._give_back(ref, State.PARTLY_DONE, waits.message, kind=TEXTS)
            return State.PARTLY_DONE
        except KeptError as error:
            self._give_back(ref, State.PARTLY_DONE, str(error))
            if self._state(ref) is State.PLANNED:  # its approval was taken back meanwhile: nothing is tried again
                return State.PLANNED
            raise NotDone(
                f"Request {ticket.ref} is partly done: {error.message}", remedy="It is tried again by itself."
            ) from error
        return self._state(ref)

    def _state(self, ref: str) -> State:
        with self._desk.database.read() as session:
            return State(find_ticket(session, ref).state)

    def handle_run(self, event: Event) -> None:
        """The outbox's handler for the kind `request.run`; a ticket that is closed or needs a person is let be."""
        ref = str(event.payload["ref"])
        with self._desk.database.read() as session:
            state = State(find_ticket(session, ref).state)
        if state in ENDS or state in (State.RECEIVED, State.PLANNED):
            return
        try:
            self.run(ref)
        except WaitsForPerson as waits:
            log.info("request.waits", ref=ref, reason=waits.message)
        except NotDone:
            if not give_up(self._desk, ref):
                raise  # the outbox tries again, later each time

    def refuse(self, ref: str, *, by: str, ground: str, reason: str) -> None:
        """Refuse with a ground of the regime and the operator's own words; the person is told both, and where to complain."""
        words = reason.strip()
        if not words:
            raise BadInput("A refusal needs a reason.", remedy="Say in a sentence why, in words for the person.")
        desk = self._desk
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            if never := why_never_refused(session, ticket):
                raise Conflict(never, remedy="Look at its page for what can be done.")
            document = desk.document(session, ticket)
            regimes = [ticket.regime] if ticket.regime else list(document.regimes)
            found = find_ground(ground, regimes, Right(ticket.right))
            ticket.outcome = {**ticket.outcome, "ground": found.id, "cite": found.cite}
            desk.move(session, ticket, State.REFUSED, by=by, why=found.sentence(SOURCE))
            desk.write(session, ticket, direction="note", author=by, body=words)
            rule = found.sentence(ticket.language)
            self._answer(session, ticket, Kind.REFUSED, {"rule": rule}, reason=words, ground=rule)

    def answer_by_hand(self, ref: str, *, by: str, words: str) -> None:
        """Answer a right that no plan carries out, once somebody did it: the person gets the operator's words by mail
        and on their page. Raises Conflict before the address is shown, and for what a plan carries out."""
        said = words.replace("\x00", "").replace("\r\n", "\n").strip()
        if not said or len(said) > LONGEST_ANSWER:
            raise BadInput(
                f"An answer has 1 to {LONGEST_ANSWER} characters.", remedy="Say what was done, in words for the person."
            )
        desk = self._desk
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            require_by_hand(ticket)
            require_may_ask(desk, session, ticket)
            parts = read_parts(desk, session, ticket)
            refused = refused_lines(parts, (), ticket.language)
            ticket.outcome = {**ticket.outcome, "by_hand": said, "refused": refused}
            desk.move(session, ticket, end_of(parts), by=by)
            desk.record(session, ticket, "request.answered_by_hand", by=by, private={"words_mark": desk.mark(said)})
            self._answer(session, ticket, Kind.BY_HAND, {}, words=said)

    def answer_nothing_found(self, ref: str, *, by: str, looked_by_hand: str = "") -> None:
        """Answer that nothing is held: only after proof and a plan that looked everywhere and found nothing.

        Where the plan has gaps, `looked_by_hand` says who looked there and what they found.
        """
        desk = self._desk
        with desk.database.read() as session:
            ticket = find_ticket(session, ref)
        require_move(ticket.ref, State(ticket.state), State.NOTHING_FOUND)
        view = self._looked(ticket)
        if view.plan.gaps and not looked_by_hand.strip():
            names = "; ".join(gap.what for gap in view.plan.gaps)
            raise Conflict(
                f"No program could look into {names}.", remedy="Look there by hand and write what you found."
            )
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            require_may_ask(desk, session, ticket)
            if ticket.plan_id != view.plan.id:
                raise Conflict(f"Request {ticket.ref} has a new plan.", remedy="Look at it first.")
            desk.move(session, ticket, State.NOTHING_FOUND, by=by, why=looked_by_hand.strip())
            self._answer(session, ticket, Kind.NOTHING_FOUND, {})

    def _begin(self, ref: str, by: str) -> TicketRow:
        with self._desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            if State(ticket.state) is not State.RUNNING:
                self._desk.move(session, ticket, State.RUNNING, by=by)
            return ticket

    def _require_shown(self, ref: str) -> None:
        # Since the approval the regime may ask for more, or a former address may have stopped it.
        with self._desk.database.read() as session:
            require_shown(self._desk, session, find_ticket(session, ref))

    def _give_back(
        self, ref: str, state: State, why: str, *, kind: str = "state", goes_on_at: datetime | None = None
    ) -> None:
        with self._desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            if State(ticket.state) is not State.RUNNING:
                return
            if state is State.PARTLY_DONE and Right(ticket.right) not in READ_RIGHTS:
                ticket.outcome = {**ticket.outcome, "so_far": so_far(self._view(ticket))}
            self._desk.move(session, ticket, state, by=SYSTEM, why=why, kind=kind)
            if goes_on_at is not None:
                schedule_later(session, ticket, goes_on_at, now=self._desk.clock.now())

    def _copy(self, ticket: TicketRow, by: str, on_progress: Progress | None) -> None:
        desk, view = self._desk, self._view(ticket)
        with desk.database.read() as session:
            document, reader = desk.document(session, ticket), self._reader(session, ticket)
        if any(step.deed is StepDeed.ASK for step in view.plan.steps):
            asked = desk.plans.run(view.plan.id, actor=by, on_progress=on_progress)
            require_through(view.plan, asked, PlanState.DONE, PlanState.PLANNED)
            view = self._view(ticket)
        stays = stays_in(view.preview) if view.preview else ()
        beyond = [beyond_line(stay, reader) for stay in without_refused(stays)]
        beyond += [*asked_for_copies(view, reader), *gone_on_without(view)]
        refused = self._refused(ticket, stays)
        made = self._packages.make(
            ticket, document, view.plan.gaps, left_out=[*refused, *beyond], actor=by, on_progress=on_progress
        )
        beyond += [dict(line) for line in made.taken_out]
        rows = {one.collection: one.rows for one in made.held}
        with desk.database.begin() as session:
            session.add(made.row)
            ticket = self._running(session, ticket.ref)
            gaps = gap_lines(view.plan.gaps, reader)
            outcome = {"rows": rows, "gaps": gaps, "kept": [*beyond, *gaps], "package": made.row.id}
            self._close(session, ticket, {**outcome, "refused": refused}, by)
            zone = document.controller.timezone
            expires = long_day(day_in(made.row.expires_at, zone), ticket.language)
            self._answer(session, ticket, Kind.COPY, {"size": size(made.row.size, ticket.language)}, expires=expires)

    def _delete(self, ticket: TicketRow, by: str, on_progress: Progress | None) -> None:
        desk, view = self._desk, self._view(ticket)
        self._erasures.begin_plan(ticket, view.plan)
        result = desk.plans.run(view.plan.id, actor=by, on_progress=on_progress)
        self._erasures.note_run(ticket, view.plan, result)
        require_through(view.plan, result, PlanState.DONE)
        with desk.database.read() as session:
            reader = self._reader(session, ticket)
        # As they were counted for the approval: once the account is gone, what stays cannot be found through it.
        stays = stays_in(view.preview) if view.preview else ()
        refused = self._refused(ticket, stays)
        stays = tuple(one for one in without_refused(stays) if one["basis"] != "hold")
        kept = [*left_lines(result.steps, reader), *(stay_line(one, reader) for one in stays)]
        view = self._view(ticket)
        kept += [*gone_on_without(view), *gap_lines(view.plan.gaps, reader)]
        asked = asked_to_delete(view, reader)
        with desk.database.begin() as session:
            ticket = self._running(session, ticket.ref)
            rows = self._deleted(ticket, result.steps)
            self._close(session, ticket, {"rows": rows, "kept": kept, "asked": asked, "refused": refused}, by)
            zone = desk.document(session, ticket).controller.timezone
            self._certificates.schedule(session, ticket)
            done_on = long_day(day_in(desk.clock.now(), zone), ticket.language)
            self._answer(
                session,
                ticket,
                Kind.DELETED,
                {"day": done_on},
                items=[{"title": title_of(name), "count": count} for name, count in rows.items() if count],
                asked=asked,
                kept_back=kept,
            )

    def _correct(self, ticket: TicketRow, by: str, on_progress: Progress | None) -> None:
        desk, plan = self._desk, self._view(ticket).plan
        result = desk.plans.run(plan.id, actor=by, on_progress=on_progress)
        require_through(plan, result, PlanState.DONE)
        view = self._view(ticket)
        with desk.database.read() as session:
            reader = self._reader(session, ticket)
        refused = self._refused(ticket, stays_in(view.preview) if view.preview else ())
        with desk.database.begin() as session:
            ticket = self._running(session, ticket.ref)
            rows = self._deleted(ticket, result.steps)
            outcome = corrected(desk, session, ticket, view, steps=result.steps, rows=rows, reader=reader)
            self._close(session, ticket, {**outcome, "refused": refused}, by)
            zone = desk.document(session, ticket).controller.timezone
            self._answer(
                session,
                ticket,
                Kind.CORRECTED,
                {"day": long_day(day_in(desk.clock.now(), zone), ticket.language)},
                items=outcome["corrected"],
                asked=outcome["asked"],
                kept_back=outcome["kept"],
            )

    def _deleted(self, ticket: TicketRow, steps: tuple[StepResult, ...]) -> dict[str, int]:
        """Records deleted, or put right, in each collection, by this plan and by those that failed before it."""
        rows: dict[str, int] = {}
        views = {one: self._desk.plans.load(one) for one in (*ticket.outcome.get("plans", []), ticket.plan_id) if one}
        # What leads to the person went from these; the records themselves stay, and the answer says so among those.
        stay = {step.id for view in views.values() for step in view.plan.steps if step.deed is StepDeed.ANONYMISE}
        earlier = [view.steps for one, view in views.items() if one != ticket.plan_id]
        for step in (one for steps_of in (*earlier, steps) for one in steps_of if one.step_id not in stay):
            rows[step.collection] = rows.get(step.collection, 0) + count_gone(step)
        return rows

    def _running(self, session: Session, ref: str) -> TicketRow:
        ticket = find_ticket(session, ref, lock=True)
        require_move(ticket.ref, State(ticket.state), State.ANSWERED)
        return ticket

    def _close(self, session: Session, ticket: TicketRow, outcome: Mapping[str, Any], by: str) -> None:
        known = {name: value for name, value in ticket.outcome.items() if name != "so_far"}
        ticket.outcome = {**known, **outcome}
        begin_telling(self._desk, session, ticket, plans_of(self._desk, ticket), by=by)
        self._desk.move(session, ticket, end_of(read_parts(self._desk, session, ticket)), by=by)
        self._desk.record(session, ticket, "request.outcome_told", by=by, private=dict(outcome))

    def _refused(self, ticket: TicketRow, stays: Iterable[Mapping[str, Any]]) -> list[Line]:
        with self._desk.database.read() as session:
            return refused_lines(read_parts(self._desk, session, ticket), stays, ticket.language)

    def _view(self, ticket: TicketRow) -> PlanView:
        if ticket.plan_id is None:
            raise NotFound(f"Request {ticket.ref} has no plan.", remedy="Make one first.")
        return self._desk.plans.load(ticket.plan_id)

    def _looked(self, ticket: TicketRow) -> PlanView:
        view = self._view(ticket) if ticket.plan_id else None
        if view is None or ticket.identity_at is None:
            raise Conflict(f"Nobody has looked for request {ticket.ref} yet.", remedy="Make the plan first.")
        if not holds_nothing(view):
            raise Conflict(
                f"Something was found for request {ticket.ref}, or a store did not answer.", remedy="Look at its plan."
            )
        return view

    def _answer(self, session: Session, ticket: TicketRow, kind: Kind, facts: Mapping[str, str], **given: Any) -> None:
        """Queue the mail of an answer. `facts`: what stands within its text; `given`: what its other parts show."""
        refused = ticket.outcome.get("refused", [])
        variables = {**self._texts.variables(session, ticket, kind, facts), "refused": refused}
        self._desk.mail(session, ticket, MAILS[kind], **{**variables, **given})

    def _reader(self, session: Session, ticket: TicketRow) -> Reader:
        desk = self._desk
        return Reader(
            language=ticket.language,
            document=desk.document(session, ticket),
            translated=desk.words_of(session, ticket),
        )
