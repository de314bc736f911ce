"""What was found of a person, put into lines for the request's page: what has to be decided, and what is where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as field_of
from typing import Any, Final

from core.words import count, plural
from dsr.finding import Choice, Matter, Question
from dsr.views import TicketView

KINDS: Final = {"email": "E-mail address", "user_id": "User id", "name": "Name", "phone": "Telephone number"}
TITLES: Final = {
    Matter.IDENTIFIER: "Whose is this {subject}?",
    Matter.ACCOUNTS: "Several accounts, one person?",
    Matter.SHARED: "Records that are about other people too",
    Matter.EMPTY: "A collection came back empty",
    Matter.UNREACHED: "A place could not be looked into",
}
CHOICES: Final = {
    Choice.TAKE: ("It is this person’s", "Everything under it is theirs."),
    Choice.SKIP: ("Leave it out", "Nothing is looked for by it. The person can be asked for another one."),
    Choice.KEEP: ("Keep them as they are", "The person is told that they stay, and why."),
    Choice.REDACT: ("Keep them without the person", "What leads to the person goes from them; the records stay."),
    Choice.DELETE: ("Delete them, for everybody", "They go with the person’s own. The others lose them too."),
    Choice.LEAVE_OUT: ("Leave them out of the copy", "The person is told that they are left out, and why."),
    Choice.GIVE: ("Give them in the copy", "Only where the others lose nothing by it."),
    Choice.EMPTY: ("It is rightly empty", "Nothing was renamed or moved."),
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One question as a form asks it. `options`: of several accounts, each to be ticked."""

    id: str
    title: str
    text: str
    remedy: str
    value: str = field_of(repr=False)
    choices: tuple[tuple[str, str, str], ...]
    options: tuple[str, ...] = field_of(repr=False)
    is_shared: bool = False

    @property
    def texts(self) -> str:
        """Of shared records, what is said of the texts in them."""
        return self.remedy.partition(". ")[2]


def found_lines(view: TicketView) -> dict[str, Any]:
    """The questions, and the counts by store and by identifier."""
    panel = view.found
    asked = [_asked(one) for one in panel.questions if one.choices]
    return {
        "asked": asked,
        "for_all": _for_all(asked),
        "unreached": [(one.why, one.remedy) for one in panel.questions if not one.choices],
        "button": f"Decide {plural(len(asked), 'question', 'questions')} and look again",
        "stores": [(one.store, _rows(one.rows, one.collections)) for one in panel.stores],
        "matches": [
            (KINDS.get(one.kind, one.kind), one.value, f"{plural(one.rows, 'record', 'records')} of {one.collection}")
            for one in panel.matches
        ],
        "decided": panel.decided if panel.can_decide else (),
        "can_stop": panel.can_stop,
    }


def _for_all(asked: Sequence[Asked]) -> tuple[tuple[str, str, str], ...]:
    """What can be said of all records that are about others too at once, where that is asked of several places."""
    shared = [one.choices for one in asked if one.is_shared]
    return tuple(one for one in shared[0] if all(one in each for each in shared)) if len(shared) > 1 else ()


def decide_first(questions: Sequence[Question]) -> tuple[str, str]:
    """Title and text of the one thing to do while something has to be decided."""
    open_ones = [one for one in questions if one.choices]
    if not open_ones:
        names = ", ".join(dict.fromkeys(one.subject for one in questions))
        return f"Not looked into: {names}", " ".join(f"{one.why} {one.remedy}".strip() for one in questions)
    text = "The plan is made again by what you decide. Nothing is approved before."
    return f"Decide {plural(len(open_ones), 'question', 'questions')} first", text


def _asked(question: Question) -> Asked:
    kind = KINDS.get(question.subject, question.subject)
    return Asked(
        id=question.id,
        title=TITLES[question.matter].format(subject=kind[:1].lower() + kind[1:]),
        text=question.why,
        remedy=question.remedy,
        value=question.value,
        choices=() if question.options else tuple((one.value, *CHOICES[one]) for one in question.choices),
        options=question.options,
        is_shared=question.matter is Matter.SHARED,
    )


def _rows(rows: int | None, collections: int) -> str:
    where = f"in {plural(collections, 'collection', 'collections')}"
    return f"not counted, {where}" if rows is None else f"{count(rows)} {where}"
