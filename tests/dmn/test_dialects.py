"""The version of DMN that a file names decides how its expressions are read."""

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
