"""Small models that name large values many times: they stop at an incident, and cost neither memory nor time."""

from collections.abc import Iterator
from typing import Any

import pytest

from osmia_broker.model.json_patch import PatchFailed, apply, read
from osmia_broker.model.templates import CHARACTERS_MAX, characters_of
from tests.activiti import deployed, patch, properties, value, variable
from tests.bpmn import bpmn
from tests.doors import EngineDoor, Refused
from tests.harness import Scenario, document

LARGE = f"big={'x' * 500_000}"
TIMES = 5_000  # together more than the memory of any machine that plays this
LINE = "start > t:user > b:job > end"


@pytest.fixture
def door() -> Iterator[EngineDoor]:
    door = EngineDoor()
    yield door
    door.close()


@pytest.mark.parametrize(
    "inputs",
    [
        {"list": value(["${big}"] * TIMES)},
        {"object": value({f"k{number}": "${big}" for number in range(TIMES)})},
        {f"v{number}": value("${big}") for number in range(TIMES)},
    ],
    ids=["a list", "an object", "many variables"],
)
def test_a_mapping_with_too_large_values_is_an_incident(door: EngineDoor, inputs: dict[str, Any]):
    deployed(door, LINE, mappings={"t": {"inputs": inputs, "outputs": {}}})
    Scenario(door).play(f"create {LARGE}; incident t IO_MAPPING_ERROR Expected a")


def test_a_mapping_with_large_values_works(door: EngineDoor):
    inputs = {"list": value(["${big}"] * 3), "same": variable("big")}
    deployed(door, LINE, mappings={"t": {"inputs": inputs, "outputs": {}}})
    Scenario(door).play(f"create {LARGE}; waits t")


def test_defaults_that_are_too_large_refuse_the_start(door: EngineDoor):
    deployed(door, LINE, properties=properties(v={"type": "json", "value": ["${big}"] * TIMES}))
    with pytest.raises(Refused, match=r"INVALID_ARGUMENT: Expected a value of at most"):
        door.create("process", document(LARGE))


def test_a_patch_that_copies_without_end_is_an_incident(door: EngineDoor):
    copies = [{"op": "copy", "from": "", "path": f"/k{number}"} for number in range(60)]  # twice the size each time
    outputs = {"order": patch(*copies)}
    deployed(
        door,
        LINE,
        properties=properties(order={"type": "json", "value": {"a": 1}}),
        mappings={"t": {"inputs": {}, "outputs": outputs}},
    )
    Scenario(door).play("create; complete t; incident t IO_MAPPING_ERROR to copy at most")


def test_mappings_of_the_other_dialect_are_bounded_too(door: EngineDoor):
    mappings = ", ".join(f'in.v{number}="=big + string({number})"' for number in range(TIMES // 10))
    door.deploy(("process.bpmn", bpmn(f"start > t:job({mappings}) > end")))
    Scenario(door).play(f"create {LARGE}; incident t IO_MAPPING_ERROR to make at most")


def test_mappings_may_replace_large_values(door: EngineDoor):
    mappings = ", ".join('in.v="=big"' if not number else f'in.v{number}="={number}"' for number in range(20))
    door.deploy(("process.bpmn", bpmn(f"start > t:job({mappings}) > end")))
    Scenario(door).play(f"create {LARGE}; waits t")


@pytest.mark.parametrize("shared", [[0] * 10, {"a": "x" * 100}, "text", None])
def test_shared_parts_count_each_time(shared: Any):
    once = characters_of(shared, CHARACTERS_MAX)
    assert characters_of([shared] * 7, CHARACTERS_MAX) > 7 * once
    assert characters_of([shared] * 7, 5) > 5


def test_copies_of_a_patch_count_together():
    document = {"text": "x" * (CHARACTERS_MAX // 3)}
    copies = [{"op": "copy", "from": "/text", "path": f"/k{number}"} for number in range(3)]
    assert len(apply(document, read(copies[:2]))) == 3
    with pytest.raises(PatchFailed, match="at most"):
        apply(document, read([*copies, *copies]))
