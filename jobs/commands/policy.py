"""`kept policy`: check, show, publish and withdraw the policy."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from core.errors import BadInput, NotFound, WaitsForPerson
from core.settings_file import find_settings_file, load_settings
from core.words import full_day
from jobs.actor import command_actor
from jobs.answers import Answer, answering, table
from jobs.commands.policy_diff import diff_policy
from jobs.commands.policy_import import import_policy
from jobs.commands.policy_render import render_policy
from jobs.papers import make_papers
from jobs.services import Services, Wiring
from policies.documents import Document
from policies.lint import lint as find_faults
from policies.materiality import Weight
from policies.translations import read_family, read_one
from policies.version_values import digest_of
from policies.version_words import say_verdict, say_when
from policies.versions import Overrule, Version, VersionState

_SHORT_DIGEST = 12
_STATES = {
    VersionState.PLANNED: "planned",
    VersionState.IN_FORCE: "in force",
    VersionState.SUPERSEDED: "superseded",
    VersionState.OVERTAKEN: "overtaken",
    VersionState.WITHDRAWN: "withdrawn",
}


@click.group()
def policy() -> None:
    """Check, compare, import, show, publish, withdraw and print the policy."""


for _command in (diff_policy, import_policy, render_policy):
    policy.add_command(_command)


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
@answering
def lint(file: Path) -> Answer:
    """Say what is wrong with the policy document FILE, line by line. Needs no configuration."""
    document = read_one(file)
    found = find_faults(document)
    refused = sum(one.level == "refused" for one in found)
    lines = [
        f"{file}:{one.line}: {'' if one.level == 'refused' else 'warning: '}{f'{one.clause}: ' if one.clause else ''}{one.what} {one.remedy}"
        for one in found
    ]
    warnings = len(found) - refused
    ending = f"{len(document.clauses)} clauses, {refused} refused, {warnings} warnings."
    return Answer(
        data={"file": str(file), "clauses": len(document.clauses), "findings": [asdict(one) for one in found]},
        lines=[*lines, ending],
        exit_status=2 if refused else 0,
    )


def _describe(version: Version) -> dict[str, object]:
    """A version as JSON; `verdict` None for the first."""
    overruled, terms = version.overruled, version.terms
    return {
        "number": version.number,
        "policy": version.policy,
        "state": version.state,
        "languages": version.languages,
        "digest": version.digest,
        "published_at": version.published_at,
        "in_force_at": version.in_force_at,
        "superseded_at": version.superseded_at,
        "planned_for": version.planned_for,
        "withdrawn_at": version.withdrawn_at,
        "previous": version.previous,
        "verdict": version.weight,
        "reasons": version.reasons,
        "overruled": {"verdict": overruled.weight, "reason": overruled.reason, "by": overruled.by} if overruled else None,
        "channels": [way.value for way in terms.channels.ways] if terms.channels else [],
        "ahead": str(terms.ahead) if terms.ahead else None,
        "told_at": version.told_at,
    }  # fmt: skip


@policy.command()
@click.argument("number", type=int, required=False)
@click.option("--language", help="One of the languages it is published in; without it, the original.")
@click.pass_obj
@answering
def show(wiring: Wiring, number: int | None, language: str | None) -> Answer:
    """Print version NUMBER, or the one in force."""
    with wiring.open_services(None) as kept, kept.database.read() as session:
        version = kept.policies.in_force(session) if number is None else kept.policies.version(session, number)
        if version is None:
            raise NotFound("No version is in force.", remedy="Run `kept policy publish`.")
    if language and language not in version.languages:
        spoken = ", ".join(version.languages)
        raise NotFound(f"Version {version.number} is not published in '{language}'.", remedy=f"It is in: {spoken}.")
    text = version.in_language(language or version.document.language).text
    heading = f"Version {version.number}, {_STATES[version.state]}"
    return Answer(
        data=_describe(version) | {"text": text}, lines=[heading, *say_verdict(version), say_when(version), text]
    )


@policy.command("list")
@click.pass_obj
@answering
def list_versions(wiring: Wiring) -> Answer:
    """Every version: where it stands, its verdict, since when it is in force or for when it is planned."""
    with wiring.open_services(None) as kept, kept.database.read() as session:
        versions = kept.policies.versions(session)
    rows = [
        [
            str(one.number),
            _STATES[one.state],
            ", ".join(one.languages),
            (one.weight.value if one.weight else "first") + (" (overruled)" if one.overruled else ""),
            _day_of(one),
            one.digest[:_SHORT_DIGEST],
        ]
        for one in versions
    ]
    columns = ["version", "state", "languages", "verdict", "in force or planned", "digest"]
    nothing = "No version is published. Run `kept policy publish`."
    return Answer(
        data={"versions": [_describe(one) for one in versions]},
        lines=[table("", columns, rows, right=(0,))] if rows else [nothing],
    )


def _day_of(version: Version) -> str:
    instant = version.in_force_at or version.planned_for
    return full_day(instant.astimezone(ZoneInfo(version.document.controller.timezone)).date()) if instant else ""


@policy.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--verdict", type=click.Choice([weight.value for weight in Weight]), help="Overrule the verdict.")
@click.option("--reason", help="Why the verdict is overruled; it stands in the ledger.")
@click.option("--again", is_flag=True, help="Publish as a new version what was withdrawn.")
@click.pass_obj
@answering
def publish(wiring: Wiring, file: Path | None, verdict: str | None, reason: str | None, again: bool) -> Answer:
    """Publish FILE and the translations beside it, or the draft that kept.yaml names.

    What is published already changes nothing. What a person withdrew is not published again by itself.
    """
    if (verdict is None) != (reason is None):
        raise BadInput("--verdict and --reason go together.", remedy='Write --verdict minor --reason "…".')
    overrule = Overrule(weight=Weight(verdict), reason=reason or "", by=command_actor()) if verdict else None
    documents = read_family(file or load_settings(find_settings_file()).policy)
    with wiring.open_services(None) as kept:
        if not again:
            _require_not_withdrawn(kept, documents)
        version, changed = _publish(kept, documents, overrule)
        kept.ledger.settle()
        left = make_papers(kept)
    head = f"Version {version.number} of {version.policy} is published, in {' and '.join(version.languages)}."
    if not changed:
        head = f"These documents are version {version.number} of {version.policy} already. Nothing was changed."
    return Answer(
        data=_describe(version) | {"changed": changed}, lines=[head, *say_verdict(version), say_when(version), *left]
    )


def _require_not_withdrawn(kept: Services, documents: tuple[Document, ...]) -> None:
    """A job that publishes what lies in a repository must not undo what a person decided since."""
    with kept.database.read() as session:
        versions = kept.policies.versions(session)
    latest = versions[-1] if versions else None
    if latest and latest.state is VersionState.WITHDRAWN and latest.digest == digest_of(documents):
        raise WaitsForPerson(
            f"These documents are version {latest.number}, which was withdrawn: {latest.withdrawn_because}",
            remedy="Change the document, or publish it as a new version with --again.",
        )


def _publish(kept: Services, documents: tuple[Document, ...], overrule: Overrule | None) -> tuple[Version, bool]:
    """The version, and whether it is a new one."""
    original, *translations = documents
    with kept.database.read() as session:
        seen = {one.number for one in kept.policies.versions(session)}
    version = kept.policies.publish(original, translations=translations, actor=command_actor(), overrule=overrule)
    return version, version.number not in seen


@policy.command()
@click.argument("number", type=int)
@click.option("--reason", required=True, help="Why it will not come; it stands in the ledger.")
@click.pass_obj
@answering
def withdraw(wiring: Wiring, number: int, reason: str) -> Answer:
    """Take back version NUMBER before it is in force. Whoever was told of it is told that it will not come."""
    with wiring.open_services(None) as kept:
        version = kept.policies.withdraw(number, actor=command_actor(), reason=reason)
        kept.ledger.settle()
        left = make_papers(kept)
    return Answer(data=_describe(version), lines=[f"Version {version.number}: {say_when(version)}", *left])
