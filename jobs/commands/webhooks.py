"""`kept webhooks`: the endpoints and what was sent to them, a test event, sending again, a secret for a new endpoint."""

from __future__ import annotations

import base64
import secrets
from datetime import datetime, timedelta
from typing import Any

import click

from core.clock import iso_utc, parse_iso
from core.errors import BadInput
from core.settings_webhooks import PREFIX
from core.words import count, plural
from jobs.actor import command_actor
from jobs.answers import Answer, Line, answering, table
from jobs.services import Services, Wiring
from notify.webhook_desk import DeliveryLine, EndpointLine, EndpointState, Try
from notify.webhook_tables import DeliveryState

SECRET_BYTES = 32
BAD = (EndpointState.FAILING, EndpointState.GONE)
STATES = click.Choice([one.value for one in DeliveryState])


@click.group()
def webhooks() -> None:
    """Events that are sent to other systems."""


@webhooks.command("list")
@click.option("--state", type=STATES, help="Deliveries of one state only.")
@click.option("--event", "family", help="Deliveries of one family of events only, such as sweep.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many deliveries.")
@click.pass_obj
@answering
def list_webhooks(wiring: Wiring, state: str | None, family: str | None, limit: int) -> Answer:
    """List the endpoints and the latest deliveries. Ends with 1 while an endpoint fails or is gone."""
    with wiring.open_services(None) as kept:
        endpoints = kept.webhook_desk.endpoints()
        chosen = DeliveryState(state) if state else None
        found = kept.webhook_desk.deliveries(state=chosen, family=family, limit=limit)
    data = {"endpoints": [_endpoint_json(one) for one in endpoints], "deliveries": [_json(one) for one in found]}
    if not endpoints:
        return Answer(data=data, lines=["No endpoint is configured: `webhooks:` in kept.yaml names them."])
    head = ["endpoint", "id", "events", "state", "delivered", "waiting", "failed"]
    lines: list[Line] = [table("", head, [_endpoint_row(one) for one in endpoints], right=(4, 5, 6))]
    if found:
        rows = [
            [one.id, one.type, one.to or "–", one.state.value, _say(one.last), count(one.attempts)] for one in found
        ]
        lines += ["", table("", ["delivery", "event", "endpoint", "state", "last answer", "tries"], rows, right=(5,))]
    return Answer(data=data, lines=lines, exit_status=1 if any(one.state in BAD for one in endpoints) else 0)


@webhooks.command()
@click.argument("delivery", required=False)
@click.option("--failed", is_flag=True, help="All that failed.")
@click.option("--since", help="With --failed: of what happened since then, as 2026-01-31 or 3d.")
@click.option("--endpoint", help="With --failed: to this endpoint alone, by its id.")
@click.pass_obj
@answering
def replay(wiring: Wiring, delivery: str | None, failed: bool, since: str | None, endpoint: str | None) -> Answer:
    """Send again: one DELIVERY, or all that failed. Each keeps its id. `kept serve` sends them."""
    if (delivery is None) is not failed:
        raise BadInput("Say what is to be sent again.", remedy="Give one delivery, or --failed.")
    with wiring.open_services(None) as kept:
        by, goes = command_actor(), True
        if delivery is not None:
            goes = kept.webhook_desk.send_again(delivery, by=by)
            number = 1
        else:
            start = _since(since or "90d", kept.clock.now())
            number = kept.webhook_desk.send_failed_again(start, by=by, endpoint=endpoint)
        kept.ledger.settle()
    words = f"{plural(number, 'event is', 'events are')} sent again." if number else "Nothing has failed since then."
    if not goes:
        words = "It waits until its endpoint is switched on again, in the console under Webhooks."
    return Answer(data={"sent_again": number}, lines=[words], exit_status=0 if goes else 1)


@webhooks.command()
@click.argument("endpoint", required=False)
@click.pass_obj
@answering
def test(wiring: Wiring, endpoint: str | None) -> Answer:
    """Send a test event to one ENDPOINT (its id), or to each, at once. Ends with 1 where one does not take it."""
    with wiring.open_services(None) as kept:
        names = {one.id: one.name for one in kept.webhook_desk.endpoints()}
        if not names:
            raise BadInput("No endpoint is configured.", remedy="Name one under `webhooks:` in kept.yaml.")
        rows = [_send_test(kept, one, names.get(one, one)) for one in ([endpoint] if endpoint else names)]
    lines: list[Line] = [
        table("", ["endpoint", "delivery", "answer"], [[r["name"], r["delivery"], r["says"]] for r in rows])
    ]
    return Answer(data=rows, lines=lines, exit_status=0 if all(one["arrived"] for one in rows) else 1)


@webhooks.command()
@click.argument("endpoint", required=False)
@click.pass_obj
@answering
def secret(wiring: Wiring, endpoint: str | None) -> Answer:
    """Make a secret for a new endpoint. With the id of an ENDPOINT, show the one it is signed with: the receiver needs it,
    and that of `alerts: {webhook: …}` stands nowhere else."""
    if endpoint is None:
        made = PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
        return Answer(data={"secret": made}, lines=[made])
    with wiring.open_services(None) as kept:
        found = kept.webhooks.endpoint(endpoint).secret
    return Answer(data={"secret": found}, lines=[found])


def _send_test(kept: Services, endpoint: str, name: str) -> dict[str, Any]:
    made = kept.webhook_desk.send_test(endpoint, by=command_actor())
    answer = kept.webhook_sender.send_one(made)
    if answer is None:  # the scheduler was first with it
        last = kept.webhook_desk.delivery(made).line.last
        status, says = (last.status, last.says) if last else (None, "")
    else:
        status, says = answer.status, answer.says
    words = says or f"{status}"
    arrived = status is not None and 200 <= status < 300
    return {"endpoint": endpoint, "name": name, "delivery": made, "status": status, "arrived": arrived, "says": words}


def _since(text: str, now: datetime) -> datetime:
    if text.endswith("d") and text[:-1].isdigit() and len(text) < 6:
        return now - timedelta(days=int(text[:-1]))
    return parse_iso(f"{text}T00:00:00Z" if len(text) == len("2026-01-31") else text)


def _endpoint_row(one: EndpointLine) -> list[str]:
    numbers = [
        count(one.counts[each]) for each in (DeliveryState.DELIVERED, DeliveryState.WAITING, DeliveryState.FAILED)
    ]
    return [one.name, one.id, ", ".join(one.events), one.state.value, *numbers]


def _endpoint_json(one: EndpointLine) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "events": list(one.events),
        "state": one.state.value,
        "two_secrets": one.rotating,
        "good_at": _iso(one.good_at),
        "failing_since": _iso(one.failing_since),
        "gone_at": _iso(one.gone_at),
        **{each.value: one.counts[each] for each in DeliveryState},
    }


def _json(one: DeliveryLine) -> dict[str, Any]:
    return {
        "id": one.id,
        "event_id": one.event_id,
        "type": one.type,
        "endpoint": one.endpoint,
        "state": one.state.value,
        "made_at": iso_utc(one.made_at),
        "due_at": iso_utc(one.due_at) if one.state is DeliveryState.WAITING else None,
        "settled_at": _iso(one.settled_at),
        "tries": one.attempts,
        "last_status": one.last.status if one.last else None,
    }


def _say(last: Try | None) -> str:
    if last is None:
        return "–"
    return last.says or f"{last.status}"


def _iso(at: datetime | None) -> str | None:
    return iso_utc(at) if at else None
