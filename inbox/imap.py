"""Reads one folder of an IMAP account: what lies above the last UID, each message once, without changing the mailbox."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from imapclient import IMAPClient  # type: ignore[import-untyped]
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from core.clock import Clock, require_utc
from core.errors import KeptError, Unreachable
from inbox.imap_account import Account, Dropped, RefusedError, refusing
from inbox.mailbox import OnProgress, Round
from inbox.message import LARGEST
from inbox.positions import Positions
from inbox.taking import Taking

# A search answers in one line, of which the library reads a million bytes; UIDs have ten digits at most.
WINDOW: Final = 50_000
LISTED: Final = 500
# Mails that are fetched together: as much as lies in memory at a time, unless one alone is larger.
GROUP_BYTES: Final = 2_000_000
GROUP_MAILS: Final = 100
HEADER_BYTES: Final = 262_144
ATTEMPTS: Final = 4
_SIZE: Final = b"RFC822.SIZE"
_ARRIVED: Final = b"INTERNALDATE"


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """A message of the folder that is to be fetched."""

    uid: int
    size: int
    arrived_at: datetime


@dataclass(kw_only=True)
class _Course:
    """How one round goes on over several connections. `trying`: what was asked for when a connection ended; `one_by_one`:
    after that; `stuck`: mails at which one ended again, or that the server refuses: they are passed over this time."""

    round: Round
    on_progress: OnProgress
    trying: Sequence[int] = ()
    one_by_one: bool = False
    stuck: set[int] = field(default_factory=set)

    def note_drop(self) -> bool:
        """A connection ended: was it while mails were asked for? A single one is not asked for again in this round."""
        asked = bool(self.trying)
        if len(self.trying) == 1:
            self.stuck.update(self.trying)
        self.one_by_one = asked
        self.trying = ()
        return asked


class ImapFolder:
    """One folder. A message larger than `inbox.message.LARGEST` is taken as its headers, and stays where it is."""

    def __init__(
        self,
        account: Account,
        folder: str,
        *,
        taking: Taking,
        positions: Positions,
        clock: Clock,
        since: date | None = None,
    ) -> None:
        self.source = account.settings.source(folder)
        self._account = account
        self._folder = folder
        self._taking = taking
        self._positions = positions
        self._clock = clock
        self._move_to = account.settings.move_to
        self._since = since

    def read(self, on_progress: OnProgress) -> Round:
        """Take what is new. A connection that ends is made again a few times; every message taken until then is kept."""
        course = _Course(round=Round(source=self.source), on_progress=on_progress)
        tries = Retrying(
            retry=retry_if_exception_type(Dropped),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.1, max=5),
            reraise=True,
        )
        try:
            tries(self._read_once, course)
        except KeptError as error:
            course.round.error = error
        return course.round

    def check(self) -> None:
        """Raise a KeptError unless the folder opens."""
        with self._account.folder(self._folder):
            return

    def has_news(self) -> bool:
        """Whoever waits by IDLE tells of news."""
        return False

    def _read_once(self, course: _Course) -> None:
        try:
            with self._account.folder(self._folder, change=bool(self._move_to)) as (client, said):
                _Reading(self, client, said, course).run()
        except Unreachable as error:
            if course.note_drop() and not isinstance(error, Dropped):
                # Silence over one mail is no reason to stop before the others.
                raise Dropped(error.message, remedy=error.remedy) from error
            raise
        finally:
            course.round.stuck = [f"UID {uid}" for uid in sorted(course.stuck)]


class _Reading:
    """One connection's part of a round."""

    def __init__(self, of: ImapFolder, client: IMAPClient, said: Mapping[bytes, Any], course: _Course) -> None:
        self._source = of.source
        self._taking = of._taking
        self._positions = of._positions
        self._clock = of._clock
        self._move_to = of._move_to
        self._since = of._since
        self._client = client
        self._course = course
        self._next = int(said.get(b"UIDNEXT", 0))
        self._position = of._positions.begin(of.source, int(said.get(b"UIDVALIDITY", 0)), self._next)
        self._reached = self._position.last_uid
        self._exists = int(said.get(b"EXISTS", 0))
        self._expected = 0

    def run(self) -> None:
        if not self._exists:
            return
        for uids in self._new():
            places = {self._position.place(uid): uid for uid in uids}
            known = self._positions.known(self._source, list(places))
            wanted = [uid for place, uid in places.items() if place not in known and uid not in self._course.stuck]
            for group in self._groups(self._listed(wanted)):
                self._take(group)
            self._move([uid for place, uid in places.items() if known.get(place) is False])
            self._note_position(uids[-1])

    def _new(self) -> Iterator[list[int]]:
        """The UIDs above the last one, some at a time. Where mails are moved away, those that stayed are looked at again."""
        since = 0 if self._move_to else self._position.last_uid
        low = since + 1 if since else self._first_uid()
        end = self._next or self._last_uid() + 1
        self._expected = self._course.round.done + min(max(end - low, 0), self._exists)
        while low < end:
            high = min(low + WINDOW, end) - 1
            found = sorted(int(uid) for uid in self._client.search(["UID", f"{low}:{high}"]))
            for start in range(0, len(found), LISTED):
                yield found[start : start + LISTED]
            low = high + 1

    def _first_uid(self) -> int:
        return self._uid_of(b"1")

    def _last_uid(self) -> int:
        return self._uid_of(b"*")

    def _uid_of(self, number: bytes) -> int:
        """The UID of a message by its number: mailboxes may begin to count anywhere."""
        found = self._client.search([number])
        return int(found[0]) if found else 1

    def _listed(self, uids: Sequence[int]) -> list[_Listed]:
        """Their sizes and times of arrival. A mail that the server cannot tell even that of must not hide the others."""
        if self._course.one_by_one and len(uids) > 1:
            return self._listed_apart(uids)
        try:
            said = self._ask(uids, [_SIZE, _ARRIVED]) if uids else {}
        except RefusedError:
            if len(uids) > 1:
                return self._listed_apart(uids)
            self._course.stuck.update(uids)
            return []
        return [
            _Listed(uid=uid, size=int(one.get(_SIZE, 0)), arrived_at=arrived)
            for uid, one in sorted(said.items())
            if not self._is_older(arrived := self._arrived(one.get(_ARRIVED)))
        ]

    def _listed_apart(self, uids: Sequence[int]) -> list[_Listed]:
        return [one for uid in uids for one in self._listed([uid])]

    def _is_older(self, arrived: datetime) -> bool:
        return self._since is not None and arrived.date() < self._since

    def _arrived(self, said: datetime | None) -> datetime:
        return require_utc(said) if said is not None and said.tzinfo is not None else self._clock.now()

    def _groups(self, listed: Sequence[_Listed]) -> Iterator[list[_Listed]]:
        """What is fetched together: in order of UID, a large mail alone."""
        group: list[_Listed] = []
        room = GROUP_BYTES
        most = 1 if self._course.one_by_one else GROUP_MAILS
        for one in listed:
            if group and (one.size > room or len(group) >= most):
                yield group
                group, room = [], GROUP_BYTES
            group.append(one)
            room -= one.size
        if group:
            yield group

    def _take(self, group: Sequence[_Listed]) -> None:
        try:
            bodies = self._fetch(group)
        except RefusedError:
            if len(group) == 1:
                self._course.stuck.add(group[0].uid)
                return
            for one in group:
                self._take([one])
            return
        for one in group:
            raw = bodies.pop(one.uid, None)
            if raw is None:
                continue  # somebody else removed it meanwhile
            if not raw and one.size:
                self._course.stuck.add(one.uid)
                continue
            self._keep(one, raw)
        self._move([one.uid for one in group if one.size <= LARGEST])
        self._note_position(group[-1].uid)

    def _fetch(self, group: Sequence[_Listed]) -> dict[int, bytes]:
        """Their bytes by UID. PEEK leaves the mails unread, as others may work in the same mailbox."""
        part = "BODY.PEEK[]" if group[0].size <= LARGEST else f"BODY.PEEK[HEADER]<0.{HEADER_BYTES}>"
        said = self._ask([one.uid for one in group], [part])
        return {uid: body for uid, one in said.items() if (body := _body(one)) is not None}

    def _ask(self, uids: Sequence[int], items: Sequence[str | bytes]) -> Mapping[int, Mapping[bytes, Any]]:
        """What the server says of these mails. Raises RefusedError; a connection that ends meanwhile is theirs."""
        self._course.trying = uids
        try:
            with refusing():
                said: Mapping[int, Mapping[bytes, Any]] = self._client.fetch(uids, items)
        except RefusedError:
            self._course.trying = ()
            raise
        self._course.trying = ()
        return said

    def _keep(self, one: _Listed, raw: bytes) -> None:
        too_large = one.size > LARGEST or len(raw) > LARGEST
        message_id = self._taking.take(
            raw[:HEADER_BYTES] if len(raw) > LARGEST else raw,
            source=self._source,
            place=self._position.place(one.uid),
            arrived_at=one.arrived_at,
            too_large=too_large,
            size=max(one.size, len(raw)),
        )
        self._course.round.count(message_id, too_large=too_large)
        self._course.on_progress(self._course.round.done, self._expected)

    def _move(self, uids: Sequence[int]) -> None:
        """Out of the way, where `inbox.move_to` says so: after they are taken, so a kill in between moves them later."""
        kept = [uid for uid in uids if uid not in self._course.stuck]
        if not self._move_to or not kept:
            return
        try:
            with refusing():
                self._client.move(kept, self._move_to)
        except RefusedError as error:
            raise Unreachable(
                f"{self._source}: the server does not move mails to {self._move_to}.",
                remedy="Create that folder, or leave inbox.move_to out of kept.yaml.",
            ) from error

    def _note_position(self, uid: int) -> None:
        """What is stuck is tried again the next time, so the position stays before it."""
        reached = min([uid, *(stuck - 1 for stuck in self._course.stuck)])
        if reached > self._reached:
            self._positions.move(self._position, reached)
            self._reached = reached


def _body(said: Mapping[bytes, Any]) -> bytes | None:
    """The one part that was asked for, by whatever name the server gives it."""
    for name, value in said.items():
        if name.startswith(b"BODY[") and isinstance(value, bytes):
            return value
    return None
