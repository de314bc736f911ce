"""Tests of what the ledger never holds, and of what does not happen where it cannot be recorded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import DatabaseError

from core.errors import Conflict
from core.personal import Personal
from policies.acceptances import NewAcceptance
from policies.documents import parse_document
from policies.succession import AcceptedBy
from tests.erasure_rooms import OPERATOR, count, erase
from tests.ledger_houses import DIALECTS, open_on
from tests.ledger_rooms import run_sql
from tests.request_desk import CONFIRM_LINK, SOURCES, find, hand_on
from tests.web_installation import POLICY, Installation

PERSON = 4


@pytest.fixture(scope="module", params=DIALECTS)
def walked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A sweep, an acceptance, a copy and a deletion, done for real."""
    root = tmp_path_factory.mktemp("closed") / "kept"
    with open_on(request, root) as installation:
        kept = installation.kept
        kept.sweeps.run("request-logs", actor="cli:ada")
        kept.sweeps.approve("request-logs", by=OPERATOR, reason="looked at")
        kept.acceptances.record(
            NewAcceptance(
                subject=Personal(f"subject-{PERSON}"), version=1, by=AcceptedBy.EXPLICIT, channel="web", language="en"
            ),
            actor="tok_1",
        )
        kept.holds.add(by=OPERATOR, reason="a lawsuit", person={"email": ["person9@post.example"]})
        kept.requests.submit_form(
            email=f"person{PERSON}@post.example", right="access", details="I am Person 4", source=next(SOURCES)
        )
        erase(kept, root, f"person{PERSON}@post.example")
        kept.ledger.settle()
        yield installation


def values_of_people(root: Path) -> list[str]:
    """Every value of every person in the example's stores, and what they told Kept."""
    with closing(sqlite3.connect(root / "gateway.db")) as connection:
        people = connection.execute("SELECT email, name FROM users").fetchall()
        places = connection.execute("SELECT DISTINCT ip FROM request_log").fetchall()
    told = [f"person{PERSON}@post.example", f"Person {PERSON}", f"subject-{PERSON}", "I am Person"]
    return [value for row in (*people, *places) for value in row] + told


def test_no_value_of_any_person_stands_in_the_ledger(walked: Installation) -> None:
    """Searched whole after everything was done: entries, ids, checkpoints, and the private part, which holds keyed marks."""
    values = values_of_people(walked.root)
    assert len(values) > 100
    with walked.kept.database.engine.begin() as connection:
        held = {
            table: "\n".join(str(tuple(row)) for row in connection.exec_driver_sql(f"SELECT * FROM {table}"))
            for table in ("ledger_entries", "ledger_refs", "ledger_checkpoints", "ledger_private", "ledger_terms")
        }
    assert "request.answered" in held["ledger_entries"]
    assert [(table, value) for table, text in held.items() for value in values if value in text] == []
    assert [text for text in held.values() if "post.example" in text] == []


def test_what_the_ledger_says_of_one_request_can_be_forgotten(walked: Installation) -> None:
    """Salts and private parts of the erased person's request go; the entries say nothing any more, and all of it verifies."""
    kept = walked.kept
    (ref,) = {row[0] for row in _tickets(walked, "deletion")}
    with kept.database.read() as session:
        before = kept.ledger.entries(session, ref=f"ticket:{ref}")
    number = kept.ledger.forget_about(f"ticket:{ref}", by=OPERATOR, reason="erased, and its time is over")
    kept.ledger.settle()
    assert number == len(before) > 3
    with kept.database.read() as session:
        after = {one.id: one for one in kept.ledger.entries(session, ref=f"ticket:{ref}")}
    assert all(after[one.id].private is None for one in before)
    assert next(one.kind for one in after.values()) == "ledger.forgotten"
    assert kept.ledger.verify().findings == ()


def _tickets(walked: Installation, right: str) -> list[tuple[str]]:
    with walked.kept.database.engine.begin() as connection:
        return [
            tuple(row) for row in connection.exec_driver_sql(f"SELECT ref FROM tickets WHERE \"right\" = '{right}'")
        ]


@pytest.fixture(params=DIALECTS)
def refusing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """An installation whose database is about to refuse entries of the ledger."""
    with open_on(request, tmp_path / "kept") as installation:
        kept = installation.kept
        kept.requests.submit_form(email="person5@post.example", right="deletion", details="", source=next(SOURCES))
        hand_on(kept)
        kept.sweeps.run("request-logs", actor="cli:ada")
        yield installation


def refuse_entries(installation: Installation, kind: str = "") -> None:
    """Every entry, or those of a kind, from now on."""
    database = installation.kept.database
    only = f"WHEN (NEW.kind = '{kind}')" if kind else ""
    if database.dialect == "sqlite":
        run_sql(
            database,
            f"CREATE TRIGGER no_entries BEFORE INSERT ON ledger_entries {only} "
            "BEGIN SELECT RAISE(ABORT, 'the disk of the ledger is full'); END",
        )
        return
    run_sql(
        database,
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION 'the disk of the ledger is full'; END $$",
        f"CREATE TRIGGER no_entries BEFORE INSERT ON ledger_entries FOR EACH ROW {only} EXECUTE FUNCTION full_disk()",
    )


def accept_entries(installation: Installation) -> None:
    """As before."""
    sqlite = installation.kept.database.dialect == "sqlite"
    run_sql(installation.kept.database, f"DROP TRIGGER no_entries{'' if sqlite else ' ON ledger_entries'}")


def test_what_cannot_be_recorded_does_not_happen(refusing: Installation) -> None:
    """No request moves, no row is deleted, no version is published, no acceptance is taken while entries are refused; once
    they are not, the same acts go through."""
    kept, root = refusing.kept, refusing.root
    token = find(CONFIRM_LINK, root, "person5@post.example").rpartition("/")[2]
    rows, versions = count(root, "SELECT count(*) FROM request_log"), _count(refusing, "policy_versions")
    refuse_entries(refusing)
    with pytest.raises(DatabaseError, match="disk of the ledger"):
        kept.requests.confirm(token, source=next(SOURCES))
    assert _count(refusing, "tickets WHERE state = 'received'") == 0
    with pytest.raises(DatabaseError, match="disk of the ledger"):
        kept.sweeps.approve("request-logs", by=OPERATOR, reason="looked at")
    assert count(root, "SELECT count(*) FROM request_log") == rows
    with pytest.raises((DatabaseError, Conflict)):  # what the database refuses there may be another's publication
        kept.policies.publish(parse_document(POLICY.replace("P30D", "P31D"), "small.md"), actor="x")
    assert _count(refusing, "policy_versions") == versions
    new = NewAcceptance(subject=Personal("u"), version=1, by=AcceptedBy.EXPLICIT, channel="web", language="en")
    with pytest.raises(DatabaseError, match="disk of the ledger"):
        kept.acceptances.record(new, actor="tok_1")
    assert _count(refusing, "acceptances") == 0
    accept_entries(refusing)
    kept.requests.confirm(token, source=next(SOURCES))
    kept.sweeps.approve("request-logs", by=OPERATOR, reason="looked at")
    kept.ledger.settle()
    assert count(root, "SELECT count(*) FROM request_log") < rows
    assert kept.ledger.verify().findings == ()


def test_a_batch_whose_outcome_cannot_be_recorded_is_no_claim(refusing: Installation) -> None:
    """Refused in mid-run, before the first deletion: the intent comes first, so nothing was deleted that nobody will answer for."""
    kept, root = refusing.kept, refusing.root
    rows = count(root, "SELECT count(*) FROM request_log")
    refuse_entries(refusing, "sweep.intent")
    with pytest.raises(DatabaseError, match="disk of the ledger"):
        kept.sweeps.approve("request-logs", by=OPERATOR, reason="looked at")
    assert count(root, "SELECT count(*) FROM request_log") == rows


def _count(installation: Installation, what: str) -> int:
    with installation.kept.database.engine.begin() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {what}").scalar_one())
