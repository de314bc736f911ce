"""`/metrics`: the numbers of retention and of the jobs in the text form of Prometheus, made from rows at each scrape."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from flask import Blueprint, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from promises.metering import ClauseMeasures, Measures
from promises.states import State
from web.services import services

blueprint = Blueprint("metrics", __name__)
SCOPE: Final = "metrics:read"
# Headers that only a proxy sets: who comes with one of them has come from elsewhere, whatever the socket says.
FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")

Value = Callable[[ClauseMeasures], float | None]
# One gauge for each clause; a value of None is not known, and not exposed.
BY_CLAUSE: Final[tuple[tuple[str, str, Value], ...]] = (
    ("kept_overdue_rows", "Records over their period at the last look.", lambda one: _seen(one, "due")),
    ("kept_broken_rows", "Of these, the ones past the time the work may take.", lambda one: _seen(one, "broken")),
    ("kept_held_rows", "Records over their period that a hold keeps.", lambda one: _seen(one, "held")),
    (
        "kept_oldest_overdue_seconds",
        "How long the oldest record is over its period, at least; 0 where none is.",
        lambda one: one.evidence.over.total_seconds() if one.evidence else None,
    ),
    (
        "kept_promise_within_seconds",
        "How long the work may take before the promise is broken.",
        lambda one: one.within.total_seconds(),
    ),
    (
        "kept_evidence_timestamp_seconds",
        "When the stores were last looked at.",
        lambda one: _stamp(one.evidence.checked_at) if one.evidence else None,
    ),
    (
        "kept_stores_unreached",
        "Collections that could not be read at the last look.",
        lambda one: len(one.evidence.unreached) if one.evidence else None,
    ),
    (
        "kept_sweep_late_seconds",
        "How long a run that is due has not begun; 0 where none is late.",
        lambda one: one.late.total_seconds(),
    ),
    (
        "kept_sweep_waiting_seconds",
        "How long a sweep has waited for approval; 0 where none waits.",
        lambda one: one.waits.total_seconds(),
    ),
    ("kept_sweep_last_run_timestamp_seconds", "When the last run ended.", lambda one: _stamp(one.last_run)),
    (
        "kept_sweep_last_success_timestamp_seconds",
        "When the last run ended that left nothing undone.",
        lambda one: _stamp(one.last_success),
    ),
)


@blueprint.get("/metrics")
def metrics() -> Response:
    """Every number. From this machine without a token, from elsewhere with one of the scope `metrics:read`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Read(services().measures()))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def comes_from_this_machine(request: Request) -> bool:
    """Does the connection itself come from a loopback address, to a loopback name, and through no proxy?"""
    if any(name in request.headers for name in FORWARDED):
        return False
    host = request.host.rsplit(":", 1)[0].strip("[]")
    return _is_loopback(request.remote_addr or "") and (host == "localhost" or _is_loopback(host))


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback


class _Read(Collector):
    """The measures of one scrape as metrics."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        for name, says, value in BY_CLAUSE:
            family = GaugeMetricFamily(name, says, labels=["clause"])
            for one in self._measures.clauses:
                found = value(one)
                if found is not None:
                    family.add_metric([one.clause], found)
            yield family
        yield from self._counters()
        yield self._states()
        yield from self._requests()
        yield from self._jobs()

    def _counters(self) -> Iterator[Metric]:
        swept = CounterMetricFamily("kept_swept_rows", "Records done by sweeps.", labels=["clause"])
        missed = CounterMetricFamily("kept_sweep_missed_runs", "Runs that were due and came late.", labels=["clause"])
        for one in self._measures.clauses:
            swept.add_metric([one.clause], one.swept)
            missed.add_metric([one.clause], one.missed)
        yield swept
        yield missed

    def _states(self) -> Metric:
        states = GaugeMetricFamily("kept_promise_state", "1 for the state a clause is in.", labels=["clause", "state"])
        for clause, now in self._measures.states.items():
            for state in State:
                states.add_metric([clause, state.value], float(state is now))
        return states

    def _requests(self) -> Iterator[Metric]:
        opened = GaugeMetricFamily("kept_requests_open", "Requests that are open.", labels=["right"])
        late = GaugeMetricFamily("kept_requests_late", "Of these, the ones past their due date.", labels=["right"])
        for right, figures in self._measures.rights.items():
            opened.add_metric([right.value], figures.open)
            late.add_metric([right.value], figures.late)
        yield opened
        yield late

    def _jobs(self) -> Iterator[Metric]:
        ran = GaugeMetricFamily("kept_heartbeat_timestamp_seconds", "When a job last ran.", labels=["job"])
        well = GaugeMetricFamily("kept_heartbeat_good_timestamp_seconds", "When it last ran well.", labels=["job"])
        for beat in self._measures.beats:
            ran.add_metric([beat.job], beat.ran_at.timestamp())
            if beat.good_at is not None:
                well.add_metric([beat.job], beat.good_at.timestamp())
        yield ran
        yield well
        alarms = GaugeMetricFamily("kept_alarms_open", "Alarms that stand.", labels=["kind"])
        for kind, number in self._measures.alarms.items():
            alarms.add_metric([kind.value], number)
        yield alarms
        waiting = self._measures.ledger_waiting
        yield GaugeMetricFamily("kept_ledger_waiting_entries", "Entries under no checkpoint yet.", value=waiting)
        pending = self._measures.outbox_pending
        yield GaugeMetricFamily("kept_outbox_pending", "Events and mails not handed on yet.", value=pending)
        taken = self._measures.inbox_taken
        yield CounterMetricFamily("kept_inbox_messages", "Mails taken from mailboxes and the API.", value=taken)


def _seen(one: ClauseMeasures, name: str) -> float | None:
    return float(getattr(one.evidence, name)) if one.evidence else None


def _stamp(instant: datetime | None) -> float | None:
    return instant.timestamp() if instant else None
