"""Pages behind links in mails: asking, confirming, following, and work for people. What each does is decided in `dsr`."""

from web.person import confirm, form, page, task
from web.person_blueprint import blueprint, tasks

__all__ = ["blueprint", "confirm", "form", "page", "task", "tasks"]
