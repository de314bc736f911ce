"""`kept backup` and `kept restore`: both halves of a safe copy of Kept itself."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from core.clock import SystemClock
from core.settings_file import find_settings_file, load_settings
from core.words import plural, size
from jobs.answers import Answer, Line, answering
from jobs.backup import back_up
from jobs.backup import restore as put_back


@click.command()
@click.argument("target", type=click.Path(path_type=Path), metavar="DIR|FILE")
@click.option(
    "--key",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Encrypt it with the key in this file, which is made where there is none. Keep it elsewhere.",
)
@answering
def backup(target: Path, key: Path | None) -> Answer:
    """Copy configuration, policy, control database and var/ into one file, while Kept runs."""
    done = back_up(load_settings(find_settings_file()), target, now=SystemClock().now(), key_file=key)
    lines: list[Line] = [f"{done.path}: {plural(done.files, 'file', 'files')}, {size(done.size)}."]
    if not done.has_secret:
        lines.append("The secret key is not in it: kept.yaml takes it from elsewhere. Keep a copy of that too.")
    elif not done.sealed:
        lines.append("It holds the secret key and people's data, and is not encrypted: --key FILE does that.")
    lines.append("Your own stores are not in it: back them up as you always do.")
    return Answer(data={**asdict(done), "path": str(done.path)}, lines=lines)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--key", type=click.Path(dir_okay=False, path_type=Path), help="The file with the key it was encrypted with."
)
@click.option(
    "--to", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="The folder; else this one."
)
@click.option("--force", is_flag=True, help="Also where an installation is there: it is moved aside.")
@click.option(
    "--erasures",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A newer var/erasures.jsonl from another machine.",
)
@answering
def restore(file: Path, key: Path | None, to: Path, force: bool, erasures: Path | None) -> Answer:
    """Put a backup back, every hash checked first. Nothing serves before `kept erasures replay` has run."""
    done = put_back(file, to.resolve(), now=SystemClock().now(), key_file=key, force=force, erasures=erasures)
    lines: list[Line] = [
        f"{plural(done.files, 'file', 'files')} of the backup of {done.made_at} are in {to.resolve()}."
    ]
    if done.aside:
        lines.append(f"What was there before lies in {done.aside}.")
    if done.joined:
        lines.append(
            f"{plural(done.joined, 'erased identifier', 'erased identifiers')} newer than the backup were kept."
        )
    lines.append("If the ledger is behind its last checkpoint, say why: `kept ledger accept-rollback --reason TEXT`.")
    lines.append("Now run `kept erasures replay`: until then neither `kept serve` nor `kept sweep` works.")
    data = {**asdict(done), "aside": str(done.aside) if done.aside else None}
    return Answer(data=data, lines=lines)
