"""The words for rights, states and open questions that people and operators read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dsr.states import State
from policies.clauses import Right

# What a person says to us, as the mails quote it.
RIGHT_WORDS: Final[Mapping[Right, str]] = {
    Right.ACCESS: "Send me a copy of my data",
    Right.PORTABILITY: "Give me my data in a form I can take elsewhere",
    Right.CORRECTION: "Correct something that is wrong",
    Right.DELETION: "Delete my account and my data",
    Right.RESTRICTION: "Stop using my data for now",
    Right.OBJECTION: "Stop using my data for something",
    Right.OPT_OUT: "Do not sell or share my data",
    Right.LIMIT_SENSITIVE: "Limit the use of my sensitive data",
    Right.WITHDRAW_CONSENT: "I withdraw my consent",
    Right.COMPLAINT: "I have a complaint",
    Right.APPEAL: "Look at your decision again",
}
RIGHT_NAMES: Final[Mapping[Right, str]] = {right: right.value.replace("_", " ").capitalize() for right in Right}

# What the operators' list says of a state.
STATE_NAMES: Final[Mapping[State, str]] = {
    State.UNCONFIRMED: "Link not used yet",
    State.RECEIVED: "New",
    State.PLANNED: "Needs approval",
    State.APPROVED: "Approved",
    State.RUNNING: "Running",
    State.PARTLY_DONE: "Partly done",
    State.ANSWERED: "Answered",
    State.REFUSED: "Refused",
    State.NOTHING_FOUND: "Nothing found",
    State.WITHDRAWN: "Withdrawn",
    State.EXPIRED: "Link never used",
}


@dataclass(frozen=True, kw_only=True)
class StatusWords:
    """What the person's page says of a state: one line, and one sentence under it."""

    title: str
    body: str


# Before somebody has done by hand what no plan carries out.
BY_HAND: Final = StatusWords(
    title="A person works on your request", body="You do not need to do anything. You get a mail when it is done."
)
STATUS: Final[Mapping[State, StatusWords]] = {
    State.UNCONFIRMED: StatusWords(
        title="We wait for you", body="Open the link in our mail and press the button on its page."
    ),
    State.RECEIVED: StatusWords(
        title="We have your request", body="You do not need to do anything. A person looks where your data is."
    ),
    State.PLANNED: StatusWords(
        title="A person is checking your request",
        body="You do not need to do anything. We looked in every place we keep data, and a person checks what was found.",
    ),
    State.APPROVED: StatusWords(
        title="Checked, and about to be done", body="You do not need to do anything. You get a mail when it is done."
    ),
    State.RUNNING: StatusWords(title="It is being done", body="You get a mail when it is done."),
    State.PARTLY_DONE: StatusWords(
        title="Not all of it is done yet", body="One place could not be reached. We try again, and the day below stays."
    ),
    State.ANSWERED: StatusWords(title="Your request is answered", body="Our answer went to you by mail."),
    State.REFUSED: StatusWords(
        title="We do not do what you asked", body="The reasons went to you by mail, with where you can complain."
    ),
    State.NOTHING_FOUND: StatusWords(
        title="We hold nothing about you",
        body="We looked in every place we keep data and found nothing under your address.",
    ),
    State.WITHDRAWN: StatusWords(
        title="You withdrew this request", body="Nothing more is done. You can ask again at any time."
    ),
    State.EXPIRED: StatusWords(
        title="This request was never confirmed", body="Nothing was done. You can ask again at any time."
    ),
}
