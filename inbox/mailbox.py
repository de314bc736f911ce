"""A mailbox as whoever reads all of them sees it: what one round over it came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from core.errors import KeptError

# How many mails were seen to, and how many there are to see to, as far as it is known.
OnProgress = Callable[[int, int], None]


@dataclass(kw_only=True)
class Round:
    """One round over a mailbox, counted as it goes. `taken`: new; `known`: were here already; `too_large`: of the new ones,
    those of which only the headers were taken; `stuck`: places of mails that the mailbox does not give out."""

    source: str
    taken: int = 0
    known: int = 0
    too_large: int = 0
    stuck: list[str] = field(default_factory=list)
    error: KeptError | None = None

    @property
    def done(self) -> int:
        """How many mails were seen to."""
        return self.taken + self.known

    def count(self, message_id: str | None, *, too_large: bool = False) -> None:
        """One more message, as `Taking.take` answered."""
        if message_id is None:
            self.known += 1
            return
        self.taken += 1
        self.too_large += too_large

    @property
    def trouble(self) -> str:
        """What went wrong, in a sentence; empty when nothing did."""
        if self.error is not None:
            return str(self.error)
        if not self.stuck:
            return ""
        places = ", ".join(self.stuck[:5]) + (" …" if len(self.stuck) > 5 else "")
        mails = "1 mail" if len(self.stuck) == 1 else f"{len(self.stuck)} mails"
        return f"{self.source} does not give out {mails} ({places}). Look at them in the mailbox; they are tried again."


class Mailbox(Protocol):
    """One place that mail is taken from. Nothing in it is ever deleted."""

    @property
    def source(self) -> str:
        """Its name, as it is shown and stored."""
        ...

    def read(self, on_progress: OnProgress) -> Round:
        """Take what is new, each message in a transaction of its own; never raises a KeptError, the round has it."""
        ...

    def check(self) -> None:
        """Raise a KeptError unless it could be read now."""
        ...

    def has_news(self) -> bool:
        """Is it worth a look before its time?"""
        ...
