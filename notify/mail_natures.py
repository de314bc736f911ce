"""Which mails are essential: the rule stands beside each mail event, and a test wants one for every folder of templates/email."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from notify.suppression_tables import Purpose


class Nature(StrEnum):
    """Why a mail goes out. CODE: lets a person in, or asks whether it was them. ANSWER: about what they asked for. NOTICE: the
    law, or what was promised, wants people told. WORK: for those who do the work, here or elsewhere. NEWS: nobody has to be told; it can be
    declined."""

    CODE = "code"
    ANSWER = "answer"
    NOTICE = "notice"
    WORK = "work"
    NEWS = "news"


ESSENTIAL: Final = frozenset({Nature.CODE, Nature.ANSWER, Nature.NOTICE, Nature.WORK})

NATURES: Final[Mapping[str, Nature]] = MappingProxyType(
    {
        "address_confirm": Nature.CODE,
        "asker_confirm": Nature.CODE,
        "asker_permission": Nature.CODE,
        "contact_changed": Nature.CODE,
        "request_confirm": Nature.CODE,
        "status_code": Nature.CODE,
        "answered_by_hand": Nature.ANSWER,
        "appeal_decided": Nature.ANSWER,
        "asker_done": Nature.ANSWER,
        "asker_received": Nature.ANSWER,
        "asker_refused": Nature.ANSWER,
        "complaint_answered": Nature.ANSWER,
        "complaint_received": Nature.ANSWER,
        "correction_done": Nature.ANSWER,
        "deletion_cooling": Nature.ANSWER,
        "deletion_done": Nature.ANSWER,
        "mail_received": Nature.ANSWER,
        "message_from_us": Nature.ANSWER,
        "nothing_found": Nature.ANSWER,
        "package_ready": Nature.ANSWER,
        "request_acknowledged": Nature.ANSWER,
        "request_extended": Nature.ANSWER,
        "request_fee": Nature.ANSWER,
        "request_forwarded": Nature.ANSWER,
        "request_received": Nature.ANSWER,
        "request_refused": Nature.ANSWER,
        "restriction_ends": Nature.ANSWER,
        "right_carried_out": Nature.ANSWER,
        "policy_change": Nature.NOTICE,
        "policy_withdrawn": Nature.NOTICE,
        "alarm_over": Nature.WORK,
        "alarm_raised": Nature.WORK,
        "attestation_due": Nature.WORK,
        "customer_request": Nature.WORK,
        "hold_review": Nature.WORK,
        "ledger_checkpoint": Nature.WORK,
        "request_due": Nature.WORK,
        "request_gave_up": Nature.WORK,
        "sweep_waiting": Nature.WORK,
        "task_asked": Nature.WORK,
        "task_reminded": Nature.WORK,
        "task_withdrawn": Nature.WORK,
        "telling_asked": Nature.WORK,
        "telling_reminded": Nature.WORK,
        "telling_withdrawn": Nature.WORK,
        # The same mail about a change that takes nothing from anybody: told because the notice clause says so.
        "policy_change_minor": Nature.NEWS,
    }
)

# What is no essential mail can be declined, by each of these purposes; its one click declines the first.
DECLINED_BY: Final[Mapping[str, tuple[Purpose, ...]]] = MappingProxyType({"policy_change_minor": (Purpose.ALL_MAIL,)})


def declined_by(event: str) -> tuple[Purpose, ...]:
    """The purposes by which a mail can be declined: none for an essential one, and for one that has no nature yet."""
    if NATURES.get(event, Nature.ANSWER) in ESSENTIAL:
        return ()
    return DECLINED_BY.get(event, (Purpose.MARKETING, Purpose.ALL_MAIL))


# After a crash nobody knows whether a mail left. What a person or a deadline waits for is sent again rather than not at all;
# the rest waits for somebody to say whether it arrived, since nobody is told twice. Of the natures that are repeated, these
# are not: a second one would read as a second thing that happened.
REPEATED: Final = frozenset({Nature.CODE, Nature.ANSWER, Nature.WORK})
TOLD_ONCE: Final = frozenset(
    {
        "alarm_over",
        "mail_received",
        "message_from_us",
        "task_reminded",
        "task_withdrawn",
        "telling_reminded",
        "telling_withdrawn",
    }
)
# A link of theirs lets somebody in, or lets them act, as one of a code does.
LETS_IN: Final = frozenset(
    {"asker_received", "deletion_cooling", "task_asked", "task_reminded", "telling_asked", "telling_reminded"}
)


def nature_of(event: str) -> Nature:
    """The nature of a mail; one that nobody named is taken for an answer."""
    return NATURES.get(event, Nature.ANSWER)


def repeats_by_itself(event: str) -> bool:
    """Is a mail sent again when nobody knows whether it was handed over?"""
    return NATURES.get(event) in REPEATED and event not in TOLD_ONCE


def keeps_text(event: str) -> bool:
    """Is its text kept, for a while, once it was handed over? A code or a link that lets somebody in is for one reader."""
    return NATURES.get(event, Nature.CODE) is not Nature.CODE and event not in LETS_IN
