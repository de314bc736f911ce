"""Which rule judges which kind of clause, of those that no store shows; a kind without a rule is broken, never silently fine."""

from __future__ import annotations

from datetime import datetime

from checks.nights import GOOD_FOR
from policies.clauses import (
    AcceptanceClause,
    AgeLimitClause,
    ChannelClause,
    Clause,
    CookieClause,
    NoticeClause,
    PledgeClause,
    ProcessorClause,
    PurposeClause,
    SafeguardClause,
)
from promises.looks import Look
from promises.mechanisms import (
    judge_acceptance,
    judge_age,
    judge_channel,
    judge_notice,
    judge_processor,
    judge_purpose,
)
from promises.states import NOT_CHECKED, Judgement, Unseen, judge_cookie


def judge_other(clause: Clause, look: Look, now: datetime) -> Judgement | Unseen:
    """What a machine can say of a clause of these kinds."""
    match clause:
        case PledgeClause() | SafeguardClause():
            who = f" ({clause.owner})" if clause.owner else ""
            return Unseen(why=f"Nobody vouches for it yet: whoever answers for it{who} has to say until when it holds.")
        case PurposeClause():
            return judge_purpose(look.purposes)
        case ChannelClause():
            return judge_channel(clause, look.mailboxes, now=now)
        case CookieClause():
            return judge_cookie(look.cookies(clause), good_for=GOOD_FOR, now=now)
        case NoticeClause():
            return judge_notice(clause, look.notices)
        case AcceptanceClause():
            return judge_acceptance(look.acceptances, now=now)
        case ProcessorClause():
            return judge_processor(look.forwarded(clause))
        case AgeLimitClause():
            return judge_age(look.of_minors)
        case _:
            return NOT_CHECKED
