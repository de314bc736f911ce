"""`kept map check`: what map, stores and policy disagree about, and with `--content` what must not be stored and is."""

from __future__ import annotations

import click

from checks.comparing import Difference
from checks.content import ContentEvidence
from checks.drift import DriftReport
from checks.sampling import Budget
from core.errors import BadInput
from core.words import count, plural
from jobs.answers import Answer, Line, answering, table
from jobs.services import Wiring
from promises.evidence import describe_findings

_UNREACHED = 3


@click.command()
@click.option("--strict", is_flag=True, help="Every field has to be named in the map, every table mapped.")
@click.option("--accept", is_flag=True, help="What is there now is right: it is known from here on.")
@click.option("--content", "contents", is_flag=True, help="Sample the collections for what is never stored.")
@click.option("--rows", default=1_000, show_default=True, help="With --content: rows looked at in each collection.")
@click.option("--seconds", default=120.0, show_default=True, help="With --content: how long it may take in all.")
@click.pass_obj
@answering
def check(wiring: Wiring, *, strict: bool, accept: bool, contents: bool, rows: int, seconds: float) -> Answer:
    """Compare the map with the stores and the policy. Exit 1 where something differs, 3 where no store answers."""
    if rows < 1 or seconds <= 0:
        raise BadInput("A scan needs at least one row and some time.", remedy="Leave --rows and --seconds out.")
    with wiring.open_services(None) as kept:
        report = kept.drift.check(strict=strict, accept=accept)
        scanned = kept.content.scan(Budget(rows=rows, seconds=seconds)) if contents else ()
    bad = bool(report.findings) or any(one.findings or one.trouble for one in scanned)
    return Answer(
        data=_describe(report) | ({"contents": [_describe_scan(one) for one in scanned]} if contents else {}),
        lines=[*_lines(report), *(_scan_lines(scanned) if contents else [])],
        exit_status=_UNREACHED if not report.reached else int(bad),
    )


def _describe(report: DriftReport) -> dict[str, object]:
    return {
        "ok": not report.findings,
        "judged_by": report.judged_by,
        "collections": report.collections,
        "findings": [one.as_json() for one in report.findings],
        "without_people": list(report.without_people),
        "by_hand": list(report.by_hand),
    }


def _describe_scan(one: ContentEvidence) -> dict[str, object]:
    return {
        "clause": one.clause,
        "rows_seen": one.rows_seen,
        "rows_total": one.rows_total,
        "collections": one.collections,
        "findings": [each.as_json() for each in one.findings],
        "trouble": list(one.trouble),
    }


def _lines(report: DriftReport) -> list[Line]:
    lines: list[Line] = []
    if report.findings:
        rows = [[_word(one.kind), one.what, one.remedy] for one in report.findings]
        lines.append(table("", ["finding", "what", "what to do"], rows))
    looked = plural(report.collections, "collection", "collections")
    ending = plural(len(report.findings), "finding", "findings") if report.findings else "No finding"
    lines.append(f"{ending} in {looked}, judged by {report.judged_by}.")
    if report.without_people:
        names = ", ".join(report.without_people[:10]) + (", …" if len(report.without_people) > 10 else "")
        lines.append(
            f"Not mapped, and taken to hold nothing about people ({count(len(report.without_people))}): {names}."
        )
    if report.by_hand:
        lines.append(f"Kept by hand, so not looked at: {', '.join(report.by_hand)}.")
    return lines


def _scan_lines(scanned: tuple[ContentEvidence, ...]) -> list[Line]:
    if not scanned:
        return ["No clause in force says that something is never stored."]
    lines: list[Line] = []
    for one in scanned:
        looked = f"{count(one.rows_seen)} of {plural(one.rows_total, 'row', 'rows')}"
        words = " ".join((*describe_findings(one), *one.trouble)) or "No finding."
        lines.append(
            f"{one.clause}: {words} Looked at {looked} in {plural(one.collections, 'collection', 'collections')}."
        )
    return lines


def _word(kind: Difference) -> str:
    return kind.value.replace("_", " ")
