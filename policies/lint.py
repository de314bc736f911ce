"""What is wrong with a policy that can be read: promises the prose makes alone, and clauses that leave something open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from policies.clauses import (
    Action,
    Clause,
    CollectsClause,
    NeverClause,
    PurposeClause,
    RecipientClause,
    RetentionClause,
    Right,
    RightClause,
)
from policies.documents import Document
from policies.law_checks import check_law
from policies.period_order import Order, order_periods
from policies.periods import Period
from policies.prose_checks import passages, said_addresses, said_dates, said_periods, said_recipients, said_rights

# the calendar's periods that totals can be made by: each is counted once, when it is over
CALENDAR: Final = {
    "hour": Period(hours=1),
    "day": Period(days=1),
    "month": Period(months=1),
    "year": Period(years=1),
}


class Level(StrEnum):
    """A refusal keeps a document from being published; a warning does not."""

    REFUSED = "refused"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding: where, in which clause if in one, what, and what to do."""

    level: Level
    line: int
    clause: str | None
    what: str
    remedy: str


def lint(document: Document) -> list[Finding]:
    """All findings of a document, refusals first, each kind by line."""
    findings = [
        *_check_cited(document),
        *_check_prose(document),
        *_check_retention(document),
        *_check_rights(document),
        *_check_categories(document),
        *(_warn(one.line, one.clause, one.what, one.remedy) for one in check_law(document)),
    ]
    return sorted(findings, key=lambda found: (found.level is Level.WARNING, found.line))


def refusals(findings: Sequence[Finding]) -> list[Finding]:
    """Those findings that keep a document from being published."""
    return [found for found in findings if found.level is Level.REFUSED]


def _refuse(line: int, clause: str | None, what: str, remedy: str) -> Finding:
    return Finding(level=Level.REFUSED, line=line, clause=clause, what=what, remedy=remedy)


def _warn(line: int, clause: str | None, what: str, remedy: str) -> Finding:
    return Finding(level=Level.WARNING, line=line, clause=clause, what=what, remedy=remedy)


def _check_cited(document: Document) -> Iterator[Finding]:
    cited = {citation.clause for citation in document.prose.citations}
    for clause in document.clauses:
        if clause.id not in cited and not clause.silent:
            remedy = f'Print one of its keys, or write {{{{ clause("{clause.id}").cite }}}} where it is said, or silent: true.'
            yield _refuse(clause.line, clause.id, f"The prose never cites clause {clause.id}.", remedy)


def _check_prose(document: Document) -> Iterator[Finding]:
    prose = passages(document)
    for said in said_periods(document, prose):
        if said.held:
            what = f"'{said.what}' is written out; it will not follow its clause when that changes."
            yield _warn(said.line, None, what, 'Print it: {{ clause("ID").for }}.')
        else:
            yield _refuse(
                said.line, None, f"No clause holds '{said.what}'.", 'Print the clause: {{ clause("ID").for }}.'
            )
    for said in said_addresses(document, prose):
        if not said.held:
            remedy = "Give it a channel clause, or write the controller's address."
            yield _refuse(said.line, None, f"No clause holds the address {said.what}.", remedy)
    for said in said_dates(prose):
        what = f"'{said.what}' is written out as the policy's date; it will not follow the next version."
        yield _warn(said.line, None, what, "Print it: {{ in_force }}.")
    for said in said_recipients(document, prose):
        if not said.held:
            yield _refuse(said.line, None, f"No clause holds the recipient {said.what}.", "Give it a recipient clause.")
    for said in said_rights(document, prose):
        if not said.held:
            remedy = f"Add {{id: …, kind: right, right: {said.what}, within: …}}, or do not offer it."
            yield _refuse(said.line, None, f"The prose offers a right that no clause holds: {said.what}.", remedy)


def _check_retention(document: Document) -> Iterator[Finding]:
    seen: dict[tuple[str, str | None], Clause] = {}
    for clause in document.of_kind(RetentionClause):
        if clause.period is None and clause.until is None:
            remedy = "Write for: P30D or another period, or until: an event."
            yield _refuse(clause.line, clause.id, f"Clause {clause.id} keeps data without a period.", remedy)
        for category in clause.of:
            other = seen.setdefault((category, clause.event), clause)
            if other is not clause:
                counted = f"after {clause.event}" if clause.event else "from the record's own time"
                what = f"Clauses {other.id} and {clause.id} both say how long {category} is kept, counted {counted}."
                yield _refuse(clause.line, clause.id, what, f"Take {category} out of one of them.")
        if clause.then is Action.AGGREGATE:
            yield from _check_totals(clause)
    yield from _check_exceptions(document)
    kept = {category for clause in document.of_kind(RetentionClause) for category in clause.of}
    for collected in document.of_kind(CollectsClause):
        if collected.category not in kept:
            what = f"{collected.category} is collected, and no clause says how long it is kept."
            remedy = f"Add {{id: …, kind: retention, of: {collected.category}, for: …, then: …}}."
            yield _refuse(collected.line, collected.id, what, remedy)


def _check_totals(clause: RetentionClause) -> Iterator[Finding]:
    named = [word for word in clause.by if word in CALENDAR]
    if len(named) != 1:
        what = f"Clause {clause.id} makes totals by {' and '.join(named) or 'no period'}; only what is over is counted once."
        remedy = f"Name one of {', '.join(CALENDAR)} in by, beside the other fields."
        yield _refuse(clause.line, clause.id, what, remedy)
        return
    if order_periods(clause.within, CALENDAR[named[0]]) not in (Order.SAME, Order.SHORTER):
        what = f"Clause {clause.id} counts a {named[0]} when it is over, which may be later than its within allows."
        remedy = f"Write within: {CALENDAR[named[0]]}, or make totals by a shorter period."
        yield _warn(clause.line, clause.id, what, remedy)


def _check_exceptions(document: Document) -> Iterator[Finding]:
    holders: list[RetentionClause | RightClause] = [*document.of_kind(RetentionClause), *document.of_kind(RightClause)]
    for clause in holders:
        for exception in clause.exceptions:
            if exception.period is None:
                what = f"Clause {clause.id} keeps {', '.join(exception.of)} back without a period."
                yield _refuse(clause.line, clause.id, what, "Write for: P10Y or another period in the exception.")


def _check_rights(document: Document) -> Iterator[Finding]:
    seen: dict[tuple[Right, str, str], Clause] = {}
    told: set[tuple[str, str]] = set()
    for clause in document.of_kind(RightClause):
        if clause.within is None and not (clause.right is Right.COMPLAINT and clause.to == "authority"):
            remedy = "Write within: P30D, by_law or at_once."
            yield _refuse(clause.line, clause.id, f"Right {clause.id} has no time to be answered in.", remedy)
        for regime in clause.regimes or document.regimes:
            for scope in clause.of or ("",):
                other = seen.setdefault((clause.right, regime, scope), clause)
                if other is not clause and (other.id, clause.id) not in told:
                    told.add((other.id, clause.id))
                    what = f"Clauses {other.id} and {clause.id} both give the right {clause.right} under {regime}."
                    yield _refuse(clause.line, clause.id, what, "Keep one, or narrow them with regimes or of.")


def _check_categories(document: Document) -> Iterator[Finding]:
    """A category that is used or passed on, and that no clause collects, keeps or bans, is as a rule misspelt."""
    kept = {category: clause for clause in document.of_kind(RetentionClause) for category in clause.of}
    known = {*kept, *(clause.category for clause in document.of_kind(CollectsClause))}
    known |= {category for clause in document.of_kind(NeverClause) for category in clause.of}
    users: list[PurposeClause | RecipientClause] = [
        *document.of_kind(PurposeClause),
        *document.of_kind(RecipientClause),
    ]
    for clause in users:
        for category in clause.of:
            if category not in known:
                what = f"Clause {clause.id} names {category}, which no clause collects, keeps or says is never stored."
                yield _warn(clause.line, clause.id, what, "Correct the word, or add a clause for it.")
    for never in document.of_kind(NeverClause):
        for category in never.of:
            if category in kept and not never.exceptions and not never.unless_consent:
                what = f"{category} is never stored by clause {never.id}, and kept by clause {kept[category].id}."
                yield _warn(never.line, never.id, what, "Take it out of one, or say except: or unless: what holds.")
