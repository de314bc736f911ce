"""`kept serve`: the web application and the scheduler in one process, in the foreground."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import click
import sqlalchemy as sa
from waitress import create_server

from core.errors import BadInput, Conflict
from core.log import configure_logging
from core.operators import OperatorRow, Role
from core.settings import Settings
from core.settings_file import find_settings_file, load_settings
from jobs.commands.operators import password_link
from jobs.restored import require_replayed
from jobs.scheduler import Scheduler, standing_jobs
from jobs.services import Services, Wiring

FIRST_PORT = 8080
LAST_PORT = 8099
# Read before the application says no in words: as much as the largest form or mail has, less than fills a disk.
LARGEST_BODY = 53_000_000


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), help=f"Without it: {FIRST_PORT} or the next free one.")
@click.pass_obj
def serve(wiring: Wiring, host: str, port: int | None) -> None:
    """Run the web application and the scheduler until Ctrl-C."""
    configure_logging()
    path = find_settings_file()
    settings = load_settings(path)
    require_replayed(settings.var)
    with (
        _only_one(settings.service.database),
        _listen(host, port) as listener,
        wiring.open_services(path, links_at=_links_at(settings, listener.getsockname()[1])) as kept,
    ):
        scheduler = Scheduler(kept, standing_jobs(kept))
        server = create_server(
            wiring.make_web(kept),
            sockets=[listener],
            threads=8,
            ident="kept",
            max_request_body_size=LARGEST_BODY,
            **_proxy(settings.service.trusted_proxy),
        )
        signal.signal(signal.SIGTERM, _stop)
        scheduler.start()
        _announce(kept)
        try:
            server.run()
        finally:
            scheduler.stop()
            server.close()


def _proxy(trusted: str | None) -> dict[str, Any]:
    """What the server believes of a proxy: of the one that is named, the address a visitor comes from, and nothing else."""
    # That a proxy was there at all closes what is open to this machine alone, so its headers stay.
    headers: dict[str, Any] = {"clear_untrusted_proxy_headers": False}
    if trusted is not None:
        headers |= {"trusted_proxy": trusted, "trusted_proxy_headers": {"x-forwarded-for"}, "trusted_proxy_count": 1}
    return headers


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


@contextmanager
def _only_one(database: str) -> Iterator[None]:
    """One server for each SQLite database, held by a file lock that ends with the process, however it ends."""
    url = sa.make_url(database)
    if url.get_backend_name() != "sqlite" or not url.database:
        yield
        return
    path = Path(f"{url.database}.serving")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            raise Conflict(
                f"Another `kept serve` (process {file.read().strip() or 'unknown'}) runs on {url.database}.",
                remedy="Stop it first, or use PostgreSQL for more than one server process.",
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def _listen(host: str, port: int | None) -> Iterator[socket.socket]:
    candidates = [port] if port else list(range(FIRST_PORT, LAST_PORT + 1))
    for candidate in candidates:
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, candidate))
            listener.listen(128)
        except OSError:
            listener.close()
            continue
        with listener:
            yield listener
        return
    raise BadInput(f"Port {candidates[0]} on {host} is taken.", remedy="Name another with --port, or leave it out.")


def _links_at(settings: Settings, port: int) -> str:
    """Where links lead: the configured address; on a loopback one they follow the port that was free."""
    base = urlsplit(settings.service.base_url)
    if base.hostname not in ("127.0.0.1", "localhost", "::1"):
        return settings.service.base_url
    return f"{base.scheme}://{base.hostname}:{port}"


def _announce(kept: Services) -> None:
    base = kept.links_at
    lines = {
        "Privacy page": f"{base}/privacy",
        "Request form": f"{base}/requests/new",
        "Console": _console_link(kept) or f"{base}/console/",
        "Mail goes to": kept.mailer.destination,
    }
    click.echo("\n".join(f"{name:<13} {value}" for name, value in lines.items()))
    click.echo("Ctrl-C stops it.")


def _console_link(kept: Services) -> str:
    """A one-time link for the first administrator, as long as nobody has chosen a password."""
    with kept.database.begin() as session:
        chosen = sa.select(OperatorRow.id).where(OperatorRow.password_hash.is_not(None))
        if session.execute(chosen).first():
            return ""
        first = (
            session.execute(
                sa.select(OperatorRow.id)
                .where(OperatorRow.role == Role.ADMINISTRATOR.value)
                .order_by(OperatorRow.created_at)
            )
            .scalars()
            .first()
        )
        return f"{password_link(kept, session, first)} (once, for 24 hours)" if first else ""
