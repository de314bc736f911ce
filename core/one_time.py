"""One-time tokens: 256 bits, stored hashed, for one purpose, expiring, spent by one POST."""

import hashlib
import secrets
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.database import Base
from core.errors import NotFound


class OneTimeToken(Base):
    """A token's hash, what it is for, and whom or what it names."""

    __tablename__ = "one_time_tokens"
    hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    purpose: Mapped[str] = mapped_column(sa.String(40))
    subject: Mapped[str] = mapped_column(sa.String(80), index=True)
    expires_at: Mapped[datetime]
    spent_at: Mapped[datetime | None]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def issue_token(session: Session, *, purpose: str, subject: str, now: datetime, lasts: timedelta) -> str:
    """Make a token for `subject` (an opaque id); only its hash is kept."""
    token = secrets.token_urlsafe(32)
    row = OneTimeToken(hash=_hash(token), purpose=purpose, subject=subject, expires_at=now + lasts, spent_at=None)
    session.add(row)
    return token


def void_tokens(session: Session, *, purpose: str, subject: str, now: datetime) -> None:
    """Spend every token of a subject that is left for a purpose."""
    left = sa.update(OneTimeToken).where(
        OneTimeToken.purpose == purpose, OneTimeToken.subject == subject, OneTimeToken.spent_at.is_(None)
    )
    session.execute(left.values(spent_at=now))


def look_up_token(session: Session, token: str, *, purpose: str, now: datetime) -> str:
    """The subject of a token that could still be spent; changes nothing. Raises NotFound without telling why."""
    row = session.get(OneTimeToken, _hash(token))
    if row is None or row.purpose != purpose or row.spent_at is not None or row.expires_at <= now:
        raise NotFound("This link has been used, or its time is over.", remedy="Ask for a new one.")
    return row.subject


def spend_token(session: Session, token: str, *, purpose: str, now: datetime) -> str:
    """Spend a token once and give its subject. Of two who try at the same time, one gets NotFound."""
    subject = look_up_token(session, token, purpose=purpose, now=now)
    spent = session.execute(
        sa.update(OneTimeToken)
        .where(OneTimeToken.hash == _hash(token), OneTimeToken.spent_at.is_(None))
        .values(spent_at=now)
        .returning(OneTimeToken.hash)
    ).first()
    if spent is None:
        raise NotFound("This link has been used, or its time is over.", remedy="Ask for a new one.")
    return subject
