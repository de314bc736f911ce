"""Sends what is due to each endpoint: signed, tried again for three days, one slow endpoint in nobody's way but its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session
from standardwebhooks.webhooks import Webhook

from core.clock import Clock, iso_utc
from core.database import Database
from core.errors import CheckFailed, ConfigurationError
from core.http_line import Broken, Limits, Line, Refused, Resolve, resolve_name
from core.settings_webhooks import WebhookSettings
from notify.webhook_tables import DeliveryState, WebhookDeliveryRow, WebhookEndpointRow
from notify.webhooks import Webhooks

log = structlog.get_logger()
# The schedule of Standard Webhooks: how long after a try that failed the next one comes, 75.6 hours in all.
WAITS: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
LONGEST_WAIT: Final = timedelta(hours=24)
SECONDS: Final = 10.0
# Longer than a try can last: one that was killed between sending and recording is sent again after this, with its id.
CLAIM: Final = timedelta(seconds=60)
LIMITS: Final = Limits(
    connect_seconds=5, answer_seconds=SECONDS, whole_seconds=SECONDS, most_bytes=4096, status_only=True
)
AT_ONCE: Final = 4  # endpoints served beside one another
NO_WORD: Final = "It was sent, and nothing was recorded: the process ended meanwhile."


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """One delivery that this process tries now."""

    id: str
    event_id: str
    body: str
    attempt: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How a try went. `status`: None where no answer came. `wait`: what the endpoint asked for."""

    status: int | None
    says: str = ""
    wait: timedelta | None = None

    @property
    def is_good(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        return self.status == HTTPStatus.GONE


class WebhookSender:
    """The dispatcher of webhooks: a queue of its own. `resolve` and `limits` as of the connection."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        webhooks: Webhooks,
        *,
        resolve: Resolve = resolve_name,
        limits: Limits = LIMITS,
        after_sending: Callable[[], None] | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._webhooks = webhooks
        self._resolve = resolve
        self._limits = limits
        self._after_sending = after_sending

    def send_due(self, *, limit: int = 100) -> int:
        """Try what is due, at most `limit` for each endpoint and no more after the first that fails; gives how many arrived."""
        endpoints = [self._webhooks.endpoints[one] for one in self._due_endpoints()]
        if len(endpoints) < 2:
            return sum(self._serve(one, limit) for one in endpoints)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhooks") as pool:
            return sum(pool.map(lambda one: self._serve(one, limit), endpoints))

    def send_one(self, delivery_id: str) -> Answer | None:
        """Try this one now; None where it is not waiting, or another process has it."""
        with self._database.read() as session:
            row = session.get(WebhookDeliveryRow, delivery_id)
        if row is None or row.endpoint not in self._webhooks.endpoints:
            return None
        endpoint = self._webhooks.endpoints[row.endpoint]
        claimed = self._claim(endpoint, only=delivery_id)
        return self._try(endpoint, claimed) if claimed else None

    def require_address(self, endpoint: WebhookSettings) -> None:
        """Raise CheckFailed unless its name leads where it may; nothing is sent."""
        try:
            _line(endpoint, self._limits, self._resolve).require_address()
        except (Refused, Broken) as error:
            remedy = "Correct its address in kept.yaml; `allow: [private]` is for an address that is not public."
            raise CheckFailed(f"{endpoint.host}: {error}.", remedy=remedy) from None

    def _due_endpoints(self) -> list[str]:
        known = list(self._webhooks.endpoints)
        if not known:
            return []
        gone = sa.select(WebhookEndpointRow.id).where(WebhookEndpointRow.gone_at.is_not(None))
        wanted = (
            sa.select(WebhookDeliveryRow.endpoint)
            .where(
                WebhookDeliveryRow.endpoint.in_(known),
                WebhookDeliveryRow.endpoint.not_in(gone),
                WebhookDeliveryRow.state == DeliveryState.WAITING.value,
                WebhookDeliveryRow.due_at <= self._clock.now(),
            )
            .distinct()
        )
        with self._database.read() as session:
            return list(session.execute(wanted).scalars())

    def _serve(self, endpoint: WebhookSettings, limit: int) -> int:
        arrived = 0
        for _ in range(limit):
            claimed = self._claim(endpoint)
            if claimed is None or not self._try(endpoint, claimed).is_good:
                break
            arrived += 1
        return arrived

    def _try(self, endpoint: WebhookSettings, claimed: Claimed) -> Answer:
        answer = self._send(endpoint, claimed)
        if self._after_sending:
            self._after_sending()
        self._settle(endpoint, claimed, answer)
        return answer

    def _claim(self, endpoint: WebhookSettings, *, only: str | None = None) -> Claimed | None:
        """Take the next one, and write the try down before it is made."""
        now = self._clock.now()
        wanted = sa.select(WebhookDeliveryRow).where(
            WebhookDeliveryRow.endpoint == endpoint.id,
            WebhookDeliveryRow.state == DeliveryState.WAITING.value,
            WebhookDeliveryRow.due_at <= now,
        )
        if only is not None:
            wanted = wanted.where(WebhookDeliveryRow.id == only)
        ordered = wanted.order_by(WebhookDeliveryRow.due_at, WebhookDeliveryRow.id).limit(1)
        with self._database.begin() as session:
            row = session.execute(ordered.with_for_update(skip_locked=True)).scalar_one_or_none()
            if row is None:
                return None
            row.attempts, row.due_at = row.attempts + 1, now + CLAIM
            row.tries = [*row.tries, {"at": iso_utc(now), "status": None, "says": NO_WORD, "ms": None}]
            return Claimed(id=row.id, event_id=row.event_id, body=row.body, attempt=row.attempts)

    def _send(self, endpoint: WebhookSettings, claimed: Claimed) -> Answer:
        now, parts = self._clock.now(), urlsplit(endpoint.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            line = _line(endpoint, self._limits, self._resolve)
            raw = line.send("POST", target, sign(endpoint, claimed, now), claimed.body.encode())
        except Refused as refusal:
            return Answer(status=None, says=f"Not sent: {refusal}.")
        except Broken as broken:
            return Answer(status=None, says=f"No answer: {broken}.")
        except ConfigurationError as error:
            return Answer(status=None, says=f"Not sent: {error.message}")
        says = ""
        if 300 <= raw.status < 400:
            says = "It leads elsewhere, and redirects are not followed."
        return Answer(status=raw.status, says=says, wait=_asked_wait(raw.headers.get("retry-after", "")))

    def _settle(self, endpoint: WebhookSettings, claimed: Claimed, answer: Answer) -> None:
        now = self._clock.now()
        with self._database.begin() as session:
            row = session.get(WebhookDeliveryRow, claimed.id)
            if row is None:
                return  # swept meanwhile
            row.tries = [*row.tries[:-1], _told(row.tries[-1], answer, now)]
            known = _endpoint_row(session, endpoint.id)
            if answer.is_good:
                row.state, row.settled_at = DeliveryState.DELIVERED.value, now
                known.good_at, known.failing_since = now, None
                return
            if answer.is_gone:
                known.gone_at = known.gone_at or now
            wait = next_wait(row.id, claimed.attempt, answer.wait)
            if wait is None:
                row.state, row.settled_at = DeliveryState.FAILED.value, now
                known.failing_since = known.failing_since or now
            else:
                row.due_at = now + wait
        log.warning("webhook.failed", delivery=claimed.id, endpoint=endpoint.id, status=answer.status)


def next_wait(delivery_id: str, attempt: int, asked: timedelta | None = None) -> timedelta | None:
    """How long after its `attempt`th try (from 1) a delivery waits; None: no try is left. Up to a tenth is added by its id,
    so that what failed together is not sent together. `asked`: the endpoint's own wish, as far as a day."""
    if attempt > len(WAITS):
        return None
    share = int(hashlib.sha256(f"{delivery_id}.{attempt}".encode()).hexdigest()[:4], 16) / 0xFFFF
    wait = WAITS[attempt - 1] * (1 + share / 10)
    return max(wait, min(asked, LONGEST_WAIT)) if asked is not None else wait


def sign(endpoint: WebhookSettings, claimed: Claimed, now: datetime) -> dict[str, str]:
    """The headers of a try: signed with the secret, and with the one before while receivers change over."""
    secrets = [endpoint.secret, *([endpoint.previous_secret] if endpoint.previous_secret else [])]
    return {
        "Content-Type": "application/json",
        "webhook-id": claimed.event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(one).sign(claimed.event_id, now, claimed.body) for one in secrets),
    }


def _line(endpoint: WebhookSettings, limits: Limits, resolve: Resolve) -> Line:
    parts = urlsplit(endpoint.url)
    allow = {"private"} if endpoint.private or endpoint.is_here else set()
    allow |= {"http"} if endpoint.is_here else set()
    return Line(f"{parts.scheme}://{parts.netloc}", allow=allow, limits=limits, resolve=resolve)


def _endpoint_row(session: Session, endpoint_id: str) -> WebhookEndpointRow:
    row = session.get(WebhookEndpointRow, endpoint_id)
    if row is None:
        row = WebhookEndpointRow(id=endpoint_id)
        session.add(row)
    return row


def _told(begun: dict[str, Any], answer: Answer, now: datetime) -> dict[str, Any]:
    took = now - datetime.fromisoformat(begun["at"])
    return {**begun, "status": answer.status, "says": answer.says, "ms": round(took.total_seconds() * 1000)}


def _asked_wait(text: str) -> timedelta | None:
    return timedelta(seconds=int(text)) if text.isascii() and text.isdigit() and len(text) < 7 else None
