"""Rendering: the one Jinja environment of pages, mails and documents, and the warm worker that makes PDF."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from core.catalogue import SOURCE, install_words
from core.errors import Unreachable
from core.words import FILTERS

ROOT: Final = Path(__file__).resolve().parent.parent
TEMPLATES: Final = ROOT / "templates"
STATIC: Final = ROOT / "static"


def prepare_environment(environment: Environment, spoken: Callable[[], str] = lambda: SOURCE) -> None:
    """Give an environment what every template may use: the filters, words in the reader's language, strict names."""
    environment.filters.update(FILTERS)
    install_words(environment, spoken)
    environment.undefined = StrictUndefined
    environment.trim_blocks = False
    environment.lstrip_blocks = False


def static_file(endpoint: str, *, filename: str) -> str:
    """What `url_for('static', filename=…)` gives outside a web request: the file itself, for PDF."""
    return (STATIC / filename).as_uri() if endpoint == "static" else ""


class Renderer:
    """Renders templates that are no web pages: mails and documents. Unknown names are errors, never blanks."""

    def __init__(self, *, base_url: str) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape(("html",)), keep_trailing_newline=True
        )
        prepare_environment(self._environment)
        self._environment.globals.update(url_for=static_file, base_url=base_url)

    def text(self, template: str, **variables: Any) -> str:
        """The text of a template under `templates/`; `.html` is escaped, `.txt` is not."""
        return self._environment.get_template(template).render(**variables)


class PdfWorker:
    """Turns HTML into PDF/UA in a process of its own that stays warm; started at the first document.

    The worker fetches nothing but files below `static/`. `render` raises Unreachable when it cannot be started or dies.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def render(self, html: str) -> bytes:
        """The PDF of one self-contained HTML document."""
        with self._lock:
            process = self._process if self._process and self._process.poll() is None else self._start()
            self._process = process
            return self._ask(process, html.encode())

    def close(self) -> None:
        with self._lock:
            if self._process and self._process.stdin and self._process.stdout:
                self._process.stdin.close()
                self._process.wait(timeout=10)
                self._process.stdout.close()
            self._process = None

    @staticmethod
    def _start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "core.pdf_worker"]
        return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - our own module

    @staticmethod
    def _ask(process: subprocess.Popen[bytes], html: bytes) -> bytes:
        if process.stdin is None or process.stdout is None:
            raise Unreachable("The PDF worker has no pipes.", remedy="Start Kept again.")
        try:
            process.stdin.write(len(html).to_bytes(8, "big") + html)
            process.stdin.flush()
            kind = process.stdout.read(1)
            size = int.from_bytes(process.stdout.read(8), "big")
            body = process.stdout.read(size)
        except BrokenPipeError as error:
            raise Unreachable("The PDF worker died.", remedy="Run `kept doctor`: it names what is missing.") from error
        if kind != b"+" or len(body) != size:
            reason = body.decode(errors="replace") or "it died"
            raise Unreachable(f"The PDF worker made no document: {reason}.", remedy="Run `kept doctor`.")
        return body
