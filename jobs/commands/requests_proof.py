"""`kept request proof`, `accept-proof` and `go-on`: what is shown of who somebody is, and what an operator decides about it."""

from __future__ import annotations

import click

from core.clock import iso_utc
from jobs.actor import command_actor
from jobs.answers import Answer, answering
from jobs.services import Wiring


@click.command()
@click.argument("ref")
@click.pass_obj
@answering
def proof(wiring: Wiring, ref: str) -> Answer:
    """Say what the law asks for to show who somebody is, and what is shown. Exit status 1 while something is missing."""
    with wiring.open_services(None) as kept:
        panel = kept.requests.view(ref).proof
    standing = panel.standing
    data = {
        "points": {"asked": standing.rule.points, "shown": standing.points, "kinds": list(standing.matched)},
        "declaration": {"asked": standing.rule.declaration, "signed": standing.declared},
        "cite": standing.rule.cite,
        "verified": standing.rule.verified,
        "tries_left": standing.tries_left,
        "waits_until": iso_utc(standing.waits_until) if standing.waits_until else None,
        "contested": standing.contested_at is not None,
        "missing": panel.missing,
    }
    shown = f"{standing.points} of {standing.rule.points} points are shown ({standing.rule.cite})."
    return Answer(
        data=data, lines=[shown, panel.missing or "Nothing is missing."], exit_status=1 if panel.missing else 0
    )


@click.command("accept-proof")
@click.argument("ref")
@click.option("--reason", required=True, help="How they showed who they are; no value of it.")
@click.pass_obj
@answering
def accept_proof(wiring: Wiring, ref: str, reason: str) -> Answer:
    """Write down that the person showed who they are in another way."""
    with wiring.open_services(None) as kept:
        kept.requests.proof.accept(ref, by=command_actor(), why=reason)
        kept.ledger.settle()
    return Answer(data={"ref": ref}, lines=[f"The proof of request {ref} is accepted."])


@click.command("go-on")
@click.argument("ref")
@click.option("--reason", required=True, help="How you know that the request is the person's.")
@click.pass_obj
@answering
def go_on(wiring: Wiring, ref: str, reason: str) -> Answer:
    """Go on with a request that the former address stopped."""
    with wiring.open_services(None) as kept:
        kept.requests.changes.lift(ref, by=command_actor(), why=reason)
        kept.ledger.settle()
    return Answer(data={"ref": ref}, lines=[f"Request {ref} goes on."])


PROOF_COMMANDS = (proof, accept_proof, go_on)
