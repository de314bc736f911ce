"""Who is told that a person's data is restricted, or restricted no more: looked for in the stores, outside any transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from core.outbox import Event
from dsr.desk import Desk, find_ticket
from dsr.proof_standing import proven_identifiers
from dsr.telling_tables import TellingRow
from dsr.telling_views import TellingState
from plans.build_told import Known, ToTell, What, build_told, recipient_key
from plans.known_by import known_by
from policies.clauses import Clause, Right


@dataclass(frozen=True, kw_only=True)
class Restricted:
    """What the stores hold of the person, and by what they are known. `touched`: categories."""

    what: What
    touched: frozenset[str]
    known: Known
    clauses: tuple[Clause, ...] = field(repr=False)
    desk: Desk = field(repr=False)

    def to_tell(self, rows: Sequence[TellingRow]) -> list[ToTell]:
        """The recipients to tell. Of a lifting hears who heard of the restriction, and of what it heard."""
        touched = self.touched
        heard = [one for one in rows if one.what == What.RESTRICTED and one.state != TellingState.EXCUSED]
        if self.what is What.LIFTED:
            touched &= {category for one in heard for category in one.of}
        found = build_told(
            clauses=self.clauses,
            touched=touched,
            plan=None,
            datamap=self.desk.plans.datamap,
            known=self.known,
            what=self.what,
        )
        names = {one.recipient_key for one in heard}
        return [one for one in found if self.what is not What.LIFTED or recipient_key(one.name) in names]


def look_for_restricted(desk: Desk, event: Event) -> Restricted:
    """Ask the stores where the person is. `event`: its payload has the reference, `lifted`, and `categories`, empty for all."""
    with desk.database.read() as session:
        ticket = find_ticket(session, str(event.payload["ref"]))
        document, proven = desk.document(session, ticket), proven_identifiers(session, ticket)
    plan, found = desk.plans.draft_request(
        ref=f"ticket:{ticket.ref}",
        version=ticket.version,
        clauses=document.clauses,
        right=Right.ACCESS,
        identifiers=proven,
    )
    datamap, only = desk.plans.datamap, frozenset(event.payload.get("categories", ()))
    held = {row.collection for row in desk.plans.look(plan).rows if row.rows}
    held |= {place.collection for place in found.asked}
    touched = frozenset[str]().union(*(datamap.categories(datamap.collection(one)) for one in held))
    knows = desk.settings.tell.knows
    return Restricted(
        what=What.LIFTED if event.payload["lifted"] else What.RESTRICTED,
        touched=touched & only if only else touched,
        known=Known(identifiers=known_by(datamap, found, knows), knows=knows),
        clauses=tuple(document.clauses),
        desk=desk,
    )
