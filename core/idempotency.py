"""Idempotency keys of machines: the same key and body is the same act, the same key and another body is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.canonical import Json, keyed_digest
from core.database import Base
from core.errors import BadInput
from core.ids import new_id

KEPT_FOR: Final = timedelta(hours=24)
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


class KeyReused(BadInput):
    """A key that came with another body before."""

    status = 422


class IdempotencyRow(Base):
    """One key that was used: hashes of the key and of the body, and the id of what it made. No answer, so nothing personal."""

    __tablename__ = "idempotency_keys"
    key: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    body: Mapped[str] = mapped_column(sa.String(64))
    made: Mapped[str] = mapped_column(sa.String(40))
    at: Mapped[datetime] = mapped_column(index=True)


@dataclass(frozen=True, kw_only=True)
class IdempotencyKey:
    """A key as it stands in the table (`key`, `body`: keyed hashes): good for one token and one address."""

    key: str
    body: str

    def find(self, session: Session, now: datetime) -> IdempotencyRow | None:
        """What this key made in the last 24 hours, and when; None if it is new. Raises KeyReused."""
        row = session.get(IdempotencyRow, self.key)
        if row is None or row.at < now - KEPT_FOR:
            return None
        if row.body != self.body:
            raise KeyReused(
                "This Idempotency-Key came with another body before.", remedy="Use a new key for a new request."
            )
        return row

    def keep(self, session: Session, made: str, now: datetime) -> None:
        """Remember what the key made; keys older than a day go. Raises IntegrityError when another process was first."""
        old = sa.or_(IdempotencyRow.at < now - KEPT_FOR, IdempotencyRow.key == self.key)
        session.execute(sa.delete(IdempotencyRow).where(old))
        session.add(IdempotencyRow(key=self.key, body=self.body, made=made, at=now))
        session.flush()


def read_key(text: str, *, secret: bytes, token: str, address: str, body: Json) -> IdempotencyKey:
    """The key of a request, from its header `Idempotency-Key`."""
    if not _KEY.fullmatch(text):
        raise BadInput(
            "This Idempotency-Key cannot be used.", remedy=f"Send up to 255 visible characters, as {new_id('key')}."
        )
    return IdempotencyKey(key=keyed_digest(secret, [token, address, text]), body=keyed_digest(secret, body))
