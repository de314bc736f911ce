"""What must hold between the board and the ledger: every attestation with its file, every change of a state, every day."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import iso_utc
from ledger.agreement import Agreement, Disagreement
from ledger.tables import EntryTable
from promises.attestation_tables import AttestationFileRow, AttestationRow
from promises.attestations import GIVEN, TAKEN_BACK
from promises.record import BOARD, STATE
from promises.record_tables import BoardDayRow, StateRow

PAGE: Final = 2_000

_ATTESTATION: Final = sa.literal("attestation:").concat(AttestationRow.id)

AGREEMENTS: Final = (
    Agreement(
        what="attestation",
        rows=AttestationRow.__table__.outerjoin(AttestationFileRow.__table__),
        ref=_ATTESTATION,
        prefix="attestation:",
        kinds=(GIVEN,),
        goes_by=("kept:attestations",),
        facts={
            "until": AttestationRow.until,
            "name": sa.type_coerce(AttestationRow.name, sa.String()),
            "words": AttestationRow.words,
            "evidence": AttestationFileRow.sha256,
        },
    ),
    Agreement(
        what="attestation",
        rows=AttestationRow.__table__,
        ref=_ATTESTATION,
        prefix="attestation:",
        kinds=(GIVEN,),
        state=sa.case((AttestationRow.taken_back_at.is_(None), "given"), else_="taken back"),
        states={GIVEN: "given", TAKEN_BACK: "taken back"},
        both_ways=False,
    ),
    Agreement(
        what="board of",
        rows=BoardDayRow.__table__,
        ref=sa.literal("day:").concat(sa.cast(BoardDayRow.day, sa.String())),
        prefix="day:",
        kinds=(BOARD,),
    ),
    Agreement(
        what="board's digest",
        rows=BoardDayRow.__table__,
        ref=sa.literal("board:").concat(BoardDayRow.digest),
        prefix="board:",
        kinds=(BOARD,),
        both_ways=False,
    ),
)


def check_evidence(session: Session) -> Iterator[Disagreement]:
    """The bytes of every file that came with an attestation against the digest that the ledger committed to, one at a time."""
    wanted = sa.select(AttestationFileRow.attestation_id, AttestationFileRow.sha256)
    for name, digest in session.execute(wanted.order_by(AttestationFileRow.attestation_id)).all():
        content = session.execute(
            sa.select(AttestationFileRow.content).where(AttestationFileRow.attestation_id == name)
        ).scalar_one()
        if sha256(content).hexdigest() != digest:
            yield Disagreement(problem=f"The file of the attestation {name} is not the one that came with it.")


def check_states(session: Session) -> Iterator[Disagreement]:
    """Every change of a clause's state against the entry that it stands for, and the other way round."""
    wanted = (
        sa.select(
            StateRow.clause, StateRow.turn, StateRow.version, StateRow.state, StateRow.at, StateRow.entry,
            EntryTable.kind, EntryTable.refs, EntryTable.at.label("said_at"),
        )
        .outerjoin(EntryTable, EntryTable.id == StateRow.entry)
        .order_by(StateRow.clause, StateRow.turn)
    )  # fmt: skip
    for row in session.execute(wanted.execution_options(yield_per=PAGE)):
        said = f'["clause:{row.clause}","version:{row.version}","state:{row.state}"]'
        if (row.kind, row.refs, row.said_at) != (STATE, said, iso_utc(row.at)):
            yield Disagreement(
                problem=f"The state '{row.state}' of clause {row.clause} (change {row.turn}) is not what its entry {row.entry} "
                "says, or that entry is not there: the row was put in or changed past Kept.",
                entry_id=row.entry if row.kind else None,
            )
    missing = sa.select(EntryTable.id).where(EntryTable.kind == STATE, EntryTable.id.not_in(sa.select(StateRow.entry)))
    for name in session.execute(missing.order_by(EntryTable.id)).scalars():
        yield Disagreement(
            problem=f"Entry {name} ({STATE}) says that a clause changed its state, and the board's history does not hold it.",
            entry_id=name,
        )


EXTRAS: Final = (check_evidence, check_states)
