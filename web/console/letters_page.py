"""What stands around an open letter: the lists, the counts, what was just decided, how proposals fared, and why a list is empty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import request, url_for
from flask_login import current_user

from core.errors import NotFound
from core.operators import Permission
from core.words import ago, count, plural, span
from inbox.desk import Correction, LetterLine, LetterState, LetterView, Tone, TriageFigures, View
from inbox.findings import Flag, Kind
from inbox.showing import one_line
from web.console.letter_open import KINDS, NO_SUBJECT, NOBODY, language_name
from web.console.requests import regime_name
from web.services import services

PAGE: Final = 50
WORDS: Final = {
    View.TO_SORT: "To sort",
    View.SORTED: "Sorted",
    View.NOT_REQUESTS: "Not requests",
    View.BY_ITSELF: "By itself",
}
_LINES: Final = {
    LetterState.ACCEPTED: ("kept", "check"),
    LetterState.JOINED: ("plain", "clip"),
    LetterState.SET_ASIDE: ("plain", "x"),
    LetterState.REPLIED: ("plain", "inbox"),
    LetterState.AUTOMATIC: ("plain", "waiting"),
}


@dataclass(frozen=True, kw_only=True)
class QueueLine:
    """A letter in the queue. `key`: what moves to it from the open one."""

    href: str
    who: str
    subject: str
    at: datetime
    look: str
    icon: str
    word: str
    is_here: bool
    key: str


@dataclass(frozen=True, kw_only=True)
class Done:
    """What was just decided, and whether it can be taken back."""

    id: str
    says: str
    refs: tuple[str, ...]
    can_undo: bool


@dataclass(frozen=True, kw_only=True)
class LettersPage:
    """The page around the open letter. `straight`: what went to its request by itself; `corrections`: rows, None: not asked for."""

    view: View
    title: str
    says: str
    total: int
    views: list[dict[str, Any]]
    lines: tuple[QueueLine, ...]
    older: str
    straight: str
    empty: tuple[str, str, str]
    may_work: bool
    is_asked: bool
    figures: str
    corrected: str
    corrections: tuple[dict[str, Any], ...] | None
    done: Done | None


def letters_page(view: View, lines: Sequence[LetterLine], opened: LetterView | None) -> LettersPage:
    desk = services().inbox.desk
    counts, figures = desk.counts(), desk.figures()
    shown = lines[:PAGE]
    at = next((index for index, one in enumerate(shown) if opened and one.id == opened.id), None)
    asked = request.args.get("corrections")
    return LettersPage(
        view=view,
        title=WORDS[view],
        says=_say(counts[View.TO_SORT], desk.list_letters(View.TO_SORT, limit=PAGE + 1)),
        total=counts[view],
        views=[
            {"word": word, "href": url_for("console.letters", view=one.value), "here": one is view}
            for one, word in WORDS.items()
        ],
        lines=tuple(_queue_line(one, index, at) for index, one in enumerate(shown)),
        older=url_for("console.letters", view=view.value, before=shown[-1].id) if len(lines) > PAGE else "",
        straight=_say_straight(counts[View.BY_ITSELF]) if view is View.TO_SORT else "",
        empty=_empty(view),
        may_work=current_user.operator.may(Permission.WORK_REQUESTS),
        is_asked=services().settings.inbox.any,
        figures=_say_figures(figures),
        corrected=_say_corrected(len(figures.corrections)),
        corrections=tuple(_correction(one) for one in figures.corrections) if asked else None,
        done=_done(request.args.get("done", "")),
    )


def _queue_line(one: LetterLine, index: int, at: int | None) -> QueueLine:
    look, icon = _LINES.get(one.state) or _look_of_waiting(one)
    return QueueLine(
        href=url_for("console.letter", letter_id=one.id, _anchor="letter-h"),
        who=one_line(one.sender_name) or one_line(one.sender, NOBODY),
        subject=one_line(one.subject, NO_SUBJECT),
        at=one.received_at,
        look=look,
        icon=icon,
        word=one_line(one.says),
        is_here=index == at,
        key="" if at is None else {at + 1: "j", at - 1: "k"}.get(index, ""),
    )


def _look_of_waiting(line: LetterLine) -> tuple[str, str]:
    if line.tone is Tone.WARN:
        return "due", "due"
    if line.tone is Tone.OK:
        return "now", "policy"
    if line.kind is Kind.OTHER:
        return "plain", "x"
    return "plain", "gap" if {Flag.UNREAD, Flag.FOREIGN_LANGUAGE} & line.flags else "waiting"


def _say(number: int, lines: Sequence[LetterLine]) -> str:
    """How much there is to sort, since when, and when the next look is."""
    inbox, now = services().settings.inbox, services().clock.now()
    words = []
    if number:
        ready = sum(one.tone is Tone.OK for one in lines)
        known = f", {count(ready)} with a proposal you can accept" if ready and len(lines) <= PAGE else ""
        words.append(f"{plural(number, 'letter', 'letters')} to sort{known}.")
        waiting = services().inbox.desk.waiting()
        if waiting.oldest_at:
            words.append(f"The oldest came in {ago(waiting.oldest_at, now)}.")
    else:
        words.append("Nothing is to sort.")
    if inbox.any:
        words.append(f"Read again every {span(inbox.poll).removeprefix('1 ')}.")
    return " ".join(words)


def _say_straight(number: int) -> str:
    return f"{plural(number, 'letter', 'letters')} needed no sorting." if number else ""


def _say_figures(figures: TriageFigures) -> str:
    if not figures.decided:
        return f"Last {figures.days} days: nothing was sorted."
    proposals = plural(figures.decided, "proposal", "proposals")
    return f"Last {figures.days} days: {count(figures.accepted)} of {proposals} accepted as they were."


def _say_corrected(number: int) -> str:
    return "" if not number else "The correction" if number == 1 else f"The {count(number)} corrections"


def _correction(one: Correction) -> dict[str, Any]:
    """What was proposed beside what was decided; nothing of the letter is kept with it."""
    proposed = [right.value.replace("_", " ") for right in one.proposed] or [KINDS[one.proposed_kind].lower()]
    decided = [right.value.replace("_", " ") for right in one.decided] or [one.decision.replace("_", " ")]
    return {
        "at": one.at,
        "proposed": ", ".join(proposed) + _law(one.proposed_regime),
        "decided": ", ".join(decided) + _law(one.decided_regime),
        "language": language_name(one.language),
    }


def _law(regime: str | None) -> str:
    return f" · {regime_name(regime)}" if regime else ""


def _empty(view: View) -> tuple[str, str, str]:
    """Icon, title and text of a list with nothing in it: why, and what fills it."""
    if view is View.TO_SORT and not services().settings.inbox.any:
        text = (
            "Nothing reads your privacy mailbox. Name it in kept.yaml: mail.imap with its address, or inbox.maildir with a "
            "folder. Then run kept doctor. Other programs can hand mail in by POST /api/v1/inbox."
        )
        return "mail", "No mailbox is set", text
    return {
        View.TO_SORT: ("check", "Nothing is to sort", "A letter stands here as soon as the mailbox has it."),
        View.SORTED: (
            "inbox",
            "Nothing was sorted yet",
            "A letter moves here when it is accepted, or put with a request.",
        ),
        View.NOT_REQUESTS: ("x", "Nothing was set aside", "A letter moves here when you say that it is not a request."),
        View.BY_ITSELF: (
            "inbox",
            "Nothing went by itself",
            "Replies to a request, bounces and automatic answers stand here.",
        ),
    }[view]


def _done(letter_id: str) -> Done | None:
    """What was decided just before; nothing for an id that is none."""
    if not letter_id:
        return None
    try:
        view = services().inbox.desk.letter(letter_id)
    except NotFound:
        return None
    if not view.refs and view.state is LetterState.WAITING:
        return None
    says = {
        LetterState.WAITING: f"Split off: {plural(len(view.refs), 'request', 'requests')}. The letter waits for the rest.",
        LetterState.ACCEPTED: f"Accepted: {plural(len(view.refs), 'request', 'requests')}.",
        LetterState.JOINED: "Put with its request.",
        LetterState.SET_ASIDE: "Set aside: not a request.",
    }.get(view.state, "Sorted.")
    return Done(id=view.id, says=says, refs=view.refs, can_undo=view.can_undo)
