"""A day at a privacy mailbox: two hundred mails in a real Dovecot, taken, read, acknowledged and threaded, killed twice on the way."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import parseaddr
from itertools import islice
from pathlib import Path

import pytest
import sqlalchemy as sa
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from app import open_services
from inbox.desk import LetterState, View
from inbox.letter_tables import LetterRow, LetterTicketRow
from inbox.tables import InboxMessageRow, OriginalRow
from jobs.services import Services
from notify.tables import MailState, MailTryRow, SentMailRow
from policies.documents import parse_document
from tests.inbox_day import BOX, HOST, Day, Due
from tests.servers import SmtpServer, free_port
from tests.servers_imap import PASSWORD, DovecotUser
from tests.web_installation import CONFIGURATION, POLICY, write_installation

ROOT = Path(__file__).parent.parent
KEPT = Path(sys.executable).with_name("kept")
RECEIPT = "mail_received"
LONGEST = 120.0


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much comes. `letters`, `own`, `others`: of each language in the morning. `to_requests`, `to_letters`: replies by signed
    address, by the id they answer and by subject, to letters that were accepted and to those that wait. `total`: all mails;
    `killed_at`: how many are taken when the first process dies; `stalls_at`: the mail during which the second does.
    `serves`: all of `kept serve`, and not the jobs of mail alone."""

    letters: int
    own: int
    others: int
    to_requests: tuple[int, int, int]
    to_letters: tuple[int, int, int]
    bounces: int
    absences: int
    loops: int
    total: int
    killed_at: int
    stalls_at: int
    serves: bool

    @property
    def accepted(self) -> int:
        return sum(self.to_requests)


SMALL = Size(
    letters=3, own=1, others=1, to_requests=(2, 1, 1), to_letters=(1, 1, 1), bounces=2, absences=2, loops=1, total=78,
    killed_at=20, stalls_at=12, serves=False,
)  # fmt: skip
WHOLE = Size(
    letters=14, own=2, others=3, to_requests=(7, 5, 2), to_letters=(7, 5, 6), bounces=8, absences=6, loops=4, total=200,
    killed_at=40, stalls_at=30, serves=True,
)  # fmt: skip


@dataclass(kw_only=True)
class Stalling(SmtpServer):
    """Takes the mail of this number and never says so, until whoever brought it is gone."""

    stalls_at: int = 0
    stalled: threading.Event = field(default_factory=threading.Event)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        answer = await super().handle_DATA(server, session, envelope)
        if len(self.mails) == self.stalls_at:
            self.stalled.set()
            await asyncio.Event().wait()
        return answer


@contextmanager
def run_stalling(*, at: int) -> Iterator[Stalling]:
    server = Stalling(port=free_port(), stalls_at=at)
    controller = Controller(server, hostname="127.0.0.1", port=server.port)
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


class Served:
    """`kept serve`: every job, and the pages."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._log = (root / "serve.log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = [str(KEPT), "serve", "--port", str(free_port())]
        self._process = subprocess.Popen(
            words, cwd=self._root, stdout=self._log, stderr=self._log, stdin=subprocess.DEVNULL
        )

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """At once, whatever it does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        if self.is_alive():
            self.kill()
        self._log.close()


class Forked:
    """The jobs of mail alone, in a process that is forked from one that has imported Kept."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._pid = 0
        self._log = (root / "serve.log").open("ab")
        words = [sys.executable, "-m", "tests.inbox_day_child"]
        self._process = subprocess.Popen(
            words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )

    def start(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(self._root / "kept.yaml", file=self._process.stdin, flush=True)
        self._pid = int(self._process.stdout.readline())

    def is_alive(self) -> bool:
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return False
        return self._pid > 0

    def kill(self) -> None:
        """At once, whatever it does."""
        os.kill(self._pid, signal.SIGKILL)
        while self.is_alive():
            time.sleep(0.01)

    def close(self) -> None:
        if self.is_alive():
            self.kill()
        self._process.communicate(timeout=20)
        self._log.close()


@dataclass(kw_only=True)
class House:
    """An installation whose jobs run in a process of their own, and the same control database beside it."""

    root: Path
    kept: Services
    user: DovecotUser
    smtp: Stalling
    jobs: Served | Forked

    def wait(self, what: str, come: Callable[[], bool]) -> None:
        """Until something has come about; a process that ended meanwhile fails the test with its words."""
        deadline = time.monotonic() + LONGEST
        while not come():
            said = (self.root / "serve.log").read_text(errors="replace")[-3_000:]
            assert self.jobs.is_alive(), said
            assert time.monotonic() < deadline, f"waited for {what}\n{said}"
            time.sleep(0.05)

    def count(self, statement: str) -> int:
        """One number out of the control database, asked without Kept."""
        with closing(sqlite3.connect(self.root / "var" / "kept.db", timeout=30)) as connection:
            return int(connection.execute(statement).fetchone()[0])

    def quiet(self, taken: int) -> bool:
        """Every mail is taken and read, and nothing waits to go out."""
        return (
            self.count("SELECT count(*) FROM inbox_messages WHERE read_at IS NOT NULL") == taken
            and self.count("SELECT count(*) FROM outbox WHERE kind = 'mail' AND done_at IS NULL") == 0
        )

    def receipts(self) -> dict[str, list[EmailMessage]]:
        """The acknowledgements that the mail server got, by the address they went to."""
        with self.kept.database.read() as session:
            wanted = sa.select(SentMailRow.message_id).where(SentMailRow.event == RECEIPT)
            ids = set(session.execute(wanted).scalars())
        found: dict[str, list[EmailMessage]] = {}
        for mail in self.smtp.mails:
            if str(mail.message["Message-ID"]) in ids:
                found.setdefault(mail.recipients[0], []).append(mail.message)
        return found


@contextmanager
def open_house(root: Path, user: DovecotUser, size: Size) -> Iterator[House]:
    with run_stalling(at=size.stalls_at) as smtp:
        mail = f"  from: Lanternway <{BOX}>\n  smtp: {smtp.url}\n  imap: {user.url()}\n"
        text = CONFIGURATION.replace("  from: Lanternway <privacy@lanternway.example>\n", mail)
        text = text.replace("languages: [en]", "languages: [en, de]")
        text += f"inbox: {{password: {PASSWORD}, hosts: [{HOST}], poll: 10s}}\n"
        write_installation(root, text)
        with open_services(root / "kept.yaml") as kept:
            kept.policies.publish(parse_document(POLICY, "small.md"), actor="system")
            kept.policies.tick()
            if size.serves:
                kept.papers.make_missing()  # or every process that is started begins with it
            kept.ledger.settle()
            jobs = Served(root) if size.serves else Forked(root)
            try:
                yield House(root=root, kept=kept, user=user, smtp=smtp, jobs=jobs)
            finally:
                jobs.close()


@pytest.mark.parametrize("size", [SMALL, pytest.param(WHOLE, marks=pytest.mark.slow)], ids=["78 mails", "200 mails"])
def test_a_day_in_the_life(tmp_path: Path, mail_user: DovecotUser, size: Size) -> None:
    """Each mail is taken once, each thread found once and acknowledged once, whatever was killed; nothing is lost."""
    day = Day(datetime.now(UTC) - timedelta(hours=6))
    morning = day.morning(letters=size.letters, own=size.own, others=size.others)
    with open_house(tmp_path / "kept", mail_user, size) as house:
        mail_user.put(*(one.raw for one in morning))
        house.jobs.start()
        house.wait("the first", lambda: house.count("SELECT count(*) FROM inbox_messages") >= size.killed_at)
        house.jobs.kill()
        house.jobs.start()
        house.wait("a mail that the server keeps to itself", house.smtp.stalled.is_set)
        house.jobs.kill()
        house.jobs.start()
        first = {one.digest: one for one in morning}
        house.wait("the morning", lambda: house.quiet(len(first)))
        require_morning(house, first)

        evening = [*answer(day, house, first, size), morning[0], morning[1]]
        mail_user.put(*(one.raw for one in evening))
        every = first | {one.digest: one for one in evening}
        house.wait("the evening", lambda: house.quiet(len(every)))
        require_day(house, every, size)


def require_morning(house: House, due: dict[str, Due]) -> None:
    """Everybody who is to be answered has been, once; nobody else was written to."""
    sent = house.receipts()
    wanted = {one.sender for one in due.values() if one.is_answered}
    uncertain = doubts(house)
    assert set(sent) == wanted
    assert len(uncertain) <= 2
    for to, mails in sent.items():
        # The one that the server kept to itself may be told again, as the same mail.
        assert len({str(one["Message-ID"]) for one in mails}) == 1, to
        assert len(mails) == 1 or str(mails[0]["Message-ID"]) in uncertain, to


def doubts(house: House) -> set[str]:
    """The Message-IDs of those mails of which it shows that nobody knew whether they left."""
    with house.kept.database.read() as session:
        wanted = sa.select(SentMailRow.message_id).join(MailTryRow, MailTryRow.mail_id == SentMailRow.id)
        return set(session.execute(wanted.where(MailTryRow.state == MailState.UNCERTAIN.value)).scalars())


def answer(day: Day, house: House, first: dict[str, Due], size: Size) -> list[Due]:
    """What comes back in the evening: some letters were accepted, and people, servers and programs answer our mails."""
    receipts = {to: mails[-1] for to, mails in house.receipts().items()}
    asked = [one for one in first.values() if one.is_answered and one.rights]
    accept(house, asked[: size.accepted])
    left = iter(asked)

    def replies(numbers: tuple[int, int, int], state: LetterState) -> Iterator[Due]:
        by_address, by_answer, by_subject = (list(islice(left, number)) for number in numbers)
        for one in by_address:
            yield day.reply(one, "address", to=str(receipts[one.sender]["Reply-To"]), state=state)
        for one in by_answer:
            yield day.reply(one, "answer", answers=str(receipts[one.sender]["Message-ID"]), state=state)
        for one in by_subject:
            yield day.reply(one, "subject", state=state)

    mails = [*replies(size.to_requests, LetterState.REPLIED), *replies(size.to_letters, LetterState.WAITING)]
    mails += [day.bounce(one, receipts[one.sender]) for one in islice(left, size.bounces)]
    mails += [day.automatic(one, str(receipts[one.sender]["Message-ID"])) for one in islice(left, size.absences)]
    mails += [day.returned(one, receipts[one.sender]) for one in islice(left, size.loops)]
    signed = parseaddr(str(receipts[next(left).sender]["Reply-To"]))[1]
    ours, _, domain = signed.partition("@")
    return [*mails, day.forged(f"{ours[:-16]}{'0' * 16}@{domain}"), day.forged(f"privacy+thr_x.{'1' * 16}@{domain}")]


def accept(house: House, letters: list[Due]) -> None:
    """As an operator does, while everything else goes on."""
    ids = {row.header_id: row.id for row in read_rows(house, LetterRow)}
    for one in letters:
        rights = sorted(one.rights or ())
        house.kept.inbox.desk.accept(ids[one.message_id], rights=rights, regime="gdpr", language=None, by="system")


def require_day(house: House, due: dict[str, Due], size: Size) -> None:
    """Counts, states, threads and proposals, mail by mail."""
    messages = {row.id: row.digest for row in read_rows(house, InboxMessageRow)}
    rows = {messages[row.message_id]: row for row in read_rows(house, LetterRow)}
    assert Counter(messages.values()) == Counter(list(due))
    assert len(read_rows(house, OriginalRow)) == len(due)
    assert set(rows) == set(due)
    wrong = [
        f"{one.name}: {rows[digest].state} {rows[digest].auto}"
        for digest, one in due.items()
        if not fits(rows[digest], one)
    ]
    assert not wrong, wrong
    threads = {(one.thread, rows[digest].thread_id) for digest, one in due.items()}
    assert len(threads) == len({thread for thread, _ in threads}) == len({name for _, name in threads})
    require_morning(house, due)
    by_name = {digest: one.name for digest, one in due.items()}
    assert all(row.same_as for digest, row in rows.items() if by_name[digest] == "repeat")
    assert all(not row.trouble for digest, row in rows.items() if by_name[digest] == "bounce")
    bounced = house.count(f"SELECT count(*) FROM sent_mails WHERE state = '{MailState.BOUNCED.value}'")
    assert bounced == sum(name == "bounce" for name in by_name.values())
    replies = Counter(row.letter_id for row in read_rows(house, LetterTicketRow) if not row.opened)
    joined = {rows[digest].id for digest, one in due.items() if one.state is LetterState.REPLIED}
    assert joined <= set(replies)
    counts = house.kept.inbox.desk.counts()
    assert counts[View.SORTED] == size.accepted
    assert counts[View.BY_ITSELF] == sum(
        one.state in (LetterState.REPLIED, LetterState.AUTOMATIC) for one in due.values()
    )
    house.kept.ledger.settle()
    assert not house.kept.ledger.verify().findings
    assert house.user.count() == size.total


def fits(row: LetterRow, one: Due) -> bool:
    """A letter is what it has to be; one of those that were accepted stands as such."""
    states = {one.state.value, LetterState.ACCEPTED.value} if one.is_answered and one.rights else {one.state.value}
    is_kind = one.kind is None or row.kind == one.kind
    return row.state in states and is_kind and (one.rights is None or set(row.rights) == one.rights)


def read_rows(house: House, table: type) -> list:  # type: ignore[type-arg]
    with house.kept.database.read() as session:
        return list(session.execute(sa.select(table)).scalars())
