"""One form of an identifier of a person, so that two spellings of the same give one hash."""

import unicodedata

from core.errors import BadInput


def one_form(kind: str, value: str) -> str:
    """What a keyed hash of an identifier is taken over: composed, trimmed, an address in small letters, as people are found.

    Raises BadInput for an empty one."""
    text = unicodedata.normalize("NFC", value).strip()
    if not text or "\x00" in text:
        raise BadInput(f"A value given for the identifier '{kind}' is empty.", remedy="An empty value is nobody's.")
    return text.lower() if kind == "email" else text
