"""`kept inbox` on letters: what is to sort, one of them whole, and the decisions that the mail page offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from core.clock import iso_utc
from inbox.desk import InboxDesk, LetterLine, LetterView, ProposalLine, View
from inbox.showing import one_line, show_in_terminal
from jobs.actor import command_actor
from jobs.answers import Answer, Line, answering, table
from jobs.services import Wiring

VIEWS = [view.value.replace("_", "-") for view in View]


@click.command("list")
@click.option("--view", type=click.Choice(VIEWS), default=VIEWS[0], show_default=True, help="Which list.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@click.option("--before", metavar="ID", help="Those before this one: the next page.")
@click.pass_obj
@answering
def list_letters(wiring: Wiring, view: str, limit: int, before: str | None) -> Answer:
    """List letters, the newest first; exits 1 while one is to sort."""
    with wiring.open_services(None) as kept:
        found = kept.inbox.desk.list_letters(View(view.replace("-", "_")), limit=limit, before=before)
        counts = {one.value: number for one, number in kept.inbox.desk.counts().items()}
    rows = [
        [one.id, f"{one.received_at:%Y-%m-%d %H:%M}", one_line(one.says), str(one.due_on or "–"), one_line(one.subject)]
        for one in found
    ]
    lines: list[Line] = [table("", ["letter", "came in", "proposal", "due", "subject"], rows)] if rows else []
    lines.append("  ".join(f"{name.replace('_', ' ')}: {number}" for name, number in counts.items()))
    data = {"counts": counts, "letters": [_line_json(one) for one in found]}
    return Answer(data=data, lines=lines, exit_status=1 if counts[View.TO_SORT.value] else 0)


@click.command()
@click.argument("letter_id", metavar="ID")
@click.pass_obj
@answering
def show(wiring: Wiring, letter_id: str) -> Answer:
    """Show a letter with what the machine reads in it; exits 1 while it is to sort."""
    with wiring.open_services(None) as kept:
        view = kept.inbox.desk.letter(letter_id)
    text = "".join(one.text for one in view.segments)
    lines: list[Line] = [
        one_line(view.subject, "No subject"),
        f"{one_line(view.sender_name)} <{one_line(view.sender)}>, {view.received_at:%Y-%m-%d %H:%M}, {one_line(view.clock_from)}",
        *(f"  {one_line(line.words)}" for line in view.signals),
        "",
        show_in_terminal(text),
        "",
        f"{view.proposal.kind.value}, {view.proposal.language}, {view.proposal.regime or 'no law named'}",
        *(_say_right(line) for line in view.proposal.lines if line.proposed or line.words or line.opened),
        *(f"  may belong to {one.ref}: {one.why}" for one in view.candidates),
        f"{view.state.value}" + (f": {', '.join(view.refs)}" if view.refs else ""),
    ]
    return Answer(data=_view_json(view), lines=lines, exit_status=1 if view.view is View.TO_SORT else 0)


@click.command()
@click.argument("letter_id", metavar="ID")
@click.option("--right", "rights", multiple=True, help="What it asks for, several times; without it, as proposed.")
@click.option("--law", help="The law that its clock follows; without it, as proposed.")
@click.option("--language", help="The language of our mails; without it, as proposed.")
@click.option("--contact", metavar="EMAIL", help="Where the link that proves the address goes; without it, the sender.")
@click.pass_obj
@answering
def accept(
    wiring: Wiring, letter_id: str, rights: tuple[str, ...], law: str | None, language: str | None, contact: str | None
) -> Answer:
    """Open a request for each right of a letter, received when the letter was."""
    with wiring.open_services(None) as kept:
        proposal = kept.inbox.desk.letter(letter_id).proposal
        refs = kept.inbox.desk.accept(
            letter_id,
            rights=rights or [right.value for right in proposal.rights],
            regime=law or proposal.regime,
            language=language or proposal.answered_in,
            by=command_actor(),
            contact=contact,
        )
        kept.ledger.settle()
    return Answer(data={"letter": letter_id, "requests": list(refs)}, lines=[f"Opened: {', '.join(refs)}."])


@click.command()
@click.argument("letter_id", metavar="ID")
@click.option("--right", "rights", multiple=True, required=True, help="What is opened alone, several times.")
@click.option("--law", help="The law that its clock follows; without it, as proposed.")
@click.option("--language", help="The language of our mails; without it, as proposed.")
@click.option("--contact", metavar="EMAIL", help="Where the link that proves the address goes; without it, the sender.")
@click.pass_obj
@answering
def split(
    wiring: Wiring, letter_id: str, rights: tuple[str, ...], law: str | None, language: str | None, contact: str | None
) -> Answer:
    """Open some requests of a letter as a conversation of their own; it stays to sort for the rest."""
    with wiring.open_services(None) as kept:
        proposal = kept.inbox.desk.letter(letter_id).proposal
        refs = kept.inbox.desk.split(
            letter_id,
            rights=rights,
            regime=law or proposal.regime,
            language=language or proposal.answered_in,
            by=command_actor(),
            contact=contact,
        )
        rest = [right.value for right in kept.inbox.desk.letter(letter_id).proposal.rights]
        kept.ledger.settle()
    left = f"Left to sort: {', '.join(rest)}." if rest else "Nothing that was proposed is left."
    data = {"letter": letter_id, "requests": list(refs), "rights": rest}
    return Answer(data=data, lines=[f"Opened: {', '.join(refs)}. {left}"])


@click.command()
@click.argument("letter_id", metavar="ID")
@click.option("--why", required=True, help="What it is instead.")
@click.pass_obj
@answering
def reject(wiring: Wiring, letter_id: str, why: str) -> Answer:
    """Set a letter aside: it is not a request."""
    return _decide(
        wiring, letter_id, lambda desk, by: desk.not_a_request(letter_id, why=why, by=by), "It is set aside."
    )


@click.command("belongs-to")
@click.argument("letter_id", metavar="ID")
@click.argument("ref")
@click.pass_obj
@answering
def belongs_to(wiring: Wiring, letter_id: str, ref: str) -> Answer:
    """Put a letter with a request, as what was written about it."""
    return _decide(
        wiring, letter_id, lambda desk, by: desk.belongs_to(letter_id, ref.upper(), by=by), "It is with that request."
    )


@click.command()
@click.argument("letter_id", metavar="ID")
@click.pass_obj
@answering
def undo(wiring: Wiring, letter_id: str) -> Answer:
    """Put a letter back with what is to sort, as long as nothing followed."""
    return _decide(wiring, letter_id, lambda desk, by: desk.undo(letter_id, by=by), "It is to sort again.")


def _decide(wiring: Wiring, letter_id: str, decide: Callable[[InboxDesk, str], None], done: str) -> Answer:
    with wiring.open_services(None) as kept:
        decide(kept.inbox.desk, command_actor())
        view = kept.inbox.desk.letter(letter_id)
        kept.ledger.settle()
    return Answer(data={"letter": letter_id, "state": view.state.value, "requests": list(view.refs)}, lines=[done])


def _say_right(line: ProposalLine) -> str:
    due = f", opened as {line.opened}" if line.opened else f", due {line.due_on}" if line.due_on else ""
    because = ", ".join(f"“{one_line(words)}”" for words in line.words[:3])
    return f"  [{'x' if line.proposed else ' '}] {line.right.value}{due}" + (f": {because}" if because else "")


def _line_json(one: LetterLine) -> dict[str, Any]:
    return {
        "id": one.id,
        "thread": one.thread,
        "received_at": iso_utc(one.received_at),
        "state": one.state.value,
        "kind": one.kind.value,
        "rights": [right.value for right in one.rights],
        "regime": one.regime,
        "language": one.language,
        "flags": sorted(flag.value for flag in one.flags),
        "auto": one.auto,
        "due_on": one.due_on.isoformat() if one.due_on else None,
        "requests": list(one.refs),
        "subject": one.subject,
        "from": one.sender,
        "same_as": one.same_as,
    }


def _view_json(view: LetterView) -> dict[str, Any]:
    proposal = view.proposal
    return {
        "id": view.id,
        "thread": view.thread,
        "received_at": iso_utc(view.received_at),
        "clock_from": view.clock_from,
        "state": view.state.value,
        "kind": proposal.kind.value,
        "subject": view.subject,
        "from": view.sender,
        "text": "".join(one.text for one in view.segments),
        "hidden": view.hidden,
        "signals": [one.words for one in view.signals],
        "attachments": [{"name": one.name, "type": one.type, "size": one.size} for one in view.attachments],
        "problems": list(view.problems),
        "rights": [
            {
                "right": one.right.value,
                "proposed": one.proposed,
                "words": list(one.words),
                "due_on": one.due_on.isoformat() if one.due_on else None,
                "request": one.opened or None,
            }
            for one in proposal.lines
        ],
        "regime": proposal.regime,
        "language": proposal.language,
        "identifiers": [{"kind": one.kind.value, "value": one.value.reveal()} for one in proposal.identifiers],
        "deadline": proposal.deadline.isoformat() if proposal.deadline else None,
        "candidates": [one.ref for one in view.candidates],
        "requests": list(view.refs),
        "acknowledged_at": iso_utc(view.acknowledged_at) if view.acknowledged_at else None,
    }


LETTER_COMMANDS = (list_letters, show, accept, split, reject, belongs_to, undo)
