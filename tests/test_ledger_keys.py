"""Tests of the log's own turns: another key, a lost one, a database of yesterday, a clock set back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from core.database import Database
from core.errors import BadInput, Conflict, NotFound
from ledger.export import verify_file
from ledger.notes import NoteKey, key_of
from ledger.signing import KeyLostError
from ledger.standing import LedgerBehindError
from ledger.succeeding import is_behind_clock
from tests.ledger_rooms import StandingClock, make_ledger, record, run_sql
from tests.schema import make_tables

BY = "opr_1"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/kept.db")
    make_tables(made)
    yield made
    made.close()


def notes_of(database: Database) -> dict[int, str]:
    with database.engine.begin() as connection:
        return dict(connection.exec_driver_sql("SELECT size, note FROM ledger_checkpoints").all())


def test_after_a_rotation_old_checkpoints_hold_and_new_ones_have_the_new_key(
    database: Database, tmp_path: Path
) -> None:
    """The old key signs the entry that names the new one, and nothing later; either key is enough to check all of it."""
    ledger = make_ledger(database)
    record(ledger, database, 3)
    old = ledger.key
    before, after = ledger.succeeding.rotate(by=BY, reason="once a year")
    assert ledger.settle().size == 4
    assert (ledger.key.public, old.public) == (after, before)
    record(ledger, database, 2)
    notes = notes_of(database)
    assert all(f"{old.name} {_id(old)}" in notes[size] for size in (3, 4))
    assert f"{old.name} {_id(ledger.key)}" in notes[6]
    found = ledger.verify()
    assert (found.ok, found.notes) == (True, ("At position 3 the log changed its key.",))
    ledger.export(tmp_path / "all.jsonl")
    assert verify_file(tmp_path / "all.jsonl", key=str(old)).ok
    assert verify_file(tmp_path / "all.jsonl", key=str(ledger.key)).ok
    stranger = NoteKey(name=old.name, public=bytes(32))
    assert not verify_file(tmp_path / "all.jsonl", key=str(stranger)).ok
    # A second change, by another process of the same installation.
    again = make_ledger(database)
    again.succeeding.rotate(by=BY, reason="a laptop was stolen")
    again.settle()
    record(again, database, 1)
    (tmp_path / "all.jsonl").unlink()
    again.export(tmp_path / "all.jsonl")
    assert again.verify().ok
    assert verify_file(tmp_path / "all.jsonl", key=str(old)).ok


def _id(key: NoteKey) -> str:
    import base64

    return base64.b64encode(key.key_id).decode()[:5]


def test_an_old_key_signs_nothing_after_it_was_replaced(database: Database) -> None:
    """Whoever stole the old key cannot sign a checkpoint over what came after its successor was named."""
    from ledger.notes import TreeHead, sign_note, write_tree_head

    ledger = make_ledger(database)
    record(ledger, database, 3)
    ledger.succeeding.rotate(by=BY, reason="it was stolen")
    ledger.settle()
    record(ledger, database, 2)
    latest = ledger.latest()
    assert latest is not None
    thief = make_ledger(database)._signer.private(1)
    head = TreeHead(origin=ledger.key.name, size=latest.size, root=latest.root)
    note = sign_note(write_tree_head(head), name=head.origin, private=thief)
    from tests.ledger_rooms import drop_triggers

    drop_triggers(database)
    run_sql(database, f"UPDATE ledger_checkpoints SET note = '{note}' WHERE size = {latest.size}")
    assert "over 6 entries is not signed by this ledger's key" in str(ledger.verify().findings)


def test_a_lost_key_stops_signing_until_a_person_says_so(database: Database, tmp_path: Path) -> None:
    """Another secret signs nothing by itself. Declared lost, the log goes on; who holds only the old key is told where its
    word ends, who holds the new one can check all of it."""
    first = make_ledger(database)
    record(first, database, 3)
    old = first.key
    with pytest.raises(Conflict, match="not lost"):
        first.succeeding.replace_lost(by=BY, reason="no")
    second = make_ledger(database, secret=b"the secret of a new installation")
    with pytest.raises(KeyLostError, match="The secret key here"):
        record(second, database, 1)
    with pytest.raises(KeyLostError):
        second.succeeding.rotate(by=BY, reason="cannot vouch")
    with pytest.raises(BadInput, match="reason"):
        second.succeeding.replace_lost(by=BY, reason=" ")
    second.succeeding.replace_lost(by=BY, reason="the disk with the secret burned")
    assert second.settle().size == 5
    assert second.verify().ok
    second.export(tmp_path / "all.jsonl")
    assert verify_file(tmp_path / "all.jsonl", key=str(second.key)).ok
    told = verify_file(tmp_path / "all.jsonl", key=str(old))
    assert "a key that the one given does not vouch for" in str(told.findings)
    with pytest.raises(KeyLostError):
        record(first, database, 1)  # the process that still has the old secret


def test_a_database_of_yesterday_is_refused_until_a_person_says_why(home: Database, tmp_path: Path) -> None:
    """The file beside the database knows the newest head. Nothing is recorded or signed behind it; said why, both heads
    stand in the log, which goes on under another name, and what was given up is told from an attack."""
    head, yesterday = tmp_path / "ledger.head", tmp_path / "yesterday.db"
    ledger = make_ledger(home, head=head)
    record(ledger, home, 4)
    home.close()
    shutil.copy(tmp_path / "kept.db", yesterday)
    home = Database(f"sqlite:///{tmp_path}/kept.db")
    ledger = make_ledger(home, head=head)
    record(ledger, home, 3)
    lost, name = notes_of(home)[7], ledger.key.name
    home.close()
    for path in tmp_path.glob("kept.db*"):
        path.unlink()
    shutil.copy(yesterday, tmp_path / "kept.db")
    home = Database(f"sqlite:///{tmp_path}/kept.db")
    ledger = make_ledger(home, head=head)
    for _ in range(2):
        with pytest.raises(LedgerBehindError, match="ends after 4 entries, and a checkpoint over 7"):
            record(ledger, home, 1)
    with pytest.raises(LedgerBehindError):
        ledger.settle()
    assert ledger.is_behind()
    assert "rolled back: a checkpoint over 7 entries was signed, and it ends after 4" in str(ledger.verify().findings)
    assert ledger.accept_rollback(by=BY, reason="the disk broke, backup of last night").size == 5
    record(ledger, home, 5)
    assert ledger.key.name == f"{name}/2"
    with home.read() as session:
        (entry,) = ledger.entries(session, kind="ledger.rolled_back")
    assert [ref.split(":")[:2] for ref in entry.refs] == [["lost", "7"], ["kept", "4"]]
    assert entry.private == {"reason": "the disk broke, backup of last night"}
    found = ledger.verify(seen=[lost])
    assert found.ok
    assert "from 7 entries to 4" in found.notes[0]
    assert ledger.learn(lost) == ""
    with pytest.raises(NotFound, match="no rollback"):
        ledger.accept_rollback(by=BY, reason="again")
    home.close()


def test_a_head_in_the_future_of_an_accepted_rollback_is_still_a_rollback(home: Database, tmp_path: Path) -> None:
    """Acceptance covers exactly the checkpoints up to the head that was known: one over more entries is news."""
    other = Database(f"sqlite:///{tmp_path}/other.db")
    make_tables(other)
    head = tmp_path / "ledger.head"
    longer = make_ledger(other)
    for size in (7, 5):
        record(longer, other, size)
    ledger = make_ledger(home, head=head)
    record(ledger, home, 2)
    notes = notes_of(other)
    assert ledger.learn(notes[7]) != ""
    ledger.accept_rollback(by=BY, reason="restored")
    assert ledger.learn(notes[7]) == ""
    assert "a checkpoint over 12 was signed" in ledger.learn(notes[12])
    with pytest.raises(LedgerBehindError):
        record(ledger, home, 1)
    other.close()


def test_a_clock_set_back_changes_no_order_and_is_told(database: Database) -> None:
    """Positions order the log, not times: it goes on and verifies; that the last checkpoint lies ahead can be seen."""
    clock = StandingClock()
    ledger = make_ledger(database, clock=clock)
    record(ledger, database, 2)
    clock.advance(timedelta(hours=-5))
    record(ledger, database, 2)
    with database.read() as session:
        entries = ledger.entries(session)
    assert [one.position for one in entries] == [3, 2, 1, 0]
    assert entries[0].at < entries[3].at
    assert ledger.verify().ok
    clock.advance(timedelta(hours=-5))
    latest = ledger.latest()
    assert latest is not None
    assert is_behind_clock(latest.at, clock.now())
    assert not is_behind_clock(latest.at, latest.at)


def test_the_first_key_is_the_one_that_installations_had_before(database: Database) -> None:
    """A ledger that was signed before keys could change goes on with its key, whatever the new table says."""
    from core.keys import signing_key
    from tests.ledger_rooms import ORIGIN, SECRET

    ledger = make_ledger(database)
    record(ledger, database, 1)
    assert ledger.key == key_of(signing_key(SECRET, "ledger"), ORIGIN)
    run_sql(database, "DELETE FROM ledger_terms")
    record(ledger, database, 1)
    assert ledger.verify().ok
