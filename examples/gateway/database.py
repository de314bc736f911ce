"""The tables of `gateway.db`: what the host application's own database looks like."""

import sqlite3
from collections.abc import Mapping

from examples.gateway.activity import Message, Opinion
from examples.gateway.instants import instant_text, optional_text
from examples.gateway.papers import Invoice, Letter
from examples.gateway.people import Person
from examples.gateway.traffic import Request

# No foreign keys are declared: many real gateways have none, and what refers to what is the data map's to say.
_TABLES = """
CREATE TABLE users (
    id TEXT PRIMARY KEY, email TEXT NOT NULL, name TEXT NOT NULL, company TEXT, created_at TEXT NOT NULL,
    deleted_at TEXT);
CREATE TABLE api_keys (
    id INTEGER PRIMARY KEY, token_hash TEXT NOT NULL, user_id TEXT NOT NULL, created_at TEXT NOT NULL,
    last_used_at TEXT, revoked_at TEXT);
CREATE TABLE request_log (
    id INTEGER PRIMARY KEY, user_id TEXT NOT NULL, api_key INTEGER NOT NULL, model TEXT NOT NULL,
    status INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, ip TEXT NOT NULL,
    created_at TEXT NOT NULL);
CREATE TABLE billing_log (
    id INTEGER PRIMARY KEY, user_id TEXT NOT NULL, model TEXT NOT NULL, tokens INTEGER NOT NULL,
    cost_usd REAL NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE invoices (
    id INTEGER PRIMARY KEY, user_id TEXT NOT NULL, amount REAL NOT NULL, issued_at TEXT NOT NULL);
CREATE TABLE support_messages (
    id INTEGER PRIMARY KEY, email TEXT NOT NULL, body TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE playground (
    id INTEGER PRIMARY KEY, user_id TEXT NOT NULL, model TEXT NOT NULL, prompt TEXT, answer TEXT,
    tokens INTEGER NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE usage (
    id INTEGER PRIMARY KEY, user_id TEXT NOT NULL, model TEXT NOT NULL, tokens INTEGER NOT NULL,
    created_at TEXT NOT NULL);
CREATE TABLE usage_daily (
    id INTEGER PRIMARY KEY, day TEXT NOT NULL, model TEXT NOT NULL, rows INTEGER NOT NULL, tokens INTEGER NOT NULL);
CREATE TABLE feedback (
    id INTEGER PRIMARY KEY, user_id TEXT, email TEXT, rating INTEGER NOT NULL, comment TEXT, created_at TEXT NOT NULL);
"""
_INDEXES = """
CREATE UNIQUE INDEX users_email ON users (email);
CREATE INDEX users_created_at ON users (created_at);
CREATE INDEX users_deleted_at ON users (deleted_at);
CREATE INDEX api_keys_user_id ON api_keys (user_id);
CREATE INDEX api_keys_created_at ON api_keys (created_at);
CREATE INDEX api_keys_last_used_at ON api_keys (last_used_at);
CREATE INDEX request_log_user_id ON request_log (user_id);
CREATE INDEX request_log_created_at ON request_log (created_at);
CREATE INDEX billing_log_user_id ON billing_log (user_id);
CREATE INDEX billing_log_created_at ON billing_log (created_at);
CREATE INDEX invoices_user_id ON invoices (user_id);
CREATE INDEX invoices_issued_at ON invoices (issued_at);
CREATE INDEX support_messages_email ON support_messages (email);
CREATE INDEX support_messages_created_at ON support_messages (created_at);
CREATE INDEX playground_user_id ON playground (user_id);
CREATE INDEX playground_created_at ON playground (created_at);
CREATE INDEX usage_user_id ON usage (user_id);
CREATE INDEX usage_created_at ON usage (created_at);
CREATE INDEX usage_daily_day ON usage_daily (day);
CREATE INDEX feedback_user_id ON feedback (user_id);
CREATE INDEX feedback_created_at ON feedback (created_at);
"""


def create_tables(connection: sqlite3.Connection) -> None:
    """Empty tables in a file that nobody else reads yet: no journal, which also leaves no file beside it."""
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.executescript(_TABLES)


def create_indexes(connection: sqlite3.Connection) -> None:
    """Last, since sorting once is faster than inserting in order many times."""
    connection.executescript(_INDEXES)


def insert_people(
    connection: sqlite3.Connection, people: list[Person], last_used: Mapping[int, int | None]
) -> dict[str, int]:
    """Accounts and their keys; `last_used` gives each key id its time in milliseconds, or None for never."""
    users = [
        (p.user_id, p.email, p.name, p.company, instant_text(p.created_ms), optional_text(p.deleted_ms)) for p in people
    ]
    keys = [
        (k.id, k.token_hash, p.user_id, *map(optional_text, (k.created_ms, last_used[k.id], k.revoked_ms)))
        for p in people
        for k in p.keys
    ]
    connection.executemany("INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)", users)
    connection.executemany("INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?)", keys)
    return {"accounts": len(users), "api-keys": len(keys)}


def insert_requests(connection: sqlite3.Connection, requests: list[Request]) -> dict[str, int]:
    """The request log, and a billing row for each request that was answered."""
    rows = [
        (r.user_id, r.key_id, r.model, r.status, r.prompt_tokens, r.completion_tokens, r.ip, instant_text(r.at_ms))
        for r in requests
    ]
    bills = [_bill(request) for request in requests if request.status == 200]
    connection.executemany(
        "INSERT INTO request_log (user_id, api_key, model, status, prompt_tokens, completion_tokens, ip, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    connection.executemany(
        "INSERT INTO billing_log (user_id, model, tokens, cost_usd, created_at) VALUES (?, ?, ?, ?, ?)", bills
    )
    return {"requests": len(rows), "billing": len(bills)}


def insert_papers(connection: sqlite3.Connection, invoices: list[Invoice], letters: list[Letter]) -> dict[str, int]:
    """Invoices and support messages."""
    connection.executemany(
        "INSERT INTO invoices (user_id, amount, issued_at) VALUES (?, ?, ?)",
        [(i.user_id, i.amount, instant_text(i.issued_ms)) for i in invoices],
    )
    connection.executemany(
        "INSERT INTO support_messages (email, body, created_at) VALUES (?, ?, ?)",
        [(letter.email, letter.body, instant_text(letter.at_ms)) for letter in letters],
    )
    return {"invoices": len(invoices), "support": len(letters)}


def insert_activity(
    connection: sqlite3.Connection, uses: list[Request], messages: list[Message], opinions: list[Opinion]
) -> dict[str, int]:
    """Figures of use, messages of the playground and feedback; the totals of use are for the sweep to make."""
    connection.executemany(
        "INSERT INTO usage (user_id, model, tokens, created_at) VALUES (?, ?, ?, ?)",
        [(u.user_id, u.model, u.prompt_tokens + u.completion_tokens, instant_text(u.at_ms)) for u in uses],
    )
    connection.executemany(
        "INSERT INTO playground (user_id, model, prompt, answer, tokens, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        [(m.user_id, m.model, m.prompt, m.answer, m.tokens, instant_text(m.at_ms)) for m in messages],
    )
    connection.executemany(
        "INSERT INTO feedback (user_id, email, rating, comment, created_at) VALUES (?, ?, ?, ?, ?)",
        [(o.user_id, o.email, o.rating, o.comment, instant_text(o.at_ms)) for o in opinions],
    )
    return {"usage": len(uses), "usage-daily": 0, "playground": len(messages), "feedback": len(opinions)}


def _bill(request: Request) -> tuple[str, str, int, float, str]:
    tokens = request.prompt_tokens + request.completion_tokens
    cost = round(tokens * request.price / 1_000_000, 6)
    return request.user_id, request.model, tokens, cost, instant_text(request.at_ms)
