"""Small policy documents for tests: a head with the clauses that are given, and prose that cites every one."""

from policies.documents import Document, parse_document

RETENTION = "{{id: logs, kind: retention, of: request_log, {more}, then: delete}}"


def policy_text(*clauses: str, body: str | None = None, extra: str = "", controller: str = "") -> str:
    """The text of a document. Without a `body`, the prose cites each clause once."""
    ids = [clause.split("id: ")[1].split(",")[0] for clause in clauses]
    prose = body if body is not None else "\n".join(f'{{{{ clause("{name}").cite }}}}' for name in ids)
    head = [
        "---",
        "policy: gateway",
        "title: Privacy Policy",
        *([extra] if extra else []),
        "controller: {name: Lanternway, country: DE, timezone: Europe/Berlin, email: privacy@lanternway.example"
        + controller
        + "}",
        "regimes: [gdpr]",
        "clauses:",
        *(f"  - {clause}" for clause in clauses),
        *(["  []"] if not clauses else []),
        "---",
        prose,
        "",
    ]
    return "\n".join(head)


def policy(*clauses: str, body: str | None = None, extra: str = "") -> Document:
    """The same, read."""
    return parse_document(policy_text(*clauses, body=body, extra=extra), "policy.md")


def logs_for(period: str, *, more: str = "") -> Document:
    """A policy whose one clause keeps request logs for a period."""
    return policy(f"{{id: logs, kind: retention, of: request_log, for: {period}, then: delete{more}}}")
