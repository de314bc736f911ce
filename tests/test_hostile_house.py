"""What must not leak or be used up behind the pages: files that others on the machine can read, errors that quote people, limits."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import freezegun
import pytest
import sqlalchemy as sa

from core.clock import iso_utc, parse_iso
from core.database import Database
from core.errors import BadInput, TooMuch
from core.outbox import post
from core.settings import ServiceSettings
from dsr.limits import Limit, Limits
from tests.dsr_house import ANNA, NOON, OPERATOR, House, build_house
from tests.request_desk import hand_on
from tests.web_installation import open_installation

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LIMITS = Limits(
    form_per_address=Limit(most=9, window=DAY),
    form_per_source=Limit(most=2, window=HOUR),
    form_in_all=Limit(most=4, window=HOUR),
)


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Iterator[House]:
    """A house where one source may send two forms and all together four."""
    with freezegun.freeze_time(NOON, tick=True):
        yield build_house(database, tmp_path / "house", limits=LIMITS)


def test_one_source_cannot_use_up_what_is_there_for_all(house: House) -> None:
    """Forms that are refused count for nobody else: a hundred of them silence neither the form nor a person's address."""
    for _ in range(100):
        try:
            house.submit(ANNA, source="192.0.2.66")
        except TooMuch:
            continue
    house.submit(ANNA, source="192.0.2.7")
    assert len(house.mails_to(ANNA)) == 3


def test_a_form_that_gets_no_mail_for_want_of_room_says_so(house: House) -> None:
    """Over the limit of a source or of all, no ticket is made and nobody is told that a mail is on its way."""
    for number in range(4):
        house.submit(source=f"192.0.2.{number}")
    with pytest.raises(TooMuch, match="Nothing was sent"):
        house.submit(source="192.0.2.99")
    assert len(house.mails_to(ANNA)) == 4


@pytest.mark.parametrize("year", [1, 999, 1900, 2016])
def test_a_request_of_another_age_is_refused(house: House, year: int) -> None:
    """Ten years back is the most: a slip of the pen makes no ticket that is overdue by two thousand years."""
    with pytest.raises(BadInput, match="ten years"):
        house.requests.open_by_hand(
            email=ANNA, right="access", received_at=datetime(year, 1, 1, tzinfo=UTC), channel="letter", by=OPERATOR
        )


@pytest.mark.parametrize("year", [1, 999, 2026, 9999])
def test_an_instant_of_any_year_is_written_so_that_it_can_be_read(year: int) -> None:
    """Four digits of year: else text order is not time order, and no parser takes it back."""
    instant = datetime(year, 2, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert len(iso_utc(instant)) == 27
    assert parse_iso(iso_utc(instant)) == instant


def test_an_error_of_the_control_database_quotes_nobody(database: Database) -> None:
    """Errors end up in logs with their text: it names the statement, never the values that were bound."""
    twice = sa.text(
        "INSERT INTO heartbeats (job, ran_at, note) VALUES ('x', '2026-01-01', :note), ('x', '2026-01-01', '')"
    )
    with pytest.raises(sa.exc.IntegrityError) as caught, database.begin() as session:
        session.execute(twice, {"note": ANNA})
    assert ANNA not in str(caught.value)


def test_nobody_else_on_the_machine_reads_what_the_installation_keeps(tmp_path: Path) -> None:
    """The control database, its journal, the mails and the folder around them are the owner's alone, whatever the umask."""
    with open_installation(tmp_path / "kept") as opened:
        var = opened.root / "var"
        with opened.kept.database.begin() as session:
            post(session, "nothing", {"to": ANNA}, now=opened.kept.clock.now())
        opened.kept.requests.submit_form(email=ANNA, right="access", source="192.0.2.7")
        hand_on(opened.kept)
        assert stat.S_IMODE(var.stat().st_mode) == 0o700
        files = [path for path in var.rglob("*") if path.is_file()]
        assert {path.name for path in files} >= {"kept.db", "kept.db-wal", "secret.key"}
        assert [path.name for path in files if path.stat().st_mode & 0o077] == []


def test_settings_in_a_traceback_show_no_password() -> None:
    """The address of the control database may hold one; a repr must not print it."""
    settings = ServiceSettings(
        base_url="https://kept.example", database="postgresql://kept:swordfish@db/kept", secret_key=b"s" * 32
    )
    assert "swordfish" not in repr(settings)


def test_a_zero_byte_is_bad_input_and_no_fault(house: House) -> None:
    """PostgreSQL takes none in a text, SQLite does: either way nobody gets an error page for what a stranger typed."""
    ref = house.confirmed()
    for act in (
        lambda: house.requests.ask_code("\0", source="192.0.2.7"),
        lambda: house.requests.open_page("\0", "123456"),
        lambda: house.requests.add_note(ref, by=OPERATOR, text="a\0b"),
    ):
        with suppress(BadInput):
            act()


def test_what_is_logged_goes_to_standard_error() -> None:
    """With `--json` a command prints one document on standard output: a line of a log in it would break whoever reads it."""
    program = "import atexit, structlog; atexit.register(lambda: structlog.get_logger().warning('told')); import app; app.main()"
    ran = subprocess.run([sys.executable, "-c", program, "--version"], capture_output=True, text=True, check=True)
    assert "told" not in ran.stdout
    assert "told" in ran.stderr
