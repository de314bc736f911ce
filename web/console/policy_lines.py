"""What the policy's pages in the console say line by line: lint, versions, drafts, what happens when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from core.words import count, plural
from notify.campaign_tables import Stage
from notify.campaign_views import CampaignView
from policies.clauses import NoticeChannel
from policies.drafts import Draft, DraftFinding, Reading, name_part
from policies.lint import Level
from policies.versions import Version, VersionState
from web.console.policy_outlook import say_channels
from web.console.policy_prose import glance_at

# How a state is drawn: its look, its icon, its word.
LOOKS: Final = {
    VersionState.PLANNED: ("now", "waiting", "Planned"),
    VersionState.IN_FORCE: ("kept", "kept", "In force"),
    VersionState.SUPERSEDED: ("plain", "ledger", "Superseded"),
    VersionState.OVERTAKEN: ("plain", "ledger", "Overtaken"),
    VersionState.WITHDRAWN: ("plain", "undo", "Withdrawn"),
}


@dataclass(frozen=True, kw_only=True)
class LintLine:
    """One thing that lint or the reader of documents says: `state` broken refuses, due warns, kept is fine."""

    state: str
    what: str
    where: str = ""
    clause: str = ""
    remedy: str = ""


def lint_lines(reading: Reading, *, many: bool, same_as: int | None = None) -> list[LintLine]:
    """Each thing to put right, refusals first, with its line; `many`: the text is named too. Then what is fine;
    `same_as`: the version with the same text."""
    lines = [
        LintLine(
            state="broken",
            what=_sentence(one.what),
            where=_where(one.source, one.line, many=many),
            clause=one.clause or "",
            remedy=one.remedy,
        )
        for one in reading.problems
    ]
    lines += _findings(reading, many=many)
    return lines if reading.refused else [*lines, *_fine(reading, same_as)]


def _findings(reading: Reading, *, many: bool) -> list[LintLine]:
    """What lint says; what it says of several texts alike stands once, with each of its lines."""
    found: dict[tuple[Level, str, str], list[DraftFinding]] = {}
    for one in reading.findings:
        found.setdefault((one.finding.level, one.finding.clause or "", one.finding.what), []).append(one)
    return [
        LintLine(
            state="broken" if level is Level.REFUSED else "due",
            what=what,
            where=", ".join(_where(name_part(one.part), one.finding.line, many=many) for one in alike),
            clause=clause,
            remedy=alike[0].finding.remedy,
        )
        for (level, clause, what), alike in found.items()
    ]


def _fine(reading: Reading, same_as: int | None) -> list[LintLine]:
    original, *others = reading.documents
    lines = [
        LintLine(
            state="kept",
            what=f"{plural(len(original.clauses), 'clause', 'clauses')} cited in the prose",
            where="No number, address or name stands there alone.",
        )
    ]
    if others:
        named = plural(len(others), "translation", "translations")
        lines.append(LintLine(state="kept", what=f"{named} with the same clauses", where="Only words differ."))
    if same_as:
        lines.append(LintLine(state="kept", what=f"It is the same text as version {same_as}"))
    return lines


def _where(source: str, line: int, *, many: bool) -> str:
    return f"{source} line {count(line)}" if many else f"line {count(line)}"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


@dataclass(frozen=True, kw_only=True)
class VersionLine:
    """One version as the table shows it. `state`, `icon`: how its state is drawn; `changed`: what it changed, in words;
    `more`: how many changes are left out; `told`, `of`: people, None where nobody is told one by one."""

    version: Version
    state: str
    icon: str
    word: str
    note: str
    changed: str
    more: int
    weight: str
    told: int | None
    of: int
    told_word: str


@dataclass(frozen=True, kw_only=True)
class DraftLine:
    """One draft as the table shows it; `id` is empty for the file that kept.yaml names."""

    id: str
    name: str
    languages: tuple[str, ...]
    by: str
    changed_at: datetime | None
    refused: int
    planned: date | None
    changed: str
    more: int
    weight: str


def version_lines(
    shown: Sequence[Version], versions: Sequence[Version], campaigns: Sequence[CampaignView]
) -> list[VersionLine]:
    """Some of the versions, in the order given, each with what it changed and how its notice went."""
    notices = {one.version: one for one in campaigns if one.stage is Stage.NOTICE}
    known = {one.number: one for one in versions}
    return [_version_line(one, known.get(one.previous or 0), notices.get(one.number)) for one in shown]


def _version_line(version: Version, previous: Version | None, campaign: CampaignView | None) -> VersionLine:
    state, icon, word = LOOKS[version.state]
    glance = glance_at(previous.document, version.document) if previous else None
    counted = campaign is not None and campaign.by_mail
    return VersionLine(
        version=version,
        state=state,
        icon=icon,
        word=word,
        note=_note(version),
        changed=glance.changed if glance else "The first version",
        more=glance.more if glance else 0,
        weight=version.weight.value if version.weight else "",
        told=campaign.told if campaign and counted else None,
        of=campaign.total if campaign and counted else 0,
        told_word=_told_word(version),
    )


def _note(version: Version) -> str:
    if version.state is VersionState.PLANNED:
        return "can be withdrawn"
    return version.withdrawn_because or "" if version.state is VersionState.WITHDRAWN else ""


def _told_word(version: Version) -> str:
    channels = version.terms.channels
    if channels is None:
        return "nobody had to be" if version.previous is not None else "–"
    return "posted" if channels.ways == (NoticeChannel.POST,) else say_channels(channels)


def draft_line(
    draft: Draft | Reading, in_force: Version | None, names: Mapping[str, str], *, name: str = ""
) -> DraftLine:
    """A draft, or the reading of the file, with what it would change by a first look."""
    kept = draft if isinstance(draft, Draft) else None
    reading = draft.read() if isinstance(draft, Draft) else draft
    original = reading.documents[0] if reading.documents else None
    glance = glance_at(in_force.document, original) if in_force and original else None
    overruled = kept.overruled_weight.value if kept and kept.overruled_weight else ""
    return DraftLine(
        id=kept.id if kept else "",
        name="Draft" if kept else name,
        languages=kept.languages if kept else tuple(one.language for one in reading.documents),
        by=names.get(kept.changed_by, "") if kept else "",
        changed_at=kept.changed_at if kept else None,
        refused=reading.refused,
        planned=original.not_before if original else None,
        changed=glance.changed if glance else "",
        more=glance.more if glance else 0,
        weight=overruled or (glance.weight if glance else ""),
    )
