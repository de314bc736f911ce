"""`kept request open` and `letters`: what came another way than by the form, and what goes out by post."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from core.clock import iso_utc, parse_iso
from core.errors import BadInput
from dsr.attachments import LARGEST_FILE, Attachment
from dsr.by_hand import CHANNELS
from jobs.actor import command_actor
from jobs.answers import Answer, Line, answering, table
from jobs.commands.requests import line_json
from jobs.services import Wiring


@click.command("open")
@click.argument("email", default="")
@click.option("--right", "rights", required=True, multiple=True, help="access, deletion, …; again for a further one.")
@click.option("--received", metavar="INSTANT", help="When it reached us, such as 2026-11-20T09:00:00Z; now without it.")
@click.option("--channel", default="letter", show_default=True, type=click.Choice(CHANNELS))
@click.option("--post", "postal_address", default="", help="Where the answer goes, for who has no e-mail address.")
@click.option("--language", default="", help="In which they are answered; that of the policy without it.")
@click.option("--note", default="", help="What was said.")
@click.option("--attach", "files", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--test", "is_test", is_flag=True, help="Only to try things out; it stands in no count.")
@click.pass_obj
@answering
def open_request(
    wiring: Wiring,
    email: str,
    rights: tuple[str, ...],
    received: str | None,
    channel: str,
    postal_address: str,
    language: str,
    note: str,
    files: tuple[Path, ...],
    is_test: bool,
) -> Answer:
    """Open a request that came another way. An address of mail gets a link to prove it."""
    attached = tuple(_read(one) for one in files)
    with wiring.open_services(None) as kept:
        refs = kept.requests.by_hand.open(
            email=email,
            rights=rights,
            received_at=parse_iso(received) if received else kept.clock.now(),
            channel=channel,
            by=command_actor(),
            postal_address=postal_address.replace(", ", "\n"),
            language=language,
            note=note,
            files=attached,
            is_test=is_test,
        )
        kept.ledger.settle()
        lines = [kept.requests.view(ref).line for ref in refs]
    then = "Its address got a link to prove it." if email else "Say who they are on its page."
    also = {"with": refs[1:]} if len(refs) > 1 else {}
    said: list[Line] = [f"Request {one.ref} is open: {one.right.value}, due {one.due_on}." for one in lines]
    return Answer(data=line_json(lines[0]) | also, lines=[*said, then])


@click.command()
@click.argument("ref")
@click.option("--print", "folder", type=click.Path(file_okay=False, path_type=Path), help="Write them as PDF into it.")
@click.option("--sent", "letter_id", default="", help="Write down that this letter was posted.")
@click.option("--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="On which day; with --sent.")
@click.pass_obj
@answering
def letters(wiring: Wiring, ref: str, folder: Path | None, letter_id: str, day: datetime | None) -> Answer:
    """Show what goes to a person by post; exits 1 while a letter waits to be posted."""
    with wiring.open_services(None) as kept:
        post = kept.requests.by_post
        if letter_id:
            if day is None:
                raise BadInput("The day is missing.", remedy="Give it with --on 2026-11-21.")
            post.note_sent(ref, letter_id, on=day.date(), by=command_actor())
            kept.ledger.settle()
        found = post.look(ref)
        for one in found.letters if found and folder else ():
            assert folder is not None
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{ref}-{one.id}.pdf").write_bytes(post.print_letter(ref, one.id))
    if found is None:
        return Answer(data=[], lines=[f"Request {ref} is answered by mail."])
    rows = [[one.id, one.title, f"{one.at:%Y-%m-%d}", str(one.sent_on or "waits")] for one in found.letters]
    lines: list[Line] = [table("", ["letter", "about", "made", "posted"], rows)] if rows else ["No letter yet."]
    data = [
        {"id": one.id, "title": one.title, "at": iso_utc(one.at), "sent_on": str(one.sent_on) if one.sent_on else None}
        for one in found.letters
    ]
    return Answer(data=data, lines=lines, exit_status=1 if found.waiting else 0)


def _read(path: Path) -> Attachment:
    with path.open("rb") as file:
        return Attachment(name=path.name, content=file.read(LARGEST_FILE + 1))


WAYS_IN_COMMANDS = (open_request, letters)
