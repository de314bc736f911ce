"""Which alarms stand, from what is known of clauses and jobs, and which of them are news. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.words import full_day, plural, span
from dsr.erasure_looks import BackLine
from dsr.figures import LateRequest
from notify.stuck_mails import StuckMails
from notify.webhook_desk import EndpointLine
from notify.webhook_tables import DeliveryState
from promises.silence import Silence
from promises.states import State, SweepEvidence


class AlarmKind(StrEnum):
    """HALF: the oldest record has used up half of `within`. BROKEN: evidence says the promise is broken. MISSED: a run did
    not begin when it was due. UNREACHED: a store could not say. WAITS: a sweep waits for a person for more than half of
    `within`. SILENT: a job does not run, or only fails. OVERDUE: a request is open on a day after the one it was due. BACK: people
    who were erased are there again. WEBHOOK: an endpoint takes no events. MAIL: mails were given up, or may not have arrived. LETTERS: nobody sorts what came in."""

    HALF = "half_used"
    BROKEN = "broken"
    MISSED = "run_missed"
    UNREACHED = "unreached"
    WAITS = "waits"
    SILENT = "silent"
    OVERDUE = "overdue"
    BACK = "erased_back"
    WEBHOOK = "webhook_failing"
    MAIL = "mail_stuck"
    LETTERS = "letters_wait"


# What each is called while it stands, and once it is over.
TITLES = {
    AlarmKind.HALF: "{about}: half of its time is used up",
    AlarmKind.BROKEN: "{about} is broken",
    AlarmKind.MISSED: "{about}: a run was missed",
    AlarmKind.UNREACHED: "{about}: a store could not be read",
    AlarmKind.WAITS: "{about} waits for approval too long",
    AlarmKind.SILENT: "The job {about} is silent",
    AlarmKind.OVERDUE: "Request {about} is overdue",
    AlarmKind.BACK: "What request {about} erased is back",
    AlarmKind.WEBHOOK: "Webhooks to {about} do not arrive",
    AlarmKind.MAIL: "Mails do not arrive",
    AlarmKind.LETTERS: "Letters wait to be sorted",
}
OVER_TITLES = {
    AlarmKind.HALF: "{about}: back inside half of its time",
    AlarmKind.BROKEN: "{about} is no longer broken",
    AlarmKind.MISSED: "{about} runs on time again",
    AlarmKind.UNREACHED: "{about}: its stores can be read again",
    AlarmKind.WAITS: "{about} no longer waits for approval",
    AlarmKind.SILENT: "The job {about} runs again",
    AlarmKind.OVERDUE: "Request {about} is no longer overdue",
    AlarmKind.BACK: "What request {about} erased is gone again",
    AlarmKind.WEBHOOK: "Webhooks to {about} arrive again",
    AlarmKind.MAIL: "No mail waits for somebody any more",
    AlarmKind.LETTERS: "No letter waits too long any more",
}
TO_DO = {
    AlarmKind.HALF: "Look why the sweep does not take them: a hold, its budget, an error of the last run.",
    AlarmKind.BROKEN: "The board says what was seen and when.",
    AlarmKind.MISSED: "Look whether `kept serve` was stopped or stood still at that time.",
    AlarmKind.UNREACHED: "Run `kept doctor`: it names the store and what to do.",
    AlarmKind.WAITS: "Look at the numbers, then approve it or say why not.",
    AlarmKind.SILENT: "Run `kept doctor`, then look at the log of `kept serve`.",
    AlarmKind.OVERDUE: "Its page in the console says what it waits for.",
    AlarmKind.BACK: "Look at Requests, Erased, then erase it again or say why it stays.",
    AlarmKind.WEBHOOK: "Look at Webhooks in the console: set the endpoint right, then send again what failed.",
    AlarmKind.MAIL: "Look at Outbox: try them again, or give them up and reach the person in another way.",
    AlarmKind.LETTERS: "Look at Mail: accept, add or set aside what came in. Each clock has run since it came.",
}
# What nobody can say of a clause while a store of it cannot be read.
UNKNOWN_THEN = frozenset({AlarmKind.HALF, AlarmKind.BROKEN})


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One thing that is wrong. `about`: a clause's id, the name of a job, or a request's reference; `says`: it in a sentence or two."""

    kind: AlarmKind
    about: str
    says: str
    since: datetime

    @property
    def key(self) -> str:
        """The same while it stands: one alarm of a kind about one thing."""
        return f"{self.kind}:{self.about}"

    @property
    def title(self) -> str:
        return TITLES[self.kind].format(about=self.about)

    @property
    def over_title(self) -> str:
        return OVER_TITLES[self.kind].format(about=self.about)

    @property
    def to_do(self) -> str:
        return TO_DO[self.kind]


@dataclass(frozen=True, kw_only=True)
class MissedRun:
    """A run that did not begin when it was due. `more`: runs due before it that it stands for; `began`: None if not yet."""

    due_at: datetime
    more: int
    began: datetime | None


@dataclass(frozen=True, kw_only=True)
class LettersWait:
    """Letters that nobody sorted for too long, in a sentence. `since`: when the oldest came in."""

    says: str
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is known of one clause. `sweep`, `within`, `missed` and `waits_since` are of retention clauses alone."""

    clause: str
    state: State
    proof: str
    checked_at: datetime | None
    sweep: SweepEvidence | None = None
    within: timedelta | None = None
    missed: MissedRun | None = None
    waits_since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class News:
    """What changes between the alarms that are open and those that stand."""

    raised: tuple[Alarm, ...]
    over: tuple[str, ...]


def judge_alarms(
    standings: Sequence[Standing],
    silences: Sequence[Silence],
    now: datetime,
    *,
    late: Sequence[LateRequest] = (),
    back: Sequence[BackLine] = (),
    endpoints: Sequence[EndpointLine] = (),
    mails: StuckMails | None = None,
    letters: LettersWait | None = None,
) -> tuple[Alarm, ...]:
    """Every alarm that stands now. A clause that nobody has ever looked at is red on the board, and no alarm."""
    alarms = [alarm for one in standings for alarm in _of_clause(one, now)]
    alarms += [Alarm(kind=AlarmKind.SILENT, about=one.job, says=one.words(now), since=one.since) for one in silences]
    alarms += [Alarm(kind=AlarmKind.OVERDUE, about=one.ref, says=_late_words(one), since=one.since) for one in late]
    alarms += [Alarm(kind=AlarmKind.BACK, about=one.ref, says=_back_words(one), since=one.found_at) for one in back]
    alarms += [alarm for one in endpoints for alarm in _of_endpoint(one)]
    if mails:
        alarms.append(Alarm(kind=AlarmKind.MAIL, about="outbox", says=_mail_words(mails), since=mails.since))
    if letters:
        alarms.append(Alarm(kind=AlarmKind.LETTERS, about="inbox", says=letters.says, since=letters.since))
    return tuple(alarms)


def _of_endpoint(one: EndpointLine) -> Iterator[Alarm]:
    since = one.gone_at or one.failing_since
    if since is not None:
        failed = plural(one.counts[DeliveryState.FAILED], "event has", "events have")
        says = (
            "It said 410 Gone, so nothing is sent to it."
            if one.gone_at
            else f"{failed} failed after three days of tries."
        )
        yield Alarm(kind=AlarmKind.WEBHOOK, about=one.name, says=says, since=since)


def _of_clause(one: Standing, now: datetime) -> Iterator[Alarm]:
    def alarm(kind: AlarmKind, says: str, since: datetime) -> Alarm:
        return Alarm(kind=kind, about=one.clause, says=says, since=since)

    seen = one.checked_at or now
    sweep = one.sweep
    if sweep and sweep.unreached:
        yield alarm(AlarmKind.UNREACHED, " ".join(sweep.unreached), seen)
    if one.state is State.BROKEN and one.checked_at and (sweep is None or sweep.broken or not sweep.unreached):
        yield alarm(AlarmKind.BROKEN, one.proof, seen)
    if sweep and sweep.half:
        yield alarm(AlarmKind.HALF, _half_words(sweep, one.within), seen)
    if one.missed:
        yield alarm(AlarmKind.MISSED, _missed_words(one.missed, now), one.missed.due_at)
    if one.waits_since and one.within and now - one.waits_since > one.within / 2:
        words = (
            f"A sweep has waited for approval for {span(now - one.waits_since)}; the work may take {span(one.within)}."
        )
        yield alarm(AlarmKind.WAITS, words, one.waits_since)


def _mail_words(mails: StuckMails) -> str:
    given_up = f"{plural(mails.given_up, 'mail was', 'mails were')} given up after days of tries."
    uncertain = f"Of {plural(mails.uncertain, 'mail', 'mails')} nobody knows whether they arrived."
    return " ".join(words for words, number in ((given_up, mails.given_up), (uncertain, mails.uncertain)) if number)


def _late_words(one: LateRequest) -> str:
    return f"{one.right.value.replace('_', ' ').capitalize()}, due on {full_day(one.due_on)}."


def _back_words(one: BackLine) -> str:
    found = f"{plural(one.total, 'record', 'records')} in {', '.join(one.rows)}." if one.rows else ""
    return f"{found} {one.why}".strip()


def _half_words(sweep: SweepEvidence, within: timedelta | None) -> str:
    rows = plural(sweep.half, "record is", "records are")
    allowed = f"the {span(within)} that" if within else "the time that"
    rest = f" {plural(sweep.due, 'record is', 'records are')} over it in all." if sweep.due > sweep.half else ""
    return f"{rows} over the period for more than half of {allowed} the work may take.{rest}"


def _missed_words(run: MissedRun, now: datetime) -> str:
    due = f"The run that was due at {run.due_at:%Y-%m-%d %H:%M} UTC "
    late = span((run.began or now) - run.due_at)
    words = due + (f"began {late} late." if run.began else f"has not begun, {late} later.")
    stands = f" It stands for {plural(run.more, 'more run', 'more runs')} before it." if run.more else ""
    return words + stands


def find_news(still_open: Collection[Alarm], standing: Sequence[Alarm]) -> News:
    """Raised: what stands and is not open. Over: the keys of what is open and stands no longer.

    Broken says more than half used up, so of the two only it is raised. While a store of a clause cannot be read nobody
    knows that what was wrong with the clause is over."""
    known, stands = {one.key for one in still_open}, {one.key for one in standing}
    broken = {one.about for one in standing if one.kind is AlarmKind.BROKEN}
    unread = {one.about for one in standing if one.kind is AlarmKind.UNREACHED}
    raised = tuple(
        one for one in standing if one.key not in known and not (one.kind is AlarmKind.HALF and one.about in broken)
    )
    over = tuple(
        one.key
        for one in still_open
        if one.key not in stands and not (one.kind in UNKNOWN_THEN and one.about in unread)
    )
    return News(raised=raised, over=over)
