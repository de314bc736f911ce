"""Tests of the ledger as it is reached from outside: its page, the addresses for witnesses, the commands, a backup put back."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.merkle import verify_consistency
from ledger.notes import open_note, read_tree_head
from ledger.witnessing import WitnessKey
from tests.erasure_rooms import ask
from tests.test_ledger_witnesses import cosign
from tests.web_installation import CONFIGURATION, Installation, open_installation, read

WITNESS = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
KEY = WitnessKey(name="witness.example.org/w1", public=WITNESS.public_key().public_bytes_raw())
WITH_ALL = (
    f"{CONFIGURATION}ledger:\n  checkpoints: [{{file: elsewhere/checkpoints}}]\n  every: 1h\n  witnesses: [{KEY}]\n"
)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    root = tmp_path_factory.mktemp("pages") / "kept"
    with open_installation(root, configuration=WITH_ALL) as made:
        yield made


def test_witnesses_read_the_checkpoint_check_that_it_grew_and_hand_in_their_line(installation: Installation) -> None:
    """Open to anyone, without a token; a consistency proof holds by the tree's own rules, and a line is served from then on."""
    client, ledger = installation.client(), installation.kept.ledger
    note = client.get("/api/v1/ledger/checkpoint").get_data(as_text=True)
    new = read_tree_head(open_note(note, [ledger.key]))
    told = client.get("/api/v1/ledger/consistency?old=1").get_json()
    proof = [base64.b64decode(value) for value in told["proof"]]
    with installation.kept.database.read() as session:
        from ledger.standing import root_at

        old_root = root_at(session, 1)
    assert verify_consistency(old=1, new=new.size, old_root=old_root, new_root=new.root, proof=proof)
    line = cosign(note, WITNESS)
    assert client.post("/api/v1/ledger/cosignatures", data=(note + line).encode()).get_json() == {"new": 1}
    assert client.get("/api/v1/ledger/checkpoint").get_data(as_text=True) == note + line
    for address in ("consistency", "consistency?old=99999", "consistency?old=-1", "consistency?old=1&new=99999"):
        assert client.get(f"/api/v1/ledger/{address}").status_code in (400, 404)
    assert client.post("/api/v1/ledger/cosignatures", data=note.encode()).status_code == 400
    assert client.post("/api/v1/ledger/cosignatures", data=b"\xff").status_code == 400


def test_the_page_says_where_checkpoints_are_and_hands_out_proofs_and_the_log(
    installation: Installation, tmp_path: Path
) -> None:
    """A place that is away is told, and once it is there; what is downloaded is checked by the program beside it."""
    kept = installation.kept
    kept.kept_elsewhere.keep_now()
    assert "file elsewhere/checkpoints" in read(installation, "/console/ledger").get_text()
    assert "Waits" in read(installation, "/console/ledger").get_text()
    (installation.root / "elsewhere").mkdir()
    kept.kept_elsewhere.keep_now()
    page = read(installation, "/console/ledger").get_text()
    assert "kept elsewhere" in page
    assert str(kept.ledger.key) in page
    client = installation.signed_in()
    answer = client.get("/console/ledger/proofs?ref=version:1")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        archive.extractall(tmp_path)
    with client.get("/console/ledger/export") as exported:
        (tmp_path / "kept-ledger.jsonl").write_bytes(exported.data)
    for name in ("proofs.json", "kept-ledger.jsonl"):
        words = [sys.executable, str(tmp_path / "verify_kept.py"), str(tmp_path / name), "--key", str(kept.ledger.key)]
        assert subprocess.run(words, check=False, capture_output=True).returncode == 0
    unknown = client.get("/console/ledger/proofs?ref=R-NOBODY")
    assert unknown.status_code == 404
    assert "No entry names R-NOBODY" in unknown.get_data(as_text=True)
    assert installation.client().get("/console/ledger/export").status_code == 302


def test_commands_keep_prove_export_cosign_and_change_the_key(installation: Installation, tmp_path: Path) -> None:
    """One copy of the installation, the commands one after the other, each with JSON."""
    root = Path(shutil.copytree(installation.root, tmp_path / "kept"))
    (root / "elsewhere").mkdir(exist_ok=True)
    kept = ask(root, "ledger", "keep")
    assert [place["waits"] for place in kept["places"]] == [0]
    note = ask(root, "ledger", "checkpoint")["checkpoint"]
    (root / "note").write_text(
        note.partition("\n— witness")[0].rstrip("\n") + "\n" + cosign(note, WITNESS, time=2_000_000_000)
    )
    assert ask(root, "ledger", "cosign", "note")["new"] == 1
    proved = ask(root, "ledger", "prove", "version:1", "-o", "proofs")
    assert len(list((root / "proofs").glob("*.tlog-proof"))) == len(proved["proofs"]) > 0
    changed = ask(root, "ledger", "rotate-key", "--reason", "yearly")
    exported = ask(root, "ledger", "export", "-o", "all.jsonl")
    assert exported["key"] == changed["key"]
    checked = ask(root, "ledger", "verify", "all.jsonl", "--key", changed["key"], "--seen", "elsewhere/checkpoints")
    assert (checked["ok"], checked["size"]) == (True, exported["entries"])
    assert ask(root, "ledger", "verify")["notes"] == checked["notes"] != []
    (root / "elsewhere" / "checkpoints").write_text("")
    assert "no longer has it" in ask(root, "ledger", "verify", status=1)["places"][0]


def test_a_backup_put_back_needs_a_reason_before_anything_is_recorded(
    installation: Installation, tmp_path: Path
) -> None:
    """The restored database is behind the head that lies on this machine; `kept restore` keeps that head, and the log waits for
    a person. After that, everything verifies and the old checkpoints are accounted for."""
    root = Path(shutil.copytree(installation.root, tmp_path / "kept"))
    (root / "elsewhere").mkdir(exist_ok=True)
    made = ask(root, "backup", str(tmp_path))
    ask(root, "user", "add", "eve@lanternway.example", "--name", "Eve", "--role", "agent")
    ask(root, "ledger", "keep")
    head = json.loads(json.dumps((root / "var" / "ledger.head").read_text()))
    ask(root, "restore", made["path"], "--force")
    assert (root / "var" / "ledger.head").read_text() == head
    refused = ask(root, "user", "add", "zoe@lanternway.example", "--name", "Zoe", "--role", "agent", status=1)
    assert "accept-rollback" in refused["remedy"]
    assert "rolled back" in str(ask(root, "ledger", "verify", status=1)["findings"])
    assert ask(root, "ledger", "accept-rollback", "--reason", "disk failure")["key"].split("+")[0].endswith("/kept/2")
    ask(root, "user", "add", "zoe@lanternway.example", "--name", "Zoe", "--role", "agent")
    checked = ask(root, "ledger", "verify")
    assert "somebody accounted for a rollback" in checked["notes"][0]
