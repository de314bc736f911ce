"""`kept report`: evidence of a month for an auditor, as PDF and ZIP, and the record of processing activities."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import click

from core.clock import day_in
from core.errors import BadInput
from core.words import plural
from jobs.answers import Answer, answering
from jobs.services import Services, Wiring
from promises.report_facts import Span
from promises.report_words import say_span


@click.command()
@click.option("--month", help="Which, as 2026-05; without it the last one that is over.")
@click.option("--record", is_flag=True, help="The record of processing activities instead (GDPR Art. 30).")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The PDF to write."
)
@click.pass_obj
@answering
def report(wiring: Wiring, *, month: str | None, record: bool, output: Path) -> Answer:
    """Write the evidence of a month: FILE.pdf to read, and beside it FILE.zip with every number and its proof."""
    if output.suffix != ".pdf":
        raise BadInput(f"{output} does not end in .pdf.", remedy="Name a file such as evidence.pdf.")
    if record and month:
        raise BadInput("The record of processing is of today, not of a month.", remedy="Leave --month out.")
    with wiring.open_services(None) as kept:
        return _record(kept, output) if record else _evidence(kept, month, output)


def _evidence(kept: Services, month: str | None, output: Path) -> Answer:
    with kept.database.read() as session:
        version = kept.policies.in_force(session)
    zone = version.document.controller.timezone if version else "UTC"
    last_month = day_in(kept.clock.now(), zone).replace(day=1) - timedelta(days=1)
    span = Span.month(month or f"{last_month:%Y-%m}", zone)
    made = kept.reports.make(span)
    pack = output.with_suffix(".zip")
    try:
        _write(output, made.pdf)
        _write(pack, made.pack.read_bytes())
    finally:
        made.pack.unlink(missing_ok=True)
    return Answer(
        data={
            "first": span.first.isoformat(),
            "last": span.last.isoformat(),
            "pdf": str(output),
            "zip": str(pack),
            "zip_sha256": made.pack_sha256,
            "files": made.files,
        },
        lines=[f"Evidence for {say_span(span)}: {output}, and {pack} with {plural(made.files, 'file', 'files')}."],
    )


def _record(kept: Services, output: Path) -> Answer:
    pdf, data = kept.reports.record()
    _write(output, pdf)
    beside = output.with_suffix(".json")
    _write(beside, json.dumps(data, indent=1, ensure_ascii=False).encode())
    said = plural(len(data["activities"]), "use of personal data", "uses of personal data")
    return Answer(
        data={"pdf": str(output), "json": str(beside), **data}, lines=[f"{output} and {beside}: {said} recorded."]
    )


def _write(target: Path, body: bytes) -> None:
    try:
        target.write_bytes(body)
    except OSError as error:
        raise BadInput(f"{target} cannot be written: {error.strerror}.", remedy="Name another file with -o.") from error
