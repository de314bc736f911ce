"""Names for rows: opaque ids, and references that a person can read over the telephone."""

import secrets
from typing import Final

# No letters or digits that are taken for one another, and no vowels, so that no word appears by chance.
SPOKEN: Final = "23456789BCDFGHJKMNPQRSTVWXZ"


def new_id(prefix: str) -> str:
    """An opaque id such as `ent_9f2c…`: a prefix that says what it names, and 96 random bits in hex."""
    return f"{prefix}_{secrets.token_hex(12)}"


def new_reference() -> str:
    """A reference such as `K7F3Q-2MXB`: 9 spoken characters, about 43 random bits."""
    letters = [secrets.choice(SPOKEN) for _ in range(9)]
    return "".join(letters[:5]) + "-" + "".join(letters[5:])
