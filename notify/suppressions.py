"""Opt-outs: who wants no sale, no marketing, no mail; kept as keyed hashes, so that the same person imported again is known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.canonical import keyed_digest
from core.clock import Clock
from core.database import Database
from core.errors import BadInput
from core.identifiers import one_form
from core.ids import new_id
from core.personal import Personal
from ledger.log import Ledger
from notify.suppression_tables import Purpose, SuppressionRow

SYSTEM: Final = "system"
# How an opt-out comes in. `gpc`: the signal of a browser; `one_click`: the button of a mail program (RFC 8058).
SOURCES: Final = ("request", "gpc", "one_click", "preferences", "api", "import", "operator")
LONGEST_REASON: Final = 500
ASKED_AT_ONCE: Final = 500  # hashes in one statement
_T = TypeVar("_T")
_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True, kw_only=True)
class Suppression:
    """One opt-out, as it may be shown: never whose it is."""

    id: str
    kind: str
    purpose: Purpose
    source: str
    ref: str | None
    at: datetime


@dataclass(frozen=True, kw_only=True)
class SuppressionCount:
    """How many opt-outs there are of one purpose, by one way in."""

    purpose: Purpose
    source: str
    rows: int


class Suppressions:
    """Writes opt-outs down and tells who has one. `key` is the installation's key for their hashes."""

    def __init__(self, database: Database, clock: Clock, ledger: Ledger, key: bytes) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._key = key

    def add(
        self,
        session: Session,
        *,
        kind: str,
        value: Personal,
        purpose: str,
        source: str,
        ref: str | None = None,
        by: str = SYSTEM,
    ) -> bool:
        """Write an opt-out down in the caller's transaction; False where it stands already. Raises BadInput."""
        hashed = self.hash(kind, value.reveal())
        return self.add_hash(session, kind=kind, hashed=hashed, purpose=purpose, source=source, ref=ref, by=by)

    def add_hash(
        self,
        session: Session,
        *,
        kind: str,
        hashed: str,
        purpose: str,
        source: str,
        ref: str | None = None,
        by: str = SYSTEM,
    ) -> bool:
        """The same for an identifier of which only the hash is known, such as that of a link."""
        row = self._row(kind, hashed, read_purpose(purpose), read_source(source), ref)
        added = self._insert(session, [row]) == 1
        if added:
            self._record(session, "suppression.added", row["id"], purpose, {"source": source, "kind": kind}, by, ref)
        return added

    def add_all(
        self, session: Session, *, kind: str, values: Sequence[str], purpose: str, source: str, ref: str, by: str
    ) -> int:
        """Write many down at once, under one entry of the ledger; gives how many are new."""
        read = read_purpose(purpose), read_source(source)
        rows = {row["hash"]: row for value in values for row in [self._row(kind, self.hash(kind, value), *read, ref)]}
        added = self._insert(session, list(rows.values())) if rows else 0
        if added:
            facts: dict[str, str | int] = {"source": source, "kind": kind, "rows": added}
            self._record(session, "suppression.imported", ref, purpose, facts, by, None)
        return added

    def lift(
        self, session: Session, *, kind: str, value: Personal, purpose: str, by: str, why: str, source: str = "operator"
    ) -> bool:
        """End an opt-out, with who and why; False where there is none. Raises BadInput without a reason."""
        hashed = self.hash(kind, value.reveal())
        return self.lift_hash(session, kind=kind, hashed=hashed, purpose=purpose, by=by, why=why, source=source)

    def lift_hash(
        self, session: Session, *, kind: str, hashed: str, purpose: str, by: str, why: str, source: str
    ) -> bool:
        """The same for an identifier of which only the hash is known."""
        reason = " ".join(why.replace("\x00", "").split())
        if not reason or len(reason) > LONGEST_REASON:
            raise BadInput(
                f"An opt-out is lifted with a reason of 1 to {LONGEST_REASON} characters.",
                remedy="Say who asked for it, and when.",
            )
        gone = session.execute(
            sa.delete(SuppressionRow)
            .where(SuppressionRow.hash == hashed, SuppressionRow.purpose == read_purpose(purpose))
            .returning(SuppressionRow.id)
        ).scalar_one_or_none()
        if gone is None:
            return False
        facts = {"why": reason, "source": read_source(source), "kind": kind}
        self._record(session, "suppression.lifted", gone, purpose, facts, by, None)
        return True

    def holds(self, session: Session, *, kind: str, value: Personal, purpose: str) -> bool:
        """Did this person opt out of just this purpose?"""
        return bool(self.holds_any(session, [(kind, value.reveal())], purpose))

    def holds_any(self, session: Session, pairs: Sequence[tuple[str, str]], purpose: str) -> set[int]:
        """The indexes of the (kind, value) pairs that opted out of a purpose."""
        wanted = read_purpose(purpose)
        return {index for index, purposes in self.opted_out(session, pairs).items() if wanted in purposes}

    def opted_out(self, session: Session, pairs: Sequence[tuple[str, str]]) -> dict[int, frozenset[Purpose]]:
        """What each of the (kind, value) pairs opted out of, by its index; those that did not are left out."""
        hashes = [self.hash(kind, value) for kind, value in pairs]
        found: dict[str, set[Purpose]] = {}
        for some in _in_groups(list(dict.fromkeys(hashes))):
            wanted = sa.select(SuppressionRow.hash, SuppressionRow.purpose).where(SuppressionRow.hash.in_(some))
            for hashed, purpose in session.execute(wanted):
                found.setdefault(hashed, set()).add(Purpose(purpose))
        return {index: frozenset(found[hashed]) for index, hashed in enumerate(hashes) if hashed in found}

    def look_up(self, session: Session, *, kind: str, value: Personal) -> tuple[Suppression, ...]:
        """The opt-outs of one person, by an identifier that somebody typed."""
        return self.look_up_hash(session, self.hash(kind, value.reveal()))

    def look_up_hash(self, session: Session, hashed: str) -> tuple[Suppression, ...]:
        """The same, by the hash of an identifier."""
        wanted = sa.select(SuppressionRow).where(SuppressionRow.hash == hashed)
        return tuple(_view(row) for row in session.execute(wanted.order_by(SuppressionRow.purpose)).scalars())

    def counts(self, session: Session) -> tuple[SuppressionCount, ...]:
        """How many there are, by purpose and way in."""
        columns = (SuppressionRow.purpose, SuppressionRow.source)
        wanted = sa.select(*columns, sa.func.count()).group_by(*columns).order_by(*columns)
        return tuple(
            SuppressionCount(purpose=Purpose(purpose), source=source, rows=rows)
            for purpose, source, rows in session.execute(wanted)
        )

    def hash(self, kind: str, value: str) -> str:
        """The keyed hash of an identifier. Raises BadInput for a kind that is no name, and for an empty value."""
        if not _KIND.fullmatch(kind):
            raise BadInput(
                "This is not the name of an identifier.", remedy="Names are those of the map, such as email."
            )
        return keyed_digest(self._key, {"kind": kind, "value": one_form(kind, value)})

    def _row(self, kind: str, hashed: str, purpose: Purpose, source: str, ref: str | None) -> dict[str, object]:
        return {
            "id": new_id("sup"),
            "hash": hashed,
            "kind": kind,
            "purpose": purpose.value,
            "source": source,
            "ref": ref,
            "at": self._clock.now(),
        }

    def _insert(self, session: Session, rows: Sequence[Mapping[str, object]]) -> int:
        """The rows that are new; what stands already stays as it is, whoever writes it at the same moment."""
        dialect = postgresql if self._database.dialect == "postgresql" else sqlite
        added = 0
        for some in _in_groups(rows):
            insert = dialect.insert(SuppressionRow).values(some).on_conflict_do_nothing()
            added += len(session.execute(insert.returning(SuppressionRow.id)).all())
        return added

    def _record(
        self,
        session: Session,
        kind: str,
        name: object,
        purpose: str,
        facts: Mapping[str, str | int],
        by: str,
        ref: str | None,
    ) -> None:
        refs = [f"suppression:{name}", f"purpose:{purpose}", *([ref] if ref else [])]
        self._ledger.record(session, kind=kind, actor=by, refs=refs, private=dict(facts))


def read_purpose(text: str) -> Purpose:
    """A purpose by its name. Raises BadInput, naming those there are."""
    try:
        return Purpose(text)
    except ValueError:
        raise BadInput("There is no such purpose.", remedy=f"Purposes: {', '.join(Purpose)}.") from None


def read_source(text: str) -> str:
    """The way an opt-out came in. Raises BadInput for another."""
    if text not in SOURCES:
        raise BadInput("Opt-outs do not come in this way.", remedy=f"Ways: {', '.join(SOURCES)}.")
    return text


def _in_groups(many: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(many), ASKED_AT_ONCE):
        yield many[start : start + ASKED_AT_ONCE]


def _view(row: SuppressionRow) -> Suppression:
    return Suppression(
        id=row.id, kind=row.kind, purpose=Purpose(row.purpose), source=row.source, ref=row.ref, at=row.at
    )
