"""The numbers of called instances that bound processes which call themselves."""

import pytest

from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.tables import call_trees
from osmia_broker.state.tables.call_trees import CallTrees


@pytest.fixture
def journal() -> Journal:
    return Journal()


def test_begun_and_ended_calls_are_counted_by_their_root(journal: Journal):
    trees = CallTrees(journal)
    for root in (1, 1, 2):
        trees.begun(root)
    trees.ended(1)
    assert [trees.size(root) for root in (1, 2, 3)] == [1, 1, 0]


def test_the_end_of_a_call_from_before_the_start_is_passed_over(journal: Journal):
    trees = CallTrees(journal)
    trees.ended(1)
    journal.roll_back()
    assert trees.size(1) == 0


@pytest.mark.parametrize("before", [0, 1, 2])
def test_what_is_undone_does_not_count(journal: Journal, before: int):
    trees = CallTrees(journal)
    for _ in range(before):
        trees.begun(1)
    mark = len(journal.notes())
    trees.begun(1)
    trees.ended(1)
    trees.ended(1)
    journal.roll_back(mark)
    assert trees.size(1) == before


def test_the_root_that_has_not_called_for_the_longest_time_is_forgotten(journal: Journal, monkeypatch):
    monkeypatch.setattr(call_trees, "TREES_MAX", 2)
    trees = CallTrees(journal)
    for root in (1, 2, 1, 3):
        trees.begun(root)
    assert [trees.size(root) for root in (1, 2, 3)] == [2, 0, 1]
    journal.roll_back()
    assert [trees.size(root) for root in (1, 2, 3)] == [0, 0, 0]
