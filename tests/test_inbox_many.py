"""Very many mails at once: all of them come in, once each, in memory that does not grow with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.database import Database
from tests.inbox_rooms import mail
from tests.schema import make_tables
from tests.servers_imap import PASSWORD, DovecotUser

ROOT = Path(__file__).parent.parent
FEW, MANY = 500, 10_000
MEBIBYTES = 15


def fetch(file: Path, user: DovecotUser) -> tuple[int, int]:
    """One poll in a process of its own, into a database of its own: mails taken, most mebibytes held."""
    database = Database(f"sqlite:///{file}")
    if not file.exists():
        make_tables(database)
    words = [str(database.url), user.url(), PASSWORD]
    said = subprocess.run(
        [sys.executable, "-m", "tests.inbox_many_child", *words], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    database.close()
    return int(said[0]), int(said[1])


@pytest.mark.slow
def test_ten_thousand_mails_come_in_once_each_in_memory_that_does_not_grow(
    tmp_path: Path, mail_user: DovecotUser
) -> None:
    """20 times the mails take no more memory but what a list of numbers takes."""
    mail_user.put_many([mail(number, size=3_000) for number in range(FEW)])
    few = fetch(tmp_path / "few.db", mail_user)
    for start in range(FEW, MANY, FEW):
        mail_user.put_many([mail(number, size=3_000) for number in range(start, start + FEW)])
    many = fetch(tmp_path / "many.db", mail_user)
    assert (few[0], many[0]) == (FEW, MANY)
    assert many[1] - few[1] < MEBIBYTES, f"{few[1]} MiB for {FEW}, {many[1]} MiB for {MANY}"
    again = fetch(tmp_path / "many.db", mail_user)
    assert again[0] == 0
