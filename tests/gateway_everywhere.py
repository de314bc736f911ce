"""The example gateway's data in stores of other kinds, put there and read back by plain clients, and what must be left of it
by plain Python."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dateutil.relativedelta import relativedelta

from tests.postgresql_rooms import TIMES, connect, load_gateway
from tests.servers_mariadb import MariaDB

Row = tuple[Any, ...]
LOG_COLUMN = {
    "request_log": "created_at", "billing_log": "created_at", "invoices": "issued_at", "support_messages": "created_at",
    "playground": "created_at", "usage": "created_at", "feedback": "created_at",
}  # fmt: skip
TABLES = tuple(name for name in TIMES if name != "usage_daily")
# how long each clause of the example keeps what, and which times it compares
PERIODS = {
    "users": [("deleted_at", relativedelta(days=30))],
    "api_keys": [("last_used_at", relativedelta(days=90)), ("revoked_at", relativedelta(days=30))],
    "request_log": [("created_at", relativedelta(days=30))],
    "billing_log": [("created_at", relativedelta(months=12))],
    "invoices": [("issued_at", relativedelta(years=10))],
    "support_messages": [("created_at", relativedelta(months=24))],
    "playground": [("created_at", relativedelta(days=3)), ("created_at", relativedelta(days=90))],
    "usage": [("created_at", relativedelta(days=30))],
    "feedback": [("created_at", relativedelta(months=6))],
}
SESSION = timedelta(days=7)
SLACK = timedelta(minutes=30)  # records so close to a cutoff are left out: nobody knows when the run will begin


def text(instant: datetime) -> str:
    """As the example writes times."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03}Z"


def parse(written: str) -> datetime:
    return datetime.fromisoformat(written)


@dataclass(kw_only=True)
class Data:
    """What the gateway holds: rows by table, lines by day, sessions by key; `columns` by table."""

    now: datetime
    columns: dict[str, list[str]]
    rows: dict[str, list[Row]]
    lines: dict[str, list[dict[str, Any]]]
    sessions: dict[str, dict[str, str]] = field(default_factory=dict)

    def cutoff(self, period: relativedelta) -> str:
        return text(self.now - period)

    def at(self, table: str, column: str, row: Row) -> Any:
        return row[self.columns[table].index(column)]


def is_near(written: str | None, cutoff: datetime) -> bool:
    return written is not None and abs(parse(written) - cutoff) < SLACK


def read_data(root: Path, now: datetime, *, share: int) -> Data:
    """One in `share` of the people, requests and bills; all else whole, for groups to be large enough."""
    columns: dict[str, list[str]] = {}
    rows: dict[str, list[Row]] = {}
    with closing(sqlite3.connect(root / "gateway.db")) as origin:
        for table in TABLES:
            columns[table] = [row[1] for row in origin.execute(f"PRAGMA table_info({table})")]
            where = f"WHERE rowid % {share} = 0" if table in ("users", "request_log", "billing_log", "invoices") else ""
            rows[table] = origin.execute(f"SELECT * FROM {table} {where} ORDER BY id").fetchall()
    data = Data(now=now, columns=columns, rows=rows, lines={})
    for table, periods in PERIODS.items():
        for column, period in periods:
            rows[table] = [row for row in rows[table] if not is_near(data.at(table, column, row), now - period)]
    if (now + SLACK).date() != now.date():  # the day that is rolled up last may change before the run begins
        day = text(now - timedelta(days=30))[:10]
        rows["usage"] = [row for row in rows["usage"] if data.at("usage", "created_at", row)[:10] not in (day,)]
    days = sorted((root / "logs").glob("*.jsonl"))
    for path in days if share == 1 else days[25:35] + days[::10]:
        found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[::share]]
        data.lines[path.stem] = [one for one in found if not is_near(one["ts"], now - timedelta(days=30))]
    for number, user in enumerate(rows["users"][:120]):
        made = now - timedelta(hours=3.1 * number)
        if not is_near(text(made), now - SESSION):
            data.sessions[f"session:{user[0]}:{number}"] = {"created_at": text(made), "ip": "127.0.0.1"}
    return data


@dataclass(frozen=True, kw_only=True)
class Left:
    """What must be left, and what each clause must have done to how many records."""

    rows: dict[str, list[Row]]
    totals: list[Row]
    revoked: set[int]
    lines: dict[str, list[dict[str, Any]]]
    sessions: set[str]
    counts: dict[str, int]


def reckon(data: Data) -> Left:
    """By the policy's words, without Kept."""
    rows = {table: list(found) for table, found in data.rows.items()}
    counts: dict[str, int] = {}

    def keep(table: str, column: str, period: relativedelta) -> int:
        cutoff, before = data.cutoff(period), len(rows[table])
        rows[table] = [row for row in rows[table] if data.at(table, column, row) >= cutoff]
        return before - len(rows[table])

    month, quarter = data.cutoff(relativedelta(days=30)), data.cutoff(relativedelta(days=90))
    counts["request-logs"] = keep("request_log", "created_at", relativedelta(days=30))
    counts["billing-logs"] = keep("billing_log", "created_at", relativedelta(months=12))
    counts["invoices"] = keep("invoices", "issued_at", relativedelta(years=10))
    counts["support-letters"] = keep("support_messages", "created_at", relativedelta(months=24))
    gone = {row[0] for row in rows["users"] if row[5] and row[5] < month}
    keys = [row for row in rows["api_keys"] if row[2] not in gone]
    counts["closed"] = len(gone) + len(rows["api_keys"]) - len(keys)
    rows["users"] = [row for row in rows["users"] if row[0] not in gone]
    revoked = {row[0] for row in keys if row[4] and row[4] < quarter and row[5] is None}
    counts["idle-keys"] = len(revoked)
    rows["api_keys"] = [row for row in keys if row[5] is None or row[5] >= month]
    counts["revoked-keys"] = len(keys) - len(rows["api_keys"])
    said = data.cutoff(relativedelta(days=3))
    counts["prompts"] = sum(row[6] < said and (row[3] is not None or row[4] is not None) for row in rows["playground"])
    rows["playground"] = [row if row[6] >= said else (*row[:3], None, None, *row[5:]) for row in rows["playground"]]
    counts["playground-logs"] = keep("playground", "created_at", relativedelta(days=90))
    totals, counts["usage-totals"] = roll_up(rows, month[:10])
    counts["daily-totals"] = 0
    half = data.cutoff(relativedelta(months=6))
    counts["opinions"] = sum(
        row[5] < half and any(row[place] is not None for place in (1, 2, 4)) for row in rows["feedback"]
    )
    rows["feedback"] = [
        row if row[5] >= half else (row[0], None, None, row[3], None, row[5]) for row in rows["feedback"]
    ]
    lines = {day: kept for day, found in data.lines.items() if (kept := [one for one in found if one["ts"] >= month])}
    counts["request-logs"] += sum(map(len, data.lines.values())) - sum(map(len, lines.values()))
    sessions = {name for name, one in data.sessions.items() if one["created_at"] >= text(data.now - SESSION)}
    counts["sessions"] = len(data.sessions) - len(sessions)
    return Left(rows=rows, totals=totals, revoked=revoked, lines=lines, sessions=sessions, counts=counts)


def roll_up(rows: dict[str, list[Row]], first: str) -> tuple[list[Row], int]:
    """Days before the first one that stays: totals of ten people or more, and how many records went."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows["usage"]:
        if row[4][:10] < first:
            groups.setdefault((row[4][:10], row[2]), []).append(row)
    rows["usage"] = [row for row in rows["usage"] if row[4][:10] >= first]
    totals = [
        (day, model, len(found), sum(row[3] for row in found))
        for (day, model), found in sorted(groups.items())
        if len({row[1] for row in found}) >= 10
    ]
    return totals, sum(map(len, groups.values()))


def plain(value: Any) -> Any:
    """A time as the example writes it, whatever the server gives."""
    if isinstance(value, datetime):
        return text(value if value.tzinfo else value.replace(tzinfo=UTC))
    return value


class OnPostgres:
    def __init__(self, url: str) -> None:
        self.url = url

    def load(self, data: Data, source: Path) -> None:
        chosen = Path(shutil.copyfile(source, source.with_name("chosen.db")))
        with closing(sqlite3.connect(chosen)) as connection, connection:
            for table, found in data.rows.items():
                connection.execute("CREATE TEMP TABLE stays (id PRIMARY KEY)")
                connection.executemany("INSERT INTO stays VALUES (?)", [(row[0],) for row in found])
                connection.execute(f"DELETE FROM {table} WHERE id NOT IN (SELECT id FROM stays)")
                connection.execute("DROP TABLE stays")
        load_gateway(chosen, self.url)

    def read(self, table: str, order: str = "id") -> list[Row]:
        with connect(self.url) as connection:
            found = connection.execute(f"SELECT * FROM {table} ORDER BY {order}".encode()).fetchall()
        return [tuple(map(plain, row)) for row in found]


class OnMaria:
    def __init__(self, server: MariaDB, url: str) -> None:
        self.server, self.url, self.name = server, url, url.rpartition("/")[2]

    def load(self, data: Data, source: Path) -> None:
        """Half of the tables with times as the server keeps them, half with text, as on PostgreSQL."""
        with closing(sqlite3.connect(source)) as origin, closing(self.server.connect(self.name)) as target:
            target.autocommit(False)
            cursor = target.cursor()
            for table, times in TIMES.items():
                columns = origin.execute(f"PRAGMA table_info({table})").fetchall()
                described = ", ".join(f'"{name}" {_type(name, kind, times, key)}' for _, name, kind, *_, key in columns)
                cursor.execute(
                    f'CREATE TABLE "{table}" ({described}) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin'
                )
                places = [place for place, name, *_ in columns if name in times]
                values = [_with_times(row, places) for row in data.rows.get(table, [])]
                if values:
                    cursor.executemany(f'INSERT INTO "{table}" VALUES ({", ".join(["%s"] * len(columns))})', values)
            for table, column in LOG_COLUMN.items():
                cursor.execute(f'CREATE INDEX by_time ON "{table}" ("{column}")')
            target.commit()

    def read(self, table: str, order: str = "id") -> list[Row]:
        found = self.server.ask(f'SELECT * FROM "{table}" ORDER BY {order}', database=self.name)
        return [tuple(map(plain, row)) for row in found]


def _type(name: str, kind: str, times: Iterable[str], key: int) -> str:
    if name in times:
        return "timestamp(3) NULL"
    word = {
        "INTEGER": "bigint",
        "REAL": "double",
        "TEXT": "varchar(60)" if key or name.endswith("_at") else "longtext",
    }[kind]
    return f"{word}{' AUTO_INCREMENT' if key and kind == 'INTEGER' else ''}{' PRIMARY KEY' if key else ''}"


def _with_times(row: Row, places: list[int]) -> list[Any]:
    return [
        parse(value).replace(tzinfo=None) if place in places and value is not None else value
        for place, value in enumerate(row)
    ]


def lines_of(found: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in found).encode()


class InFiles:
    """Packed, a file a day."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True)

    def load(self, data: Data) -> None:
        for day, found in data.lines.items():
            (self.folder / f"{day}.jsonl.gz").write_bytes(gzip.compress(lines_of(found), 1))

    def read(self) -> dict[str, list[dict[str, Any]]]:
        return {
            path.name.removesuffix(".jsonl.gz"): [
                json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()
            ]
            for path in sorted(self.folder.iterdir())
        }


class InS3:
    """An object a day."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self.client, self.bucket, self.prefix = client, bucket, prefix

    def load(self, data: Data) -> None:
        for day, found in data.lines.items():
            self.client.put_object(Bucket=self.bucket, Key=f"{self.prefix}{day}.jsonl", Body=lines_of(found))

    def read(self) -> dict[str, list[dict[str, Any]]]:
        told = self.client.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix).get("Contents", [])
        keys = [each["Key"] for each in told]
        return {
            key.removeprefix(self.prefix).removesuffix(".jsonl"): [
                json.loads(line)
                for line in self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read().splitlines()
            ]
            for key in keys
        }
