"""Pages and problem documents for what goes wrong: what happened, and what to do next. One of the three edges that catch everything."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from flask import Flask, Response, jsonify, render_template, request
from flask_limiter.errors import RateLimitExceeded
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from core.catalogue import mark
from core.errors import KeptError
from web.languages import gettext
from web.security import (
    LARGER_BODIES,
    LARGEST_EVIDENCE_FORM,
    LARGEST_MAIL,
    LARGEST_MESSAGE_FORM,
    LARGEST_POLICY_FORM,
)

log = structlog.get_logger()
WORDS = {
    400: (
        mark("This could not be read"),
        mark("Something in what was sent is missing or wrong. Go back and look at the form."),
    ),
    401: (mark("A token is needed"), mark("Send `Authorization: Bearer …` with a token made by `kept token create`.")),
    403: (
        mark("Not for this account"),
        mark("Your role does not cover this. An administrator can do it, or change your role."),
    ),
    404: (mark("There is no such page"), mark("The address may have changed. Start from the privacy page.")),
    405: (mark("This address does not take that"), mark("Go back and use the buttons of the page.")),
    413: (mark("That is too large"), mark("A form takes up to 256 kB. Shorten the text and send it again.")),
    429: (mark("That was too often"), mark("Wait a little, then try again. Nothing was lost.")),
    500: (
        mark("Something broke here"),
        mark("It was written down. Nothing you sent was half done. Try again in a few minutes."),
    ),
    503: (mark("Something we need did not answer"), mark("Nothing was lost. Try again in a few minutes.")),
}
LARGER_WORDS = {
    LARGEST_POLICY_FORM: "A policy takes up to 400 kB in each language. Go back and choose a smaller file.",
    LARGEST_MESSAGE_FORM: mark(
        "A message takes up to 5 files of 10 MB each. Go back and choose fewer or smaller ones."
    ),
    LARGEST_EVIDENCE_FORM: mark("A file of evidence takes up to 10 MB. Go back and choose a smaller file."),
    LARGEST_MAIL: "A mail takes up to 50 MB. Hand in its headers alone, and keep the mail.",
}
Answer = tuple[str | Response, int]


def set_up_errors(app: Flask) -> None:
    """Answer every error in words, as a page or, where machines ask, as RFC 9457."""
    app.register_error_handler(KeptError, _on_kept_error)
    app.register_error_handler(CSRFError, _on_csrf)
    app.register_error_handler(RateLimitExceeded, lambda error: _answer(429))
    app.register_error_handler(HTTPException, lambda error: _answer(error.code or 500))
    app.register_error_handler(SQLAlchemyError, _on_bug)
    app.register_error_handler(Exception, _on_bug)


def _on_kept_error(error: KeptError) -> Answer:
    if error.status >= 500:
        log.error("web.failed", endpoint=request.endpoint, error=error.message)
        return _answer(error.status)
    return _answer(error.status, title=error.message, detail=error.remedy, wrong=getattr(error, "wrong", ()))


def _on_csrf(error: CSRFError) -> Answer:
    return _answer(
        400,
        title=mark("This form was open for too long"),
        detail=mark("Go back, load the page again and send it once more."),
    )


def _on_bug(error: Exception) -> Answer:
    log.error("web.bug", endpoint=request.endpoint, error=type(error).__name__, exc_info=error)
    return _answer(500)


def _answer(status: int, *, title: str = "", detail: str = "", wrong: Sequence[tuple[str, str]] = ()) -> Answer:
    words = WORDS.get(status, WORDS[500])
    if status == 413 and request.endpoint in LARGER_BODIES:
        detail = LARGER_WORDS.get(LARGER_BODIES[request.endpoint], "Send it in several parts.")
    # What a service says of an error is looked up too: those that people can meet are in the catalogues.
    title, detail = gettext(title or words[0]), detail or ("" if title else words[1])
    detail = gettext(detail) if detail else ""
    if request.path.startswith("/api/") or request.path == "/metrics":
        told = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        if "@" not in request.path:  # an address in it is what may be wrong: it is not said again
            told["instance"] = request.path
        if wrong:
            told["errors"] = [{"pointer": pointer, "detail": said} for pointer, said in wrong]
        problem = jsonify(told)
        problem.content_type = "application/problem+json"
        if status == 401:
            problem.headers["WWW-Authenticate"] = "Bearer"
        return problem, status
    return render_template("pages/error.html", title_words=title, detail=detail, status=status), status
