"""What the page of a request says of the way it came in: by post, without an operator, or from an account that was closed."""

from __future__ import annotations

from dataclasses import dataclass

from dsr.by_post import PostView
from dsr.self_service import Served, ServiceView
from dsr.views import TicketView
from web.services import services

SERVICE_WORDS = {
    Served.LOOKING: ("now", "Being looked at"),
    Served.COOLING: ("waiting", "Goes by itself"),
    Served.RUNNING: ("kept", "Approved by its clause"),
    Served.OPERATOR: ("due", "Needs you"),
    Served.STOPPED: ("plain", "Stopped by the person"),
}


@dataclass(frozen=True, kw_only=True)
class WaysIn:
    """`whom`: in place of an address that there is not. `look`, `word`: of a request that needs no operator."""

    whom: str
    post: PostView | None
    service: ServiceView | None
    look: str = ""
    word: str = ""


def ways_of(view: TicketView) -> WaysIn:
    """The way a request came in."""
    requests = services().requests
    post, service = requests.by_post.look(view.ref), requests.self_service.read(view.ref)
    look, word = SERVICE_WORDS[service.state] if service else ("", "")
    if view.line.channel == "account_closed":
        whom = "a closed account"
    else:
        whom = "somebody without an e-mail address" if post else ""
    return WaysIn(whom=whom, post=post, service=service, look=look, word=word)
