"""Who runs a command, as the ledger names them."""

from __future__ import annotations

import getpass
import re


def command_actor() -> str:
    """The account that runs the command, as an opaque actor of the ledger."""
    return "cli:" + re.sub(r"[^A-Za-z0-9_.-]", "_", getpass.getuser())
