"""What the mail queue shows of a letter: frozen values for the console, the commands and the interface."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from core.personal import Personal
from inbox.findings import Flag, Kind, Offer, Part
from inbox.message import Attachment
from policies.clauses import Right


class View(StrEnum):
    """The lists of the mail page. BY_ITSELF: what needed no sorting, since it was a reply that went to its request, a bounce,
    an automatic answer or a mail of ours that came back."""

    TO_SORT = "to_sort"
    SORTED = "sorted"
    NOT_REQUESTS = "not_requests"
    BY_ITSELF = "by_itself"


class LetterState(StrEnum):
    """What became of a letter. WAITING: an operator has not decided. ACCEPTED: it opened requests. JOINED: an operator said
    which request it belongs to. SET_ASIDE: no request. REPLIED: it went to its request by itself. AUTOMATIC: a program
    wrote it, and nobody has to read it."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    JOINED = "joined"
    SET_ASIDE = "set_aside"
    REPLIED = "replied"
    AUTOMATIC = "automatic"


VIEW_OF = {
    LetterState.WAITING: View.TO_SORT,
    LetterState.ACCEPTED: View.SORTED,
    LetterState.JOINED: View.SORTED,
    LetterState.SET_ASIDE: View.NOT_REQUESTS,
    LetterState.REPLIED: View.BY_ITSELF,
    LetterState.AUTOMATIC: View.BY_ITSELF,
}


class Tone(StrEnum):
    """How a sentence is drawn: `ok` with a tick, `plain`, `warn` where an operator should look twice."""

    OK = "ok"
    PLAIN = "plain"
    WARN = "warn"


@dataclass(frozen=True, kw_only=True)
class LetterLine:
    """A letter as a list shows it. `says`: the proposal, or what became of it, in a few words ("Access · GDPR"); `due_on`: the
    day its first right would be due; `refs`: the requests it opened or belongs to; `follows`: it is not the first of its
    thread; `same_as`: the letter it repeats."""

    id: str
    thread: str
    sender: str = field(repr=False)
    sender_name: str = field(repr=False)
    subject: str = field(repr=False)
    received_at: datetime
    state: LetterState
    kind: Kind
    rights: tuple[Right, ...]
    regime: str | None
    language: str
    flags: frozenset[Flag]
    auto: str
    says: str
    tone: Tone
    due_on: date | None
    refs: tuple[str, ...]
    follows: bool
    same_as: str | None


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A piece of the text. `mark` '': plain; else what these words led to: a right's value, `regime`, `deadline`,
    `identifier`, or another finding (`reminder`, `complaint`, `agent`, …). `key`: the key of its line in the proposal (`1`…`9`,
    `R`, `D`, `I`), '' where it has none."""

    text: str = field(repr=False)
    mark: str = ""
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class SignalLine:
    """One thing that is known of where a mail came from, as a sentence."""

    words: str = field(repr=False)
    tone: Tone


@dataclass(frozen=True, kw_only=True)
class ProposalLine:
    """A right that can be accepted. `words`: those that ask for it; `proposed`: it is ticked at first. `due_on` and `due_why`: the
    day, and the clause or law that sets it ("policy 7: 30 days"); None and '' without a policy in force. `opened`: the request
    that the letter opened for it already, '' where it has not."""

    key: str
    right: Right
    name: str
    words: tuple[str, ...] = field(repr=False)
    proposed: bool
    due_on: date | None
    due_why: str
    opened: str = ""


@dataclass(frozen=True, kw_only=True)
class SeenWords:
    """Words that were seen and do not count, or that speak for something else than a right. `against` '': they count."""

    words: str = field(repr=False)
    part: Part
    speaks_for: str
    against: str


@dataclass(frozen=True, kw_only=True)
class Offered:
    """An identifier that the letter gives: a claim, proven by nothing yet."""

    kind: Offer
    value: Personal


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What the machine reads in a letter. `regime`: the law it names, with `regime_words`; `regimes`: those that can be chosen;
    `language` as it was read (`und`: not known), `answered_in`: the one our mails would be in; `languages`: the choices.
    `deadline`: the day by which the person wants an answer, which binds nobody."""

    kind: Kind
    lines: tuple[ProposalLine, ...]
    regime: str | None
    regime_words: tuple[str, ...] = field(repr=False)
    regimes: tuple[str, ...]
    language: str
    answered_in: str
    languages: tuple[str, ...]
    identifiers: tuple[Offered, ...] = field(repr=False)
    deadline: date | None
    flags: frozenset[Flag]
    seen: tuple[SeenWords, ...] = field(repr=False)

    @property
    def rights(self) -> tuple[Right, ...]:
        """Those that are proposed."""
        return tuple(line.right for line in self.lines if line.proposed)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A request that a letter may belong to. `why`: such as "the same address" or "named in the subject"."""

    ref: str
    right: Right
    right_name: str
    state_name: str
    due_on: date | None
    is_closed: bool
    why: str


@dataclass(frozen=True, kw_only=True)
class InThread:
    """Another letter of the same thread, the earliest first."""

    id: str
    received_at: datetime
    sender: str = field(repr=False)
    subject: str = field(repr=False)
    state: LetterState


@dataclass(frozen=True, kw_only=True)
class LetterView:
    """A letter as its page shows it.

    `clock_from`: in words, where `received_at` was taken from. `segments`: what the person wrote, in pieces; `hidden`: quotes,
    signature and footers, `hidden_lines` how many. `attachments`: named and measured; never shown. `problems`: what was cut
    or could not be read. `candidates`: requests that it may belong to; `thread_letters`: the others of its thread; `same_as`: the
    letter it repeats. `acknowledged_at`: when the mail that says that we have it was queued, `no_acknowledgement`: why there
    is none. `decided_by`, `decided_at`, `why`: who sorted it; `can_undo`: nothing followed yet. `has_original`: its bytes are
    still kept; `kept_until`: the day they go, None while they are needed; `place`: the mailbox it came from.
    """

    id: str
    thread: str
    state: LetterState
    view: View
    subject: str = field(repr=False)
    sender: str = field(repr=False)
    sender_name: str = field(repr=False)
    to: tuple[str, ...] = field(repr=False)
    place: str
    received_at: datetime
    clock_from: str
    segments: tuple[Segment, ...] = field(repr=False)
    hidden: str = field(repr=False)
    hidden_lines: int
    signals: tuple[SignalLine, ...]
    attachments: tuple[Attachment, ...]
    problems: tuple[str, ...]
    auto: str
    proposal: Proposal
    candidates: tuple[Candidate, ...]
    thread_letters: tuple[InThread, ...]
    same_as: str | None
    acknowledged_at: datetime | None
    no_acknowledgement: str
    refs: tuple[str, ...]
    decided_by: str
    decided_at: datetime | None
    why: str
    can_undo: bool
    has_original: bool
    kept_until: date | None


@dataclass(frozen=True, kw_only=True)
class Correction:
    """A proposal beside what an operator made of it; nothing of the letter."""

    at: datetime
    proposed_kind: Kind
    proposed: tuple[Right, ...]
    decided: tuple[Right, ...]
    proposed_regime: str | None
    decided_regime: str | None
    language: str
    decision: str


@dataclass(frozen=True, kw_only=True)
class TriageFigures:
    """How proposals fared in `days` days: `accepted` as they were, and those that were corrected, the latest first."""

    days: int
    decided: int
    accepted: int
    corrections: tuple[Correction, ...]


@dataclass(frozen=True, kw_only=True)
class WaitingLetters:
    """Letters that nobody has sorted: how many, since when the oldest, and the first day that one would be due."""

    count: int
    oldest_at: datetime | None
    next_due: date | None
