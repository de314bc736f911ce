"""Webhooks of a whole installation: what a walk sends holds no personal data, a killed sender repeats, alarms arrive."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app import open_services
from core.clock import SystemClock
from core.database import Database
from core.errors import ConfigurationError
from core.settings_file import load_settings
from jobs.scheduler import standing_jobs
from jobs.services import Services
from ledger.log import Ledger
from notify.webhook_desk import EndpointState, WebhookDesk
from notify.webhook_events import FAMILIES, Happened
from notify.webhook_sending import CLAIM, WebhookSender
from notify.webhook_tables import DeliveryState
from notify.webhooks import Webhooks
from policies.own import own_period
from promises.alarms import AlarmKind
from promises.alerting import read_open_alarms
from tests.dsr_house import ANNA, ANNA_NAME, OPERATOR, build_house
from tests.kept_commands import run_command
from tests.request_desk import hand_on, received
from tests.servers_webhooks import NEXT_SECRET, Receiver, run_receiver
from tests.servers_webhooks import SECRET as HOOK_SECRET
from tests.test_notify_webhooks import endpoint
from tests.web_installation import CONFIGURATION, POLICY, Installation, open_installation, write_installation

ROOT = Path(__file__).parent.parent
PERSON = "person7@post.example"
REASON = "The case of Anna Quill, Lanternway against person9@post.example"


def configured(receiver: Receiver, events: str = "['*']", alerts: str = "") -> str:
    """The small installation with one endpoint."""
    return CONFIGURATION + f"webhooks: [{{url: '{receiver.url}', secret: {HOOK_SECRET}, events: {events}}}]\n{alerts}"


def personal_values(root: Path) -> set[str]:
    """Everything that the gateway and the operators' table say of somebody, but for numbers that stand for themselves."""
    found = {PERSON, REASON, "Ada Vogelsang", "Tom Ackerby", ANNA_NAME}
    for name, query in (("gateway.db", "SELECT email, name, NULL FROM users UNION SELECT ip, NULL, NULL FROM request_log"),
                        ("var/kept.db", "SELECT email, name, NULL FROM operators")):  # fmt: skip
        with closing(sqlite3.connect(root / name)) as connection:
            found |= {str(value) for row in connection.execute(query) for value in row if value}
    return found


def walk(installation: Installation) -> None:
    """A day of an installation: requests, a hold, a sweep that waits and then runs, a new version of the policy."""
    kept = installation.kept
    done = received(installation, PERSON, "deletion", details="My name is Person 7, born in Bonn.")
    kept.requests.make_plan(done, by=OPERATOR)
    panel = kept.requests.view(done).plan
    assert panel
    kept.requests.approve(done, by=OPERATOR, seal=panel.seal)
    hand_on(kept)
    gone = received(installation, "person8@post.example")
    kept.requests.add_note(gone, by=OPERATOR, text=REASON)
    kept.requests.withdraw(gone, by=OPERATOR, why=REASON)
    kept.holds.add(by=OPERATOR, reason=REASON, person={"email": ["person9@post.example"]})
    kept.sweeps.run("request-logs")
    kept.sweeps.approve("request-logs", by=OPERATOR, reason=REASON)
    installation.publish(POLICY.replace("title: Privacy Policy", "title: Privacy Policy, clearer"))
    hand_on(kept)


def test_a_walk_tells_every_change_and_nothing_of_anybody(tmp_path: Path) -> None:
    """No value of the example's people, no reason and no name of an operator stands in what is sent; each is signed."""
    with run_receiver() as receiver, open_installation(tmp_path / "kept", configuration=configured(receiver)) as made:
        values = personal_values(made.root)
        walk(made)
        while made.kept.webhook_sender.send_due():
            continue
        assert made.kept.webhook_desk.counts()[DeliveryState.WAITING] == 0
        with made.kept.database.read() as session:
            entries = made.kept.ledger.entries(session, limit=10_000)
    assert len(values) > 250
    sent = "\n".join(one.body for one in receiver.got)
    assert not [value for value in values if value.casefold() in sent.casefold()]
    assert not [word for word in ("@", "Bonn", "Anna", "Person 7") if word in sent]
    assert all(one.good for one in receiver.got)
    types = set(receiver.types())
    assert {
        "request.received", "request.planned", "request.approved", "request.running", "request.answered",
        "request.withdrawn", "plan.approved", "plan.done", "step.begun", "step.done", "hold.added", "sweep.waiting",
        "sweep.done", "sweep.approved", "policy.published", "policy.in_force",
    } <= types  # fmt: skip
    told = [one.payload["data"].get("entry") for one in receiver.got]
    wanted = {one.id for one in entries if one.kind.partition(".")[0] in FAMILIES}
    assert wanted == {one for one in told if one}  # nothing lost, nothing made up
    assert len([one for one in told if one]) == len(wanted)


def test_a_life_of_requests_with_all_its_proofs_tells_nothing_of_anybody(tmp_path: Path, database: Database) -> None:
    """Codes, links, pages and packages of a person's own walk leave no trace in a payload either."""
    house = build_house(database, tmp_path / "house")
    webhooks = Webhooks(database, SystemClock(), [endpoint("https://hooks.example/x")])
    house.ledger._listener = webhooks.hear
    for right in ("access", "deletion"):
        ref = house.confirmed(ANNA, right)
        house.open_page(ref)
        house.requests.make_plan(ref, by=OPERATOR)
        panel = house.requests.view(ref).plan
        assert panel
        house.requests.approve(ref, by=OPERATOR, seal=panel.seal)
        house.work()
    hooks = build_desk(database, webhooks, house.ledger)
    bodies = "\n".join(hooks.delivery(one.id).body for one in hooks.deliveries(limit=1000))
    assert bodies.count('"type"') > 30
    for value in (ANNA, ANNA_NAME, "anna", "quill", "u_anna", "5ecre7", "192.0.2"):
        assert value not in bodies.casefold()


def build_desk(database: Database, webhooks: Webhooks, ledger: Ledger) -> WebhookDesk:
    return WebhookDesk(database, SystemClock(), ledger, webhooks)


class Later:
    """The clock of a process that comes after the claim of another is over."""

    def now(self) -> datetime:
        return SystemClock().now() + CLAIM + timedelta(seconds=1)


def test_a_sender_that_is_killed_before_it_records_sends_again_with_the_same_id(tables_url: str) -> None:
    """SIGKILL between sending and recording: nobody sends it until the claim is over, then it comes once more."""
    database = Database(tables_url)
    with run_receiver() as receiver:
        webhooks = Webhooks(database, SystemClock(), [endpoint(receiver.url)])
        ledger_of(database, webhooks)
        child = subprocess.run(
            [sys.executable, "-m", "tests.webhook_child", tables_url, receiver.url],
            cwd=ROOT, capture_output=True, check=False, timeout=60, env=os.environ,
        )  # fmt: skip
        assert child.returncode == -signal.SIGKILL, child.stderr.decode()
        assert len(receiver.got) == 1
        assert WebhookSender(database, SystemClock(), webhooks).send_due() == 0
        assert WebhookSender(database, Later(), webhooks).send_due() == 1
        assert WebhookSender(database, Later(), webhooks).send_due() == 0
    first, second = receiver.got
    assert (first.id, first.body) == (second.id, second.body)
    assert first.good
    assert second.good
    (line,) = WebhookDesk(database, SystemClock(), None, webhooks).deliveries()  # type: ignore[arg-type]
    tries = WebhookDesk(database, SystemClock(), None, webhooks).delivery(line.id).tries  # type: ignore[arg-type]
    assert [one.status for one in tries] == [None, 204]
    assert "the process ended" in tries[0].says
    database.close()


def ledger_of(database: Database, webhooks: Webhooks) -> None:
    """One event, as anything that happens would write it."""
    with database.begin() as session:
        webhooks.announce(session, [Happened(type="hold.added", at=SystemClock().now(), data={}, source="ent_1")])


def test_an_endpoint_that_fails_is_an_alarm_and_alarms_go_to_alerts(tmp_path: Path) -> None:
    """`alerts: {webhook: …}` gets what is raised and what is over, signed with a secret that only the installation and its
    operator know; an endpoint that says 410 is an alarm, told by mail and to the others, and over once it is on again."""
    with run_receiver() as broken, run_receiver() as alerts:
        configuration = configured(
            broken, alerts=f"alerts: {{mail: [lead@lanternway.example], webhook: '{alerts.url}'}}\n"
        )
        with open_installation(tmp_path / "kept", configuration=configuration) as made:
            kept = made.kept
            told = next(one for one in kept.webhooks.endpoints.values() if one.url == alerts.url)
            alerts.secret = told.secret
            broken.answers.append(410)
            kept.webhook_sender.send_due()
            kept.alarms.check()
            with kept.database.read() as session:
                raised = [one.alarm for one in read_open_alarms(session) if one.alarm.kind == "webhook_failing"]
            assert [one.about for one in raised] == [next(iter(kept.webhooks.endpoints.values())).host]
            kept.webhook_sender.send_due()
            gone = next(one for one in kept.webhook_desk.endpoints() if one.state is EndpointState.GONE)
            kept.webhook_desk.switch_on(gone.id, by=OPERATOR)
            kept.webhook_sender.send_due()
            kept.alarms.check()
            kept.webhook_sender.send_due()
            assert "do not arrive" in made_mails(made.root, kept)
        heard = [(one.payload["type"], one.payload["data"]["kind"]) for one in alerts.got]
        assert ("alarm.raised", "webhook_failing") in heard
        assert ("alarm.over", "webhook_failing") in heard
        assert {one.payload["type"] for one in alerts.got} == {"alarm.raised", "alarm.over"}
        assert all(one.good for one in alerts.got)
        assert set(alerts.got[0].payload["data"]) == {"alarm", "kind", "about"}


def made_mails(root: Path, kept: Services) -> str:
    hand_on(kept)
    return "".join(path.read_text() for path in (root / "var" / "outbox").glob("*.eml"))


def test_the_page_of_events_names_every_family_and_every_alarm() -> None:
    """What may arrive is written down where receivers look."""
    page = (ROOT / "docs" / "webhooks.md").read_text()
    assert not [family for family in FAMILIES if f"| `{family}." not in page]
    assert not [kind.value for kind in AlarmKind if f"`{kind.value}`" not in page]


def test_webhooks_are_a_queue_of_their_own(tmp_path: Path) -> None:
    """Mail does not wait for an endpoint; nothing is written where none is configured; deliveries go after their time."""
    write_installation(tmp_path / "kept", CONFIGURATION)
    with open_services(tmp_path / "kept" / "kept.yaml") as kept:
        jobs = {job.name: job.run for job in standing_jobs(kept)}
        assert jobs["webhooks"] == kept.webhook_sender.send_due
        assert kept.webhook_desk.deliveries() == []
        assert kept.webhook_desk.endpoints() == ()
    assert str(own_period("webhooks")) == "P90D"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{url: 'http://hooks.example/x', secret: SECRET}", "webhooks.0.url: http://hooks.example is not https"),
        ("{url: 'https://kept:word@hooks.example/x', secret: SECRET}", "webhooks.0.url: this is no address"),
        ("{url: 'https://hooks.example/x', secret: short}", "webhooks.0.secret: this is no secret for webhooks"),
        ("{url: 'https://hooks.example/x', secret: whsec_c2hvcnQ=}", "webhooks.0.secret: this is no secret"),
        ("{url: 'https://hooks.example/x', secret: SECRET, events: [Sweep]}", "webhooks.0.events.0: found 'Sweep'"),
        ("{url: 'https://hooks.example/x', secret: SECRET, allow: [all]}", "webhooks.0.allow.0: found 'all'"),
        ("{url: 'https://hooks.example/x'}", "webhooks.0.secret: this key is missing"),
    ],
)
def test_what_is_wrong_with_an_endpoint_is_told_with_its_line(tmp_path: Path, line: str, says: str) -> None:
    """And neither the address nor the secret is repeated: both may let somebody in."""
    write_installation(tmp_path / "kept", CONFIGURATION + f"webhooks: [{line.replace('SECRET', HOOK_SECRET)}]\n")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(tmp_path / "kept" / "kept.yaml")
    assert says in caught.value.message
    assert f"kept.yaml:{len(CONFIGURATION.splitlines()) + 1}:" in caught.value.message
    assert "word@" not in caught.value.message
    assert HOOK_SECRET not in caught.value.message


def test_an_address_under_alerts_and_webhooks_is_one_endpoint(tmp_path: Path) -> None:
    """Its secret is the one that stands there; nothing of either prints."""
    text = (
        CONFIGURATION
        + f"webhooks: [{{url: 'https://a.example/x', secret: {HOOK_SECRET}, previous_secret: {NEXT_SECRET}, events: ['sweep.*']}}]\n"
    )
    text += "alerts: {webhook: 'https://a.example/x'}\n"
    write_installation(tmp_path / "kept", text)
    (one,) = load_settings(tmp_path / "kept" / "kept.yaml").webhooks
    assert (one.events, one.secret, one.previous_secret) == (("sweep.*", "alarm.*"), HOOK_SECRET, NEXT_SECRET)
    assert "a.example" not in repr(one)
    assert "whsec" not in repr(one)


def test_the_commands_list_test_and_replay(tmp_path: Path) -> None:
    """As JSON for machines; an endpoint that is gone ends `list` with 1, and a secret that is made is one that kept.yaml takes."""
    root = tmp_path / "kept"
    with run_receiver() as receiver:
        write_installation(root, configured(receiver))
        receiver.answers.append(410)
        tried = run_command(root, "webhooks", "test", "--json")
        assert (tried.returncode, json.loads(tried.stdout)[0]["status"]) == (1, 410)
        listed = run_command(root, "webhooks", "list", "--json")
        found = json.loads(listed.stdout)
        assert (listed.returncode, found["endpoints"][0]["state"]) == (1, "gone")
        again = run_command(root, "webhooks", "replay", found["deliveries"][0]["id"], "--json")
        assert (again.returncode, json.loads(again.stdout)) == (
            1,
            {"sent_again": 1},
        )  # it waits until it is switched on
        made = run_command(root, "webhooks", "secret")
        write_installation(tmp_path / "two", configured(receiver).replace(HOOK_SECRET, made.stdout.strip()))
        load_settings(tmp_path / "two" / "kept.yaml")
