"""`kept hold`: records that must stay past their time, who said so, and how that ends."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click

from core.clock import iso_utc
from core.errors import BadInput
from core.words import count, plural
from jobs.actor import command_actor
from jobs.answers import Answer, Line, answering, table
from jobs.services import Services, Wiring
from retention.holds import HoldView

DAY = timedelta(days=1)


@click.group()
def hold() -> None:
    """Legal holds: records that must stay past their time."""


@hold.command("add")
@click.option("--collection", help="Only records of this collection.")
@click.option("--clause", help="Only against this clause.")
@click.option("--person", multiple=True, metavar="KIND=VALUE", help="Only records of this person.")
@click.option("--since", metavar="DATE", help="Only records from this day on, or from this instant on.")
@click.option("--until", metavar="DATE", help="Only records up to the end of this day, or up to this instant.")
@click.option("--review", metavar="DATE", help="When somebody looks whether it is still needed.")
@click.option("--reason", required=True, help="Which case or duty it is for.")
@click.pass_obj
@answering
def add_hold(
    wiring: Wiring,
    collection: str | None,
    clause: str | None,
    person: tuple[str, ...],
    since: str | None,
    until: str | None,
    review: str | None,
    reason: str,
) -> Answer:
    """Put records on hold; it binds from the next batch on."""
    with wiring.open_services(None) as kept:
        zone = _zone(kept)
        made = kept.hold_desk.add(
            by=command_actor(),
            reason=reason,
            collection=collection,
            clause=clause,
            person=_pairs(person),
            since=_instant("--since", since, zone),
            until=_instant("--until", until, zone, end=True),
            review_at=_instant("--review", review, zone),
        )
        kept.ledger.settle()
        covers = kept.hold_desk.covers(made.id)
    return Answer(
        data=_json(made) | {"covers": covers}, lines=[f"{made.id} binds from now on. {_say_reach(made, covers)}"]
    )


def _say_reach(made: HoldView, covers: int | None) -> str:
    """What it keeps, so that a slip shows at once."""
    if covers is None:
        return "How much it covers could not be counted: a store did not answer. `kept doctor` says which."
    if covers == 0:
        return f"It covers nothing now. Look at what you gave; `kept hold release {made.id}` ends it."
    narrow = made.collection or made.clause or made.person or made.since or made.until
    return f"It covers {plural(covers, 'record', 'records')}{'' if narrow else ', all there are'}."


@hold.command("list")
@click.option("--released", is_flag=True, help="Those that bind no more.")
@click.pass_obj
@answering
def list_holds(wiring: Wiring, released: bool) -> Answer:
    """List the holds that bind, and what each keeps past its time."""
    with wiring.open_services(None) as kept:
        if not released:
            kept.hold_desk.count()
        found, zone = kept.hold_desk.list(released=released), _zone(kept)
    columns = ["hold", "collection", "clause", "person by", "keeps", "by", "why", "review", "release"]
    rows = [
        [
            one.id,
            one.collection or "all",
            one.clause or "all",
            ", ".join(sorted(one.person)) or "all",
            count(one.rows),
            one.by,
            one.reason,
            f"{one.review_at.astimezone(zone):%Y-%m-%d}" if one.review_at else "–",
            _say_release(one),
        ]
        for one in found
    ]
    none = "No hold was released." if released else "No hold binds."
    lines: list[Line] = [table("", columns, rows, right=(4,))] if rows else [none]
    return Answer(data=[_json(one) for one in found], lines=lines)


@hold.command("release")
@click.argument("hold_id", metavar="ID")
@click.option("--reason", required=True, help="Why it may go.")
@click.pass_obj
@answering
def release_hold(wiring: Wiring, hold_id: str, reason: str) -> Answer:
    """Ask that a hold ends, or agree to what somebody else asked. With one operator it ends a day later. Exit 1 until then."""
    with wiring.open_services(None) as kept:
        one = kept.hold_desk.release(hold_id, by=command_actor(), reason=reason)
        kept.ledger.settle()
    if one.released_at is not None:
        return Answer(data=_json(one), lines=[f"{hold_id} is released. What it kept goes when its clause is due."])
    if one.release_due_at is not None:
        said = f"{hold_id} ends at {iso_utc(one.release_due_at)}: nobody else could agree to it. `kept hold keep` stops that."
    else:
        said = f"{hold_id} ends when somebody else agrees, here or in the console."
    return Answer(data=_json(one), lines=[said], exit_status=1)


@hold.command("keep")
@click.argument("hold_id", metavar="ID")
@click.option("--reason", default="", help="Why it goes on.")
@click.pass_obj
@answering
def keep_hold(wiring: Wiring, hold_id: str, reason: str) -> Answer:
    """Take back, or refuse, that a hold ends."""
    with wiring.open_services(None) as kept:
        one = kept.hold_desk.keep(hold_id, by=command_actor(), reason=reason)
        kept.ledger.settle()
    return Answer(data=_json(one), lines=[f"{hold_id} goes on."])


def _say_release(one: HoldView) -> str:
    if one.released_at is not None:
        return f"{one.released_at:%Y-%m-%d} by {one.released_by}"
    if one.release_due_at is not None:
        return f"ends {one.release_due_at:%Y-%m-%d %H:%M} UTC"
    return f"asked by {one.release_asked_by}" if one.release_asked_by else "–"


def _json(one: HoldView) -> dict[str, Any]:
    times = (
        "since",
        "until",
        "added_at",
        "review_at",
        "release_asked_at",
        "release_due_at",
        "released_at",
        "counted_at",
    )
    said = {name: _iso(getattr(one, name)) for name in times}
    return {
        "id": one.id,
        "collection": one.collection,
        "clause": one.clause,
        "person": sorted(one.person),
        "by": one.by,
        "reason": one.reason,
        "released": one.released_at is not None,
        "release_asked_by": one.release_asked_by,
        "released_by": one.released_by,
        "rows": one.rows,
        "kept": [{"clause": held.clause, "collection": held.collection, "rows": held.rows} for held in one.kept],
        **said,
    }


def _iso(at: datetime | None) -> str | None:
    return iso_utc(at) if at else None


def _zone(kept: Services) -> ZoneInfo:
    """The controller's: the one in which people mean a day."""
    with kept.database.read() as session:
        version = kept.policies.in_force(session)
    return ZoneInfo(version.document.controller.timezone if version else "UTC")


def _instant(option: str, text: str | None, zone: ZoneInfo, *, end: bool = False) -> datetime | None:
    """A day is meant from its beginning, or to its end, in the zone; an instant is taken as it is."""
    if text is None:
        return None
    try:
        if len(text) == len("2026-05-31"):
            day = date.fromisoformat(text) + (DAY if end else timedelta(0))
            return datetime.combine(day, time(0), zone).astimezone(UTC)
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"{option} is '{text}'.", remedy="Write a day such as 2026-05-31.") from error
    if at.tzinfo is None:
        raise BadInput(f"{option} is '{text}', which has no zone.", remedy="Write a day, or end it with Z or +02:00.")
    return at.astimezone(UTC)


def _pairs(given: tuple[str, ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in given:
        kind, equals, value = pair.partition("=")
        if not equals or not value:
            raise BadInput("--person has no KIND=VALUE.", remedy="Write it such as user_id=u_000042.")
        found.setdefault(kind, []).append(value)
    return found
