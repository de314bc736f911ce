"""What differs between two policy texts, clause by clause and word by word, and what that weighs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from policies.clause_differences import ClauseChange, compare_clauses, reasons_of
from policies.documents import Document, parse_document
from policies.doubled_texts import read_once
from policies.materiality import Verdict, Weight, give_verdict, rank
from policies.plain_texts import PlainText, read_markdown, read_plain
from policies.prose import render_text
from policies.prose_differences import ProseChange, ProseHappening, Section, compare_prose, shorten
from policies.prose_materiality import nothing_differs, stands_twice, weigh_bodies, weigh_texts


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two texts compared. `clauses`: only where both are Kept documents. `prose`: every paragraph, also unchanged ones.

    `language` is that of the new text, and of all words here. `same_clauses`: how many clauses are word for word the same.
    """

    language: str
    clauses: tuple[ClauseChange, ...]
    same_clauses: int
    prose: tuple[ProseChange, ...]
    verdict: Verdict

    @cached_property
    def changed_prose(self) -> tuple[ProseChange, ...]:
        """The paragraphs that are not the same, in reading order."""
        return tuple(change for change in self.prose if change.happened is not ProseHappening.SAME)

    def sections(self, context: int = 1) -> tuple[Section, ...]:
        """The changed paragraphs by heading, with `context` unchanged ones around each."""
        return shorten(self.prose, context)

    def as_json(self) -> dict[str, Any]:
        """The answer of `kept policy diff`: verdict, reasons, clauses, prose; see jobs/commands/policy_diff.py."""
        return {
            "verdict": self.verdict.weight.value,
            "reasons": list(self.verdict.reasons),
            "clauses": [_clause_json(change) for change in self.clauses],
            "prose": [_prose_json(change) for change in self.changed_prose],
        }


def compare(old: Document | PlainText, new: Document | PlainText) -> Difference:
    """Compare two policy texts, Kept documents or not. The verdict comes from clauses where both sides have them."""
    (before, twice_before), (after, twice_after) = read_once(_as_plain(old)), read_once(_as_plain(new))
    prose = compare_prose(before.blocks, after.blocks)
    clauses: tuple[ClauseChange, ...] = ()
    same = 0
    if isinstance(old, Document) and isinstance(new, Document):
        clauses = compare_clauses(old, new)
        verdict = _judge_documents(old, new, clauses)
        same = len(new.clauses) - sum(1 for change in clauses if new.clause(change.clause_id))
    else:
        reasons = weigh_texts(prose, before, after)
        if twice_before != twice_after:
            reasons.append(stands_twice(after.language, before.name if twice_before else after.name))
        verdict = give_verdict(reasons, nothing_differs(after.language))
    return Difference(language=after.language, clauses=clauses, same_clauses=same, prose=prose, verdict=verdict)


def judge(old: Document, new: Document) -> Verdict:
    """The verdict alone, for publishing: the same that `compare` gives, without the words of the prose."""
    return _judge_documents(old, new, compare_clauses(old, new))


def read_either(text: str, name: str) -> Document | PlainText:
    """A Kept document where the text begins as one, else any policy text. Raises BadInput, also for a broken capture."""
    head = text.removeprefix("\ufeff").lstrip()
    if head.startswith("---") and "\npolicy:" in head[:20_000] and "\nclauses:" in head:
        return parse_document(text, name)
    return read_plain(text, name)


def _judge_documents(old: Document, new: Document, clauses: tuple[ClauseChange, ...]) -> Verdict:
    """Clauses decide; the prose is asked only where they say nothing that must be heard of."""
    reasons = reasons_of(clauses)
    if all(rank(change.weight) > rank(Weight.MATERIAL) for change in clauses):
        reasons += weigh_bodies(old, new, {change.clause_id for change in clauses})
    return give_verdict(reasons, nothing_differs(new.language))


def _as_plain(text: Document | PlainText) -> PlainText:
    if isinstance(text, PlainText):
        return text
    return PlainText(name=text.policy, blocks=read_markdown(render_text(text)), language=text.language)


def _clause_json(change: ClauseChange) -> dict[str, Any]:
    return {
        "id": change.clause_id,
        "kind": change.kind,
        "happened": change.happened,
        "also": list(change.also),
        "before": change.before or None,
        "after": change.after or None,
        "weight": change.weight.value,
        "why": change.why,
    }


def _prose_json(change: ProseChange) -> Mapping[str, Any]:
    return {
        "happened": change.happened.value,
        "kind": change.kind.value,
        "section": change.section,
        "moved_from": change.moved_from or None,
        "before": change.before or None,
        "after": change.after or None,
        "runs": [{"kind": run.kind.value, "text": run.text} for run in change.runs],
    }
