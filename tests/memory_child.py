"""A process of its own that sweeps a table and prints the most memory it ever held: `python -m tests.memory_child FOLDER ROWS`."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from core.database import Database
from tests.plan_rooms import CLAUSES, ago, make_gateway, wire
from tests.schema import make_tables


def most_mebibytes() -> int:
    """Of this program alone: what getrusage tells includes the process that started it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) // 1_024


def main(folder: str, rows: str) -> None:
    root = Path(folder)
    gateway = make_gateway(root / "host")
    with closing(sqlite3.connect(gateway.path)) as connection, connection:
        old = ((1_000 + number, "u1", ago(200)) for number in range(int(rows)))
        connection.executemany("INSERT INTO request_log VALUES (?, ?, ?)", old)
    database = Database(f"sqlite:///{root / 'kept.db'}")
    make_tables(database)
    rooms = wire(database, gateway, batch_rows=2_000)
    rooms.publish(*CLAUSES)
    (outcome,) = rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it")
    print(outcome.state.value, outcome.rows, most_mebibytes(), flush=True)
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
