"""An index of rows: one row or several at a place, found in order, and nothing left behind."""

from dataclasses import dataclass

import pytest

from osmia_broker.state.memory.index import Index

OTHER = 100  # the lowest key of the rows with another value


@dataclass(slots=True)
class Row:
    key: int


def index(*keys, value="a"):
    made = Index(lambda row: value if row.key < OTHER else "b")
    rows = {key: Row(key) for key in keys}
    for row in rows.values():
        made.enter(row)
    return made, rows


@pytest.mark.parametrize("keys", [(), (5,), (5, 3), (9, 1, 5)])
def test_rows_are_found_in_order_of_their_keys(keys):
    made, rows = index(*keys)
    assert [id(row) for row in made.rows("a")] == [id(rows[key]) for key in sorted(keys)]
    assert made.count("a") == len(keys)
    assert ("a" in made, len(made)) == (bool(keys), int(bool(keys)))
    assert (made.rows("b"), made.count("b"), "b" in made) == ([], 0, False)


@pytest.mark.parametrize(
    ("keys", "after", "through", "found"),
    [
        ((), 0, 9, []),
        ((5,), 0, 9, [5]),
        ((5,), 5, 9, []),
        ((5,), 0, 4, []),
        ((5,), 4, 5, [5]),
        ((7, 5, 3), 3, 7, [5, 7]),
        ((7, 5, 3), 7, 9, []),
        ((7, 5, 3), 0, 2, []),
    ],
)
def test_rows_are_found_between_two_keys(keys, after, through, found):
    made, _ = index(*keys)
    assert [row.key for row in made.between("a", after, through)] == found


@pytest.mark.parametrize("keys", [(5,), (5, 3), (9, 1, 5)])
def test_a_place_without_rows_is_no_place(keys):
    made, rows = index(*keys)
    for left, key in enumerate(keys, 1):
        made.leave(rows[key])
        assert [row.key for row in made.rows("a")] == sorted(keys[left:])
    assert (len(made), "a" in made, dict(made.items())) == (0, False, {})


def test_a_row_that_comes_again_is_there_once():
    made, rows = index(5, 3)
    made.leave(rows[3])
    made.enter(rows[3])
    assert [row.key for row in made.rows("a")] == [3, 5]
    made.leave(rows[5])
    assert made.rows("a") == [rows[3]]
    made.leave(rows[3])
    made.enter(rows[3])
    assert made.rows("a") == [rows[3]]


def test_a_row_that_is_not_there_does_not_leave():
    made, _ = index(5)
    with pytest.raises(KeyError):
        made.leave(Row(OTHER))
    made.enter(Row(6))
    with pytest.raises(KeyError):
        made.leave(Row(7))


def test_one_row_is_held_without_a_dictionary():
    made, rows = index(5)
    assert made.places == {"a": rows[5]}
