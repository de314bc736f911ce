"""How each right is carried out: by a plan over the stores, by Kept itself at once, by a decision, or in an operator's words."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from policies.clauses import Right


class Way(StrEnum):
    """PLAN: a plan over the stores, which an operator approves. AT_ONCE: by Kept itself, as soon as the address is shown.
    DECIDED: an operator decides, then Kept does it. ANSWERED: an operator answers, and nothing else is done."""

    PLAN = "plan"
    AT_ONCE = "at_once"
    DECIDED = "decided"
    ANSWERED = "answered"


@dataclass(frozen=True, kw_only=True)
class How:
    """`by_hand`: it may also be done elsewhere, and told in an operator's words. `on_form`: the public form offers it; an
    appeal begins on the page of the request that it is against."""

    way: Way
    by_hand: bool = True
    on_form: bool = True


# In the order in which the form offers them: what people ask for most comes first.
HOW: Final[Mapping[Right, How]] = {
    Right.ACCESS: How(way=Way.PLAN, by_hand=False),
    Right.DELETION: How(way=Way.PLAN, by_hand=False),
    Right.CORRECTION: How(way=Way.PLAN),
    Right.OPT_OUT: How(way=Way.AT_ONCE),
    Right.OBJECTION: How(way=Way.DECIDED),  # to advertising: at once
    Right.WITHDRAW_CONSENT: How(way=Way.AT_ONCE),
    Right.RESTRICTION: How(way=Way.DECIDED),
    Right.PORTABILITY: How(way=Way.PLAN, by_hand=False),
    Right.LIMIT_SENSITIVE: How(way=Way.AT_ONCE),
    Right.COMPLAINT: How(way=Way.ANSWERED),
    Right.APPEAL: How(way=Way.DECIDED, by_hand=False, on_form=False),
}


def by_plan(right: Right) -> bool:
    """Whether a plan over the stores carries a right out."""
    return HOW[right].way is Way.PLAN


def by_hand(right: Right) -> bool:
    """Whether a right may be done elsewhere, and answered in an operator's words."""
    return HOW[right].by_hand
