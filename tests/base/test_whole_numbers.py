"""Whole numbers in text from outside."""

import pytest

from osmia_broker.base.whole_numbers import whole_number


@pytest.mark.parametrize(
    ("text", "most", "number"),
    [
        ("0", 0, 0),
        ("7", 7, 7),
        ("8", 7, None),
        ("007", 7, 7),
        ("0" * 5_000, 7, 0),
        (str(2**63 - 1), 2**63 - 1, 2**63 - 1),
        (str(2**63), 2**63 - 1, None),
        ("9" * 5_000, 2**63 - 1, None),  # more than Python reads
        ("", 7, None),
        ("-1", 7, None),
        ("+1", 7, None),
        (" 1", 7, None),
        ("1_0", 99, None),
        ("\u0661", 7, None),  # a digit of another script
        ("\u00b2", 7, None),
        ("0", -1, None),
    ],
)
def test_a_number_is_read_up_to_a_bound(text, most, number):
    assert whole_number(text, most) == number
