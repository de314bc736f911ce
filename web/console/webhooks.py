"""Webhooks in the console: the endpoints and how they fare, every delivery with its tries, and what is sent again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import orjson
from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from core.errors import BadInput
from core.operators import Permission
from core.words import plural
from notify.webhook_desk import DeliveryLine, EndpointLine, EndpointState
from notify.webhook_events import FAMILIES
from notify.webhook_tables import DeliveryState
from web.console.actors import actor_names, say_actor
from web.console_blueprint import blueprint
from web.context import controller_zone
from web.services import services

Answer = Response | tuple[str, int]
PAGE: Final = 50
NO_NEXT: Final = ("plain", "held")  # looks of what waits for more than its time
LOOKS: Final = {
    EndpointState.NEW: ("new", "Nothing sent yet"),
    EndpointState.WELL: ("kept", "Arriving"),
    EndpointState.TROUBLE: ("due", "Trying again"),
    EndpointState.FAILING: ("broken", "Failing"),
    EndpointState.GONE: ("broken", "Gone"),
}
STATES: Final = {
    DeliveryState.WAITING: ("waiting", "Waiting"),
    DeliveryState.DELIVERED: ("kept", "Delivered"),
    DeliveryState.FAILED: ("broken", "Failed"),
}


@blueprint.get("/webhooks")
def webhooks() -> str:
    """The endpoints and the deliveries, the newest first; the filter stands in the address."""
    return _page()


@blueprint.get("/webhooks/<delivery_id>")
def delivery(delivery_id: str) -> str:
    """One delivery: what was sent, and every try."""
    found = services().webhooks.delivery(delivery_id)
    gone = {one.id for one in services().webhooks.endpoints() if one.state is EndpointState.GONE}
    look, word = _look(found.line, gone)
    data = found.payload.get("data", {})
    return render_template(
        "console/webhook.html",
        here="webhooks",
        view=found,
        look=look,
        word=word,
        has_next=found.line.state is DeliveryState.WAITING and look not in NO_NEXT,
        tries=[_try_item(one.status, one.says, one.ms, one.at) for one in found.tries],
        body=orjson.dumps(found.payload, option=orjson.OPT_INDENT_2).decode(),
        ticket=str(data.get("ticket", "")),
        actor=say_actor(str(data["actor"]), actor_names()) if "actor" in data else "",
        may_act=current_user.operator.may(Permission.MANAGE),
    )


@blueprint.post("/webhooks/<delivery_id>/again")
def send_webhook_again(delivery_id: str) -> Answer:
    """Send one again, with the id it has."""
    goes = services().webhooks.send_again(delivery_id, by=current_user.operator.id)
    flash("It is sent again, with the same id." if goes else "It waits until its endpoint is switched on again.")
    return redirect(url_for("console.delivery", delivery_id=delivery_id))


@blueprint.post("/webhooks/failed-again")
def send_failed_webhooks_again() -> Answer:
    """Send all that failed since a day, to one endpoint or to all."""
    endpoint = request.form.get("endpoint", "") or None
    try:
        since = _start_of(request.form.get("since", ""))
    except BadInput as error:
        return _page(problem=str(error)), 400
    number = services().webhooks.send_failed_again(since, by=current_user.operator.id, endpoint=endpoint)
    flash(f"{plural(number, 'event is', 'events are')} sent again." if number else "Nothing has failed since that day.")
    return redirect(url_for("console.webhooks"))


@blueprint.post("/webhooks/endpoints/<endpoint_id>/test")
def test_webhook(endpoint_id: str) -> Answer:
    """Send a test event; its page shows how it went."""
    made = services().webhooks.send_test(endpoint_id, by=current_user.operator.id)
    flash("The test event is on its way. Load this page again to see how it went.")
    return redirect(url_for("console.delivery", delivery_id=made))


@blueprint.post("/webhooks/endpoints/<endpoint_id>/on")
def switch_webhook_on(endpoint_id: str) -> Answer:
    """Send again to an endpoint that said it is gone."""
    services().webhooks.switch_on(endpoint_id, by=current_user.operator.id)
    flash("It is switched on: what waited for it goes out now.")
    return redirect(url_for("console.webhooks"))


def _page(*, problem: str = "") -> str:
    desk = services().webhooks
    state, family = _chosen(request.args.get("state", "")), request.args.get("event", "")
    family = family if family in FAMILIES else ""
    endpoints, counts = desk.endpoints(), desk.counts()
    gone = {one.id for one in endpoints if one.state is EndpointState.GONE}
    found = desk.deliveries(
        state=state, family=family or None, limit=PAGE + 1, before=request.args.get("before") or None
    )
    last = found[PAGE - 1].id if len(found) > PAGE else ""
    return render_template(
        "console/webhooks.html",
        here="webhooks",
        endpoints=[_endpoint_row(one) for one in endpoints],
        rows=[(one, *_look(one, gone)) for one in found[:PAGE]],
        chips=_chips(state, family, counts),
        families=_families(state, family, desk.families()),
        is_filtered=bool(state or family or request.args.get("before")),
        later=url_for("console.webhooks", state=state or None, event=family or None, before=last) if last else "",
        failed=counts[DeliveryState.FAILED],
        choices=[("", "All endpoints"), *((one.id, one.name) for one in endpoints)],
        since=request.form.get("since", "") or (datetime.now(controller_zone()) - timedelta(days=7)).date().isoformat(),
        problem=problem,
        may_act=current_user.operator.may(Permission.MANAGE),
    )


def _endpoint_row(one: EndpointLine) -> dict[str, Any]:
    look, word = LOOKS[one.state]
    return {
        "line": one,
        "look": look,
        "word": word,
        "events": "Every event" if "*" in one.events else ", ".join(one.events),
        "waiting": one.counts[DeliveryState.WAITING],
        "failed": one.counts[DeliveryState.FAILED],
        "delivered": one.counts[DeliveryState.DELIVERED],
        "is_gone": one.state is EndpointState.GONE,
    }


def _look(one: DeliveryLine, gone: Collection[str]) -> tuple[str, str]:
    if one.state is DeliveryState.WAITING and not one.to:
        return "plain", "No endpoint any more"
    if one.state is DeliveryState.WAITING and one.endpoint in gone:
        return "held", "Held back"
    if one.state is DeliveryState.WAITING and one.attempts:
        return "due", "Trying again"
    return STATES[one.state]


def _try_item(status: int | None, says: str, ms: int | None, at: datetime) -> dict[str, Any]:
    good = status is not None and 200 <= status < 300
    title = f"Answered {status}" if status is not None else says or "No answer"
    took = f"{ms} ms" if ms is not None else ""
    sub = " · ".join(part for part in (says if status is not None else "", took) if part)
    return {"state": "kept" if good else "broken", "title": title, "sub": sub, "at": at}


def _chips(state: DeliveryState | None, family: str, counts: Any) -> list[dict[str, Any]]:
    every = {"word": "All", "here": state is None, "href": url_for("console.webhooks", event=family or None)}
    return [every] + [
        {
            "word": STATES[one][1],
            "count": counts[one],
            "here": state is one,
            "href": url_for("console.webhooks", state=one.value, event=family or None),
        }
        for one in DeliveryState
    ]


def _families(state: DeliveryState | None, family: str, known: Sequence[str]) -> list[dict[str, Any]]:
    chosen = state.value if state else None
    every = {"word": "Every event", "here": not family, "href": url_for("console.webhooks", state=chosen)}
    return [every] + [
        {"word": one, "here": one == family, "href": url_for("console.webhooks", state=chosen, event=one)}
        for one in known
    ]


def _chosen(text: str) -> DeliveryState | None:
    return DeliveryState(text) if text in set(DeliveryState) else None


def _start_of(text: str) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadInput("That is no day.", remedy="Write it as 2026-01-31.") from None
    return datetime(day.year, day.month, day.day, tzinfo=controller_zone()).astimezone(UTC)
