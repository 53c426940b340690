"""The filter of kept messages: no message is ever missed, memory is bounded, and most of the rest is left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmia_broker.state.memory.filter import GENERATIONS_MAX, Filter

PAIRS = st.tuples(st.text(max_size=5), st.text(max_size=5))


@given(st.lists(PAIRS, max_size=50), st.lists(PAIRS, max_size=50), st.integers(1, 60))
def test_what_was_added_is_never_denied(first: list[tuple[str, str]], later: list[tuple[str, str]], pairs_max: int):
    kept = Filter(pairs_max)
    kept.add_all(first)
    for number, pair in enumerate(later):
        kept.add(pair, until_ms=1_000, now_ms=number)
    assert all(pair in kept for pair in (*first, *later))


def test_an_empty_filter_holds_nothing_and_takes_no_memory():
    kept = Filter()
    assert ("paid", "7") not in kept
    assert not kept._generations


@pytest.mark.parametrize("other", [("7", "paid"), ("pai", "d7"), ("paid", ""), ("", "paid7"), ("paid", "8")])
def test_both_texts_and_their_border_count(other: tuple[str, str]):
    kept = Filter()
    kept.add(("paid", "7"), 1_000, 0)
    assert other not in kept


def test_half_a_surrogate_pair_is_a_text_like_any_other():
    kept = Filter()
    kept.add(("\ud800", "7"), 1_000, 0)
    assert ("\ud800", "7") in kept
    assert ("\ud801", "7") not in kept


def test_few_others_are_said_to_be_there():
    kept = Filter()
    kept.add_all(("paid", str(number)) for number in range(20_000))
    wrong = sum(("paid", f"other {number}") in kept for number in range(20_000))
    assert wrong <= 20, "of 20,000; 0.1 are to be expected"


def test_pairs_that_are_needed_no_more_are_dropped():
    kept = Filter(pairs_max=100)
    for number in range(10_000):
        kept.add(("paid", str(number)), until_ms=number + 150, now_ms=number)
        assert len(kept) <= GENERATIONS_MAX * 100
    assert ("paid", "0") not in kept
    assert ("paid", "9999") in kept


def test_a_pair_that_is_added_again_takes_no_more_room():
    kept = Filter(pairs_max=100)
    for _ in range(1_000):
        kept.add(("paid", "7"), 1_000, 0)
    assert len(kept) == 1


def test_memory_is_bounded_while_all_pairs_are_needed():
    kept = Filter(pairs_max=100)
    for number in range(10 * GENERATIONS_MAX * 100):
        kept.add(("paid", str(number)), until_ms=10**9, now_ms=number)
    assert len(kept._generations) == GENERATIONS_MAX
    assert all(("paid", str(number)) in kept for number in range(10 * GENERATIONS_MAX * 100))
