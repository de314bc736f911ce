"""How commands say what a sweep would do: a table of collections, what stays and why, and masked records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich.table import Table

from core.words import count, plural, size
from jobs.answers import Line, table
from retention.views import ClauseSweep, CollectionSweep

_COLUMNS: Final = [
    *("clause", "collection", "deed", "rows", "of", "share", "bytes", "held", "oldest", "newest"),
]


def sweep_table(found: Sequence[ClauseSweep]) -> Table:
    """One line for each collection of each clause."""
    rows = [[one.clause, *_cells(row)] for one in found for row in one.collections]
    return table("", _COLUMNS, rows, right=(3, 4, 5, 6, 7))


def _cells(row: CollectionSweep) -> list[str]:
    def day(instant: datetime | None) -> str:
        return f"{instant:%Y-%m-%d}" if instant else "–"

    return [
        row.collection,
        row.deed,
        "–" if row.blocked else count(row.rows),
        count(row.total),
        f"{row.share:.0%}" if row.total else "–",
        size(row.size) if row.size is not None else "–",
        count(row.held),
        day(row.oldest),
        day(row.newest),
    ]


def remarks(found: ClauseSweep) -> list[Line]:
    """What a person should know beside the numbers: what is blocked, what stays and why, what nothing covers."""
    lines: list[Line] = [f"{found.clause}: {blocked}" for blocked in dict.fromkeys(found.blocked)]
    for one in found.collections:
        if one.timeless or one.future:
            lines.append(
                f"{found.clause}: {one.collection}: {count(one.timeless)} without a time and {count(one.future)} with one to come stay."
            )
        lines += [f"{found.clause}: {one.collection}: {count(held.rows)} stay under {held.hold}." for held in one.holds]
        lines += [f"{found.clause}: {one.collection}: blocked: {blocker}" for blocker in one.blockers]
        lines += [f"{found.clause}: {one.collection}: {finding}" for finding in one.findings]
    lines += [found.seldom] if found.seldom else []
    lines += [f"{found.clause}: gap: {gap}" for gap in found.gaps]
    lines += [f"{found.clause}: stays: {stay}" for stay in found.stays]
    return lines


def samples(found: ClauseSweep) -> list[Line]:
    """A few of the records that would go, masked."""
    lines: list[Line] = []
    for collection, records in found.samples.items():
        if records:
            lines.append(f"{found.clause}: {plural(len(records), 'record', 'records')} of {collection}, masked:")
        lines += ["  " + ", ".join(f"{name}={value}" for name, value in record.items()) for record in records]
    return lines
