"""The open letter: what came, in words that can do nothing, what the machine read in it, and what an operator may do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from babel import Locale
from babel.core import UnknownLocaleError
from flask import request
from flask_login import current_user

from core.operators import Permission
from core.words import full_day, long_day, plural, short_day, size
from inbox.desk import Candidate, LetterState, LetterView, Proposal, ProposalLine, Tone
from inbox.findings import Flag, Kind
from inbox.showing import Paragraph, one_line, show, show_plain
from web.console.actors import actor_names, say_actor
from web.console.requests import regime_name
from web.context import controller_zone
from web.services import services

NOBODY: Final = "Nobody named"
NO_SUBJECT: Final = "No subject"
NO_LANGUAGE: Final = "und"
# The machine's word for a letter, as a heading and as a fact.
KINDS: Final = {
    Kind.REQUEST: "Request",
    Kind.REMINDER: "Reminder of an earlier request",
    Kind.COMPLAINT: "Complaint",
    Kind.BOUNCE: "A mail of ours that came back",
    Kind.OTHER: "Not a request",
}
STANDS: Final = {
    LetterState.WAITING: "proposal, not final",
    LetterState.ACCEPTED: "accepted",
    LetterState.JOINED: "put with its request",
    LetterState.SET_ASIDE: "set aside",
    LetterState.REPLIED: "went to its request by itself",
    LetterState.AUTOMATIC: "written by a program",
}
FLAGS: Final = {
    Flag.AGENT: ("now", "user", "Writes for somebody else"),
    Flag.LAWYER: ("now", "user", "A lawyer writes"),
    Flag.MINOR: ("due", "user", "May be under age"),
    Flag.FOREIGN_LANGUAGE: ("plain", "gap", "A person must read it"),
    Flag.MIXED: ("plain", "moved", "More than one matter"),
    Flag.UNREAD: ("plain", "gap", "Nothing in it was recognised"),
}
_TONES: Final = {Tone.OK: ("kept", "check"), Tone.PLAIN: ("plain", "todo"), Tone.WARN: ("due", "due")}


@dataclass(frozen=True, kw_only=True)
class RightLine:
    """A right that can be ticked. `due`: the day, '' where nothing sets one; `due_why`: what sets it; `opened`: its request."""

    value: str
    name: str
    words: tuple[str, ...]
    is_on: bool
    key: str
    due: str
    due_why: str
    opened: str


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A line of what was read. `key`: as it stands behind the words in the letter; `at`: drawn as a time, before the values."""

    name: str
    values: tuple[str, ...] = ()
    at: datetime | None = None
    key: str = ""
    sub: str = ""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A sentence with its look and its icon."""

    look: str
    icon: str
    words: str


@dataclass(frozen=True, kw_only=True)
class FileLine:
    """An attachment: named and measured. `number` None: it is not handed out, and `says` why."""

    name: str
    says: str
    number: int | None


@dataclass(frozen=True, kw_only=True)
class LetterText:
    """The letter as it came."""

    subject: str
    who: str
    sender: str
    to: str
    at: datetime
    kept: str
    has_original: bool
    paragraphs: tuple[Paragraph, ...]
    cut: str
    hidden: tuple[Paragraph, ...]
    hidden_says: str
    signals: tuple[Drawn, ...]
    files: tuple[FileLine, ...]


@dataclass(frozen=True, kw_only=True)
class OpenLetter:
    """The letter that is open, with what was read in it. `proposed`, `others`: the rights that are proposed, and the rest."""

    id: str
    text: LetterText
    heading: str
    standing: str
    flags: tuple[Drawn, ...]
    proposed: tuple[RightLine, ...]
    others: tuple[RightLine, ...]
    facts: tuple[Fact, ...]
    candidates: tuple[tuple[str, str], ...]
    thread: tuple[tuple[str, datetime, str], ...]
    unheard: tuple[str, ...]
    acts: frozenset[str]
    accept_says: str
    regime: str
    regimes: tuple[tuple[str, str], ...]
    language: str
    languages: tuple[tuple[str, str], ...]
    contact: str
    may_belong_to: str


def open_letter(view: LetterView, *, ticked: Sequence[str] | None) -> OpenLetter:
    """The letter that is open. `ticked`: what was ticked before something was refused, None: as proposed."""
    proposal, form = view.proposal, request.form
    now, waits = services().clock.now(), view.state is LetterState.WAITING
    today = now.astimezone(controller_zone()).date()
    rights = right_lines(view, ticked, today)
    regimes = {one: regime_name(one) for one in proposal.regimes}
    told = (line.is_on or line.words for line in rights)
    shown = [line for line, is_shown in zip(rights, told, strict=True) if is_shown] or list(rights)
    return OpenLetter(
        id=view.id,
        text=letter_text(view),
        heading="What we read",
        standing=STANDS[view.state],
        flags=flag_lines(proposal),
        proposed=tuple(shown),
        others=tuple(line for line in rights if line not in shown),
        facts=tuple(facts_of(view, regimes, say_actor(view.decided_by, actor_names()))),
        candidates=tuple((one.ref, say_candidate(one)) for one in view.candidates),
        thread=tuple((one.id, one.received_at, one.subject) for one in view.thread_letters),
        unheard=unheard_lines(proposal),
        acts=_acts(view) if current_user.operator.may(Permission.WORK_REQUESTS) else frozenset(),
        accept_says=say_accept([line.name for line in rights if line.is_on]),
        regime=form.get("regime", proposal.regime or "") if waits else "",
        regimes=(("", "not said"), *regimes.items()),
        language=form.get("language", proposal.answered_in),
        languages=tuple((one, language_name(one)) for one in proposal.languages),
        contact=form.get("contact", ""),
        may_belong_to=view.candidates[0].ref if view.candidates else "",
    )


def _acts(view: LetterView) -> frozenset[str]:
    acts = {"accept", "not_a_request", "belongs_to"} if view.state is LetterState.WAITING else set()
    if "accept" in acts and len(view.proposal.rights) > 1:
        acts.add("split")
    return frozenset(acts | ({"undo"} if view.can_undo else set()))


def letter_text(view: LetterView) -> LetterText:
    """The middle of the page: what came, in words that cannot do anything."""
    text, hidden = show(view.segments), show_plain(view.hidden)
    sender = one_line(view.sender)
    return LetterText(
        subject=one_line(view.subject, NO_SUBJECT),
        who=one_line(view.sender_name) or sender or NOBODY,
        sender=sender,
        to=", ".join(one_line(one) for one in view.to[:3]) + (" and others" if len(view.to) > 3 else ""),
        at=view.received_at,
        kept=_say_kept(view),
        has_original=view.has_original,
        paragraphs=text.paragraphs,
        cut=_say_cut(text.cut),
        hidden=hidden.paragraphs,
        hidden_says=f"{plural(view.hidden_lines, 'line', 'lines')} hidden: quotes, signature or footer",
        signals=tuple(_signals(view)),
        files=tuple(_files(view)),
    )


def _say_kept(view: LetterView) -> str:
    if not view.has_original:
        return "Its time was up: the mail as it came is deleted."
    if view.kept_until is None:
        return "Kept until what it asks for is closed, then deleted at its time."
    return f"Kept until {full_day(view.kept_until)}, then deleted."


def _say_cut(number: int) -> str:
    return f"{plural(number, 'character more is', 'characters more are')} in the original text." if number else ""


def _signals(view: LetterView) -> Iterator[Drawn]:
    for one in view.signals:
        yield Drawn(look=_TONES[one.tone][0], icon=_TONES[one.tone][1], words=one_line(one.words))
    for problem in view.problems:
        yield Drawn(look="due", icon="due", words=one_line(problem))


def _files(view: LetterView) -> Iterator[FileLine]:
    for number, one in enumerate(view.attachments):
        says = f"{one.type}, {size(one.size)}"
        yield FileLine(
            name=one_line(one.name, "without a name"),
            says=f"{says}. {one_line(one.refused)}" if one.refused else says,
            number=number if view.has_original and not one.refused else None,
        )


def right_lines(view: LetterView, ticked: Sequence[str] | None, today: date) -> tuple[RightLine, ...]:
    """Every right that can be accepted. `ticked`: what was ticked before something was refused, None: as proposed, without
    what the letter opened already; of one that is sorted, what it opened."""
    if ticked is None:
        waits, lines = view.state is LetterState.WAITING, view.proposal.lines
        ticked = [one.right.value for one in lines if (one.proposed if waits else one.opened)]
    return tuple(_right_line(one, ticked, today) for one in view.proposal.lines)


def _right_line(one: ProposalLine, ticked: Sequence[str], today: date) -> RightLine:
    return RightLine(
        value=one.right.value,
        name=one.name,
        words=tuple(one_line(said) for said in one.words[:3]),
        is_on=one.right.value in ticked,
        key=one.key,
        due=short_day(one.due_on, today) if one.due_on else "",
        due_why=one.due_why,
        opened=one.opened,
    )


def flag_lines(proposal: Proposal) -> tuple[Drawn, ...]:
    """What an operator looks at twice."""
    return tuple(
        Drawn(look=look, icon=icon, words=words)
        for flag, (look, icon, words) in FLAGS.items()
        if flag in proposal.flags
    )


def facts_of(view: LetterView, regimes: dict[str, str], who: str) -> Iterator[Fact]:
    """What the machine read, and what follows. `regimes`: the laws' short names; `who`: who decided."""
    proposal = view.proposal
    if proposal.kind is not Kind.REQUEST:
        yield Fact(name="Kind", values=(KINDS[proposal.kind],))
    said = tuple(f"“{one_line(words)}”" for words in proposal.regime_words[:3])
    law = regimes.get(proposal.regime or "", "not said")
    yield Fact(name="Law", values=(law,), key="R" if said else "", sub=", ".join(said))
    yield Fact(name="Language", values=(language_name(proposal.language),), sub=_say_answers(proposal))
    if proposal.identifiers:
        claims = tuple(dict.fromkeys(one_line(one.value.reveal()) for one in proposal.identifiers))
        yield Fact(name="Gives us", values=claims[:8], key=_key_of(view, "I"), sub="claims, not proven yet")
    if proposal.deadline:
        yield Fact(
            name="Their deadline",
            values=(full_day(proposal.deadline),),
            key=_key_of(view, "D"),
            sub="Does not bind. The answer should name our day.",
        )
    yield Fact(name="Clock from", at=view.received_at, sub=one_line(view.clock_from))
    if view.acknowledged_at:
        yield Fact(name="Acknowledged", at=view.acknowledged_at, sub="A mail says that we have it.")
    else:
        yield Fact(name="Acknowledged", values=(one_line(view.no_acknowledgement, "not yet"),))
    if view.decided_at:
        yield Fact(name="Sorted", at=view.decided_at, values=(f"by {who}",), sub=one_line(view.why))
    elif view.state is LetterState.WAITING:
        yield Fact(name="Then", values=(_say_then(view),))


def _key_of(view: LetterView, key: str) -> str:
    return key if any(one.key == key for one in view.segments) else ""


def _say_answers(proposal: Proposal) -> str:
    answered = proposal.answered_in
    return f"our mails are in {language_name(answered)}" if answered != proposal.language else ""


def _say_then(view: LetterView) -> str:
    number = len(view.proposal.rights)
    to = one_line(view.sender) or "the address you give"
    link = f"A mail with a link goes to {to}; data goes out once an address is proven."
    if not number:
        return f"Tick what it asks for. {link}"
    opens = "One request" if number == 1 else f"{plural(number, 'request', 'requests')}, one conversation"
    return f"{opens}. {link}"


def say_accept(names: Sequence[str]) -> str:
    """The words of the main button: the act and its size."""
    if not names:
        return "Tick what it asks for"
    return f"Accept {names[0].lower()}" if len(names) == 1 else f"Accept {plural(len(names), 'request', 'requests')}"


def unheard_lines(proposal: Proposal) -> tuple[str, ...]:
    """Words that were seen and do not count, each with why."""
    return tuple(
        f"“{one_line(one.words)}” for {one.speaks_for.replace('_', ' ')}: {one_line(one.against) or 'it is no right'}"
        for one in proposal.seen[:20]
    )


def language_name(code: str) -> str:
    """A language in English; of one that nobody knows, its code."""
    if code == NO_LANGUAGE:
        return "not recognised"
    try:
        return Locale.parse(code).get_display_name("en") or code
    except (UnknownLocaleError, ValueError):
        return code


def say_candidate(one: Candidate) -> str:
    """A request that a letter may belong to, in a few words."""
    due = f", due {long_day(one.due_on)}" if one.due_on and not one.is_closed else ""
    return f"{one.right_name}, {one.state_name.lower()}{due}: {one_line(one.why)}"
