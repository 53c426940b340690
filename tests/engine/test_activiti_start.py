"""How an Activiti process starts: declared variables, and the user who starts it (user-tasks.md, sections 4 and 5)."""

from typing import Any

import pytest

from tests.activiti import deployed, patch, played, properties, started_by, value, variable
from tests.bpmn import bpmn
from tests.doors import Door, Refused
from tests.harness import Scenario

ASK = "start > ask:user > end"


@pytest.fixture
def door(alone_door: Door) -> Door:
    return alone_door


# --- declared variables


@pytest.mark.parametrize(
    ("declared", "given", "expected"),
    [
        ({"a": {"type": "string", "value": "plain"}}, "", "a=plain"),
        ({"a": {"type": "string", "value": "plain"}}, "a=hot", "a=hot"),
        ({"a": {"type": "string", "value": "plain"}}, "a=null", "a=null"),
        ({"a": {"type": "string"}}, "", ""),
        ({"a": {"type": "string", "value": None}}, "", ""),
        ({"a": {"type": "string", "required": True, "value": "plain"}}, "", "a=plain"),
        ({"a": {"type": "string", "required": True}}, "a=1x", "a=1x"),
        ({"a": {"type": "json", "value": {"size": 1, "of": [2.50]}}}, "", 'a={"size":1,"of":[2.5]}'),
        ({"a": "string"}, "b=1", "b=1"),  # others may be given too
        ({"a": {"type": "string", "value": "for ${b}"}}, "b=1", 'b=1 a="for 1"'),
        ({"a": {"type": "string", "value": "${b}"}, "b": {"type": "string", "value": "x"}}, "", "a=x b=x"),
        ({"a": {"type": "string", "value": "${nobody}"}}, "", 'a="${nobody}"'),
        ({"a": {"type": "bigdecimal", "value": "12.50"}}, "", "a=12.5"),
        ({"a": {"type": "own", "value": [1]}}, "", "a=[1]"),  # an unknown type is JSON
    ],
)
def test_a_declared_variable_has_its_default_unless_it_is_given(door: Door, declared: Any, given: str, expected: str):
    played(door, ASK, f"create {given}; variables {expected}", properties=properties(**declared))


@pytest.mark.parametrize(
    ("declared", "given"),
    [
        ({"a": {"type": "string", "required": True}}, ""),
        ({"a": {"type": "string", "required": True, "value": None}}, "b=1"),
        ({"a": {"type": "string", "required": True}}, "a=null"),  # Activiti fails by an internal exception
        ({"a": {"type": "json", "required": True, "value": {}}}, "a=null"),  # the default is for one that is not given
    ],
)
def test_a_required_variable_must_be_given(door: Door, declared: Any, given: str):
    deployed(door, ASK, properties=properties(**declared))
    with pytest.raises(Refused, match="Can't start process 'process' without required variables - a") as refused:
        Scenario(door).do_create(given)
    assert refused.value.status == "INVALID_ARGUMENT"


def test_all_missing_variables_are_named(door: Door):
    deployed(
        door, ASK, properties=properties(a={"type": "string", "required": True}, b={"required": True, "type": "json"})
    )
    with pytest.raises(Refused, match=r"without required variables - a, b$"):
        Scenario(door).do_create("")


@pytest.mark.parametrize(
    ("type", "fitting", "wrong"),
    [
        ("string", ['"x"', '""', "null"], ["1", "true", "[]", "{}"]),
        ("integer", ["0", "-5", "2147483647"], ['"5"', "1.5", "1.0", "true", "2147483648", "[]"]),
        ("boolean", ["true", "false"], ['"true"', "1", "{}"]),
        ("bigdecimal", ["1", "1.25", "-3e2"], ['"1.25"', "true", "[]"]),
        ("date", ['"2030-01-31"', '"2030-01-31T10:00:00Z"'], ['"soon"', "5", "true", "[]"]),
        ("datetime", ['"2030-01-31T10:00:00.000+02:00"', '"2030-01-31T10:00"'], ['"31.1.2030"', "1", "{}"]),
        ("json", ['{"a":1}', "[1]", "1", '"x"', "true"], []),
        ("array", ["[]", "[1]"], ['"x"', "1", "{}"]),
        ("file", ['{"uri":"x"}', "[]"], ['"x"', "1"]),
        ("folder", ["{}"], ["true"]),
        ("content", ["{}"], ['"x"']),
    ],
)
def test_a_variable_has_its_declared_type(door: Door, type: str, fitting: list[str], wrong: list[str]):
    deployed(door, ASK, properties=properties(count=type))
    for text in fitting:
        Scenario(door).do_create(f'variables={{"count":{text}}}')
    for text in wrong:
        with pytest.raises(
            Refused,
            match=r"^INVALID_ARGUMENT: Can't start process 'process' as variables fail type validation - count\. Expected 'count' to be ",
        ):
            Scenario(door).do_create(f'variables={{"count":{text}}}')


@pytest.mark.parametrize(
    ("type", "text", "told"),
    [
        ("integer", "3.5", "a whole number from -2147483648 to 2147483647, but found a decimal number"),
        ("integer", '"3"', "a whole number from -2147483648 to 2147483647, but found a text"),
        ("string", "4", "a text, but found a whole number"),
        ("boolean", '"true"', "true or false, but found a text"),
        ("bigdecimal", "true", "a number, but found a boolean"),
        ("date", '"31.1.2030"', "a date such as 2030-01-31 or 2030-01-31T10:00:00Z, but found a text"),
        ("array", "{}", "a JSON array, but found an object"),
        ("folder", "1", "a JSON object or array, but found a whole number"),
    ],
)
def test_the_refusal_says_which_type_is_declared_and_which_was_found(door: Door, type: str, text: str, told: str):
    deployed(door, ASK, properties=properties(count=type))
    with pytest.raises(Refused, match=f"- count. Expected 'count' to be {told}$"):
        Scenario(door).do_create(f'variables={{"count":{text}}}')


def test_the_refusal_names_every_variable_of_a_wrong_type(door: Door):
    deployed(door, ASK, properties=properties(a="string", b="boolean", c="string"))
    told = "- a, b. Expected 'a' to be a text, 'b' to be true or false, but found a whole number, an array$"
    with pytest.raises(Refused, match=told):
        Scenario(door).do_create('variables={"a":1,"b":[],"c":"x"}')


def test_a_default_of_a_wrong_type_refuses_the_start(door: Door):
    deployed(door, ASK, properties=properties(count={"type": "integer", "value": "many"}))
    with pytest.raises(Refused, match="fail type validation - count"):
        Scenario(door).do_create("")
    Scenario(door).do_create("count=1")


def test_a_called_process_is_checked_too(door: Door):
    deployed(
        door,
        ASK,
        id="child",
        properties=properties(a={"type": "string", "required": True}, b={"type": "integer", "value": 7}),
    )
    played(
        door,
        "start > c:callActivity(called=child) > end",
        "create; incident c CALLED_ELEMENT_ERROR without required variables - a;"
        "set a=x; resolve c; instance child; variables a=x b=7",
    )


def test_a_process_that_a_message_starts_has_its_defaults(door: Door):
    deployed(
        door,
        "start:start(message=go) > ask:user > end",
        properties=properties(a={"type": "string", "required": True}, b={"type": "integer", "value": 7}),
    )
    scenario = Scenario(door)
    scenario.play("publish go c=1; instance; variables b=7 c=1")


@pytest.mark.parametrize(
    ("outputs", "given", "expected"),
    [
        ({"name": variable("Text0x")}, "Text0x=ada other=1", "name=ada n=1"),
        ({"name": value("Dr ${Text0x}")}, "Text0x=ada", 'name="Dr ada" n=1'),
        ({"name": variable("Text0x")}, "name=ben", "name=ben n=1"),  # nothing is mapped: all are taken
        ({"unknown": variable("Text0x")}, "Text0x=ada", "Text0x=ada n=1"),
        ({"name": patch({"op": "add", "path": "/a", "value": "${Text0x}"})}, "Text0x=5", 'name={"a":5} n=1'),
        ({}, "Text0x=ada", "Text0x=ada n=1"),
    ],
)
def test_a_start_event_maps_what_it_is_given(door: Door, outputs: Any, given: str, expected: str):
    declared = properties(name="json", n={"type": "integer", "value": 1})
    played(
        door,
        ASK,
        f"create {given}; variables {expected}",
        properties=declared,
        mappings={"start": {"outputs": outputs}},
    )


def test_a_mapped_start_takes_no_expressions(door: Door):
    mappings = {"start": {"outputs": {"name": variable("Text0x")}}}
    deployed(door, ASK, properties=properties(name="string"), mappings=mappings)
    with pytest.raises(Refused, match="Expressions are not allowed as variable values in the output mapping"):
        Scenario(door).do_create('Text0x="${x}"')


# --- the initiator


INITIATED = 'start > ask:user(assignee="${initiator}") > end'
NAMED = 'start:start(initiator=starter) > ask:user(assignee="${starter}") > end'


@pytest.mark.parametrize(
    ("line", "user", "given", "seen", "variables"),
    [
        (INITIATED, "demo", "{}", "assignee=demo", ""),
        (INITIATED, "", "{}", "assignee=None", ""),  # nobody: unassigned
        (INITIATED, "", '{"initiator":"anna"}', "assignee=anna", "initiator=anna"),
        (INITIATED, "demo", '{"initiator":"anna"}', "assignee=demo", "initiator=demo"),  # the caller's name wins
        (NAMED, "demo", "{}", "assignee=demo", "starter=demo"),
        (NAMED, "", "{}", "assignee=None", "starter=null"),
        ('start > ask:user(users="${initiator}, ada") > end', "demo", "{}", 'candidateUsers=["demo","ada"]', ""),
        (
            "start > ask:user(groups=\"${initiator == null ? 'all' : 'own'}\") > end",
            "",
            "{}",
            'candidateGroups=["all"]',
            "",
        ),
    ],
)
def test_the_initiator_is_known_to_expressions(door: Any, line: str, user: str, given: str, seen: str, variables: str):
    deployed(door, line)
    scenario = started_by(door, user, given)
    scenario.play(f"waits ask {seen!r}; variables {variables}")


def test_a_condition_reads_the_initiator_too(door: Any):
    deployed(door, "start > pick:exclusive [${initiator == 'demo'} -> own:user > end | else -> other:user > end2]")
    started_by(door, "demo").play("at own")
    started_by(door, "anna").play("at other")


def test_a_called_process_has_the_initiator_of_its_caller(door: Any):
    deployed(door, INITIATED, id="child")
    deployed(door, "start > c:callActivity(called=child) > end")
    scenario = started_by(door, "demo")
    scenario.play("instance child; waits ask assignee=demo")


# --- the execution

BY_KEY = "${execution.processInstanceBusinessKey}"


@pytest.mark.parametrize(
    ("expression", "seen"),
    [
        (BY_KEY, "order-7"),
        ("${execution.currentActivityId}", "ask"),
        ("${execution.processInstanceId == null ? 'lost' : 'known'}", "known"),
        ("${execution.processDefinitionId == null ? 'lost' : 'known'}", "known"),
        ("${execution.id == execution.processInstanceId ? 'same' : 'other'}", "other"),
    ],
)
def test_expressions_read_the_properties_of_the_execution(door: Any, expression: str, seen: str):
    deployed(door, f'start > ask:user(assignee="{expression}") > end')
    started_by(door, "", business_id="order-7").play(f"waits ask assignee={seen}")


def test_a_message_goes_by_the_business_key_as_in_the_examples_of_activiti_cloud(door: Any):
    model = bpmn("start > wait:catch(message=paid) > end", id="process", dialect="activiti")
    key = f'<bpmn:messageEventDefinition activiti:correlationKey="{BY_KEY}"'.encode()
    door.deploy(("process.bpmn", model.replace(b"<bpmn:messageEventDefinition", key)))
    scenario = started_by(door, "", business_id="order-7")
    scenario.play("publish paid key=order-8; at wait; publish paid key=order-7; completed")


@pytest.mark.parametrize(
    ("line", "given", "expected"),
    [
        (f'start > ask:user(assignee="{BY_KEY}") > end', "", "waits ask assignee=None"),  # no business key: unassigned
        ('start > ask:user(assignee="${execution.name}") > end', 'execution={"name":"ada"}', "waits ask assignee=ada"),
        (
            'start > ask:user(assignee="${execution.name}") > end',
            "",
            "waits ask assignee=None",
        ),  # null, as of any object
    ],
)
def test_an_own_variable_hides_the_execution_which_has_no_other_properties(
    door: Any, line: str, given: str, expected: str
):
    deployed(door, line)
    Scenario(door).play(f"create {given}; {expected}")


def test_a_process_of_camunda_knows_no_execution(door: Any):
    Scenario(door).play(
        "deploy start > ask:user(assignee==execution.id) > end; create; incident ask EXTRACT_VALUE_ERROR"
    )


# --- a boundary event that leads nowhere


@pytest.mark.parametrize(
    ("cancels", "expected"),
    [("true", "completed"), ("false", "at ask; complete ask; completed")],
)
def test_a_token_ends_at_a_boundary_event_that_leads_nowhere(door: Any, cancels: str, expected: str):
    deployed(door, f"start > ask:user > end & late:boundary(on=ask, timer=PT1H, cancel={cancels})")
    Scenario(door).play(f"create; advance 3600000; {expected}")


def test_a_boundary_event_of_camunda_must_lead_somewhere(door: Any):
    with pytest.raises(AssertionError, match="Must have at least one outgoing sequence flow"):
        Scenario(door).play("deploy start > ask:user > end & late:boundary(on=ask, timer=PT1H)")


def test_a_process_of_camunda_knows_no_initiator(door: Any):
    Scenario(door).play("deploy start > ask:user(assignee==initiator) > end")
    started_by(door, "demo").play("incident ask EXTRACT_VALUE_ERROR")
