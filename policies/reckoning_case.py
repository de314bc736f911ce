"""What a reckoning is made of and what it gives: the events of a request as days, the lines, and the due date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from core.catalogue import catalogue
from policies.clauses import Answer, Right
from policies.periods import Period
from policies.regimes import Question, RegimeRow


@dataclass(frozen=True, kw_only=True)
class Pause:
    """From the day a question was asked until the day it was answered; `end` None while it is open.

    `prompt`: whether it was asked without undue delay; None: as the regime's own number says."""

    start: date
    end: date | None = None
    about: Question = Question.CLARIFICATION
    prompt: bool | None = None

    def stops(self, row: RegimeRow, begun: date) -> bool:
        """Whether it stops a clock that began on a day."""
        return self.about in row.pauses and self.is_prompt(row, begun)

    def is_prompt(self, row: RegimeRow, begun: date) -> bool:
        """Whether it was asked soon enough after the clock began."""
        if self.prompt is not None:
            return self.prompt
        return row.pause_within is None or self.start <= row.pause_within.after(begun)


@dataclass(frozen=True, kw_only=True)
class Fee:
    """A fee: the day it was announced, and the day it was paid; None while it is not."""

    asked: date
    paid: date | None = None


@dataclass(frozen=True, kw_only=True)
class ReckoningLine:
    """One line of a reckoning. `binds`: it counts towards the due date; one that does not is shown struck through.
    `happened`: `day` is that of an event; without it, the day that a rule gives."""

    day: date
    words: str
    binds: bool
    happened: bool = False


@dataclass(frozen=True, kw_only=True)
class Reckoning:
    """When a request is due and how that came about. Days are in the controller's zone.

    `acknowledge_by`: receipt must be confirmed by then. `extend_by`: the last day to tell of an extension.
    `regime` is the one whose clock was used; `verified` False: a row was taken from memory and a person should look.
    `stands`: a question is open, and the clock stands until it is answered.
    """

    due: date
    acknowledge_by: date | None
    extend_by: date | None
    lines: tuple[ReckoningLine, ...]
    regime: str
    verified: bool
    stands: bool = False


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request as the clock sees it. `extended_on`: the day an extension was told; `extended_to`: until when, where the
    law sets no limit; `today` stands in for the end of what is still open."""

    right: Right
    within: Period | Answer | None
    received: date
    country: str | None
    subdivision: str | None
    identity: date | None
    pauses: tuple[Pause, ...]
    fee: Fee | None
    extended: bool
    extended_on: date | None
    extended_to: date | None
    firm: bool
    today: date | None
    language: str

    def say(self, message: str, **values: str | int) -> str:
        """A message in the language of the reader."""
        said = catalogue(self.language).gettext(message)
        return said % values if values else said
