"""Evidence of the clauses that no store shows, read from the control database: campaigns, acceptances, mailboxes, requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final, Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import day_in
from core.heartbeats import HeartbeatRow
from dsr.asker_tables import TicketAskerRow
from dsr.figures import RightFigures
from dsr.states import ENDS, OPEN
from dsr.tables import TicketRow
from inbox.letter_tables import LetterRow
from inbox.letter_values import LetterState
from inbox.tables import InboxMessageRow
from notify.campaign_tables import CampaignRow, PersonState, Stage
from notify.campaign_views import TO_TELL, count_states
from notify.mail_natures import NATURES
from notify.tables import MailState, SentMailRow
from policies.acceptance_tables import AcceptanceRow
from policies.clauses import CookieClause, ProcessorClause, RecipientClause, Right
from policies.documents import Document
from policies.versions import Policies, Version, VersionState
from promises.disclosing import DisclosureLog
from promises.disclosures import read_log
from promises.mechanisms import (
    AcceptanceEvidence,
    ChannelEvidence,
    HandledEvidence,
    NoticeEvidence,
    PurposeEvidence,
    ToldVersion,
)
from promises.states import CookieEvidence
from stores.datamap import DataMap

INBOX_JOB: Final = "inbox"
_COPIES: Final = (Right.ACCESS, Right.PORTABILITY)
_GONE: Final = (MailState.SENT.value, MailState.BOUNCED.value)


class CookieLooks(Protocol):
    """Whoever visits pages. None: no page was visited that the clause speaks of."""

    def evidence(self, session: Session, clause: CookieClause, document: Document) -> CookieEvidence | None: ...


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What it takes to look. `reads_mail`: whether a mailbox is configured. `cookies` None: nothing visits pages."""

    policies: Policies
    datamap: DataMap
    reads_mail: bool
    cookies: CookieLooks | None = None

    def begin(self, session: Session, version: Version, figures: Mapping[Right, RightFigures], now: datetime) -> Look:
        """One look at everything, in one transaction; what several clauses ask for is read once."""
        return Look(self, session, version, figures, now)


class Look:
    """One look: evidence by kind of clause."""

    def __init__(
        self, looks: Looks, session: Session, version: Version, figures: Mapping[Right, RightFigures], now: datetime
    ) -> None:
        self._looks = looks
        self._session = session
        self._version = version
        self._figures = figures
        self._now = now
        self._today = day_in(now, version.document.controller.timezone)

    @cached_property
    def purposes(self) -> PurposeEvidence:
        """What was printed and mailed so far."""
        wanted = sa.select(SentMailRow.event, sa.func.count()).where(SentMailRow.state.in_(_GONE))
        mails = {row[0]: int(row[1]) for row in self._session.execute(wanted.group_by(SentMailRow.event))}
        return PurposeEvidence(
            checked_at=self._now,
            copies=sum(self._figures.get(right, RightFigures()).answered for right in _COPIES),
            mails=sum(mails.values()),
            strange=tuple(sorted(set(mails) - set(NATURES))),
        )

    @cached_property
    def mailboxes(self) -> ChannelEvidence | None:
        """How the mailboxes are read; None where none is configured."""
        if not self._looks.reads_mail:
            return None
        beat = self._session.get(HeartbeatRow, INBOX_JOB)
        letters = sa.select(sa.func.count(), sa.func.count().filter(LetterRow.due_on < self._today)).where(
            LetterRow.state == LetterState.WAITING.value
        )
        waiting, late = self._session.execute(letters).one()
        unread = sa.select(sa.func.min(InboxMessageRow.fetched_at)).where(InboxMessageRow.read_at.is_(None))
        return ChannelEvidence(
            checked_at=self._now,
            heard_at=beat.good_at if beat else None,
            trouble=beat.note if beat else "",
            unread_since=self._session.execute(unread).scalar_one(),
            waiting=waiting,
            late=late,
        )

    @cached_property
    def notices(self) -> NoticeEvidence:
        """How people were told of the version in force, and are told of those that are planned."""
        told = [
            one
            for one in self._looks.policies.versions(self._session)
            if one.terms.channels is not None and one.state in (VersionState.IN_FORCE, VersionState.PLANNED)
        ]
        reach = sum(bool({"email"} & set(one.identifies)) for one in self._looks.datamap.collections)
        return NoticeEvidence(checked_at=self._now, versions=tuple(map(self._told, told)), reach=reach)

    def _told(self, version: Version) -> ToldVersion:
        wanted = sa.select(CampaignRow).where(
            CampaignRow.version == version.number, CampaignRow.stage == Stage.NOTICE.value
        )
        row = self._session.execute(wanted).scalar_one_or_none()
        if row is None:
            return ToldVersion(number=version.number, terms=version.terms, in_force_at=version.in_force_at, begun=False)
        counts = count_states(self._session, row.id)
        return ToldVersion(
            number=version.number,
            terms=version.terms,
            in_force_at=version.in_force_at,
            begun=True,
            completed_at=row.completed_at,
            told=counts.get(PersonState.TOLD, 0),
            to_tell=sum(counts.get(state, 0) for state in TO_TELL),
            bounced=counts.get(PersonState.BOUNCED, 0),
            uncertain=counts.get(PersonState.UNCERTAIN, 0),
            problem=row.problem,
        )

    @cached_property
    def acceptances(self) -> AcceptanceEvidence:
        """What was recorded of the version in force."""
        wanted = sa.select(sa.func.count(), sa.func.max(AcceptanceRow.recorded_at)).where(
            AcceptanceRow.version == self._version.number
        )
        recorded, last_at = self._session.execute(wanted).one()
        return AcceptanceEvidence(
            checked_at=self._now,
            version=self._version.number,
            since=self._version.in_force_at or self._version.published_at,
            recorded=recorded,
            last_at=last_at,
        )

    def forwarded(self, clause: ProcessorClause) -> HandledEvidence:
        """Requests about data that is held for the customer of a clause."""
        return self._handled(TicketAskerRow.customer == clause.id)

    @cached_property
    def of_minors(self) -> HandledEvidence:
        """Requests that were said to be about somebody under age."""
        return self._handled(TicketAskerRow.minor.is_not(None))

    def disclosures(self, clause: RecipientClause) -> DisclosureLog:
        """What authorities were given under a clause, as somebody wrote it down."""
        version = self._version
        since = day_in(version.in_force_at or version.published_at, version.document.controller.timezone)
        return read_log(self._session, clause.id, since=since, now=self._now)

    def cookies(self, clause: CookieClause) -> CookieEvidence | None:
        """What the last visit of the pages says of a clause."""
        visits = self._looks.cookies
        return visits.evidence(self._session, clause, self._version.document) if visits else None

    def _handled(self, which: sa.ColumnElement[bool]) -> HandledEvidence:
        # Who asks is written with one ticket of a letter, and holds for all of them.
        letters = sa.select(TicketRow.conversation_id).join(TicketAskerRow, TicketAskerRow.ticket_id == TicketRow.id)
        is_open = TicketRow.state.in_([state.value for state in OPEN])
        is_settled = TicketRow.state.in_([state.value for state in ENDS])
        wanted = sa.select(
            sa.func.count().filter(is_open),
            sa.func.count().filter(is_open, TicketRow.due_on < self._today),
            sa.func.count().filter(is_settled),
        ).where(TicketRow.conversation_id.in_(letters.where(which)), TicketRow.is_test.is_(False))
        opened, late, settled = self._session.execute(wanted).one()
        return HandledEvidence(checked_at=self._now, open=opened, late=late, settled=settled)
