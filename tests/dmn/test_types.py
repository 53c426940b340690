"""Types that a model declares: of results, of parameters, and of the model itself."""

import pytest

from osmia_broker import dmn
from osmia_broker.feel import Value
from tests.dmn.models import context, decision, definitions, function, invocation, literal, model, table

DMN_1_3 = "https://www.omg.org/spec/DMN/20191111/MODEL/"
DMN_1_5 = "https://www.omg.org/spec/DMN/20230324/MODEL/"
TYPES = """
<itemDefinition name="tAge"><typeRef>number</typeRef><allowedValues><text>[0..150]</text></allowedValues></itemDefinition>
<itemDefinition name="tAges" isCollection="true"><typeRef>tAge</typeRef></itemDefinition>
<itemDefinition name="Full Person">
  <itemComponent name="name"><typeRef>string</typeRef></itemComponent>
  <itemComponent name="children" isCollection="true"><typeRef>Full Person</typeRef></itemComponent>
</itemDefinition>
<itemDefinition name="tTwo"><functionItem outputTypeRef="number"><parameters name="a"/><parameters name="b"/></functionItem></itemDefinition>
<itemDefinition name="tFew" isCollection="true">
  <typeRef>number</typeRef><typeConstraint><text>count(?) &lt; 3</text></typeConstraint>
</itemDefinition>
<itemDefinition name="tRound"><typeRef>tAbout</typeRef></itemDefinition>
<itemDefinition name="tAbout"><typeRef>tRound</typeRef></itemDefinition>
"""


def evaluation_of(namespace: str, *elements: str) -> dmn.Evaluation:
    return dmn.parse("a.dmn", definitions(TYPES, *elements, namespace=namespace)).evaluate("a", {})


def typed(text: str, type_ref: str) -> str:
    return decision("a", literal(text), variable="a").replace("<variable", f'<variable typeRef="{type_ref}"')


@pytest.mark.parametrize("namespace", [DMN_1_3, DMN_1_5])
@pytest.mark.parametrize(
    ("type_ref", "text", "found"),
    [
        ("number", '"foo"', '"foo"'),
        ("number", '"a \\"b\\""', '"a "b""'),
        ("number", "true", "true"),
        ("number", "{a: 1}", "{a:1}"),
        ("string", "1.5", "1.5"),
        ("feel:string", "1", "1"),
        ("string", "[1]", "[1]"),
        ("boolean", "0", "0"),
        ("date", 'time("08:00:00Z")', "08:00:00Z"),
        ("dateTime", 'date("2020-01-01")', "2020-01-01"),
        ("dayTimeDuration", 'duration("P1Y")', "P1Y"),
        ("yearMonthDuration", 'duration("P1D")', "P1D"),
    ],
)
def test_a_result_of_another_type_fails(namespace: str, type_ref: str, text: str, found: str) -> None:
    evaluation = evaluation_of(namespace, typed(text, type_ref))
    name = type_ref.removeprefix("feel:")
    assert evaluation.failed_decision_id == "a"
    assert evaluation.failure_message == f"Expected to evaluate decision 'a', but expected '{name}' but found '{found}'"
    assert evaluation.evaluated_decisions[-1].output == "null"


@pytest.mark.parametrize("namespace", [DMN_1_3, DMN_1_5])
@pytest.mark.parametrize(
    ("type_ref", "text", "value"),
    [
        ("number", "1.5 * 2", 3),
        ("string", '"foo"', "foo"),
        ("string", "null", None),
        ("boolean", "false", False),
        ("gone", "1", 1),  # an unknown type is no type
        ("", "1", 1),
    ],
)
def test_a_result_of_its_type_is_given(namespace: str, type_ref: str, text: str, value: Value) -> None:
    assert evaluation_of(namespace, typed(text, type_ref)).value == value


def test_a_table_is_checked_as_any_logic() -> None:
    rows = "COLLECT: 1 => out\n- => 1\n- => 2"
    asked = decision("a", table(rows), variable="a").replace("<variable", '<variable typeRef="number"')
    assert "expected 'number' but found '[1, 2]'" in evaluation_of(DMN_1_3, asked).failure_message


@pytest.mark.parametrize(
    ("type_ref", "text", "value"),
    [
        ("number", "[1]", 1),
        ("tAges", "30", [30]),
        ("tAges", "[30, null]", [30, None]),
        ("Full Person", '{name: "Ada", children: [], more: 1}', {"name": "Ada", "children": [], "more": 1}),
    ],
)
def test_dmn_1_4_and_1_5_coerce_a_list_of_one_and_a_value(type_ref: str, text: str, value: Value) -> None:
    assert evaluation_of(DMN_1_5, typed(text, type_ref)).value == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("30 instance of tAge", True),
        ("200 instance of tAge", True),  # allowed values do not count
        ("true instance of tAge", False),
        ('"30" instance of tAge', False),
        ("[30, 40] instance of tAges", True),
        ("[30, true] instance of tAges", False),
        ("30 instance of tAges", False),
        ('{name: "A", children: [{name: "B", children: []}]} instance of Full Person', True),
        ('{name: "A", children: [{name: 1, children: []}]} instance of Full Person', False),
        ('{name: "A"} instance of Full Person', False),
        ("[[30]] instance of list<tAges>", True),
        ("(function(x, y) x) instance of tTwo", True),
        ("(function(x) x) instance of tTwo", False),
        ("null instance of tAge", False),
        ("(function(p: tAge) p)(30)", 30),
        ('(function(p: tAge) p)("x")', None),
    ],
)
def test_the_types_of_the_model_are_types_of_feel(text: str, value: Value) -> None:
    assert evaluation_of(DMN_1_5, decision("a", literal(text))).value == value


@pytest.mark.parametrize(
    ("type_ref", "text"),
    [
        ("tAge", "200"),
        ("tAges", "[30, 200]"),
        ("tFew", "[1, 2, 3]"),
        ("tAges", '"30"'),
        ("Full Person", '{name: "Ada"}'),
        ("Full Person", "{name: 1, children: []}"),
        ("tTwo", "function(x) x"),
    ],
)
def test_a_result_that_is_not_of_its_type_of_the_model_fails(type_ref: str, text: str) -> None:
    assert f"expected '{type_ref}' but found" in evaluation_of(DMN_1_5, typed(text, type_ref)).failure_message
    assert not evaluation_of(DMN_1_3, typed(text, type_ref)).failure_message  # the reference knows none of them


def test_types_that_define_each_other_fail_by_themselves() -> None:
    assert evaluation_of(DMN_1_5, typed("1", "tRound")).failed_decision_id == "a"


def parameter(type_ref: str, text: str) -> str:
    return model("f", "p", literal(text)).replace('name="p"', f'name="p" typeRef="{type_ref}"')


@pytest.mark.parametrize("namespace", [DMN_1_3, DMN_1_5])
def test_an_argument_of_another_type_is_null_in_feel_and_fails_in_an_invocation(namespace: str) -> None:
    known = parameter("number", "p + 1")
    assert evaluation_of(namespace, decision("a", literal("f(1)"), knows="f"), known).value == 2
    assert evaluation_of(namespace, decision("a", literal('f("x")'), knows="f"), known).output == "null"
    failed = evaluation_of(namespace, decision("a", invocation("f", p='"x"'), knows="f"), known)
    assert "expected 'number' but found '\"x\"'" in failed.failure_message


def test_the_types_of_the_model_are_those_of_parameters_too() -> None:
    known = parameter("tAges", "count(p)")
    assert evaluation_of(DMN_1_5, decision("a", literal("f(30)"), knows="f"), known).value == 1
    assert evaluation_of(DMN_1_5, decision("a", literal("f(200)"), knows="f"), known).value is None
    assert evaluation_of(DMN_1_3, decision("a", literal("f(200)"), knows="f"), known).value is None  # count(200)


def test_a_boxed_function_has_typed_parameters() -> None:
    boxed = function("p", literal("p")).replace('name="p"', 'name="p" typeRef="number"')
    logic = context(("f", boxed), ("", literal('[f(1), f("x")]')))
    assert evaluation_of(DMN_1_3, decision("a", logic)).value == [1, None]


@pytest.mark.parametrize(("namespace", "fails"), [(DMN_1_3, False), (DMN_1_5, True)])
def test_the_type_of_a_boxed_expression_counts_in_dmn_1_4_and_1_5(namespace: str, fails: bool) -> None:
    logic = literal('"x"').replace("<literalExpression", '<literalExpression typeRef="number"')
    assert bool(evaluation_of(namespace, decision("a", logic)).failure_message) is fails


def test_a_fault_in_a_type_refuses_the_file() -> None:
    bad = TYPES.replace("[0..150]", "[0..")
    with pytest.raises(dmn.InvalidModel, match="FEEL unary-tests: failed to parse expression"):
        dmn.parse("a.dmn", definitions(bad, decision("a", literal("1")), namespace=DMN_1_5))
    assert dmn.parse("a.dmn", definitions(bad, decision("a", literal("1")), namespace=DMN_1_3)).decisions
