"""Webhooks: what happened is written down for each endpoint that wants it, in the transaction in which it happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import Database
from core.errors import NotFound
from core.ids import new_id
from core.outbox import Event
from core.settings_webhooks import WebhookSettings
from ledger.log import RecordedEntry
from notify.webhook_events import TEST, Happened, body_of, of_alarm, of_entry, of_plan, outside, require_known
from notify.webhook_tables import DeliveryState, WebhookDeliveryRow


class Webhooks:
    """The endpoints, and the one way in which events come to them. Without endpoints nothing is written."""

    def __init__(self, database: Database, clock: Clock, endpoints: Sequence[WebhookSettings]) -> None:
        require_known(endpoints)
        self._database = database
        self._clock = clock
        self.endpoints = {one.id: one for one in endpoints}

    def endpoint(self, endpoint_id: str) -> WebhookSettings:
        """Raises NotFound for one that is not configured."""
        if endpoint_id not in self.endpoints:
            raise NotFound(
                "This endpoint does not stand in kept.yaml.", remedy="`kept webhooks list` shows those that do."
            )
        return self.endpoints[endpoint_id]

    def hear(self, session: Session, entries: Sequence[RecordedEntry]) -> None:
        """What the ledger records, as it records it: the event is there if the entry is."""
        if not self.endpoints:
            return
        told = [
            of_entry(
                one.id,
                one.at,
                kind=one.entry.kind,
                actor=one.entry.actor,
                refs=one.entry.refs,
                private=one.entry.private,
            )
            for one in entries
        ]
        self.announce(session, [one for one in told if one is not None])

    def handle_plan(self, event: Event) -> None:
        """The outbox's word of a plan; the same word twice makes one event."""
        if not self.endpoints:
            return
        with self._database.begin() as session:
            self.announce(session, [of_plan(event.id, event.created_at, event.payload)])

    def announce_alarms(
        self, session: Session, alarms: Sequence[tuple[str, str, str]], now: datetime, *, over: bool
    ) -> None:
        """Alarms that were raised, or are over: id, kind, and what each is about."""
        told = [of_alarm(alarm_id, now, kind=kind, about=about, over=over) for alarm_id, kind, about in alarms]
        self.announce(session, told)

    def announce(self, session: Session, happened: Sequence[Happened]) -> list[str]:
        """Write down what is to be sent, in the caller's transaction; gives the ids of the deliveries."""
        rows = [
            _new_row(one, endpoint.id, new_id("evt"))
            for one in happened
            for endpoint in self.endpoints.values()
            if endpoint.wants(one.type)
        ]
        return self._insert(session, rows)

    def ask_test(self, session: Session, endpoint_id: str, *, by: str) -> str:
        """A test event for one endpoint, whatever it wants; gives the id of the delivery."""
        endpoint, event = self.endpoint(endpoint_id), new_id("evt")
        test = Happened(
            type=TEST, at=self._clock.now(), data={"actor": outside(by), "endpoint": endpoint.id}, source=event
        )
        return self._insert(session, [_new_row(test, endpoint.id, event)])[0]

    def _insert(self, session: Session, rows: list[dict[str, object]]) -> list[str]:
        if not rows:
            return []
        insert = postgresql.insert if self._database.dialect == "postgresql" else sqlite.insert
        session.execute(insert(WebhookDeliveryRow).on_conflict_do_nothing(index_elements=["source", "endpoint"]), rows)
        return [str(row["id"]) for row in rows]


def _new_row(happened: Happened, endpoint: str, event: str) -> dict[str, object]:
    named: Mapping[str, object] = {"id": new_id("whd"), "event_id": event, "endpoint": endpoint, "type": happened.type}
    return {
        **named,
        "source": happened.source,
        "body": body_of(happened),
        "made_at": happened.at,
        "state": DeliveryState.WAITING.value,
        "due_at": happened.at,
        "attempts": 0,
        "tries": [],
        "settled_at": None,
    }
