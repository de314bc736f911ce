#!/usr/bin/env python3
"""Checks an exported ledger of Kept, or proof files, on any machine: Python 3.9 or newer and the package `cryptography`, nothing else.

    python verify_kept.py ledger.jsonl [--key KEY] [--checkpoint FILE ...]
    python verify_kept.py proofs.json [--key KEY]
    python verify_kept.py ENTRY.tlog-proof ENTRY.json [--key KEY]

--key: the public key that the controller published (name+hex+base64). Without it the file's own key is used, and shown: whether
it is the controller's, you compare. --checkpoint: checkpoints that you kept yourself; they must still hold.

It shares no code with the program that wrote the file. Formats: RFC 6962 (tree), C2SP signed-note, tlog-checkpoint, tlog-proof
and cosignature. Ends with 0 where everything holds, with 1 where something does not, with 2 where a file cannot be read.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

COLUMNS = ("actor", "at", "commitment", "id", "kind", "refs")
LONGEST_LINE, MOST_SHOWN = 1 << 20, 50
KEY_CHANGES = ("ledger.key_rotated", "ledger.key_lost")


class Broken(Exception):
    """What was given does not hold, or cannot be read."""


def leaf_hash(content: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def canonical(entry: dict[str, Any]) -> bytes:
    """RFC 8785 for what an entry is: six keys, texts and a list of texts."""
    if sorted(entry) != sorted(COLUMNS) or not isinstance(entry["refs"], list):
        raise Broken("an entry has exactly the six columns")
    if not all(
        isinstance(value, str) for value in (*entry["refs"], *(entry[name] for name in COLUMNS if name != "refs"))
    ):
        raise Broken("an entry is made of texts")
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def decode(text: str) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Broken("base64 is malformed") from error
    if base64.b64encode(value).decode() != text:
        raise Broken("base64 is malformed")
    return value


def parse_key(text: str) -> bytes:
    """The 32 bytes of a key in its public form."""
    name, _, rest = text.strip().partition("+")
    identity, _, encoded = rest.partition("+")
    raw = decode(encoded)
    if raw[:1] != b"\x01" or len(raw) != 33:
        raise Broken(f"'{text}' is no Ed25519 key of a log")
    if key_id(name, raw[1:]).hex() != identity:
        raise Broken(f"the id of the key '{name}' does not match the key")
    return raw[1:]


def key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]


def open_checkpoint(note: str, publics: list[bytes]) -> tuple[int, bytes, str, bytes]:
    """Size, root, origin and signing key of a checkpoint that one of the keys signed. Raises Broken."""
    text, found, block = note.rpartition("\n\n")
    lines = text.split("\n")
    if not found or len(lines) != 3 or not re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1]) or not block.endswith("\n"):
        raise Broken("is no checkpoint")
    root = decode(lines[2])
    for line in block[:-1].split("\n"):
        match = re.fullmatch(r"— (\S+) (\S+)", line)
        raw = decode(match[2]) if match else b""
        for public in publics:
            if match and match[1] == lines[0] and raw[:4] == key_id(lines[0], public):
                try:
                    Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], (text + "\n").encode())
                except InvalidSignature:
                    raise Broken("has a signature that does not match") from None
                return int(lines[1]), root, lines[0], public
    raise Broken("is not signed by the log's key")


class Tree:
    """Grows leaf by leaf; holds only its right edge, so memory stays flat."""

    def __init__(self) -> None:
        self.size = 0
        self.peaks: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        rest = self.size
        while rest & 1:
            leaf, rest = node_hash(self.peaks.pop(), leaf), rest >> 1
        self.peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        value = self.peaks[-1]
        for peak in self.peaks[-2::-1]:
            value = node_hash(peak, value)
        return value


def root_by_proof(leaf: bytes, index: int, size: int, hashes: list[bytes]) -> bytes:
    """RFC 9162, 2.1.3.2: the root that a proof leads to. Raises Broken."""
    here, last, value = index, size - 1, leaf
    if not 0 <= index < size:
        raise Broken("the proof is about a place outside of the tree")
    for sibling in hashes:
        if last == 0:
            raise Broken("the proof is too long")
        if here & 1 or here == last:
            value = node_hash(sibling, value)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        here, last = here >> 1, last >> 1
    if last:
        raise Broken("the proof is too short")
    return value


class Succession:
    """The keys that the log itself names as its own, one after the other, and the rollbacks that it accounts for."""

    def __init__(self, path: str, known: bytes) -> None:
        self.links: list[tuple[int, bytes, bytes, bool]] = []
        self.rollbacks: list[tuple[int, int]] = []
        marks = [f'"{kind}"'.encode() for kind in (*KEY_CHANGES, "ledger.rolled_back")]
        with Path(path).open("rb") as file:
            while line := file.readline(LONGEST_LINE):
                if any(mark in line for mark in marks):
                    self._take(line)
        every = [self.links[0][1], *(link[2] for link in self.links)] if self.links else [known]
        self.known = known in every
        last = every.index(known) if self.known else 0
        while self.known and last < len(self.links) and not self.links[last][3]:
            last += 1
        self.keys = every[: last + 1] if self.known else [known]
        self.unvouched = self.links[last][0] if self.known and last < len(self.links) else None

    def _take(self, line: bytes) -> None:
        try:
            value = json.loads(line)
            entry = value["entry"]
            named = dict(ref.partition(":")[::2] for ref in entry["refs"])
            if entry["kind"] in KEY_CHANGES:
                before, after = bytes.fromhex(named["key-before"]), bytes.fromhex(named["key-after"])
                if not self.links or self.links[-1][2] == before:
                    self.links.append((value["position"], before, after, entry["kind"] == "ledger.key_lost"))
            elif entry["kind"] == "ledger.rolled_back":
                self.rollbacks.append((int(named["kept"].split(":")[0]), int(named["lost"].split(":")[0])))
        except (KeyError, TypeError, ValueError, AttributeError):
            pass  # said when the line is checked

    def allowed(self, size: int, covered: int) -> list[bytes]:
        """Who may have signed a checkpoint over `size` entries, where one over `covered` stood before it."""
        if not self.known:
            return self.keys
        first = sum(position < covered or (lost and position < size) for position, _, _, lost in self.links)
        return self.keys[first : sum(position < size for position, *_ in self.links) + 1]

    def gave_up(self, size: int, origin: str) -> bool:
        match = re.search(r"/kept/([0-9]+)$", origin)
        epoch = int(match[1]) if match else 1
        return any(kept < size <= lost for kept, lost in self.rollbacks[epoch - 1 :])


class ExportCheck:
    """Reads an export line by line and says what does not hold."""

    def __init__(self, path: str, key: str | None) -> None:
        self.path = path
        self.findings: list[str] = []
        self.tree, self.broken = Tree(), False
        self.roots: dict[int, bytes] = {}
        self.checkpoints = self.held = self.covered = 0
        self.head = next(self._lines(), (1, {}))[1]
        if self.head.get("format") != "kept-ledger-export/1":
            raise Broken(f"{path} is no exported ledger")
        self.key = key or str(self.head.get("key"))
        self.succession = Succession(path, parse_key(self.key))

    def run(self, kept: list[str]) -> None:
        wanted: dict[int, list[bytes]] = {}
        for note in kept:
            self._open_kept(note, wanted)
        for number, line in self._lines():
            if number > 1:
                self._take(number, line)
            if self.tree.size in wanted:
                self.roots[self.tree.size] = self.tree.root()
        self._compare_kept(wanted)
        self._finish()

    def _lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        with Path(self.path).open("rb") as file:
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                try:
                    value = json.loads(line)
                except ValueError:
                    raise Broken(f"line {number} is not JSON: the file was cut or damaged") from None
                if not isinstance(value, dict):
                    raise Broken(f"line {number} is no object")
                yield number, value

    def _take(self, number: int, line: dict[str, Any]) -> None:
        try:
            if "entry" in line:
                self._take_entry(line)
            else:
                self._take_checkpoint(str(line["checkpoint"]))
        except (KeyError, TypeError, ValueError) as error:
            raise Broken(f"line {number} is neither an entry nor a checkpoint: {error}") from error

    def _take_entry(self, line: dict[str, Any]) -> None:
        position, leaf, name = int(line["position"]), bytes.fromhex(line["leaf"]), str(line["entry"].get("id"))
        if position != self.tree.size:
            self.findings.append(
                f"entry {name} stands at position {position}, where {self.tree.size} was to come: "
                "entries were removed, inserted, or their order was changed"
            )
        if leaf_hash(canonical(line["entry"])) != leaf:
            self.findings.append(f"entry {name} at position {position} was changed after it was recorded")
        self.tree.append(leaf)

    def _take_checkpoint(self, note: str) -> None:
        self.checkpoints += 1
        try:
            said = int(note.split("\n")[1])
            size, root, *_ = open_checkpoint(note, self.succession.allowed(said, self.covered))
        except (Broken, IndexError, ValueError) as error:
            self.findings.append(f"the checkpoint after position {self.tree.size - 1} {error}")
            return
        if size != self.tree.size:
            self.findings.append(f"a checkpoint over {size} entries stands behind {self.tree.size}")
        elif root == self.tree.root():
            self.held = size
        elif not self.broken:
            self.broken = True
            self.findings.append(
                f"the entries do not lead to the signed checkpoint over {size} entries: between position {self.held} "
                f"and {size - 1} they are not those that were recorded"
            )
        self.covered = max(self.covered, size)

    def _open_kept(self, note: str, wanted: dict[int, list[bytes]]) -> None:
        try:
            size, root, origin, _ = open_checkpoint(note, self.succession.keys)
        except Broken as error:
            self.findings.append(f"a checkpoint that you kept {error}")
            return
        if not self.succession.gave_up(size, origin):
            wanted.setdefault(size, []).append(root)

    def _compare_kept(self, wanted: dict[int, list[bytes]]) -> None:
        for size, roots in sorted(wanted.items()):
            if size > self.tree.size:
                self.findings.append(
                    f"the ledger was rolled back: you kept a checkpoint over {size} entries, it ends after {self.tree.size}"
                )
            elif any(root != self.roots.get(size) for root in roots):
                self.findings.append(f"the first {size} entries are others than when you kept a checkpoint over them")

    def _finish(self) -> None:
        try:
            size, root, *_ = open_checkpoint(str(self.head.get("checkpoint")), self.succession.keys)
        except Broken as error:
            self.findings.append(f"the checkpoint in the first line {error}")
            return
        if size > self.tree.size:
            self.findings.append(f"the file was cut: its checkpoint is over {size} entries, it has {self.tree.size}")
        elif size < self.tree.size:
            self.findings.append(f"the entries from position {size} on are under no checkpoint: they were inserted")
        elif root != self.tree.root() and not self.broken:
            self.findings.append(f"the entries do not lead to the checkpoint over {size} entries in the first line")
        if self.succession.unvouched is not None:
            self.findings.append(
                f"from position {self.succession.unvouched} on the log has a key that the one given does not vouch for"
            )


def check_proof(text: str, entry: str, key: str) -> tuple[int, int]:
    """That the entry stands in the log: its position and the size of the checkpoint. Raises Broken."""
    head, found, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not found or lines.pop(0) != "c2sp.org/tlog-proof@v1":
        raise Broken("this is no proof file")
    if lines and lines[0].startswith("extra "):
        lines.pop(0)
    if not lines or not re.fullmatch(r"index (0|[1-9][0-9]{0,18})", lines[0]):
        raise Broken("the proof file has no index")
    index = int(lines.pop(0)[6:])
    size, root, *_ = open_checkpoint(checkpoint, [parse_key(key)])
    if root_by_proof(leaf_hash(canonical(json.loads(entry))), index, size, [decode(line) for line in lines]) != root:
        raise Broken("the proof does not lead from this entry to the signed checkpoint")
    return index, size


def check_bundle(bundle: dict[str, Any], key: str | None) -> tuple[list[str], int, str]:
    """Every proof of a `proofs.json` or of a certificate; gives findings, how many there are, and the key."""
    ledger = bundle.get("ledger", bundle)
    used, findings = key or str(ledger.get("key")), []
    entries = ledger.get("entries", [])
    if not entries:
        raise Broken("there are no proofs in this file")
    for one in entries:
        try:
            signer = str(one.get("key") or used) if key is None else used
            check_proof(one["proof"], one["entry"], signer)
            said = json.loads(one["entry"])
            if said["id"] != one.get("id", said["id"]):
                raise Broken("is another entry than the file says")
            if "salt" in one:
                value = hmac.new(bytes.fromhex(one["salt"]), one["private"].encode(), hashlib.sha256).hexdigest()
                if value != said["commitment"]:
                    raise Broken("did not commit to the private part beside it")
        except (Broken, KeyError, TypeError, ValueError) as error:
            findings.append(f"entry {one.get('id', '?')}: {error}")
    return findings, len(entries), used


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Check an exported ledger of Kept, or proofs from it.")
    parser.add_argument(
        "files", nargs="+", help="an export, a proofs.json or a certificate; or a .tlog-proof and its entry"
    )
    parser.add_argument("--key", help="the log's public key, as it was published")
    parser.add_argument("--checkpoint", action="append", default=[], help="a file with checkpoints that you kept")
    given = parser.parse_args(words)
    if len(given.files) > 2 or (len(given.files) == 2 and not given.key):
        parser.error("one file, or a proof and its entry with --key")
    try:
        if len(given.files) == 1:
            return _check_file(given.files[0], given)
        proof, entry = (Path(name).read_text(encoding="utf-8") for name in given.files)
        index, size = check_proof(proof, entry.strip(), given.key)
        return _say(
            [], f"the entry stands at position {index} of the {size} that the checkpoint is over", given.key, False
        )
    except (Broken, OSError, ValueError, AttributeError) as error:
        sys.stdout.write(f"DOES NOT HOLD: {given.files[0]}: {error}\n")
        return 2 if isinstance(error, OSError) else 1


def _check_file(path: str, given: argparse.Namespace) -> int:
    with Path(path).open("rb") as file:
        first = json.loads(file.readline(1 << 26))
    if first.get("format") != "kept-ledger-export/1":
        findings, number, key = check_bundle(first, given.key)
        return _say(findings, f"{number} entries with their proofs", key, given.key is None)
    check = ExportCheck(path, given.key)
    texts = [Path(name).read_text(encoding="utf-8") for name in given.checkpoint]
    check.run([note for text in texts for note in text.split("-----\n") if note.strip()])
    for position, _, _, lost in check.succession.links:
        sys.stdout.write(f"note: at position {position} the log {'lost' if lost else 'changed'} its key\n")
    for kept, lost_size in check.succession.rollbacks:
        sys.stdout.write(f"note: a rollback from {lost_size} entries to {kept} is accounted for\n")
    what = f"{check.tree.size} entries, {check.checkpoints} checkpoints, root {check.tree.root().hex()}"
    return _say(check.findings, what, check.key, given.key is None)


def _say(findings: list[str], what: str, key: str, own: bool) -> int:
    for one in findings[:MOST_SHOWN]:
        sys.stdout.write(f"WRONG: {one}\n")
    sys.stdout.write(f"{'DOES NOT HOLD' if findings else 'holds'}: {what}\n")
    where = " (from the file itself: compare it with the one that was published)" if own else ""
    sys.stdout.write(f"key: {key}{where}\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
