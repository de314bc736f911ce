"""`kept request ask|answered|extend|fee|fee-paid`: what the clock of a request looks at, beside the console."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Final

import click

from dsr.clock_acts import Clocks
from dsr.views import TicketView
from jobs.actor import command_actor
from jobs.answers import Answer, answering
from jobs.services import Wiring
from policies.regimes import Question

DAY: Final = click.DateTime(formats=["%Y-%m-%d"])


def _act(wiring: Wiring, ref: str, act: Callable[[Clocks], object]) -> Answer:
    """Do one act, settle the ledger, and say when the request is due now."""
    with wiring.open_services(None) as kept:
        act(kept.requests.clocks)
        kept.ledger.settle()
        view = kept.requests.view(ref)
    return Answer(
        data={"ref": view.ref, "due_on": view.due_on.isoformat(), "clock_stands": view.clock.stands}, lines=[_say(view)]
    )


def _say(view: TicketView) -> str:
    stands = ", and its clock stands until the person answers" if view.clock.stands else ""
    return f"Request {view.ref} is due {view.due_on}{stands}."


def _day(given: datetime | None) -> date | None:
    return given.date() if given else None


@click.command()
@click.argument("ref")
@click.option("--words", required=True, help="The question, as it stands on the person's page.")
@click.option("--about", type=click.Choice([one.value for one in Question]), default="clarification", show_default=True)
@click.pass_obj
@answering
def ask(wiring: Wiring, ref: str, words: str, about: str) -> Answer:
    """Ask the person; where the law allows it the clock stands until they answer."""
    return _act(wiring, ref, lambda clocks: clocks.ask(ref, by=command_actor(), words=words, about=Question(about)))


@click.command()
@click.argument("ref")
@click.option("--how", required=True, help="How the answer came, or why it is not needed any more.")
@click.option("--on", "day", type=DAY, help="The day it came; today without it.")
@click.pass_obj
@answering
def answered(wiring: Wiring, ref: str, how: str, day: datetime | None) -> Answer:
    """Write down that the person answered another way than on their page."""
    return _act(wiring, ref, lambda clocks: clocks.take_answer(ref, by=command_actor(), why=how, day=_day(day)))


@click.command()
@click.argument("ref")
@click.option("--reason", required=True, help="Why it takes longer, in words for the person.")
@click.option("--until", type=DAY, help="The new day, under a law that sets no limit.")
@click.pass_obj
@answering
def extend(wiring: Wiring, ref: str, reason: str, until: datetime | None) -> Answer:
    """Take longer, once, and tell the person why."""
    return _act(wiring, ref, lambda clocks: clocks.extend(ref, by=command_actor(), reason=reason, until=_day(until)))


@click.command()
@click.argument("ref")
@click.option("--amount", required=True, help="With its currency: 12.50 EUR.")
@click.option("--reason", required=True, help="Why it costs something and how to pay, in words for the person.")
@click.pass_obj
@answering
def fee(wiring: Wiring, ref: str, amount: str, reason: str) -> Answer:
    """Announce a fee for an unfounded or excessive request."""
    return _act(wiring, ref, lambda clocks: clocks.ask_fee(ref, by=command_actor(), amount=amount, reason=reason))


@click.command("fee-paid")
@click.argument("ref")
@click.option("--on", "day", type=DAY, help="The day it came in; today without it.")
@click.pass_obj
@answering
def fee_paid(wiring: Wiring, ref: str, day: datetime | None) -> Answer:
    """Write down that the fee came in."""
    return _act(wiring, ref, lambda clocks: clocks.take_fee(ref, by=command_actor(), day=_day(day)))


CLOCK_COMMANDS: Final = (ask, answered, extend, fee, fee_paid)
