"""A process of its own that reads mails of an installation, and kills itself (SIGKILL) at a statement it is told.

`python -m tests.letter_child KEPT_YAML NTH`; 0 is never."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app import open_services


def main(path: str, nth: str) -> None:
    with open_services(Path(path)) as kept:
        left = int(nth)

        def count(*_given: Any) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        sa.event.listen(kept.database.engine, "before_cursor_execute", count)
        kept.inbox.reading.read_new()


if __name__ == "__main__":
    main(*sys.argv[1:])
