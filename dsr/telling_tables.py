"""The tables of recipients that are told what was done with data they got: one row each, and the files they answered with."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.database import Base, PersonalText
from core.personal import Personal


class TellingRow(Base):
    """One recipient to tell for one ticket. `clause`: of the version that the ticket is pinned to; `recipient_key`: its name
    folded, the same over versions; `address`: a store, a mailbox, a form or nothing, as `way` says; `of`: categories;
    `condition`: under which the policy says that it gets anything, in words.

    `facts` is JSON: what it takes to find the person there, and what is right where something was corrected; emptied with
    the answer. `mails`: how many were queued; `mail_at`: when the next is due. `told_on`: the day it was told; `note`: what
    the answer says, or why it was not told; `ground`: why not, as one of a few."""

    __tablename__ = "ticket_tellings"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), index=True)
    at: Mapped[datetime]
    what: Mapped[str] = mapped_column(sa.String(20))
    clause: Mapped[str] = mapped_column(sa.String(120))
    recipient: Mapped[str] = mapped_column(sa.String(200))
    recipient_key: Mapped[str] = mapped_column(sa.String(200), index=True)
    condition: Mapped[str] = mapped_column(sa.Text, default="")
    way: Mapped[str] = mapped_column(sa.String(20))
    address: Mapped[Personal] = mapped_column(PersonalText(500))
    of: Mapped[list[Any]]
    facts: Mapped[Personal] = mapped_column(PersonalText(20_000))
    state: Mapped[str] = mapped_column(sa.String(20), index=True)
    asked_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    mails: Mapped[int] = mapped_column(default=0)
    mailed_at: Mapped[datetime | None]
    mail_at: Mapped[datetime | None] = mapped_column(index=True)
    told_on: Mapped[date | None] = mapped_column(sa.Date)
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[str | None] = mapped_column(sa.String(80))
    ground: Mapped[str] = mapped_column(sa.String(20), default="")
    note: Mapped[str] = mapped_column(sa.Text, default="")


class TellingFileRow(Base):
    """One file that came with an answer; its bytes go with the row."""

    __tablename__ = "ticket_telling_files"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    telling_id: Mapped[str] = mapped_column(sa.ForeignKey("ticket_tellings.id"), index=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    size: Mapped[int] = mapped_column(sa.BigInteger)
    sha256: Mapped[str] = mapped_column(sa.String(64))
    content: Mapped[bytes] = mapped_column(sa.LargeBinary, deferred=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(sa.String(80))


FORESEEN = "foreseen"


def drop_foreseen(session: Session, ticket_id: str) -> None:
    """Forget whom a plan would have had told: another plan takes its place, or the request has come to its end."""
    session.execute(
        sa.delete(TellingRow).where(TellingRow.ticket_id == ticket_id, TellingRow.state == FORESEEN),
        execution_options={"synchronize_session": "fetch"},
    )
