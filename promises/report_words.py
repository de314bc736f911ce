"""The words of a report's first page: what is counted there, and the bad news."""

from __future__ import annotations

from dataclasses import dataclass

from core.words import count, long_day, plural
from promises.board import Board
from promises.report_facts import Facts, Span
from promises.states import State

MOST_SAID = 4
MOST_NAMED = 4


@dataclass(frozen=True, kw_only=True)
class Cover:
    """The first page. `title`: the span in words; `sums`: a number and what it counts, four of them; `bad_news`: sentences,
    the worst first, () where there is none; `more`: how many further ones the pages behind have."""

    title: str
    sums: tuple[tuple[str, str], ...]
    bad_news: tuple[str, ...]
    more: int


def cover_of(facts: Facts, board: Board) -> Cover:
    """What the first page says."""
    news = _bad_news(facts, board)
    return Cover(
        title=say_span(facts.span),
        sums=_sums(facts, board),
        bad_news=tuple(news[:MOST_SAID]),
        more=len(news[MOST_SAID:]),
    )


def say_span(span: Span) -> str:
    """`May 2026` for a whole month, else both days."""
    if span == Span.month(f"{span.first:%Y-%m}", span.zone):
        return f"{span.first:%B %Y}"
    if span.first == span.last:
        return long_day(span.first)
    return f"{long_day(span.first)} to {long_day(span.last)}"


def _sums(facts: Facts, board: Board) -> tuple[tuple[str, str], ...]:
    clauses = [facts.clauses.get(one.clause_id) for one in board.clauses]
    seen = [one for one in clauses if one is not None and one.seen]
    kept = sum(one.count(State.KEPT) + one.count(State.ATTESTED) == one.seen for one in seen)
    broken = sum(bool(one.count(State.BROKEN)) for one in seen)
    answered = sum(one.answered for one in facts.rights)
    in_time = sum(one.in_time for one in facts.rights)
    rows = sum(one.rows for one in facts.sweeps)
    return (
        (
            f"{count(kept)} of {count(len(board.clauses))}",
            "promises kept or vouched for on every day that was recorded",
        ),
        (
            f"{count(in_time)} of {count(answered)}",
            "requests answered in time" if answered else "requests answered: none was due",
        ),
        (count(rows), "records gone because their time was over"),
        (count(broken), "promise broken on some day" if broken == 1 else "promises broken on some day"),
    )


def _bad_news(facts: Facts, board: Board) -> list[str]:
    sentences = {one.clause_id: one.sentence for one in board.clauses}
    news = [
        f"{clause}: broken on {plural(days.count(State.BROKEN), 'day', 'days')}. {sentences[clause]}"
        for clause, days in facts.clauses.items()
        if days.count(State.BROKEN) and clause in sentences
    ]
    late = [one for one in facts.requests if one.late]
    if late:
        still = sum(one.closed is None for one in late)
        news.append(f"{plural(len(late), 'request', 'requests')} over the day, {count(still)} of them still open.")
    failed = sum(one.failed for one in facts.sweeps)
    if failed:
        news.append(f"{plural(failed, 'sweep', 'sweeps')} left something undone.")
    unknown = [
        one.clause_id for one in board.clauses if not (days := facts.clauses.get(one.clause_id)) or not days.seen
    ]
    if unknown:
        named = ", ".join(unknown[:MOST_NAMED]) + (" and others" if len(unknown) > MOST_NAMED else "")
        news.append(f"Of {plural(len(unknown), 'promise', 'promises')} nothing was recorded in this time: {named}.")
    return news
