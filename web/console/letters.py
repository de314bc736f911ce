"""The mail queue in the console: letters to sort, the open one with what the machine read in it, and the acts that sort it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import sqlalchemy as sa
from flask import Response as FlaskResponse
from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from core.errors import BadInput, Conflict, NotFound
from core.outbox import OutboxRow, post
from inbox.desk import LetterState, View
from web.console.letter_files import original_as_text, original_file, part_file
from web.console.letter_open import open_letter
from web.console.letters_page import PAGE, letters_page
from web.console_blueprint import blueprint
from web.services import services

Answer = Response | str | tuple[str, int]
READ_NOW: Final = "inbox.read"  # what the scheduler does about it stands in jobs/handlers.py
KEYS: Final = (
    (("a",), "accept what is ticked"),
    (("1", "9"), "a right on or off"),
    (("e",), "correct it"),
    (("r",), "choose the law"),
    (("l",), "choose the language"),
    (("s",), "split: some of it alone"),
    (("n",), "not a request"),
    (("t",), "it belongs to a request"),
    (("j",), "the next letter"),
    (("k",), "the one before"),
    (("z",), "undo"),
    (("?",), "show or hide this list"),
)


@blueprint.get("/mail")
def letters() -> str:
    """A list of letters with its first one open."""
    return _show(_view(request.args.get("view", "")))


@blueprint.get("/mail/<letter_id>")
def letter(letter_id: str) -> str:
    """One letter beside the list that it stands in."""
    return _show(None, letter_id)


@blueprint.get("/mail/<letter_id>/original")
def letter_source(letter_id: str) -> FlaskResponse:
    """The mail as it came, as plain text that no browser takes for a page."""
    return original_as_text(services().inbox.desk.original(letter_id), letter_id)


@blueprint.get("/mail/<letter_id>/original.eml")
def letter_file(letter_id: str) -> FlaskResponse:
    """The mail as it came, for a mail program."""
    return original_file(services().inbox.desk.original(letter_id), letter_id)


@blueprint.get("/mail/<letter_id>/files/<int:number>")
def letter_part(letter_id: str, number: int) -> FlaskResponse:
    """An attachment as a download; nothing looks into it."""
    desk = services().inbox.desk
    content = desk.attachment(letter_id, number)
    return part_file(content.data, desk.letter(letter_id).attachments[number].name)


@blueprint.post("/mail/read")
def read_inbox() -> Response:
    """Have every mailbox read now. The scheduler does it; asked twice, it is done once."""
    kept = services()
    with kept.database.begin() as session:
        waits = sa.select(OutboxRow.id).where(OutboxRow.kind == READ_NOW, OutboxRow.done_at.is_(None))
        if session.execute(waits).first() is None:
            post(session, READ_NOW, {"by": current_user.operator.id}, now=kept.clock.now())
    flash("The inbox is read now. What came in stands here in a moment.")
    return redirect(url_for("console.letters"))


@blueprint.post("/mail/<letter_id>/accept")
def accept_letter(letter_id: str) -> Answer:
    """Open a request for each right that is ticked."""
    desk, typed = services().inbox.desk, request.form

    def accept(by: str) -> tuple[str, ...]:
        return desk.accept(letter_id, rights=_ticked(), **_corrected(typed), by=by)

    return _act(letter_id, accept, field="right")


@blueprint.post("/mail/<letter_id>/split")
def split_letter(letter_id: str) -> Answer:
    """Open what is ticked as a conversation of its own; the letter stays for the rest."""
    desk, typed = services().inbox.desk, request.form

    def split(by: str) -> tuple[str, ...]:
        return desk.split(letter_id, rights=_ticked(), **_corrected(typed), by=by)

    return _act(letter_id, split, field="split")


@blueprint.post("/mail/<letter_id>/reject")
def reject_letter(letter_id: str) -> Answer:
    """Set it aside: it asks for nothing."""
    desk, why = services().inbox.desk, request.form.get("why", "").strip()
    return _act(letter_id, lambda by: desk.not_a_request(letter_id, why=why, by=by), field="why")


@blueprint.post("/mail/<letter_id>/belongs-to")
def letter_belongs_to(letter_id: str) -> Answer:
    """Put it with a request as what was written about it."""
    desk, ref = services().inbox.desk, request.form.get("ref", "").strip().upper()
    return _act(letter_id, lambda by: desk.belongs_to(letter_id, ref, by=by), field="ref")


@blueprint.post("/mail/<letter_id>/undo")
def undo_letter(letter_id: str) -> Answer:
    """Back to what is to sort, as long as nothing followed."""
    try:
        services().inbox.desk.undo(letter_id, by=current_user.operator.id)
    except Conflict as error:
        return _show(None, letter_id, trouble=(error.message, error.remedy)), error.status
    flash("It is back with what is to sort.")
    return redirect(url_for("console.letter", letter_id=letter_id))


def _ticked() -> tuple[str, ...]:
    return tuple(dict.fromkeys(request.form.getlist("right")))


def _corrected(typed: Mapping[str, str]) -> dict[str, str | None]:
    return {name: typed.get(name, "").strip() or None for name in ("regime", "language", "contact")}


def _act(letter_id: str, act: Callable[[str], object], *, field: str) -> Answer:
    """Do one act and go on to the next letter; what it refuses stands on the letter's page."""
    following = _following(letter_id)
    try:
        act(current_user.operator.id)
    except NotFound as error:
        if field != "ref":
            raise
        return _show(None, letter_id, problems={field: str(error)}), 400
    except BadInput as error:
        return _show(None, letter_id, problems={field: str(error)}), error.status
    except Conflict as error:
        return _show(None, letter_id, trouble=(error.message, error.remedy)), error.status
    if following and services().inbox.desk.letter(letter_id).state is not LetterState.WAITING:
        return redirect(url_for("console.letter", letter_id=following, done=letter_id))
    return redirect(url_for("console.letters", done=letter_id))


def _following(letter_id: str) -> str | None:
    """The letter after this one in the queue, else the one before."""
    ids = [one.id for one in services().inbox.desk.list_letters(View.TO_SORT, limit=PAGE)]
    if letter_id not in ids:
        return ids[0] if ids else None
    at = ids.index(letter_id)
    return next(iter([*ids[at + 1 :], *reversed(ids[:at])]), None)


def _view(name: str) -> View:
    return View(name) if name in set(View) else View.TO_SORT


def _show(
    view: View | None,
    letter_id: str = "",
    *,
    problems: dict[str, str] | None = None,
    trouble: tuple[str, str] | None = None,
) -> str:
    desk = services().inbox.desk
    opened = desk.letter(letter_id) if letter_id else None
    shown = view or (opened.view if opened else View.TO_SORT)
    before = request.args.get("before", "")[:60] or None
    lines = desk.list_letters(shown, limit=PAGE + 1, before=before)
    if opened is None and lines:
        opened = desk.letter(lines[0].id)
    return render_template(
        "console/letters.html",
        here="mail",
        page=letters_page(shown, lines, opened),
        letter=open_letter(opened, ticked=_ticked() if problems else None) if opened else None,
        keys=KEYS,
        problems=problems or {},
        typed=request.form,
        trouble=trouble,
    )
