"""Recipients that are told what was done: states, lines for operators, sentences for the person, figures for the board."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.catalogue import catalogue, mark
from core.personal import Personal
from core.words import long_day
from dsr.tables import TicketRow
from dsr.telling_tables import FORESEEN, TellingFileRow, TellingRow
from plans.build_told import Way as Way
from plans.build_told import What as What
from plans.build_told import recipient_key
from policies.clauses import Right


class TellingState(StrEnum):
    """FORESEEN: a plan would have it told. ASKED: told by mail, the answer is awaited. REMINDED: asked again. DONE: they did
    it. NOTHING_HELD: they hold nothing of the person. CANNOT: they say that they will not or cannot; an operator decides.
    BY_HAND: somebody has to tell it. TOLD_BY_HAND: somebody did. EXCUSED: not told, for a ground of the law or because it
    never got the data. WITHDRAWN: no longer needed."""

    FORESEEN = FORESEEN
    ASKED = "asked"
    REMINDED = "reminded"
    DONE = "done"
    NOTHING_HELD = "nothing_held"
    CANNOT = "cannot"
    BY_HAND = "by_hand"
    TOLD_BY_HAND = "told_by_hand"
    EXCUSED = "excused"
    WITHDRAWN = "withdrawn"


class Ground(StrEnum):
    """Why a recipient is not told: Art. 19 names the first two; NOT_GIVEN: it never got data of this person."""

    IMPOSSIBLE = "impossible"
    EFFORT = "effort"
    NOT_GIVEN = "not_given"


WAITING: Final = frozenset({TellingState.ASKED, TellingState.REMINDED})
OPEN: Final = WAITING | {TellingState.BY_HAND, TellingState.CANNOT}
STATE_NAMES: Final[Mapping[TellingState, str]] = {
    TellingState.FORESEEN: "Will be told",
    TellingState.ASKED: "Told, answer awaited",
    TellingState.REMINDED: "Reminded",
    TellingState.DONE: "Done there",
    TellingState.NOTHING_HELD: "Nothing held there",
    TellingState.CANNOT: "They say they cannot",
    TellingState.BY_HAND: "To be told by hand",
    TellingState.TOLD_BY_HAND: "Told by hand",
    TellingState.EXCUSED: "Not told",
    TellingState.WITHDRAWN: "Withdrawn",
}
GROUND_NAMES: Final[Mapping[Ground, str]] = {
    Ground.IMPOSSIBLE: "it is impossible (GDPR Art. 19)",
    Ground.EFFORT: "it takes disproportionate effort (GDPR Art. 19)",
    Ground.NOT_GIVEN: "it never got data of this person",
}
ASK_WORDS: Final[Mapping[What, str]] = {
    What.DELETED: mark("Delete what you got from us about one person"),
    What.CORRECTED: mark("Correct what you got from us about one person"),
    What.RESTRICTED: mark("Only store what you got from us about one person, and use it no more"),
    What.LIFTED: mark("You may use again what you got from us about one person"),
}
SHORT_WORDS: Final[Mapping[What, str]] = {
    What.DELETED: "deleted",
    What.CORRECTED: "corrected",
    What.RESTRICTED: "restricted",
    What.LIFTED: "no longer restricted",
}
_DONE_THERE: Final[Mapping[What, str]] = {
    What.DELETED: mark("told on %(day)s; they answered that it is deleted"),
    What.CORRECTED: mark("told on %(day)s; they answered that it is put right"),
    What.RESTRICTED: mark("told on %(day)s; they answered that they only store it"),
    What.LIFTED: mark("told on %(day)s that it is no longer restricted"),
}
_DONE_BY_US: Final[Mapping[What, str]] = {
    What.DELETED: mark("deleted there too on %(day)s, and looked at again afterwards"),
    What.CORRECTED: mark("put right there too on %(day)s, and looked at again afterwards"),
}
_AWAITED: Final = mark("told on %(day)s; their answer is awaited")
_HOLDS_NOTHING: Final = mark("told on %(day)s; they answered that they hold nothing about you")
_NOTHING_THERE: Final = mark("looked at on %(day)s; nothing about you is held there")
_FOLLOWED_UP: Final = mark("told on %(day)s; they have not done it, and we follow it up")
_TOLD: Final = mark("told on %(day)s")
_NOT_YET: Final = mark("not told yet; we do it by hand")
_WILL_BE: Final = mark("told once it is done")
_NOT_TOLD: Final = mark("not told: %(why)s")
_NONE: Final = mark("Our policy names nobody else who got this data from us.")
_NOBODY: Final[Mapping[Right, str]] = {
    Right.DELETION: _NONE,
    Right.CORRECTION: _NONE,
    # The stores are asked where the person is after the answer went out.
    Right.RESTRICTION: mark(
        "We also tell everyone who got this data from us. Who that is, and what they answer, stands on your page."
    ),
}
_UNTOLD: Final = frozenset({TellingState.WITHDRAWN})


@dataclass(frozen=True, kw_only=True)
class TellingLine:
    """One recipient of one ticket. `identifiers`, `corrections`: empty once it has answered. `mailed_at`: the last mail;
    `reminders`: how many there were. `why`: why a program cannot tell it, while it is to be told by hand."""

    id: str
    ref: str
    recipient: str
    clause: str
    condition: str
    what: What
    way: Way
    address: Personal
    of: tuple[str, ...]
    identifiers: tuple[tuple[str, tuple[Personal, ...]], ...]
    corrections: tuple[tuple[str, Personal], ...]
    why: str
    state: TellingState
    state_name: str
    asked_at: datetime | None
    due_at: datetime | None
    mailed_at: datetime | None
    reminders: int
    told_on: date | None
    answered_at: datetime | None
    answered_by: str | None
    ground: Ground | None
    note: str
    files: tuple["TellingFile", ...]
    is_overdue: bool
    is_test: bool

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def waits(self) -> bool:
        """Whether an answer of theirs is awaited."""
        return self.state in WAITING


@dataclass(frozen=True, kw_only=True)
class TellingFile:
    """One file that came with an answer, without its bytes. `size`: bytes."""

    id: str
    name: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class TellingFigures:
    """How the recipients of one name stand, test tickets left out. `late`: open past their day; `settled`: told, or excused."""

    open: int = 0
    late: int = 0
    settled: int = 0


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What it takes to find a person there, and what is right now; `why`: for operators."""

    identifiers: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    corrections: Sequence[tuple[str, str]] = field(default=(), repr=False)
    why: str = ""


def write_facts(facts: Facts) -> Personal:
    plain = {
        "identifiers": {kind: list(values) for kind, values in facts.identifiers.items()},
        "corrections": [list(pair) for pair in facts.corrections],
        "why": facts.why,
    }
    return Personal(json.dumps(plain, ensure_ascii=False, sort_keys=True))


def read_facts(row: TellingRow) -> Facts:
    plain: dict[str, Any] = json.loads(row.facts.reveal()) if row.facts else {}
    return Facts(
        identifiers=plain.get("identifiers", {}),
        corrections=[(name, value) for name, value in plain.get("corrections", ())],
        why=plain.get("why", ""),
    )


def say_telling(what: What, language: str) -> str:
    """What a recipient is asked to do, in its language."""
    return catalogue(language).gettext(ASK_WORDS[what])


def of_ticket(session: Session, ticket_id: str) -> Sequence[TellingRow]:
    """Every telling of a ticket, in the order they were written down."""
    wanted = sa.select(TellingRow).where(TellingRow.ticket_id == ticket_id).order_by(TellingRow.at, TellingRow.id)
    return session.execute(wanted).scalars().all()


def list_tellings(
    session: Session, now: datetime, *, ticket_id: str = "", states: Sequence[TellingState] = (), limit: int = 500
) -> tuple[TellingLine, ...]:
    """Tellings by the day they are due, of one ticket in the order of its policy."""
    wanted = sa.select(TellingRow, TicketRow.ref, TicketRow.is_test).join(
        TicketRow, TicketRow.id == TellingRow.ticket_id
    )
    if ticket_id:
        wanted = wanted.where(TellingRow.ticket_id == ticket_id).order_by(TellingRow.at, TellingRow.id)
    else:
        wanted = wanted.order_by(TellingRow.due_at, TellingRow.id)
    if states:
        wanted = wanted.where(TellingRow.state.in_([one.value for one in states]))
    rows = session.execute(wanted.limit(limit)).all()
    return tuple(line_of(session, row, ref, now, is_test=is_test) for row, ref, is_test in rows)


def line_of(session: Session, row: TellingRow, ref: str, now: datetime, *, is_test: bool) -> TellingLine:
    """One telling as pages show it."""
    state, facts = TellingState(row.state), read_facts(row)
    return TellingLine(
        id=row.id,
        ref=ref,
        recipient=row.recipient,
        clause=row.clause,
        condition=row.condition,
        what=What(row.what),
        way=Way(row.way),
        address=row.address,
        of=tuple(row.of),
        identifiers=tuple((kind, tuple(Personal(one) for one in found)) for kind, found in facts.identifiers.items()),
        corrections=tuple((name, Personal(value)) for name, value in facts.corrections),
        why=facts.why,
        state=state,
        state_name=STATE_NAMES[state],
        asked_at=row.asked_at,
        due_at=row.due_at,
        mailed_at=row.mailed_at,
        reminders=max(row.mails - 1, 0),
        told_on=row.told_on,
        answered_at=row.answered_at,
        answered_by=row.answered_by,
        ground=Ground(row.ground) if row.ground else None,
        note=row.note,
        files=_files(session, row),
        is_overdue=is_overdue(row, now),
        is_test=is_test,
    )


def is_overdue(row: TellingRow, now: datetime) -> bool:
    return TellingState(row.state) in OPEN and row.due_at is not None and row.due_at < now


def count_overdue_tellings(session: Session, now: datetime) -> int:
    """How many recipients are over their day, those of test tickets left out."""
    return sum(one.late for one in count_recipients(session, now).values())


def count_recipients(session: Session, now: datetime) -> dict[str, TellingFigures]:
    """The figures of every recipient that had to be told, by its name as `recipient_key` spells it."""
    is_open = TellingRow.state.in_([one.value for one in OPEN])
    settled = (TellingState.DONE, TellingState.NOTHING_HELD, TellingState.TOLD_BY_HAND, TellingState.EXCUSED)
    wanted = (
        sa.select(
            TellingRow.recipient_key,
            sa.func.count().filter(is_open),
            sa.func.count().filter(is_open, TellingRow.due_at < now),
            sa.func.count().filter(TellingRow.state.in_([one.value for one in settled])),
        )
        .join(TicketRow, TicketRow.id == TellingRow.ticket_id)
        .where(TicketRow.is_test.is_(False))
        .group_by(TellingRow.recipient_key)
    )
    return {
        name: TellingFigures(open=opened, late=late, settled=done)
        for name, opened, late, done in session.execute(wanted)
    }


def figures_of(figures: Mapping[str, TellingFigures], name: str) -> TellingFigures:
    """Those of one recipient by the name its clause gives it."""
    return figures.get(recipient_key(name), TellingFigures())


def say_told(session: Session, ticket: TicketRow, language: str) -> list[dict[str, str]]:
    """Who was told and what they answered so far, line by line in the person's language; who never got the data is none."""
    return [
        {"title": row.recipient, "why": _say(row, language)}
        for row in of_ticket(session, ticket.id)
        if TellingState(row.state) not in _UNTOLD and row.ground != Ground.NOT_GIVEN
    ]


def told_parts(session: Session, ticket: TicketRow) -> dict[str, Any]:
    """What the part `recipients` of an answer shows: those who were told, or why nobody is named."""
    told, right = say_told(session, ticket, ticket.language), Right(ticket.right)
    note = "" if told or right not in _NOBODY else catalogue(ticket.language).gettext(_NOBODY[right])
    return {"told": told, "told_note": note}


def _say(row: TellingRow, language: str) -> str:
    state, what, is_ours = TellingState(row.state), What(row.what), Way(row.way) is Way.STORE
    words = {
        TellingState.FORESEEN: _WILL_BE,
        TellingState.DONE: _DONE_BY_US.get(what, _TOLD) if is_ours else _DONE_THERE[what],
        TellingState.NOTHING_HELD: _NOTHING_THERE if is_ours else _HOLDS_NOTHING,
        TellingState.CANNOT: _FOLLOWED_UP,
        TellingState.BY_HAND: _NOT_YET,
        TellingState.TOLD_BY_HAND: _TOLD,
        TellingState.EXCUSED: _NOT_TOLD,
    }.get(state, _AWAITED)
    day = long_day(row.told_on, language) if row.told_on else ""
    return catalogue(language).gettext(words) % {"day": day, "why": row.note}


def _files(session: Session, row: TellingRow) -> tuple[TellingFile, ...]:
    wanted = sa.select(TellingFileRow).where(TellingFileRow.telling_id == row.id)
    return tuple(
        TellingFile(id=one.id, name=one.name, size=one.size, sha256=one.sha256)
        for one in session.execute(wanted.order_by(TellingFileRow.at, TellingFileRow.id)).scalars()
    )
