"""A number stands with its noun as a person would write it."""

import pytest

from osmia_broker.base.counted import counted


@pytest.mark.parametrize(
    ("number", "nouns", "text"),
    [
        (1, ("job",), "1 job"),
        (0, ("job",), "0 jobs"),
        (2_000, ("job",), "2,000 jobs"),
        (1, ("retry", "retries"), "1 retry"),
        (3, ("retry", "retries"), "3 retries"),
    ],
)
def test_one_thing_is_no_plural(number: int, nouns: tuple[str, ...], text: str):
    assert counted(number, *nouns) == text
