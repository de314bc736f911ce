"""Who signs checkpoints: the keys derived from the installation's secret, one after the other, and the log's name."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Session

from core.errors import CheckFailed
from core.keys import signing_key
from ledger.keeping_tables import TermRow
from ledger.notes import NoteKey, NoteRefused, TreeHead, head_inside, key_of, open_note, read_tree_head
from ledger.succession import origin_in
from ledger.tables import LeafTable

FIRST: Final = "first"


class KeyLostError(CheckFailed):
    """The key that signed the latest checkpoint is not among those that the installation's secret gives."""


@dataclass(frozen=True, kw_only=True)
class Signing:
    """The key and the name that the next checkpoint is signed with."""

    private: Ed25519PrivateKey
    name: str
    number: int
    epoch: int

    @property
    def key(self) -> NoteKey:
        return key_of(self.private, self.name)


class Signer:
    """Finds what to sign with, and opens what was signed."""

    def __init__(self, secret: bytes, origin: str) -> None:
        self._secret = secret
        self._origin = origin

    def private(self, number: int) -> Ed25519PrivateKey:
        """The key of a number; the first is that of installations that never changed theirs."""
        return signing_key(self._secret, "ledger" if number == 1 else f"ledger {number}")

    def signing(self, session: Session, size: int) -> Signing:
        """What signs the checkpoint after the one over `size` entries. A successor signs once the entry that names it stands
        under a checkpoint of the key before it; one in place of a lost key, and a new name, do so at once."""
        number, epoch = 1, 1
        for term in terms(session):
            if term.kind == "rotated" and not _is_under(session, term, size):
                break
            number, epoch = term.key_number, term.epoch
        return Signing(private=self.private(number), name=origin_in(self._origin, epoch), number=number, epoch=epoch)

    def open(self, session: Session, note: str) -> TreeHead:
        """What the latest checkpoint says, if one of the log's keys signed it. Raises KeyLostError, NoteRefused."""
        name = head_inside(note).origin
        known = [term.public for term in terms(session)]
        derived = key_of(self.private(self.signing(session, 0).number), name).public
        for public in dict.fromkeys([*known, derived]):
            try:
                return read_tree_head(open_note(note, [NoteKey(name=name, public=public)]))
            except NoteRefused:
                continue
        raise KeyLostError(
            "The secret key here is not the one that the ledger was signed with.",
            remedy="Put back the key that `service.secret_key` names. If it is lost, run 'kept ledger rotate-key --lost'.",
        )

    def require_own(self, session: Session, size: int) -> Signing:
        """What signs next, refused where the secret no longer gives the key that the log says it is. Raises KeyLostError."""
        found = self.signing(session, size)
        said = [term.public for term in terms(session) if term.key_number == found.number]
        if said and found.key.public != said[-1]:
            raise KeyLostError(
                "The secret key here gives another signing key than the one that the ledger names.",
                remedy="Put back the key that `service.secret_key` names. If it is lost, run 'kept ledger rotate-key --lost'.",
            )
        return found

    def note_first(self, session: Session, signing: Signing, now: datetime) -> None:
        """Write down the first key while it is there: without it nobody could say later what the log was signed with."""
        if not terms(session):
            add_term(session, kind=FIRST, key_number=1, epoch=1, public=signing.key.public, entry_id=None, at=now)


def terms(session: Session) -> Sequence[TermRow]:
    """Every term in its order."""
    return session.execute(sa.select(TermRow).order_by(TermRow.number)).scalars().all()


def add_term(
    session: Session,
    *,
    kind: str,
    key_number: int,
    epoch: int,
    public: bytes,
    entry_id: str | None,
    at: datetime,
    sizes: tuple[int, int] | None = None,
) -> None:
    """A term behind the last. `sizes`: of a rollback, what stayed and what had been signed."""
    last = session.execute(sa.select(sa.func.max(TermRow.number))).scalar_one()
    session.add(
        TermRow(
            number=(last or 0) + 1,
            kind=kind,
            key_number=key_number,
            epoch=epoch,
            public=public,
            entry_id=entry_id,
            kept_size=sizes[0] if sizes else None,
            lost_size=sizes[1] if sizes else None,
            at=at,
        )
    )
    session.flush()


def _is_under(session: Session, term: TermRow, size: int) -> bool:
    wanted = sa.select(LeafTable.position).where(LeafTable.entry_id == term.entry_id)
    position = session.execute(wanted).scalar_one_or_none()
    return position is not None and position < size
