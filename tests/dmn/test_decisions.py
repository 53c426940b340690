"""Boxed logic, requirements, knowledge models, and the shape of the answer."""

from decimal import Decimal
from itertools import pairwise
from xml.sax.saxutils import escape

import pytest

from osmia_broker import dmn
from tests.dmn.models import (
    as_json,
    context,
    decision,
    evaluate,
    invocation,
    literal,
    model,
    output_of,
    parse,
    relation,
    table,
)

FEE = table("""
    FIRST: amount [How much] | country => fee [The fee]
    < 100     | -          => 5
    >= 100    | "DE", "FR" => amount / 100
    -         | not("US")  => 50
""")


@pytest.mark.parametrize(
    ("logic", "variables", "kind", "expected"),
    [
        (literal("x + 1"), {"x": 1}, "LITERAL_EXPRESSION", 2),
        (literal("missing"), {}, "LITERAL_EXPRESSION", None),
        (literal("x"), {"x": {"a": 1.5}}, "LITERAL_EXPRESSION", {"a": Decimal("1.5")}),
        (literal('date("2020-01-01") + duration("P1D")'), {}, "LITERAL_EXPRESSION", "2020-01-02"),
        (context(("a", literal("1")), ("b", literal("a + x"))), {"x": 2}, "CONTEXT", {"a": 1, "b": 3}),
        (context(("a", literal("b")), ("b", literal("1"))), {}, "CONTEXT", {"a": None, "b": 1}),  # not those after it
        (
            context(("x", literal("x + 1")), ("", literal("x * 10"))),
            {"x": 1},
            "CONTEXT",
            20,
        ),  # its result, and shadowing
        (context(("t", table("COLLECT: x => o\n1 => 7")), ("", literal("t[1]"))), {"x": 1}, "CONTEXT", 7),
        (context(("a b", literal("1")), ("", literal("`a b` + 1"))), {}, "CONTEXT", 2),
        (
            f"<list>{literal('1')}{literal('x')}{context(('a', literal('2')))}</list>",
            {"x": "z"},
            "LIST",
            [1, "z", {"a": 2}],
        ),
        ("<list/>", {}, "LIST", []),
        (relation("a b", "1 | x", '"y" | null'), {"x": 2}, "RELATION", [{"a": 1, "b": 2}, {"a": "y", "b": None}]),
        ("<context/>", {}, "CONTEXT", {}),
        (FEE, {"amount": 50}, "DECISION_TABLE", 5),
        (FEE, {"amount": 250, "country": "FR"}, "DECISION_TABLE", Decimal("2.5")),
        (FEE, {"amount": 250, "country": "IT"}, "DECISION_TABLE", 50),
        (FEE, {"amount": 250, "country": "US"}, "DECISION_TABLE", None),
        (table("UNIQUE: => out\n => 1"), {}, "DECISION_TABLE", 1),  # a table without inputs
        (table("UNIQUE: x => out"), {}, "DECISION_TABLE", None),  # and one without rules
    ],
)
def test_what_a_decision_gives(logic: str, variables: dict[str, object], kind: str, expected: object) -> None:
    evaluation = evaluate(logic, variables)
    assert output_of(evaluation) == expected
    [evaluated] = evaluation.evaluated_decisions
    assert (evaluated.decision_id, evaluated.decision_name, evaluated.decision_type) == ("asked", "Asked", kind)
    assert evaluated.output == evaluation.output


@pytest.mark.parametrize(
    ("cell", "x", "matches"),
    [
        ("-", None, True),
        ("", 5, True),
        ('"a"', "a", True),
        ('"a", "b"', "b", True),
        ('"a","b"', "c", False),
        ('"a"', None, False),
        ('"5"', 5, False),
        ("5", "5", False),
        ("5.0", 5, True),
        ("-5", -5, True),
        (".5", 0.5, True),
        ("1", True, False),  # a boolean is no number
        ("1", [1], False),
        ('"a"', ["a"], False),
        (r'"a\"b"', 'a"b', True),
        ("x", 5, True),
        ("true", True, True),
        ("false", True, False),
        ("null", None, True),
        ("not(5)", None, True),
        ('not("a", 5)', 5, False),
        ("[1..5]", 5, True),
        ("(1..5)", 5, False),
        ("< 5, > 7", 8, True),
        ("list contains(allowed, ?)", 2, True),  # the input is seen everywhere, unlike in the reference
        ("max([1, ?]) = 9", 9, True),
        ("allowed", 3, True),
        ("y = 1", 99, True),  # what is true matches whatever the input
        ('starts with(?, "a")', "abc", True),
    ],
)
def test_when_a_cell_holds(cell: str, x: object, matches: bool) -> None:
    logic = table("UNIQUE: x => out\nCELL => true").replace("CELL", escape(cell))
    evaluation = evaluate(logic, {"x": x, "y": 1, "allowed": [1, 2, 3]})
    assert output_of(evaluation) is (True if matches else None)


def test_the_answer_lists_inputs_and_matched_rules() -> None:
    [evaluated] = evaluate(FEE, {"amount": 250.5, "country": "DE"}).evaluated_decisions
    assert evaluated.evaluated_inputs == (
        dmn.EvaluatedInput("in1", "How much", "250.5"),
        dmn.EvaluatedInput("in2", "country", '"DE"'),  # without a label, the expression
    )
    assert evaluated.matched_rules == (dmn.MatchedRule("rule2", 2, (dmn.EvaluatedOutput("out1", "The fee", "2.505"),)),)


def test_the_answer_lists_all_rules_that_matched_even_if_they_are_too_many() -> None:
    evaluation = evaluate(table('UNIQUE: x => out\n1 => "a"\n2 => "b"\n< 3 => "c"'), {"x": 1})
    [evaluated] = evaluation.evaluated_decisions
    assert [(rule.rule_index, rule.evaluated_outputs[0].output_value) for rule in evaluated.matched_rules] == [
        (1, '"a"'),
        (3, '"c"'),
    ]
    assert evaluated.evaluated_inputs == (dmn.EvaluatedInput("in1", "x", "1"),)
    assert evaluated.output == "null"


def test_a_required_decision_comes_first_and_is_bound_to_its_variable() -> None:
    graph = parse(
        decision(
            "total", literal("price + tax + (if base = null and Base = null then 0 else 100)"), requires="base tariff"
        ),
        decision("base", literal("amount * 2"), variable="price"),
        decision("tariff", table("FIRST: amount => o\n- => 7"), variable="tax"),
    )
    evaluation = graph.evaluate("total", as_json({"amount": 10}))
    assert output_of(evaluation) == 27
    assert [each.decision_id for each in evaluation.evaluated_decisions] == ["base", "tariff", "total"]
    assert [each.output for each in evaluation.evaluated_decisions] == ["20", "7", "27"]


def test_a_decision_without_a_variable_is_bound_to_its_id() -> None:
    graph = parse(
        decision("a", literal("b.x + b.y"), requires="b"), decision("b", table("FIRST: z => x | y\n- => 1 | 2"))
    )
    assert output_of(graph.evaluate("a", {})) == 3


def test_a_required_result_hides_a_variable_and_keeps_its_type() -> None:
    graph = parse(decision("a", literal("b.year"), requires="b"), decision("b", literal('date("2021-05-06")')))
    assert output_of(graph.evaluate("a", as_json({"b": 1}))) == 2021


def test_only_direct_requirements_are_bound() -> None:
    graph = parse(
        decision("a", literal("c"), requires="b"),
        decision("b", literal("c"), requires="c"),
        decision("c", literal("1")),
    )
    assert output_of(graph.evaluate("a", {})) is None
    assert output_of(graph.evaluate("b", {})) == 1


def test_a_decision_needed_along_two_paths_is_evaluated_once() -> None:
    layers = 40  # would be 2 ** 40 evaluations along the paths
    elements = [decision("d0", literal("1"))]
    for n in range(1, layers):
        elements.append(decision(f"l{n}", literal(f"d{n - 1}"), requires=f"d{n - 1}"))
        elements.append(decision(f"r{n}", literal(f"d{n - 1}"), requires=f"d{n - 1}"))
        elements.append(decision(f"d{n}", literal(f"l{n} + r{n}"), requires=f"l{n} r{n}"))
    evaluation = parse(*elements).evaluate(f"d{layers - 1}", {})
    assert output_of(evaluation) == 2 ** (layers - 1)
    assert len(evaluation.evaluated_decisions) == 1 + 3 * (layers - 1)


def test_a_long_chain_of_requirements_needs_no_depth() -> None:
    elements = [decision("d0", literal("0"))]
    elements += [decision(f"d{n}", literal(f"d{n - 1} + 1"), requires=f"d{n - 1}") for n in range(1, 3_000)]
    assert output_of(parse(*elements).evaluate("d2999", {})) == 2_999


def test_a_failed_requirement_is_named_and_ends_the_evaluation() -> None:
    graph = parse(
        decision("a", literal("b + 1"), requires="b c"),
        decision("b", literal('assert(x, x > 0, "x is needed")'), requires="d"),
        decision("c", literal("1")),
        decision("d", literal("2")),
    )
    evaluation = graph.evaluate("a", as_json({"x": 0}))
    assert evaluation.failed_decision_id == "b"
    assert evaluation.failure_message == "Expected to evaluate decision 'a', but " + failure_text(
        "x is needed", 'assert(x, x > 0, "x is needed")'
    )
    assert [(each.decision_id, each.output) for each in evaluation.evaluated_decisions] == [("d", "2"), ("b", "null")]


def failure_text(cause: str, expression: str) -> str:
    return f"Assertion failure on evaluate the expression '{expression}': {cause}"


def test_a_failed_assertion_without_a_cause() -> None:
    evaluation = evaluate(literal("assert(x, x > 0)"), {"x": 0})
    assert evaluation.failure_message == "Expected to evaluate decision 'asked', but " + failure_text(
        "The condition is not fulfilled", "assert(x, x > 0)"
    )


def test_a_knowledge_model_is_called_by_invocation() -> None:
    graph = parse(decision("a", invocation("add", p="x * 10", q="2")), model("add", "p q", literal("p + q")))
    evaluation = graph.evaluate("a", as_json({"x": 1}))
    assert output_of(evaluation) == 12
    assert [
        (each.decision_id, each.decision_type, each.is_knowledge_model) for each in evaluation.evaluated_decisions
    ] == [
        ("add", "LITERAL_EXPRESSION", True),
        ("a", "INVOCATION", False),
    ]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("add(1, 2)", 3),
        ("add(q: 1, p: 10)", 9),
        ("add(1)", None),  # a wrong number of arguments, as for any function
        ("[add(3, 1), add(4, 1)]", [2, 3]),
        ("for i in [1, 2] return add(i, 0)", [1, 2]),
    ],
)
def test_a_knowledge_model_is_called_from_feel(call: str, expected: object) -> None:
    body = literal("if p > q then p - q else p + q")
    graph = parse(decision("a", literal(call), knows="add"), model("add", "p q", body))
    assert output_of(graph.evaluate("a", {})) == expected


def test_a_knowledge_model_that_is_not_required_is_unknown_to_feel() -> None:
    graph = parse(decision("a", literal("one()")), model("one", "", literal("1")))
    assert output_of(graph.evaluate("a", {})) is None


def test_a_knowledge_model_may_be_a_table_and_use_others() -> None:
    graph = parse(
        decision("a", invocation("rate", n="x"), variable="rate of x"),
        model("rate", "n", table('FIRST: twice(n) => r\n> 5 => "high"\n- => "low"'), knows="twice"),
        model("twice", "n", literal("n * 2 + extra")),
    )
    evaluation = graph.evaluate("a", as_json({"x": 3, "n": 100, "extra": 0}))
    assert output_of(evaluation) == "high"
    by_id = {each.decision_id: each for each in evaluation.evaluated_decisions}
    assert by_id["rate"].matched_rules[0].rule_index == 1
    assert by_id["rate"].evaluated_inputs[0].input_value == "6"
    assert by_id["twice"].is_knowledge_model


def test_a_parameter_without_a_binding_is_null_and_hides_a_variable() -> None:
    graph = parse(decision("a", invocation("show", p="1")), model("show", "p q", literal("[p, q]")))
    assert output_of(graph.evaluate("a", as_json({"q": 5}))) == [1, None]


def test_a_failure_inside_a_knowledge_model_fails_the_decision_that_calls_it() -> None:
    for logic in (literal("f(1)"), invocation("f", p="1")):
        graph = parse(decision("a", logic, knows="f"), model("f", "p", literal('assert(p, false, "no")')))
        evaluation = graph.evaluate("a", {})
        assert evaluation.failed_decision_id == "a"
        assert failure_text("no", 'assert(p, false, "no")') in evaluation.failure_message


def test_a_knowledge_model_called_very_often_is_not_listed_each_time() -> None:
    graph = parse(
        decision("a", literal("count(for i in 1..3000 return f(i))"), knows="f"), model("f", "p", literal("p"))
    )
    evaluation = graph.evaluate("a", {})
    assert output_of(evaluation) == 3000
    assert len(evaluation.evaluated_decisions) == 1001
    assert evaluation.evaluated_decisions[-1].decision_id == "a"


def test_models_that_call_models_in_loops_end_in_time() -> None:
    names = "abcdefgh"
    models = [model(x, "p", literal(f"count(for i in 1..1000 return {y}(i))"), knows=y) for x, y in pairwise(names)]
    graph = parse(decision("asked", literal("a(1)"), knows="a"), *models, model("h", "p", literal("p")))
    assert graph.evaluate("asked", {}).failed_decision_id == "asked"


def test_an_answer_beyond_the_bound_fails() -> None:
    rows = "\n".join("- => text" for _ in range(50))
    evaluation = evaluate(table(f"COLLECT: x => out\n{rows}"), {"text": "x" * 100_000})
    assert "Expected inputs and outputs of at most 4194304 characters" in evaluation.failure_message


def test_an_unknown_decision_is_the_callers_error() -> None:
    graph = parse(decision("a", literal("1")))
    assert graph.decision("b") is None
    with pytest.raises(KeyError):
        graph.evaluate("b", {})


def test_a_graph_knows_its_ids_and_names() -> None:
    graph = parse(decision("b", literal("1")), decision("a", literal("1"), requires="b", variable="out"))
    assert (graph.id, graph.name, graph.resource_name) == ("graph", "The graph", "test.dmn")
    assert [(each.id, each.name, each.variable, each.requires) for each in graph.decisions] == [
        ("b", "B", "b", ()),
        ("a", "A", "out", ("b",)),
    ]


def test_variables_are_read_from_any_scope_and_at_most_once() -> None:
    asked: list[str] = []

    class Asked:
        def __getitem__(self, name: str, /) -> object:
            asked.append(name)
            if name == "x":
                return 5
            raise KeyError(name)

    rows = "\n".join(f"x + {n} => 1" for n in range(20))
    assert output_of(parse(decision("a", table(f"FIRST: x => out\n{rows}"))).evaluate("a", Asked())) == 1
    assert asked.count("x") == 1
