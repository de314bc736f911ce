"""The process that makes PDF: reads HTML from standard input, writes PDF to standard output, fetches nothing."""

from __future__ import annotations

import mimetypes
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

STATIC = (Path(__file__).resolve().parent.parent / "static").resolve()


def main() -> None:
    """Answer one document after another: 8 bytes of length, then HTML in; `+` or `-`, 8 bytes of length, then PDF or the reason out."""
    # WeasyPrint takes half a second to import; it is done once, here.
    from weasyprint import HTML
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class StaticFilesOnly(URLFetcher):  # type: ignore[misc]
        def fetch(self, url: str, headers: Any = None) -> Any:
            path = Path(unquote(urlsplit(url).path)).resolve()
            if urlsplit(url).scheme != "file" or not path.is_relative_to(STATIC):
                raise ValueError(f"{urlsplit(url).scheme} addresses are not fetched")
            # Without a type WeasyPrint takes a style sheet for nothing.
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            return URLFetcherResponse(url, body=path.read_bytes(), headers={"Content-Type": kind})

    fetcher = StaticFilesOnly()
    while header := sys.stdin.buffer.read(8):
        html = sys.stdin.buffer.read(int.from_bytes(header, "big")).decode()
        try:
            kind, body = b"+", HTML(string=html, url_fetcher=fetcher).write_pdf(pdf_variant="pdf/ua-1")
        except (ValueError, OSError, RuntimeError) as error:
            kind, body = b"-", f"{type(error).__name__}: {error}".encode()
        sys.stdout.buffer.write(kind + len(body).to_bytes(8, "big") + body)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
