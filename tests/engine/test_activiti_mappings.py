"""What an extension file maps into an element and out of it (user-tasks.md, section 5)."""

from contextlib import closing
from typing import Any

import pytest

from osmia_broker.engine.activiti.element_mappings import put_inputs
from osmia_broker.engine.activiti.extensions import mapping_of
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows.tasks import UserTask, UserTaskState
from tests.activiti import USER_TASK, patch, played, properties, value, variable
from tests.doors import Door, EngineDoor

ASK = "start > ask:user > rest:user > end"
DECLARED = properties(order_number="string", flavor="string", order={"type": "json", "value": {"size": 1}})


@pytest.fixture
def door(alone_door: Door) -> Door:
    return alone_door


def mapped(**entry: Any) -> dict[str, Any]:
    """The mapping of the element `ask`, beside declared variables."""
    return {"properties": DECLARED, "mappings": {"ask": entry}}


@pytest.mark.parametrize(
    ("extensions", "seen"),
    [
        ({}, 'a=1 b="x"'),  # no file: everything
        ({"properties": {}}, 'a=1 b="x"'),  # no entry: everything
        ({"mappings": {"ask": {"mappingType": "MAP_ALL"}}}, 'a=1 b="x"'),
        ({"mappings": {"ask": {"mappingType": "MAP_ALL_INPUTS"}}}, 'a=1 b="x"'),
        ({"mappings": {"ask": {"mappingType": "MAP_ALL_OUTPUTS"}}}, ""),
        ({"mappings": {"ask": {}}}, ""),  # an entry, even an empty one, chooses
        ({"mappings": {"ask": {"inputs": {}, "outputs": {}}}}, ""),
        ({"mappings": {"ask": {"outputs": {"a": variable("b")}}}}, ""),
        ({"mappings": {"ask": {"inputs": {"c": variable("a")}}}}, "c=1"),  # exists although it is not declared
        ({"mappings": {"ask": {"inputs": {"c": {"type": "VARIABLE", "value": "a"}}}}}, "c=1"),
        ({"mappings": {"ask": {"inputs": {"c": variable("unknown")}}}}, ""),  # skipped
        ({"mappings": {"ask": {"inputs": {"c": value("n ${a + 1} of ${b}")}}}}, 'c="n 2 of x"'),
        ({"mappings": {"ask": {"inputs": {"c": value("${a}")}}}}, "c=1"),  # keeps its type
        ({"mappings": {"ask": {"inputs": {"c": value({"n": ["${a}", 2.50]})}}}}, 'c={"n":[1,2.5]}'),
        ({"mappings": {"ask": {"inputs": {"c": value("${nobody}")}}}}, 'c="${nobody}"'),  # stays as it is written
        ({"mappings": {"ask": {"inputs": {"c": value("${a} ${nobody}")}}}}, 'c="1 ${nobody}"'),
        ({"mappings": {"ask": {"inputs": {"c": value(None)}}}}, "c=null"),
        ({"mappings": {"ask": {"inputs": {"c": value(r"\${a}")}}}}, 'c="${a}"'),
        ({"mappings": {"ask": {"inputs": {"a": patch({"op": "add", "path": "/x/y", "value": "${b}"})}}}}, None),
        (
            {"mappings": {"ask": {"inputs": {"o": patch({"op": "add", "path": "/x/y", "value": "${b}"})}}}},
            'o={"x":{"y":"x"}}',
        ),
        ({"constants": {"ask": {"_limit": {"value": "${a}"}}}}, 'a=1 b="x" _limit="${a}"'),  # not evaluated
        (
            {
                "constants": {"ask": {"c": {"value": 3}}},
                "mappings": {"ask": {"inputs": {"c": variable("a"), "d": variable("b")}}},
            },
            'c=3 d="x"',
        ),
        ({"mappings": {"other": {}}}, 'a=1 b="x"'),
        ({"mappings": {"ask": None}}, 'a=1 b="x"'),
        ({"assignments": {"ask": {"assignment": "candidates"}}, "templates": {"tasks": {}}}, 'a=1 b="x"'),
    ],
)
def test_a_task_sees_what_the_mapping_makes(door: Door, extensions: dict[str, Any], seen: str | None):
    if seen is None:
        played(door, ASK, "create a=1 b=x; incident ask IO_MAPPING_ERROR", **extensions)
    else:
        played(door, ASK, f"create a=1 b=x; activate {USER_TASK}; sees {seen}", **extensions)


def test_a_variable_that_is_null_is_not_mapped(door: Door):
    played(door, ASK, f"create a=null; activate {USER_TASK}; sees", mappings={"ask": {"inputs": {"c": variable("a")}}})


@pytest.mark.parametrize(
    ("entry", "submitted", "left"),
    [
        ({"mappingType": "MAP_ALL"}, "choice=hot", "choice=hot"),
        ({"mappingType": "MAP_ALL_OUTPUTS"}, "choice=hot", "choice=hot"),
        ({"mappingType": "MAP_ALL_OUTPUTS", "inputs": {"choice": value("mild")}}, "choice=hot", "choice=hot"),
        ({"mappingType": "MAP_ALL_INPUTS"}, "choice=hot", ""),
        ({}, "choice=hot", ""),
        ({"outputs": {}}, "choice=hot", ""),
        ({"inputs": {"choice": value("mild")}}, "choice=hot", ""),
        ({"outputs": {"flavor": variable("choice")}}, "choice=hot", "flavor=hot"),
        ({"outputs": {"flavor": variable("choice")}}, "", ""),  # a missing one writes nothing
        ({"outputs": {"flavor": variable("choice")}}, "choice=null", ""),
        ({"outputs": {"flavor": variable("choice")}, "inputs": {"choice": value("mild")}}, "", "flavor=mild"),
        ({"outputs": {"unknown": variable("choice")}}, "choice=hot", ""),  # neither declared nor there
        ({"outputs": {"given": variable("choice")}}, "choice=hot", "given=hot"),  # there, although not declared
        ({"outputs": {"flavor": value("very ${choice}")}}, "choice=hot", 'flavor="very hot"'),
        ({"outputs": {"flavor": value("${given}")}}, "choice=hot", "flavor=1"),  # a variable of the process
        ({"outputs": {"flavor": value("${given}")}}, "given=5", "flavor=5"),  # of the task first
        ({"outputs": {"flavor": value("${nobody}")}}, "", 'flavor="${nobody}"'),
        ({"outputs": {"order": patch({"op": "replace", "path": "/size", "value": 2})}}, "", 'order={"size":2}'),
        (
            {"outputs": {"order": patch({"op": "add", "path": "/a/b", "value": "${choice}"})}},
            "choice=hot",
            'order={"size":1,"a":{"b":"hot"}}',
        ),
        ({"outputs": {"flavor": patch({"op": "add", "path": "/a", "value": 1})}}, "", 'flavor={"a":1}'),
        ({"outputs": {"flavor": variable("order")}, "mappingType": "MAP_ALL_INPUTS"}, "", 'flavor={"size":1}'),
    ],
)
def test_only_what_the_mapping_chooses_leaves_a_task(door: Door, entry: dict[str, Any], submitted: str, left: str):
    expected = f"given=1 {left}" if "given=" not in left else left
    if "order=" not in left:
        expected += ' order={"size":1}'
    played(door, ASK, f"create given=1; complete ask {submitted}; at rest; variables {expected}", **mapped(**entry))


def test_a_patch_that_does_not_fit_stops_the_completed_task_until_it_is_resolved(door: Door):
    entry = {"outputs": {"order": patch({"op": "replace", "path": "/size", "value": 2})}}
    played(
        door,
        ASK,
        "create order={}; complete ask; incident ask IO_MAPPING_ERROR /size; none ask;"
        'set order={"size":9}; resolve ask; at rest; variables order={"size":2}',
        **mapped(**entry),
    )


@pytest.mark.parametrize("submitted", ['"${x}"', '"a ${x} b"', '{"deep":["${x}"]}', '"\\u0024{x}"', '"$\\u007bx}"'])
@pytest.mark.parametrize("entry", [{}, {"mappingType": "MAP_ALL"}, {"outputs": {"flavor": variable("choice")}}])
def test_a_person_may_not_submit_expressions_to_a_mapped_task(door: Door, entry: dict[str, Any], submitted: str):
    scenario = f'create; complete ask variables={{"choice":{submitted}}}'
    played(door, ASK, scenario, refused="INVALID_ARGUMENT", **mapped(**entry))


@pytest.mark.parametrize("extensions", [{}, {"properties": DECLARED}, {"constants": {"ask": {"c": {"value": 1}}}}])
def test_what_a_person_submits_is_never_evaluated(door: Door, extensions: dict[str, Any]):
    scenario = played(door, ASK, 'create given=1; complete ask choice="${given}"; at rest', **extensions)
    assert door.variables(scenario.instance)["choice"] == "${given}"


def test_what_looks_like_an_expression_is_copied_as_it_is(door: Door):
    entry = {"inputs": {"c": variable("a"), "d": value("${a}")}, "outputs": {"flavor": value("${c}")}}
    played(
        door,
        ASK,
        f'create a="${{1 + 1}}"; activate {USER_TASK}; sees c="${{1 + 1}}" d="${{1 + 1}}"; complete ask;'
        'variables a="${1 + 1}" flavor="${1 + 1}" order={"size":1}',
        **mapped(**entry),
    )


def test_a_worker_of_a_service_task_sees_only_mapped_variables_and_may_send_any_text(door: Door):
    played(
        door,
        "start > ask:job > rest:user > end",
        'create a=1; activate ask; sees c=1; complete ask choice="${x}"; variables a=1 flavor="${x}" order={"size":1}',
        **mapped(inputs={"c": variable("a")}, outputs={"flavor": variable("choice")}),
    )


def test_what_is_set_at_a_mapped_task_stays_there_until_it_completes(door: Door):
    played(
        door,
        ASK,
        f"create a=1; set ask draft=x a=2; activate {USER_TASK}; sees c=1 draft=x a=2; complete ask;"
        'variables a=1 flavor=x order={"size":1}',
        **mapped(inputs={"c": variable("a")}, outputs={"flavor": variable("draft")}),
    )


def test_a_failed_job_offers_the_same_variables_again(door: Door):
    played(
        door,
        "start > ask:job > end",
        "create a=1; activate ask; sees c=1; fail ask retries=1 var.d=2; activate ask; sees c=1 d=2",
        **mapped(inputs={"c": variable("a")}),
    )


def test_the_attributes_of_a_task_read_the_process_and_not_the_mapping(door: Door):
    played(
        door,
        'start > ask:user(assignee="${who}") > end',
        f"create who=ada; waits ask assignee=ada; activate {USER_TASK}; sees who=ben",
        mappings={"ask": {"inputs": {"who": value("ben")}}},
    )


def test_a_called_process_gets_and_returns_what_is_mapped(door: Door):
    played(
        door,
        "start > ask:callActivity(called=process2) > rest:user > end",
        "create a=1",
        **mapped(inputs={"c": variable("a"), "d": value("${a + 1}")}, outputs={"flavor": variable("x")}),
    )
    from tests.activiti import deployed
    from tests.harness import Scenario

    deployed(door, "start > w:user > end", id="process2")
    scenario = Scenario(door)
    scenario.play(
        "create a=1; instance process2; variables c=1 d=2; complete w x=hot y=1; instance;"
        'at rest; variables a=1 flavor=hot order={"size":1}'
    )


def test_a_message_leaves_its_event_as_mapped(door: Door):
    played(
        door,
        "start > ask:catch(message=paid) > rest:user > end",
        'create; publish paid choice=hot other=1; at rest; variables flavor=hot order={"size":1}',
        **mapped(outputs={"flavor": variable("choice")}),
    )


def test_a_thrown_message_carries_what_is_mapped(door: Door):
    played(
        door,
        "start > f:parallel [w:catch(message=paid) > rest:user > end | b:user > ask:throw(message=paid) > end2]",
        'create a=1; complete b; at rest; variables a=1 c=1 order={"size":1}',
        **mapped(inputs={"c": variable("a")}),
    )


def test_a_mapping_belongs_to_the_version_that_it_was_deployed_with(door: Door):
    first = played(door, ASK, "create a=1", **mapped(inputs={"c": variable("a")}))
    second = played(door, ASK, "create a=1", **mapped(inputs={"d": variable("a")}))
    assert door.version("process") == 2
    jobs = {job.variables.keys() and next(iter(job.variables)) for job in door.activate(USER_TASK, 9, 1000)}
    assert jobs == {"c", "d"}
    assert first.instance != second.instance


@pytest.mark.parametrize(("entry", "sees_only_own"), [({}, 1), ({"mappingType": "MAP_ALL_INPUTS"}, 0)])
def test_the_row_of_a_task_says_whether_it_sees_only_mapped_variables(entry: dict[str, Any], sees_only_own: int):
    with closing(EngineDoor()) as door:
        scenario = played(door, ASK, "create", **mapped(**entry))
        turn = Turn(door.partition.state)
        [instance] = turn.elements.by("scope_key", scenario.instance)
        task = UserTask(
            *(turn.next_key(), scenario.instance, instance.process_definition_key, instance.key),
            *("ask", 0, "", "", "", UserTaskState.CREATED),
        )
        turn.user_tasks.insert(task)
        mapping = mapping_of(turn, instance)
        assert mapping is not None
        put_inputs(turn, instance, mapping)
        assert task.sees_only_own == sees_only_own


@pytest.mark.parametrize(
    ("assignee", "source", "expected"),
    [
        ("ada", variable("sys_task_assignee"), "who=ada"),
        ("ada", variable("other"), ""),
        ("${nobody}", variable("sys_task_assignee"), ""),  # nobody has it: the output is skipped
    ],
)
def test_an_output_may_be_the_one_who_had_the_task(door: Door, assignee: str, source: dict[str, Any], expected: str):
    played(
        door,
        f'start > ask:user(assignee="{assignee}") > rest:user > end',
        f"create nobody=null; complete ask; at rest; variables nobody=null {expected}",
        properties=properties(who="string"),
        mappings={"ask": {"outputs": {"who": source}}},
    )
