"""Where a version stands, in sentences for operators: its verdict, when it takes effect and what holds it up."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from core.words import long_day
from policies.clauses import Channels, NoticeChannel
from policies.version_values import Version, VersionState

_WAYS = {NoticeChannel.EMAIL: "by e-mail", NoticeChannel.BANNER: "by banner", NoticeChannel.POST: "on the policy page"}


def say_channels(channels: Channels) -> str:
    """`by e-mail and by banner`."""
    return (" or " if channels.any_of else " and ").join(_WAYS[way] for way in channels.ways)


def say_verdict(version: Version) -> list[str]:
    """The verdict with its reasons, and who overruled it why. The first version has none."""
    if version.weight is None:
        return ["There is no version before it to differ from."] if version.previous is None else []
    said = [f"The change is {version.weight}."]
    if version.overruled:
        said = [
            f"The change counts as {version.weight}: {version.overruled.reason}",
            f"By itself it is {version.overruled.weight}:",
        ]
    return said + [f"- {reason}" for reason in version.reasons]


def say_when(version: Version) -> str:
    """When it took effect or is to, and what holds it up."""
    zone = ZoneInfo(version.document.controller.timezone)

    def day(instant: datetime) -> str:
        return long_day(instant.astimezone(zone).date())

    if version.state is VersionState.WITHDRAWN and version.withdrawn_at:
        return f"Withdrawn on {day(version.withdrawn_at)}: {version.withdrawn_because}"
    if version.in_force_at and version.superseded_at:
        return f"In force from {day(version.in_force_at)} to {day(version.superseded_at)}."
    if version.in_force_at:
        return f"In force since {day(version.in_force_at)}."
    if version.planned_for is None:
        return "A later version came into force before it; it never will."
    return _say_planned(version, day(version.planned_for), zone)


def _say_planned(version: Version, day: str, zone: ZoneInfo) -> str:
    channels, ahead, named = version.terms.channels, version.terms.ahead, version.document.not_before_at
    if channels is None:
        return f"Planned for {day}."
    if version.told_at:
        return f"Everyone who must hear of it has been told. Planned for {day}."
    how = f"People are being told {say_channels(channels)}"
    after = f"{ahead.words()} after the last has been told" if ahead else "as soon as the last has been told"
    if named is None or named != version.planned_for:
        return f"{how}. It takes effect {after}, on {day} at the earliest."
    # The last instant is the first of a day, mostly: the day before is the last whole one.
    last = (version.terms.tell_by(named) or named) - timedelta(microseconds=1)
    by = long_day(last.astimezone(zone).date())
    return f"Planned for {day}. {how}: if that takes longer than {by}, it takes effect {after}."
