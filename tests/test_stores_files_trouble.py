"""Files and everything that goes wrong with them: no right, no space, gone, killed, a writer that waits."""

import fcntl
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stores.conditions import AllOf, OneOf
from stores.contract import Batch, StoreUnreachable
from stores.files import FilesStore
from tests.store_worlds import FixedClock, delete_work, run_through

EVERYTHING = AllOf(parts=())
MINE = OneOf(field="user_id", values=("42",))
WORK = delete_work("*.jsonl", MINE)


def store_of(root: Path) -> FilesStore:
    return FilesStore("logs", root, clock=FixedClock())


def put(path: Path, *users: str) -> None:
    path.write_text("".join(json.dumps({"id": place, "user_id": user}) + "\n" for place, user in enumerate(users)))


def users(path: Path) -> list[str]:
    return [json.loads(line)["user_id"] for line in path.read_text().splitlines()]


@contextmanager
def as_nobody() -> Iterator[Path]:
    """A folder of nobody's, and this process as that user."""
    if os.geteuid() != 0:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


def test_a_file_that_may_not_be_read_is_named_and_the_others_go_on() -> None:
    """Also one in a folder that may not be written."""
    with as_nobody() as root:
        for name in ("a.jsonl", "b.jsonl", "c.jsonl", "d/x.jsonl"):
            (root / name).parent.mkdir(exist_ok=True)
            put(root / name, "42", "7")
        (root / "b.jsonl").chmod(0)
        (root / "d").chmod(0o500)
        store, work = store_of(root), delete_work("**/*.jsonl", MINE)
        assert store.measure("**/*.jsonl", MINE).rows == 3
        assert sum(rows for _, rows in run_through(store, work)) == 2
        told = tuple(f"{name}: the system does not permit it" for name in ("b.jsonl", "d/x.jsonl"))
        assert store.left_for_later("**/*.jsonl") == told
        (root / "b.jsonl").chmod(0o600)
        (root / "d").chmod(0o700)
        assert sum(rows for _, rows in run_through(store, work)) == 2
        assert store.left_for_later("**/*.jsonl") == ()


@contextmanager
def small_disk(folder: Path, fill: Callable[[], None]) -> Iterator[None]:
    """One mebibyte of space, where this process may mount it; else no file may grow beyond a quarter of that."""
    if os.geteuid() == 0:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
        try:
            fill()
            yield
        finally:
            subprocess.run(["umount", folder], check=True)
        return
    fill()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_file_whole_and_the_others_go_on(tmp_path: Path) -> None:
    """No half copy stays; what needs no copy still goes, and makes room."""

    def fill() -> None:
        put(tmp_path / "a.jsonl", *["7"] * 15_500, "42")
        put(tmp_path / "b.jsonl", *["42"] * 8_000)

    with small_disk(tmp_path, fill):
        size = (tmp_path / "a.jsonl").stat().st_size
        store = store_of(tmp_path)
        assert sum(rows for _, rows in run_through(store, WORK)) == 8_000
        assert store.left_for_later("*.jsonl") == ("a.jsonl: there is no space left for its copy",)
        assert (tmp_path / "a.jsonl").stat().st_size == size
        assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
        if os.geteuid() == 0:
            assert sum(rows for _, rows in run_through(store, WORK)) == 1


def test_a_file_removed_in_mid_run_is_no_error(tmp_path: Path) -> None:
    """Nor is a new one; a root that is gone is."""
    for name in ("a", "b", "c"):
        put(tmp_path / f"{name}.jsonl", "42", "7")
    store = store_of(tmp_path)
    records = store.records("*.jsonl", MINE)
    next(records)
    (tmp_path / "b.jsonl").unlink()
    assert len(list(records)) == 1
    batch = store.next_batch(WORK, None)
    assert batch is not None
    (tmp_path / "c.jsonl").unlink()
    assert store.act(WORK, batch) == 1
    assert store.left_for_later("*.jsonl") == ("c.jsonl: it was moved away meanwhile",)
    batch = store.next_batch(delete_work("*.jsonl", EVERYTHING), None)
    assert batch is not None
    tmp_path.rename(tmp_path.with_name("gone"))
    with pytest.raises(StoreUnreachable):
        store.act(delete_work("*.jsonl", EVERYTHING), batch)


def test_owner_mode_time_and_attributes_are_kept(tmp_path: Path) -> None:
    """The file that takes the place looks like the one before to every program."""
    path = tmp_path / "a.jsonl"
    put(path, "42", "7")
    path.chmod(0o2640)
    if os.geteuid() == 0:
        os.chown(path, 1234, 4321)
        path.chmod(0o2640)
    os.setxattr(path, "user.origin", b"gateway")
    os.utime(path, ns=(5, 1_600_000_000_000_000_007))
    before = path.stat()
    assert [rows for _, rows in run_through(store_of(tmp_path), WORK)] == [1]
    after = path.stat()
    same = ("st_mode", "st_uid", "st_gid", "st_mtime_ns")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    assert os.getxattr(path, "user.origin") == b"gateway"
    assert stat.S_IMODE(after.st_mode) == 0o2640


def test_a_file_that_another_program_has_locked_is_left(tmp_path: Path) -> None:
    """Programs that lock a file while they write to it are waited for."""
    put(tmp_path / "a.jsonl", "42", "7")
    store = store_of(tmp_path)
    with (tmp_path / "a.jsonl").open() as reader:
        fcntl.flock(reader, fcntl.LOCK_EX)
        assert [rows for _, rows in run_through(store, WORK)] == [0]
        assert store.left_for_later("*.jsonl") == ("a.jsonl: another program is writing to it",)
    assert [rows for _, rows in run_through(store, WORK)] == [1]


def test_names_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    """They could not be written down as the bounds of a batch."""
    put(tmp_path / "a.jsonl", "42")
    (tmp_path / "a.jsonl").rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jsonl"))
    store = store_of(tmp_path)
    assert store.measure("*.jsonl", EVERYTHING).rows == 0
    assert store.left_for_later("*.jsonl") == ("\\udcff.jsonl: its name is not UTF-8",)


def run_and_die(root: Path, step: int) -> bool:
    """A child does the work and kills itself at its step-th call of the system that Python tells of; did it live?"""
    child = os.fork()
    if child == 0:
        seen = 0

        def hook(event: str, args: object) -> None:
            nonlocal seen
            if event.startswith(("os.", "fcntl.", "shutil.")) or event == "open":
                seen += 1
                if seen == step:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        run_through(store_of(root), WORK)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def test_a_run_that_is_killed_anywhere_loses_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    """At every call in turn; the next run takes out what is left, and no copy of a record stays behind."""
    step, lived = 0, False
    while not lived:
        step += 1
        root = tmp_path / str(step)
        root.mkdir()
        put(root / "a.jsonl", "7", "42", "8")
        put(root / "b.jsonl", "42")
        lived = run_and_die(root, step)
        assert users(root / "a.jsonl") in (["7", "42", "8"], ["7", "8"])
        again = store_of(root)
        again.act(WORK, Batch(low=None, high="b.jsonl"))  # as a step goes on whose batch has no count yet
        assert again.next_batch(WORK, Batch(low=None, high="b.jsonl")) is None
        assert users(root / "a.jsonl") == ["7", "8"]
        assert [path.name for path in root.iterdir()] == ["a.jsonl"]
    assert step > 40


WRITER = """
import json, sys
with open(sys.argv[1], "a") as file:
    print("open", flush=True)
    sys.stdin.read()
    file.write(json.dumps({"id": 99, "user_id": "late"}) + "\\n")
"""


@pytest.mark.parametrize("kept", [["7"], []])
def test_the_line_of_a_writer_that_waited_while_the_run_was_killed_is_not_lost(tmp_path: Path, kept: list[str]) -> None:
    """It opened the old file before another took its place, or none; the next run finds its line, once it is done."""
    path = tmp_path / "a.jsonl"
    put(path, "42", *kept)
    program = f"""
import os, signal, subprocess, sys, time
from pathlib import Path
from tests.test_stores_files_trouble import WORK, WRITER, run_through, store_of
state = "before"
def hook(event, args):
    global state
    if event == "fcntl.fcntl" and state == "renamed":
        os.kill(os.getpid(), signal.SIGKILL)
    last = args[1] if event == "os.rename" else args[0] if event == "os.remove" else ""
    if state == "before" and str(last) == {str(path)!r}:
        state = "waiting"
        writer = subprocess.Popen([sys.executable, "-c", WRITER, {str(path)!r}])
        while writer.poll() is None and "lease" not in Path(f"/proc/{{writer.pid}}/wchan").read_text():
            time.sleep(0.02)
        state = "renamed"
sys.addaudithook(hook)
run_through(store_of(Path({str(tmp_path)!r})), WORK)
"""
    run = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with run:
        assert run.stdin is not None
        assert run.stdout is not None
        assert run.stdout.readline() == "open\n"
        assert run.wait() == -signal.SIGKILL
        store = store_of(tmp_path)
        run_through(store, WORK)
        assert store.left_for_later("*.jsonl") == ("a.jsonl: another program is writing to it",)
        run.stdin.close()
        assert run.stdout.read() == ""
    run_through(store, WORK)
    assert users(path) == [*kept, "late"]
    assert [found.name for found in tmp_path.iterdir()] == ["a.jsonl"]
