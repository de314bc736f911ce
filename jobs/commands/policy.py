"""`kept policy`: check, show and publish the policy."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from core.errors import NotFound
from core.settings_file import find_settings_file, load_settings
from jobs.answers import Answer, answering
from jobs.services import Wiring
from policies.documents import parse_document
from policies.lint import lint as find_faults
from policies.versions import Version


@click.group()
def policy() -> None:
    """Check, show and publish the policy."""


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}.", remedy="Name a policy document.") from error
    except UnicodeDecodeError as error:
        raise NotFound(f"{file} is not UTF-8 text.", remedy="Save it as UTF-8.") from error


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
@answering
def lint(file: Path) -> Answer:
    """Say what is wrong with the policy document FILE, line by line. Needs no configuration."""
    document = parse_document(_read(file), str(file))
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
    return {
        "number": version.number,
        "state": version.state,
        "digest": version.digest,
        "published_at": version.published_at,
        "in_force_at": version.in_force_at,
        "planned_for": version.planned_for,
    }


@policy.command()
@click.argument("number", type=int, required=False)
@click.pass_obj
@answering
def show(wiring: Wiring, number: int | None) -> Answer:
    """Print version NUMBER, or the one in force."""
    with wiring.open_services(None) as kept, kept.database.read() as session:
        version = kept.policies.in_force(session) if number is None else kept.policies.version(session, number)
        if version is None:
            raise NotFound("No version is in force.", remedy="Run `kept policy publish`.")
        return Answer(
            data=_describe(version) | {"text": version.document.text},
            lines=[f"Version {version.number}, {version.state}", version.document.text],
        )


@policy.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.pass_obj
@answering
def publish(wiring: Wiring, file: Path | None) -> Answer:
    """Publish FILE, or the draft that kept.yaml names. Publishing the same text twice changes nothing."""
    if file is None:
        file = load_settings(find_settings_file()).policy
    document = parse_document(_read(file), str(file))
    with wiring.open_services(None) as kept:
        version = kept.policies.publish(document, actor="system")
        kept.ledger.settle()
    when = "in force" if version.in_force_at else f"planned for {version.planned_for:%d %B %Y}"
    return Answer(
        data=_describe(version), lines=[f"Version {version.number} of {version.policy} is published, {when}."]
    )
