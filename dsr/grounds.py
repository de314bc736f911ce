"""The grounds on which a request may be refused, read from `grounds.yaml`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from core.catalogue import catalogue
from core.errors import BadInput
from core.lined_yaml import load_lined
from policies.cites import cite
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

    def sentence(self, language: str) -> str:
        """The rule in words, as the mail says it."""
        return f"{catalogue(language).gettext(self.words)} ({cite(self.cite, language)})."


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


def extract_messages(*_of_babel: Any, **_options: Any) -> Iterator[tuple[int, None, str, list[str]]]:
    """The words of the grounds for the catalogues, as babel.cfg asks for them."""
    yield from ((1, None, ground.words, []) for rows in all_grounds().values() for ground in rows)


def _ground(regime: str, row: Mapping[str, Any]) -> Ground:
    rights = tuple(Right(name) for name in row.get("rights", ()))
    return Ground(**{**row, "rights": rights}, regime=regime)
