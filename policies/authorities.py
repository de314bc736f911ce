"""Supervisory authorities: to whom a person in a country, or a part of it, can complain."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

_FOLDER: Final = Path(__file__).with_name("authorities")
# Where a country has several: the one for the country as a whole, and those for companies in its parts. The others of
# the data set (churches, broadcasters, public bodies of Bavaria) are for special controllers.
_NATIONAL: Final[Mapping[str, str]] = {"DE": "debfdi", "ES": "esaepa"}
_REGIONAL: Final[Mapping[str, str]] = {
    "DE-BW": "debawueldb", "DE-BY": "debaylda", "DE-BE": "deberlbdi", "DE-BB": "debralda", "DE-HB": "debrelfdi",
    "DE-HH": "dehmbbfdi", "DE-HE": "dehessbdi", "DE-MV": "demvldi", "DE-NI": "dendslfd", "DE-NW": "denrwldi",
    "DE-RP": "derlpbdi", "DE-SL": "desaarudz", "DE-SN": "desaechsdsb", "DE-ST": "desalbd", "DE-SH": "deshuld",
    "DE-TH": "detlfdi",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Authority:
    """One authority. `address` has several lines; `language` is the one it takes complaints in."""

    slug: str
    name: str
    countries: tuple[str, ...]
    address: str
    url: str | None
    email: str | None
    phone: str | None
    webform: str | None
    language: str | None


def authority_for(country: str | None, subdivision: str | None = None) -> Authority | None:
    """The authority of a place by ISO 3166 codes, None where the data has none."""
    if not country:
        return None
    place = country.upper()
    regional = _REGIONAL.get(f"{place}-{subdivision.upper()}") if subdivision else None
    slug = regional or _NATIONAL.get(place)
    if slug:
        return _all()[slug]
    return next((one for one in _all().values() if one.countries[:1] == (place,)), None) or next(
        (one for one in _all().values() if place in one.countries), None
    )


@cache
def _all() -> Mapping[str, Authority]:
    found = (_read(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(_FOLDER.glob("*.json")))
    return {one.slug: one for one in found}


def _read(data: Mapping[str, Any]) -> Authority:
    return Authority(
        slug=data["slug"],
        name=data["name"],
        countries=tuple(code.upper() for code in data["relevant-countries"]),
        address=data["address"],
        url=data.get("web"),
        email=data.get("email"),
        phone=data.get("phone"),
        webform=data.get("webform"),
        language=data.get("complaint-language"),
    )


def countries() -> tuple[str, ...]:
    """The countries that have an authority here, by ISO 3166 codes."""
    return tuple(sorted({country for one in _all().values() for country in one.countries}))
