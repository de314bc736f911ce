"""What a person does to the log itself: another key, a key in place of a lost one, a rollback that is accounted for."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import Database
from core.errors import BadInput, Conflict, NotFound
from ledger.checkpoints import read_latest
from ledger.entries import NewEntry
from ledger.merkle import EMPTY_ROOT
from ledger.notes import NoteKey, TreeHead, head_inside
from ledger.signing import KeyLostError, Signer, add_term, terms
from ledger.standing import Standing, contradiction, leaf_count, root_at
from ledger.succession import LOST, ROLLED_BACK, ROTATED, epoch_of, key_refs, rollback_refs

Record = Callable[[Session, Sequence[NewEntry]], list[str]]
UNKNOWN_KEY = bytes(32)


class Succeeding:
    """The acts that change what the log signs with. Each is an entry first; settling afterwards makes it hold."""

    def __init__(self, database: Database, clock: Clock, signer: Signer, standing: Standing, record: Record) -> None:
        self._database = database
        self._clock = clock
        self._signer = signer
        self._standing = standing
        self._record = record

    def rotate(self, *, by: str, reason: str) -> tuple[bytes, bytes]:
        """Name the next key in the log; gives the public bytes of the old and of the new one. Raises KeyLostError, Conflict."""
        words = _require(reason)
        with self._database.begin() as session:
            latest, known = read_latest(session), terms(session)
            if latest is None or not known:
                raise Conflict("The ledger has no checkpoint yet.", remedy="Run any command that records, then again.")
            self._signer.open(session, latest.note)
            now_signing = self._signer.require_own(session, latest.size)
            if known[-1].key_number != now_signing.number:
                raise Conflict("Another key is about to take over.", remedy="Run `kept ledger verify`, then again.")
            before, number = now_signing.key.public, known[-1].key_number + 1
            after = NoteKey(name="next", public=_public(self._signer, number)).public
            entry = self._entry(session, ROTATED, by, key_refs(before, after), words)
            at, epoch = self._clock.now(), known[-1].epoch
            add_term(session, kind="rotated", key_number=number, epoch=epoch, public=after, entry_id=entry, at=at)
        return before, after

    def replace_lost(self, *, by: str, reason: str) -> tuple[bytes, bytes]:
        """Go on under a key of the secret that is here now, where the one that signed before is gone for good. The log says
        so, and nobody who holds only the old key can follow past it. Raises Conflict where the key is not lost."""
        words = _require(reason)
        with self._database.begin() as session:
            latest, known = read_latest(session), terms(session)
            if latest is None or not self._is_lost(session, latest.note, latest.size):
                raise Conflict("The key is not lost.", remedy="Leave out --lost: the old key then vouches for the new.")
            before = known[-1].public if known else UNKNOWN_KEY
            number = max((one.key_number for one in known), default=1) + 1
            after = _public(self._signer, number)
            entry = self._entry(session, LOST, by, key_refs(before, after), words)
            at, epoch = self._clock.now(), max((one.epoch for one in known), default=1)
            if not known:
                add_term(session, kind="first", key_number=1, epoch=1, public=before, entry_id=None, at=at)
            add_term(session, kind="lost", key_number=number, epoch=epoch, public=after, entry_id=entry, at=at)
        return before, after

    def accept_rollback(self, *, by: str, reason: str) -> tuple[TreeHead, TreeHead]:
        """Account for what was signed and is gone; gives the head that was lost and the one that is here. The log goes on
        under another name, so that no two of its checkpoints ever contradict one another. Raises NotFound, BadInput."""
        words, note = _require(reason), self._standing.read()
        with self._database.begin() as session:
            lost = head_inside(note) if note else None
            if lost is None or not contradiction(session, lost):
                raise NotFound("The ledger holds everything it signed: there is no rollback to account for.")
            latest = read_latest(session)
            kept = _kept(session, lost, latest.size if latest else 0)
            refs = rollback_refs(lost=(lost.size, lost.root), kept=(kept.size, kept.root))
            entry = self._entry(session, ROLLED_BACK, by, refs, words)
            signing = self._signer.signing(session, leaf_count(session))
            epoch = max(signing.epoch, epoch_of(lost.origin)) + 1
            add_term(
                session,
                kind="rolled_back",
                key_number=signing.number,
                epoch=epoch,
                public=signing.key.public,
                entry_id=entry,
                at=self._clock.now(),
                sizes=(kept.size, lost.size),
            )
        return lost, kept

    def _is_lost(self, session: Session, note: str, size: int) -> bool:
        try:
            self._signer.open(session, note)
            self._signer.require_own(session, size)
        except KeyLostError:
            return True
        return False

    def _entry(self, session: Session, kind: str, by: str, refs: list[str], reason: str) -> str:
        return self._record(session, [NewEntry(kind=kind, actor=by, refs=refs, private={"reason": reason})])[0]


def _kept(session: Session, lost: TreeHead, size: int) -> TreeHead:
    """The head that is here and that the lost one does not contradict: all of it where it is shorter. Where the two differ
    within, nothing is sure to be common to both, and it begins with nothing."""
    if lost.size > size:
        return TreeHead(origin=lost.origin, size=size, root=root_at(session, size) if size else EMPTY_ROOT)
    return TreeHead(origin=lost.origin, size=0, root=EMPTY_ROOT)


def _public(signer: Signer, number: int) -> bytes:
    return signer.private(number).public_key().public_bytes_raw()


def _require(reason: str) -> str:
    words = reason.strip()
    if not words:
        raise BadInput("A reason is missing.", remedy="Say why in a sentence; it stands in the ledger's private part.")
    return words


def is_behind_clock(latest_at: datetime | None, now: datetime, allowed: float = 60.0) -> bool:
    """Whether the clock was set back: the latest checkpoint was signed in what is the future now. Positions, not times, order
    the log, so it goes on; whoever reads the times is told."""
    return latest_at is not None and (latest_at - now).total_seconds() > allowed
