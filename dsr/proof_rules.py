"""What must be shown before a request is carried out, read from `proof.yaml`: by law, by right and by what the map holds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from core.catalogue import mark
from core.lined_yaml import load_lined
from policies.clauses import Right

_FILE: Final = Path(__file__).with_name("proof.yaml")
ANY: Final = "any"
# What a person is asked for, as their page names it.
POINT_WORDS: Final[Mapping[str, str]] = {
    "user_id": mark("Your customer or account number"),
    "username": mark("Your user name"),
    "name": mark("Your name, as it stands in your account"),
    "company": mark("The company in your account"),
    "phone": mark("The telephone number in your account"),
    "postal_code": mark("The postal code in your account"),
    "city": mark("The city in your account"),
    "order_number": mark("The number of one of your orders"),
    "invoice_number": mark("The number of one of your invoices"),
}
POINT_NAMES: Final[Mapping[str, str]] = {kind: kind.replace("_", " ") for kind in POINT_WORDS}
DECLARATION: Final = mark(
    "I declare under penalty of perjury under the laws of the State of California that I am the person whose data this "
    "request is about."
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What it takes under one law. `points`: how many must match, the proven contact being the first. `step_up`: how many
    before account numbers and government ids go out, None for never. `categories`: enough to be told what kinds of data
    are held, where that takes less than the data."""

    regime: str
    points: int
    declaration: bool
    step_up: int | None
    categories: int | None
    cite: str
    verified: bool

    @property
    def weight(self) -> tuple[int, bool]:
        return (self.points, self.declaration)


@dataclass(frozen=True, kw_only=True)
class _Row:
    rights: frozenset[Right]
    points: int
    sensitive: int
    declaration: bool
    step_up: int | None
    categories: int | None
    cite: str
    verified: bool


@dataclass(frozen=True, kw_only=True)
class _Rules:
    tries: int
    sensitive: tuple[str, ...]
    regimes: Mapping[str, tuple[_Row, ...]]


def rule_for(regime: str | None, candidates: Sequence[str], right: Right, *, is_sensitive: bool) -> Rule:
    """The rule of a request. Without a regime the one of the policy's that asks for the least: nobody is asked for more than
    a law that is known to hold wants; an operator who sets the regime sets the rule."""
    found = [_rule(name, right, is_sensitive) for name in ([regime] if regime else list(candidates) or [ANY])]
    return min(found, key=lambda rule: rule.weight)


def most_tries() -> int:
    """How often a person may offer points for one request."""
    return _rules().tries


def is_sensitive(keys: Collection[str]) -> bool:
    """Whether one of these Fideslang keys is of those that hurt most in other hands."""
    return any(_under(key, _rules().sensitive) for key in keys)


def _rule(regime: str, right: Right, is_sensitive: bool) -> Rule:
    rows = _rules().regimes.get(regime) or _rules().regimes[ANY]
    row = next(one for one in rows if not one.rights or right in one.rights)
    return Rule(
        regime=regime,
        points=row.sensitive if is_sensitive else row.points,
        declaration=row.declaration,
        step_up=row.step_up,
        categories=row.categories,
        cite=row.cite,
        verified=row.verified,
    )


@cache
def _rules() -> _Rules:
    data = load_lined(_FILE.read_text(encoding="utf-8"), source=_FILE.name).data
    return _Rules(
        tries=data["tries"],
        sensitive=tuple(data["sensitive"]),
        regimes={name: tuple(_row(row) for row in rows) for name, rows in data["regimes"].items()},
    )


def _row(row: Mapping[str, Any]) -> _Row:
    return _Row(
        rights=frozenset(Right(name) for name in row.get("rights", ())),
        points=row["points"],
        sensitive=row.get("sensitive", row["points"]),
        declaration=row.get("declaration", False),
        step_up=row.get("step_up"),
        categories=row.get("categories"),
        cite=row["cite"],
        verified=row["verified"],
    )


def _under(key: str, roots: Sequence[str]) -> bool:
    return any(key == root or key.startswith(f"{root}.") for root in roots)
