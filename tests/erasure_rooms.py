"""What tests of erasures share: a deletion from the form to the answer in a small installation, and commands in this process."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import chdir, closing
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from app import EXAMPLES, make_web, open_services
from jobs.cli import kept as commands
from jobs.services import Services, Wiring
from tests.request_desk import CONFIRM_LINK, SOURCES, find, hand_on

OPERATOR = "opr_ines"


def ask(root: Path, *words: str, status: int = 0) -> Any:
    """One command with --json in this process; its document."""
    wiring = Wiring(open_services=open_services, make_web=make_web, examples=EXAMPLES)
    with chdir(root):
        ran = CliRunner().invoke(commands, [*words, "--json"], obj=wiring)
    assert ran.exit_code == status, (ran.output, ran.exception)
    logged = 0 if ran.stdout.startswith(("{", "[")) else ran.stdout.index("\n{") + 1  # the runner has no log of its own
    return json.loads(ran.stdout[logged:])


def erase(kept: Services, root: Path, *emails: str) -> list[str]:
    """Deletions, each from the form to the answer; gives their references."""
    refs = []
    for email in emails:
        kept.requests.submit_form(email=email, right="deletion", details="", source=next(SOURCES))
        hand_on(kept)
        token = find(CONFIRM_LINK, root, email).rpartition("/")[2]
        refs.append(kept.requests.confirm(token, source=next(SOURCES)))
        kept.requests.make_plan(refs[-1], by=OPERATOR)
        kept.requests.approve(refs[-1], by=OPERATOR)
        kept.requests.run(refs[-1], by=OPERATOR)
        hand_on(kept)
    return refs


def count(root: Path, statement: str, *values: object) -> int:
    """A count in the gateway's database, made without Kept."""
    with closing(sqlite3.connect(root / "gateway.db")) as connection:
        return int(connection.execute(statement, values).fetchone()[0])


def copy_database(source: Path, target: Path) -> None:
    """A host's own backup of its database, or its restore."""
    for end in ("-wal", "-shm"):
        target.with_name(target.name + end).unlink(missing_ok=True)
    shutil.copy(source, target)
