"""Variables of a call activity of the Activiti dialect, as its own elements choose them (measured on Activiti 6.0.0, which has these elements)."""

import pytest

from tests.activiti import extension_file, properties, started_by, variable
from tests.bpmn import bpmn
from tests.doors import Door, EngineDoor
from tests.harness import Scenario

IN = '<activiti:in source="x" target="px"/>'
OUT = '<activiti:out source="z" target="res"/>'
INHERIT = 'activiti:inheritVariables="true"'
INNER = "start > b:user > end"


@pytest.fixture
def door(alone_door: Door) -> Door:
    return alone_door


def called(
    door: Door, extensions: str, attributes: str = "", *, inner: str = INNER, id: str = "inner", **mappings: object
) -> Scenario:
    """A process that calls another, in which a person works."""
    plain = bpmn("start > k:call(called=inner) > a:user > end", dialect="activiti").decode()
    inside = f"<bpmn:extensionElements>{extensions}</bpmn:extensionElements>"
    opening = '<bpmn:callActivity id="k" calledElement="inner">'
    assert opening in plain
    written = f'<bpmn:callActivity id="k" calledElement="{id}" {attributes}>'
    text = plain.replace(opening, written + inside)
    files = [("process.bpmn", text.encode())]
    if mappings:
        files.append(("process-extensions.json", extension_file(**mappings)))
    door.deploy(*files)
    door.deploy(("inner.bpmn", bpmn(inner, id="inner", dialect="activiti")))
    return Scenario(door)


@pytest.mark.parametrize(
    ("extensions", "attributes", "inside", "after"),
    [
        ("", "", "x=1 y=2", "x=9 y=2 z=3"),  # ours: without a word, everything both ways
        (IN + OUT, "", "px=1", "x=1 y=2 res=3"),
        (IN, "", "px=1", "x=1 y=2"),
        ("", INHERIT, "x=1 y=2", "x=1 y=2"),
        (OUT, INHERIT, "x=1 y=2", "x=1 y=2 res=3"),
        (IN, INHERIT, "x=1 y=2 px=1", "x=1 y=2"),
    ],
)
def test_what_says_how_to_go_in_says_how_to_come_back(
    door: Door, extensions: str, attributes: str, inside: str, after: str
):
    scenario = called(door, extensions, attributes)
    scenario.play("create x=1 y=2")
    outer = scenario.instance
    scenario.play(f"instance inner; variables {inside}; complete b x=9 z=3")
    scenario.instance = outer
    scenario.play(f"at a; variables {after}")


@pytest.mark.parametrize("source", ["nobody", "x"])
def test_a_source_that_does_not_exist_or_is_null_gives_null(door: Door, source: str):
    scenario = called(door, f'<activiti:in source="{source}" target="px"/>')
    scenario.play("create x=null; instance inner; variables px=null")


def test_so_it_is_on_the_way_back(door: Door):
    scenario = called(door, '<activiti:out source="nobody" target="res"/>')
    scenario.play("create")
    outer = scenario.instance
    scenario.play("instance inner; complete b")
    scenario.instance = outer
    scenario.play("at a; variables res=null")


def test_a_mapping_does_not_see_what_another_has_made(door: Door):
    swapped = "".join(f'<activiti:{way} source="{a}" target="{b}"/>' for way in ("in", "out") for a, b in ("xy", "yx"))
    scenario = called(door, swapped)
    scenario.play("create x=1 y=2")
    outer = scenario.instance
    scenario.play("instance inner; variables x=2 y=1; complete b x=3")
    scenario.instance = outer
    scenario.play("at a; variables x=1 y=3")


def test_an_expression_that_fails_is_an_incident(door: Door):
    called(door, '<activiti:in sourceExpression="${nobody}" target="px"/>').play("create; incident k IO_MAPPING_ERROR")


def test_an_extension_file_says_what_comes_back_beside_it(door: Door):
    mapping = {"k": {"inputs": {}, "outputs": {"r": variable("z")}}}
    scenario = called(door, IN, properties=properties(r="integer"), mappings=mapping)
    scenario.play("create x=1")
    outer = scenario.instance
    scenario.play("instance inner; complete b z=3")
    scenario.instance = outer
    scenario.play("at a; variables x=1 r=3")


# --- the business key of the called instance (measured on Activiti 7.1.0.M6, which has these attributes)

BY_X = "activiti:businessKey=' v${x} '"
KEYED = 'start > b:user(assignee="${execution.processInstanceBusinessKey}") > end'
AS_IT_IS = "activiti:businessKey='${x}'"


@pytest.mark.parametrize(
    ("attributes", "variables", "seen"),
    [
        (BY_X, '{"x":1}', "v1"),
        (BY_X + " activiti:inheritBusinessKey='true'", '{"x":1}', "v1"),
        ("activiti:businessKey='fix'", "{}", "fix"),
        ("activiti:businessKey='${execution.processInstanceBusinessKey}-2'", "{}", "order-7-2"),
        (AS_IT_IS, '{"x":5}', "5"),
        (AS_IT_IS, '{"x":true}', "true"),
        (AS_IT_IS, '{"x":""}', "None"),
        ("activiti:businessKey=''", "{}", "order-7"),
        ("activiti:inheritBusinessKey='true'", "{}", "order-7"),
        ("activiti:inheritBusinessKey='false'", "{}", "None"),
        ("", "{}", "order-7"),  # ours: without a word, that of the caller
        (AS_IT_IS, f'{{"x":"{"a" * 256}"}}', "a" * 256),
    ],
)
def test_a_call_names_the_business_key_of_what_it_calls(door: EngineDoor, attributes: str, variables: str, seen: str):
    called(door, "", attributes, inner=KEYED)
    scenario = started_by(door, "", variables, business_id="order-7")
    scenario.play(f"instance inner; waits b assignee={seen}")


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ("null", "Expected '${x}' to give a business key, but found null"),
        (f'"{"a" * 257}"', "Expected '${x}' to give a business key of at most 256 characters, but found 257"),
    ],
)
def test_a_call_without_a_fitting_business_key_waits_for_one(door: EngineDoor, x: str, message: str):
    called(door, "", AS_IT_IS, inner=KEYED)
    scenario = started_by(door, "", f'{{"x":{x}}}')
    scenario.play(
        f"incident k EXTRACT_VALUE_ERROR {message}; set x=order-8; resolve k; instance inner; waits b assignee=order-8"
    )


@pytest.mark.parametrize(("called_element", "key"), [("${x}", ""), ("inner", "activiti:businessKey='${x}'")])
def test_attributes_of_a_call_do_not_see_what_goes_in(door: EngineDoor, called_element: str, key: str):
    mapped = '<activiti:in source="y" target="x"/>'
    called(door, mapped, key, inner=KEYED, id=called_element)
    scenario = started_by(door, "", '{"x":"inner","y":"other"}', business_id="order-7")
    scenario.play(f"instance inner; variables x=other; waits b assignee={'inner' if key else 'order-7'}")


def test_calls_of_a_loop_have_each_its_own_even_the_same(door: EngineDoor):
    line = "start > k:call(called=inner, collection=l, element=x) > a:user > end"
    plain = bpmn(line, dialect="activiti").decode()
    opening = '<bpmn:callActivity id="k" calledElement="inner">'
    assert opening in plain
    written = opening.replace(">", f" {AS_IT_IS}><bpmn:extensionElements>{IN}</bpmn:extensionElements>")
    text = plain.replace(opening, written).encode()
    door.deploy(("process.bpmn", text), ("inner.bpmn", bpmn(KEYED, id="inner", dialect="activiti")))
    scenario = started_by(door, "", '{"l":["p","q","p"]}', business_id="order-7")
    outer = scenario.instance
    for key in ("p", "q", "p"):
        scenario.play(f"instance inner; waits b assignee={key}; complete b")
    scenario.instance = outer
    scenario.play("at a")
