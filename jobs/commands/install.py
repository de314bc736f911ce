"""`kept init`: a directory with a configuration, a policy and keys; an example has stores full of records too."""

from __future__ import annotations

import shutil
from pathlib import Path

import click
from rich.console import Console

from core.errors import BadInput
from core.keys import write_secret
from core.operators import Role, add_operator
from core.settings_file import load_settings
from jobs.answers import Answer, answering
from jobs.commands.map import as_data, summary
from jobs.database_map import scan_database, write_map
from jobs.papers import make_papers
from jobs.services import Wiring
from policies.translations import read_family
from stores.scanner import Scan
from stores.scanner_text import remark_lines

BLANK = Path(__file__).resolve().parent.parent.parent / "examples" / "blank"
EXAMPLE_OPERATOR = ("operator@example.com", "Operator")


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--example", help="Fill the directory with an example: gateway.")
@click.option("--database", "url", help="A database to read, by its SQLAlchemy URL: the whole map is proposed.")
@click.option("--zone", help="With --database: the zone of times that are written without one, such as UTC.")
@click.pass_obj
@answering
def init(wiring: Wiring, directory: Path, example: str | None, url: str | None, zone: str | None) -> Answer:
    """Write kept.yaml, a policy and keys into DIRECTORY, and make the control database."""
    if example is not None and url is not None:
        raise BadInput("--example and --database do not go together.", remedy="Nothing was changed. Choose one.")
    if example is not None and example not in wiring.examples:
        raise BadInput(f"There is no example '{example}'.", remedy=f"Examples: {', '.join(wiring.examples)}.")
    if (directory / "kept.yaml").exists():
        raise BadInput(
            f"{directory / 'kept.yaml'} is there already.", remedy="Nothing was changed. Choose another directory."
        )
    if example and directory.exists() and any(directory.iterdir()):
        raise BadInput(
            f"{directory} is not empty.", remedy="Nothing was changed. Choose a directory that is empty or not there."
        )
    found = scan_database(url, zone) if url else None  # before anything is written: it may not answer
    directory.mkdir(parents=True, exist_ok=True)
    write_secret(directory / "var" / "secret.key")
    if url and found:
        return _write_scanned(wiring, directory, url, found, zone)
    return _fill_example(wiring, directory, example) if example else _write_blank(wiring, directory)


def _copy_blank(directory: Path) -> None:
    (directory / "policies").mkdir(exist_ok=True)
    shutil.copyfile(BLANK / "policy.md", directory / "policies" / "policy.md")
    shutil.copyfile(BLANK / "kept.yaml", directory / "kept.yaml")


def _write_blank(wiring: Wiring, directory: Path) -> Answer:
    _copy_blank(directory)
    with wiring.open_services(directory / "kept.yaml"):
        pass  # opening migrates the control database
    return Answer(
        data={"directory": str(directory), "example": None, "policy": "draft"},
        lines=[
            f"Wrote {directory / 'kept.yaml'}, a draft policy and keys.",
            "Next: describe your stores in kept.yaml, write policies/policy.md, then run `kept policy publish`.",
        ],
    )


def _write_scanned(wiring: Wiring, directory: Path, url: str, found: Scan, zone: str | None) -> Answer:
    _copy_blank(directory)
    write_map(directory, url, found, zone)
    with wiring.open_services(directory / "kept.yaml") as kept:
        kept.drift.check()  # from here on a new table or field is noticed
    return Answer(
        data={"directory": str(directory), "example": None, "policy": "draft", "map": as_data(found, written=True)},
        lines=[
            f"Wrote {directory / 'kept.yaml'}, a draft policy and keys.",
            summary(found),
            *remark_lines(found),
            "Next: read through the collections, write policies/policy.md, run `kept map scan` and `kept doctor`, then "
            "`kept policy publish`.",
        ],
    )


def _fill_example(wiring: Wiring, directory: Path, example: str) -> Answer:
    source = wiring.examples[example]
    source.write_configuration(directory)
    policy = load_settings(directory / "kept.yaml").policy
    with (
        Console(stderr=True).status(f"Building the example {example}") as status,
        wiring.open_services(directory / "kept.yaml") as kept,
    ):
        counts = source.build(directory, now=kept.clock.now(), on_progress=status.update)
        document, *translations = read_family(policy)
        with kept.database.begin() as session:
            email, name = EXAMPLE_OPERATOR
            add_operator(session, email=email, name=name, role=Role.ADMINISTRATOR, now=kept.clock.now())
        version = kept.policies.publish(document, translations=translations, actor="system")
        kept.ledger.settle()
        kept.drift.check()  # from here on a new table or field is noticed
        left = make_papers(kept)
    return Answer(
        data={"directory": str(directory), "example": example, "version": version.number, "records": counts},
        lines=[
            f"Wrote the example {example} to {directory}:",
            *[f"  {name}: {number:,}".replace(",", "\u202f") for name, number in counts.items()],
            f"Its policy is published as version {version.number}, in force now.",
            *left,
            f"Next: cd {directory} && kept serve",
        ],
    )
