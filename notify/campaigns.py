"""Campaigns: what is to be told of a version, begun in the transaction that publishes it, steered by people.

Who sends is `notify.campaign_runs`. Here nobody's address is read and no mail leaves: a page may call all of this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.canonical import Json
from core.clock import Clock, iso_utc
from core.errors import BadInput, Conflict, NotFound
from core.ids import new_id
from core.outbox import post
from ledger.log import Ledger
from notify.campaign_tables import CampaignPersonRow, CampaignRow, CampaignState, PersonState, Stage
from notify.campaign_views import CampaignView, count_states, view_campaign
from notify.mail_headers import mailable
from notify.transport import MailRefused
from policies.clauses import NoticeChannel
from policies.notices import Notice

PREVIEW: Final = "campaign.preview"
MAYBE_TOLD: Final = (PersonState.TOLD, PersonState.UNCERTAIN, PersonState.SENDING, PersonState.WRITING)


class Campaigns:
    """Implements `policies.notices.Telling`. Every method runs in the caller's transaction and leaves a ledger entry
    where it changes something. `per_minute` is the rate that mails go at; None for no limit."""

    def __init__(self, clock: Clock, ledger: Ledger, *, per_minute: int | None) -> None:
        self._clock = clock
        self._ledger = ledger
        self._per_minute = per_minute

    def begin(self, session: Session, notice: Notice) -> None:
        """Plan to tell people. Where nobody is told one by one (banner, post), everyone is told with the publishing."""
        row = self._insert(session, notice, Stage.NOTICE)
        ways = [way.value for way in notice.channels.ways]
        facts: dict[str, Json] = {"ways": ways, "any_of": notice.channels.any_of, "deadline": _iso(notice.deadline)}
        self.note(session, "campaign.begun", row, notice.actor, facts)
        if NoticeChannel.EMAIL not in notice.channels.ways:
            row.state, row.completed_at, row.ended_at = CampaignState.COMPLETED.value, row.begun_at, row.begun_at
            self.note(session, "campaign.completed", row, notice.actor, {"told": 0, "by": ways})

    def completed_at(self, session: Session, number: int) -> datetime | None:
        """When everyone who had to be told was told."""
        return session.scalar(
            sa.select(CampaignRow.completed_at).where(
                CampaignRow.version == number, CampaignRow.stage == Stage.NOTICE.value
            )
        )

    def withdraw(self, session: Session, number: int, *, actor: str) -> None:
        """Stop telling; those who were told, or may have been, are told that the version will not come."""
        row = self._find(session, number, Stage.NOTICE, lock=True)
        if row is None or row.state == CampaignState.WITHDRAWN:
            return
        counts = count_states(session, row.id)
        told = sum(counts.get(state, 0) for state in MAYBE_TOLD)
        row.state, row.problem, row.again_at, row.ended_at = CampaignState.WITHDRAWN.value, "", None, None
        self.note(session, "campaign.withdrawn", row, actor, {"told": told, "not_told": sum(counts.values()) - told})
        if told:
            session.add(
                CampaignRow(
                    id=new_id("cmp"), version=number, previous=row.previous, stage=Stage.WITHDRAWN.value,
                    state=CampaignState.RUNNING.value, ways=NoticeChannel.EMAIL.value, any_of=False, deadline=None,
                    begun_at=self._clock.now(), begun_by=actor,
                )
            )  # fmt: skip

    def standing(self, session: Session) -> list[CampaignView]:
        """Every campaign, the latest first."""
        rows = session.scalars(sa.select(CampaignRow).order_by(CampaignRow.begun_at.desc(), CampaignRow.stage.desc()))
        return [self._view(session, row) for row in rows]

    def view(self, session: Session, number: int, stage: Stage = Stage.NOTICE) -> CampaignView:
        """One campaign. Raises NotFound."""
        return self._view(session, self.row(session, number, stage))

    def row(self, session: Session, number: int, stage: Stage = Stage.NOTICE, *, lock: bool = False) -> CampaignRow:
        """The row of a campaign, `lock`ed to be changed. Raises NotFound."""
        row = self._find(session, number, stage, lock=lock)
        if row is None:
            what = "No withdrawal of version" if stage is Stage.WITHDRAWN else "Nobody is told of version"
            raise NotFound(f"{what} {number}: there is no such campaign.", remedy="`kept campaign list` names them.")
        return row

    def pause(self, session: Session, number: int, *, actor: str, stage: Stage = Stage.NOTICE) -> None:
        """Stop telling people until somebody resumes it. Raises Conflict unless it runs."""
        row = self._in_state(session, number, stage, CampaignState.RUNNING, "paused")
        row.state = CampaignState.PAUSED.value
        self.note(session, "campaign.paused", row, actor, {})

    def resume(self, session: Session, number: int, *, actor: str, stage: Stage = Stage.NOTICE) -> None:
        """Go on telling people. Raises Conflict unless it is paused."""
        row = self._in_state(session, number, stage, CampaignState.PAUSED, "resumed")
        row.tolerant = row.tolerant or bool(row.problem)
        row.state, row.problem, row.again_at, row.troubles = CampaignState.RUNNING.value, "", None, 0
        self.note(session, "campaign.resumed", row, actor, {})

    def settle(self, session: Session, number: int, *, told: bool, actor: str, stage: Stage = Stage.NOTICE) -> int:
        """Say of all uncertain ones that they were told, or that they are sent again; gives how many.

        Only now may somebody be told twice, and who settles knows it. Raises Conflict where none is uncertain."""
        row = self.row(session, number, stage, lock=True)
        now = self._clock.now()
        changed: dict[str, object] = {"state": PersonState.WAITING.value, "due_at": now, "at": now, "reason": ""}
        if told:
            changed = {"state": PersonState.TOLD.value, "at": now, "email": None, "name": None, "language": None}
        uncertain = (
            CampaignPersonRow.campaign_id == row.id,
            CampaignPersonRow.state == PersonState.UNCERTAIN.value,
        )
        count = session.execute(sa.update(CampaignPersonRow).where(*uncertain).values(changed)).rowcount  # type: ignore[attr-defined]
        if not count:
            raise Conflict(f"Nobody is uncertain in the campaign of version {number}.", remedy="Look at it again.")
        row.ended_at = row.ended_at if told else None
        self.note(session, "campaign.settled", row, actor, {"count": count, "as": "told" if told else "again"})
        return int(count)

    def complete_by_hand(self, session: Session, number: int, *, actor: str, reason: str) -> None:
        """Take everyone who is not told yet as told by another way, such as letters; no mail goes to them any more."""
        if not reason.strip():
            raise BadInput("Telling people by hand needs a reason.", remedy="Say how they were told.")
        row = self.row(session, number, lock=True)
        if row.state not in (CampaignState.RUNNING, CampaignState.PAUSED):
            raise Conflict(f"The campaign of version {number} is {row.state}.", remedy="There is nothing to complete.")
        now = self._clock.now()
        told: dict[str, object] = {"state": PersonState.TOLD.value, "at": now, "reason": "Told by hand."}
        session.execute(
            sa.update(CampaignPersonRow)
            .where(
                CampaignPersonRow.campaign_id == row.id,
                CampaignPersonRow.state.in_([PersonState.WAITING.value, PersonState.UNCERTAIN.value]),
            )
            .values({**told, "email": None, "name": None, "language": None})
        )
        row.state, row.problem, row.completed_at, row.ended_at = CampaignState.COMPLETED.value, "", now, None
        self.note(session, "campaign.completed", row, actor, {"by_hand": reason, **_figures(session, row)})

    def ask_preview(self, session: Session, number: int, *, to: str, language: str | None, actor: str) -> None:
        """Have the mail of a version sent to one address (the operator's own). Raises BadInput for no address."""
        self.row(session, number)
        own_address(to)
        post(session, PREVIEW, {"version": number, "to": to, "language": language}, now=self._clock.now())
        self.note(session, "campaign.previewed", self.row(session, number), actor, {})

    def note(self, session: Session, kind: str, row: CampaignRow, actor: str, facts: Mapping[str, Json]) -> None:
        """The ledger entry of what happened to a campaign: counts, never people."""
        refs = [f"version:{row.version}", f"campaign:{row.id}"]
        self._ledger.record(session, kind=kind, actor=actor, refs=refs, private={"stage": row.stage, **facts})

    def _insert(self, session: Session, notice: Notice, stage: Stage) -> CampaignRow:
        row = CampaignRow(
            id=new_id("cmp"), version=notice.number, previous=notice.previous, stage=stage.value,
            state=CampaignState.RUNNING.value, ways=_ways(notice.channels.ways), any_of=notice.channels.any_of,
            deadline=notice.deadline, begun_at=self._clock.now(), begun_by=notice.actor,
        )  # fmt: skip
        session.add(row)
        session.flush()
        return row

    @staticmethod
    def _find(session: Session, number: int, stage: Stage, *, lock: bool = False) -> CampaignRow | None:
        wanted = sa.select(CampaignRow).where(CampaignRow.version == number, CampaignRow.stage == stage.value)
        return session.scalar(wanted.with_for_update() if lock else wanted)

    def _in_state(self, session: Session, number: int, stage: Stage, state: CampaignState, deed: str) -> CampaignRow:
        row = self.row(session, number, stage, lock=True)
        if row.state != state:
            raise Conflict(f"The campaign of version {number} is not {state}.", remedy=f"It cannot be {deed} now.")
        return row

    def _view(self, session: Session, row: CampaignRow) -> CampaignView:
        return view_campaign(session, row, now=self._clock.now(), per_minute=self._per_minute)


def own_address(to: str) -> str:
    """The address that a preview goes to, as a mail can carry it. Raises BadInput."""
    try:
        return mailable(to)
    except MailRefused as error:
        raise BadInput("A preview cannot go there: that is no e-mail address.", remedy="Give your own.") from error


def _ways(ways: Sequence[NoticeChannel]) -> str:
    return ",".join(way.value for way in ways)


def _iso(instant: datetime | None) -> str | None:
    return iso_utc(instant) if instant else None


def _figures(session: Session, row: CampaignRow) -> dict[str, Json]:
    return {state.value: number for state, number in count_states(session, row.id).items()}
