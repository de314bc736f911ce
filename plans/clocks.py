"""The clocks of stores: the moment that a run counts back from, and the refusal of one that is off."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from core.errors import CheckFailed
from plans.plan import Plan, StepDeed
from stores.contract import Capability, Store, StoreUnreachable

SKEW: Final = timedelta(minutes=1)
_TIMELESS: Final = (StepDeed.EXPORT, StepDeed.ASK)


def earliest(stores: Mapping[str, Store], own: datetime) -> datetime:
    """The earliest that the stores' clocks and this machine's say. A clock that is off holds nobody else up: what its own
    store is asked to do is refused."""
    instants = [own]
    for store in stores.values():
        if Capability.OWN_CLOCK in store.capabilities:
            try:
                told = store.now()
            except StoreUnreachable:
                continue  # its steps will say so
            instants += [told] if abs(told - own) <= SKEW else []
    return min(instants)


def refuse_wrong(plan: Plan, stores: Mapping[str, Store], own: datetime) -> None:
    """Raises CheckFailed where a store that the plan works on has a clock that is off."""
    for name in {step.store for step in plan.steps if step.deed not in _TIMELESS}:
        try:
            apart = abs(stores[name].now() - own)
        except StoreUnreachable:
            continue  # its steps will say so
        if apart > SKEW:
            raise CheckFailed(
                f"The clock of the store {name} is {apart.total_seconds():.0f} s away from this machine's.",
                remedy="Set both clocks; nothing is swept until they agree within a minute.",
            )
