"""The sealed file and what goes into it: nothing opens that was changed, memory stays flat, cells are text."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from core.errors import CheckFailed
from core.rendering import PdfWorker, Renderer
from core.settings import CollectionSettings, FieldSettings
from dsr.package_format import CHUNK, TAG, new_key, seal, unseal, unwrap_key, wrap_key
from dsr.spool import is_credential, spool

KEY = new_key()
HEAD = 13


def sealed(plain: bytes, key: bytes = KEY) -> bytes:
    file = io.BytesIO()
    assert seal([plain], key, file) == len(plain)
    return file.getvalue()


@given(pieces=st.lists(st.binary(max_size=3 * CHUNK), max_size=4))
def test_what_is_sealed_comes_back(pieces: list[bytes]) -> None:
    """However the stream is cut, its bytes come back."""
    file = io.BytesIO()
    seal(pieces, KEY, file)
    file.seek(0)
    assert b"".join(unseal(file, KEY)) == b"".join(pieces)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_a_file_that_is_cut_off_does_not_open(size: int) -> None:
    """Truncation shows, at the edge of a chunk too."""
    whole = sealed(b"x" * size)
    ends = {HEAD, HEAD + TAG, HEAD + CHUNK + TAG, len(whole) - 1}
    for end in (end for end in ends if end < len(whole)):
        with pytest.raises(CheckFailed):
            b"".join(unseal(io.BytesIO(whole[:end]), KEY))


def test_chunks_that_are_moved_or_changed_do_not_open() -> None:
    """Two chunks in the wrong order, one bit, another key, something behind the end: each shows."""
    whole = sealed(b"a" * CHUNK + b"b" * CHUNK + b"c")
    one, two, rest = whole[HEAD : HEAD + CHUNK + TAG], whole[HEAD + CHUNK + TAG : HEAD + 2 * (CHUNK + TAG)], whole[-17:]
    flipped = bytearray(whole)
    flipped[HEAD + 5] ^= 1
    for broken in (whole[:HEAD] + two + one + rest, bytes(flipped), whole + one, b"NOPE" + whole[4:]):
        with pytest.raises(CheckFailed):
            b"".join(unseal(io.BytesIO(broken), KEY))
    with pytest.raises(CheckFailed):
        b"".join(unseal(io.BytesIO(whole), new_key()))


def test_a_key_opens_under_its_own_wrapping_only() -> None:
    """The wrapped key is of no use without the installation's secret."""
    wrapped = wrap_key(KEY, b"w" * 32)
    assert KEY not in wrapped
    assert unwrap_key(wrapped, b"w" * 32) == KEY


@pytest.mark.parametrize(
    ("name", "fideslang", "expected"),
    [
        ("password", None, True),
        ("password_hash", None, True),
        ("token_hash", None, True),
        ("totp_secret", None, True),
        ("security_answer", None, True),
        ("access_token", None, True),
        ("x", "user.authorization.credentials", True),
        ("password", "user.name", True),
        ("prompt_tokens", None, False),
        ("api_key", None, False),
        ("spinach", None, False),
        ("email", "user.contact.email", False),
    ],
)
def test_credentials_are_told_by_name_or_key(name: str, fideslang: str | None, expected: bool) -> None:
    """Passwords and tokens are named as held, counts of tokens and references to keys are data."""
    assert is_credential(name, fideslang) is expected


def test_a_million_bytes_of_records_are_never_in_memory_at_once(tmp_path: Path) -> None:
    """The spool takes records one at a time, and keeps them sealed on disk."""
    pulled = 0

    def records() -> Iterator[dict[str, object]]:
        nonlocal pulled
        for number in range(20_000):
            pulled += 1
            yield {"id": number, "body": "anna.quill@post.example", "password": "hunter2", "raw": b"\x00\xff"}

    settings = CollectionSettings(
        id="letters", store="s", at="t", category="letter", fields={"body": FieldSettings(fideslang="user.content")}
    )
    spooled = spool(settings, records(), tmp_path / "one", KEY)
    assert (spooled.rows, spooled.columns, spooled.withheld) == (20_000, ("id", "body", "raw"), ("password",))
    assert spooled.texts == {"body"}
    assert b"anna" not in (tmp_path / "one").read_bytes()
    assert sum(1 for _ in spooled.records(KEY)) == pulled == 20_000


def test_the_letter_becomes_a_pdf() -> None:
    """The worker takes the letter's template with the variables of an answer."""
    worker = PdfWorker()
    variables = {
        "controller": {"name": "Lanternway", "email": "privacy@lanternway.example"},
        "ref": "K7F3Q-2MXB",
        "person_name": "",
        "date": "Thursday, 11 June 2026",
        "title": "A copy of your data",
        "sections": [
            {"title": "What we hold", "table": {"head": ["Where", "Records"], "rows": [["Requests", 7]], "num": [1]}}
        ],
        "authority": None,
    }
    try:
        pdf = worker.render(Renderer(base_url="https://kept.example").text("documents/letter.html", **variables))
    finally:
        worker.close()
    assert "What we hold" in PdfReader(io.BytesIO(pdf)).pages[0].extract_text()
