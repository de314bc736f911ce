"""How a clause's state follows from its evidence: pure rules, no input or output."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.catalogue import mark
from core.words import ago, count, plural


class State(StrEnum):
    """KEPT: a mechanism ran and its evidence is young enough. DUE: work is outstanding, inside its time. BROKEN:
    evidence says otherwise, is too old, or is not there. ATTESTED: a named person vouches for it until a review date."""

    KEPT = "kept"
    DUE = "due"
    BROKEN = "broken"
    ATTESTED = "attested"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A state and the proof in words; `checked_at` is when the evidence was taken, `good_until` when it grows too old.

    `public`: the proof for everyone, where the words for operators name stores and fields."""

    state: State
    proof: str
    public: str = ""
    checked_at: datetime | None = None
    good_until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class SweepEvidence:
    """What the last look at the stores found for a retention clause.

    `due`: records over their period, those on hold apart; `half`, `broken`: of these, the ones past half and all of the
    time the work may take; `over`: how long the oldest is over. `trouble`: a sentence for each store that did not answer
    (those also in `unreached`) and each gap. `last_run_rows`: of the last good run."""

    checked_at: datetime
    due: int
    broken: int
    held: int
    waits_for_approval: bool
    trouble: tuple[str, ...]
    last_run_rows: int
    last_run_at: datetime | None
    half: int = 0
    over: timedelta = timedelta(0)
    unreached: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RightEvidence:
    """The tickets of one right, counted at `checked_at`."""

    checked_at: datetime
    open_tickets: int
    late_tickets: int
    answered: int
    back: int = 0  # people whose data were erased and are there again


@dataclass(frozen=True, kw_only=True)
class TellingEvidence:
    """What one recipient had to be told, counted at `checked_at`. `late`: open past its day; `settled`: told or excused."""

    checked_at: datetime
    open: int
    late: int
    settled: int


@dataclass(frozen=True, kw_only=True)
class MapEvidence:
    """What the last look at the map found for a category that is collected.

    `current`: it was judged by the version in force. `collections`: how many were looked at that hold the category.
    `differences`: sentences. `by_hand`: collections of it that nothing can look into."""

    checked_at: datetime
    current: bool
    collections: int
    by_hand: int
    differences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ScanEvidence:
    """What the last scan for a `never` clause found, of how many rows. `findings`, `trouble`: sentences, without a value."""

    checked_at: datetime
    collections: int
    rows_seen: int
    rows_total: int
    findings: tuple[str, ...]
    trouble: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CookieEvidence:
    """What the last visit of the pages says of one cookie clause. `how`: `browser`, or `headers` alone. `undeclared`:
    sentences about what is there and stands in no clause; `missing`: about what is not as the clause says; `trouble`: why
    pages could not be looked at, "" for nothing."""

    checked_at: datetime
    pages: int
    undeclared: tuple[str, ...]
    missing: tuple[str, ...]
    how: str
    trouble: str = ""


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """No machine can see, or none has seen, how this clause fares: a person has to vouch for it. `why`: what there is not,
    and what to do, for operators; `seen`: what is known beside somebody's word, said before it."""

    why: str
    seen: str = ""


MOST_SAID = 3
# For everyone: what is wrong, without the names of stores and fields.
_NOT_SEEN = mark("Not all of the data could be looked at, so nobody can say that this is kept.")
_MAP_DIFFERS = mark("The data hold something that nobody has assigned to a promise yet.")
_FOUND = mark("A scan found what may not be there.")
_NOT_VISITED = mark("Not all of the pages could be looked at, so nobody can say that this is kept.")
_COOKIES_DIFFER = mark("Pages leave something in browsers that this promise does not allow.")

# For a kind of clause that a later version of the policy language brings before the board knows it.
NOT_CHECKED = Judgement(state=State.BROKEN, proof=mark("Not checked yet: nothing looks at clauses of this kind."))


def judge_sweep(evidence: SweepEvidence | None, *, allowed_age: timedelta, now: datetime) -> Judgement:
    """A retention clause: nothing over its period is kept; over it but inside `within` is due; past that is broken."""
    if evidence is None:
        return Judgement(state=State.BROKEN, proof=mark("Not checked yet: nobody has looked at its stores."))
    good_until = evidence.checked_at + allowed_age

    def judged(state: State, proof: str, public: str = "") -> Judgement:
        return Judgement(state=state, proof=proof, public=public, checked_at=evidence.checked_at, good_until=good_until)

    if evidence.trouble:
        return judged(State.BROKEN, " ".join(evidence.trouble), _NOT_SEEN)
    if now > good_until:
        return judged(State.BROKEN, f"The last look was {ago(evidence.checked_at, now)}: too long ago to say.")
    if evidence.due or evidence.broken:
        return judged(State.BROKEN if evidence.broken else State.DUE, _over_words(evidence))
    return judged(State.KEPT, _kept_words(evidence, now))


def _over_words(evidence: SweepEvidence) -> str:
    words = f"{plural(evidence.due, 'record is', 'records are')} over the period"
    words += f", {count(evidence.broken)} of them past the time the work may take." if evidence.broken else "."
    return words + (" A sweep waits for approval." if evidence.waits_for_approval else "")


def _kept_words(evidence: SweepEvidence, now: datetime) -> str:
    words = "Nothing is over its period."
    if evidence.held:
        words = f"Nothing is over its period but {plural(evidence.held, 'record', 'records')} on hold."
    if evidence.last_run_at is None:
        return words
    removed = plural(evidence.last_run_rows, "record", "records")
    return f"{words} The last run, {ago(evidence.last_run_at, now)}, settled {removed} and read back none."


def judge_right(evidence: RightEvidence) -> Judgement:
    """A right: no ticket past its due date is kept, open ones inside their time are due, a late one is broken."""
    if evidence.back:
        back = f"What was erased of {plural(evidence.back, 'person', 'people')} is there again."
        return Judgement(state=State.BROKEN, proof=back, checked_at=evidence.checked_at)
    if evidence.late_tickets:
        late = f"{plural(evidence.late_tickets, 'request is', 'requests are')} past the due date."
        return Judgement(state=State.BROKEN, proof=late, checked_at=evidence.checked_at)
    if evidence.open_tickets:
        waiting = f"{plural(evidence.open_tickets, 'request', 'requests')} open, none late."
        return Judgement(state=State.DUE, proof=waiting, checked_at=evidence.checked_at)
    answered = f"{count(evidence.answered)} answered" if evidence.answered else "None asked for yet"
    return Judgement(state=State.KEPT, proof=f"{answered}, none open, none late.", checked_at=evidence.checked_at)


def judge_recipient(evidence: TellingEvidence) -> Judgement:
    """Who gets data: what was deleted, corrected or restricted is told to it in its time; one past its day breaks it."""

    def judged(state: State, proof: str) -> Judgement:
        return Judgement(state=state, proof=proof, checked_at=evidence.checked_at)

    if evidence.late:
        day = "its day" if evidence.late == 1 else "their day"
        return judged(State.BROKEN, f"{plural(evidence.late, 'telling', 'tellings')} past {day}.")
    if evidence.open:
        return judged(State.DUE, f"{plural(evidence.open, 'telling', 'tellings')} open, none late.")
    told = f"Told {plural(evidence.settled, 'time', 'times')}" if evidence.settled else "Nothing had to be told yet"
    return judged(State.KEPT, f"{told}, none open, none late.")


def judge_collects(evidence: MapEvidence | None, *, good_for: timedelta, now: datetime) -> Judgement:
    """What is collected: kept while every field of its collections is in the map; a new one, or a look too old, breaks it."""
    if evidence is None or not evidence.current:
        return Judgement(
            state=State.BROKEN, proof=mark("Not checked yet: nobody has compared the map with this version.")
        )
    good_until = evidence.checked_at + good_for

    def judged(state: State, proof: str, public: str = "") -> Judgement:
        return Judgement(state=state, proof=proof, public=public, checked_at=evidence.checked_at, good_until=good_until)

    if evidence.differences:
        return judged(State.BROKEN, _first_of(evidence.differences), _MAP_DIFFERS)
    if now > good_until:
        return judged(State.BROKEN, f"The last look was {ago(evidence.checked_at, now)}: too long ago to say.")
    if not evidence.collections:
        words = "Nothing can look into where it is kept." if evidence.by_hand else "No collection of the map holds it."
        return judged(State.BROKEN, words)
    looked = plural(evidence.collections, "collection", "collections")
    rest = (
        f" {plural(evidence.by_hand, 'more is', 'more are')} kept where nothing can look." if evidence.by_hand else ""
    )
    return judged(State.KEPT, f"The map covers every field of {looked}.{rest}")


def judge_never(evidence: ScanEvidence | None, *, good_for: timedelta, now: datetime) -> Judgement:
    """What is never stored: kept while a scan of a sample finds nothing; the proof says how much was looked at."""
    if evidence is None:
        return Judgement(state=State.BROKEN, proof=mark("Not checked yet: nothing has scanned for it."))
    good_until = evidence.checked_at + good_for

    def judged(state: State, proof: str, public: str = "") -> Judgement:
        return Judgement(state=state, proof=proof, public=public, checked_at=evidence.checked_at, good_until=good_until)

    looked = f"{count(evidence.rows_seen)} of {plural(evidence.rows_total, 'row', 'rows')}"
    if evidence.findings:
        return judged(State.BROKEN, f"{_first_of(evidence.findings)} Looked at: {looked}.", _FOUND)
    if evidence.trouble:
        return judged(State.BROKEN, _first_of(evidence.trouble), _NOT_SEEN)
    if now > good_until:
        return judged(State.BROKEN, f"The last scan was {ago(evidence.checked_at, now)}: too long ago to say.")
    if not evidence.collections:
        return judged(State.BROKEN, "There is no collection to look into.")
    if evidence.rows_total and not evidence.rows_seen:
        return judged(State.BROKEN, f"No row was looked at, of {count(evidence.rows_total)}.")
    places = plural(evidence.collections, "collection", "collections")
    return judged(State.KEPT, f"No finding in {looked} of {places}.")


def judge_cookie(evidence: CookieEvidence | None, *, good_for: timedelta, now: datetime) -> Judgement | Unseen:
    """Cookies: kept while a visit of the pages finds what the clauses say and nothing else. Without a visit nobody can say."""
    if evidence is None:
        return Unseen(why="No page was visited for it: name the pages in kept.yaml, or somebody has to vouch for it.")
    good_until = evidence.checked_at + good_for

    def judged(state: State, proof: str, public: str = "") -> Judgement:
        return Judgement(state=state, proof=proof, public=public, checked_at=evidence.checked_at, good_until=good_until)

    if evidence.trouble:
        return judged(State.BROKEN, evidence.trouble, _NOT_VISITED)
    against = (*evidence.undeclared, *evidence.missing)
    if against:
        return judged(State.BROKEN, _first_of(against), _COOKIES_DIFFER)
    if now > good_until:
        return judged(State.BROKEN, f"The last visit was {ago(evidence.checked_at, now)}: too long ago to say.")
    seen = "with a browser" if evidence.how == "browser" else "by their headers alone, without a browser"
    return judged(
        State.KEPT, f"{plural(evidence.pages, 'page', 'pages')} visited {seen}: nothing that no clause names."
    )


def _first_of(sentences: tuple[str, ...]) -> str:
    rest = len(sentences) - MOST_SAID
    return " ".join(sentences[:MOST_SAID]) + (f" And {count(rest)} more." if rest > 0 else "")
