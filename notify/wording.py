"""The words that an installation gives its mails: tried with example data, refused where something is missing, kept with who and when."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.canonical import Json, digest
from core.catalogue import catalogue, mark, short_code
from core.clock import Clock
from core.database import Database
from core.errors import BadInput, Conflict, NotFound
from core.ids import new_id
from ledger.log import Ledger
from notify.mail_kinds import COMPLAINT, KINDS, PARTS, Block, MailKind
from notify.mail_reading import read_words
from notify.mail_writing import NAMED, MailWriter, OwnWords, TextRenderer, WrittenMail, find_value
from notify.wording_tables import MailWordingRow

LONGEST_BLOCK: Final = 2_000
LONGEST_SUBJECT: Final = 78
BLOCK_NAMES: Final[Mapping[Block, str]] = {
    Block.SUBJECT: "The subject",
    Block.LEAD: "The first paragraph",
    Block.NEXT: "What happens next",
    Block.NOTE: "A paragraph before the closing",
    Block.CLOSING: "The closing",
    Block.FOOT: "The small print",
}
BLOCK_HINTS: Final[Mapping[Block, str]] = {
    Block.SUBJECT: "One line.",
    Block.LEAD: "It follows the greeting. An empty line begins a new paragraph.",
    Block.NEXT: "For the usual way; mails of other ways keep their own words.",
    Block.NOTE: "Empty in the original: office hours, a telephone number, a second language.",
    Block.CLOSING: "Each line stays a line.",
    Block.FOOT: "Who gets this mail and why, and whom to ask. It stands under the line.",
}
# The right to complain as the short foot of a receipt and of a notice says it.
_MAY_COMPLAIN: Final = mark("You may complain to your data protection authority at any time.")
Example = Callable[[str, str], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Wording:
    """The words of one mail in one language, as somebody left them. `number` 0, nobody: the original."""

    number: int
    blocks: OwnWords
    at: datetime | None = None
    by: str = ""


class WordsRefused(BadInput):
    """Own words that cannot go out. `problems`: what is wrong, by block; '' for the mail as a whole."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()), remedy="Put it right, or go back to the original.")
        self.problems = dict(problems)


class Wordings:
    """Which words hold. Small, so that the mailer can have it without the rest."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def current(self, event: str, language: str) -> OwnWords:
        """The blocks that an installation says in its own words; empty for the original."""
        with self._database.read() as session:
            return dict(_newest(session, event, short_code(language)).blocks)


class WordingDesk:
    """Shows, tries and changes the words of mails. `example` gives the variables of an invented mail."""

    def __init__(
        self, database: Database, clock: Clock, ledger: Ledger, renderer: TextRenderer, example: Example
    ) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._writer = MailWriter(renderer)
        self._example = example

    def changed(self) -> frozenset[tuple[str, str]]:
        """The mails, by event and language, that have words of their own now."""
        with self._database.read() as session:
            rows = session.execute(sa.select(MailWordingRow).order_by(MailWordingRow.number)).scalars()
            newest = {(row.event, row.language): row.blocks for row in rows}
        return frozenset(key for key, blocks in newest.items() if blocks)

    def versions(self, event: str, language: str) -> Sequence[Wording]:
        """How a mail was worded, the newest first; nothing where it always was the original."""
        with self._database.read() as session:
            return [_read(row) for row in session.execute(_of(event, short_code(language))).scalars()]

    def current(self, event: str, language: str) -> Wording:
        """The words that hold."""
        with self._database.read() as session:
            return _newest(session, event, short_code(language))

    def preview(self, event: str, language: str, own: OwnWords | None = None) -> WrittenMail:
        """A mail with example data: in the words that hold, or in others that are only tried."""
        words = self.current(event, language).blocks if own is None else own
        return self._writer.write(event, language, self._example(event, language), own=words)

    def names(self, event: str, language: str) -> Mapping[str, str]:
        """What own words may name in this mail, with what stands there in the example."""
        return self._writer.values(event, {**self._example(event, language), "language": language})

    def originals(self, event: str, language: str) -> OwnWords:
        """The words that stand where nobody put others, by block, with the names of facts in braces."""
        return self._writer.originals(event, short_code(language), self._example(event, language))

    def clean(self, event: str, language: str, typed: OwnWords) -> OwnWords:
        """Own words as they are kept, without what is empty. Raises WordsRefused, naming all that is wrong or missing."""
        kind, names = _changeable(event), self.names(event, language)
        blocks = {str(name): _tidy(name, typed.get(name, "")) for name in kind.blocks}
        originals = self.originals(event, language)
        blocks = {name: words for name, words in blocks.items() if words and words != originals.get(name)}
        problems = {name: said for name, words in blocks.items() if (said := _find_fault(name, words, names))}
        if not problems:
            problems = self._find_missing(event, language, kind, blocks)
        if problems:
            raise WordsRefused(problems)
        return blocks

    def faults(self, event: str, language: str) -> Mapping[str, str]:
        """What is wrong with the words that hold, by block: a new release may want more of a mail than it did."""
        try:
            blocks = self.current(event, language).blocks
            if blocks:
                self.clean(event, language, blocks)
        except WordsRefused as refused:
            return refused.problems
        return {}

    def save(self, event: str, language: str, typed: OwnWords, *, by: str, after: int) -> Wording:
        """Let words hold from now on. `after`: the number of the wording that was looked at; Conflict where another came."""
        return self._keep(event, short_code(language), self.clean(event, language, typed), by=by, after=after)

    def restore(self, event: str, language: str, *, by: str, after: int) -> Wording:
        """Go back to the original. Raises Conflict as `save` does."""
        _changeable(event)
        return self._keep(event, short_code(language), {}, by=by, after=after)

    def _find_missing(self, event: str, language: str, kind: MailKind, blocks: OwnWords) -> dict[str, str]:
        given = {**self._example(event, language), "language": language}
        written = self._writer.write(event, language, given, own=blocks)
        said = [_squeeze(written.text), read_words(written.html)]
        values = self._writer.values(event, given)
        lost = [name for name in kind.needs if not _stands(name, said, values, given, language)]
        problems = {"": f"The mail no longer says {_list(lost)}."} if lost else {}
        bare = [name for name in kind.subject_needs if values[name] not in written.subject]
        if bare:
            problems[Block.SUBJECT] = f"The subject has to name {_list(bare)}."
        elif len(written.subject) > LONGEST_SUBJECT:
            problems[Block.SUBJECT] = f"With its facts the subject has more than {LONGEST_SUBJECT} characters."
        return problems

    def _keep(self, event: str, language: str, blocks: OwnWords, *, by: str, after: int) -> Wording:
        try:
            with self._database.begin() as session:
                was = _newest(session, event, language)
                if was.number != after:
                    raise _overtaken()
                if was.blocks == blocks:
                    return was
                row = MailWordingRow(
                    id=new_id("mwd"), event=event, language=language, number=after + 1, blocks=dict(blocks),
                    at=self._clock.now(), by=by,
                )  # fmt: skip
                session.add(row)
                session.flush()
                private: dict[str, Json] = {
                    "mail": event,
                    "language": language,
                    "number": row.number,
                    "words": digest(dict(blocks)),
                }
                self._ledger.record(session, kind="mail.worded", actor=by, refs=[row.id], private=private)
                return _read(row)
        except IntegrityError as error:
            raise _overtaken() from error


def _changeable(event: str) -> MailKind:
    if event not in KINDS:
        raise NotFound("There is no such mail.", remedy="Look at the list of mails.")
    if not KINDS[event].blocks:
        raise BadInput("This mail goes to operators and stays as it is.", remedy="Change one that goes to people.")
    return KINDS[event]


def _overtaken() -> Conflict:
    return Conflict("Somebody changed these words meanwhile.", remedy="Look at them as they are now, and change those.")


def _of(event: str, language: str) -> sa.Select[MailWordingRow]:
    wanted = sa.select(MailWordingRow).where(MailWordingRow.event == event, MailWordingRow.language == language)
    return wanted.order_by(MailWordingRow.number.desc())


def _newest(session: Session, event: str, language: str) -> Wording:
    row = session.execute(_of(event, language).limit(1)).scalar_one_or_none()
    return _read(row) if row else Wording(number=0, blocks={})


def _read(row: MailWordingRow) -> Wording:
    return Wording(number=row.number, blocks=dict(row.blocks), at=row.at, by=row.by)


def _tidy(block: str, words: str) -> str:
    """What was typed, without characters that nobody sees; a line of two dashes would begin the signature."""
    lines = words.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    shown = ["".join(c for c in line if unicodedata.category(c)[0] != "C").rstrip() for line in lines]
    tidied = "\n".join("–" if line == "--" else line for line in shown).strip()
    return " ".join(tidied.split()) if block == Block.SUBJECT else tidied


def _find_fault(block: str, words: str, names: Mapping[str, str]) -> str:
    if len(words) > LONGEST_BLOCK:
        return f"{BLOCK_NAMES[Block(block)]} has more than {LONGEST_BLOCK} characters."
    unknown = [name for name in dict.fromkeys(NAMED.findall(words)) if name not in names]
    if unknown:
        there = ", ".join(f"{{{name}}}" for name in names)
        return f"This mail has no {', '.join(f'{{{name}}}' for name in unknown)}. It has: {there}."
    if "{" in (bare := NAMED.sub("", words)) or "}" in bare:
        return f"{BLOCK_NAMES[Block(block)]} has a brace that belongs to no name."
    return ""


def _stands(name: str, said: Sequence[str], values: Mapping[str, str], given: Mapping[str, Any], language: str) -> bool:
    wanted = [values[name] if name in values else find_value(given, PARTS[name].path)]
    if name == COMPLAINT:
        wanted += [catalogue(language).gettext(_MAY_COMPLAIN), find_value(given, "authority.name")]
    return all(any(_squeeze(one) in words for one in wanted if one) for words in said)


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def _list(names: Sequence[str]) -> str:
    said = [
        f"{PARTS[name].says} ({{{name}}})" if PARTS[name].placeable else PARTS[name].says
        for name in names
    ]  # fmt: skip
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"
