"""What only a person can decide about what was found, and taking an approval back: both end in another plan."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from core.errors import BadInput, Conflict
from core.personal import mask
from dsr.desk import Desk, find_ticket
from dsr.parts import RefusedPart
from dsr.states import State
from dsr.tables import TicketRow
from plans.emptied import question_of
from plans.people import Found
from plans.plan import Plan
from plans.questions import Choice, Matter, Question, Ruling, Rulings
from plans.standing import PlanView

__all__ = ["Choice", "Finding", "FoundPanel", "Matter", "Question", "Ruling", "view_found"]
RULINGS: Final = "rulings"  # in a ticket's outcome: what was decided, by the question's id
MATCHED: Final = "matched"  # and what each identifier found by itself
LONGEST_WHY: Final = 2_000
# What is under way or about to be: its approval can be taken back.
_UNDER_WAY: Final = frozenset({State.APPROVED, State.RUNNING, State.PARTLY_DONE})
SAID: Final[Mapping[Choice, str]] = {
    Choice.TAKE: "taken for this person",
    Choice.SKIP: "left out",
    Choice.KEEP: "kept",
    Choice.REDACT: "kept without what leads to the person",
    Choice.DELETE: "deleted with the rest",
    Choice.GIVE: "given in the copy",
    Choice.LEAVE_OUT: "left out of the copy",
    Choice.EMPTY: "rightly empty",
}
_MATTERS: Final[Mapping[Matter, str]] = {
    Matter.IDENTIFIER: "{}",
    Matter.ACCOUNTS: "accounts in {}",
    Matter.SHARED: "shared records of {}",
    Matter.EMPTY: "{}",
    Matter.UNREACHED: "{}",
}


@dataclass(frozen=True, kw_only=True)
class MatchLine:
    """How many records one identifier found by itself in one collection. `value` is masked."""

    kind: str
    value: str
    collection: str
    store: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class StoreLine:
    """What was found in one store: in how many collections, how many records. `rows` None: it did not say."""

    store: str
    collections: int
    rows: int | None


@dataclass(frozen=True, kw_only=True)
class FoundPanel:
    """What was found of a person, by store and by identifier, and what of it has to be decided first."""

    questions: tuple[Question, ...]
    stores: tuple[StoreLine, ...]
    matches: tuple[MatchLine, ...]
    decided: tuple[str, ...]
    can_decide: bool
    can_stop: bool

    @property
    def open(self) -> tuple[Question, ...]:
        """What can be decided; the rest is looked at again."""
        return tuple(one for one in self.questions if one.choices)


class Finding:
    """Decides questions of plans and takes approvals back. `replan` makes a ticket's plan anew."""

    def __init__(self, desk: Desk, replan: Callable[[str, str], object]) -> None:
        self._desk = desk
        self._replan = replan

    def decide(self, ref: str, answers: Mapping[str, Ruling], *, by: str) -> None:
        """Decide questions of a ticket's plan, by their ids, and make the plan anew by that.

        Raises BadInput for what is not asked or not offered, Conflict once the plan is approved."""
        desk = self._desk
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            asked = {one.id: one for one in open_questions(self._planned(ticket))}
            if not answers:
                raise BadInput("Nothing was decided.", remedy="Choose one for each.")
            for name, ruling in answers.items():
                _require_offered(asked.get(name), ruling)
            known = dict(ticket.outcome.get(RULINGS, {}))
            known |= {name: {"choice": one.choice.value, "picked": list(one.picked)} for name, one in answers.items()}
            ticket.outcome = {**ticket.outcome, RULINGS: known}
            for name, ruling in answers.items():
                desk.note_event(session, ticket, "found_decided", by=by, why=_words(asked[name], ruling))
            private = {"choices": {name.rpartition(":")[0]: one.choice.value for name, one in answers.items()}}
            desk.record(session, ticket, "request.found_decided", by=by, private=private)
        self._replan(ref, by)

    def decide_anew(self, ref: str, *, by: str) -> None:
        """Forget what was decided, and look again. Raises Conflict once the plan is approved."""
        desk = self._desk
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            self._planned(ticket)
            ticket.outcome = {name: value for name, value in ticket.outcome.items() if name != RULINGS}
            desk.note_event(session, ticket, "found_anew", by=by)
            desk.record(session, ticket, "request.found_anew", by=by, private={})
        self._replan(ref, by)

    def take_back(self, ref: str, *, by: str, why: str) -> None:
        """Take the approval of a ticket's plan back: a run under way begins no further batch, and what it did stands.

        Raises Conflict where nothing is approved."""
        desk, words = self._desk, why.replace("\x00", "").strip()
        if not words or len(words) > LONGEST_WHY:
            raise BadInput(f"A reason has 1 to {LONGEST_WHY} characters.", remedy="Say why the work has to stop.")
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            if State(ticket.state) not in _UNDER_WAY or ticket.plan_id is None:
                raise Conflict(f"Request {ticket.ref} has no work to stop.", remedy="Look at it again.")
            desk.plans.revoke_in(session, ticket.plan_id, by=by, reason=words)
            desk.move(session, ticket, State.PLANNED, by=by, why=words, kind="taken_back")

    def _planned(self, ticket: TicketRow) -> PlanView:
        if State(ticket.state) is not State.PLANNED or ticket.plan_id is None:
            raise Conflict(
                f"Request {ticket.ref} is {ticket.state.replace('_', ' ')}: what was found is decided on its plan.",
                remedy="Make a plan first.",
            )
        return self._desk.plans.load(ticket.plan_id)


def read_rulings(ticket: TicketRow) -> Rulings:
    """What was decided of a ticket's questions."""
    return {
        name: Ruling(choice=Choice(one["choice"]), picked=tuple(one["picked"]))
        for name, one in ticket.outcome.get(RULINGS, {}).items()
    }


def keep_matches(ticket: TicketRow, found: Found) -> None:
    """Keep with a ticket what each identifier found by itself."""
    ticket.outcome = {
        **ticket.outcome,
        MATCHED: [{**vars(match), "value": mask(match.value)} for match in found.matches],
    }


def without_refused(plan: Plan, parts: Sequence[RefusedPart]) -> Plan:
    """The plan without questions about what is refused: nothing is done there."""
    refused = {name for part in parts for name in part.collections}
    kept = tuple(one for one in plan.questions if one.matter is not Matter.SHARED or one.subject not in refused)
    return replace(plan, questions=kept)


def open_questions(view: PlanView) -> tuple[Question, ...]:
    """What has to be decided, or looked at again, before a plan may be approved or its person told that nothing is held."""
    rows = view.preview.rows if view.preview else ()
    emptied = (question_of(row) for row in rows)
    return (*view.plan.questions, *{one.id: one for one in emptied if one is not None}.values())


def is_sound(view: PlanView) -> bool:
    """Whether every store answered, and nothing has to be decided first."""
    return view.preview is not None and not view.preview.blocked and not open_questions(view)


def require_decided(ticket: TicketRow, view: PlanView) -> None:
    """Refuse to go on while something has to be decided. Names no identifier."""
    asked = open_questions(view)
    if asked:
        about = ", ".join(dict.fromkeys(_MATTERS[one.matter].format(one.subject) for one in asked))
        raise Conflict(f"Request {ticket.ref} has something to decide first: {about}.", remedy="Decide it on its page.")


def view_found(ticket: TicketRow, view: PlanView | None) -> FoundPanel:
    """What the ticket's page shows of what was found."""
    state = State(ticket.state)
    names = [one.value for one in SAID]
    decided = (
        f"{_MATTERS[Matter(name.split(':')[0])].format(name.split(':')[1])}: {SAID[Choice(one['choice'])]}"
        for name, one in ticket.outcome.get(RULINGS, {}).items()
        if one["choice"] in names
    )
    return FoundPanel(
        questions=open_questions(view) if view is not None and state is State.PLANNED else (),
        stores=_by_store(view) if view is not None else (),
        matches=tuple(MatchLine(**one) for one in ticket.outcome.get(MATCHED, ())),
        decided=tuple(dict.fromkeys(decided)),
        can_decide=state is State.PLANNED,
        can_stop=state in _UNDER_WAY and ticket.plan_id is not None,
    )


def _by_store(view: PlanView) -> tuple[StoreLine, ...]:
    counts: dict[str, dict[str, list[int | None]]] = {}
    seen = {row.step: row for row in view.preview.rows} if view.preview else {}
    for step in view.plan.steps:
        row = seen.get(step.id)
        rows = row.extent.rows + row.held if row is not None and row.extent is not None else None
        counts.setdefault(step.store, {}).setdefault(step.collection, []).append(rows)
    for stay, told in zip(view.plan.stays, view.preview.stays if view.preview else (), strict=False):
        if stay.basis != "hold":  # those stand with their step
            counts.setdefault(stay.store, {}).setdefault(stay.collection, []).append(told.rows)
    stores = {step.collection: step.store for step in view.plan.steps}
    for one in view.plan.questions:
        if one.matter is Matter.SHARED and one.subject in stores:  # in no step yet
            counts[stores[one.subject]][one.subject].append(one.rows)
    return tuple(_store_line(store, found) for store, found in sorted(counts.items()))


def _store_line(store: str, found: Mapping[str, Sequence[int | None]]) -> StoreLine:
    rows: list[Any] = [one for each in found.values() for one in each]
    return StoreLine(store=store, collections=len(found), rows=None if None in rows else sum(rows))


def _require_offered(question: Question | None, ruling: Ruling) -> None:
    if question is None:
        raise BadInput("This is not asked any more.", remedy="Look at the request again.")
    if ruling.choice not in question.choices or not set(ruling.picked) <= set(question.options):
        raise BadInput(
            f"'{ruling.choice.value}' is not offered for {question.subject}.",
            remedy=f"Choose from: {', '.join(one.value for one in question.choices) or 'nothing; make the plan again'}.",
        )


def _words(question: Question, ruling: Ruling) -> str:
    some = f", {len(ruling.picked)} of {len(question.options)}" if ruling.picked else ""
    return f"{_MATTERS[question.matter].format(question.subject)}: {SAID[ruling.choice]}{some}"
