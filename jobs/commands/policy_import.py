"""`kept policy import`: draft a policy document from any policy text, and say what it proposes and what it could not bind."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from core.errors import BadInput, NotFound
from jobs.answers import WIDEST, Answer, Line, answering, table
from policies.documents import DocumentRefused, parse_document
from policies.importing import Draft, Givens, draft
from policies.plain_texts import MAX_BYTES, read_plain

_SENTENCE_SHOWN: Final = 70
_VALUE_SHOWN: Final = 44
_KEPT_HEAD: Final = re.compile(r"\A\ufeff?---[ \t]*\r?\n(?:.*\r?\n){0,40}?policy:", re.MULTILINE)


@click.command("import")
@click.argument("text", metavar="TEXT")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the draft to FILE.")
@click.option("--force", is_flag=True, help="Write over FILE if it is there already.")
@click.option("--controller", metavar="NAME", help="Who answers for the data.")
@click.option("--country", metavar="CC", help="The controller's country: DE, US.")
@click.option("--timezone", metavar="TZ", help="The controller's time zone: Europe/Berlin.")
@click.option("--email", metavar="ADDRESS", help="The controller's address, where the text hides it or names none.")
@click.option("--regime", "regimes", multiple=True, metavar="NAME", help="A law the policy lists: gdpr, uk_gdpr, ccpa.")
@answering
def import_policy(
    text: str, output: Path | None, *, force: bool, controller: str | None, country: str | None,
    timezone: str | None, email: str | None, regimes: tuple[str, ...],
) -> Answer:  # fmt: skip
    """Draft a policy document from TEXT: a text, Markdown or HTML file, or - for standard input. Needs no configuration."""
    if output is not None and output.exists() and not force:
        raise BadInput(f"{output} is there already.", remedy="Name another file, or add --force to write over it.")
    name = "standard input" if text == "-" else text
    source = _read(text, name)
    if _KEPT_HEAD.match(source):
        raise BadInput(f"{name} is a Kept document already.", remedy="`kept policy lint` reads it.")
    stem = output.stem if output is not None else "policy" if text == "-" else None
    given = Givens(
        controller=controller, country=country, timezone=timezone, email=email, policy=stem, regimes=tuple(dict.fromkeys(regimes))
    )  # fmt: skip
    made = draft(read_plain(source, name), given)
    lines = _report(made, str(output) if output is not None else "the draft")
    if output is not None:
        _write(output, made.document)
        lines.append(f"The draft is in {output}.")
    elif not click.get_current_context().params.get("as_json"):
        click.echo(made.document, nl=False)
        _to_standard_error(lines)
        lines = []
    return Answer(data=_as_data(made, name, output), lines=lines)


def _read(text: str, name: str) -> str:
    try:
        if text == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(text).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise NotFound(
            f"{name} cannot be read: {error.strerror}.", remedy="Name a policy text, or - for standard input."
        ) from error
    if len(data) > MAX_BYTES:
        raise BadInput(f"{name} is larger than {MAX_BYTES // 1_000_000} MB.", remedy="A policy is a few pages of text.")
    if data.startswith(b"%PDF"):
        raise BadInput(f"{name} is a PDF, not text.", remedy="Save its text, and give that.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{name} is not UTF-8 text.", remedy="Give the policy as text, Markdown or HTML, saved as UTF-8."
        ) from error


def _write(output: Path, document: str) -> None:
    try:
        output.write_text(document, encoding="utf-8")
    except OSError as error:
        raise BadInput(
            f"{output} cannot be written: {error.strerror}.", remedy="Name a file in a folder that is there."
        ) from error


def _report(made: Draft, name: str) -> list[Line]:
    rows = [
        [
            one.what,
            _short(one.value, _VALUE_SHOWN),
            one.clause,
            _short(one.sentence, _SENTENCE_SHOWN),
            f"{one.confidence:.2f}",
            str(one.line),
        ]
        for one in made.proposals
    ]
    lines: list[Line] = [
        table("Proposed", ["what", "value", "clause", "sentence", "confidence", "line"], rows, right=(4, 5))
    ]
    if made.unbound:
        left = [[one.what, one.why, _short(one.sentence, _SENTENCE_SHOWN), str(one.line)] for one in made.unbound]
        lines += ["", table("Not bound to a clause", ["what", "why", "sentence", "line"], left, right=(3,))]
    lines.append("")
    lines += [f"{name} is refused by lint until a person writes: {problem}" for problem in _problems(made)]
    clauses = len({one.clause for one in made.proposals} - {"head"})
    lines.append(f"{len(made.proposals)} proposals for {clauses} clauses, {len(made.unbound)} things not bound.")
    return lines


def _problems(made: Draft) -> list[str]:
    """What keeps the draft from being read, most of all what its text did not say of its controller."""
    try:
        parse_document(made.document, "draft")
    except DocumentRefused as refused:
        return [f"{one.what}. {one.remedy}".rstrip() for one in refused.problems]
    return []


def _to_standard_error(lines: list[Line]) -> None:
    """The document has standard output to itself, so that it can be sent into a file."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not console.is_terminal:
        console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True, width=WIDEST)
    for line in lines:
        console.print(line)


def _short(words: str, most: int) -> str:
    return words if len(words) <= most else f"{words[: most - 1]}…"


def _as_data(made: Draft, name: str, output: Path | None) -> dict[str, object]:
    return {
        "file": name,
        "written": str(output) if output is not None else None,
        "document": made.document,
        "proposals": [asdict(one) for one in made.proposals],
        "unbound": [asdict(one) for one in made.unbound],
        "open": list(made.open),
        "problems": _problems(made),
    }
