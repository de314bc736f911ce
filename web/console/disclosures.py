"""Disclosures to authorities in the console: the log, one written down, one struck out."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from core.errors import Conflict
from core.operators import Permission
from core.words import full_day, plural
from policies.category_words import call_many
from promises.disclosures import Disclosure, DisclosureRefused, NewDisclosure
from web.console.actors import actor_names, say_actor
from web.console_blueprint import blueprint
from web.services import services

Answer = Response | str | tuple[str, int]
LONGEST: Final = 2001
FIELDS: Final = ("day", "authority", "basis", "clause", "people", "given", "categories")


@blueprint.get("/disclosures")
def disclosures() -> str:
    """The log, and the form to write one down."""
    return _page()


@blueprint.post("/disclosures")
def add_disclosure() -> Answer:
    """Write one down."""
    try:
        made = services().disclosures.add(_typed(), by=current_user.operator.id)
    except DisclosureRefused as error:
        return _page(problem=(error.field, str(error))), error.status
    services().board_record.note()
    flash(f"The disclosure of {full_day(made.day)} is recorded.")
    return redirect(url_for("console.disclosures"))


@blueprint.post("/disclosures/<disclosure>/strike")
def strike_disclosure(disclosure: str) -> Answer:
    """One that was wrong counts no more."""
    try:
        services().disclosures.strike(
            disclosure, by=current_user.operator.id, why=request.form.get("why", "")[:LONGEST]
        )
    except (DisclosureRefused, Conflict) as error:
        return _page(struck=(disclosure, str(error))), error.status
    services().board_record.note()
    flash("It is struck out. It stays in the list, and counts no more.")
    return redirect(url_for("console.disclosures"))


def _typed() -> NewDisclosure:
    given = {name: request.form.get(name, "").strip()[:LONGEST] for name in FIELDS}
    people = given["people"]
    return NewDisclosure(
        day=_day(given["day"]),
        authority=given["authority"],
        basis=given["basis"],
        categories=tuple(request.form.getlist("categories")[:100]),
        people=int(people) if people.isascii() and people.isdigit() and len(people) < 12 else 0,
        given=given["given"],
        clause=given["clause"],
    )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise DisclosureRefused("That is no day.", field="day", remedy="Choose the day of the disclosure.") from error


def _page(*, problem: tuple[str, str] | None = None, struck: tuple[str, str] = ("", "")) -> str:
    kept, operator, names = services(), current_user.operator, actor_names()
    found, choices = kept.disclosures.list(), kept.disclosures.choices()
    standing = sum(one.struck_at is None for one in found)
    return render_template(
        "console/disclosures.html",
        here="disclosures",
        says=_say(standing),
        lines=[_line(one, names) for one in found],
        choices=choices,
        clauses=[(one, one) for one in choices.clauses],
        categories=[{"value": one, "label": _called(one)} for one in choices.categories],
        may_add=operator.may(Permission.WORK_REQUESTS),
        may_strike=operator.may(Permission.VOUCH),
        typed=request.form,
        chosen=request.form.getlist("categories"),
        problem=problem,
        struck=struck,
    )


def _line(one: Disclosure, names: dict[str, str]) -> dict[str, Any]:
    return {
        "one": one,
        "categories": ", ".join(_called(name) for name in one.categories),
        "by": say_actor(one.by, names),
        "struck_by": say_actor(one.struck_by, names) if one.struck_by else "",
    }


def _called(category: str) -> str:
    return call_many(category, category.replace("_", " "), "en")


def _say(standing: int) -> str:
    if not standing:
        return "What authorities were given, by whose law, and how much of it. Never about whom."
    return f"{plural(standing, 'disclosure', 'disclosures')} to authorities, each with its law. Never about whom."
