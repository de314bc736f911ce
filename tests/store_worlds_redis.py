"""A world of requests in Redis, a key each, for the contract suite."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from stores.contract import Store
from stores.redis import RedisStore
from tests.servers_redis import RedisServer, Relay
from tests.store_worlds import FixedClock, zulu


class RedisWorld:
    """JSON objects by default, hashes where `hashes`; a key's name is its id with leading zeros, so that they sort."""

    at = "request:*"

    def __init__(self, server: RedisServer, *, hashes: bool = False) -> None:
        self.database = server.fresh_database()
        self.client = server.client(self.database)
        self.client.flushdb()
        self.relay = Relay(server.port)
        self.hashes = hashes
        url = f"redis://127.0.0.1:{self.relay.port}/{self.database}"
        self.store: Store = RedisStore("cache", url, clock=FixedClock())

    def put(self, rows: Iterable[Mapping[str, Any]]) -> None:
        pipe = self.client.pipeline(transaction=False)
        for row in rows:
            self._write(pipe, {**row, "ts": zulu(row["ts"])})
        pipe.execute()

    def _write(self, client: Any, row: Mapping[str, Any]) -> None:
        name = f"request:{row['id']:09}"
        if self.hashes:
            client.hset(name, mapping={key: value for key, value in row.items() if value is not None})
        else:
            client.set(name, json.dumps(row, ensure_ascii=False))

    def set_time(self, row_id: int, instant: datetime) -> None:
        name = f"request:{row_id:09}"
        if self.hashes:
            self.client.hset(name, "ts", zulu(instant))
        else:
            self._write(self.client, {**json.loads(self.client.get(name)), "ts": zulu(instant)})

    def ids(self) -> list[int]:
        return sorted(int(name.rpartition(b":")[2]) for name in self.client.scan_iter("request:*"))

    def break_off(self) -> None:
        self.relay.cut()

    def close(self) -> None:
        self.store.close()
        self.relay.cut()
        self.client.close()
