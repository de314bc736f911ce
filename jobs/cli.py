"""The command line: one group with every command."""

from __future__ import annotations

import sys

import click

from core.errors import KeptError
from core.log import configure_logging
from jobs.commands.approvals import approvals
from jobs.commands.attest import attest
from jobs.commands.backup import backup, restore
from jobs.commands.campaign import campaign
from jobs.commands.cookies import cookies
from jobs.commands.disclosures import disclosures
from jobs.commands.doctor import doctor
from jobs.commands.due import due
from jobs.commands.erasures import erasures
from jobs.commands.figures import figures
from jobs.commands.hold import hold
from jobs.commands.inbox import inbox
from jobs.commands.inbox_letters import LETTER_COMMANDS
from jobs.commands.inbox_poll import poll
from jobs.commands.install import init
from jobs.commands.ledger import ledger
from jobs.commands.map import data_map
from jobs.commands.operators import token, user
from jobs.commands.policy import policy
from jobs.commands.promises import promises
from jobs.commands.report import report
from jobs.commands.requests import request
from jobs.commands.requests_answers import ANSWER_COMMANDS
from jobs.commands.requests_asker import ASKER_COMMANDS
from jobs.commands.requests_clock import CLOCK_COMMANDS
from jobs.commands.requests_correction import correction
from jobs.commands.requests_found import FOUND_COMMANDS
from jobs.commands.requests_proof import PROOF_COMMANDS
from jobs.commands.requests_redact import REDACT_COMMANDS
from jobs.commands.requests_talk import TALK_COMMANDS
from jobs.commands.requests_tickets import TICKET_COMMANDS
from jobs.commands.requests_told import TOLD_COMMANDS
from jobs.commands.requests_ways_in import WAYS_IN_COMMANDS
from jobs.commands.serve import serve
from jobs.commands.suppressions import preferences, suppressions
from jobs.commands.sweep import sweep
from jobs.commands.tasks import task
from jobs.commands.webhooks import webhooks
from jobs.services import Wiring

COMMANDS = (
    *(init, serve, doctor, policy, data_map, cookies, campaign, sweep, approvals, hold, inbox),
    *(request, task, due, promises, attest, ledger, report, user, token, suppressions, preferences, figures, erasures),
    *(disclosures, webhooks, backup, restore),
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kept")
def kept() -> None:
    """A privacy policy that runs: publish it, sweep by it, answer by it, prove it."""


for command in COMMANDS:
    kept.add_command(command)
for command in (
    *ANSWER_COMMANDS,
    *TALK_COMMANDS,
    *PROOF_COMMANDS,
    *TOLD_COMMANDS,
    *ASKER_COMMANDS,
    *CLOCK_COMMANDS,
    *FOUND_COMMANDS,
    *REDACT_COMMANDS,
    *TICKET_COMMANDS,
    *WAYS_IN_COMMANDS,
    correction,
):
    request.add_command(command)

for command in (poll, *LETTER_COMMANDS):
    inbox.add_command(command)


def run_command_line(wiring: Wiring) -> None:
    """Run one command; an error of Kept's own ends with its words and its exit status."""
    configure_logging()  # to standard error: with `--json` there is one document on standard output and nothing else
    try:
        kept(obj=wiring)
    except KeptError as error:
        click.echo(f"kept: {error.message}" + (f"\n  {error.remedy.strip()}" if error.remedy else ""), err=True)
        sys.exit(error.exit_status)
