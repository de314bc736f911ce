"""What each mail is for, who gets it, which of its blocks an installation may word itself, and what it has to say all the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Block(StrEnum):
    """SUBJECT: the line in a list of mails. LEAD: the paragraph after the greeting. NEXT: what happens next. NOTE: a paragraph
    before the closing, empty in the original. CLOSING: who signs. FOOT: the small print under the line."""

    SUBJECT = "subject"
    LEAD = "lead"
    NEXT = "next"
    NOTE = "note"
    CLOSING = "closing"
    FOOT = "foot"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A fact of a mail. `path`: where its variables hold it. `placeable`: own words may name it in braces; what nobody but the
    template places (a code, an operator's reasons) is only looked for."""

    says: str
    path: str
    placeable: bool = True


@dataclass(frozen=True, kw_only=True)
class MailKind:
    """One mail. `needs`: the parts that its text and its HTML hold, whoever words it; `subject_needs`: those of the subject;
    `also`: further ones that it has and own words may name. `blocks`: empty for a mail to operators, which stays as it is."""

    name: str
    to: str
    when: str
    needs: tuple[str, ...] = ()
    subject_needs: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The parts that own words may name, in the order of PARTS."""
        known = {*self.needs, *self.subject_needs, *self.also, "controller", "email", COMPLAINT}
        return tuple(name for name, part in PARTS.items() if name in known and part.placeable)


# Looked for and filled in by `complaint.txt`, with the authority or the way that the law of the request knows.
COMPLAINT: Final = "complaint"
PARTS: Final[Mapping[str, Part]] = MappingProxyType(
    {
        "ref": Part(says="the reference of the request", path="ref"),
        "request": Part(says="what was asked for", path="right_words"),
        "received": Part(says="the day it came in", path="received"),
        "due": Part(says="the day by which they hear from you", path="due"),
        "expires": Part(says="the day or hour until which it works", path="expires"),
        "asked_at": Part(says="the day it was asked", path="asked_at"),
        "at": Part(says="the hour it came in", path="at"),
        "intro": Part(says="how much changes, in one sentence", path="intro"),
        "until": Part(says="the day before which nothing happens", path="until"),
        "changed": Part(says="the day of the change", path="changed"),
        "day": Part(says="the day on which it ends", path="day"),
        "asked_on": Part(says="the day on which you asked", path="asked_on"),
        "link": Part(says="the link", path="link"),
        "controller": Part(says="the name of the controller", path="controller.name"),
        "email": Part(says="the address for questions", path="controller.email"),
        COMPLAINT: Part(says="where to complain", path=""),
        "amount": Part(says="the fee", path="amount"),
        "rule": Part(says="the rule behind it", path="rule"),
        "customer": Part(says="who decides", path="customer"),
        "person": Part(says="the address of the person", path="person"),
        "asker": Part(says="who asks", path="asker"),
        "says": Part(says="what whoever asks says to be", path="says"),
        "work": Part(says="the work", path="work"),
        "store": Part(says="the store", path="store"),
        "recipient": Part(says="the recipient", path="recipient"),
        "number": Part(says="the number of the version", path="number"),
        "when": Part(says="when it changes", path="when_value"),
        "code": Part(says="the code", path="code", placeable=False),
        "reason": Part(says="the reason", path="reason", placeable=False),
        "ground": Part(says="the rule behind the refusal", path="ground", placeable=False),
        "words": Part(says="the words of whoever decided", path="words", placeable=False),
        "reasons": Part(says="the reasons", path="reasons", placeable=False),
    }
)
_ENDS: Final = (Block.NOTE, Block.CLOSING, Block.FOOT)
# Of an answer the text in the middle is written for each request; what the law wants in it is checked there.
_ANSWER: Final = (Block.SUBJECT, *_ENDS)
_LETTER: Final = (Block.SUBJECT, Block.LEAD, *_ENDS)
_RECEIPT: Final = (Block.SUBJECT, Block.LEAD, Block.NEXT, *_ENDS)
# Its subject and its foot say what the law and the notice clause want, so they are not for changing.
_POLICY: Final = (Block.LEAD, Block.NOTE, Block.CLOSING)
PERSON: Final = "The person"
ASKER: Final = "Whoever asks for somebody else"
OPERATORS: Final = "Operators"
STORE: Final = "The contact of a store"
RECIPIENT: Final = "A recipient"
EVERYBODY: Final = "Everybody with an account"


def _answer(name: str, when: str, *needs: str) -> MailKind:
    return MailKind(
        name=name, to=PERSON, when=when, needs=("ref", "controller", "email", *needs), subject_needs=("ref",), blocks=_ANSWER
    )  # fmt: skip


def _letter(
    name: str, to: str, when: str, *needs: str, named: bool = False, leads: bool = True, tagged: bool = False
) -> MailKind:
    """`named`: it says the reference, in its subject too; `tagged`: in its subject alone. `leads`: its first paragraph is the same whatever
    the mail is about; where it is not, one in other words would be wrong for the rest."""
    kept = ("ref", "controller", "email", *needs) if named else ("controller", "email", *needs)
    blocks = _LETTER if leads else _ANSWER
    return MailKind(
        name=name, to=to, when=when, needs=kept, subject_needs=("ref",) if named or tagged else (), blocks=blocks
    )


def _receipt(name: str, when: str, *needs: str) -> MailKind:
    kept = ("ref", "received", "due", COMPLAINT, "controller", "email", *needs)
    return MailKind(name=name, to=PERSON, when=when, needs=kept, subject_needs=("ref",), blocks=_RECEIPT)


def _inside(name: str, when: str, *needs: str) -> MailKind:
    return MailKind(name=name, to=OPERATORS, when=when, needs=("controller", *needs))


KINDS: Final[Mapping[str, MailKind]] = MappingProxyType(
    {
        "request_confirm": _letter("Did you ask for this?", "Whoever was named as the person", "Somebody typed an address into the form", "request", "asked_at", "link", "expires"),
        "address_confirm": _letter("Is this address yours too?", "Whoever was named as the person", "A person names another address of theirs", "request", "link", "expires"),
        "contact_changed": _letter("Was this you?", "The former address of an account", "A request came soon after an address was changed", "request", "link", "changed", "until"),
        "status_code": _letter("The code for the page", PERSON, "Somebody opens the page of a request", "code", "expires", named=True),
        "mail_received": MailKind(name="We have the mail", to="Whoever wrote", when="A mail came in and waits to be sorted", needs=("received", "controller", "email"), blocks=_RECEIPT, also=("at",)),
        "request_received": _receipt("We have the request", "The address is proven, and the clock runs", "request", "link"),
        "complaint_received": _receipt("We have the complaint", "The same, for a complaint", "link"),
        "request_acknowledged": _receipt("We have the request, not proven yet", "The law wants receipt confirmed by a day of its own", "request"),
        "request_extended": _answer("It takes longer", "The period is extended, with its reasons", "reason", "due", COMPLAINT),
        "request_fee": _letter("A fee for it", PERSON, "A fee is asked for, before anything is done", "request", "amount", "rule", "reason", COMPLAINT, named=True),
        "message_from_us": _letter("A message waits on the page", PERSON, "An operator writes to the person", "request", "link", named=True),
        "package_ready": _answer("The copy is ready", "Access or portability is answered", "link", "expires", COMPLAINT),
        "deletion_cooling": _letter("It goes on that day", PERSON, "A deletion that nobody has to approve waits for its hour", "request", "expires", "link", named=True),
        "deletion_done": _answer("What was deleted, what stays", "A deletion is done and read back", COMPLAINT),
        "correction_done": _answer("What was put right", "A correction is done and read back", COMPLAINT),
        "right_carried_out": _answer("It is carried out", "An opt-out, objection, restriction or withdrawal is done", COMPLAINT),
        "restriction_ends": _letter("A restriction ends", PERSON, "Before it ends, or that it goes on after all", "request", "words", "day", named=True, leads=False),
        "nothing_found": _answer("We hold nothing", "Nothing is held about a proven person", COMPLAINT),
        "answered_by_hand": _answer("What we did", "An operator did by hand what was asked", "words", COMPLAINT),
        "request_refused": _answer("The refusal", "A request is refused, with its ground", "reason", "ground", COMPLAINT),
        "complaint_answered": _answer("The answer to a complaint", "A complaint is decided", "reasons", COMPLAINT),
        "appeal_decided": _answer("The decision on an appeal", "An appeal is decided", "reasons", COMPLAINT),
        "request_forwarded": _letter("It is passed on", PERSON, "The data is held for a customer, who decides", "request", "received", "customer", named=True),
        "asker_confirm": _letter("Did you ask for somebody?", ASKER, "Somebody names an address as theirs, to ask for another person", "request", "received", "link", "expires"),
        "asker_received": _letter("We have their request", ASKER, "The asker's own address is proven", "request", "received", "due", "link", named=True),
        "asker_permission": _letter("Do you know of this?", PERSON, "Somebody asks for them", "request", "received", "asker", "says", "link", "expires"),
        "asker_refused": _letter("They may not ask", ASKER, "It is not shown that they may ask", "request", named=True),
        "asker_done": _letter("It is closed", ASKER, "A request for somebody else came to its end", "request", named=True),
        "customer_request": _letter("A request for a customer", "A customer that data is held for", "A request is passed on", "request", "received", "person", named=True),
        "task_asked": _letter("Work for you", STORE, "A step of a request is work for people", "work", "store", "due", "link", "expires", tagged=True),
        "task_reminded": _letter("Work for you, again", STORE, "Nobody has answered", "work", "store", "due", "asked_on", "link", "expires", tagged=True),
        "task_withdrawn": _letter("No work any more", STORE, "The work is not needed any more", "work", "store", "asked_on", named=True),
        "telling_asked": _letter("A recipient is told", RECIPIENT, "Data they got was deleted, corrected or restricted", "work", "recipient", "due", "link", "expires", leads=False, tagged=True),
        "telling_reminded": _letter("A recipient is told, again", RECIPIENT, "They have not answered", "work", "recipient", "due", "asked_on", "link", "expires", tagged=True),
        "telling_withdrawn": _letter("A recipient needs to do nothing", RECIPIENT, "It is not needed any more", "work", "recipient", "asked_on", named=True),
        "policy_change": MailKind(name="The policy changes", to=EVERYBODY, when="A version is planned, ahead of the day", needs=("controller", "email", "number", "when", COMPLAINT), blocks=_POLICY, also=("intro",)),
        "policy_withdrawn": MailKind(name="The policy stays", to=EVERYBODY, when="A version that was told of will not come", needs=("controller", "email", "number", COMPLAINT), blocks=_POLICY, also=("intro",)),
        "attestation_due": _inside("A promise needs somebody's word", "Nobody vouches for a promise, or soon nobody does"),
        "alarm_raised": _inside("Something needs somebody", "A promise is broken, or a job is silent", "link"),
        "alarm_over": _inside("An alarm is over", "What was broken is whole again", "link"),
        "sweep_waiting": _inside("A sweep waits", "A run needs approval", "link"),
        "hold_review": _inside("A hold is due for review", "The review date of a hold has passed", "link"),
        "ledger_checkpoint": _inside("A checkpoint of the ledger", "As often as kept.yaml says, to an auditor"),
        "request_due": _inside("A request is nearly due", "On the days that kept.yaml names", "link"),
        "request_gave_up": _inside("A step is not tried again", "A step of a request failed too often", "link"),
    }
)  # fmt: skip


def kind_of(event: str) -> MailKind:
    """What is known of a mail; of a folder that nobody described yet, its name, and nothing of it can be changed."""
    return KINDS.get(event, MailKind(name=event.replace("_", " "), to="", when=""))
