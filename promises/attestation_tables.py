"""The tables of what people vouch for: each attestation, the file that came with it, and what its owner was told before it ends."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, PersonalText
from core.personal import Personal


class AttestationRow(Base):
    """Somebody vouches for a clause until an instant. `promise`: what the clause promised then, as a hash: a clause that says
    something else has not been vouched for. `by`: who wrote it down, an opaque id; `name`: who vouches. Nothing of a row
    changes but `taken_back_at` and `taken_back_by`."""

    __tablename__ = "attestations"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    clause: Mapped[str] = mapped_column(sa.String(120), index=True)
    promise: Mapped[str] = mapped_column(sa.String(64))
    at: Mapped[datetime]
    until: Mapped[datetime]
    by: Mapped[str] = mapped_column(sa.String(80))
    name: Mapped[Personal] = mapped_column(PersonalText(120))
    words: Mapped[str] = mapped_column(sa.Text)
    entry: Mapped[str] = mapped_column(sa.String(40))
    taken_back_at: Mapped[datetime | None]
    taken_back_by: Mapped[str | None] = mapped_column(sa.String(80))


class AttestationFileRow(Base):
    """The file of an attestation: its bytes stand here, so that they are kept, backed up and go with it."""

    __tablename__ = "attestation_files"
    attestation_id: Mapped[str] = mapped_column(sa.ForeignKey("attestations.id"), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    size: Mapped[int] = mapped_column(sa.BigInteger)
    sha256: Mapped[str] = mapped_column(sa.String(64))
    content: Mapped[bytes] = mapped_column(sa.LargeBinary, deferred=True)


class OwnerReminderRow(Base):
    """That the owner of a clause was told of one thing: `about` is the attestation that ends, or the hash of the promise that
    nobody vouches for; `days`: how many days before its end, 0 where nobody vouches."""

    __tablename__ = "owner_reminders"
    clause: Mapped[str] = mapped_column(sa.String(120), primary_key=True)
    about: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    days: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
