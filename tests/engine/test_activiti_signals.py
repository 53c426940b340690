"""Signals of the Activiti dialect: what they carry, and how far they reach (measured on Activiti 7.1.0.M6)."""

import pytest

from tests.activiti import deployed, played
from tests.doors import Door
from tests.harness import Scenario

WAITS = "wait:catch(signal=go{scope}) > a:user > end"
THROWS = "z:user > tell:throw(signal=go{scope}) > b:user > end2"
BOTH = f"start > fork:parallel [{WAITS} | {THROWS}]"
INSIDE = BOTH.replace("{scope}", ", scope=inside")


@pytest.fixture
def door(alone_door: Door) -> Door:
    return alone_door


def two(door: Door, line: str) -> tuple[Scenario, int, int]:
    """Two instances that wait for the signal and may throw it; the second one goes on."""
    scenario = played(door, line, "create x=1")
    first = scenario.instance
    scenario.play("create x=2")
    return scenario, first, scenario.instance


def test_a_thrown_signal_carries_all_variables(door: Door):
    scenario, first, _ = two(door, BOTH.replace("{scope}", ""))
    scenario.play("complete z y=3; at a b; variables x=2 y=3")
    scenario.instance = first
    scenario.play("at a z; variables x=2 y=3")


def test_so_a_process_that_it_starts_has_them(door: Door):
    deployed(door, "start(signal=go) > c:user > end", id="other")
    played(
        door, "start > z:user > tell:end(signal=go)", "create x=1; complete z; completed; instance other; variables x=1"
    )


def test_one_that_stays_inside_reaches_its_own_instance_alone(door: Door):
    scenario, first, _ = two(door, INSIDE)
    scenario.play("complete z; at a b")
    scenario.instance = first
    scenario.play("at wait z; variables x=1")


def test_a_caller_does_not_reach_it(door: Door):
    played(door, INSIDE, "create; signal go; at wait z; complete z; at a b")


def test_it_does_not_reach_events_that_listen_to_all(door: Door):
    deployed(door, "start > wait:catch(signal=go) > a:user > end", id="other")
    scenario = Scenario(door)
    scenario.play("create_of other; at wait")
    other = scenario.instance
    played(door, INSIDE, "create; complete z; at a b")
    scenario.instance = other
    scenario.play("at wait")


@pytest.mark.parametrize("cancel", ["true", "false"])
def test_it_reaches_boundary_events_and_event_subprocesses(door: Door, cancel: str):
    caught = f"& late:boundary(on=a, signal=go, scope=inside, cancel={cancel}) > c:user > end3"
    helped = "& help:eventsub { in:start(signal=go, scope=inside, interrupting=false) > d:user > end4 }"
    line = f"start > fork:parallel [a:user > end | z:user > tell:throw(signal=go, scope=inside) > b:user > end2] {caught} {helped}"
    at = "b c d help" if cancel == "true" else "a b c d help"
    played(door, line, f"create; complete z; at {at}; signal go; at {at}")
