"""What publishing a draft would do, in words: the version it becomes, when it takes effect, who hears of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from core.errors import BadInput, Conflict
from core.words import plural
from policies.clauses import Channels, NoticeChannel
from policies.drafts import Draft
from policies.materiality import Weight
from policies.versions import Outlook, Overrule, PublishRefused
from web.services import services

WAYS: Final = {
    NoticeChannel.EMAIL: "mail",
    NoticeChannel.BANNER: "banner",
    NoticeChannel.POST: "a note on the policy page",
}
WEIGHT_WORDS: Final = {
    Weight.MATERIAL: "Material: people must hear of it",
    Weight.MINOR: "Minor: it changes something, to nobody’s disadvantage",
    Weight.EDITORIAL: "Editorial: nothing that is promised changes",
}


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """`outlook` None: it would be refused, `refused` says why (empty where lint says it). `people`: how many would be told
    one by one, by the last count; None where nobody counted yet."""

    outlook: Outlook | None
    refused: str = ""
    people: int | None = None

    @property
    def told_by(self) -> str:
        """How people would hear of it; empty where there is nothing to tell."""
        return say_channels(self.outlook.terms.channels) if self.outlook else ""

    @property
    def by_mail(self) -> bool:
        """Whether people would be told one by one."""
        channels = self.outlook.terms.channels if self.outlook else None
        return channels is not None and NoticeChannel.EMAIL in channels.ways

    @property
    def deed(self) -> str:
        """The word of the button: what is published, and how many hear of it."""
        assert self.outlook is not None
        if not self.by_mail:
            return f"Publish version {self.outlook.number}"
        who = f"about {plural(self.people, 'person', 'people')}" if self.people else "everyone with an account"
        return f"Publish version {self.outlook.number} and tell {who}"


def look_ahead(session: Session, draft: Draft) -> Ahead | None:
    """What publishing a draft would do now; None while it cannot be read."""
    reading = draft.read()
    if not reading.documents:
        return None
    original, *translations = reading.documents
    try:
        outlook = services().policies.foresee(session, original, translations=translations, overrule=overrule_of(draft))
    except PublishRefused as refusal:
        # What lint says stands in its own list; what is left is between the documents.
        return Ahead(outlook=None, refused="" if reading.refused else str(refusal))
    except (BadInput, Conflict) as error:
        return Ahead(outlook=None, refused=str(error))
    return Ahead(outlook=outlook, people=people_at_last_count(session))


def overrule_of(draft: Draft) -> Overrule | None:
    """What a person says the change weighs, where somebody overruled the verdict."""
    if draft.overruled_weight is None:
        return None
    return Overrule(weight=draft.overruled_weight, reason=draft.overruled_reason, by=draft.overruled_by)


def say_channels(channels: Channels | None) -> str:
    """How people hear of a change: `mail and banner`, `mail or banner`; empty where nobody is told."""
    if channels is None:
        return ""
    return (" or " if channels.any_of else " and ").join(WAYS[way] for way in channels.ways)


def people_at_last_count(session: Session) -> int | None:
    """How many people the last campaign that was counted to its end had; None before the first."""
    found = services().campaigns.standing(session)
    return next((one.total for one in found if one.counted and one.by_mail and one.total), None)
