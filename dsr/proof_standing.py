"""How far a person has shown who they are, against what the law asks for their request: read anew each time, never stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import day_in
from core.errors import WaitsForPerson
from core.words import long_day
from dsr.asker_standing import Asker, read_asker
from dsr.desk import Desk
from dsr.identifiers import read_proven
from dsr.proof_rules import POINT_WORDS, Rule, is_sensitive, most_tries, rule_for
from dsr.proof_tables import DeclarationRow, OtherAddressRow, ProofPointRow, RequestProofRow
from dsr.states import ENDS, State
from dsr.tables import TicketRow
from dsr.withheld import is_number_of_account
from plans.build_request import READ_RIGHTS
from plans.proving import fields_found, proof_places
from policies.clauses import Right

# Of these a stranger would have the most: data that goes out, and data that goes.
GUARDED: Final = READ_RIGHTS | {Right.DELETION}


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is asked and what is shown. `kinds`: what the map lets a person be asked for; `matched`: the kinds that matched;
    `comparing`: what was given is not compared yet; `numbers`: account numbers or government ids may be in a copy. `asker`:
    who asks for the person, where it is somebody else."""

    rule: Rule
    address_shown: bool
    kinds: tuple[str, ...]
    matched: tuple[str, ...]
    declared: bool
    comparing: bool
    tries_left: int
    accepted_by: str | None
    numbers: bool
    changed_at: datetime | None
    waits_until: datetime | None
    contested_at: datetime | None
    is_closed: bool
    asker: Asker | None = None

    @property
    def points(self) -> int:
        """How many points are shown; the proven address is the first."""
        return 1 + len(self.matched) if self.address_shown else 0

    @property
    def own_enough(self) -> bool:
        """Whether this person has shown themselves what the law asks for their request."""
        shown = self.points >= self.rule.points and (self.declared or not self.rule.declaration)
        return self.rule.points == 0 or (self.address_shown and (shown or self.accepted_by is not None))

    @property
    def identity_shown(self) -> bool:
        """Whether the person has shown who they are themselves, where somebody else asks: their address is the least of it."""
        return self.address_shown and self.own_enough

    @property
    def may_ask(self) -> str:
        """Why whoever asks for the person may not, yet; '' where they may, or where it is the person."""
        return self.asker.missing(identity=self.identity_shown) if self.asker else ""

    @property
    def enough(self) -> bool:
        """Whether it is shown who the person is: by themselves, or by what was shown for whoever asks for them."""
        return self.own_enough or (self.address_shown and self._by_asker)

    @property
    def _by_asker(self) -> bool:
        # Some laws take what an agent shows in place of the person's points; an account held under age, its control.
        asker = self.asker
        if asker is None:
            return False
        if asker.control_is_enough:
            return True
        return asker.rule is not None and asker.rule.proves and asker.met(identity=self.identity_shown)

    @property
    def categories_only(self) -> bool:
        """Whether it is enough to be told what kinds of data are held, and not for the data."""
        least = self.rule.categories
        return not self.enough and least is not None and self.points >= least

    @property
    def may_have_numbers(self) -> bool:
        """Whether account numbers and government ids go into a copy."""
        step = self.rule.step_up
        return self.enough and step is not None and (self.points >= step or self.accepted_by is not None)

    @property
    def wants_more(self) -> int:
        """How many points to ask the person for, beside the address: for the request, or for account numbers in a copy."""
        step = (self.rule.step_up or 0) if self.numbers else 0
        needed = max(self.rule.points, step)
        is_done = self.accepted_by is not None or self._by_asker or self.points >= needed
        return 0 if is_done or not self.address_shown or self.is_closed else needed - 1

    @property
    def can_be_shown(self) -> bool:
        """Whether the map lets a person be asked for as much as the law wants."""
        return len(self.kinds) >= self.rule.points - 1

    def missing(self, now: datetime) -> str:
        """Why nothing goes out yet, for operators; '' where nothing is missing."""
        if self.may_ask:
            return self.may_ask
        if not self.address_shown and self.rule.points:
            return "The address is not shown to be the person's."
        if self.contested_at is not None:
            return "The former address says that this request is not theirs."
        if not self.enough:
            return self._what_lacks()
        if self.waits_until is not None and now < self.waits_until:
            return (
                f"The address on file was changed lately. Nothing goes out before {long_day(self.waits_until.date())}."
            )
        return ""

    def _what_lacks(self) -> str:
        parts = []
        if self.points < self.rule.points:
            parts.append(f"{self.points} of {self.rule.points} points are shown")
        if self.rule.declaration and not self.declared:
            parts.append("the signed declaration is missing")
        return f"More proof is asked for by {self.rule.cite}: {', '.join(parts)}."


def read_standing(desk: Desk, session: Session, ticket: TicketRow) -> Standing:
    """The standing of a ticket: what was shown for any ticket of its conversation counts, it is the same person."""
    datamap, right = desk.plans.datamap, Right(ticket.right)
    keys = [(right in READ_RIGHTS and is_number_of_account(key), key) for key in _keys(fields_found(datamap))]
    rule = rule_for(
        ticket.regime,
        desk.document(session, ticket).regimes,
        right,
        is_sensitive=is_sensitive([key for _, key in keys]),
    )
    rows = _rows(session, ticket)
    return Standing(
        rule=rule,
        address_shown=ticket.identity_at is not None,
        kinds=tuple(kind for kind in POINT_WORDS if kind in {place.kind for place in proof_places(datamap)}),
        matched=max((tuple(row.matched) for row in rows), key=len, default=()),
        declared=_exists(session, ticket, DeclarationRow),
        comparing=_exists(session, ticket, ProofPointRow),
        tries_left=max(0, most_tries() - sum(row.tries for row in rows)),
        accepted_by=next((row.accepted_by for row in rows if row.accepted_by), None),
        numbers=any(is_number for is_number, _ in keys),
        changed_at=max((row.changed_at for row in rows if row.changed_at), default=None),
        waits_until=max((row.waits_until for row in rows if row.waits_until), default=None)
        if right in GUARDED
        else None,
        contested_at=max((row.contested_at for row in rows if row.contested_at), default=None),
        is_closed=State(ticket.state) in ENDS,
        asker=read_asker(desk, session, ticket),
    )


def require_shown(desk: Desk, session: Session, ticket: TicketRow) -> None:
    """Refuse to let anything out before enough is shown, or while it must wait. Raises WaitsForPerson."""
    missing = what_is_missing(desk, session, ticket)
    if missing:
        raise WaitsForPerson(missing, remedy=f"Look at the proof of request {ticket.ref}.")


def require_may_ask(desk: Desk, session: Session, ticket: TicketRow) -> None:
    """Refuse an answer before whoever asks has shown that they may; the person themselves always may. Raises WaitsForPerson."""
    missing = read_standing(desk, session, ticket).may_ask
    if missing:
        raise WaitsForPerson(missing, remedy=f"Look at who asks on request {ticket.ref}.")


def what_is_missing(desk: Desk, session: Session, ticket: TicketRow) -> str:
    """Why nothing goes out yet; '' where nothing is missing."""
    return read_standing(desk, session, ticket).missing(desk.clock.now())


def lacks_beyond_address(desk: Desk, session: Session, ticket: TicketRow) -> bool:
    """Whether the person has to show more than their address before their request goes on."""
    standing = read_standing(desk, session, ticket)
    return 1 + len(standing.matched) < standing.rule.points or (standing.rule.declaration and not standing.declared)


def may_send_numbers(desk: Desk, session: Session, ticket: TicketRow) -> bool:
    """Whether account numbers and government ids of this person go into their copy; else they are only named as held."""
    return read_standing(desk, session, ticket).may_have_numbers


def proven_identifiers(session: Session, ticket: TicketRow) -> Mapping[str, Sequence[str]]:
    """What this person has shown control of, and nothing else: the address of the request, others with their own link, and
    what the host application or an operator vouched for."""
    others = _of_conversation(sa.select(OtherAddressRow), OtherAddressRow.ticket_id, ticket)
    proven = session.execute(others.where(OtherAddressRow.proven_at.is_not(None))).scalars()
    vouched = read_proven(session, ticket)
    addresses = [ticket.contact.reveal(), *(row.address.reveal() for row in proven), *vouched.get("email", ())]
    known = {**vouched, "email": tuple(dict.fromkeys(filter(None, addresses)))}
    return {kind: tuple(values) for kind, values in known.items() if values}


def proof_row(desk: Desk, session: Session, ticket: TicketRow) -> RequestProofRow:
    """The proof's row of a ticket, made with the first thing there is to say."""
    row = session.get(RequestProofRow, ticket.id)
    if row is None:
        row = RequestProofRow(ticket_id=ticket.id, at=desk.clock.now(), tries=0, matched=[], warned=[])
        session.add(row)
        session.flush()
    return row


def day_of(desk: Desk, session: Session, ticket: TicketRow, at: datetime) -> str:
    """A day in the person's words and the controller's zone."""
    return long_day(day_in(at, desk.document(session, ticket).controller.timezone), ticket.language)


def _rows(session: Session, ticket: TicketRow) -> Sequence[RequestProofRow]:
    found = _of_conversation(sa.select(RequestProofRow), RequestProofRow.ticket_id, ticket)
    return session.execute(found).scalars().all()


def _exists(session: Session, ticket: TicketRow, table: type[DeclarationRow] | type[ProofPointRow]) -> bool:
    found = _of_conversation(sa.select(table.id), table.ticket_id, ticket)
    return session.execute(found.limit(1)).first() is not None


def _of_conversation(wanted: sa.Select[Any], column: Any, ticket: TicketRow) -> sa.Select[Any]:
    tickets = sa.select(TicketRow.id).where(TicketRow.conversation_id == ticket.conversation_id)
    return wanted.where(column.in_(tickets))


def _keys(fields: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [key for each in fields.values() for key in each.values()]
