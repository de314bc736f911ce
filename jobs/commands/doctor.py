"""`kept doctor`: every store, mail, clock, key, migration and font checked; what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import click

from core.clock import iso_utc
from core.errors import CheckFailed, KeptError
from core.settings import CollectionSettings
from jobs.answers import Answer, answering, table
from jobs.mail_checks import check_signatures
from jobs.services import Services, Wiring
from ledger.succeeding import is_behind_clock
from plans.own import STORE as OWN_STORE
from policies.cutoffs import binding_clauses
from promises.silence import read_silences
from retention.seldom import too_seldom
from stores.contract import Advises

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
        found += [one for collection in kept.datamap.collections for one in _advice(kept, collection)]
        found += _name_taken(kept)
        found += [Examined(**vars(one)) for one in check_signatures(kept.settings.mail.dkim)]
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
        ("schedule", partial(_schedule_keeps, kept)),
        ("ledger", partial(_ledger_settles, kept)),
        ("checkpoints", partial(_checkpoints_are_kept, kept)),
        ("PDF", partial(_pdf_renders, kept)),
        ("mail", kept.mailer.check),
        *((f"mailbox {name}", check) for name, check in kept.inbox.boxes.checks()),
        *_webhook_checks(kept),
        ("scheduler", partial(_jobs_run, kept)),
    ]


def _webhook_checks(kept: Services) -> list[tuple[str, Callable[[], None]]]:
    """That each endpoint has an address that may be sent to; nothing is sent."""
    return [
        (f"webhook {one.host}", partial(kept.webhook_sender.require_address, one))
        for one in kept.webhooks.endpoints.values()
    ]


def _jobs_run(kept: Services) -> None:
    now = kept.clock.now()
    with kept.database.read() as session:
        silences = read_silences(session, now)
    if silences:
        raise CheckFailed(
            " ".join(one.words(now) for one in silences), remedy="Start `kept serve`, or look at its log if it runs."
        )


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


def _advice(kept: Services, collection: CollectionSettings) -> list[Examined]:
    """What the store has to say of a collection that is well: what makes work on it slow, or will be refused."""
    store = kept.datamap.store_of(collection)
    times = tuple(one for one in (collection.time, *collection.events.values()) if one is not None)
    try:
        said = store.findings(collection.at, times=times) if isinstance(store, Advises) else ()
    except KeptError:
        return []  # named above
    return [Examined(what=f"collection {collection.id}", state=one) for one in said]


def _name_taken(kept: Services) -> list[Examined]:
    """The two are kept apart, but whoever reads of a store `kept` could not know which one is meant."""
    if OWN_STORE not in kept.stores:
        return []
    said = "Kept's own database is the store 'kept' already, mapped and swept without a line in kept.yaml."
    return [Examined(what=f"store {OWN_STORE}", state=said, remedy="Give the store of kept.yaml another name.")]


def _policy_in_force(kept: Services) -> None:
    with kept.database.read() as session:
        if kept.policies.in_force(session) is None:
            raise CheckFailed("No version is in force.", remedy="Run `kept policy publish`.")


def _schedule_keeps(kept: Services) -> None:
    now = kept.clock.now()
    with kept.database.read() as session:
        history = kept.policies.history(session)
    clauses = [one.clause for one in binding_clauses(history, now)]
    found = [words for one in clauses if (words := too_seldom(one, kept.settings.sweep(one.id), now))]
    if found:
        raise CheckFailed(" ".join(found), remedy="Sweep it more often: `every:` under `sweeps:` in kept.yaml.")


def _ledger_settles(kept: Services) -> None:
    kept.ledger.settle()
    waiting = kept.ledger.waiting()
    if waiting.count:
        raise CheckFailed(
            f"{waiting.count} entries wait since {waiting.oldest_at}.",
            remedy="End the long transaction in the cluster.",
        )


def _checkpoints_are_kept(kept: Services) -> None:
    """The places have what they are owed, none contradicts the log, and the clock is not behind the last checkpoint."""
    latest, now = kept.ledger.latest(), kept.clock.now()
    if latest is not None and is_behind_clock(latest.at, now):
        raise CheckFailed(
            f"The clock is behind the last checkpoint, of {iso_utc(latest.at)}: it was set back.",
            remedy="Set it by NTP. The log's order does not hang on it; its times do.",
        )
    wrong = [one.name + ": " + (one.trouble or "it waits") for one in kept.kept_elsewhere.states() if one.is_away(now)]
    wrong += kept.kept_elsewhere.compare()
    if wrong:
        raise CheckFailed(" ".join(wrong), remedy="Run `kept ledger keep`, then `kept ledger verify`.")


def _pdf_renders(kept: Services) -> None:
    kept.pdf.render("<html lang=en><title>Kept</title><p>Kept</p></html>")
