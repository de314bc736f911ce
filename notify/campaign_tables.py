"""The tables of campaigns: one row for each thing to be told, and one for each person who is to be told it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, PersonalText
from core.personal import Personal


class Stage(StrEnum):
    """What people are told. NOTICE: a version comes. WITHDRAWN: the version they were told of will not come."""

    NOTICE = "notice"
    WITHDRAWN = "withdrawn"


class CampaignState(StrEnum):
    """RUNNING: people are being told. PAUSED: a person, or a server that refuses everyone, stopped it. COMPLETED: everyone
    who had to be told was told, bounced or is uncertain. WITHDRAWN: stopped for good, before all were told."""

    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    WITHDRAWN = "withdrawn"


class PersonState(StrEnum):
    """WAITING: still to tell. SENDING: being handed to a mail server; after a crash nobody knows. WRITING: being written
    as a file, which a repeat writes again under the same name. TOLD, BOUNCED: settled. UNCERTAIN: handed over or not, only
    a bounce or a person can say. DROPPED: never told, since the campaign was withdrawn, or
    since they declined mail that nobody has to get."""

    WAITING = "waiting"
    SENDING = "sending"
    WRITING = "writing"
    TOLD = "told"
    BOUNCED = "bounced"
    UNCERTAIN = "uncertain"
    DROPPED = "dropped"


class CampaignRow(Base):
    """One stage of one version. `place`: how far the pass over the audience has come, None between passes; `passed_at`:
    when the last whole pass ended, `passing_since`: when the last one began; `again_at`: no work before then; `tolerant`: a
    person has seen that the server refuses many in a row; `ended_at`: nothing is left to do, joiners included."""

    __tablename__ = "campaigns"
    __table_args__ = (sa.UniqueConstraint("version", "stage"),)
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    version: Mapped[int]
    previous: Mapped[int]
    stage: Mapped[str] = mapped_column(sa.String(12))
    state: Mapped[str] = mapped_column(sa.String(12))
    ways: Mapped[str] = mapped_column(sa.String(60))
    any_of: Mapped[bool]
    deadline: Mapped[datetime | None]
    begun_at: Mapped[datetime]
    begun_by: Mapped[str] = mapped_column(sa.String(80))
    place: Mapped[str | None] = mapped_column(sa.Text)
    passes: Mapped[int] = mapped_column(default=0)
    passing_since: Mapped[datetime | None]
    passed_at: Mapped[datetime | None]
    again_at: Mapped[datetime | None]
    troubles: Mapped[int] = mapped_column(default=0)
    problem: Mapped[str] = mapped_column(sa.Text, default="")
    tolerant: Mapped[bool] = mapped_column(default=False)
    completed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None] = mapped_column(index=True)


class CampaignPersonRow(Base):
    """One person of one campaign, known by keyed hashes of their id and address. The address itself, name and language
    are here only as long as the mail is to be sent or may have to be sent again."""

    __tablename__ = "campaign_people"
    __table_args__ = (
        sa.UniqueConstraint("person", "campaign_id"),
        sa.UniqueConstraint("address", "campaign_id"),
        sa.Index("ix_campaign_people_campaign_id", "campaign_id", "state", "due_at"),
    )
    id: Mapped[int] = mapped_column(
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True
    )
    campaign_id: Mapped[str] = mapped_column(sa.ForeignKey("campaigns.id"))
    person: Mapped[str] = mapped_column(sa.String(24))
    address: Mapped[str | None] = mapped_column(sa.String(24))
    email: Mapped[Personal | None] = mapped_column(PersonalText(330))
    name: Mapped[Personal | None] = mapped_column(PersonalText(200))
    language: Mapped[str | None] = mapped_column(sa.String(10))
    state: Mapped[str] = mapped_column(sa.String(12))
    due_at: Mapped[datetime]
    at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str] = mapped_column(sa.String(200), default="")
