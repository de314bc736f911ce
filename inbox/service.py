"""The inbox as the other rooms use it: one value over the mailboxes, taking, reading and the queue."""

from __future__ import annotations

from dataclasses import dataclass

from core.keys import derive_key
from core.reply_addresses import ReplyAddresses
from core.settings import Settings
from dsr.desk import Desk
from inbox.boxes import Boxes
from inbox.desk import InboxDesk
from inbox.incoming import Reading, TakeBounce, take_no_bounce
from inbox.ours import Ours
from inbox.taking import Taking


@dataclass(frozen=True, kw_only=True)
class Inbox:
    """Mail in. `boxes`: the mailboxes; `taking`: every message, once; `reading`: what each one comes to; `desk`: what operators
    see and decide."""

    taking: Taking
    boxes: Boxes
    reading: Reading
    desk: InboxDesk


def open_inbox(desk: Desk, settings: Settings, *, mark: str = "", take_bounce: TakeBounce = take_no_bounce) -> Inbox:
    """The inbox of an installation. `mark`: what its mails carry in `X-Kept`. `take_bounce`: who keeps what became of the
    mails that went out."""
    taking = Taking(desk.database, desk.clock, desk.ledger)
    ours = ours_of(settings, desk.secret, mark=mark)
    return Inbox(
        taking=taking,
        boxes=Boxes(settings.inbox, taking, desk.database, desk.clock, key=derive_key(desk.secret, "inbox tokens")),
        reading=Reading(desk, ours, take_bounce=take_bounce),
        desk=InboxDesk(desk, ours),
    )


def ours_of(settings: Settings, secret: bytes, *, mark: str = "") -> Ours:
    """What is ours in a mail, by the configuration."""
    user = settings.inbox.imap.user if settings.inbox.imap else ""
    return Ours(
        addresses=ReplyAddresses(settings.mail.sender, derive_key(secret, "reply addresses")),
        sender=settings.mail.sender,
        mark=mark,
        mailboxes=(user,) if "@" in user else (),
        hosts=settings.inbox.hosts,
        trusted_servers=settings.inbox.trusted_servers,
    )
