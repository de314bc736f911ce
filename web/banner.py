"""The banner that host applications load: which change it tells of, in which words, as a script of at most 3 kB."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson
from flask import render_template

from core.catalogue import LANGUAGES, catalogue, mark, short_code
from core.words import long_day
from policies.clause_differences import compare_clauses
from policies.clauses import NoticeChannel
from policies.materiality import Weight
from policies.versions import Version, VersionState
from web.languages import offered

MOST_BYTES: Final = 3_000
# How long a change is told of after it came into force: whoever comes once a month sees it.
SHOWN_AFTER: Final = timedelta(days=30)
NOTHING: Final = "// Nothing of the privacy policy changes.\n"
_WORDS: Final[Mapping[str, str]] = {
    "label": mark("Change of the privacy policy"),
    "planned": mark("Our privacy policy is going to change, planned for {day}."),
    "changed": mark("Our privacy policy changed on {day}."), "soon": mark("Our privacy policy is going to change."),
    "will": mark("See what changes"), "did": mark("See what changed"), "dismiss": mark("Dismiss"),
    "among": mark("Among other things: {reason}"),
}  # fmt: skip
# The colours are those of tokens.css; a page of somebody else has none of its files.
_SHEET: Final = """:host{all:initial!important}
section{position:fixed;z-index:2147483647;inset:auto 0 0;box-sizing:border-box;max-height:60vh;overflow:auto;display:flex;\
flex-wrap:wrap;align-items:center;justify-content:center;gap:.5rem 1.5rem;\
padding:.75rem 1rem calc(.75rem + env(safe-area-inset-bottom));font:1rem/1.5 system-ui,sans-serif;\
color:#1d1b18;background:#fff;border-top:1px solid #8b8577}
p{margin:0;max-width:42rem;flex:0 1 auto}div{display:flex;gap:1rem;align-items:center}
a{color:#24479f}a,button{padding:.6rem 0}
button{font:inherit;color:inherit;background:0 0;border:1px solid #8b8577;border-radius:6px;padding:.6rem 1rem;cursor:pointer}
:focus-visible{outline:2px solid #24479f;outline-offset:2px}
@media(prefers-color-scheme:dark){section{color:#ebe8e1;background:#1b1a18}a{color:#9db4f2}:focus-visible{outline-color:#9db4f2}}
@media(max-width:48rem){section{justify-content:start}}
@media print{section{display:none}}"""


def change_to_tell(versions: Iterable[Version], now: datetime) -> Version | None:
    """The version to tell of: the planned one, else the one that came into force lately; None where nothing matters."""
    told = [one for one in versions if _is_told(one)]
    planned = [one for one in told if one.state is VersionState.PLANNED]
    fresh = [
        one
        for one in told
        if one.state is VersionState.IN_FORCE and one.in_force_at and one.in_force_at > now - SHOWN_AFTER
    ]
    return next(iter([*reversed(planned), *fresh]), None)


def banner_script(version: Version, versions: Sequence[Version], base_url: str) -> str:
    """The script that shows the banner of a version, in every language that fits.

    What does not fit is left out whole: first languages that no page is offered in, then the reasons, which the page of
    the difference gives, for half a reason is none, then the languages offered last. Their readers get that of the policy."""
    old = next(one for one in versions if one.number == version.previous)
    wanted = list(dict.fromkeys((short_code(version.document.language), *offered())))
    every = list(dict.fromkeys((*wanted, *LANGUAGES)))
    ways = [(every[:number], True) for number in range(len(every), len(wanted) - 1, -1)]
    ways += [(wanted[:number], False) for number in range(len(wanted), 0, -1)]
    script = ""
    for spoken, with_reason in ways:
        script = _script(version, old, base_url, spoken, with_reason=with_reason)
        if len(script.encode()) <= MOST_BYTES:
            break
    return script


def _is_told(version: Version) -> bool:
    """A material change always; a minor one where the notice clause says that a banner tells of it; the first never."""
    if version.previous is None or version.weight is None:
        return False
    if version.weight is Weight.MINOR:
        return version.terms.channels is not None and NoticeChannel.BANNER in version.terms.channels.ways
    return version.weight is Weight.MATERIAL


def _script(version: Version, old: Version, base_url: str, spoken: Sequence[str], *, with_reason: bool) -> str:
    original = version.document.language
    data: dict[str, Any] = {
        "version": str(version.number),
        "lang": short_code(original),
        "url": f"{base_url.rstrip('/')}/privacy/diff/{old.number}/{version.number}",
        "says": {language: _say(version, old, language, with_reason) for language in spoken},
    }
    return render_template("banner.js", data=orjson.dumps(data).decode(), sheet=_SHEET)


def _say(version: Version, old: Version, language: str, with_reason: bool) -> dict[str, str]:
    say = catalogue(language).gettext
    reason = _reason(version, old, language) if with_reason else ""
    at = version.in_force_at or version.planned_for
    frame = say(_WORDS["changed" if version.in_force_at else "planned" if at else "soon"])
    day = long_day(at.astimezone(ZoneInfo(version.document.controller.timezone)).date(), language) if at else ""
    return {
        "label": say(_WORDS["label"]),
        "text": f"{frame.format(day=day)} {reason}".strip(),
        "link": say(_WORDS["did" if version.in_force_at else "will"]),
        "dismiss": say(_WORDS["dismiss"]),
    }


def _reason(version: Version, old: Version, language: str) -> str:
    """What changes, in one sentence of that language; none where the policy is not written in it."""
    if language == version.document.language and version.reasons:
        reasons = version.reasons
    elif language in version.languages:
        changes = compare_clauses(old.in_language(language), version.in_language(language))
        reasons = tuple(one.reason for one in changes if one.weight is not Weight.EDITORIAL)
    else:
        return ""
    if len(reasons) < 2:
        return "".join(reasons)
    say = catalogue(language).gettext
    return say(_WORDS["among"]).format(reason=reasons[0])
