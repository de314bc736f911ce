"""The small language of recipes: paths into JSON, and texts with values in them, each escaped for where it stands."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from core.errors import BadInput, KeptError

PLACES: Final = re.compile(r"\{([a-z_]+)(?::([a-z]+))?\}")
PATH_FORM: Final = re.compile(r"[A-Za-z0-9_@$-]+\??(?:\.[A-Za-z0-9_@$-]+\??)*")
FORMS: Final = ("quoted",)

Values = Mapping[str, str | tuple[str, ...]]


class PathMissing(KeptError):
    """An answer lacks a path that the recipe maps: nobody knows what it says, so nothing is concluded from it."""


def read_path(data: Any, path: str) -> Any:
    """What stands at `path` (`a.b.c`; '' for all of it). NULL on the way is NULL at its end. A key that is not there raises
    PathMissing with the path alone, unless it ends in `?`."""
    node = data
    for part in path.split(".") if path else ():
        name = part.removesuffix("?")
        if node is None:
            return None
        if not isinstance(node, dict):
            raise PathMissing(f"Its answer has something else than an object above '{name}' of '{path}'.")
        if name not in node:
            if part.endswith("?"):
                return None
            raise PathMissing(f"Its answer has no '{path}'.")
        node = node[name]
    return node


def read_each(data: Any, path: str) -> list[Any]:
    """The same, where `list[].x` stands for x of every element; a list at its end counts by its elements."""
    head, several, rest = path.partition("[].")
    node = read_path(data, head)
    if node is None:
        return []
    elements = node if isinstance(node, list) else [node]
    return [found for element in elements for found in (read_each(element, rest) if several else [element])]


def fill_path(template: str, values: Values) -> str:
    """A path of an address: what is put in stays one segment of it."""

    def put(match: re.Match[str]) -> str:
        text = _one(match, values)
        if text in ("", ".", ".."):
            raise BadInput("An empty value, '.' or '..' cannot stand in an address.", remedy="Correct the identifier.")
        return quote(text, safe="")

    return PLACES.sub(put, template)


def fill_text(template: str, values: Values) -> str:
    """A text of a query or a body, which is encoded as a whole afterwards."""
    return PLACES.sub(lambda match: _one(match, values), template)


def fill_pairs(template: Mapping[str, Any], values: Values) -> list[tuple[str, str]]:
    """Names and values of a query or a form; `{keys}` alone repeats its name for each."""
    pairs: list[tuple[str, str]] = []
    for name, text in template.items():
        several = _several(text, values)
        if several is not None:
            pairs += [(name, one) for one in several]
        else:
            pairs.append((name, fill_text(text, values) if isinstance(text, str) else _scalar(text)))
    return pairs


def fill_json(template: Any, values: Values) -> Any:
    """A JSON body; `{keys}` alone becomes a list."""
    if isinstance(template, dict):
        return {name: fill_json(one, values) for name, one in template.items()}
    if isinstance(template, list):
        return [fill_json(one, values) for one in template]
    if not isinstance(template, str):
        return template
    several = _several(template, values)
    return list(several) if several is not None else fill_text(template, values)


def places_of(template: Any) -> set[tuple[str, str | None]]:
    """Every place in a template, with the form it is written in."""
    if isinstance(template, dict):
        return {found for one in template.values() for found in places_of(one)}
    if isinstance(template, list):
        return {found for one in template for found in places_of(one)}
    if not isinstance(template, str):
        return set()
    return {(match[1], match[2]) for match in PLACES.finditer(template)}


def _several(text: Any, values: Values) -> tuple[str, ...] | None:
    match = PLACES.fullmatch(text) if isinstance(text, str) else None
    found = values.get(match[1]) if match else None
    return found if isinstance(found, tuple) else None


def _one(match: re.Match[str], values: Values) -> str:
    found = values[match[1]]
    if isinstance(found, tuple):
        raise BadInput(f"{{{match[1]}}} is a list and stands inside a text.", remedy="Let it stand alone.")
    return _quoted(found) if match[2] == "quoted" else found


def _quoted(text: str) -> str:
    """For inside quotation marks of either kind: nothing in it ends them."""
    return re.sub(r"""([\\'"])""", r"\\\1", text)


def _scalar(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
