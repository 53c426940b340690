"""The Activiti dialect runs the same elements (user-tasks.md, section 5)."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.bpmn import bpmn
from tests.doors import Door
from tests.harness import Scenario

Play = Callable[..., Scenario]


@pytest.fixture
def door(alone_door: Door) -> Door:
    return alone_door


def played(door: Any, line: str, scenario: str, extra: str = "") -> Scenario:
    """Deploy *line* in the Activiti dialect, then play."""
    door.deploy(("process.bpmn", bpmn(line, dialect="activiti", extra=extra)))
    scenario_at_door = Scenario(door)
    scenario_at_door.play(scenario)
    return scenario_at_door


def test_timers_take_constants_and_expressions(door: Door):
    played(
        door,
        "start > a:user > end & t:boundary(on=a, timer=${wait}) > b:job > e2:end",
        "create wait=PT10S; advance 10000; at b",
    )


def test_a_message_reaches_whoever_waits_for_its_name(door: Door):
    played(door, "start > w:catch(message=paid) > a:job > end", "create; publish paid x=1; at a; variables x=1")


def test_signals_and_errors_are_caught(door: Door):
    played(
        door,
        "start > a:job > end & e:boundary(on=a, error=E) > b:job > e2:end & s:boundary(on=a, signal=go, cancel=false) > c:job > e3:end",
        "create; signal go; at a c; throw a code=E; at b c",
    )


def test_a_process_is_called(door: Door):
    door.deploy(("child.bpmn", bpmn("start > w:job > end", id="child", dialect="activiti")))
    played(
        door,
        "start > c:callActivity(called=child) > a:job > end",
        "create x=1; instance child; complete w y=2; instance; at a; variables x=1 y=2",
    )


def test_a_cardinality_counts_from_zero(door: Door):
    played(
        door,
        'start > m:job(cardinality=3, done="${nrOfCompletedInstances == 2}") > a:job > end',
        "create; at m m m m; activate m; complete m; complete m; at a",
    )


def test_a_collection_gives_its_items(door: Door):
    scenario = played(
        door,
        "start > m:job(collection=people, element=person, sequential=true) > end",
        'create people=["ada","bob"]; activate m',
    )
    assert scenario.last is not None
    assert (scenario.last.variables["person"], scenario.last.variables["loopCounter"]) == ("ada", 0)


@pytest.mark.parametrize("cardinality", ["-1", "many", "${x}", "1.5"])
def test_a_cardinality_that_is_no_number_from_zero_is_an_incident(door: Door, cardinality: str):
    played(door, f"start > m:job(cardinality={cardinality}) > end", "create x=true; incident m EXTRACT_VALUE_ERROR")


def test_a_cardinality_of_zero_is_passed(door: Door):
    played(door, "start > m:job(cardinality=0) > a:job > end", "create; at a")


@pytest.mark.parametrize(("n", "at"), [("1", "b"), ("5", "b c")])
def test_conditions_of_flows_behind_a_task_are_honoured(door: Door, n: str, at: str):
    flow = '<bpmn:sequenceFlow id="f" sourceRef="a" targetRef="c"><bpmn:conditionExpression>${n > 3}</bpmn:conditionExpression></bpmn:sequenceFlow>'
    task = '<bpmn:serviceTask id="c" implementation="c"/>'
    played(door, "start > a:job > b:job > end", f"create n={n}; complete a; at {at}", extra=task + flow)
