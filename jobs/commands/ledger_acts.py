"""`kept ledger keep|checkpoint|cosign|rotate-key|accept-rollback`: what a person does with checkpoints and keys."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from jobs.actor import command_actor
from jobs.answers import Answer, answering
from jobs.services import Wiring


@click.command()
@click.pass_obj
@answering
def keep(wiring: Wiring) -> Answer:
    """Bring the latest checkpoint to every place of kept.yaml now, and say how each stands."""
    with wiring.open_services(None) as kept:
        kept.ledger.settle()
        states = kept.kept_elsewhere.keep_now()
        wrong = kept.kept_elsewhere.compare()
    lines = [
        f"{one.name}: {one.trouble or 'has the checkpoint over ' + str(one.kept_size) + ' entries'}" for one in states
    ]
    if not states:
        lines = ["kept.yaml names no place under `ledger.checkpoints`."]
    bad = any(one.waits for one in states) or bool(wrong)
    return Answer(
        data={"places": [asdict(one) for one in states], "wrong": wrong},
        lines=[*lines, *wrong],
        exit_status=3 if bad else 0,
    )


@click.command()
@click.pass_obj
@answering
def checkpoint(wiring: Wiring) -> Answer:
    """Print the latest signed checkpoint, with the cosignatures of witnesses."""
    with wiring.open_services(None) as kept:
        kept.ledger.settle()
        note = kept.ledger.checkpoint_note()
    return Answer(data={"checkpoint": note}, lines=[note.rstrip("\n")])


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.pass_obj
@answering
def cosign(wiring: Wiring, file: Path) -> Answer:
    """Keep the cosignatures of known witnesses under the checkpoint in FILE."""
    with wiring.open_services(None) as kept:
        number = kept.ledger.cosign(file.read_text(encoding="utf-8"))
    return Answer(data={"new": number}, lines=[f"{number} new cosignatures are kept."])


@click.command("rotate-key")
@click.option("--reason", required=True, help="Why; it is recorded.")
@click.option("--lost", is_flag=True, help="The key before is gone: nobody who holds only that can follow past here.")
@click.pass_obj
@answering
def rotate_key(wiring: Wiring, reason: str, lost: bool) -> Answer:
    """Sign with another key from now on. The old key signs the entry that names the new one."""
    with wiring.open_services(None) as kept:
        acts = kept.ledger.succeeding
        before, after = (acts.replace_lost if lost else acts.rotate)(by=command_actor(), reason=reason)
        kept.ledger.settle()
        key = str(kept.ledger.key)
    return Answer(
        data={"before": before.hex(), "after": after.hex(), "key": key},
        lines=["The key is changed. Publish the new one beside the old:", key],
    )


@click.command("accept-rollback")
@click.option("--reason", required=True, help="Why the database was put back; it is recorded.")
@click.pass_obj
@answering
def accept_rollback(wiring: Wiring, reason: str) -> Answer:
    """Account for a database that was put back behind its last checkpoint, and go on."""
    with wiring.open_services(None) as kept:
        now = kept.ledger.accept_rollback(by=command_actor(), reason=reason)
        key = str(kept.ledger.key)
    return Answer(
        data={"size": now.size, "key": key},
        lines=[
            f"It is recorded with both heads. The ledger goes on after {now.size} entries as {key.partition('+')[0]}."
        ],
    )


ACTS = (keep, checkpoint, cosign, rotate_key, accept_rollback)
