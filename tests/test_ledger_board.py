"""Tests of the board against the log: attestations, their files, changes of states and days that were tampered with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from plans.tasks import Evidence
from tests.ledger_houses import DIALECTS, open_on
from tests.ledger_rooms import count_rows, run_sql
from tests.web_installation import CONFIGURATION, Installation

SCAN = Evidence(name="contracts.pdf", content=b"%PDF-1.7 nothing is sold")


@pytest.fixture(params=DIALECTS)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """An installation whose pledge somebody vouched for, and whose board was recorded."""
    with open_on(
        request, tmp_path / "kept", configuration=CONFIGURATION + "owners: {legal: [counsel@lanternway.example]}\n"
    ) as made:
        until = datetime.now(UTC).date() + timedelta(days=90)
        made.kept.attestations.attest(
            "no-sale", by="opr_1", name="Mara Okonjo", until=until, words="I read every contract.", evidence=SCAN
        )
        made.kept.board_record.note()
        made.kept.ledger.settle()
        assert made.kept.ledger.verify().findings == ()
        yield made


def said(house: Installation, *statements: str) -> str:
    run_sql(house.kept.database, *statements)
    return "\n".join(one.problem for one in house.kept.ledger.verify().findings)


@pytest.mark.parametrize(
    ("statement", "fact"),
    [
        ("UPDATE attestations SET words = 'I read nothing.'", "says another words than its entry"),
        ("UPDATE attestations SET name = 'Jon Vale'", "says another name than its entry"),
        ("UPDATE attestations SET until = '2036-01-01 00:00:00.000000'", "says another until than its entry"),
        (f"UPDATE attestation_files SET sha256 = '{'0' * 64}'", "says another evidence than its entry"),
        (
            "UPDATE attestation_files SET content = (SELECT salt FROM ledger_private LIMIT 1)",
            "is not the one that came with it.",
        ),
        ("DELETE FROM attestation_files", "says another evidence than its entry"),
        ("UPDATE attestations SET taken_back_at = at, taken_back_by = 'opr_2'", "is 'taken back' in the tables"),
    ],
)
def test_an_attestation_that_was_changed_is_named(house: Installation, statement: str, fact: str) -> None:
    """What somebody vouched for, until when, with what file, and whether they still do."""
    assert fact in said(house, statement)


def test_an_attestation_put_in_or_taken_away_is_named(house: Installation) -> None:
    """A row that nobody gave, and an entry whose row is gone before its time."""
    problems = said(house, "DELETE FROM attestation_files", "UPDATE attestations SET id = 'att_forged'")
    assert "The attestation att_forged stands in the tables, and no entry (attestation.given) names it" in problems
    assert "(attestation.given) names the attestation att_" in problems


def test_a_history_of_the_board_that_was_changed_is_named(house: Installation) -> None:
    """A state made nicer, a change taken away, a day with another digest."""
    assert count_rows(house.kept.database, "promise_states") > 1
    name = "FROM promise_states WHERE clause = 'no-sale'"
    with house.kept.database.engine.begin() as connection:
        (entry,) = connection.exec_driver_sql(f"SELECT entry {name}").one()
    assert "The state 'broken' of clause no-sale (change 1) is not what its entry" in said(
        house, "UPDATE promise_states SET state = 'broken' WHERE clause = 'no-sale'"
    )
    problems = said(house, f"DELETE {name}", f"UPDATE promise_days SET digest = '{'0' * 64}'")
    assert f"Entry {entry} (promise.state) says that a clause changed its state" in problems
    assert f"The board's digest board:{'0' * 64}" in problems.replace("digest 0", "digest board:0")
