"""What an attestation is worth: whether somebody vouches for a clause, until when, and for the words it has now. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, Final

from core.canonical import digest
from core.catalogue import mark
from core.clock import day_in
from core.words import full_day
from policies.clauses import (
    AcceptanceClause,
    AgeLimitClause,
    ChannelClause,
    Clause,
    CookieClause,
    NoticeClause,
    PledgeClause,
    ProcessorClause,
    PurposeClause,
    RecipientClause,
    Role,
    SafeguardClause,
)
from policies.periods import Period
from promises.states import Judgement, State, Unseen

# Where a clause names no review of its own: the longest that anybody may vouch at once.
LONGEST: Final = Period(months=12)
# How many days before it ends the owner is told.
REMIND_DAYS: Final = (30, 7)
SHOWN_WORDS: Final = 200
# Kinds of which a machine sees nothing, or not all. The others are looked at by one, so nobody's word counts there.
VOUCHED: Final = (PledgeClause, SafeguardClause)
ATTESTABLE: Final = (
    *VOUCHED,
    PurposeClause,
    ChannelClause,
    CookieClause,
    NoticeClause,
    AcceptanceClause,
    ProcessorClause,
    AgeLimitClause,
)
# What is no part of the promise: where it stands, who looks after it, which rows of a list it carries.
_AROUND: Final = frozenset({"id", "line", "promises", "owner", "silent", "review"})
_NOBODY: Final = mark("Nobody vouches for this yet.")
_OVER: Final = mark("Whoever vouched for this has to look again: the review date has passed.")
_CHANGED: Final = mark("The promise has other words now, and nobody vouches for these yet.")
_VOUCHES: Final = mark("Somebody who answers for it vouches for it.")


@dataclass(frozen=True, kw_only=True)
class Vouched:
    """The last attestation of a clause that was not taken back. `name`: who vouches; `file`: that of the evidence, "" for
    none; `fits`: the clause still promises what it did then."""

    id: str
    name: str
    at: datetime
    until: datetime
    words: str
    file: str
    fits: bool


def may_be_vouched(clause: Clause) -> bool:
    """Whether somebody's word counts for a clause: of an authority no machine knows what it was told."""
    if isinstance(clause, RecipientClause):
        return clause.role is Role.AUTHORITY
    return isinstance(clause, ATTESTABLE)


def longest_for(clause: Clause, now: datetime, zone: str) -> date:
    """The last day that anybody may vouch for a clause until: its review, counted from now."""
    review = clause.review if isinstance(clause, PledgeClause | SafeguardClause) else LONGEST
    return day_in(review.after_instant(now), zone)


def promise_of(clause: Clause) -> str:
    """What a clause promises, as a hash: the same as long as nothing changes but where it stands and who looks after it."""
    said = {
        one.name: _plain(value)
        for one in fields(clause)
        if one.name not in _AROUND and (value := getattr(clause, one.name)) not in (None, False, ())
    }
    return digest({"kind": clause.kind, "says": said})


def _plain(value: Any) -> Any:
    if isinstance(value, Period):
        return str(value)
    if isinstance(value, Enum):
        return str(value.value)
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return dict(value) if isinstance(value, Mapping) else value


def judge_vouched(vouched: Vouched | None, *, why: str = "", now: datetime, zone: str = "UTC") -> Judgement:
    """A clause that nobody but a person can speak for: attested until the review date, broken from then on.

    `why`: what a machine would have needed, where one could have looked."""
    if vouched is None:
        return Judgement(state=State.BROKEN, proof=why or str(_NOBODY), public=_NOBODY)

    def judged(state: State, proof: str, public: str) -> Judgement:
        return Judgement(state=state, proof=proof, public=public, checked_at=vouched.at, good_until=vouched.until)

    day = full_day(last_day(vouched.until, zone))
    if not vouched.fits:
        since = full_day(day_in(vouched.at, zone))
        return judged(State.BROKEN, f"The clause has changed since somebody vouched for it on {since}.", _CHANGED)
    if now >= vouched.until:
        return judged(State.BROKEN, f"Somebody vouched for it until {day}: the review date has passed.", _OVER)
    return judged(State.ATTESTED, _words(vouched, day), _VOUCHES)


def settle(machine: Judgement | Unseen, vouched: Vouched | None, *, now: datetime, zone: str) -> Judgement:
    """What a machine saw and what a person says, together. Nobody's word mends what a machine sees broken; a word that was
    given beside a machine's has to be given again in its time, or taken back."""
    if isinstance(machine, Unseen):
        judged = judge_vouched(vouched, why=machine.why, now=now, zone=zone)
        if vouched is None or not machine.seen:
            return judged
        return replace(judged, proof=f"{machine.seen} {judged.proof}")
    if vouched is None or machine.state is State.BROKEN:
        return machine
    human = judge_vouched(vouched, now=now, zone=zone)
    if human.state is State.BROKEN:
        return human
    ends = [one for one in (machine.good_until, human.good_until) if one is not None]
    return Judgement(
        state=machine.state,
        proof=f"{machine.proof} {human.proof}",
        public=machine.public or machine.proof,
        checked_at=machine.checked_at,
        good_until=min(ends, default=None),
    )


def last_day(until: datetime, zone: str) -> date:
    """The last day on which it still holds, where the controller is: `until` is the first instant after it."""
    return day_in(until - timedelta(microseconds=1), zone)


def _words(vouched: Vouched, day: str) -> str:
    said = vouched.words if len(vouched.words) <= SHOWN_WORDS else vouched.words[: SHOWN_WORDS - 1].rstrip() + "…"
    with_file = f", with {vouched.file}" if vouched.file else ""
    return f"{vouched.name} vouches until {day}{with_file}: {said}"
