"""`kept ledger`: verify the log, prove what stands in it, take a copy along, keep its checkpoints elsewhere."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from jobs.actor import command_actor
from jobs.answers import Answer, answering
from jobs.commands.ledger_acts import ACTS
from jobs.progress import showing_progress
from jobs.services import Wiring
from ledger.export import verify_file, write_verifier
from ledger.places import split_notes
from ledger.proof_files import write_proof_files
from ledger.verify import Verification


@click.group()
def ledger() -> None:
    """Verify the log and prove what stands in it."""


for _act in ACTS:
    ledger.add_command(_act)


def _answer(checked: Verification, what: str, places: list[str]) -> Answer:
    ok = checked.ok and not places
    data: dict[str, Any] = {
        "ok": ok,
        "size": checked.size,
        "root": checked.root_hex,
        "checkpoints": checked.checkpoints,
        "unsettled": checked.unsettled,
        "findings": [asdict(one) for one in checked.findings],
        "places": places,
        "notes": list(checked.notes),
        "key": checked.key,
    }
    lines = [*checked.notes, *(one.problem for one in checked.findings), *places]
    if ok:
        said = f"{what} verifies: {checked.size} entries, {checked.checkpoints} checkpoints, root {checked.root_hex}."
        return Answer(data=data, lines=[*lines, said])
    number = len(checked.findings) + len(places)
    return Answer(
        data=data,
        lines=[*lines, f"{what} does not verify: {number} findings in {checked.size} entries."],
        exit_status=1,
    )


@ledger.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--key", help="The public key that an export is checked with; without it the file's own.")
@click.option(
    "--seen",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A file with checkpoints that somebody kept; they must still hold.",
)
@click.pass_obj
@answering
def verify(wiring: Wiring, file: Path | None, key: str | None, seen: tuple[Path, ...]) -> Answer:
    """Check every entry, the tree over them, every checkpoint, those kept elsewhere, and that the tables agree; with FILE, an
    export, without any database."""
    kept_notes = [note for path in seen for note in read_notes(path)]
    if file is not None:
        return _answer(verify_file(file, key=key, seen=kept_notes), str(file), [])
    with wiring.open_services(None) as kept, showing_progress() as progress:
        if not kept.ledger.is_behind():
            kept.ledger.settle()
        notes, troubles = kept.kept_elsewhere.read_all()
        checked = kept.ledger.verify(
            seen=[*notes, *kept_notes], on_progress=lambda done, total: progress("entries", done, total)
        )
        return _answer(checked, "The ledger", [*troubles, *kept.kept_elsewhere.find_missing()])


@ledger.command()
@click.argument("ref")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A folder for the files; it is made.")
@click.pass_obj
@answering
def prove(wiring: Wiring, ref: str, output: Path | None) -> Answer:
    """Print a proof file for each entry about REF, such as version:1 or clause:request-logs, or write them to a folder."""
    with wiring.open_services(None) as kept:
        kept.ledger.settle()
        proofs, key = kept.ledger.proofs(ref), str(kept.ledger.key)
    data = {"ref": ref, "key": key, "proofs": [one.text for one in proofs]}
    if output is None:
        return Answer(data=data, lines=[one.text for one in proofs])
    write_proof_files(output, ref, key, proofs)
    said = f"Wrote {len(proofs)} proofs to {output}. `python verify_kept.py proofs.json` there checks them."
    return Answer(data={**data, "folder": str(output)}, lines=[said])


@ledger.command()
@click.option("-o", "--output", "output", type=click.Path(path_type=Path), required=True, help="The file to write.")
@click.pass_obj
@answering
def export(wiring: Wiring, output: Path) -> Answer:
    """Write the whole ledger to a file, and beside it the program that checks it anywhere."""
    with wiring.open_services(None) as kept:
        kept.ledger.settle()
        size = kept.ledger.export(output)
        key = str(kept.ledger.key)
    program = write_verifier(output.parent)
    return Answer(
        data={"file": str(output), "entries": size, "verifier": str(program), "key": key},
        lines=[
            f"Wrote {size} entries to {output}.",
            f"To check it without Kept: python {program} {output}",
            f"Key: {key}",
        ],
    )


@ledger.command()
@click.argument("ref")
@click.option("--reason", required=True, help="Why; it is recorded.")
@click.pass_obj
@answering
def forget(wiring: Wiring, ref: str, reason: str) -> Answer:
    """Throw away the salts and private parts of every entry about REF, such as ticket:R-…; the entries and the tree stay."""
    with wiring.open_services(None) as kept:
        number = kept.ledger.forget_about(ref, by=command_actor(), reason=reason)
        kept.ledger.settle()
    return Answer(data={"ref": ref, "entries": number}, lines=[f"{number} entries about {ref} mean nothing any more."])


def read_notes(path: Path) -> list[str]:
    """The checkpoints of a file: one, or several as a place keeps them."""
    text = path.read_text(encoding="utf-8")
    return split_notes(text) or [text]
