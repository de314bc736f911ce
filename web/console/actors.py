"""How pages of the console name who did something: an operator by name, a command by its account, the scheduler."""

from __future__ import annotations

import sqlalchemy as sa

from core.operators import OperatorRow
from web.glance import once
from web.services import services

COMMAND = "cli:"


def actor_names() -> dict[str, str]:
    """The name of every operator there ever was, by id."""

    def read() -> dict[str, str]:
        with services().database.read() as session:
            rows = session.execute(sa.select(OperatorRow.id, OperatorRow.name)).all()
        return {row.id: row.name for row in rows}

    return once("kept_actor_names", read)


def say_actor(actor: str, names: dict[str, str]) -> str:
    """An actor of the ledger in words."""
    if actor.startswith(COMMAND):
        return f"the command line ({actor.removeprefix(COMMAND)})"
    return names.get(actor, "the scheduler" if actor == "system" else actor)
