"""What the console calls the states, natures and tries of mails that go out, and which of them need a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from notify.mail_natures import Nature
from notify.outbox_desk import MailTry
from notify.tables import MailState


@dataclass(frozen=True, kw_only=True)
class Look:
    """One state: how it is drawn, its word, and what it means for who looks at one mail."""

    state: str
    word: str
    says: str


LOOKS: Final[Mapping[MailState, Look]] = {
    MailState.QUEUED: Look(state="new", word="Queued", says="It goes out with the next round, within seconds."),
    MailState.WAITING: Look(state="waiting", word="Waiting", says="The server did not take it yet, so it is tried again by itself."),
    MailState.SENDING: Look(state="now", word="Sending", says="It is being handed over now."),
    MailState.UNCERTAIN: Look(state="due", word="Uncertain", says="It went to the server, which fell silent: it may have arrived or not. Ask the server's log or the person, then say that it arrived, try it again or give it up."),
    MailState.SENT: Look(state="kept", word="Sent", says="The server took it. If it cannot be delivered, a report comes back and it stands here as bounced."),
    MailState.REFUSED: Look(state="broken", word="Refused", says="The server will never take it as it is. Look at why, put it right, then try it again."),
    MailState.BOUNCED: Look(state="broken", word="Bounced", says="The server took it, and a report said that it cannot be delivered. The person has not read it: reach them another way."),
    MailState.DECLINED: Look(state="plain", word="Declined", says="They opted out of such mail, so it never left."),
    MailState.GIVEN_UP: Look(state="broken", word="Given up", says="It was put off for too long, or somebody ended it. Nothing tries it again by itself."),
}  # fmt: skip
NATURE_WORDS: Final[Mapping[Nature, str]] = {
    Nature.CODE: "lets somebody in",
    Nature.ANSWER: "an answer",
    Nature.NOTICE: "a notice the law or a promise wants",
    Nature.WORK: "work",
    Nature.NEWS: "news, can be declined",
}


def say_try(one: MailTry, names: Mapping[str, str]) -> str:
    """What came of a try, with who decided where a person did."""
    who = names.get(one.by, one.by)
    said = one.trouble or {MailState.SENT: "The server took it."}.get(one.state, "")
    return f"{said} By {who}." if who else said
