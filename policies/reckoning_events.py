"""What the events of a request do to its clock: when it begins, how long it stands, and a line for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from core.catalogue import mark
from policies.cites import cite
from policies.reckoning_case import Case, Pause, ReckoningLine
from policies.regimes import Question, Regime, RegimeRow


def start_of(row: RegimeRow, case: Case) -> date:
    """The day a clock begins: receipt, or, where the law says so, the latest of receipt, identity shown and fee paid."""
    begun = _identity_shown(row, case)
    if case.fee is None or not _waits_for_fee(row, case, begun):
        return begun
    return max(begun, case.fee.paid or case.today or begun)


def _identity_shown(row: RegimeRow, case: Case) -> date:
    if not row.begins_at_identity:
        return case.received
    shown = max(case.received, case.identity or case.received)
    waited = [
        pause.end or case.today or pause.start
        for pause in case.pauses
        if pause.about is Question.IDENTITY and pause.is_prompt(row, shown)
    ]
    return max(shown, *waited) if waited else shown


def _waits_for_fee(row: RegimeRow, case: Case, begun: date) -> bool:
    """Whether the clock waits for the fee: one that was announced after the first due date holds up nothing."""
    if case.fee is None or row.clock is None or not row.begins_at_identity:
        return False
    return case.fee.asked <= row.clock.after(begun)


def days_paused(row: RegimeRow, case: Case) -> int:
    """Days the clock stood still: each day once, however the pauses overlap, and none before the clock began."""
    days: set[date] = set()
    start = start_of(row, case)
    for pause in case.pauses:
        if not pause.stops(row, start):
            continue
        end = pause.end or case.today or pause.start
        day = max(pause.start, start)
        while day < end:
            days.add(day)
            day += timedelta(days=1)
    return len(days)


def event_lines(law: Regime, row: RegimeRow, case: Case, *, counts: bool) -> list[ReckoningLine]:
    """A line for each event and what it does, by their days. `counts`: whether an extension that was told does."""
    start = start_of(row, case)
    said = [*_identity(row, case)]
    for pause in case.pauses:
        said += _question(law, row, case, pause, start)
    said += [*_fee(row, case), *_extension(law, row, case, counts=counts)]
    return [
        ReckoningLine(day=day, words=words, binds=True, happened=True)
        for day, words in sorted(said, key=lambda one: one[0])
    ]


def _identity(row: RegimeRow, case: Case) -> Iterator[tuple[date, str]]:
    if row.begins_at_identity and case.identity and case.identity > case.received:
        starts = case.identity == start_of(row, case)
        words = mark("Identity shown, the clock starts") if starts else mark("Identity shown")
        yield case.identity, case.say(words)


def _question(law: Regime, row: RegimeRow, case: Case, pause: Pause, start: date) -> Iterator[tuple[date, str]]:
    holds_up = pause.stops(row, start)
    begins = row.begins_at_identity and pause.about is Question.IDENTITY and pause.is_prompt(row, start)
    if holds_up:
        words = case.say(mark("A question was asked, the clock stands"))
    elif begins:
        words = case.say(mark("Asked who the person is, the clock waits for it"))
    elif pause.about in row.pauses:
        words = case.say(mark("A question was asked, too late to stop the clock"))
    else:
        words = case.say(mark("A question was asked; %(law)s lets no clock stand for it"), law=_name(law, case))
    yield pause.start, words
    if pause.end is not None:
        answered = mark("The question was answered, the clock runs") if holds_up or begins else mark("It was answered")
        yield pause.end, case.say(answered)


def _fee(row: RegimeRow, case: Case) -> Iterator[tuple[date, str]]:
    if case.fee is None:
        return
    waits = _waits_for_fee(row, case, _identity_shown(row, case))
    yield (
        case.fee.asked,
        case.say(mark("A fee was announced, the clock waits for it") if waits else mark("A fee was announced")),
    )
    if case.fee.paid:
        yield case.fee.paid, case.say(mark("The fee was paid, the clock starts") if waits else mark("The fee was paid"))


def _extension(law: Regime, row: RegimeRow, case: Case, *, counts: bool) -> Iterator[tuple[date, str]]:
    if case.extended_on is None:
        return
    if counts:
        words = case.say(mark("Told that it takes longer"))
    elif row.extension is None:
        words = case.say(mark("Told that it takes longer; %(law)s has no extension"), law=_name(law, case))
    else:
        words = case.say(mark("Told that it takes longer, too late to count"))
    yield case.extended_on, words


def _name(law: Regime, case: Case) -> str:
    return cite(law.name, case.language)
