"""What a model means: the graph that the engine gets, in both dialects."""

from pathlib import Path

import pytest
from bpmn_fragments import PROCESS, definitions, element, faults, flow, process, read

from bpmn import bpmn
from osmia_broker import model
from osmia_broker.base import untrusted_xml
from osmia_broker.model import Element, ElementType
from osmia_broker.model.expressions import Expression, Static
from osmia_broker.model.graph import UserTaskDefinition

EXAMPLES = Path(__file__).parents[2] / "examples"
EVERY_KIND = """
    start > a:user(assignee=ada) > b:job > c:send > d:rule(decision=d, result=r) > e:task > f:manual > g:exclusive
    [amount > 100 -> i:parallel | else -> i] > s:sub { start > k:script(expression="=1", result=r) > end } > end
"""


def it(content: bytes | str) -> Element:
    return read(content).elements["it"]


def user_task(extensions: str = "", attributes: str = "") -> UserTaskDefinition:
    found = it(element("userTask", "it", extensions, attributes)).user_task
    assert found is not None
    return found


def value(expression: Expression | None, **variables: object) -> object:
    assert expression is not None
    result = expression.evaluate(variables)
    return result.value if result.failure is None else f"failure: {result.failure}"


def flows(process: model.Process) -> list[tuple[str, str]]:
    return [(flow.source.id, flow.target.id) for element in process.elements.values() for flow in element.outgoing]


def describe(process: model.Process) -> list[object]:
    """The dinner process without what is the dialect's own: whether a null assignee means nobody."""
    return [
        (
            element.id,
            element.type,
            element.name,
            element.user_task and (element.user_task.assignee, element.user_task.candidate_groups),
            element.job,
            [flow.target.id for flow in element.outgoing],
        )
        for element in process.elements.values()
    ]


def test_the_dinner_process_is_the_same_in_both_dialects() -> None:
    zeebe = read((EXAMPLES / "dinner.bpmn").read_bytes())
    activiti = read((EXAMPLES / "dinner-activiti.bpmn").read_bytes())
    assert describe(zeebe)[1:] == describe(activiti)[1:]  # but for the process itself: each has an id of its own
    assert activiti.id == "dinner-activiti"
    assert (zeebe.id, zeebe.name) == ("dinner", "Prepare dinner")
    assert list(zeebe.elements) == ["dinner", "hungry", "decide", "eat", "full"]
    decide, eat = zeebe.elements["decide"].user_task, zeebe.elements["eat"].user_task
    assert decide is not None
    assert eat is not None
    assert (decide.assignee, value(decide.candidate_groups), value(eat.assignee)) == (None, ["family"], "demo")


def test_both_dialects_may_stand_in_one_file_each_element_is_of_one() -> None:
    foreign = '<activiti:field name="x"/><activiti:executionListener event="start" class="org.example.Log"/>'
    found = read(
        element("userTask", "a", '<zeebe:assignmentDefinition assignee="=x"/>', 'activiti:assignee="${y}"')
        + element("userTask", "b", "<zeebe:ioMapping/>", 'activiti:assignee="${x}"')
        + element("userTask", "c", "<zeebe:userTask/>", 'activiti:priority="high" activiti:unknown="1"')
        + element(
            "serviceTask", "d", f'{foreign}<zeebe:taskDefinition type="work"/>', 'activiti:class="org.example.Work"'
        )
        + element("callActivity", "e", '<zeebe:calledElement processId="x"/><activiti:in source="a" target="b"/>')
    )
    for id, lenient in (("a", False), ("b", True)):
        definition = found.elements[id].user_task
        assert definition is not None
        assert (value(definition.assignee, x="ada"), definition.lenient) == ("ada", lenient)
    native, job = found.elements["c"].user_task, found.elements["d"].job
    assert native is not None
    assert job is not None
    assert (native.is_native, native.priority, value(job.type)) == (True, None, "work")
    assert not found.elements["e"].inputs


def test_a_task_that_activiti_has_built_in_is_refused_with_a_way_to_do_without() -> None:
    [fault] = faults(element("serviceTask", "it", attributes='activiti:type="mail"'))
    assert fault.reason.startswith(
        "'activiti:type=\"mail\"' is currently not supported; give the task an 'implementation'"
    )


def test_what_activiti_reads_at_another_element_of_the_file_stays_refused() -> None:
    [fault] = faults(
        element("serviceTask", "a", '<zeebe:taskDefinition type="work"/>', 'activiti:class="x.Y"')
        + element("serviceTask", "it", attributes='activiti:class="x.Y"')
    )
    assert (fault.element_id, "'activiti:class'" in fault.reason) == ("it", True)


def test_every_element_becomes_its_type_and_knows_its_scope() -> None:
    found = read(bpmn(EVERY_KIND))
    assert {element.id: element.type.value for element in found.elements.values()} == {
        "process": "PROCESS",
        "start": "START_EVENT",
        "a": "USER_TASK",
        "b": "SERVICE_TASK",
        "c": "SEND_TASK",
        "d": "BUSINESS_RULE_TASK",
        "e": "TASK",
        "f": "MANUAL_TASK",
        "g": "EXCLUSIVE_GATEWAY",
        "i": "PARALLEL_GATEWAY",
        "s": "SUB_PROCESS",
        "end": "END_EVENT",
        "s_start": "START_EVENT",
        "k": "SCRIPT_TASK",
        "s_end": "END_EVENT",
    }
    inside = found.elements["s"]
    assert {element.id for element in found.elements.values() if element.scope is inside} == {"s_start", "k", "s_end"}
    assert found.elements["a"].scope is found.root
    assert found.root.scope is None
    assert (found.root.start, inside.start) == (found.elements["start"], found.elements["s_start"])


EVERY_OTHER_KIND = """start > c:call(process=other) > g:events [ t:catch(timer=PT1S) > i:inclusive > e1:end | m:catch(message=m, key="=k") > r:receive(message=n, key="=k") > e2:end ]
    & b:boundary(on=c, error=E) > w:throw > x:transaction { start > end } > h:adhoc { q:job } > e3:end & v:eventsub { z:start(signal=s) > e4:end }"""


def test_every_type_the_graph_names_can_be_read() -> None:
    found = {element.type for line in (EVERY_KIND, EVERY_OTHER_KIND) for element in read(bpmn(line)).elements.values()}
    held_by_elements = {ElementType.MULTI_INSTANCE_BODY, ElementType.AD_HOC_SUB_PROCESS_INNER_INSTANCE}
    assert found == set(ElementType) - held_by_elements


def test_flows_stand_in_document_order_wherever_their_ends_are_written() -> None:
    found = read(
        flow("z", "g", "b", "=x")
        + flow("y", "start", "g")
        + flow("h", "g", "a", "=y")
        + flow("m", "g", "b")
        + '<bpmn:exclusiveGateway id="g" default="m"/><bpmn:endEvent id="a"/><bpmn:endEvent id="b"/>'
    )
    gateway = found.elements["g"]
    assert [flow.id for flow in gateway.outgoing] == ["z", "h", "m"]
    assert [flow.id for flow in found.elements["b"].incoming] == ["z", "m"]
    assert gateway.default_flow is gateway.outgoing[2]
    assert [flow.condition and flow.condition.text for flow in gateway.outgoing] == ["x", "y", None]


@pytest.mark.parametrize(
    ("condition", "amount", "holds"),
    [
        ("= amount &gt; 100", 101, True),
        ("\n  = amount &gt; 100\n", 100, False),
        ("=<![CDATA[amount > 100]]>", 101, True),
        ("${amount > 100}", 101, True),
        (" #{amount gt 100} ", 100, False),
    ],
)
def test_a_condition_is_written_in_either_language(condition: str, amount: int, holds: bool) -> None:
    found = read('<bpmn:exclusiveGateway id="it"/><bpmn:endEvent id="e"/>' + flow("f", "it", "e", condition))
    assert value(found.elements["it"].outgoing[0].condition, amount=amount) is holds


def test_a_single_flow_of_an_exclusive_gateway_needs_no_condition() -> None:
    assert read(bpmn("start > g:exclusive > end")).elements["g"].outgoing[0].condition is None


# --- jobs ---


@pytest.mark.parametrize(
    ("attributes", "type", "retries"),
    [
        ('type="pay"', "pay", 3),
        ('type="pay" retries="5"', "pay", 5),
        ('type="pay" retries=""', "pay", 3),
        ('type="pay" retries="0"', "pay", 0),
        ('type="pay" retries="-1"', "pay", -1),
        ('type="pay" retries="2.7"', "pay", 2),
        ('type="=kind" retries="=tries"', "cash", 7),
    ],
)
@pytest.mark.parametrize("tag", ["serviceTask", "sendTask", "scriptTask", "businessRuleTask"])
def test_a_task_definition_makes_a_job(tag: str, attributes: str, type: str, retries: int) -> None:
    job = it(element(tag, "it", f"<zeebe:taskDefinition {attributes}/>")).job
    assert job is not None
    assert (value(job.type, kind="cash"), value(job.retries, tries=7)) == (type, retries)


def test_headers_are_static_texts() -> None:
    headers = '<zeebe:taskHeaders><zeebe:header key="a" value="=b"/><zeebe:header key="c"/></zeebe:taskHeaders>'
    for tag, more in (("serviceTask", '<zeebe:taskDefinition type="x"/>'), ("userTask", "")):
        job = it(element(tag, "it", headers + more)).job
        assert job is not None
        assert job.headers == {"a": "=b"}


@pytest.mark.parametrize("tag", ["serviceTask", "sendTask", "businessRuleTask"])
def test_a_connector_that_implementation_names_is_a_job_type(tag: str) -> None:
    job = it(f'<bpmn:{tag} id="it" implementation="mail.SEND"/>').job
    assert job is not None
    assert (value(job.type), value(job.retries), job.headers) == ("mail.SEND", 3, {})


def test_a_task_definition_goes_before_implementation() -> None:
    job = it(element("serviceTask", "it", '<zeebe:taskDefinition type="x"/>', 'implementation="y"')).job
    assert job is not None
    assert value(job.type) == "x"


def test_a_script_gives_its_result_to_a_plain_name() -> None:
    script = it(element("scriptTask", "it", '<zeebe:script expression="=a + 1" resultVariable="b.c"/>')).script
    assert script is not None
    assert (value(script.expression, a=1), script.result_variable) == (2, "b.c")


@pytest.mark.parametrize(
    ("attributes", "binding"),
    [("", "latest"), ('bindingType="latest"', "latest"), ('bindingType="deployment"', "deployment")],
)
def test_a_called_decision_is_bound(attributes: str, binding: str) -> None:
    decision = it(
        element(
            "businessRuleTask", "it", f'<zeebe:calledDecision decisionId="=which" resultVariable="r" {attributes}/>'
        )
    ).decision
    assert decision is not None
    assert (value(decision.decision_id, which="dish"), decision.result_variable) == ("dish", "r")
    assert decision.binding == binding


# --- mappings ---


def test_mappings_keep_their_order_and_split_their_paths() -> None:
    mappings = (
        '<zeebe:ioMapping><zeebe:output source="=r" target="total"/><zeebe:input source="=a" target="x"/>'
        '<zeebe:input source="5" target="y.z"/></zeebe:ioMapping>'
    )
    found = it(element("userTask", "it", mappings))
    assert [(value(mapping.source, a=1), mapping.target) for mapping in found.inputs] == [
        (1, ("x",)),
        ("5", ("y", "z")),
    ]
    assert [(value(mapping.source, r=2), mapping.target) for mapping in found.outputs] == [(2, ("total",))]


@pytest.mark.parametrize("tag", ["subProcess", "manualTask", "endEvent", "userTask"])
def test_other_elements_have_mappings_too(tag: str) -> None:
    inside = '<bpmn:startEvent id="s"/>' if tag == "subProcess" else ""
    mappings = '<zeebe:ioMapping><zeebe:output source="=r" target="total"/></zeebe:ioMapping>'
    assert len(it(element(tag, "it", mappings, inside=inside)).outputs) == 1


@pytest.mark.parametrize(
    ("tag", "inside", "count"),
    [
        ("startEvent", "", 0),
        ("intermediateThrowEvent", "", 0),
        ("endEvent", "", 0),
        ("endEvent", '<bpmn:terminateEventDefinition id="d"/>', 1),
        ("manualTask", "", 1),
    ],
)
def test_an_event_without_a_trigger_has_no_inputs(tag: str, inside: str, count: int) -> None:
    mappings = (
        '<zeebe:ioMapping><zeebe:input source="=1" target="x"/><zeebe:output source="=x" target="y"/></zeebe:ioMapping>'
    )
    start = '<bpmn:startEvent id="start"/>' if tag != "startEvent" else ""
    found = it(
        definitions(
            f'<bpmn:process id="p" isExecutable="true">{start}{element(tag, "it", mappings, inside=inside)}</bpmn:process>'
        )
    )
    assert (len(found.inputs), len(found.outputs)) == (count, 1)


# --- user tasks ---


def test_a_user_task_that_says_nothing_has_nothing() -> None:
    assert user_task() == UserTaskDefinition()
    job = it('<bpmn:userTask id="it"/>').job
    assert job is not None
    assert (value(job.type), value(job.retries), job.headers) == ("io.camunda.zeebe:userTask", 1, {})


@pytest.mark.parametrize(
    ("attributes", "field", "expected"),
    [
        ('assignee="ada"', "assignee", "ada"),
        ('assignee="=who"', "assignee", "bob"),
        ('assignee="${who}"', "assignee", "${who}"),
        ('candidateGroups="a, b ,c"', "candidate_groups", ["a", "b", "c"]),
        ('candidateUsers="=people"', "candidate_users", ["ada", "bob"]),
    ],
)
def test_a_zeebe_assignment(attributes: str, field: str, expected: object) -> None:
    definition = user_task(f"<zeebe:assignmentDefinition {attributes}/>")
    assert value(getattr(definition, field), who="bob", people=["ada", "bob"]) == expected


@pytest.mark.parametrize("attribute", ["assignee", "candidateUsers", "candidateGroups"])
def test_an_empty_attribute_says_nothing(attribute: str) -> None:
    assert user_task(f'<zeebe:assignmentDefinition {attribute}=""/>') == UserTaskDefinition()
    assert user_task(attributes=f'activiti:{attribute}=""') == UserTaskDefinition(lenient=True)


@pytest.mark.parametrize(
    "text",
    [
        "2030-01-01T01:00Z",
        "2031-05-06T07:08:09+02:00",
        "2031-05-06T07:08:09.123456789-11:30",
        "2030-01-01T01:00+01:00[Europe/Berlin]",
    ],
)
def test_a_static_date_stays_the_text_it_is(text: str) -> None:
    definition = user_task(f'<zeebe:taskSchedule dueDate="{text}" followUpDate="=when"/>')
    assert (value(definition.due_date), value(definition.follow_up_date, when="x")) == (text, "x")


def test_a_form_is_named_by_its_key_verbatim_or_by_its_id() -> None:
    by_key = user_task('<zeebe:formDefinition formKey="=camunda-forms:bpmn:f"/>')
    by_id = user_task('<zeebe:formDefinition formId="=which" bindingType="deployment"/>')
    assert (value(by_key.form_key), by_key.form_id) == ("=camunda-forms:bpmn:f", None)
    assert (by_id.form_key, value(by_id.form_id, which="f")) == (None, "f")
    assert by_id.form_binding == "deployment"


def test_what_a_job_based_user_task_does_not_need_is_ignored() -> None:
    ignored = '<zeebe:priorityDefinition priority="70"/><zeebe:taskDefinition/><zeebe:properties/>'
    assert user_task(ignored) == UserTaskDefinition()


@pytest.mark.parametrize(
    ("attributes", "field", "expected"),
    [
        ('activiti:assignee="${who}"', "assignee", "bob"),
        ('activiti:assignee="dr. ${who}"', "assignee", "dr. bob"),
        ('activiti:candidateUsers="ada, bob,,"', "candidate_users", ["ada", "bob"]),
        ('activiti:candidateUsers="ada,${who}"', "candidate_users", ["ada", "bob"]),
        ('activiti:candidateUsers="${people}"', "candidate_users", ["eve", "joe"]),
        ('activiti:candidateUsers="zoe,${people},#{text}"', "candidate_users", ["zoe", "eve", "joe", "max", "kim"]),
        ("activiti:candidateGroups=\"${ who == 'bob' ? 'a,b' : '}' },c\"", "candidate_groups", ["a", "b", "c"]),
        ('activiti:candidateGroups="x-${who}"', "candidate_groups", ["x-bob"]),
        (
            'activiti:candidateGroups="${nothing}"',
            "candidate_groups",
            "failure: Expected '${nothing}' to give text or a list of texts, but found null",
        ),
        (
            'activiti:candidateGroups="${number}"',
            "candidate_groups",
            "failure: Expected '${number}' to give text or a list of texts, but found the number 7",
        ),
        ('activiti:formKey="form-${who}"', "form_key", "form-bob"),
        ('activiti:category="home"', "category", "home"),
        ('activiti:priority="3"', "priority", 3),
        ('activiti:priority="-1"', "priority", -1),
        ('activiti:priority="900"', "priority", 900),
        ('activiti:priority="${number}"', "priority", 7),
        *(
            (f'activiti:dueDate="{text}"', "due_date", text)
            for text in (
                "2030-01-31",
                "2030-01-31T10:00",
                "2030-01-31T10:00:00.5",
                "2030-01-31T10:00Z",
                "P3DT1H",
                "PT30M",
                "P1Y2M",
            )
        ),
        ('activiti:dueDate="${text}"', "due_date", "max,kim"),
    ],
)
def test_an_attribute_of_activiti_becomes_a_field_of_the_user_task(
    attributes: str, field: str, expected: object
) -> None:
    definition = user_task(attributes=attributes)
    variables = {"who": "bob", "people": ["eve", "joe"], "text": "max,kim", "nothing": None, "number": 7}
    assert value(getattr(definition, field), **variables) == expected
    assert definition.lenient


def test_a_candidate_list_reads_the_variables_of_all_its_parts() -> None:
    users = user_task(attributes='activiti:candidateUsers="ada,${a},${b.c}"').candidate_users
    assert users is not None
    assert (users.names, users.text) == (frozenset({"a", "b"}), "ada,${a},${b.c}")


# --- files ---


def test_only_executable_processes_are_read_and_all_of_them() -> None:
    content = "".join(
        f'<bpmn:process id="{id}" name="{id.upper()}" {executable}><bpmn:startEvent id="{id}_start"/></bpmn:process>'
        for id, executable in (
            ("a", 'isExecutable="true"'),
            ("b", ""),
            ("c", 'isExecutable="1"'),
            ("d", 'isExecutable="false"'),
        )
    )
    assert [(found.id, found.name) for found in model.parse("two.bpmn", definitions(content))] == [
        ("a", "A"),
        ("c", "C"),
    ]


def test_a_process_carries_its_version_tag_and_its_forms() -> None:
    extensions = (
        '<zeebe:versionTag value="v2"/><zeebe:userTaskForm id="f">{"a": 1}</zeebe:userTaskForm><zeebe:ioMapping/>'
    )
    found = read(process("<bpmn:extensionElements>" + extensions + "</bpmn:extensionElements>"))
    assert (found.version_tag, found.forms) == ("v2", {"f": '{"a": 1}'})


def test_the_documentation_of_an_element_is_kept() -> None:
    assert (
        it(
            '<bpmn:task id="it"><bpmn:documentation> Ask <!-- x -->twice. </bpmn:documentation></bpmn:task>'
        ).documentation
        == "Ask twice."
    )


@pytest.mark.parametrize(
    "fragment",
    [
        '<bpmn:laneSet id="l"><bpmn:lane id="m"><bpmn:flowNodeRef>start</bpmn:flowNodeRef></bpmn:lane></bpmn:laneSet>',
        '<bpmn:dataObject id="d"/><bpmn:dataObjectReference id="r" dataObjectRef="d"/><bpmn:dataStoreReference id="s"/>',
        '<bpmn:textAnnotation id="t"><bpmn:text>why</bpmn:text></bpmn:textAnnotation><bpmn:association id="a" sourceRef="start" targetRef="t"/>',
        '<bpmn:group id="g"/>',
        '<bpmn:task id="t"><bpmn:standardLoopCharacteristics/></bpmn:task>',
        '<bpmn:task id="t" startQuantity="0" completionQuantity="0"/>',  # tools write 0 for what nobody has set
        '<bpmn:task id="t" isForCompensation="false" startQuantity="1" other:color="red"><bpmn:incoming>x</bpmn:incoming></bpmn:task>',
        element(
            "task",
            "t",
            '<zeebe:properties><zeebe:property name="a" value="b"/></zeebe:properties><other:thing id="start"/>',
        ),
        element(
            "userTask", "t", attributes='activiti:async="true" activiti:exclusive="false" zeebe:modelerTemplate="x"'
        ),
    ],
)
def test_what_has_no_effect_on_execution_is_accepted(fragment: str) -> None:
    assert faults(fragment) == []


def test_what_stands_beside_a_process_is_accepted() -> None:
    beside = (
        '<bpmn:collaboration id="c"><bpmn:participant id="q" processRef="p"/></bpmn:collaboration><bpmn:message id="m" name="n"/>'
        '<bpmn:signal id="s"/><bpmn:error id="e"/><bpmn:process id="other"><bpmn:receiveTask id="r"/></bpmn:process>'
    )
    assert faults(definitions(beside + PROCESS.replace("{content}", ""))) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252"])
def test_a_file_may_be_in_any_common_encoding(encoding: str) -> None:
    file = process('<bpmn:task id="it" name="Frühstück"/>').decode().replace("UTF-8", encoding).encode(encoding)
    assert it(file).name == "Frühstück"


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-16", ' encoding="UTF-16"'),
        ("utf-16", ""),
        ("iso-8859-1", " encoding='ISO-8859-1'"),
        ("iso-8859-15", ' encoding = "iso-8859-15" standalone="yes"'),
        ("windows-1252", ' encoding="Windows-1252"'),
        ("us-ascii", ' encoding="us-ascii"'),
        ("utf-8", ' encoding="UTF-8"'),
        ("utf-8-sig", ' encoding="UTF-8"'),
        ("utf-8", ""),
    ],
)
def test_a_file_in_another_encoding_says_the_same_in_utf_8(encoding: str, declared: str) -> None:
    name = "plain" if encoding == "us-ascii" else "Frühstück"
    text = f'<?xml version="1.0"{declared}?><a encoding="iso-8859-1" name="{name}">encoding="latin"</a>'
    content = text.encode(encoding)
    told = untrusted_xml.in_utf8(content)
    assert told == content if encoding.startswith(("utf-8", "us-ascii")) else f'name="{name}"' in told.decode()
    for root in (untrusted_xml.read(content), untrusted_xml.read(told)):
        assert (root.get("name"), root.get("encoding"), root.text) == (name, "iso-8859-1", 'encoding="latin"')


@pytest.mark.parametrize(
    "content", [b"", b"<", b"\xff", b'<?xml version="1.0" encoding="koi8-r"?><a>\xd4</a>', b"<a>\xff</a>"]
)
def test_what_is_in_no_encoding_that_is_known_stays_as_it_is(content: bytes) -> None:
    assert untrusted_xml.in_utf8(content) == content


def test_a_subprocess_may_stand_deep_inside_others() -> None:
    depth = 250  # with definitions and process within the 256 levels of XML
    inside = (
        "".join(f'<bpmn:subProcess id="s{i}"><bpmn:startEvent id="b{i}"/>' for i in range(depth))
        + "</bpmn:subProcess>" * depth
    )
    assert len(read(inside).elements) == 2 * depth + 2


def listener(inside: str) -> str:
    return f'<zeebe:executionListener eventType="start" type="l">{inside}</zeebe:executionListener>'


@pytest.mark.parametrize(
    ("own", "found"),
    [
        ("", {"a": "1", "b": "2"}),
        ("<zeebe:taskHeaders/>", {"a": "1", "b": "2"}),
        (
            '<zeebe:taskHeaders><zeebe:header key="b" value="3"/><zeebe:header key="c" value="4"/></zeebe:taskHeaders>',
            {"a": "1", "b": "3", "c": "4"},
        ),
    ],
)
def test_a_listener_has_the_headers_of_its_element_and_its_own_win(own: str, found: dict[str, str]) -> None:
    headers = (
        '<zeebe:taskHeaders><zeebe:header key="a" value="1"/><zeebe:header key="b" value="2"/></zeebe:taskHeaders>'
    )
    listeners = f"<zeebe:executionListeners>{listener(own)}</zeebe:executionListeners>"
    task = it(element("serviceTask", "it", f'<zeebe:taskDefinition type="x"/>{headers}{listeners}'))
    assert task.job is not None
    assert task.start_listeners[0].headers == found
    assert task.job.headers == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    "header", ['key="io.camunda.zeebe:x" value="1"', 'key="a" value="1"/><zeebe:header key="a" value="2"']
)
def test_faulty_headers_of_a_listener_are_refused(header: str) -> None:
    own = listener(f"<zeebe:taskHeaders><zeebe:header {header}/></zeebe:taskHeaders>")
    content = f'<zeebe:taskDefinition type="x"/><zeebe:executionListeners>{own}</zeebe:executionListeners>'
    [fault] = faults(element("serviceTask", "it", content))
    assert "eader key" in fault.reason


@pytest.mark.parametrize(
    ("old", "event"),
    [
        ("create", "creating"),
        ("assignment", "assigning"),
        ("update", "updating"),
        ("complete", "completing"),
        ("cancel", "canceling"),
    ],
)
def test_an_event_of_a_task_listener_has_an_older_name(old: str, event: str) -> None:
    both = "".join(f'<zeebe:taskListener eventType="{one}" type="{one}"/>' for one in (old, event))
    extensions = f"<zeebe:userTask/><zeebe:taskListeners>{both}</zeebe:taskListeners>"
    definition = read(element("userTask", "it", extensions)).elements["it"].user_task
    assert definition is not None
    assert {name: [one.type for one in found] for name, found in definition.listeners.items()} == {
        event: [Static(old), Static(event)]
    }
