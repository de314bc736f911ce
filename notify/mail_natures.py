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
        "correction_done": Nature.ANSWER,
        "deletion_cooling": Nature.ANSWER,
        "deletion_done": Nature.ANSWER,
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
        "customer_request": Nature.WORK,
        "hold_review": Nature.WORK,
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
