"""`kept request correction`: what should be put right for a request, where it stands, what is declined or left as it is."""

from __future__ import annotations

from typing import Any

import click

from core.words import count
from dsr.correction_views import ChangeLine, CorrectionLine, CorrectionView
from jobs.actor import command_actor
from jobs.answers import Answer, Line, answering, table
from jobs.services import Wiring


@click.group()
def correction() -> None:
    """What should be put right for a request."""


@correction.command("list")
@click.argument("ref")
@click.pass_obj
@answering
def list_corrections(wiring: Wiring, ref: str) -> Answer:
    """Show what should be put right, and what the stores say now; exit status 1 while something is undecided."""
    with wiring.open_services(None) as kept:
        view = kept.requests.corrections.view(ref)
    return _answer(view)


@correction.command()
@click.argument("ref")
@click.argument("about", default="")
@click.option("--value", default="", help="What is right; without it, asked for, so that no history keeps it.")
@click.option("--empty", is_flag=True, help="Nothing is right: the field is to be emptied.")
@click.pass_obj
@answering
def add(wiring: Wiring, ref: str, about: str, value: str, empty: bool) -> Answer:
    """Write down what a person says is right. ABOUT is a Fideslang key, such as user.name; left out, it is something else."""
    right = "" if empty else value or click.prompt("What is right", err=True)
    with wiring.open_services(None) as kept:
        kept.requests.corrections.propose(ref, about=about, value=right, by=command_actor(), empty=empty)
        kept.ledger.settle()
        view = kept.requests.corrections.view(ref)
    return _answer(view)


@correction.command()
@click.argument("ref")
@click.argument("correction_id")
@click.argument("where", metavar="[COLLECTION.FIELD]", default="")
@click.pass_obj
@answering
def place(wiring: Wiring, ref: str, correction_id: str, where: str) -> Answer:
    """Say where something stands; without COLLECTION.FIELD, where the map suggests."""
    with wiring.open_services(None) as kept:
        corrections = kept.requests.corrections
        lines = {one.id: one for one in corrections.view(ref).lines}
        suggested = lines[correction_id].suggested if correction_id in lines else ""
        corrections.place(ref, correction_id, where=where or suggested, by=command_actor())
        kept.ledger.settle()
        view = corrections.view(ref)
    return _answer(view)


@correction.command()
@click.argument("ref")
@click.argument("correction_id")
@click.option("--ground", required=True, help="A ground of the request's law.")
@click.option("--reason", required=True, help="Why, in words for the person.")
@click.pass_obj
@answering
def decline(wiring: Wiring, ref: str, correction_id: str, ground: str, reason: str) -> Answer:
    """Say that something is not put right; the person is told with the answer."""
    with wiring.open_services(None) as kept:
        corrections = kept.requests.corrections
        corrections.decline(ref, correction_id, ground=ground, reason=reason, by=command_actor())
        kept.ledger.settle()
        view = corrections.view(ref)
    return _answer(view)


@correction.command()
@click.argument("ref")
@click.argument("change_id")
@click.option("--reason", required=True, help="Why these records stay as they are, in words for the person.")
@click.pass_obj
@answering
def leave(wiring: Wiring, ref: str, change_id: str, reason: str) -> Answer:
    """Leave some records as they are, and make the plan again."""
    with wiring.open_services(None) as kept:
        kept.requests.corrections.spare(ref, change_id, why=reason, by=command_actor())
        kept.ledger.settle()
        view = kept.requests.corrections.view(ref)
    return _answer(view)


def _answer(view: CorrectionView) -> Answer:
    rows = [[one.id, one.word, _state(one), one.place or one.suggested] for one in view.lines]
    lines: list[Line] = (
        [table("", ["id", "what", "state", "where"], rows)]
        if rows
        else ["Nothing is named yet that should be put right."]
    )
    changes = [
        [one.id, one.place, one.store, "?" if one.rows is None else count(one.rows), _deed(one)] for one in view.changes
    ]
    if changes:
        lines.append(table("", ["id", "where", "store", "rows", ""], changes, right=(3,)))
    if view.stale and rows:
        lines.append("What should be put right has changed since the plan was made: make it again.")
    data = {
        "corrections": [_line_json(one) for one in view.lines],
        "changes": [_change_json(one) for one in view.changes],
        "stale": view.stale,
    }
    return Answer(data=data, lines=lines, exit_status=1 if view.undecided else 0)


def _state(one: CorrectionLine) -> str:
    return "placed" if one.place else "declined" if one.declined else "to decide"


def _deed(one: ChangeLine) -> str:
    return f"stays: {one.spared_why}" if one.spared_why else "a copy, put right too" if one.is_copy else "put right"


def _line_json(one: CorrectionLine) -> dict[str, Any]:
    return {"id": one.id, "about": one.about, "state": _state(one), "place": one.place, "suggested": one.suggested}


def _change_json(one: ChangeLine) -> dict[str, Any]:
    """Without what the fields say: that is a person's, and stands on the ticket."""
    return {
        "id": one.id,
        "place": one.place,
        "store": one.store,
        "rows": one.rows,
        "is_copy": one.is_copy,
        "stays": one.spared_why,
    }
