"""Webhooks in the console: what is configured, what arrived, what is sent again, who may, and how the pages look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from bs4 import BeautifulSoup

from notify.webhook_tables import DeliveryState
from tests.servers_webhooks import Receiver, run_receiver
from tests.test_notify_webhooks_whole import configured
from tests.web_installation import ADMINISTRATOR, AGENT, Installation, csrf_of, open_installation, post, read

PAGE = "/console/webhooks"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with run_receiver() as made:
        yield made


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Installation]:
    """The small installation with one endpoint; its policy was published, which is three events."""
    root: Path = tmp_path_factory.mktemp("hooks") / "kept"
    with open_installation(root, configuration=configured(receiver)) as made:
        yield made


def words(page: BeautifulSoup) -> str:
    main = page.find("main")
    assert main is not None
    return " ".join(main.get_text(" ").split())


def test_an_empty_page_says_how_to_configure(tmp_path: Path) -> None:
    """And has no form for what is not there."""
    with open_installation(tmp_path / "kept") as made:
        said = words(read(made, PAGE))
    assert "No endpoint is configured" in said
    assert "kept webhooks secret" in said
    assert "Deliveries" not in said


def test_a_delivery_is_shown_filtered_and_sent_again(installation: Installation, receiver: Receiver) -> None:
    """From the list to one delivery with its payload and its tries; sent again it has the id it had."""
    kept = installation.kept
    receiver.answers.append(500)
    kept.webhook_sender.send_due()
    kept.webhook_sender.send_due()
    said = words(read(installation, PAGE))
    assert "policy.published" in said
    assert "Trying again" in said
    assert receiver.url.partition("?")[2] not in said  # an address may be as good as a password
    assert "of-the-receiver" not in str(read(installation, PAGE))
    assert "No delivery is like this" in words(read(installation, f"{PAGE}?state=failed"))
    assert "policy.in_force" in words(read(installation, f"{PAGE}?state=delivered&event=policy"))
    line = next(one for one in kept.webhook_desk.deliveries() if one.state is DeliveryState.DELIVERED)
    one = words(read(installation, f"{PAGE}/{line.id}"))
    for part in (line.type, line.event_id, "Answered 204", '"version": "1"'):
        assert part in one
    answer = post(installation.signed_in(), f"{PAGE}/{line.id}/again", f"{PAGE}/{line.id}")
    assert answer.status_code == 302
    kept.webhook_sender.send_due()
    assert [got.id for got in receiver.got].count(line.event_id) == 2
    with kept.database.read() as session:
        entries = kept.ledger.entries(session, kind="webhook.sent_again")
    assert line.id in entries[0].refs
    assert entries[0].actor.startswith("opr_")


def test_a_test_event_goes_out_and_has_a_page(installation: Installation, receiver: Receiver) -> None:
    """By POST alone; the page that follows is its own."""
    kept = installation.kept
    (endpoint,) = kept.webhook_desk.endpoints()
    answer = post(installation.signed_in(), f"{PAGE}/endpoints/{endpoint.id}/test", PAGE)
    kept.webhook_sender.send_due()
    assert receiver.got[-1].payload["type"] == "webhook.test"
    assert "webhook.test" in words(read(installation, answer.headers["Location"]))
    assert installation.signed_in().get(f"{PAGE}/endpoints/{endpoint.id}/test").status_code in (404, 405)


def test_what_failed_is_sent_again_from_the_list_and_a_gone_endpoint_switched_on(
    installation: Installation, receiver: Receiver
) -> None:
    """A day that is none is refused beside its field."""
    kept = installation.kept
    (endpoint,) = kept.webhook_desk.endpoints()
    receiver.answers.append(410)
    kept.webhook_desk.send_test(endpoint.id, by="opr_1")
    kept.webhook_sender.send_due()
    assert "it said 410" in words(read(installation, PAGE))
    client = installation.signed_in()
    assert post(client, f"{PAGE}/endpoints/{endpoint.id}/on", PAGE).status_code == 302
    assert "it said 410" not in words(read(installation, PAGE))
    failed = kept.webhook_desk.send_test(endpoint.id, by="opr_1")
    receiver.answers.extend([500] * 20)
    for _ in range(10):
        kept.webhook_sender.send_one(failed)
        make_due(installation)
    receiver.answers.clear()
    assert kept.webhook_desk.counts()[DeliveryState.FAILED] == 1
    assert "Failing" in words(read(installation, PAGE))
    wrong = post(client, f"{PAGE}/failed-again", PAGE, since="yesterday", endpoint="")
    assert wrong.status_code == 400
    assert "That is no day" in wrong.get_data(as_text=True)
    assert post(client, f"{PAGE}/failed-again", PAGE, since="2026-01-01", endpoint="").status_code == 302
    while kept.webhook_sender.send_due():
        continue
    assert kept.webhook_desk.counts()[DeliveryState.FAILED] == 0
    assert "Arriving" in words(read(installation, PAGE))


def make_due(installation: Installation) -> None:
    """As if the waits between tries were over."""
    with installation.kept.database.begin() as session:
        session.execute(sa.text("UPDATE webhook_deliveries SET due_at = made_at WHERE state = 'waiting'"))


def test_only_who_manages_acts_and_nobody_without_a_token_of_the_page(installation: Installation) -> None:
    """An agent reads, and sees no button; each act is refused to them, and to a form that is none of ours."""
    kept = installation.kept
    (endpoint,) = kept.webhook_desk.endpoints()
    line = kept.webhook_desk.deliveries()[0]
    page = read(installation, PAGE, AGENT)
    assert "Send a test event" not in words(page)
    agent = installation.signed_in(AGENT)
    token = csrf_of(agent, "/console/opt-outs")
    acts = [
        f"{PAGE}/{line.id}/again",
        f"{PAGE}/failed-again",
        f"{PAGE}/endpoints/{endpoint.id}/test",
        f"{PAGE}/endpoints/{endpoint.id}/on",
    ]
    for act in acts:
        assert agent.post(act, data={"csrf_token": token}).status_code == 403
        assert installation.signed_in(ADMINISTRATOR).post(act, data={}).status_code == 400
        assert installation.client().post(act, data={}).status_code in (302, 400)
    assert installation.signed_in().get(f"{PAGE}/whd_nothing").status_code == 404
