"""What differences of prose weigh: by the facts in it where a text has no clauses, else by its words."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from core.catalogue import catalogue, mark
from policies.clause_words import said_key
from policies.documents import Document
from policies.fact_rules import take_sides, weigh_facts
from policies.materiality import ProseRule, Reason, Weight, prose_rules
from policies.plain_texts import BlockKind, PlainText, read_markdown
from policies.prose_differences import ProseChange, ProseHappening, compare_prose
from policies.prose_rules import Finding, flat, quote_of, uses_in, weigh_wording
from policies.word_differences import RunKind, words_of

_MOST_SAID: Final = 6
_LARGE: Final = 4_000
_LITTLE: Final = 0.15
_EXPRESSION: Final = re.compile(r"\{\{-?\s*clause\(\s*[\"']([\w-]+)[\"']\s*\)(?:\.(\w+))?\s*-?\}\}")
# What stands in place of an expression is one word, so that another expression is another word.
_MARK: Final = re.compile(r"⟦([\w-]+?)(?:__(\w+))?⟧")
_CITE: Final = re.compile(r"⟦[\w-]+__cite⟧")
_TURNED_ONLY: Final = frozenset({"turned"})
# The lists of words in materiality.yaml are of these languages; in any other no word tells what a paragraph is about.
_READ: Final = frozenset({"en", "de"})
_BY_WORDS_ALONE: Final = frozenset({"reworded", "small", "passage_added", "passage_removed"})


def nothing_differs(language: str) -> str:
    """What a verdict says where there is nothing to say."""
    rule = prose_rules()["nothing"]
    return catalogue(language).gettext(rule.sentence)


def stands_twice(language: str, name: str) -> Reason:
    """That one text stands twice in its capture and was read once."""
    rule = prose_rules()["stands_twice"]
    return Reason(weight=rule.weight, sentence=catalogue(language).gettext(rule.sentence).format(quote=name))


def weigh_texts(changes: Sequence[ProseChange], old: PlainText, new: PlainText) -> list[Reason]:
    """Reasons from two texts of which at least one has no clauses."""
    differing = [change for change in changes if change.happened is not ProseHappening.SAME]
    if _is_another_text(changes):
        return _say([Finding(rule="another_text")], new.language)
    before, after = take_sides(old, new, differing)
    found: list[Finding] = []
    for change in differing:
        facts = list(weigh_facts(change, before, after))
        found += facts
        found += _unsure(_by_words(change, (before.flat, after.flat), facts), change, new.language)
    return _say(_join_sections(found, changes), new.language)


def _is_another_text(changes: Sequence[ProseChange]) -> bool:
    """Whether so little of one text is in the other that a list of what differs would be a list of everything."""
    stayed = sum(len(run.text) for change in changes for run in change.runs if run.kind is RunKind.SAME)
    whole = max(sum(len(change.before) for change in changes), sum(len(change.after) for change in changes))
    return whole >= _LARGE and stayed < _LITTLE * whole


def weigh_bodies(old: Document, new: Document, changed: Collection[str]) -> list[Reason]:
    """Reasons from the prose of two documents. What it prints of a clause is the clause's to weigh, and so is a paragraph
    that cites one of the `changed` clauses, unless a word in it turns a promise round."""
    before, after = read_markdown(_marked(old)), read_markdown(_marked(new))
    texts = flat("\n".join(block.text for block in before)), flat("\n".join(block.text for block in after))
    found: list[Finding] = []
    for change in compare_prose(before, after):
        if change.happened is ProseHappening.SAME:
            continue
        cited = {mark[1] for mark in _MARK.finditer(f"{change.before} {change.after}")}
        here = _by_words(_without_cites(change), texts, [])
        if cited & set(changed) and new.language in _READ:
            here = [one for one in here if one.rule in _TURNED_ONLY and change.happened is ProseHappening.CHANGED]
        found += _unsure(here, change, new.language)
    return [Reason(weight=one.weight, sentence=_unmarked(one.sentence, new, old)) for one in _say(found, new.language)]


def _unsure(found: list[Finding], change: ProseChange, language: str) -> list[Finding]:
    """What counts as harmless by its words alone does so only where the words can be read."""
    if language in _READ:
        return found
    quote = quote_of(change.after or change.before)
    return [Finding(rule="unread", quote=one.quote or quote) if one.rule in _BY_WORDS_ALONE else one for one in found]


def _without_cites(change: ProseChange) -> ProseChange:
    """A citation that prints nothing is no word of the paragraph."""
    before, after = _CITE.sub("", change.before).strip(), _CITE.sub("", change.after).strip()
    return replace(change, before=before, after=after)


def _marked(document: Document) -> str:
    return _EXPRESSION.sub(lambda found: f"⟦{found[1]}{'__' + found[2] if found[2] else ''}⟧", document.body)


def _unmarked(sentence: str, *documents: Document) -> str:
    def put_back(mark: re.Match[str]) -> str:
        for document in documents:
            if clause := document.clause(mark[1]):
                return said_key(clause, mark[2], document.language) if mark[2] else mark[1]
        return mark[1]

    return _MARK.sub(put_back, sentence)


def _by_words(change: ProseChange, texts: tuple[str, str], facts: Sequence[Finding]) -> list[Finding]:
    explained = frozenset(one.rule for one in facts)
    if not change.before and not change.after:
        return []
    if change.happened is ProseHappening.MOVED and not change.reworded:
        return [Finding(rule="moved", quote=quote_of(change.after, 8))]
    if change.kind is BlockKind.HEADING:
        return list(_heading(change))
    heavy = any(prose_rules()[one.rule].weight is Weight.MATERIAL for one in facts)
    found = list(weigh_wording(change, texts, explained))
    if heavy and not change.before:
        # A whole paragraph that a weighty fact tells of already.
        return [one for one in found if prose_rules()[one.rule].weight is not Weight.MATERIAL]
    return found


def _heading(change: ProseChange) -> Iterator[Finding]:
    if words_of(change.before) == words_of(change.after):
        yield Finding(rule="signs")
    elif change.before and change.after:
        yield Finding(rule="heading", fills={"before": f"“{change.before}”", "after": f"“{change.after}”"})
    elif change.after:
        yield Finding(rule="passage_added", quote=quote_of(change.after))
    else:
        yield Finding(rule="passage_removed", quote=quote_of(change.before))


def _join_sections(found: Sequence[Finding], changes: Sequence[ProseChange]) -> list[Finding]:
    """A new heading with new text about data under it is told of as one new part."""
    fresh = [
        change.after
        for change in changes
        if change.happened is ProseHappening.ADDED and change.kind is BlockKind.HEADING
    ]
    parts = []
    for title in fresh:
        under = [c for c in changes if c.section == title and c.kind is not BlockKind.HEADING]
        added = [c for c in under if c.happened is ProseHappening.ADDED and uses_in(words_of(c.after))]
        if added:
            parts.append(Finding(rule="section_added", quote=quote_of(added[0].after), fills={"section": title}))
    return [*parts, *found]


def _say(found: Iterable[Finding], language: str) -> list[Reason]:
    """Findings as sentences; of each rule some are quoted and the rest is counted."""
    by_rule: dict[str, list[Finding]] = {}
    for one in found:
        by_rule.setdefault(one.rule, []).append(one)
    # In the order of the rules: what is said in facts comes before what only words hint at.
    return [
        reason for name, rule in prose_rules().items() for reason in _sentences(rule, by_rule.get(name, ()), language)
    ]


def _sentences(rule: ProseRule, group: Sequence[Finding], language: str) -> Iterator[Reason]:
    if rule.weight is Weight.MATERIAL:
        distinct = list({(one.quote, *one.fills.values()): one for one in group}.values())
        shown, rest = distinct[:_MOST_SAID], max(0, len(distinct) - _MOST_SAID)
    else:
        shown, rest = list(group[:1]), len(group) - 1
    spoken = catalogue(language)
    for number, one in enumerate(shown, start=1):
        words = sum(each.words for each in group)
        sentence = spoken.gettext(rule.sentence).format_map(
            {"before": "–", "after": "–", "section": "", "quote": one.quote, "words": words} | dict(one.fills)
        )
        if rest and number == len(shown):
            more, in_all = mark(", and %(num)s more"), mark(" in %(num)s paragraphs")
            tail, counted = (more, rest) if one.quote or one.fills else (in_all, len(group))
            sentence = sentence.removesuffix(".") + spoken.gettext(tail) % {"num": counted} + "."
        yield Reason(weight=rule.weight, sentence=sentence)
