"""`kept request certificate`: the certificate of a deletion as a file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import click

from jobs.answers import Answer, answering
from jobs.services import Wiring


@click.command()
@click.argument("ref")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="FILE.pdf or FILE.json."
)
@click.pass_obj
@answering
def certificate(wiring: Wiring, ref: str, output: Path) -> Answer:
    """Write the certificate of a deletion: what went where, and the ledger entries that show it."""
    with wiring.open_services(None) as kept:
        file = kept.requests.certificate(ref, output.suffix.removeprefix(".").lower())
    output.write_bytes(file.content)
    digest = hashlib.sha256(file.content).hexdigest()
    return Answer(
        data={"ref": ref, "file": str(output), "sha256": digest}, lines=[f"Wrote the certificate of {ref} to {output}."]
    )


ANSWER_COMMANDS: Final = (certificate,)
