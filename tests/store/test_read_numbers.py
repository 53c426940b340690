"""Numbers of the contract that no table has: keys of variables, hashes of error messages, parts of periods."""

from typing import Any

import pytest

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.store.read.search.periods import bucket_ms
from osmia_broker.store.read.sql import numbers

BASE = 1 << 51
HOUR = 3_600_000


def test_the_key_of_a_variable_stays_and_leads_to_its_scope():
    keys = {(scope, name): numbers.variable_key(BASE + scope, name) for scope in range(200) for name in ("a", "b", "ä")}
    assert len({*keys.values()}) == len(keys)
    assert numbers.variable_key(BASE + 7, "a") == keys[7, "a"]
    for (scope, _), key in keys.items():
        assert 0 < key < 2**63
        assert numbers.scopes_of(key, BASE + 1_000) == [BASE + scope]


@pytest.mark.parametrize("key", [0, 99, -1, -(2**63), 2**63 - 1, numbers.variable_key(3 * BASE + 5, "a")])
def test_the_key_of_no_variable_leads_nowhere(key: int):
    assert numbers.scopes_of(key, BASE + 1_000) == []


def test_after_four_thousand_million_keys_a_variable_may_have_several_scopes():
    scope = BASE + 3 + 2 * 2**32
    assert scope in numbers.scopes_of(numbers.variable_key(scope, "a"), BASE + 3 * 2**32)


@pytest.mark.parametrize(
    ("message", "number"),
    # Java's "…".hashCode()
    [("", 0), ("hello", 99162322), ("polygenelubricants", -2147483648), ("ä😀", 1992007), (None, 0), (b"", 0)],
)
def test_equal_messages_have_the_number_that_java_gives_them(message: Any, number: int):
    assert numbers.error_hash(message) == number


@pytest.mark.parametrize(
    ("resolution", "period_ms", "length"),
    [
        ("PT1M", 0, 60_000),
        ("PT1H30M", 0, HOUR + HOUR // 2),
        ("P1D", 0, 24 * HOUR),
        (None, HOUR, 60_000),
        (None, 24 * HOUR, 900_000),
        (None, 10**15, 7 * 24 * HOUR),
    ],
)
def test_a_period_has_parts(resolution: str | None, period_ms: int, length: int):
    assert bucket_ms(resolution, period_ms) == length


@pytest.mark.parametrize("resolution", ["", "P", "PT", "1H", "PT0S", "P9999D", "P1M", 60, "PT1.5S", ["PT1H"]])
def test_what_is_no_length_of_a_part(resolution: Any):
    with pytest.raises(InvalidArgument, match=r"filter\.resolution to be a duration"):
        bucket_ms(resolution, HOUR)
