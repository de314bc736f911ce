"""Tests of verification: whatever is done to the tables by SQL, it says so and names the entry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from core.database import Database
from core.errors import BadInput, WaitsForPerson
from core.keys import signing_key
from ledger.entries import EntryRow, entry_leaf
from ledger.export import verify_file
from ledger.log import Ledger
from ledger.notes import key_of
from ledger.verify import Verification
from tests.ledger_rooms import count_rows, drop_triggers, make_ledger, record, run_sql


@pytest.fixture
def ledger(database: Database) -> Ledger:
    """A ledger of 20 entries under four checkpoints, its triggers dropped."""
    made = make_ledger(database)
    for _ in range(4):
        record(made, database, 5)
    drop_triggers(database)
    return made


def ids_of(ledger: Ledger, database: Database) -> list[str]:
    with database.read() as session:
        return [entry.id for entry in ledger.entries(session)][::-1]


def problems(verification: Verification) -> str:
    return "\n".join(finding.problem for finding in verification.findings)


def test_an_untouched_ledger_verifies(ledger: Ledger, database: Database) -> None:
    """Every leaf, node, checkpoint and commitment holds; entries that wait are counted, not blamed."""
    record(ledger, database, 1, settle=False)
    found = ledger.verify()
    assert (found.ok, found.size, found.checkpoints, found.unsettled) == (True, 20, 4, 1)
    latest = ledger.latest()
    assert latest is not None
    assert (found.root_hex, found.key) == (latest.root_hex, str(ledger.key))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("kind", "sweep.intent"),
        ("actor", "opr_1"),
        ("at", "2026-11-21T09:30:00.123457Z"),
        ("refs", '["step_2","clause:request-logs"]'),
        ("commitment", "0" * 64),
    ],
)
def test_a_changed_column_names_the_entry(ledger: Ledger, database: Database, column: str, value: str) -> None:
    """Every column is under the leaf."""
    entry_id = ids_of(ledger, database)[17]
    run_sql(database, f"UPDATE ledger_entries SET {column} = '{value}' WHERE id = '{entry_id}'")
    found = ledger.verify()
    assert f"Entry {entry_id} at position 17 was changed after it was recorded." in problems(found)
    assert {(finding.entry_id, finding.position) for finding in found.findings} == {(entry_id, 17)}


def test_a_changed_id_names_both(ledger: Ledger, database: Database) -> None:
    """The old id is missing at its position, the new one has none."""
    entry_id = ids_of(ledger, database)[3]
    run_sql(database, f"UPDATE ledger_entries SET id = 'ent_x' WHERE id = '{entry_id}'")
    told = problems(ledger.verify())
    assert f"Entry {entry_id} at position 3 was removed" in told
    assert "Entry ent_x was inserted past the ledger" in told


def test_a_changed_private_part_names_the_entry(ledger: Ledger, database: Database) -> None:
    """As long as salt and private part are there, they must be what the entry committed to."""
    entry_id = ids_of(ledger, database)[4]
    run_sql(database, f"UPDATE ledger_private SET private = '{{}}' WHERE entry_id = '{entry_id}'")
    assert problems(ledger.verify()) == (
        f"The private part of entry {entry_id} at position 4 was changed after it was recorded."
    )


@pytest.mark.parametrize("position", [0, 7, 19])
def test_a_removed_row_names_the_entry(ledger: Ledger, database: Database, position: int) -> None:
    """First, middle or last, its leaf still tells which entry it was."""
    entry_id = ids_of(ledger, database)[position]
    run_sql(database, f"DELETE FROM ledger_entries WHERE id = '{entry_id}'")
    assert problems(ledger.verify()) == f"Entry {entry_id} at position {position} was removed after it was recorded."


def test_an_entry_removed_with_its_leaf_is_named(ledger: Ledger, database: Database) -> None:
    """The hole in the positions shows where, what was stored beside the entry shows which."""
    entry_id = ids_of(ledger, database)[7]
    run_sql(
        database,
        f"DELETE FROM ledger_entries WHERE id = '{entry_id}'",
        "DELETE FROM ledger_leaves WHERE position = 7",
    )
    told = problems(ledger.verify())
    assert "The entry at position 7 was removed" in told
    assert f"Entry {entry_id} was removed together with its leaf." in told


def test_an_inserted_row_is_named(ledger: Ledger, database: Database) -> None:
    """A row that nobody recorded has no leaf and waits for none."""
    run_sql(
        database,
        "INSERT INTO ledger_entries SELECT 'ent_forged', at, kind, actor, refs, commitment FROM ledger_entries LIMIT 1",
    )
    found = ledger.verify()
    assert [finding.entry_id for finding in found.findings] == ["ent_forged"]
    assert "was inserted past the ledger" in problems(found)


def test_two_rows_that_trade_places_are_named(ledger: Ledger, database: Database) -> None:
    """Contents swapped between two ids: both were changed."""
    ids = ids_of(ledger, database)
    swap_column(database, "ledger_entries", "id", f"'{ids[3]}'", f"'{ids[12]}'", "'ent_meanwhile'")
    found = ledger.verify()
    assert {(finding.entry_id, finding.position) for finding in found.findings} == {(ids[3], 3), (ids[12], 12)}


@pytest.mark.parametrize(("first", "second"), [(3, 12), (6, 7), (0, 19), (8, 9)])
def test_two_leaves_that_trade_positions_are_named(ledger: Ledger, database: Database, first: int, second: int) -> None:
    """The order is under the tree: whoever moved is told by name, with the place where it stood."""
    ids = ids_of(ledger, database)
    swap_column(database, "ledger_leaves", "position", str(first), str(second), "1000")
    told = problems(ledger.verify())
    assert f"Entry {ids[first]} at position {second} was recorded at position {first}: the order was changed." in told
    assert f"Entry {ids[second]} at position {first} was recorded at position {second}: the order was changed." in told


def test_two_names_that_trade_leaves_are_named(ledger: Ledger, database: Database) -> None:
    """Swapping which entry stands where, leaf hashes left alone, is a change of order too."""
    ids = ids_of(ledger, database)
    swap_column(database, "ledger_leaves", "entry_id", f"'{ids[3]}'", f"'{ids[12]}'", "'ent_meanwhile'")
    told = problems(ledger.verify())
    assert f"Entry {ids[3]} at position 12 was recorded at position 3: the order was changed." in told


def swap_column(database: Database, table: str, column: str, first: str, second: str, meanwhile: str) -> None:
    for old, new in ((first, meanwhile), (second, first), (meanwhile, second)):
        run_sql(database, f"UPDATE {table} SET {column} = {new} WHERE {column} = {old}")


def test_an_entry_changed_with_its_leaf_does_not_pass(ledger: Ledger, database: Database) -> None:
    """Whoever recomputes the leaf too is betrayed by the node above, and by the checkpoint."""
    entry_id = ids_of(ledger, database)[6]
    change_with_leaf(database, entry_id)
    told = problems(ledger.verify())
    assert f"Entry {entry_id} at position 6, or the one after it, is not the one that was recorded there." in told
    assert "do not lead to the signed checkpoint over 10 entries: between position 5 and 9" in told


def test_an_entry_changed_with_its_whole_path_does_not_pass(ledger: Ledger, database: Database) -> None:
    """Even with every stored node gone, the signed checkpoints narrow it down."""
    change_with_leaf(database, ids_of(ledger, database)[6])
    run_sql(database, "DELETE FROM ledger_nodes")
    assert "between position 5 and 9 they are not those that were recorded" in problems(ledger.verify())


def change_with_leaf(database: Database, entry_id: str) -> None:
    run_sql(database, f"UPDATE ledger_entries SET kind = 'sweep.forged' WHERE id = '{entry_id}'")
    with database.engine.begin() as connection:
        row = connection.exec_driver_sql(f"SELECT * FROM ledger_entries WHERE id = '{entry_id}'").one()
    leaf = entry_leaf(EntryRow(**row._mapping)).hex()
    literal = f"X'{leaf}'" if database.dialect == "sqlite" else f"'\\x{leaf}'::bytea"
    run_sql(database, f"UPDATE ledger_leaves SET leaf = {literal} WHERE entry_id = '{entry_id}'")


def test_an_entry_inserted_between_others_is_named(ledger: Ledger, database: Database) -> None:
    """A forged entry with a leaf of its own, everything behind it moved down: the nodes show where it came in."""
    run_sql(
        database,
        "INSERT INTO ledger_entries SELECT 'ent_forged', at, kind, actor, refs, commitment FROM ledger_entries LIMIT 1",
        "UPDATE ledger_leaves SET position = position + 1001 WHERE position >= 8",
        "UPDATE ledger_leaves SET position = position - 1000 WHERE position > 1000",
    )
    with database.engine.begin() as connection:
        row = connection.exec_driver_sql("SELECT * FROM ledger_entries WHERE id = 'ent_forged'").one()
    leaf = entry_leaf(EntryRow(**row._mapping)).hex()
    literal = f"X'{leaf}'" if database.dialect == "sqlite" else f"'\\x{leaf}'::bytea"
    run_sql(database, f"INSERT INTO ledger_leaves VALUES (8, 'ent_forged', {literal})")
    told = problems(ledger.verify())
    assert "Entry ent_forged at position 8 was inserted among recorded entries." in told


def test_an_entry_taken_out_with_the_gap_closed_is_noticed(ledger: Ledger, database: Database) -> None:
    """Everything behind it moved up: the place, the entry, and the missing end are told."""
    entry_id = ids_of(ledger, database)[8]
    run_sql(
        database,
        f"DELETE FROM ledger_entries WHERE id = '{entry_id}'",
        "DELETE FROM ledger_leaves WHERE position = 8",
        "UPDATE ledger_leaves SET position = position + 1000 WHERE position > 8",
        "UPDATE ledger_leaves SET position = position - 1001 WHERE position > 1000",
    )
    told = problems(ledger.verify())
    assert "An entry at position 8 or 9 was removed" in told
    assert f"Entry {entry_id} was removed together with its leaf." in told
    assert "The ledger was rolled back: a checkpoint over 20 entries was signed" in told


def cut_tail(database: Database, ids: list[str], size: int) -> None:
    names = ", ".join(f"'{entry_id}'" for entry_id in ids[size:])
    run_sql(
        database,
        f"DELETE FROM ledger_entries WHERE id IN ({names})",
        f"DELETE FROM ledger_leaves WHERE position >= {size}",
    )


def test_a_cut_tail_is_a_rollback(ledger: Ledger, database: Database) -> None:
    """The checkpoint that covered it still stands."""
    cut_tail(database, ids_of(ledger, database), 15)
    assert "The ledger was rolled back: a checkpoint over 20 entries was signed, and it ends after 15" in problems(
        ledger.verify()
    )


def test_a_cut_tail_without_its_checkpoint_is_noticed(ledger: Ledger, database: Database) -> None:
    """The latest checkpoint gone as well: what stood beside the entries tells, and so does a checkpoint kept elsewhere."""
    ids, latest = ids_of(ledger, database), ledger.latest()
    assert latest is not None
    cut_tail(database, ids, 15)
    run_sql(database, "DELETE FROM ledger_checkpoints WHERE size > 15")
    found = ledger.verify()
    assert {finding.entry_id for finding in found.findings} == set(ids[15:])
    run_sql(
        database,
        "DELETE FROM ledger_private WHERE entry_id NOT IN (SELECT id FROM ledger_entries)",
        "DELETE FROM ledger_refs WHERE entry_id NOT IN (SELECT id FROM ledger_entries)",
        "DELETE FROM ledger_nodes WHERE (idx + 1) * (1 << level) > 15",
    )
    assert ledger.verify().ok
    assert "The ledger was rolled back" in problems(ledger.verify(seen=[latest.note]))


def test_a_checkpoint_kept_elsewhere_holds_while_the_ledger_grows(ledger: Ledger, database: Database) -> None:
    """What was once signed stays the beginning of the ledger; one by another key is refused."""
    seen = ledger.latest()
    assert seen is not None
    record(ledger, database, 3)
    assert ledger.verify(seen=[seen.note]).ok
    foreign = make_ledger(database, secret=b"somebody else's")
    assert "not signed by this ledger's key" in problems(foreign.verify(seen=[seen.note]))


def test_a_changed_checkpoint_is_noticed(ledger: Ledger, database: Database) -> None:
    """A signed note cannot be edited, and the columns beside it must say the same."""
    run_sql(database, "UPDATE ledger_checkpoints SET note = replace(note, 'kept', 'kept2') WHERE size = 10")
    assert "The checkpoint over 10 entries is not signed" in problems(ledger.verify())


def test_a_removed_checkpoint_leaves_entries_uncovered(ledger: Ledger, database: Database) -> None:
    """Entries behind the last checkpoint are proven by nothing."""
    run_sql(database, "DELETE FROM ledger_checkpoints WHERE size = 20")
    assert "The entries from position 15 on are under no checkpoint" in problems(ledger.verify())


def test_a_changed_node_is_told_from_a_changed_entry(ledger: Ledger, database: Database) -> None:
    """The entries are whole and lead to the checkpoint; only what proofs are made of was touched."""
    run_sql(database, "DELETE FROM ledger_nodes WHERE level = 2 AND idx = 1")
    assert problems(ledger.verify()) == "The stored node 1 of level 2 was changed; the entries under it are whole."


def test_an_unsettled_entry_that_is_removed_is_named(ledger: Ledger, database: Database) -> None:
    """What waits for its position is guarded too."""
    (entry_id,) = record(ledger, database, 1, settle=False)
    run_sql(database, f"DELETE FROM ledger_entries WHERE id = '{entry_id}'")
    assert f"Entry {entry_id} was removed before it had a position." in problems(ledger.verify())


def test_the_ledger_survives_a_new_address(ledger: Ledger, database: Database) -> None:
    """Checkpoints signed under the old origin hold; new ones carry the new."""
    moved = make_ledger(database, origin="privacy.example.org/kept")
    record(moved, database, 1)
    assert moved.verify().ok


# The file -----------------------------------------------------------------------------------------------------------


def test_an_exported_ledger_verifies_without_a_database(ledger: Ledger, tmp_path: Path) -> None:
    """The file holds what is needed and nothing private; the same root comes out."""
    path = tmp_path / "ledger.jsonl"
    assert ledger.export(path) == 20
    found = verify_file(path, key=str(ledger.key))
    latest = ledger.latest()
    assert latest is not None
    assert (found.ok, found.size, found.checkpoints, found.root_hex) == (True, 20, 4, latest.root_hex)
    assert verify_file(path).key == str(ledger.key)
    assert b"anna" not in path.read_bytes()


def test_an_export_never_overwrites_and_needs_a_checkpoint(database: Database, tmp_path: Path) -> None:
    """A file that is there is evidence too; an unsettled ledger has nothing to export."""
    ledger, path = make_ledger(database), tmp_path / "ledger.jsonl"
    with pytest.raises(WaitsForPerson, match="no checkpoint yet"):
        ledger.export(path)
    ledger.settle()
    assert ledger.export(path) == 0
    assert verify_file(path).ok
    with pytest.raises(BadInput, match="is there already"):
        ledger.export(path)


def change_kind(lines: list[bytes]) -> None:
    lines[8] = lines[8].replace(b"sweep.outcome", b"sweep.intent")


def drop_line(lines: list[bytes]) -> None:
    del lines[8]


def cut_end(lines: list[bytes]) -> None:
    del lines[-3:]


def swap_lines(lines: list[bytes]) -> None:
    first, second = orjson.loads(lines[1]), orjson.loads(lines[3])
    first["position"], second["position"] = second["position"], first["position"]
    lines[1], lines[3] = orjson.dumps(second) + b"\n", orjson.dumps(first) + b"\n"


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (change_kind, "at position 6 was changed after it was recorded"),
        (drop_line, "The entry at position 6 was removed"),
        (cut_end, "The ledger was rolled back"),
        (swap_lines, "between position 0 and 4 they are not those that were recorded"),
    ],
)
def test_a_touched_file_is_found_out(
    ledger: Ledger, tmp_path: Path, tamper: Callable[[list[bytes]], None], told: str
) -> None:
    """Changed, removed, cut and reordered lines are told from the file alone."""
    path = tmp_path / "ledger.jsonl"
    ledger.export(path)
    lines = path.read_bytes().splitlines(keepends=True)
    tamper(lines)
    path.write_bytes(b"".join(lines))
    assert told in problems(verify_file(path))


def test_a_file_by_another_key_is_found_out(ledger: Ledger, tmp_path: Path) -> None:
    """Given the log's own key, a file signed by another does not pass."""
    path = tmp_path / "ledger.jsonl"
    ledger.export(path)
    stranger = key_of(signing_key(b"another", "ledger"), "privacy.example.com/kept")
    assert not verify_file(path, key=str(stranger)).ok


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"[]\n", b'{"format": "other"}\n'])
def test_a_file_that_is_no_export_is_refused(tmp_path: Path, content: bytes) -> None:
    """Whatever is given, the message names the file."""
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"ledger\.jsonl"):
        verify_file(path)
    with pytest.raises(BadInput, match="cannot be read"):
        verify_file(tmp_path / "none")


def test_a_broken_line_of_a_file_is_named(ledger: Ledger, tmp_path: Path) -> None:
    """A line that is neither an entry nor a checkpoint is bad input, by its number."""
    path = tmp_path / "ledger.jsonl"
    ledger.export(path)
    for line in (b'{"position": 20}\n', b'{"position": 20, "leaf": "x", "entry": {}}\n', b'{"checkp\n'):
        broken = tmp_path / f"broken{len(line)}"
        broken.write_bytes(path.read_bytes() + line)
        with pytest.raises(BadInput, match="line 26"):
            verify_file(broken)


def test_more_findings_than_can_be_listed_are_counted(database: Database) -> None:
    """A report stays readable, and says how much it leaves out."""
    ledger = make_ledger(database)
    record(ledger, database, 260)
    drop_triggers(database)
    run_sql(database, "UPDATE ledger_entries SET kind = 'sweep.forged'")
    assert "60 more findings are not listed." in problems(ledger.verify())
    assert count_rows(database, "ledger_entries") == 260
