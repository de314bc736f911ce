"""What has to hold before documents become a version: its verdict, its day, its place among the versions that are planned. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from babel import Locale

from core.catalogue import catalogue, mark
from core.clock import day_in
from core.errors import BadInput, Conflict
from policies.clauses import RetentionClause
from policies.differences import judge
from policies.documents import Document, Problem
from policies.lint import lint, refusals
from policies.materiality import Verdict, Weight, rank
from policies.notices import NoticeTerms
from policies.translations import check_translation
from policies.version_values import Overrule, PublishRefused, Version

_WORDS: Final[Mapping[str, str]] = {
    "against": mark("Against version {number}, which is planned: {reason}"),
    "back": mark("Why that holds for what is kept already: {reason}."),
    "gone": mark("The policy is no longer published in {language}."),
    "new": mark("The policy is published in {language} too."),
}


def require_sound(documents: Sequence[Document]) -> None:
    """Refuse documents that lint refuses, and translations that are none. Raises PublishRefused."""
    problems = [problem for document in documents for problem in _faults(document)]
    original, *translations = documents
    spoken = {original.language}
    for translation in translations:
        source = f"{translation.policy}.{translation.language}"
        problems += check_translation(original, translation, source)
        if translation.language in spoken:
            what, remedy = f"two documents are in '{translation.language}'", "Publish each language once."
            problems.append(Problem(source=source, line=1, clause=None, what=what, remedy=remedy))
        spoken.add(translation.language)
    if problems:
        raise PublishRefused(problems)


def _faults(document: Document) -> Iterator[Problem]:
    for one in refusals(lint(document)):
        yield Problem(source=document.policy, line=one.line, clause=one.clause, what=one.what, remedy=one.remedy)


def weigh(current: Version, planned: Sequence[Version], documents: Sequence[Document]) -> Verdict:
    """The verdict on documents that are to follow a version in force.

    Whether the versions that are planned come into force before is not known yet: the heaviest of the verdicts against
    each of them counts, so that nobody who has to hear of it is left out.
    """
    say = catalogue(documents[0].language).gettext
    against = say(_WORDS["against"])
    verdicts = [_compare(current, documents)]
    for one in planned:
        found = _compare(one, documents)
        reasons = tuple(against.format(number=one.number, reason=reason) for reason in found.reasons)
        verdicts.append(Verdict(weight=found.weight, reasons=reasons))
    return _heaviest(verdicts)


def _compare(old: Version, new: Sequence[Document]) -> Verdict:
    """The verdict over the languages that both have; a language that goes is told of, one that comes does no harm."""
    pairs = [(old.in_language(one.language), one) for one in new if one.language in old.languages]
    differing = [judge(before, after) for before, after in pairs if before.digest != after.digest]
    verdicts = [*_heaviest_alone(differing), *_reaching_back(old.document, new[0]), *_languages(old, new)]
    return _heaviest(verdicts) if verdicts and pairs else judge(old.document, new[0])


def _reaching_back(old: Document, new: Document) -> Iterator[Verdict]:
    """The reason that a clause gives for lengthening what was promised already belongs into the notice."""
    before = {clause.id: clause.reaches_back for clause in old.of_kind(RetentionClause)}
    for clause in new.of_kind(RetentionClause):
        if clause.reaches_back and clause.reaches_back != before.get(clause.id):
            say = catalogue(new.language).gettext
            reason = say(_WORDS["back"]).format(reason=clause.reaches_back.rstrip("."))
            yield Verdict(weight=Weight.MATERIAL, reasons=(reason,))


def _languages(old: Version, new: Sequence[Document]) -> Iterator[Verdict]:
    say, speaks = catalogue(new[0].language).gettext, Locale(new[0].language)
    spoken = [document.language for document in new]
    for language in old.languages:
        if language not in spoken:
            reason = say(_WORDS["gone"]).format(language=speaks.languages[language])
            yield Verdict(weight=Weight.MINOR, reasons=(reason,))
    for language in spoken:
        if language not in old.languages:
            reason = say(_WORDS["new"]).format(language=speaks.languages[language])
            yield Verdict(weight=Weight.EDITORIAL, reasons=(reason,))


def _heaviest_alone(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Each language says the same in its own words; the first that weighs the most speaks for all."""
    return sorted(verdicts, key=lambda one: rank(one.weight))[:1]


def _heaviest(verdicts: Sequence[Verdict]) -> Verdict:
    weight = min((one.weight for one in verdicts), key=rank)
    reasons = (reason for one in verdicts if one.weight is weight for reason in one.reasons)
    return Verdict(weight=weight, reasons=tuple(dict.fromkeys(reasons)))


def require_day(document: Document, terms: NoticeTerms, *, promised_by: int | None, now: datetime) -> datetime:
    """The earliest instant by the document alone; refuses a day that has gone by, and one before the promised notice."""
    wanted, zone = document.not_before_at, document.controller.timezone
    if wanted is None or document.not_before is None:
        return now
    today = day_in(now, zone)
    if document.not_before < today:
        raise BadInput(
            f"not_before is {document.not_before}, and today is {today}.",
            remedy="Write a day to come, or leave not_before out: then it takes effect as soon as it may.",
        )
    if terms.channels and terms.ahead and wanted < (earliest := terms.ahead.after_instant(now)):
        raise BadInput(
            f"not_before is {document.not_before}, and version {promised_by} promises notice {terms.ahead.words()} ahead.",
            remedy=f"Write a day after {day_in(earliest, zone)}, or leave not_before out.",
        )
    return max(wanted, now)


def require_place(document: Document, planned_for: datetime, planned: Sequence[Version]) -> None:
    """Refuse a version that would take effect at the very day of one that is planned, or before it.

    Versions come into force in the order of their numbers. One that comes before an earlier one ends that one's life,
    which is for a person to decide: by withdrawing it, so that whoever was told of it hears that it will not come.
    """
    for other in planned:
        assert other.planned_for is not None
        withdraw = f"kept policy withdraw {other.number} --reason …"
        remedy = f"Withdraw version {other.number} (`{withdraw}`), or name a later day."
        day = day_in(other.planned_for, document.controller.timezone)
        if document.not_before and document.not_before_at == other.document.not_before_at:
            raise BadInput(f"Version {other.number} is planned for {document.not_before} already.", remedy=remedy)
        if planned_for < other.planned_for:
            said = f"this one would take effect before it, on {day_in(planned_for, document.controller.timezone)}"
            raise BadInput(f"Version {other.number} is planned for {day}, and {said}.", remedy=remedy)


def effective(verdict: Verdict, overrule: Overrule | None) -> Weight:
    """What counts: a person's word, else the machine's."""
    return overrule.weight if overrule else verdict.weight


def require_same_verdict(version: Version, overrule: Overrule | None) -> None:
    """Refuse to overrule the verdict on a version that is published: it was given with it, and stays. Raises Conflict."""
    if overrule and overrule.weight is not version.weight:
        given = f"as {version.weight}" if version.weight else "without a verdict: it is the first"
        raise Conflict(
            f"These documents are version {version.number}, published {given}.",
            remedy="A published version never changes. If it is not in force yet, withdraw it and publish again.",
        )
