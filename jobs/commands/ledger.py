"""`kept ledger`: verify the log, prove what stands in it, take a copy along."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from jobs.answers import Answer, answering
from jobs.services import Wiring
from ledger.export import verify_file
from ledger.verify import Verification


@click.group()
def ledger() -> None:
    """Verify the log and prove what stands in it."""


def _answer(checked: Verification, what: str) -> Answer:
    data: dict[str, Any] = {
        "ok": checked.ok,
        "size": checked.size,
        "root": checked.root_hex,
        "checkpoints": checked.checkpoints,
        "unsettled": checked.unsettled,
        "findings": [asdict(one) for one in checked.findings],
    }
    if checked.ok:
        lines = [
            f"{what} verifies: {checked.size} entries, {checked.checkpoints} checkpoints, root {checked.root_hex}."
        ]
    else:
        lines = [one.problem for one in checked.findings]
        lines.append(f"{what} does not verify: {len(checked.findings)} findings in {checked.size} entries.")
    return Answer(data=data, lines=list(lines), exit_status=0 if checked.ok else 1)


@ledger.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.pass_obj
@answering
def verify(wiring: Wiring, file: Path | None) -> Answer:
    """Check every entry, the tree over them and every checkpoint; with FILE, an export, without any database."""
    if file is not None:
        return _answer(verify_file(file), str(file))
    with wiring.open_services(None) as kept:
        kept.ledger.settle()
        return _answer(kept.ledger.verify(), "The ledger")


@ledger.command()
@click.argument("ref")
@click.pass_obj
@answering
def prove(wiring: Wiring, ref: str) -> Answer:
    """Print a proof file for each entry about REF, such as version:1 or clause:request-logs."""
    with wiring.open_services(None) as kept:
        kept.ledger.settle()
        proofs = kept.ledger.prove(ref)
    return Answer(data={"ref": ref, "proofs": proofs}, lines=list(proofs))


@ledger.command()
@click.option("-o", "--output", "output", type=click.Path(path_type=Path), required=True, help="The file to write.")
@click.pass_obj
@answering
def export(wiring: Wiring, output: Path) -> Answer:
    """Write the whole ledger to a file that `kept ledger verify FILE` checks anywhere."""
    with wiring.open_services(None) as kept:
        kept.ledger.settle()
        size = kept.ledger.export(output)
    return Answer(data={"file": str(output), "entries": size}, lines=[f"Wrote {size} entries to {output}."])
