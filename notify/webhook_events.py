"""Which events go out as webhooks, what each is called and what stands in it: ids, states and counts, never personal data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from core.clock import iso_utc
from core.errors import ConfigurationError
from core.settings_webhooks import WebhookSettings

TEST: Final = "webhook.test"
RAISED, OVER = "alarm.raised", "alarm.over"
# What each family tells of. An entry of the ledger goes out if its kind begins with one of these; what is about the
# accounts and choices of people (operators, tokens, consents, acceptances, opt-outs) stays here.
FAMILIES: Final[Mapping[str, str]] = {
    "request": "A request: each move from state to state, and each thing done with it",
    "plan": "A plan of work: approved, revoked, done, paused, failed",
    "step": "A step of a plan: begun, and how it ended",
    "task": "Work that people were asked to do",
    "sweep": "A sweep: done, failed, paused, or waiting for approval",
    "hold": "A legal hold: added, kept on, released",
    "policy": "A version of the policy: published, in force, withdrawn, overtaken",
    "campaign": "Telling people of a version: begun, paused, completed, bounced",
    "erasure": "What was erased and came back: erased again, or left",
    "letter": "A mail that came in: sorted by an operator",
    "mail": "A mail: taken in, given up, tried again; that one did not arrive is told of its request or campaign",
    "promise": "A promise: what the board says of it, when that changes",
    "attestation": "Somebody vouches for a promise, or takes that back",
    "ledger": "The ledger: its key, and where its checkpoints are kept",
    "report": "A report that was made",
    "alarm": "An alarm: raised, and over",
    "webhook": "A test, sent when somebody asks for one; deliveries that somebody sends again",
}
# The entries of steps are called by what triggered the plan; outside they are one family.
_STEPS: Final = {"intent": "begun", "outcome": ""}
_NAMED: Final = frozenset(
    (
        "ticket",
        "version",
        "clause",
        "campaign",
        "hold",
        "letter",
        "thread",
        "mail",
        "endpoint",
        "attestation",
        "report",
        "state",
    )
)
_FACTS: Final = ("from", "state", "stage", "rows", "remaining", "held", "overdue")
_MORE: Final[Mapping[str, tuple[str, ...]]] = {"request.mail_lost": ("how",), "request.mail_late": ("how",)}
_WORD: Final = re.compile(r"[a-z]+(_[a-z]+)*")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/() -]*")
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]*")


@dataclass(frozen=True, kw_only=True)
class Happened:
    """Something to tell of. `source`: the id of what says so, of which there is one event an endpoint."""

    type: str
    at: datetime
    data: Mapping[str, Any]
    source: str


def body_of(happened: Happened) -> str:
    """The text that is sent and signed."""
    whole = {"type": happened.type, "timestamp": iso_utc(happened.at), "data": dict(happened.data)}
    return orjson.dumps(whole).decode()


def of_entry(
    entry_id: str, at: datetime, *, kind: str, actor: str, refs: Sequence[str], private: Mapping[str, Any]
) -> Happened | None:
    """What an entry of the ledger tells the outside; None for one that tells nothing. Of the private part only words of
    states and counts are taken, by name."""
    name = _type_of(kind, private)
    if name.partition(".")[0] not in FAMILIES:
        return None
    data: dict[str, Any] = {"entry": entry_id, "actor": outside(actor), **_named(refs)}
    for fact in (*_FACTS, *_MORE.get(kind, ())):
        value = private.get(fact)
        if (isinstance(value, int) and not isinstance(value, bool)) or (
            isinstance(value, str) and _WORD.fullmatch(value)
        ):
            data[fact] = value
    return Happened(type=name, at=at, data=data, source=entry_id)


def outside(actor: str) -> str:
    """Who did it, as the outside hears it: of a command not the account it ran under, which may be somebody's name."""
    return "command" if actor.startswith("cli:") else actor


def of_alarm(alarm_id: str, at: datetime, *, kind: str, about: str, over: bool) -> Happened:
    """An alarm that was raised, or that is over. `about`: a clause, a job, a ticket or an endpoint; left out where it is
    none of these, as a mailbox that is somebody's."""
    data = {"alarm": alarm_id, "kind": kind, **({"about": about} if _NAME.fullmatch(about) else {})}
    return Happened(
        type=OVER if over else RAISED, at=at, data=data, source=f"{alarm_id}.{'over' if over else 'raised'}"
    )


def of_plan(event_id: str, at: datetime, payload: Mapping[str, Any]) -> Happened:
    """What the outbox says of a plan that ended, or was left off."""
    data: dict[str, Any] = {"plan": payload["plan"]}
    trigger = str(payload.get("trigger", ""))
    if trigger:
        data |= _named([trigger]) if ":" in trigger else {"clause": trigger}
    return Happened(type=f"plan.{payload['state']}", at=at, data=data, source=event_id)


def require_known(endpoints: Sequence[WebhookSettings]) -> None:
    """Refuse an endpoint that asks for what never happens: it would wait for ever, and nobody would know."""
    for number, one in enumerate(endpoints):
        for pattern in one.events:
            if pattern != "*" and pattern.partition(".")[0] not in FAMILIES:
                raise ConfigurationError(
                    f"webhooks.{number}.events: no event is called '{pattern}'.",
                    remedy=f"Begin it with one of {', '.join(FAMILIES)}, as in request.*",
                )


def _type_of(kind: str, private: Mapping[str, Any]) -> str:
    family, _, last = kind.partition(".")
    if last in _STEPS:
        return f"step.{_STEPS[last] or _word(private.get('state'), 'ended')}"
    if kind == "sweep.run":
        return f"sweep.{_word(private.get('state'), 'run')}"
    return f"{family}.{last}"


def _word(value: object, otherwise: str) -> str:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else otherwise


def _named(refs: Sequence[str]) -> dict[str, Any]:
    """`ticket:K7F3Q-2MXB` by its name; ids that name themselves in a list."""
    found: dict[str, Any] = {}
    ids: list[str] = []
    for ref in refs:
        name, _, value = ref.partition(":")
        if name in _NAMED and value and name not in found:
            found[name] = value
        elif _PLAIN.fullmatch(ref):
            ids.append(ref)
    return {**found, **({"ids": ids} if ids else {})}
