"""Operators: who may sign in to the console, what each role may do, and the tokens of machines."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Final

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from email_validator import EmailNotValidError, validate_email
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.database import Base
from core.errors import BadInput, Conflict, NotFound
from core.ids import new_id

SHORTEST_PASSWORD: Final = 12
# The purpose of the one-time links with which an operator chooses a password; commands make them, the sign-in page spends them.
PASSWORD_LINK: Final = "operator.password"  # noqa: S105 - the name of a purpose
_hasher = PasswordHasher()


@cache
def _nobody() -> str:
    """A hash to verify when nobody has the address, so that the time taken tells nothing."""
    return _hasher.hash("nobody has this password")


class Role(StrEnum):
    """AGENT: works on requests and reads everything. ADMINISTRATOR: also approves sweeps, publishes, manages operators."""

    AGENT = "agent"
    ADMINISTRATOR = "administrator"


class Permission(StrEnum):
    """What a page or an act of the console needs."""

    READ = "read"
    WORK_REQUESTS = "work_requests"
    APPROVE_SWEEPS = "approve_sweeps"
    PUBLISH_POLICY = "publish_policy"
    VOUCH = "vouch"
    MANAGE = "manage"


# The one place that decides who may do what.
GRANTS: Final[dict[Role, frozenset[Permission]]] = {
    Role.AGENT: frozenset({Permission.READ, Permission.WORK_REQUESTS}),
    Role.ADMINISTRATOR: frozenset(Permission),
}


class OperatorRow(Base):
    """One operator. `session_epoch` grows with each reset, so that old sessions end."""

    __tablename__ = "operators"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(254), unique=True)
    name: Mapped[str] = mapped_column(sa.String(120))
    role: Mapped[str] = mapped_column(sa.String(20))
    password_hash: Mapped[str | None] = mapped_column(sa.String(200))
    session_epoch: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class ApiTokenRow(Base):
    """A bearer token of a machine, stored hashed, with the scopes it carries."""

    __tablename__ = "api_tokens"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    name: Mapped[str] = mapped_column(sa.String(120))
    scopes: Mapped[str] = mapped_column(sa.String(400))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


@dataclass(frozen=True, kw_only=True)
class ApiToken:
    """A bearer token as the pages see it: `id` is the actor of what a machine does, `scopes` what it may."""

    id: str
    scopes: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Operator:
    """An operator as the other rooms see one."""

    id: str
    email: str
    name: str
    role: Role
    session_epoch: int

    def may(self, permission: Permission) -> bool:
        return permission in GRANTS[self.role]


def _operator(row: OperatorRow) -> Operator:
    return Operator(id=row.id, email=row.email, name=row.name, role=Role(row.role), session_epoch=row.session_epoch)


def add_operator(session: Session, *, email: str, name: str, role: Role, now: datetime) -> Operator:
    """Add an operator without a password; a one-time link lets them choose one."""
    try:
        email = validate_email(email, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as error:
        raise BadInput(f"That is not an e-mail address: {error}", remedy="Write it as name@example.com.") from error
    if session.execute(sa.select(OperatorRow.id).where(OperatorRow.email == email)).first():
        raise Conflict("There is an operator with this address.", remedy="Use `kept user reset` for a new password.")
    row = OperatorRow(
        id=new_id("opr"), email=email, name=name, role=role.value, password_hash=None, session_epoch=0, created_at=now
    )
    session.add(row)
    return _operator(row)


def find_operator(session: Session, email: str) -> Operator:
    """The operator with an address. Raises NotFound."""
    row = session.execute(sa.select(OperatorRow).where(OperatorRow.email == email)).scalar_one_or_none()
    if row is None:
        raise NotFound("No operator has this address.", remedy="Add one with `kept user add`.")
    return _operator(row)


def load_operator(session: Session, operator_id: str) -> Operator | None:
    """The operator of a running session, unless disabled since."""
    row = session.get(OperatorRow, operator_id)
    return _operator(row) if row and row.disabled_at is None else None


def list_operators(session: Session) -> list[Operator]:
    """All operators who may sign in, by name."""
    rows = session.execute(sa.select(OperatorRow).where(OperatorRow.disabled_at.is_(None)).order_by(OperatorRow.name))
    return [_operator(row) for row in rows.scalars()]


def part_with(session: Session, operator_id: str, now: datetime) -> None:
    """An operator leaves: they sign in no more, and their sessions end. What they did keeps their id; their name goes later."""
    row = session.get_one(OperatorRow, operator_id)
    if row.disabled_at is not None:
        raise Conflict("This operator has left already.", remedy="Nothing is left to do.")
    row.disabled_at, row.session_epoch = now, row.session_epoch + 1


def set_password(session: Session, operator_id: str, password: str) -> None:
    """Set a password (argon2id) and end every session made with the old one."""
    if len(password) < SHORTEST_PASSWORD:
        raise BadInput(
            f"The password has {len(password)} characters.",
            remedy=f"Use at least {SHORTEST_PASSWORD}; a sentence is good.",
        )
    row = session.get_one(OperatorRow, operator_id)
    row.password_hash, row.session_epoch = _hasher.hash(password), row.session_epoch + 1


def check_password(session: Session, email: str, password: str) -> Operator | None:
    """The operator whose address and password these are; None otherwise, in about the same time."""
    row = session.execute(sa.select(OperatorRow).where(OperatorRow.email == email.strip())).scalar_one_or_none()
    known = row is not None and row.password_hash is not None and row.disabled_at is None
    try:
        _hasher.verify(row.password_hash if row and row.password_hash else _nobody(), password)
    except (VerificationError, InvalidHashError):
        return None
    return _operator(row) if row is not None and known else None


def create_token(session: Session, *, name: str, scopes: frozenset[str], now: datetime) -> str:
    """Make a bearer token; it is shown once and kept hashed."""
    token = f"kept_{secrets.token_urlsafe(32)}"
    session.add(
        ApiTokenRow(
            id=new_id("tok"),
            hash=hashlib.sha256(token.encode()).hexdigest(),
            name=name,
            scopes=" ".join(sorted(scopes)),
            created_at=now,
            revoked_at=None,
        )
    )
    return token


def find_token(session: Session, token: str) -> ApiToken | None:
    """The bearer token that a machine sent; None if nobody issued it or it was revoked."""
    row = session.execute(
        sa.select(ApiTokenRow).where(ApiTokenRow.hash == hashlib.sha256(token.encode()).hexdigest())
    ).scalar_one_or_none()
    if row is None or row.revoked_at is not None:
        return None
    return ApiToken(id=row.id, scopes=frozenset(row.scopes.split()))
