"""What a step asks of its store: the deed, what the store must be able to do for it, and which records are still to do."""

from typing import Final

from plans.plan import Step, StepDeed
from stores.conditions import AllOf, Condition
from stores.contract import Capability, Deed, Store, Work, unfinished
from stores.datamap import DataMap

DEEDS: Final = {
    StepDeed.DELETE: Deed.DELETE,
    StepDeed.REVOKE: Deed.SET_TIME,
    StepDeed.REDACT: Deed.REDACT,
    StepDeed.ANONYMISE: Deed.ANONYMISE,
    StepDeed.AGGREGATE: Deed.AGGREGATE,
    StepDeed.CORRECT: Deed.CORRECT,
}
NEEDED: Final = {
    StepDeed.DELETE: frozenset({Capability.DELETE}),
    StepDeed.REVOKE: frozenset({Capability.SET_TIME}),
    StepDeed.REDACT: frozenset({Capability.REDACT}),
    StepDeed.ANONYMISE: frozenset({Capability.ANONYMISE}),
    # What became a total cannot be counted again: only a receipt in the same transaction says that it was done.
    StepDeed.AGGREGATE: frozenset({Capability.AGGREGATE, Capability.RECEIPTS}),
    StepDeed.CORRECT: frozenset({Capability.CORRECT}),
}


def to_work(step: Step, where: Condition, *, batch_rows: int = 5_000) -> Work:
    """The step as a store does it, over the records for which `where` holds."""
    return Work(
        deed=DEEDS[step.deed],
        at=step.at,
        where=where,
        order_by=step.time,
        field=step.field,
        value=step.value,
        fields=step.fields,
        corrections=step.corrections,
        totals=step.totals,
        loosens=step.loosens,
        batch_rows=batch_rows,
    )


def undone(step: Step, where: Condition) -> Condition:
    """The records for which `where` holds and which the step would still change: none of them, and it is done."""
    return unfinished(to_work(step, where))


def untouched(step: Step) -> Condition:
    """All records that the step's deed has not been done to: those that are there, or that still say what it takes away."""
    every = AllOf(parts=())
    goes = step.deed in (StepDeed.DELETE, StepDeed.AGGREGATE) or step.deed not in DEEDS
    return every if goes else undone(step, every)


def loosened(datamap: DataMap, store: Store) -> tuple[str, ...]:
    """The collections whose kept records may lose a declared pointer at a record that goes: all mapped ones of its store."""
    if Capability.THROUGH not in store.capabilities:
        return ()
    return tuple(dict.fromkeys(one.at for one in datamap.collections if one.store == store.name))
