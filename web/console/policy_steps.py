"""What happens when to a version of the policy: what the ledger has of it, and what is still ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from core.words import count, plural
from ledger.entries import LedgerEntry
from notify.campaign_tables import CampaignState
from notify.campaign_views import CampaignView
from policies.clauses import NoticeChannel
from policies.versions import Version, VersionState
from web.console.policy_outlook import Ahead, say_channels
from web.services import services

# Every kind of entry about a version: its state and what it says. Sweeps and requests name their version too; they are
# evidence of their own.
KINDS: Final = {
    "policy.published": ("kept", "Published"),
    "policy.overruled": ("attested", "Verdict overruled"),
    "campaign.begun": ("kept", "Telling began"),
    "campaign.previewed": ("plain", "Preview sent"),
    "campaign.paused": ("due", "Telling paused"),
    "campaign.resumed": ("now", "Telling resumed"),
    "campaign.settled": ("attested", "Uncertain ones settled"),
    "campaign.completed": ("kept", "Everyone was told"),
    "campaign.withdrawn": ("broken", "Telling stopped"),
    "policy.in_force": ("kept", "In force"),
    "policy.overtaken": ("plain", "Overtaken"),
    "policy.withdrawn": ("broken", "Withdrawn"),
}
MOST: Final = 20
Step = dict[str, Any]


def entries_of(session: Session, number: int) -> list[LedgerEntry]:
    """What the ledger has of a version and of telling people about it, the earliest first."""
    ledger, ref = services().ledger, f"version:{number}"
    found = [one for kind in KINDS for one in ledger.entries(session, ref=ref, kind=kind, limit=MOST)]
    order = list(KINDS)
    return sorted(found, key=lambda one: (one.at, order.index(one.kind)))


def steps_of(
    version: Version, entries: Sequence[LedgerEntry], campaign: CampaignView | None, names: Mapping[str, str]
) -> list[Step]:
    """What happened to a version, and what is ahead, as `lists.timeline` takes it."""
    one_by_one = campaign is None or campaign.by_mail
    steps = [_past(version, one, names) for one in entries if one_by_one or one.kind != "campaign.completed"]
    if version.state is not VersionState.PLANNED:
        return steps
    if campaign and campaign.completed_at is None:
        steps.append(_telling(version, campaign))
        if campaign.deadline:
            steps.append({"state": "todo", "title": "Last day to tell", "at": campaign.deadline, "ahead": True})
    steps.append(_to_come(version.planned_for))
    return steps


def _past(version: Version, entry: LedgerEntry, names: Mapping[str, str]) -> Step:
    state, title = KINDS[entry.kind]
    by = names.get(entry.actor, "Kept itself" if entry.actor == "system" else entry.actor)
    place = "not under a checkpoint yet" if entry.position is None else f"#{count(entry.position + 1)}"
    sub = f"{place} · {entry.commitment[:4]}…{entry.commitment[-4:]}, by {by}"
    if (
        entry.kind == "campaign.begun"
        and (channels := version.terms.channels)
        and NoticeChannel.EMAIL not in channels.ways
    ):
        title = f"Told by {say_channels(channels)}"
    if entry.kind == "policy.withdrawn" and version.withdrawn_because:
        sub = f"{version.withdrawn_because} {sub}"
    return {"state": state, "title": title, "sub": sub, "at": entry.at}


def _telling(version: Version, campaign: CampaignView) -> Step:
    if campaign.state is CampaignState.PAUSED:
        return {"state": "due", "icon": "stop", "title": "Telling is paused", "word": "now"}
    sub = say_channels(version.terms.channels)
    return {"state": "now", "title": "People are told", "sub": f"by {sub}" if sub else "", "word": "now"}


def _to_come(at: datetime | None) -> Step:
    sub = "sweeps and clocks change by themselves"
    return {"state": "todo", "title": "In force", "sub": sub, "at": at, "word": "when all are told", "ahead": True}


def steps_of_draft(ahead: Ahead) -> list[Step]:
    """What would happen if a draft were published now."""
    outlook = ahead.outlook
    if outlook is None or outlook.same_as:
        return []
    steps: list[Step] = [
        {"state": "todo", "title": f"Published as version {outlook.number}", "word": "now", "ahead": True}
    ]
    if ahead.told_by:
        who = f", about {plural(ahead.people, 'person', 'people')}" if ahead.by_mail and ahead.people else ""
        steps.append(
            {
                "state": "todo",
                "title": "People are told",
                "sub": f"by {ahead.told_by}{who}",
                "word": "from now",
                "ahead": True,
            }
        )
        if outlook.deadline:
            steps.append({"state": "todo", "title": "Last day to tell", "at": outlook.deadline, "ahead": True})
    at_once = outlook.planned_for <= services().clock.now()
    when: Step = {"word": "at once"} if at_once else {"at": outlook.planned_for}
    steps.append(
        {"state": "todo", "title": "In force", "sub": "sweeps and clocks change by themselves", "ahead": True} | when
    )
    return steps
