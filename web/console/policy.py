"""The policy in the console: its versions, how telling people of one stands, what differs, what happens when, and withdrawing one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from core.errors import BadInput, Conflict, KeptError
from core.operators import Permission, list_operators
from core.words import day_left, short_day
from notify.campaign_tables import CampaignState, Stage
from notify.campaign_views import CampaignView
from policies.clauses import NoticeClause
from policies.documents import DocumentRefused, Problem
from policies.drafts import ORIGINAL, Draft, Reading, read_texts
from policies.translations import read_family
from policies.versions import Version, VersionState
from web.console.policy_drafts import draft_file_name
from web.console.policy_lines import DraftLine, LintLine, draft_line, lint_lines, version_lines
from web.console.policy_prose import compare_versions, show_prose
from web.console.policy_steps import entries_of, steps_of
from web.console_blueprint import blueprint
from web.context import controller_zone
from web.services import services

FEW: Final = 6
FEW_LINES: Final = 7


@dataclass(frozen=True, kw_only=True)
class Room:
    """What every page about versions reads: versions the latest first, campaigns the latest first, names of operators."""

    versions: tuple[Version, ...]
    campaigns: tuple[CampaignView, ...]
    names: Mapping[str, str]

    @property
    def in_force(self) -> Version | None:
        return next((one for one in self.versions if one.state is VersionState.IN_FORCE), None)

    @property
    def planned(self) -> list[Version]:
        return [one for one in self.versions if one.state is VersionState.PLANNED]

    def campaign(self, number: int, stage: Stage = Stage.NOTICE) -> CampaignView | None:
        return next((one for one in self.campaigns if one.version == number and one.stage is stage), None)

    def version(self, number: int) -> Version | None:
        return next((one for one in self.versions if one.number == number), None)

    def notice_clause(self, number: int) -> str:
        """The clause of a version that promises notice, by its id; empty where it has none."""
        version = self.version(number)
        clauses = version.document.of_kind(NoticeClause) if version else ()
        return clauses[0].id if clauses else ""

    def told(self, version: Version) -> int:
        """How many people were told of a version, or may have been."""
        campaign = self.campaign(version.number)
        return campaign.told + campaign.uncertain if campaign else 0


@dataclass(frozen=True, kw_only=True)
class FileDraft:
    """The draft that kept.yaml names. `same_as`: the version with the same text; `unreadable`: why it cannot be read."""

    name: str
    reading: Reading
    same_as: int | None = None
    unreadable: str = ""
    many: bool = False


@blueprint.get("/policy")
def policy() -> str:
    """Telling people first, then versions, what the planned one changes, lint of the draft, what happens when."""
    kept = services()
    with kept.database.read() as session:
        room = read_room(session)
        drafts = kept.drafts.drafts(session)
        chosen = _choose(room)
        entries = entries_of(session, chosen.number) if chosen else []
    file = _read_file(room.versions)
    shown = compare_versions(chosen, room.versions) if chosen else None
    everything = request.args.get("all") == "1"
    return render_template(
        "console/policy.html",
        here="policies",
        room=room,
        says=_say(room),
        telling=[one for one in room.campaigns if _asks(one)],
        lines=version_lines(room.versions if everything else room.versions[:FEW], room.versions, room.campaigns),
        more=0 if everything else max(len(room.versions) - FEW, 0),
        drafts=_draft_lines(drafts, file, room),
        lint=_lint(drafts, file),
        file=file,
        chosen=chosen,
        shown=shown,
        steps=steps_of(chosen, entries, room.campaign(chosen.number), room.names) if chosen else [],
        may_publish=current_user.operator.may(Permission.PUBLISH_POLICY),
    )


@blueprint.get("/policy/versions/<int(max=2147483647):number>")
def policy_version(number: int) -> str:
    """One version: who published it, what it changed, who was told, what the ledger has of it, and its words."""
    kept = services()
    with kept.database.read() as session:
        version = kept.policies.version(session, number)
        room = read_room(session)
        entries = entries_of(session, number)
    campaign = room.campaign(number)
    return render_template(
        "console/policy_version.html",
        here="policies",
        version=version,
        line=version_lines([version], room.versions, room.campaigns)[0],
        room=room,
        campaign=campaign,
        after_withdrawal=room.campaign(number, Stage.WITHDRAWN),
        by=next((one.actor for one in entries if one.kind == "policy.published"), ""),
        steps=steps_of(version, entries, campaign, room.names),
        shown=compare_versions(version, room.versions),
        prose=show_prose(version.documents, number),
        may_publish=current_user.operator.may(Permission.PUBLISH_POLICY),
    )


@blueprint.route("/policy/versions/<int(max=2147483647):number>/withdraw", methods=["GET", "POST"])
def withdraw_version(number: int) -> Response | str | tuple[str, int]:
    """Take back a version that is not in force yet; the page says how many people get a second mail."""
    kept = services()
    with kept.database.read() as session:
        version, room = kept.policies.version(session, number), read_room(session)
    if version.state is not VersionState.PLANNED:
        raise Conflict(f"Version {number} is not planned any more.", remedy="Only a planned version can be withdrawn.")
    reason, problem = request.form.get("reason", "").strip(), ""
    if request.method == "POST":
        try:
            kept.policies.withdraw(number, actor=current_user.operator.id, reason=reason)
            kept.ledger.settle()
            flash(f"Version {number} is withdrawn. It never takes effect.")
            return redirect(url_for("console.policy"))
        except BadInput as error:
            problem = str(error)
    page = render_template(
        "console/policy_withdraw.html",
        here="policies",
        version=version,
        told=room.told(version),
        campaign=room.campaign(number),
        in_force=room.in_force,
        reason=reason,
        problem=problem,
    )
    return (page, 400) if problem else page


def read_room(session: Session) -> Room:
    """Versions, campaigns and names as they stand."""
    kept = services()
    return Room(
        versions=tuple(sorted(kept.policies.versions(session), key=lambda one: one.number, reverse=True)),
        campaigns=tuple(kept.campaigns.standing(session)),
        names={one.id: one.name for one in list_operators(session)},
    )


def _choose(room: Room) -> Version | None:
    """The version that the address asks for, else the first that is planned, else the one in force."""
    asked = request.args.get("version", type=int)
    named = next((one for one in room.versions if one.number == asked), None)
    return named or next(iter(reversed(room.planned)), None) or room.in_force


def _asks(campaign: CampaignView) -> bool:
    """Whether a campaign stands on top: while people are told, and as long as somebody has to decide about it."""
    going = campaign.state in (CampaignState.RUNNING, CampaignState.PAUSED)
    return campaign.by_mail and (going or bool(campaign.uncertain or campaign.problem))


def _say(room: Room) -> str:
    zone = controller_zone()
    today = services().clock.now().astimezone(zone).date()
    first = f"Version {room.in_force.number} is in force." if room.in_force else "No version is in force."
    said = [first]
    for one in reversed(room.planned):
        if one.planned_for is None:
            said.append(f"Version {one.number} is planned.")
            continue
        day = one.planned_for.astimezone(zone).date()
        left = day_left(day, today)
        said.append(
            f"Version {one.number} takes over on {short_day(day, today)}, {'in ' if day > today else ''}{left}."
        )
    if any(one.state is CampaignState.RUNNING for one in room.campaigns if one.by_mail):
        said.append("People are being told.")
    return " ".join(said)


def _read_file(versions: Sequence[Version]) -> FileDraft:
    name = draft_file_name()
    try:
        documents = read_family(services().settings.policy)
    except DocumentRefused as refusal:
        problems = tuple(replace(one, source=one.source.rpartition("/")[2]) for one in refusal.problems)
        return FileDraft(name=name, reading=Reading(problems=problems))
    except KeptError as error:
        problem = Problem(source=name, line=1, clause=None, what=error.message, remedy=error.remedy)
        return FileDraft(name=name, reading=Reading(problems=(problem,)), unreadable=error.message)
    original, *others = documents
    reading = read_texts({ORIGINAL: original.text} | {one.language: one.text for one in others})
    same = next((one.number for one in versions if one.digest == reading.digest), None)
    return FileDraft(name=name, reading=reading, same_as=same, many=bool(others))


def _draft_lines(drafts: Sequence[Draft], file: FileDraft, room: Room) -> list[DraftLine]:
    lines = [draft_line(one, room.in_force, room.names) for one in drafts]
    if file.same_as or file.unreadable:
        return lines
    return [*lines, draft_line(file.reading, room.in_force, room.names, name=file.name)]


@dataclass(frozen=True, kw_only=True)
class Lint:
    """What lint says of the draft that somebody worked on last, or of the file that kept.yaml names. `more`: left out."""

    lines: list[LintLine]
    refused: int
    warnings: int
    more: int
    href: str
    name: str


def _lint(drafts: Sequence[Draft], file: FileDraft) -> Lint:
    if drafts:
        draft, reading = drafts[0], drafts[0].read()
        lines = lint_lines(reading, many=len(draft.texts) > 1)
        href, name = url_for("console.draft", draft_id=draft.id), f"from {draft.came_from}"
    else:
        reading, href, name = file.reading, "", file.name
        lines = lint_lines(reading, many=file.many, same_as=file.same_as)
    warnings = sum(one.state == "due" for one in lines)
    shown = [one for one in lines if one.state == "broken"]
    shown += [one for one in lines if one.state == "due"][: max(FEW_LINES - len(shown), 0)]
    shown += [one for one in lines if one.state == "kept"]
    return Lint(
        lines=shown, refused=reading.refused, warnings=warnings, more=len(lines) - len(shown), href=href, name=name
    )
