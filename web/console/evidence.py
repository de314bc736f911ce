"""The ledger in the console: its checkpoints and where they are kept, the entries, proofs and exports, verifying it now."""

from __future__ import annotations

import io
import tempfile
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Final

from flask import Response, render_template, request, send_file, url_for

from core.errors import NotFound
from core.heartbeats import beat
from core.operators import list_operators
from ledger.checkpoints import read_last
from ledger.proof_files import proof_archive, proofs_json
from ledger.verify import Verification
from ledger.witnessing import cosignatures
from web.console_blueprint import blueprint
from web.glance import CHECK_BY_HAND, last_ledger_check
from web.services import services

PAGE: Final = 50
CHECKPOINTS: Final = 5


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


@blueprint.get("/ledger/proofs")
def ledger_proofs() -> Response | tuple[str, int]:
    """The proofs of every entry about an id, with the program that checks them, as a ZIP."""
    ledger, ref = services().ledger, request.args.get("ref", "").strip()
    try:
        proofs = ledger.proofs(ref if ":" in ref or "_" in ref else f"ticket:{ref.upper()}")
    except NotFound:
        return _ledger_page(None, timedelta(0), unproven=ref), 404
    entries = [{"id": one.entry_id, "position": one.position, "entry": one.entry, "proof": one.text} for one in proofs]
    content = proof_archive(entries, {"proofs.json": proofs_json(ref, str(ledger.key), proofs)})
    return send_file(
        io.BytesIO(content), mimetype="application/zip", as_attachment=True, download_name="proofs.zip", max_age=0
    )


@blueprint.get("/ledger/export")
def export_ledger() -> Response:
    """The whole ledger as a file, without salts and private parts."""
    with tempfile.TemporaryDirectory(prefix="kept-export-") as folder:
        path = Path(folder, "ledger.jsonl")
        services().ledger.export(path)
        # Opened before the folder goes: the file lives until it is sent, on disk and not in memory.
        file = path.open("rb")
    return send_file(
        file, mimetype="application/jsonl", as_attachment=True, download_name="kept-ledger.jsonl", max_age=0
    )


def _ledger_page(result: Verification | None, took: timedelta, *, unproven: str = "") -> str:
    kept = services()
    ref, kind = request.args.get("ref", "").strip(), request.args.get("kind", "").strip()
    before = request.args.get("before", type=int)
    with kept.database.read() as session:
        found = kept.ledger.entries(session, ref=ref or None, kind=kind or None, limit=PAGE + 1, before=before)
        names = {one.id: one.name for one in list_operators(session)}
        checkpoints = read_last(session, CHECKPOINTS)
        cosigned = cosignatures(session, [one.size for one in checkpoints])
    now, places = kept.clock.now(), kept.kept_elsewhere.states()
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
        checkpoints=checkpoints,
        cosigned={size: [one.witness for one in lines] for size, lines in cosigned.items()},
        places=[(one, one.is_away(now)) for one in places],
        every=kept.settings.ledger.every,
        behind=kept.ledger.is_behind(),
        unproven=unproven,
        key=str(kept.ledger.key),
        result=result,
        took=took,
        ref=ref,
        kind=kind,
        older=url_for("console.ledger", **filters, before=last) if last is not None else "",
        newest=url_for("console.ledger", **filters) if before is not None else "",
    )
