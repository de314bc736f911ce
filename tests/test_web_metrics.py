"""`/metrics`: who may read it, that its numbers are the rows', and that the alert rules ask for nothing it does not expose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from core.heartbeats import beat
from core.operators import create_token
from tests.web_installation import Installation, open_installation, read

ROOT = Path(__file__).parent.parent
RULES = ROOT / "docs" / "alerts.yml"
ALERT = {"alert", "expr", "for", "labels", "annotations"}
LOCAL = {"REMOTE_ADDR": "127.0.0.1"}
FAR = {"REMOTE_ADDR": "203.0.113.9"}
Numbers = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """250 requests and 2 accounts over their time; the requests are swept, the accounts wait for a person."""
    with open_installation(tmp_path_factory.mktemp("metrics") / "kept") as opened:
        kept = opened.kept
        kept.sweeps.approve("request-logs", by="opr_1", reason="looked at it")
        kept.sweeps.run("closed")
        kept.evidences.refresh()
        with kept.database.begin() as session:
            beat(session, "sweeps", kept.clock.now())
        yield opened


def scrape(installation: Installation) -> Numbers:
    """Every sample: its name and the values of its labels → its value."""
    answer = installation.client().get("/metrics", environ_base=LOCAL, base_url="http://127.0.0.1:8080")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.get_data(as_text=True))
    return {(one.name, tuple(one.labels.values())): one.value for family in families for one in family.samples}


def test_the_numbers_are_those_of_the_rows(installation: Installation) -> None:
    """Overdue, swept, states, requests, beats: from the control database, with nothing remembered by the process."""
    found, logs = scrape(installation), ("request-logs",)
    assert found["kept_overdue_rows", logs] == 0
    assert found["kept_overdue_rows", ("closed",)] == 2
    assert found["kept_swept_rows_total", logs] == 400 - installation.rows("request_log")
    assert found["kept_swept_rows_total", ("closed",)] == 0
    assert found["kept_sweep_last_success_timestamp_seconds", logs] <= installation.kept.clock.now().timestamp()
    assert ("kept_sweep_last_run_timestamp_seconds", ("closed",)) not in found
    assert found["kept_sweep_waiting_seconds", ("closed",)] > 0
    assert found["kept_promise_state", ("request-logs", "kept")] == 1
    assert found["kept_promise_state", ("closed", "kept")] == 0
    assert found["kept_promise_state", ("closed", "due")] == 1
    assert found["kept_requests_open", ("access",)] == 0
    assert found["kept_ledger_waiting_entries", ()] == installation.kept.ledger.waiting().count
    assert found["kept_heartbeat_timestamp_seconds", ("sweeps",)] > 0
    with installation.kept.database.read() as session:
        pending = session.execute(sa.text("SELECT count(*) FROM outbox WHERE done_at IS NULL")).scalar_one()
    assert found["kept_outbox_pending", ()] == pending > 0
    assert found["kept_alarms_open", ("broken",)] == 0


def test_a_counter_never_steps_back(installation: Installation) -> None:
    """A later sweep adds to the sum of its step rows; a scrape by another process would say the same."""
    before = scrape(installation)["kept_swept_rows_total", ("closed",)]
    installation.kept.sweeps.approve("closed", by="opr_1", reason="looked at it")
    assert scrape(installation)["kept_swept_rows_total", ("closed",)] == before + 2


@pytest.mark.parametrize(
    ("source", "host", "headers", "status"),
    [
        (LOCAL, "127.0.0.1:8080", {}, 200),
        ({"REMOTE_ADDR": "::1"}, "[::1]:8080", {}, 200),
        ({"REMOTE_ADDR": "::ffff:127.0.0.1"}, "localhost", {}, 200),
        (FAR, "127.0.0.1", {}, 401),
        (FAR, "kept.example", {"X-Forwarded-For": "127.0.0.1"}, 401),
        (LOCAL, "127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 401),
        (LOCAL, "127.0.0.1", {"Forwarded": "for=127.0.0.1"}, 401),
        (LOCAL, "kept.example", {}, 401),
        (FAR, "kept.example", {"Authorization": "Bearer wrong"}, 401),
    ],
)
def test_without_a_token_it_opens_to_this_machine_alone(
    installation: Installation, source: dict[str, str], host: str, headers: dict[str, str], status: int
) -> None:
    """The socket's own address counts, never what a header claims; who came through a proxy has come from elsewhere."""
    answer = installation.client().get("/metrics", environ_base=source, base_url=f"http://{host}", headers=headers)
    assert answer.status_code == status
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert b"kept_" not in answer.data


@pytest.mark.parametrize(("scope", "status"), [("metrics:read", 200), ("promises:read", 403)])
def test_from_elsewhere_it_opens_with_a_token_of_its_scope(installation: Installation, scope: str, status: int) -> None:
    """The token of another scope is told which one is missing."""
    with installation.kept.database.begin() as session:
        token = create_token(session, name="watch", scopes=frozenset({scope}), now=installation.kept.clock.now())
    headers = {"Authorization": f"Bearer {token}"}
    answer = installation.client().get("/metrics", environ_base=FAR, headers=headers)
    assert answer.status_code == status
    assert (b"kept_overdue_rows" if status == 200 else b"metrics:read") in answer.data


def rules() -> list[dict[str, Any]]:
    """Every rule of the file."""
    document = YAML(typ="safe").load(RULES)
    assert list(document) == ["groups"]
    assert all(set(group) <= {"name", "interval", "rules"} for group in document["groups"])
    return [dict(rule) for group in document["groups"] for rule in group["rules"]]


def test_the_alert_rules_name_only_metrics_that_are_exposed(installation: Installation) -> None:
    """Each has the form that Prometheus reads, says in words what happened and what to do, and asks for what there is."""
    exposed = {name for name, _ in scrape(installation)}
    found = rules()
    assert len({one["alert"] for one in found}) == len(found)
    for one in found:
        assert ALERT - {"for"} <= set(one) <= ALERT, one["alert"]
        assert re.fullmatch(r"\d+[smhd]", one.get("for", "1m"))
        assert one["labels"]["severity"] in ("warning", "critical")
        assert set(one["annotations"]) == {"summary", "description"}
        assert one["annotations"]["description"].endswith(".")
        assert one["expr"].count("(") == one["expr"].count(")")
        named = set(re.findall(r"\bkept_[a-z_]+", one["expr"]))
        assert named <= exposed, one["alert"]
    asked = " ".join(one["expr"] for one in found)
    for name in ("oldest_overdue", "promise_state", "sweep_missed", "sweep_waiting", "stores_unreached", "heartbeat"):
        assert f"kept_{name}" in asked


def test_the_pages_say_the_worst_of_30_days_and_that_the_scheduler_is_dead(installation: Installation) -> None:
    """A scheduler that is dead sends no mail, so whoever opens Home or the board reads it; the interface says it too."""
    kept = installation.kept
    assert "Looked at on 1 of the last 30 days" in read(installation, "/console/promises").get_text(" ")
    assert "The scheduler has not run" not in read(installation, "/console/").get_text(" ")
    with kept.database.begin() as session:
        beat(session, "sweeps", kept.clock.now() - timedelta(hours=2))
    for address in ("/console/", "/console/promises"):
        assert "The scheduler has not run for 2\u202fh" in read(installation, address).get_text(" ")
    with kept.database.begin() as session:
        token = create_token(session, name="board", scopes=frozenset({"promises:read"}), now=kept.clock.now())
    answer = installation.client().get("/api/v1/promises", headers={"Authorization": f"Bearer {token}"})
    board = json.loads(answer.data)
    assert board["silent"][0]["job"] == "scheduler"
    worst = {one["clause_id"]: one["worst_overdue"] for one in board["clauses"]}
    assert worst["closed"]["looked_on"] == 1
    assert worst["access"] is None
