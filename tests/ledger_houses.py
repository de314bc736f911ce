"""Whole installations for tests of the ledger, with Kept's own tables on SQLite or on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from core.database import Database
from core.migrations import upgrade
from tests.servers import Postgres
from tests.web_installation import CONFIGURATION, Installation, open_installation

DIALECTS: Final = ("sqlite", pytest.param("postgresql", marks=pytest.mark.slow))
OWN_DATABASE: Final = "sqlite:///var/kept.db"


@contextmanager
def open_on(
    request: pytest.FixtureRequest, root: Path, *, configuration: str = CONFIGURATION
) -> Iterator[Installation]:
    """A small installation on the database that the parameter of a fixture names, one of DIALECTS."""
    if request.param == "sqlite":
        with open_installation(root, configuration=configuration) as installation:
            yield installation
        return
    with (
        migrated(request.getfixturevalue("postgres")) as url,
        open_installation(root, configuration=configuration.replace(OWN_DATABASE, url)) as installation,
    ):
        yield installation


@contextmanager
def migrated(postgres: Postgres) -> Iterator[str]:
    """The URL of a database on PostgreSQL with Kept's tables as the migrations make them, dropped at the end."""
    with postgres.fresh_database() as url:
        made = Database(url)
        upgrade(made)
        made.close()
        yield url
