"""Variables of a call activity of the Activiti dialect, as its own elements choose them (measured on Activiti 6.0.0, which has these elements)."""

import pytest

from tests.activiti import extension_file, properties, variable
from tests.bpmn import bpmn
from tests.doors import Door
from tests.harness import Scenario

IN = '<activiti:in source="x" target="px"/>'
OUT = '<activiti:out source="z" target="res"/>'
INHERIT = 'activiti:inheritVariables="true"'


@pytest.fixture
def door(alone_door: Door) -> Door:
    return alone_door


def called(door: Door, extensions: str, attributes: str = "", **mappings: object) -> Scenario:
    """A process that calls another, in which a person works."""
    plain = bpmn("start > k:call(called=inner) > a:user > end", dialect="activiti").decode()
    inside = f"<bpmn:extensionElements>{extensions}</bpmn:extensionElements>"
    opening = '<bpmn:callActivity id="k" calledElement="inner">'
    assert opening in plain
    text = plain.replace(opening, opening.replace(">", f" {attributes}>") + inside)
    files = [("process.bpmn", text.encode())]
    if mappings:
        files.append(("process-extensions.json", extension_file(**mappings)))
    door.deploy(*files)
    door.deploy(("inner.bpmn", bpmn("start > b:user > end", id="inner", dialect="activiti")))
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
