"""What is wrong in a configuration, collected so that one run names all of it, and the spans of time it writes."""

import re
from datetime import timedelta

from core.errors import ConfigurationError
from core.lined_yaml import LinedDocument, Path

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Refusals:
    """Collects what is wrong, so that one run names all of it."""

    def __init__(self, document: LinedDocument, source: str) -> None:
        self._document = document
        self._source = source
        self._found: list[tuple[int, str]] = []

    def add(self, path: Path, problem: str) -> None:
        where = ".".join(str(part) for part in path)
        self._found.append((self._document.line(path), f"{where}: {problem}" if where else problem))

    def raise_any(self) -> None:
        if self._found:
            lines = [f"{self._source}:{line}: {text}" for line, text in sorted(set(self._found))]
            raise ConfigurationError("\n".join(lines), remedy="\nNothing was started or changed.")


def parse_span(text: str, path: Path, refusals: Refusals) -> timedelta | None:
    """A span such as `30s`, `10m`, `1h` or `1d`."""
    match = re.fullmatch(r"([1-9]\d{0,7})([smhd])", text)
    if not match:
        refusals.add(path, f"found {text!r}. Write a number and s, m, h or d, such as 10m.")
        return None
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def parse_days(text: str, path: Path, refusals: Refusals) -> timedelta | None:
    """Whole days such as `7d`; `0d` is none."""
    match = re.fullmatch(r"(0|[1-9]\d{0,2})d", text)
    if not match:
        refusals.add(path, f"found {text!r}. Write whole days from 0d to 999d, such as 7d.")
        return None
    return timedelta(days=int(match[1]))
