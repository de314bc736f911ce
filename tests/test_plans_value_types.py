"""Whether a typed value can stand in a field, by the store's word for its type."""

import pytest

from plans.value_types import why_not_fit
from stores.contract import Field


@pytest.mark.parametrize(
    ("word", "fits", "not_fit"),
    [
        ("integer", "-12", "twelve"),
        ("bigint", "9223372036854775807", "1.5"),
        ("boolean", "TRUE", "yes"),
        ("numeric(10, 2)", "19.90", "NaN"),
        ("double precision", "1e3", "1,5"),
        ("date", "2026-02-28", "2026-02-30"),
        ("timestamptz", "2026-01-31T10:00:00Z", "31.01.2026"),
        ("datetime", "2026-01-31 10:00", "soon"),
        ("uuid", "12345678-1234-5678-1234-567812345678", "12345678"),
        ("jsonb", '{"a": 1}', "{a: 1}"),
        ("varchar(5)", "Änne", "Annette"),
        ("character varying(3)", "abc", "abcd"),
    ],
)
def test_a_value_of_another_type_is_named_before_anything_is_written(word: str, fits: str, not_fit: str) -> None:
    """The reason is the end of a sentence; what fits has none."""
    field = Field(name="f", type=word)
    assert why_not_fit(field, fits) == ""
    assert why_not_fit(field, not_fit)


@pytest.mark.parametrize("word", ["text", "char|int", "str|int", "enum('a','b')", "unknown", "inet", "integer[]"])
def test_what_only_the_store_can_judge_is_left_to_it(word: str) -> None:
    """Text takes anything; a type that is not known here is refused, or not, by its store."""
    assert why_not_fit(Field(name="f", type=word), "anything at all") == ""


def test_nothing_fits_where_the_field_may_be_empty() -> None:
    """And only there."""
    assert why_not_fit(Field(name="f", type="text"), None) == ""
    assert why_not_fit(Field(name="f", type="text", nullable=False), None) == "may not be empty"
