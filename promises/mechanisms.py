"""How the state of the other kinds of clause follows from evidence: purposes, channels, notices, acceptance, requests of others. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from core.catalogue import mark
from core.words import ago, count, plural, span
from policies.clauses import ChannelClause, Channels, NoticeChannel, NoticeClause
from policies.notices import NoticeTerms
from promises.states import Judgement, State, Unseen

# A mailbox is read every few minutes; one that was not read for this long is not looked after.
READ_WITHIN: Final = timedelta(minutes=15)
# How long an application that reports acceptances has to send the first one of a version.
FIRST_ACCEPTANCE: Final = timedelta(days=7)
_UNREAD: Final = mark("Nobody can say that our mailbox is read at the moment.")


@dataclass(frozen=True, kw_only=True)
class PurposeEvidence:
    """`copies`: answers that printed every purpose; `mails`: mails that went out, each for a purpose that is known;
    `strange`: events of mails that have none."""

    checked_at: datetime
    copies: int
    mails: int
    strange: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ChannelEvidence:
    """The mailboxes. `heard_at`: when they were last read without trouble; `unread_since`: since when a mail that was taken
    lies unread; `waiting`: letters that a person has to sort, `late` of them past the day that a request would be due."""

    checked_at: datetime
    heard_at: datetime | None
    trouble: str = ""
    unread_since: datetime | None = None
    waiting: int = 0
    late: int = 0


@dataclass(frozen=True, kw_only=True)
class ToldVersion:
    """A version that people had to hear of. `terms`: what they had been promised; `told`, `to_tell`, `bounced`,
    `uncertain`: people, by mail; `begun`: there is a campaign; `problem`: what stands in its way."""

    number: int
    terms: NoticeTerms
    in_force_at: datetime | None
    begun: bool
    completed_at: datetime | None = None
    told: int = 0
    to_tell: int = 0
    bounced: int = 0
    uncertain: int = 0
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class NoticeEvidence:
    """The version in force and those that are planned, of those that people had to hear of. `reach`: how many collections
    of the map hold addresses to write to."""

    checked_at: datetime
    versions: tuple[ToldVersion, ...]
    reach: int


@dataclass(frozen=True, kw_only=True)
class AcceptanceEvidence:
    """Acceptances of the version in force: how many, the last one; `since`: when it came into force."""

    checked_at: datetime
    version: int
    since: datetime
    recorded: int
    last_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class HandledEvidence:
    """Requests of one sort: open, of these past their day, and those that came to their end."""

    checked_at: datetime
    open: int
    late: int
    settled: int


def judge_purpose(evidence: PurposeEvidence) -> Judgement:
    """What data is used for: every copy prints it, and no mail goes out for a purpose that nobody knows."""

    def judged(state: State, proof: str) -> Judgement:
        return Judgement(state=state, proof=proof, checked_at=evidence.checked_at)

    if evidence.strange:
        names = ", ".join(evidence.strange[:3])
        return judged(State.BROKEN, f"Mails went out for no purpose that is known: {names}.")
    copies = f"Printed in {plural(evidence.copies, 'copy', 'copies')}" if evidence.copies else "Printed in every copy"
    mails = f"{plural(evidence.mails, 'mail', 'mails')} went out, none without a purpose"
    return judged(State.KEPT, f"{copies}; {mails}." if evidence.mails else f"{copies}; no mail went out yet.")


def judge_channel(clause: ChannelClause, evidence: ChannelEvidence | None, *, now: datetime) -> Judgement | Unseen:
    """Where people can write: kept while the mailbox is read, due while letters wait to be sorted."""
    if not clause.email:
        return Unseen(why="No machine hears this way in: somebody has to vouch that it is answered.")
    if evidence is None:
        return Unseen(
            why=f"No mailbox is read for {clause.email}: name it under mail.imap or inbox, or somebody has to vouch that"
            " it is read."
        )
    heard = evidence.heard_at
    good_until = heard + READ_WITHIN if heard else None

    def judged(state: State, proof: str, public: str = "") -> Judgement:
        # A mailbox that was just set up, and that nothing is known to be wrong with, is unproven and no alarm.
        seen = evidence.checked_at if heard or evidence.trouble else None
        checked_at = heard if state is not State.BROKEN else seen
        return Judgement(state=state, proof=proof, public=public, checked_at=checked_at, good_until=good_until)

    if heard is None:
        return judged(State.BROKEN, f"The mailbox was never read. {evidence.trouble}".strip(), _UNREAD)
    if now - heard >= READ_WITHIN:
        words = f"The mailbox was last read {ago(heard, now)}. {evidence.trouble}"
        return judged(State.BROKEN, words.strip(), _UNREAD)
    if evidence.unread_since and now - evidence.unread_since >= READ_WITHIN:
        words = f"A mail that was taken has lain unread for {span(now - evidence.unread_since)}."
        return judged(State.BROKEN, words, _UNREAD)
    if evidence.late:
        words = f"{plural(evidence.late, 'letter waits', 'letters wait')} to be sorted, past the day of a request."
        return judged(State.BROKEN, words)
    read = f"The mailbox was read {ago(heard, now)}."
    if evidence.waiting:
        words = f"{read} {plural(evidence.waiting, 'letter waits', 'letters wait')} to be sorted, none late."
        return judged(State.DUE, words)
    return judged(State.KEPT, f"{read} No letter waits.")


def judge_notice(clause: NoticeClause, evidence: NoticeEvidence) -> Judgement:
    """How people hear of changes: what had to be told was told in time, and there is a way to tell the next one."""

    def judged(state: State, proof: str) -> Judgement:
        return Judgement(state=state, proof=proof, checked_at=evidence.checked_at)

    for one in evidence.versions:
        if broken := _told_too_late(one):
            return judged(State.BROKEN, broken)
    if _needs_mail(clause.material) and not evidence.reach:
        return judged(State.BROKEN, "No collection of the map holds addresses to write to: nobody could be told.")
    going_on = [_say_going_on(one) for one in evidence.versions if one.begun and one.completed_at is None]
    if going_on:
        return judged(State.DUE, " ".join(going_on))
    done = [_say_done(one) for one in evidence.versions]
    return judged(State.KEPT, " ".join(done) or "No change had to be told since this version came into force.")


def _needs_mail(channels: Channels) -> bool:
    ways = set(channels.ways)
    return NoticeChannel.EMAIL in ways and (not channels.any_of or ways == {NoticeChannel.EMAIL})


def _told_too_late(one: ToldVersion) -> str:
    if not one.begun:
        return f"Nobody was told of version {one.number}."
    if one.in_force_at is None:
        return ""
    if one.completed_at is None:
        return f"Version {one.number} is in force, and not everyone was told of it."
    ahead = one.terms.ahead
    if ahead is not None and ahead.after_instant(one.completed_at) > one.in_force_at:
        return f"Version {one.number} came into force less than {ahead.words()} after people were told."
    return ""


def _say_going_on(one: ToldVersion) -> str:
    everyone = one.told + one.to_tell + one.bounced + one.uncertain
    words = f"Version {one.number}: {count(one.told)} of {count(everyone)} told."
    return f"{words} {one.problem}".strip()


def _say_done(one: ToldVersion) -> str:
    if not (one.told or one.bounced or one.uncertain):
        return f"Version {one.number} was told to everyone by this site."
    rest = [
        f"{count(number)} {word}" for number, word in ((one.bounced, "bounced"), (one.uncertain, "uncertain")) if number
    ]
    return f"Version {one.number}: {plural(one.told, 'person', 'people')} told{', ' if rest else ''}{', '.join(rest)}."


def judge_acceptance(evidence: AcceptanceEvidence, *, now: datetime) -> Judgement | Unseen:
    """How versions are accepted: the application reports it. Where none ever comes, nobody records anything."""
    if evidence.recorded and evidence.last_at:
        people = plural(evidence.recorded, "acceptance", "acceptances")
        proof = f"{people} of version {evidence.version} recorded, the last {ago(evidence.last_at, now)}."
        return Judgement(state=State.KEPT, proof=proof, checked_at=evidence.checked_at)
    young = now - evidence.since < FIRST_ACCEPTANCE
    if young:
        proof = f"None of version {evidence.version} yet; it came into force {ago(evidence.since, now)}."
        ends = evidence.since + FIRST_ACCEPTANCE
        return Judgement(state=State.DUE, proof=proof, checked_at=evidence.checked_at, good_until=ends)
    return Unseen(
        why=f"No acceptance of version {evidence.version} was ever recorded: have the application report them, or somebody"
        " has to vouch for it."
    )


def judge_processor(evidence: HandledEvidence) -> Judgement:
    """Requests about data held for a customer: passed on in the time of the agreement."""
    return _handled(evidence, nothing="No request for a customer came in", done="passed on or answered")


def judge_age(evidence: HandledEvidence) -> Judgement | Unseen:
    """Under the age: what was said at intake to be about somebody under age came to its end in time."""
    if not (evidence.open or evidence.settled):
        return Unseen(
            why="No request of somebody under age has come in: somebody has to vouch that nobody under age is let in."
        )
    return _handled(evidence, nothing="", done="of people under age handled")


def _handled(evidence: HandledEvidence, *, nothing: str, done: str) -> Judgement:
    def judged(state: State, proof: str) -> Judgement:
        return Judgement(state=state, proof=proof, checked_at=evidence.checked_at)

    if evidence.late:
        return judged(State.BROKEN, f"{plural(evidence.late, 'request is', 'requests are')} past the day.")
    if evidence.open:
        return judged(State.DUE, f"{plural(evidence.open, 'request', 'requests')} open, none late.")
    settled = f"{plural(evidence.settled, 'request', 'requests')} {done}" if evidence.settled else nothing
    return judged(State.KEPT, f"{settled}, none open, none late.")


def judge_complaint(countries: Sequence[str], now: datetime) -> Judgement:
    """A complaint to the authority: answers and refusals name the one of the person's place."""
    if not countries:
        return Judgement(state=State.BROKEN, proof="No authority is known that answers could name.", checked_at=now)
    named = f"Answers and refusals name the authority of the person's place, in {plural(len(countries), 'country', 'countries')}."
    return Judgement(state=State.KEPT, proof=named, checked_at=now)
