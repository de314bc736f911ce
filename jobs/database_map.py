"""The map that `kept init --database` begins with: one SQL store, read before anything is written."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from sqlalchemy import exc

from core.errors import BadInput, Unreachable
from jobs.map_file import merge_collections
from jobs.map_scanning import check_zone, policy_words
from stores.scanner import Scan, scan_sources
from stores.scanner_sql import SqlSource
from stores.scanner_text import collection_lines, quoted

STORE = "main"
BLANK_POLICY = Path(__file__).resolve().parent.parent / "examples" / "blank" / "policy.md"


def scan_database(url: str, zone: str | None) -> Scan:
    """What the map of this database should be. Raises Unreachable where it does not answer."""
    check_zone(zone)
    source = SqlSource(STORE, resolved(url))
    try:
        with Console(stderr=True).status("Reading schema and samples"):
            found = scan_sources([source], policy=policy_words(BLANK_POLICY))
    finally:
        source.close()
    if found.unreached:
        raise Unreachable(found.unreached[STORE], remedy="Correct the URL, or start the database. Nothing was written.")
    return found


def write_map(directory: Path, url: str, found: Scan, zone: str | None) -> None:
    """Put the store and its collections into the blank configuration. A URL with a password stands in a file of its own."""
    path = directory / "kept.yaml"
    full = resolved(url)
    where = quoted(full)
    if sa.make_url(full).password is not None:
        secret = directory / "var" / "database.url"
        secret.touch(mode=0o600)
        secret.write_text(full + "\n", encoding="utf-8")
        where = "file:var/database.url"
    text = path.read_text(encoding="utf-8")
    head, _, tail = text.partition("# Where records live:")
    # the commented examples of stores and collections give way to real ones
    rest = tail[tail.index("# How the scheduler") :]
    stores = f"# Where records live:\nstores:\n  {STORE}: {{kind: sql, url: {where}}}\n"
    what = "# What is in them, in the words of the policy. Proposed from schema and samples: read through it.\ncollections: []\n"
    text = f"{head}{stores}\n{what}\n{rest}"
    lines = collection_lines(found, zone=zone)
    path.write_text(merge_collections(text, lines, str(path)) if lines else text, encoding="utf-8")


def resolved(url: str) -> str:
    """The URL with the path of a SQLite file made absolute: kept.yaml lies in another directory than the one we are in."""
    try:
        parsed = sa.make_url(url)
    except exc.ArgumentError as error:
        raise BadInput(
            "That is no database URL.", remedy="Write postgresql://user@host/name or sqlite:///file.db."
        ) from error
    if parsed.get_backend_name() == "sqlite" and parsed.database and parsed.database != ":memory:":
        parsed = parsed.set(database=str(Path(parsed.database).absolute()))
    return parsed.render_as_string(hide_password=False)
