"""The badge: how the promises stand, as a small picture that other sites may show."""

from __future__ import annotations

from typing import Final

from flask import Response, abort, render_template

from promises.states import State
from web.glance import count_states
from web.languages import gettext, page_language
from web.public_blueprint import blueprint, cacheable
from web.services import services
from web.words import say_states, say_title

TYPE: Final = "image/svg+xml; charset=utf-8"
# Of the mark of each state in the light theme; white text on each has a contrast of 4.5 or more.
MARKS: Final = {State.BROKEN: "#a1211a", State.DUE: "#774800", State.ATTESTED: "#5a3b9b", State.KEPT: "#17603a"}
NOTHING: Final = "#5c574c"
COLOURED: Final = (State.BROKEN, State.DUE, State.KEPT, State.ATTESTED)
LETTER, ROOM = 6.3, 16


@blueprint.get("/privacy/promises.svg")
def badge() -> Response:
    """`Promises | 2 broken, 13 kept`, the worst first; where the installation shows its promises."""
    if not services().settings.public_promises:
        abort(404)
    states, language = count_states(), page_language()
    label = gettext("Promises")
    says = say_states(states, language) or gettext("none in force")
    # What is vouched for is nothing worse than kept: the colour speaks of what a machine found.
    worst = next((state for state in COLOURED if states[state]), None)
    picture = render_template(
        "pages/badge.svg",
        label=label,
        says=says,
        title=say_title(states, language) if states else gettext("No promise is in force yet"),
        mark=MARKS[worst] if worst else NOTHING,
        wide=[round(len(words) * LETTER) + ROOM for words in (label, says)],
    )
    return cacheable(picture, TYPE)
