"""Webhooks: written with what happened, signed, tried again for three days, and never where they may not go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import freezegun
import pytest
from freezegun.api import FrozenDateTimeFactory, real_perf_counter

from core.clock import SystemClock
from core.database import Database
from core.errors import BadInput, CheckFailed, ConfigurationError, NotFound
from core.http_line import Limits
from core.leases import Leases
from core.outbox import Event
from core.settings_webhooks import WebhookSettings
from ledger.log import Ledger
from notify.webhook_desk import EndpointState, WebhookDesk
from notify.webhook_events import Happened
from notify.webhook_sending import CLAIM, LIMITS, WAITS, WebhookSender, next_wait
from notify.webhook_tables import DeliveryState
from notify.webhooks import Webhooks
from tests.servers_webhooks import NEXT_SECRET, SECRET, Receiver, run_receiver

NOON = datetime(2026, 6, 11, 12, 0, tzinfo=UTC)
OPERATOR = "opr_ines"
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


@dataclass(kw_only=True)
class Hooks:
    """A ledger with endpoints, the sender and the desk over them."""

    database: Database
    ledger: Ledger
    webhooks: Webhooks
    sender: WebhookSender
    desk: WebhookDesk
    frozen: FrozenDateTimeFactory

    def record(self, kind: str = "hold.added", refs: tuple[str, ...] = ("hold_1",), **private: object) -> str:
        with self.database.begin() as session:
            return self.ledger.record(session, kind=kind, actor=OPERATOR, refs=refs, private=private)  # type: ignore[arg-type]

    def send(self, after: timedelta = timedelta()) -> int:
        self.frozen.tick(after)
        return self.sender.send_due()

    def states(self) -> list[DeliveryState]:
        return [one.state for one in self.desk.deliveries()]


def build(
    database: Database, frozen: FrozenDateTimeFactory, *endpoints: WebhookSettings, limits: Limits = LIMITS
) -> Hooks:
    clock = SystemClock()
    webhooks = Webhooks(database, clock, endpoints)
    ledger = Ledger(
        database, clock, Leases(database, clock), secret=b"s" * 32, origin="kept.example/kept", listener=webhooks.hear
    )
    return Hooks(
        database=database,
        ledger=ledger,
        webhooks=webhooks,
        sender=WebhookSender(database, clock, webhooks, limits=limits),
        desk=WebhookDesk(database, clock, ledger, webhooks),
        frozen=frozen,
    )


def endpoint(url: str, *events: str, secret: str = SECRET) -> WebhookSettings:
    return WebhookSettings(url=url, secret=secret, events=events or ("*",))


@pytest.fixture
def frozen() -> Iterator[FrozenDateTimeFactory]:
    """A day in June, for the library's own look at the time too."""
    with freezegun.freeze_time(NOON) as made:
        assert isinstance(made, FrozenDateTimeFactory)
        yield made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with run_receiver() as made:
        yield made


@pytest.fixture
def hooks(database: Database, frozen: FrozenDateTimeFactory, receiver: Receiver) -> Hooks:
    return build(database, frozen, endpoint(receiver.url))


def test_what_is_recorded_arrives_signed_with_ids_and_states_alone(hooks: Hooks, receiver: Receiver) -> None:
    """The library verifies it; of the private part only states and counts go out; what is about accounts stays here."""
    entry = hooks.record(
        "request.answered", ("ticket:K7F3Q-2MXB", "version:3", "plan_1"),
        **{"from": "running", "contact": "anna@post.example", "note": "Anna", "state": "Anna Quill", "rows": 7},
    )  # fmt: skip
    hooks.record("consent.given", ("consent:con_1",))
    hooks.record("operator.added", ("opr_2",))
    assert hooks.send() == 1
    (got,) = receiver.got
    assert (got.good, got.signatures, got.path) == (True, 1, "/hooks/kept?key=of-the-receiver")
    assert got.headers["content-type"] == "application/json"
    assert got.payload["type"] == "request.answered"
    assert datetime.fromisoformat(got.payload["timestamp"]) - NOON < 5 * SECOND
    assert got.payload["data"] == {
        "entry": entry, "actor": OPERATOR, "ticket": "K7F3Q-2MXB", "version": "3", "ids": ["plan_1"],
        "from": "running", "rows": 7,
    }  # fmt: skip
    assert hooks.send() == 0
    (line,) = hooks.desk.deliveries()
    assert (line.state, line.last and line.last.status, line.event_id) == (DeliveryState.DELIVERED, 204, got.id)


def test_what_is_rolled_back_is_told_to_nobody(hooks: Hooks) -> None:
    """The event is written in the transaction of what happened."""

    with hooks.database.begin() as session:
        hooks.ledger.record(session, kind="hold.added", actor=OPERATOR, refs=["hold_1"], private={})
        session.rollback()
    assert hooks.desk.deliveries() == []


def test_each_endpoint_gets_what_it_asks_for_once(
    database: Database, frozen: FrozenDateTimeFactory, receiver: Receiver
) -> None:
    """By family and by one type; the outbox's word of a plan that comes twice makes one event."""
    with run_receiver() as second:
        some = endpoint(second.url, "sweep.failed", "plan.*")
        hooks = build(database, frozen, endpoint(receiver.url, "sweep.*"), some)
        hooks.record("sweep.run", ("swp_1", "clause:logs"), state="done", rows=5)
        hooks.record("sweep.run", ("swp_2", "clause:logs"), state="failed", rows=0)
        hooks.record("sweep.outcome", ("step_1", "clause:logs"), state="left")
        told = {"plan": "plan_1", "trigger": "ticket:K7F3Q-2MXB", "state": "done"}
        for _ in range(2):
            hooks.webhooks.handle_plan(Event(id="evt_1", kind="plan.state", payload=told, created_at=NOON))
        assert hooks.send() == 4
        assert sorted(receiver.types()) == ["sweep.done", "sweep.failed"]
        assert sorted(second.types()) == ["plan.done", "sweep.failed"]
        plan = next(one for one in second.got if one.payload["type"] == "plan.done")
        assert plan.payload["data"] == {"plan": "plan_1", "ticket": "K7F3Q-2MXB"}


def test_while_a_secret_is_rotated_either_verifies(
    database: Database, frozen: FrozenDateTimeFactory, receiver: Receiver
) -> None:
    """The new one signs first; a receiver that still has the old one goes on."""
    rotating = replace(endpoint(receiver.url, secret=NEXT_SECRET), previous_secret=SECRET)
    hooks = build(database, frozen, rotating)
    hooks.record()
    hooks.send()
    receiver.secret = NEXT_SECRET
    hooks.record()
    hooks.send()
    assert [(one.good, one.signatures) for one in receiver.got] == [(True, 2), (True, 2)]
    receiver.secret = "whsec_" + "YW5vdGhlci1zZWNyZXQtdGhhdC1ub2JvZHktd2FzLXRvbGQ="
    hooks.record()
    hooks.send()
    assert not receiver.got[-1].good


def test_it_is_tried_for_three_days_with_one_id_and_then_stands_as_failing(hooks: Hooks, receiver: Receiver) -> None:
    """The waits of Standard Webhooks, each a little longer by chance; the endpoint fails once all are used up, and is
    well again once something arrives. What failed is sent again when somebody says so, with the id it had."""
    receiver.answers.extend([500] * (len(WAITS) + 1))
    hooks.record()
    (delivery,) = hooks.desk.deliveries()
    seen = []
    for wait in (timedelta(), *WAITS):
        assert hooks.send(wait * 0.99 if wait else wait) == 0
        hooks.send(wait * 0.12 + 2 * SECOND)
        seen.append(len(receiver.got))
    assert seen == list(range(1, len(WAITS) + 2))
    assert len({one.id for one in receiver.got}) == 1
    assert len({one.headers["webhook-timestamp"] for one in receiver.got}) == len(receiver.got)
    assert all(one.good for one in receiver.got)
    assert hooks.states() == [DeliveryState.FAILED]
    assert hooks.desk.endpoints()[0].state is EndpointState.FAILING
    assert hooks.send(24 * HOUR) == 0
    hooks.desk.send_again(delivery.id, by=OPERATOR)
    assert hooks.send() == 2  # with the word that it was sent again
    assert receiver.got[-1].payload["type"] in ("hold.added", "webhook.sent_again")
    assert {one.id for one in receiver.got if one.payload["type"] == "hold.added"} == {delivery.event_id}
    assert hooks.desk.endpoints()[0].state is EndpointState.WELL
    assert len(hooks.desk.delivery(delivery.id).tries) == len(WAITS) + 2


def test_the_waits_add_up_to_three_days_and_heed_what_the_endpoint_asks() -> None:
    """75 hours and a tenth at most; a `Retry-After` is kept to as far as a day."""
    waits = [next_wait("whd_1", attempt) for attempt in range(1, len(WAITS) + 1)]
    assert all(one is not None and plain <= one <= plain * 1.1 for one, plain in zip(waits, WAITS, strict=True))
    assert timedelta(days=3) < sum(WAITS, timedelta()) < timedelta(days=3, hours=5)
    assert all(first < second for first, second in pairwise(WAITS))
    assert next_wait("whd_1", len(WAITS) + 1) is None
    assert next_wait("whd_1", 1, timedelta(hours=1)) == timedelta(hours=1)
    assert next_wait("whd_1", 1, timedelta(days=9)) == timedelta(days=1)


def test_an_endpoint_that_is_gone_gets_nothing_until_it_is_switched_on(hooks: Hooks, receiver: Receiver) -> None:
    """410: what happens meanwhile is kept for it, and goes out afterwards."""
    receiver.answers.append(410)
    hooks.record()
    hooks.send()
    hooks.record("hold.released")
    assert hooks.send(24 * HOUR) == 0
    assert len(receiver.got) == 1
    (line,) = hooks.desk.endpoints()
    assert line.state is EndpointState.GONE
    with pytest.raises(BadInput, match="410"):
        hooks.desk.send_test(line.id, by=OPERATOR)
    hooks.desk.switch_on(line.id, by=OPERATOR)
    assert hooks.send() == 3
    assert sorted(receiver.types()[1:]) == ["hold.added", "hold.released", "webhook.switched_on"]
    assert hooks.desk.endpoints()[0].state is EndpointState.WELL


def test_redirects_are_not_followed(hooks: Hooks, receiver: Receiver) -> None:
    """Where an answer points is none of the sender's business."""
    receiver.answers.append(307)
    receiver.headers["Location"] = "/elsewhere"
    hooks.record()
    assert hooks.send() == 0
    assert [one.path for one in receiver.got] == ["/hooks/kept?key=of-the-receiver"]
    (line,) = hooks.desk.deliveries()
    assert line.last is not None
    assert "redirects are not followed" in line.last.says


def test_what_is_slow_ends_and_what_is_long_is_not_read(
    database: Database, frozen: FrozenDateTimeFactory, receiver: Receiver
) -> None:
    """Silence and headers letter by letter end after the whole time; of a body without an end a few kB are read."""
    limits = replace(LIMITS, answer_seconds=0.4, whole_seconds=0.4)
    hooks = build(database, frozen, endpoint(receiver.url), limits=limits)
    for how in ("hang", "drip"):
        receiver.answers.append(how)
        hooks.record()
        began = real_perf_counter()
        assert hooks.send() == 0
        assert real_perf_counter() - began < 2
    receiver.answers.append("flood")
    hooks.record("hold.released")
    assert hooks.send() == 1
    assert [one.state.value for one in hooks.desk.deliveries()].count("delivered") == 1


def test_a_slow_endpoint_is_in_nobodys_way(
    database: Database, frozen: FrozenDateTimeFactory, receiver: Receiver
) -> None:
    """After one try that fails the others of that endpoint wait for the next round; another endpoint gets all of its own."""
    with run_receiver() as slow:
        slow.answers.extend(["hang"] * 5)
        limits = replace(LIMITS, answer_seconds=0.3, whole_seconds=0.3)
        hooks = build(database, frozen, endpoint(slow.url), endpoint(receiver.url), limits=limits)
        for _ in range(5):
            hooks.record()
        assert hooks.send() == 5
        assert (len(slow.got), len(receiver.got)) == (1, 5)


@pytest.mark.parametrize(
    ("url", "addresses", "says"),
    [
        ("https://inside.example/x", ["10.1.2.3"], "not a public address"),
        ("https://both.example/x", ["93.184.216.34", "169.254.169.254"], "not a public address"),
        ("https://six.example/x", ["::ffff:127.0.0.1"], "not a public address"),
        ("https://loops.example/x", ["127.0.0.1"], "not a public address"),
    ],
)
def test_private_networks_are_refused(
    database: Database, frozen: FrozenDateTimeFactory, url: str, addresses: list[str], says: str
) -> None:
    """Every address of a name is looked at before anything is sent, whatever the name; `kept doctor` says the same."""
    hooks = build(database, frozen, endpoint(url))
    sender = WebhookSender(database, SystemClock(), hooks.webhooks, resolve=lambda host, port: addresses)
    hooks.record()
    assert sender.send_due() == 0
    (line,) = hooks.desk.deliveries()
    assert line.last is not None
    assert says in line.last.says
    assert line.last.says.startswith("Not sent")
    with pytest.raises(CheckFailed, match=says):
        sender.require_address(endpoint(url))
    sender.require_address(replace(endpoint(url), private=True))


def test_a_test_event_goes_to_one_endpoint_whatever_it_wants(
    database: Database, frozen: FrozenDateTimeFactory, receiver: Receiver
) -> None:
    """And to none that is not configured; sending one tells how it went."""
    hooks = build(database, frozen, endpoint(receiver.url, "sweep.failed"))
    (line,) = hooks.desk.endpoints()
    assert line.state is EndpointState.NEW
    answer = hooks.sender.send_one(hooks.desk.send_test(line.id, by=OPERATOR))
    assert answer is not None
    assert answer.status == 204
    assert receiver.got[0].payload["data"] == {"actor": OPERATOR, "endpoint": line.id}
    assert receiver.got[0].good
    with pytest.raises(NotFound):
        hooks.desk.send_test("whk_other", by=OPERATOR)


def test_what_failed_since_a_time_is_sent_again_together(hooks: Hooks, receiver: Receiver) -> None:
    """Those before it stay as they are."""
    for _ in range(3):
        receiver.answers.extend([500] * (len(WAITS) + 1))
        hooks.record()
        for wait in (timedelta(), *WAITS):
            hooks.send(wait * 1.12)
        hooks.frozen.tick(24 * HOUR)
    assert hooks.states() == [DeliveryState.FAILED] * 3
    oldest = hooks.desk.deliveries()[-1]
    assert hooks.desk.send_failed_again(oldest.made_at + HOUR, by=OPERATOR) == 2
    assert hooks.send() == 3
    assert hooks.desk.counts()[DeliveryState.FAILED] == 1
    with hooks.database.read() as session:
        entries = hooks.ledger.entries(session, kind="webhook.sent_again")
    assert [one.private for one in entries] == [{"rows": 2}]


def test_a_claim_lasts_longer_than_a_try_and_an_event_of_no_name_is_refused(
    database: Database, frozen: FrozenDateTimeFactory
) -> None:
    """Nobody sends what another process is sending; an endpoint that asks for what never happens would wait for ever."""
    assert timedelta(seconds=LIMITS.whole_seconds + LIMITS.connect_seconds) * 2 < CLAIM
    with pytest.raises(ConfigurationError, match=r"'reqest\.\*'"):
        build(database, frozen, endpoint("https://a.example/", "reqest.*"))


def test_pages_of_deliveries_miss_none_and_repeat_none(hooks: Hooks, receiver: Receiver) -> None:
    """Written in the same instant or not; filtered by state and family."""
    with hooks.database.begin() as session:
        told = [Happened(type="sweep.done", at=NOON, data={}, source=f"s{n}") for n in range(7)]
        hooks.webhooks.announce(session, [*told, *told])
    hooks.record()
    everything = [one.id for one in hooks.desk.deliveries(limit=50)]
    assert len(everything) == 8
    seen: list[str] = []
    while page := hooks.desk.deliveries(limit=3, before=seen[-1] if seen else None):
        seen += [one.id for one in page]
    assert seen == everything
    assert len(hooks.desk.deliveries(family="sweep")) == 7
    assert hooks.desk.deliveries(state=DeliveryState.FAILED) == []


def test_an_alarm_about_a_mailbox_does_not_name_it(hooks: Hooks, receiver: Receiver) -> None:
    """A clause, a job, a request or a host is named; what looks like an address is not."""
    with hooks.database.begin() as session:
        told = [("alm_1", "broken", "request-logs"), ("alm_2", "silent", "imaps://anna@mail.example/INBOX")]
        hooks.webhooks.announce_alarms(session, told, NOON, over=False)
    assert hooks.send() == 2
    found = {one.payload["data"]["alarm"]: one.payload["data"] for one in receiver.got}
    assert found["alm_1"] == {"alarm": "alm_1", "kind": "broken", "about": "request-logs"}
    assert found["alm_2"] == {"alarm": "alm_2", "kind": "silent"}
