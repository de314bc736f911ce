"""`kept user` and `kept token`: who may sign in, and what machines may do."""

from __future__ import annotations

from datetime import timedelta

import click
from sqlalchemy.orm import Session

from core.one_time import issue_token
from core.operators import PASSWORD_LINK, Role, add_operator, create_token, find_operator, part_with
from jobs.answers import Answer, answering
from jobs.services import Services, Wiring

LINK_LASTS = timedelta(hours=24)
# What a machine may do with each; docs/api.md says which address needs which.
SCOPES = {
    "promises:read": "the board",
    "metrics:read": "the numbers of /metrics, from another machine",
    "policy:read": "the policy in force and the planned one",
    "guard:check": "whether a payload holds what is never stored",
    "acceptances:read": "whether to ask a person to accept",
    "acceptances:write": "record that a person accepted",
    "consents:read": "how a person stands to each purpose",
    "consents:write": "give and withdraw a person's consent",
    "requests:read": "requests, without anything of a person",
    "requests:write": "open requests",
    "events:write": "say that accounts were closed",
    "inbox:write": "hand in mail as it came",
    "restrictions:read": "whose data is only stored, and what is stopped for whom",
    "suppressions:read": "who was erased or opted out",
    "suppressions:write": "opt people out and in again, and make links to their preferences",
}


def password_link(kept: Services, session: Session, operator_id: str) -> str:
    """A one-time link with which an operator chooses a password and signs in."""
    token = issue_token(session, purpose=PASSWORD_LINK, subject=operator_id, now=kept.clock.now(), lasts=LINK_LASTS)
    return f"{kept.links_at}/console/password/{token}"


@click.group()
def user() -> None:
    """Operators of the console."""


@user.command()
@click.argument("email")
@click.option("--name", required=True, help="The name that others see.")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.AGENT.value, show_default=True)
@click.pass_obj
@answering
def add(wiring: Wiring, email: str, name: str, role: str) -> Answer:
    """Add an operator; prints a link, good for 24 hours, to choose a password."""
    with wiring.open_services(None) as kept:
        with kept.database.begin() as session:
            made = add_operator(session, email=email, name=name, role=Role(role), now=kept.clock.now())
            kept.ledger.record(session, kind="operator.added", actor="system", refs=[made.id], private={"role": role})
            link = password_link(kept, session, made.id)
        kept.ledger.settle()
    return Answer(data={"id": made.id, "link": link}, lines=[f"Added. Choose a password within 24 hours: {link}"])


@user.command()
@click.argument("email")
@click.pass_obj
@answering
def reset(wiring: Wiring, email: str) -> Answer:
    """Print a new link to choose a password. The old password works until a new one is set."""
    with wiring.open_services(None) as kept:
        with kept.database.begin() as session:
            operator = find_operator(session, email)
            kept.ledger.record(session, kind="operator.reset", actor="system", refs=[operator.id], private={})
            link = password_link(kept, session, operator.id)
        kept.ledger.settle()
    return Answer(data={"id": operator.id, "link": link}, lines=[f"Choose a password within 24 hours: {link}"])


@user.command()
@click.argument("email")
@click.pass_obj
@answering
def leave(wiring: Wiring, email: str) -> Answer:
    """Note that an operator has left: no sign-in from now on, and name and address go in time by Kept's own policy."""
    with wiring.open_services(None) as kept:
        with kept.database.begin() as session:
            operator = find_operator(session, email)
            part_with(session, operator.id, kept.clock.now())
            kept.ledger.record(session, kind="operator.left", actor="system", refs=[operator.id], private={})
        kept.ledger.settle()
    return Answer(data={"id": operator.id}, lines=["They cannot sign in any more."])


@click.group()
def token() -> None:
    """Tokens of machines."""


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(list(SCOPES)),
    required=True,
    help=", ".join(f"{name}: {words}" for name, words in SCOPES.items()),
)
@click.pass_obj
@answering
def create(wiring: Wiring, name: str, scopes: tuple[str, ...]) -> Answer:
    """Make a bearer token for the API; it is shown once."""
    with wiring.open_services(None) as kept:
        with kept.database.begin() as session:
            made = create_token(session, name=name, scopes=frozenset(scopes), now=kept.clock.now())
            kept.ledger.record(
                session, kind="token.created", actor="system", refs=[], private={"scopes": sorted(scopes)}
            )
        kept.ledger.settle()
    return Answer(data={"token": made}, lines=[made, "Keep it now: it is not shown again."])
