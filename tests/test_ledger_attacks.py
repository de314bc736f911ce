"""The attacker's list: somebody with the database's password and the files. Each manipulation is caught, and said by name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from app import open_services
from core.database import Database
from core.keys import signing_key
from core.personal import Personal
from jobs.services import Services
from ledger.entries import EntryRow, entry_leaf
from ledger.export import verify_file
from ledger.merkle import root_of
from ledger.notes import TreeHead, sign_note, write_tree_head
from ledger.standing import LedgerBehindError
from ledger.verify import Verification
from policies.acceptances import NewAcceptance
from policies.succession import AcceptedBy
from tests.erasure_rooms import erase
from tests.ledger_houses import DIALECTS, OWN_DATABASE, migrated
from tests.ledger_rooms import drop_triggers
from tests.servers import Postgres
from tests.web_installation import CONFIGURATION, open_installation

KEPT_IN = "elsewhere/checkpoints"
WITH_PLACE = f"{CONFIGURATION}ledger: {{checkpoints: [{{file: {KEPT_IN}}}]}}\n"


WRITTEN_ONCE = ("policy_versions", "policy_translations", "policy_events")


@dataclass(frozen=True, kw_only=True)
class Walked:
    """An installation that was used and is closed now; `postgres` with the name of its database there, else a file below it."""

    root: Path
    postgres: Postgres | None = None
    name: str = ""

    @contextmanager
    def copied(self, root: Path) -> Iterator[Attacked]:
        """A copy of it."""
        shutil.copytree(self.root, root)
        if self.postgres is None:
            yield Attacked(root, f"sqlite:///{root}/var/kept.db")
            return
        with self.postgres.fresh_database(self.name) as url:
            written = (root / "kept.yaml").read_text()
            (root / "kept.yaml").write_text(written.replace(self.postgres.url(self.name), url))
            yield Attacked(root, url)


@pytest.fixture(scope="module", params=DIALECTS)
def walked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    """An installation with a policy, a sweep, an acceptance and a deletion; two checkpoints are kept in a file elsewhere."""
    root = tmp_path_factory.mktemp("attacked") / "kept"
    if request.param == "sqlite":
        _walk(root, WITH_PLACE)
        yield Walked(root=root)
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    with migrated(postgres) as url:
        _walk(root, WITH_PLACE.replace(OWN_DATABASE, url))
        yield Walked(root=root, postgres=postgres, name=url.rpartition("/")[2].partition("?")[0])


def _walk(root: Path, configuration: str) -> None:
    with open_installation(root, configuration=configuration) as installation:
        kept = installation.kept
        (root / "elsewhere").mkdir()
        kept.sweeps.run("request-logs", actor="cli:ada")
        kept.sweeps.approve("request-logs", by="opr_ines", reason="looked at")
        kept.acceptances.record(
            NewAcceptance(subject=Personal("user-1"), version=1, by=AcceptedBy.EXPLICIT, channel="web"), actor="tok_1"
        )
        kept.ledger.settle()
        kept.kept_elsewhere.keep_now()
        erase(kept, root, "person3@post.example")
        kept.ledger.settle()
        kept.kept_elsewhere.keep_now()
        checked = kept.ledger.verify(seen=kept.kept_elsewhere.read_all()[0])
        assert checked.findings == ()


class Attacked:
    """That copy in the hands of somebody who can do anything to its files and its database."""

    def __init__(self, root: Path, url: str) -> None:
        self.root = root
        # Neither foreign keys nor ordinary triggers stop whoever owns the database.
        self._database = Database(url)
        self._first = (
            "PRAGMA foreign_keys=OFF"
            if self._database.dialect == "sqlite"
            else "SET session_replication_role = replica"
        )
        drop_triggers(self._database)
        for table in WRITTEN_ONCE:
            if self._database.dialect == "sqlite":
                self.sql(*(f"DROP TRIGGER IF EXISTS {table}_no_{deed}" for deed in ("update", "delete", "replace")))
            else:
                self.sql(f"DROP TRIGGER IF EXISTS {table}_written_once ON {table}")

    def close(self) -> None:
        self._database.close()

    def blob(self, value: bytes) -> str:
        """A value of bytes in SQL."""
        return f"X'{value.hex()}'" if self._database.dialect == "sqlite" else f"'\\x{value.hex()}'::bytea"

    def sql(self, *statements: str) -> None:
        raw = self._database.engine.raw_connection()
        try:
            cursor = raw.cursor()
            for statement in (self._first, *statements):
                cursor.execute(statement)
            raw.commit()
        finally:
            raw.invalidate()  # with its settings
            raw.close()

    def all(self, statement: str) -> list[tuple[object, ...]]:
        with self._database.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(statement)]

    def one(self, statement: str) -> tuple[object, ...]:
        return self.all(statement)[0]

    def entry(self, kind: str) -> tuple[str, int]:
        """The id and the position of an entry of a kind."""
        found = self.one(
            "SELECT e.id, l.position FROM ledger_entries e JOIN ledger_leaves l ON l.entry_id = e.id "
            f"WHERE kind = '{kind}' ORDER BY position LIMIT 1"
        )
        return str(found[0]), int(str(found[1]))

    @contextmanager
    def services(self) -> Iterator[Services]:
        with open_services(self.root / "kept.yaml") as kept:
            yield kept

    def verify(self) -> str:
        """What the verification says, every place read."""
        with self.services() as kept:
            checked: Verification = kept.ledger.verify(seen=kept.kept_elsewhere.read_all()[0])
            assert not checked.ok or kept.kept_elsewhere.find_missing()
            return "\n".join([*(one.problem for one in checked.findings), *kept.kept_elsewhere.find_missing()])


@pytest.fixture
def attacked(walked: Walked, tmp_path: Path) -> Iterator[Attacked]:
    with walked.copied(tmp_path / "kept") as made:
        yield made
        made.close()


def test_1_an_entry_is_changed(attacked: Attacked) -> None:
    """Who approved the deletion of a sweep is made another."""
    name, position = attacked.entry("sweep.approved")
    attacked.sql(f"UPDATE ledger_entries SET actor = 'opr_somebody' WHERE id = '{name}'")
    assert f"Entry {name} at position {position} was changed after it was recorded." in attacked.verify()


def test_2_an_entry_is_removed_without_trace(attacked: Attacked) -> None:
    """Its leaf, its private part and its refs go with it."""
    name, position = attacked.entry("acceptance.recorded")
    for table, column in (("entries", "id"), ("leaves", "entry_id"), ("private", "entry_id"), ("refs", "entry_id")):
        attacked.sql(f"DELETE FROM ledger_{table} WHERE {column} = '{name}'")
    said = attacked.verify()
    assert f"The entry at position {position} was removed after it was recorded." in said
    assert "The acceptance acc_" in said


def test_3_an_entry_is_inserted(attacked: Attacked) -> None:
    """An approval that nobody gave, with a leaf of its own at the end."""
    name, _ = attacked.entry("sweep.approved")
    attacked.sql(
        f"INSERT INTO ledger_entries SELECT 'ent_forged', at, kind, actor, refs, commitment FROM ledger_entries WHERE id = '{name}'",
        f"INSERT INTO ledger_leaves SELECT max(position) + 1, 'ent_forged', {attacked.blob(bytes(32))} FROM ledger_leaves",
    )
    said = attacked.verify()
    assert "Entry ent_forged at position" in said
    assert "under no checkpoint: they were inserted, or a checkpoint was removed." in said


def test_4_two_entries_trade_places(attacked: Attacked) -> None:
    """The approval of a sweep is put behind the sweep."""
    (_, first), (_, second) = attacked.entry("sweep.approved"), attacked.entry("sweep.run")
    attacked.sql(
        f"UPDATE ledger_leaves SET position = 99999 WHERE position = {first}",
        f"UPDATE ledger_leaves SET position = {first} WHERE position = {second}",
        f"UPDATE ledger_leaves SET position = {second} WHERE position = 99999",
    )
    assert f"was recorded at position {first}: the order was changed." in attacked.verify()


def test_5_the_log_is_rolled_back_with_its_checkpoints(attacked: Attacked) -> None:
    """Everything behind the first checkpoint that is kept elsewhere is cut out of every table, nothing left over: what lies
    elsewhere tells, and so does the file beside the database; nothing more is recorded."""
    size = int((attacked.root / KEPT_IN).read_text().split("\n")[1])
    gone = f"(SELECT entry_id FROM ledger_leaves WHERE position >= {size})"
    attacked.sql(
        f"DELETE FROM ledger_entries WHERE id IN {gone}",
        f"DELETE FROM ledger_private WHERE entry_id IN {gone}",
        f"DELETE FROM ledger_refs WHERE entry_id IN {gone}",
        f"DELETE FROM ledger_nodes WHERE (idx + 1) * (1 << level) > {size}",
        f"DELETE FROM ledger_checkpoints WHERE size > {size}",
        f"DELETE FROM ledger_leaves WHERE position >= {size}",
    )
    assert f"The ledger was rolled back: a checkpoint over {_top(attacked)} entries was signed" in attacked.verify()
    with attacked.services() as kept, pytest.raises(LedgerBehindError):
        kept.ledger.settle()
    (attacked.root / "var" / "ledger.head").unlink()
    assert "The ledger was rolled back" in attacked.verify()


def _top(attacked: Attacked) -> int:
    return int((attacked.root / KEPT_IN).read_text().split("-----\n")[-2].split("\n")[1])


def test_6_an_entry_is_changed_with_its_leaf(attacked: Attacked) -> None:
    """The leaf is made to fit: the node above it does not, and the signed root does not."""
    _, position = _change_with_leaf(attacked)
    said = attacked.verify()
    assert f"position {position - position % 2}, or the one after it, is not the one that was recorded there." in said
    assert "The entries do not lead to the signed checkpoint" in said


def test_7_a_node_of_the_tree_is_changed(attacked: Attacked) -> None:
    """Proofs would lead nowhere; that the entries are whole is said, too."""
    attacked.sql(f"UPDATE ledger_nodes SET hash = {attacked.blob(bytes(32))} WHERE level = 2 AND idx = 0")
    assert "The stored node 0 of level 2 was changed; the entries under it are whole." in attacked.verify()


def test_8_a_checkpoint_is_changed(attacked: Attacked) -> None:
    """Its text cannot be edited under its signature."""
    attacked.sql("UPDATE ledger_checkpoints SET note = replace(note, 'kept', 'Kept') WHERE size = 3")
    assert "The checkpoint over 3 entries is not signed by this ledger's key." in attacked.verify()


def test_9_the_whole_log_is_made_anew_and_signed_with_another_key(attacked: Attacked) -> None:
    """Entry, leaf, every node and every checkpoint are recomputed: the key is not the log's, and what lies elsewhere differs."""
    _change_with_leaf(attacked)
    leaves = [bytes(row[0]) for row in attacked.all("SELECT leaf FROM ledger_leaves ORDER BY position")]  # type: ignore[call-overload]
    thief = signing_key(b"a thief's", "ledger")
    for said, note in attacked.all("SELECT size, note FROM ledger_checkpoints"):
        size = int(str(said))
        head = TreeHead(origin=str(note).split("\n")[0], size=size, root=root_of(leaves[:size]))
        forged = sign_note(write_tree_head(head), name=head.origin, private=thief)
        attacked.sql(
            f"UPDATE ledger_checkpoints SET root = {attacked.blob(head.root)}, note = '{forged}' WHERE size = {size}"
        )
    assert f"The checkpoint over {_top(attacked)} entries is not signed by this ledger's key." in attacked.verify()


def _change_with_leaf(attacked: Attacked) -> tuple[str, int]:
    name, position = attacked.entry("sweep.approved")
    attacked.sql(f"UPDATE ledger_entries SET actor = 'opr_somebody' WHERE id = '{name}'")
    row = attacked.one(f"SELECT id, at, kind, actor, refs, commitment FROM ledger_entries WHERE id = '{name}'")
    leaf = entry_leaf(
        EntryRow(**dict(zip(("id", "at", "kind", "actor", "refs", "commitment"), map(str, row), strict=True)))
    )
    attacked.sql(f"UPDATE ledger_leaves SET leaf = {attacked.blob(leaf)} WHERE position = {position}")
    return name, position


def test_10_what_an_entry_commits_to_is_changed(attacked: Attacked) -> None:
    """The reason of an approval gets other words."""
    name, position = attacked.entry("sweep.approved")
    attacked.sql(
        f"UPDATE ledger_private SET private = replace(private, 'looked at', 'hurried') WHERE entry_id = '{name}'"
    )
    assert f"The private part of entry {name} at position {position} was changed" in attacked.verify()


def test_11_rows_are_changed_and_the_log_is_left_alone(attacked: Attacked) -> None:
    """A sweep that took more, a request that was refused, an acceptance in another way, a published text that says another
    thing, an approval of another plan: each row says otherwise than its entry."""
    attacked.sql(
        "UPDATE sweep_runs SET rows = rows - 1 WHERE state = 'done'",
        "UPDATE tickets SET state = 'refused'",
        "UPDATE acceptances SET channel = 'paper'",
        "UPDATE policy_versions SET text = replace(text, 'P30D', 'P31D')",
        "UPDATE plan_approvals SET plan_digest = substr(preview_digest, 1, 64)",
    )
    said = attacked.verify()
    for words in (
        "The sweep swp_", "says another rows than its entry", "is 'refused' in the tables, and its last entry",
        "The acceptance acc_", "says another channel than its entry", "The text of version 1 is not the one",
        "The approval apr_", "says another plan digest than its entry",
    ):  # fmt: skip
        assert words in said


def test_12_rows_are_taken_away_and_put_in(attacked: Attacked) -> None:
    """A request and an acceptance disappear, and another acceptance turns up that nobody gave."""
    attacked.sql(
        "DELETE FROM tickets",
        "UPDATE acceptances SET id = 'acc_forged'",
        "UPDATE ledger_refs SET ref = 'acceptance:acc_forged' WHERE ref LIKE 'acceptance:%'",
    )
    said = attacked.verify()
    assert "names the request " in said
    assert "which is not there or not in that state, and no run of a clause that lets it go came after it." in said
    assert "The acceptance acc_forged stands in the tables, and no entry (acceptance.recorded) names it" in said


def test_13_the_file_elsewhere_is_cut_or_written_anew(attacked: Attacked) -> None:
    """Less than it was given, or a checkpoint that this log's key did not sign."""
    path = attacked.root / KEPT_IN
    whole = path.read_text()
    path.write_text(whole[: whole.index("-----\n") + 6])
    assert (
        f"file elsewhere/checkpoints kept a checkpoint over {_line(whole, -2)} entries and no longer has it."
        in attacked.verify()
    )
    path.write_text(whole.replace(f"\n{_line(whole, 0)}\n", "\n2\n"))
    assert "A checkpoint that was kept elsewhere is not signed by this ledger's key." in attacked.verify()


def _line(whole: str, which: int) -> str:
    return whole.split("-----\n")[which].split("\n")[1]


def test_14_an_export_is_cut(attacked: Attacked, tmp_path: Path) -> None:
    """Whole lines are missing at its end."""
    with attacked.services() as kept:
        kept.ledger.export(tmp_path / "all.jsonl")
        key = str(kept.ledger.key)
    lines = (tmp_path / "all.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "cut.jsonl").write_bytes(b"".join(lines[:-4]))
    assert verify_file(tmp_path / "all.jsonl", key=key).ok
    assert "The ledger was rolled back" in str(verify_file(tmp_path / "cut.jsonl", key=key).findings)
