"""A world of requests in an S3 bucket, an object of JSON lines a day, for the contract suite."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from stores.contract import Store
from stores.s3 import S3Store
from stores.s3_client import S3Bucket
from tests.servers_redis import Relay
from tests.servers_s3 import KEY_ID, PLAIN, SECRET, S3Server
from tests.store_worlds import FixedClock, zulu


class S3World:
    """A row without a time stands in an object of its own. What a world holds lies under a prefix of its own: the first
    object of a new bucket takes this server a second."""

    def __init__(self, server: S3Server, bucket: str = PLAIN) -> None:
        self.server = server
        self.client = server.client()
        self.bucket = bucket
        self.prefix = server.fresh_prefix()
        self.at = f"{self.prefix}*.jsonl"
        self.relay = Relay(server.port)
        self.store: Store = self.open_store()

    def open_store(self, **options: Any) -> S3Store:
        """A store over the bucket, by way of the relay; `options` take the place of its usual ones."""
        given = {"endpoint": f"http://127.0.0.1:{self.relay.port}", "key_id": KEY_ID, "secret": SECRET, **options}
        bucket = S3Bucket("archive", given.pop("bucket", self.bucket), **given)
        return S3Store("archive", bucket, clock=FixedClock())

    def write(self, key: str, body: bytes | str = b"x", **options: Any) -> str | None:
        """Put an object; the id of its version, where there are versions."""
        data = body.encode() if isinstance(body, str) else body
        return self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=data, **options).get("VersionId")

    def read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)["Body"].read()

    def keys(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix).get("Contents", [])
        return [each["Key"].removeprefix(self.prefix) for each in found]

    def versions(self) -> list[str]:
        """The keys of all versions, and of all markers with a `-` before."""
        found = self.client.list_object_versions(Bucket=self.bucket, Prefix=self.prefix)
        both = [("", each["Key"]) for each in found.get("Versions", [])]
        both += [("-", each["Key"]) for each in found.get("DeleteMarkers", [])]
        return sorted(mark + key.removeprefix(self.prefix) for mark, key in both)

    def put(self, rows: Iterable[Mapping[str, Any]]) -> None:
        new: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for row in rows:
            new[self._key(row["ts"])].append({**row, "ts": zulu(row["ts"])})
        there = set(self.keys())
        for key, some in new.items():
            self._write_rows(key, [*(self._rows(key) if key in there else []), *some])

    def set_time(self, row_id: int, instant: datetime) -> None:
        for key in self.keys():
            rows = self._rows(key)
            for row in rows:
                row["ts"] = zulu(instant) if row["id"] == row_id else row["ts"]
            self._write_rows(key, rows)

    def ids(self) -> list[int]:
        return sorted(row["id"] for key in self.keys() for row in self._rows(key))

    def break_off(self) -> None:
        self.relay.cut()

    def close(self) -> None:
        self.store.close()
        self.client.close()
        self.relay.cut()

    def _key(self, instant: datetime | None) -> str:
        return f"{instant.date().isoformat() if instant else 'undated'}.jsonl"

    def _rows(self, key: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.read(key).splitlines()]

    def _write_rows(self, key: str, rows: Iterable[Mapping[str, Any]]) -> None:
        self.write(key, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
