"""`kept policy render`: a version as PDF, HTML, Markdown or plain text, into a file or onto the terminal."""

from __future__ import annotations

from pathlib import Path

import click

from core.errors import BadInput, NotFound
from jobs.answers import Answer, answering
from jobs.services import Services, Wiring
from policies.documents import Document
from policies.standing import say_standing
from policies.versions import Version

FORMS = ("pdf", "html", "md", "txt")


@click.command("render")
@click.argument("number", type=click.IntRange(min=1))
@click.option("--to", "form", type=click.Choice(FORMS), default="pdf", show_default=True)
@click.option("--lang", "language", help="A language the version is published in; without it the original.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write it. A PDF needs a file: it is named for its version.",
)
@click.pass_obj
@answering
def render_policy(wiring: Wiring, number: int, form: str, language: str | None, output: Path | None) -> Answer:
    """Print version NUMBER of the policy, or write it to a file."""
    with wiring.open_services(None) as kept:
        with kept.database.read() as session:
            version = kept.policies.version(session, number)
        document = _in_language(version, language)
        body = _render(kept, version, document, form)
    if output is None and form != "pdf":
        text = body.decode()
        return Answer(data=_describe(version, document, form) | {"text": text}, lines=[text])
    target = output or Path(f"{version.policy}-{number}-{document.language}.pdf")
    _write(target, body)
    return Answer(
        data=_describe(version, document, form) | {"file": str(target), "bytes": len(body)},
        lines=[f"Wrote {target}: version {number} in {document.language}. {say_standing(version, 'en')}."],
    )


def _in_language(version: Version, language: str | None) -> Document:
    if language is not None and language not in version.languages:
        raise NotFound(
            f"Version {version.number} is not published in '{language}'.",
            remedy=f"It is there in: {', '.join(version.languages)}.",
        )
    return version.in_language(language or version.document.language)


def _render(kept: Services, version: Version, document: Document, form: str) -> bytes:
    if form == "pdf":
        return kept.papers.read_or_make(version, document)
    if form == "html":
        return kept.papers.compose(version, document, bare=True).encode()
    return (document.text if form == "md" else kept.papers.plain(version, document)).encode()


def _describe(version: Version, document: Document, form: str) -> dict[str, object]:
    return {"number": version.number, "language": document.language, "form": form, "digest": version.digest}


def _write(target: Path, body: bytes) -> None:
    try:
        target.write_bytes(body)
    except OSError as error:
        raise BadInput(f"{target} cannot be written: {error.strerror}.", remedy="Name another file with -o.") from error
