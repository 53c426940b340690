"""The one spelling of JSON values."""

import pytest

from osmia_broker.state.json_text import canonical, spellings


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (r'"caf\u00e9"', '"café"'),
        (r'"a\/b"', '"a/b"'),
        (r'"\ud83d\ude00 \"\\\n\u0001"', '"\U0001f600 \\"\\\\\\n\\u0001"'),
        ("1e2", "100.0"),
        ("1.50E1", "15.0"),
        ("125e-2", "1.25"),
        ("-1e-3", "-0.001"),
        ("1e300", "1e300"),
        ("1e-99999999999999999999", "1e-99999999999999999999"),  # beyond every decimal number
        ("0e99999999999999999999", "0e99999999999999999999"),
        ("1.10", "1.10"),
        ("18446744073709551615", "18446744073709551615"),
        ('{ "a" : [1.10, 1e1, null, true], "\\u0062": {} }', '{"a":[1.10,10.0,null,true],"b":{}}'),
    ],
)
def test_a_value_has_one_spelling(written: str, stored: str):
    assert canonical(written) == stored
    assert canonical(stored) == stored


@pytest.mark.parametrize(
    ("one", "other"),
    [("1.1", "1.10"), ("100", "1e2"), ("100.0", "100"), ("-5", "-5.000"), ("0.5", "5e-1"), ("1.1000000000", "1.1")],
)
def test_equal_numbers_share_a_spelling(one: str, other: str):
    assert canonical(one) in spellings(other)
    assert canonical(other) in spellings(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1.1", "1.01"), ("10", "1"), ("100", "10"), ("1", "true"), ("1", '"1"'), ("-1", "1"), ("null", "0")],
)
def test_different_values_share_none(one: str, other: str):
    assert not {*spellings(one)} & {*spellings(other)}


@pytest.mark.parametrize("text", ["ada", "{", "", "[" * 2_000, "1e"])
def test_a_text_that_is_no_json_has_itself_alone(text: str):
    assert spellings(text) == [text]


@pytest.mark.parametrize("text", ["1e-99999999999999999999", "0e99999999999999999999"])
def test_an_exponent_beyond_every_decimal_number_has_itself_alone(text: str):
    assert spellings(text) == [text]
