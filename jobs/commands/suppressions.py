"""`kept suppressions` and `kept preferences`: opt-outs from lists, who has one, and links with which people choose themselves."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from core.clock import iso_utc
from core.personal import Personal
from core.words import count, plural
from jobs.actor import command_actor
from jobs.answers import Answer, Line, answering, table
from jobs.services import Wiring
from jobs.suppression_lists import ImportCount, import_list
from notify.suppression_tables import Purpose
from notify.suppressions import read_purpose

PURPOSES = click.Choice([one.value for one in Purpose])
EVERY = 20_000  # lines between two words of progress


@click.group()
def suppressions() -> None:
    """Opt-outs: who wants no sale, no marketing, no mail."""


@suppressions.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--purpose", type=PURPOSES, required=True, help="What the people on the list opted out of.")
@click.option("--kind", default="email", show_default=True, help="Which identifier the list holds.")
@click.option("--column", default="", help="The name of its column, where it is not that of the kind.")
@click.option("--dry-run", is_flag=True, help="Count, and write nothing.")
@click.pass_obj
@answering
def import_file(wiring: Wiring, file: Path, purpose: str, kind: str, column: str, dry_run: bool) -> Answer:
    """Take in a list of opt-outs from a CSV file. The same file again adds nothing; one that broke off goes on."""

    def say(lines: int) -> None:
        if lines % EVERY < 2_000:
            click.echo(f"{count(lines)} lines read", err=True)

    with wiring.open_services(None) as kept:
        done = import_list(
            kept, file, kind=kind, column=column, purpose=purpose, by=command_actor(), dry=dry_run, on_progress=say
        )
        kept.ledger.settle()
    would = "would be added" if dry_run else "added"
    lines: list[Line] = [
        f"{plural(done.lines, 'line', 'lines')}: {count(done.added)} {would}, {count(done.known)} known, {count(done.broken)} broken."
    ]
    if done.broken:
        numbers = ", ".join(map(str, done.broken_lines))
        lines.append(f"Broken: line {numbers}{' and more' if done.broken > len(done.broken_lines) else ''}.")
    return Answer(data=_import_json(done, purpose, dry_run=dry_run), lines=lines, exit_status=1 if done.broken else 0)


@suppressions.command("list")
@click.pass_obj
@answering
def list_counts(wiring: Wiring) -> Answer:
    """Count opt-outs by purpose and by how they came in. Whose they are cannot be listed: only hashes are kept."""
    with wiring.open_services(None) as kept, kept.database.read() as session:
        found = kept.suppressions.counts(session)
    rows = [[one.purpose.value, one.source, count(one.rows)] for one in found]
    lines: list[Line] = [table("", ["purpose", "came in by", "opt-outs"], rows, right=(2,))] if rows else []
    data = [{"purpose": one.purpose.value, "source": one.source, "rows": one.rows} for one in found]
    return Answer(data=data, lines=lines or ["Nobody opted out."])


@suppressions.command("check")
@click.argument("value", required=False)
@click.option("--kind", default="email", show_default=True, help="Which identifier it is.")
@click.pass_obj
@answering
def check_one(wiring: Wiring, value: str | None, kind: str) -> Answer:
    """Say what one person opted out of. Without VALUE it is read from standard input. Exit 1 where there is an opt-out."""
    text = value if value is not None else sys.stdin.readline()
    with wiring.open_services(None) as kept, kept.database.read() as session:
        found = kept.suppressions.look_up(session, kind=kind, value=Personal(text))
    lines: list[Line] = [f"{one.purpose.value}, since {iso_utc(one.at)}, by {one.source}" for one in found]
    data = [{"purpose": one.purpose.value, "source": one.source, "at": one.at} for one in found]
    return Answer(data=data, lines=lines or ["No opt-out."], exit_status=1 if found else 0)


@suppressions.command("lift")
@click.argument("value", required=False)
@click.option("--kind", default="email", show_default=True, help="Which identifier it is.")
@click.option("--purpose", type=PURPOSES, required=True)
@click.option("--reason", required=True, help="Who asked for it, and when.")
@click.pass_obj
@answering
def lift(wiring: Wiring, value: str | None, kind: str, purpose: str, reason: str) -> Answer:
    """End an opt-out. Without VALUE it is read from standard input. Exit 1 where there is none."""
    text = value if value is not None else sys.stdin.readline()
    with wiring.open_services(None) as kept:
        with kept.database.begin() as session:
            gone = kept.suppressions.lift(
                session, kind=kind, value=Personal(text), purpose=purpose, by=command_actor(), why=reason
            )
        kept.ledger.settle()
    said = "The opt-out is lifted." if gone else "There is no such opt-out."
    return Answer(data={"lifted": gone}, lines=[said], exit_status=0 if gone else 1)


@click.group()
def preferences() -> None:
    """The page on which people choose what they get."""


@preferences.command()
@click.argument("value", required=False)
@click.option("--kind", default="email", show_default=True, help="Which identifier it is.")
@click.option("--purpose", type=PURPOSES, default=Purpose.MARKETING.value, show_default=True)
@click.option("--language", default="", help="The language of the page, where the browser's is not to decide.")
@click.pass_obj
@answering
def link(wiring: Wiring, value: str | None, kind: str, purpose: str, language: str) -> Answer:
    """Make the link of one person, and the headers of a mail with it. Without VALUE it is read from standard input."""
    whose = Personal(value if value is not None else sys.stdin.readline())
    with wiring.open_services(None) as kept:
        url = kept.preferences.link(kind=kind, value=whose, purpose=read_purpose(purpose), language=language)
        headers = dict(kept.preferences.headers(kind=kind, value=whose, purpose=purpose))
    lines: list[Line] = [url, *(f"{name}: {text}" for name, text in headers.items())]
    return Answer(data={"url": url, "headers": headers}, lines=lines)


def _import_json(done: ImportCount, purpose: str, *, dry_run: bool) -> dict[str, object]:
    return {
        "purpose": purpose,
        "dry_run": dry_run,
        "lines": done.lines,
        "added": done.added,
        "known": done.known,
        "broken": done.broken,
        "broken_lines": done.broken_lines,
    }
