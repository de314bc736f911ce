"""The bounds of batches, sealed: a key may name a person, and bounds are kept long after the object is gone."""

import base64
import json
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

Place = tuple[int, str]


class Bounds:
    """Sealed with the credentials of the bucket, with which one could list it anyway; the same place, the same bound."""

    def __init__(self, secret: str, bucket: str) -> None:
        derived = HKDF(hashes.SHA256(), 64, salt=None, info=b"kept bounds of batches")
        self._cipher = AESSIV(derived.derive(secret.encode()))
        self._bucket = bucket.encode()

    def seal(self, place: Place) -> str:
        sealed = self._cipher.encrypt(json.dumps(place).encode(), [self._bucket])
        return base64.urlsafe_b64encode(sealed).decode()

    def open(self, bound: Any) -> Place | None:
        """None for no bound, and for one that was sealed with credentials which have changed since."""
        if bound is None:
            return None
        try:
            place, key = json.loads(self._cipher.decrypt(base64.urlsafe_b64decode(str(bound)), [self._bucket]))
        except (InvalidTag, ValueError):
            return None
        return int(place), str(key)
