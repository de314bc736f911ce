"""Bounces: delivery status notifications (RFC 3464) read from files, and matched to the people of campaigns."""

from __future__ import annotations

import mailbox
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import Database
from core.errors import BadInput
from core.personal import Personal
from notify.campaign_rows import DIGITS, People
from notify.campaign_tables import CampaignPersonRow, CampaignRow, PersonState
from notify.campaigns import Campaigns
from notify.mail import mailable
from notify.transport import MailRefused

MOST_BYTES: Final = 200_000_000
_OURS: Final = re.compile(rf"<(cmp_[0-9a-f]{{24}})_([0-9a-f]{{{DIGITS}}})@[^>\s]+>")
_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_MBOX: Final = b"From "
# A relay that passed it on says nothing of the last mile; `delayed` is no end.
_ENDS: Final = {"failed": PersonState.BOUNCED, "delivered": PersonState.TOLD}


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one notification says of one recipient. `campaign_id` and `person`: from our Message-ID, where it came back."""

    state: PersonState
    status: str
    recipient: Personal | None
    campaign_id: str | None = None
    person: str | None = None


@dataclass(kw_only=True)
class BounceCount:
    """What a round over files came to. `unknown`: reports of mails that no campaign sent; `others`: no such reports."""

    messages: int = 0
    bounced: int = 0
    told: int = 0
    unchanged: int = 0
    unknown: int = 0
    others: int = 0


class Bounces:
    """Takes notifications in. `key` is the installation's key for hashes of people and addresses."""

    def __init__(self, database: Database, clock: Clock, campaigns: Campaigns, *, key: bytes) -> None:
        self._database = database
        self._clock = clock
        self._campaigns = campaigns
        self._key = key

    def read_file(self, path: Path, count: BounceCount, *, actor: str) -> None:
        """Every message of an .eml or mbox file. Raises BadInput for a file that cannot be read."""
        for message in read_messages(path):
            count.messages += 1
            reports = list(read_reports(message))
            count.others += not reports
            for report in reports:
                self._take(report, count, actor)

    def _take(self, report: Report, count: BounceCount, actor: str) -> None:
        with self._database.begin() as session:
            row = self._find(session, report)
            if row is None:
                count.unknown += 1
                return
            open_states = {PersonState.UNCERTAIN, PersonState.SENDING, PersonState.WRITING}
            changes = open_states | ({PersonState.TOLD} if report.state is PersonState.BOUNCED else set())
            if row.state not in changes:
                count.unchanged += 1
                return
            was, row.state, row.at = row.state, report.state.value, self._clock.now()
            row.reason = f"Reported: {report.status}." if report.state is PersonState.BOUNCED else ""
            row.email = row.name = row.language = None
            campaign = session.get_one(CampaignRow, row.campaign_id)
            facts = {"was": was, "is": row.state, "status": report.status}
            self._campaigns.note(session, "campaign.bounced", campaign, actor, facts)
        if report.state is PersonState.BOUNCED:
            count.bounced += 1
        else:
            count.told += 1

    def _find(self, session: Session, report: Report) -> CampaignPersonRow | None:
        if report.campaign_id is not None:
            return session.scalar(
                sa.select(CampaignPersonRow).where(
                    CampaignPersonRow.person == report.person, CampaignPersonRow.campaign_id == report.campaign_id
                )
            )
        if report.recipient is None:
            return None
        # Our Message-ID did not come back: the latest campaign that may have told this address.
        address = People("", self._key).hash(report.recipient.reveal())
        return session.scalar(
            sa.select(CampaignPersonRow)
            .join(CampaignRow, CampaignRow.id == CampaignPersonRow.campaign_id)
            .where(CampaignPersonRow.address == address, CampaignPersonRow.state.in_(["told", "uncertain"]))
            .order_by(CampaignRow.begun_at.desc())
            .limit(1)
        )


def read_messages(path: Path) -> Iterator[Message]:
    """The messages of an .eml file or an mbox."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadInput(f"{path} is larger than 200 MB.", remedy="Split it.")
        with path.open("rb") as file:
            is_mbox = file.read(len(_MBOX)) == _MBOX
        if not is_mbox:
            yield message_from_bytes(path.read_bytes())
            return
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.", remedy="Name an .eml or mbox file.") from error
    box = mailbox.mbox(path, create=False)
    try:
        for key in box.keys():  # noqa: SIM118 - iterating the box itself would parse each message twice
            yield message_from_bytes(box.get_bytes(key))
    finally:
        box.close()


def read_reports(message: Message) -> Iterator[Report]:
    """What a notification says; nothing for any other message. A report of a message of ours has its Message-ID."""
    if message.get_content_type() != "multipart/report":
        return
    parts = [part for part in message.walk() if part is not message]
    ours = _our_id(parts)
    for part in parts:
        if part.get_content_type() != "message/delivery-status":
            continue
        for block in part.get_payload():
            if isinstance(block, Message) and (report := _read_block(block, ours)) is not None:
                yield report


def _our_id(parts: Sequence[Message]) -> re.Match[str] | None:
    """The Message-ID of what came back: whole, or its headers alone."""
    for part in parts:
        text = ""
        if part.get_content_type() == "text/rfc822-headers":
            payload = part.get_payload(decode=True)
            text = payload.decode("ascii", "replace") if isinstance(payload, bytes) else ""
        elif part["Message-ID"] and part.get_content_type() != "message/delivery-status":
            text = str(part["Message-ID"])
        if found := _OURS.search(text):
            return found
    return None


def _read_block(block: Message, ours: re.Match[str] | None) -> Report | None:
    action = str(block.get("Action", "")).strip().lower()
    if action not in _ENDS:
        return None
    status = _STATUS.search(str(block.get("Status", "")))
    return Report(
        state=_ENDS[action],
        status=status.group() if status else action,
        recipient=_recipient(block),
        campaign_id=ours[1] if ours else None,
        person=ours[2] if ours else None,
    )


def _recipient(block: Message) -> Personal | None:
    for header in ("Original-Recipient", "Final-Recipient"):
        kind, _, address = str(block.get(header, "")).partition(";")
        if kind.strip().lower() == "rfc822":
            try:
                return Personal(mailable(address.strip().strip("<>")))
            except MailRefused:
                continue
    return None
