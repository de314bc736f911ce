"""Webhooks as operators see and steer them: endpoints with their state, deliveries with their tries, and what is sent again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import Database
from core.errors import BadInput, NotFound
from core.settings_webhooks import WebhookSettings
from ledger.log import Ledger
from notify.webhook_tables import DeliveryState, WebhookDeliveryRow, WebhookEndpointRow
from notify.webhooks import Webhooks


class EndpointState(StrEnum):
    """NEW: nothing was sent yet. WELL: the last that was tried arrived. TROUBLE: something is being tried again. FAILING: all
    tries of something are used up. GONE: it said 410; nothing is sent until it is switched on again."""

    NEW = "new"
    WELL = "well"
    TROUBLE = "trouble"
    FAILING = "failing"
    GONE = "gone"


@dataclass(frozen=True, kw_only=True)
class EndpointLine:
    """One endpoint of kept.yaml. `name`: its host, with its id where two have the same. `rotating`: two secrets sign."""

    id: str
    name: str
    events: tuple[str, ...]
    state: EndpointState
    rotating: bool
    counts: Mapping[DeliveryState, int]
    good_at: datetime | None
    failing_since: datetime | None
    gone_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Try:
    """One try. `status`: None where no answer came; `says`: what went wrong, empty where the status says it."""

    at: datetime
    status: int | None
    says: str
    ms: int | None


@dataclass(frozen=True, kw_only=True)
class DeliveryLine:
    """One event for one endpoint. `endpoint`: its id; `to`: its name, empty for one that is configured no more."""

    id: str
    event_id: str
    type: str
    endpoint: str
    to: str
    state: DeliveryState
    made_at: datetime
    due_at: datetime
    settled_at: datetime | None
    attempts: int
    last: Try | None


@dataclass(frozen=True, kw_only=True)
class DeliveryView:
    """A delivery whole: `body` as it is sent, and every try, the oldest first."""

    line: DeliveryLine
    body: str
    payload: Mapping[str, Any]
    tries: tuple[Try, ...]


class WebhookDesk:
    """What pages and commands do with webhooks. Each act is recorded."""

    def __init__(self, database: Database, clock: Clock, ledger: Ledger, webhooks: Webhooks) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._webhooks = webhooks

    def endpoints(self) -> tuple[EndpointLine, ...]:
        """Those of kept.yaml, in its order."""
        with self._database.read() as session:
            return list_endpoints(session, self._webhooks.endpoints)

    def counts(self) -> Mapping[DeliveryState, int]:
        """All deliveries by state."""
        wanted = sa.select(WebhookDeliveryRow.state, sa.func.count()).group_by(WebhookDeliveryRow.state)
        with self._database.read() as session:
            found = {DeliveryState(state): number for state, number in session.execute(wanted)}
        return {state: found.get(state, 0) for state in DeliveryState}

    def families(self) -> tuple[str, ...]:
        """Those of which there is a delivery."""
        with self._database.read() as session:
            types = session.execute(sa.select(WebhookDeliveryRow.type).distinct()).scalars()
            return tuple(sorted({one.partition(".")[0] for one in types}))

    def deliveries(
        self,
        *,
        state: DeliveryState | None = None,
        endpoint: str | None = None,
        family: str | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> list[DeliveryLine]:
        """The newest first; `before`: the id of the last one that was seen."""
        row, names = WebhookDeliveryRow, names_of(self._webhooks.endpoints)
        wanted = sa.select(row).order_by(row.made_at.desc(), row.id.desc()).limit(limit)
        if state is not None:
            wanted = wanted.where(row.state == state.value)
        if endpoint is not None:
            wanted = wanted.where(row.endpoint == endpoint)
        if family is not None:
            wanted = wanted.where(row.type.startswith(f"{family}.", autoescape=True))
        with self._database.read() as session:
            if before is not None:
                last = self._row(session, before)
                same = sa.and_(row.made_at == last.made_at, row.id < last.id)
                wanted = wanted.where(sa.or_(row.made_at < last.made_at, same))
            return [_line(one, names) for one in session.execute(wanted).scalars()]

    def delivery(self, delivery_id: str) -> DeliveryView:
        """Raises NotFound."""
        with self._database.read() as session:
            row = self._row(session, delivery_id)
        return DeliveryView(
            line=_line(row, names_of(self._webhooks.endpoints)),
            body=row.body,
            payload=orjson.loads(row.body),
            tries=tuple(_try(one) for one in row.tries),
        )

    def send_again(self, delivery_id: str, *, by: str) -> bool:
        """Send this one now, with the same id, and with all tries before it; False where it waits, since its endpoint is
        gone. Raises NotFound."""
        with self._database.begin() as session:
            row = self._row(session, delivery_id)
            self._webhooks.endpoint(row.endpoint)
            self._revive(session, [row])
            self._record(session, "webhook.sent_again", by, [f"endpoint:{row.endpoint}", row.id], rows=1)
            known = session.get(WebhookEndpointRow, row.endpoint)
            return known is None or known.gone_at is None

    def send_failed_again(self, since: datetime, *, by: str, endpoint: str | None = None) -> int:
        """Send all that failed of what happened since then; gives how many. Raises NotFound for no such endpoint."""
        known = [self._webhooks.endpoint(endpoint).id] if endpoint is not None else list(self._webhooks.endpoints)
        wanted = sa.select(WebhookDeliveryRow).where(
            WebhookDeliveryRow.state == DeliveryState.FAILED.value,
            WebhookDeliveryRow.made_at >= since,
            WebhookDeliveryRow.endpoint.in_(known),
        )
        with self._database.begin() as session:
            rows = session.execute(wanted).scalars().all()
            if rows:
                self._revive(session, rows)
                refs = [f"endpoint:{one}" for one in sorted({row.endpoint for row in rows})]
                self._record(session, "webhook.sent_again", by, refs, rows=len(rows))
        return len(rows)

    def send_test(self, endpoint_id: str, *, by: str) -> str:
        """A test event for one endpoint; gives the id of its delivery. Raises NotFound, BadInput while it is off."""
        with self._database.begin() as session:
            self._webhooks.endpoint(endpoint_id)
            known = session.get(WebhookEndpointRow, endpoint_id)
            if known is not None and known.gone_at is not None:
                raise BadInput("This endpoint is switched off: it said 410 Gone.", remedy="Switch it on first.")
            return self._webhooks.ask_test(session, endpoint_id, by=by)

    def switch_on(self, endpoint_id: str, *, by: str) -> None:
        """Send to an endpoint again that said 410; what waited for it goes out now. Raises NotFound."""
        with self._database.begin() as session:
            self._webhooks.endpoint(endpoint_id)
            known = session.get(WebhookEndpointRow, endpoint_id)
            if known is None or known.gone_at is None:
                return
            known.gone_at, now = None, self._clock.now()
            row = WebhookDeliveryRow
            session.execute(
                sa.update(row)
                .where(row.endpoint == endpoint_id, row.state == DeliveryState.WAITING.value)
                .values(due_at=now, attempts=0)
            )
            self._record(session, "webhook.switched_on", by, [f"endpoint:{endpoint_id}"], rows=0)

    def _revive(self, session: Session, rows: Sequence[WebhookDeliveryRow]) -> None:
        now = self._clock.now()
        for row in rows:
            row.state, row.due_at, row.attempts, row.settled_at = DeliveryState.WAITING.value, now, 0, None

    def _record(self, session: Session, kind: str, by: str, refs: Sequence[str], *, rows: int) -> None:
        self._ledger.record(session, kind=kind, actor=by, refs=refs, private={"rows": rows})

    def _row(self, session: Session, delivery_id: str) -> WebhookDeliveryRow:
        row = session.get(WebhookDeliveryRow, delivery_id)
        if row is None:
            raise NotFound("There is no such delivery.", remedy="Deliveries are kept for 90 days.")
        return row


def list_endpoints(session: Session, endpoints: Mapping[str, WebhookSettings]) -> tuple[EndpointLine, ...]:
    """The endpoints with what is known of each."""
    if not endpoints:
        return ()
    row, names = WebhookDeliveryRow, names_of(endpoints)
    known = {one.id: one for one in session.execute(sa.select(WebhookEndpointRow)).scalars()}
    counted: dict[str, Counter[DeliveryState]] = {one: Counter() for one in endpoints}
    wanted = sa.select(row.endpoint, row.state, sa.func.count()).where(row.endpoint.in_(list(endpoints)))
    for endpoint, state, number in session.execute(wanted.group_by(row.endpoint, row.state)):
        counted[endpoint][DeliveryState(state)] = number
    trying = sa.select(row.endpoint).where(row.state == DeliveryState.WAITING.value, row.attempts > 0).distinct()
    troubled = set(session.execute(trying).scalars())
    return tuple(
        _endpoint_line(one, names[one.id], known.get(one.id), counted[one.id], trouble=one.id in troubled)
        for one in endpoints.values()
    )


def names_of(endpoints: Mapping[str, WebhookSettings]) -> Mapping[str, str]:
    """What each endpoint is called: its host, and its id beside it where two have one host."""
    hosts = Counter(one.host for one in endpoints.values())
    return {
        one.id: one.host[:80] if hosts[one.host] == 1 else f"{one.host[:80]} ({one.id})" for one in endpoints.values()
    }


def _endpoint_line(
    one: WebhookSettings, name: str, known: WebhookEndpointRow | None, counts: Counter[DeliveryState], *, trouble: bool
) -> EndpointLine:
    state = EndpointState.NEW if known is None or known.good_at is None else EndpointState.WELL
    if known is not None and known.gone_at is not None:
        state = EndpointState.GONE
    elif known is not None and known.failing_since is not None:
        state = EndpointState.FAILING
    elif trouble:
        state = EndpointState.TROUBLE
    return EndpointLine(
        id=one.id,
        name=name,
        events=one.events,
        state=state,
        rotating=one.previous_secret is not None,
        counts={each: counts[each] for each in DeliveryState},
        good_at=known.good_at if known else None,
        failing_since=known.failing_since if known else None,
        gone_at=known.gone_at if known else None,
    )


def _line(row: WebhookDeliveryRow, names: Mapping[str, str]) -> DeliveryLine:
    return DeliveryLine(
        id=row.id,
        event_id=row.event_id,
        type=row.type,
        endpoint=row.endpoint,
        to=names.get(row.endpoint, ""),
        state=DeliveryState(row.state),
        made_at=row.made_at,
        due_at=row.due_at,
        settled_at=row.settled_at,
        attempts=row.attempts,
        last=_try(row.tries[-1]) if row.tries else None,
    )


def _try(told: Mapping[str, Any]) -> Try:
    return Try(at=datetime.fromisoformat(told["at"]), status=told["status"], says=told["says"], ms=told["ms"])
