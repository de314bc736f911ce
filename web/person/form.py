"""The request form and the page after it, the same whether or not anybody knows the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from core.catalogue import join_words, mark
from core.words import long_day
from dsr.how import by_plan
from dsr.intake import FormRefused, OfferedRight
from dsr.limits import DEFAULT_LIMITS
from dsr.opening import CONFIRM_LASTS
from dsr.words import say_right
from policies.clause_words import many, said
from policies.clauses import Right, RightClause
from policies.documents import Document
from policies.periods import Period
from web.languages import gettext, page_language
from web.person import asker, choices
from web.person.places import STATES, countries
from web.person_blueprint import blueprint
from web.security import csrf, limiter
from web.services import services
from web.words import say_in_sentence

FIELDS: Final = (
    "right",
    *choices.FIELDS,
    "asks_for",
    "asker_name",
    "asker_email",
    "email",
    "country",
    "subdivision",
    "details",
)
LONGEST: Final = 2_000  # what the field takes; the server takes more and says so where it is too much
EXPLAINED: Final[Mapping[Right, str]] = {
    Right.ACCESS: mark("Everything we hold, with what we use it for and who got it."),
    Right.PORTABILITY: mark("The data you gave us, as files that other programs can read."),
    Right.CORRECTION: mark("Say below what is wrong and what is right, or field by field on the page you get."),
    Right.DELETION: mark("This cannot be undone."),
    Right.OPT_OUT: mark("Done as soon as we have your request, and kept until you tell us otherwise."),
    Right.LIMIT_SENSITIVE: mark("Done at once: it is used only for what the law allows without asking you."),
    Right.WITHDRAW_CONSENT: mark("All your consents end at once. What was done before stays lawful."),
    Right.RESTRICTION: mark(
        "We keep it, and use it for nothing else, until the reason is gone. You are told before it ends."
    ),
    Right.OBJECTION: mark("Advertising ends at once. Anything else is weighed by a person, who tells you the outcome."),
    Right.COMPLAINT: mark("A person looks into it, and tells you what they found and why."),
}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One right as the form offers it."""

    value: str
    label: str
    text: str


# There is no session here for a foreign page to ride on: see CSRF_EXEMPT_VIEWS in web/security.py.
@blueprint.route("/new", methods=["GET", "POST"])
@limiter.limit("20 per minute; 100 per hour", methods=["POST"])
@csrf.exempt  # type: ignore[untyped-decorator]
def new_request() -> str | Response | tuple[str, int]:
    """GET shows the form; POST takes it, or shows it again with what to put right and what was typed."""
    if request.method == "GET":
        return _show({"right": request.args.get("right", "")}, {})
    typed = {name: request.form.get(name, "") for name in FIELDS}
    if typed["country"] != "US":
        typed["subdivision"] = ""
    try:
        asked = {name: value for name, value in typed.items() if name not in (*asker.FIELDS, *choices.FIELDS)}
        waits = services().requests.submit_form(
            **asked,
            asker=asker.said_asker(),
            chosen=choices.said_choice(),
            source=request.remote_addr or "",
            language=page_language(),
        )
    except FormRefused as refusal:
        return _show(typed, refusal.problems), 400
    return redirect(url_for("person.sent") if waits else url_for("person.sent", done="yes"))


@blueprint.get("/sent")
def sent() -> str:
    """What happens next. Nothing on it depends on what was typed."""
    language = page_language()
    days = say_in_sentence(CONFIRM_LASTS.days, language)
    links = say_in_sentence(DEFAULT_LIMITS.form_per_address.most, language)
    done = request.args.get("done") == "yes"
    return render_template("pages/sent.html", here="request", days=days, links=links, done=done)


def _show(typed: Mapping[str, str], problems: Mapping[str, str]) -> str:
    kept = services()
    with kept.database.read() as session:
        version = kept.policies.in_force(session)
    if version is None:
        return render_template("pages/no_policy.html", here="request", planned=None)
    language = page_language()
    document = version.in_language(language)
    problems = {name: gettext(said) for name, said in problems.items()}
    offered = kept.requests.offered_rights()
    return render_template(
        "pages/request.html",
        here="request",
        askers=asker.asker_choices(),
        choices=[_choice(one, document) for one in offered],
        groups=choices.groups(document),
        may_appeal=any(one.right is Right.APPEAL for one in document.of_kind(RightClause)),
        typed={name: typed.get(name, "") for name in FIELDS},
        problems={name: problems.get(name, "") for name in FIELDS},
        order=[(name, problems[name]) for name in FIELDS if name in problems],
        countries=[("", gettext("I would rather not say")), *countries(language)],
        states=[("", gettext("None of these")), *STATES],
        longest=LONGEST,
        answer_by=_answer_by(document, offered),
        to_authority=any(one.to == "authority" for one in document.of_kind(RightClause)),
    )


def choices_offered() -> list[Choice]:
    """What somebody can ask for whom the host application hands over: the rights that a plan carries out."""
    kept = services()
    with kept.database.read() as session:
        version = kept.policies.in_force(session)
    document = version.in_language(page_language()) if version else None
    offered = [one for one in kept.requests.offered_rights() if by_plan(one.right)] if document else []
    return [_choice(one, document) for one in offered if document]


def _choice(one: OfferedRight, document: Document) -> Choice:
    text = gettext(EXPLAINED[one.right]) if one.right in EXPLAINED else ""
    if one.right is Right.DELETION:
        text = f"{text} {_what_stays(document)}".strip()
    return Choice(value=one.right.value, label=say_right(one.right, page_language()), text=text)


def _what_stays(document: Document) -> str:
    """What a deletion leaves and why, from the exceptions of the clauses: told before anybody asks for it."""
    stays, language = [], page_language()
    for clause in document.clauses:
        for one in getattr(clause, "exceptions", ()):
            if not hasattr(one, "basis"):
                continue
            named = join_words([many(name, language) for name in one.of], language)
            what, why = f"{named[:1].upper()}{named[1:]}", said(one.basis, language)
            if one.period:
                period = said(one.period, language)
                stays.append(gettext("%(what)s stay for %(period)s: %(why)s.", what=what, period=period, why=why))
            else:
                stays.append(gettext("%(what)s stay: %(why)s.", what=what, why=why))
    return " ".join(dict.fromkeys(stays))


def _answer_by(document: Document, offered: tuple[OfferedRight, ...]) -> str:
    """The latest day that the policy itself allows; '' where one of the rights only says what the law gives."""
    zone = ZoneInfo(document.controller.timezone)
    today = services().clock.now().astimezone(zone).date()
    days: list[date] = []
    for one in offered:
        within = next((c.within for c in document.of_kind(RightClause) if c.right is one.right), None)
        if not isinstance(within, Period):
            return ""
        days.append(within.after(today))
    return long_day(max(days), page_language()) if days else ""
