"""`kept doctor`: every store, mail, clock, key, migration and font checked; what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import click

from core.errors import CheckFailed, KeptError
from jobs.answers import Answer, answering, table
from jobs.services import Services, Wiring

CLOCKS_AGREE = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Examined:
    """One thing that was looked at."""

    what: str
    state: str
    remedy: str = ""
    exit_status: int = 0


@click.command()
@click.pass_obj
@answering
def doctor(wiring: Wiring) -> Answer:
    """Check every store, mail, clock, the policy, the ledger and PDF; say what is wrong and what to do."""
    with wiring.open_services(None) as kept:
        found = [_examine(name, check) for name, check in _checks(kept)]
    rows = [[one.what, one.state, one.remedy] for one in found]
    return Answer(
        data=[vars(one) for one in found],
        lines=[table("", ["what", "state", "what to do"], rows)],
        exit_status=max(one.exit_status for one in found),
    )


def _examine(name: str, check: Callable[[], None]) -> Examined:
    try:
        check()
    except KeptError as error:
        return Examined(what=name, state=error.message, remedy=error.remedy, exit_status=error.exit_status)
    return Examined(what=name, state="well")


def _checks(kept: Services) -> list[tuple[str, Callable[[], None]]]:
    checks: list[tuple[str, Callable[[], None]]] = [("control database", kept.database.ping)]
    for name, store in kept.stores.items():
        checks.append((f"store {name}", store.ping))
        checks.append((f"clock of {name}", partial(_clock_agrees, kept, name)))
    for collection in kept.datamap.collections:
        checks.append((f"collection {collection.id}", partial(_collection_is_there, kept, collection.id)))
    return [
        *checks,
        ("policy", partial(_policy_in_force, kept)),
        ("ledger", partial(_ledger_settles, kept)),
        ("PDF", partial(_pdf_renders, kept)),
        ("mail", kept.mailer.check),
    ]


def _clock_agrees(kept: Services, name: str) -> None:
    apart = abs(kept.stores[name].now() - kept.clock.now())
    if apart > CLOCKS_AGREE:
        raise CheckFailed(
            f"It is {apart.total_seconds():.0f} s off.", remedy="Set both clocks by NTP; sweeps are refused until then."
        )


def _collection_is_there(kept: Services, collection_id: str) -> None:
    collection = kept.datamap.collection(collection_id)
    shape = kept.datamap.store_of(collection).shape(collection.at)
    named = [collection.time, *collection.events.values()]
    for field in (
        [one.name for one in named if one] + list(collection.identifies.values()) + [r.field for r in collection.person]
    ):
        if shape.fields and not shape.has(field):
            raise CheckFailed(f"It has no field '{field}'.", remedy="Correct the collection in kept.yaml.")


def _policy_in_force(kept: Services) -> None:
    with kept.database.read() as session:
        if kept.policies.in_force(session) is None:
            raise CheckFailed("No version is in force.", remedy="Run `kept policy publish`.")


def _ledger_settles(kept: Services) -> None:
    kept.ledger.settle()
    waiting = kept.ledger.waiting()
    if waiting.count:
        raise CheckFailed(
            f"{waiting.count} entries wait since {waiting.oldest_at}.",
            remedy="End the long transaction in the cluster.",
        )


def _pdf_renders(kept: Services) -> None:
    kept.pdf.render("<html lang=en><title>Kept</title><p>Kept</p></html>")
