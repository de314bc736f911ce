"""The policy in the console: its versions, and what lint says of the draft. Publishing is done by the command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flask import render_template

from policies.documents import Document, DocumentRefused, Problem, parse_document
from policies.lint import Finding, lint
from policies.versions import Version, VersionState
from web.console_blueprint import blueprint
from web.services import services


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The draft that kept.yaml names. `unreadable`: why the file cannot be read; `problems`: why it is not a policy;
    `same_as`: the version with the same text."""

    name: str
    clauses: int = 0
    findings: tuple[Finding, ...] = ()
    problems: tuple[Problem, ...] = ()
    unreadable: str = ""
    same_as: int | None = None


@blueprint.get("/policy")
def policy() -> str:
    """Versions, the latest first, and the draft."""
    kept = services()
    with kept.database.read() as session:
        versions = sorted(kept.policies.versions(session), key=lambda one: one.number, reverse=True)
        in_force = kept.policies.in_force(session)
    draft = _read_draft(kept.settings.policy, kept.settings.root, versions)
    return render_template(
        "console/policy.html",
        here="policies",
        versions=versions,
        current=in_force.number if in_force else None,
        draft=draft,
        says=_say(in_force, versions, draft),
    )


def _say(in_force: Version | None, versions: list[Version], draft: Draft) -> str:
    first = f"Version {in_force.number} is in force." if in_force else "No version is in force."
    planned = [one for one in versions if one.state is VersionState.PLANNED]
    second = f" Version {planned[0].number} is planned." if planned else ""
    third = "" if draft.same_as else " The draft differs from every version." if versions else ""
    return first + second + third


def _read_draft(path: Path, root: Path, versions: list[Version]) -> Draft:
    name = str(path.relative_to(root)) if path.is_relative_to(root) else path.name
    try:
        document = parse_document(path.read_text(encoding="utf-8"), name)
    except OSError as error:
        return Draft(name=name, unreadable=f"{name} cannot be read: {error.strerror}. kept.yaml names it under policy.")
    except UnicodeDecodeError:
        return Draft(name=name, unreadable=f"{name} is not UTF-8 text. Save it as UTF-8.")
    except DocumentRefused as refusal:
        return Draft(name=name, problems=refusal.problems)
    return Draft(
        name=name,
        clauses=len(document.clauses),
        findings=tuple(lint(document)),
        same_as=_find_same(document, versions),
    )


def _find_same(document: Document, versions: list[Version]) -> int | None:
    return next((one.number for one in versions if one.digest == document.digest), None)
