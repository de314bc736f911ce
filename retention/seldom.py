"""Whether a clause is swept too seldom for what it promises. Pure."""

from datetime import datetime
from itertools import pairwise

from core.settings import SweepSettings
from core.words import span
from policies.clauses import RetentionClause
from retention.schedule import DAY, due_instants


def too_seldom(clause: RetentionClause, settings: SweepSettings, now: datetime) -> str:
    """Why the schedule cannot keep the clause, in a sentence; '' where it can. In UTC: an hour that a summer takes is none."""
    instants = due_instants(settings, "UTC", after=now, until=now + 3 * max(settings.every, DAY))
    longest = max(later - earlier for earlier, later in pairwise(instants))
    if clause.within.before(now) > now - longest:
        return (
            f"{clause.id} is swept every {span(longest)}, and the work may take {clause.within.words()}: "
            "between two runs its promise is broken."
        )
    if clause.period is not None and clause.period.before(now) > now - longest:
        return (
            f"{clause.id} is swept every {span(longest)}, which is longer than the {clause.period.words()} it promises: "
            "a record may stay more than twice as long."
        )
    return ""
