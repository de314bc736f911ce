"""The proof of a ticket as operators see it: what is asked, what is shown, and what it waits for; never a value of it."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from dsr.desk import Desk
from dsr.proof_addresses import OtherAddress, list_addresses
from dsr.proof_rules import POINT_NAMES
from dsr.proof_standing import Standing, read_standing
from dsr.tables import TicketRow


@dataclass(frozen=True, kw_only=True)
class ProofPanel:
    """`missing`: why nothing goes out yet, '' where nothing is missing. `shown`: what matched, by name."""

    standing: Standing
    missing: str
    shown: tuple[str, ...]
    others: tuple[OtherAddress, ...]

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to say but that the address is shown, or not."""
        standing = self.standing
        return standing.rule.points == 1 and not (
            standing.waits_until or standing.contested_at or standing.matched or standing.comparing or self.others
        )


def view_proof(desk: Desk, session: Session, ticket: TicketRow) -> ProofPanel:
    """The proof of a ticket now."""
    standing = read_standing(desk, session, ticket)
    return ProofPanel(
        standing=standing,
        missing=standing.missing(desk.clock.now()),
        shown=tuple(POINT_NAMES[kind] for kind in standing.matched),
        others=list_addresses(session, ticket),
    )
