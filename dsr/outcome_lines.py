"""What an answer says was done, stays or could not be done, line by line in the person's language."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from core.catalogue import SOURCE, catalogue, mark, short_code
from core.clock import day_in
from core.words import full_day, records
from plans.build_shared import BUT_TEXTS, TAKEN_OUT, THEIRS_TOO
from plans.plan import Gap, StepDeed
from plans.portability import NOT_PROVIDED, OTHER_GROUND
from plans.standing import PlanView, StepResult
from plans.tables import StepState
from policies.clause_words import plain, said, titled
from policies.clauses import Basis, Clause, RetentionException
from policies.documents import Document

Line = dict[str, str]
# What stores say of a record that foreign keys need: it names tables, so it is put in other words in every language.
_KEY_ALONE: Final = (
    r"\d+ (?:more )?rows of \S+ (?:stand|stay) as their key alone: .+",
    mark("only the number stays by which other records that we keep point at it"),
)
# What plans say of why something is not done or stays, and the message it is in the catalogues. Plans speak English.
SAID: Final = (
    (NOT_PROVIDED, mark("the policy does not say that the person provides it")),
    (OTHER_GROUND, mark("the policy names neither consent nor a contract as its ground")),
    (
        r"No program can \w+ (?:in )?a store of kind (?P<kind>\S+)\.",
        mark("no program reaches a store of kind %(kind)s."),
    ),
    (r"No way from .+ to \S+ can be asked for there: all of it stays\.", mark("a hold keeps all of it.")),
    (r"(?P<number>\d+) kept by a hold", mark("%(number)s kept by a hold")),
    (r"a legal hold", mark("a legal hold")),
    (THEIRS_TOO, mark("they are about other people too")),
    (TAKEN_OUT, mark("they are about other people too; what leads to you goes from them")),
    (
        BUT_TEXTS,
        mark(
            "they are about other people too; what leads to you goes from them, and what was written in their texts stays"
        ),
    ),
    (r"Any of them may be a copy of (?P<place>\S+)\.", mark("any of them may be a copy of %(place)s.")),
    (
        r"It is a copy of (?P<place>\S+) and (?:is a key|is what other collections refer to)\.",
        mark("it is a copy of %(place)s, and other records are found by it."),
    ),
    (
        r"It is a copy of (?P<place>\S+) and is a time that clauses count from\.",
        mark("it is a copy of %(place)s, and decides how long records are kept."),
    ),
)
_STUBS: Final = re.compile(r"(\d+) (?:more )?rows of \S+ (?:stand|stay) as their key alone:")
_PATTERNS: Final = tuple((re.compile(pattern), message) for pattern, message in (_KEY_ALONE, *SAID))


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Whom lines are for: their language, the policy that the plan was made of, and the same in their language."""

    language: str
    document: Document
    translated: Document

    def say(self, message: str, **values: str) -> str:
        """A message of the catalogues in the person's language."""
        words = catalogue(self.language).gettext(message)
        return words % values if values else words


def say_plainly(text: str, language: str) -> str:
    """What a plan said in English, in another language; what nobody has translated is quoted whole and called English."""
    is_source = short_code(language) == SOURCE
    words = catalogue(language)
    for pattern, message in _PATTERNS[:1] if is_source else _PATTERNS:
        if found := pattern.fullmatch(text):
            return words.gettext(message) % found.groupdict()
    if is_source or not text:
        return text
    return words.gettext(mark("our records say why, in English: %(reason)s")) % {"reason": text}


def title_of(collection: str) -> str:
    """What a collection is called at the start of a line."""
    return titled(collection)


def stay_line(stay: Mapping[str, Any], reader: Reader) -> Line:
    """What an exception keeps from a deletion: on which ground, and until when."""
    kept, basis = _exception(stay, reader), stay["basis"]
    ground = said(Basis(basis), reader.language) if basis in set(Basis) else plain(basis)
    if kept is None:
        reason, until = say_plainly(stay["reason"], reader.language), stay["until"]
    else:
        reason = kept.note or reader.say(mark("kept under %(clause)s"), clause=stay["clause"])
        period = kept.period.words(reader.language) if kept.period else ""
        until = reader.say(mark("%(period)s from each record's own time"), period=period) if period else ""
        if kept.period and stay.get("newest"):
            last = day_in(kept.period.after_instant(stay["newest"]), reader.document.controller.timezone)
            day = full_day(last, reader.language)
            until = reader.say(
                mark("%(day)s at the latest, %(period)s from each record's own time"), day=day, period=period
            )
    why = reason if ground in reason else f"{reason} ({ground})"
    return {"title": _counted(stay, reader), "why": why, "until": until}


def beyond_line(stay: Mapping[str, Any], reader: Reader) -> Line:
    """What a copy leaves out: no ground keeps it, the right does not cover it."""
    return {"title": _counted(stay, reader), "why": say_plainly(stay["reason"], reader.language), "until": ""}


def left_lines(steps: Sequence[StepResult], reader: Reader) -> list[Line]:
    """What steps left where it is, with what the store said."""
    return [
        {
            "title": f"{title_of(step.collection)}, {records(step.remaining, reader.language)}",
            "why": "; ".join(say_plainly(part, reader.language) for part in step.note.split("; ")),
            "until": "",
        }
        for step in steps
        if step.state is StepState.LEFT and step.remaining
    ]


def count_gone(step: StepResult) -> int:
    """How many records a step took away: those that stand as their key are told among what stays, and only there."""
    stubs = sum(int(number) for number in _STUBS.findall(step.note)) if step.state is StepState.LEFT else 0
    return max(0, step.rows - stubs)


def gap_lines(gaps: Sequence[Gap], reader: Reader) -> list[Line]:
    """Where no program could work."""
    whys = [(gap.what, say_plainly(gap.why, reader.language)) for gap in gaps]
    return [
        {"title": what, "why": reader.say(mark("not done by a program: %(why)s"), why=why), "until": ""}
        for what, why in whys
    ]


def asked_to_delete(view: PlanView, reader: Reader) -> list[Line]:
    """What people deleted by hand, as far as they say."""
    return done_by_hand(view, reader, mark("deleted by hand, confirmed to us"))


def done_by_hand(view: PlanView, reader: Reader, message: str) -> list[Line]:
    """What people did by hand, as far as they say; `message` says what that was."""
    return [{"title": title_of(one.collection), "why": reader.say(message)} for one in _by_people(view, StepState.DONE)]


def asked_for_copies(view: PlanView, reader: Reader) -> list[Line]:
    """What people were asked to send apart from the files."""
    why = reader.say(
        mark("looked after by hand, so it is not in these files. What is there, if anything, is sent to you separately")
    )
    return [{"title": title_of(one.collection), "why": why, "until": ""} for one in _by_people(view, StepState.DONE)]


def gone_on_without(view: PlanView) -> list[Line]:
    """What was left undone by an operator's decision, in the words they chose for the person."""
    left = _by_people(view, StepState.LEFT)
    return [{"title": title_of(one.collection), "why": one.note, "until": ""} for one in left]


def _by_people(view: PlanView, state: StepState) -> list[StepResult]:
    return [one for one in view.steps if view.plan.step(one.step_id).deed is StepDeed.ASK and one.state is state]


def _counted(stay: Mapping[str, Any], reader: Reader) -> str:
    number = f", {records(stay['rows'], reader.language)}" if stay["rows"] is not None else ""
    return f"{title_of(stay['collection'])}{number}"


def _exception(stay: Mapping[str, Any], reader: Reader) -> RetentionException | None:
    """The exception that keeps something, in the person's language: it stands at the same place in both documents."""
    ours, theirs = _exceptions(reader.document, stay["clause"]), _exceptions(reader.translated, stay["clause"])
    for number, one in enumerate(ours):
        if one.basis.value == stay["basis"] and stay["reason"] in (one.note, f"kept under {stay['clause']}"):
            return theirs[number] if number < len(theirs) else one
    return None


def _exceptions(document: Document, clause_id: str) -> list[RetentionException]:
    return [one for clause in document.clauses if clause.id == clause_id for one in _kept(clause)]


def _kept(clause: Clause) -> Iterator[RetentionException]:
    yield from (one for one in getattr(clause, "exceptions", ()) if isinstance(one, RetentionException))
