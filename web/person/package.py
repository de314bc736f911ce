"""The copy of one's data: a fresh code begins a download, which the same browser can take up again where it broke off."""

from __future__ import annotations

from typing import Final

from flask import Response as FlaskResponse
from flask import redirect, request, session, url_for
from werkzeug.datastructures import ContentRange
from werkzeug.wrappers import Response

from core.errors import NotFound
from dsr.package import Download
from dsr.person_page import WrongCode
from web.person.page import MOST_GRANTS, ask_for_code, grant_of, normal, say_wrong, show_page, view_of
from web.person_blueprint import blueprint
from web.security import limiter
from web.services import services

DOWNLOADS: Final = "downloads"
Answer = Response | str | tuple[str, int]


@blueprint.post("/<ref>/package")
@limiter.limit("20 per minute; 120 per hour")
def open_package(ref: str) -> Answer:
    """A fresh code begins a download, which is written down; the bytes come from the address it leads to."""
    ref = normal(ref)
    view = view_of(ref)
    if view is None:
        return ask_for_code(ref), 403
    code = request.form.get("code", "")[:40]
    try:
        download = services().requests.download(ref, grant_of(ref), code)
    except WrongCode as error:
        return show_page(view, problem=say_wrong(error)), 400
    except NotFound:
        return show_page(view), 404  # its two weeks ended while the page was open
    held = {name: token for name, token in session.get(DOWNLOADS, {}).items() if name != ref}
    session[DOWNLOADS] = dict([*held.items(), (ref, download.token)][-MOST_GRANTS:])
    return redirect(url_for("person.package", ref=ref), 303)


@blueprint.get("/<ref>/package")
def package(ref: str) -> Answer:
    """The bytes of a download that was begun in this browser, or a part of them; else the page that asks for a code."""
    ref = normal(ref)
    token = session.get(DOWNLOADS, {}).get(ref, "")
    try:
        download = services().requests.take_up_download(ref, token if isinstance(token, str) else "")
    except NotFound:
        return redirect(url_for("person.page", ref=ref, _anchor="copy"))
    return send(download)


def send(download: Download) -> Response:
    """A download as an answer: the part that was asked for, where the file is still the same, else all of it."""
    wanted = _wanted(download)
    if wanted is None:
        answer = FlaskResponse("", 416)
        answer.content_range = ContentRange("bytes", None, None, download.size)
        return answer
    start, stop = wanted
    whole = (start, stop) == (0, download.size)
    answer = FlaskResponse(download.read(start, stop), 200 if whole else 206, mimetype="application/zip")
    answer.content_length = stop - start
    if not whole:
        answer.content_range = ContentRange("bytes", start, stop, download.size)
    answer.accept_ranges = "bytes"
    answer.set_etag(download.mark)
    answer.headers["Content-Disposition"] = f'attachment; filename="{download.name}"'
    return answer


def _wanted(download: Download) -> tuple[int, int] | None:
    """The bytes that are asked for; None where there are none such."""
    asked, still = request.range, request.if_range
    changed = still is not None and (still.date is not None or (still.etag is not None and still.etag != download.mark))
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1 or changed:
        return 0, download.size
    return asked.range_for_length(download.size)
