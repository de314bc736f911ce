"""Tests over the repository itself: the set-up, the locks, the lists of packages and what they promise."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.servers import stop

ROOT = Path(__file__).parent.parent
LOCKS = ("run.txt", "test.txt")


# The tests run under make themselves: a make that they start must not take itself for a part of that one.
OWN_MAKE = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}


def read(path: str) -> str:
    """The text of a file of the repository."""
    return (ROOT / path).read_text()


def read_pins(name: str) -> dict[str, str]:
    """The locked version of each package; a package with markers has one for each marker."""
    found = re.findall(r"^([a-z0-9-]+)==(\S+)(?: ; (.*?))? \\$", read(f"requirements/{name}"), re.MULTILINE)
    return {f"{package} {marker}".strip(): version for package, version, marker in found}


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_a_hash(name: str) -> None:
    """pip is run with --require-hashes, so a package without one would stop the set-up."""
    entries = re.split(r"\n(?=\S)", read(f"requirements/{name}").strip())
    assert len(entries) > 30
    for entry in entries:
        assert re.match(r"[a-z0-9-]+==\S+", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_address(name: str) -> None:
    """Where packages come from is the machine's business: no registry, no option, no path is in a lock."""
    text = read(f"requirements/{name}")
    assert "://" not in text
    assert not re.search(r"^\s*--(?!hash=)", text, re.MULTILINE)


def test_tests_run_against_the_versions_that_users_get() -> None:
    """Whatever both locks hold has the same version in both; the tests may want a package on more machines."""
    run, test = read_pins("run.txt"), read_pins("test.txt")
    assert {pin: test.get(pin, test.get(pin.partition(" ")[0])) for pin in run} == run


@pytest.mark.parametrize("name", ["run", "test"])
def test_a_lock_holds_what_its_list_asks_for(name: str) -> None:
    """A package added to the .in file and never locked is found here, not on a user's machine."""
    asked = re.findall(r"^([A-Za-z][A-Za-z0-9._-]*)", read(f"requirements/{name}.in"), re.MULTILINE)
    locked = {key.split(" ")[0] for key in read_pins(f"{name}.txt")}
    assert {re.sub(r"[._]+", "-", word.lower()) for word in asked} <= locked


def list_targets(*words: str) -> str:
    """What `make WORDS` prints."""
    return subprocess.run(["make", *words], cwd=ROOT, env=OWN_MAKE, capture_output=True, text=True, check=True).stdout


def test_every_target_of_the_makefile_has_a_line_of_help() -> None:
    """`make help` lists all targets; only the two that others begin with, system-*, are left out."""
    makefile = read("Makefile")
    phony = {word for line in re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE) for word in line.split()}
    shown = list_targets("help")
    for target in phony:
        if not target.startswith("system-"):
            assert re.search(rf"^make {target} +\S", shown, re.MULTILINE), target
    assert {"run", "test", "test-slow", "lint", "types", "bench", "lock", "clean"} <= phony


def test_make_alone_lists_the_targets() -> None:
    """Nobody sets anything up by typing `make`."""
    assert list_targets() == list_targets("help")
    assert list_targets().startswith("make help ")


def test_ci_runs_the_same_tests_as_a_developer() -> None:
    """.ci/run can be started anywhere and is nothing but `make test`."""
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert script.read_text().strip().splitlines()[-1] == "exec make test"


@pytest.mark.parametrize("folder", ["bin", ".ci"])
def test_every_script_parses_and_can_be_started(folder: str) -> None:
    """A script stops at the first error and says in its first comment what it does."""
    for script in (ROOT / folder).iterdir():
        assert script.stat().st_mode & 0o111, script
        assert "set -euo pipefail" in script.read_text(), script
        assert script.read_text().splitlines()[1].startswith("# "), script
        subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_package_list_of_the_project_matches_its_folders() -> None:
    """A folder that pyproject.toml leaves out could not be imported by `kept`; one too many stops the set-up."""
    project = tomllib.loads(read("pyproject.toml"))
    listed = set(project["tool"]["setuptools"]["packages"])
    there = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "bench"}
    assert listed == there


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter, with the script that installs system packages in it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(ROOT / "bin" / "system-packages", folder)
        yield folder


def run_as_nobody(folder: Path, wanted: str) -> subprocess.CompletedProcess[str]:
    """Runs the script of that folder over a list, as a user who is not root and has no sudo."""
    (folder / "wanted.txt").write_text(wanted)
    drop = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    words = [*drop, "/usr/bin/bash", str(folder / "system-packages"), str(folder / "wanted.txt")]
    for name in ("awk", "bash", "cat", "dpkg-query", "id", "paste", "sed", "tr"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    return subprocess.run(words, env={"PATH": str(folder)}, cwd=folder, capture_output=True, text=True, check=False)


def test_system_packages_that_are_there_need_neither_apt_nor_root(open_folder: Path) -> None:
    """With nothing missing the script says nothing; `a | b` is met by either."""
    done = run_as_nobody(open_folder, "# a comment\nno-such-package | dpkg\nlibc6 # one more\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_missing_system_packages_without_root_print_the_line_to_run(open_folder: Path) -> None:
    """Who may not install is told the exact line, and the set-up stops there."""
    done = run_as_nobody(open_folder, "dpkg\nkept-no-such-package | another\nkept-none-either\n")
    line = "apt-get update && apt-get install --yes --no-install-recommends kept-no-such-package kept-none-either"
    assert done.returncode == 1
    assert line in done.stderr.splitlines()


def test_a_list_of_system_packages_that_is_not_there_stops_the_set_up() -> None:
    """A wrong name must not read as "nothing is missing"."""
    done = subprocess.run([ROOT / "bin/system-packages", "no-such-list"], capture_output=True, cwd=ROOT, check=False)
    assert done.returncode != 0


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_server_started_by_make_ends_with_it(tmp_path: Path, by: signal.Signals) -> None:
    """`make run` hands its process over to the server: a signal to make, or Ctrl-C in its terminal, ends both."""
    recipe = re.search(r"^run: .*\n\t(.*)$", read("Makefile"), re.MULTILINE)
    assert recipe is not None
    server = tmp_path / ".venv" / "bin" / "kept"
    server.parent.mkdir(parents=True)
    (tmp_path / "workspace").mkdir()
    server.write_text("#!/bin/sh\necho ready $1\nexec sleep 60\n")
    server.chmod(0o755)
    (tmp_path / "Makefile").write_text(f"VENV := .venv\nrun:\n\t{recipe[1]}\n")
    make = subprocess.Popen(["make", "run"], cwd=tmp_path, env=OWN_MAKE, stdout=subprocess.PIPE, start_new_session=True)
    assert make.stdout is not None
    try:
        assert make.stdout.readline() == b"ready serve\n"
        if by is signal.SIGINT:
            os.killpg(make.pid, by)
        assert stop(make, by=by) != 0
        assert make.stdout.read() == b"", "the server holds its output open, so it still runs"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(make.pid, signal.SIGKILL)
        make.wait()
        make.stdout.close()
