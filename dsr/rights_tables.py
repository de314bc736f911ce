"""The tables of the rights that change no record: what was chosen, whose data is restricted or objected to, appeals."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, PersonalText
from core.personal import Personal


class TicketChoiceRow(Base):
    """What a person chose beside the right. `opt_out`: the purposes of an opt-out; `about`: what an objection is to
    (`marketing` or `other`); `ground`: on which ground a restriction is asked for. Empty: they did not say."""

    __tablename__ = "ticket_choices"
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), primary_key=True)
    at: Mapped[datetime]
    opt_out: Mapped[list[Any]]
    about: Mapped[str] = mapped_column(sa.String(20), default="")
    ground: Mapped[str] = mapped_column(sa.String(20), default="")


class RestrictionRow(Base):
    """Data that is only stored (`kind` restriction), or purposes that are stopped (objection). It outlives its ticket, so
    `ref` is no key, and `contact` and `language` are those of whom to tell before it ends.

    `categories` empty: all of the person's data. `holds`: what keeps the records from sweeps, while it lasts. `number`: of the
    last change of it, in the feed. `lift_at`: when it ends by itself, once the person was told (`told_at`)."""

    __tablename__ = "restrictions"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ref: Mapped[str] = mapped_column(sa.String(20), index=True)
    kind: Mapped[str] = mapped_column(sa.String(20))
    ground: Mapped[str] = mapped_column(sa.String(20), default="")
    categories: Mapped[list[Any]]
    purposes: Mapped[list[Any]]
    holds: Mapped[list[Any]]
    number: Mapped[int] = mapped_column(sa.BigInteger, index=True)
    contact: Mapped[Personal] = mapped_column(PersonalText(254))
    language: Mapped[str] = mapped_column(sa.String(10))
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(sa.String(80))
    told_at: Mapped[datetime | None]
    lift_at: Mapped[datetime | None] = mapped_column(index=True)
    lift_by: Mapped[str | None] = mapped_column(sa.String(80))
    lift_why: Mapped[str] = mapped_column(sa.Text, default="")
    lifted_at: Mapped[datetime | None]


class RestrictionPersonRow(Base):
    """One identifier of whom a restriction is about, as a keyed hash. `subject`: the opaque id that the host application
    has for them, which the feed has to name; None for every other kind of identifier."""

    __tablename__ = "restriction_people"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    restriction_id: Mapped[str] = mapped_column(sa.ForeignKey("restrictions.id"), index=True)
    hash: Mapped[str] = mapped_column(sa.String(64), index=True)
    kind: Mapped[str] = mapped_column(sa.String(40))
    subject: Mapped[Personal | None] = mapped_column(PersonalText(200))


class RestrictionFeedRow(Base):
    """One row: the number of the last change of any restriction. Who changes one holds it until they are done, so the
    numbers appear in their order and whoever follows the feed misses none."""

    __tablename__ = "restriction_feed"
    id: Mapped[int] = mapped_column(primary_key=True)
    last: Mapped[int] = mapped_column(sa.BigInteger)


class AppealRow(Base):
    """What an appeal is against. `of_ref`: the request that was refused or is late; `decided_by`: the operator who
    decided it. `alone_why`: why the same person decided again. `reopened_ref`: the request that goes on where it was
    overturned."""

    __tablename__ = "ticket_appeals"
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), primary_key=True)
    at: Mapped[datetime]
    of_ref: Mapped[str] = mapped_column(sa.String(20), unique=True)
    decided_by: Mapped[str | None] = mapped_column(sa.String(80))
    outcome: Mapped[str] = mapped_column(sa.String(20), default="")
    alone_why: Mapped[str] = mapped_column(sa.Text, default="")
    reopened_ref: Mapped[str | None] = mapped_column(sa.String(20))
