"""What a user task of the Activiti dialect shows, and when it is skipped (user-tasks.md, sections 1, 3 and 4)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from osmia_broker.engine.activiti.task_attributes import category_of, priority_of, shown_documentation, shown_name
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.turn import Turn
from tests.activiti import deployed, played, started_by
from tests.doors import Door, EngineDoor, Refused

REST = "> rest:user > end"


Found = tuple[Turn, Any, Any]


@pytest.fixture
def find() -> Iterator[Callable[..., Found]]:
    """Start a process; return the turn, the element instance and the element of its task `t`."""
    door = EngineDoor()

    def find(line: str, given: str = "{}", user: str = "") -> Found:
        deployed(door, line)
        scenario = started_by(door, user, given)
        turn = Turn(door.partition.state)
        [key] = [key for key, id in door.elements(scenario.instance) if id == "t"]
        instance = turn.elements[key]
        return turn, instance, turn.definitions.process(instance.process_definition_key).elements["t"]

    yield find
    door.close()


@pytest.mark.parametrize("read", [("name", shown_name), ("doc", shown_documentation)])
@pytest.mark.parametrize(
    ("text", "given", "shown"),
    [
        ("Decide", "{}", "Decide"),
        ("", "{}", ""),
        ("Order ${n} for ${who.name}", '{"n":7,"who":{"name":"Ada"}}', "Order 7 for Ada"),
        ("#{n}", '{"n":7}', "7"),
        ("${n}", '{"n":null}', ""),
        ("a${n}b", '{"n":null}', "ab"),
        ("Order ${nobody}", "{}", "Order ${nobody}"),  # an unknown variable: the raw text
        ("${n} of ${nobody}", '{"n":7}', "${n} of ${nobody}"),
        ("${n + 1}", '{"n":"x"}', "${n + 1}"),
        (r"\${n}", '{"n":7}', "${n}"),
        ("$ {n} and {n}", '{"n":7}', "$ {n} and {n}"),
        ("by ${initiator}", "{}", "by demo"),
    ],
)
def test_a_text_for_people_may_hold_expressions(find: Any, read: Any, text: str, given: str, shown: str):
    argument, shown_text = read
    turn, instance, element = find(f'start > t:user({argument}="{text}") > end', given, "demo")
    assert shown_text(turn, instance, element) == shown


@pytest.mark.parametrize("argument", ["name", "doc"])
@pytest.mark.parametrize("text", ["${a", "${}", "${who.toUpperCase()}"])
def test_a_faulty_text_is_refused_at_deployment(find: Any, argument: str, text: str):
    with pytest.raises(Refused, match="failed to parse expression"):
        find(f'start > t:user({argument}="{text}") > end')


@pytest.mark.parametrize(
    ("text", "given", "category"),
    [
        ("kitchen", "{}", "kitchen"),
        ("${c}", '{"c":"kitchen"}', "kitchen"),
        ("of ${c}", '{"c":3}', "of 3"),
        ("${c}", '{"c":null}', ""),
    ],
)
def test_a_category_is_a_text_or_computed(find: Any, text: str, given: str, category: str):
    turn, instance, element = find(f'start > t:user(category="{text}") > end', given)
    assert category_of(turn, instance, element.user_task) == category


def test_a_category_is_no_number(find: Any):
    turn, instance, element = find('start > t:user(category="${c}") > end', '{"c":5}')
    with pytest.raises(IncidentRaised, match="to be 'STRING', but was 'NUMBER'"):
        category_of(turn, instance, element.user_task)


@pytest.mark.parametrize(
    ("text", "given", "priority"),
    [
        ("", "{}", 50),
        ("0", "{}", 0),
        ("-1", "{}", -1),
        ("900", "{}", 900),
        ("${p}", '{"p":3}', 3),
        ("${p}", '{"p":"7"}', 7),
        ("${p}", '{"p":null}', 50),
        ("${p * 2}", '{"p":1.75}', 3),
        ("${p}", '{"p":3.9}', 3),
    ],
)
def test_a_priority_is_any_whole_number(find: Any, text: str, given: str, priority: int):
    turn, instance, element = find(f'start > t:user(priority="{text}") > end', given)
    assert priority_of(turn, instance, element.user_task) == priority


# --- skipping


@pytest.fixture
def door(alone_door: Door) -> Door:
    return alone_door


ENABLED = "_ACTIVITI_SKIP_EXPRESSION_ENABLED"


@pytest.mark.parametrize("kind", ["user", "job"])
@pytest.mark.parametrize(
    ("given", "at"),
    [
        (f"{ENABLED}=true skip=true", "rest"),
        (f"{ENABLED}=true skip=false", "t"),
        (f"{ENABLED}=false skip=true", "t"),
        (f"{ENABLED}=null skip=true", "t"),
        ("skip=true", "t"),  # only where the process allows it
        ("", "t"),  # not even evaluated
    ],
)
def test_a_task_is_skipped_where_the_process_allows_it(door: Door, kind: str, given: str, at: str):
    line = f'start > t:{kind}(skip="${{skip}}") {REST} & b:boundary(on=t, timer=PT1H) > b2:user > e2:end'
    played(door, line, f"create {given}; at {at}")


@pytest.mark.parametrize("given", [f"{ENABLED}=true skip=5", f"{ENABLED}=true", f"{ENABLED}=yes skip=true"])
def test_a_skip_expression_that_is_no_boolean_is_an_incident(door: Door, given: str):
    played(door, f'start > t:user(skip="${{skip}}") {REST}', f"create {given}; incident t EXTRACT_VALUE_ERROR; none t")


def test_each_instance_of_a_loop_is_skipped_on_its_own(door: Door):
    line = f"start > t:user(collection=people, element=p, skip=\"${{p == 'ada'}}\") {REST}"
    played(door, line, f'create {ENABLED}=true people=["ada","bob","ada"]; at t t; complete t; at rest')


# --- flows


FLOW = '<bpmn:sequenceFlow id="f{n}" sourceRef="t" targetRef="{to}">{condition}</bpmn:sequenceFlow><bpmn:userTask id="{to}"/>'


def flows(*conditions: str) -> str:
    """Flows from `t` to a, b, c …, each with its condition if there is one."""
    return "".join(
        FLOW.format(
            n=number,
            to="abc"[number],
            condition=f"<bpmn:conditionExpression>{condition}</bpmn:conditionExpression>" if condition else "",
        )
        for number, condition in enumerate(conditions)
    )


@pytest.mark.parametrize(
    ("task", "conditions", "at"),
    [
        ("t:user", ["${n > 1}", "${n > 2}"], "a b"),
        ("t:user", ["${n > 1}", "${n > 9}"], "a"),
        ("t:user", ["${n > 9}", ""], "b"),
        ("t:user(default=f1)", ["${n > 1}", ""], "a"),
        ("t:user(default=f1)", ["${n > 9}", ""], "b"),
        ("t:user(default=f2)", ["${n > 1}", "${n > 2}", ""], "a b"),
        ("t:user(default=f0)", ["${nobody}", "${n > 9}"], "a"),  # the condition of a default flow is not looked at
        ("t:user(default=f0)", ["", ""], "b"),
    ],
)
def test_the_flows_out_of_a_task_are_chosen_by_their_conditions(door: Door, task: str, conditions: list[str], at: str):
    played(door, f"start > {task}", f"create n=5; complete t; at {at}", extra=flows(*conditions))


@pytest.mark.parametrize("conditions", [["${n > 9}"], ["${n > 9}", "${n > 8}"], ["${n}"], ["${nobody}"]])
def test_a_completed_task_without_a_way_on_is_an_incident(door: Door, conditions: list[str]):
    scenario = played(door, "start > t:user", "create n=5; complete t", extra=flows(*conditions))
    assert [one.element_id for one in door.incidents(scenario.instance)] == ["t"]


@pytest.mark.parametrize(
    ("gateway", "conditions", "at"),
    [
        ("t:exclusive", ["${n > 9}", "", ""], "b"),  # the first that holds; none needs no condition
        ("t:exclusive", ["${n > 1}", ""], "a"),
        ("t:inclusive", ["${n > 1}", "", "${n > 9}"], "a b"),
        ("t:parallel", ["${n > 9}", "${nobody}"], "a b"),  # it looks at no condition
    ],
)
def test_gateways_choose_as_in_activiti(door: Door, gateway: str, conditions: list[str], at: str):
    played(door, f"start > {gateway}", f"create n=5; at {at}", extra=flows(*conditions))


# --- flows that skip their condition

SKIPPING = '<bpmn:sequenceFlow id="f{n}" sourceRef="t" targetRef="{to}" {skip}>{condition}</bpmn:sequenceFlow><bpmn:userTask id="{to}"/>'


def skipping(*flows: tuple[str, str]) -> str:
    """Flows from `t` to a, b, c …, each with its skip expression and its condition, if there is one."""
    return "".join(
        SKIPPING.format(
            n=number,
            to="abc"[number],
            skip=f'activiti:skipExpression="{skip}"' if skip else "",
            condition=f"<bpmn:conditionExpression>{condition}</bpmn:conditionExpression>" if condition else "",
        )
        for number, (skip, condition) in enumerate(flows)
    )


YES, NO = "${n > 1}", "${n > 9}"


@pytest.mark.parametrize("is_enabled", ["true", "false"])
@pytest.mark.parametrize(
    ("source", "flows", "with_skips", "without"),
    [
        ("t:exclusive", [(YES, NO), ("", YES)], "a", "b"),
        ("t:exclusive", [(NO, YES), ("", YES)], "b", "a"),
        ("t:exclusive(default=f1)", [(NO, YES), ("", "")], "b", "a"),
        ("t:exclusive(default=f0)", [(YES, ""), ("", YES)], "a", "b"),  # a default flow that is skipped to
        ("t:inclusive", [(YES, NO), (NO, YES), ("", YES)], "a c", "b c"),
        ("t:parallel", [(YES, ""), (NO, ""), ("", NO)], "a c", "a b c"),
        ("t:user", [(YES, NO), (NO, YES), ("", "")], "a c", "b c"),
        ("t:user", [(NO, "")], "a", "a"),  # the only way
        ("t:parallel", [(NO, "")], "a", "a"),
    ],
)
def test_a_skip_expression_stands_for_the_condition_of_a_flow(
    door: Door, source: str, flows: list[tuple[str, str]], with_skips: str, without: str, is_enabled: str
):
    at = with_skips if is_enabled == "true" else without
    done = "complete t; " if ":user" in source else ""
    played(door, f"start > {source}", f"create n=5 {ENABLED}={is_enabled}; {done}at {at}", extra=skipping(*flows))


@pytest.mark.parametrize(
    ("source", "flows"),
    [
        ("t:exclusive", [(NO, YES), (NO, YES)]),
        ("t:exclusive", [(NO, "")]),
        ("t:inclusive", [(NO, YES), (NO, "")]),
        ("t:parallel", [(NO, ""), (NO, "")]),
        ("t:exclusive", [("${n}", YES), ("", YES)]),
        ("t:parallel", [("${nobody}", ""), ("", "")]),
    ],
)
def test_flows_that_are_all_skipped_are_an_incident(door: Door, source: str, flows: list[tuple[str, str]]):
    scenario = played(door, f"start > {source}", f"create n=5 {ENABLED}=true", extra=skipping(*flows))
    assert [one.element_id for one in door.incidents(scenario.instance)] == ["t"]
