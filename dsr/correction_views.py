"""Corrections as pages and commands show them: frozen values."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.catalogue import SOURCE
from core.errors import Conflict, WaitsForPerson
from core.personal import Personal
from dsr.conversations_tables import RefusedPartRow
from dsr.correction_plans import CHANGEABLE, WANTED, seal_wanted, standing_corrections, wanted_corrections
from dsr.correction_tables import CorrectionChangeRow
from dsr.correction_words import FixedField, OfferedField, about_of, fixed_fields, offer_fields, say_about, suggest
from dsr.desk import PERSON, Desk, find_ticket
from dsr.states import State
from dsr.tables import TicketRow
from plans.correction_changes import correctable_fields, known_fields
from policies.clauses import Right


@dataclass(frozen=True, kw_only=True)
class CorrectionLine:
    """One thing that should be put right. `value` is personal data: pages only. `place`: where it stands, as
    COLLECTION.FIELD, '' while nobody has said so; `suggested`: where it most likely does; `declined`: why it is not done."""

    id: str
    about: str
    word: str
    value: Personal
    at: datetime
    by: str
    place: str
    suggested: str
    declined: str
    decided_by: str | None

    @property
    def is_emptied(self) -> bool:
        """Whether nothing is right: the field is to say nothing."""
        return not self.value

    @property
    def is_decided(self) -> bool:
        return bool(self.place or self.declined)

    @property
    def is_from_person(self) -> bool:
        return self.by == PERSON


@dataclass(frozen=True, kw_only=True)
class ChangeLine:
    """What one field says in some records now, and will say. `before` None: nothing, or many values; `rows` None: nobody
    but people can look; `spared_why`: why it stays as it is, '' where it does not."""

    id: str
    place: str
    store: str
    before: Personal | None
    after: Personal | None
    rows: int | None
    is_copy: bool
    spared_why: str

    @property
    def can_be_spared(self) -> bool:
        return self.before is not None and self.rows is not None


@dataclass(frozen=True, kw_only=True)
class PlaceChoice:
    """A field that an operator may choose. `word`: what a person would call it, '' for no fact about them."""

    name: str
    word: str


@dataclass(frozen=True, kw_only=True)
class CorrectionView:
    """All of it, for operators. `stale`: the plan was made from other decisions than those that stand."""

    lines: tuple[CorrectionLine, ...]
    changes: tuple[ChangeLine, ...]
    places: tuple[PlaceChoice, ...]
    offered: tuple[OfferedField, ...]
    fixed: tuple[FixedField, ...]
    may_change: bool
    stale: bool

    @property
    def undecided(self) -> int:
        return sum(1 for one in self.lines if not one.is_decided)


@dataclass(frozen=True, kw_only=True)
class PersonCorrections:
    """What the person sees: what they said, and what they may choose from. Nothing of what is held."""

    lines: tuple[CorrectionLine, ...]
    offered: tuple[OfferedField, ...]
    fixed: tuple[FixedField, ...]
    may_change: bool


def read_corrections(desk: Desk, ref: str) -> CorrectionView:
    """What should be put right for a request. Raises NotFound."""
    fields = correctable_fields(desk.plans.datamap)
    with desk.database.read() as session:
        ticket = find_ticket(session, ref)
        lines = _lines(desk, session, ticket, SOURCE)
        wanted = sa.select(CorrectionChangeRow).where(CorrectionChangeRow.ticket_id == ticket.id)
        order = (CorrectionChangeRow.is_copy, CorrectionChangeRow.collection, CorrectionChangeRow.id)
        changes = tuple(_change(row) for row in session.execute(wanted.order_by(*order)).scalars())
        stale = State(ticket.state) is State.PLANNED and _is_stale(desk, session, ticket)
    return CorrectionView(
        lines=lines,
        changes=changes,
        places=tuple(PlaceChoice(name=one.name, word=_fact(about_of(one))) for one in fields),
        offered=offer_fields(fields, SOURCE),
        fixed=fixed_fields(known_fields(desk.plans.datamap), SOURCE),
        may_change=State(ticket.state) in CHANGEABLE,
        stale=stale,
    )


def read_for_person(desk: Desk, session: Session, ticket: TicketRow) -> PersonCorrections | None:
    """The same for the person, in their language; None where it is another right."""
    if Right(ticket.right) is not Right.CORRECTION:
        return None
    return PersonCorrections(
        lines=_lines(desk, session, ticket, ticket.language),
        offered=offer_fields(correctable_fields(desk.plans.datamap), ticket.language),
        fixed=fixed_fields(known_fields(desk.plans.datamap), ticket.language),
        may_change=State(ticket.state) in CHANGEABLE,
    )


def _lines(desk: Desk, session: Session, ticket: TicketRow, language: str) -> tuple[CorrectionLine, ...]:
    fields = correctable_fields(desk.plans.datamap)
    parts = sa.select(RefusedPartRow).where(RefusedPartRow.ticket_id == ticket.id)
    declined = {row.id: row.reason for row in session.execute(parts).scalars()}
    return tuple(
        CorrectionLine(
            id=row.id,
            about=row.about,
            word=say_about(row.about, language),
            value=row.value,
            at=row.at,
            by=row.by,
            place=f"{row.collection}.{row.field}" if row.collection else "",
            suggested=suggest(row.about, fields),
            declined=declined.get(row.part_id or "", ""),
            decided_by=row.decided_by,
        )
        for row in standing_corrections(session, ticket)
    )


def _change(row: CorrectionChangeRow) -> ChangeLine:
    return ChangeLine(
        id=row.id,
        place=f"{row.collection}.{row.field}",
        store=row.store,
        before=row.before,
        after=row.after,
        rows=row.rows,
        is_copy=row.is_copy,
        spared_why=row.spared_why,
    )


def _is_stale(desk: Desk, session: Session, ticket: TicketRow) -> bool:
    try:
        return bool(ticket.outcome.get(WANTED) != seal_wanted(desk, wanted_corrections(session, ticket)))
    except (Conflict, WaitsForPerson):
        return True


def _fact(about: str) -> str:
    return say_about(about, SOURCE) if about else ""
