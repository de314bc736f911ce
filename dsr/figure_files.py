"""Figures of requests as CSV and as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any, Final

from dsr.request_figures import FigureLine, RequestFigures
from dsr.tallies import BOUNDS

# A cell that begins so is a formula to a spreadsheet; an apostrophe makes it text again.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_NUMBERS: Final = (
    "received", "complied", "complied_in_part", "denied", "nothing_found", "withdrawn", "open", "open_late", "answered_late",
)  # fmt: skip


def figures_json(figures: RequestFigures) -> dict[str, Any]:
    """One set of figures for machines. `days.within`: how many were answered within so many days, and longer."""
    times = figures.times
    within = dict(zip((*map(str, BOUNDS), "longer"), times.within, strict=True))
    return {
        **{name: getattr(figures, name) for name in _NUMBERS},
        "overdue_share": figures.overdue_share,
        "days": {"mean": times.mean, "median_within": times.median, "p90_within": times.p90, "within": within},
        "grounds": dict(figures.grounds),
    }


def figures_csv(lines: Sequence[FigureLine]) -> str:
    """One line for each right and law; a ground is a column. Safe to open in a spreadsheet."""
    grounds = sorted({ground for line in lines for ground in line.figures.grounds})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    days = ("overdue_share", "mean_days", "median_within_days", "p90_within_days")
    writer.writerow(["right", "regime", *_NUMBERS, *days, *(_safe(f"ground: {one}") for one in grounds)])
    for line in lines:
        one = line.figures
        shown = (one.overdue_share, one.times.mean, one.times.median, one.times.p90)
        writer.writerow(
            [
                _safe(line.right.value),
                _safe(line.regime or ""),
                *(getattr(one, name) for name in _NUMBERS),
                *("" if value is None else value for value in shown),
                *(one.grounds.get(ground, 0) for ground in grounds),
            ]
        )
    return out.getvalue()


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
