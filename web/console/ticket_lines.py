"""What the page of a request shows, put into lines: values in, values out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale

from core.clock import day_in
from core.words import count, plural, short_day
from dsr.asker_tables import PAPERS
from dsr.attachments import FileView
from dsr.bounced import LATE, LOST
from dsr.how import HOW
from dsr.messages import BY_MAIL, BY_OTHER, IN, REPLY, MessageView
from dsr.stands import LATER, Stand
from dsr.states import DONE, ENDS, State
from dsr.tasks import TaskState
from dsr.views import Act, PlanPanel, StepLine, TicketView, TimelineLine
from dsr.words import RIGHT_NAMES
from policies.regimes import all_regimes
from web.console.found_lines import decide_first
from web.console.ticket_words import (
    ASK_LOOKS,
    DEEDS,
    ENTRIES,
    FIRST,
    HAPPENED,
    IN_WORDS,
    MAILS,
    MOVED,
    STEP_LOOKS,
    WHILE,
    WRITTEN,
    say_lost,
)
from web.person.path import tell


@dataclass(frozen=True, kw_only=True)
class Heading:
    """The one thing that the page asks for. `act` names the form; '' where nothing is to be done."""

    title: str
    text: str
    act: str = ""
    word: str = ""
    icon: str = "check"


@dataclass(frozen=True, kw_only=True)
class Talk:
    """One line of what happened. `kind`: theirs, ours, note or event; `look` is for events."""

    kind: str
    at: datetime
    text: str
    name: str = ""
    about: str = ""
    look: str = "plain"
    files: Sequence[FileView] = ()


def heading(view: TicketView) -> Heading | None:
    """What to do next, with the size of it in the button's word; None once the request is closed or runs."""
    acts, plan = view.acts, view.plan
    if view.state in ENDS or view.state in (State.APPROVED, State.RUNNING, State.UNCONFIRMED):
        return None
    if view.state is State.PARTLY_DONE and (waits := _waits_for_people(view)):
        return waits
    if view.state is State.PARTLY_DONE:
        return _partly_done(view)
    if view.proof.standing.may_ask and view.identity_at is None:
        return Heading(title="Waits until it is shown that they may ask", text=view.proof.standing.may_ask)
    if Act.ASK_AGAIN in acts:
        text = "A mail with a link went there. Nothing is looked for before its button is pressed."
        return Heading(
            title="Waits for the person to prove the address",
            text=text,
            act="ask_again",
            word="Send the link again",
            icon="mail",
        )
    if plan is None:
        return _first(view)
    if view.found.questions:
        title, text = decide_first(view.found.questions)
        return Heading(
            title=title, text=text, act="plan" if not view.found.open else "", word="Look again", icon="search"
        )
    if plan.blocked:
        return Heading(
            title="A store did not answer", text=" ".join(plan.blocked), act="plan", word="Look again", icon="search"
        )
    if done := sum(one.done for one in plan.steps):
        text = f"{plural(done, 'record is', 'records are')} done already, so the counts are no longer right."
        return Heading(title="Look again at what is left", text=text, act="plan", word="Look again", icon="search")
    if view.proof.missing and not plan.nothing_found:
        return Heading(title="Waits for proof", text=view.proof.missing)
    if plan.nothing_found:
        text = "No store holds anything under the proven address."
        return Heading(title="Nothing was found", text=text, act="nothing_found", word="Answer: nothing found")
    return _approval(plan, is_copy=view.is_copy)


def _failed(view: TicketView) -> Heading:
    """What failed is tried again by itself, so many times and longer apart; then an operator has to look."""
    tries = plural(view.trying.tries, "time", "times") if view.trying else ""
    title, when = "A step failed, the rest is done", "It is tried again by itself"
    if view.trying and view.trying.next_at:
        at = view.trying.next_at.astimezone(ZoneInfo(view.zone))
        when = f"It failed {tries} and is tried again on {short_day(at.date(), at.date())} at {at:%H:%M}"
    elif view.trying:
        title, when = "A step keeps failing, and waits for you", f"It failed {tries} and is not tried again by itself"
    text = f"{when}. Put right what is named in the plan, or make a new plan and approve that."
    return Heading(title=title, text=text, act="retry", word="Try again now", icon="undo")


def _partly_done(view: TicketView) -> Heading:
    if view.line.stand is Stand.TIME:
        return _later(view)
    if view.line.stand in (Stand.GOING, Stand.PEOPLE):  # the last answer is in, or somebody had it tried again
        return Heading(
            title="Goes on within a minute", text="Nothing is left to decide. This page shows how far it is."
        )
    return _failed(view)


def _later(view: TicketView) -> Heading:
    """What is left can be done at a known moment; nobody has to do anything before."""
    steps = view.plan.steps if view.plan else ()
    names = ", ".join(dict.fromkeys(one.collection for one in steps if one.state == LATER))
    when = ""
    if view.trying and view.trying.next_at:
        at = view.trying.next_at.astimezone(ZoneInfo(view.zone))
        when = f" on {short_day(at.date(), at.date())} at {at:%H:%M}"
    text = f"A file that is written today is changed once its day is over. It goes on by itself{when}; nothing failed."
    return Heading(title=f"Waits for its time: {names}", text=text)


def _first(view: TicketView) -> Heading:
    if Act.MAKE_PLAN in view.acts:
        text = "Every store is asked for the proven address. Nothing is changed by looking."
        return Heading(title="Look where their data is", text=text, act="plan", word="Make the plan", icon="search")
    title, text = FIRST[HOW[view.line.right].way]
    return Heading(title=title.format(RIGHT_NAMES[view.line.right]), text=text)


def _waits_for_people(view: TicketView) -> Heading | None:
    """What a request waits for when all that is left of it is work by hand; None where a program has work left too."""
    steps = view.plan.steps if view.plan else ()
    if any(one.state in ("failed", "waiting", LATER) for one in steps if one.deed != "ask"):
        return None
    refused = [one for one in view.tasks if one.state is TaskState.REFUSED]
    waiting = [one for one in view.tasks if one.is_open]
    if refused:
        names = ", ".join(f"{one.collection} in {one.store}" for one in refused)
        text = "Look at the task: ask again, confirm it once it is done in another way, or go on without it."
        return Heading(title=f"Refused, so you decide: {names}", text=text)
    if waiting:
        names = ", ".join(f"{one.collection} in {one.store}" for one in waiting)
        text = "Reminders go out by themselves. With the last answer the work goes on."
        return Heading(title=f"Waits for {plural(len(waiting), 'answer', 'answers')}: {names}", text=text)
    return None


def _approval(plan: PlanPanel, *, is_copy: bool) -> Heading:
    if asked := list(dict.fromkeys(step.store for step in plan.steps if step.deed == "ask")):
        return _approval_to_ask(plan, asked, is_copy=is_copy)
    stay = f"{count(plan.staying)} stay{'s' if plan.staying == 1 else ''}" if plan.staying else ""
    total = plural(plan.total, "record", "records")
    if is_copy and not plan.steps:
        title, word = "Nothing falls under this right", "Approve: tell what is left out"
        text = "The person gets a letter that says what is left out and why."
    elif is_copy:
        left = f", {count(plan.staying)} left out" if plan.staying else ""
        title, word = f"Approve the copy: {total}{left}", f"Approve: export {total}"
        text = "They go into a package that the person opens with a code. Nothing is changed in the stores."
    elif plan.total:
        verb = "goes" if plan.total == 1 else "go"
        title, word = f"Approve the plan: {total} {verb}{f', {stay}' if stay else ''}", f"Approve: delete {total}"
        text = "It cannot be undone. Each step is read back, and the person is told what is left and why."
    else:
        title, word = f"Nothing can go, {stay or 'some of it stays'}", "Approve: tell what stays"
        text = "The person is told what stays and why."
    return Heading(title=title, text=text, act="approve", word=word)


def _approval_to_ask(plan: PlanPanel, asked: Sequence[str], *, is_copy: bool) -> Heading:
    """The approval of a plan that also asks people; they get a mail when the work begins."""
    who = f"ask {', '.join(asked)}"
    total = plural(plan.total, "record", "records")
    text = "They get a mail with a link, and are reminded until they answer. The request stays open until then."
    if not plan.total:
        return Heading(title=f"Approve the plan: {who}", text=text, act="approve", word=f"Approve: {who}")
    deed = "export" if is_copy else "delete"
    title = f"Approve the plan: {deed} {total}, {who}"
    text = text if is_copy else f"What is deleted cannot come back. {text}"
    return Heading(title=title, text=text, act="approve", word=f"Approve: {deed} {total}, {who}")


def talk_lines(view: TicketView, names: Mapping[str, str]) -> list[Talk]:
    """What happened, the earliest first: their words, our mails, notes and events."""
    lines = [_happened(one, view, names) for one in view.timeline if one.kind not in WRITTEN]
    for message in view.messages:
        if message.direction == PAPERS:  # they stand where it says who asks
            continue
        if message.direction == "note":
            name = names.get(message.author, "an operator")
            lines.append(Talk(kind="note", at=message.at, text=message.body, name=name, about="only we see this"))
        elif message.direction in (IN, REPLY):
            lines.append(_written(message, view, names))
        else:
            text = MAILS.get(message.body, f"Mail {message.body}")
            lines.append(Talk(kind="mail", at=message.at, text=text, look="plain"))
            if message.body in IN_WORDS:
                lines.append(_answer(view, message.at, names))
    if view.details:
        at = view.line.received_at
        lines.append(
            Talk(kind="theirs", at=at, text=view.details, name=view.line.contact.reveal(), about="in the form")
        )
    order = {"theirs": 0, "ours": 0, "event": 1, "mail": 2, "note": 3}
    return sorted(lines, key=lambda one: (one.at, order[one.kind]))


def _written(one: MessageView, view: TicketView, names: Mapping[str, str]) -> Talk:
    """What stands on the person's page: theirs says what was at work meanwhile, and whether it waits for an answer."""
    if one.direction == REPLY:
        name = names.get(one.author, "an operator")
        return Talk(kind="ours", at=one.at, text=one.body, name=name, about="on their page", files=one.files)
    way = "by mail" if one.author in (BY_MAIL, BY_OTHER) else "on their page"
    about = f"{way}{WHILE.get(one.during, '')}" if one.during else way
    contact = view.line.contact.reveal() or "a forgotten address"
    name = "somebody else, not the proven contact" if one.author == BY_OTHER else contact
    return Talk(kind="theirs", at=one.at, text=one.body, name=name, about=about, files=one.files)


def _answer(view: TicketView, at: datetime, names: Mapping[str, str]) -> Talk:
    by = next((one.by for one in view.timeline if one.after in DONE), "")
    words, name = str(view.outcome.get("by_hand", "")), names.get(by, "an operator")
    return Talk(
        kind="ours", at=at, text=words, name=name, about=f"to {view.line.contact.reveal() or 'a forgotten address'}"
    )


def _happened(one: TimelineLine, view: TicketView, names: Mapping[str, str]) -> Talk:
    who = names.get(one.by, "")
    by = f" by {who}" if who else ""
    if one.kind == "opened":
        text = "Asked with the form" if one.by == "person" else f"Opened{by}"
        return Talk(kind="event", at=one.at, text=f"{text}: {view.right_words}", look="new")
    if one.kind == "identity":
        contact = view.line.contact.reveal()
        text = f"Showed control of {contact}" if contact else f"Shown who they are: {one.why}"
        return Talk(kind="event", at=one.at, text=text, look="kept")
    if one.kind == "regime":
        return Talk(kind="event", at=one.at, text=f"Put under another law{by}: {_regimes(one.why)}", look="now")
    if one.kind == "assigned":
        return Talk(kind="event", at=one.at, text=f"Given to {names.get(one.why, 'nobody')}{by}", look="plain")
    if one.kind in (LOST, LATE):
        event, _, how = one.why.partition(" ")
        return Talk(kind="event", at=one.at, text=say_lost(event, how).rstrip("."), look=HAPPENED[one.kind][0])
    look, words = HAPPENED.get(one.kind) or MOVED.get(one.after, ("plain", one.after_name))
    why = f": {one.why}" if one.why else ""
    return Talk(kind="event", at=one.at, text=f"{words}{by}{why}", look=look)


def _regimes(why: str) -> str:
    before, _, after = why.partition(" to ")
    known = all_regimes()
    names = [known[name].name if name in known else "not said" for name in (before, after)]
    return " to ".join(names)


def reckoning_lines(view: TicketView) -> dict[str, Any]:
    """How the due date came about, event by event, and its sum."""
    zone = view.zone
    received = day_in(view.line.received_at, zone)
    *lines, last = view.reckoning.lines
    items = [
        {
            "when": short_day(line.day, received) if line.happened else "",
            "says": line.words,
            "gives": "" if line.happened else short_day(line.day, received),
            "out": not line.binds,
        }
        for line in lines
    ]
    return {"items": items, "sum": {"says": last.words, "gives": short_day(last.day, received)}}


def plan_lines(view: TicketView) -> list[dict[str, Any]]:
    """The steps of the plan in the order they run."""
    if view.plan is None:
        return []
    return [_step(step) for step in view.plan.steps if not is_empty_step(step)]


def empty_steps(view: TicketView) -> list[dict[str, Any]]:
    """The steps that have nothing to do, for one line under which they are folded; none where that is all of them."""
    steps = view.plan.steps if view.plan else ()
    return [_step(step) for step in steps if is_empty_step(step)]


def is_empty_step(step: StepLine) -> bool:
    """Whether a step found no record, did nothing, and nothing is the matter with it."""
    quiet = step.state in ("planned", "done") and not (step.blocked or step.error or step.held or step.remaining)
    return quiet and step.deed != "ask" and step.rows == 0 and not step.done


def _step(step: StepLine) -> dict[str, Any]:
    if step.deed == "ask":
        look, words = ASK_LOOKS.get(step.state, ("todo", ""))
        sub = f"{words} · {_clause_words(step.clause)}{f' · {step.note}' if step.note else ''}"
        return {"state": look, "name": step.title, "code": False, "amount": "", "sub": sub, "why": step.error}
    look = STEP_LOOKS.get(step.state, "todo")
    number = step.done if step.state in ("done", "left") else step.rows
    held = f" · {count(step.held)} under a hold stay" if step.held else ""
    left = f" · {count(step.remaining)} left" if step.remaining else ""
    note = f" · {step.note}" if step.note else ""
    # What only waits is told in the same colour as the rest: nothing failed.
    trouble = step.error or step.blocked or ""
    waits = f" · {trouble}" if trouble and look == "waiting" else ""
    return {
        "state": "broken" if step.blocked and look == "todo" else look,
        "name": f"{step.store}.{step.at}" if step.at else step.collection,
        "amount": "–" if number is None else count(number),
        "sub": f"{DEEDS.get(step.deed, step.deed)} · {_clause_words(step.clause)}{held}{left}{note}{waits}",
        "why": "" if waits else trouble,
    }


def _clause_words(clause: str) -> str:
    return f"clause {clause}" if clause else "by the right itself"


def told_lines(view: TicketView) -> Any:
    """What the request came to, once it is answered."""
    is_by_plan = view.state in DONE and view.plan is not None
    return tell(view.line.right, view.outcome) if is_by_plan else None


def facts_of(view: TicketView) -> dict[str, str]:
    """The person as far as they said who they are."""
    lives = ""
    if view.country:
        names = Locale.parse("en").territories
        lives = str(names.get(view.country, view.country)) + (f", {view.subdivision}" if view.subdivision else "")
    return {"contact": view.line.contact.reveal() or ("forgotten" if view.line.is_closed else "none"), "lives": lives}


def evidence_lines(view: TicketView, link: Callable[[str], str]) -> list[dict[str, Any]]:
    """The entries that mark the way of this request, the latest first; those of single steps stand in the ledger."""
    settled = [one for one in view.evidence if one.position is not None and one.kind in ENTRIES]
    href = link(f"ticket:{view.ref}")
    return [
        {
            "what": ENTRIES[one.kind],
            "at": one.at,
            "entry": (one.position or 0) + 1,
            "hash": one.commitment,
            "href": href,
        }
        for one in sorted(settled, key=lambda one: one.position or 0, reverse=True)
    ]
