"""What a person chooses beside a right: what to opt out of, what to object to, on which ground to restrict; and what follows
from it: what is done at once, and what cannot be refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy.orm import Session

from core.catalogue import mark
from core.outbox import post
from dsr.desk import Desk
from dsr.how import HOW, Way
from dsr.proof_rules import rule_for
from dsr.rights_tables import TicketChoiceRow
from dsr.states import State
from dsr.tables import TicketRow
from policies.clauses import Right, RightClause
from policies.documents import Document

AT_ONCE: Final = "request.right"  # the event that has Kept carry a right out by itself
SALE: Final = "sale_sharing"
MARKETING: Final = "marketing"
SENSITIVE: Final = "sensitive"
BOTH: Final = "both"
# The words that a clause narrows an opt-out by, and the list that each of them is about.
_OF: Final = {"sale": SALE, "sharing": SALE, "marketing": MARKETING}


class About(StrEnum):
    """What an objection is to. MARKETING: advertising, which is never refused. OTHER: a use that may have grounds of its own."""

    MARKETING = "marketing"
    OTHER = "other"


class Ground(StrEnum):
    """Why data is only stored (Art. 18(1) of the GDPR). ACCURACY (a): it may be wrong, and is checked. UNLAWFUL (b): it should go, and the
    person wants it kept. CLAIMS (c): the person needs it for a claim. OBJECTION (d): an objection is weighed."""

    ACCURACY = "accuracy"
    UNLAWFUL = "unlawful"
    CLAIMS = "claims"
    OBJECTION = "objection"


# Where the person wants the records kept, so that no clause deletes them meanwhile.
KEEPS: Final = frozenset({Ground.UNLAWFUL, Ground.CLAIMS})
PROBLEMS: Final = {
    "opt_out": mark("Choose what we should stop."),
    "about": mark("Choose what you object to."),
    "ground": mark("Choose why we should only store it."),
}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What was chosen. `opt_out`: purposes of the list of opt-outs; `about` and `ground` None: not said."""

    opt_out: tuple[str, ...] = ()
    about: About | None = None
    ground: Ground | None = None


@dataclass(frozen=True, kw_only=True)
class SaidChoice:
    """What was typed into a form beside the right, '' where nothing was."""

    opt_out: str = ""
    about: str = ""
    ground: str = ""


NOTHING_SAID: Final = SaidChoice()


def offered_opt_outs(document: Document) -> tuple[str, ...]:
    """What the policy lets people opt out of: all, unless its clause narrows it."""
    clause = next((one for one in document.of_kind(RightClause) if one.right is Right.OPT_OUT), None)
    named = {_OF[word] for word in clause.of if word in _OF} if clause else set()
    return tuple(one for one in (SALE, MARKETING) if not named or one in named)


def check_choice(right: Right, document: Document, problems: dict[str, str], said: SaidChoice) -> Choice:
    """What was chosen with a form; a problem where the right needs a choice and there is none."""
    if right is Right.OPT_OUT:
        offered = offered_opt_outs(document)
        chosen = offered if said.opt_out == BOTH or len(offered) == 1 else tuple({said.opt_out} & set(offered))
        if not chosen:
            problems["opt_out"] = PROBLEMS["opt_out"]
        return Choice(opt_out=chosen)
    if right is Right.OBJECTION:
        if said.about not in set(About):
            problems["about"] = PROBLEMS["about"]
            return Choice()
        return Choice(about=About(said.about))
    if right is Right.RESTRICTION:
        if said.ground not in set(Ground):
            problems["ground"] = PROBLEMS["ground"]
            return Choice()
        return Choice(ground=Ground(said.ground))
    return Choice()


def note_choice(desk: Desk, session: Session, ticket: TicketRow, choice: Choice) -> None:
    """Keep what was chosen with its ticket; nothing where nothing was."""
    if choice == Choice():
        return
    row = session.get(TicketChoiceRow, ticket.id) or TicketChoiceRow(ticket_id=ticket.id)
    row.at, row.opt_out = desk.clock.now(), list(choice.opt_out)
    row.about, row.ground = (choice.about or ""), (choice.ground or "")
    session.add(row)
    session.flush()


def read_choice(session: Session, ticket: TicketRow) -> Choice:
    """What was chosen, empty where nobody asked."""
    row = session.get(TicketChoiceRow, ticket.id)
    if row is None:
        return Choice()
    return Choice(
        opt_out=tuple(row.opt_out),
        about=About(row.about) if row.about else None,
        ground=Ground(row.ground) if row.ground else None,
    )


def is_at_once(session: Session, ticket: TicketRow) -> bool:
    """Whether Kept carries a request out by itself, with no operator in between."""
    right = Right(ticket.right)
    return HOW[right].way is Way.AT_ONCE or is_to_marketing(session, ticket)


def is_to_marketing(session: Session, ticket: TicketRow) -> bool:
    """Whether it is an objection to advertising: nobody weighs it, and it cannot be refused."""
    return Right(ticket.right) is Right.OBJECTION and read_choice(session, ticket).about is About.MARKETING


def why_never_refused(session: Session, ticket: TicketRow) -> str:
    """Why a request cannot be refused; '' where it can."""
    if is_to_marketing(session, ticket):
        return f"Request {ticket.ref} objects to advertising, which is never refused."
    if Right(ticket.right) is Right.APPEAL:
        return f"Request {ticket.ref} is an appeal, which is decided."
    return ""


def takes_no_proof(regime: str | None, regimes: Sequence[str], right: Right) -> bool:
    """Whether the law wants a right carried out for whoever asks, without any proof: then only what was typed is written on
    a list, and nobody's account is looked for."""
    return rule_for(regime, regimes, right, is_sensitive=False).points == 0


def begin_at_once(desk: Desk, session: Session, ticket: TicketRow) -> bool:
    """Schedule a request that Kept carries out by itself, once all is shown that it takes; gives whether it did."""
    regimes = desk.document(session, ticket).regimes
    may = ticket.identity_at is not None or takes_no_proof(ticket.regime, regimes, Right(ticket.right))
    if not may or State(ticket.state) is not State.RECEIVED or not is_at_once(session, ticket):
        return False
    post(session, AT_ONCE, {"ref": ticket.ref}, now=desk.clock.now())
    return True
