"""`kept request asker …`: who asks for whom, what is shown for it, and passing on what is held for a customer."""

from __future__ import annotations

from datetime import date

import click

from core.errors import BadInput
from dsr.asker_panel import panel_data
from dsr.asker_rules import AnswerTo, AskerKind, Item, Minor
from jobs.actor import command_actor
from jobs.answers import Answer, answering
from jobs.services import Wiring

KINDS = tuple(one.value for one in AskerKind if one is not AskerKind.SELF)


@click.group()
def asker() -> None:
    """Requests that somebody makes for somebody else."""


@asker.command()
@click.argument("ref")
@click.pass_obj
@answering
def show(wiring: Wiring, ref: str) -> Answer:
    """Say who asks, what is shown and what is missing. Exit status 1 while something is."""
    with wiring.open_services(None) as kept:
        panel = kept.requests.asker_panel(ref)
    data = dict(panel_data(panel))
    kind = panel.asker.kind.value if panel.asker else AskerKind.SELF.value
    lines = [f"Asks: {kind}.", *(f"Shown: {one.item.value}." for one in (panel.asker.lines if panel.asker else ()))]
    return Answer(
        data=data, lines=[*lines, panel.missing or "Nothing is missing."], exit_status=1 if panel.missing else 0
    )


@asker.command()
@click.argument("ref")
@click.option("--kind", type=click.Choice(KINDS), required=True)
@click.option("--name", prompt="Their name", help="The asker's own name; asked for, so that no history keeps it.")
@click.option("--contact", prompt="Their e-mail address, or nothing", default="", show_default=False)
@click.pass_obj
@answering
def say(wiring: Wiring, ref: str, kind: str, name: str, contact: str) -> Answer:
    """Write down that somebody asks for the person of a request; both get a mail."""
    with wiring.open_services(None) as kept:
        kept.requests.askers.say_who(ref, kind=kind, name=name, contact=contact, by=command_actor())
        kept.ledger.settle()
    return Answer(data={"ref": ref, "kind": kind}, lines=[f"Request {ref} is asked by: {kind}."])


@asker.command()
@click.argument("ref")
@click.argument("item", type=click.Choice([one.value for one in Item]))
@click.option("--note", required=True, help="What you looked at; no number of a document.")
@click.option("--until", "until", default="", help="The last day on which it is good.")
@click.pass_obj
@answering
def shown(wiring: Wiring, ref: str, item: str, note: str, until: str) -> Answer:
    """Write down that something was shown, and that you looked at it."""
    with wiring.open_services(None) as kept:
        kept.requests.askers.accept(ref, item=item, note=note, by=command_actor(), good_until=_day(until))
        missing = kept.requests.asker_panel(ref).missing
        kept.ledger.settle()
    return Answer(data={"ref": ref, "item": item, "missing": missing}, lines=[missing or "Nothing is missing."])


@asker.command("take-back")
@click.argument("ref")
@click.argument("item", type=click.Choice([one.value for one in Item]))
@click.option("--reason", required=True)
@click.pass_obj
@answering
def take_back(wiring: Wiring, ref: str, item: str, reason: str) -> Answer:
    """What was shown does not hold after all."""
    with wiring.open_services(None) as kept:
        kept.requests.askers.take_back(ref, item=item, why=reason, by=command_actor())
        kept.ledger.settle()
    return Answer(data={"ref": ref, "item": item}, lines=[f"It counts no more on request {ref}."])


@asker.command("answer-to")
@click.argument("ref")
@click.argument("to", type=click.Choice([one.value for one in AnswerTo]))
@click.option("--reason", required=True, help="Where the permission says so.")
@click.pass_obj
@answering
def answer_to(wiring: Wiring, ref: str, to: str, reason: str) -> Answer:
    """Say who gets the answer."""
    with wiring.open_services(None) as kept:
        kept.requests.askers.send_answer_to(ref, to=to, why=reason, by=command_actor())
        kept.ledger.settle()
    return Answer(data={"ref": ref, "to": to}, lines=[f"The answer to request {ref} goes to: {to}."])


@asker.command("go-on")
@click.argument("ref")
@click.option("--reason", required=True, help="How you know that they may ask.")
@click.pass_obj
@answering
def go_on(wiring: Wiring, ref: str, reason: str) -> Answer:
    """Go on with a request although the person's address said that it knows nothing of it."""
    with wiring.open_services(None) as kept:
        kept.requests.askers.go_on(ref, why=reason, by=command_actor())
        kept.ledger.settle()
    return Answer(data={"ref": ref}, lines=[f"Request {ref} goes on."])


@asker.command()
@click.argument("ref")
@click.argument("age", type=click.Choice([*(one.value for one in Minor), "of_age"]))
@click.pass_obj
@answering
def minor(wiring: Wiring, ref: str, age: str) -> Answer:
    """Write down how old somebody under age is, and what follows from it."""
    with wiring.open_services(None) as kept:
        kept.requests.askers.set_minor(ref, age="" if age == "of_age" else age, by=command_actor())
        panel = kept.requests.asker_panel(ref)
        kept.ledger.settle()
    notes = [f"{one.words} ({one.cite})" for one in (panel.asker.notes if panel.asker else ())]
    return Answer(data={"ref": ref, "age": age, "notes": notes}, lines=[*notes] or ["Nothing follows from it."])


@asker.command("held-for")
@click.argument("ref")
@click.argument("clause")
@click.pass_obj
@answering
def held_for(wiring: Wiring, ref: str, clause: str) -> Answer:
    """Say that the data is held for the customer of a `processor` clause; the agreement's period counts."""
    with wiring.open_services(None) as kept:
        kept.requests.forwarding.hold_for(ref, clause=clause, by=command_actor())
        due = kept.requests.view(ref).due_on.isoformat()
        kept.ledger.settle()
    return Answer(data={"ref": ref, "clause": clause, "due": due}, lines=[f"Request {ref} is due on {due}."])


@asker.command()
@click.argument("ref")
@click.option("--how", default="", help="How you passed it on, where the clause names no mail address.")
@click.pass_obj
@answering
def forward(wiring: Wiring, ref: str, how: str) -> Answer:
    """Pass a request on to the customer, and tell the person who decides."""
    with wiring.open_services(None) as kept:
        kept.requests.forwarding.forward(ref, by=command_actor(), how=how)
        kept.ledger.settle()
    return Answer(data={"ref": ref}, lines=[f"Request {ref} is passed on."])


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise BadInput(f"'{text}' is no day.", remedy="Write it as 2026-06-11.") from None


ASKER_COMMANDS = (asker,)
