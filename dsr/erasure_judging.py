"""Whether what turned up is what was erased: older than the erasure goes again, newer is somebody's new data and stays, and
what cannot be told waits for a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.errors import KeptError, NotFound
from core.words import plural
from dsr.desk import Desk
from dsr.erasure_looks import Looks, Values
from dsr.erasure_tables import BackState, ErasureFindingRow, ErasureRow
from dsr.erasures import REFUSED
from dsr.finding import read_rulings
from dsr.tables import TicketRow
from plans.erased import Again, Sight, Watched, draft_again, see, watch
from plans.questions import NO_RULINGS, Matter, Rulings
from policies.versions import Version


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """`rows`: by collection, records that would go."""

    state: BackState
    why: str = ""
    rows: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class _Erasure:
    """What the register says of a request."""

    version: int
    erased_at: datetime
    refused: frozenset[str]
    rulings: Rulings


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """One value in one field, and how old what holds it is."""

    watched: Watched
    value: str
    sight: Sight

    @property
    def is_new_account(self) -> bool:
        """Whether an account that is newer than the erasure has it, perhaps beside the erased one."""
        return self.watched.names and self.sight.older is not None and self.sight.rows > self.sight.older

    @property
    def is_old_account(self) -> bool:
        return self.watched.names and bool(self.sight.older)

    @property
    def tells_no_time(self) -> bool:
        return self.watched.names and self.sight.older is None and self.sight.rows > 0


NOTHING = Judgement(state=BackState.NOTHING, rows={})


class Judging:
    """Asks the stores about one finding, and drafts the plan that would settle it. Changes nothing."""

    def __init__(self, desk: Desk, looks: Looks) -> None:
        self._desk = desk
        self._looks = looks

    def judge(self, row: ErasureFindingRow) -> Judgement:
        """What a finding is. A store that does not answer makes it a doubt until it does."""
        try:
            erasure = self._read(row)
            if erasure is None:
                return NOTHING
            seen = self._see(self._looks.unseal(row), erasure)
            if not any(one.sight.rows for one in seen):
                return NOTHING
            return _weigh(seen, self._draft(erasure, seen, trigger=f"erasure:{row.ref}"))
        except KeptError as error:
            return Judgement(state=BackState.DOUBT, why=error.message, rows={})

    def draft(self, row: ErasureFindingRow, *, trigger: str) -> Again | None:
        """The plan of this moment; None where nothing older is there."""
        erasure = self._read(row)
        if erasure is None:
            return None
        return self._draft(erasure, self._see(self._looks.unseal(row), erasure), trigger=trigger)

    def _draft(self, erasure: _Erasure, seen: Sequence[_Seen], *, trigger: str) -> Again:
        desk = self._desk
        with desk.database.read() as session:
            version = self._version(session, erasure.version)
        return draft_again(
            desk.plans,
            ref=trigger,
            version=version.number,
            clauses=version.document.clauses,
            follow=_follow(seen),
            named=_named(seen),
            before=erasure.erased_at,
            now=desk.clock.now(),
            leave=erasure.refused,
            rulings=erasure.rulings,
        )

    def _version(self, session: Session, number: int) -> Version:
        """The one that the erasure was done under; where the database was put back to before it, the one in force."""
        try:
            return self._desk.policies.version(session, number)
        except NotFound:
            version = self._desk.policies.in_force(session)
            if version is None:
                raise
            return version

    def _see(self, values: Values, erasure: _Erasure) -> list[_Seen]:
        datamap = self._desk.plans.datamap
        fields = {(one.collection, one.field): one for one in watch(datamap)[0]}
        return [
            _Seen(watched=fields[name, field], value=value, sight=see(datamap, fields[name, field], value, at))
            for of_kind in values.values()
            for value, places in of_kind.items()
            for name, field in places
            if (name, field) in fields
            for at in [erasure.erased_at]
        ]

    def _read(self, row: ErasureFindingRow) -> _Erasure | None:
        with self._desk.database.read() as session:
            wanted = sa.select(ErasureRow).where(ErasureRow.ref == row.ref, ErasureRow.erased_at.is_not(None))
            rows = session.execute(wanted).scalars().all()
            times = [one.erased_at for one in rows if one.erased_at is not None]
            if not times:
                return None
            refused = {name for one in rows for name, clause in one.kept if clause == REFUSED}
            return _Erasure(
                version=rows[0].version,
                erased_at=min(times),
                refused=frozenset(refused),
                rulings=_rulings(session, row.ref),
            )


def _rulings(session: Session, ref: str) -> Rulings:
    ticket = session.execute(sa.select(TicketRow).where(TicketRow.ref == ref)).scalar_one_or_none()
    return read_rulings(ticket) if ticket is not None else NO_RULINGS


def _named(seen: Sequence[_Seen]) -> dict[str, list[str]]:
    """All that is there, by kind."""
    named: dict[str, list[str]] = {}
    for one in seen:
        if one.sight.rows and one.value not in named.setdefault(one.watched.kind, []):
            named[one.watched.kind].append(one.value)
    return {kind: values for kind, values in named.items() if values}


def _follow(seen: Sequence[_Seen]) -> dict[str, list[str]]:
    """What leads to the erased person alone: not what a new account has."""
    new = {(one.watched.kind, one.value) for one in seen if one.is_new_account}
    return {
        kind: rest
        for kind, values in _named(seen).items()
        if (rest := [value for value in values if (kind, value) not in new])
    }


def _weigh(seen: Sequence[_Seen], again: Again) -> Judgement:
    rows: dict[str, int] = {}
    for one in again.preview.rows:
        rows[one.collection] = rows.get(one.collection, 0) + one.rows
    why = _doubt(seen, again, sum(rows.values()))
    if why:
        return Judgement(state=BackState.DOUBT, why=why, rows={name: number for name, number in rows.items() if number})
    return Judgement(state=BackState.BACK, rows=rows) if rows else NOTHING


def _doubt(seen: Sequence[_Seen], again: Again, rows: int) -> str:
    """Why a machine may not decide; '' where it may."""
    new = any(one.is_new_account for one in seen)
    timeless = [one.watched.collection for one in seen if one.tells_no_time]
    asked = [one for one in again.plan.questions if one.matter is not Matter.SHARED]
    if again.preview.blocked:
        return "; ".join(again.preview.blocked)
    if asked:
        return "; ".join(dict.fromkeys(one.why for one in asked))
    if timeless:
        return f"Records of {timeless[0]} tell no time, so nobody knows whether they are older than the erasure."
    if again.timeless and (new or not any(one.is_old_account for one in seen)):
        return f"{plural(again.timeless, 'record tells', 'records tell')} no time and may be newer than the erasure."
    if again.newer and not new:
        return f"{plural(again.newer, 'record is', 'records are')} newer than the erasure; they are never erased again here."
    return "" if rows else _uncovered(seen, again)


def _uncovered(seen: Sequence[_Seen], again: Again) -> str:
    stays = {one.collection for one in again.preview.stays if one.rows != 0}
    held = {row.collection for row in again.preview.rows if row.held}
    names = {one.watched.collection for one in seen if one.sight.older} - stays - held
    return f"Records of {', '.join(sorted(names))} name them, and no plan covers those." if names else ""
