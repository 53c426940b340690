"""Misspelt names: how far two are apart, and which one was meant."""

import pytest

from osmia_broker.base.edits import COMPARED_CHARACTERS, did_you_mean, edits, misspelt, nearest

NAMES = ("stock", "customer", "orders")


@pytest.mark.parametrize(
    ("one", "other", "number"),
    [
        ("due", "due", 0),
        ("deu", "due", 1),  # two letters in the wrong order
        ("asignee", "assignee", 1),
        ("groop", "group", 1),
        ("gropus", "group", 2),
        ("", "due", 3),
        ("due", "", 3),
    ],
)
def test_edits_are_letters_to_add_drop_replace_or_swap(one: str, other: str, number: int):
    assert edits(one, other) == number


@pytest.mark.parametrize(
    ("name", "meant"),
    [("stok", "stock"), ("costumer", "customer"), ("Orders", "orders"), ("kitchen", ""), ("", "")],
)
def test_a_hint_names_the_one_that_looks_most_like_it(name: str, meant: str):
    assert nearest(name, NAMES) == meant
    assert did_you_mean(name, NAMES) == (f"; did you mean '{meant}'?" if meant else "")


def test_where_nothing_is_known_nothing_was_meant():
    assert nearest("stock", ()) == ""
    assert did_you_mean("stock", iter(())) == ""


def test_likeness_says_how_near_a_hint_must_be():
    assert (nearest("stack", NAMES, likeness=0.8), nearest("stack", NAMES, likeness=0.9)) == ("stock", "")


def test_of_a_name_without_end_the_beginning_is_compared():
    known = "x" * COMPARED_CHARACTERS
    assert nearest(known + "y" * 1_000_000, [known]) == known


@pytest.mark.parametrize(
    ("name", "meant"),
    [("GRPC_PROT", "GRPC_PORT"), ("PORT_GRPC", "GRPC_PORT"), ("HOME", ""), ("HOSTS", "HOST")],
)
def test_a_name_that_is_refused_is_at_most_one_edit_in_four_letters_away(name: str, meant: str):
    assert misspelt(name, ("GRPC_PORT", "HOST")) == meant
