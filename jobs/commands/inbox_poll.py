"""`kept inbox poll`: fetch mail now, and read it."""

from __future__ import annotations

import click

from inbox.mailbox import Round
from jobs.answers import Answer, Line, answering, table
from jobs.progress import showing_progress
from jobs.services import Services, Wiring


@click.command()
@click.pass_obj
@answering
def poll(wiring: Wiring) -> Answer:
    """Fetch mail from every mailbox now; exits 2 or 3 where one cannot be read, and takes what the others have."""
    with wiring.open_services(None) as kept:
        with showing_progress() as show:
            rounds = kept.inbox.boxes.poll(on_progress=show)
            read = _read_all(kept)
        kept.ledger.settle()
    taken = sum(one.taken for one in rounds)
    return Answer(
        data={"taken": taken, "read": read, "mailboxes": [_json(one) for one in rounds]},
        lines=[_table(rounds), *(one.trouble for one in rounds if one.trouble)],
        exit_status=max(_status(one) for one in rounds),
    )


def _read_all(kept: Services) -> int:
    """What was taken becomes letters at once: where nothing but this command runs, nobody else would."""
    read = 0
    while some := kept.inbox.reading.read_new():
        read += some
    return read


def _status(one: Round) -> int:
    if one.error is not None:
        return one.error.exit_status
    return 3 if one.stuck else 0


def _json(one: Round) -> dict[str, object]:
    return {
        "mailbox": one.source,
        "taken": one.taken,
        "known": one.known,
        "too_large": one.too_large,
        "not_given_out": one.stuck,
        "trouble": one.trouble,
    }


def _table(rounds: tuple[Round, ...]) -> Line:
    rows = [
        [one.source, str(one.taken), str(one.known), str(one.too_large), "look below" if one.trouble else "well"]
        for one in rounds
    ]
    return table("", ["mailbox", "taken", "known", "too large", "state"], rows, right=(1, 2, 3))
