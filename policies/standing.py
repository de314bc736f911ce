"""Where a version stands, in one line of words, on its page and on paper alike; and which version to compare it with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.catalogue import catalogue
from core.clock import day_in
from core.words import full_day
from policies.version_values import Version, VersionState


def say_standing(version: Version, language: str) -> str:
    """`In force since 30 April 2026`, `Published on 1 June 2026, planned for 1 July 2026`: no full stop at the end.

    Until the event that puts it in force a version is planned, whatever its day.
    """
    words = catalogue(language)

    def day(at: datetime | None) -> str:
        return full_day(day_in(at, version.document.controller.timezone), language) if at else ""

    if version.in_force_at and version.superseded_at:
        said = words.gettext("In force from %(day)s until %(end)s")
        return said % {"day": day(version.in_force_at), "end": day(version.superseded_at)}
    if version.in_force_at:
        return words.gettext("In force since %(day)s") % {"day": day(version.in_force_at)}
    if version.state is VersionState.WITHDRAWN:
        said = words.gettext("Published on %(day)s, withdrawn on %(end)s, never in force")
        return said % {"day": day(version.published_at), "end": day(version.withdrawn_at)}
    if version.state is VersionState.PLANNED and version.planned_for:
        said = words.gettext("Published on %(day)s, planned for %(planned)s")
        return said % {"day": day(version.published_at), "planned": day(version.planned_for)}
    if version.state is VersionState.PLANNED:
        said = words.gettext("Published on %(day)s, to take effect once everyone has been told in time")
        return said % {"day": day(version.published_at)}
    return words.gettext("Published on %(day)s, overtaken before its day") % {"day": day(version.published_at)}


def version_before(version: Version, versions: Sequence[Version]) -> Version | None:
    """The version that was in force before this one, or is until it comes: what a reader compares it with."""
    earlier = [one for one in versions if one.in_force_at and one.number < version.number]
    return max(earlier, key=lambda one: one.number, default=None)


def newest_change(versions: Sequence[Version]) -> tuple[Version, Version] | None:
    """What changed last: the version in force and the one before it; where there is none, the one that is planned."""
    current = next((one for one in versions if one.state is VersionState.IN_FORCE), None)
    if current is None:
        return None
    if before := version_before(current, versions):
        return before, current
    planned = next((one for one in versions if one.state is VersionState.PLANNED), None)
    return (current, planned) if planned else None
