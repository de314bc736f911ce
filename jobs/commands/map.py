"""`kept map`: what the stores hold that the map does not say."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console

from core.clock import SystemClock
from core.errors import Unreachable
from core.settings_file import find_settings_file, load_settings
from jobs.answers import Answer, Line, answering
from jobs.commands.map_check import check
from jobs.map_file import write_collections
from jobs.map_scanning import check_zone, scan_installation
from jobs.services import Wiring
from stores.scanner import Proposal, Scan
from stores.scanner_text import collection_lines, remark_lines


@click.group("map")
def data_map() -> None:
    """Propose what the map lacks."""


data_map.add_command(check)


@data_map.command("scan")
@click.argument("store", required=False)
@click.option("--write", is_flag=True, help="Add what is proposed to kept.yaml; everything there stays as it is.")
@click.option("--zone", help="The zone of times that are written without one, such as UTC or Europe/Berlin.")
@click.pass_obj
@answering
def scan(wiring: Wiring, store: str | None, write: bool, zone: str | None) -> Answer:
    """Read schema and a few rows of every STORE and propose collections for what is unmapped. Nothing read is kept."""
    check_zone(zone)
    path = find_settings_file()
    settings = load_settings(path)
    with Console(stderr=True).status("Reading schema and samples"):
        found = scan_installation(settings, SystemClock(), only=store)
    check_reached(found)
    lines = collection_lines(found, zone=zone)
    if write and lines:
        write_collections(path, lines)
    return Answer(data=as_data(found, written=write and bool(lines)), lines=_lines(found, lines, written=write))


def check_reached(scan: Scan) -> None:
    """Nothing could be reached: exit status 3, each store with why."""
    if scan.unreached and not scan.tables:
        raise Unreachable(
            " ".join(scan.unreached.values()), remedy="Correct its url in kept.yaml, or start it. Nothing was changed."
        )


def summary(scan: Scan) -> str:
    sure = sum(one.confidence >= 0.6 and not one.uncertain for one in scan.proposals)
    return f"{scan.tables} tables read, {len(scan.proposals)} collections proposed, {len(scan.proposals) - sure} of them to look at closely."


def as_data(scan: Scan, *, written: bool) -> dict[str, Any]:
    """The JSON document: proposals with their confidence; names only, no value that was read."""
    return {
        "tables": scan.tables,
        "written": written,
        "collections": [_collection_data(one) for one in scan.proposals],
        "unmapped_fields": {name: [vars(one) for one in guesses] for name, guesses in scan.unmapped_fields.items()},
        "without_people": scan.without_people,
        "not_read": {one.at: one.why for one in scan.unread},
        "left_out": scan.left_out,
        "unreached": scan.unreached,
    }


def _collection_data(one: Proposal) -> dict[str, Any]:
    return {
        **vars(one),
        "time": vars(one.time) if one.time else None,
        "events": {event: vars(guess) for event, guess in one.events},
        "identifies": dict(one.identifies),
        "person": [vars(way) for way in one.person],
        "fields": [vars(guess) for guess in one.fields],
    }


def _lines(scan: Scan, lines: list[str], *, written: bool) -> list[Line]:
    remarks: list[Line] = [f"# {line}" for line in (summary(scan), *remark_lines(scan))]
    if not lines:
        whole = not (scan.unread or scan.unreached or scan.left_out)
        said = (
            "Everything that holds people's data is mapped." if whole else "Nothing is unmapped in what could be read."
        )
        return [f"# {said}", *remarks]
    if written:
        return ["Added to kept.yaml; read through it, then correct it.", *remarks]
    return ["collections:", *(f"  {line}" if line else "" for line in lines), *remarks]
