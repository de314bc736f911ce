"""The register of what was erased: keyed hashes of all identifiers a deletion found, in the database and in a file beside it."""

import hmac
import json
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.canonical import keyed_digest
from core.clock import iso_utc, parse_iso
from core.errors import BadInput, ConfigurationError
from core.ids import new_id
from core.keys import derive_key
from dsr.desk import Desk
from dsr.erasure_tables import ErasureRow
from dsr.parts import read_parts
from dsr.proof_standing import proven_identifiers
from dsr.tables import TicketRow
from plans.erased import identifiers_going, kept_places
from plans.people import forms_of
from plans.plan import Plan, StepDeed
from plans.standing import RunResult
from plans.tables import FINISHED
from policies.own import own_period

FILE: Final = "erasures.jsonl"  # beside the packages: what outlives a control database that is put back
ASKED_AT_ONCE: Final = 500  # hashes in one statement: SQLite and PostgreSQL both take more
CLAUSE: Final = "erasures"  # of Kept's own policy: how long the register is kept
REFUSED: Final = "refused"  # in place of a clause: what the person was refused, so a replay leaves it
Kept = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Erased:
    """One identifier of the register, as it was erased last. `kept`: (collection, clause) of what legitimately stays."""

    hash: str
    kind: str
    ref: str
    version: int
    erased_at: datetime
    kept: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class ErasureCounts:
    """What the register holds, in numbers."""

    people: int
    identifiers: int
    by_kind: Mapping[str, int]
    first: datetime | None
    last: datetime | None


class Erasures:
    """Keeps the register and answers from it. Values go in and are compared; none can be read out of it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._key = derive_key(desk.secret, "erasures")

    @property
    def file(self) -> Path:
        """The register as lines, outside of the database."""
        return self._desk.packages.parent / FILE

    @property
    def key_mark(self) -> str:
        """What tells whether two registers were made with the same key; says nothing of the key."""
        return key_mark_of(self._desk.secret)

    def mark(self, kind: str, value: str) -> str:
        """The keyed hash of one identifier. Raises BadInput for an empty one."""
        # Taken of every record of a store that is looked through, so in one call: no kind has a NUL in it.
        return hmac.digest(self._key, f"{kind}\0{comparable(kind, value)}".encode(), "sha256").hex()

    def begin(
        self, session: Session, ticket: TicketRow, identifiers: Mapping[str, set[str]], *, kept: Kept = ()
    ) -> None:
        """Write down what a deletion is about to erase, while it can still be read. Counts for nothing until `note`."""
        marks = self._marks(identifiers)
        known = self._of_ref(session, ticket.ref)
        now = self._desk.clock.now()
        for mark, kind in marks.items():
            row = known.get(mark) or ErasureRow(id=new_id("era"), hash=mark, ref=ticket.ref, noted_at=now)
            row.kind, row.version, row.kept = kind, ticket.version, [list(one) for one in kept]
            session.add(row)

    def begin_plan(self, ticket: TicketRow, plan: Plan) -> None:
        """The same, read from the stores: what was proven, and the identifiers of the accounts that the plan deletes."""
        if not any(step.deed is StepDeed.DELETE for step in plan.steps):
            return
        going = identifiers_going(self._desk.plans.datamap, plan)
        with self._desk.database.begin() as session:
            for kind, values in proven_identifiers(session, ticket).items():
                going.setdefault(kind, set()).update(values)
            refused = [(name, REFUSED) for part in read_parts(self._desk, session, ticket) for name in part.collections]
            self.begin(session, ticket, going, kept=[*kept_places(plan), *refused])

    def note_run(self, ticket: TicketRow, plan: Plan, result: RunResult) -> None:
        """Once all that a program deletes is gone it counts as erased, also while people are still at their part."""
        done = {step.step_id for step in result.steps if step.state in FINISHED}
        if all(step.id in done for step in plan.steps if step.deed is StepDeed.DELETE):
            with self._desk.database.begin() as session:
                self.note(session, ticket, {})

    def note(self, session: Session, ticket: TicketRow, identifiers: Mapping[str, set[str]]) -> None:
        """A deletion has run: what it began with, and these, are erased from now on. Written to the file before the commit,
        so that no restored database can be without it; a line of a transaction that failed is of what is gone all the same."""
        self.note_all(session, [(ticket, identifiers)])

    def note_all(self, session: Session, erased: Sequence[tuple[TicketRow, Mapping[str, set[str]]]]) -> None:
        """The same of several, with one write of the file."""
        rows = [row for ticket, identifiers in erased for row in self._note(session, ticket, identifiers)]
        session.flush()
        self._append(rows)

    def _note(self, session: Session, ticket: TicketRow, identifiers: Mapping[str, set[str]]) -> Iterable[ErasureRow]:
        known = self._of_ref(session, ticket.ref)
        kept = next((row.kept for row in known.values()), [])
        now = self._desk.clock.now()
        for mark, kind in self._marks(identifiers).items():
            if mark not in known:
                known[mark] = ErasureRow(
                    id=new_id("era"),
                    hash=mark,
                    kind=kind,
                    ref=ticket.ref,
                    version=ticket.version,
                    noted_at=now,
                    kept=kept,
                )
                session.add(known[mark])
        for row in known.values():
            row.erased_at = row.erased_at or now  # run again after a crash it stays as it was
        return known.values()

    def erased(self, session: Session, pairs: Sequence[tuple[str, str]]) -> set[int]:
        """The indexes of those (kind, value) pairs that were erased. What is empty is nobody's."""
        marks = [self._mark_or_none(kind, value) for kind, value in pairs]
        wanted, found = sorted({mark for mark in marks if mark}), set[str]()
        for start in range(0, len(wanted), ASKED_AT_ONCE):
            part = wanted[start : start + ASKED_AT_ONCE]
            asked = sa.select(ErasureRow.hash).where(ErasureRow.hash.in_(part), ErasureRow.erased_at.is_not(None))
            found.update(session.execute(asked).scalars())
        return {index for index, mark in enumerate(marks) if mark in found}

    def look_up(self, session: Session, marks: Iterable[str]) -> dict[str, Erased]:
        """What the register says of these hashes: of each the last erasure."""
        wanted, found = list(dict.fromkeys(marks)), dict[str, Erased]()
        for start in range(0, len(wanted), ASKED_AT_ONCE):
            part = wanted[start : start + ASKED_AT_ONCE]
            asked = sa.select(ErasureRow).where(ErasureRow.hash.in_(part), ErasureRow.erased_at.is_not(None))
            for row in session.execute(asked.order_by(ErasureRow.erased_at)).scalars():
                found[row.hash] = _erased(row)
        return found

    def counts(self) -> ErasureCounts:
        """How many people and identifiers the register holds."""
        with self._desk.database.read() as session:
            is_erased = ErasureRow.erased_at.is_not(None)
            kinds = session.execute(
                sa.select(ErasureRow.kind, sa.func.count()).where(is_erased).group_by(ErasureRow.kind)
            ).all()
            people, first, last = session.execute(
                sa.select(
                    sa.func.count(sa.distinct(ErasureRow.ref)),
                    sa.func.min(ErasureRow.erased_at),
                    sa.func.max(ErasureRow.erased_at),
                ).where(is_erased)
            ).one()
        by_kind = {str(kind): int(count) for kind, count in sorted(kinds)}
        return ErasureCounts(people=people, identifiers=sum(by_kind.values()), by_kind=by_kind, first=first, last=last)

    def merge_file(self, path: Path | None = None) -> int:
        """Take erasures of the file into the database that it does not know: it may be an older one. Gives how many.

        Raises ConfigurationError where the file was written with another key: its hashes would fit nobody."""
        added = 0
        bound = own_period(CLAUSE).before(self._desk.clock.now())
        recent = (line for line in read_lines(path or self.file) if parse_iso(line["erased_at"]) >= bound)
        for lines in _chunks(recent, ASKED_AT_ONCE):
            if any(line["key"] != self.key_mark for line in lines):
                raise ConfigurationError(
                    f"{path or self.file} was written with another secret key: its hashes fit nobody here.",
                    remedy="Put back the `service.secret_key` that it was written with.",
                )
            with self._desk.database.begin() as session:
                added += self._take_in(session, lines)
        return added

    def tidy_file(self) -> None:
        """Write the file anew: what both it and the database know, without what is over its time."""
        self.merge_file()
        bound = own_period(CLAUSE).before(self._desk.clock.now())
        draft = self.file.with_suffix(".part")
        draft.unlink(missing_ok=True)
        recent = sa.select(ErasureRow).where(ErasureRow.erased_at >= bound).order_by(ErasureRow.erased_at)
        with self._desk.database.begin() as session:  # nobody notes an erasure while the file is exchanged
            self._append(session.execute(recent).scalars(), draft)
            if draft.exists():
                draft.replace(self.file)
            else:
                self.file.unlink(missing_ok=True)

    def _take_in(self, session: Session, lines: Sequence[Mapping[str, Any]]) -> int:
        hashes = [line["hash"] for line in lines]
        rows = session.execute(sa.select(ErasureRow).where(ErasureRow.hash.in_(hashes))).scalars()
        known = {(row.hash, row.ref): row for row in rows}
        added = 0
        for line in lines:
            erased_at, there = parse_iso(line["erased_at"]), known.get((line["hash"], line["ref"]))
            if there is None:
                there = ErasureRow(
                    id=new_id("era"),
                    hash=line["hash"],
                    kind=line["kind"],
                    ref=line["ref"],
                    version=line["version"],
                    noted_at=erased_at,
                    kept=line["kept"],
                )
                known[line["hash"], line["ref"]] = there
                session.add(there)
            if there.erased_at is None:
                there.erased_at = erased_at
                added += 1
        return added

    def _of_ref(self, session: Session, ref: str) -> dict[str, ErasureRow]:
        rows = session.execute(sa.select(ErasureRow).where(ErasureRow.ref == ref)).scalars()
        return {row.hash: row for row in rows}

    def _marks(self, identifiers: Mapping[str, set[str]]) -> dict[str, str]:
        pairs = ((kind, value) for kind, values in identifiers.items() for value in values)
        return {mark: kind for kind, value in pairs if (mark := self._mark_or_none(kind, value))}

    def _mark_or_none(self, kind: str, value: str) -> str | None:
        return self.mark(kind, value) if comparable_or_none(kind, value) else None

    def _append(self, rows: Iterable[ErasureRow], path: Path | None = None) -> None:
        lines = [json.dumps({"key": self.key_mark, **_line(row)}, sort_keys=True) for row in rows]
        if not lines:
            return
        target = path or self.file
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(file.fileno())


def key_mark_of(secret: bytes) -> str:
    """What tells whether two registers were made with the same secret; says nothing of it."""
    return keyed_digest(derive_key(secret, "erasures"), ["key"])[:16]


def comparable(kind: str, value: str) -> str:
    """An identifier in the one form in which two are the same: as finding compares, an address all in lower case.

    Raises BadInput for an empty one."""
    forms = tuple(forms_of(kind, value))
    return min((form for form in forms if form == form.lower()), default=forms[0]) if kind == "email" else forms[0]


def comparable_or_none(kind: str, value: str) -> str | None:
    """The same; None for what is empty."""
    return comparable(kind, value) if unicodedata.normalize("NFC", value).strip() else None


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a register's file; a last line that was cut off by a crash is left out. Raises BadInput for another file."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, start=1):
            if not text.endswith("\n"):
                return
            try:
                line = json.loads(text)
                yield {name: line[name] for name in ("key", "hash", "kind", "ref", "version", "erased_at", "kept")}
            except (ValueError, KeyError, TypeError) as error:
                raise BadInput(f"{path}:{number}: this is no line of a register of erasures.") from error


def _line(row: ErasureRow) -> dict[str, Any]:
    return {
        "hash": row.hash,
        "kind": row.kind,
        "ref": row.ref,
        "version": row.version,
        "erased_at": iso_utc(row.erased_at) if row.erased_at else None,
        "kept": row.kept,
    }


def _erased(row: ErasureRow) -> Erased:
    assert row.erased_at is not None
    return Erased(
        hash=row.hash,
        kind=row.kind,
        ref=row.ref,
        version=row.version,
        erased_at=row.erased_at,
        kept=tuple((collection, clause) for collection, clause in row.kept),
    )


def _chunks(lines: Iterator[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    for line in lines:
        part.append(line)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part
