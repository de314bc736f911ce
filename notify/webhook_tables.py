"""The tables of webhooks: a row for each event and endpoint, with every try, and what is known of each endpoint."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class DeliveryState(StrEnum):
    """WAITING: to be sent when it is due, or when its endpoint is switched on again. DELIVERED: the endpoint said so.
    FAILED: no try is left; somebody may send it again."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class WebhookDeliveryRow(Base):
    """One event for one endpoint. `event_id`: what receivers tell repeats by; `source`: what it came from, so that nothing
    makes two. `body`: the very text that is sent and signed; it holds no personal data. `attempts`: tries since it was
    last asked for; `tries`: all of them, the oldest first."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        sa.UniqueConstraint("source", "endpoint"),
        sa.Index("ix_webhook_deliveries_endpoint_state", "endpoint", "state", "due_at"),
        sa.Index("ix_webhook_deliveries_made_at_id", "made_at", "id"),
    )
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    event_id: Mapped[str] = mapped_column(sa.String(40))
    endpoint: Mapped[str] = mapped_column(sa.String(40))
    type: Mapped[str] = mapped_column(sa.String(80))
    source: Mapped[str] = mapped_column(sa.String(60))
    body: Mapped[str] = mapped_column(sa.Text)
    made_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(sa.String(20))
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    tries: Mapped[list[Any]]
    settled_at: Mapped[datetime | None]


class WebhookEndpointRow(Base):
    """What is known of an endpoint that something was sent to. `failing_since`: a delivery failed for good, and none has
    arrived after it. `gone_at`: it said 410, so nothing is sent until somebody switches it on again."""

    __tablename__ = "webhook_endpoints"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    good_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    gone_at: Mapped[datetime | None]
