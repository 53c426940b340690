"""What every store can keep, by one rule for the engine, the calls and the databases."""

import pytest

from osmia_broker.state.storable import INT64, half_pair, is_storable, storable

HALVES = {"\ud800": 0, "héllo \udfff": 6, "😀\ud83d": 1}


@pytest.mark.parametrize("text", ["", "plain", "héllo", "😀", "\x01\x7f\uffff"])
def test_a_text_of_whole_characters_stays_as_it_is(text: str) -> None:
    assert is_storable(text)
    assert storable(text) == text
    assert half_pair(text) is None


@pytest.mark.parametrize("text", ["\0", "a\0b", "é\0", *HALVES])
def test_a_text_that_cannot_be_kept_is_found_and_can_be_mended(text: str) -> None:
    assert not is_storable(text)
    assert is_storable(storable(text))
    assert len(storable(text)) == len(text)


@pytest.mark.parametrize(("text", "place"), HALVES.items())
def test_half_of_a_pair_is_found_at_its_place(text: str, place: int) -> None:
    assert half_pair(text) == place


def test_integers_have_64_bits() -> None:
    assert -(2**63) in INT64
    assert 2**63 - 1 in INT64
    assert -(2**63) - 1 not in INT64
    assert 2**63 not in INT64
