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
from jobs.services import Wiring
from policies.documents import parse_document

BLANK = Path(__file__).resolve().parent.parent.parent / "examples" / "blank"
EXAMPLE_OPERATOR = ("operator@example.com", "Operator")


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--example", help="Fill the directory with an example: gateway.")
@click.pass_obj
@answering
def init(wiring: Wiring, directory: Path, example: str | None) -> Answer:
    """Write kept.yaml, a policy and keys into DIRECTORY, and make the control database."""
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
    directory.mkdir(parents=True, exist_ok=True)
    write_secret(directory / "var" / "secret.key")
    return _fill_example(wiring, directory, example) if example else _write_blank(wiring, directory)


def _write_blank(wiring: Wiring, directory: Path) -> Answer:
    (directory / "policies").mkdir(exist_ok=True)
    shutil.copyfile(BLANK / "policy.md", directory / "policies" / "policy.md")
    shutil.copyfile(BLANK / "kept.yaml", directory / "kept.yaml")
    with wiring.open_services(directory / "kept.yaml"):
        pass  # opening migrates the control database
    return Answer(
        data={"directory": str(directory), "example": None, "policy": "draft"},
        lines=[
            f"Wrote {directory / 'kept.yaml'}, a draft policy and keys.",
            "Next: describe your stores in kept.yaml, write policies/policy.md, then run `kept policy publish`.",
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
        document = parse_document(policy.read_text(encoding="utf-8"), str(policy))
        with kept.database.begin() as session:
            email, name = EXAMPLE_OPERATOR
            add_operator(session, email=email, name=name, role=Role.ADMINISTRATOR, now=kept.clock.now())
        version = kept.policies.publish(document, actor="system")
        kept.ledger.settle()
    return Answer(
        data={"directory": str(directory), "example": example, "version": version.number, "records": counts},
        lines=[
            f"Wrote the example {example} to {directory}:",
            *[f"  {name}: {number:,}".replace(",", "\u202f") for name, number in counts.items()],
            f"Its policy is published as version {version.number}, in force now.",
            f"Next: cd {directory} && kept serve",
        ],
    )
