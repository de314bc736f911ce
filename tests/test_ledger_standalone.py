"""Tests of the program that an auditor runs: one file, no Kept, nothing but `cryptography` on its path."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cryptography
import orjson
import pytest

from core.database import Database
from ledger.export import VERIFIER, write_verifier
from ledger.proof_files import write_proof_files
from tests.ledger_rooms import make_ledger, record
from tests.schema import make_tables

# Besides the standard library, the packages that cryptography itself is made of are all that can be imported.
ONLY = """
import sys, importlib.machinery
site = sys.argv.pop(1)
class Only:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in ('cryptography', 'cffi', '_cffi_backend', 'pycparser', 'typing_extensions'):
            return importlib.machinery.PathFinder.find_spec(name, path or [site])
sys.meta_path.append(Only())
sys.argv = sys.argv[1:]
import runpy
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def run(program: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Isolated (-I), without site-packages (-S)."""
    site = str(Path(cryptography.__file__).parent.parent)
    command = [sys.executable, "-I", "-S", "-c", ONLY, site, str(program), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


class Export:
    """An exported ledger with a change of keys, and what an auditor has."""

    def __init__(self, folder: Path, database: Database) -> None:
        ledger = make_ledger(database)
        self.first_key = ledger.key
        for _ in range(3):
            record(ledger, database, 4)
        self.kept = folder / "kept-by-me"
        self.kept.write_text(f"{ledger.checkpoint_note()}-----\n")
        ledger.succeeding.rotate(by="opr_1", reason="yearly")
        ledger.settle()
        record(ledger, database, 4)
        self.ledger, self.folder, self.path = ledger, folder, folder / "ledger.jsonl"
        ledger.export(self.path)
        self.program = write_verifier(folder)
        self.lines = self.path.read_bytes().splitlines(keepends=True)

    def check(self, lines: list[bytes] | None = None, *words: str | Path) -> tuple[int, str]:
        """What the program says of these lines."""
        if lines is not None:
            self.path.write_bytes(b"".join(lines))
        done = run(self.program, self.path, *words)
        assert done.stderr == ""
        return done.returncode, done.stdout

    def entries(self) -> list[int]:
        return [number for number, line in enumerate(self.lines) if b'"entry"' in line]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Export]:
    folder = tmp_path_factory.mktemp("auditor")
    database = Database(f"sqlite:///{folder}/kept.db")
    make_tables(database)
    yield Export(folder, database)
    database.close()


def test_a_whole_export_holds_without_kept(made: Export) -> None:
    """Checked with the key that was published first, with the one of today, and with checkpoints kept meanwhile."""
    for key in (made.first_key, made.ledger.key):
        status, said = made.check(made.lines, "--key", str(key), "--checkpoint", made.kept)
        assert (status, "holds: 17 entries" in said) == (0, True), said
        assert "note: at position 12 the log changed its key" in said
    latest = made.ledger.latest()
    assert latest is not None
    assert f"root {latest.root_hex}" in said
    assert made.check(made.lines)[1].endswith("compare it with the one that was published)\n")
    source = (made.folder / VERIFIER).read_text()
    assert "from ledger" not in source
    assert "import ledger" not in source


def _without(number: int) -> Callable[[Export], list[bytes]]:
    return lambda made: [line for index, line in enumerate(made.lines) if index != made.entries()[number]]


def _swapped(made: Export) -> list[bytes]:
    lines, (first, second) = list(made.lines), made.entries()[5:7]
    one, two = orjson.loads(lines[first]), orjson.loads(lines[second])
    one["position"], two["position"] = two["position"], one["position"]
    lines[first], lines[second] = orjson.dumps(two) + b"\n", orjson.dumps(one) + b"\n"
    return lines


def _forged(made: Export, *, with_leaf: bool) -> list[bytes]:
    from ledger.standalone import canonical, leaf_hash

    lines, number = list(made.lines), made.entries()[6]
    line = orjson.loads(lines[number])
    line["entry"]["kind"] = "sweep.forged"
    if with_leaf:
        line["leaf"] = leaf_hash(canonical(line["entry"])).hex()
    lines[number] = orjson.dumps(line) + b"\n"
    return lines


def _inserted(made: Export) -> list[bytes]:
    lines = list(made.lines)
    last = orjson.loads(lines[made.entries()[-1]])
    last["position"] += 1
    return [*lines, orjson.dumps(last) + b"\n"]


def _other_checkpoint(made: Export) -> list[bytes]:
    return [line.replace(b"\\n4\\n", b"\\n5\\n") for line in made.lines]


MANIPULATIONS: dict[str, tuple[Callable[[Export], list[bytes]], str]] = {
    "an entry changed": (lambda made: _forged(made, with_leaf=False), "position 6 was changed after it was recorded"),
    "an entry changed with its leaf": (
        lambda made: _forged(made, with_leaf=True),
        "between position 4 and 7 they are not",
    ),
    "an entry removed": (_without(5), "stands at position 6, where 5 was to come"),
    "two entries that trade places": (_swapped, "between position 4 and 7 they are not"),
    "an entry inserted": (_inserted, "are under no checkpoint: they were inserted"),
    "the tail cut": (lambda made: made.lines[:-3], "the file was cut: its checkpoint is over 17 entries"),
    "a line cut in half": (lambda made: [*made.lines[:-1], made.lines[-1][:40]], "the file was cut or damaged"),
    "a checkpoint edited": (_other_checkpoint, "the checkpoint after position 3"),
}


@pytest.mark.parametrize("name", MANIPULATIONS)
def test_it_finds_every_manipulation_of_an_export(made: Export, name: str) -> None:
    """And says what it is, with 1 as its end."""
    manipulate, words = MANIPULATIONS[name]
    status, said = made.check(manipulate(made), "--key", str(made.ledger.key))
    assert status == 1, said
    assert words in said


def test_it_finds_an_export_that_a_stranger_signed_anew_or_that_was_rolled_back(made: Export, tmp_path: Path) -> None:
    """A log of another key is told by the published key; a shorter one of the right key by the checkpoints kept before."""
    database = Database("sqlite://")
    make_tables(database)
    foreign = make_ledger(database, secret=b"somebody else's")
    record(foreign, database, 17)
    foreign.export(tmp_path / "foreign.jsonl")
    done = run(made.program, tmp_path / "foreign.jsonl", "--key", str(made.ledger.key))
    assert done.returncode == 1
    assert "is not signed by the log's key" in done.stdout
    small = Database(f"sqlite:///{tmp_path}/small.db")
    make_tables(small)
    shorter = make_ledger(small)
    record(shorter, small, 5)
    shorter.export(tmp_path / "short.jsonl")
    done = run(made.program, tmp_path / "short.jsonl", "--key", str(made.first_key), "--checkpoint", made.kept)
    assert done.returncode == 1
    assert "the ledger was rolled back: you kept a checkpoint over 12 entries, it ends after 5" in done.stdout
    small.close()
    database.close()


def test_it_checks_proofs_one_by_one_and_together(made: Export, tmp_path: Path) -> None:
    """A `.tlog-proof` with its entry, and a `proofs.json`; another entry, a changed hash and another key are refused."""
    key = str(made.ledger.key)
    write_proof_files(tmp_path, "step_1", key, made.ledger.proofs("step_1"))
    program = tmp_path / VERIFIER
    proof, entry = tmp_path / "000000000007.tlog-proof", tmp_path / "000000000007.json"
    assert "stands at position 7 of the 17" in run(program, proof, entry, "--key", key).stdout
    other = tmp_path / "000000000008.json"
    assert run(program, proof, other, "--key", key).returncode == 1
    assert run(program, proof, entry, "--key", str(made.first_key)).returncode == 1
    whole = run(program, tmp_path / "proofs.json", "--key", key)
    assert (whole.returncode, "16 entries with their proofs" in whole.stdout) == (0, True)
    bundle = orjson.loads((tmp_path / "proofs.json").read_bytes())
    bundle["entries"][3]["entry"] = bundle["entries"][4]["entry"]
    (tmp_path / "proofs.json").write_bytes(orjson.dumps(bundle))
    assert "does not lead from this entry" in run(program, tmp_path / "proofs.json").stdout
    assert run(program, tmp_path / "nothing.json").returncode == 2
