"""The tables of proof: how much a person has shown, what they just gave for it, declarations, and their other addresses."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.database import Base, PersonalText
from core.personal import Personal


class RequestProofRow(Base):
    """How far the proof of one ticket is, beyond control of the address. `matched`: the kinds of points that matched, never
    their values. `accepted_by`: the operator who was shown it in another way. `changed_at`: when the contact on file was
    changed last; nothing goes out before `waits_until`. `contested_at`: the former contact says that it was not them.
    `warned`: keyed hashes of the addresses that were told."""

    __tablename__ = "request_proofs"
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), primary_key=True)
    at: Mapped[datetime]
    tries: Mapped[int] = mapped_column(default=0)
    matched: Mapped[list[Any]]
    compared_at: Mapped[datetime | None]
    accepted_by: Mapped[str | None] = mapped_column(sa.String(80))
    changed_at: Mapped[datetime | None]
    waits_until: Mapped[datetime | None]
    contested_at: Mapped[datetime | None]
    warned: Mapped[list[Any]]


class ProofPointRow(Base):
    """One thing a person gave to show who they are: `sealed`, and deleted once it was compared, at the latest at `ends_at`."""

    __tablename__ = "proof_points"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), index=True)
    kind: Mapped[str] = mapped_column(sa.String(40))
    sealed: Mapped[bytes] = mapped_column(sa.LargeBinary)
    ends_at: Mapped[datetime] = mapped_column(index=True)


class DeclarationRow(Base):
    """A signed declaration that a request is about the one who makes it: the words as they stood, and the name under them."""

    __tablename__ = "request_declarations"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), index=True)
    at: Mapped[datetime]
    words: Mapped[str] = mapped_column(sa.Text)
    name: Mapped[Personal] = mapped_column(PersonalText(200))


class OtherAddressRow(Base):
    """Another address that a person says is theirs. Nothing is looked for under it before `proven_at`."""

    __tablename__ = "request_addresses"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), index=True)
    address: Mapped[Personal] = mapped_column(PersonalText(254))
    asked_at: Mapped[datetime]
    proven_at: Mapped[datetime | None]


def end_proof(session: Session, ticket_id: str) -> None:
    """Delete what was collected for proof and is not compared yet: the proof of this ticket has ended."""
    session.execute(sa.delete(ProofPointRow).where(ProofPointRow.ticket_id == ticket_id))
    session.execute(
        sa.delete(OtherAddressRow).where(OtherAddressRow.ticket_id == ticket_id, OtherAddressRow.proven_at.is_(None))
    )
