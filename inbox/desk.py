"""The mail queue: what came in, what the machine proposes, and what an operator decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from core.errors import NotFound
from dsr.by_mail import Mailed
from dsr.desk import Desk
from inbox.deciding import Deciding
from inbox.letter_lists import count_views, find_letter, list_lines, read_figures, waiting
from inbox.letter_pages import LetterPages, language_choice
from inbox.letter_values import (
    VIEW_OF,
    Candidate,
    Correction,
    InThread,
    LetterLine,
    LetterState,
    LetterView,
    Offered,
    Proposal,
    ProposalLine,
    SeenWords,
    Segment,
    SignalLine,
    Tone,
    TriageFigures,
    View,
    WaitingLetters,
)
from inbox.message import Attachment
from inbox.ours import Ours
from inbox.parsing import open_file, parse
from inbox.parts import Content
from inbox.tables import OriginalRow

__all__ = [
    "VIEW_OF", "Attachment", "Candidate", "Correction", "InThread", "InboxDesk", "LetterLine", "LetterState", "LetterView",
    "Offered", "Proposal", "ProposalLine", "SeenWords", "Segment", "SignalLine", "Tone", "TriageFigures", "View", "WaitingLetters",
]  # fmt: skip


class InboxDesk:
    """Each method is a use case with its own transaction. Whoever calls has checked that the operator may work on requests."""

    def __init__(self, desk: Desk, ours: Ours) -> None:
        self._desk = desk
        self._pages = LetterPages(desk, ours)
        self._deciding = Deciding(desk, ours)

    def list_letters(self, view: View, *, limit: int = 50, before: str | None = None) -> list[LetterLine]:
        """One page of a list, the newest first. `before`: the id of the last letter of the page before. Raises NotFound."""
        with self._desk.database.read() as session:
            return list_lines(session, view, limit=limit, before=before)

    def counts(self) -> Mapping[View, int]:
        """How many letters each list has."""
        with self._desk.database.read() as session:
            return count_views(session)

    def waiting(self) -> WaitingLetters:
        """Letters that nobody has sorted; see also `inbox.letter_lists.waiting` and `inbox.letter_words.waiting_sentence`."""
        with self._desk.database.read() as session:
            return waiting(session, self._desk.clock.now())

    def letter(self, letter_id: str) -> LetterView:
        """All about a letter. Raises NotFound."""
        with self._desk.database.read() as session:
            return self._pages.view(session, find_letter(session, letter_id))

    def accept(
        self,
        letter_id: str,
        *,
        rights: Sequence[str],
        regime: str | None,
        language: str | None,
        by: str,
        contact: str | None = None,
    ) -> tuple[str, ...]:
        """Open a request for each right, in one conversation, received when the letter was; gives their references. The link
        that proves the address goes to the sender, or to `contact`. What differs from the proposal is a correction.
        `language` None: the letter's where our mails are written in it. Raises NotFound, BadInput, Conflict where it is
        sorted already."""
        return self._open(letter_id, rights, regime, language, contact, by=by, whole=True)

    def split(
        self,
        letter_id: str,
        *,
        rights: Sequence[str],
        by: str,
        regime: str | None = None,
        language: str | None = None,
        contact: str | None = None,
    ) -> tuple[str, ...]:
        """Open requests for these rights as a conversation of their own; the letter stays in the queue for the rest."""
        return self._open(letter_id, rights, regime, language, contact, by=by, whole=False)

    def not_a_request(self, letter_id: str, *, why: str, by: str) -> None:
        """Set a letter aside: it, or what is left of it after a split, asks for nothing. Raises BadInput without a reason,
        Conflict where it is sorted already."""
        with self._desk.database.begin() as session:
            self._deciding.set_aside(session, letter_id, why=why, by=by)

    def belongs_to(self, letter_id: str, ref: str, *, by: str) -> None:
        """Add a letter to a request as what was written about it. Raises NotFound, Conflict."""
        with self._desk.database.begin() as session:
            self._deciding.join(session, letter_id, ref, by=by)

    def undo(self, letter_id: str, *, by: str) -> None:
        """Put a letter back into the queue, as long as nothing followed from what was decided. Raises Conflict."""
        with self._desk.database.begin() as session:
            self._deciding.undo(session, letter_id, by=by)

    def original(self, letter_id: str) -> bytes:
        """The mail as it came. Raises NotFound once it was deleted at its time."""
        with self._desk.database.read() as session:
            found = session.get(OriginalRow, find_letter(session, letter_id).message_id)
            if found is None:
                raise NotFound("The original was deleted at its time.", remedy="What is left is the request.")
            return found.raw

    def attachment(self, letter_id: str, number: int) -> Content:
        """A file of the mail, for a download: 0 is the first. Raises NotFound, also for one that is not handed on."""
        raw = self.original(letter_id)
        files = parse(raw, now=self._desk.clock.now()).attachments
        found = open_file(raw, number) if 0 <= number < len(files) and not files[number].refused else None
        if found is None:
            raise NotFound("The mail has no such file that is handed on.", remedy="Choose one from the list.")
        return found

    def figures(self, days: int = 30) -> TriageFigures:
        """How the proposals of the last days fared."""
        with self._desk.database.read() as session:
            return read_figures(session, self._desk.clock.now(), days)

    def _open(
        self,
        letter_id: str,
        rights: Sequence[str],
        regime: str | None,
        language: str | None,
        contact: str | None,
        *,
        by: str,
        whole: bool,
    ) -> tuple[str, ...]:
        with self._desk.database.begin() as session:
            letter = find_letter(session, letter_id)
            asked = Mailed(
                rights=tuple(rights), received_at=letter.received_at, contact=contact or "", language=language or "", regime=regime
            )  # fmt: skip
            if not asked.language:
                asked = replace(asked, language=language_choice(letter, self._desk.languages))
            return self._deciding.accept(session, letter_id, asked, by=by, whole=whole)
