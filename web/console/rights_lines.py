"""The rights that change no record, put into lines for the page of a request: what will be done, what stands, appeals."""

from __future__ import annotations

from typing import Any, Final

from flask_login import current_user

from dsr.appeals import Outcome
from dsr.choices import KEEPS, MARKETING, SALE, SENSITIVE, Ground
from dsr.other_rights import RightOffer
from dsr.views import Act, TicketView
from policies.clauses import Right
from web.console.actors import actor_names, say_actor
from web.services import services

LISTS: Final = {SALE: "sale and sharing", MARKETING: "advertising", SENSITIVE: "sensitive data limited"}
GROUNDS: Final = {
    Ground.ACCURACY: "It may be wrong, and is checked: Art. 18(1)(a)",
    Ground.UNLAWFUL: "It is held unlawfully, and they do not want it deleted: Art. 18(1)(b)",
    Ground.CLAIMS: "They need it for a claim: Art. 18(1)(c)",
    Ground.OBJECTION: "They objected, and it is weighed: Art. 18(1)(d)",
}
COMPLAINTS: Final = (
    ("", "Choose one"),
    ("right", "It is right"),
    ("partly", "It is right in part"),
    ("wrong", "It is not right"),
)
APPEALS: Final = (("", "Choose one"), (Outcome.UPHELD, "The decision stands"), (Outcome.OVERTURNED, "It was wrong: go on with the request"))  # fmt: skip
EVERYONE: Final = (
    "Recorded as keyed hashes under the proven address, and under each identifier that stands beside it in an account."
)
BY_API: Final = "Host applications read it from now on: GET /api/v1/restrictions/ID, and the feed."
TOLD_AFTER: Final = "They get the answer by mail; what it says can be looked at first under Answers."


def rights_of(view: TicketView) -> dict[str, Any]:
    """What templates/console/ticket_rights.html shows."""
    kept, names = services().requests, actor_names()
    appeal, offer = kept.appeals.view(view.ref), kept.rights.offer(view.ref)
    standing = kept.restrictions.list(view.ref)
    return {
        "may": Act.CARRY_OUT in view.acts and not view.has_plan,
        "at_once": offer.at_once,
        "lines": _lines(view, offer),
        "offer": offer,
        "grounds": [("", "Choose one"), *((one.value, words) for one, words in GROUNDS.items())],
        "ground_words": GROUNDS,
        "complaints": COMPLAINTS,
        "standing": standing,
        "appeal": appeal,
        "appeals": APPEALS,
        "deciders": [say_actor(one, names) for one in appeal.deciders],
        "is_mine": current_user.operator.id in appeal.deciders,
        "restricts_meanwhile": _restricts_meanwhile(view),
        "is_appeal": view.line.right is Right.APPEAL,
    }


def _restricts_meanwhile(view: TicketView) -> bool:
    is_checked = view.line.right is Right.CORRECTION and view.identity_at is not None and not view.line.is_closed
    return is_checked or (view.line.right is Right.OBJECTION and Act.CARRY_OUT in view.acts)


def _lines(view: TicketView, offer: RightOffer) -> list[str]:
    """What will be done, before it is."""
    right = view.line.right
    if offer.lists:
        what = " and ".join(LISTS[one] for one in offer.lists)
        whom = EVERYONE if view.identity_at else "Only the address as it was typed: nobody’s account is looked for."
        return [f"On the list of opt-outs: {what}.", whom, TOLD_AFTER]
    if right is Right.WITHDRAW_CONSENT:
        return [
            "Every consent that stands for the accounts under the proven address ends, each with its entry.",
            TOLD_AFTER,
        ]
    if right is Right.OBJECTION:
        return ["The purposes you choose are stopped for this person.", EVERYONE, BY_API, TOLD_AFTER]
    if right is Right.RESTRICTION:
        return [EVERYONE, BY_API, _of_sweeps(offer.choice.ground), TOLD_AFTER]
    if right is Right.COMPLAINT:
        return ["Nothing is done to data. They get the outcome, your reasons, and where else to complain."]
    return []


def _of_sweeps(ground: Ground | None) -> str:
    if ground is None:
        return "Whether sweeps go on depends on the ground: under (b) and (c) a hold keeps the records."
    return (
        "A hold named “restriction” keeps the records from every sweep until it is lifted."
        if ground in KEEPS
        else "Sweeps go on: what is over its time is deleted as ever."
    )
