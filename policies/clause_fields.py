"""The kinds of value that a policy's head is made of: words, names, periods, choices, each with its own refusal."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from marshmallow import ValidationError, fields, validate

from core.errors import BadInput
from policies.clauses import Answer, Channels, NoticeChannel
from policies.periods import Period

ID = r"^[a-z0-9][a-z0-9_-]{0,63}$"
_MAX_TEXT: Final = 500
_MAX_NAMES: Final = 100


def shown(value: Any) -> str:
    text = str(value)
    return f"'{text[:40]}…'" if len(text) > 40 else f"'{text}'"


class Words(fields.Field[str]):
    """One line of text that is not empty; numbers and dates are not text. `pattern` says more, `allowed` what is meant."""

    def __init__(self, pattern: str | None = None, *, allowed: str = "some words", **more: Any) -> None:
        super().__init__(**more)
        self._pattern = validate.Regexp(pattern) if pattern else None
        self._allowed = allowed

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> str:
        problem = f"is {shown(value)}; write {self._allowed}"
        if not isinstance(value, str) or not value.strip() or len(value) > _MAX_TEXT or not value.isprintable():
            raise ValidationError(problem)
        if self._pattern:
            try:
                self._pattern(value)
            except ValidationError as error:
                raise ValidationError(problem) from error
        return value.strip()


class NameList(fields.Field[tuple[str, ...]]):
    """One name or a list of names, each once."""

    def __init__(self, pattern: str | None = None, *, least: int = 1, allowed: str = "names", **more: Any) -> None:
        super().__init__(**more)
        self._one, self._least = Words(pattern, allowed=allowed), least

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any
    ) -> tuple[str, ...]:
        items = value if isinstance(value, list) else [value]
        if len(items) < self._least:
            raise ValidationError("is empty; name at least one")
        if len(items) > _MAX_NAMES:
            raise ValidationError(f"has {len(items)} names; at most {_MAX_NAMES} are read")
        if not all(isinstance(item, str) for item in items):
            raise ValidationError(f"is {shown(value)}; write one name or a list of names")
        if len(set(items)) != len(items):
            raise ValidationError(f"is {shown(', '.join(items))}; name each once")
        return tuple(str(self._one.deserialize(item)) for item in items)


class PeriodText(fields.Field[Period]):
    """An ISO 8601 duration. A bare number, which YAML reads as one, is refused with the right spelling too."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> Period:
        try:
            return Period.parse(str(value))
        except BadInput as error:
            raise ValidationError(f"{error.message}\n{error.remedy}") from error


class Choice(fields.Field[Any]):
    """One of a closed choice."""

    def __init__(self, *choices: type[StrEnum] | str, **more: Any) -> None:
        super().__init__(**more)
        self._choices: dict[str, Any] = {}
        for each in choices:
            self._choices.update({each: each} if isinstance(each, str) else {str(one): one for one in each})

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> Any:
        if not isinstance(value, str) or value not in self._choices:
            raise ValidationError(f"is {shown(value)}; allowed: {', '.join(self._choices)}")
        return self._choices[value]


class Flag(fields.Field[bool]):
    """true or false, and no other spelling of them."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError(f"is {shown(value)}; write true or false")
        return value


class Count(fields.Field[int]):
    """A whole number within bounds."""

    def __init__(self, low: int, high: int, **more: Any) -> None:
        super().__init__(**more)
        self._low, self._high = low, high

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not self._low <= value <= self._high:
            raise ValidationError(f"is {shown(value)}; write a whole number from {self._low} to {self._high}")
        return value


class Within(fields.Field[Any]):
    """A period, `by_law` or `at_once`."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> Any:
        return Answer(value) if value in list(Answer) else PeriodText().deserialize(value)


class Lasts(fields.Field[Period | None]):
    """A period, or `session`, which is read as None."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> Period | None:
        return None if value == "session" else PeriodText().deserialize(value)


class Ways(fields.Field[Channels]):
    """A list of channels: all of them; `{any: […]}`: one of them."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> Channels:
        any_of = isinstance(value, dict) and list(value) == ["any"]
        items = value["any"] if any_of else value
        if not isinstance(items, list) or not items:
            raise ValidationError(
                f"is {shown(value)}; write a list such as [email, banner], or {{any: [email, banner]}}"
            )
        one = Choice(NoticeChannel)
        return Channels(ways=tuple(NoticeChannel(str(one.deserialize(item))) for item in items), any_of=any_of)


class Consent(fields.Field[str]):
    """`{consent: PURPOSE}`."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> str:
        if not isinstance(value, dict) or list(value) != ["consent"]:
            raise ValidationError(f"is {shown(value)}; write {{consent: PURPOSE}}")
        return str(Words(ID, allowed="the consent's id").deserialize(value["consent"]))


def category_list(**more: Any) -> NameList:
    return NameList(ID, allowed="categories in lower-case letters, digits, - and _", **more)


def event_name() -> Words:
    return Words(ID, allowed="an event in lower-case letters, digits, - and _")


def telling_address() -> Words:
    """Where a recipient is told: by mail, with its own form, or over the API of a store of kept.yaml."""
    form = r"^(mailto:[^@\s]+@[^@\s]+|https://\S+|store:[a-z0-9][a-z0-9_-]*)$"
    return Words(form, allowed="mailto:ADDRESS, https://… or store:NAME")


def address(**more: Any) -> Words:
    return Words(r"^(mailto:[^@\s]+@[^@\s]+|https://\S+)$", allowed="mailto:ADDRESS or https://…", **more)
