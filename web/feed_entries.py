"""The entries of the feeds, out of the versions there are: what happened to each, and to whom data goes, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from core.catalogue import catalogue, mark
from core.words import long_day
from policies.clause_words import describe_clause
from policies.materiality import Weight
from policies.recipients import RecipientChange, RecipientEvent, recipient_events
from policies.versions import Version, VersionState
from web.atom import AtomEntry, stable_id


class Stage(StrEnum):
    """What a version comes to: it is published ahead of its day, comes into force, or is withdrawn before."""

    PLANNED = "planned"
    IN_FORCE = "in_force"
    WITHDRAWN = "withdrawn"


# A version that comes into force within this time of being published was not announced ahead of it.
AT_ONCE: Final = timedelta(minutes=1)
_WORDS: Final[Mapping[str, str]] = { "versions": mark("Versions of the privacy policy of {name}"),
    "recipients": mark("Who gets data from {name}"),
    "planned": mark("Version {number} is published, planned for {day}"),
    "soon": mark("Version {number} is published, planned for when everyone has been told"),
    "published": mark("Version {number} was published"), "in_force": mark("Version {number} is in force since {day}"),
    "withdrawn": mark("Version {number} was withdrawn on {day} and will not come into force"),
    "first": mark("The first version."), "because": mark("Reason: {why}"), "material": mark("A change that matters."),
    "minor": mark("A minor change."), "editorial": mark("Other words, the same promises."),
    "added": mark("{name} gets data since {day}"), "added_planned": mark("{name} is to get data, planned for {day}"),
    "added_soon": mark("{name} is to get data"),
    "added_withdrawn": mark("{name} will not get data: the plan was withdrawn"),
    "removed": mark("{name} gets no data any more since {day}"),
    "removed_planned": mark("{name} is to get no data any more, planned for {day}"),
    "removed_soon": mark("{name} is to get no data any more"),
    "removed_withdrawn": mark("{name} goes on getting data: the plan was withdrawn"),
    "widened": mark("{name} gets more data since {day}"),
    "widened_planned": mark("{name} is to get more data, planned for {day}"),
    "widened_soon": mark("{name} is to get more data"),
    "widened_withdrawn": mark("{name} will not get more data: the plan was withdrawn"),
}  # fmt: skip


def about(language: str) -> Mapping[str, str]:
    """The words of feeds in a language, English where there are none."""
    say = catalogue(language).gettext
    return {name: say(words) for name, words in _WORDS.items()}


def feed_id(versions: Sequence[Version], kind: str) -> str:
    """The id of a feed: that of the first version ever, which nothing changes."""
    return stable_id(kind, versions[0].policy, versions[0].digest)


def version_entries(versions: Sequence[Version], base: str) -> list[AtomEntry]:
    """One entry for each thing that happened to a version."""
    return [
        AtomEntry(
            id=stable_id("versions", one.policy, str(one.number), one.digest, stage),
            title=_say_version(one, stage),
            at=at,
            summary=_summary(one, stage),
            page=f"{base}/privacy/versions/{one.number}",
            related=f"{base}/privacy/diff/{one.previous}/{one.number}" if one.previous else "",
            term=one.weight.value if one.weight else "",
        )
        for one in versions
        for stage, at in _stages(one)
    ]


def recipient_entries(versions: Sequence[Version], base: str) -> list[AtomEntry]:
    """One entry for each recipient that comes, goes or gets more, at each stage of the version that says so.

    Who stood in the first version was not added by any.
    """
    by_number = {one.number: one for one in versions}
    reached = [one for one in versions if one.in_force_at]
    happened = [one for one in recipient_events(versions) if reached and one.number != reached[0].number]
    entries = [_recipient(one, by_number[one.number], Stage.IN_FORCE, one.at, base) for one in happened]
    for version in versions:
        old = by_number.get(version.previous or 0)
        for stage, at in _stages(version) if old else ():
            if old and stage is not Stage.IN_FORCE:
                entries += [_recipient(one, version, stage, at, base) for one in _step(old, version)]
    return entries


def _step(old: Version, new: Version) -> Iterable[RecipientEvent]:
    """What a version changes, or would have changed, whether or not it came into force."""
    pair = [replace(one, in_force_at=one.in_force_at or one.published_at) for one in (old, new)]
    return [one for one in recipient_events(pair) if one.number == new.number]


def _stages(version: Version) -> list[tuple[Stage, datetime]]:
    """What happened to a version, and when."""
    found = []
    if version.in_force_at is None or version.in_force_at - version.published_at > AT_ONCE:
        found.append((Stage.PLANNED, version.published_at))
    if version.in_force_at:
        found.append((Stage.IN_FORCE, version.in_force_at))
    if version.withdrawn_at:
        found.append((Stage.WITHDRAWN, version.withdrawn_at))
    return found


def _day(version: Version, at: datetime, language: str) -> str:
    return long_day(at.astimezone(ZoneInfo(version.document.controller.timezone)).date(), language)


def _say_version(version: Version, stage: Stage) -> str:
    words, language = about(version.document.language), version.document.language
    if stage is Stage.PLANNED:
        if version.state is not VersionState.PLANNED:
            return words["published"].format(number=version.number)
        if version.planned_for is None:
            return words["soon"].format(number=version.number)
        return words["planned"].format(number=version.number, day=_day(version, version.planned_for, language))
    at = version.withdrawn_at if stage is Stage.WITHDRAWN else version.in_force_at
    assert at is not None
    return words[stage].format(number=version.number, day=_day(version, at, language))


def _summary(version: Version, stage: Stage) -> str:
    """The verdict and its reasons in words."""
    words = about(version.document.language)
    if version.weight is None:
        said = [words["first"]]
    else:
        said = [words[version.weight], *(() if version.weight is Weight.EDITORIAL else version.reasons)]
    if stage is Stage.WITHDRAWN and version.withdrawn_because:
        said.insert(0, words["because"].format(why=version.withdrawn_because))
    return " ".join(said)


def _recipient(event: RecipientEvent, version: Version, stage: Stage, at: datetime, base: str) -> AtomEntry:
    change, name, language = event.change, event.clause.name, version.document.language
    key = change.value
    day = ""
    if stage is Stage.IN_FORCE:
        day = _day(version, at, language)
    elif stage is Stage.WITHDRAWN:
        key += "_withdrawn"
    elif version.state is VersionState.PLANNED and version.planned_for:
        key, day = f"{key}_planned", _day(version, version.planned_for, language)
    else:
        key += "_soon"
    gone = change is RecipientChange.REMOVED
    return AtomEntry(
        id=stable_id("recipients", version.policy, str(version.number), version.digest, change, name.casefold(), stage),
        title=about(language)[key].format(name=name, day=day),
        at=at,
        summary="" if gone else f"{describe_clause(event.clause, language)}.",
        page=f"{base}/privacy/versions/{version.number}",
        related=f"{base}/privacy/diff/{version.previous}/{version.number}" if version.previous else "",
        term=change.value,
    )
