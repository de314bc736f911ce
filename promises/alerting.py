"""Alarms as they are kept and told: a row for each while it stands, one mail when it is raised and one when it is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.clock import Clock, day_in
from core.database import Base, Database
from core.errors import WaitsForPerson
from core.ids import new_id
from core.settings_owners import OwnerSettings
from core.words import full_day, span
from dsr.erasure_looks import list_back
from dsr.figures import list_late
from inbox.letter_lists import waiting
from inbox.letter_words import waiting_sentence
from notify.mail import queue_mail
from notify.stuck_mails import read_stuck
from notify.webhook_desk import list_endpoints
from notify.webhooks import Webhooks
from policies.cutoffs import BindingClause
from policies.versions import Policies, Version
from promises.alarms import Alarm, AlarmKind, LettersWait, MissedRun, Standing, find_news, judge_alarms
from promises.evidence import SweepEvidences
from promises.silence import read_silences
from promises.states import judge_sweep
from retention.sweeps import Sweeps
from retention.views import Due
from retention.watch import last_scheduled, waiting_since

log = structlog.get_logger()
# The alarms that are about a clause: its owner hears of them.
OF_CLAUSES: Final = frozenset(
    {AlarmKind.HALF, AlarmKind.BROKEN, AlarmKind.MISSED, AlarmKind.UNREACHED, AlarmKind.WAITS}
)
KEPT_FOR: Final = timedelta(days=400)


class AlarmRow(Base):
    """One occurrence of an alarm. `open_key`: kind and thing while it stands, so that there is one of each; None after."""

    __tablename__ = "promise_alarms"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(20))
    about: Mapped[str] = mapped_column(sa.String(120))
    open_key: Mapped[str | None] = mapped_column(sa.String(150), unique=True)
    says: Mapped[str] = mapped_column(sa.Text)
    since: Mapped[datetime]
    raised_at: Mapped[datetime]
    told_at: Mapped[datetime | None]
    over_at: Mapped[datetime | None]


Told = tuple[AlarmRow, dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class OpenAlarm:
    """An alarm that stands: since when it is known, and when it was told (None: nobody is named under `alerts:`)."""

    alarm: Alarm
    raised_at: datetime
    told_at: datetime | None


class Alarms:
    """Judges what stands, keeps it, and tells the people under `alerts:`. `others`: the clauses that are not retention, as
    the board judges them. A request that is overdue is an alarm of its own, beside the clause of its right."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        policies: Policies,
        sweeps: Sweeps,
        evidences: SweepEvidences,
        others: Callable[[], Sequence[Standing]],
        addresses: Sequence[str],
        link: str,
        webhooks: Webhooks | None = None,
        owners: OwnerSettings | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._policies = policies
        self._sweeps = sweeps
        self._evidences = evidences
        self._others = others
        self._addresses = tuple(addresses)
        self._link = link
        self._webhooks = webhooks
        self._owners = owners or OwnerSettings()
        self._awake_since: datetime | None = None

    def check(self) -> None:
        """Judge everything once, raise what is new, end what is over. The standing job of the process that leads."""
        now = self._clock.now()
        self._awake_since = self._awake_since or now
        standings = [*self._retention(now), *self._others()]
        with self._database.read() as session:
            silences = read_silences(session, now, awake_since=self._awake_since)
            version = self._policies.in_force(session)
            late = list_late(session, now, version.document.controller.timezone if version else "UTC")
            back = list_back(session)
            endpoints = list_endpoints(session, self._webhooks.endpoints) if self._webhooks else ()
            mails, letters = read_stuck(session, now), _letters(session, version, now)
        standing = judge_alarms(
            standings, silences, now, late=late, back=back, endpoints=endpoints, mails=mails, letters=letters
        )
        try:
            with self._database.begin() as session:
                self._settle(session, standing, now)
        except IntegrityError:
            log.info("alarms.raised_elsewhere")  # another process was first with one of them; the next round sees it

    def _retention(self, now: datetime) -> list[Standing]:
        """Every retention clause that binds, those that a later version dropped included."""
        try:
            bindings, due = self._sweeps.clauses(), {one.clause: one for one in self._sweeps.due(now)}
        except WaitsForPerson:
            return []
        with self._database.read() as session:
            return [self._stand(session, one, due.get(one.clause.id), now) for one in bindings]

    def _stand(self, session: Session, binding: BindingClause, due: Due | None, now: datetime) -> Standing:
        clause = binding.clause
        evidence, within = self._evidences.read(session, clause.id), clause.within.after_instant(now) - now
        judged = judge_sweep(evidence, allowed_age=within, now=now)
        return Standing(
            clause=clause.id,
            state=judged.state,
            proof=judged.proof,
            checked_at=judged.checked_at,
            sweep=evidence,
            within=within,
            missed=_missed(session, clause.id, due),
            waits_since=waiting_since(session, clause.id),
        )

    def _settle(self, session: Session, standing: Sequence[Alarm], now: datetime) -> None:
        rows = {row.open_key: row for row in _open_rows(session)}
        news = find_news([_alarm(row) for row in rows.values()], standing)
        fresh = [_open_row(alarm, now) for alarm in news.raised]
        session.add_all(fresh)
        session.flush()
        over = [rows[key] for key in news.over]
        self._announce(session, fresh, over, now)
        self._tell(session, "alarm_over", [(row, _over_words(row, now)) for row in over if row.told_at], now)
        for row in over:
            row.over_at, row.open_key = now, None
        # Those raised while nobody was named to hear of them are told once somebody is.
        untold = [row for row in (*rows.values(), *fresh) if row.told_at is None and row.over_at is None]
        for row in self._tell(session, "alarm_raised", [(row, _raised_words(row)) for row in untold], now):
            row.told_at = now
        session.execute(sa.delete(AlarmRow).where(AlarmRow.over_at < now - KEPT_FOR))
        for row in (*fresh, *over):
            log.warning("alarm.over" if row.over_at else "alarm.raised", kind=row.kind, about=row.about)

    def _announce(self, session: Session, fresh: Sequence[AlarmRow], over: Sequence[AlarmRow], now: datetime) -> None:
        """To the endpoints: ids and kinds, no words."""
        if self._webhooks is None:
            return
        for rows, ended in ((fresh, False), (over, True)):
            told = [(row.id, row.kind, row.about) for row in rows]
            self._webhooks.announce_alarms(session, told, now, over=ended)

    def _tell(self, session: Session, event: str, news: Sequence[Told], now: datetime) -> list[AlarmRow]:
        """Queue one mail to each address about all that it hears of: those under `alerts:` of everything, who owns a clause
        of that; gives the alarms that anybody was told."""
        version = self._policies.in_force(session) if news else None
        controller = version.document.controller if version else None
        by_address: dict[str, list[Told]] = {}
        for told in news:
            for address in dict.fromkeys((*self._addresses, *self._owned_by(version, told[0]))):
                by_address.setdefault(address, []).append(told)
        for address, heard in by_address.items():
            variables: dict[str, Any] = {
                "controller": {
                    "name": controller.name if controller else "Kept",
                    "email": controller.email if controller else "",
                },
                "alarms": [words for _, words in heard],
                "link": self._link,
            }
            queue_mail(session, event=event, to=address, variables=variables, now=now)
        return list({row.id: row for heard in by_address.values() for row, _ in heard}.values())

    def _owned_by(self, version: Version | None, row: AlarmRow) -> tuple[str, ...]:
        clause = version.document.clause(row.about) if version and row.kind in OF_CLAUSES else None
        return self._owners.addresses(clause.owner) if clause else ()


def read_open_alarms(session: Session) -> tuple[OpenAlarm, ...]:
    """The alarms that stand, the oldest first."""
    return tuple(
        OpenAlarm(alarm=_alarm(row), raised_at=row.raised_at, told_at=row.told_at) for row in _open_rows(session)
    )


def _letters(session: Session, version: Version | None, now: datetime) -> LettersWait | None:
    found = waiting(session, now)
    says = waiting_sentence(found, now, day_in(now, version.document.controller.timezone if version else "UTC"))
    return LettersWait(says=says, since=found.oldest_at) if says and found.oldest_at else None


def _missed(session: Session, clause: str, due: Due | None) -> MissedRun | None:
    """The run that is late now, else the last scheduled one where it was: the next that begins on time ends the alarm."""
    if due is not None and due.made_up:
        return MissedRun(due_at=due.due_at, more=due.missed, began=None)
    last = last_scheduled(session, clause)
    if last is None or not last.made_up or last.due_at is None:
        return None
    return MissedRun(due_at=last.due_at, more=last.missed, began=last.started_at)


def _open_rows(session: Session) -> Sequence[AlarmRow]:
    wanted = sa.select(AlarmRow).where(AlarmRow.open_key.is_not(None)).order_by(AlarmRow.raised_at, AlarmRow.id)
    return session.execute(wanted).scalars().all()


def _open_row(alarm: Alarm, now: datetime) -> AlarmRow:
    return AlarmRow(
        id=new_id("alm"),
        kind=alarm.kind.value,
        about=alarm.about,
        open_key=alarm.key,
        says=alarm.says,
        since=alarm.since,
        raised_at=now,
    )


def _alarm(row: AlarmRow) -> Alarm:
    return Alarm(kind=AlarmKind(row.kind), about=row.about, says=row.says, since=row.since)


def _raised_words(row: AlarmRow) -> dict[str, str]:
    alarm = _alarm(row)
    return {"title": alarm.title, "says": alarm.says, "to_do": alarm.to_do}


def _over_words(row: AlarmRow, now: datetime) -> dict[str, str]:
    raised = f"{full_day(row.raised_at.date())}, {row.raised_at:%H:%M} UTC"
    says = f"It stood for {span(now - row.raised_at)}, since {raised}."
    return {"title": _alarm(row).over_title, "says": says}
