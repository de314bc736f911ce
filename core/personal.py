"""Personal data as a type: it prints `***` wherever it is printed by accident."""

from typing import Final

MASK: Final = "***"


class Personal:
    """A value about a person. `str`, `repr`, formatting and logs show `***`; `.reveal()` is the one way to the value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"Personal({MASK})"

    def __format__(self, spec: str) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Personal) and other._value == self._value

    def __hash__(self) -> int:
        return hash(("Personal", self._value))

    def __reduce__(self) -> str:
        raise TypeError("Personal values are not pickled")


def mask(value: object, *, keep: int = 2) -> str:
    """A value as an operator may see it in a sample: the first characters, then dots; an address keeps its domain's end."""
    text = str(value)
    if "@" in text:
        local, _, domain = text.partition("@")
        return f"{local[:1]}••••@••••.{domain.rpartition('.')[2]}"
    return f"{text[:keep]}••••" if len(text) > keep else "••••"
