"""Backup and restore of Kept itself: configuration, policy, control database and `var/`, put back so that nobody is forgotten.

A restore moves what is there aside, never away. What was erased after the backup was made stays known: the lines of the
register that lie on this machine are joined with those of the backup, and nothing serves before they were replayed."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from core.clock import iso_utc
from core.errors import BadInput, CheckFailed, Conflict, Unreachable
from core.keys import derive_key, write_secret
from core.settings import Settings
from core.settings_file import load_settings
from dsr.erasures import FILE as ERASURES
from dsr.erasures import key_mark_of, read_lines
from dsr.package_format import MAGIC, unseal, write_sealed
from jobs.backup_files import PIECE, Member, pack, unpack
from jobs.restored import MARK, mark_restored
from ledger.standing import HEAD

DATABASE: Final = "database"
SQLITE, POSTGRESQL = "sqlite", "postgresql"
_LEFT_OUT: Final = (".part", ".serving", ".db-wal", ".db-shm", "-journal")


@dataclass(frozen=True, kw_only=True)
class BackedUp:
    """What a copy holds. `has_secret`: the key that everything is read with is in it."""

    path: Path
    files: int
    size: int
    sealed: bool
    has_secret: bool


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What was put back. `aside`: where lies what was there before; `joined`: erasures known here and not in the backup."""

    made_at: str
    files: int
    aside: Path | None
    joined: int
    database: str


def back_up(settings: Settings, target: Path, *, now: datetime, key_file: Path | None = None) -> BackedUp:
    """Write a copy that is whole or not there. The database is taken first, then the files: the register of erasures in it
    is never older than the database."""
    path = target / f"kept-{now:%Y%m%dT%H%M%SZ}.backup" if target.is_dir() else target
    if path.exists():
        raise Conflict(f"{path} exists.", remedy="Name another file.")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=path.parent) as scratch:
        copy = _copy_database(settings, Path(scratch) / DATABASE)
        members = [Member(name=DATABASE, path=copy), *_members(settings)]
        about = {
            "made_at": iso_utc(now),
            "database": sa.make_url(settings.service.database).get_backend_name(),
            "key_mark": key_mark_of(settings.service.secret_key),
        }
        stream = pack(members, about)
        if key_file is not None:
            write_sealed(path, stream, _backup_key(key_file, make=True))
        else:
            _write_plain(path, stream)
    secret = settings.service.secret_key
    has_secret = any(_holds(member.path, secret) for member in members if member.name.endswith(".key"))
    return BackedUp(
        path=path,
        files=len(members),
        size=path.stat().st_size,
        sealed=key_file is not None,
        has_secret=has_secret,
    )


def restore(
    path: Path,
    root: Path,
    *,
    now: datetime,
    key_file: Path | None = None,
    force: bool = False,
    erasures: Path | None = None,
) -> Restored:
    """Put a copy back into `root`, checked whole before anything is changed. `erasures`: a register's file from elsewhere.

    Raises Conflict where something is there and `force` is not given, CheckFailed for a copy that was changed."""
    root.mkdir(parents=True, exist_ok=True)
    there = [name for name in ("kept.yaml", "var") if (root / name).exists()]
    if there and not force:
        raise Conflict(
            f"{root} holds {' and '.join(there)}.",
            remedy="Restore elsewhere with --to, or say --force: it is moved aside.",
        )
    with _none_serving(root), tempfile.TemporaryDirectory(prefix=".restore-", dir=root) as scratch:
        fresh = Path(scratch)
        manifest = unpack(_open(path, key_file), fresh)
        found = load_settings(fresh / "files" / "kept.yaml")
        _require_fitting(found, manifest)
        joined = _join_registers(fresh, [root / "var" / ERASURES, *([erasures] if erasures else [])], manifest)
        _keep_head(fresh, root)
        mark_restored(fresh / "files" / "var", made_at=str(manifest["made_at"]), now=now)
        aside = _swap(fresh / "files", root, now)
        settings = load_settings(root / "kept.yaml")
        _put_database(settings, fresh / DATABASE, force=force, aside=aside)
    return Restored(
        made_at=str(manifest["made_at"]),
        files=len(manifest["files"]),
        aside=aside,
        joined=joined,
        database=str(manifest["database"]),
    )


def _members(settings: Settings) -> Iterator[Member]:
    """Configuration, policy, and all of `var/` but what only this machine's processes need, and the database itself."""
    yield Member(name="files/kept.yaml", path=settings.path)
    if settings.policy.is_relative_to(settings.root):
        yield Member(name=f"files/{settings.policy.relative_to(settings.root).as_posix()}", path=settings.policy)
    database = sa.make_url(settings.service.database).database
    for path in sorted(settings.var.rglob("*")) if settings.var.is_dir() else ():
        if not path.is_file() or path.is_symlink() or path.name == MARK or path.name.endswith(_LEFT_OUT):
            continue
        if database and path.resolve() == Path(database).resolve():
            continue
        yield Member(name=f"files/var/{path.relative_to(settings.var).as_posix()}", path=path)


def _copy_database(settings: Settings, target: Path) -> Path:
    url = sa.make_url(settings.service.database)
    target.touch(mode=0o600)
    if url.get_backend_name() == SQLITE:
        if not url.database or not Path(url.database).is_file():
            raise BadInput(f"There is no control database {url.database}.", remedy="Is this the right folder?")
        with closing(sqlite3.connect(url.database)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy, pages=4_096)
        return target
    _run(["pg_dump", "--format=custom", "--no-owner", f"--file={target}", _libpq(url)], url)
    return target


def _require_fitting(settings: Settings, manifest: dict[str, Any]) -> None:
    """Before anything is changed: the key that it was made with, and a database of its kind."""
    if key_mark_of(settings.service.secret_key) != manifest["key_mark"]:
        raise CheckFailed(
            "The secret key here is not the one that the backup was made with: nothing in it could be read.",
            remedy="Put back the key that `service.secret_key` in kept.yaml names. Nothing was changed.",
        )
    kind = sa.make_url(settings.service.database).get_backend_name()
    if kind != manifest["database"]:
        raise CheckFailed(
            f"The backup is of a control database on {manifest['database']}, kept.yaml names one on {kind}.",
            remedy="Name one of the same kind under `service.database`. Nothing was changed.",
        )


def _put_database(settings: Settings, copy: Path, *, force: bool, aside: Path | None) -> None:
    url = sa.make_url(settings.service.database)
    if url.get_backend_name() == SQLITE:
        path = Path(str(url.database))
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _move_aside([path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))], path.parent, aside, force)
        shutil.move(copy, path)
        path.chmod(0o600)
        return
    clean = ["--clean", "--if-exists"] if force else []
    _run(["pg_restore", "--no-owner", "--single-transaction", *clean, f"--dbname={_libpq(url)}", str(copy)], url)


def _move_aside(paths: Iterable[Path], folder: Path, aside: Path | None, force: bool) -> None:
    """A database that lies outside of `var/`: it was not moved with it."""
    there = [path for path in paths if path.exists()]
    if there and not force:
        raise Conflict(f"{there[0]} exists.", remedy="Say --force: it is moved aside.")
    for path in there:
        path.rename((aside or folder) / f"{path.name}.before")


def _run(words: list[str], url: sa.URL) -> None:
    tool = shutil.which(words[0])
    said = " ".join(words)
    if tool is None:
        raise Unreachable(
            f"{words[0]} is not there, which copies a control database on PostgreSQL.",
            remedy=f"Install the client of PostgreSQL. It would run: {said}",
        )
    password = {"PGPASSWORD": str(url.password)} if url.password else {}
    done = subprocess.run(  # noqa: S603 - our own words and no shell
        [tool, *words[1:]], capture_output=True, text=True, check=False, env={**os.environ, **password}
    )
    if done.returncode:
        raise Unreachable(f"{words[0]} ended with {done.returncode}: {done.stderr.strip()[:500]}", remedy=said)


def _libpq(url: sa.URL) -> str:
    """Without the password, which no list of processes should show."""
    return sa.URL.create(POSTGRESQL, url.username, None, url.host, url.port, url.database, url.query).render_as_string(
        hide_password=False
    )


def _open(path: Path, key_file: Path | None) -> Iterator[bytes]:
    with path.open("rb") as file:
        is_sealed = file.read(len(MAGIC)) == MAGIC
        file.seek(0)
        if is_sealed and key_file is None:
            raise BadInput(f"{path} is encrypted.", remedy="Name the file with its key: --key FILE.")
        if is_sealed and key_file is not None:
            yield from unseal(file, _backup_key(key_file, make=False))
            return
        while piece := file.read(PIECE):
            yield piece


def _backup_key(path: Path, *, make: bool) -> bytes:
    if make and not path.exists():
        write_secret(path)
    if not path.is_file():
        raise BadInput(f"There is no key {path}.", remedy="Name the file that the backup was encrypted with.")
    text = path.read_text(encoding="utf-8").strip()
    if len(text) < 32:
        raise BadInput(f"The key in {path} has fewer than 32 characters.", remedy="Leave the file out and one is made.")
    return derive_key(text.encode(), "backup")


def _write_plain(path: Path, stream: Iterable[bytes]) -> None:
    draft = path.with_name(path.name + ".part")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in stream:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _join_registers(fresh: Path, others: Iterable[Path], manifest: dict[str, Any]) -> int:
    """Add to the backup's register what the others know and it does not. Lines of another key fit nobody and are refused."""
    path = fresh / "files" / "var" / ERASURES
    known = {(line["hash"], line["ref"]) for line in read_lines(path)}
    more: list[str] = []
    for other in others:
        for line in read_lines(other):
            if line["key"] != manifest["key_mark"]:
                raise CheckFailed(
                    f"{other} was written with another secret key than the backup: nobody could be found by it.",
                    remedy="Move that file away to restore without it.",
                )
            if (line["hash"], line["ref"]) not in known:
                known.add((line["hash"], line["ref"]))
                more.append(json.dumps(line, sort_keys=True) + "\n")
    if more:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        with path.open("a", encoding="utf-8") as file:
            file.writelines(more)
    return len(more)


def _keep_head(fresh: Path, root: Path) -> None:
    """The newest checkpoint that this machine knows of stays known: what is put back is behind it, and somebody says why."""
    here, back = root / "var" / HEAD, fresh / "files" / "var" / HEAD
    if here.is_file():
        back.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copy(here, back)


def _swap(fresh: Path, root: Path, now: datetime) -> Path | None:
    """Move what is there aside, and what is fresh into its place; every step is a rename in one folder."""
    aside = root / f"before-restore-{now:%Y%m%dT%H%M%SZ}"
    moved = False
    for source in sorted(fresh.iterdir()):
        if source.is_dir() and source.name != "var":
            for path in (one for one in source.rglob("*") if one.is_file()):
                moved |= _replace(path, root / path.relative_to(fresh), aside / path.relative_to(fresh))
            continue
        moved |= _replace(source, root / source.name, aside / source.name)
    return aside if moved else None


def _replace(source: Path, target: Path, aside: Path) -> bool:
    there = target.exists()
    if there:
        aside.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        target.rename(aside)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)
    return there


def _holds(path: Path, secret: bytes) -> bool:
    try:
        return path.read_bytes().strip() == secret
    except OSError:
        return False


@contextmanager
def _none_serving(root: Path) -> Iterator[None]:
    """Refuse while `kept serve` runs on what would be moved away."""
    held = []
    try:
        for path in sorted((root / "var").glob("*.serving")) if (root / "var").is_dir() else ():
            file = path.open("a+")
            held.append(file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise Conflict("`kept serve` runs here.", remedy="Stop it first.") from error
        yield
    finally:
        for file in held:
            file.close()
