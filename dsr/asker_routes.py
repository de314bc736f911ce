"""Where a mail about a ticket goes when somebody asks for somebody else, and what the asker hears of its end."""

from typing import Final

from sqlalchemy.orm import Session

from dsr.asker_rules import AnswerTo, AskerKind
from dsr.asker_tables import TicketAskerRow, asker_row
from dsr.states import State
from dsr.tables import TicketRow

DONE_MAIL: Final = "asker_done"
REFUSED_MAIL: Final = "asker_refused"
REFUSAL: Final = "request_refused"
# About the request and not an answer to it: no data, nor whether there is any.
ABOUT: Final = frozenset(
    {
        "request_acknowledged",
        "request_received",
        "complaint_received",
        "request_extended",
        "request_fee",
        "message_from_us",
        "request_confirm",
    }
)
# What says itself what became of it: no second mail.
SILENT: Final = frozenset({State.EXPIRED})


def addresses_for(session: Session, ticket: TicketRow, event: str) -> tuple[str, ...]:
    """Who gets a mail of ours about a ticket. The person, unless somebody asks for them: then answers go where the permission
    says, and to nobody while the right to ask is not shown; before the person's address is shown, what is about the request
    goes to the asker."""
    row, own = asker_row(session, ticket), ticket.contact.reveal()
    if row is None or row.kind == AskerKind.SELF:
        return (own,)
    asker = proven_asker(row)
    if event in ABOUT:
        away = ticket.identity_at is None or row.answer_to == AnswerTo.ASKER
        return (asker,) if asker and away else (own,)
    if event == REFUSAL and row.shown_at is None:
        # The asker has a mail of their own, see closing_mail; who has no address for it, the person hears of it for.
        is_theirs = ticket.identity_at is not None and row.disputed_at is None
        return (own,) if is_theirs and not asker else ()
    person = () if row.answer_to == AnswerTo.ASKER else (own,)
    also = (asker,) if asker and asker != own and row.answer_to != AnswerTo.PERSON else ()
    return (*person, *also)


def closing_mail(session: Session, ticket: TicketRow) -> tuple[str, str] | None:
    """The mail that tells an asker that a ticket came to its end, and where it goes; None where nobody is to be told. It is
    the same for every end that came after the right to ask was shown: an asker who gets no answer learns nothing by it."""
    row, state = asker_row(session, ticket), State(ticket.state)
    if row is None or row.kind == AskerKind.SELF or state in SILENT:
        return None
    to = proven_asker(row)
    if not to or to.lower() == ticket.contact.reveal().lower():
        return None
    if row.shown_at is None or row.disputed_at is not None:
        return (REFUSED_MAIL if state is State.REFUSED else DONE_MAIL, to)
    return (DONE_MAIL, to) if row.answer_to == AnswerTo.PERSON else None


def proven_asker(row: TicketAskerRow) -> str:
    """The asker's own address, once its link was pressed; else ''."""
    return row.contact.reveal() if row.contact_at is not None else ""
