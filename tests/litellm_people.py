"""The schema of a widely used LLM gateway, as its own migrations make it, and made-up people to fill it with."""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from tests.servers import MissingServerError

PACKAGE = "litellm_proxy_extras"
SEED = 20_261_121
NOW = datetime(2026, 11, 20, 12, 0, 0)
FIRST = [
    "Anna",
    "Ben",
    "Chiara",
    "Dmitri",
    "Elif",
    "Farid",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Kemal",
    "Lena",
    "Mira",
    "Noor",
    "Olga",
    "Pavel",
    "Quinn",
    "Rosa",
    "Samir",
    "Tove",
]
LAST = [
    "Adler",
    "Brandt",
    "Costa",
    "Duran",
    "Eriksen",
    "Fontaine",
    "Gruber",
    "Haddad",
    "Ivanova",
    "Jansen",
    "Kowalski",
    "Lindgren",
    "Moreau",
    "Novak",
    "Okafor",
]
ROWS = {"LiteLLM_SpendLogs": 600, "LiteLLM_UserTable": 60, "LiteLLM_VerificationToken": 90, "LiteLLM_EndUserTable": 120}


def find_migrations() -> list[Path]:
    """The SQL of every migration of the package, in the order in which they are applied."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingServerError("litellm-proxy-extras is not installed. Run `make setup-test`.")
    folder = Path(next(iter(spec.submodule_search_locations))) / "migrations"
    return sorted(folder.glob("*/migration.sql"))


def apply_migrations(connection: psycopg.Connection[Any]) -> int:
    """Make the schema in an empty database; how many migrations there were."""
    found = find_migrations()
    for path in found:
        connection.execute(path.read_bytes())
    return len(found)


class People:
    """Made-up people, the keys they hold, and the rows that a gateway in use has of them."""

    def __init__(self, seed: int = SEED) -> None:
        self.random = random.Random(seed)
        self.users = [self.uuid() for _ in range(ROWS["LiteLLM_UserTable"])]
        self.names = [f"{self.random.choice(FIRST)} {self.random.choice(LAST)}" for _ in self.users]
        self.keys = [
            hashlib.sha256(f"sk-{self.uuid()}".encode()).hexdigest() for _ in range(ROWS["LiteLLM_VerificationToken"])
        ]
        self.old_keys = [hashlib.sha256(f"sk-{self.uuid()}".encode()).hexdigest() for _ in range(40)]
        # what the customers of the gateway send as `user`: whatever they like
        self.end_users = [self._free_id(place) for place in range(ROWS["LiteLLM_EndUserTable"])]
        self.teams = [self.uuid() for _ in range(12)]
        self.requests = [f"chatcmpl-{self.uuid()}" for _ in range(ROWS["LiteLLM_SpendLogs"])]
        self.sessions = [self.uuid() for _ in range(150)]
        self.runs = [self.uuid() for _ in range(40)]

    def uuid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def when(self, days: int = 400) -> datetime:
        return NOW - timedelta(seconds=self.random.randrange(days * 86_400))

    def email(self, place: int) -> str:
        return self.names[place % len(self.names)].lower().replace(" ", ".") + f"{place}@customer.example"

    def chat(self) -> list[dict[str, str]]:
        name = self.random.choice(self.names)
        return [
            {"role": "user", "content": f"Write a letter to {name} about the invoice of last month and keep it short."},
            {"role": "assistant", "content": f"Dear {name}, the invoice of last month is still open."},
        ]

    def _free_id(self, place: int) -> str:
        kind = place % 3
        name = self.random.choice(FIRST).lower()
        return (
            f"{name}-{place}"
            if kind == 0
            else f"cust_{10_000 + place}"
            if kind == 1
            else f"{name}.{place}@shop.example"
        )


def fill(connection: psycopg.Connection[Any], people: People) -> int:
    """Fill every table, whatever refers to what; how many rows there are then."""
    connection.execute("SET session_replication_role = replica")
    columns: dict[str, list[tuple[str, str]]] = {}
    for table, column, kind in connection.execute(_COLUMNS):
        columns.setdefault(table, []).append((column, kind))
    total = 0
    for table, known in columns.items():
        rows = list(_rows(table, known, people))
        names = [column for column, _ in known]
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.SQL(", ").join([sql.Placeholder()] * len(names)),
        )
        with connection.cursor() as cursor:
            cursor.executemany(statement, rows)
        total += len(rows)
    connection.execute("SET session_replication_role = DEFAULT")
    connection.execute("ANALYZE")
    return total


_COLUMNS = """
SELECT c.table_name, c.column_name, c.udt_name FROM information_schema.columns c
JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' ORDER BY c.table_name, c.ordinal_position
"""


def _rows(table: str, columns: list[tuple[str, str]], people: People) -> Iterator[list[Any]]:
    for place in range(ROWS.get(table, 40)):
        yield [_value(table, column, kind, place, people) for column, kind in columns]


def _value(table: str, column: str, kind: str, place: int, people: People) -> Any:
    if kind == "JobStatus":
        return "ACTIVE"
    maker = _OF_TABLE.get((table, column)) or _OF_COLUMN.get(column)
    if maker is not None:
        return maker(people, place)
    draw = people.random
    match kind:
        case "timestamp" | "timestamptz":
            return people.when()
        case "int4" | "int8":
            return draw.randrange(5_000)
        case "float8":
            return round(draw.random() * 20, 6)
        case "bool":
            return draw.random() < 0.2
        case "jsonb":
            return Jsonb({})
        case "bytea":
            return draw.randbytes(200)
    if kind.startswith("_"):
        return []
    if column == "id" or column.endswith("_id"):
        return people.uuid()
    return f"{column.replace('_', '-')}-{draw.randrange(12)}"


Maker = Callable[[People, int], Any]


def _spent_by(people: People, place: int) -> str:
    """The gateway writes what the caller sent: mostly a user it knows, sometimes nobody it knows."""
    return people.random.choice(people.users) if place % 10 else "default_user_id"


def _log_metadata(people: People, place: int) -> Jsonb:
    return Jsonb({"user_api_key_user_email": people.email(place), "user_api_key_alias": "prod", "status": "success"})


def _changed(people: People, place: int) -> Jsonb:
    return Jsonb({"user_email": people.email(place), "max_budget": place})


_MODELS = ("gpt-4o", "claude-sonnet", "mistral-large")
_OF_COLUMN: dict[str, Maker] = {
    "user_id": lambda p, n: p.random.choice(p.users),
    "api_key": lambda p, n: p.random.choice(p.keys),
    "end_user_id": lambda p, n: p.random.choice(p.end_users),
    "team_id": lambda p, n: p.random.choice(p.teams),
    "created_by": lambda p, n: p.random.choice(p.users),
    "updated_by": lambda p, n: p.random.choice(p.users),
    "deleted_by": lambda p, n: p.random.choice(p.users),
    "date": lambda p, n: p.when().date().isoformat(),
    "model": lambda p, n: p.random.choice(_MODELS),
    "model_group": lambda p, n: p.random.choice(_MODELS),
    "custom_llm_provider": lambda p, n: p.random.choice(("openai", "anthropic")),
    "status": lambda p, n: p.random.choice(("success", "failure")),
    "session_id": lambda p, n: p.random.choice(p.sessions),
    "request_id": lambda p, n: p.requests[n % len(p.requests)],
    "credential_b64": lambda p, n: p.random.randbytes(60).hex().upper() + "aB1=",
    "values_b64": lambda p, n: p.random.randbytes(60).hex().upper() + "aB1=",
    "assertion_b64": lambda p, n: p.random.randbytes(60).hex().upper() + "aB1=",
    "run_id": lambda p, n: p.runs[n % len(p.runs)],
    "user_agent": lambda p, n: p.random.choice(("curl/8.5", "OpenAI/Python 1.40", "claude-cli/1.0")),
    "last_user_content": lambda p, n: p.chat()[0]["content"],
    "last_assistant_content": lambda p, n: p.chat()[1]["content"],
    "file_object": lambda p, n: Jsonb({"filename": "letters.jsonl", "bytes": 900 + n, "purpose": "batch"}),
}
_OF_TABLE: dict[tuple[str, str], Maker] = {
    ("LiteLLM_UserTable", "user_id"): lambda p, n: p.users[n],
    ("LiteLLM_UserTable", "user_email"): lambda p, n: p.email(n) if n % 9 else None,
    ("LiteLLM_UserTable", "user_alias"): lambda p, n: p.names[n],
    ("LiteLLM_UserTable", "sso_user_id"): lambda p, n: f"google-oauth2|{10**12 + n}",
    ("LiteLLM_UserTable", "password"): lambda p, n: "scrypt:" + p.random.randbytes(32).hex() if n % 2 else None,
    ("LiteLLM_UserTable", "user_role"): lambda p, n: "internal_user",
    ("LiteLLM_EndUserTable", "user_id"): lambda p, n: p.end_users[n],
    ("LiteLLM_EndUserTable", "alias"): lambda p, n: p.random.choice(FIRST) if n % 2 else None,
    ("LiteLLM_VerificationToken", "token"): lambda p, n: p.keys[n],
    ("LiteLLM_VerificationToken", "key_name"): lambda p, n: f"sk-...{p.keys[n][:4]}",
    ("LiteLLM_DeletedVerificationToken", "token"): lambda p, n: p.old_keys[n % 40],
    ("LiteLLM_DeletedVerificationToken", "key_name"): lambda p, n: f"sk-...{p.old_keys[n % 40][:4]}",
    ("LiteLLM_DeletedVerificationToken", "deleted_by_api_key"): lambda p, n: p.random.choice(p.keys),
    ("LiteLLM_DeprecatedVerificationToken", "token"): lambda p, n: p.old_keys[n % 40],
    ("LiteLLM_DeprecatedVerificationToken", "active_token_id"): lambda p, n: p.random.choice(p.keys),
    ("LiteLLM_JWTKeyMapping", "token"): lambda p, n: p.random.choice(p.keys),
    ("LiteLLM_JWTKeyMapping", "jwt_claim_name"): lambda p, n: "sub",
    ("LiteLLM_JWTKeyMapping", "jwt_claim_value"): lambda p, n: p.uuid(),
    ("LiteLLM_SpendLogs", "request_id"): lambda p, n: p.requests[n],
    ("LiteLLM_SpendLogs", "user"): _spent_by,
    ("LiteLLM_SpendLogs", "end_user"): lambda p, n: p.random.choice([*p.end_users, "", ""]),
    ("LiteLLM_SpendLogs", "requester_ip_address"): lambda p, n: f"203.0.113.{n % 250}" if n % 4 else None,
    ("LiteLLM_SpendLogs", "messages"): lambda p, n: Jsonb(p.chat()[:1]) if n % 3 == 0 else Jsonb({}),
    ("LiteLLM_SpendLogs", "response"): lambda p, n: Jsonb(p.chat()[1]) if n % 3 == 0 else Jsonb({}),
    ("LiteLLM_SpendLogs", "proxy_server_request"): lambda p, n: Jsonb({"messages": p.chat()[:1]} if n % 3 == 0 else {}),
    ("LiteLLM_SpendLogs", "metadata"): _log_metadata,
    ("LiteLLM_SpendLogs", "created_at"): lambda p, n: NOW - timedelta(days=30) if n < 400 else p.when(30),
    ("LiteLLM_SpendLogs", "cache_hit"): lambda p, n: "False",
    ("LiteLLM_ErrorLogs", "request_kwargs"): lambda p, n: Jsonb({"messages": p.chat()[:1]}),
    ("LiteLLM_AuditLog", "changed_by"): lambda p, n: p.random.choice(p.users),
    ("LiteLLM_AuditLog", "changed_by_api_key"): lambda p, n: p.random.choice(p.keys),
    ("LiteLLM_AuditLog", "object_id"): lambda p, n: p.random.choice(
        (p.random.choice(p.keys), p.teams[0], p.uuid(), p.uuid())
    ),
    ("LiteLLM_AuditLog", "before_value"): _changed,
    ("LiteLLM_AuditLog", "updated_values"): _changed,
    ("LiteLLM_BudgetWindowSpend", "entity_type"): lambda p, n: ("key", "user", "team")[n % 3],
    ("LiteLLM_BudgetWindowSpend", "entity_id"): lambda p, n: p.random.choice((p.keys, p.users, p.teams)[n % 3]),
    ("LiteLLM_ShadowEvalJob", "target_type"): lambda p, n: ("key", "key", "team", "user")[n % 4],
    ("LiteLLM_ShadowEvalJob", "target_id"): lambda p, n: p.random.choice((p.keys, p.keys, p.teams, p.users)[n % 4]),
    ("LiteLLM_ToolTable", "key_hash"): lambda p, n: p.random.choice(p.keys),
    ("LiteLLM_AutoRouterBaselineObservation", "started_at"): lambda p, n: p.when().timestamp(),
    ("LiteLLM_AutoRouterBaselineComparison", "history"): lambda p, n: json.dumps(p.chat()),
    ("LiteLLM_TelemetryReport", "window_start"): lambda p, n: p.when().timestamp(),
    ("LiteLLM_TelemetryReport", "window_end"): lambda p, n: p.when().timestamp(),
    ("LiteLLM_UserNotifications", "request_id"): lambda p, n: p.uuid(),
    ("LiteLLM_UserNotifications", "justification"): lambda p, n: "I need the larger model for the quarterly report.",
    ("LiteLLM_MemoryTable", "value"): lambda p, n: f"{p.names[n]} prefers short answers and works in the evening.",
    ("LiteLLM_WorkflowMessage", "content"): lambda p, n: p.chat()[0]["content"],
    ("LiteLLM_WorkflowMessage", "role"): lambda p, n: ("user", "assistant")[n % 2],
    ("LiteLLM_WorkflowRun", "input"): lambda p, n: Jsonb({"task": "Write to " + p.names[n]}),
    ("LiteLLM_WorkflowRun", "output"): lambda p, n: Jsonb({"text": p.chat()[1]["content"]}),
    ("LiteLLM_WorkflowEvent", "data"): lambda p, n: Jsonb({"step": n}),
    ("LiteLLM_VerifiedSubject", "oid"): lambda p, n: p.uuid(),
    ("LiteLLM_VerifiedSubject", "kind"): lambda p, n: "human",
    ("LiteLLM_AgentIdentity", "client_id"): lambda p, n: p.uuid(),
    ("LiteLLM_LensWorker", "token_hash"): lambda p, n: hashlib.sha256(f"worker {n}".encode()).hexdigest(),
}
