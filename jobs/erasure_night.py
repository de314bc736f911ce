"""The nightly look for erased people who are back, and the file of erasures kept in step with the database."""

from __future__ import annotations

from checks.nights import is_due
from jobs.services import Services


def look_if_due(kept: Services) -> None:
    """Look once a night, where the controller is; again soon after while a store could not be read."""
    with kept.database.read() as session:
        version = kept.policies.in_force(session)
    if version is None:
        return  # nothing is promised yet
    last = kept.requests.replays.last_look()
    zone = version.document.controller.timezone
    if last is None or last.ended_at is None or is_due(last.ended_at, kept.clock.now(), zone):
        kept.requests.erasures.tidy_file()
        kept.requests.replays.look_at_night()
