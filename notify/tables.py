"""The table of mails handed over: one row for each outbox event, with the hash of the recipient only."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class MailState(StrEnum):
    """UNCERTAIN: handed over or not, a crash came between. SENT: handed over. REFUSED: the server will never take it.
    DECLINED: its recipient opted out of such mail, so it never left."""

    UNCERTAIN = "uncertain"
    SENT = "sent"
    REFUSED = "refused"
    DECLINED = "declined"


class SentMailRow(Base):
    """One mail. `id` is the id of its outbox event, `to_hash` a keyed hash of the address."""

    __tablename__ = "sent_mails"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    event: Mapped[str] = mapped_column(sa.String(60))
    to_hash: Mapped[str] = mapped_column(sa.String(64), index=True)
    at: Mapped[datetime] = mapped_column(index=True)
    message_id: Mapped[str] = mapped_column(sa.String(200))
    state: Mapped[str] = mapped_column(sa.String(20))
