"""Erased stays erased: the register, and what is found and erased again when a store brings people back."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.database import Database
from core.errors import ConfigurationError, Conflict
from core.migrations import upgrade
from core.settings import ErasureSettings
from dsr.erasure_replay import Replayed
from dsr.erasure_tables import BackState, ErasureRow
from dsr.run_ends import NotDone
from plans.plan import Step
from tests.dsr_house import ANNA, BRUNO, OPERATOR, House, build_house
from tests.schema import make_tables

CONFIGURATION = Path(__file__).parent.parent / "examples" / "gateway" / "kept.yaml"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    database = Database(f"sqlite:///{tmp_path}/kept.db")
    make_tables(database)
    yield build_house(database, tmp_path / "workspace")
    database.close()


def erase(house: House, email: str = ANNA, *, source: str = "192.0.2.7") -> str:
    """A deletion from the form to the answer."""
    house.submit(email, "deletion", source)
    ref = house.requests.confirm(house.link_token(email), source=source)
    house.requests.make_plan(ref, by=OPERATOR)
    house.requests.approve(ref, by=OPERATOR)
    house.requests.run(ref)
    return ref


def back_up(house: House) -> Path:
    """Yesterday's backup of the gateway and its files."""
    safe = house.root.parent / "backup"
    safe.mkdir()
    shutil.copy(house.root / "gateway.db", safe / "gateway.db")
    shutil.copytree(house.root / "logs", safe / "logs")
    return safe


def restore(house: House, safe: Path) -> None:
    shutil.copy(safe / "gateway.db", house.root / "gateway.db")
    for path in (safe / "logs").iterdir():
        shutil.copy(path, house.root / "logs" / path.name)


def replay(house: House, **given: object) -> Replayed:
    return house.requests.replays.replay(by=OPERATOR, **given)  # type: ignore[arg-type]


def write(house: House, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(house.root / "gateway.db")) as connection, connection:
        connection.execute(statement, values)


def test_what_a_deletion_found_is_in_the_register_as_hashes_alone(house: House) -> None:
    """The address and the account's id are known as erased, those of nobody else; no value stands anywhere."""
    erase(house)
    with house.database.read() as session:
        pairs = [("email", ANNA), ("email", BRUNO), ("user_id", "u_anna"), ("user_id", "u_bruno"), ("email", " ")]
        assert house.requests.erasures.erased(session, pairs) == {0, 2}
        assert house.requests.erasures.erased(session, [("email", ANNA.upper())]) == {0}
    lines = (house.root / "var" / "erasures.jsonl").read_text()
    assert ANNA not in lines
    assert "u_anna" not in lines
    assert {json.loads(line)["kind"] for line in lines.splitlines()} == {"email", "user_id"}
    with closing(sqlite3.connect(house.root.parent / "kept.db")) as connection:
        text = str(connection.execute("SELECT * FROM erasures").fetchall())
    assert ANNA not in text
    assert "u_anna" not in text


def test_a_restore_brings_people_back_and_the_replay_erases_them_again(house: House) -> None:
    """Fault 12: after a restore the replay removes what was erased, and nothing else; invoices that were kept stay."""
    safe = back_up(house)
    ref = erase(house)
    invoices = house.count("invoices", "user_id = 'u_anna'")
    restore(house, safe)
    assert house.count("users", "id = 'u_anna'") == 1
    assert house.count_lines("u_anna") == 4
    done = replay(house, approve=True, reason="restored")
    assert [line.ref for line in done.again] == [ref], done
    assert house.count("users", "id = 'u_anna'") == 0
    assert house.count_lines("u_anna") == 0
    for table in ("request_log", "playground", "api_keys", "usage", "feedback"):
        assert house.count(table, "user_id = 'u_anna'") == 0, table
    assert house.count("users", "id = 'u_bruno'") == 1
    assert house.count("invoices", "user_id = 'u_anna'") == invoices > 0
    assert replay(house).found == ()


def test_what_came_back_beyond_the_breaker_waits_for_a_person(house: House) -> None:
    """More than the breaker's share of a collection does not go by itself: it is named, and goes once somebody says why."""
    safe = back_up(house)
    for _ in range(12):
        write(house, "INSERT INTO feedback (user_id, rating, created_at) VALUES ('u_anna', 4, '2026-06-01T10:00:00Z')")
    shutil.copy(house.root / "gateway.db", safe / "gateway.db")
    erase(house)
    restore(house, safe)
    waits = replay(house)
    assert "13 of 14 records of feedback" in waits.too_many
    assert not waits.again
    assert house.count("users", "id = 'u_anna'") == 1
    assert replay(house, dry=True, approve=True, reason="looked").again == ()
    assert len(replay(house, approve=True, reason="restored yesterday's backup").again) == 1
    assert house.count("feedback", "user_id = 'u_anna'") == 0


def test_whoever_registers_again_with_the_same_address_is_left_alone(house: House) -> None:
    """A new account under an erased address is somebody's new data: neither deleted nor asked about, also beside a restore
    that brings the old one back."""
    safe = back_up(house)
    erase(house)
    again = "INSERT INTO users VALUES ('u_new', ?, 'Anna Quill', NULL, '2099-01-04T08:00:00Z', NULL)"
    log = "INSERT INTO request_log (user_id, api_key, model, status, prompt_tokens, completion_tokens, ip, created_at) "
    write(house, again, ANNA)
    write(house, log + "VALUES ('u_new', 1, 'm', 200, 1, 1, '192.0.2.9', '2099-01-05T08:00:00Z')")
    done = replay(house)
    assert (done.found, done.waits, done.again) == ((), (), ())
    restore(house, safe)
    write(house, "DELETE FROM users WHERE id = 'u_new'")
    write(house, again, ANNA)
    write(house, log + "VALUES ('u_new', 1, 'm', 200, 1, 1, '192.0.2.9', '2099-01-05T08:00:00Z')")
    assert len(replay(house, approve=True, reason="restored").again) == 1
    assert house.count("users", "id = 'u_anna'") == 0
    assert house.count("users", "id = 'u_new'") == 1
    assert house.count("request_log", "user_id = 'u_new'") == 1
    assert house.count("request_log", "user_id = 'u_anna'") == 0


def test_an_account_that_tells_no_time_waits_for_a_person(house: House) -> None:
    """Without a time nobody knows whether an account is the erased one or a new one: a person says so, either way."""
    safe = back_up(house)
    ref = erase(house)
    restore(house, safe)
    datamap = house.plans.datamap
    timeless = [replace(one, time=None) if one.id == "accounts" else one for one in datamap.collections]
    datamap.__init__(timeless, datamap.stores)  # type: ignore[misc]
    done = replay(house, approve=True, reason="restored")
    [line] = done.waits
    assert (line.ref, line.state, done.again) == (ref, BackState.DOUBT, ())
    assert "tell no time" in line.why
    assert house.count("users", "id = 'u_anna'") == 1
    house.requests.replays.leave(line.id, by=OPERATOR, why="She has registered anew.")
    assert replay(house).waits == ()
    assert house.count("users", "id = 'u_anna'") == 1


def test_a_late_consumer_is_found_by_the_next_look(house: House) -> None:
    """Fault 15: what a late consumer writes of an erased account is found: what is older than the erasure goes by one
    decision, what is newer is never deleted but shown to a person."""
    erase(house)
    log = "INSERT INTO request_log (user_id, api_key, model, status, prompt_tokens, completion_tokens, ip, created_at) "
    write(house, log + "VALUES ('u_anna', 1, 'm', 200, 1, 1, '192.0.2.9', '2026-06-10T08:00:00Z')")
    house.requests.replays.look_at_night()
    [line] = house.requests.replays.list_back()
    assert (line.state, dict(line.rows)) == (BackState.BACK, {"requests": 1})
    assert house.count("request_log", "user_id = 'u_anna'") == 1, "nothing goes by itself"
    house.requests.replays.erase_again(line.id, by=OPERATOR, why="late consumer")
    house.requests.replays.run_decided(line.id)
    assert house.count("request_log", "user_id = 'u_anna'") == 0
    assert house.requests.replays.list_back() == ()
    write(house, log + "VALUES ('u_anna', 1, 'm', 200, 1, 1, '192.0.2.9', '2099-06-10T08:00:00Z')")
    house.requests.replays.look_at_night()
    [line] = house.requests.replays.list_back()
    assert line.state is BackState.DOUBT
    assert "newer than the erasure" in line.why
    with pytest.raises(Conflict, match="No plan covers"):
        house.requests.replays.erase_again(line.id, by=OPERATOR, why="")


def test_a_copy_in_another_store_is_found_and_goes_again_by_itself_where_that_is_wished(house: House) -> None:
    """Fault 15: a copy that a file brings back is found at night; `erasures: {again: true}` erases it without a person."""
    object.__setattr__(house.requests.replays._desk, "erasures", ErasureSettings(again=True))
    safe = back_up(house)
    erase(house)
    for path in (safe / "logs").iterdir():
        shutil.copy(path, house.root / "logs" / path.name)
    assert house.count_lines("u_anna") == 4
    house.requests.replays.look_at_night()
    assert house.count_lines("u_anna") == 0
    assert house.count_lines("u_bruno") == 2
    kinds = [entry for entry in entries(house) if entry.startswith("erasure.")]
    assert kinds == ["erasure.replayed"]


def test_what_a_hold_keeps_is_not_erased_again(house: House) -> None:
    """A hold binds a replay like any deletion: what it keeps stays, and goes with a replay after its release."""
    safe = back_up(house)
    erase(house)
    restore(house, safe)
    house.plans.holds.add(person={"user_id": ["u_anna"]}, reason="case 7", by=OPERATOR)
    done = replay(house, approve=True, reason="restored")
    assert (done.again, done.waits) == ((), ())
    assert house.count("users", "id = 'u_anna'") == 1


def test_a_replay_that_stops_anywhere_is_taken_up_again(house: House) -> None:
    """Broken off in the middle of reading or of erasing, the next replay goes on from there and ends with all gone."""
    safe = back_up(house)
    erase(house)
    erase(house, BRUNO)
    restore(house, safe)

    class Stopped(Exception):
        """The process is gone."""

    def stop_after(times: int) -> Callable[[str, int, int], None]:
        left = itertools.count(1)

        def on(_: str, __: int, ___: int) -> None:
            if next(left) == times:
                raise Stopped

        return on

    for times in (1, 3):
        with pytest.raises(Stopped):
            replay(house, approve=True, reason="restored", on_read=stop_after(times))
    with pytest.raises(Stopped):
        replay(house, approve=True, reason="restored", on_done=stop_after(1))
    assert house.count("users") == 1
    replay(house, approve=True, reason="restored")
    assert house.count("users") == 0
    assert house.count_lines("u_anna") == house.count_lines("u_bruno") == 0
    assert house.requests.replays.list_back() == ()


def test_a_restore_in_the_middle_of_a_deletion_is_found_once_it_has_ended(house: House) -> None:
    """The stores are put back between two steps of a deletion: the request ends by its plan, and the next look finds what
    is there again of the steps before."""
    safe = back_up(house)
    ref = house.confirmed(ANNA, "deletion")
    house.requests.make_plan(ref, by=OPERATOR)
    house.requests.approve(ref, by=OPERATOR)

    once = itertools.count(1)

    def put_back(step: Step, done: int, total: int) -> None:
        if step.collection == "request-days" and next(once) == 1:
            restore(house, safe)

    with suppress(NotDone):  # what was put back beneath it is in its way
        house.requests.run(ref, on_progress=put_back)
    assert next(once) > 1
    with suppress(Conflict):  # answered
        house.requests.run(ref)
    assert house.count("users", "id = 'u_anna'") == 0
    assert replay(house, approve=True, reason="restored in the middle").waits == ()
    for table in ("request_log", "billing_log", "playground", "api_keys", "usage", "feedback"):
        assert house.count(table, "user_id = 'u_anna'") == 0, table
    assert house.count_lines("u_anna") == 0


def test_the_file_of_erasures_fills_a_database_that_was_put_back(house: House) -> None:
    """A control database from before the erasure knows it again from the file beside it, and lines of another key are refused."""
    erase(house)
    with house.database.begin() as session:
        session.execute(sa.delete(ErasureRow))
        assert house.requests.erasures.erased(session, [("email", ANNA)]) == set()
    assert house.requests.erasures.merge_file() == 2
    assert house.requests.erasures.merge_file() == 0
    with house.database.read() as session:
        assert house.requests.erasures.erased(session, [("email", ANNA)]) == {0}
    file = house.root / "var" / "erasures.jsonl"
    file.write_text(file.read_text() + '{"key": "cut o')
    assert house.requests.erasures.merge_file() == 0
    file.write_text(file.read_text().splitlines()[0].replace(house.requests.erasures.key_mark, "0" * 16) + "\n")
    with pytest.raises(ConfigurationError, match="another secret key"):
        house.requests.erasures.merge_file()


def test_the_file_of_erasures_holds_nothing_that_is_over_its_time(house: House) -> None:
    """The register goes after three years by its clause, the file too."""
    erase(house)
    file = house.root / "var" / "erasures.jsonl"
    house.requests.erasures.tidy_file()
    assert len(file.read_text().splitlines()) == 2
    with house.database.begin() as session:
        session.execute(sa.update(ErasureRow).values(erased_at=datetime(2020, 1, 1, tzinfo=UTC)))
    file.write_text(file.read_text().replace('"erased_at": "20', '"erased_at": "19'))
    house.requests.erasures.tidy_file()
    assert not file.exists()


def test_another_persons_address_beside_the_erased_is_not_taken_for_erased(house: House) -> None:
    """Only accounts that went and what was proven are registered: not the address in a record that merely belonged to them."""
    write(
        house, "INSERT INTO support_messages (email, body, created_at) VALUES (?, 'x', '2026-05-02T10:00:00Z')", BRUNO
    )
    erase(house)
    with house.database.read() as session:
        assert house.requests.erasures.erased(session, [("email", BRUNO), ("user_id", "u_bruno")]) == set()


def test_a_refused_part_is_not_erased_by_a_replay(house: House) -> None:
    """What the person was refused stays also when everything else is erased again."""
    safe = back_up(house)
    ref = house.confirmed(ANNA, "deletion")
    house.requests.make_plan(ref, by=OPERATOR)
    house.requests.parts.refuse(
        ref, collections=["billing"], what="", ground="legal_claims", reason="We need these.", by=OPERATOR
    )
    house.requests.approve(ref, by=OPERATOR)
    house.requests.run(ref)
    kept = house.count("billing_log", "user_id = 'u_anna'")
    restore(house, safe)
    assert len(replay(house, approve=True, reason="restored").again) == 1
    assert house.count("users", "id = 'u_anna'") == 0
    assert house.count("billing_log", "user_id = 'u_anna'") == kept > 0
    assert replay(house).waits == ()


def entries(house: House) -> list[str]:
    """The kinds of the ledger's entries, in their order."""
    with house.database.read() as session:
        return [row[0] for row in session.execute(sa.text("SELECT kind FROM ledger_entries ORDER BY at"))]


KILLED = """
import os, signal, sys
from pathlib import Path
from app import open_services
left = int(sys.argv[2])
def on(what, done, expected):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
with open_services(Path(sys.argv[1])) as kept:
    kept.requests.replays.replay(by="system", approve=True, reason="restored", on_read=on, on_done=on)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "number", "kills"), [("sqlite", 100, (2, 9, 14, 40, 60)), ("postgresql", 6, (2, 16))])
def test_a_hundred_people_are_erased_again_after_a_restore_however_often_it_is_killed(
    kind: str, number: int, kills: tuple[int, ...], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Fault 12: yesterday's backup brings 100 erased people back into database and files; the replay, killed on the way
    again and again, removes them all, counted without Kept, and nothing of anybody else."""
    url = f"sqlite:///{tmp_path}/kept.db" if kind == "sqlite" else str(request.getfixturevalue("postgres_url"))
    database = Database(url)
    upgrade(database)
    configuration = CONFIGURATION.read_text().replace("sqlite:///var/kept.db", url)
    house = build_house(database, tmp_path / "workspace", configuration=configuration)
    people = add_people(house, number)
    safe = back_up(house)
    for place, email in enumerate(people.values()):
        erase(house, email, source=f"198.51.100.{place}")
    after = count_all(house, set(people))
    restore(house, safe)
    back = count_all(house, set(people))
    assert (back["users"], back["files"]) == ((number, 2), (2 * number, 6))
    for left in kills:
        done = subprocess.run([sys.executable, "-c", KILLED, str(house.root / "kept.yaml"), str(left)], check=False)
        assert done.returncode == -signal.SIGKILL
    replay(house, approve=True, reason="restored")
    assert count_all(house, set(people)) == after
    assert {name for name, (mine, _) in after.items() if mine} == {"invoices"}
    assert after["invoices"] == back["invoices"]
    assert replay(house).again == ()
    database.close()


def add_people(house: House, number: int) -> dict[str, str]:
    """More people, each with an account, a request, a bill, an invoice, a letter and two lines in files."""
    people = {f"u_{n:03}": f"person{n}@post.example" for n in range(number)}
    with closing(sqlite3.connect(house.root / "gateway.db")) as connection, connection:
        for user, email in people.items():
            row = (user, email, "Somebody", None, "2026-01-04T08:00:00Z", None)
            connection.execute("INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)", row)
            connection.execute(
                "INSERT INTO request_log (user_id, api_key, model, status, prompt_tokens, completion_tokens, ip, created_at)"
                " VALUES (?, 1, 'm', 200, 1, 1, '192.0.2.7', '2026-06-02T10:00:00Z')",
                [user],
            )
            at = "2026-06-03T10:00:00Z"
            bill = "INSERT INTO billing_log (user_id, model, tokens, cost_usd, created_at) VALUES (?, 'm', 3, 1, ?)"
            connection.execute(bill, (user, at))
            connection.execute("INSERT INTO invoices (user_id, amount, issued_at) VALUES (?, 9.5, ?)", (user, at))
            letter = "INSERT INTO support_messages (email, body, created_at) VALUES (?, 'Hello', ?)"
            connection.execute(letter, (email, at))
    for path in (house.root / "logs").glob("*.jsonl"):
        day = path.stem.removeprefix("requests-")
        more = [
            json.dumps({"ts": f"{day}T09:00:00Z", "user_id": user, "prompt": "x", "response": "y"}) for user in people
        ]
        path.write_text(path.read_text() + "\n".join(more) + "\n")
    return people


def count_all(house: House, people: set[str]) -> dict[str, tuple[int, int]]:
    """By table and for the files: records of these people and of all others, by plain SQL and plain reading."""
    found = {}
    marks = ", ".join("?" for _ in people)
    emails = "(SELECT 'person' || CAST(substr(value, 3) AS INTEGER) || '@post.example' FROM json_each(?))"
    with closing(sqlite3.connect(house.root / "gateway.db")) as connection:
        for name, column in (
            ("users", "id"),
            ("request_log", "user_id"),
            ("billing_log", "user_id"),
            ("invoices", "user_id"),
        ):
            total = connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            where = f"SELECT count(*) FROM {name} WHERE {column} IN ({marks})"
            mine = connection.execute(where, [*people]).fetchone()[0]
            found[name] = (mine, total - mine)
        total = connection.execute("SELECT count(*) FROM support_messages").fetchone()[0]
        where = f"SELECT count(*) FROM support_messages WHERE email IN {emails}"
        mine = connection.execute(where, [json.dumps([*people])]).fetchone()[0]
        found["support_messages"] = (mine, total - mine)
    lines = [
        json.loads(line)["user_id"]
        for path in (house.root / "logs").glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    mine = sum(one in people for one in lines)
    found["files"] = (mine, len(lines) - mine)
    return found
