"""How a campaign stands: its figures, its rate and when it is likely to end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from notify.campaign_tables import CampaignPersonRow, CampaignRow, CampaignState, PersonState, Stage
from policies.clauses import NoticeChannel

TO_TELL = (PersonState.WAITING, PersonState.SENDING, PersonState.WRITING)


@dataclass(frozen=True, kw_only=True)
class CampaignView:
    """One campaign. `total`: people known so far, all of them once `counted`; `waiting`: still to tell; `dropped`: never
    told, since it was withdrawn. `per_minute` None: as fast as it goes. `ends_about` None: not known, or it is over.
    `problem`: what stands in its way, in words; "" for nothing."""

    id: str
    version: int
    previous: int
    stage: Stage
    state: CampaignState
    ways: tuple[NoticeChannel, ...]
    any_of: bool
    told: int
    bounced: int
    uncertain: int
    waiting: int
    dropped: int
    total: int
    counted: bool
    per_minute: int | None
    deadline: datetime | None
    begun_at: datetime
    begun_by: str
    completed_at: datetime | None
    ends_about: datetime | None
    problem: str

    @property
    def by_mail(self) -> bool:
        """Whether people are told one by one."""
        return NoticeChannel.EMAIL in self.ways

    @property
    def late(self) -> bool:
        """Whether it is likely to miss its deadline, or has."""
        end = self.completed_at or self.ends_about
        return self.deadline is not None and end is not None and end > self.deadline

    def as_json(self) -> dict[str, object]:
        """For machines."""
        return {**vars(self), "ways": [way.value for way in self.ways], "late": self.late}


def count_states(session: Session, campaign_id: str) -> dict[PersonState, int]:
    """How many people of a campaign are in each state."""
    found = session.execute(
        sa.select(CampaignPersonRow.state, sa.func.count())
        .where(CampaignPersonRow.campaign_id == campaign_id)
        .group_by(CampaignPersonRow.state)
    )
    return {PersonState(state): number for state, number in found}


def view_campaign(session: Session, row: CampaignRow, *, now: datetime, per_minute: int | None) -> CampaignView:
    """A campaign as it stands now."""
    counts = count_states(session, row.id)
    waiting = sum(counts.get(state, 0) for state in TO_TELL)
    counted = row.passed_at is not None or row.completed_at is not None
    return CampaignView(
        id=row.id,
        version=row.version,
        previous=row.previous,
        stage=Stage(row.stage),
        state=CampaignState(row.state),
        ways=read_ways(row.ways),
        any_of=row.any_of,
        told=counts.get(PersonState.TOLD, 0),
        bounced=counts.get(PersonState.BOUNCED, 0),
        uncertain=counts.get(PersonState.UNCERTAIN, 0),
        waiting=waiting,
        dropped=counts.get(PersonState.DROPPED, 0),
        total=sum(counts.values()),
        counted=counted,
        per_minute=per_minute,
        deadline=row.deadline,
        begun_at=row.begun_at,
        begun_by=row.begun_by,
        completed_at=row.completed_at,
        ends_about=_ends_about(row, waiting, counted, now, per_minute),
        problem=row.problem,
    )


def someone_waits(session: Session, row: CampaignRow) -> bool:
    """Whether anybody of a campaign is still to tell."""
    waiting = sa.select(CampaignPersonRow.id).where(
        CampaignPersonRow.campaign_id == row.id, CampaignPersonRow.state.in_([state.value for state in TO_TELL])
    )
    return session.execute(waiting.limit(1)).first() is not None


def read_ways(text: str) -> tuple[NoticeChannel, ...]:
    """The channels of a row."""
    return tuple(NoticeChannel(way) for way in text.split(",") if way)


def _ends_about(
    row: CampaignRow, waiting: int, counted: bool, now: datetime, per_minute: int | None
) -> datetime | None:
    if row.state != CampaignState.RUNNING or row.problem or not counted or per_minute is None:
        return None
    return now + timedelta(minutes=waiting / per_minute)
