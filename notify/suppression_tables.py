"""The table of opt-outs: one row for each hashed identifier and purpose; no address stands in it."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class Purpose(StrEnum):
    """What a person opted out of. SENSITIVE: use of sensitive data beyond what is needed (the right to limit). ALL_MAIL: every
    mail that no law and no request of theirs calls for."""

    SALE_SHARING = "sale_sharing"
    MARKETING = "marketing"
    SENSITIVE = "sensitive"
    ALL_MAIL = "all_mail"


class SuppressionRow(Base):
    """One opt-out. `hash`: a keyed hash of the identifier in its one form, which a record that is imported again gives again.
    `source`: how it came in; `ref`: the opaque id of what it came with, such as a request."""

    __tablename__ = "suppressions"
    __table_args__ = (sa.UniqueConstraint("hash", "purpose"),)
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    hash: Mapped[str] = mapped_column(sa.String(64))
    kind: Mapped[str] = mapped_column(sa.String(40))
    purpose: Mapped[str] = mapped_column(sa.String(20))
    source: Mapped[str] = mapped_column(sa.String(20))
    ref: Mapped[str | None] = mapped_column(sa.String(80))
    at: Mapped[datetime]
