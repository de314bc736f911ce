"""Where the bucket's own lifecycle says something else than the clause."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any


def find_disagreements(
    rules: Sequence[Mapping[str, Any]], heads: Sequence[str], *, versions: bool, period: timedelta | None
) -> tuple[str, ...]:
    """A sentence each. `heads`: what the keys of the collection begin with; `period`: the clause's, where it is known."""
    found: list[str] = []
    for rule in rules:
        prefix = _prefix(rule)
        if rule.get("Status") == "Enabled" and any(h.startswith(prefix) or prefix.startswith(h) for h in heads):
            found += _of_rule(rule, f"The bucket's rule '{rule.get('ID', 'without a name')}'", versions, period)
    return tuple(found)


def _of_rule(rule: Mapping[str, Any], who: str, versions: bool, period: timedelta | None) -> Iterator[str]:
    days = rule.get("Expiration", {}).get("Days")
    older = rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays")
    for number, what in ((days, "objects"), (older, "older versions")):
        if number is None:
            continue
        if period is None:
            yield f"{who} removes {what} after {number} days: no hold and no exception of a clause binds it."
        elif timedelta(days=number) > period:
            yield f"{who} keeps {what} for {number} days, the clause for {period.days}: the sweep comes first."
        elif timedelta(days=number) < period:
            yield f"{who} removes {what} after {number} days, the clause after {period.days}: no hold binds the rule."
    if versions and days is not None and older is None:
        yield f"{who} only hides objects after {days} days: the bucket keeps their older versions."


def _prefix(rule: Mapping[str, Any]) -> str:
    chosen = rule.get("Filter", {})
    return str(chosen.get("Prefix") or chosen.get("And", {}).get("Prefix") or rule.get("Prefix") or "")
