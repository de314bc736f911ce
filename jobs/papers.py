"""Making the papers of versions within a command: what cannot be made now is left to `kept serve`, and said."""

from __future__ import annotations

from core.errors import Unreachable
from jobs.services import Services


def make_papers(kept: Services) -> list[str]:
    """Make every paper that is missing; gives the lines that say what could not be made."""
    try:
        kept.papers.make_missing()
    except Unreachable as error:
        # What was published is published; a PDF can be made at any time.
        return [f"The PDF is not made yet: {error.message} `kept serve` makes it."]
    return []
