"""`kept campaign`: who has been told of a version, and the ways to steer that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy.orm import Session

from core.clock import iso_utc
from core.errors import BadInput
from core.words import count, plural
from jobs.actor import command_actor
from jobs.answers import Answer, Line, answering, table
from jobs.progress import showing_progress
from jobs.services import Services, Wiring
from notify.bounces import BounceCount
from notify.campaign_tables import CampaignState, Stage
from notify.campaign_views import CampaignView
from policies.translations import read_family

_COLUMNS = ["version", "stage", "state", "told", "bounced", "uncertain", "to tell", "in all", "tell by", "ends about"]


@click.group()
def campaign() -> None:
    """Tell people of a version, and see who has been told."""


stage_option = click.option(
    "--withdrawal", is_flag=True, help="The campaign that tells people that the version will not come."
)


def _stage(withdrawal: bool) -> Stage:
    return Stage.WITHDRAWN if withdrawal else Stage.NOTICE


@campaign.command("list")
@click.pass_obj
@answering
def list_campaigns(wiring: Wiring) -> Answer:
    """List every campaign, the latest first."""
    with wiring.open_services(None) as kept, kept.database.read() as session:
        found = kept.campaigns.standing(session)
    if not found:
        return Answer(
            data=[], lines=["No version had to be told of: a campaign begins when one is published that must."]
        )
    return Answer(data=[_json(one) for one in found], lines=[_table(found), *_problems(found)])


@campaign.command()
@click.argument("number", type=int)
@stage_option
@click.pass_obj
@answering
def show(wiring: Wiring, number: int, withdrawal: bool) -> Answer:
    """Show how the campaign of version NUMBER stands."""
    with wiring.open_services(None) as kept, kept.database.read() as session:
        return _answer(kept.campaigns.view(session, number, _stage(withdrawal)))


@campaign.command()
@click.argument("number", type=int)
@stage_option
@click.pass_obj
@answering
def run(wiring: Wiring, number: int, withdrawal: bool) -> Answer:
    """Tell people of version NUMBER now, until nobody is left or something stands in the way. The server does it by itself."""
    with wiring.open_services(None) as kept:
        with showing_progress() as show_progress:
            view = kept.campaign_runs.run(number, stage=_stage(withdrawal), on_progress=show_progress)
        kept.ledger.settle()
    return _answer(view)


@campaign.command()
@click.argument("number", type=int)
@stage_option
@click.pass_obj
@answering
def pause(wiring: Wiring, number: int, withdrawal: bool) -> Answer:
    """Stop telling people of version NUMBER until it is resumed."""
    with _changing(wiring) as (kept, session):
        kept.campaigns.pause(session, number, actor=command_actor(), stage=_stage(withdrawal))
    return _shown(wiring, number, withdrawal)


@campaign.command()
@click.argument("number", type=int)
@stage_option
@click.pass_obj
@answering
def resume(wiring: Wiring, number: int, withdrawal: bool) -> Answer:
    """Go on telling people of version NUMBER."""
    with _changing(wiring) as (kept, session):
        kept.campaigns.resume(session, number, actor=command_actor(), stage=_stage(withdrawal))
    return _shown(wiring, number, withdrawal)


@campaign.command()
@click.argument("number", type=int, required=False)
@click.option("--to", required=True, metavar="ADDRESS", help="Your own address.")
@click.option("--language", metavar="CODE", help="Which language, where the version has several.")
@click.pass_obj
@answering
def preview(wiring: Wiring, number: int | None, to: str, language: str | None) -> Answer:
    """Send the mail of version NUMBER, or of the draft that kept.yaml names, to one address and to nobody else."""
    with wiring.open_services(None) as kept:
        if number is None:
            family = read_family(kept.settings.policy)
            named = next((one for one in family if one.language == language), family[0])
            kept.campaign_runs.preview_draft(named, to=to)
        else:
            kept.campaign_runs.preview(number, to=to, language=language)
        where = kept.mailer.destination
    what = "the draft" if number is None else f"version {number}"
    return Answer(data={"version": number, "sent_to": where}, lines=[f"The mail of {what} went to {where}."])


@campaign.command()
@click.argument("number", type=int)
@click.option(
    "--as", "outcome", required=True, type=click.Choice(["told", "again"]), help="They were told, or: send it again."
)
@stage_option
@click.pass_obj
@answering
def settle(wiring: Wiring, number: int, outcome: str, withdrawal: bool) -> Answer:
    """Say of everyone uncertain whether they were told, or are to be sent the mail again (who got it gets it twice)."""
    with _changing(wiring) as (kept, session):
        told, stage = outcome == "told", _stage(withdrawal)
        settled = kept.campaigns.settle(session, number, told=told, actor=command_actor(), stage=stage)
    answer = _shown(wiring, number, withdrawal)
    words = "taken as told" if outcome == "told" else "sent again"
    return Answer(data=answer.data, lines=[f"{plural(settled, 'person is', 'people are')} {words}.", *answer.lines])


@campaign.command()
@click.argument("number", type=int)
@click.option("--reason", required=True, help="How people were told; stands in the ledger.")
@click.pass_obj
@answering
def complete(wiring: Wiring, number: int, reason: str) -> Answer:
    """Take everyone as told of version NUMBER by another way, such as letters."""
    with _changing(wiring) as (kept, session):
        kept.campaigns.complete_by_hand(session, number, actor=command_actor(), reason=reason)
    return _shown(wiring, number, withdrawal=False)


@campaign.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.pass_obj
@answering
def bounces(wiring: Wiring, files: tuple[Path, ...]) -> Answer:
    """Take in bounces: FILES are delivery status notifications, as .eml or mbox."""
    counted = BounceCount()
    with wiring.open_services(None) as kept:
        for file in files:
            kept.bounces.read_file(file, counted, actor=command_actor())
        kept.ledger.settle()
    if not counted.messages:
        raise BadInput("There is no message in these files.", remedy="Save the bounces as .eml or mbox.")
    lines: list[Line] = [
        f"{plural(counted.messages, 'message', 'messages')}: {count(counted.bounced)} bounced, "
        f"{count(counted.told)} delivered, {count(counted.unchanged)} known already, "
        f"{count(counted.unknown)} of mails that no campaign sent, {count(counted.others)} no delivery reports."
    ]
    return Answer(data=vars(counted), lines=lines)


@contextmanager
def _changing(wiring: Wiring) -> Iterator[tuple[Services, Session]]:
    """One write transaction of an installation, its entries proven at the end."""
    with wiring.open_services(None) as kept:
        with kept.database.begin() as session:
            yield kept, session
        kept.ledger.settle()


def _shown(wiring: Wiring, number: int, withdrawal: bool) -> Answer:
    with wiring.open_services(None) as kept, kept.database.read() as session:
        view = kept.campaigns.view(session, number, _stage(withdrawal))
    return Answer(data=_json(view), lines=[_table([view]), *_problems([view])])


def _answer(view: CampaignView) -> Answer:
    """Exit status 1 where something waits for a person."""
    waits = bool(view.problem and view.completed_at is None) or view.uncertain > 0 or view.state is CampaignState.PAUSED
    return Answer(data=_json(view), lines=[_table([view]), *_problems([view])], exit_status=1 if waits else 0)


def _problems(found: list[CampaignView]) -> list[Line]:
    lines: list[Line] = [f"version {one.version}: {one.problem}" for one in found if one.problem]
    for one in found:
        if one.uncertain:
            lines.append(
                f"version {one.version}: {plural(one.uncertain, 'person is', 'people are')} uncertain: the server may have "
                f"taken the mail. They are not sent it again until you say so: `kept campaign settle {one.version} --as …`."
            )
        if one.late:
            lines.append(f"version {one.version}: at this pace it ends after the last day to tell people.")
    return lines


def _table(found: list[CampaignView]) -> Line:
    rows = [
        [
            str(one.version), one.stage.value, one.state.value, count(one.told), count(one.bounced), count(one.uncertain),
            count(one.waiting), count(one.total) if one.counted else f"{count(one.total)} so far",
            _minute(one.deadline), _minute(one.ends_about),
        ]
        for one in found
    ]  # fmt: skip
    return table("", _COLUMNS, rows, right=(0, 3, 4, 5, 6, 7))


def _minute(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "–"


def _json(view: CampaignView) -> dict[str, Any]:
    return {key: iso_utc(value) if isinstance(value, datetime) else value for key, value in view.as_json().items()}
