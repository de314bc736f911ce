"""One promise in the console: its proof, who vouches for it and since when, the states it had, and vouching for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, Final

from flask import Response as FlaskResponse
from flask import abort, flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from core.errors import BadInput, Conflict, NotFound
from core.operators import Permission
from core.outbox import post
from core.words import full_day, span
from dsr.tasks import EvidenceFile
from policies.clauses import Clause, RecipientClause, RetentionClause, Role
from promises.attestations import Attestation
from promises.record import Change
from promises.states import State
from promises.vouching import last_day, longest_for
from web.console.actors import actor_names, say_actor
from web.console_blueprint import blueprint
from web.evidence_files import hand_out, taken_evidence
from web.glance import board
from web.services import services

# Handled by `jobs/handlers.py`: every machine looks again.
CHECK: Final = "promise.check"
LONGEST_WORDS: Final = 2000
KIND_WORDS: Final = {
    "retention": "a sweep over the stores",
    "right": "the clocks of requests",
    "collects": "the map against the stores",
    "never": "a scan of contents",
    "recipient": "what recipients were told",
    "purpose": "copies and mails",
    "channel": "the mailbox that is read",
    "cookie": "visits of the pages",
    "notice": "campaigns",
    "acceptance": "acceptances that are reported",
    "processor": "requests that are passed on",
    "age_limit": "requests of people under age",
    "pledge": "somebody's word",
    "safeguard": "somebody's word",
}
Answer = Response | str | tuple[str, int]


@blueprint.post("/promises/check")
def check_promises() -> Response:
    """Have every machine look again, soon and not in this request."""
    kept = services()
    with kept.database.begin() as session:
        post(session, CHECK, {"by": current_user.operator.id}, now=kept.clock.now())
    flash("Everything is looked at again. The board says so when it is done.")
    return redirect(url_for("console.promises"))


@blueprint.get("/promises/<clause>")
def promise(clause: str) -> str:
    """One clause of the version in force."""
    return _show(clause)


@blueprint.post("/promises/<clause>/attest")
def attest(clause: str) -> Answer:
    """Vouch for it until a day, in words, with a file if there is one."""

    def act() -> str:
        made = services().attestations.attest(
            clause,
            by=current_user.operator.id,
            name=current_user.operator.name,
            until=_day(request.form.get("until", "")),
            words=request.form.get("words", ""),
            evidence=next(iter(taken_evidence()), None),
        )
        return f"You vouch for it until {full_day(made.last_day)}."

    return _do(clause, act)


@blueprint.post("/promises/<clause>/attestations/<attestation>/take-back")
def take_attestation_back(clause: str, attestation: str) -> Answer:
    """Vouch for it no more."""

    def act() -> str:
        services().attestations.take_back(
            attestation, by=current_user.operator.id, why=request.form.get("why", "")[:LONGEST_WORDS]
        )
        return "It is taken back. The board says what is left."

    return _do(clause, act, field="why")


@blueprint.get("/promises/attestations/<attestation>/file")
def attestation_file(attestation: str) -> FlaskResponse:
    """The file that came with an attestation, as a download."""
    file = services().attestations.read_file(attestation)
    return hand_out(EvidenceFile(name=file.name, content=file.content))


def _do(clause: str, act: Callable[[], str], *, field: str = "words") -> Answer:
    try:
        done = act()
    except NotFound:
        raise
    except (BadInput, Conflict) as error:
        where = "until" if field == "words" and "day" in error.message else field
        return _show(clause, problem=(where, str(error))), error.status
    services().board_record.note()
    flash(done)
    return redirect(url_for("console.promise", clause=clause))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadInput("That is no day.", remedy="Choose the last day on which it holds.") from error


def _show(clause: str, *, problem: tuple[str, str] | None = None) -> str:
    kept, now = services(), services().clock.now()
    one = next((each for each in board().clauses if each.clause_id == clause), None)
    if one is None:
        abort(404)
    with kept.database.read() as session:
        version, found = kept.attestations.clause(session, clause)
        attestations = kept.attestations.list_of(session, clause) if one.may_vouch else []
        changes = kept.board_record.changes(session, clause)
    zone = version.document.controller.timezone
    # A log can say that somebody's word does not cover what came to light since.
    enough = not (_is_logged(found) and one.state is State.BROKEN)
    may_vouch = one.may_vouch and current_user.operator.may(Permission.VOUCH)
    standing = next((each for each in attestations if each.fits and each.taken_back_at is None), None)
    return render_template(
        "console/promise.html",
        here="board",
        one=one,
        title=titled(one.sentence),
        version=version,
        kind_words=KIND_WORDS.get(one.kind, ""),
        sweeps=url_for("console.retention_clause", clause=clause) if isinstance(found, RetentionClause) else "",
        log=url_for("console.disclosures") if _is_logged(found) else "",
        may_vouch=may_vouch,
        longest=longest_for(found, now, zone) if one.may_vouch else None,
        attestations=[_line(each, current=each is standing, enough=enough) for each in attestations],
        changes=[_change(each) for each in changes],
        problem=problem,
        typed=request.form,
        age=span(max(now - one.checked_at, timedelta(0))) if one.checked_at else "",
        again=standing is not None,
        last_day=last_day(one.good_until, zone) if one.good_until else None,
    )


def _is_logged(clause: Clause) -> bool:
    return isinstance(clause, RecipientClause) and clause.role is Role.AUTHORITY


def titled(sentence: str) -> str:
    """A sentence of a clause with a capital letter, as it stands on a line of its own."""
    return sentence[:1].upper() + sentence[1:]


def _line(one: Attestation, *, current: bool, enough: bool) -> dict[str, Any]:
    now, names = services().clock.now(), actor_names()
    if one.taken_back_at is not None:
        state, word = "plain", "Taken back"
    elif not one.fits:
        state, word = "plain", "For other words"
    elif now >= one.until:
        state, word = ("broken", "Review is over") if current else ("plain", "Over")
    elif current and not enough:
        state, word = "broken", "Not enough"
    else:
        state, word = ("attested", "Holds") if current else ("plain", "Replaced")
    return {"one": one, "state": state, "word": word, "by": say_actor(one.by, names), "current": current}


def _change(one: Change) -> dict[str, Any]:
    href = url_for("console.ledger", ref=one.entry)
    return {"state": one.state.value, "title": say_state_change(one), "sub": "" if one.sound else "Its ledger entry says otherwise.", "at": one.at, "href": href}  # fmt: skip


def say_state_change(one: Change) -> str:
    """A state that a clause got, as a heading."""
    return {State.KEPT: "Kept", State.DUE: "Due", State.BROKEN: "Broken", State.ATTESTED: "Attested"}[one.state]
