"""`kept policy diff`: what differs between two policy texts, and what that weighs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from core.errors import BadInput, NotFound
from jobs.answers import Answer, Line, answering, table
from jobs.services import Wiring
from policies.differences import Difference, compare, read_either
from policies.documents import Document
from policies.plain_texts import MAX_BYTES, PlainText
from policies.prose_differences import BREAK, ProseChange, ProseHappening
from policies.word_differences import RunKind

STDIN = "-"
_STYLES = {RunKind.SAME: "", RunKind.DEL: "red strike", RunKind.INS: "green underline"}


@click.command("diff")
@click.argument("old", metavar="A")
@click.argument("new", metavar="B")
@click.option("--side-by-side", is_flag=True, help="Show the prose in two columns.")
@click.pass_obj
@answering
def diff_policy(wiring: Wiring, old: str, new: str, side_by_side: bool) -> Answer:
    """Compare A with B: each a version number, a file (a Kept document or any policy text), or - for standard input.

    \b
    Status 0 whatever the verdict, 2 for what is no policy text. --json prints
    {"verdict": "material|minor|editorial",
     "reasons": [sentence, …],                     the weightiest first
     "clauses": [{"id", "kind", "happened", "also", "before", "after", "weight", "why"}, …],
     "prose":   [{"happened": "changed|added|removed|moved", "kind", "section", "moved_from", "before", "after",
                  "runs": [{"kind": "same|del|ins", "text"}, …]}, …]}
    clauses is empty unless both are Kept documents; what was not there is null; runs but ins are the old paragraph,
    runs but del the new one, and a line end in them is where a paragraph was split or joined.
    """
    if old == new == STDIN:
        raise BadInput("Standard input can be one side only.", remedy="Name a file or a version for the other.")
    difference = compare(_read_side(wiring, old), _read_side(wiring, new))
    names = _name_of(old), _name_of(new)
    lines = [*_verdict_lines(difference), *_clause_lines(difference, names)]
    if sys.stdout.isatty():
        lines += _two_columns(difference, names) if side_by_side else _coloured(difference)
    else:
        lines += _two_columns(difference, names) if side_by_side else _signed(difference)
    return Answer(data=difference.as_json(), lines=lines)


def _read_side(wiring: Wiring, side: str) -> Document | PlainText:
    if side == STDIN:
        return read_either(_decoded(sys.stdin.buffer.read(MAX_BYTES + 1), "standard input"), "standard input")
    path = Path(side)
    if side.isdecimal() and not path.exists():
        with wiring.open_services(None) as kept, kept.database.read() as session:
            return kept.policies.version(session, int(side)).document
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise NotFound(
            f"{side} cannot be read: {error.strerror}.", remedy="Name a version by its number, or a policy text."
        ) from error
    return read_either(_decoded(content, side), side)


def _decoded(content: bytes, name: str) -> str:
    if len(content) > MAX_BYTES:
        raise BadInput(f"{name} is larger than {MAX_BYTES // 1_000_000} MB.", remedy="A policy is a few pages of text.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{name} is not UTF-8 text.", remedy="Save it as UTF-8.") from error


def _name_of(side: str) -> str:
    if side == STDIN:
        return "standard input"
    return f"version {side}" if side.isdecimal() else Path(side).name


def _verdict_lines(difference: Difference) -> list[Line]:
    return [difference.verdict.weight.value.capitalize(), *(f"  {reason}" for reason in difference.verdict.reasons)]


def _clause_lines(difference: Difference, names: tuple[str, str]) -> list[Line]:
    if not difference.clauses:
        return []
    rows = [
        [change.clause_id, change.word, change.before or "–", change.after or "–", change.weight.value]
        for change in difference.clauses
    ]
    return ["", table("", ["Clause", "What happened", names[0], names[1], "Weighs"], rows)]


def _signed(difference: Difference) -> Iterator[Line]:
    """For pipes and files: a sign before every line, as other tools do it."""
    for section in difference.sections(0):
        yield from ("", f"## {section.title}".rstrip())
        for part in section.parts:
            change = part.change
            if change.happened is ProseHappening.MOVED and not change.reworded:
                yield f"> {_one_line(change.after)}{_whence(change)}"
                continue
            if change.before:
                yield f"- {_one_line(change.before)}"
            if change.after:
                moved = change.happened is ProseHappening.MOVED
                yield f"{'>' if moved else '+'} {_one_line(change.after)}{_whence(change) if moved else ''}"


def _one_line(text: str) -> str:
    return text.replace(BREAK, " ¶ ")


def _whence(change: ProseChange) -> str:
    return f"  (moved here from “{change.moved_from}”)" if change.moved_from else "  (moved)"


def _coloured(difference: Difference) -> Iterator[Line]:
    for section in difference.sections(0):
        shown = Table(box=None, show_header=False, pad_edge=False)
        shown.add_column(width=1)
        shown.add_column()
        for part in section.parts:
            sign, text = _sign(part.change), _runs(part.change, None)
            if part.change.happened is ProseHappening.MOVED:
                text.append(_whence(part.change), style="dim")
            shown.add_row(sign, text)
        yield from ("", section.title, shown)


def _sign(change: ProseChange) -> str:
    return {ProseHappening.ADDED: "+", ProseHappening.REMOVED: "−", ProseHappening.MOVED: ">"}.get(change.happened, "±")


def _runs(change: ProseChange, without: RunKind | None) -> Text:
    text = Text()
    before = RunKind.SAME
    for run in change.runs:
        if run.kind is without:
            continue
        if before is RunKind.DEL and run.kind is RunKind.INS:
            text.append(" ")
        text.append(run.text, style=_STYLES[run.kind])
        before = run.kind
    return text


def _two_columns(difference: Difference, names: tuple[str, str]) -> Iterator[Line]:
    for section in difference.sections(0):
        shown = Table(*names, box=None, pad_edge=False, title=section.title or None, title_justify="left", expand=True)
        for column in shown.columns:
            column.ratio = 1
        for part in section.parts:
            shown.add_row(_runs(part.change, RunKind.INS), _runs(part.change, RunKind.DEL))
        yield from ("", shown)
