"""The mails of a day at a privacy mailbox, each with what has to become of it; the same every time but for their clock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from itertools import chain, islice

from inbox.desk import LetterState
from tests.inbox_letters import KNOWN, Letter, letters, no_requests, own_letters

HOST = "mx.lanternway.example"
BOX = "privacy@lanternway.example"
SEED = 8
REPLY = "Thank you. My customer number is K-10234.\n\nRobin"
RLO, ZERO = "\u202e", "\u200b"


@dataclass(frozen=True, kw_only=True)
class Due:
    """One mail as it lies in the mailbox, and what is expected of it.

    `thread`: a name of the thread it belongs to, its own where it begins one; `is_answered`: the acknowledgement of its thread
    goes out because of it; `kind`, `rights`: of the proposal, None where either will do.
    """

    name: str
    raw: bytes = field(repr=False)
    sender: str
    subject: str
    message_id: str
    thread: str
    state: LetterState
    is_answered: bool
    kind: str | None = None
    rights: frozenset[str] | None = None

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.raw).hexdigest()


class Day:
    """Makes mails with a number each, so that senders, subjects and ids are their own. `begins`: when the first came in."""

    def __init__(self, begins: datetime) -> None:
        self._begins = begins
        self._number = 0

    def morning(self, *, letters: int, own: int, others: int) -> list[Due]:
        """Mails of people that nobody wrote to before: so many in each of six languages of letters, in a person's own words,
        and without a request; then programs, hostile ones, copies and repeats."""
        made = [*self._letters(letters), *self._own_words(own), *self._no_requests(others)]
        made += [*self._programs(), *self._hostile()]
        copies = made[:6]
        return [*made, *copies, *(self._repeat(one) for one in made[6:10])]

    def fresh(self, text: str, name: str, **expected: object) -> Due:
        """A mail that begins a thread."""
        number, message_id = self._next()
        mail = self.compose(text, number)
        return self.due(name, mail, message_id, thread=message_id, **expected)

    def reply(self, of: Due, how: str, *, to: str = BOX, answers: str = "", state: LetterState) -> Due:
        """What the person of a mail writes later: to a signed address, in answer to our mail, or under the same subject."""
        number, message_id = self._next()
        mail = self.compose(REPLY, number)
        del mail["From"], mail["Subject"], mail["To"]
        mail["From"], mail["To"] = of.sender, to
        mail["Subject"] = f"Re: {of.subject}" if how == "subject" else f"Something else {number}"
        if answers:
            mail["In-Reply-To"] = answers
        return self.due(f"reply by {how}", mail, message_id, thread=of.thread, state=state, is_answered=False)

    def automatic(self, of: Due, answers: str) -> Due:
        """An absence note in answer to our mail."""
        number, message_id = self._next()
        mail = self.compose("I am out of the office until Monday.", number)
        del mail["Subject"], mail["From"]
        mail["From"], mail["Subject"] = of.sender, f"Automatic reply: {number}"
        mail["Auto-Submitted"], mail["In-Reply-To"] = "auto-replied", answers
        return self.due("absence", mail, message_id, thread=of.thread, state=LetterState.AUTOMATIC, is_answered=False)

    def bounce(self, of: Due, sent: EmailMessage) -> Due:
        """What a server says of our mail that it could not deliver (RFC 3464)."""
        number, message_id = self._next()
        report = "\r\n".join([
            "Reporting-MTA: dns; mx.post.example", "",
            f"Final-Recipient: rfc822; {of.sender}", "Action: failed", "Status: 5.1.1", "",
        ])  # fmt: skip
        lines = [
            *self._received(number),
            "Return-Path: <>", "From: MAILER-DAEMON@mx.post.example", f"To: {BOX}",
            "Subject: Undelivered Mail Returned to Sender", f"Message-ID: {message_id}", "MIME-Version: 1.0",
            'Content-Type: multipart/report; report-type=delivery-status; boundary="=b"', "",
            "--=b", "Content-Type: text/plain", "", "It could not be delivered.",
            "--=b", "Content-Type: message/delivery-status", "", report,
            "--=b", "Content-Type: text/rfc822-headers", "",
            f"Message-ID: {sent['Message-ID']}", f"Subject: {sent['Subject']}", "", "--=b--", "",
        ]  # fmt: skip
        return self.due(
            "bounce", "\r\n".join(lines).encode(), message_id, thread=of.thread,
            state=LetterState.AUTOMATIC, is_answered=False,
        )  # fmt: skip

    def returned(self, of: Due, sent: EmailMessage) -> Due:
        """A mail of ours that somebody's forwarding brings back."""
        number, _ = self._next()
        raw = "\r\n".join([*self._received(number), ""]).encode() + _wire(sent.as_bytes())
        return self.due(
            "loop", raw, str(sent["Message-ID"]), thread=of.thread, state=LetterState.AUTOMATIC,
            is_answered=False,
        )  # fmt: skip

    def forged(self, address: str) -> Due:
        """To an address that looks like one of ours, with a signature that somebody made up."""
        number, message_id = self._next()
        mail = self.compose("Please delete my account and all my data.", number)
        del mail["To"]
        mail["To"] = address
        return self.due(
            "forged", mail, message_id, thread=message_id, state=LetterState.WAITING, is_answered=True,
            kind="request", rights=frozenset({"deletion"}),
        )  # fmt: skip

    def compose(self, text: str, number: int) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = f"Person {number} <{_address(number)}>"
        mail["To"] = BOX
        mail["Subject"] = f"Number {number}"
        mail.set_content(text, cte="8bit")
        return mail

    def due(self, name: str, mail: EmailMessage | bytes, message_id: str, **expected: object) -> Due:
        number = self._number
        if isinstance(mail, EmailMessage):
            mail["Message-ID"] = message_id
            sender, subject = str(mail["From"]).rpartition("<")[2].rstrip(">"), str(mail["Subject"])
            raw = "\r\n".join([*self._received(number), ""]).encode() + _wire(mail.as_bytes())
        else:
            raw, sender, subject = mail, _address(number), f"Number {number}"
        return Due(name=name, raw=raw, sender=sender, subject=subject, message_id=message_id, **expected)  # type: ignore[arg-type]

    def _letters(self, each: int) -> Iterator[Due]:
        for language in KNOWN:
            some = (one for one in letters([language], each=1, seed=SEED) if one.how != "mixed")
            yield from (self._letter(one) for one in islice(some, each))

    def _own_words(self, each: int) -> Iterator[Due]:
        for language in KNOWN:
            yield from (
                self._letter(one)
                for one in islice(chain(own_letters(language, "tune"), own_letters(language, "hold")), each)
            )

    def _letter(self, one: Letter) -> Due:
        return self.fresh(
            one.text, f"{one.language} {one.source} {one.how}", state=LetterState.WAITING, is_answered=True,
            kind=one.kind, rights=one.rights if one.kind == "request" else frozenset(),
        )  # fmt: skip

    def _no_requests(self, each: int) -> Iterator[Due]:
        for language in KNOWN:
            for one in islice(no_requests(language), each):
                yield self.fresh(
                    one.text, f"{language} {one.source}", state=LetterState.WAITING, is_answered=False, kind="other",
                    rights=frozenset(),
                )  # fmt: skip

    def _programs(self) -> Iterator[Due]:
        """Absences that answer nothing of ours, and newsletters."""
        for headers, text in [
            *[({"Auto-Submitted": "auto-replied"}, "I am on holiday. Nobody reads my mail.")] * 4,
            *[({"Precedence": "auto_reply"}, "Your message has arrived.")] * 2,
            *[({"List-Unsubscribe": "<https://post.example/u>"}, next(_newsletter()).text)] * 4,
        ]:
            number, message_id = self._next()
            mail = self.compose(text, number)
            for name, value in headers.items():
                mail[name] = value
            yield self.due(
                "program", mail, message_id, thread=message_id, state=LetterState.AUTOMATIC, is_answered=False
            )

    def _hostile(self) -> Iterator[Due]:
        """What is broken or built to break something: all of it is taken, and waits for an operator."""
        ask = "Please delete my account and all my data."
        for name, headers, body in [
            ("turned", {}, f"{RLO}{ask}{RLO * 5_000}"),
            ("no width", {}, ZERO.join(ask) + ZERO * 5_000),
            ("header in a name", {"From": '"x\\r\\nBcc: all@post.example" <{}>'}, ask),
            ("long subject", {"Subject": "Delete " + "my data " * 1_250}, ask),
            ("1970", {"Date": "Thu, 01 Jan 1970 00:00:00 +0000"}, ask),
            ("next year", {"Date": "Fri, 01 Oct 2100 00:00:00 +0000"}, ask),
            ("no such charset", {"Content-Type": "text/plain; charset=x-klingon"}, ask),
            ("no end", {"Content-Type": 'multipart/mixed; boundary="=x"'}, f"--=x\r\n\r\n{ask}"),
            ("deep", {"Content-Type": 'multipart/mixed; boundary="=0"'}, _nested(60, ask)),
            ("not base64", {"Content-Transfer-Encoding": "base64"}, "=" * 3_000 + ask),
            ("markup", {"Content-Type": "text/html"}, f"<p>{ask}</p><script>alert(1)</script>" + "<div>" * 3_000),
            ("nothing", {}, ""),
        ]:
            yield self._broken(name, headers, body)

    def _broken(self, name: str, headers: dict[str, str], body: str) -> Due:
        number, message_id = self._next()
        said = {"From": "{}", "To": BOX, "Subject": f"Number {number}", "Message-ID": message_id}
        said |= {"MIME-Version": "1.0", "Content-Type": "text/plain; charset=utf-8"} | headers
        lines = [f"{key}: {value.replace('{}', _address(number))}" for key, value in said.items()]
        raw = "\r\n".join([*self._received(number), *lines, "", body, ""]).encode()
        return self.due(
            name, raw, message_id, thread=message_id, state=LetterState.WAITING, is_answered=True, kind="request"
        )

    def _repeat(self, of: Due) -> Due:
        """The same person sends the same words again, as a new mail."""
        number, message_id = self._next()
        head, _, body = of.raw.partition(b"\r\n\r\n")
        said = [line for line in head.split(b"\r\n") if not line.startswith((b"Message-ID", b"Subject", b"Received"))]
        new = [*(line.encode() for line in self._received(number)), f"Message-ID: {message_id}".encode()]
        raw = b"\r\n".join([*new, f"Subject: Once more {number}".encode(), *said, b"", body])
        return Due(
            name="repeat", raw=raw, sender=of.sender, subject=f"Once more {number}", message_id=message_id,
            thread=message_id, state=LetterState.WAITING, is_answered=False, kind=of.kind, rights=of.rights,
        )  # fmt: skip

    def _next(self) -> tuple[int, str]:
        self._number += 1
        return self._number, f"<day.{self._number}@post.example>"

    def _received(self, number: int) -> Sequence[str]:
        at = format_datetime(self._begins + timedelta(seconds=number))
        return (
            f"Received: from out.post.example (out.post.example [192.0.2.9]) by {HOST} with ESMTPS id {number}; {at}",
        )


def _address(number: int) -> str:
    return f"person{number}@post{number % 7}.example"


def _wire(raw: bytes) -> bytes:
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _newsletter() -> Iterator[Letter]:
    return (one for one in no_requests("en") if one.source == "newsletter")


def _nested(depth: int, text: str) -> str:
    opened = "".join(
        f'--={level}\r\nContent-Type: multipart/mixed; boundary="={level + 1}"\r\n\r\n' for level in range(depth)
    )
    closed = "".join(f"\r\n--={level}--" for level in range(depth, -1, -1))
    return f"{opened}--={depth}\r\nContent-Type: text/plain\r\n\r\n{text}{closed}"
