"""Who asks for whom, as operators see it: what is shown, what is missing, what each was told, and what can be said of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from dsr.asker_routes import addresses_for
from dsr.asker_rules import ALONE, BY_THEMSELVES, AnswerTo, AskerKind, Item
from dsr.asker_standing import Asker
from dsr.asker_tables import PAPERS
from dsr.attachments import FileView
from dsr.desk import Desk, find_ticket
from dsr.forwarding import Forwarding, ForwardingView
from dsr.messages import read_messages
from dsr.proof_standing import read_standing
from dsr.states import ENDS, State
from dsr.tables import TicketRow

# Mails of ours to whoever asks; all others go to the person, or where the permission says.
TO_ASKER: Final = frozenset({"asker_confirm", "asker_received", "asker_refused", "asker_done"})
TO_CUSTOMER: Final = frozenset({"customer_request"})
SAMPLE_ANSWER: Final = "answered_by_hand"


@dataclass(frozen=True, kw_only=True)
class Paper:
    """What was handed in at once: words and files."""

    at: datetime
    words: str
    files: tuple[FileView, ...]


@dataclass(frozen=True, kw_only=True)
class ToldLine:
    """One mail of ours: its event, and to whom it went: asker, customer, or person."""

    at: datetime
    event: str
    to: str


@dataclass(frozen=True, kw_only=True)
class AskerPanel:
    """`asker` None: the person asks. `missing`: '' where nothing is. `offered`: what an operator can say was shown.
    `answer_goes`: the addresses that an answer goes to now. `is_open`: something can still be said."""

    asker: Asker | None
    missing: str
    offered: tuple[Item, ...]
    answers: tuple[AnswerTo, ...]
    answer_goes: tuple[str, ...]
    papers: tuple[Paper, ...]
    told: tuple[ToldLine, ...]
    forwarding: ForwardingView
    can_forward: bool
    is_open: bool

    @property
    def is_somebody_else(self) -> bool:
        """Whether somebody asks for the person."""
        return self.asker is not None and self.asker.rule is not None


def read_panel(desk: Desk, ref: str) -> AskerPanel:
    """The panel of a ticket. Raises NotFound."""
    forwarding = Forwarding(desk).look(ref)
    with desk.database.read() as session:
        ticket = find_ticket(session, ref)
        standing = read_standing(desk, session, ticket)
        asker, state = standing.asker, State(ticket.state)
        rule = asker.rule if asker else None
        is_open = state not in ENDS and state is not State.UNCONFIRMED
        answers = (AnswerTo.PERSON, AnswerTo.BOTH, *([AnswerTo.ASKER] if asker and asker.kind in ALONE else []))
        return AskerPanel(
            asker=asker,
            missing=standing.may_ask if is_open else "",
            offered=tuple(one for one in rule.items if one not in BY_THEMSELVES) if rule else (),
            answers=answers,
            answer_goes=addresses_for(session, ticket, SAMPLE_ANSWER) if rule else (),
            papers=_papers(session, ticket),
            told=_told(session, ticket) if rule else (),
            forwarding=forwarding,
            can_forward=state in (State.RECEIVED, State.PLANNED) and bool(forwarding.customers),
            is_open=is_open,
        )


def panel_data(panel: AskerPanel) -> Mapping[str, object]:
    """The panel for a command: no name and no address."""
    asker = panel.asker
    return {
        "kind": asker.kind.value if asker else AskerKind.SELF.value,
        "address_proven": asker is not None and asker.contact_at is not None,
        "shown": [
            {"item": one.item.value, "by": one.by, "is_over": one.is_over} for one in (asker.lines if asker else ())
        ],
        "missing": panel.missing,
        "disputed": asker is not None and asker.disputed_at is not None,
        "answer_to": asker.answer_to.value if asker else AnswerTo.PERSON.value,
        "minor": asker.minor.value if asker and asker.minor else None,
        "customer": panel.forwarding.chosen.clause if panel.forwarding.chosen else None,
        "cite": asker.rule.cite if asker and asker.rule else "",
    }


def _papers(session: Session, ticket: TicketRow) -> tuple[Paper, ...]:
    found = [one for one in read_messages(session, ticket) if one.direction == PAPERS]
    return tuple(Paper(at=one.at, words=one.body, files=one.files) for one in found)


def _told(session: Session, ticket: TicketRow) -> tuple[ToldLine, ...]:
    mails = [one for one in read_messages(session, ticket) if one.direction == "out"]
    return tuple(ToldLine(at=one.at, event=one.body, to=_to(one.body)) for one in mails)


def _to(event: str) -> str:
    return "asker" if event in TO_ASKER else "customer" if event in TO_CUSTOMER else "person"
