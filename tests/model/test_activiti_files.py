"""Files of the Activiti dialect as its own tools write them: what is left out, what is said elsewhere, and the Java code that is refused."""

import pytest
from bpmn_fragments import faults, flow, read

from osmia_broker import model
from osmia_broker.model.events import ErrorEvent
from osmia_broker.model.expressions import Static

FILE = """<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:activiti="http://activiti.org/bpmn"
    targetNamespace="urn:test" {namespaces}>
<bpmn:message id="ask" name="ask"/>
<bpmn:process id="p" {attributes}><bpmn:startEvent id="start"/>
{content}
</bpmn:process></bpmn:definitions>"""


def file(content: str, attributes: str = "", namespaces: str = "") -> bytes:
    """A file that declares Activiti's namespace and not Camunda's."""
    return FILE.format(content=content, attributes=attributes, namespaces=namespaces).encode()


def activity(content: str) -> model.Element:
    """The element `it`."""
    return read(file(content)).elements["it"]


def test_activiti_executes_a_process_that_does_not_say_whether_it_is_executable() -> None:
    assert read(file("")).id == "p"


@pytest.mark.parametrize(
    ("attributes", "namespaces"),
    [('isExecutable="false"', ""), ("", 'xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"')],
)
def test_a_process_is_not_executed_if_its_file_says_so_or_is_of_camunda(attributes: str, namespaces: str) -> None:
    [fault] = faults(file("", attributes, namespaces))
    assert fault.reason.startswith("Must contain at least one executable process")


def test_flows_without_ids_get_the_same_distinct_ones_each_time() -> None:
    between = '<bpmn:sequenceFlow sourceRef="start" targetRef="end"/>'
    content = f'<bpmn:endEvent id="end"/><bpmn:task id="start_to_end"/>{between}{between}{flow("own", "start", "end")}'
    ids = [[one.id for one in read(file(content)).elements["start"].outgoing] for _ in range(2)]
    assert ids[0] == ids[1] == ["start_to_end_flow", "start_to_end_2", "own"]


def test_an_element_without_an_id_stays_refused() -> None:
    assert [fault.reason for fault in faults(file("<bpmn:task/>"))] == ["Attribute 'id' must be present and not empty"]


@pytest.mark.parametrize(
    ("owner", "users", "groups"),
    [
        ("user(ada), group(hr)", ["ada"], ["hr"]),
        ("management", None, ["management"]),
        ("user( ada ),user(bob)", ["ada", "bob"], None),
        ("", None, None),
    ],
)
def test_potential_owners_are_candidates(owner: str, users: list[str] | None, groups: list[str] | None) -> None:
    said = f"<bpmn:resourceAssignmentExpression><bpmn:formalExpression>{owner}</bpmn:formalExpression></bpmn:resourceAssignmentExpression>"
    task = activity(
        f'<bpmn:userTask id="it"><bpmn:potentialOwner>{said}</bpmn:potentialOwner></bpmn:userTask>'
    ).user_task
    assert task is not None
    found = [None if one is None else one.evaluate({}).value for one in (task.candidate_users, task.candidate_groups)]
    assert found == [users, groups]


def call(extensions: str) -> str:
    """A call activity with these extension elements."""
    return f'<bpmn:callActivity id="it" calledElement="other"><bpmn:extensionElements>{extensions}</bpmn:extensionElements></bpmn:callActivity>'


def test_variables_go_in_and_out_of_a_called_process_under_other_names() -> None:
    it = activity(call('<activiti:in source="a" target="b"/><activiti:out sourceExpression="${c + 1}" target="d"/>'))
    [[into], [out]] = it.inputs, it.outputs
    assert (into.target, into.source.names, out.target, out.source.names) == (("b",), {"a"}, ("d",), {"c"})


@pytest.mark.parametrize(
    "mapping",
    [
        '<activiti:in target="b"/>',
        '<activiti:in source="a"/>',
        '<activiti:out source="a" sourceExpression="${a}" target="b"/>',
        '<activiti:in sourceExpression="${a" target="b"/>',
    ],
)
def test_a_mapping_needs_one_source_and_a_target(mapping: str) -> None:
    assert [fault.element_id for fault in faults(file(call(mapping)))] == ["it"]


def test_a_thrown_message_is_published_with_the_key_of_its_definition() -> None:
    event = '<bpmn:messageEventDefinition messageRef="ask" activiti:correlationKey="${id}"/>'
    it = activity(f'<bpmn:intermediateThrowEvent id="it">{event}</bpmn:intermediateThrowEvent>')
    assert it.job is None
    assert it.publish is not None
    assert it.publish.correlation_key is not None
    assert (it.publish.name.names, it.publish.correlation_key.names) == (frozenset(), {"id"})


def test_an_error_without_a_definition_is_caught_by_its_reference() -> None:
    event = '<bpmn:boundaryEvent id="it" attachedToRef="t"><bpmn:errorEventDefinition errorRef="late"/></bpmn:boundaryEvent>'
    it = activity(f'<bpmn:task id="t"/>{event}<bpmn:endEvent id="e"/>{flow("f", "it", "e")}')
    assert it.event == ErrorEvent(Static("late"))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ('<bpmn:serviceTask id="it" activiti:class="org.It"/>', "activiti:class"),
        ('<bpmn:scriptTask id="it" activiti:expression="${it}"/>', "activiti:expression"),
        (
            '<bpmn:userTask id="it"><bpmn:extensionElements><activiti:taskListener/></bpmn:extensionElements></bpmn:userTask>',
            "activiti:taskListener",
        ),
        (
            '<bpmn:task id="it"><bpmn:extensionElements><activiti:executionListener/></bpmn:extensionElements></bpmn:task>',
            "activiti:executionListener",
        ),
    ],
)
def test_java_code_is_refused_once_and_with_a_way_to_do_without(content: str, code: str) -> None:
    [fault] = faults(file(content))
    assert fault.reason.startswith(f"'{code}' is currently not supported, because it runs Java code; ")
