"""The console: what operators see and schedule. Each page in a module of its own, all on one blueprint."""

from web.console import (
    evidence,
    holds,
    home,
    mail,
    policy,
    policy_campaign,
    policy_drafts,
    policy_mails,
    promises,
    requests,
    retention,
    retention_runs,
    tasks,
    ticket,
)
from web.console_blueprint import blueprint

__all__ = [
    "blueprint",
    "evidence",
    "holds",
    "home",
    "mail",
    "policy",
    "policy_campaign",
    "policy_drafts",
    "policy_mails",
    "promises",
    "requests",
    "retention",
    "retention_runs",
    "tasks",
    "ticket",
]
