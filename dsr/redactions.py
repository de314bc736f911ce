"""Other people's data and secrets in the texts of a copy: found while it is made, decided by an operator, taken out or kept."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from gettext import NullTranslations
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.catalogue import catalogue, mark
from core.errors import BadInput, Conflict, KeptError
from core.ids import new_id
from core.outbox import post
from core.spans import Sort, Span, find_spans, suspects
from dsr.desk import Desk, find_ticket
from dsr.planning import RUN
from dsr.redaction_tables import FindingRow
from dsr.states import State
from dsr.tables import TicketRow
from policies.clause_words import titled

SAMPLES: Final = 3
# What stands in a text where something was taken out.
MARKS: Final[Mapping[Sort, str]] = {
    Sort.EMAIL: mark("[an e-mail address was taken out here]"),
    Sort.PHONE: mark("[a phone number was taken out here]"),
    Sort.CARD_NUMBER: mark("[a card number was taken out here]"),
    Sort.SECRET: mark("[a password or key was taken out here]"),
}
# What operators read.
SORT_NAMES: Final[Mapping[Sort, str]] = {
    Sort.EMAIL: "E-mail addresses of others",
    Sort.PHONE: "Phone numbers",
    Sort.CARD_NUMBER: "Card numbers",
    Sort.SECRET: "Passwords and keys",
}


class Decision(StrEnum):
    """KEEP: it goes out as it is. REDACT: a mark stands in its place."""

    KEEP = "keep"
    REDACT = "redact"


class UndecidedFindings(KeptError):
    """Texts of a copy hold what an operator has to decide about; no copy is made before. Names collections and sorts."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one sort looks like in one collection. `samples` are masked; `decision` None: nobody has decided."""

    collection: str
    sort: Sort
    count: int
    fields: tuple[str, ...]
    samples: tuple[str, ...]
    decision: Decision | None
    decided_by: str | None
    decided_at: datetime | None

    @property
    def key(self) -> str:
        """How a form and a command name it."""
        return f"{self.collection}:{self.sort.value}"

    @property
    def title(self) -> str:
        return titled(self.collection)

    @property
    def sort_name(self) -> str:
        return SORT_NAMES[self.sort]


@dataclass(kw_only=True)
class Seen:
    """What was seen of one sort while a collection went by."""

    count: int = 0
    fields: dict[str, None] = field(default_factory=dict)
    samples: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How the texts of one ticket are treated. `own`: what is no finding, the person's own addresses in small letters."""

    decisions: Mapping[tuple[str, Sort], Decision]
    own: frozenset[str]
    language: str


class TextReader:
    """Looks into the texts of one collection; gives them as they may go out by what was decided."""

    def __init__(self, collection: str, rules: Rules) -> None:
        words = catalogue(rules.language)
        self._redact = {
            sort: words.gettext(MARKS[sort])
            for sort in Sort
            if rules.decisions.get((collection, sort)) is Decision.REDACT
        }
        self._own = rules.own
        self.seen: dict[Sort, Seen] = {}

    def clean(self, name: str, values: Sequence[Any]) -> Sequence[Any]:
        """The values of one field. Most columns are done with one look at all of them."""
        looked = suspects({value for value in values if type(value) is str})
        found = {text: spans for text in looked if (spans := tuple(self._others(text)))}
        if not found:
            return values
        often = Counter(value for value in values if type(value) is str and value in found)
        cleaned = {text: self._take(name, text, spans, often[text]) for text, spans in found.items()}
        return [cleaned.get(value, value) if type(value) is str else value for value in values]

    def clean_one(self, name: str, text: str) -> str:
        """One text, of a list or an object."""
        spans = tuple(self._others(text)) if suspects({text}) else ()
        return self._take(name, text, spans, 1) if spans else text

    def _others(self, text: str) -> Iterator[Span]:
        for span in find_spans(text):
            if span.sort is not Sort.EMAIL or text[span.start : span.stop].lower() not in self._own:
                yield span

    def _take(self, name: str, text: str, spans: Sequence[Span], often: int) -> str:
        parts, last = list[str](), 0
        for span in spans:
            seen = self.seen.setdefault(span.sort, Seen())
            seen.count += often
            seen.fields.setdefault(name)
            piece = text[span.start : span.stop]
            if len(seen.samples) < SAMPLES:
                seen.samples.setdefault(mask(span.sort, piece))
            parts += [text[last : span.start], self._redact.get(span.sort, piece)]
            last = span.stop
        return "".join([*parts, text[last:]])


class Redactions:
    """What was found in the texts of copies, and the decisions of operators."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def findings(self, ref: str) -> tuple[Finding, ...]:
        """What was found for a ticket, undecided first. Raises NotFound."""
        with self._desk.database.read() as session:
            rows = _rows(session, find_ticket(session, ref))
        return tuple(sorted((_view(row) for row in rows), key=lambda one: (one.decision is not None, one.key)))

    def rules(self, ticket: TicketRow, own: Collection[str]) -> Rules:
        """How the texts of a ticket are treated now."""
        with self._desk.database.read() as session:
            decided = {
                (row.collection, Sort(row.sort)): Decision(row.decision)
                for row in _rows(session, ticket)
                if row.decision
            }
        return Rules(decisions=decided, own=frozenset(one.lower() for one in own), language=ticket.language)

    def keep_found(self, ticket: TicketRow, found: Mapping[str, Mapping[Sort, Seen]]) -> None:
        """Write down what was seen. Raises UndecidedFindings for what nobody has decided."""
        seen = {(name, sort): one for name, sorts in found.items() for sort, one in sorts.items()}
        if not seen and not self.findings(ticket.ref):
            return
        with self._desk.database.begin() as session:
            rows = {(row.collection, Sort(row.sort)): row for row in _rows(session, ticket)}
            for key, one in seen.items():
                rows[key] = row = rows.get(key) or _new_row(session, ticket, key)
                row.at, row.count = self._desk.clock.now(), one.count
                row.fields, row.samples = list(one.fields), list(one.samples)
            for key in rows.keys() - seen.keys():
                session.delete(rows[key])
            waiting = [f"{name}: {sort.value}" for name, sort in seen if not rows[name, sort].decision]
        if waiting:
            raise UndecidedFindings(
                f"In the texts of request {ticket.ref} stands what somebody has to decide about: {', '.join(waiting)}.",
                remedy="Say on its page, or with `kept request redact`, what is taken out and what goes out.",
            )

    def decide(self, ref: str, decisions: Mapping[str, str], *, by: str) -> None:
        """Decide what happens with findings (`collection:sort` to `keep` or `redact`); once none is open, the copy is
        made. Raises BadInput for what was not found or is left open, Conflict once the copy is made."""
        desk = self._desk
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            if State(ticket.state) is not State.PARTLY_DONE:
                raise Conflict(f"The copy of request {ticket.ref} does not wait for this.", remedy="Look at it again.")
            rows = {f"{row.collection}:{row.sort}": row for row in _rows(session, ticket)}
            _require_all(rows, decisions)
            for key, decision in decisions.items():
                rows[key].decision = Decision(decision).value
                rows[key].decided_by, rows[key].decided_at = by, desk.clock.now()
            taken_out = sum(1 for row in rows.values() if row.decision == Decision.REDACT)
            why = f"{taken_out} to take out, {len(rows) - taken_out} to keep"
            desk.note_event(session, ticket, "texts_decided", by=by, why=why)
            desk.record(session, ticket, "request.texts_decided", by=by, private={"decisions": dict(decisions)})
            post(session, RUN, {"ref": ticket.ref}, now=desk.clock.now())

    def taken_out(self, ticket: TicketRow) -> list[dict[str, str]]:
        """What was taken out of texts, line by line for the letter and the person's page."""
        words = catalogue(ticket.language)
        with self._desk.database.read() as session:
            rows = [row for row in _rows(session, ticket) if row.decision == Decision.REDACT]
        return [
            {
                "title": titled(row.collection),
                "why": _say_taken_out(Sort(row.sort), row.count, words),
                "until": "",
            }
            for row in rows
        ]


def mask(sort: Sort, text: str) -> str:
    """Enough of a finding to judge it by."""
    if sort is Sort.EMAIL:
        local, _, domain = text.rpartition("@")
        return f"{local[:1]}•••@{domain[:1]}•••.{domain.rpartition('.')[2]}"
    if sort is Sort.SECRET:
        return f"{text[:3]}•••, {len(text)}"
    return f"•••{text[-2:]}"


def _say_taken_out(sort: Sort, num: int, words: NullTranslations) -> str:
    """What the letter says of it."""
    match sort:
        case Sort.EMAIL:
            says = words.ngettext(
                "%(num)s e-mail address was taken out of texts: it is somebody else's",
                "%(num)s e-mail addresses were taken out of texts: they are somebody else's",
                num,
            )
        case Sort.PHONE:
            says = words.ngettext(
                "%(num)s phone number was taken out of texts: it is somebody else's",
                "%(num)s phone numbers were taken out of texts: they are somebody else's",
                num,
            )
        case Sort.CARD_NUMBER:
            says = words.ngettext(
                "%(num)s card number was taken out of texts, so that nobody else reads it",
                "%(num)s card numbers were taken out of texts, so that nobody else reads them",
                num,
            )
        case Sort.SECRET:
            says = words.ngettext(
                "%(num)s password or key was taken out of texts, so that nobody else reads it",
                "%(num)s passwords or keys were taken out of texts, so that nobody else reads them",
                num,
            )
    return says % {"num": num}


def _require_all(rows: Mapping[str, FindingRow], decisions: Mapping[str, str]) -> None:
    unknown = sorted(key for key in decisions if key not in rows)
    wrong = sorted(key for key, decision in decisions.items() if decision not in set(Decision))
    left = sorted(key for key, row in rows.items() if not row.decision and key not in decisions)
    if unknown or wrong or left:
        what = (
            f"There is no finding {', '.join(unknown)}." if unknown else f"{', '.join(wrong or left)} is not decided."
        )
        raise BadInput(what, remedy=f"Choose keep or redact for each of: {', '.join(sorted(rows)) or 'none'}.")


def _rows(session: Session, ticket: TicketRow) -> Sequence[FindingRow]:
    wanted = (
        sa.select(FindingRow).where(FindingRow.ticket_id == ticket.id).order_by(FindingRow.collection, FindingRow.sort)
    )
    return session.execute(wanted).scalars().all()


def _new_row(session: Session, ticket: TicketRow, key: tuple[str, Sort]) -> FindingRow:
    row = FindingRow(id=new_id("fnd"), ticket_id=ticket.id, collection=key[0], sort=key[1].value)
    session.add(row)
    return row


def _view(row: FindingRow) -> Finding:
    return Finding(
        collection=row.collection,
        sort=Sort(row.sort),
        count=row.count,
        fields=tuple(row.fields),
        samples=tuple(row.samples),
        decision=Decision(row.decision) if row.decision else None,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
    )
