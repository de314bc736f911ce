"""The section `owners` of `kept.yaml`: the addresses of whoever answers for clauses, by the word that a clause's `owner` is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from marshmallow import fields, validate


@dataclass(frozen=True, kw_only=True)
class OwnerSettings:
    """`owners`: a word such as `legal`, and who that is."""

    owners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def addresses(self, owner: str | None) -> tuple[str, ...]:
        """Where the owner of a clause is reached; () where nobody has said. An address is an owner by itself."""
        if owner is None:
            return ()
        return self.owners.get(owner) or ((owner,) if "@" in owner else ())


def owners_field() -> fields.Dict:
    """The section as it is read."""
    return fields.Dict(
        keys=fields.Str(validate=validate.Length(1, 120)),
        values=fields.List(fields.Email(), validate=validate.Length(1, 20)),
        load_default=dict,
    )


def read_owners(given: Mapping[str, Sequence[Any]]) -> OwnerSettings:
    """The section as values."""
    return OwnerSettings(owners={name: tuple(map(str, addresses)) for name, addresses in given.items()})
