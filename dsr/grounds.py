"""The grounds on which a request may be refused, read from `grounds.yaml`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from core.errors import BadInput
from core.lined_yaml import load_lined
from policies.clauses import Right

_FILE: Final = Path(__file__).with_name("grounds.yaml")
ANY: Final = "any"


@dataclass(frozen=True, kw_only=True)
class Ground:
    """One ground. `rights` empty: against any right. Not `verified`: shown to operators as such."""

    id: str
    regime: str
    words: str
    cite: str
    verified: bool
    rights: tuple[Right, ...] = ()

    @property
    def sentence(self) -> str:
        """The rule in words, as the mail says it."""
        return f"{self.words} ({self.cite})."


@cache
def all_grounds() -> Mapping[str, tuple[Ground, ...]]:
    """Every ground, by regime; `any` holds those of regimes that have none of their own."""
    data = load_lined(_FILE.read_text(encoding="utf-8"), source=_FILE.name).data
    return {regime: tuple(_ground(regime, row) for row in rows) for regime, rows in data.items()}


def grounds_for(regimes: Sequence[str], right: Right) -> tuple[Ground, ...]:
    """What can be said against a right under these regimes, each ground once."""
    found: dict[str, Ground] = {}
    for regime in regimes:
        for ground in all_grounds().get(regime, all_grounds()[ANY]):
            if not ground.rights or right in ground.rights:
                found.setdefault(ground.id, ground)
    return tuple(found.values())


def find_ground(ground_id: str, regimes: Sequence[str], right: Right) -> Ground:
    """The ground of this name. Raises BadInput, naming those there are."""
    offered = grounds_for(regimes, right)
    for ground in offered:
        if ground.id == ground_id:
            return ground
    raise BadInput(
        f"'{ground_id}' is no ground for refusing {right.value}.",
        remedy=f"Use one of: {', '.join(ground.id for ground in offered)}.",
    )


def _ground(regime: str, row: Mapping[str, Any]) -> Ground:
    rights = tuple(Right(name) for name in row.get("rights", ()))
    return Ground(**{**row, "rights": rights}, regime=regime)
