"""Tests of recording and settling: what goes in, who waits, that nothing is lost or counted twice, and that rows stay."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError

from core.canonical import canonical, keyed_digest
from core.clock import SystemClock, iso_utc
from core.database import Database
from core.errors import BadInput, CheckFailed, Conflict, NotFound
from core.leases import Leases
from ledger.entries import EntryRow, canonical_entry
from ledger.log import LEASE, Ledger
from ledger.merkle import leaf_hash, verify_inclusion
from ledger.notes import open_note, read_proof, read_tree_head
from ledger.tables import INSERT_ONLY, TRIGGERS
from tests.ledger_rooms import (
    ORIGIN,
    SECRET,
    StandingClock,
    count_rows,
    drop_triggers,
    make_ledger,
    record,
    run_sql,
)
from tests.schema import make_tables


def test_an_entry_is_recorded_settled_and_read(database: Database) -> None:
    """Kind, actor, refs, time and private part come back; the position comes with the checkpoint."""
    ledger = make_ledger(database)
    (entry_id,) = record(ledger, database, 1, settle=False)
    with database.read() as session:
        (waiting,) = ledger.entries(session)
    assert (waiting.position, ledger.waiting().entry_ids) == (None, (entry_id,))
    assert ledger.waiting().oldest_at == StandingClock().now()
    checkpoint = ledger.settle()
    with database.read() as session:
        (entry,) = ledger.entries(session, ref="step_1")
    assert (entry.id, entry.position, entry.kind, entry.actor) == (entry_id, 0, "sweep.outcome", "system")
    assert entry.refs == ("step_1", "clause:request-logs")
    assert entry.private == {"rows": 0, "note": "for anna@example.com"}
    assert entry.at == StandingClock().now()
    assert (checkpoint.size, ledger.waiting().count) == (1, 0)
    assert read_tree_head(open_note(checkpoint.note, [ledger.key])).root == checkpoint.root


def test_the_table_has_the_promised_columns_and_no_personal_data(database: Database) -> None:
    """`ledger_entries` is (id, at, kind, actor, refs, commitment); the private part shows in none of them."""
    ledger = make_ledger(database)
    record(ledger, database, 1)
    with database.engine.begin() as connection:
        row = connection.exec_driver_sql("SELECT * FROM ledger_entries").one()
        salt = connection.exec_driver_sql("SELECT salt FROM ledger_private").scalar_one()
        leaf = connection.exec_driver_sql("SELECT leaf FROM ledger_leaves").scalar_one()
    assert list(row._fields) == ["id", "at", "kind", "actor", "refs", "commitment"]
    assert row.at == iso_utc(StandingClock().now()) == "2026-11-21T09:30:00.123456Z"
    assert "anna" not in str(tuple(row))
    assert row.commitment == keyed_digest(bytes(salt), {"rows": 0, "note": "for anna@example.com"})
    entry = dict(row._mapping) | {"refs": ["step_1", "clause:request-logs"]}
    assert leaf_hash(canonical(entry)) == bytes(leaf)


@pytest.mark.parametrize("bad", ["anna@example.com", "Anna Example", "", "10.0.0.7", "2001:db8::1", "x" * 201, "é"])
def test_what_may_be_personal_is_refused_as_actor_and_ref(database: Database, bad: str) -> None:
    """Entries stay for good, so addresses and names never get in; the message does not repeat them."""
    ledger = make_ledger(database)
    for actor, refs in ((bad, ["step_1"]), ("system", ["step_1", bad])):
        with pytest.raises(BadInput) as caught, database.begin() as session:
            ledger.record(session, kind="sweep.intent", actor=actor, refs=refs, private={})
        assert not bad or bad not in str(caught.value)
    assert count_rows(database, "ledger_entries") == 0


def test_a_kind_and_a_private_part_have_a_form(database: Database) -> None:
    """A kind is like `sweep.intent`; the private part is JSON."""
    ledger = make_ledger(database)
    with pytest.raises(BadInput, match="no kind"), database.begin() as session:
        ledger.record(session, kind="Sweep intent", actor="system", refs=[], private={})
    with pytest.raises(BadInput, match="cannot be written as JSON"), database.begin() as session:
        ledger.record(session, kind="sweep.intent", actor="system", refs=[], private={"rows": 2**60})


def test_the_database_itself_refuses_rows_of_another_form(database: Database) -> None:
    """Somebody who inserts past the program meets the same rules."""
    good = {
        "id": "ent_1",
        "at": "2026-01-02T03:04:05.123456Z",
        "kind": "a.b",
        "actor": "system",
        "refs": '["x"]',
        "commitment": "0" * 64,
    }
    wrong = {
        "id": "a b",
        "at": "2026-01-02 03:04:05",
        "kind": "A b",
        "actor": "a@b",
        "refs": '["a@b"]',
        "commitment": "F" * 64,
    }
    insert = sa.text("INSERT INTO ledger_entries VALUES (:id, :at, :kind, :actor, :refs, :commitment)")
    for column, value in wrong.items():
        with pytest.raises(DatabaseError), database.engine.begin() as connection:
            connection.execute(insert, {**good, column: value})
    with database.engine.begin() as connection:
        connection.execute(insert, good)


@pytest.mark.parametrize("table", ["ledger_entries", "ledger_leaves", "ledger_nodes", "ledger_checkpoints"])
def test_rows_cannot_be_changed_or_taken_out_by_sql(database: Database, table: str) -> None:
    """Update, delete and truncate raise, on the ledger's tables, and so does SQLite's replace, which is a hidden delete."""
    record(make_ledger(database), database, 4)
    before = count_rows(database, table)
    column = {"ledger_entries": "kind", "ledger_leaves": "leaf", "ledger_nodes": "hash", "ledger_checkpoints": "root"}[
        table
    ]
    deeds = [f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"]
    deeds += (
        [f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"]
        if database.dialect == "sqlite"
        else [f"TRUNCATE {table}"]
    )
    for deed in deeds:
        with pytest.raises(DatabaseError, match="written once"):
            run_sql(database, deed)
    assert count_rows(database, table) == before > 0


def test_the_triggers_can_be_made_from_their_list(database: Database) -> None:
    """A migration runs `TRIGGERS`; what it makes protects as what the metadata makes."""
    record(make_ledger(database), database, 2)
    drop_triggers(database)
    with database.engine.begin() as connection:
        for statement in TRIGGERS[database.dialect]:
            connection.execute(sa.text(statement))
    for table in INSERT_ONLY:
        with pytest.raises(DatabaseError, match="written once"):
            run_sql(database, f"DELETE FROM {table}")


def record_and_fail(ledger: Ledger, database: Database) -> None:
    """A transaction that records and is then rolled back."""
    with suppress(RuntimeError), database.begin() as session:
        ledger.record(session, kind="a.lost", actor="system", refs=["step_1"], private={})
        raise RuntimeError


def test_a_rolled_back_entry_never_was(database: Database) -> None:
    """The entry lives and dies with the caller's transaction."""
    ledger = make_ledger(database)
    record_and_fail(ledger, database)
    record(ledger, database, 1)
    assert (ledger.verify().size, ledger.verify().ok) == (1, True)


def test_what_a_dead_process_recorded_is_settled_by_the_next(database: Database) -> None:
    """Recorded and committed, never settled: another process's settle takes it along."""
    record(make_ledger(database), database, 3, settle=False)
    survivor = make_ledger(database)
    assert survivor.settle().size == 3
    assert survivor.verify().ok


def test_settling_outlives_the_lease_of_a_process_that_was_killed(database: Database) -> None:
    """The lease runs out within a command's patience."""
    clock = SystemClock()
    leases = Leases(database, clock)
    ledger = Ledger(database, clock, leases, secret=SECRET, origin=ORIGIN)
    record(ledger, database, 1, settle=False)
    leases.take(LEASE, holder="killed", lasts=timedelta(seconds=0.4))
    assert ledger.settle().size == 1


def test_a_settle_that_cannot_have_the_lease_returns_and_names_what_waits(database: Database) -> None:
    """After its patience a command goes on; with no checkpoint at all it says that it could not."""
    ledger = make_ledger(database)
    leases = Leases(database, StandingClock())
    other = leases.take(LEASE, holder="another", lasts=timedelta(minutes=1))
    assert other is not None
    ids = record(ledger, database, 1, settle=False)
    with pytest.raises(Conflict):
        ledger.settle(patience=timedelta(milliseconds=50))
    leases.release(other)
    ledger.settle()
    leases.take(LEASE, holder="another", lasts=timedelta(minutes=1))
    ids = record(ledger, database, 1, settle=False)
    assert ledger.settle(patience=timedelta(milliseconds=50)).size == 1
    assert ledger.waiting().entry_ids == tuple(ids)


def test_an_empty_ledger_gets_a_checkpoint_and_an_idle_one_no_more(database: Database) -> None:
    """Size 0 is signed once; settling with nothing to settle gives the latest."""
    ledger = make_ledger(database)
    assert ledger.latest() is None
    assert ledger.settle().size == 0
    record(ledger, database, 2)
    assert ledger.settle().size == ledger.settle().size == 2
    assert count_rows(database, "ledger_checkpoints") == 2
    assert ledger.verify().ok


def test_many_writers_and_settlers_lose_nothing_and_count_nothing_twice(database: Database) -> None:
    """Threads record, each in small transactions, some rolled back, while others settle: every committed entry has one position."""
    clock = SystemClock()
    ledger = Ledger(database, clock, Leases(database, clock), secret=SECRET, origin=ORIGIN)
    writing = threading.Event()
    writing.set()

    def write(worker: int) -> list[str]:
        kept = []
        for number in range(12):
            if number % 5 == 4:
                record_and_fail(ledger, database)
            with database.begin() as session:
                kept += [
                    ledger.record(session, kind="a.kept", actor="system", refs=[f"worker:{worker}"], private={"n": n})
                    for n in range(3)
                ]
        return kept

    def settle_often() -> None:
        while writing.is_set():
            ledger.settle()

    with ThreadPoolExecutor(6) as pool:
        settlers = [pool.submit(settle_often) for _ in range(2)]
        try:
            written = [task.result() for task in [pool.submit(write, worker) for worker in range(4)]]
        finally:
            writing.clear()
        for settler in settlers:
            settler.result()
    ledger.settle()
    with database.read() as session:
        positions = {entry.id: entry.position for entry in ledger.entries(session, limit=1000)}
    assert sorted(positions.values(), key=lambda p: p or 0) == list(range(4 * 12 * 3))
    for kept in written:
        assert [positions[entry_id] for entry_id in kept] == sorted(positions[entry_id] or 0 for entry_id in kept)
    assert (ledger.verify().findings, ledger.verify().unsettled) == ((), 0)


def test_an_open_transaction_holds_entries_back_and_is_named(postgres_url: str) -> None:
    """On PostgreSQL an entry waits for every older write transaction; settle gives up after its patience and says why."""
    database = Database(postgres_url)
    make_tables(database)
    ledger = make_ledger(database)
    ledger.settle()
    with database.engine.connect() as slow:
        slow.exec_driver_sql("SELECT pg_current_xact_id()")
        ids = record(ledger, database, 2, settle=False)
        assert ledger.settle(patience=timedelta(milliseconds=100)).size == 0
        waiting = ledger.waiting()
        assert (waiting.count, waiting.entry_ids) == (2, tuple(ids))
        assert "is open since" in waiting.reason
    assert ledger.settle().size == 2
    database.close()


def test_nothing_is_signed_over_a_tree_that_was_touched(database: Database) -> None:
    """Two checkpoints that contradict one another are never signed: settle refuses when the stored tree is another one."""
    ledger = make_ledger(database)
    record(ledger, database, 6)
    drop_triggers(database)
    run_sql(database, "DELETE FROM ledger_leaves WHERE position = 5")
    with pytest.raises(CheckFailed, match="holds 5 entries, and its last checkpoint 6"):
        record(ledger, database, 1)
    run_sql(database, "DELETE FROM ledger_checkpoints")
    with pytest.raises(CheckFailed):
        ledger.settle()


def test_a_forgotten_entry_still_verifies_and_means_nothing(database: Database) -> None:
    """Salt and private part go; the entry, its leaf and the checkpoint stand."""
    ledger = make_ledger(database)
    first, second = record(ledger, database, 2)
    with database.begin() as session:
        ledger.forget(session, first)
    with database.read() as session:
        entries = {entry.id: entry for entry in ledger.entries(session)}
    assert entries[first].private is None
    assert entries[second].private is not None
    assert ledger.verify().ok


def test_entries_are_listed_latest_first_by_ref_kind_and_page(database: Database) -> None:
    """Filters and pages together; entries without a position stand at the top."""
    ledger = make_ledger(database)
    old = record(ledger, database, 5, ref="ticket:1")
    record(ledger, database, 2, ref="ticket:2")
    new = record(ledger, database, 1, ref="ticket:1", settle=False)
    with database.read() as session:
        assert [entry.id for entry in ledger.entries(session, ref="ticket:1")] == new + old[::-1]
        assert [entry.position for entry in ledger.entries(session, limit=3)] == [None, 6, 5]
        assert [entry.position for entry in ledger.entries(session, before=2)] == [1, 0]
        assert len(ledger.entries(session, kind="sweep.outcome")) == 8
        assert ledger.entries(session, kind="sweep.intent") == []


def test_a_proof_leads_from_the_entry_to_the_signed_checkpoint(database: Database) -> None:
    """Anyone with the entry, the proof file and the public key can check it, with no database."""
    ledger = make_ledger(database)
    record(ledger, database, 6, ref="ticket:1")
    record(ledger, database, 5, ref="ticket:2")
    proofs = ledger.proofs("ticket:2")
    assert [proof.position for proof in proofs] == [6, 7, 8, 9, 10]
    assert [proof.text for proof in proofs] == ledger.prove("ticket:2")
    for given in proofs:
        proof = read_proof(given.text)
        head = read_tree_head(open_note(proof.checkpoint, [ledger.key]))
        assert verify_inclusion(
            leaf=leaf_hash(given.entry.encode()), index=proof.index, size=head.size, proof=proof.hashes, root=head.root
        )
    with pytest.raises(NotFound):
        ledger.prove("ticket:3")


def test_the_canonical_entry_is_that_of_rfc_8785() -> None:
    """The fast writer gives the bytes of the plain one, whatever text stands in the columns."""
    text = 'é"\\\n\t\x01\x7f 😀 \u2028</'
    row = EntryRow(id=text, at=text, kind=text, actor=text, refs=canonical([text, "b"]).decode(), commitment=text)
    names = ("id", "at", "kind", "actor", "commitment")
    assert canonical_entry(row) == canonical({**dict.fromkeys(names, text), "refs": [text, "b"]})
