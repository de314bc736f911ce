"""The words of answers: a standard text for each kind, right and language, the parts it names, and those the law wants in it.

A text names its parts in braces, `{stays}`; what they hold is filled in when the answer goes out, from what was done."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from core.catalogue import catalogue, mark
from core.errors import BadInput
from dsr.complaints import answer_rules
from dsr.how import by_hand
from dsr.states import State
from policies.clauses import Right

LONGEST_TEXT: Final = 10_000
_NAMED: Final = re.compile(r"\{([a-z_]+)\}")
Block = dict[str, Any]


class Kind(StrEnum):
    """COPY: of access or portability. DELETED: what went and what stays. CORRECTED: what was put right and what not. NOTHING_FOUND: after proof. REFUSED: with its
    ground. BY_HAND: in the words of whoever did it. EXTENDED: no answer yet, but when and why later. CARRIED_OUT: of a right that changes no record. COMPLAINT and APPEAL: what was
    decided, and why."""

    COPY = "copy"
    DELETED = "deleted"
    CORRECTED = "corrected"
    NOTHING_FOUND = "nothing_found"
    REFUSED = "refused"
    BY_HAND = "by_hand"
    EXTENDED = "extended"
    CARRIED_OUT = "carried_out"
    COMPLAINT = "complaint"
    APPEAL = "appeal"


# The mail of each kind, a folder of templates/email.
MAILS: Final[Mapping[Kind, str]] = {
    Kind.COPY: "package_ready",
    Kind.DELETED: "deletion_done",
    Kind.CORRECTED: "correction_done",
    Kind.NOTHING_FOUND: "nothing_found",
    Kind.REFUSED: "request_refused",
    Kind.BY_HAND: "answered_by_hand",
    Kind.EXTENDED: "request_extended",
    Kind.CARRIED_OUT: "right_carried_out",
    Kind.COMPLAINT: "complaint_answered",
    Kind.APPEAL: "appeal_decided",
}
KIND_NAMES: Final[Mapping[Kind, str]] = {
    Kind.COPY: "The copy is ready",
    Kind.DELETED: "What was deleted, what stays",
    Kind.CORRECTED: "What was put right, what not",
    Kind.NOTHING_FOUND: "Nothing is held",
    Kind.REFUSED: "The refusal",
    Kind.BY_HAND: "What was done by hand",
    Kind.EXTENDED: "That it takes longer",
    Kind.CARRIED_OUT: "What was done",
    Kind.COMPLAINT: "The answer to the complaint",
    Kind.APPEAL: "The decision on the appeal",
}
_DONE: Final[Mapping[Right, Kind]] = {
    Right.ACCESS: Kind.COPY,
    Right.PORTABILITY: Kind.COPY,
    Right.DELETION: Kind.DELETED,
    Right.CORRECTION: Kind.CORRECTED,
    Right.COMPLAINT: Kind.COMPLAINT,
    Right.APPEAL: Kind.APPEAL,
}
_HELLO: Final = mark("Hello,")
_COPY: Final = mark(
    "the copy of your data is ready. It holds everything we found under the address you showed is yours, and a letter that "
    "says what it is used for, how long it is kept and who got it."
)
_COPY_IN_PART: Final = mark(
    "the copy of your data is ready. It holds what you gave us yourself and we use with your consent or for a contract, "
    "and a letter that says what is left out and why."
)
_COPY_BUT: Final = mark(
    "the copy of your data is ready. It holds what we found under the address you showed is yours, but for what is named "
    "below, and a letter that says what it is used for, how long it is kept and who got it."
)
_SIZE: Final = mark("It is one ZIP file, %(size)s.")
_AGAIN: Final = mark("After that day the copy is deleted; you can ask for a new one at any time.")
_DELETED: Final = mark(
    "you asked us to delete your data. We have done so on %(day)s, and looked again afterwards: of what could be deleted, "
    "nothing is left."
)
_DELETED_BUT: Final = mark(
    "you asked us to delete your data. We have done so on %(day)s, but for what is named below, and looked again "
    "afterwards: of what could be deleted, nothing is left."
)
_CORRECTED: Final = mark(
    "you asked us to correct your data. We have done so on %(day)s wherever it can be done, and looked again afterwards."
)
_NOT_FOUND: Final = mark(
    "you asked us: %(request)s. We looked in every place where we keep data about people, and found nothing under the "
    "address you showed is yours."
)
_NOT_FOUND_IN: Final = mark(
    "you asked us: %(request)s. We looked in all %(number)s places where we keep data about people, and found nothing "
    "under the address you showed is yours."
)
_HOLD_NOTHING: Final = mark("That is our answer: we hold nothing about you, apart from this request itself.")
_OTHER_ADDRESS: Final = mark(
    "If you used us with another address, answer this mail and name it. You then get a code there, so that nobody else "
    "can ask for your data."
)
_REFUSED: Final = mark("you asked us: %(request)s. We do not do it, and this is why:")
_RULE: Final = mark("The rule behind it: %(rule)s")
_SEE_OTHERWISE: Final = mark("If you see it differently, just answer this mail. A person reads it.")
_BY_HAND: Final = mark("you asked us: %(request)s. This is what we did:")
_CARRIED_OUT: Final = mark("you asked us: %(request)s. We did so on %(day)s.")
_COMPLAINT: Final = mark("you complained to us. We looked into it, and this is our answer: %(outcome)s.")
_APPEAL: Final = mark(
    "you asked us to look again at our decision on request %(first)s. It was looked at by %(decider)s, and this is the outcome: "
    "%(outcome)s."
)
_EXTENDED: Final = mark("you asked us: %(request)s. Our answer takes longer than we told you, and this is why:")
_NEW_DAY: Final = mark("You now hear from us by %(due)s.")
_LAW_EXTENDS: Final = mark("The law lets us take longer once, if we tell you in time: %(rule)s.")
_MISSING: Final = mark("If something is missing, just answer this mail. A person reads it.")
# Parts that only some rights have, and the rules that hold them.
_BY_RIGHT: Final = {"closing": "closings", "follows": "follows"}
# What stands there instead where a part is refused.
_BUT: Final = {_COPY: _COPY_BUT, _DELETED: _DELETED_BUT}
_STANDARD: Final[Mapping[Kind, tuple[tuple[str, ...], ...]]] = {
    Kind.COPY: ((_HELLO,), (_COPY,), ("{until}",), ("{page}",), (_SIZE, _AGAIN)),
    Kind.DELETED: ((_HELLO,), (_DELETED,), ("{deleted}",), ("{stays}",), ("{recipients}",), ("{page}",)),
    Kind.CORRECTED: ((_HELLO,), (_CORRECTED,), ("{corrected}",), ("{uncorrected}",), ("{recipients}",), ("{page}",)),
    Kind.NOTHING_FOUND: ((_HELLO,), (_NOT_FOUND,), (_HOLD_NOTHING,), (_OTHER_ADDRESS,), ("{page}",)),
    Kind.REFUSED: ((_HELLO,), (_REFUSED,), ("{reason}",), (_RULE,), (_SEE_OTHERWISE,), ("{complaint}",), ("{page}",)),
    Kind.BY_HAND: ((_HELLO,), (_BY_HAND,), ("{words}",), ("{closing}",), ("{recipients}",), (_MISSING,), ("{page}",)),
    Kind.EXTENDED: (
        (_HELLO,),
        (_EXTENDED,),
        ("{reason}",),
        (_NEW_DAY,),
        (_LAW_EXTENDS, _SEE_OTHERWISE),
        ("{complaint}",),
        ("{page}",),
    ),
    Kind.CARRIED_OUT: (
        (_HELLO,),
        (_CARRIED_OUT,),
        ("{effects}",),
        ("{closing}",),
        ("{recipients}",),
        ("{follows}",),
        (_MISSING,),
        ("{page}",),
    ),
    Kind.COMPLAINT: ((_HELLO,), (_COMPLAINT,), ("{reasons}",), (_SEE_OTHERWISE,), ("{complaint}",), ("{page}",)),
    Kind.APPEAL: ((_HELLO,), (_APPEAL,), ("{reasons}",), ("{complaint}",), ("{page}",)),
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part that a text may name. `cite`: the rule that wants it in there, '' where none does; not `verified`: nobody
    has read that rule yet. `says`: what it is, for operators. `own_line`: it is a paragraph of its own."""

    name: str
    says: str
    own_line: bool
    cite: str = ""
    verified: bool = True

    @property
    def is_needed(self) -> bool:
        return bool(self.cite)


class NotWhole(BadInput):
    """The text of an answer lacks parts that the law wants, or names some that there are not."""


def kinds_of(right: Right, state: State, *, by_plan: bool) -> tuple[Kind, ...]:
    """The answers that a ticket may still come to."""
    done = _DONE.get(right, Kind.CARRIED_OUT)
    words = (Kind.BY_HAND,) if state is State.RECEIVED and by_hand(right) else ()
    if not by_plan:
        refused = (Kind.REFUSED,) if right is not Right.APPEAL else ()
        return (done, *words, *refused) if state is State.RECEIVED else ()
    if state in (State.RECEIVED, State.PLANNED):
        return (done, *words, Kind.NOTHING_FOUND, Kind.REFUSED)
    return (done,) if state in (State.APPROVED, State.RUNNING, State.PARTLY_DONE) else ()


def parts_of(kind: Kind, right: Right, regime: str) -> tuple[Part, ...]:
    """The parts that a text of this kind may name, with the rule of the regime that wants them in it."""
    rules = answer_rules()
    needs = rules["answers"][kind.value]["needs"]
    wanted = {row["part"]: row for row in needs.get(regime, needs["any"]) if _is_for(row, right)}
    return tuple(
        Part(
            name=name,
            says=rules["parts"][name]["says"],
            own_line=rules["parts"][name].get("own_line", False),
            cite=wanted.get(name, {}).get("cite", ""),
            verified=wanted.get(name, {}).get("verified", True),
        )
        for name in rules["answers"][kind.value]["parts"]
        if _can_be_said(name, kind, right)
    )


def standard_text(kind: Kind, right: Right, language: str, *, places: int = 0, in_part: bool = False) -> str:
    """The text that goes out where nobody has written another; `places`: in how many was looked, where that is said;
    `in_part`: a part is refused, and named in the answer."""
    words, known = catalogue(language), {name: f"{{{name}}}" for name in answer_rules()["parts"]}

    def say(message: str) -> str:
        if message.startswith("{"):
            return message
        if message is _COPY and right is Right.PORTABILITY:
            message = _COPY_IN_PART
        elif in_part:
            message = _BUT.get(message, message)
        if message is _NOT_FOUND and places > 1:
            message = _NOT_FOUND_IN
        return words.gettext(message) % known

    without = {(f"{{{name}}}",) for name in answer_rules()["parts"] if not _can_be_said(name, kind, right)}
    paragraphs = [" ".join(say(one) for one in part) for part in _STANDARD[kind] if part not in without]
    return "\n\n".join(paragraphs)


def follows_of(right: Right, language: str, *, form: str) -> str:
    """What the person may want next, once a right was carried out; '' where nothing is offered. `form`: its address."""
    words = answer_rules()["follows"].get(right.value, "")
    return catalogue(language).gettext(words) % {"form": form} if words else ""


def closing_of(right: Right, language: str) -> str:
    """What holds from now on once a right was carried out by hand; '' where there is nothing to say."""
    words = answer_rules()["closings"].get(right.value, "")
    return catalogue(language).gettext(words) if words else ""


def clean_text(text: str, kind: Kind, right: Right, regime: str) -> str:
    """A text as it is kept. Raises NotWhole, naming every part that is missing or unknown."""
    cleaned = text.replace("\x00", "").replace("\r\n", "\n").strip()
    if not cleaned or len(cleaned) > LONGEST_TEXT:
        remedy = "Write it in fewer words." if cleaned else "Write something, or go back to the standard text."
        raise BadInput(f"An answer has 1 to {LONGEST_TEXT} characters.", remedy=remedy)
    parts = parts_of(kind, right, regime)
    unknown = [name for name in _named(cleaned) if name not in {part.name for part in parts}]
    if unknown:
        raise NotWhole(
            f"There is no part {_list(unknown)} in this answer.",
            remedy=f"There are: {_list([part.name for part in parts])}.",
        )
    if missing := missing_parts(cleaned, parts):
        what = "; ".join(f"{{{one.name}}}, {one.says} ({one.cite})" for one in missing)
        raise NotWhole(f"The answer lacks what it has to hold: {what}.", remedy="Put it back where it fits.")
    crowded = [part.name for part in parts if part.own_line and _shares_a_line(cleaned, part.name)]
    if crowded:
        raise NotWhole(
            f"{_list(crowded)} has to stand in a paragraph of its own.", remedy="Put an empty line before and after it."
        )
    return cleaned


def missing_parts(text: str, parts: Sequence[Part]) -> list[Part]:
    """The parts that the law wants and the text does not name."""
    named = set(_named(text))
    return [part for part in parts if part.is_needed and part.name not in named]


def compose(text: str, parts: Sequence[Part], facts: Mapping[str, str]) -> list[Block]:
    """A text as the blocks that templates/email/answer.html shows: paragraphs with their facts filled in, and parts of their
    own. What the law wants and the text lacks (the regime may have changed since it was written) is put at its end."""
    whole = "\n\n".join([text, *(f"{{{part.name}}}" for part in missing_parts(text, parts))])
    own_line = {part.name for part in parts if part.own_line}
    blocks: list[Block] = []
    for paragraph in (one.strip() for one in whole.split("\n\n")):
        alone = _NAMED.fullmatch(paragraph)
        if alone and alone[1] in own_line:
            blocks.append({"part": alone[1]})
        elif paragraph:
            filled = _NAMED.sub(lambda found: facts.get(found[1], found[0]), paragraph)
            blocks.append({"part": "", "lines": filled.split("\n")})
    return blocks


def _can_be_said(name: str, kind: Kind, right: Right) -> bool:
    """What only some rights have: what holds from now on, and recipients that hear of a restriction done by hand."""
    if name in _BY_RIGHT:
        return right.value in answer_rules()[_BY_RIGHT[name]]
    return name != "recipients" or kind not in (Kind.BY_HAND, Kind.CARRIED_OUT) or right is Right.RESTRICTION


def _is_for(row: Mapping[str, Any], right: Right) -> bool:
    return right.value in row.get("rights", [right.value])


def _named(text: str) -> list[str]:
    return list(dict.fromkeys(_NAMED.findall(text)))


def _shares_a_line(text: str, name: str) -> bool:
    paragraphs = [one.strip() for one in text.split("\n\n") if f"{{{name}}}" in one]
    return any(one != f"{{{name}}}" for one in paragraphs)


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)
