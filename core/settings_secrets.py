"""Values of kept.yaml that stand elsewhere: in the environment (`env:NAME`) or in a file (`file:PATH`)."""

import os
from pathlib import Path
from typing import Any

from core.lined_yaml import Path as KeyPath
from core.refusals import Refusals


def read_secrets(node: Any, path: KeyPath, root: Path, refusals: Refusals) -> Any:
    """The same tree with each `env:NAME` and `file:PATH` read; what cannot be read is a refusal. Paths begin at `root`."""
    if isinstance(node, dict):
        return {key: read_secrets(value, (*path, key), root, refusals) for key, value in node.items()}
    if isinstance(node, list):
        return [read_secrets(value, (*path, index), root, refusals) for index, value in enumerate(node)]
    if isinstance(node, str) and node.startswith("env:"):
        value = os.environ.get(node[4:])
        if value is None:
            refusals.add(path, f"the environment has no {node[4:]}. Set it, or write the value here.")
        return value or "unset"
    if isinstance(node, str) and node.startswith("file:"):
        file = root / node[5:]
        try:
            return file.read_text(encoding="utf-8").strip()
        except OSError as error:
            remedy = "`kept init` writes one" if path[-1] == "secret_key" else "Put it there, or name where it is"
            refusals.add(path, f"{file} cannot be read: {error.strerror}. {remedy}.")
            return "unset"
    return node
