"""What every answer carries for safety: the content policy, no-store on personal pages, CSRF, limits by source."""

from __future__ import annotations

import re
from typing import Final

from flask import Flask, request, session
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf.csrf import CSRFProtect
from werkzeug.wrappers import Response

from inbox.message import LARGEST

CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
LARGEST_BODY: Final = 256 * 1024
# A form that takes whole policies, pasted or as files, in each language; what one text may be is said beside its field.
LARGEST_POLICY_FORM: Final = 2_500_000
# A file of evidence of 10 MB and the form around it.
LARGEST_EVIDENCE_FORM: Final = 11_000_000
# Five files of 10 MB and the form around them.
LARGEST_MESSAGE_FORM: Final = 53_000_000
# Ten thousand people with some identifiers each.
LARGEST_LIST: Final = 5_000_000
# A thousand closed accounts with their reasons.
LARGEST_EVENTS: Final = 1_000_000
LARGEST_MAIL: Final = LARGEST
LARGER_BODIES: Final = {
    "console.new_draft": LARGEST_POLICY_FORM,
    "console.edit_draft": LARGEST_POLICY_FORM,
    "console.confirm_task": LARGEST_EVIDENCE_FORM,
    "console.attach_evidence": LARGEST_EVIDENCE_FORM,
    "tasks.task": LARGEST_EVIDENCE_FORM,
    "person.asker": LARGEST_EVIDENCE_FORM,
    "tasks.telling": LARGEST_EVIDENCE_FORM,
    "console.tell_by_hand": LARGEST_EVIDENCE_FORM,
    "console.note_telling_answer": LARGEST_EVIDENCE_FORM,
    "person.write": LARGEST_MESSAGE_FORM,
    "console.reply": LARGEST_MESSAGE_FORM,
    "console.attest": LARGEST_EVIDENCE_FORM,
    "console.open_request": LARGEST_MESSAGE_FORM,
    "api.check_suppressions": LARGEST_LIST,
    "api.account_closed": LARGEST_EVENTS,
    "api.take_mail": LARGEST_MAIL,
}
# Of these nothing large is read from whoever has neither signed in nor opened a page with a code.
KNOWN_ONLY: Final = frozenset({"person.write", "console.reply", "console.open_request"})
KNOWN_BY: Final = frozenset({"_user_id", "request_pages"})  # what flask-login and web/person/page.py keep in a session
# Machines send bearer tokens, never cookies, so there is nothing for a foreign page to ride on.
CSRF_EXEMPT: Final = ("api",)
# Views without the session-bound check, each with its reason. Before a person has typed a code there is no session, so
# nothing that a foreign page could ride on; a cookie only for the check would stand on public pages (decision 3).
CSRF_EXEMPT_VIEWS: Final = {
    "person.new_request": "anyone may send the form to themselves; limits by address, source and in all hold for both",
    "person.confirm": "its nonce is derived from the link's own token, which only the mail holds",
    "person.send_code": "sends a mail to the proven address at most; a nonce of the page, and limits",
    "person.asker": "its nonce is derived from the link's own token, which only the mail holds",
    "person.for_me": "its nonce is derived from the link's own token, which only the mail holds",
    "person.stop": "its nonce is derived from the link's own token, which only the mail holds",
    "person.keep": "its nonce is derived from the link's own token, which only the mail holds",
    "person.hand_off": "comes from another site; the signed token, or what it was spent for, is what it acts on",
    "person.confirm_address": "its nonce is derived from the link's own token, which only the mail holds",
    "tasks.task": "its nonce is derived from the link's own token, which only the mail holds",
    "tasks.telling": "its nonce is derived from the link's own token, which only the mail holds",
    "preferences.page": "its nonce is derived from the link's own token; without one it can only decline what that is for",
    "person.enter_code": "needs the code, which only the mail holds; a nonce of the page, and limits",
}
# Also the pages that set no cookie and do not vary by one.
CACHEABLE: Final = (
    "static", "public.home", "public.policy", "public.versions", "public.version", "public.current", "public.promises", "public.badge", "public.alias",
    "public.recipients", "public.security", "public.gpc", "public.requests_of_year", "public.difference", "public.choose_difference",
    "feeds.versions", "feeds.recipients", "feeds.banner",
)  # fmt: skip


class NoCookieOnPublicPages(SecureCookieSessionInterface):
    """Sessions of the console and of a person's own pages; a public page sets no cookie and does not vary by one."""

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if request.endpoint not in CACHEABLE:
            super().save_session(app, session, response)  # type: ignore[arg-type]


_OWN_PATH: Final = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")


def own_path(target: str, otherwise: str) -> str:
    """A target that was sent to us, where it is a path here. Browsers drop tabs and line ends, and read `\\` as `/`."""
    return target if _OWN_PATH.fullmatch(target) else otherwise


csrf = CSRFProtect()
limiter = Limiter(get_remote_address, storage_uri="memory://", headers_enabled=False, strategy="moving-window")


def secure(app: Flask, *, https: bool) -> None:
    """Put the headers, cookies, limits and CSRF checks of the whole application in place."""
    app.config.update(
        SESSION_COOKIE_NAME="kept_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=https,
        PERMANENT_SESSION_LIFETIME=12 * 3600,
        MAX_CONTENT_LENGTH=LARGEST_BODY,
        MAX_FORM_MEMORY_SIZE=LARGEST_BODY,
        WTF_CSRF_TIME_LIMIT=12 * 3600,
        WTF_CSRF_SSL_STRICT=False,  # it asks for a referrer, and our own pages send none
    )
    app.session_interface = NoCookieOnPublicPages()

    @app.before_request
    def allow_larger_bodies() -> None:
        # Before the check of the token, which reads the form.
        if request.endpoint in LARGER_BODIES and (request.endpoint not in KNOWN_ONLY or KNOWN_BY & set(session)):
            request.max_content_length = request.max_form_memory_size = LARGER_BODIES[request.endpoint]

    csrf.init_app(app)
    limiter.init_app(app)

    @app.after_request
    def add_headers(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("Content-Security-Policy", CONTENT_POLICY)  # a file that is handed out has a stricter one
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "no-referrer"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=(), interest-cohort=()"
        if https:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        if request.endpoint not in CACHEABLE or response.status_code >= 400:
            headers["Cache-Control"] = "no-store"
        return response
