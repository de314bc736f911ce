"""Why records that match a step stay all the same: what its store says blocks them, and which stand as their key alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from plans.deeds import DEEDS, to_work
from plans.holds import Hold, hold_condition
from plans.plan import Step, StepDeed
from stores.conditions import AnyOf, Condition
from stores.contract import Blocker, Explains, Store, Work
from stores.datamap import DataMap

_GO: Final = (StepDeed.DELETE, StepDeed.AGGREGATE)

Pins = tuple[tuple[str, Condition], ...]


@dataclass(frozen=True, kw_only=True)
class Staying:
    """`blockers`: each record that matches and stays under one of them; `emptied`: stubs that match no more."""

    blockers: tuple[Blocker, ...] = ()
    emptied: tuple[Blocker, ...] = ()

    @property
    def stubs(self) -> int:
        """Records that match and stand as their key alone: nothing more will be done about them."""
        return sum(one.rows or 0 for one in self.blockers if one.stub)

    @property
    def emptied_rows(self) -> int:
        return sum(one.rows or 0 for one in self.emptied)

    def unexplained(self, matching: int) -> int:
        """Of so many records that match, those that no blocker tells of."""
        if any(one.rows is None for one in self.blockers):
            return 0
        return max(0, matching - sum(one.rows or 0 for one in self.blockers))

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(one.why for one in (*self.blockers, *self.emptied))

    @property
    def open_words(self) -> tuple[str, ...]:
        """Of those that are still to go."""
        return tuple(one.why for one in self.blockers if not one.stub)

    @property
    def remedy(self) -> str:
        return " ".join(dict.fromkeys(one.remedy for one in self.blockers if one.remedy and not one.stub))


def ask_why(store: Store, step: Step, work: Work) -> Staying:
    """What the store says of the records that match a work after its batches; nothing where it cannot say."""
    if step.deed not in _GO or not isinstance(store, Explains):
        return Staying()
    told = store.blockers(work, step.id)
    return Staying(
        blockers=tuple(one for one in told if one.matches), emptied=tuple(one for one in told if not one.matches)
    )


def foresee(store: Store, step: Step, pins: Pins, before: Sequence[Step]) -> tuple[str, ...]:
    """The same before a run, as sentences for its preview. `before`: the steps of the plan that come before this one."""
    if step.deed not in _GO or step.deed not in DEEDS or not isinstance(store, Explains):
        return ()
    gone = tuple((one.at, one.where) for one in before if one.store == step.store and one.deed in _GO)
    work = replace(to_work(step, step.where), pins=pins, gone=gone)
    return tuple(f"{one.why}." for one in store.blockers(work))


def pins_of(step: Step, holds: Sequence[Hold], datamap: DataMap) -> Pins:
    """Which records that a step might loosen are under a hold, of whatever clause: they keep their pointer.

    A hold on a person finds records by it, and who looks into the matter has to see whose they are."""
    found: list[tuple[str, Condition]] = []
    for collection in datamap.collections:
        if collection.store != step.store or collection.at not in step.loosens:
            continue
        each = [hold_condition((replace(one, clause=None),), collection, step.clause, datamap) for one in holds]
        parts = tuple(condition for condition in each if condition is not None)
        if parts:
            found.append((collection.at, parts[0] if len(parts) == 1 else AnyOf(parts=parts)))
    return tuple(found)
