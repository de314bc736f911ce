"""Mails of ours to people who have no e-mail address: kept as letters, without links, to be printed and posted."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from sqlalchemy.orm import Session

from core.ids import new_id
from core.personal import Personal
from dsr.tables import TicketRow
from dsr.ways_in_tables import LetterRow, PostalAddressRow

# What a letter says in words of its own, since the mail leads to a page or to a file.
OWN_WORDS: Final = frozenset({"request_received", "complaint_received", "package_ready"})
# What means nothing without a page that opens by a code.
NEVER: Final = frozenset({"request_confirm", "status_code", "message_from_us", "address_confirm"})
_LINK: Final = re.compile(r"https?://\S+\Z")


class TextRenderer(Protocol):
    """Renders one template under `templates/`."""

    def text(self, template: str, **variables: Any) -> str: ...


def keep_letter(
    session: Session, renderer: TextRenderer, ticket: TicketRow, event: str, variables: Mapping[str, Any], now: datetime
) -> str | None:
    """Keep a mail as a letter, where the person gave an address of post; gives its id. None: they gave none, or it has no
    use on paper; then nobody is written to."""
    if event in NEVER or session.get(PostalAddressRow, ticket.id) is None:
        return None
    folder = f"{'post' if event in OWN_WORDS else 'email'}/{event}"
    given = {**variables, "language": ticket.language}
    words = renderer.text(f"{folder}/body.txt", **given).partition("\n-- \n")[0]
    complaint = renderer.text("email/complaint.txt", **given)
    row = LetterRow(
        id=new_id("let"),
        ticket_id=ticket.id,
        at=now,
        event=event,
        subject=" ".join(renderer.text(f"{folder}/subject.txt", **given).split()),
        body=Personal(f"{without_links(words)}\n\n{complaint.strip()}"),
        sent_on=None,
        sent_by=None,
    )
    session.add(row)
    return row.id


def without_links(words: str) -> str:
    """A mail's words as paragraphs of one line each, without those that only lead to a page."""
    kept: list[str] = []
    for part in re.split(r"\n\s*\n", words.strip()):
        if _LINK.fullmatch(part.strip()):
            if kept and kept[-1].endswith(":"):
                kept.pop()
            continue
        is_list = any(line.lstrip().startswith("* ") for line in part.splitlines())
        kept.append(part.strip() if is_list else " ".join(part.split()))
    return "\n\n".join(one for one in kept if one)
