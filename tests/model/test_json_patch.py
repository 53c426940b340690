"""JSON Patch: the operations of RFC 6902, with missing objects on the way created."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmia_broker.model import json_patch
from osmia_broker.model.json_patch import PatchFailed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "0", "~/"]), inner, max_size=3)
    ),
    max_leaves=8,
)
POINTERS = st.lists(st.sampled_from(["a", "b", "0", "1", "-", "~0~1", ""]), max_size=3).map(
    lambda names: "".join(f"/{name}" for name in names)
)


def patched(document: Any, *operations: dict[str, Any]) -> Any:
    return json_patch.apply(document, json_patch.read(list(operations)))


@pytest.mark.parametrize(
    ("document", "operation", "expected"),
    [
        ({}, {"op": "add", "path": "/a", "value": 1}, {"a": 1}),
        ({"a": 1}, {"op": "add", "path": "/a", "value": None}, {"a": None}),
        ({}, {"op": "add", "path": "/a/b/c", "value": 1}, {"a": {"b": {"c": 1}}}),
        ({"a": 5}, {"op": "add", "path": "/a/b", "value": 1}, {"a": {"b": 1}}),
        (None, {"op": "add", "path": "/a/b", "value": 1}, {"a": {"b": 1}}),
        ({"a": [1, 3]}, {"op": "add", "path": "/a/1", "value": 2}, {"a": [1, 2, 3]}),
        ({"a": [1]}, {"op": "add", "path": "/a/-", "value": 2}, {"a": [1, 2]}),
        ({"a": [1]}, {"op": "add", "path": "/a/1", "value": 2}, {"a": [1, 2]}),
        ([{"b": 1}], {"op": "replace", "path": "/0/b", "value": 2}, [{"b": 2}]),
        ({"a": 1}, {"op": "replace", "path": "", "value": [2]}, [2]),
        ({"a": 1, "b": 2}, {"op": "remove", "path": "/a"}, {"b": 2}),
        ({"a": [1, 2, 3]}, {"op": "remove", "path": "/a/1"}, {"a": [1, 3]}),
        ({"a": {"b": 1}}, {"op": "move", "from": "/a/b", "path": "/c/d"}, {"a": {}, "c": {"d": 1}}),
        ({"a": [1, 2]}, {"op": "move", "from": "/a/0", "path": "/a/1"}, {"a": [2, 1]}),
        ({"a": {"b": 1}}, {"op": "copy", "from": "/a", "path": "/c"}, {"a": {"b": 1}, "c": {"b": 1}}),
        ({"a/b": 1, "m~n": 2}, {"op": "remove", "path": "/a~1b"}, {"m~n": 2}),
        ({"a/b": 1, "m~n": 2}, {"op": "replace", "path": "/m~0n", "value": 3}, {"a/b": 1, "m~n": 3}),
        ({"": 1}, {"op": "replace", "path": "/", "value": 2}, {"": 2}),
        ({"a": 1}, {"op": "test", "path": "/a", "value": 1}, {"a": 1}),
        ({"a": {"b": [1]}}, {"op": "test", "path": "", "value": {"a": {"b": [1]}}}, {"a": {"b": [1]}}),
    ],
)
def test_an_operation_changes_its_place(document: Any, operation: dict[str, Any], expected: Any) -> None:
    assert patched(document, operation) == expected


@pytest.mark.parametrize(
    ("document", "operation", "reason"),
    [
        ({}, {"op": "replace", "path": "/a", "value": 1}, "Expected a value at '/a'"),
        ({}, {"op": "replace", "path": "/a/b", "value": 1}, "Expected a value"),
        ({}, {"op": "remove", "path": "/a"}, "Expected a value at '/a'"),
        ({"a": [1]}, {"op": "remove", "path": "/a/1"}, "Expected a value at '/a/1'"),
        ({"a": [1]}, {"op": "add", "path": "/a/5", "value": 1}, "Expected '5' to be an index of a list of 1 item"),
        ({"a": [1]}, {"op": "add", "path": "/a/x", "value": 1}, "Expected 'x' to be an index"),
        ({"a": [1]}, {"op": "replace", "path": "/a/-", "value": 1}, "Expected '-' to be an index"),
        ({}, {"op": "move", "from": "/a", "path": "/b"}, "Expected a value at '/a'"),
        ({"a": {}}, {"op": "move", "from": "/a", "path": "/a/b"}, "to a place outside of itself"),
        ({}, {"op": "copy", "from": "/a", "path": "/b"}, "Expected a value at '/a'"),
        ({"a": 1}, {"op": "test", "path": "/a", "value": True}, "to pass the test"),
        ({"a": 1}, {"op": "test", "path": "/b", "value": 1}, "Expected a value at '/b'"),
        ("text", {"op": "add", "path": "/a", "value": 1}, "Expected an object or a list"),
        (5, {"op": "remove", "path": "/a"}, "Expected an object or a list"),
    ],
)
def test_an_operation_that_does_not_fit_fails(document: Any, operation: dict[str, Any], reason: str) -> None:
    with pytest.raises(PatchFailed, match=reason):
        patched(document, operation)


def test_operations_are_applied_in_order_and_to_a_copy() -> None:
    document = {"a": {"b": 1}}
    changed = patched(document, {"op": "add", "path": "/a/c", "value": 2}, {"op": "move", "from": "/a/c", "path": "/d"})
    assert (document, changed) == ({"a": {"b": 1}}, {"a": {"b": 1}, "d": 2})


@given(JSON, st.sampled_from(json_patch.OPERATIONS), POINTERS, POINTERS, JSON)
def test_a_patch_raises_only_its_own_error(document: Any, op: str, path: str, source: str, value: Any) -> None:
    with suppress(PatchFailed):
        patched(document, {"op": op, "path": path, "from": source, "value": value})


@pytest.mark.parametrize("op", ["add", "replace", "remove", "test"])
@pytest.mark.parametrize("index", ["2", "01" * 3_000, "9" * 5_000, "\u0660"])
def test_an_index_beyond_the_list_is_refused_however_long_it_is(op: str, index: str):
    with pytest.raises(PatchFailed):
        patched({"a": [1]}, {"op": op, "path": f"/a/{index}", "value": 2})
