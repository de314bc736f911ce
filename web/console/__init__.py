"""The console: what operators see and schedule. Each page in a module of its own, all on one blueprint."""

from web.console import evidence, home, mail, policy, promises, requests, retention, ticket
from web.console_blueprint import blueprint

__all__ = ["blueprint", "evidence", "home", "mail", "policy", "promises", "requests", "retention", "ticket"]
