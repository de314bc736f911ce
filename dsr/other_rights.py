"""The rights that change no record, carried out: opt-outs, limits, objections, restriction, withdrawn consent, complaints."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy.orm import Session

from core.catalogue import catalogue, join_words, mark
from core.clock import day_in
from core.errors import BadInput, Conflict, WaitsForPerson
from core.keys import derive_key
from core.outbox import Event
from core.personal import Personal
from core.words import long_day
from dsr.answer_drafts import AnswerDrafts
from dsr.answer_words import MAILS, Kind, closing_of
from dsr.choices import (
    MARKETING,
    SALE,
    SENSITIVE,
    About,
    Choice,
    Ground,
    is_at_once,
    note_choice,
    offered_opt_outs,
    read_choice,
)
from dsr.conversations import Conversations
from dsr.desk import SYSTEM, Desk, find_ticket
from dsr.parts import end_of, read_parts, refused_lines
from dsr.proof_standing import proven_identifiers, require_shown
from dsr.restrictions import EMAIL, OBJECTION, RESTRICTION, Identifiers, NewRestriction, Restrictions
from dsr.states import State, require_move
from dsr.tables import TicketRow
from plans.people import NeedsReview, clean_identifiers, linked_identifiers
from policies.clause_words import many, plain
from policies.clauses import Basis, CollectsClause, PurposeClause, Right
from policies.consents import Consents
from policies.documents import Document

log = structlog.get_logger()
LONGEST_REASONS: Final = 10_000
# What the person is told of each list that they are on now.
LISTED: Final = {
    SALE: mark("We do not sell or share your data."),
    MARKETING: mark("We send you no advertising."),
    SENSITIVE: mark("We use your sensitive data only for what the law allows without asking you."),
}
ALL_STORED: Final = mark("All of your data is only stored.")
PART_STORED: Final = mark("Only stored: %(names)s.")
KEPT_FOR_YOU: Final = mark("We keep it until you no longer need it, even where its time would be over.")
GOES_AS_EVER: Final = mark("Where the time of a record is over, it is deleted as our policy says.")
STOPPED: Final = mark("We no longer use your data for this: %(names)s.")
CONSENT_ENDED: Final = mark("Your consent has ended: %(names)s.")
NO_CONSENT: Final = mark(
    "Under the address you showed there is no consent that still stands, so there was nothing to end."
)
OUTCOMES: Final = {
    "right": mark("your complaint is right"),
    "partly": mark("your complaint is right in part"),
    "wrong": mark("we do not think that your complaint is right"),
}
# The uses that a person may object to (Art. 21(1) of the GDPR): those that rest on interests, not on consent or a contract.
OPEN_TO_OBJECTION: Final = frozenset({Basis.LEGITIMATE_INTERESTS, Basis.PUBLIC_INTEREST})
_Deed = Callable[[Session, TicketRow, Identifiers], Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Offered:
    """One thing to choose, with its words for operators."""

    value: str
    words: str


@dataclass(frozen=True, kw_only=True)
class RightOffer:
    """What an operator sees of a request before it is carried out. `lists`: the opt-outs it would be put on; `at_once`: it goes by
    itself; `purposes` and `categories`: what there is to choose from."""

    choice: Choice
    at_once: bool
    lists: tuple[str, ...]
    purposes: tuple[Offered, ...]
    categories: tuple[Offered, ...]


class OtherRights:
    """Carries out what no plan over the stores does. Each method looks for the person first, with no transaction open, and
    then does and answers it in one."""

    def __init__(self, desk: Desk, restrictions: Restrictions, conversations: Conversations) -> None:
        self._desk = desk
        self._restrictions = restrictions
        self._conversations = conversations
        self._texts = AnswerDrafts(desk)
        key = derive_key(desk.secret, "consents")
        self._consents = Consents(desk.database, desk.clock, desk.ledger, desk.policies, key=key)

    def carry_out(self, ref: str, *, by: str = SYSTEM) -> None:
        """Do at once what nobody has to decide: an opt-out, a limit, a withdrawn consent, an objection to advertising.

        Raises WaitsForPerson before the address is shown, Unreachable where a store does not answer: what was typed is on
        the lists by then, and the rest is tried again."""
        with self._desk.database.begin() as session:
            ticket = self._require(session, ref)
            if not is_at_once(session, ticket):
                raise Conflict(f"Request {ticket.ref} is decided by an operator.", remedy="Decide it on its page.")
            right, lists = Right(ticket.right), self._lists(session, ticket)
            self._suppress(session, ticket, lists, {EMAIL: (ticket.contact.reveal(),)} if ticket.contact else {})
        if right is Right.WITHDRAW_CONSENT:
            self._do(ref, self._withdraw, by=by)
            return

        def put_on_lists(session: Session, ticket: TicketRow, people: Identifiers) -> Sequence[str]:
            self._suppress(session, ticket, lists, people)
            return [catalogue(ticket.language).gettext(LISTED[one]) for one in lists]

        self._do(ref, put_on_lists, by=by)

    def offer(self, ref: str) -> RightOffer:
        """What carrying a request out would do, and what there is to choose. Raises NotFound."""
        with self._desk.database.read() as session:
            ticket = find_ticket(session, ref)
            document, at_once = self._desk.document(session, ticket), is_at_once(session, ticket)
            return RightOffer(
                choice=read_choice(session, ticket),
                at_once=at_once,
                lists=self._lists(session, ticket) if at_once else (),
                purposes=offered_purposes(document),
                categories=offered_categories(document),
            )

    def object_to_advertising(self, ref: str, *, by: str) -> None:
        """An objection that came another way is to advertising: it is followed at once."""
        with self._desk.database.begin() as session:
            ticket = self._require(session, ref)
            if Right(ticket.right) is not Right.OBJECTION:
                raise BadInput(f"Request {ticket.ref} is no objection.", remedy="Look at it again.")
            note_choice(self._desk, session, ticket, Choice(about=About.MARKETING))
        self.carry_out(ref, by=by)

    def stop_purposes(self, ref: str, *, by: str, purposes: Sequence[str]) -> None:
        """Follow an objection: these purposes of the policy are stopped for this person, and host applications read so."""
        with self._desk.database.read() as session:
            ticket = self._require(session, ref, Right.OBJECTION)
            document = self._desk.document(session, ticket)
        offered = [one.value for one in offered_purposes(document)]
        if not purposes or not set(purposes) <= set(offered):
            raise BadInput(
                "This is nothing to stop.", remedy=f"Choose from: {', '.join(offered) or 'the policy has none'}."
            )

        def stop(session: Session, ticket: TicketRow, people: Identifiers) -> Sequence[str]:
            new = NewRestriction(kind=OBJECTION, purposes=tuple(purposes))
            self._restrictions.add(session, ticket, new, people, by=by)
            return [self._say(ticket, STOPPED, names=self._uses(session, ticket, purposes))]

        self._do(ref, stop, by=by)

    def restrict(self, ref: str, *, by: str, ground: str = "", categories: Sequence[str] = ()) -> None:
        """Restrict the person's data to storing, all of it or some categories, on a ground of the law."""
        with self._desk.database.read() as session:
            ticket = self._require(session, ref, Right.RESTRICTION)
            chosen = ground or read_choice(session, ticket).ground or ""
            offered = {one.value for one in offered_categories(self._desk.document(session, ticket))}
        if chosen not in set(Ground):
            raise BadInput("A restriction needs its ground.", remedy=f"Choose one of: {', '.join(Ground)}.")
        if not set(categories) <= offered:
            raise BadInput("The policy has no such category.", remedy=f"Choose from: {', '.join(sorted(offered))}.")
        why, people = Ground(chosen), self._people(ref)
        holds = self._restrictions.hold(ticket, why, categories, people)

        def store_only(session: Session, ticket: TicketRow, people: Identifiers) -> Sequence[str]:
            new = NewRestriction(kind=RESTRICTION, ground=why, categories=tuple(categories), holds=holds)
            self._restrictions.add(session, ticket, new, people, by=by)
            names = join_words([many(one, ticket.language) for one in categories], ticket.language)
            what = self._say(ticket, PART_STORED, names=names) if categories else self._say(ticket, ALL_STORED)
            return [what, self._say(ticket, KEPT_FOR_YOU if holds else GOES_AS_EVER)]

        self._do(ref, store_only, by=by, people=people)

    def restrict_meanwhile(self, ref: str, *, by: str) -> str:
        """While an objection is weighed, or what is said to be wrong is checked, only store the data: a request of its own in
        the same letter; gives its reference."""
        with self._desk.database.read() as session:
            ticket = find_ticket(session, ref)
            require_shown(self._desk, session, ticket)
        grounds = {Right.OBJECTION: Ground.OBJECTION, Right.CORRECTION: Ground.ACCURACY}
        ground = grounds.get(Right(ticket.right))
        if ground is None:
            raise BadInput(f"Nothing of request {ticket.ref} is weighed or checked.", remedy="Open a request for it.")
        made = self._conversations.split(ref, right=Right.RESTRICTION.value, by=by)
        self.restrict(made, by=by, ground=ground)
        return made

    def answer_complaint(self, ref: str, *, by: str, outcome: str, reasons: str) -> None:
        """Answer a complaint: whether it is right, and why, in words for the person."""
        words = require_reasons(reasons)
        if outcome not in OUTCOMES:
            raise BadInput(
                "An answer says whether the complaint is right.", remedy=f"Choose one of: {', '.join(OUTCOMES)}."
            )
        with self._desk.database.begin() as session:
            ticket = self._require(session, ref, Right.COMPLAINT)
            said = self._say(ticket, OUTCOMES[outcome])
            ticket.outcome = {**ticket.outcome, "complaint": outcome, "by_hand": words}
            self._close(session, ticket, Kind.COMPLAINT, {"outcome": said}, by=by, reasons=words)

    def handle(self, event: Event) -> None:
        """The outbox's handler for what is carried out at once; what is closed or waits for a person is let be."""
        ref = str(event.payload["ref"])
        try:
            self.carry_out(ref)
        except (Conflict, WaitsForPerson) as left:
            log.info("request.not_at_once", ref=ref, reason=left.message)

    def _do(self, ref: str, deed: _Deed, *, by: str, people: Identifiers | None = None) -> None:
        """Look for the person, do it, and answer with what was done, in one transaction."""
        found = people if people is not None else self._people(ref)
        with self._desk.database.begin() as session:
            ticket = self._require(session, ref)
            effects = list(deed(session, ticket, found))
            closing = closing_of(Right(ticket.right), ticket.language)
            ticket.outcome = {**ticket.outcome, "by_hand": "\n\n".join(filter(None, [*effects, closing]))}
            zone = self._desk.document(session, ticket).controller.timezone
            day = long_day(day_in(self._desk.clock.now(), zone), ticket.language)
            self._close(session, ticket, Kind.CARRIED_OUT, {"day": day}, by=by, effects=effects)

    def _close(
        self, session: Session, ticket: TicketRow, kind: Kind, facts: dict[str, str], *, by: str, **given: Any
    ) -> None:
        desk, parts = self._desk, read_parts(self._desk, session, ticket)
        refused = refused_lines(parts, (), ticket.language)
        ticket.outcome = {**ticket.outcome, "refused": refused}
        desk.move(session, ticket, end_of(parts), by=by)
        desk.record(session, ticket, "request.carried_out", by=by, private={"kind": kind.value})
        variables = self._texts.variables(session, ticket, kind, facts)
        desk.mail(session, ticket, MAILS[kind], **{**variables, "refused": refused, **given})

    def _require(self, session: Session, ref: str, right: Right | None = None) -> TicketRow:
        ticket = find_ticket(session, ref, lock=True)
        require_move(ticket.ref, State(ticket.state), State.ANSWERED)
        if right is not None and Right(ticket.right) is not right:
            raise BadInput(f"Request {ticket.ref} asks for {ticket.right}.", remedy="Look at it again.")
        require_shown(self._desk, session, ticket)
        return ticket

    def _people(self, ref: str) -> Identifiers:
        """All that the person is known by: what they showed, and what stands beside it in their own records. Without proof
        only what was typed, and no store is asked."""
        with self._desk.database.read() as session:
            ticket = find_ticket(session, ref)
            if ticket.identity_at is None:
                return {EMAIL: (ticket.contact.reveal(),)} if ticket.contact else {}
            proven = proven_identifiers(session, ticket)
        try:
            return linked_identifiers(self._desk.plans.datamap, clean_identifiers(proven))
        except NeedsReview:  # an address that many people share leads to nobody's account
            return proven

    def _lists(self, session: Session, ticket: TicketRow) -> tuple[str, ...]:
        right = Right(ticket.right)
        if right is Right.OPT_OUT:
            return read_choice(session, ticket).opt_out or offered_opt_outs(self._desk.document(session, ticket))
        return {Right.LIMIT_SENSITIVE: (SENSITIVE,), Right.OBJECTION: (MARKETING,)}.get(right, ())

    def _suppress(self, session: Session, ticket: TicketRow, lists: Sequence[str], people: Identifiers) -> None:
        for purpose in lists:
            for kind, values in people.items():
                for value in values:
                    self._desk.suppressions.add(
                        session,
                        kind=kind,
                        value=Personal(value),
                        purpose=purpose,
                        source="request",
                        ref=f"ticket:{ticket.ref}",
                    )

    def _withdraw(self, session: Session, ticket: TicketRow, people: Identifiers) -> Sequence[str]:
        subjects = dict.fromkeys(value for kind, values in people.items() if kind != EMAIL for value in values)
        ended = dict.fromkeys(
            name
            for subject in subjects
            for name in self._consents.withdraw_all(session, Personal(subject), channel="request", actor=SYSTEM)
        )
        if not ended:
            return [self._say(ticket, NO_CONSENT)]
        return [self._say(ticket, CONSENT_ENDED, names=self._uses(session, ticket, list(ended)))]

    def _uses(self, session: Session, ticket: TicketRow, names: Sequence[str]) -> str:
        """Purposes by their names, as the policy says them in the person's language."""
        whys = {one.id: one.why for one in self._desk.words_of(session, ticket).of_kind(PurposeClause)}
        return join_words([why for name in names for why in whys.get(name, (plain(name),))], ticket.language)

    def _say(self, ticket: TicketRow, message: str, **values: str) -> str:
        words = catalogue(ticket.language).gettext(message)
        return words % values if values else words


def offered_purposes(document: Document) -> tuple[Offered, ...]:
    """The purposes that an objection can stop; all of them where none rests on interests."""
    every = document.of_kind(PurposeClause)
    chosen = [one for one in every if one.basis in OPEN_TO_OBJECTION] or every
    return tuple(Offered(value=one.id, words=join_words(one.why, "en")) for one in chosen)


def offered_categories(document: Document) -> tuple[Offered, ...]:
    """The categories that a restriction can be narrowed to."""
    names = dict.fromkeys(one.category for one in document.of_kind(CollectsClause))
    return tuple(Offered(value=name, words=many(name)) for name in names)


def require_reasons(text: str) -> str:
    """The words of a decision for the person. Raises BadInput without any."""
    words = text.replace("\x00", "").replace("\r\n", "\n").strip()
    if not words or len(words) > LONGEST_REASONS:
        raise BadInput(f"Reasons have 1 to {LONGEST_REASONS} characters.", remedy="Say why, in words for the person.")
    return words
