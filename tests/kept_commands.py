"""Runs commands of Kept, each as a process of its own, forked from one that has imported all of Kept already."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from tests.servers import START_SECONDS, MissingServerError, stop

ROOT = Path(__file__).parent.parent
COMMAND_SECONDS = 120.0
LONGEST_REQUEST = 1 << 18
_OPEN = ExitStack()


def run_command(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`kept WORDS` in the folder `root`, without KEPT_CONFIG: what the script does but for the second that imports take."""
    environment = {name: value for name, value in os.environ.items() if name != "KEPT_CONFIG"}
    request = json.dumps({"words": words, "root": str(root), "environment": environment}).encode()
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8") as err,
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line,
    ):
        line.settimeout(COMMAND_SECONDS)
        line.connect(_started())
        socket.send_fds(line, [request], [out.fileno(), err.fileno()])
        pid = int(line.recv(64))
        try:
            status = int(line.recv(64))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(("kept", *words), status, out.read(), err.read())


def end_commands() -> None:
    """End the process that forks, where there is one."""
    _OPEN.close()
    _started.cache_clear()


@cache
def _started() -> str:
    """The socket of the process that forks; `end_commands` ends it, and it ends with this one in any case."""
    folder = tempfile.TemporaryDirectory(prefix="kept-commands-", dir="/tmp")  # a socket's name is short
    path = Path(folder.name, "socket")
    program = "import sys; from tests.kept_commands import serve; serve(sys.argv[1])"
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", sys.executable, "-c", program, str(path)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    _OPEN.callback(folder.cleanup)
    _OPEN.callback(stop, process, by=signal.SIGTERM)
    deadline = time.monotonic() + START_SECONDS
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise MissingServerError("the process that runs commands of Kept did not start")
        time.sleep(0.02)
    return str(path)


def serve(path: str) -> None:
    """Fork for every request; what is forked leaves this function as `kept` would end, by SystemExit or a traceback."""
    import alembic.command  # noqa: F401 - every command asks it how old the schema is

    from app import main

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"{path}.new")
        listener.listen(8)
        Path(f"{path}.new").rename(path)
        while True:
            line, _ = listener.accept()
            if os.fork() == 0:
                break
            line.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, files, _, _ = socket.recv_fds(line, LONGEST_REQUEST, 2)
    pid = os.fork()
    if pid:
        line.send(str(pid).encode())
        line.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
        return
    line.close()
    _become(json.loads(message), files)
    main()
    sys.exit()


def _become(request: dict[str, object], files: list[int]) -> None:
    """Take on the words, the folder, the environment and the output of a command."""
    for file, standard in zip(files, (1, 2), strict=True):
        os.dup2(file, standard)
        os.close(file)
    words, environment = request["words"], request["environment"]
    assert isinstance(words, list)
    assert isinstance(environment, dict)
    sys.argv = ["kept", *words]
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(str(request["root"]))
