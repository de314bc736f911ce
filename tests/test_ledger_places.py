"""Tests of checkpoints kept elsewhere: a file, a bucket with object lock, a mailbox, and what a place that is away changes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from core.database import Database
from core.errors import CheckFailed, Unreachable
from core.settings_ledger import CheckpointPlace
from ledger.kept_elsewhere import KeptElsewhere
from ledger.log import Ledger
from ledger.places import FilePlace, Place, make_place, split_notes
from ledger.standing import LedgerBehindError
from tests.ledger_rooms import StandingClock, make_ledger, record
from tests.servers_s3 import KEY_ID, LOCKED, PLAIN, SECRET, S3Server

HOUR = timedelta(hours=1)


def nobody(address: str, size: int, note: str) -> None:
    raise AssertionError


def bucket(server: S3Server, name: str, prefix: str, lock: timedelta | None = None) -> Place:
    options = {"bucket": name, "endpoint": server.endpoint, "region": "us-east-1", "key_id": KEY_ID, "secret": SECRET}
    return make_place(CheckpointPlace(kind="s3", where=name, options={**options, "prefix": prefix}, lock=lock), nobody)


class House:
    """A ledger, a clock and places."""

    def __init__(self, database: Database, places: list[Place], head: Path | None = None) -> None:
        self.database, self.clock = database, StandingClock()
        self.ledger: Ledger = make_ledger(database, clock=self.clock, head=head)
        self.kept = KeptElsewhere(database, self.clock, self.ledger, places, every=HOUR)

    def grow(self, number: int = 2) -> str:
        """Record, settle, keep; gives the checkpoint."""
        record(self.ledger, self.database, number)
        self.kept.keep_due()
        return self.ledger.checkpoint_note()


def test_a_file_gets_each_hour_the_latest_checkpoint_behind_the_others(database: Database, tmp_path: Path) -> None:
    """Appended, never rewritten; within the hour nothing, and nothing while nothing happens. What it holds still holds."""
    path = tmp_path / "checkpoints"
    house = House(database, [FilePlace(path)])
    first = house.grow()
    house.grow()
    house.clock.advance(HOUR)
    third = house.grow()
    house.clock.advance(HOUR)
    house.kept.keep_due()
    assert split_notes(path.read_text()) == [first, third]
    (state,) = house.kept.states()
    assert (state.kept_size, state.waits, state.is_away(house.clock.now())) == (6, 0, False)
    notes, troubles = house.kept.read_all()
    assert (house.ledger.verify(seen=notes).ok, troubles, house.kept.compare()) == (True, [], [])
    house.clock.advance(-3 * HOUR)
    assert house.grow() in split_notes(path.read_text())  # a clock that was set back keeps nothing waiting


def test_a_place_that_is_away_loses_nothing_and_is_told_after_a_while(database: Database, tmp_path: Path) -> None:
    """Every checkpoint that was due meanwhile goes there, in order, once it is back; half a note of a crash is cut off."""
    path = tmp_path / "share" / "checkpoints"
    house = House(database, [FilePlace(path)])
    for _ in range(3):
        with pytest.raises(Unreachable, match="Nothing is lost"):
            house.grow()
        house.clock.advance(HOUR)
    (state,) = house.kept.states()
    assert (state.waits, state.kept_size, state.is_away(house.clock.now())) == (3, None, True)
    assert "is not there" in state.trouble
    path.parent.mkdir()
    path.write_text("privacy.example.com/kept\n2\nhalf a no")
    house.kept.keep_due()
    assert [int(note.split("\n")[1]) for note in split_notes(path.read_text())] == [2, 4, 6]
    assert house.kept.states()[0].waits == 0


def test_a_checkpoint_that_a_place_lost_or_that_was_changed_there_is_told(database: Database, tmp_path: Path) -> None:
    """Truncated, or with another root: both are found by reading the place back."""
    path = tmp_path / "checkpoints"
    house = House(database, [FilePlace(path)])
    first = house.grow()
    house.clock.advance(HOUR)
    house.grow()
    whole = path.read_text()
    path.write_text(f"{first}-----\n")
    assert house.kept.find_missing() == [
        f"file {tmp_path.name}/checkpoints kept a checkpoint over 4 entries and no longer has it."
    ]
    path.write_text(whole.replace("\n4\n", "\n3\n"))
    assert "did not sign" in house.kept.compare()[0]
    notes, _ = house.kept.read_all()
    assert "kept elsewhere is not signed" in str(house.ledger.verify(seen=notes).findings)


def test_two_logs_with_one_key_are_found_where_both_keep_their_checkpoints(database: Database, tmp_path: Path) -> None:
    """Two nodes with a database each and one secret: the second sees what the first signed, writes nothing, and stops."""
    path = tmp_path / "checkpoints"
    first = House(database, [FilePlace(path)])
    first.grow(3)
    other = Database(f"sqlite:///{tmp_path}/other.db")
    from tests.schema import make_tables

    make_tables(other)
    second = House(other, [FilePlace(path)], head=tmp_path / "ledger.head")
    before = path.read_text()
    with pytest.raises(Unreachable, match="Two logs may sign with one key"):
        second.grow(3)
    assert path.read_text() == before
    with pytest.raises(LedgerBehindError, match="others than those"):
        record(second.ledger, other, 1)
    other.close()


def test_a_bucket_with_object_lock_keeps_what_was_written(database: Database, s3_server: S3Server) -> None:
    """Retention in COMPLIANCE mode, read back; nobody deletes it, and another object under its name leaves the first there."""
    prefix = s3_server.fresh_prefix()
    house = House(database, [bucket(s3_server, LOCKED, prefix, lock=timedelta(days=30))])
    note = house.grow()
    house.clock.advance(HOUR)
    house.grow()
    notes, troubles = house.kept.read_all()
    assert (notes[0], len(notes), troubles) == (note, 2, [])
    assert house.ledger.verify(seen=notes).ok
    client = s3_server.client()
    (version, *_) = client.list_object_versions(Bucket=LOCKED, Prefix=prefix)["Versions"]
    with pytest.raises(ClientError, match=r"AccessDenied|denied"):
        client.delete_object(Bucket=LOCKED, Key=version["Key"], VersionId=version["VersionId"])
    assert client.get_object_retention(Bucket=LOCKED, Key=version["Key"])["Retention"]["Mode"] == "COMPLIANCE"


def test_a_bucket_without_lock_that_was_promised_one_is_refused(database: Database, s3_server: S3Server) -> None:
    """Said to be locked and not: that is trouble, and not silence. Without the promise the same bucket serves."""
    prefix = s3_server.fresh_prefix()
    house = House(database, [bucket(s3_server, PLAIN, prefix, lock=timedelta(days=30))])
    with pytest.raises(Unreachable):
        house.grow()
    plain = House(database, [bucket(s3_server, PLAIN, prefix + "b/")])
    plain.kept.keep_now()
    assert len(plain.kept.read_all()[0]) == 1


def test_an_auditor_gets_each_checkpoint_once_by_mail(database: Database) -> None:
    """A mailbox cannot be read back, so it is not blamed for having nothing; its address is in no name."""
    sent: list[tuple[str, int, str]] = []
    place = make_place(
        CheckpointPlace(kind="mail", where="auditor@example.org"), lambda to, size, note: sent.append((to, size, note))
    )
    house = House(database, [place])
    note = house.grow()
    house.kept.keep_due()
    assert sent == [("auditor@example.org", 2, note)]
    assert house.kept.compare() == house.kept.find_missing() == []
    assert "auditor" not in place.name


def test_what_does_not_hold_what_was_written_is_refused(tmp_path: Path) -> None:
    """A place that swallows what is written to it, as /dev/null does, is no place."""
    with pytest.raises((CheckFailed, Unreachable)):
        FilePlace(Path("/dev/null")).keep(1, "note\n", StandingClock().now())
