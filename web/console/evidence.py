"""The ledger in the console: the latest checkpoint, the entries, and verifying all of it now."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic
from typing import Any, Final

from flask import render_template, request, url_for

from core.heartbeats import beat
from core.operators import list_operators
from ledger.verify import Verification
from web.console_blueprint import blueprint
from web.glance import CHECK_BY_HAND, last_ledger_check
from web.services import services

PAGE: Final = 50


@blueprint.get("/ledger")
def ledger() -> str:
    """Entries, the newest first; `ref` and `kind` filter, `before` pages."""
    return _ledger_page(None, timedelta(0))


@blueprint.post("/ledger/verify")
def verify_ledger() -> str:
    """Recompute everything, show what was found, and remember it for the foot of every page."""
    kept = services()
    began = monotonic()
    result = kept.ledger.verify()
    trouble = "" if result.ok else result.findings[0].problem
    with kept.database.begin() as session:
        beat(session, CHECK_BY_HAND, kept.clock.now(), trouble=trouble)
    return _ledger_page(result, timedelta(seconds=monotonic() - began))


def _ledger_page(result: Verification | None, took: timedelta) -> str:
    kept = services()
    ref, kind = request.args.get("ref", "").strip(), request.args.get("kind", "").strip()
    before = request.args.get("before", type=int)
    with kept.database.read() as session:
        found = kept.ledger.entries(session, ref=ref or None, kind=kind or None, limit=PAGE + 1, before=before)
        names = {one.id: one.name for one in list_operators(session)}
    shown = found[:PAGE]
    filters: dict[str, Any] = {name: value for name, value in (("ref", ref), ("kind", kind)) if value}
    last = shown[-1].position if len(found) > PAGE else None
    return render_template(
        "console/ledger.html",
        here="ledger",
        latest=kept.ledger.latest(),
        waiting=kept.ledger.waiting().count,
        entries=shown,
        names=names,
        check=last_ledger_check(),
        result=result,
        took=took,
        ref=ref,
        kind=kind,
        older=url_for("console.ledger", **filters, before=last) if last is not None else "",
        newest=url_for("console.ledger", **filters) if before is not None else "",
    )
