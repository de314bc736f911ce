"""The words for rights, states and open questions that people and operators read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from core.catalogue import catalogue, mark
from dsr.stands import Stand
from dsr.states import State
from policies.clauses import Right

# What a person says to us, as the mails quote it.
RIGHT_WORDS: Final[Mapping[Right, str]] = {
    Right.ACCESS: mark("Send me a copy of my data"),
    Right.PORTABILITY: mark("Give me my data in a form I can take elsewhere"),
    Right.CORRECTION: mark("Correct something that is wrong"),
    Right.DELETION: mark("Delete my account and my data"),
    Right.RESTRICTION: mark("Stop using my data for now"),
    Right.OBJECTION: mark("Stop using my data for something"),
    Right.OPT_OUT: mark("Do not sell or share my data, or send me advertising"),
    Right.LIMIT_SENSITIVE: mark("Limit the use of my sensitive data"),
    Right.WITHDRAW_CONSENT: mark("I withdraw my consent"),
    Right.COMPLAINT: mark("I have a complaint"),
    Right.APPEAL: mark("Look at your decision again"),
}
RIGHT_NAMES: Final[Mapping[Right, str]] = {right: right.value.replace("_", " ").capitalize() for right in Right}

# What the operators' list says of a state.
STATE_NAMES: Final[Mapping[State, str]] = {
    State.UNCONFIRMED: "Link not used yet",
    State.SCHEDULED: "Waits for its day",
    State.RECEIVED: "New",
    State.PLANNED: "Needs approval",
    State.APPROVED: "Approved",
    State.RUNNING: "Running",
    State.PARTLY_DONE: "Partly done",
    State.ANSWERED: "Answered",
    State.PARTLY_REFUSED: "Partly refused",
    State.REFUSED: "Refused",
    State.NOTHING_FOUND: "Nothing found",
    State.FORWARDED: "Passed on",
    State.WITHDRAWN: "Withdrawn",
    State.EXPIRED: "Link never used",
}
# And of one that is partly done.
STAND_NAMES: Final[Mapping[Stand, str]] = {
    Stand.FAILED: "Partly done",
    Stand.PEOPLE: "Waits for people",
    Stand.TEXTS: "Needs a decision",
    Stand.TIME: "Waits for its time",
    Stand.GOING: "Goes on",
}


@dataclass(frozen=True, kw_only=True)
class StatusWords:
    """What the person's page says of a state: one line, and one sentence under it."""

    title: str
    body: str


# Before somebody has done by hand what no plan carries out.
BY_HAND: Final = StatusWords(
    title=mark("A person works on your request"),
    body=mark("You do not need to do anything. You get a mail when it is done."),
)
# While an answer of theirs is waited for.
ASKED: Final = StatusWords(
    title=mark("We have a question for you"),
    body=mark("It stands below, under the messages. A person reads your answer and goes on."),
)
# While an operator decides what of the texts in a copy goes out.
LOOKED_THROUGH: Final = StatusWords(
    title=mark("A person looks through your copy"),
    body=mark(
        "You do not need to do anything. Some of the texts in it may be about other people too. The day below stays."
    ),
)
# While somebody was asked to do a part by hand, and while a part can only be done at a later moment.
BY_OTHERS: Final = StatusWords(
    title=mark("Not all of it is done yet"),
    body=mark(
        "A part of it is done by hand, and we asked for it. You do not need to do anything, and the day below stays."
    ),
)
NOT_YET: Final = StatusWords(
    title=mark("Not all of it is done yet"),
    body=mark(
        "A part of it can only be done once a file that is still being written is complete. It goes on by itself, and the "
        "day below stays."
    ),
)
# Of somebody whom the application handed over, where the policy's clause says that no operator is needed.
SERVED: Final = StatusWords(
    title=mark("It goes on by itself"),
    body=mark("You do not need to do anything. You came from your account, so nobody has to check who you are."),
)
STATUS: Final[Mapping[State, StatusWords]] = {
    State.UNCONFIRMED: StatusWords(
        title=mark("We wait for you"), body=mark("Open the link in our mail and press the button on its page.")
    ),
    State.SCHEDULED: StatusWords(
        title=mark("Your account is closed"), body=mark("What we held in it is deleted when its time is over.")
    ),
    State.RECEIVED: StatusWords(
        title=mark("We have your request"),
        body=mark("You do not need to do anything. A person looks where your data is."),
    ),
    State.PLANNED: StatusWords(
        title=mark("A person is checking your request"),
        body=mark(
            "You do not need to do anything. We looked in every place we keep data, and a person checks what was found."
        ),
    ),
    State.APPROVED: StatusWords(
        title=mark("Checked, and about to be done"),
        body=mark("You do not need to do anything. You get a mail when it is done."),
    ),
    State.RUNNING: StatusWords(title=mark("It is being done"), body=mark("You get a mail when it is done.")),
    State.PARTLY_DONE: StatusWords(
        title=mark("Not all of it is done yet"),
        body=mark("In one place it was not possible yet. We try again, and the day below stays."),
    ),
    State.ANSWERED: StatusWords(title=mark("Your request is answered"), body=mark("Our answer went to you by mail.")),
    State.PARTLY_REFUSED: StatusWords(
        title=mark("We did part of what you asked"),
        body=mark("What we did and what we did not do, with the reasons, went to you by mail."),
    ),
    State.REFUSED: StatusWords(
        title=mark("We do not do what you asked"),
        body=mark("The reasons went to you by mail, with where you can complain."),
    ),
    State.NOTHING_FOUND: StatusWords(
        title=mark("We hold nothing about you"),
        body=mark("We looked in every place we keep data and found nothing under your address."),
    ),
    State.FORWARDED: StatusWords(
        title=mark("Your request is passed on"),
        body=mark("We hold this data for somebody else, who decides about it. Our mail says who."),
    ),
    State.WITHDRAWN: StatusWords(
        title=mark("You withdrew this request"), body=mark("Nothing more is done. You can ask again at any time.")
    ),
    State.EXPIRED: StatusWords(
        title=mark("This request was never confirmed"), body=mark("Nothing was done. You can ask again at any time.")
    ),
}


def say_right(right: Right, language: str) -> str:
    """What a person says to us with a right, in their language."""
    return catalogue(language).gettext(RIGHT_WORDS[right])


def say_status(words: StatusWords, language: str) -> StatusWords:
    """The words of a state in a person's language."""
    said = catalogue(language)
    return StatusWords(title=said.gettext(words.title), body=said.gettext(words.body))
