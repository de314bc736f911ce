"""What is ours in a mail: addresses that answers come back to, our mailboxes, our servers, and the ids of mails we sent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Final

from core.reply_addresses import ReplyAddresses
from inbox.message import Message

# The id of an outbox event, which our Message-ID is made of.
_MAIL_ID: Final = re.compile(r"<(evt_[0-9a-f]{24})@([^>\s]+)>")
# Nobody reads what is sent there, or a program answers.
_NOBODY: Final = re.compile(
    r"(?:no|do-?not|never|nicht|ne)[-_.]?(?:reply|respond|antworten|pas[-_.]?repondre)|mailer-daemon|mail-daemon|postmaster|mdaemon"
    r"|bounces?|notifications?|(?:list|owner)-.*|.*-(?:bounces?|request|owner|unsubscribe)|.*(?:no-?reply|donotreply)",
    re.IGNORECASE,
)

# "Re:", "AW: WG:", "[list] Fwd:"
_BEFORE: Final = re.compile(
    r"^\s{0,8}(?:\[[^\]]{0,40}\]\s{0,4})?(?:re|aw|antw|sv|vs|odp|rv|r|rif|tr|wg|fwd?|ref|doorst)\s{0,2}(?:\[\d{1,3}\])?\s{0,2}:\s{0,8}",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Ours:
    """`sender`: the mailbox that our mails are from; `mailboxes`: further addresses that are ours. `mark`: what our mails
    carry in `X-Kept`. `hosts`: names of our servers and
    domains; `trusted_servers`: what our servers call themselves in Authentication-Results."""

    addresses: ReplyAddresses = field(repr=False)
    sender: str
    mailboxes: tuple[str, ...] = ()
    mark: str = ""
    hosts: tuple[str, ...] = ()
    trusted_servers: tuple[str, ...] = ()

    @property
    def domain(self) -> str:
        """The domain that our mails are from."""
        return parseaddr(self.sender)[1].rpartition("@")[2].lower()

    def mail_ids(self, references: Iterable[str]) -> tuple[str, ...]:
        """The outbox ids of those mails of ours that a mail answers, the latest first."""
        found = [one for one in map(_MAIL_ID.fullmatch, references) if one and one[2].lower() == self.domain]
        return tuple(dict.fromkeys(one[1] for one in reversed(found)))

    def sent(self, message: Message) -> bool:
        """Whether a mail is one of ours that came back. One of another installation is not: it may pass a request on."""
        carried = message.headers.get("x-kept", "").strip()
        return bool(self.mark and carried == self.mark) or bool(self.mail_ids([message.message_id]))

    def named_threads(self, addresses: Iterable[str]) -> tuple[str, ...]:
        """The threads and requests that signed addresses name, in lower case; a forged one names none."""
        return tuple(dict.fromkeys(ref for ref in map(self.addresses.read, addresses) if ref))

    def is_ours(self, address: str) -> bool:
        """Whether an address is one of our mailboxes, whatever stands after a plus sign."""
        return _plain(address) in {_plain(one) for one in (self.sender, *self.mailboxes)}

    def is_same(self, address: str, other: str) -> bool:
        """Whether two addresses are one mailbox, whatever stands after a plus sign."""
        return _plain(address) == _plain(other)

    def can_be_answered(self, address: str) -> bool:
        """Whether an automatic answer may go there: not to ourselves, and not where nobody reads."""
        local = address.partition("@")[0]
        return bool(local) and not self.is_ours(address) and _NOBODY.fullmatch(local) is None


def base_subject(subject: str) -> str:
    """A subject without what programs put before it: equal for a mail and the answers to it."""
    text = subject.strip()
    for _ in range(10):
        shorter = _BEFORE.sub("", text, count=1)
        if shorter == text:
            break
        text = shorter
    return " ".join(text.casefold().split())


def _plain(address: str) -> str:
    local, _, domain = parseaddr(address)[1].lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"
