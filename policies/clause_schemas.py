"""What may stand in a clause of a policy's head: one marshmallow schema for each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, post_load, validates_schema

from policies.clause_fields import (
    ID,
    Choice,
    Consent,
    Count,
    Flag,
    Lasts,
    NameList,
    PeriodText,
    Ways,
    Within,
    Words,
    category_list,
    event_name,
    shown,
    telling_address,
)
from policies.clauses import (
    CLAUSE_TYPES,
    KINDS,
    AcceptanceClause,
    Action,
    AgeLimitClause,
    Basis,
    ChannelClause,
    Clause,
    CollectsClause,
    CookieClause,
    NeverClause,
    NoticeClause,
    PledgeClause,
    ProcessorClause,
    PurposeClause,
    RecipientClause,
    RetentionClause,
    RetentionException,
    Right,
    RightClause,
    Role,
    SafeguardClause,
    TransferSafeguard,
)


class Entry(Schema):
    """Anything with keys of its own: unknown ones are refused, and the allowed ones named."""

    def handle_error(self, error: ValidationError, data: Any, *, many: bool, **more: Any) -> None:
        allowed = ", ".join(field.data_key or name for name, field in self.fields.items())
        for key, messages in error.messages_dict.items():
            for index, message in enumerate(messages if isinstance(messages, list) else []):
                if message == "Unknown field.":
                    messages[index] = f"is not a key here; allowed: {allowed}"
                elif str(message).startswith("Missing data"):
                    messages[index] = "is missing"
                elif str(message).startswith("Field may not be null"):
                    messages[index] = "is empty; write a value or leave the key out"
                elif key == "_schema" and str(message).startswith("Invalid input type"):
                    messages[index] = f"is not a mapping; write keys and values, of: {allowed}"


class _Exception(Entry):
    of = category_list(required=True)
    basis = Choice(Basis, required=True)
    period = PeriodText(data_key="for")
    note = Words()

    @post_load
    def make(self, data: dict[str, Any], **more: Any) -> RetentionException:
        return RetentionException(**data)


class ClauseSchema(Entry):
    """The keys that every clause may have; `makes` is the dataclass it becomes."""

    makes: type[Clause]
    id = Words(ID, required=True, allowed="an id in lower-case letters, digits, - and _")
    kind = Choice(*KINDS, required=True)
    promises = NameList(ID, least=0, allowed="ids of promises")
    owner = Words(allowed="who answers for it")
    silent = Flag()

    @post_load
    def make(self, data: dict[str, Any], **more: Any) -> Clause:
        data.pop("kind")
        return self.makes(**data)


class _Collects(ClauseSchema):
    makes = CollectsClause
    category = Words(ID, required=True, allowed="one category in lower-case letters, digits, - and _")
    source = Words(data_key="from", required=True, allowed="person, device, or who else it comes from")
    fields_ = NameList(data_key="fields", required=True, attribute="fields")


class _Purpose(ClauseSchema):
    makes = PurposeClause
    of = category_list(required=True)
    why = NameList(required=True)
    basis = Choice(Basis, required=True)
    interest = Words()


class _Retention(ClauseSchema):
    makes = RetentionClause
    of = category_list(required=True)
    period = PeriodText(data_key="for")
    after = event_name()
    until = event_name()
    within = PeriodText()
    then = Choice(Action, required=True)
    exceptions = fields.List(fields.Nested(_Exception), data_key="except")
    reaches_back = Words(allowed="the reason in words")
    into = Words(ID, allowed="the collection that holds the totals")
    by = NameList(ID, allowed="fields")
    k = Count(2, 10_000)

    @validates_schema
    def check_times(self, data: Mapping[str, Any], **more: Any) -> None:
        if "until" in data and ("period" in data or "after" in data):
            raise ValidationError("stands beside 'for' or 'after'; write either 'until' or the period", "until")
        if "after" in data and "period" not in data:
            raise ValidationError("has no 'for'; write how long after the event, or 'until' for at once", "after")

    @validates_schema
    def check_totals(self, data: Mapping[str, Any], **more: Any) -> None:
        if not data.get("then"):
            return
        aggregates = data["then"] is Action.AGGREGATE
        for key in ("into", "by", "k"):
            if aggregates and key not in data:
                raise ValidationError("is missing; aggregate says into what, by which fields, and the least group", key)
            if not aggregates and key in data:
                raise ValidationError(f"belongs to 'then: aggregate', not to {data['then']}", key)

    @post_load
    def make(self, data: dict[str, Any], **more: Any) -> Clause:
        data["exceptions"] = tuple(data.get("exceptions", ()))
        made: Clause = super().make(data)
        return made


class _Never(ClauseSchema):
    makes = NeverClause
    of = category_list(required=True)
    unless_consent = Consent(data_key="unless")
    exceptions = category_list(data_key="except")


class _Vouched(ClauseSchema):
    says = Words(required=True)
    owner = Words(required=True, allowed="who vouches for it")
    review = PeriodText(required=True)


class _Pledge(_Vouched):
    makes = PledgeClause


class _Safeguard(_Vouched):
    makes = SafeguardClause


class _Right(ClauseSchema):
    makes = RightClause
    right = Choice(Right, required=True)
    within = Within()
    to = Choice("authority", "controller")
    self_service = Flag()
    firm = Flag()
    of = NameList(ID, allowed="sale, sharing, marketing")
    regimes = NameList(ID, allowed="regimes")
    exceptions = fields.List(fields.Nested(_Exception), data_key="except")

    @validates_schema
    def check_authority(self, data: Mapping[str, Any], **more: Any) -> None:
        if data.get("to") == "authority" and "within" in data:
            raise ValidationError("cannot be promised for an authority; leave it out", "within")
        if data.get("to") and data.get("right") is not Right.COMPLAINT:
            raise ValidationError("belongs to a complaint; leave it out", "to")

    @post_load
    def make(self, data: dict[str, Any], **more: Any) -> Clause:
        data["exceptions"] = tuple(data.get("exceptions", ()))
        made: Clause = super().make(data)
        return made


class _Recipient(ClauseSchema):
    makes = RecipientClause
    name = Words(required=True)
    role = Choice(Role, required=True)
    why = NameList(required=True)
    of = category_list(required=True)
    region = Words(allowed="a country's two letters, EEA, or a region")
    safeguard = Choice(TransferSafeguard)
    tell = telling_address()
    terms = Words(allowed="the agreement that binds it, in words")
    when = Words(allowed="the condition in words")


class _Cookie(ClauseSchema):
    makes = CookieClause
    name = Words()
    none = Flag()
    party = Choice("first", "third", required=True)
    why = NameList(required=True)
    where = NameList()
    storage = NameList()
    lasts = Lasts()

    @validates_schema
    def check_name(self, data: Mapping[str, Any], **more: Any) -> None:
        if bool(data.get("none")) == ("name" in data):
            raise ValidationError("is either given, or 'none: true' says that there is no such cookie", "name")


class _Notice(ClauseSchema):
    makes = NoticeClause
    material = Ways(required=True)
    minor = Ways()
    ahead = PeriodText()


class _Acceptance(ClauseSchema):
    makes = AcceptanceClause
    by = Choice("use", "click", "signature", required=True)


class _Processor(ClauseSchema):
    makes = ProcessorClause
    forward_to = Words(r"^(mailto:[^@\s]+@[^@\s]+|https://\S+)$", required=True, allowed="mailto:ADDRESS or https://…")
    within = PeriodText(required=True)


class _Channel(ClauseSchema):
    makes = ChannelClause
    email = Words(r"^[^@\s]+@[^@\s]+\.[^@\s]+$", allowed="an e-mail address")
    phone = Words()
    post = Words()
    url = Words(r"^https://\S+$", allowed="an https address")

    @validates_schema
    def check_some(self, data: Mapping[str, Any], **more: Any) -> None:
        if not {"email", "phone", "post", "url"} & set(data):
            raise ValidationError("is missing; name email, phone, post or url", "email")


class _AgeLimit(ClauseSchema):
    makes = AgeLimitClause
    minimum = Count(1, 120, required=True)
    alternative = Choice("majority", data_key="or")


SCHEMAS: Final[Mapping[str, type[ClauseSchema]]] = {
    schema.makes.kind: schema
    for schema in (_Collects, _Purpose, _Retention, _Never, _Pledge, _Right, _Recipient, _Cookie, _Notice,
                   _Acceptance, _Processor, _Safeguard, _Channel, _AgeLimit)
}  # fmt: skip
assert set(SCHEMAS) == {each.kind for each in CLAUSE_TYPES}


def key_names(kind: str) -> Mapping[str, str]:
    """The keys of a kind as documents write them → the names of the dataclass's fields."""
    declared = SCHEMAS[kind]().fields
    return {one.data_key or name: one.attribute or name for name, one in declared.items()}


KeyPath = tuple[str | int, ...]


def read_clause(data: Any) -> tuple[Clause | None, Sequence[tuple[KeyPath, str]]]:
    """A clause from the plain data of the head, or what is wrong with it: key path and message."""
    if not isinstance(data, dict) or any(not isinstance(key, str) for key in data):
        return None, [((), f"is {shown(data)}; write {{id: …, kind: …}}")]
    schema = SCHEMAS.get(data["kind"]) if isinstance(data.get("kind"), str) else None
    if schema is None:
        found = f"is {shown(data['kind'])}" if "kind" in data else "is missing"
        return None, [(("kind",), f"{found}; allowed: {', '.join(SCHEMAS)}")]
    try:
        made = schema().load(data)
    except ValidationError as error:
        return None, list(flatten(error.messages_dict))
    assert isinstance(made, Clause)
    return made, []


def flatten(messages: Any, path: KeyPath = ()) -> list[tuple[KeyPath, str]]:
    """Nested messages of marshmallow as a list of key path and message."""
    if isinstance(messages, dict):
        return [
            found
            for key, below in messages.items()
            for found in flatten(below, path if key == "_schema" else (*path, key))
        ]
    if isinstance(messages, list):
        return [found for below in messages for found in flatten(below, path)]
    return [(path, str(messages))]
