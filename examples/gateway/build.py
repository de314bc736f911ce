"""Writes the stores of the example gateway, and its configuration and policy: same seed and same now, same bytes."""

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

from examples.gateway import database
from examples.gateway.activity import ask_opinions, sample_uses, write_messages
from examples.gateway.instants import chance, day_text, instant_text, ms_of
from examples.gateway.papers import issue_invoices, write_letters
from examples.gateway.people import Person, invent_people
from examples.gateway.sentences import invent_answer, invent_prompt
from examples.gateway.trace import Day, days_up_to
from examples.gateway.traffic import Request, send_requests

REPLAYED_DAYS = 400
FILE_DAYS = 60

_HERE = Path(__file__).parent

Traffic = list[tuple[Day, list[Request]]]


def build(
    target: Path, *, now: datetime, seed: int = 20231116, on_progress: Callable[[str], None] | None = None
) -> dict[str, int]:
    """Write `gateway.db` and `logs/` below `target`; give back records per collection, and the number of files.

    The keys are the collection ids of `kept.yaml`, and `files` for how many files `request-days` has. No time lies
    after `now` (aware). A `gateway.db` that is there already is refused: it may hold what somebody swept.
    """
    tell = on_progress or _tell_nobody
    finished = target / "gateway.db"
    if finished.exists():
        raise FileExistsError(f"{finished} is there already; remove it, or name another folder")
    target.mkdir(parents=True, exist_ok=True)
    now_ms = ms_of(now)
    people = invent_people(chance(seed, "people"), now_ms)
    traffic = list(send_requests(chance(seed, "traffic"), people, days_up_to(now_ms, REPLAYED_DAYS)))
    tell(
        f"{len(people):,} people, {sum(len(requests) for _, requests in traffic):,} requests over {REPLAYED_DAYS} days"
    )
    unfinished = target / "gateway.db.part"
    unfinished.unlink(missing_ok=True)
    counts = _write_database(unfinished, people, traffic, now_ms, seed)
    tell(f"gateway.db: {sum(counts.values()):,} rows in {len(counts)} tables")
    counts |= _write_logs(target / "logs", traffic[-FILE_DAYS:], chance(seed, "texts"))
    tell(f"logs: {counts['request-days']:,} records in {counts['files']} files")
    unfinished.rename(finished)
    return counts


def write_configuration(target: Path) -> None:
    """Copy the configuration to `kept.yaml`, the policy to `policies/gateway.md` and a letter to try, below `target`, and make an
    empty mailbox."""
    (target / "policies").mkdir(parents=True, exist_ok=True)
    for part in ("cur", "new", "tmp"):
        (target / "maildir" / part).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_HERE / "letter.eml", target / "letter.eml")
    shutil.copyfile(_HERE / "kept.yaml", target / "kept.yaml")
    shutil.copyfile(_HERE / "policy.md", target / "policies" / "gateway.md")


def _tell_nobody(_line: str) -> None:
    pass


def _write_database(path: Path, people: list[Person], traffic: Traffic, now_ms: int, seed: int) -> dict[str, int]:
    requests = [request for _, of_day in traffic for request in of_day]
    last_used = _last_uses(chance(seed, "idle keys"), people, requests, traffic[0][0].start_ms)
    invoices = issue_invoices(chance(seed, "invoices"), people, now_ms)
    letters = write_letters(chance(seed, "letters"), people, now_ms)
    messages = write_messages(chance(seed, "playground"), people, now_ms)
    opinions = ask_opinions(chance(seed, "feedback"), people, now_ms)
    with closing(sqlite3.connect(path)) as connection:
        database.create_tables(connection)
        counts = database.insert_people(connection, people, last_used)
        counts |= database.insert_requests(connection, requests)
        counts |= database.insert_papers(connection, invoices, letters)
        counts |= database.insert_activity(connection, sample_uses(requests, now_ms), messages, opinions)
        connection.commit()
        database.create_indexes(connection)
    return counts


def _last_uses(
    rng: random.Random, people: list[Person], requests: list[Request], replay_ms: int
) -> dict[int, int | None]:
    """When each key was last used: as the request log says, else some time before the log begins, else never."""
    logged = {request.key_id: request.at_ms for request in requests}
    uses: dict[int, int | None] = {}
    for person in people:
        for key in person.keys:
            ends = (key.retired_ms, person.active_until_ms, replay_ms)
            end_ms = min(end for end in ends if end is not None)
            earlier_ms = rng.randrange(key.created_ms, end_ms) if key.created_ms < end_ms else None
            uses[key.id] = logged.get(key.id, earlier_ms)
    return uses


def _write_logs(folder: Path, traffic: Traffic, rng: random.Random) -> dict[str, int]:
    folder.mkdir(exist_ok=True)
    records = 0
    for day, requests in traffic:
        path = folder / f"requests-{day_text(day.number)}.jsonl"
        path.write_text("".join(_log_line(rng, request) for request in requests), encoding="utf-8", newline="\n")
        last_ns = requests[-1].at_ms * 1_000_000
        os.utime(path, ns=(last_ns, last_ns))
        records += len(requests)
    return {"request-days": records, "files": len(traffic)}


def _log_line(rng: random.Random, request: Request) -> str:
    record = {
        "ts": instant_text(request.at_ms),
        "user_id": request.user_id,
        "prompt": invent_prompt(rng, request.kind),
        "response": invent_answer(rng) if request.status == 200 else "",
    }
    return json.dumps(record, ensure_ascii=False) + "\n"
