"""What kinds of keys a Redis database holds, told from a sample of their names."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from stores.redis_records import as_name

MOST_PATTERNS: Final = 200
_WORD = re.compile(r"[A-Za-z][A-Za-z_.-]{0,39}", re.ASCII)
_SPECIAL = re.compile(r"([*?{}\\])")


def name_patterns_of(names: Sequence[bytes]) -> tuple[str, ...]:
    """The patterns under which these keys fall: words that many keys share stay, what tells one key from another is `*`."""
    parts = [as_name(name).split(":") for name in names]
    shared = Counter((place, part) for key in parts for place, part in enumerate(key))
    found = {":".join(_left_open(place, part, shared) for place, part in enumerate(key)) for key in parts}
    return tuple(sorted(found)[:MOST_PATTERNS])


def _left_open(place: int, part: str, shared: Counter[tuple[int, str]]) -> str:
    is_word = _WORD.fullmatch(part) is not None and (place == 0 or shared[(place, part)] > 1)
    return _SPECIAL.sub(r"\\\1", part) if is_word else "*"
