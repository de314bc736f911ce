"""The headers of a mail, built so that no word of a person can add one, hide one or turn a line around."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from email import policy
from email.headerregistry import HeaderRegistry, UnstructuredHeader
from email.utils import parseaddr
from typing import Final

from email_validator import EmailNotValidError, validate_email

from notify.transport import MailRefused

LONGEST_SUBJECT: Final = 200
MOST_REFERENCES: Final = 20
# Cc: control characters. Cf, but for joiners that some scripts need: marks that are not seen and turn a line around.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co"})
_JOINERS: Final = frozenset("\u200c\u200d")
_MESSAGE_ID: Final = re.compile(r"<[!-;=?-~]{1,250}>")


class WholeHeader(UnstructuredHeader):
    """A header that is never broken: the library would encode a long link as words, and mail programs then read none."""

    def fold(self, *, policy: policy.Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"  # type: ignore[attr-defined]


_HEADERS: Final = HeaderRegistry()
for _name in ("list-unsubscribe", "message-id", "in-reply-to"):
    _HEADERS.map_to_type(_name, WholeHeader)  # type: ignore[arg-type]  # the registry mixes its base in


class ReferencesHeader(UnstructuredHeader):
    """Message-IDs, one a line: none of them is broken or encoded."""

    def fold(self, *, policy: policy.Policy) -> str:
        return f"{self.name}: {f'{policy.linesep} '.join(str(self).split())}{policy.linesep}"  # type: ignore[attr-defined]


_HEADERS.map_to_type("references", ReferencesHeader)  # type: ignore[arg-type]
# Seven bits: no server on the way has to write it anew, which would break a signature over it.
MAIL_POLICY: Final = policy.SMTP.clone(header_factory=_HEADERS, cte_type="7bit")


def clean_line(text: str, *, most: int = LONGEST_SUBJECT) -> str:
    """Text as one line of a header: breaks are spaces, what is not seen is gone, what is too long ends in an ellipsis."""
    seen = "".join(one for one in " ".join(text.split()) if one in _JOINERS or unicodedata.category(one) not in _HIDDEN)
    line = " ".join(seen.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def clean_references(ids: Sequence[str]) -> tuple[str, ...]:
    """The Message-IDs among what a mail from outside called so, the latest last, no more than a header should hold."""
    return tuple(dict.fromkeys(one for one in ids if _MESSAGE_ID.fullmatch(one)))[-MOST_REFERENCES:]


def make_message_id(name: str, sender: str) -> str:
    """The Message-ID of what is called `name` here, under the domain of the sender."""
    domain = parseaddr(sender)[1].rpartition("@")[2] or "kept.invalid"
    return f"<{name}@{domain}>"


def mailable(address: str) -> str:
    """An address as a header can carry it, its domain in ASCII. Raises MailRefused, without the address."""
    try:
        checked = validate_email(address, check_deliverability=False, test_environment=True, allow_smtputf8=False)
    except EmailNotValidError:
        raise MailRefused("The recipient's address cannot be written into a mail.") from None
    return checked.ascii_email or checked.normalized


def domain_of(address: str) -> str:
    """The domain of an address, in lower case."""
    return address.rpartition("@")[2].lower()
