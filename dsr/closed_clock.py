"""The clock of a closed account: not the law's for a request, since nobody asked, but what the policy promises of such accounts."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from core.catalogue import SOURCE, catalogue, mark
from core.clock import day_in
from policies.clauses import Action, RetentionClause
from policies.documents import Document
from policies.reckoning import Reckoning
from policies.reckoning_case import ReckoningLine

CHANNEL: Final = "account_closed"
EVENT: Final = "account_closed"
_CLOSED: Final = mark("the account was closed")
_LEFT: Final = mark("what %(clause)s keeps is deleted, at the latest")


def closing_clauses(document: Document) -> tuple[RetentionClause, ...]:
    """What a policy says goes when an account is closed, or some time after."""
    of_event = (one for one in document.of_kind(RetentionClause) if one.event == EVENT)
    return tuple(one for one in of_event if one.then is Action.DELETE)


def last_moment(clause: RetentionClause, closed_at: datetime) -> datetime:
    """Until when a clause is kept that counts from a closed account: its period, and the time that the work may take."""
    over = clause.period.after_instant(closed_at) if clause.period else closed_at
    return clause.within.after_instant(over)


def due_day(clauses: Sequence[RetentionClause], closed_at: datetime, zone: str) -> date:
    """The day on which all of it is gone."""
    return day_in(max((last_moment(one, closed_at) for one in clauses), default=closed_at), zone)


def reckon_closed(document: Document, closed_at: datetime, language: str = SOURCE) -> Reckoning:
    """The same with its lines, as a ticket shows it."""
    words, zone, clauses = catalogue(language), document.controller.timezone, closing_clauses(document)
    due = due_day(clauses, closed_at, zone)
    lines = [ReckoningLine(day=day_in(closed_at, zone), words=words.gettext(_CLOSED), binds=True, happened=True)]
    for one in clauses:
        day = day_in(last_moment(one, closed_at), zone)
        said = words.gettext(_LEFT) % {"clause": f"“{one.id}”"}
        lines.append(ReckoningLine(day=day, words=said, binds=day == due))
    return Reckoning(
        due=due,
        acknowledge_by=None,
        extend_by=None,
        lines=tuple(sorted(lines, key=lambda line: line.day)),
        regime=document.regimes[0],
        verified=True,
        stands=False,
    )
