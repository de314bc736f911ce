"""Bounces: delivery status notifications (RFC 3464) read from files, and matched to people of campaigns and to every other mail."""

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
from notify.bounced_mails import Action, BouncedMails, Taken
from notify.campaign_rows import DIGITS, People
from notify.campaign_tables import CampaignPersonRow, CampaignRow, PersonState
from notify.campaigns import Campaigns
from notify.mail_headers import mailable
from notify.transport import MailRefused

MOST_BYTES: Final = 200_000_000
_OURS: Final = re.compile(rf"<(cmp_[0-9a-f]{{24}})_([0-9a-f]{{{DIGITS}}})@[^>\s]+>")
_ID: Final = re.compile(r"^Message-ID:\s*(<[^<>\s]{1,250}>)", re.IGNORECASE | re.MULTILINE)
_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_MBOX: Final = b"From "
# A relay that passed it on says nothing of the last mile; `delayed` is no end.
_ENDS: Final = {Action.FAILED: PersonState.BOUNCED, Action.DELIVERED: PersonState.TOLD}


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one notification says of one recipient. `message_id`: that of the mail, '' where it did not come back."""

    action: Action
    status: str
    recipient: Personal | None
    message_id: str = ""


@dataclass(kw_only=True)
class BounceCount:
    """What a round over files came to. `unknown`: reports of mails that were not sent here; `others`: no such reports."""

    messages: int = 0
    bounced: int = 0
    told: int = 0
    unchanged: int = 0
    unknown: int = 0
    others: int = 0


class Bounces:
    """Takes notifications in. `key` is the installation's key for hashes of people and addresses of campaigns; `mails`: every
    other mail."""

    def __init__(
        self, database: Database, clock: Clock, campaigns: Campaigns, *, key: bytes, mails: BouncedMails | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._campaigns = campaigns
        self._key = key
        self._mails = mails

    def take(self, *, original_message_id: str, recipient: str, action: str, status: str) -> bool:
        """What a mail that came back says of one recipient; False where no mail of ours is meant."""
        if action not in set(Action):
            return False
        report = Report(
            action=Action(action),
            status=_read_status(status),
            recipient=_mailable(recipient),
            message_id=original_message_id.strip(),
        )
        return self._take(report, actor="system") is not Taken.UNKNOWN

    def read_file(self, path: Path, count: BounceCount, *, actor: str) -> None:
        """Every message of an .eml or mbox file. Raises BadInput for a file that cannot be read."""
        for message in read_messages(path):
            count.messages += 1
            reports = list(read_reports(message))
            count.others += not reports
            for report in reports:
                taken = self._take(report, actor=actor)
                count.unknown += taken is Taken.UNKNOWN
                count.unchanged += taken in (Taken.UNCHANGED, Taken.DELAYED)
                count.bounced += taken is Taken.BOUNCED
                count.told += taken is Taken.ARRIVED

    def _take(self, report: Report, *, actor: str) -> Taken:
        with self._database.begin() as session:
            person = self._find(session, report)
            if person is not None:
                return self._take_person(session, person, report, actor)
            mail = self._mails.find(session, report.message_id, report.recipient) if self._mails else None
            if mail is None or self._mails is None:
                return Taken.UNKNOWN
            return self._mails.take(session, mail, report.action, report.status)

    def _take_person(self, session: Session, row: CampaignPersonRow, report: Report, actor: str) -> Taken:
        after = _ENDS.get(report.action)
        open_states = {PersonState.UNCERTAIN, PersonState.SENDING, PersonState.WRITING}
        changes = open_states | ({PersonState.TOLD} if after is PersonState.BOUNCED else set())
        if after is None or row.state not in changes:
            return Taken.UNCHANGED
        was, row.state, row.at = row.state, after.value, self._clock.now()
        row.reason = f"Reported: {report.status}." if after is PersonState.BOUNCED else ""
        row.email = row.name = row.language = None
        campaign = session.get_one(CampaignRow, row.campaign_id)
        facts = {"was": was, "is": row.state, "status": report.status}
        self._campaigns.note(session, "campaign.bounced", campaign, actor, facts)
        return Taken.BOUNCED if after is PersonState.BOUNCED else Taken.ARRIVED

    def _find(self, session: Session, report: Report) -> CampaignPersonRow | None:
        if ours := _OURS.fullmatch(report.message_id):
            return session.scalar(
                sa.select(CampaignPersonRow).where(
                    CampaignPersonRow.person == ours[2], CampaignPersonRow.campaign_id == ours[1]
                )
            )
        if report.recipient is None or report.message_id:
            return None
        # No Message-ID came back: the latest campaign that may have told this address.
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
    message_id = _original_id(parts)
    for part in parts:
        if part.get_content_type() != "message/delivery-status":
            continue
        for block in part.get_payload():
            if isinstance(block, Message) and (report := _read_block(block, message_id)) is not None:
                yield report


def _original_id(parts: Sequence[Message]) -> str:
    """The Message-ID of what came back: whole, or its headers alone."""
    for part in parts:
        text = ""
        if part.get_content_type() == "text/rfc822-headers":
            payload = part.get_payload(decode=True)
            text = payload.decode("ascii", "replace") if isinstance(payload, bytes) else ""
        elif part["Message-ID"] and part.get_content_type() != "message/delivery-status":
            text = f"Message-ID: {part['Message-ID']}"
        if found := _ID.search(text):
            return found[1]
    return ""


def _read_block(block: Message, message_id: str) -> Report | None:
    action = str(block.get("Action", "")).strip().lower()
    if action not in _ENDS:
        return None
    return Report(
        action=Action(action),
        status=_read_status(str(block.get("Status", ""))) or action,
        recipient=_recipient(block),
        message_id=message_id,
    )


def _read_status(text: str) -> str:
    found = _STATUS.search(text)
    return found.group() if found else ""


def _recipient(block: Message) -> Personal | None:
    for header in ("Original-Recipient", "Final-Recipient"):
        kind, _, address = str(block.get(header, "")).partition(";")
        if kind.strip().lower() == "rfc822" and (found := _mailable(address)) is not None:
            return found
    return None


def _mailable(address: str) -> Personal | None:
    try:
        return Personal(mailable(address.strip().strip("<>")))
    except MailRefused:
        return None
