"""What must be shown by somebody who asks for somebody else, read from `askers.yaml`: by kind, by law and by right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

from core.lined_yaml import load_lined
from policies.clauses import Right

_FILE: Final = Path(__file__).with_name("askers.yaml")
ANY: Final = "any"


class AskerKind(StrEnum):
    """Who asks. SELF: the person. AGENT: somebody they permitted. GUARDIAN: for somebody who cannot act. CUSTOMER: the one
    that we hold the data for."""

    SELF = "self"
    AGENT = "agent"
    PARENT = "parent"
    GUARDIAN = "guardian"
    CUSTOMER = "customer"
    HEIR = "heir"
    LAWYER = "lawyer"


class Item(StrEnum):
    """One thing that is shown; what each means stands in askers.yaml."""

    PERMISSION = "permission"
    POWER_OF_ATTORNEY = "power_of_attorney"
    CONFIRMED = "confirmed"
    IDENTITY = "identity"
    ACCOUNT = "account"
    PARENT_CONTACT = "parent_contact"
    APPOINTMENT = "appointment"
    DEATH = "death"
    INHERITANCE = "inheritance"
    MANDATE = "mandate"
    INSTRUCTION = "instruction"
    JUDGED = "judged"


class Minor(StrEnum):
    """How old somebody under age is."""

    UNDER_13 = "under_13"
    FROM_13_TO_15 = "from_13_to_15"
    FROM_16_TO_17 = "from_16_to_17"

    @property
    def oldest(self) -> int:
        """The most years that somebody of this age can have."""
        return {Minor.UNDER_13: 12, Minor.FROM_13_TO_15: 15, Minor.FROM_16_TO_17: 17}[self]


class AnswerTo(StrEnum):
    """Who gets the answer. PERSON unless the permission says otherwise; ASKER alone for somebody who is dead or cannot act."""

    PERSON = "person"
    BOTH = "both"
    ASKER = "asker"


class Dispute(StrEnum):
    """What follows when the person says that they know nothing of it."""

    REFUSE = "refuse"
    STOP = "stop"


# What only the person can do, or what shows itself: no operator ticks it.
BY_THEMSELVES: Final = frozenset({Item.CONFIRMED, Item.IDENTITY, Item.ACCOUNT})
# Of these the answer may go to the asker alone: nobody else could read it.
ALONE: Final = frozenset({AskerKind.HEIR, AskerKind.GUARDIAN, AskerKind.PARENT})
ITEM_WORDS: Final[Mapping[Item, str]] = {
    Item.PERMISSION: "a signed permission",
    Item.POWER_OF_ATTORNEY: "a power of attorney",
    Item.CONFIRMED: "the person’s word that they gave it",
    Item.IDENTITY: "the person’s own proof of who they are",
    Item.ACCOUNT: "control of the address in the account",
    Item.PARENT_CONTACT: "the parent’s address, as it stands in the account",
    Item.APPOINTMENT: "the paper that appoints them",
    Item.DEATH: "a paper that shows the death",
    Item.INHERITANCE: "a paper that shows who the heirs are",
    Item.MANDATE: "the lawyer’s mandate",
    Item.INSTRUCTION: "the customer’s instruction",
    Item.JUDGED: "an operator’s judgement, with its reason",
}
KIND_NAMES: Final[Mapping[AskerKind, str]] = {
    AskerKind.SELF: "The person",
    AskerKind.AGENT: "An agent",
    AskerKind.PARENT: "A parent",
    AskerKind.GUARDIAN: "Somebody for one who cannot act",
    AskerKind.CUSTOMER: "A customer we hold the data for",
    AskerKind.HEIR: "An heir",
    AskerKind.LAWYER: "A lawyer",
}
MINOR_NAMES: Final[Mapping[Minor, str]] = {
    Minor.UNDER_13: "Under 13",
    Minor.FROM_13_TO_15: "13 to 15",
    Minor.FROM_16_TO_17: "16 or 17",
}


@dataclass(frozen=True, kw_only=True)
class AskerRule:
    """What it takes. `ways`: any one of them is enough. `proves`: it stands in place of the person's own points."""

    kind: AskerKind
    regime: str
    ways: tuple[tuple[Item, ...], ...]
    proves: bool
    dispute: Dispute
    cite: str
    verified: bool

    @property
    def items(self) -> tuple[Item, ...]:
        """Everything that can be shown here, each once."""
        return tuple(dict.fromkeys(item for way in self.ways for item in way))

    @property
    def weight(self) -> int:
        return min(len(way) for way in self.ways)


@dataclass(frozen=True, kw_only=True)
class Note:
    """What an operator has to know of a kind or an age. `bars`: the person cannot ask alone under this law."""

    words: str
    cite: str
    verified: bool
    bars: bool = False


def rule_for(kind: AskerKind, regime: str | None, candidates: Sequence[str], right: Right) -> AskerRule:
    """The rule of a request. Without a regime the one of the policy's that asks for least, as for other proof."""
    found = [_rule(kind, name, right) for name in ([regime] if regime else list(candidates) or [ANY])]
    return min(found, key=lambda rule: rule.weight)


def notes_for(kind: AskerKind, minor: Minor | None, regime: str | None, candidates: Sequence[str]) -> tuple[Note, ...]:
    """What to know of a kind and an age. A bar needs a law that is known to hold: where it may be another, it is only told."""
    laws = [regime] if regime else list(candidates)
    data = _rules()
    rows = [*data["notes"].get(kind.value, ()), *(data["minors"][minor.value] if minor else ())]
    return tuple(
        Note(
            words=row["words"],
            cite=row["cite"],
            verified=row["verified"],
            bars=bool(row.get("bars")) and kind is AskerKind.SELF and len(laws) == 1,
        )
        for row in rows
        if "regimes" not in row or set(row["regimes"]) & set(laws)
    )


def _rule(kind: AskerKind, regime: str, right: Right) -> AskerRule:
    by_law = _rules()["kinds"][kind.value]
    rows = by_law["regimes"].get(regime) or by_law["regimes"][ANY]
    row = next(one for one in rows if right.value in one.get("rights", (right.value,)))
    return AskerRule(
        kind=kind,
        regime=regime,
        ways=tuple(tuple(Item(name) for name in way) for way in row["ways"]),
        proves=row.get("proves", False),
        dispute=Dispute(by_law["dispute"]),
        cite=row["cite"],
        verified=row["verified"],
    )


@cache
def _rules() -> Mapping[str, Any]:
    return dict(load_lined(_FILE.read_text(encoding="utf-8"), source=_FILE.name).data)
