"""Proof of identity beyond the address: what a person gives on their page, compared with what is held, and then gone."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
import structlog
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.orm import Session

from core.catalogue import catalogue, mark
from core.errors import BadInput, Conflict, TooMuch, WaitsForPerson
from core.ids import new_id
from core.keys import derive_key
from core.outbox import Event, post
from core.personal import Personal
from dsr.desk import PERSON, SYSTEM, Desk, find_ticket
from dsr.person_page import PersonPages
from dsr.proof_match import is_held
from dsr.proof_rules import DECLARATION, POINT_NAMES, POINT_WORDS
from dsr.proof_standing import Standing, day_of, proof_row, proven_identifiers, read_standing
from dsr.proof_tables import DeclarationRow, ProofPointRow, RequestProofRow, end_proof
from dsr.states import ENDS, State
from dsr.tables import TicketRow
from plans.proving import Place, held_values, proof_places

log = structlog.get_logger()
COMPARE: Final = "request.proof"
# Where no store answers for so long, what was given is deleted without having been compared.
POINTS_LAST: Final = timedelta(days=1)
LONGEST_VALUE: Final = 200
_NONCE: Final = 12


class ProofRefused(BadInput):
    """What was given cannot be taken; `problems` says for each field what to put right, by messages of the catalogues."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()), remedy="Put it right and send it again.")
        self.problems = dict(problems)


@dataclass(frozen=True, kw_only=True)
class PersonProof:
    """What a person's page says about proof. `asks`: (kind, words) of what they can give, `more` of them needed. `optional`:
    the request goes on without it, account numbers only do not go out. `failed`: no try is left. Words are in the person's
    language; days are in words."""

    asks: tuple[tuple[str, str], ...]
    more: int
    declaration: str
    optional: bool
    comparing: bool
    tried: bool
    failed: bool
    tries_left: int
    waits_until: str
    changed_on: str
    contested: bool

    @property
    def is_asked(self) -> bool:
        """Whether the page shows the form."""
        return bool(self.more or self.declaration) and not self.comparing and not self.failed


class ProofDesk:
    """What a person gives to show who they are, and what an operator accepts instead."""

    def __init__(self, desk: Desk, pages: PersonPages) -> None:
        self._desk = desk
        self._pages = pages

    # -- the person

    def look(self, ref: str, grant: str) -> PersonProof:
        """What the page says. Raises NotFound without a grant for it."""
        with self._desk.database.read() as session:
            ticket = self._pages.require_grant(session, ref, grant)
            return self._view(session, ticket, read_standing(self._desk, session, ticket))

    def offer(self, ref: str, grant: str, *, given: Mapping[str, str], name: str = "", declares: bool = False) -> None:
        """Take what a person gives; it is compared after this has answered, as a whole, and deleted then.

        Raises ProofRefused, TooMuch once no try is left, Conflict while the last is not compared."""
        desk, now = self._desk, self._desk.clock.now()
        with desk.database.begin() as session:
            ticket = self._pages.require_grant(session, ref, grant, lock=True)
            standing = read_standing(desk, session, ticket)
            values = {kind: words.strip() for kind, words in given.items() if kind in standing.kinds and words.strip()}
            _check(standing, values, name=name, declares=declares)
            if standing.rule.declaration and not standing.declared:
                self._declare(session, ticket, name.strip())
            if standing.wants_more:
                self._take_try(session, ticket, standing, now)
                for kind, value in values.items():
                    session.add(self._point(ticket, kind, value, now))
                desk.note_event(session, ticket, "proof_offered", by=PERSON)
                post(session, COMPARE, {"ref": ticket.ref}, now=now)

    # -- the jobs

    def handle(self, event: Event) -> None:
        """The outbox's handler for the kind `request.proof`: compare what was given, keep what matched, delete the rest.

        Raises Unreachable while a store does not answer; what was given waits, for a day at most."""
        desk, ref = self._desk, str(event.payload["ref"])
        with desk.database.read() as session:
            ticket = find_ticket(session, ref)
            points = [] if State(ticket.state) in ENDS else self._points(session, ticket)
            known = proven_identifiers(session, ticket)
        if not points:
            return
        matched = self._compare(points, known)
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            row = proof_row(desk, session, ticket)
            end_points(session, [point.id for point in points])
            row.compared_at = desk.clock.now()
            if len(matched) > len(row.matched):
                row.matched = matched
            why = f"{len(matched)} of {len(points)} matched" + (f": {_names(matched)}" if matched else "")
            desk.note_event(session, ticket, "proof_compared", by=SYSTEM, why=why)
            desk.record(session, ticket, "request.proof", by=SYSTEM, private={"matched": matched, "of": len(points)})

    def expire(self) -> None:
        """Delete what was given and could not be compared in time; the try does not count."""
        desk, now = self._desk, self._desk.clock.now()
        over = sa.select(ProofPointRow.ticket_id).where(ProofPointRow.ends_at <= now).distinct()
        with desk.database.begin() as session:
            for ticket_id in session.execute(over).scalars().all():
                ticket = session.get_one(TicketRow, ticket_id)
                end_proof(session, ticket_id)
                row = proof_row(desk, session, ticket)
                row.tries = max(0, row.tries - 1)
                desk.note_event(session, ticket, "proof_dropped", by=SYSTEM, why="No store answered for a day.")

    # -- the operators

    def accept(self, ref: str, *, by: str, why: str) -> None:
        """Write down that the person showed who they are in another way, and how. Raises WaitsForPerson before the address
        is shown: nothing goes to an address that nobody has shown to be theirs."""
        words = why.strip()
        if not words:
            raise BadInput("It needs a reason.", remedy="Say how they showed who they are; write down no value of it.")
        desk = self._desk
        with desk.database.begin() as session:
            ticket = _open_ticket(session, ref)
            if ticket.identity_at is None:
                raise WaitsForPerson(
                    f"The address of request {ref} is not shown to be the person's.",
                    remedy="They have a mail with a link; its button comes first.",
                )
            proof_row(desk, session, ticket).accepted_by = by
            end_proof(session, ticket.id)
            desk.note_event(session, ticket, "proof_accepted", by=by, why=words)
            desk.record(session, ticket, "request.proof_accepted", by=by, private={"why_mark": desk.mark(words)})

    def _view(self, session: Session, ticket: TicketRow, standing: Standing) -> PersonProof:
        desk, now = self._desk, self._desk.clock.now()
        words = catalogue(ticket.language)
        waits = standing.waits_until if standing.waits_until and now < standing.waits_until else None
        lacks = standing.rule.declaration and not standing.declared and not standing.accepted_by
        more = standing.wants_more
        return PersonProof(
            asks=tuple((kind, words.gettext(POINT_WORDS[kind])) for kind in standing.kinds) if more else (),
            more=more,
            declaration=words.gettext(DECLARATION) if lacks and not standing.is_closed else "",
            optional=standing.enough,
            comparing=standing.comparing,
            tried=bool(more) and self._tried(session, ticket),
            failed=bool(more) and not standing.enough and (not standing.tries_left or not standing.can_be_shown),
            tries_left=standing.tries_left,
            waits_until="" if waits is None or standing.is_closed else day_of(desk, session, ticket, waits),
            changed_on=day_of(desk, session, ticket, standing.changed_at) if standing.changed_at else "",
            contested=standing.contested_at is not None and not standing.is_closed,
        )

    def _tried(self, session: Session, ticket: TicketRow) -> bool:
        row = session.get(RequestProofRow, ticket.id)
        return row is not None and row.compared_at is not None

    def _take_try(self, session: Session, ticket: TicketRow, standing: Standing, now: datetime) -> None:
        desk, contact = self._desk, ticket.contact.reveal().lower()
        if standing.comparing:
            raise Conflict(
                mark("What you gave before is still being compared."), remedy=mark("Look again in a minute.")
            )
        # By contact too: a new request brings no new tries.
        allowed = desk.counters.take(session, "proof.contact", contact, desk.limits.proof_per_contact, now)
        if not standing.tries_left or not allowed:
            raise TooMuch(mark("No more tries are left for now."), remedy=mark("A person looks at your request."))
        proof_row(desk, session, ticket).tries += 1

    def _declare(self, session: Session, ticket: TicketRow, name: str) -> None:
        desk = self._desk
        row = DeclarationRow(
            id=new_id("dcl"),
            ticket_id=ticket.id,
            at=desk.clock.now(),
            words=catalogue(ticket.language).gettext(DECLARATION),
            name=Personal(name),
        )
        session.add(row)
        desk.note_event(session, ticket, "declared", by=PERSON)
        private = {"words_mark": desk.mark(row.words), "name_mark": desk.mark(name)}
        desk.record(session, ticket, "request.declared", by=PERSON, private=private)

    def _point(self, ticket: TicketRow, kind: str, value: str, now: datetime) -> ProofPointRow:
        row_id, nonce = new_id("prf"), secrets.token_bytes(_NONCE)
        sealed = nonce + AESGCM(self._key("points")).encrypt(nonce, value.encode(), row_id.encode())
        return ProofPointRow(id=row_id, ticket_id=ticket.id, kind=kind, sealed=sealed, ends_at=now + POINTS_LAST)

    def _points(self, session: Session, ticket: TicketRow) -> Sequence[ProofPointRow]:
        wanted = sa.select(ProofPointRow).where(ProofPointRow.ticket_id == ticket.id).order_by(ProofPointRow.id)
        return session.execute(wanted).scalars().all()

    def _compare(self, points: Sequence[ProofPointRow], known: Mapping[str, Sequence[str]]) -> list[str]:
        """The kinds that matched. Every place of the map is asked, whatever was given and whoever gave it."""
        datamap, key = self._desk.plans.datamap, self._key("compare")
        held: dict[str, list[str]] = {}
        for place in proof_places(datamap):
            held.setdefault(place.kind, []).extend(self._held(known, place))
        cipher = AESGCM(self._key("points"))
        opened = {
            one.kind: cipher.decrypt(one.sealed[:_NONCE], one.sealed[_NONCE:], one.id.encode()).decode()
            for one in points
        }
        return [kind for kind, value in opened.items() if is_held(value, held.get(kind, ()), key)]

    def _held(self, known: Mapping[str, Sequence[str]], place: Place) -> Sequence[str]:
        try:
            return held_values(self._desk.plans.datamap, known, place)
        except WaitsForPerson:  # an address that many share shows nothing
            return ()

    def _key(self, purpose: str) -> bytes:
        return derive_key(self._desk.secret, f"requests.proof.{purpose}")


def end_points(session: Session, ids: Sequence[str]) -> None:
    """Delete what was given, once it was compared."""
    session.execute(sa.delete(ProofPointRow).where(ProofPointRow.id.in_(ids)))


def _check(standing: Standing, values: Mapping[str, str], *, name: str, declares: bool) -> None:
    problems: dict[str, str] = {}
    if standing.is_closed or not (standing.wants_more or (standing.rule.declaration and not standing.declared)):
        raise Conflict(mark("Nothing more is asked of you."), remedy=mark("Look at your request again."))
    for kind, value in values.items():
        if len(value) > LONGEST_VALUE:
            problems[kind] = mark("This is longer than anything we hold of the kind.")
    if len(values) < standing.wants_more:
        problems["given"] = mark("Fill in more of the fields.")
    if standing.rule.declaration and not standing.declared:
        if not declares:
            problems["declares"] = mark("Tick the box, if it is so.")
        if not name.strip() or len(name) > LONGEST_VALUE:
            problems["name_signed"] = mark("Type your full name. It stands for your signature.")
    if problems:
        raise ProofRefused(problems)


def _open_ticket(session: Session, ref: str) -> TicketRow:
    ticket = find_ticket(session, ref, lock=True)
    if State(ticket.state) in ENDS:
        raise Conflict(f"Request {ticket.ref} is closed.", remedy="Nothing is left to prove.")
    return ticket


def _names(kinds: Sequence[str]) -> str:
    return ", ".join(POINT_NAMES.get(kind, kind) for kind in kinds)
