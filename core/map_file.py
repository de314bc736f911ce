"""Reads a map that comes with the program: collections and sweeps as kept.yaml has them, every name under a prefix."""

from dataclasses import dataclass, replace
from pathlib import Path

from marshmallow import Schema, ValidationError, fields

from core.errors import ConfigurationError
from core.lined_yaml import load_lined
from core.refusals import Refusals
from core.settings import CollectionSettings, Reference, SweepSettings
from core.settings_file import _Collection, _collections, _Sweep, _sweep


@dataclass(frozen=True, kw_only=True)
class ShippedMap:
    """The collections of one store, and how the clauses over them are swept; `default` for those not named."""

    collections: tuple[CollectionSettings, ...]
    sweeps: dict[str, SweepSettings]
    default: SweepSettings


class _Mapped(_Collection):
    at = fields.Str(required=True)


class _ShippedMap(Schema):
    collections = fields.List(fields.Nested(_Mapped), required=True)
    sweeps = fields.Dict(keys=fields.Str(), values=fields.Nested(_Sweep), load_default=dict)


def load_map(path: Path, *, store: str, prefix: str) -> ShippedMap:
    """The map of one store; what is wrong in it is a fault of the release. Raises ConfigurationError."""
    document = load_lined(path.read_text(encoding="utf-8"), source=str(path))
    refusals = Refusals(document, str(path))
    try:
        loaded = _ShippedMap().load(document.data)
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {error}", remedy="Install this release again.") from error
    rows = [{**row, "at": f"{store}:{row['at']}"} for row in loaded["collections"]]
    found = _collections({"stores": {store: {}}, "collections": rows}, refusals)
    sweeps = {name: _sweep(name, options, refusals) for name, options in loaded["sweeps"].items()}
    refusals.raise_any()
    default = sweeps.pop("default", SweepSettings())
    return ShippedMap(
        collections=tuple(_named(one, prefix) for one in found),
        sweeps={f"{prefix}{name}": one for name, one in sweeps.items()},
        default=default,
    )


def _named(one: CollectionSettings, prefix: str) -> CollectionSettings:
    ways = tuple(Reference(field=way.field, to=f"{prefix}{way.to}", to_field=way.to_field) for way in one.person)
    return replace(one, id=f"{prefix}{one.id}", person=ways)
