"""A cell of a decision table against inputs of all kinds: a literal is compared, a test over `?` is the test itself.

Each row names a cell and the inputs that match, that do not match, and that the test does not apply to (null). The rows
were checked with version 1.18.0 of the reference's FEEL engine unless a comment says otherwise.
"""

import pytest
from evaluation import cell_says

SCOPE = '{"t": true, "f": false, "n": null, "five": 5, "l": [1, 2, 3]}'
INPUTS = ["true", "false", "null", '"x"', '"foo"', "5", "2", "0", "[1,2]", "[true]", "[]", "7"]

MATRIX = [
    # cell, the inputs that it matches, and those to which it says null; to all others it says false
    ("true", ["true"], ['"x"', '"foo"', "5", "2", "0", "[1,2]", "[true]", "[]", "7"]),
    ("false", ["false"], ['"x"', '"foo"', "5", "2", "0", "[1,2]", "[true]", "[]", "7"]),
    ("null", ["null"], []),
    ("5", ["5"], ["true", "false", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ('"x"', ['"x"'], ["true", "false", "5", "2", "0", "[1,2]", "[true]", "[]", "7"]),
    ('"x", true', ["true", '"x"'], ["false", '"foo"', "5", "2", "0", "[1,2]", "[true]", "[]", "7"]),
    # in the reference a `true` that is not the last test matches everything; DMN compares it
    ('true, "x"', ["true", '"x"'], ["false", '"foo"', "5", "2", "0", "[1,2]", "[true]", "[]", "7"]),
    ("true, false", ["true", "false"], ['"x"', '"foo"', "5", "2", "0", "[1,2]", "[true]", "[]", "7"]),
    ("not(false)", ["true", "null"], ['"x"', '"foo"', "5", "2", "0", "[1,2]", "[true]", "[]", "7"]),
    # in the reference `not(true)` never matches; DMN negates the comparison
    ("not(true)", ["false", "null"], ['"x"', '"foo"', "5", "2", "0", "[1,2]", "[true]", "[]", "7"]),
    ("not(null)", [i for i in INPUTS if i != "null"], []),
    # a test over `?`
    ("? > 3", ["5", "7"], ["true", "false", "null", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ("not(? > 3)", ["2", "0"], ["true", "false", "null", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ("not(? = 5)", ["null", "2", "0", "7"], ["true", "false", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ("? in [1..5]", ["5", "2"], ["true", "false", "null", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ("not(? in [1..5])", ["0", "7"], ["true", "false", "null", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ("even(?)", ["2", "0"], ["true", "false", "null", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ("not(even(?))", ["5", "7"], ["true", "false", "null", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ('contains(?, "o")', ['"foo"'], [i for i in INPUTS if not i.startswith('"')]),
    ('not(contains(?, "o"))', ['"x"'], [i for i in INPUTS if not i.startswith('"')]),
    ('not(? = "x")', ["null", '"foo"'], ["true", "false", "5", "2", "0", "[1,2]", "[true]", "[]", "7"]),
    ("? between 1 and 5", ["5", "2"], ["true", "false", "null", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ("count(?) > 1", ["[1,2]"], [i for i in INPUTS if not i.startswith("[")]),
    ("? = null", ["null"], []),
    ("? instance of number", ["5", "2", "0", "7"], []),
    ("if ? > 3 then true else false", ["5", "7"], []),
    ("? = true", ["true"], ['"x"', '"foo"', "5", "2", "0", "[1,2]", "[true]", "[]", "7"]),
    ("? or five > 9", ["true"], [i for i in INPUTS if i not in {"true", "false"}]),
    ("some i in l satisfies i = ?", ["2"], ["true", "false", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ("not(list contains(l, ?))", [i for i in INPUTS if i != "2"], []),  # there a list never contains `?`
    # a test over `?` that gives no boolean never matches
    ("?", ["true"], [i for i in INPUTS if i not in {"true", "false"}]),
    ("[?]", [], INPUTS),
    ("string length(?)", [], INPUTS),
    ("if ? > 3 then ? else 0", [], INPUTS),
    ("? > 3, ? < 1", ["5", "0", "7"], ["true", "false", "null", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ('not(? > 3, "x")', [], [i for i in INPUTS if i not in {"5", "7", '"x"'}]),
    # in parentheses, an order is a test over `?` that may be part of a larger one
    ("(> 3)", ["5", "7"], ["true", "false", "null", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ("((> 3))", ["5", "7"], ["true", "false", "null", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ("(> 3) and ? < 7", ["5"], ["true", "false", "null", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ("(> 3) or (< 1)", ["5", "0", "7"], ["true", "false", "null", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ("not((> 3))", ["2", "0"], ["true", "false", "null", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ("? > 3 and < 7", ["5"], ["true", "false", "null", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ("five > 9 or < 3", ["2", "0"], ["true", "false", "null", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ("(<= five), 7", ["5", "2", "0", "7"], ["true", "false", "null", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ("(5)", ["5"], ["true", "false", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    # any other expression: true matches, else it is compared
    ("t", INPUTS, []),
    ("f", ["false"], ['"x"', '"foo"', "5", "2", "0", "[1,2]", "[true]", "[]", "7"]),
    ("n", ["null"], []),
    ("five > 3", INPUTS, []),
    ("five", ["5"], ["true", "false", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ("l", ["2"], []),
    ("not(f)", ["true", "null"], ['"x"', '"foo"', "5", "2", "0", "[1,2]", "[true]", "[]", "7"]),
    ("7 in (? - 1)", ["null"], []),  # the inner `?` is 7, so the cell is null whatever the input
    ("3 in [1..?]", ["5", "7"], ["true", "false", "null", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
    ("3 in (< ?)", ["5", "7"], ["true", "false", "null", '"x"', '"foo"', "[1,2]", "[true]", "[]"]),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "matching", "unknown"), MATRIX, ids=[row[0] for row in MATRIX])
def test_what_a_cell_says_to_each_input(cell: str, matching: list[str], unknown: list[str]) -> None:
    expected = {i: "true" if i in matching else "null" if i in unknown else "false" for i in INPUTS}
    assert {i: cell_says(cell, i, SCOPE) for i in INPUTS} == expected


@pytest.mark.parametrize("cell", ["\ufeff-\u200b", "\u200b", "\u200b5\ufeff", "<\u200b 6", "4,\u200b5", "not(\ufeff4)"])
def test_white_space_without_a_shape_changes_no_cell(cell: str) -> None:
    assert cell_says(cell, "5") == "true"
