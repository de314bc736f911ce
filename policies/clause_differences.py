"""Two documents clause by clause: which clause became which, what happened to it, and what that weighs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from core.catalogue import catalogue, mark
from policies.clause_findings import added, compare_ends, compare_same, removed, sets
from policies.clause_schemas import key_names
from policies.clause_words import describe_clause, said_key
from policies.clauses import (
    ChannelClause,
    Clause,
    CollectsClause,
    CookieClause,
    NeverClause,
    PledgeClause,
    PurposeClause,
    RecipientClause,
    RetentionClause,
    RightClause,
    SafeguardClause,
)
from policies.documents import Document
from policies.materiality import Reason, Rule, Weight, rank, weightiest
from policies.word_differences import RunKind, compare_words, words_of

# What can change in a clause without changing anything for the people it is promised to.
_BOOKKEEPING: Final = frozenset({"line", "silent", "promises", "owner", "id"})
_UNSURE: Final = mark("whether that is harmless cannot be told, so it counts as material")


@dataclass(frozen=True, kw_only=True)
class ClauseChange:
    """One clause that differs, in words of the new document's language.

    `happened`: the weightiest rule of materiality.yaml that fits, `also` the others; `word`: the rule in a few words
    ("longer", "new recipient"). `before`, `after`: the clause as one sentence, empty where it was not there or is not.
    The controller and the regimes of the head are told of as if each were a clause, of kind `controller` and `regimes`.
    """

    clause_id: str
    kind: str
    happened: str
    word: str
    before: str
    after: str
    weight: Weight
    why: str
    reason: str
    also: tuple[str, ...] = ()


def compare_clauses(old: Document, new: Document) -> tuple[ClauseChange, ...]:
    """Every clause that differs, the weightiest first, else in the order of the new document."""
    changes = [*_compare_heads(old, new)]
    for before, after in _pair_clauses(old.clauses, new.clauses):
        found = _findings(before, after, old, new)
        if found:
            changes.append(_say(before, after, weightiest(found), new.language))
    return tuple(sorted(changes, key=lambda change: rank(change.weight)))


def reasons_of(changes: Sequence[ClauseChange]) -> list[Reason]:
    """What each change weighs and why, as sentences."""
    return [Reason(weight=change.weight, sentence=change.reason) for change in changes]


def _compare_heads(old: Document, new: Document) -> Iterator[ClauseChange]:
    was, now = old.controller, new.controller
    if was != now:
        other = (was.name.casefold(), was.country, was.subdivision) != (
            now.name.casefold(),
            now.country,
            now.subdivision,
        )
        rule = "new_controller" if other else "controller_contact"
        yield _change("controller", "controller", weightiest([rule]), _all_of(was), _all_of(now), new.language)
    if found := list(sets(old.regimes, new.regimes, more="regime_added", less="regime_dropped")):
        before, after = ", ".join(old.regimes), ", ".join(new.regimes)
        yield _change("regimes", "regimes", weightiest(found), before, after, new.language)


def _all_of(controller: Any) -> str:
    return ", ".join(str(value) for one in fields(controller) if (value := getattr(controller, one.name)))


def _pair_clauses(old: Sequence[Clause], new: Sequence[Clause]) -> Iterator[tuple[Clause | None, Clause | None]]:
    """By id; what is left by what it is about, since a clause that was given another id is the same promise."""
    before = {clause.id: clause for clause in old}
    pairs = {clause.id: before.pop(clause.id) for clause in new if clause.id in before}
    left: dict[Any, list[Clause]] = {}
    for clause in before.values():
        left.setdefault((type(clause), _about(clause)), []).append(clause)
    for clause in new:
        if clause.id not in pairs and (alike := left.get((type(clause), _about(clause)))):
            pairs[clause.id] = alike.pop(0)
    taken = {clause.id for clause in pairs.values()}
    yield from ((pairs.get(clause.id), clause) for clause in new)
    yield from ((clause, None) for clause in before.values() if clause.id not in taken)


def _about(clause: Clause) -> Any:
    match clause:
        case CollectsClause():
            return clause.category, clause.source
        case PurposeClause() | NeverClause():
            return frozenset(clause.of)
        case RetentionClause():
            return frozenset(clause.of), clause.event
        case RightClause():
            return clause.right, clause.of, clause.regimes
        case RecipientClause():
            return clause.name.casefold()
        case CookieClause():
            return clause.name or (clause.none, clause.party, frozenset(clause.why))
        case PledgeClause() | SafeguardClause():
            return tuple(words_of(clause.says))
    return None


def _findings(before: Clause | None, after: Clause | None, old: Document, new: Document) -> list[str]:
    if before is None:
        assert after is not None
        return _findings_added(after, old)
    if after is None:
        return _findings_removed(before, new)
    keys = _changed_keys(before, after)
    if not keys:
        return []
    found = compare_same(before, after)
    if isinstance(before, RetentionClause) and isinstance(after, RetentionClause):
        found += [one for category in before.of if category not in after.of for one in _left(before, category, new)]
        found += [_came(after, category, old) for category in after.of if category not in before.of]
    if found:
        return found
    if keys <= _BOOKKEEPING:
        return ["renamed" if "id" in keys else "bookkeeping"]
    return ["bookkeeping"]


def _changed_keys(old: Clause, new: Clause) -> set[str]:
    if type(old) is not type(new):
        return {"kind"}
    names = (one.name for one in fields(new) if one.name != "line")
    return {name for name in names if getattr(old, name) != getattr(new, name)}


def _findings_added(clause: Clause, old: Document) -> list[str]:
    match clause:
        case RetentionClause():
            return [_came(clause, category, old) for category in clause.of] + (
                ["reaches_back"] if clause.reaches_back else []
            )
        case CollectsClause():
            return [_collected_before(clause, old)]
        case PurposeClause():
            known = {(of, why, one.basis) for one in old.of_kind(PurposeClause) for of in one.of for why in one.why}
            here = {(of, why, clause.basis) for of in clause.of for why in clause.why}
            return ["regrouped" if here <= known else "new_purpose"]
        case RecipientClause() if any(_about(one) == _about(clause) for one in old.of_kind(RecipientClause)):
            return ["recipient_more"]
    return [added(clause)]


def _collected_before(clause: CollectsClause, old: Document) -> str:
    same = [one for one in old.of_kind(CollectsClause) if one.category == clause.category]
    if not same:
        return "new_category"
    if clause.source not in {one.source for one in same}:
        return "new_source"
    known = {name for one in same for name in one.fields}
    return "regrouped" if known.issuperset(clause.fields) else "new_category"


def _findings_removed(clause: Clause, new: Document) -> list[str]:
    match clause:
        case RetentionClause():
            return [one for category in clause.of for one in _left(clause, category, new)]
        case CollectsClause():
            same = [
                one
                for one in new.of_kind(CollectsClause)
                if (one.category, one.source) == (clause.category, clause.source)
            ]
            kept = {name for one in same for name in one.fields}
            return ["regrouped" if kept.issuperset(clause.fields) else "category_dropped"]
        case RightClause() if any(one.right is clause.right for one in new.of_kind(RightClause)):
            return ["right_weaker"]
        case ChannelClause() if not _ways(clause) - {way for one in new.of_kind(ChannelClause) for way in _ways(one)}:
            return ["channel_changed"]
    return [removed(clause)]


def _ways(clause: ChannelClause) -> set[str]:
    return {way for way in ("email", "phone", "post", "url") if getattr(clause, way)}


def _left(clause: RetentionClause, category: str, new: Document) -> list[str]:
    """A category left a retention clause: what the other clauses of the new document promise for it."""
    others = [one for one in new.of_kind(RetentionClause) if one.id != clause.id and category in one.of]
    same = [one for one in others if one.event == clause.event] or others
    if not same:
        return ["retention_dropped"]
    return min(([*compare_ends(clause, one)] or ["regrouped"] for one in same), key=_heaviness)


def _heaviness(found: Sequence[str]) -> int:
    return -min(rank(rule.weight) for rule in weightiest(found))


def _came(clause: RetentionClause, category: str, old: Document) -> str:
    """A category came to a retention clause. What another clause promised for it before is told of there."""
    known = any(category in one.of and one.event == clause.event for one in old.of_kind(RetentionClause))
    return "regrouped" if known else "retention_added"


def _say(before: Clause | None, after: Clause | None, rules: Sequence[Rule], language: str) -> ClauseChange:
    shown = after or before
    assert shown is not None
    was, now = _sentences(before, after, language)
    return _change(shown.id, shown.kind, rules, was, now, language)


def _sentences(before: Clause | None, after: Clause | None, language: str) -> tuple[str, str]:
    was = describe_clause(before, language) if before else ""
    now = describe_clause(after, language) if after else ""
    changed = _changed_keys(before, after) - _BOOKKEEPING if before and after else set()
    if before and after and changed and was == now:
        # The sentence does not show what changed: name it.
        was, now = f"{was} ({_named(before, changed, language)})", f"{now} ({_named(after, changed, language)})"
    return was, now


def _named(clause: Clause, changed: set[str], language: str) -> str:
    keys = [key for key, name in key_names(clause.kind).items() if name in changed]
    return ", ".join(f"{key}: {said_key(clause, key, language) or '–'}" for key in keys)


def _change(clause_id: str, kind: str, rules: Sequence[Rule], before: str, after: str, language: str) -> ClauseChange:
    first, say = rules[0], catalogue(language).gettext
    heavy = [rule for rule in rules if rule.weight is first.weight]
    why = "; ".join(say(rule.why) for rule in heavy)
    if all(rule.unsure for rule in heavy):
        why += f"; {say(_UNSURE)}"
    return ClauseChange(
        clause_id=clause_id,
        kind=kind,
        happened=first.name,
        word=say(first.word),
        before=before,
        after=after,
        weight=first.weight,
        why=why,
        reason=_reason(before, after, why, language),
        also=tuple(rule.name for rule in rules[1:]),
    )


def _what_went(before: str, after: str) -> str:
    """Of the old sentence what the new one does not have, or all of it where that is most of it or nothing."""
    gone = [run.text.strip(" ,()") for run in compare_words(before, after) if run.kind is RunKind.DEL]
    words = ", ".join(part for part in gone if part)
    # A unit without its number, or a number without its unit, says nothing: "days" of "30 days".
    told = re.search(r"\d", words) or not re.search(r"\d", before)
    return words if words and told and len(words) * 2 < len(before) else before


def _reason(before: str, after: str, why: str, language: str) -> str:
    say = catalogue(language).gettext
    if not after:
        what = say(mark("No longer: %(sentence)s")) % {"sentence": before}
    elif before and before != after:
        what = say(mark("%(sentence)s (before: %(words)s)")) % {"sentence": after, "words": _what_went(before, after)}
    else:
        what = after
    return f"{what}: {why}."
