"""The texts of answers that operators change before they go out: kept with the ticket, checked for their parts, shown as mail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import day_in
from core.errors import Conflict
from core.ids import new_id
from core.words import long_day
from dsr.answer_tables import AnswerTextRow
from dsr.answer_words import (
    KIND_NAMES,
    MAILS,
    Block,
    Kind,
    Part,
    clean_text,
    closing_of,
    compose,
    follows_of,
    kinds_of,
    parts_of,
    standard_text,
)
from dsr.clock_acts import ClockAct, ClockView, read_clock
from dsr.complaints import authority_of, complaint_of, regime_for
from dsr.correcting import foreseen
from dsr.desk import Desk, find_ticket, read_events
from dsr.how import by_plan
from dsr.outcome_lines import Reader, gap_lines, stay_line, title_of
from dsr.parts import read_parts, refused_lines, without_refused
from dsr.planning import stays_in
from dsr.states import State
from dsr.tables import TicketRow
from dsr.telling_views import told_parts
from dsr.words import say_right
from plans.plan import StepDeed
from plans.standing import PlanView
from policies.clauses import Right

UNKNOWN = "…"


@dataclass(frozen=True, kw_only=True)
class AnswerLine:
    """An answer that a ticket may come to. `own_words`: an operator has changed its text."""

    kind: Kind
    name: str
    own_words: bool


@dataclass(frozen=True, kw_only=True)
class AnswerDraft:
    """The text of an answer as it would go out now. `written_by`: an operator's id, '' for the standard text. `subject`
    and `mail`: the whole mail, with what is foreseen where nothing is done yet."""

    ref: str
    kind: Kind
    name: str
    language: str
    regime: str
    text: str
    parts: tuple[Part, ...]
    written_by: str
    written_at: datetime | None
    subject: str
    mail: str


class AnswerDrafts:
    """Reads, changes and shows the texts of answers."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def offered(self, ref: str) -> tuple[AnswerLine, ...]:
        """The answers that a ticket may still come to."""
        with self._desk.database.read() as session:
            ticket = find_ticket(session, ref)
            kinds = self._kinds(session, ticket)
            written = {row.kind for row in session.execute(_written(ticket)).scalars()}
        return tuple(AnswerLine(kind=kind, name=KIND_NAMES[kind], own_words=kind in written) for kind in kinds)

    def read(self, ref: str, kind: Kind, *, text: str | None = None) -> AnswerDraft:
        """The answer as it would go out now, or with another `text`. Raises Conflict for one it cannot come to."""
        desk = self._desk
        with desk.database.read() as session:
            ticket = self._require_kind(session, find_ticket(session, ref), kind)
            row = _row(session, ticket, kind)
            regime, parts = self._parts(session, ticket, kind)
            facts = self._foreseen(session, ticket, kind)
        right = Right(ticket.right)
        standard = standard_text(
            kind, right, ticket.language, places=_places(ticket), in_part=bool(facts.get("refused"))
        )
        shown = (text or "").replace("\r\n", "\n") or (row.text if row else standard)
        facts["blocks"] = compose(shown, parts, facts["inline"])
        event = MAILS[kind]
        subject = desk.renderer.text(f"email/{event}/subject.txt", language=ticket.language, **facts)
        mail = desk.renderer.text(f"email/{event}/body.txt", language=ticket.language, **facts)
        return AnswerDraft(
            ref=ticket.ref,
            kind=kind,
            name=KIND_NAMES[kind],
            language=ticket.language,
            regime=regime,
            text=shown,
            parts=parts,
            written_by=row.by if row else "",
            written_at=row.at if row else None,
            subject=" ".join(subject.split()),
            mail=mail,
        )

    def write(self, ref: str, kind: Kind, *, text: str, by: str) -> None:
        """Keep a text for an answer. Raises NotWhole, naming what it lacks; Conflict where the ticket cannot come to it."""
        desk = self._desk
        with desk.database.begin() as session:
            ticket = self._require_kind(session, find_ticket(session, ref, lock=True), kind)
            regime, _ = self._parts(session, ticket, kind)
            cleaned = clean_text(text, kind, Right(ticket.right), regime)
            row = _row(session, ticket, kind)
            if row is None:
                row = AnswerTextRow(id=new_id("ans"), ticket_id=ticket.id, kind=kind.value)
                session.add(row)
            row.text, row.by, row.at = cleaned, by, desk.clock.now()
            desk.note_event(session, ticket, "answer_worded", by=by, why=KIND_NAMES[kind])
            private = {"kind": kind.value, "text_mark": desk.mark(cleaned)}
            desk.record(session, ticket, "request.answer_worded", by=by, private=private)

    def forget(self, ref: str, kind: Kind, *, by: str) -> None:
        """Go back to the standard text."""
        desk = self._desk
        with desk.database.begin() as session:
            ticket = self._require_kind(session, find_ticket(session, ref, lock=True), kind)
            row = _row(session, ticket, kind)
            if row is not None:
                session.delete(row)
                desk.note_event(session, ticket, "answer_standard", by=by, why=KIND_NAMES[kind])
                desk.record(session, ticket, "request.answer_worded", by=by, private={"kind": kind.value})

    def variables(self, session: Session, ticket: TicketRow, kind: Kind, facts: Mapping[str, str]) -> dict[str, Any]:
        """What every answer's mail takes, inside the caller's transaction: its text with the facts filled in, where to
        complain, and the link to the page. `facts`: what the parts that stand within a line hold."""
        document = self._desk.document(session, ticket)
        _, parts = self._parts(session, ticket, kind)
        row, authority, right = _row(session, ticket, kind), authority_of(ticket, document), Right(ticket.right)
        in_part = bool(ticket.outcome.get("refused"))
        standard = standard_text(kind, right, ticket.language, places=_places(ticket), in_part=in_part)
        text = row.text if row else standard
        blocks: Sequence[Block] = compose(text, parts, {**self._inline(ticket), **facts})
        return {
            "blocks": list(blocks),
            "complaint": complaint_of(ticket, document),
            "authority": vars(authority) if authority else None,
            # The page opens with a code to the proven address; without proof there is none to offer.
            "link": self._desk.page_link(ticket) if ticket.identity_at else "",
            "closing": closing_of(right, ticket.language),
            "follows": follows_of(right, ticket.language, form=self._desk.address("/requests/new", ticket)),
            **told_parts(session, ticket),
        }

    def _parts(self, session: Session, ticket: TicketRow, kind: Kind) -> tuple[str, tuple[Part, ...]]:
        regime = regime_for(ticket, self._desk.document(session, ticket))
        return regime, parts_of(kind, Right(ticket.right), regime)

    def _inline(self, ticket: TicketRow) -> dict[str, str]:
        return {"request": say_right(Right(ticket.right), ticket.language), "number": str(_places(ticket))}

    def _foreseen(self, session: Session, ticket: TicketRow, kind: Kind) -> dict[str, Any]:
        """What the mail takes, as far as it is known before the work is done: counts by the plan's preview."""
        document = self._desk.document(session, ticket)
        today = long_day(day_in(self._desk.clock.now(), document.controller.timezone), ticket.language)
        authority = authority_of(ticket, document)
        later = self._clock(session, ticket).extended_due if kind is Kind.EXTENDED else None
        due = long_day(later, ticket.language) if later else UNKNOWN
        unknown = dict.fromkeys(("size", "rule", "outcome", "first", "decider"), UNKNOWN)
        inline = {**self._inline(ticket), "day": today, "due": due, **unknown}
        seen = self._looked(session, ticket) if kind in (Kind.DELETED, Kind.CORRECTED) else ((), ())
        return {
            "inline": inline,
            "controller": {"name": document.controller.name, "email": document.controller.email},
            "ref": ticket.ref,
            "right_words": inline["request"],
            "refused": refused_lines(read_parts(self._desk, session, ticket), (), ticket.language)
            if kind is not Kind.REFUSED
            else [],
            "policy_link": self._desk.address("/privacy", ticket),
            "link": self._desk.page_link(ticket),
            "complaint": complaint_of(ticket, document),
            "authority": vars(authority) if authority else None,
            "closing": closing_of(Right(ticket.right), ticket.language),
            "follows": follows_of(
                Right(ticket.right), ticket.language, form=self._desk.address("/requests/new", ticket)
            ),
            **told_parts(session, ticket),
            "items": list(seen[0]),
            "kept_back": list(seen[1]),
            "asked": [],
            "expires": UNKNOWN,
            "due": due,
            "reason": UNKNOWN,
            "words": UNKNOWN,
            "reasons": UNKNOWN,
            "effects": [UNKNOWN],
        }

    def _clock(self, session: Session, ticket: TicketRow) -> ClockView:
        desk = self._desk
        return read_clock(ticket, read_events(session, ticket), desk.document(session, ticket), now=desk.clock.now())

    def _kinds(self, session: Session, ticket: TicketRow) -> tuple[Kind, ...]:
        """The answers that a ticket may come to, and before them that it takes longer, while that may be said."""
        extended = (Kind.EXTENDED,) if ClockAct.EXTEND in self._clock(session, ticket).acts else ()
        return (*_kinds(ticket), *extended)

    def _require_kind(self, session: Session, ticket: TicketRow, kind: Kind) -> TicketRow:
        if kind not in self._kinds(session, ticket):
            raise Conflict(
                f"Request {ticket.ref} does not come to the answer '{KIND_NAMES[kind]}' from where it is.",
                remedy="Look at it again; an answer is changed before it goes out.",
            )
        return ticket

    def _looked(self, session: Session, ticket: TicketRow) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
        view = self._desk.plans.load(ticket.plan_id) if ticket.plan_id else None
        if view is None or view.preview is None:
            return [], []
        reader = Reader(
            language=ticket.language,
            document=self._desk.document(session, ticket),
            translated=self._desk.words_of(session, ticket),
        )
        if Right(ticket.right) is Right.CORRECTION:
            return foreseen(self._desk, session, ticket, view, reader)
        kept = [stay_line(one, reader) for one in without_refused(stays_in(view.preview)) if one["basis"] != "hold"]
        return _will_go(view), [*kept, *gap_lines(view.plan.gaps, reader)]


def _will_go(view: PlanView) -> list[dict[str, Any]]:
    rows = {one.step: one.rows for one in view.preview.rows} if view.preview else {}
    return [
        {"title": title_of(step.collection), "count": rows[step.id]}
        for step in view.plan.steps
        if step.deed is not StepDeed.ASK and rows.get(step.id)
    ]


def _places(ticket: TicketRow) -> int:
    return int(ticket.outcome.get("searched", 0))


def _kinds(ticket: TicketRow) -> tuple[Kind, ...]:
    right = Right(ticket.right)
    return kinds_of(right, State(ticket.state), by_plan=by_plan(right))


def _written(ticket: TicketRow) -> sa.Select[AnswerTextRow]:
    return sa.select(AnswerTextRow).where(AnswerTextRow.ticket_id == ticket.id)


def _row(session: Session, ticket: TicketRow, kind: Kind) -> AnswerTextRow | None:
    return session.execute(_written(ticket).where(AnswerTextRow.kind == kind.value)).scalar_one_or_none()
