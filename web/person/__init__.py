"""Pages behind links in mails: asking, confirming, following, and work for people. What each does is decided in `dsr`."""

from web.person import certificate, confirm, correction, form, package, page, proof, talk, task
from web.person_blueprint import blueprint, tasks

__all__ = [
    "blueprint",
    "certificate",
    "confirm",
    "correction",
    "form",
    "package",
    "page",
    "proof",
    "talk",
    "task",
    "tasks",
]
