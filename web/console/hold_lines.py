"""How pages of the console say a hold: what it covers, what it keeps, and where its release stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from flask_login import current_user

from core.words import short_day
from retention.holds import HoldView
from web.console.actors import say_actor
from web.context import controller_zone
from web.services import services

VALUES_SHOWN: Final = 3
SAID_BEST: Final = "email"  # of several identifiers the one that people know somebody by


@dataclass(frozen=True, kw_only=True)
class HoldLine:
    """One hold as its row shows it. `covers` may name a person. `asked`: who wants it to end, '' for nobody; `mine`: it is
    the one who looks. `rows` None: nobody has counted yet."""

    hold: HoldView
    covers: str = field(repr=False)
    narrowed: str
    set_by: str
    rows: int | None
    review_over: bool
    asked: str
    mine: bool
    ended_by: str


def hold_lines(holds: Sequence[HoldView], names: dict[str, str], *, clause: str = "") -> list[HoldLine]:
    """The rows of a table of holds; with `clause`, what they keep of that clause alone."""
    return [_line(one, names, clause) for one in holds]


def _line(hold: HoldView, names: dict[str, str], clause: str) -> HoldLine:
    now = services().clock.now()
    kept = [one.rows for one in hold.kept if clause in ("", one.clause)]
    return HoldLine(
        hold=hold,
        covers=say_covers(hold),
        narrowed=_say_narrowed(hold, now),
        set_by=say_actor(hold.by, names),
        rows=sum(kept) if hold.counted_at is not None else None,
        review_over=hold.review_at is not None and hold.review_at <= now,
        asked=say_actor(hold.release_asked_by, names) if hold.release_asked_by else "",
        mine=hold.release_asked_by == current_user.operator.id,
        ended_by=say_actor(hold.released_by or "", names),
    )


def say_covers(hold: HoldView) -> str:
    """Whom or what it is on. Identifiers may stand in it: for operators, never for a log or an address."""
    if hold.person:
        kinds = [SAID_BEST] if SAID_BEST in hold.person else sorted(hold.person)
        values = [value for kind in kinds for value in hold.person[kind]]
        # An address stands there in each of its spellings; people read it once.
        distinct = list({value.lower(): value for value in values}.values())
        rest = f" and {len(distinct) - VALUES_SHOWN} more" if len(distinct) > VALUES_SHOWN else ""
        return ", ".join(distinct[:VALUES_SHOWN]) + rest
    return hold.collection or hold.clause or "Everything"


def _say_narrowed(hold: HoldView, now: datetime) -> str:
    said = []
    if hold.person:
        said.append(hold.collection or "all collections")
    elif hold.collection is None and hold.clause is None:
        said.append("all collections")
    if hold.clause and (hold.person or hold.collection):
        said.append(f"against {hold.clause}")
    zone = controller_zone()
    today = now.astimezone(zone).date()
    if hold.since is not None:
        said.append(f"from {short_day(hold.since.astimezone(zone).date(), today)}")
    if hold.until is not None:
        said.append(f"before {short_day(hold.until.astimezone(zone).date(), today)}")
    return ", ".join(said)
