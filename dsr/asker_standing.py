"""How far somebody who asks for somebody else has shown that they may: read anew each time, never stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from core.clock import day_in
from core.personal import Personal
from core.words import long_day
from dsr.asker_rules import (
    ITEM_WORDS,
    AnswerTo,
    AskerKind,
    AskerRule,
    Item,
    Minor,
    Note,
    notes_for,
    rule_for,
)
from dsr.asker_tables import AskerShownRow, asker_row, shown_rows
from dsr.desk import Desk
from dsr.tables import TicketRow
from policies.clauses import AgeLimitClause, Right
from policies.documents import Document


@dataclass(frozen=True, kw_only=True)
class ShownLine:
    """One thing that was shown, and by whom it was looked at. `is_over`: it was good until a day that has passed."""

    item: Item
    at: datetime
    by: str
    note: str
    good_until: date | None
    is_over: bool


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Who asks for the person of a ticket. `rule` None: the person themselves, of whom something is to be known.

    `address_shown`: the account's address was shown by its link; `age_limit`: the policy's clause, where somebody is under
    age; `under_limit`: they are younger than that, so that the account should not be there."""

    kind: AskerKind
    name: Personal
    contact: Personal
    contact_at: datetime | None
    told_at: datetime | None
    shown_at: datetime | None
    disputed_at: datetime | None
    answer_to: AnswerTo
    rule: AskerRule | None
    lines: tuple[ShownLine, ...]
    address_shown: bool
    minor: Minor | None
    age_limit: AgeLimitClause | None
    under_limit: bool
    notes: tuple[Note, ...]
    customer: str | None
    right: Right

    @property
    def shown(self) -> frozenset[Item]:
        """What counts: looked at, and not over."""
        account = {Item.ACCOUNT} if self.address_shown else set[Item]()
        return frozenset({one.item for one in self.lines if not one.is_over} | account)

    @property
    def control_is_enough(self) -> bool:
        """Whether it is the erasure of an account that should not be there: control of it is all that is asked for."""
        return self.right is Right.DELETION and self.under_limit

    def met(self, *, identity: bool) -> bool:
        """Whether one of the ways is gone to its end. `identity`: the person has shown who they are themselves."""
        if self.rule is None or (self.control_is_enough and self.address_shown):
            return True
        return not self.lacks(identity=identity)

    def lacks(self, *, identity: bool) -> tuple[Item, ...]:
        """What is missing of the way that is gone furthest."""
        if self.rule is None:
            return ()
        there = self.shown | ({Item.IDENTITY} if identity else set[Item]())
        ways = [tuple(item for item in way if item not in there) for way in self.rule.ways]
        return min(ways, key=lambda way: (len(way), ways.index(way)))

    def missing(self, *, identity: bool) -> str:
        """Why nothing is approved and nothing goes out yet, for operators; '' where nothing is missing."""
        if self.disputed_at is not None:
            return "The person says that they know nothing of it."
        bar = next((note for note in self.notes if note.bars), None)
        if bar is not None and not self.control_is_enough:
            return f"{bar.words} ({bar.cite})"
        if self.met(identity=identity):
            return ""
        assert self.rule is not None
        over = next((one for one in self.lines if one.is_over), None)
        ended = f"What was shown was good until {long_day(over.good_until)}. " if over and over.good_until else ""
        ways = "; or ".join(" and ".join(ITEM_WORDS[item] for item in way) for way in self.rule.ways)
        return f"{ended}Whoever asks has not shown that they may. It takes {ways} ({self.rule.cite})."


def read_asker(desk: Desk, session: Session, ticket: TicketRow) -> Asker | None:
    """Who asks for the person of a ticket; None where it is the person, and nothing more is known of them."""
    row = asker_row(session, ticket)
    if row is None:
        return None
    document, kind, right = desk.document(session, ticket), AskerKind(row.kind), Right(ticket.right)
    minor, limit = (Minor(row.minor) if row.minor else None), _age_limit(document)
    today = day_in(desk.clock.now(), document.controller.timezone)
    is_self = kind is AskerKind.SELF
    return Asker(
        kind=kind,
        name=row.name,
        contact=row.contact,
        contact_at=row.contact_at,
        told_at=row.told_at,
        shown_at=row.shown_at,
        disputed_at=row.disputed_at,
        answer_to=AnswerTo(row.answer_to),
        rule=None if is_self else rule_for(kind, ticket.regime, document.regimes, right),
        lines=_lines(shown_rows(session, ticket), today),
        address_shown=ticket.identity_at is not None,
        minor=minor,
        age_limit=limit if minor else None,
        under_limit=minor is not None and limit is not None and minor.oldest < limit.minimum,
        notes=notes_for(kind, minor, ticket.regime, document.regimes),
        customer=row.customer,
        right=right,
    )


def _lines(rows: Sequence[AskerShownRow], today: date) -> tuple[ShownLine, ...]:
    return tuple(
        ShownLine(
            item=Item(row.item),
            at=row.at,
            by=row.by,
            note=row.note,
            good_until=row.good_until,
            is_over=row.good_until is not None and row.good_until < today,
        )
        for row in rows
    )


def _age_limit(document: Document) -> AgeLimitClause | None:
    return next(iter(document.of_kind(AgeLimitClause)), None)
