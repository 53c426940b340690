"""Multi-instance of the Activiti dialect: counters, item, condition, results (user-tasks.md, section 5)."""

from typing import Any

import pytest

from tests.activiti import USER_TASK, deployed, played, properties, value, variable
from tests.bpmn import bpmn
from tests.doors import Door
from tests.harness import Scenario

REST = "> rest:user > end"
PEOPLE = 'create people=["ada","bob","cleo"]'


@pytest.fixture
def door(alone_door: Door) -> Door:
    return alone_door


def jobs(door: Any) -> list[dict[str, Any]]:
    """The variables of the user tasks that are open, oldest first."""
    return [job.variables for job in door.activate(USER_TASK, 9, 1000)]


def test_the_counters_are_variables_that_count_from_zero(door: Door):
    deployed(door, f'start > m:user(collection=people, element=person, assignee="${{person}}") {REST}')
    scenario = Scenario(door)
    scenario.play(PEOPLE)
    seen = jobs(door)
    assert [(one["person"], one["loopCounter"]) for one in seen] == [("ada", 0), ("bob", 1), ("cleo", 2)]
    assert [seen[0][name] for name in ("nrOfInstances", "nrOfActiveInstances", "nrOfCompletedInstances")] == [3, 3, 0]


def test_one_after_the_other_sees_how_many_have_completed(door: Door):
    scenario = played(door, f"start > m:user(cardinality=3, sequential=true) {REST}", "create")
    for completed in range(3):
        [seen] = jobs(door)
        assert [seen[name] for name in ("loopCounter", "nrOfCompletedInstances", "nrOfActiveInstances")] == [
            completed,
            completed,
            1,
        ]
        scenario.do_complete("m")
    scenario.play("at rest; variables")


@pytest.mark.parametrize("sequential", ["true", "false"])
@pytest.mark.parametrize(
    ("loop", "given", "played_out"),
    [
        ("cardinality=2, element=x", "", "complete m; complete m; at rest"),
        ('cardinality="${n}", element=x', "n=1.9", "waits m assignee=ada; complete m; at rest"),
        ("cardinality=0, element=x", "people=5", "at rest"),  # then nobody looks at the collection
        (
            "cardinality=4, element=x",
            "",
            "incident m EXTRACT_VALUE_ERROR Expected '${people}' to give an item for each of 4 instances, but found 3",
        ),
        ("cardinality=2, element=x", "people=null", "incident m EXTRACT_VALUE_ERROR to be 'ARRAY'"),
        ('cardinality="${-1}", element=x', "", "incident m EXTRACT_VALUE_ERROR a number from 0"),
        ("cardinality=4", "x=eve", "waits m assignee=eve; complete m; complete m; complete m; complete m; at rest"),
    ],
)
def test_beside_a_cardinality_the_collection_gives_the_items_only(
    door: Door, sequential: str, loop: str, given: str, played_out: str
):
    task = f'm:user(collection=people, {loop}, sequential={sequential}, assignee="${{x}}")'
    played(door, f"start > {task} {REST}", f"{PEOPLE} {given}; {played_out}")


@pytest.mark.parametrize("sequential", ["true", "false"])
def test_the_items_and_the_counters_of_such_a_loop_are_of_the_first_so_many(door: Door, sequential: str):
    line = f"start > m:user(collection=people, element=x, cardinality=2, sequential={sequential}) {REST}"
    scenario = played(door, line, PEOPLE)
    seen = jobs(door)
    if sequential == "true":
        scenario.do_complete("m")
        seen += jobs(door)
    assert [(one["x"], one["nrOfInstances"]) for one in seen] == [("ada", 2), ("bob", 2)]


@pytest.mark.parametrize(
    ("condition", "completed"),
    [
        ("${nrOfCompletedInstances == 2}", 2),
        ("${nrOfActiveInstances == 1}", 2),  # it counts the completion itself
        ("${nrOfCompletedInstances / nrOfInstances ge 0.5}", 2),
        ("${nrOfInstances == nrOfCompletedInstances}", 3),
        ("${done}", 1),  # submitted by the completion
        ("${loopCounter == 1}", 2),
    ],
)
def test_the_condition_is_asked_after_each_completion(door: Door, condition: str, completed: int):
    scenario = played(door, f'start > m:user(cardinality=3, done="{condition}") {REST}', "create")
    for _ in range(completed - 1):
        scenario.play("complete m done=false; running")
        assert any(id == "m" for _, id in door.elements(scenario.instance))
    scenario.play("complete m done=true; at rest")


@pytest.mark.parametrize("condition", ["${x}", "${x.y.z}", "${nobody}", "${1}", "${'true'}", "${x / 0 == 1}"])
def test_a_condition_that_is_no_boolean_refuses_the_completion(door: Door, condition: str):
    scenario = played(door, f'start > m:user(cardinality=2, done="{condition}") {REST}', "create x=5")
    scenario.play("complete m y=1", refused="FAILED_PRECONDITION")
    scenario.play("at m m m; variables x=5")


def test_a_refused_completion_may_be_tried_again_with_a_value_for_the_condition(door: Door):
    scenario = played(door, f'start > m:user(cardinality=3, done="${{done}}") {REST}', "create")
    scenario.play("complete m", refused="FAILED_PRECONDITION")
    scenario.play("complete m done=false; at m m m; complete m done=true; at rest")


def test_a_condition_around_a_task_refuses_its_completion_too(door: Door):
    line = f'start > s:sub(cardinality=2, done="${{x}}") {{ start > m:user > end }} {REST}'
    scenario = played(door, line, "create x=5")
    scenario.play("complete m", refused="FAILED_PRECONDITION")
    scenario.play("waits m; complete m x=true; at rest")


def test_a_condition_that_no_caller_waits_for_is_an_incident(door: Door):
    line = f'start > s:sub(cardinality=2, done="${{x}}") {{ start > m:catch(timer=PT1S) > end }} {REST}'
    played(door, line, "create x=5; advance 1000; incident s EXTRACT_VALUE_ERROR")


def test_the_condition_is_not_asked_after_the_last(door: Door):
    played(door, f'start > m:user(cardinality=1, done="${{nobody}}") {REST}', "create; complete m; at rest")


@pytest.mark.parametrize(
    ("loop", "given"),
    [
        ("cardinality=${-1}", ""),
        ("cardinality=${n}", "n=-1"),
        ("cardinality=${n}", "n=many"),
        ("cardinality=${n}", 'n="2.5"'),  # Java reads no fraction in a text
        ("cardinality=${n}", "n=-1.5"),
        ("cardinality=${n}", "n=true"),
        ("cardinality=${n}", ""),
        ("collection=people", ""),
        ("collection=people", "people=null"),
        ("collection=people", "people=ada"),
        ("collection=${people}", "people=5"),
        ("collection=${nobody}", ""),
    ],
)
def test_a_loop_without_its_number_is_an_incident(door: Door, loop: str, given: str):
    played(door, f"start > m:user({loop}) {REST}", f"create {given}; incident m EXTRACT_VALUE_ERROR; idle")


@pytest.mark.parametrize(
    ("loop", "given"),
    [
        ("cardinality=0", ""),
        ("cardinality=${n}", "n=0"),
        ('cardinality="${n}"', 'n="0"'),
        ("collection=people", "people=[]"),
        ("collection=${people}", "people=[]"),
    ],
)
def test_a_loop_of_nothing_is_passed(door: Door, loop: str, given: str):
    played(door, f"start > m:user({loop}, output=meals) {REST}", f"create {given}; at rest; variables {given} meals=[]")


@pytest.mark.parametrize(
    ("cardinality", "given"), [("${n / 2}", "n=5"), ("${n}", "n=2.9"), ("${n}", 'n=" 2 "'), ("${n}", "n=2.0")]
)
def test_a_fraction_of_the_cardinality_does_not_count(door: Door, cardinality: str, given: str):
    played(
        door, f'start > m:user(cardinality="{cardinality}") {REST}', f"create {given}; complete m; complete m; at rest"
    )


@pytest.mark.parametrize(
    ("item", "first", "second", "expected"),
    [
        (", output_item=meal", "meal=stew x=1", "meal=soup", '["stew","soup"]'),
        (", output_item=meal", "meal=stew", "x=1", '["stew",null]'),
        ("", "meal=stew x=1", "", '[{"meal":"stew","x":1},{}]'),
        ("", "meal=stew loopCounter=7", "", '[{"meal":"stew"},{}]'),
    ],
)
@pytest.mark.parametrize("sequential", ["true", "false"])
def test_results_are_collected_and_nothing_else_leaves_the_loop(
    door: Door, item: str, first: str, second: str, expected: str, sequential: str
):
    played(
        door,
        f"start > m:user(cardinality=2, output=meals{item}, sequential={sequential}) {REST}",
        f"create; complete m {first}; complete m {second}; at rest; variables meals={expected}",
    )


def test_results_are_in_the_order_of_completion(door: Door):
    scenario = played(
        door, f"start > m:user(collection=people, element=who, output=meals, output_item=meal) {REST}", PEOPLE
    )
    keys = [job.key for job in door.activate(USER_TASK, 9, 1000)]
    for key, meal in zip((keys[2], keys[0], keys[1]), ("stew", "soup", "pie"), strict=True):
        scenario.play(f"complete {key} meal={meal}")
    scenario.play('at rest; variables people=["ada","bob","cleo"] meals=["stew","soup","pie"]')


def test_a_subprocess_keeps_what_the_elements_in_it_give_for_the_list(door: Door):
    """Anything else leaves: the elements in it are no instances of the loop."""
    played(
        door,
        f"start > m:sub(cardinality=3, output=meals, output_item=meal) {{ start > cook:user > end }} {REST}",
        "create; complete cook meal=stew x=1; complete cook; complete cook meal=pie;"
        'at rest; variables meals=["stew",null,"pie"] x=1',
    )


def test_the_elements_in_a_subprocess_read_what_is_collected_from_around_it_until_they_give_it(door: Door):
    played(
        door,
        f"start > m:sub(cardinality=2, output=meals, output_item=meal) {{ start > cook:user > end }} {REST}",
        'create meal=bread; complete cook meal=stew; set meal=cake; complete cook; at rest; variables meal=cake meals=["stew","cake"]',
    )


def test_a_counter_that_is_collected_stays_what_it_is(door: Door):
    played(
        door,
        f"start > m:sub(cardinality=2, output=meals, output_item=loopCounter, sequential=true) {{ start > cook:user > end }} {REST}",
        "create; complete cook; complete cook; at rest; variables meals=[0,1]",
    )


def test_a_call_keeps_what_it_takes_from_the_called_process_for_the_list(door: Door):
    caller = bpmn(
        f"start > c:call(cardinality=2, output=dishes, output_item=dish) {REST}", id="caller", dialect="activiti"
    )
    takes = b'<activiti:out source="meal" target="dish"/><activiti:out source="x" target="y"/>'
    caller = caller.replace(
        b'<bpmn:callActivity id="c">',
        b'<bpmn:callActivity id="c" calledElement="child"><bpmn:extensionElements>%b</bpmn:extensionElements>' % takes,
    )
    child = bpmn("start > cook:user > end", id="child", dialect="activiti")
    door.deploy(("caller.bpmn", caller), ("child.bpmn", child))
    scenario = Scenario(door)
    scenario.play("create_of caller")
    first, second = (job.key for job in door.activate(USER_TASK, 9, 1000))
    scenario.play(
        f'complete {first} meal=stew x=1; complete {second} meal=pie x=1; at rest; variables dishes=["stew","pie"] y=1'
    )


def test_a_loop_that_ends_early_has_the_results_so_far(door: Door):
    played(
        door,
        f'start > m:user(cardinality=3, output=meals, output_item=meal, done="${{nrOfCompletedInstances == 1}}") {REST}',
        'create; complete m meal=stew; at rest; variables meals=["stew"]',
    )


def test_without_a_result_list_everything_that_is_submitted_leaves_but_no_loop_variable(door: Door):
    played(
        door,
        f"start > m:user(cardinality=2, collection=, index=n) {REST}",
        "create; complete m meal=stew n=9 nrOfInstances=9; complete m other=1; at rest; variables meal=stew other=1",
    )


def test_the_counter_may_have_another_name(door: Door):
    deployed(door, f"start > m:user(cardinality=2, index=n) {REST}")
    Scenario(door).play("create")
    assert [(one["n"], "loopCounter" in one) for one in jobs(door)] == [(0, False), (1, False)]


# --- with an extension file


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, [{}, {}]),
        ({"who": variable("person")}, [{"who": "ada"}, {"who": "bob"}]),
        (
            {"text": value("${loopCounter + 1} of ${nrOfInstances}: ${person}")},
            [{"text": "1 of 2: ada"}, {"text": "2 of 2: bob"}],
        ),
    ],
)
def test_a_mapped_task_of_a_loop_sees_only_mapped_variables(door: Door, inputs: Any, expected: Any):
    deployed(
        door,
        f'start > m:user(collection=people, element=person, assignee="${{person}}") {REST}',
        mappings={"m": {"inputs": inputs}},
    )
    scenario = Scenario(door)
    scenario.play('create people=["ada","bob"]')
    assert jobs(door) == expected
    assert [job.headers["io.camunda.zeebe:assignee"] for job in door.jobs(scenario.instance)] == ["ada", "bob"]


def test_a_mapped_loop_still_ends_by_its_condition(door: Door):
    played(
        door,
        f"start > m:user(collection=people, element=person, done=\"${{person == 'bob' and loopCounter == 1}}\", sequential=true) {REST}",
        f"{PEOPLE}; complete m; at m m; complete m; at rest",
        mappings={"m": {}},
    )


def test_mapped_results_are_collected(door: Door):
    played(
        door,
        f"start > m:user(cardinality=2, output=meals, output_item=meal) {REST}",
        'create; complete m choice=stew; complete m choice=pie; at rest; variables meals=["stew","pie"]',
        properties=properties(meal="string"),
        mappings={"m": {"outputs": {"meal": variable("choice")}}},
    )


def test_mapped_outputs_of_a_loop_without_results_leave_it(door: Door):
    played(
        door,
        f"start > m:user(cardinality=2) {REST}",
        "create; complete m choice=stew x=1; complete m choice=pie; at rest; variables meal=pie",
        properties=properties(meal="string"),
        mappings={"m": {"outputs": {"meal": variable("choice")}}},
    )
