"""`kept request` on whole tickets: search, assign, note, split, link, and refuse all of one or a part of it."""

from __future__ import annotations

from collections.abc import Callable

import click

from core.operators import find_operator
from dsr.listing import Wanted, Which
from dsr.service import Requests
from jobs.actor import command_actor
from jobs.answers import Answer, Line, answering, table
from jobs.commands.requests import line_json
from jobs.services import Wiring


@click.command("find")
@click.argument("reference", required=False, default="")
@click.option("--whose", metavar="EMAIL", help="Those of this operator.")
@click.option("--nobodys", is_flag=True, help="Those that are nobody's.")
@click.option("--all", "closed_too", is_flag=True, help="Closed ones too.")
@click.option("--page", type=click.IntRange(1), default=1, show_default=True)
@click.pass_obj
@answering
def find_requests(
    wiring: Wiring, reference: str, whose: str | None, nobodys: bool, closed_too: bool, page: int
) -> Answer:
    """Find requests by a reference or its start, or by whose work they are; a hundred on a page, by due date."""
    with wiring.open_services(None) as kept:
        mine = ""
        if whose:
            with kept.database.read() as session:
                mine = find_operator(session, whose).id
        which = Which.ALL if closed_too or reference else Which.OPEN
        wanted = Wanted(which=which, search=reference, assigned_to=mine, is_unassigned=nobodys)
        found = kept.requests.find_tickets(wanted, limit=100, offset=(page - 1) * 100)
        total = kept.requests.count_tickets(wanted)
    rows = [
        [one.ref, one.right_name, one.state_name, str(one.due_on or "–"), "test" if one.is_test else ""]
        for one in found
    ]
    lines: list[Line] = [table("", ["request", "right", "state", "due", ""], rows)] if rows else []
    lines.append(f"{len(found)} of {total} requests." if total else "No request fits.")
    data = {"total": total, "requests": [line_json(one) for one in found]}
    return Answer(data=data, lines=lines, exit_status=0 if found else 1)


@click.command()
@click.argument("ref")
@click.argument("email", required=False, default="")
@click.pass_obj
@answering
def assign(wiring: Wiring, ref: str, email: str) -> Answer:
    """Make a request the work of the operator with this address; without one it is nobody's."""
    with wiring.open_services(None) as kept:
        to = ""
        if email:
            with kept.database.read() as session:
                to = find_operator(session, email).id
        kept.requests.conversations.assign(ref, to=to, by=command_actor())
        kept.ledger.settle()
    words = f"Request {ref} is the work of {email}." if email else f"Request {ref} is nobody's."
    return Answer(data={"ref": ref, "assigned_to": to or None}, lines=[words])


@click.command()
@click.argument("ref")
@click.option("--right", required=True, help="access, portability, correction, deletion, …")
@click.pass_obj
@answering
def split(wiring: Wiring, ref: str, right: str) -> Answer:
    """Open a ticket for a further right of the same letter: same day, same proof, a clock and an answer of its own."""
    with wiring.open_services(None) as kept:
        made = kept.requests.conversations.split(ref, right=right, by=command_actor())
        kept.ledger.settle()
        line = kept.requests.view(made).line
    return Answer(data=line_json(line), lines=[f"Request {made} is open, due {line.due_on}."])


@click.command()
@click.argument("ref")
@click.argument("other")
@click.pass_obj
@answering
def link(wiring: Wiring, ref: str, other: str) -> Answer:
    """Say that two requests ask for the same. Each keeps its own clock and answer."""
    return _do(wiring, ref, lambda requests, by: requests.conversations.link(ref, other, by=by), f"linked with {other}")


@click.command()
@click.argument("ref")
@click.argument("other")
@click.pass_obj
@answering
def unlink(wiring: Wiring, ref: str, other: str) -> Answer:
    """Take such a link away."""
    words = f"no longer linked with {other}"
    return _do(wiring, ref, lambda requests, by: requests.conversations.unlink(ref, other, by=by), words)


@click.command()
@click.argument("ref")
@click.argument("text")
@click.pass_obj
@answering
def note(wiring: Wiring, ref: str, text: str) -> Answer:
    """Write a note that only operators see."""
    return _do(wiring, ref, lambda requests, by: requests.add_note(ref, by=by, text=text), "noted on")


@click.command()
@click.argument("ref")
@click.option("--ground", required=True, help="The id of a ground of the regime; a wrong one names those there are.")
@click.option("--reason", required=True, help="Why, in words for the person.")
@click.option(
    "--part", "parts", multiple=True, metavar="COLLECTION", help="Only this part of its plan; again for more."
)
@click.option("--what", default="", help="Only this part, in words, where the right is done by hand.")
@click.pass_obj
@answering
def refuse(wiring: Wiring, ref: str, ground: str, reason: str, parts: tuple[str, ...], what: str) -> Answer:
    """Refuse a request, or a part of it, with a ground and a reason. The person is told both, and where to complain."""

    def act(requests: Requests, by: str) -> None:
        if parts or what:
            requests.parts.refuse(ref, by=by, ground=ground, reason=reason, collections=parts, what=what)
        else:
            requests.refuse(ref, by=by, ground=ground, reason=reason)

    return _do(wiring, ref, act, "refused in part, and answered once the rest is done" if parts or what else "refused")


def _do(wiring: Wiring, ref: str, act: Callable[[Requests, str], None], done: str) -> Answer:
    with wiring.open_services(None) as kept:
        act(kept.requests, command_actor())
        kept.ledger.settle()
        line = kept.requests.view(ref).line
    return Answer(data=line_json(line), lines=[f"Request {line.ref} is {done}."])


TICKET_COMMANDS = (find_requests, assign, split, link, unlink, note, refuse)
