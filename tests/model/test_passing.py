"""Which elements do nothing but pass the token on: the engine takes their two steps as one."""

import gc

import pytest
from bpmn_fragments import read

from bpmn import bpmn
from osmia_broker.engine import Turn, commands, execute
from osmia_broker.engine.resources import compile_resources
from osmia_broker.model.graph import Element
from osmia_broker.model.upstream import is_reached_from
from osmia_broker.state.state import State

PASSING = {
    "a start event": ("start > end", "start"),
    "an end event": ("start > it:end", "it"),
    "a task without a type": ("start > it:task > end", "it"),
    "a manual task": ("start > it:manual > end", "it"),
    "a parallel gateway": ("start > it:parallel [a:task > end | b:task > end]", "it"),
    "a start event with a trigger, which has fired before": ("start(message=go) > end", "start"),
}
STAYING = {
    "the process itself": ("start > end", "p"),
    "a task with an input mapping": ('start > it:task(in.x="=1") > end', "it"),
    "a task with an output mapping": ('start > it:task(out.x="=1") > end', "it"),
    "a task with a timer on its edge": ("start > it:task > end & late:boundary(on=it, timer=PT1S) > end2", "it"),
    "a loop": ('start > it:task(items="=[1]") > end', "it"),
    "an end event that throws": ("start > it:end(signal=go)", "it"),
    "a gateway that chooses": ("start > it:exclusive [n > 1 -> a:task > end | else -> b:task > end]", "it"),
    "work for a person": ("start > it:user > end", "it"),
    "a subprocess": ("start > it:sub { start > end } > end", "it"),
}


@pytest.mark.parametrize(("line", "id"), PASSING.values(), ids=PASSING)
def test_the_token_is_passed_on_at_once(line: str, id: str) -> None:
    assert read(bpmn(line, id="p")).elements[id].only_passes


@pytest.mark.parametrize(("line", "id"), STAYING.values(), ids=STAYING)
def test_the_token_stays_for_a_step(line: str, id: str) -> None:
    assert not read(bpmn(line, id="p")).elements[id].only_passes


def test_what_was_worked_out_from_a_model_ends_with_it():
    line = "start > fork:inclusive [n > 1 -> it:user(assignee=ada) > join:inclusive | else -> b:user > join] > end"
    turn = Turn(State())
    execute(turn, commands.DeployResources(compile_resources([("p.bpmn", bpmn(line, id="p"))])), 1)
    execute(turn, commands.CreateProcessInstance("p", -1, 0, {"n": "2"}), 2)
    [definition] = turn.definitions.processes.all()
    model = turn.definitions.process(definition.key)
    join = model.elements["join"]
    assert is_reached_from({"start"}, join, join.incoming)
    assert join.worked_out == {}  # the links of its scope
    assert model.elements["it"].worked_out.columns["assignee"] == "ada"
    before = sum(type(one) is Element for one in gc.get_objects())
    turn.definitions._models.clear()
    turn.definitions._hot.clear()
    size = len(model.elements)
    del model, join
    gc.collect()
    assert sum(type(one) is Element for one in gc.get_objects()) <= before - size
