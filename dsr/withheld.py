"""Which fields are named as held and never sent back: passwords and tokens always, account numbers and government ids by law."""

import re
from typing import Final

from core.settings import CollectionSettings

_CREDENTIAL: Final = re.compile(
    r"(^|_)(password|passwd|passphrase|pwd|secret|salt|otp|pin|cvc|cvv)(_|$)"
    r"|(^|_)(token|key|password|secret|code)_?(hash|digest)(_|$)"
    r"|^token$|(^|_)(access|refresh|session|auth|bearer|reset|login|verification)_token(_|$)"
    r"|security_(answer|question)",
    re.IGNORECASE,
)
_CREDENTIAL_KEYS: Final = ("user.authorization", "user.account.password", "user.credentials")
# Numbers that open an account or stand for a person before the state.
_NUMBER_KEYS: Final = (
    "user.financial.account_number", "user.financial.bank_account", "user.financial.credit_card", "user.government_id"
)  # fmt: skip


def is_credential(name: str, fideslang: str | None) -> bool:
    """Whether a field is a password, a token or the like: named as held, never sent back."""
    return (fideslang or "").startswith(_CREDENTIAL_KEYS) or _CREDENTIAL.search(name) is not None


def is_number_of_account(fideslang: str | None) -> bool:
    """Whether a field is an account number or a government id, by what the map says of it."""
    return (fideslang or "").startswith(_NUMBER_KEYS)


def numbers_of(collection: CollectionSettings) -> frozenset[str]:
    """The fields of a collection that are account numbers or government ids."""
    return frozenset(name for name, field in collection.fields.items() if is_number_of_account(field.fideslang))
