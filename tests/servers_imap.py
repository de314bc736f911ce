"""A real Dovecot for tests: IMAP with and without TLS, LMTP, and access tokens that a provider of the tests' own judges."""

from __future__ import annotations

import grp
import json
import os
import pwd
import secrets
import shutil
import smtplib
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

from imapclient import IMAPClient  # type: ignore[import-untyped]

from tests.servers import START_SECONDS, MissingServerError, free_port, stop
from tests.servers_http import make_certificate

PASSWORD = "what-every-user-has"
_BINARY = Path("/usr/sbin/dovecot")
_CONFIGURATION = """
protocols = imap lmtp
base_dir = {folder}/run
state_dir = {folder}/state
instance_name = {name}
log_path = {folder}/server.log
listen = 127.0.0.1
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2 oauthbearer
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
auth_failure_delay = 0
first_valid_uid = 1
first_valid_gid = 1
mail_fsync = never
mail_location = maildir:{folder}/mail/%u
mailbox_list_index = yes
lmtp_save_to_detail_mailbox = no
recipient_delimiter = +
passdb {{
  driver = static
  args = password={password}
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u allow_all_users=yes
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 100
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
}}
"""
_OAUTH = """
introspection_mode = post
introspection_url = {introspection}
force_introspection = yes
username_attribute = username
active_attribute = active
active_value = true
"""


@dataclass
class TokenProvider:
    """An OAuth 2.0 provider: gives access tokens for a refresh token, and tells a mail server whether one still holds.

    `lasts`: what it says of a token, in seconds. `turns`: each refresh gives a new refresh token, and the old one is void.
    """

    port: int = 0
    user: str = ""
    lasts: int = 3600
    turns: bool = False
    refusal: str = ""
    refresh_token: str = "first"
    asked: list[dict[str, str]] = field(default_factory=list)
    _valid: set[str] = field(default_factory=set)

    @property
    def token_url(self) -> str:
        """What `inbox.oauth.token_url` says in kept.yaml."""
        return f"http://127.0.0.1:{self.port}/token"

    def begin(self, user: str) -> None:
        """As new, for this user."""
        self.user, self.lasts, self.turns, self.refusal, self.refresh_token = user, 3600, False, "", "first"
        self.asked.clear()
        self._valid.clear()

    def expire(self) -> None:
        """Every access token given so far is void."""
        self._valid.clear()

    def answer(self, path: str, given: dict[str, str]) -> tuple[int, dict[str, object]]:
        """What a request gets."""
        if path == "/introspect":
            holds = given.get("token", "") in self._valid
            return 200, {"active": "true" if holds else "false", "username": self.user}
        self.asked.append(given)
        if self.refusal or given.get("refresh_token") != self.refresh_token:
            return 400, {"error": self.refusal or "invalid_grant"}
        token = secrets.token_urlsafe(20)
        self._valid.add(token)
        said: dict[str, object] = {"access_token": token, "token_type": "Bearer", "expires_in": self.lasts}
        if self.turns:
            self.refresh_token = secrets.token_urlsafe(20)
            said["refresh_token"] = self.refresh_token
        return 200, said


@contextmanager
def run_token_provider() -> Iterator[TokenProvider]:
    """A provider on a free port, stopped at the end."""
    provider = TokenProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            given = {name: values[0] for name, values in parse_qs(body).items()}
            status, said = provider.answer(self.path, given)
            text = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@dataclass(frozen=True, kw_only=True)
class Dovecot:
    """A running server on 127.0.0.1; whoever signs in with `PASSWORD` has a mailbox."""

    folder: Path
    port: int
    tls_port: int
    lmtp_port: int
    certificate: Path
    provider: TokenProvider

    def add_user(self) -> DovecotUser:
        """A user of a test's own: the server knows any name."""
        return DovecotUser(server=self, name=f"u{secrets.token_hex(5)}")

    def log(self) -> str:
        """What the server wrote, for a test that fails."""
        return (self.folder / "server.log").read_text(errors="replace")


@dataclass(frozen=True, kw_only=True)
class DovecotUser:
    """One user's mailboxes, by a connection of the test's own."""

    server: Dovecot
    name: str
    password: str = PASSWORD

    def url(self, folder: str = "INBOX", *, port: int | None = None) -> str:
        """What `mail.imap` says in kept.yaml; the password stands apart from it."""
        return f"imap://{self.name}@127.0.0.1:{port or self.server.port}/{folder}"

    @property
    def maildir(self) -> Path:
        """Where the server keeps the mails."""
        return self.server.folder / "mail" / self.name

    @contextmanager
    def connected(self) -> Iterator[IMAPClient]:
        """A plain client that is signed in."""
        with IMAPClient("127.0.0.1", self.server.port, ssl=False, timeout=30) as client:
            client.login(self.name, self.password)
            yield client

    def put(self, *raws: bytes, folder: str = "INBOX", at: datetime | None = None) -> None:
        """Mails as they are, by APPEND."""
        with self.connected() as client:
            for raw in raws:
                client.append(folder, raw, msg_time=at)

    def put_many(self, raws: list[bytes], *, folder: str = "INBOX") -> None:
        """The same for very many, in one go."""
        with self.connected() as client:
            client.multiappend(folder, raws)

    def deliver(self, raw: bytes, *, sender: str = "anna@post.example", to: str = "") -> None:
        """A mail by LMTP, as a mail server would bring it: with a Received header of this one's."""
        with smtplib.LMTP("127.0.0.1", self.server.lmtp_port) as client:
            client.sendmail(sender, [to or self.name], raw)

    def count(self, folder: str = "INBOX") -> int:
        """How many mails a folder has."""
        with self.connected() as client:
            return int(client.select_folder(folder, readonly=True)[b"EXISTS"])

    def unseen(self, folder: str = "INBOX") -> int:
        """How many of them nobody has read."""
        with self.connected() as client:
            client.select_folder(folder, readonly=True)
            return len(client.search("UNSEEN"))

    def create(self, folder: str) -> None:
        """A folder of this name, with a UIDVALIDITY of its own."""
        with self.connected() as client:
            client.create_folder(folder)

    def remove(self, folder: str) -> None:
        """The folder and all its mails are gone."""
        with self.connected() as client:
            client.delete_folder(folder)


@contextmanager
def run_dovecot() -> Iterator[Dovecot]:
    """Starts a server in a folder of its own, and stops and removes it at the end; as root or as anybody."""
    if not _BINARY.exists():
        raise MissingServerError(f"no {_BINARY}: dovecot-imapd and dovecot-lmtpd are missing. Run `make setup-test`.")
    folder = Path(tempfile.mkdtemp(prefix="kept-dovecot-"))
    folder.chmod(0o755)
    try:
        with run_token_provider() as provider:
            server = _configure(folder, provider)
            log = folder / "output.log"
            with log.open("wb") as out:
                process = subprocess.Popen(
                    ["setpriv", "--pdeathsig", "TERM", str(_BINARY), "-F", "-c", str(folder / "dovecot.conf")],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            try:
                _await(server, process, log)
                yield server
            finally:
                stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _configure(folder: Path, provider: TokenProvider) -> Dovecot:
    certificate, key = make_certificate(folder, "127.0.0.1")
    server = Dovecot(
        folder=folder,
        port=free_port(),
        tls_port=free_port(),
        lmtp_port=free_port(),
        certificate=certificate,
        provider=provider,
    )
    me = pwd.getpwuid(os.geteuid())
    mine = grp.getgrgid(me.pw_gid).gr_name
    root = me.pw_uid == 0
    owner = pwd.getpwnam("nobody") if root else me
    (folder / "mail").mkdir()
    os.chown(folder / "mail", owner.pw_uid, owner.pw_gid)
    (folder / "oauth2.conf").write_text(_OAUTH.format(introspection=f"http://127.0.0.1:{provider.port}/introspect"))
    (folder / "dovecot.conf").write_text(
        _CONFIGURATION.format(
            folder=folder,
            name=folder.name,
            password=PASSWORD,
            certificate=certificate,
            key=key,
            internal="dovecot" if root else me.pw_name,
            internal_group="dovecot" if root else mine,
            login="dovenull" if root else me.pw_name,
            uid=owner.pw_uid,
            gid=owner.pw_gid,
            port=server.port,
            tls_port=server.tls_port,
            lmtp_port=server.lmtp_port,
        )
    )
    return server


def _await(server: Dovecot, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    waiting = {server.port, server.tls_port, server.lmtp_port}
    while waiting:
        for port in sorted(waiting):
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
                    if port == server.tls_port or probe.recv(1):
                        waiting.discard(port)
            except OSError:
                pass
        if waiting and (process.poll() is not None or time.monotonic() > deadline):
            said = log.read_text(errors="replace")
            kept = server.folder / "server.log"
            raise MissingServerError(
                f"Dovecot did not start:\n{said[-2000:]}\n{kept.read_text()[-2000:] if kept.exists() else ''}"
            )
        time.sleep(0.02)
