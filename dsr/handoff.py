"""People whom the host application hands over: a short-lived signed token says who they are, is good once, and for us alone.

What is not exactly so is refused with what to do next; why in full stands in the log, without anything of the token.
"""

import json
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final, Protocol

import jwt
import sqlalchemy as sa
import structlog
import urllib3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.catalogue import mark
from core.clock import Clock
from core.errors import BadInput, KeptError, NotFound, Unreachable
from core.keys import derive_key
from core.one_time import OneTimeToken
from core.personal import Personal
from core.public_keys import PublicKey, by_kid, read_public_keys
from core.settings_handoff import HandoffSettings
from dsr.desk import Desk
from dsr.typed import check_email
from dsr.ways_in_tables import HandoffRow

log = structlog.get_logger()
PURPOSE: Final = "handoff.jti"
LONGEST_TOKEN: Final = 8_192
LONGEST_CLAIM: Final = 254
# Clocks of two machines differ a little.
LEEWAY: Final = timedelta(seconds=30)
# How long somebody may take to say what they want.
LASTS: Final = timedelta(minutes=15)
# A key that nobody knows makes us ask for the keys again, but not for each token that somebody makes up.
REFETCH_AFTER: Final = timedelta(minutes=1)
STALE_AFTER: Final = timedelta(hours=1)
LARGEST_SET: Final = 64 * 1024
FETCH_SECONDS: Final = 5.0
AGAIN: Final = mark("Go back to your account and press the button there again.")
_NONCE: Final = 12


class HandoffRefused(BadInput):
    """A token that is not taken. `reason` is one word for the log and for machines."""

    def __init__(self, reason: str, message: str, *, remedy: str = AGAIN) -> None:
        super().__init__(message, remedy=remedy)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class HandedOver:
    """Who somebody is by the host application's word: an address, and what else finds them in the stores."""

    email: Personal
    identifiers: Mapping[str, Personal]
    jti: str
    expires_at: datetime


class FetchKeys(Protocol):
    """Gets a set of keys. Raises Unreachable."""

    def __call__(self, address: str) -> str: ...


def fetch_keys(address: str) -> str:
    """The set of keys at an address: https or this machine, no redirect, small, soon."""
    try:
        answer = urllib3.request(
            "GET", address, redirect=False, timeout=FETCH_SECONDS, retries=False, preload_content=False
        )
        try:
            body = answer.read(LARGEST_SET + 1)
        finally:
            answer.release_conn()
    except urllib3.exceptions.HTTPError as error:
        raise Unreachable("The keys of the application did not come.", remedy="Try again in a minute.") from error
    if answer.status != 200 or len(body) > LARGEST_SET:
        raise Unreachable(f"The keys of the application answered {answer.status}.", remedy="Try again in a minute.")
    return str(body.decode("utf-8", errors="replace"))


@dataclass(kw_only=True)
class _Fetched:
    """What an address gave last. `tried_at`: also when it gave nothing."""

    keys: tuple[PublicKey, ...] = ()
    at: datetime | None = None
    tried_at: datetime | None = None


class KeyRing:
    """The keys of files, and of addresses that are asked again when they are old, or when a token names one that is new."""

    def __init__(self, settings: HandoffSettings, clock: Clock, fetch: FetchKeys = fetch_keys) -> None:
        self._settings = settings
        self._clock = clock
        self._fetch = fetch
        self._lock = threading.Lock()
        self._fetched = {one: _Fetched() for one in settings.addresses}

    def find(self, kid: str | None) -> tuple[PublicKey, ...]:
        """The keys that a token with this name may be signed with. Raises Unreachable where none was ever fetched."""
        for is_retry in (False, True):
            known = self._known(refetch=is_retry)
            found = by_kid(known, kid)
            if found or not self._settings.addresses:
                return found
        if not known:
            raise Unreachable("The keys of the application did not come.", remedy="Try again in a minute.")
        return ()

    def _known(self, *, refetch: bool) -> tuple[PublicKey, ...]:
        now, keys = self._clock.now(), list(self._settings.keys)
        with self._lock:
            for address, held in self._fetched.items():
                is_old = held.at is None or now - held.at > STALE_AFTER
                may_ask = held.tried_at is None or now - held.tried_at >= REFETCH_AFTER
                if may_ask and (is_old or refetch):
                    self._ask(address, held, now)
                keys += held.keys
        return tuple(keys)

    def _ask(self, address: str, held: _Fetched, now: datetime) -> None:
        held.tried_at = now
        try:
            held.keys, held.at = read_public_keys(self._fetch(address), lenient=True), now
        except KeptError as error:  # those that are known stay good until the address answers again
            log.warning("handoff.keys", reason=error.message)


@dataclass(frozen=True, kw_only=True)
class HandoffPass:
    """What a browser goes on with once it was handed over: `token` is for its form alone; `contact` is masked on pages."""

    token: str = field(repr=False)
    person: HandedOver


class HandOffs:
    """Checks tokens, spends each once, and remembers for minutes who is at the form."""

    def __init__(self, desk: Desk, settings: HandoffSettings | None, *, ring: KeyRing | None = None) -> None:
        self._desk = desk
        self._settings = settings
        self._ring = ring or (KeyRing(settings, desk.clock) if settings else None)

    @property
    def is_on(self) -> bool:
        """Whether kept.yaml names an application that hands people over."""
        return self._settings is not None

    def check(self, token: str) -> HandedOver:
        """Who a token names; spends nothing. Raises HandoffRefused, Unreachable."""
        try:
            return self._check(token)
        except HandoffRefused as refusal:
            log.warning("handoff.refused", reason=refusal.reason)
            raise

    def spend(self, session: Session, person: HandedOver) -> None:
        """Use a token up, in the caller's transaction. Raises HandoffRefused for one that was used before."""
        assert self._settings is not None
        now, name = self._desk.clock.now(), sha256(f"{self._settings.issuer}\n{person.jti}".encode()).hexdigest()
        row = OneTimeToken(
            hash=name, purpose=PURPOSE, subject=PURPOSE, expires_at=person.expires_at + LEEWAY, spent_at=now
        )
        try:
            with session.begin_nested():
                session.add(row)
        except IntegrityError as error:
            log.warning("handoff.refused", reason="replayed")
            raise HandoffRefused("replayed", mark("This was used before, and it works once.")) from error

    def begin(self, token: str) -> HandoffPass:
        """Take somebody in: the token is used up, and they have minutes to say what they want. Raises HandoffRefused."""
        person, desk = self.check(token), self._desk
        name, now = secrets.token_urlsafe(32), desk.clock.now()
        with desk.database.begin() as session:
            self.spend(session, person)
            row = HandoffRow(hash=_hash(name), at=now, expires_at=now + LASTS, sealed=self._seal(person, name))
            session.add(row)
        return HandoffPass(token=name, person=person)

    def look(self, name: str) -> HandedOver:
        """Who is at the form. Raises NotFound once the minutes are over, or it was sent."""
        with self._desk.database.read() as session:
            return self._open(session, name)

    def take(self, session: Session, name: str) -> HandedOver:
        """The same, in the caller's transaction, and it is over with that. Raises NotFound."""
        person = self._open(session, name)
        gone = sa.delete(HandoffRow).where(HandoffRow.hash == _hash(name)).returning(HandoffRow.hash)
        if session.execute(gone).first() is None:
            raise _over()
        return person

    def expire(self) -> None:
        """Forget whoever did not say what they want."""
        with self._desk.database.begin() as session:
            session.execute(sa.delete(HandoffRow).where(HandoffRow.expires_at <= self._desk.clock.now()))

    def _open(self, session: Session, name: str) -> HandedOver:
        row = session.get(HandoffRow, _hash(name))
        if row is None or row.expires_at <= self._desk.clock.now():
            raise _over()
        sealed, cipher = row.sealed, AESGCM(self._key())
        plain = json.loads(cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], row.hash.encode()))
        return HandedOver(
            email=Personal(plain["email"]),
            identifiers={kind: Personal(value) for kind, value in plain["identifiers"].items()},
            jti=plain["jti"],
            expires_at=row.expires_at,
        )

    def _seal(self, person: HandedOver, name: str) -> bytes:
        plain = {
            "email": person.email.reveal(),
            "identifiers": {kind: value.reveal() for kind, value in person.identifiers.items()},
            "jti": person.jti,
        }
        nonce = secrets.token_bytes(_NONCE)
        return nonce + AESGCM(self._key()).encrypt(nonce, json.dumps(plain).encode(), _hash(name).encode())

    def _key(self) -> bytes:
        return derive_key(self._desk.secret, "requests.handoff")

    def _check(self, token: str) -> HandedOver:
        if self._settings is None or self._ring is None:
            raise NotFound("No application hands people over here.", remedy="Use the form.")
        claims = self._verified(token)
        issued, expires = _instant(claims, "iat"), _instant(claims, "exp")
        now, ahead = self._desk.clock.now(), self._desk.clock.now() + LEEWAY
        if issued > ahead or ("nbf" in claims and _instant(claims, "nbf") > ahead):
            raise HandoffRefused(
                "future",
                mark("The clock of the application you come from runs ahead of ours."),
                remedy=mark("Wait a minute, then press the button in your account again."),
            )
        if expires < now - LEEWAY or issued < now - self._settings.max_age - LEEWAY:
            raise HandoffRefused("expired", mark("Its time is over: it is good for a few minutes."))
        if expires - issued > self._settings.max_age + LEEWAY:
            raise _unknown("lives_too_long")
        return self._person(claims, min(expires, issued + self._settings.max_age))

    def _verified(self, token: str) -> dict[str, Any]:
        """The claims of a token that one of the known keys has signed, by the one algorithm of that key."""
        assert self._settings is not None
        assert self._ring is not None
        try:
            if not token or len(token) > LONGEST_TOKEN:
                raise _unknown("malformed")
            head = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise _unknown("malformed") from error
        kid, algorithm = head.get("kid"), head.get("alg")
        if algorithm not in ("EdDSA", "ES256", "RS256"):
            raise _unknown("algorithm")
        for one in self._ring.find(kid if isinstance(kid, str) else None):
            if one.algorithm == algorithm and (claims := self._signed_by(token, one)) is not None:
                return claims
        raise _unknown("key")

    def _signed_by(self, token: str, one: PublicKey) -> dict[str, Any] | None:
        assert self._settings is not None
        try:
            return jwt.decode(
                token,
                key=one.key,
                algorithms=[one.algorithm],
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                # Times are looked at by the clock that is handed in.
                options={"require": ["iss", "aud", "iat", "exp", "jti"], "verify_exp": False, "verify_iat": False,
                         "verify_nbf": False},
            )  # fmt: skip
        except jwt.InvalidSignatureError:
            return None
        except jwt.InvalidAudienceError as error:
            raise _unknown("audience") from error
        except jwt.InvalidIssuerError as error:
            raise _unknown("issuer") from error
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise _unknown("claims") from error

    def _person(self, claims: Mapping[str, Any], expires_at: datetime) -> HandedOver:
        assert self._settings is not None
        jti, found = claims["jti"], dict[str, Personal]()
        if not isinstance(jti, str) or not 8 <= len(jti) <= 200:
            raise _unknown("jti")
        for kind, claim in self._settings.identifiers.items():
            value = claims.get(claim)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, str | int) or not 0 < len(str(value)) <= LONGEST_CLAIM:
                raise _unknown("identifiers")
            found[kind] = Personal(str(value))
        problems: dict[str, str] = {}
        email = check_email(found["email"].reveal(), problems) if "email" in found else ""
        if problems or not email or claims.get("email_verified") is False:
            raise HandoffRefused(
                "no_address",
                mark("The application you come from knows no e-mail address of yours that is confirmed."),
                remedy=mark("Confirm one in your account, or use our form."),
            )
        found["email"] = Personal(email)
        return HandedOver(email=found["email"], identifiers=found, jti=jti, expires_at=expires_at)


def _instant(claims: Mapping[str, Any], name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unknown("claims")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise _unknown("claims") from error


def _unknown(reason: str) -> HandoffRefused:
    return HandoffRefused(reason, mark("We cannot tell that you come from an account with us."))


def _over() -> NotFound:
    return NotFound(mark("Your minutes at this form are over, or it was sent."), remedy=AGAIN)


def _hash(name: str) -> str:
    return sha256(name.encode()).hexdigest()
