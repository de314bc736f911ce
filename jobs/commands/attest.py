"""`kept attest`: somebody vouches for a clause that no machine can check, until a day."""

from __future__ import annotations

import getpass
import pwd
from datetime import date
from pathlib import Path

import click

from core.errors import BadInput
from core.words import full_day, plural
from jobs.actor import command_actor
from jobs.answers import Answer, Line, answering, table
from jobs.services import Wiring
from plans.tasks import Evidence
from promises.attestations import Attestation


@click.command()
@click.argument("clause")
@click.option("--until", metavar="DATE", help="The last day on which it holds; then the promise shows as broken.")
@click.option("--words", help="What was looked at, and what was found.")
@click.option("--name", help="Who vouches; else whoever runs the command.")
@click.option(
    "--evidence",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A file that shows it; at most 10 MB.",
)
@click.option("--policy-version", type=int, metavar="N", help="As that planned version has the clause.")
@click.option("--take-back", metavar="ID", help="Vouch no more: the id of an attestation, and why in --words.")
@click.pass_obj
@answering
def attest(
    wiring: Wiring,
    clause: str,
    until: str | None,
    words: str | None,
    name: str | None,
    evidence: Path | None,
    policy_version: int | None,
    take_back: str | None,
) -> Answer:
    """Vouch for CLAUSE until a day; without --until, list who vouched for it."""
    file = Evidence(name=evidence.name, content=evidence.read_bytes()) if evidence else None
    with wiring.open_services(None) as kept:
        if take_back:
            kept.attestations.take_back(take_back, by=command_actor(), why=words or "")
        elif until:
            made = kept.attestations.attest(
                clause,
                by=command_actor(),
                name=name or _own_name(),
                until=_day(until),
                words=words or "",
                evidence=file,
                version=policy_version,
            )
        kept.board_record.note()
        kept.ledger.settle()
        if until and not take_back:
            said = f"{clause} is vouched for until {full_day(made.last_day)} by {made.name.reveal()}: {made.id}."
            return Answer(data=made.as_json(), lines=[said])
        with kept.database.read() as session:
            found = kept.attestations.list_of(session, clause)
    return Answer(data=[one.as_json() for one in found], lines=_lines(clause, found))


def _lines(clause: str, found: list[Attestation]) -> list[Line]:
    rows = [
        [
            one.id,
            one.name.reveal(),
            full_day(one.last_day),
            one.file.name if one.file else "",
            _standing(one),
            one.words,
        ]
        for one in found
    ]
    said = f"{clause}: vouched for {plural(len(found), 'time', 'times')}."
    return [table("", ["id", "who", "until", "evidence", "", "words"], rows), said] if rows else [said]


def _standing(one: Attestation) -> str:
    if one.taken_back_at is not None:
        return "taken back"
    return "" if one.fits else "for other words"


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"'{text}' is no day.", remedy="Write it as 2027-11-30.") from error


def _own_name() -> str:
    """The full name of the account that runs the command, else its name."""
    account = getpass.getuser()
    try:
        return pwd.getpwnam(account).pw_gecos.split(",")[0].strip() or account
    except KeyError:
        return account
