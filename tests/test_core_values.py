"""Small values of the core: personal data that masks itself, canonical JSON, references, keys."""

from __future__ import annotations

import traceback

import pytest
from freezegun import freeze_time

from core.canonical import canonical, digest
from core.clock import SystemClock, day_in, iso_utc, parse_iso
from core.errors import BadInput
from core.ids import SPOKEN, new_reference
from core.keys import derive_key, write_secret
from core.personal import Personal, mask


def test_personal_data_prints_masked_everywhere() -> None:
    """str, repr, format, f-strings, containers and tracebacks show ***, never the value."""
    secret = Personal("mara@example.com")
    try:
        raise ValueError(f"no such person: {secret}")
    except ValueError:
        shown = traceback.format_exc()
    shown += f"{secret}{secret!r}{secret:>20}{[secret]}{ {'who': secret} }{secret!s}"
    assert "mara" not in shown
    assert "***" in shown
    assert secret.reveal() == "mara@example.com"


def test_a_masked_sample_tells_what_it_is_and_not_whose() -> None:
    """A sample keeps its kind recognisable."""
    assert mask("mara.lindqvist@example.com") == "m••••@••••.com"
    assert mask("u_000042") == "u_••••"
    assert mask("ab") == "••••"


def test_canonical_json_does_not_depend_on_order() -> None:
    """RFC 8785: the same value has the same bytes."""
    assert canonical({"b": 1, "a": [True, None]}) == b'{"a":[true,null],"b":1}'
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})


def test_a_reference_can_be_read_over_the_telephone() -> None:
    """Nine letters and digits that are not taken for one another."""
    reference = new_reference()
    assert len(reference) == 10
    assert set(reference) <= {*SPOKEN, "-"}


def test_each_purpose_has_a_key_of_its_own() -> None:
    """One secret, many keys, none of which tells another."""
    assert derive_key(b"s" * 32, "one") != derive_key(b"s" * 32, "two")
    assert derive_key(b"s" * 32, "one") == derive_key(b"s" * 32, "one")


def test_a_secret_is_never_written_over(tmp_path: object) -> None:
    """A second init cannot make the ledger's key disappear."""
    from pathlib import Path

    path = Path(str(tmp_path)) / "var" / "secret.key"
    write_secret(path)
    before = path.read_text(encoding="utf-8")
    with pytest.raises(FileExistsError):
        write_secret(path)
    assert path.read_text(encoding="utf-8") == before
    assert path.stat().st_mode & 0o077 == 0


@freeze_time("2026-03-29T00:30:00Z")
def test_the_system_clock_is_utc_and_days_belong_to_zones() -> None:
    """An instant has one form in interfaces and a calendar day only in a zone."""
    now = SystemClock().now()
    assert iso_utc(now) == "2026-03-29T00:30:00.000000Z"
    assert parse_iso("2026-03-29T01:30:00+01:00") == now
    assert str(day_in(now, "America/Los_Angeles")) == "2026-03-28"
    with pytest.raises(BadInput):
        parse_iso("2026-03-29 00:30")
