"""The rows of people in a campaign: put in without doubles, claimed, and settled, each in the caller's transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.canonical import keyed_digest
from core.personal import Personal
from ledger.tables import table_of
from notify.audience import Person
from notify.campaign_tables import CampaignPersonRow, PersonState
from notify.mail_headers import mailable
from notify.transport import MailRefused

DIGITS: Final = 24  # 96 bits, as every id here has
LAST_ATTEMPT: Final = 6
FIRST_WAIT: Final = timedelta(minutes=5)
_TABLE: Final = table_of(CampaignPersonRow)
_GONE: Final[dict[str, None]] = {"email": None, "name": None, "language": None}
_SETTLED: Final = (PersonState.TOLD, PersonState.BOUNCED, PersonState.DROPPED)


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """Someone whose mail is to be handed over now."""

    id: int
    person: str
    email: Personal
    name: Personal | None
    language: str | None
    attempts: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one claimed row. `state` WAITING: it goes back; with `put_off` it waits longer each time, with `until`
    for its place in the line."""

    row: Claimed
    state: PersonState
    reason: str = ""
    put_off: bool = False
    until: datetime | None = None


class People:
    """The people of one campaign. `key` is the installation's key for hashes of who they are."""

    def __init__(self, campaign_id: str, key: bytes) -> None:
        self._campaign_id = campaign_id
        self._key = key

    def values(self, person: Person, now: datetime) -> dict[str, Any]:
        """The row that a person gets: to be told, or bounced at once where no mail can carry the address."""
        row: dict[str, Any] = {
            "campaign_id": self._campaign_id, "person": self.hash(f"subject:{person.subject}"), "address": None,
            "state": PersonState.BOUNCED.value, "due_at": now, "at": now, "attempts": 0, **_GONE,
        }  # fmt: skip
        raw = person.email.reveal().strip() if person.email else ""
        if not raw:
            return {**row, "reason": "The account has no e-mail address."}
        try:
            address = mailable(raw)
        except MailRefused:
            return {**row, "address": self.hash(raw), "reason": "The account's e-mail address is none."}
        told = {"email": Personal(address), "name": person.name, "language": (person.language or "")[:10] or None}
        return {**row, "address": self.hash(address), "state": PersonState.WAITING.value, "reason": "", **told}

    def hash(self, text: str) -> str:
        """How a person or an address is known here."""
        return keyed_digest(self._key, text)[:DIGITS]

    def insert(self, session: Session, rows: Sequence[dict[str, Any]]) -> None:
        """Put people in; whoever is there already, by id or by address, stays as they are."""
        known = self._known(session, rows)
        new = [row for row in rows if row["person"] not in known and row["address"] not in known]
        if new:
            session.execute(_insert(session).on_conflict_do_nothing(), new)

    def told_in(self, session: Session, campaign_id: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Of these rows, those whose person was told, or may have been, in another campaign."""
        maybe = (PersonState.TOLD, PersonState.UNCERTAIN, PersonState.SENDING, PersonState.WRITING)
        found = self._known(session, rows, campaign_id, maybe)
        return [row for row in rows if row["person"] in found or row["address"] in found]

    def _known(
        self,
        session: Session,
        rows: Sequence[dict[str, Any]],
        campaign_id: str | None = None,
        states: Sequence[PersonState] = tuple(PersonState),
    ) -> set[str]:
        here = [
            _TABLE.c.campaign_id == (campaign_id or self._campaign_id),
            _TABLE.c.state.in_([s.value for s in states]),
        ]
        known: set[str] = set()
        for column in (_TABLE.c.person, _TABLE.c.address):
            asked = [row[column.name] for row in rows if row[column.name]]
            known.update(session.scalars(sa.select(column).where(column.in_(asked), *here)))
        return known

    def claim(self, session: Session, state: PersonState, *, limit: int, now: datetime) -> list[Claimed]:
        """Take the next ones that are due; nobody else can take them."""
        mine = _TABLE.c.campaign_id == self._campaign_id
        waiting = _TABLE.c.state == PersonState.WAITING.value
        due = (
            sa.select(_TABLE.c.id)
            .where(mine, waiting, _TABLE.c.due_at <= now)
            .order_by(_TABLE.c.due_at, _TABLE.c.id)
            .limit(limit)
        )
        taken = session.execute(
            sa.update(_TABLE)
            .where(_TABLE.c.id.in_(due), waiting)
            .values(state=state.value, at=now)
            .returning(
                _TABLE.c.id, _TABLE.c.person, _TABLE.c.email, _TABLE.c.name, _TABLE.c.language, _TABLE.c.attempts
            )
        )
        claimed = [
            Claimed(
                id=row.id, person=row.person, email=row.email, name=row.name, language=row.language, attempts=row.attempts
            )
            for row in taken
        ]  # fmt: skip
        return sorted(claimed, key=lambda one: one.id)

    def record(self, session: Session, outcomes: Iterable[Outcome], *, now: datetime) -> None:
        """Write down what became of claimed rows. The address goes from those that are settled."""
        alike: dict[tuple[PersonState, str], list[Outcome]] = {}
        for one in outcomes:
            if one.put_off:
                self._put_off(session, one, now)
            elif one.until is not None:
                back = {"state": PersonState.WAITING.value, "due_at": one.until, "at": now}
                session.execute(sa.update(_TABLE).where(_TABLE.c.id == one.row.id).values(back))
            else:
                alike.setdefault((one.state, one.reason), []).append(one)
        for (state, reason), ones in alike.items():
            values: dict[str, Any] = {"state": state.value, "reason": reason, "at": now}
            if state in _SETTLED:
                values |= _GONE
            ids = [one.row.id for one in ones]
            session.execute(sa.update(_TABLE).where(_TABLE.c.id.in_(ids)).values(values))

    def _put_off(self, session: Session, one: Outcome, now: datetime) -> None:
        attempts = one.row.attempts + 1
        values: dict[str, Any] = {"attempts": attempts, "at": now, "reason": one.reason}
        if attempts >= LAST_ATTEMPT:
            values |= {"state": PersonState.BOUNCED.value, "reason": f"{one.reason} {attempts} attempts.", **_GONE}
        else:
            values |= {"state": PersonState.WAITING.value, "due_at": now + FIRST_WAIT * 3**one.row.attempts}
        session.execute(sa.update(_TABLE).where(_TABLE.c.id == one.row.id).values(values))

    def recover(self, session: Session, *, repeatable: bool, now: datetime) -> int:
        """What a sender that died left behind: a file is simply written again, of a mail to a server nobody can tell."""
        again = PersonState.WAITING if repeatable else PersonState.UNCERTAIN
        left = 0
        for state, becomes in ((PersonState.SENDING, PersonState.UNCERTAIN), (PersonState.WRITING, again)):
            reason = "The sender died while it handed the mail over." if becomes is PersonState.UNCERTAIN else ""
            left += session.execute(
                sa.update(_TABLE)
                .where(_TABLE.c.campaign_id == self._campaign_id, _TABLE.c.state == state.value)
                .values(state=becomes.value, reason=reason, at=now)
            ).rowcount  # type: ignore[attr-defined]
        return left

    def give_up_late(self, session: Session, deadline: datetime, *, now: datetime) -> int:
        """Past the deadline nobody who was put off before is waited for."""
        if now < deadline:
            return 0
        values = {"state": PersonState.BOUNCED.value, "at": now, **_GONE}
        return int(
            session.execute(
                sa.update(_TABLE)
                .where(
                    _TABLE.c.campaign_id == self._campaign_id,
                    _TABLE.c.state == PersonState.WAITING.value,
                    _TABLE.c.attempts > 0,
                )
                .values(values)
            ).rowcount  # type: ignore[attr-defined]
        )

    def drop_waiting(self, session: Session, *, limit: int, now: datetime) -> int:
        """Let go some of those who will not be told any more, their addresses with them. Gives how many."""
        some = (
            sa.select(_TABLE.c.id)
            .where(_TABLE.c.campaign_id == self._campaign_id, _TABLE.c.state == PersonState.WAITING.value)
            .limit(limit)
        )
        values = {"state": PersonState.DROPPED.value, "at": now, **_GONE}
        return int(session.execute(sa.update(_TABLE).where(_TABLE.c.id.in_(some)).values(values)).rowcount)  # type: ignore[attr-defined]


def digest_rows(session: Session, campaign_id: str) -> str:
    """SHA-256 over every row, in order: who (by hash) is in which state. Streams, so memory stays flat."""
    summed = hashlib.sha256()
    wanted = (
        sa.select(_TABLE.c.person, _TABLE.c.state).where(_TABLE.c.campaign_id == campaign_id).order_by(_TABLE.c.person)
    )
    with session.execute(wanted, execution_options={"stream_results": True, "yield_per": 2_000}) as rows:
        for person, state in rows:
            summed.update(f"{person} {state}\n".encode())
    return summed.hexdigest()


def _insert(session: Session) -> Any:
    if session.get_bind().dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(_TABLE)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(_TABLE)
