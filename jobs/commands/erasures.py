"""`kept erasures`: run past erasures again after a restore, hold an import against them, and see what is back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from core.clock import iso_utc
from core.errors import BadInput
from core.words import count, plural
from dsr.erasure_looks import BackLine, summary
from dsr.erasure_replay import Replayed
from dsr.erasure_tables import BackState
from jobs.actor import command_actor
from jobs.answers import Answer, Line, answering, table
from jobs.erasure_files import Checked, check_file
from jobs.progress import showing_progress
from jobs.restored import clear_mark, is_restored
from jobs.services import Services, Wiring

_STATES = {
    BackState.SEEN: "Not judged yet",
    BackState.BACK: "Back",
    BackState.DOUBT: "Needs a person",
    BackState.AGAIN: "Erased again",
    BackState.LEFT: "Left",
    BackState.NOTHING: "Nothing",
}


@click.group()
def erasures() -> None:
    """What was erased stays erased: replay after a restore, filter an import."""


@erasures.command()
@click.option("--store", help="Look through this store alone.")
@click.option("--dry-run", is_flag=True, help="Say who is back; erase nobody.")
@click.option("--approve", is_flag=True, help="Let go more than the breaker's share of a collection.")
@click.option("--reason", default="", help="Why it is approved; stands in the ledger.")
@click.pass_obj
@answering
def replay(wiring: Wiring, store: str | None, dry_run: bool, approve: bool, reason: str) -> Answer:
    """Look through the stores for erased people and erase them again. Stopped anywhere, the same command goes on."""
    with wiring.open_services(None) as kept:
        if store is not None and store not in kept.stores:
            raise BadInput(f"There is no store '{store}'.", remedy=f"Stores: {', '.join(kept.stores) or 'none'}.")
        with showing_progress() as show:
            done = kept.requests.replays.replay(
                by=command_actor(),
                store=store or "",
                dry=dry_run,
                approve=approve,
                reason=reason,
                on_read=show,
                on_done=show,
            )
        kept.ledger.settle()
        unread = [why for what, why in done.look.not_looked if "cannot be read through" not in why]
        lines = _say(done)
        if is_restored(kept.settings.var):
            if done.is_complete and not unread and not store:
                clear_mark(kept.settings.var)
                lines.append("The restore is complete: `kept serve` may start.")
            else:
                lines.append("The restore is not complete: `kept serve` and `kept sweep` wait for a whole replay.")
        waits = bool(done.waits or done.too_many or (dry_run and done.found))
        status = 3 if done.failed or unread else 1 if waits else 0
        return Answer(data=_json(done), lines=lines, exit_status=status)


@erasures.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the file without the erased here.")
@click.option("--kind", help="What the lines of a file without a header are, such as email.")
@click.pass_obj
@answering
def check(wiring: Wiring, file: Path, out: Path | None, kind: str | None) -> Answer:
    """Hold a file (CSV, JSON lines, or one identifier a line) against what was erased. Ends with 1 where somebody was."""
    with wiring.open_services(None) as kept, showing_progress() as show:
        kinds = _kinds(kept)
        if kind is not None and kind not in kinds:
            raise BadInput(f"There is no kind '{kind}'.", remedy=f"Kinds: {', '.join(kinds)}.")

        def find_erased(pairs: Any) -> set[int]:
            with kept.database.read() as session:
                return kept.requests.erasures.erased(session, pairs)

        checked = check_file(
            file, find_erased, kinds=kinds, kind=kind, out=out, on_progress=lambda done: show(file.name, done, 0)
        )
    return _answer_check(checked, out)


@erasures.command("list")
@click.pass_obj
@answering
def list_erasures(wiring: Wiring) -> Answer:
    """Count what was erased, and list who is back. Ends with 1 while somebody is."""
    with wiring.open_services(None) as kept:
        counts, back = kept.requests.erasures.counts(), kept.requests.replays.list_back()
        last = kept.requests.replays.last_look()
    kinds = ", ".join(f"{count(number)} {kind}" for kind, number in counts.by_kind.items())
    lines: list[Line] = [
        f"{plural(counts.people, 'erasure', 'erasures')}, {plural(counts.identifiers, 'identifier', 'identifiers')}"
        + (f": {kinds}." if kinds else "."),
        f"Last look: {last.ended_at:%Y-%m-%d %H:%M} UTC, {plural(last.read, 'record', 'records')} read."
        if last and last.ended_at
        else "Nobody has looked yet whether somebody is back: kept erasures replay --dry-run.",
    ]
    lines += _list(back)
    data = {
        "erasures": counts.people,
        "identifiers": counts.identifiers,
        "by_kind": dict(counts.by_kind),
        "first": iso_utc(counts.first) if counts.first else None,
        "last": iso_utc(counts.last) if counts.last else None,
        "looked_at": iso_utc(last.ended_at) if last and last.ended_at else None,
        "back": [_line_json(one) for one in back],
    }
    return Answer(data=data, lines=lines, exit_status=1 if back else 0)


@erasures.command()
@click.argument("finding", metavar="ID")
@click.option("--reason", default="", help="Why; stands in the record.")
@click.pass_obj
@answering
def again(wiring: Wiring, finding: str, reason: str) -> Answer:
    """Erase again what is back of one person and older than their erasure."""
    with wiring.open_services(None) as kept:
        kept.requests.replays.erase_again(finding, by=command_actor(), why=reason)
        kept.requests.replays.run_decided(finding)
        kept.ledger.settle()
    return Answer(data={"id": finding, "state": "again"}, lines=["Erased again, and read back."])


@erasures.command()
@click.argument("finding", metavar="ID")
@click.option("--reason", required=True, help="How you know that it is not what was erased.")
@click.pass_obj
@answering
def leave(wiring: Wiring, finding: str, reason: str) -> Answer:
    """Leave what was found: it is somebody else's, or new."""
    with wiring.open_services(None) as kept:
        kept.requests.replays.leave(finding, by=command_actor(), why=reason)
        kept.ledger.settle()
    return Answer(data={"id": finding, "state": "left"}, lines=["It stays, and is not asked about again."])


def _kinds(kept: Services) -> list[str]:
    own = (kind for collection in kept.settings.collections for kind in collection.identifies)
    return list(dict.fromkeys([*own, *kept.requests.erasures.counts().by_kind]))


def _answer_check(checked: Checked, out: Path | None) -> Answer:
    said = f"{count(checked.erased)} of {plural(checked.entries, 'entry was', 'entries were')} erased."
    lines: list[Line] = [said]
    if checked.lines:
        shown = ", ".join(map(str, checked.lines[:20]))
        more = f" and {count(checked.erased - 20)} more" if checked.erased > 20 else ""
        lines.append(f"Lines: {shown}{more}.")
    if out is not None:
        lines.append(f"{out} holds the other {count(checked.entries - checked.erased)}, unchanged.")
    data = {
        "form": checked.form.value,
        "kinds": list(checked.kinds),
        "entries": checked.entries,
        "erased": checked.erased,
        "lines": list(checked.lines),
        "out": str(out) if out else None,
    }
    return Answer(data=data, lines=lines, exit_status=1 if checked.erased else 0)


def _say(done: Replayed) -> list[Line]:
    lines: list[Line] = [f"{plural(done.look.read, 'record', 'records')} read."]
    if done.merged:
        lines.append(f"{plural(done.merged, 'identifier', 'identifiers')} taken in from the file of erasures.")
    lines += [f"Not looked through: {what}: {why}" for what, why in done.look.not_looked]
    if done.dry or done.too_many:
        lines += _list(done.found)
    records = sum(one.total for one in done.found if one.ref in {line.ref for line in done.again})
    if done.again:
        lines.append(
            f"{plural(len(done.again), 'person', 'people')} erased again, {plural(records, 'record', 'records')}."
        )
    elif not done.found and not done.waits:
        lines.append("Nobody who was erased is back.")
    lines += [f"{ref}: {why}" for ref, why in done.failed]
    if done.too_many:
        lines.append(f"{done.too_many} Then: kept erasures replay --approve --reason '…'")
    lines += _list(done.waits)
    if done.waits:
        lines.append(
            "Decide with `kept erasures again ID` or `kept erasures leave ID --reason '…'`, or in the console."
        )
    return lines


def _list(back: Any) -> list[Line]:
    if not back:
        return []
    rows = [[one.id, one.ref, _STATES[one.state], count(one.total), one.why or "–"] for one in back]
    return [table("", ["id", "erased by", "state", "records", "why"], rows, right=(3,))]


def _line_json(one: BackLine) -> dict[str, Any]:
    return {
        "id": one.id,
        "request": one.ref,
        "state": one.state.value,
        "why": one.why,
        "found_at": iso_utc(one.found_at),
        "rows": dict(one.rows),
    }


def _json(done: Replayed) -> dict[str, Any]:
    return {
        **summary(done.look),
        "merged": done.merged,
        "dry_run": done.dry,
        "found": [_line_json(one) for one in done.found],
        "again": [one.ref for one in done.again],
        "waits": [_line_json(one) for one in done.waits],
        "failed": [{"request": ref, "why": why} for ref, why in done.failed],
        "too_many": done.too_many or None,
    }
