"""`kept disclosures`: what authorities were given, written down, struck out and listed."""

from __future__ import annotations

from datetime import date

import click

from core.errors import BadInput
from core.words import count, full_day, plural
from jobs.actor import command_actor
from jobs.answers import Answer, Line, answering, table
from jobs.services import Wiring
from promises.disclosures import Disclosure, NewDisclosure


@click.group()
def disclosures() -> None:
    """The log of what was disclosed to authorities."""


@disclosures.command("add")
@click.option("--day", required=True, metavar="DATE", help="The day on which the data were given.")
@click.option("--authority", required=True, help="The office that got them.")
@click.option("--basis", required=True, help="The law, and the authority's reference.")
@click.option(
    "--category", "categories", multiple=True, required=True, help="A category of the policy; may be repeated."
)
@click.option("--people", type=int, required=True, help="How many people it was about.")
@click.option("--given", required=True, help="What was given, in words; nobody's name.")
@click.option(
    "--clause", default="", help="The promise it falls under, where the policy has several about authorities."
)
@click.pass_obj
@answering
def add(
    wiring: Wiring,
    day: str,
    authority: str,
    basis: str,
    categories: tuple[str, ...],
    people: int,
    given: str,
    clause: str,
) -> Answer:
    """Write a disclosure down."""
    new = NewDisclosure(
        day=_day(day),
        authority=authority,
        basis=basis,
        categories=categories,
        people=people,
        given=given,
        clause=clause,
    )
    with wiring.open_services(None) as kept:
        made = kept.disclosures.add(new, by=command_actor())
        kept.board_record.note()
        kept.ledger.settle()
    return Answer(data=made.as_json(), lines=[f"{made.id}: {made.authority}, {full_day(made.day)}."])


@disclosures.command("strike")
@click.argument("disclosure")
@click.option("--why", required=True, help="What was wrong with it.")
@click.pass_obj
@answering
def strike(wiring: Wiring, disclosure: str, why: str) -> Answer:
    """Strike DISCLOSURE out: it stays in the list, and counts no more."""
    with wiring.open_services(None) as kept:
        struck = kept.disclosures.strike(disclosure, by=command_actor(), why=why)
        kept.board_record.note()
        kept.ledger.settle()
    return Answer(data=struck.as_json(), lines=[f"{struck.id} is struck out."])


@disclosures.command("list")
@click.pass_obj
@answering
def list_all(wiring: Wiring) -> Answer:
    """Every disclosure, the latest first."""
    with wiring.open_services(None) as kept:
        found = kept.disclosures.list()
    return Answer(data=[one.as_json() for one in found], lines=_lines(found))


def _lines(found: list[Disclosure]) -> list[Line]:
    rows = [
        [
            one.id,
            full_day(one.day),
            one.authority,
            one.basis,
            ", ".join(one.categories),
            count(one.people),
            "struck out" if one.struck_at else "",
        ]
        for one in found
    ]
    standing = sum(one.struck_at is None for one in found)
    said = f"{plural(standing, 'disclosure', 'disclosures')} recorded."
    return [table("", ["id", "day", "authority", "basis", "categories", "people", ""], rows), said] if rows else [said]


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"'{text}' is no day.", remedy="Write it as 2027-11-30.") from error
