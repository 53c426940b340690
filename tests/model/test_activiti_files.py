"""Files of the Activiti dialect as its own tools write them: what is left out, what is said elsewhere, and the Java code that is refused."""

import pytest
from bpmn_fragments import faults, flow, read

from osmia_broker import model
from osmia_broker.model.dialects import activiti
from osmia_broker.model.events import ErrorEvent, MessageEvent
from osmia_broker.model.expressions import Static
from osmia_broker.model.graph import MultiInstance, UserTaskDefinition

LONG_KEY = "Expected at most 256 characters, but found 257, in 'activiti:businessKey'"

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
        ("user(${true ? 'ada,eve' : ''}), group(hr)", ["ada", "eve"], ["hr"]),
        ("user( )", None, ["user( )"]),
        ("user(" + " " * 50_000, None, ["user("]),  # a search that goes back would take hours
        ("user(a),{" + "," * 200_000 + "}", ["a"], ["{", "}"]),
        ("", None, None),
    ],
    ids=lambda one: str(one)[:20],
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


@pytest.mark.parametrize("name", sorted(activiti.INSTEAD.keys() | activiti.JAVA.keys() | {"unheardOf"}))
@pytest.mark.parametrize("tag", ["serviceTask", "userTask", "endEvent"])
def test_every_refusal_of_an_attribute_or_an_element_has_a_way_to_do_without(tag: str, name: str) -> None:
    ways = {*activiti.INSTEAD.values(), *activiti.JAVA.values(), activiti.LEAVE_OUT}
    child = f"<bpmn:extensionElements><activiti:{name}/></bpmn:extensionElements>"
    reasons = [
        fault.reason
        for content in (f'<bpmn:{tag} id="it" activiti:{name}="x"/>', f'<bpmn:{tag} id="it">{child}</bpmn:{tag}>')
        for fault in faults(file(content))
        if "is currently not supported" in fault.reason
    ]
    assert reasons or (tag, name) == ("userTask", "formProperty")
    assert all(reason.partition("; ")[2] in ways for reason in reasons), reasons


def test_a_misspelt_attribute_is_guessed_and_not_left_out() -> None:
    [fault] = faults(file('<bpmn:userTask id="it" activiti:asignee="x"/>'))
    assert fault.reason == "'activiti:asignee' is currently not supported; did you mean 'activiti:assignee'?"


def loop(attributes: str, inside: str = "") -> MultiInstance:
    """The loop of the element `it`."""
    characteristics = (
        f"<bpmn:multiInstanceLoopCharacteristics {attributes}>{inside}</bpmn:multiInstanceLoopCharacteristics>"
    )
    found = activity(f'<bpmn:userTask id="it">{characteristics}</bpmn:userTask>').loop
    assert isinstance(found, MultiInstance)
    return found


def test_a_loop_may_name_its_collection_as_bpmn_does() -> None:
    inside = (
        "<bpmn:loopDataInputRef>people</bpmn:loopDataInputRef><bpmn:loopDataOutputRef>meals</bpmn:loopDataOutputRef>"
        '<bpmn:inputDataItem name="person"/><bpmn:outputDataItem name="meal"/>'
    )
    found = loop("", inside)
    assert found.collection is not None
    assert (found.collection.names, found.element_variable) == ({"people"}, "person")
    assert (found.output_collection, found.output_variable, found.collects_locals) == ("meals", "meal", True)


def test_a_loop_may_name_its_counter() -> None:
    found = loop('activiti:collection="${people}" activiti:elementVariable="p" activiti:elementIndexVariable="n"')
    assert (found.names.counter, found.names.counts_from, found.names.instances) == ("n", 0, "nrOfInstances")


@pytest.mark.parametrize(
    "attribute",
    ['candidateStarterUsers="ada"', 'candidateStarterGroups="hr"', 'versionTag="1"'],
)
def test_what_only_the_tools_of_activiti_read_is_no_fault(attribute: str) -> None:
    assert read(file("", f"activiti:{attribute}")).id == "p"


@pytest.mark.parametrize(
    ("attributes", "inside", "task"),
    [
        ("", "", UserTaskDefinition(lenient=True)),
        ('name="Ask"', "<bpmn:documentation>Why?</bpmn:documentation>", UserTaskDefinition(lenient=True)),
        ('activiti:owner="ada"', "", UserTaskDefinition(lenient=True)),
    ],
)
def test_a_bare_task_is_of_the_dialect_of_its_file(attributes: str, inside: str, task: UserTaskDefinition) -> None:
    assert activity(f'<bpmn:userTask id="it" {attributes}>{inside}</bpmn:userTask>').user_task == task


def test_the_texts_of_a_task_are_computed_where_they_hold_expressions() -> None:
    task = activity(
        '<bpmn:userTask id="it" name="For ${a}"><bpmn:documentation>${b}</bpmn:documentation></bpmn:userTask>'
    ).user_task
    assert task is not None
    assert task.name is not None
    assert task.documentation is not None
    assert (task.name.names, task.documentation.names) == ({"a"}, {"b"})


def test_the_process_says_whether_it_is_of_the_dialect() -> None:
    assert read(file("")).is_extensible
    camunda = (
        '<bpmn:userTask id="it"><bpmn:extensionElements><zeebe:userTask/></bpmn:extensionElements></bpmn:userTask>'
    )
    assert not read(camunda).is_extensible


OF_THE_MODELLER = [
    'exporter="Activiti Modeler"',
    'exporter="Alfresco Process Modeler"',
    'exporter="activiti"',
    'id="model-2f8b6f46-6c87-4f4d-9902-f446dc01493c"',
]


def bare(attribute: str, content: str) -> bytes:
    """A file with another mark than the namespace."""
    declared = b'xmlns:activiti="http://activiti.org/bpmn"'
    text = file(content)
    assert declared in text
    return text.replace(declared, attribute.encode())


@pytest.mark.parametrize("mark", OF_THE_MODELLER)
def test_a_file_of_the_modeller_needs_no_namespace(mark: str) -> None:
    task = read(bare(mark, '<bpmn:userTask id="it" name="${a}"/>')).elements["it"].user_task
    assert task is not None
    assert task.name is not None


@pytest.mark.parametrize("mark", OF_THE_MODELLER)
def test_the_loop_of_a_file_of_the_modeller_has_a_cardinality(mark: str) -> None:
    loop = "<bpmn:multiInstanceLoopCharacteristics><bpmn:loopCardinality>3</bpmn:loopCardinality></bpmn:multiInstanceLoopCharacteristics>"
    assert read(bare(mark, f'<bpmn:userTask id="it">{loop}</bpmn:userTask>')).elements["it"].loop is not None


@pytest.mark.parametrize("mark", ["", 'id="model-1"', 'id="Definitions_1"', 'exporter="Camunda Modeler"'])
def test_the_process_of_another_file_says_that_it_is_executable(mark: str) -> None:
    [fault] = faults(bare(mark, '<bpmn:userTask id="it"/>'))
    assert fault.reason.startswith("Must contain at least one executable process")


def test_a_reference_may_be_qualified_with_the_namespace_of_the_file() -> None:
    event = '<bpmn:messageEventDefinition messageRef="own:ask"/>'
    content = f'<bpmn:intermediateCatchEvent id="it">{event}</bpmn:intermediateCatchEvent>'
    found = read(file(content, namespaces='xmlns:own="urn:test"')).elements["it"].event
    assert isinstance(found, MessageEvent)
    assert found.name == Static("ask")
    assert [one.element_id for one in faults(file(content, namespaces='xmlns:own="urn:another"'))] == ["it"]


@pytest.mark.parametrize("gateway", ["exclusiveGateway", "inclusiveGateway"])
def test_a_gateway_needs_no_conditions(gateway: str) -> None:
    ends = "".join(f'<bpmn:endEvent id="{id}"/>{flow(f"to_{id}", "it", id)}' for id in "ab")
    assert len(activity(f'<bpmn:{gateway} id="it"/>{ends}').outgoing) == 2


@pytest.mark.parametrize(
    ("attributes", "extensions", "passes_all"),
    [
        ("", "", True),
        ("", '<activiti:out source="a" target="b"/>', True),
        ("", '<activiti:in source="a" target="b"/>', False),
        ('activiti:inheritVariables="true"', '<activiti:in source="a" target="b"/>', True),
        ('activiti:inheritVariables="false" activiti:inheritBusinessKey="true"', "", True),
    ],
)
def test_a_called_process_gets_all_variables_unless_some_are_named(
    attributes: str, extensions: str, passes_all: bool
) -> None:
    it = activity(call(extensions).replace('calledElement="other"', f'calledElement="other" {attributes}'))
    assert it.call is not None
    assert it.call.propagates_parent_variables is passes_all


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            '<bpmn:scriptTask id="it" scriptFormat="groovy"><bpmn:script>x</bpmn:script></bpmn:scriptTask>',
            "A script in 'groovy' is currently not supported; use a service task instead: give the task an 'implementation'",
        ),
        (
            '<bpmn:scriptTask id="it" scriptFormat="groovy" activiti:autoStoreVariables="false" activiti:resultVariable="x"/>',
            "A script in 'groovy' is currently not supported; use a service task instead",
        ),
        (
            '<bpmn:receiveTask id="it"/>',
            "Must reference a message: attribute 'messageRef' must be present and not empty; choose a message in the modeler",
        ),
        ('<bpmn:scriptTask id="it"/>', "A script is currently not supported; use a service task"),
        (
            '<bpmn:serviceTask id="it"/>',
            "Must have exactly one 'zeebe:taskDefinition' extension element; give the task an 'implementation'",
        ),
    ],
)
def test_the_remedy_speaks_the_dialect_of_the_file(content: str, reason: str) -> None:
    [fault] = faults(file(content))
    assert fault.reason.startswith(reason)


@pytest.mark.parametrize(("key", "reasons"), [("k" * 256, []), ("k" * 257, [LONG_KEY]), ("${x}" + "k" * 257, [])])
def test_a_fixed_business_key_has_a_bound(key: str, reasons: list[str]) -> None:
    called = call("").replace('calledElement="other"', f'calledElement="other" activiti:businessKey="{key}"')
    assert [fault.reason for fault in faults(file(called))] == reasons


@pytest.mark.parametrize("number", ["0", "100000", "${n}"])
def test_a_loop_runs_a_number_of_times(number: str) -> None:
    assert faults(file(loop_of(number))) == []


@pytest.mark.parametrize("number", ["-1", "many", "2.5", "100001", "9" * 60])
def test_a_loop_whose_fixed_number_cannot_run_is_refused(number: str) -> None:
    [fault] = faults(file(loop_of(number)))
    assert (fault.element_id, fault.reason) == (
        "it",
        f"Expected an expression '${{…}}' or a whole number from 0 to 100000 in 'loopCardinality', but found '{number}'",
    )


def loop_of(number: str) -> str:
    """A task that runs so many times."""
    cardinality = f"<bpmn:loopCardinality>{number}</bpmn:loopCardinality>"
    return f'<bpmn:task id="it"><bpmn:multiInstanceLoopCharacteristics>{cardinality}</bpmn:multiInstanceLoopCharacteristics></bpmn:task>'
