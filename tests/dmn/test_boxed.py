"""Boxed functions, and the conditional, filters and iterators of DMN 1.4."""

import pytest

from osmia_broker import dmn
from osmia_broker.feel import Value
from tests.dmn.models import boxed, context, decision, definitions, evaluate, function, literal, model

EACH = 'iteratorVariable="x"'


def value_of(logic: str, **variables: Value) -> Value:
    evaluation = evaluate(logic, variables)
    assert not evaluation.failure_message, evaluation.failure_message
    return evaluation.value


@pytest.mark.parametrize(
    ("logic", "value"),
    [
        (context(("f", function("a b", literal("a - b"))), ("", literal("f(3, 1)"))), 2),
        (context(("f", function("a b", literal("a - b"))), ("", literal("f(b: 3, a: 1)"))), -2),
        (context(("f", function("", literal("n"))), ("", literal("f()"))), 7),
        (context(("f", function("n", literal("n"))), ("", literal("f(1)"))), 1),
        (context(("f", function("a", context(("b", literal("a + 1"))))), ("", literal("f(1).b"))), 2),
        (context(("f", function("a", literal("a"))), ("", literal("f()"))), None),
        (context(("f", function("a", literal("a"))), ("", literal("f(1, 2)"))), None),
        (context(("f", function("a", literal("a"))), ("", literal("f(b: 1)"))), None),
    ],
)
def test_a_boxed_function_is_called_by_the_name_of_its_entry(logic: str, value: Value) -> None:
    assert value_of(logic, n=7) == value


def test_a_decision_may_be_a_function_that_another_calls() -> None:
    graph = dmn.parse(
        "a.dmn",
        definitions(
            decision("twice", function("n", literal("n * 2"))), decision("a", literal("twice(4)"), requires="twice")
        ),
    )
    assert graph.evaluate("a", {}).value == 8
    assert graph.evaluate("twice", {}).output == "null"  # JSON has no functions


def test_a_boxed_function_that_fails_stops_the_decision() -> None:
    logic = context(("f", function("n", literal('assert(n, n > 1, "too small")'))), ("", literal("f(1)")))
    evaluation = evaluate(logic)
    assert evaluation.failed_decision_id == "asked"
    assert "too small" in evaluation.failure_message


@pytest.mark.parametrize(
    ("condition", "value"),
    [("n > 5", "yes"), ("n > 9", "no"), ("null", "no"), ("missing", "no"), ('"true"', None), ("1", None)],
)
def test_a_conditional_chooses_one_part(condition: str, value: Value) -> None:
    assert value_of(boxed("conditional", if_=condition, then='"yes"', else_='"no"'), n=7) == value


def test_a_conditional_does_not_evaluate_the_other_part() -> None:
    assert value_of(boxed("conditional", if_="true", then="1", else_="assert(1, false)")) == 1


@pytest.mark.parametrize(
    ("source", "match", "value"),
    [
        ("[1, 2, 3]", "item > n", [3]),
        ("[1, 2, 3]", "item > 9", []),
        ("[1, 2, 3]", "if item = 2 then null else true", [1, 3]),
        ("[{a: 1}, {a: 3}]", "a > n", [{"a": 3}]),
        ("[{n: 1}, {a: 3}]", "n = 2", [{"a": 3}]),  # an entry hides a variable
        ("[]", '"x"', []),
        ("[1, 2]", '"x"', None),
        ("[1, 2]", "1", None),  # not an index
        ("[1, 2]", 'if item = 2 then "x" else true', None),
        ("null", "true", None),
    ],
)
def test_a_filter_keeps_the_items_that_match(source: str, match: str, value: Value) -> None:
    assert value_of(boxed("filter", in_=source, match=match), n=2) == value


@pytest.mark.parametrize(
    ("source", "result", "value"),
    [
        ("[1, 2, 3]", "x * n", [2, 4, 6]),
        ("[1..3]", "x", [1, 2, 3]),
        ("[3..1]", "x", None),
        ("[1, 2, 3]", "x + count(partial)", [1, 3, 5]),
        ("[]", "x", []),
        ("null", "x", None),
    ],
)
def test_a_for_gives_a_value_for_each_item(source: str, result: str, value: Value) -> None:
    assert value_of(boxed("for", EACH, in_=source, return_=result), n=2) == value


@pytest.mark.parametrize(
    ("kind", "source", "test", "value"),
    [
        ("some", "[1, 2]", "x = n", True),
        ("some", "[1, 3]", "x = n", False),
        ("some", "[]", "true", False),
        ("some", "[1, 2]", "null", None),
        ("some", "[1, 2]", 'if x = 1 then "x" else true', None),
        ("every", "[1, 2]", "x <= n", True),
        ("every", "[1, 3]", "x <= n", False),
        ("every", "[]", "false", True),
        ("every", "[1, 2]", '"x"', None),
        ("every", "null", "true", None),
    ],
)
def test_some_and_every_test_the_items(kind: str, source: str, test: str, value: Value) -> None:
    assert value_of(boxed(kind, EACH, in_=source, satisfies=test), n=2) is value


@pytest.mark.parametrize("href", ["#b", "my-models#b"])
def test_a_requirement_may_name_the_namespace_of_its_own_file(href: str) -> None:
    elements = [
        decision("a", literal("b + f()"), requires="b", knows="f").replace("#b", href),
        decision("b", literal("1")),
        model("f", "", literal("2")),
    ]
    graph = dmn.parse("a.dmn", definitions(*elements, attributes='namespace="my-models"'))
    assert graph.evaluate("a", {}).value == 3
