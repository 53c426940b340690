"""Terminate events of the Activiti dialect that reach beyond their scope (measured on Activiti 6.0.0 and 7.1.0.M6)."""

import pytest

from tests.activiti import deployed, played
from tests.doors import Door

EACH = "collection=people, element=person"
TWO = 'create people=["ada","bob"]'


@pytest.fixture
def door(alone_door: Door) -> Door:
    return alone_door


@pytest.mark.parametrize(
    "path", ["in:sub { start > a:user > stop:end(terminate=all) } > end", "a:user > stop:end(terminate=all)"]
)
def test_terminate_all_ends_the_process(door: Door, path: str):
    played(door, f"start > fork:parallel [{path} | b:user > end2]", "create; complete a; completed")


def test_a_plain_terminate_event_ends_its_scope_alone(door: Door):
    line = "start > fork:parallel [in:sub { start > a:user > stop:end(terminate=yes) } > c:user > end | b:user > end2]"
    played(door, line, "create; complete a; at b c; complete b; complete c; completed")


def test_terminate_all_in_a_called_process_ends_its_callers(door: Door):
    deployed(door, "start > a:user > stop:end(terminate=all)", id="inner")
    deployed(door, "start > k:call(called=inner) > end", id="middle")
    scenario = played(door, "start > fork:parallel [k:call(called=middle) > c:user > end | b:user > end2]", "create")
    outermost = scenario.instance
    scenario.play("instance inner; complete a; completed; instances middle 0")
    scenario.instance = outermost
    scenario.play("completed")


@pytest.mark.parametrize("sequential", ["true", "false"])
def test_terminate_of_the_loop_ends_all_its_instances(door: Door, sequential: str):
    inside = f"in:sub({EACH}, sequential={sequential}) {{ start > a:user > stop:end(terminate=loop) }}"
    played(door, f"start > {inside} > c:user > end", f"{TWO}; complete a; at c; complete c; completed")


def test_terminate_of_the_loop_ends_the_innermost_one(door: Door):
    inside = "inner:sub(cardinality=2) { start > a:user > stop:end(terminate=loop) } > b:user > end"
    line = f"start > in:sub({EACH}, sequential=true) {{ start > {inside} }} > c:user > end"
    played(
        door,
        line,
        f"{TWO}; complete a; at b in in; complete b; at a a in in inner inner inner; complete a; complete b; at c",
    )


def test_without_a_loop_it_ends_its_scope(door: Door):
    line = "start > fork:parallel [in:sub { start > a:user > stop:end(terminate=loop) } > c:user > end | b:user > end2]"
    played(door, line, "create; complete a; at b c")
