"""`kept request` on what is written: the messages of a request, answering them, and the files of both sides."""

from __future__ import annotations

from pathlib import Path

import click

from core.clock import iso_utc
from core.errors import BadInput
from core.words import size
from dsr.attachments import Attachment
from dsr.messages import BY_OTHER, IN, REPLY, MessageView
from jobs.actor import command_actor
from jobs.answers import Answer, Line, answering
from jobs.services import Wiring


@click.command()
@click.argument("ref")
@click.option(
    "--files", "folder", type=click.Path(file_okay=False, path_type=Path), help="Write the files into this folder."
)
@click.pass_obj
@answering
def messages(wiring: Wiring, ref: str, folder: Path | None) -> Answer:
    """Show what the person and we wrote on the page of a request; exits 1 while one of theirs waits for an answer."""
    with wiring.open_services(None) as kept:
        written = [one for one in kept.requests.view(ref).messages if one.direction in (IN, REPLY)]
        there = [file for one in written for file in one.files if file.gone_at is None]
        for file in there if folder else ():
            assert folder is not None
            _write(folder / f"{file.id}-{file.name}", kept.requests.messages.open_as_operator(ref, file.id).content)
    lines: list[Line] = []
    for one in written:
        waits = ", waits for an answer" if one.waits else ""
        lines.append(f"{one.at:%Y-%m-%d %H:%M}  {_who(one, 'the person')}{waits}")
        lines += [f"  {line}" for line in one.body.split("\n")]
        lines += [
            f"  file {file.id}: {file.name or 'deleted'}, {file.kind.value}, {size(file.size)}" for file in one.files
        ]
    data = [
        {
            "id": one.id,
            "at": iso_utc(one.at),
            "from": _who(one, "person"),
            "words": one.body,
            "waits": one.waits,
            "files": [
                {"id": file.id, "name": file.name, "kind": file.kind.value, "size": file.size} for file in one.files
            ],
        }
        for one in written
    ]
    return Answer(
        data=data, lines=lines or ["Nothing was written."], exit_status=1 if any(one.waits for one in written) else 0
    )


def _who(one: MessageView, person: str) -> str:
    """Whose words they are; what came by mail from another address than the proven one is not the person's."""
    if one.direction != IN:
        return one.author
    return "somebody else" if one.author == BY_OTHER else person


@click.command()
@click.argument("ref")
@click.argument("words")
@click.option(
    "--attach",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of up to 10 MB; at most five.",
)
@click.pass_obj
@answering
def reply(wiring: Wiring, ref: str, words: str, attach: tuple[Path, ...]) -> Answer:
    """Write to the person: it stands on their page, a mail says that something does."""
    files = [Attachment(name=path.name, content=path.read_bytes()) for path in attach]
    with wiring.open_services(None) as kept:
        kept.requests.messages.reply(ref, by=command_actor(), words=words, files=files)
        kept.ledger.settle()
    return Answer(data={"ref": ref, "files": len(files)}, lines=[f"The message stands on the page of request {ref}."])


@click.command("delete-files")
@click.argument("ref")
@click.option("--reason", required=True, help="Why they go.")
@click.pass_obj
@answering
def delete_files(wiring: Wiring, ref: str, reason: str) -> Answer:
    """Delete the files of a request, both sides', by throwing their key away."""
    with wiring.open_services(None) as kept:
        number = kept.requests.messages.throw_away_files(ref, by=command_actor(), why=reason)
        kept.ledger.settle()
    return Answer(data={"ref": ref, "files": number}, lines=[f"{number} of request {ref} are deleted, with their key."])


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError as error:
        raise BadInput(f"{path} is there already.", remedy="Name an empty folder.") from error


TALK_COMMANDS = (messages, reply, delete_files)
