"""The words that operators read of letters: what is proposed, what became of it, and what is known of where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from core.words import full_day, span
from dsr.words import RIGHT_NAMES
from inbox.findings import Flag, Kind
from inbox.letter_tables import LetterRow
from inbox.letter_values import LetterState, SignalLine, Tone, WaitingLetters
from inbox.look_alikes import Likeness, look_alike
from inbox.message import Message
from inbox.proposals import join_rights, language_name, read_flags, read_found, read_kind
from inbox.spoofing import Signals
from inbox.triage import NO_REQUEST
from policies.clauses import Right
from policies.regimes import all_regimes

AUTO_WORDS: Final[Mapping[str, str]] = {
    "bounce": "A mail of ours did not arrive",
    "loop": "A mail of ours that came back",
    "auto-reply": "An automatic answer",
    "list": "From a mailing list",
    "generated": "Written by a program",
}
A_DAY: Final = timedelta(days=1)
_DUE_SOON: Final = timedelta(days=3)
_NO_WORDS: Final[Mapping[str, str]] = {
    "application": "a job application",
    "absence": "an absence",
    "invoice": "an invoice",
}


def regime_name(regime: str) -> str:
    """`GDPR`; the id where no law has it."""
    law = all_regimes().get(regime)
    return law.name if law else regime


def say(row: LetterRow, refs: Sequence[str], left: Sequence[Right], *, hint_closed: bool) -> tuple[str, Tone]:
    """The proposal, or what became of it, as a list shows it. `left`: the rights that are proposed and not opened yet."""
    state = LetterState(row.state)
    if state is LetterState.WAITING:
        return _say_proposal(row, refs, left, hint_closed=hint_closed)
    named = ", ".join(refs)
    said = {
        LetterState.ACCEPTED: f"Opened {named}",
        LetterState.JOINED: f"Added to {named}",
        LetterState.SET_ASIDE: "Not a request",
        LetterState.REPLIED: f"Went to {named}",
        LetterState.AUTOMATIC: AUTO_WORDS.get(row.auto, "Written by a program") + (f", {named}" if named else ""),
    }[state]
    return said, Tone.PLAIN


def _say_proposal(
    row: LetterRow, refs: Sequence[str], rights: Sequence[Right], *, hint_closed: bool
) -> tuple[str, Tone]:
    kind, flags, hint = read_kind(row), read_flags(row), row.hint_ref
    if row.trouble:
        return "Could not be read whole", Tone.WARN
    if kind is Kind.OTHER:
        return f"Not a request: {no_request_words(row)}", Tone.PLAIN
    if hint and hint_closed:
        return f"Belongs to {hint}, closed", Tone.PLAIN
    if kind is Kind.REMINDER:
        return f"Reminder of {hint}" if hint else "Reminder", Tone.WARN
    if kind is Kind.COMPLAINT:
        return f"Complaint about {hint}" if hint else "Complaint", Tone.WARN
    if rights:
        law = f" · {regime_name(row.regime)}" if row.regime else ""
        again = f", as {hint}" if hint and hint not in refs else ""
        return join_rights(rights, RIGHT_NAMES) + law + again, Tone.OK
    if row.rights:
        return "What is left after a split", Tone.PLAIN
    language = language_name(row.language)
    if Flag.FOREIGN_LANGUAGE in flags and language:
        return f"{language}? A person must read it", Tone.PLAIN
    return "A person must read it", Tone.PLAIN


def no_request_words(row: LetterRow) -> str:
    """What a letter is that asks for nothing: `sales`, `a job application`."""
    named = [one.speaks_for for one in read_found(row.found).why if one.speaks_for in NO_REQUEST and not one.against]
    most = max(dict.fromkeys(named), key=named.count, default="")
    return _NO_WORDS.get(most, most or "nothing is asked")


def signal_lines(message: Message, found: Signals, *, known: Sequence[str]) -> tuple[SignalLine, ...]:
    """What speaks for and against a sender. `known`: our domains and the addresses it may be taken for."""
    lines = []
    words = {"SPF": found.spf, "DKIM": found.dkim, "DMARC": found.dmarc}
    passed = [name for name, word in words.items() if word == "pass"]
    if passed:
        at = f" at {found.server}" if found.server else ""
        verb = "passes" if len(passed) == 1 else "pass"
        said = f"{_join(passed)} {verb}{at}. It says where the mail came from, not who wrote it."
        lines.append(SignalLine(words=said, tone=Tone.OK))
    lines += [SignalLine(words=one, tone=Tone.WARN) for one in found.remarks]
    lines += [
        SignalLine(words=f"{name} says {word}.", tone=Tone.PLAIN)
        for name, word in words.items()
        if word and word not in ("pass", "fail", "softfail", "permerror")
    ]
    if found.ignored:
        said = f"Results of {_join(list(found.ignored[:3]))} were not looked at: anybody can write them."
        lines.append(SignalLine(words=said, tone=Tone.PLAIN))
    likeness = look_alike(message.sender, known) if message.sender else None
    if likeness is not None:
        how = "looks the same as" if likeness.likeness is Likeness.SAME_LOOK else "is one letter off"
        lines.append(SignalLine(words=f"{likeness.shown} {how} {likeness.known}.", tone=Tone.WARN))
    return tuple(lines)


def file_line(message: Message) -> SignalLine:
    """How many files a mail has."""
    number = len(message.attachments)
    refused = sum(bool(one.refused) for one in message.attachments)
    if not number:
        return SignalLine(words="No attachment.", tone=Tone.OK)
    held = f", {refused} not handed on" if refused else ""
    said = f"{number} {'attachment' if number == 1 else 'attachments'}{held}. Nothing of it was opened."
    return SignalLine(words=said, tone=Tone.WARN if refused else Tone.PLAIN)


def waiting_sentence(waiting: WaitingLetters, now: datetime, today: date) -> str:
    """What is wrong with letters that nobody sorted; '' as long as nothing is."""
    if not waiting.count or waiting.oldest_at is None:
        return ""
    number = "1 letter waits" if waiting.count == 1 else f"{waiting.count} letters wait"
    if waiting.next_due is not None and waiting.next_due < today:
        return f"{number} to be sorted, and one would have been due on {full_day(waiting.next_due)}."
    if waiting.next_due is not None and waiting.next_due - today <= _DUE_SOON:
        return f"{number} to be sorted, and one would be due on {full_day(waiting.next_due)}."
    if now - waiting.oldest_at > A_DAY:
        return f"{number} to be sorted, the oldest for {span(now - waiting.oldest_at)}."
    return ""


def _join(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
