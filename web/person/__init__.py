"""Pages behind links in mails: asking, confirming, following, and work for people. What each does is decided in `dsr`."""

from web.person import (
    appeal,
    asker,
    certificate,
    confirm,
    correction,
    form,
    handoff,
    package,
    page,
    preferences,
    proof,
    talk,
    task,
    telling,
)
from web.person_blueprint import blueprint, tasks
from web.person_blueprint import preferences as preferences_blueprint

__all__ = [
    "appeal",
    "asker",
    "blueprint",
    "certificate",
    "confirm",
    "correction",
    "form",
    "handoff",
    "package",
    "page",
    "preferences",
    "preferences_blueprint",
    "proof",
    "talk",
    "task",
    "tasks",
    "telling",
]
