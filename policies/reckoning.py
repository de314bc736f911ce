"""The clock of a request: its due date as a pure function of its events, in the regime's calendar, with the reckoning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final

import holidays
from babel.dates import format_date

from core.catalogue import SOURCE, mark, short_code
from core.clock import day_in
from core.errors import BadInput
from policies.cites import cite
from policies.clauses import Answer, Right
from policies.periods import Period
from policies.reckoning_case import Case, ReckoningLine
from policies.reckoning_case import Fee as Fee
from policies.reckoning_case import Pause as Pause
from policies.reckoning_case import Reckoning as Reckoning
from policies.reckoning_events import days_paused, event_lines, start_of
from policies.regimes import Regime, RegimeRow
from policies.regimes import regime as regime_named

_SATURDAY: Final = 5


@dataclass(frozen=True, kw_only=True)
class _Clock:
    """One way to the due date: `first` before any extension; `lines` end with the day it gives."""

    day: date
    first: date
    lines: tuple[ReckoningLine, ...]


def reckon(
    *,
    regime: str | None,
    right: Right | str,
    within: Period | Answer | None,
    received: datetime,
    zone: str,
    country: str | None = None,
    subdivision: str | None = None,
    identity: date | None = None,
    pauses: Sequence[Pause] = (),
    fee: Fee | None = None,
    extended: bool = False,
    extended_on: date | None = None,
    extended_to: date | None = None,
    firm: bool = False,
    candidates: Sequence[str] = (),
    today: date | None = None,
    language: str = SOURCE,
) -> Reckoning:
    """When a request is due. Pure.

    `regime` None: the earliest of `candidates`, the policy's regimes. `country` and `subdivision` are the controller's.
    `today` closes a pause, or a wait for a fee, that is still open; without it they count for nothing yet.
    `extended` asserts an extension: BadInput where the law allows none. `extended_on` is the day on which one was told: it
    counts where the law allows it and the day was in time. `extended_to` is the day that was told where the law sets no
    limit to an extension. `language` is that of the lines.
    """
    case = Case(
        right=Right(right), within=within, received=day_in(received, zone), country=country, subdivision=subdivision,
        identity=identity, pauses=tuple(pauses), fee=fee, extended=extended or extended_on is not None,
        extended_on=extended_on, extended_to=extended_to, firm=firm, today=today, language=short_code(language),
    )  # fmt: skip
    if regime is not None:
        return _reckon_under(regime_named(regime), case, strict=extended_on is None)
    if not candidates:
        raise BadInput(
            "Neither a regime nor the policy's regimes are given.", remedy="List regimes in the policy's head."
        )
    every = [_reckon_under(regime_named(name), case, strict=False) for name in candidates]
    first = min(every, key=lambda each: each.due)
    acknowledge = [each.acknowledge_by for each in every if each.acknowledge_by]
    extend = [each.extend_by for each in every if each.extend_by]
    return Reckoning(
        due=first.due,
        acknowledge_by=min(acknowledge, default=None),
        extend_by=min(extend, default=None),
        lines=(*first.lines[:-1], *_later(every, first, case), first.lines[-1]),
        regime=first.regime,
        verified=all(each.verified for each in every),
        stands=first.stands,
    )


def _later(every: Sequence[Reckoning], first: Reckoning, case: Case) -> list[ReckoningLine]:
    """The laws that would give a later day."""
    return [
        ReckoningLine(
            day=each.due,
            words=case.say(mark("%(law)s would be later"), law=cite(regime_named(each.regime).name, case.language)),
            binds=False,
        )
        for each in every
        if each.due > first.due
    ]


def is_working_day(day: date, country: str | None, subdivision: str | None) -> bool:
    """Whether a day is neither Saturday, Sunday nor a public holiday there; an unknown place has weekends only."""
    return day.weekday() < _SATURDAY and day not in _holidays(country, subdivision, day.year)


@lru_cache(maxsize=512)
def _holidays(country: str | None, subdivision: str | None, year: int) -> frozenset[date]:
    if country is None:
        return frozenset()
    for place in (subdivision, None):
        try:
            return frozenset(holidays.country_holidays(country, subdiv=place, years=year))
        except NotImplementedError:
            continue
    return frozenset()


def _reckon_under(law: Regime, case: Case, *, strict: bool = True) -> Reckoning:
    row = law.row(case.right, case.received)
    told = case
    plain = _legal_clock(law, row, replace(case, extended=False))
    if case.extended and not _may_extend(law, row, case, plain.first, strict=strict):
        case = replace(case, extended=False)
    legal, own = _legal_clock(law, row, case) if case.extended else plain, _own_clock(row, case)
    # An extension replaces the policy's own period too, unless that one is firm.
    stands = case.firm or not case.extended
    own_binds = own is not None and stands and own.day < legal.day
    due = own.day if own is not None and own_binds else legal.day
    lines = [ReckoningLine(day=case.received, words=case.say(mark("Received")), binds=True, happened=True)]
    lines += event_lines(law, row, told, counts=case.extended)
    lines += [ReckoningLine(day=one.day, words=one.words, binds=one.binds and not own_binds) for one in legal.lines]
    if own is not None:
        also = own_binds or (own.day == legal.day and stands)
        lines += [ReckoningLine(day=one.day, words=one.words, binds=one.binds and also) for one in own.lines]
    lines.append(ReckoningLine(day=due, words=case.say(mark("Due")), binds=True))
    return Reckoning(
        due=due,
        acknowledge_by=_acknowledge_by(law, row, case),
        extend_by=plain.first if row.extension else None,
        lines=tuple(lines),
        regime=law.id,
        verified=_verified(row, case),
        stands=any(pause.end is None and pause.stops(row, start_of(row, case)) for pause in case.pauses),
    )


def _may_extend(law: Regime, row: RegimeRow, case: Case, first: date, *, strict: bool) -> bool:
    """Whether an extension counts: the law has one, knows until when, and the person was told in time."""
    if row.extension is None:
        if strict:
            what = f"{law.name} allows no extension for {case.right}."
            raise BadInput(what, remedy="Answer by the first date, or refuse in part.")
        return False
    if row.extension.is_open and case.extended_to is None:
        if strict:
            raise BadInput(
                f"{row.cite} sets no limit to an extension.", remedy="Give the new date that the person was told."
            )
        return False
    return case.extended_on is None or case.extended_on <= first


def _verified(row: RegimeRow, case: Case) -> bool:
    return (
        row.verified
        and (row.pause_verified or not any(pause.stops(row, start_of(row, case)) for pause in case.pauses))
        and (row.extension is None or row.extension.verified or not case.extended)
        and (row.acknowledge is None or row.acknowledge.verified)
    )


def _legal_clock(law: Regime, row: RegimeRow, case: Case) -> _Clock:
    start, law_words = start_of(row, case), cite(row.cite, case.language)
    lines: list[ReckoningLine] = []
    if row.at_once:
        lines.append(ReckoningLine(day=start, words=case.say(mark("At once: %(law)s"), law=law_words), binds=True))
        return _Clock(day=start, first=start, lines=tuple(lines))
    if row.business:
        day = _business_days(start, row.business, law, case)
        words = case.say(mark("%(number)s business days: %(law)s"), number=row.business, law=law_words)
        lines.append(ReckoningLine(day=day, words=words, binds=True))
        return _Clock(day=day, first=day, lines=tuple(lines))
    assert row.clock is not None
    base = row.clock.after(start)
    words = f"{_count(row.clock, case)}: {law_words}"
    lines.append(ReckoningLine(day=base, words=words, binds=not case.extended or not row.extension))
    first, paused = _paused_and_rolled(base, row, case)
    if not case.extended or row.extension is None:
        return _Clock(day=first, first=first, lines=(*lines, *paused))
    last, words = _extension_end(row, start, base, case)
    lines.append(ReckoningLine(day=last, words=words, binds=True))
    day, moved = _paused_and_rolled(last, row, case)
    return _Clock(day=day, first=first, lines=(*lines, *moved))


def _extension_end(row: RegimeRow, start: date, base: date, case: Case) -> tuple[date, str]:
    extension = row.extension
    assert extension is not None
    if extension.to:
        to = extension.to.words(case.language)
        return extension.to.after(start), case.say(mark("Extended to %(period)s from receipt"), period=to)
    if extension.by:
        by = extension.by.words(case.language)
        return extension.by.after(base), case.say(mark("Extended by %(period)s"), period=by)
    assert case.extended_to is not None
    return case.extended_to, case.say(mark("Extended to the date that was told"))


def _paused_and_rolled(day: date, row: RegimeRow, case: Case) -> tuple[date, list[ReckoningLine]]:
    lines: list[ReckoningLine] = []
    days = days_paused(row, case)
    if days:
        day += timedelta(days=days)
        lines.append(_waited(day, days, case))
    rolled = day
    while row.rolls and not is_working_day(rolled, case.country, case.subdivision):
        rolled += timedelta(days=1)
    if rolled != day:
        words = case.say(mark("%(day)s, so the next working day"), day=_why_off(day, case))
        lines.append(ReckoningLine(day=rolled, words=words, binds=True))
    return rolled, lines


def _own_clock(row: RegimeRow, case: Case) -> _Clock | None:
    if case.within is Answer.AT_ONCE:
        line = ReckoningLine(day=case.received, words=case.say(mark("The policy promises at once")), binds=True)
        return _Clock(day=case.received, first=case.received, lines=(line,))
    if not isinstance(case.within, Period):
        return None
    start = case.received if case.firm else start_of(row, case)
    day = case.within.after(start)
    words = case.say(mark("The policy promises %(period)s"), period=case.within.words(case.language))
    lines = [ReckoningLine(day=day, words=words, binds=True)]
    days = 0 if case.firm else days_paused(row, case)
    if days:
        day += timedelta(days=days)
        lines.append(_waited(day, days, case))
    return _Clock(day=day, first=day, lines=tuple(lines))


def _acknowledge_by(law: Regime, row: RegimeRow, case: Case) -> date | None:
    if row.acknowledge is None:
        return None
    if row.acknowledge.business:
        return _business_days(case.received, row.acknowledge.business, law, case)
    return row.acknowledge.period.after(case.received) if row.acknowledge.period else None


def _business_days(start: date, number: int, law: Regime, case: Case) -> date:
    country, subdivision = law.home or (case.country, case.subdivision)
    day = start
    while number:
        day += timedelta(days=1)
        number -= is_working_day(day, country, subdivision)
    return day


def _waited(day: date, days: int, case: Case) -> ReckoningLine:
    words = case.say(mark("Waited for an answer: + %(period)s"), period=Period(days=days).words(case.language))
    return ReckoningLine(day=day, words=words, binds=True)


def _count(period: Period, case: Case) -> str:
    words = period.words(case.language)
    return f"One {words[2:]}" if words.startswith("1 ") and case.language == SOURCE else words


def _why_off(day: date, case: Case) -> str:
    is_weekend = day.weekday() >= _SATURDAY
    return str(format_date(day, "EEEE", locale=case.language)) if is_weekend else case.say(mark("A public holiday"))
