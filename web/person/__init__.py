"""Pages for one person: asking, confirming, following. What each does is decided in `dsr`; here it becomes HTTP."""

from web.person import confirm, form, page
from web.person_blueprint import blueprint

__all__ = ["blueprint", "confirm", "form", "page"]
