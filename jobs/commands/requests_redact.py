"""`kept request redact`: what stands in the texts of a copy, and what happens with it, beside the console."""

from __future__ import annotations

from typing import Final

import click

from dsr.redactions import Decision, Finding
from jobs.actor import command_actor
from jobs.answers import Answer, Line, answering, table
from jobs.services import Wiring


@click.command()
@click.argument("ref")
@click.option(
    "--out", "taken_out", multiple=True, metavar="PLACE:SORT", help="Take it out of the texts; may be repeated."
)
@click.option("--keep", "kept_in", multiple=True, metavar="PLACE:SORT", help="Leave it in; may be repeated.")
@click.pass_obj
@answering
def redact(wiring: Wiring, ref: str, taken_out: tuple[str, ...], kept_in: tuple[str, ...]) -> Answer:
    """Show what the texts of a copy hold, or decide about it; once all is decided, the copy is made."""
    decisions = dict.fromkeys(taken_out, Decision.REDACT.value) | dict.fromkeys(kept_in, Decision.KEEP.value)
    with wiring.open_services(None) as kept:
        if decisions:
            kept.requests.redactions.decide(ref, decisions, by=command_actor())
            kept.ledger.settle()
        findings = kept.requests.redactions.findings(ref)
    is_open = any(one.decision is None for one in findings)
    return Answer(
        data={"ref": ref, "findings": [_json(one) for one in findings]},
        lines=[_table(findings) if findings else f"Nothing was found in the texts of request {ref}."],
        exit_status=1 if is_open else 0,
    )


def _json(one: Finding) -> dict[str, object]:
    return {
        "key": one.key,
        "count": one.count,
        "fields": list(one.fields),
        "samples": list(one.samples),
        "decision": one.decision.value if one.decision else None,
    }


def _table(findings: tuple[Finding, ...]) -> Line:
    rows = [
        [
            one.key,
            str(one.count),
            ", ".join(one.fields),
            "; ".join(one.samples),
            one.decision.value if one.decision else "open",
        ]
        for one in findings
    ]
    return table("", ["place:sort", "found", "in", "looks like", "decision"], rows, right=(1,))


REDACT_COMMANDS: Final = (redact,)
