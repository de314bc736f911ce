"""`kept approvals`: the sweeps that wait for a person, and taking an approval back."""

from __future__ import annotations

import click

from core.clock import iso_utc
from core.words import plural
from jobs.actor import command_actor
from jobs.answers import Answer, Line, answering
from jobs.services import Wiring
from jobs.sweep_lines import remarks, samples, sweep_table
from retention.views import WaitingApproval, sweep_json


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else on stdout.")
@click.pass_context
def approvals(context: click.Context, as_json: bool) -> None:
    """List the sweeps that wait for a person. Exit 1 while one does."""
    if context.invoked_subcommand is None:
        context.invoke(list_waiting, as_json=as_json)


@approvals.command("list", hidden=True)
@click.pass_obj
@answering
def list_waiting(wiring: Wiring) -> Answer:
    """List the sweeps that wait for a person. Exit 1 while one does."""
    with wiring.open_services(None) as kept:
        waiting = kept.sweeps.waiting()
    lines = [line for one in waiting for line in _lines(one)]
    if waiting:
        lines.append("To approve: kept sweep --approve CLAUSE|all --reason '…'")
    else:
        lines.append("Nothing waits for approval.")
    data = [
        {
            "clause": one.clause,
            "run": one.run_id,
            "since": iso_utc(one.since),
            "reason": one.reason,
            "made_up": one.made_up,
            "missed": one.missed,
            "sweep": sweep_json(one.sweep) | {"rows": one.sweep.rows, "held": one.sweep.held, "bytes": one.sweep.size},
        }
        for one in waiting
    ]
    return Answer(data=data, lines=lines, exit_status=1 if waiting else 0)


def _lines(one: WaitingApproval) -> list[Line]:
    made_up = f" It makes up for {plural(one.missed, 'missed run', 'missed runs')}." if one.missed else ""
    return [
        f"{one.clause}: {plural(one.sweep.rows, 'record', 'records')}. {one.reason}{made_up}",
        sweep_table([one.sweep]),
        *remarks(one.sweep),
        *samples(one.sweep),
    ]


@approvals.command("revoke")
@click.argument("clause")
@click.option("--reason", required=True, help="Why it may not run as it was approved; stands in the ledger.")
@click.pass_obj
@answering
def revoke(wiring: Wiring, clause: str, reason: str) -> Answer:
    """Take back the approval that runs of a clause stand on: one under way ends before its next batch."""
    with wiring.open_services(None) as kept:
        taken = kept.oversight.revoke(clause, by=command_actor(), reason=reason)
        kept.ledger.settle()
    data = {"clause": clause, "approval": taken.id, "approved_by": taken.by, "revoked_by": taken.revoked_by}
    return Answer(data=data, lines=[f"The approval of {clause} is taken back. Its next run waits for a person."])
