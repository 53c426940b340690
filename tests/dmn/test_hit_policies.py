"""One line per rule of hit policy and aggregation. The texts of failures were measured on the reference broker."""

from decimal import Decimal

import pytest

from tests.dmn.models import evaluate, output_of, table


def rows(policy: str, output: str, *outputs: str) -> str:
    """A table over x: the n-th rule holds for x >= n."""
    return table("\n".join([f"{policy}: x => {output}", *(f">= {n} => {each}" for n, each in enumerate(outputs, 1))]))


@pytest.mark.parametrize(
    ("policy", "output", "outputs", "x", "expected"),
    [
        # policy        output column        rule outputs                x  result
        ("UNIQUE", "out", ['"a"', '"b"'], 1, "a"),
        ("UNIQUE", "out", ['"a"', '"b"'], 0, None),
        ("UNIQUE", 'out ?"none"', ['"a"'], 0, "none"),
        ("", "out", ['"a"', '"b"'], 1, "a"),  # no policy is UNIQUE
        ("FIRST", "out", ['"a"', '"b"'], 2, "a"),
        ("FIRST", "out", ['"a"', '"b"'], 0, None),
        ("FIRST", "out ?1 + 1", ['"a"'], 0, 2),
        ("ANY", "out", ['"a"', '"a"', '"a"'], 3, "a"),
        ("ANY", "out", ["1", "1.0"], 2, 1),  # numbers are equal by value
        ("ANY", "count", ['@"2020-04-06T08:00:00Z"', '@"2020-04-06T09:00:00+01:00"'], 2, "2020-04-06T08:00:00Z"),
        ("ANY", "out", ["null", "null"], 2, None),
        ("ANY", "out", ['"a"', '"b"'], 0, None),
        ("ANY", "out ?5", ['"a"'], 0, 5),
        ("PRIORITY", 'out <"b","a">', ['"a"', '"b"'], 2, "b"),
        ("PRIORITY", 'out <"b","a">', ['"a"', '"b"'], 1, "a"),
        ("PRIORITY", 'out <"b","a">', ['"c"', '"a"'], 2, "a"),  # what is not listed comes last
        ("PRIORITY", "out <3, 2, 1>", ["1", "3.0", "2"], 3, 3),
        ("PRIORITY", "out", ['"a"', '"b"'], 2, "a"),  # without values the order of the rules
        ("PRIORITY", "out", ['"a"'], 0, None),
        ("PRIORITY", 'out <"b","a"> ?"z"', ['"a"'], 0, "z"),
        ("RULE ORDER", "out", ['"b"', '"a"', '"c"'], 2, ["b", "a"]),
        ("RULE ORDER", "out", ['"b"', '"a"'], 1, ["b"]),
        ("RULE ORDER", "out", ['"b"'], 0, None),
        ("RULE ORDER", "out ?0", ["1"], 0, 0),  # unwrapped
        ("OUTPUT ORDER", 'out <"c","b","a">', ['"a"', '"c"', '"b"'], 3, ["c", "b", "a"]),
        ("OUTPUT ORDER", 'out <"c","b","a">', ['"a"', '"x"', '"c"', '"a"'], 4, ["c", "a", "a", "x"]),
        ("OUTPUT ORDER", "out", ['"b"', '"a"'], 2, ["b", "a"]),
        ("OUTPUT ORDER", "out", ['"a"'], 0, None),
        ("OUTPUT ORDER", "out ?0", ["1"], 0, 0),
        ("COLLECT", "out", ['"b"', '"a"', '"b"'], 3, ["b", "a", "b"]),
        ("COLLECT", "out", ["null"], 1, [None]),
        ("COLLECT", "out", ['"b"'], 0, None),
        ("COLLECT", "out ?[]", ['"b"'], 0, []),
        ("COLLECT SUM", "out", ["1", "2.5", "-1"], 3, Decimal("2.5")),
        ("COLLECT SUM", "out", ["0.1", "0.2"], 2, Decimal("0.3")),  # decimal, not binary
        ("COLLECT SUM", "out", ["4"], 1, 4),
        ("COLLECT SUM", "out", ["4"], 0, None),
        ("COLLECT SUM", "out ?0", ["4"], 0, 0),
        ("COLLECT MIN", "out", ["2", "1.5", "3"], 3, Decimal("1.5")),
        ("COLLECT MIN", "out", ["2"], 0, None),
        ("COLLECT MIN", "out ?9", ["2"], 0, 9),
        ("COLLECT MAX", "out", ["2", "1.5", "3"], 3, 3),
        ("COLLECT MAX", "out", ["2"], 0, None),
        ("COLLECT MAX", "out ?9", ["2"], 0, 9),
        ("COLLECT COUNT", "out", ['"a"', "null", '"a"'], 3, 3),  # matches, whatever they give
        ("COLLECT COUNT", "out", ['"a"'], 0, None),
        ("COLLECT COUNT", "out ?0", ['"a"'], 0, 0),
    ],
)
def test_what_one_output_gives(policy: str, output: str, outputs: list[str], x: int, expected: object) -> None:
    assert output_of(evaluate(rows(policy, output, *outputs), {"x": x})) == expected


@pytest.mark.parametrize(
    ("policy", "x", "expected"),
    [
        ("UNIQUE", 1, {"a": 1, "b": "low"}),
        ("FIRST", 3, {"a": 1, "b": "low"}),
        ("PRIORITY", 3, {"a": 1, "b": "high"}),  # the first output decides, then the second
        ("RULE ORDER", 2, [{"a": 1, "b": "low"}, {"a": 2, "b": "high"}]),
        ("OUTPUT ORDER", 3, [{"a": 1, "b": "high"}, {"a": 1, "b": "low"}, {"a": 2, "b": "high"}]),
        ("COLLECT", 2, [{"a": 1, "b": "low"}, {"a": 2, "b": "high"}]),
        ("COLLECT", 0, {"a": None, "b": "none"}),  # the defaults, unwrapped
    ],
)
def test_what_several_outputs_give(policy: str, x: int, expected: object) -> None:
    logic = table(f"""
        {policy}: x => a <1,2> | b <"high","low"> ?"none"
        >= 1 => 1 | "low"
        >= 2 => 2 | "high"
        >= 3 => 1 | "high"
    """)
    assert output_of(evaluate(logic, {"x": x})) == expected


def test_several_outputs_without_defaults_and_without_match_give_null() -> None:
    assert output_of(evaluate(table("UNIQUE: x => a | b\n1 => 1 | 2"), {"x": 2})) is None


def test_any_compares_all_outputs_of_a_rule() -> None:
    same = table("ANY: x => a | b\n- => 1 | 2\n- => 1 | 2")
    assert output_of(evaluate(same)) == {"a": 1, "b": 2}
    other = table("ANY: x => a | b\n- => 1 | 2\n- => 1 | 3")
    assert "different values aren't allowed for ANY hit policy" in evaluate(other).failure_message


@pytest.mark.parametrize(
    ("policy", "outputs", "failure"),
    [
        ("UNIQUE", ['"a"', '"b"'], 'multiple values aren\'t allowed for UNIQUE hit policy. found: \'["a","b"]\''),
        ("UNIQUE", ['"a"', '"a"'], 'multiple values aren\'t allowed for UNIQUE hit policy. found: \'["a","a"]\''),
        ("ANY", ['"a"', '"b"'], 'different values aren\'t allowed for ANY hit policy. found: \'["a","b"]\''),
        ("ANY", ["1", "null"], "different values aren't allowed for ANY hit policy. found: '[1,null]'"),
        ("ANY", ["1", '"1"'], "different values aren't allowed for ANY hit policy. found: '[1,\"1\"]'"),
        (  # a date is not its text, although both are written alike
            "ANY",
            ['date("2020-01-01")', '"2020-01-01"'],
            'different values aren\'t allowed for ANY hit policy. found: \'["2020-01-01","2020-01-01"]\'',
        ),
        ("COLLECT SUM", ["1", '"a"'], "expected number but found '\"a\"'"),
        ("COLLECT SUM", ["1", "null"], "expected number but found 'null'"),
        (
            "COLLECT SUM",
            ["18446744073709551615", "2"],
            "Expected a number of 64 bits or a double, but found '18446744073709551617'",
        ),
        ("COLLECT MIN", ["true", "1"], "expected number but found 'true'"),
        ("COLLECT MAX", ["[1]", "1"], "expected number but found '[1]'"),
    ],
)
def test_what_a_policy_refuses(policy: str, outputs: list[str], failure: str) -> None:
    evaluation = evaluate(rows(policy, "out", *outputs), {"x": 9})
    assert evaluation.failure_message == f"Expected to evaluate decision 'asked', but {failure}"
    assert (evaluation.failed_decision_id, evaluation.output, evaluation.value) == ("asked", "", None)


def test_first_stops_at_its_match() -> None:
    evaluation = evaluate(table('FIRST: x => out\n- => "a"\nassert(null, false) => "b"'))
    assert output_of(evaluation) == "a"
    assert [rule.rule_index for rule in evaluation.evaluated_decisions[-1].matched_rules] == [1]


def test_aggregation_means_something_only_to_collect() -> None:
    logic = table("FIRST: x => out\n- => 7").replace('hitPolicy="FIRST"', 'hitPolicy="FIRST" aggregation="SUM"')
    assert output_of(evaluate(logic)) == 7


NEITHER = [{"approved": None}, {}, {"approved": "no"}, {"approved": 1}, {"approved": [True]}]


@pytest.mark.parametrize(
    ("policy", "by_true", "by_false"),
    [
        ("UNIQUE", "pay", "reject"),
        ("FIRST", "pay", "reject"),
        ("ANY", "pay", "reject"),
        ("COLLECT", ["pay"], ["reject"]),
    ],
)
def test_a_boolean_column_tells_true_false_and_neither_apart(policy: str, by_true: object, by_false: object) -> None:
    logic = table(f'{policy}: approved => next\ntrue => "pay"\nfalse => "reject"')
    assert output_of(evaluate(logic, {"approved": True})) == by_true
    assert output_of(evaluate(logic, {"approved": False})) == by_false
    assert [output_of(evaluate(logic, variables)) for variables in NEITHER] == [None] * len(NEITHER)


def test_a_boolean_column_narrows_the_rules_beside_a_number() -> None:
    logic = table("UNIQUE: member | total => fee\ntrue | >= 100 => 0\ntrue | < 100 => 3\nfalse | - => 5\nnull | - => 9")
    answers = [(True, 100), (True, 99), (False, 100), (None, 1)]
    assert [output_of(evaluate(logic, {"member": member, "total": total})) for member, total in answers] == [0, 3, 5, 9]


def test_the_negation_of_a_test_over_the_input_holds_where_the_test_does_not() -> None:
    logic = table('UNIQUE: x => out\nnot(? > 3) => "low"\n? > 3 => "high"')
    assert [output_of(evaluate(logic, {"x": x})) for x in (2, 5, None, "text")] == ["low", "high", None, None]
