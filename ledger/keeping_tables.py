"""The tables beside the log: under which name and key it signs, where its checkpoints are kept, who cosigned them."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base

SIZE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class TermRow(Base):
    """From which entry on the log signs with another key or under another name. The entry is the evidence, this the index.

    `kind`: first, rotated, lost or rolled_back. `key_number`: which key derived from the installation's secret; `epoch`: the
    number in the log's name, 1 for none. `kept_size` and `lost_size`: of a rollback, what stayed and what had been signed."""

    __tablename__ = "ledger_terms"
    number: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(sa.String(20))
    key_number: Mapped[int] = mapped_column(sa.Integer)
    epoch: Mapped[int] = mapped_column(sa.Integer)
    public: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    entry_id: Mapped[str | None] = mapped_column(sa.String(40))
    kept_size: Mapped[int | None] = mapped_column(SIZE)
    lost_size: Mapped[int | None] = mapped_column(SIZE)
    at: Mapped[datetime]


class KeptRow(Base):
    """A checkpoint that a place elsewhere is to keep; `kept_at` None until it does."""

    __tablename__ = "ledger_kept"
    place: Mapped[str] = mapped_column(sa.String(120), primary_key=True)
    size: Mapped[int] = mapped_column(SIZE, primary_key=True, autoincrement=False)
    queued_at: Mapped[datetime]
    kept_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(sa.Integer)
    trouble: Mapped[str] = mapped_column(sa.Text)


class CosignatureRow(Base):
    """The signature line of a witness under a checkpoint; `at`: the time that the witness put into it."""

    __tablename__ = "ledger_cosignatures"
    size: Mapped[int] = mapped_column(SIZE, primary_key=True, autoincrement=False)
    witness: Mapped[str] = mapped_column(sa.String(120), primary_key=True)
    at: Mapped[datetime]
    line: Mapped[str] = mapped_column(sa.Text)
