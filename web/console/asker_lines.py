"""Who asks for whom, put into lines for the ticket's page."""

from __future__ import annotations

from typing import Any, Final

from dsr.asker_panel import AskerPanel
from dsr.asker_rules import ITEM_WORDS, KIND_NAMES, MINOR_NAMES, AnswerTo, AskerKind
from web.console.actors import actor_names
from web.console.ticket_words import MAILS
from web.services import services

ANSWER_WORDS: Final = {
    AnswerTo.PERSON: "The person",
    AnswerTo.BOTH: "The person, and whoever asks too",
    AnswerTo.ASKER: "Whoever asks, in place of the person",
}


def asker_of(ref: str) -> dict[str, Any]:
    """What templates/console/ticket_asker.html shows."""
    panel: AskerPanel = services().requests.asker_panel(ref)
    asker = panel.asker
    return {
        "panel": panel,
        "kind": KIND_NAMES[asker.kind] if asker else "",
        "minor": MINOR_NAMES[asker.minor] if asker and asker.minor else "",
        "kinds": [
            ("", "Choose one"),
            *((one.value, KIND_NAMES[one]) for one in AskerKind if one is not AskerKind.SELF),
        ],
        "minors": [("", "Of age, or not known"), *((one.value, name) for one, name in MINOR_NAMES.items())],
        "items": [(one.value, _upper(ITEM_WORDS[one])) for one in panel.offered],
        "item_words": {one: _upper(words) for one, words in ITEM_WORDS.items()},
        "answers": [(one.value, ANSWER_WORDS[one]) for one in panel.answers],
        "told": [(one.at, MAILS.get(one.event, f"Mail {one.event}")) for one in panel.told],
        "names": actor_names(),
    }


def _upper(words: str) -> str:
    return words[:1].upper() + words[1:]
