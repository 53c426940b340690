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


@pytest.mark.parametrize("cardinality", ["${-1}", "${x}", "${-1.5}", "9${x}"])
def test_a_cardinality_that_is_no_number_from_zero_is_an_incident(door: Door, cardinality: str):
    played(door, f"start > m:job(cardinality={cardinality}) > end", "create x=true; incident m EXTRACT_VALUE_ERROR")


def test_a_cardinality_of_zero_is_passed(door: Door):
    played(door, "start > m:job(cardinality=0) > a:job > end", "create; at a")


@pytest.mark.parametrize(("n", "at"), [("1", "b"), ("5", "b c")])
def test_conditions_of_flows_behind_a_task_are_honoured(door: Door, n: str, at: str):
    flow = '<bpmn:sequenceFlow id="f" sourceRef="a" targetRef="c"><bpmn:conditionExpression>${n > 3}</bpmn:conditionExpression></bpmn:sequenceFlow>'
    task = '<bpmn:serviceTask id="c" implementation="c"/>'
    played(door, "start > a:job > b:job > end", f"create n={n}; complete a; at {at}", extra=task + flow)


@pytest.mark.parametrize(
    ("line", "scenario"),
    [
        (
            "start > w:catch(date=${when}) > a:user > end",
            'create when="2027-01-15T08:00:10Z"; advance 9000; at w; advance 2000; at a',
        ),
        ("start > w:catch(timer=PT${n}S) > a:user > end", "create n=10; advance 10000; at a"),
        (
            "start > a:user > end & t:boundary(on=a, cycle=R2/PT10S, cancel=false) > b:user > e2:end",
            "create; advance 10000; at a b; advance 10000; at a b b; advance 10000; at a b b",
        ),
        (
            "start > g:events [w:catch(timer=PT1H) > a:user > end | m:catch(message=paid) > b:user > end2]",
            "create; at g; publish paid; at b",
        ),
        (
            "start > s:throw(signal=go) > w:user > end & e:eventsub { on:start(signal=go, interrupting=false) > a:user > e2:end }",
            "create; at w e a",
        ),
        (
            "start > s:sub { start > f:end(error=E) } > end & c:boundary(on=s, error=E) > a:user > e2:end",
            "create; at a",
        ),
        ("start > s:sub { start > a:user > end } > b:user > end", "create; at s a; complete a; at b"),
        (
            'start > s:sub(collection=people, element=p) { start > a:user(assignee="${p}") > end } > b:user > end',
            'create people=["ada","bob"]; complete a; complete a; at b; variables people=["ada","bob"]',
        ),
        (
            "start > f:parallel [a:user > j:parallel | b:user > j] > c:user > end",
            "create; complete a; complete b; at c",
        ),
        (
            "start > g:inclusive [${n > 1} -> a:user > j:inclusive | ${n > 2} -> b:user > j | else -> c:user > j] > d:user > end",
            "create n=3; complete a; complete b; at d",
        ),
        ("start > a:user > stop:end(terminate=yes)", "create; complete a; completed"),
        ("start > w:receive(message=paid) > a:user > end", "create; publish paid x=1; at a; variables x=1"),
        ("start > m:throw(message=paid) > a:user > end", "create; at a"),
        ("start > a:task > b:manual > c:user > end", "create; at c"),
        (
            "start > a:user > t:throw(compensate=any) > b:user > end & u:boundary(on=a, compensate=any, handler=undo) & undo:user(compensates=yes)",
            "create; complete a; complete undo; at b",
        ),
    ],
)
def test_every_element_runs_in_the_dialect(door: Door, line: str, scenario: str):
    played(door, line, scenario)


@pytest.mark.parametrize(
    ("start", "trigger"),
    [("message=go", "publish go x=1"), ("signal=go", "signal go x=1"), ("timer=PT10S", "advance 10000")],
)
def test_events_start_a_process(door: Door, start: str, trigger: str):
    door.deploy(("process.bpmn", bpmn(f"start:start({start}) > a:user > end", dialect="activiti")))
    Scenario(door).play(f"{trigger}; instance; at a")


@pytest.mark.parametrize(
    ("line", "given", "incident"),
    [
        ("start > w:catch(timer=${nobody}) > end", "", "w EXTRACT_VALUE_ERROR"),
        ("start > w:catch(date=${when}) > end", "when=soon", "w EXTRACT_VALUE_ERROR"),
        ("start > g:exclusive [${nobody} -> a:user > end | else -> b:user > end2]", "", "g EXTRACT_VALUE_ERROR"),
        ("start > g:exclusive [${n} -> a:user > end | else -> b:user > end2]", "n=5", "g EXTRACT_VALUE_ERROR"),
        ("start > g:exclusive [${n > 9} -> a:user > end | ${n > 8} -> b:user > end2]", "n=5", "g CONDITION_ERROR"),
        ("start > c:callActivity(called=nowhere) > end", "", "c CALLED_ELEMENT_ERROR"),
        ("start > c:callActivity(called=${nobody}) > end", "", "c EXTRACT_VALUE_ERROR"),
        ("start > a:user(assignee=${nobody}) > end", "", "a EXTRACT_VALUE_ERROR"),
        ("start > a:user(groups=${g}) > end", "g=null", "a EXTRACT_VALUE_ERROR"),
        ("start > a:user(form=${f}) > end", "f=5", "a EXTRACT_VALUE_ERROR"),
        ("start > a:user(due=${d}) > end", "d=5", "a EXTRACT_VALUE_ERROR"),
    ],
)
def test_what_cannot_be_evaluated_is_an_incident(door: Door, line: str, given: str, incident: str):
    played(door, line, f"create {given}; incident {incident}")
