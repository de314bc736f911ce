"""Drafts of the policy in the console: begin one, change it, see what it would do, overrule its verdict, publish it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from babel import Locale
from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from core.errors import BadInput, Conflict, KeptError, NotFound
from core.operators import Permission, list_operators
from policies.documents import MAX_BYTES
from policies.drafts import ORIGINAL, Draft, check_texts
from policies.materiality import Weight
from policies.translations import read_family
from policies.versions import PublishRefused
from web.console.policy_lines import lint_lines
from web.console.policy_outlook import WEIGHT_WORDS, look_ahead, overrule_of
from web.console.policy_prose import show_difference, show_prose
from web.console.policy_steps import steps_of_draft
from web.console_blueprint import blueprint
from web.services import services

LONGEST_REASON: Final = 1000
Answer = Response | str | tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Slot:
    """Where one text of a draft goes: pasted, or as a file. `problem`: what is wrong with what was given."""

    part: str
    label: str
    text: str
    problem: str


@blueprint.route("/policy/new", methods=["GET", "POST"])
def new_draft() -> Answer:
    """Begin a draft from a text, from the file that kept.yaml names, or from the version in force."""
    parts = (ORIGINAL, *services().settings.service.languages[1:])
    if request.method == "GET":
        return _form("console/policy_new.html", _slots(parts, {}, {}))
    typed, problems = _read_form(parts)
    start = request.form.get("start", "text")
    try:
        texts, came_from = _start_from(start) if start != "text" else (typed, _came_from())
        if start == "text" and not problems:
            check_texts(texts)
        if not problems or start != "text":
            return _begin(texts, came_from)
    except KeptError as error:
        problems[ORIGINAL if start == "text" else "start"] = str(error)
    return _form("console/policy_new.html", _slots(parts, typed, problems), problems.get("start", "")), 400


def _begin(texts: Mapping[str, str], came_from: str) -> Response:
    kept = services()
    draft = kept.drafts.begin(texts, by=current_user.operator.id, based_on=_latest(), came_from=came_from)
    return redirect(url_for("console.draft", draft_id=draft.id))


@blueprint.get("/policy/drafts/<draft_id>")
def draft(draft_id: str) -> str:
    """What a draft says, what is wrong with it, and what would happen if it were published."""
    return _draft_page(_find(draft_id))


@blueprint.route("/policy/drafts/<draft_id>/edit", methods=["GET", "POST"])
def edit_draft(draft_id: str) -> Answer:
    """Change the texts of a draft."""
    found = _find(draft_id)
    parts = _parts_of(found)
    if request.method == "GET":
        return _form("console/policy_edit.html", _slots(parts, found.texts, {}), draft=found, edition=found.edition)
    typed, problems = _read_form(parts)
    edition = _edition()
    trouble = ""
    if not problems:
        try:
            services().drafts.change(
                draft_id, edition=edition, texts=typed, by=current_user.operator.id, based_on=_based_on(found)
            )
            flash("The draft is saved.")
            return redirect(url_for("console.draft", draft_id=draft_id))
        except Conflict as error:
            # What was typed stays in the form; sending it once more is a decision to replace what the other one wrote.
            trouble, edition = str(error), found.edition
        except KeptError as error:
            problems[ORIGINAL] = str(error)
    slots = _slots(parts, typed, problems)
    return _form("console/policy_edit.html", slots, trouble, draft=found, edition=edition), 409 if trouble else 400


@blueprint.post("/policy/drafts/<draft_id>/overrule")
def overrule_draft(draft_id: str) -> Answer:
    """Say what the change weighs in spite of the verdict, with a reason; or go back to the verdict."""
    chosen, reason = request.form.get("weight", ""), request.form.get("reason", "").strip()
    weight = Weight(chosen) if chosen in set(Weight) else None
    if weight and (not reason or len(reason) > LONGEST_REASON):
        problem = "Say why, in a sentence." if not reason else f"At most {LONGEST_REASON} characters."
        return _draft_page(_find(draft_id), overrule={"weight": chosen, "reason": reason, "problem": problem}), 400
    try:
        services().drafts.overrule(
            draft_id, edition=_edition(), weight=weight, reason=reason, by=current_user.operator.id
        )
    except Conflict as error:
        return _draft_page(_find(draft_id), trouble=str(error)), 409
    flash(f"The change counts as {weight.value}." if weight else "The verdict counts again.")
    return redirect(url_for("console.draft", draft_id=draft_id))


@blueprint.route("/policy/drafts/<draft_id>/delete", methods=["GET", "POST"])
def delete_draft(draft_id: str) -> Answer:
    """Throw a draft away; the page before that says what goes."""
    if request.method == "GET":
        found = _find(draft_id)
        with services().database.read() as session:
            names = {one.id: one.name for one in list_operators(session)}
        return render_template("console/policy_delete.html", here="policies", draft=found, names=names)
    services().drafts.delete(draft_id)
    flash("The draft is deleted.")
    return redirect(url_for("console.policy"))


@blueprint.post("/policy/drafts/<draft_id>/publish")
def publish_draft(draft_id: str) -> Answer:
    """Publish exactly the edition that the page showed, after exactly the version it showed as the latest."""
    kept, found = services(), _find(draft_id)
    reading = found.read()
    if reading.problems or _edition() != found.edition or request.form.get("after", "") != str(_latest() or ""):
        return _draft_page(found, trouble=_why_not(found, readable=not reading.problems)), 409
    original, *translations = reading.documents
    by, after = current_user.operator.id, request.form.get("after", type=int) or 0
    try:
        version = kept.policies.publish(
            original, translations=translations, actor=by, overrule=overrule_of(found), after=after
        )
    except PublishRefused:
        return _draft_page(found, trouble="Lint refuses it. Each thing to put right stands below."), 400
    except (BadInput, Conflict) as error:
        return _draft_page(found, trouble=str(error)), error.status
    kept.drafts.delete(draft_id)
    kept.ledger.settle()
    flash(f"Version {version.number} is published.")
    return redirect(url_for("console.policy", version=version.number))


def _draft_page(found: Draft, *, trouble: str = "", overrule: Mapping[str, str] | None = None) -> str:
    """The page of a draft. A draft that is about to be refused is shown like any other, with the reason on top."""
    kept, reading = services(), found.read()
    with kept.database.read() as session:
        in_force, versions = kept.policies.in_force(session), kept.policies.versions(session)
        names = {one.id: one.name for one in list_operators(session)}
        ahead = look_ahead(session, found)
    latest = versions[-1].number if versions else None
    readable = reading.documents
    return render_template(
        "console/policy_draft.html",
        here="policies",
        draft=found,
        reading=reading,
        lines=lint_lines(reading, many=len(found.texts) > 1),
        ahead=ahead,
        steps=steps_of_draft(ahead) if ahead else [],
        in_force=in_force,
        latest=latest,
        shown=show_difference(in_force, readable, "Draft") if in_force and readable else None,
        prose=show_prose(readable, latest + 1 if latest else 1) if readable else None,
        weights=[(one.value, WEIGHT_WORDS[one]) for one in Weight],
        names=names,
        trouble=trouble,
        overrule=overrule or {"weight": "", "reason": "", "problem": ""},
        may_publish=current_user.operator.may(Permission.PUBLISH_POLICY),
    )


def _why_not(found: Draft, *, readable: bool) -> str:
    if not readable:
        return "It cannot be read as a policy. Each thing to put right stands below."
    if _edition() != found.edition:
        return "The draft was changed after this page was opened. Look at what it says now, then publish it."
    return f"Version {_latest()} was published after this page was opened. Look at what it changed, then publish yours."


def _find(draft_id: str) -> Draft:
    kept = services()
    with kept.database.read() as session:
        return kept.drafts.draft(session, draft_id)


def _latest() -> int | None:
    kept = services()
    with kept.database.read() as session:
        return max((one.number for one in kept.policies.versions(session)), default=None)


def _edition() -> int:
    return request.form.get("edition", 0, type=int)


def _based_on(found: Draft) -> int | None:
    """What a changed draft is based on: the latest version only if its author says that it was looked at."""
    return _latest() if request.form.get("caught_up") else found.based_on


def _parts_of(found: Draft) -> tuple[str, ...]:
    documents = found.read().documents
    original = documents[0].language if documents else services().settings.service.languages[0]
    more = [one for one in services().settings.service.languages if one != original]
    return tuple(dict.fromkeys([*found.texts, *more]))


def _start_from(start: str) -> tuple[dict[str, str], str]:
    kept = services()
    if start == "file":
        documents, name = read_family(kept.settings.policy), draft_file_name()
    else:
        with kept.database.read() as session:
            version = kept.policies.in_force(session)
        if version is None:
            raise NotFound("No version is in force.", remedy="Paste a text, or choose a file.")
        documents, name = version.documents, f"version {version.number}"
    original, *others = documents
    return {ORIGINAL: original.text} | {one.language: one.text for one in others}, name


def draft_file_name() -> str:
    """The file that kept.yaml names, as people know it."""
    settings = services().settings
    path: Path = settings.policy
    return str(path.relative_to(settings.root)) if path.is_relative_to(settings.root) else path.name


def _read_form(parts: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """The texts that were pasted or chosen, and what is wrong with those that cannot be taken, by part."""
    texts: dict[str, str] = {}
    problems: dict[str, str] = {}
    for part in parts:
        chosen = request.files.get(f"file-{part}")
        if chosen and chosen.filename:
            text, problem = _read_file(chosen)
        else:
            text, problem = request.form.get(f"text-{part}", "").replace("\r\n", "\n"), ""
            if len(text.encode("utf-8", "replace")) > MAX_BYTES:
                problem = f"This is larger than {MAX_BYTES // 1000} kB. A policy is a few pages."
        if problem:
            problems[part] = problem
        if text.strip():
            texts[part] = text
        elif part == ORIGINAL and not problem:
            problems[part] = "Paste the text, or choose its file."
    return texts, problems


def _read_file(chosen: FileStorage) -> tuple[str, str]:
    data = chosen.stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        return "", f"{chosen.filename} is larger than {MAX_BYTES // 1000} kB. A policy is a few pages."
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return "", f"{chosen.filename} is not UTF-8 text. Save it as UTF-8."
    if "\x00" in text or not text.strip():
        return "", f"{chosen.filename} holds no text." if text.strip(
            "\x00 \n"
        ) == "" else f"{chosen.filename} is no text."
    return text, ""


def _came_from() -> str:
    chosen = request.files.get(f"file-{ORIGINAL}")
    name = "".join(one for one in (chosen.filename or "") if one.isprintable()) if chosen else ""
    return name or "a text"


def _slots(parts: tuple[str, ...], texts: Mapping[str, str], problems: Mapping[str, str]) -> list[Slot]:
    return [
        Slot(
            part=part,
            label="The policy" if part == ORIGINAL else f"In {Locale('en').languages.get(part, part)}",
            text=texts.get(part, ""),
            problem=problems.get(part, ""),
        )
        for part in parts
    ]


def _form(template: str, slots: list[Slot], trouble: str = "", **more: object) -> str:
    kept = services()
    with kept.database.read() as session:
        in_force = kept.policies.in_force(session)
    order = [(f"text-{one.part}", one.problem) for one in slots if one.problem]
    return render_template(
        template,
        here="policies",
        slots=slots,
        order=order,
        trouble=trouble,
        in_force=in_force,
        latest=_latest(),
        file=draft_file_name(),
        largest=MAX_BYTES,
        **more,
    )
