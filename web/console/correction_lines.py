"""What the page of a request for correction shows beside the rest: what is decided, and the one thing to do next."""

from __future__ import annotations

from core.words import plural
from dsr.correction_views import CorrectionView
from dsr.views import PlanPanel, TicketView
from policies.clauses import Right
from web.console.ticket_lines import Heading, heading
from web.services import services


def correction_of(view: TicketView) -> CorrectionView | None:
    """What should be put right; None for another right."""
    return services().requests.corrections.view(view.ref) if view.line.right is Right.CORRECTION else None


def next_of(view: TicketView, correction: CorrectionView | None) -> Heading | None:
    """The one thing that the page asks for."""
    base = heading(view)
    if correction is None or base is None or base.act not in ("plan", "approve"):
        return base
    if not correction.lines:
        text = "The person says it field by field on their page, or you write down what their letter says."
        return Heading(title="Nothing is named yet that should be put right", text=text)
    if correction.undecided:
        things = plural(correction.undecided, "thing", "things")
        text = "Say where each stands, or decline it with its ground. Then the plan shows what is there now."
        return Heading(title=f"Decide about {things} to put right", text=text)
    if not any(one.place for one in correction.lines):
        return Heading(title="All of it is declined", text="Refuse the request, with its ground. The person gets both.")
    if view.plan is not None and correction.stale:
        text = "The plan was made before the last decision. Nothing is changed by looking."
        return Heading(
            title="What should be put right has changed",
            text=text,
            act="plan",
            word="Make the plan again",
            icon="search",
        )
    if base.act == "approve" and view.plan is not None:
        return _approval(view.plan)
    return base


def _approval(plan: PlanPanel) -> Heading:
    total = plural(plan.total, "record", "records")
    asked = dict.fromkeys(step.store for step in plan.steps if step.deed == "ask")
    who = f"ask {', '.join(asked)}" if asked else ""
    text = "Each step is read back. The person is told what was put right, where, and what was not."
    if plan.total:
        also = f", {who}" if who else ""
        return Heading(
            title=f"Approve the correction: {total}{also}",
            text=text,
            act="approve",
            word=f"Approve: correct {total}{also}",
        )
    if who:
        return Heading(title=f"Approve the plan: {who}", text=text, act="approve", word=f"Approve: {who}")
    if any(step.deed == "correct" for step in plan.steps):
        title, text = "All of it is right already", "Nothing is written. The person is told where it says so."
        return Heading(title=title, text=text, act="approve", word="Approve: tell that it is right")
    text = "The person is told what was not put right, and why. You can change the words of the answer first."
    return Heading(title="No program can put it right", text=text, act="approve", word="Approve: tell what stays")
