"""`kept request told` and `tell`: the recipients that are told what was done with data they got, and what operators write down."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from core.clock import iso_utc
from core.errors import BadInput
from dsr.tasks import Evidence
from dsr.telling import ANSWERS
from dsr.telling_views import Ground, TellingLine, TellingState
from jobs.actor import command_actor
from jobs.answers import Answer, Line, answering, table
from jobs.services import Services, Wiring


def _json(one: TellingLine) -> dict[str, Any]:
    return {
        "id": one.id,
        "request": one.ref,
        "recipient": one.recipient,
        "clause": one.clause,
        "what": one.what.value,
        "way": one.way.value,
        "of": list(one.of),
        "state": one.state.value,
        "told_on": one.told_on.isoformat() if one.told_on else None,
        "due_at": iso_utc(one.due_at) if one.due_at else None,
        "answered_at": iso_utc(one.answered_at) if one.answered_at else None,
        "reminders": one.reminders,
        "files": len(one.files),
        "overdue": one.is_overdue,
    }


def _row(one: TellingLine) -> list[str]:
    state = "Overdue" if one.is_overdue else one.state_name
    due = f"{one.due_at:%Y-%m-%d}" if one.is_open and one.due_at else "–"
    return [one.id, one.recipient, one.ref, one.way.value, state, due, one.told_on.isoformat() if one.told_on else "–"]


@click.command()
@click.argument("ref", default="")
@click.pass_obj
@answering
def told(wiring: Wiring, ref: str) -> Answer:
    """List the recipients of a request, or all that are open. Ends with 1 while one is overdue."""
    with wiring.open_services(None) as kept:
        found = kept.requests.told.lines(ref=ref)
    head = ["id", "recipient", "request", "way", "state", "due", "told"]
    lines: list[Line] = [table("", head, [_row(one) for one in found])] if found else ["No recipient is to be told."]
    return Answer(
        data=[_json(one) for one in found], lines=lines, exit_status=int(any(one.is_overdue for one in found))
    )


@click.command()
@click.argument("telling_id", metavar="ID")
@click.option("--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="Told by hand on this day; with --note, how.")
@click.option("--answer", type=click.Choice(sorted(one.value for one in ANSWERS)), help="What they answered.")
@click.option(
    "--not", "ground", type=click.Choice([one.value for one in Ground]), help="They are not told; with --note."
)
@click.option("--remind", is_flag=True, help="Remind them now.")
@click.option("--again", is_flag=True, help="Ask once more, after they answered that they cannot.")
@click.option("--withdraw", is_flag=True, help="Nobody needs their answer any more; with --note.")
@click.option("--note", default="", help="How, why, or how you know.")
@click.option("--evidence", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file, up to 10 MB.")
@click.pass_obj
@answering
def tell(
    wiring: Wiring,
    telling_id: str,
    day: datetime | None,
    answer: str | None,
    ground: str | None,
    remind: bool,
    again: bool,
    withdraw: bool,
    note: str,
    evidence: Path | None,
) -> Answer:
    """Write down that a recipient was told, what it answered, or why it is not told; or remind it."""
    if sum([day is not None, bool(answer), bool(ground), remind, again, withdraw]) != 1:
        raise BadInput("Say one thing.", remedy="Use one of --on, --answer, --not, --remind, --again and --withdraw.")
    files = [Evidence(name=evidence.name, content=evidence.read_bytes())] if evidence else []
    with wiring.open_services(None) as kept:
        if day is not None:
            kept.requests.told.note_told(telling_id, by=command_actor(), on=day.date(), how=note, evidence=files)
        elif answer:
            chosen = TellingState(answer)
            kept.requests.told.note_answer(telling_id, chosen, by=command_actor(), note=note, evidence=files)
        else:
            _other(kept, telling_id, ground, remind=remind, again=again, note=note)
        kept.ledger.settle()
        line = kept.requests.told.view(telling_id)
    return Answer(data=_json(line), lines=[f"{line.recipient}, request {line.ref}: {line.state_name.lower()}."])


def _other(kept: Services, telling_id: str, ground: str | None, *, remind: bool, again: bool, note: str) -> None:
    told, by = kept.requests.told, command_actor()
    if ground:
        told.excuse(telling_id, by=by, ground=Ground(ground), reason=note)
    elif remind:
        told.remind(telling_id, by=by)
    elif again:
        told.ask_again(telling_id, by=by)
    else:
        told.withdraw(telling_id, by=by, why=note)


TOLD_COMMANDS = (told, tell)
