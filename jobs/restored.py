"""The mark of an installation that was put back from a backup: until the erasures made since are replayed it serves nobody."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Final

from core.clock import iso_utc
from core.errors import Conflict

MARK: Final = "restored.json"


def mark_restored(var: Path, *, made_at: str, now: datetime) -> None:
    """Write down that everything here is of a backup made at `made_at`."""
    var.mkdir(parents=True, exist_ok=True, mode=0o700)
    (var / MARK).write_text(json.dumps({"backup_made_at": made_at, "restored_at": iso_utc(now)}) + "\n")


def is_restored(var: Path) -> bool:
    """Whether erasures wait to be replayed."""
    return (var / MARK).is_file()


def require_replayed(var: Path) -> None:
    """Refuse to work before the replay. Raises Conflict."""
    path = var / MARK
    if not path.is_file():
        return
    try:
        made_at = str(json.loads(path.read_text())["backup_made_at"])
    except (ValueError, KeyError, TypeError):
        made_at = "an unknown time"
    raise Conflict(
        f"This installation was put back from a backup of {made_at}; people erased since then may be back.",
        remedy="Run `kept erasures replay` first. It looks through the stores and erases them again.",
    )


def clear_mark(var: Path) -> bool:
    """The replay is done. Gives whether there was a mark."""
    there = is_restored(var)
    (var / MARK).unlink(missing_ok=True)
    return there
