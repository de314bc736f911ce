"""The section `erasures` of `kept.yaml`: whether what is back goes again by itself, and how much may go without a person."""

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields

from core.refusals import Refusals
from core.settings import ErasureSettings

_DEFAULT = ErasureSettings()


class ErasuresSchema(Schema):
    """The keys of the section, each with what it is when it is left out."""

    again = fields.Bool(load_default=_DEFAULT.again)
    breaker = fields.Str(load_default=f"{_DEFAULT.breaker * 100:.0f}%")


def read_erasures(given: Mapping[str, Any], refusals: Refusals) -> ErasureSettings:
    """The section as values."""
    loaded = given or ErasuresSchema().load({})
    share = re.fullmatch(r"(\d{1,3})\s*%", loaded["breaker"])
    if not share or not 1 <= int(share[1]) <= 100:
        refusals.add(("erasures", "breaker"), f"found {loaded['breaker']!r}. Write a share such as 20%.")
    return ErasureSettings(again=loaded["again"], breaker=int(share[1]) / 100 if share else _DEFAULT.breaker)
