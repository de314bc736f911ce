"""What one value is, by its look."""

from __future__ import annotations

import pytest

from core.detectors import Kind, count_kinds, kinds_of


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("anna.meier@post.example", Kind.EMAIL),
        ("2001:db8::8a2e:370:7334", Kind.IP_ADDRESS),
        ("203.0.113.9", Kind.IP_ADDRESS),
        ("4111 1111 1111 1111", Kind.CARD_NUMBER),
        ("+49 30 901820", Kind.PHONE),
        ("52.52437, 13.41053", Kind.COORDINATES),
        ("$2b$12$abcdefghijklmnopqrstuuKfV0m9l4u5wH2o3Jx0uV4QkR3rL1m2e", Kind.PASSWORD_HASH),
        ("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Kind.HASH),
        ("sk-proj-abcdefghijklmnop1234", Kind.TOKEN),
        ('{"a": 1}', Kind.JSON),
    ],
)
def test_a_value_is_told_by_its_look(value: str, kind: Kind) -> None:
    """Each detector knows a plain example of what it is for."""
    assert kind in kinds_of(value)


@pytest.mark.parametrize(
    "value", ["4111 1111 1111 1112", "2026-01-02", "999.1.1.1", "1.2", "12,5", "hello", "", "a@b", "1780000000"]
)
def test_what_only_looks_like_personal_data_is_let_go(value: str) -> None:
    """A wrong check sum, a date, a version and a plain word are none of these."""
    assert not kinds_of(value) & {Kind.CARD_NUMBER, Kind.IP_ADDRESS, Kind.EMAIL, Kind.PHONE, Kind.COORDINATES}


def test_kinds_are_counted_over_the_values_of_a_column() -> None:
    """The share of values of each kind."""
    assert count_kinds(["a@post.example", "none"]) == {Kind.EMAIL: 0.5}
