"""The extension file is deployed beside its BPMN file and versioned with it (user-tasks.md, section 5)."""

from typing import Any

import msgspec
import pytest

from tests.activiti import USER_TASK, extension_file, properties, started_by, variable
from tests.bpmn import bpmn
from tests.doors import Door, Refused
from tests.harness import Scenario, example

MODEL = bpmn("start > ask:user > end", dialect="activiti")
OTHER = bpmn("start > ask:user(name=x) > end", dialect="activiti")
FIRST = extension_file(properties=properties(a={"type": "integer", "value": 1}))
SECOND = extension_file(properties=properties(a={"type": "integer", "value": 2}))


@pytest.fixture
def door(alone_door: Door) -> Door:
    return alone_door


@pytest.mark.parametrize(
    ("bpmn_name", "name"),
    [
        ("p.bpmn", "p-extensions.json"),
        ("p.bpmn20.xml", "p-extensions.json"),
        ("p.xml", "p-extensions.json"),
        ("p.bpmn.xml", "p-extensions.json"),
        ("a/b c.bpmn", "a/b c-extensions.json"),
        ("p-extensions.bpmn", "p-extensions-extensions.json"),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_the_files_are_matched_by_their_names(door: Door, bpmn_name: str, name: str, is_first: bool):
    files = [(bpmn_name, MODEL), (name, FIRST)]
    door.deploy(*(files if is_first else reversed(files)))
    Scenario(door).play("create; variables a=1")


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ([[MODEL, FIRST], [MODEL, FIRST]], 1),  # the same bytes of both
        ([[MODEL, FIRST], [MODEL, SECOND]], 2),
        ([[MODEL, FIRST], [OTHER, FIRST]], 2),
        ([[MODEL], [MODEL, FIRST]], 2),
        ([[MODEL, FIRST], [MODEL]], 2),
        ([[MODEL, FIRST], [MODEL], [MODEL]], 2),
        ([[MODEL, FIRST], [MODEL, SECOND], [MODEL, FIRST]], 3),
    ],
)
def test_a_version_is_of_both_files(door: Door, files: list[list[bytes]], version: int):
    for pair in files:
        door.deploy(*zip(("p.bpmn", "p-extensions.json"), pair, strict=False))
    assert door.version("process") == version


def test_an_older_version_keeps_its_extension_file(door: Door):
    for pair in (FIRST, SECOND):
        door.deploy(("p.bpmn", MODEL), ("p-extensions.json", pair))
    for version in (1, 2):
        instance = door.create("process", "{}", version)
        assert door.variables(instance) == {"a": version}


@pytest.mark.parametrize("name", ["q.bpmn", "a/p.bpmn", "q.bpmn20.xml"])
def test_an_extension_file_of_another_name_belongs_to_the_process_that_it_names(door: Door, name: str):
    other = bpmn("start > ask:user > end", id="other", dialect="activiti")
    door.deploy(("b.bpmn", other), (name, MODEL), ("p-extensions.json", FIRST))
    assert door.variables(door.create("process", "{}")) == {"a": 1}
    door.deploy((name, MODEL), ("p-extensions.json", SECOND))
    assert door.variables(door.create("process", "{}")) == {"a": 2}
    assert door.variables(door.create("other", "{}")) == {}


def test_the_processes_of_one_file_have_extensions_of_their_own(door: Door):
    both = msgspec.json.encode(
        {
            "extensions": {
                "one": {"properties": properties(a={"type": "integer", "value": 1})},
                "two": {"properties": properties(b={"type": "integer", "value": 2})},
            }
        }
    )
    one, two = (bpmn("start > ask:user > end", id=id, dialect="activiti").decode() for id in ("one", "two"))
    second = two[two.index("<bpmn:process") : two.index("</bpmn:process>")].replace('id="', 'id="two_')
    second = second.replace('Ref="', 'Ref="two_').replace('id="two_two"', 'id="two"')
    door.deploy(
        ("p.bpmn", one.replace("</bpmn:process>", f"</bpmn:process>{second}</bpmn:process>").encode()),
        ("p-extensions.json", both),
    )
    Scenario(door).play("create_of one; variables a=1")
    Scenario(door).play("create_of two; variables b=2")


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (
            [("p-extensions.json", FIRST)],
            "'p-extensions.json': Expected the BPMN file 'p.bpmn', or one with a process that it names",
        ),
        ([("q.bpmn", MODEL), ("p-extensions.json", extension_file("other"))], "Expected the BPMN file 'p.bpmn'"),
        (
            [("q.bpmn", MODEL), ("q-extensions.json", FIRST), ("p-extensions.json", SECOND)],  # q has one already
            "'p-extensions.json': Expected the BPMN file 'p.bpmn'",
        ),
        ([("p.bpmn", MODEL), ("p-Extensions.json", FIRST)], "unknown resource type"),
        ([("p.bpmn", MODEL), ("p.json", FIRST)], "unknown resource type"),
        (
            [("p.bpmn", MODEL), ("p-extensions.json", FIRST), ("p-extensions.json", SECOND)],
            "Expected one file of this name",
        ),
        (
            [("p.bpmn", MODEL), ("p-extensions.json", extension_file("other"))],
            "Expected extensions of the processes of 'p.bpmn' ('process'), but found 'other'",
        ),
        (
            [("p.bpmn", bpmn("start > ask:user(assignee=ada) > end")), ("p-extensions.json", FIRST)],
            "to be written in the Activiti dialect",
        ),
        ([("p.bpmn", MODEL), ("p-extensions.json", b"{")], "Expected JSON, but found a fault: its end is missing"),
        (
            [("p.bpmn", MODEL), ("p-extensions.json", b'{"a": 1,\n "\xc3\xa4" 2}')],
            "but found a fault in line 2, column 6",
        ),
        ([("p.bpmn", MODEL), ("p-extensions.json", b"[]")], "Expected a JSON object with an object 'extensions'"),
        ([("p.bpmn", MODEL), ("p-extensions.json", b"")], "Expected JSON"),
    ],
)
def test_an_extension_file_without_its_process_is_refused(door: Door, files: list[tuple[str, bytes]], reason: str):
    with pytest.raises(Refused) as refused:
        door.deploy(*files)
    assert refused.value.status == "INVALID_ARGUMENT"
    assert reason in refused.value.text
    assert door.version("process") == 0


def test_a_changed_extension_file_does_not_change_running_instances(door: Door):
    first = extension_file(mappings={"ask": {"inputs": {"x": variable("given")}}})
    second = extension_file(mappings={"ask": {"inputs": {"y": variable("given")}}})
    door.deploy(("p.bpmn", MODEL), ("p-extensions.json", first))
    scenario = Scenario(door)
    scenario.play("create given=1")
    door.deploy(("p.bpmn", MODEL), ("p-extensions.json", second))
    scenario.play(f"activate {USER_TASK}; sees x=1")


def test_the_example_runs(door: Any):
    door.deploy(*((name, example(name)) for name in ("pizza-night.bpmn", "pizza-night-extensions.json")))
    started_by(door, "demo", '{"guests":4}', id="pizzaNight").play(
        f'variables guests=4 flavor=plain order={{"size":1}}; activate {USER_TASK}; sees hint="A pizza for 4" _limit=3;'
        'complete choose choice=hot; waits eat assignee=demo; variables guests=4 flavor=hot order={"size":4}'
    )
