"""What people vouch for: written down with a name, words, an end and a file, taken back, and read for the board."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.canonical import Json
from core.clock import Clock, iso_utc
from core.database import Database
from core.errors import BadInput, Conflict, NotFound
from core.ids import new_id
from core.personal import Personal
from core.words import full_day
from ledger.log import Ledger
from plans.tasks import Evidence
from policies.clauses import Clause
from policies.versions import Policies, Version, VersionState
from promises.attestation_tables import AttestationFileRow, AttestationRow
from promises.states import Judgement
from promises.vouching import Vouched, judge_vouched, last_day, longest_for, may_be_vouched, promise_of

LONGEST_WORDS: Final = 2000
LONGEST_NAME: Final = 120
GIVEN, TAKEN_BACK = "attestation.given", "attestation.taken_back"


@dataclass(frozen=True, kw_only=True)
class EvidenceView:
    """The file of an attestation, without its bytes."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class AttestationFile:
    """The file with its bytes, for a download."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Attestation:
    """One attestation. `until`: the first instant at which it holds no more; `last_day`: the last day on which it does, where
    the controller is; `fits`: the clause still promises what it did then; `entry`: its ledger entry."""

    id: str
    clause: str
    at: datetime
    until: datetime
    last_day: date
    by: str
    name: Personal
    words: str
    file: EvidenceView | None
    fits: bool
    taken_back_at: datetime | None
    taken_back_by: str | None
    entry: str

    def as_json(self) -> dict[str, Json]:
        """For machines, and for whoever ran the command."""
        return {
            "id": self.id,
            "clause": self.clause,
            "at": iso_utc(self.at),
            "until": self.last_day.isoformat(),
            "name": self.name.reveal(),
            "words": self.words,
            "evidence": vars(self.file) if self.file else None,
            "taken_back_at": iso_utc(self.taken_back_at) if self.taken_back_at else None,
            "entry": self.entry,
        }


class Attestations:
    """Attestations. Each method that takes no session is a use case with its own transaction and its ledger entry."""

    def __init__(self, database: Database, clock: Clock, ledger: Ledger, policies: Policies) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._policies = policies

    def attest(
        self,
        clause: str,
        *,
        by: str,
        name: str,
        until: date,
        words: str,
        evidence: Evidence | None = None,
        version: int | None = None,
    ) -> Attestation:
        """Vouch for a clause to the end of a day where the controller is: as the version in force has it, else a planned one,
        or as `version` has it.

        Raises NotFound (no such clause), BadInput (a clause that a machine looks at, a day that is past or later than the
        clause's review allows, no words, no name)."""
        now = self._clock.now()
        with self._database.begin() as session:
            of_version, found = self._find(session, clause, version)
            zone = of_version.document.controller.timezone
            ends = _end_of(until, zone)
            _require_sound(found, ends, words, name, now, zone)
            row_id, digest = new_id("att"), _sha256(evidence)
            entry = self._ledger.record(
                session,
                kind=GIVEN,
                actor=by,
                refs=[f"clause:{clause}", f"attestation:{row_id}", *([f"sha256:{digest}"] if digest else [])],
                private={
                    "until": iso_utc(ends),
                    "name": name.strip(),
                    "words": words.strip(),
                    "evidence": digest or None,
                },
            )
            row = AttestationRow(
                id=row_id, clause=clause, promise=promise_of(found), at=now, until=ends, by=by,
                name=Personal(name.strip()), words=words.strip(), entry=entry,
            )  # fmt: skip
            session.add(row)
            session.flush()
            if evidence:
                session.add(
                    AttestationFileRow(
                        attestation_id=row_id, name=evidence.name, size=len(evidence.content), sha256=digest,
                        content=evidence.content,
                    )
                )  # fmt: skip
                session.flush()
            return self._views(session, [row], found, zone)[0]

    def take_back(self, attestation_id: str, *, by: str, why: str) -> None:
        """Vouch for a clause no more. Raises NotFound, BadInput without a reason, Conflict for one that is taken back."""
        if not why.strip():
            raise BadInput("Taking an attestation back needs a reason.", remedy="Say what has changed.")
        with self._database.begin() as session:
            row = session.get(AttestationRow, attestation_id, with_for_update=True)
            if row is None:
                raise NotFound(f"There is no attestation {attestation_id}.", remedy="The clause's page lists them.")
            if row.taken_back_at is not None:
                raise Conflict("It was taken back already.", remedy="Nothing is left to do.")
            row.taken_back_at, row.taken_back_by = self._clock.now(), by
            refs = [f"clause:{row.clause}", f"attestation:{row.id}"]
            self._ledger.record(session, kind=TAKEN_BACK, actor=by, refs=refs, private={"why": why.strip()})

    def clause(self, session: Session, clause: str, version: int | None = None) -> tuple[Version, Clause]:
        """A clause of the version in force, else of a planned one, or of `version`, with that version. Raises NotFound."""
        return self._find(session, clause, version)

    def list_of(self, session: Session, clause: str) -> list[Attestation]:
        """Every attestation of a clause, the latest first. Raises NotFound for a clause that no version has."""
        version, found = self._find(session, clause)
        rows = session.execute(
            sa.select(AttestationRow)
            .where(AttestationRow.clause == clause)
            .order_by(AttestationRow.at.desc(), AttestationRow.id.desc())
        ).scalars()
        return self._views(session, list(rows), found, version.document.controller.timezone)

    def read_file(self, attestation_id: str) -> AttestationFile:
        """The file that came with one. Raises NotFound."""
        with self._database.read() as session:
            row = session.get(AttestationFileRow, attestation_id)
            if row is None:
                raise NotFound("There is no such file.", remedy="The clause's page lists what there is.")
            return AttestationFile(name=row.name, content=row.content)

    def read_vouched(self, session: Session, clauses: Sequence[Clause]) -> Mapping[str, Vouched]:
        """The last attestation of each clause that was not taken back, by clause; one that was given for the clause as it
        stands goes before a later one for other words. Clauses that nobody vouched for are not in."""
        wanted = (
            sa.select(AttestationRow, AttestationFileRow.name)
            .outerjoin(AttestationFileRow, AttestationFileRow.attestation_id == AttestationRow.id)
            .where(AttestationRow.taken_back_at.is_(None), AttestationRow.clause.in_([one.id for one in clauses]))
            .order_by(AttestationRow.at, AttestationRow.id)
        )
        promises, found = {one.id: promise_of(one) for one in clauses}, dict[str, Vouched]()
        for row, file in session.execute(wanted):
            fits = row.promise == promises[row.clause]
            if fits or row.clause not in found or not found[row.clause].fits:
                found[row.clause] = Vouched(
                    id=row.id, name=row.name.reveal(), at=row.at, until=row.until, words=row.words, file=file or "",
                    fits=fits,
                )  # fmt: skip
        return found

    def state(self, session: Session, clause: Clause, *, zone: str = "UTC") -> Judgement:
        """What somebody's word for a clause is worth now."""
        vouched = self.read_vouched(session, [clause]).get(clause.id)
        return judge_vouched(vouched, now=self._clock.now(), zone=zone)

    def _find(self, session: Session, clause: str, number: int | None = None) -> tuple[Version, Clause]:
        states = (VersionState.IN_FORCE, VersionState.PLANNED)
        standing = [one for state in states for one in self._policies.versions(session) if one.state is state]
        for version in standing:
            found = version.document.clause(clause)
            if found is not None and number in (None, version.number):
                return version, found
        raise NotFound(
            f"No version in force, or planned, has a clause '{clause}'.", remedy="`kept promises` lists the clauses."
        )

    @staticmethod
    def _views(session: Session, rows: Sequence[AttestationRow], clause: Clause, zone: str) -> list[Attestation]:
        columns = (
            AttestationFileRow.attestation_id,
            AttestationFileRow.name,
            AttestationFileRow.size,
            AttestationFileRow.sha256,
        )
        wanted = sa.select(*columns).where(AttestationFileRow.attestation_id.in_([row.id for row in rows]))
        files = {one[0]: EvidenceView(name=one[1], size=one[2], sha256=one[3]) for one in session.execute(wanted)}
        promise = promise_of(clause)
        return [
            Attestation(
                id=row.id, clause=row.clause, at=row.at, until=row.until, last_day=last_day(row.until, zone), by=row.by,
                name=row.name, words=row.words, file=files.get(row.id), fits=row.promise == promise,
                taken_back_at=row.taken_back_at, taken_back_by=row.taken_back_by, entry=row.entry,
            )
            for row in rows
        ]  # fmt: skip


def _require_sound(clause: Clause, ends: datetime, words: str, name: str, now: datetime, zone: str) -> None:
    if not may_be_vouched(clause):
        raise BadInput(
            f"A machine looks at {clause.id}: nobody's word counts there.",
            remedy="The board says what was seen, and what to do about it.",
        )
    if not name.strip() or len(name) > LONGEST_NAME:
        raise BadInput("It needs the name of who vouches.", remedy=f"At most {LONGEST_NAME} letters.")
    if not words.strip() or len(words) > LONGEST_WORDS or "\x00" in words + name:
        raise BadInput(
            "It needs words: what was looked at, and what was found.", remedy=f"At most {LONGEST_WORDS} letters."
        )
    if ends <= now:
        raise BadInput("The day until which it holds has passed.", remedy="Name one that is still to come.")
    last = longest_for(clause, now, zone)
    if last_day(ends, zone) > last:
        raise BadInput(
            f"{clause.id} has to be looked at again before that.", remedy=f"Vouch until {full_day(last)} at the latest."
        )


def _end_of(day: date, zone: str) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(0), tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _sha256(evidence: Evidence | None) -> str:
    return hashlib.sha256(evidence.content).hexdigest() if evidence else ""
