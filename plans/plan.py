"""The plan as a frozen value: its steps, what stays and why, what nothing covers, and the hash of all of it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as field_of
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from core.canonical import digest
from core.clock import iso_utc, parse_iso
from core.errors import NotFound
from core.settings import TimeField
from plans.questions import Question, question_json, read_question
from stores.conditions import AllOf, Condition, Not, describe, read_condition
from stores.contract import Totals


class TriggerKind(StrEnum):
    """SWEEP: a retention clause came due. REQUEST: a person asked."""

    SWEEP = "sweep"
    REQUEST = "request"


class StepDeed(StrEnum):
    """DELETE: records go. REVOKE: a time is set where none is. REDACT: fields go, the record stays. ANONYMISE: what leads to
    a person goes, the record stays. AGGREGATE: records become totals and go. CORRECT: fields get what is right. EXPORT:
    records are read out for the person. ASK: somebody is asked to do by hand what no program can."""

    DELETE = "delete"
    REVOKE = "revoke"
    REDACT = "redact"
    ANONYMISE = "anonymise"
    AGGREGATE = "aggregate"
    CORRECT = "correct"
    EXPORT = "export"
    ASK = "ask"


class AskedFor(StrEnum):
    """What somebody is asked to do by hand. COPY: send what is held. DELETE: delete it. CORRECT: put it right."""

    COPY = "copy"
    DELETE = "delete"
    CORRECT = "correct"


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """What set the plan off; `ref` is the clause's id or the ticket's."""

    kind: TriggerKind
    ref: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """One deed over one collection.

    `condition`: what the clause or the request covers. `held`: what holds keep of it, as they stood when the plan was
    made; the run looks again. `after`: ids of steps that must be done first, since they look through this collection.
    `field` and `value`: for REVOKE; `fields`: for REDACT and ANONYMISE; `corrections`: for CORRECT, (field, what is right);
    `totals`: for AGGREGATE; `loosens`: as in a store's Work. `time`: the collection's own time, for extents. `title`: a few words for people."""

    id: str
    position: int
    deed: StepDeed
    collection: str
    store: str
    at: str
    clause: str
    condition: Condition
    held: Condition | None = None
    time: TimeField | None = None
    field: TimeField | None = None
    value: datetime | None = None
    fields: tuple[str, ...] = ()
    corrections: tuple[tuple[str, str | None], ...] = field_of(default=(), repr=False)
    totals: Totals | None = None
    loosens: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    title: str = ""
    asked: AskedFor | None = None  # for ASK

    @property
    def where(self) -> Condition:
        """What the step covers and no hold keeps."""
        return self.condition if self.held is None else AllOf(parts=(self.condition, Not(part=self.held)))


@dataclass(frozen=True, kw_only=True)
class Stays:
    """Records that are kept, on a basis and for a reason a person can be told. `until`: words, or '' for open; `time`: the
    record's own, where the period counts from it.

    `condition` None: not a matter of single records (a whole collection that the clause leaves alone)."""

    collection: str
    store: str
    at: str
    clause: str
    basis: str
    until: str
    reason: str
    condition: Condition | None = None
    time: TimeField | None = None


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Something that the clause or the request means and the plan cannot reach: what, why, and what to do about it."""

    what: str
    why: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Frozen: a plan is never changed, another one is made. `cutoffs`: for people and the ledger, instants by collection.

    `questions`: what a person has to decide or look after first; the answer makes another plan."""

    id: str
    trigger: Trigger
    version: int
    made_at: datetime
    cutoffs: Mapping[str, datetime]
    steps: tuple[Step, ...]
    stays: tuple[Stays, ...] = ()
    gaps: tuple[Gap, ...] = ()
    questions: tuple[Question, ...] = ()

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON of the whole plan, conditions included."""
        return digest(plan_json(self))

    def step(self, step_id: str) -> Step:
        return next(step for step in self.steps if step.id == step_id)


def step_id(plan_id: str, position: int) -> str:
    """The id of a step: the same plan and place, the same id."""
    return "step_" + hashlib.sha256(f"{plan_id}/{position}".encode()).hexdigest()[:24]


def plan_json(plan: Plan) -> dict[str, Any]:
    """The plan as JSON. Identifiers of a person may stand in its conditions: kept like personal data."""
    return {
        "id": plan.id,
        "trigger": {"kind": plan.trigger.kind.value, "ref": plan.trigger.ref},
        "version": plan.version,
        "made_at": iso_utc(plan.made_at),
        "cutoffs": {name: iso_utc(instant) for name, instant in plan.cutoffs.items()},
        "steps": [_step_json(step) for step in plan.steps],
        "stays": [_stays_json(stay) for stay in plan.stays],
        "gaps": [dict(vars(gap)) for gap in plan.gaps],
        # Left out where there are none: the digest of a plan that an earlier release made stays what it was.
        **({"questions": [question_json(one) for one in plan.questions]} if plan.questions else {}),
    }


def read_plan(data: Mapping[str, Any]) -> Plan:
    """The plan that `plan_json` wrote. Raises NotFound where its details were emptied since."""
    if not data:
        raise NotFound("The details of this plan are gone.", remedy="What was done stands in the evidence ledger.")
    return Plan(
        id=data["id"],
        trigger=Trigger(kind=TriggerKind(data["trigger"]["kind"]), ref=data["trigger"]["ref"]),
        version=data["version"],
        made_at=parse_iso(data["made_at"]),
        cutoffs={name: parse_iso(text) for name, text in data["cutoffs"].items()},
        steps=tuple(_read_step(row) for row in data["steps"]),
        stays=tuple(_read_stays(row) for row in data["stays"]),
        gaps=tuple(Gap(**row) for row in data["gaps"]),
        questions=tuple(read_question(row) for row in data.get("questions", ())),
    )


def _stays_json(stay: Stays) -> dict[str, Any]:
    """Without a time as it was written before there were any: the digest of a plan that is stored stays the same."""
    plain = {name: value for name, value in vars(stay).items() if name != "time"}
    time = {"time": _field_json(stay.time)} if stay.time else {}
    return {**plain, "condition": _condition_json(stay.condition), **time}


def _read_stays(row: Mapping[str, Any]) -> Stays:
    return Stays(**{**row, "condition": _read_condition(row["condition"]), "time": _read_field(row.get("time"))})


def _step_json(step: Step) -> dict[str, Any]:
    return {
        **vars(step),
        "deed": step.deed.value,
        "condition": describe(step.condition),
        "held": _condition_json(step.held),
        "time": _field_json(step.time),
        "field": _field_json(step.field),
        "value": iso_utc(step.value) if step.value else None,
        "fields": list(step.fields),
        "corrections": [list(pair) for pair in step.corrections],
        "totals": {**vars(step.totals), "by": list(step.totals.by)} if step.totals else None,
        "loosens": list(step.loosens),
        "after": list(step.after),
        "asked": step.asked.value if step.asked else None,
    }


def _read_step(row: Mapping[str, Any]) -> Step:
    return Step(
        **{
            **row,
            "deed": StepDeed(row["deed"]),
            "condition": read_condition(row["condition"]),
            "held": _read_condition(row["held"]),
            "time": _read_field(row["time"]),
            "field": _read_field(row["field"]),
            "value": parse_iso(row["value"]) if row["value"] else None,
            "fields": tuple(row["fields"]),
            "corrections": tuple((name, value) for name, value in row["corrections"]),
            "totals": Totals(**{**row["totals"], "by": tuple(row["totals"]["by"])}) if row["totals"] else None,
            "loosens": tuple(row["loosens"]),
            "after": tuple(row["after"]),
            "asked": AskedFor(row["asked"]) if row.get("asked") else None,
        }
    )


def _condition_json(condition: Condition | None) -> Mapping[str, Any] | None:
    return None if condition is None else describe(condition)


def _read_condition(data: Mapping[str, Any] | None) -> Condition | None:
    return None if data is None else read_condition(data)


def _field_json(field: TimeField | None) -> dict[str, Any] | None:
    return None if field is None else dict(vars(field))


def _read_field(data: Mapping[str, Any] | None) -> TimeField | None:
    return None if data is None else TimeField(**data)
