"""The version of DMN that a file names decides how its expressions are read."""

import re

import pytest

from osmia_broker import dmn
from osmia_broker.feel import Value
from tests.dmn.models import context, decision, definitions, literal

DMN_1_3 = "https://www.omg.org/spec/DMN/20191111/MODEL/"
DMN_1_4 = "https://www.omg.org/spec/DMN/20211108/MODEL/"
DMN_1_5 = "https://www.omg.org/spec/DMN/20230324/MODEL/"
INPUT = "<inputData id='i' name='Full Name'><variable name='Full Name'/></inputData>"


def value_of(logic: str, namespace: str, **variables: Value) -> Value:
    graph = dmn.parse("a.dmn", definitions(INPUT, decision("a", logic), namespace=namespace))
    return graph.evaluate("a", {"Full Name": "Ada", **variables}).value


@pytest.mark.parametrize("namespace", [DMN_1_4, DMN_1_5])
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10 * [1..3]", None),
        ("[1..10] = [1..10]", True),
        ("[1] instance of list<number>", True),
        ('"Hello " + Full Name', "Hello Ada"),
        ("for x in [1, 2], y in [x] return y", [1, 2]),
        ('is blank(" ")', True),
    ],
)
def test_dmn_1_4_and_1_5_have_the_standard_dialect(namespace: str, text: str, value: Value) -> None:
    assert value_of(literal(text), namespace) == value


@pytest.mark.parametrize("text", ["10 * [1..3]", "[1..10] = [1..10]", "[1] instance of list<number>", "Full Name"])
def test_earlier_versions_refuse_what_the_reference_refuses(text: str) -> None:
    with pytest.raises(dmn.InvalidModel):
        value_of(literal(text), DMN_1_3)


@pytest.mark.parametrize(
    ("text", "value"), [("for x in [1, 2], y in [x] return y", [None, None]), ('is blank(" ")', None)]
)
def test_earlier_versions_give_what_the_reference_gives(text: str, value: Value) -> None:
    assert value_of(literal(text), DMN_1_3) == value


def test_the_names_of_boxed_entries_are_known() -> None:
    logic = context(("Monthly Fee", literal("10")), ("", literal("Monthly Fee * 12")))
    assert value_of(logic, DMN_1_5) == 120


def without_ids(content: bytes) -> bytes:
    return re.sub(rb'(definitions[^>]*?) id="graph"', rb"\1", content.replace(b'<decision id="a"', b"<decision"))


def test_in_dmn_1_4_and_1_5_a_name_stands_in_for_a_missing_id() -> None:
    graph = dmn.parse("a.dmn", without_ids(definitions(decision("a", literal("1")), namespace=DMN_1_5)))
    assert (graph.id, [each.id for each in graph.decisions]) == ("The graph", ["A"])
    assert graph.evaluate("A", {}).output == "1"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            definitions(decision("a", literal("1")), namespace=DMN_1_3),
            "Expected 'definitions' to have an id, but found none",
        ),
        (
            definitions(decision("a", literal("1")), decision("A", literal("2")), namespace=DMN_1_5),
            "Expected the id or name 'A' once, but found it again",
        ),
        (
            definitions(decision("a", literal("1")).replace('name="A"', ""), namespace=DMN_1_5),
            "Expected 'decision' to have an id, but found none",
        ),
    ],
)
def test_elements_that_nothing_identifies_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(dmn.InvalidModel, match=reason):
        dmn.parse("a.dmn", without_ids(content))
