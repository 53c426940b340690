"""Files of other tools: invisible characters, empty elements, comments, vendors' own elements and attributes."""

import pytest
from bpmn_fragments import PROCESS, definitions, element, faults, flow, process, read

from osmia_broker.model.expressions import Expression, Static
from osmia_broker.model.graph import SequenceFlow, UserTaskDefinition
from osmia_broker.model.text import shown, trimmed

#: around a text: blank, tab, line break (as a character reference too), no-break space, zero width space, byte order mark, direction mark
AROUND = [" ", "\t", "\n", "&#10;", "\u00a0", "\u200b", "\ufeff", "\u202a", " \u00a0\u200b\n", "\u3000"]
GATEWAY = '<bpmn:exclusiveGateway id="g" default="d"/><bpmn:endEvent id="a"/><bpmn:endEvent id="b"/>'
JOB = '<zeebe:taskDefinition type="w"/>'


def value(expression: Expression | None, **variables: object) -> object:
    assert expression is not None
    result = expression.evaluate(variables)
    return result.value if result.failure is None else f"failure: {result.failure}"


def job_of(extensions: str):
    found = read(element("serviceTask", "it", extensions)).elements["it"].job
    assert found is not None
    return found


def user_task(extensions: str = "", attributes: str = "") -> UserTaskDefinition:
    found = read(element("userTask", "it", extensions, attributes)).elements["it"].user_task
    assert found is not None
    return found


# --- invisible characters


@pytest.mark.parametrize("around", AROUND)
def test_a_name_has_no_invisible_ends(around: str) -> None:
    definition = job_of(f'<zeebe:taskDefinition type="{around}w{around}" retries="{around}5{around}"/>')
    assert (value(definition.type), value(definition.retries)) == ("w", 5)
    person = user_task(
        f'<zeebe:assignmentDefinition assignee="{around}ada{around}" candidateUsers="{around}a{around},b"/>'
    )
    assert (value(person.assignee), value(person.candidate_users)) == ("ada", ["a", "b"])
    shown_form = user_task(f'<zeebe:formDefinition formId="{around}f{around}" bindingType="{around}deployment"/>')
    assert (value(shown_form.form_id), shown_form.form_binding) == ("f", "deployment")


@pytest.mark.parametrize("around", AROUND)
def test_a_target_and_a_result_variable_have_no_invisible_ends(around: str) -> None:
    mapping = f'<zeebe:ioMapping><zeebe:input source="=1" target="{around}a.b{around}"/></zeebe:ioMapping>'
    [found] = read(element("serviceTask", "it", JOB + mapping)).elements["it"].inputs
    assert found.target == ("a", "b")
    rule = f'<zeebe:calledDecision decisionId="{around}d{around}" resultVariable="{around}r{around}"/>'
    decision = read(element("businessRuleTask", "it", rule)).elements["it"].decision
    assert decision is not None
    assert (value(decision.decision_id), decision.result_variable) == ("d", "r")


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("text", ["{0}=x{0}", "{0}={0}x{0}"])
def test_a_text_is_an_expression_if_its_first_visible_character_is_the_sign(around: str, text: str) -> None:
    source = text.format(around)
    assert value(job_of(f'<zeebe:taskDefinition type="{source}"/>').type, x="w") == "w"
    mapping = f'<zeebe:ioMapping><zeebe:input source="{source}" target="y"/></zeebe:ioMapping>'
    [found] = read(element("serviceTask", "it", JOB + mapping)).elements["it"].inputs
    assert value(found.source, x=1) == 1
    fragment = GATEWAY + flow("f", "g", "a", source) + flow("d", "g", "b")
    assert value(read(fragment).elements["g"].outgoing[0].condition, x=True) is True


@pytest.mark.parametrize("around", AROUND)
def test_a_text_in_juel_keeps_the_type_of_its_value(around: str) -> None:
    task = user_task(attributes=f'activiti:assignee="{around}${{who}}{around}" activiti:dueDate="{around}${{due}}"')
    assert (value(task.assignee, who="ada"), value(task.due_date, due=None)) == ("ada", None)


def test_a_value_stays_as_it_is() -> None:
    mapping = '<zeebe:ioMapping><zeebe:input source=" 5\u00a0" target="y"/></zeebe:ioMapping>'
    header = '<zeebe:taskHeaders><zeebe:header key=" k" value="\u200b v "/></zeebe:taskHeaders>'
    found = read(element("serviceTask", "it", JOB + mapping + header)).elements["it"]
    assert value(found.inputs[0].source) == " 5\u00a0"
    assert found.job is not None
    assert found.job.headers == {" k": "\u200b v "}
    assert value(user_task('<zeebe:formDefinition formKey=" =f"/>').form_key) == " =f"


@pytest.mark.parametrize("blank", [" ", "\n", "&#9;"])
def test_ids_and_references_may_have_white_space_around_them(blank: str) -> None:
    found = read(
        f'<bpmn:exclusiveGateway id="{blank}g" default="d{blank}"/><bpmn:endEvent id="{blank}a{blank}"/>'
        f'<bpmn:sequenceFlow id="f{blank}" sourceRef="{blank}g" targetRef="a{blank}"><bpmn:conditionExpression>=x'
        f'</bpmn:conditionExpression></bpmn:sequenceFlow><bpmn:sequenceFlow id="d" sourceRef="g" targetRef="{blank}a"/>'
    )
    default = found.elements["g"].default_flow
    assert default is not None
    assert ([flow.id for flow in found.elements["a"].incoming], default.id) == (["f", "d"], "d")


@pytest.mark.parametrize("character", ["\u00a0", "\u200b", "\u202a"])
def test_an_id_with_another_invisible_character_is_refused_and_shows_it(character: str) -> None:
    [fault] = faults(f'<bpmn:task id="a{character}"/>')
    assert fault.reason.endswith(f"but found 'a\\u{ord(character):04x}'")


def test_a_reference_that_differs_by_an_invisible_character_shows_it() -> None:
    """A byte order mark is a letter to XML, so both ids are right, and not the same."""
    [fault] = faults('<bpmn:task id="a"/>' + flow("f", "start", "a\ufeff"))
    assert fault.reason == "Expected 'targetRef' to name an element of this file, but found 'a\\ufeff'"


@pytest.mark.parametrize(
    "extensions",
    [
        '<zeebe:taskDefinition type="\u200b"/>',
        '<zeebe:taskDefinition type="&#10; "/>',
        JOB + '<zeebe:ioMapping><zeebe:output source="\u00a0" target="a"/></zeebe:ioMapping>',
        JOB + '<zeebe:ioMapping><zeebe:input source="=1" target="\ufeff"/></zeebe:ioMapping>',
    ],
)
def test_what_is_required_must_be_visible(extensions: str) -> None:
    [fault] = faults(element("serviceTask", "it", extensions))
    assert fault.reason.endswith("must be present and not empty")


def test_invisible_characters_inside_a_text_stay() -> None:
    assert trimmed(" \u200ba\u200b b\ufeff\n") == "a\u200b b"
    assert trimmed("\u00a0\u200b ") == ""
    assert shown("a\u200b\u00a0b c\n") == "a\\u200b\\u00a0b c\n"


# --- conditions


def flow_of(condition: str, *, default: bool = False) -> SequenceFlow:
    marks = 'default="f"' if default else ""
    text = f'<bpmn:sequenceFlow id="f" sourceRef="g" targetRef="a">{condition}</bpmn:sequenceFlow>'
    return read(f'<bpmn:exclusiveGateway id="g" {marks}/><bpmn:endEvent id="a"/>' + text).elements["g"].outgoing[0]


EMPTY = ["<bpmn:conditionExpression/>", "<bpmn:conditionExpression> \n </bpmn:conditionExpression>",
         "<bpmn:conditionExpression>\u00a0\u200b</bpmn:conditionExpression>",
         "<bpmn:conditionExpression><!-- later --></bpmn:conditionExpression>",
         "<bpmn:conditionExpression><![CDATA[]]></bpmn:conditionExpression>",
         '<bpmn:conditionExpression xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="bpmn:tFormalExpression" language="feel"/>']  # fmt: skip


@pytest.mark.parametrize("condition", EMPTY)
def test_an_empty_condition_is_none(condition: str) -> None:
    assert flow_of(condition).condition is None
    assert (
        faults(
            f'<bpmn:task id="t"/><bpmn:sequenceFlow id="f" sourceRef="start" targetRef="t">{condition}</bpmn:sequenceFlow>'
        )
        == []
    )


@pytest.mark.parametrize("condition", EMPTY)
def test_an_empty_condition_among_several_flows_is_missing(condition: str) -> None:
    fragment = GATEWAY.replace(' default="d"', "") + flow("f", "g", "a", "=x")
    [fault] = faults(
        fragment + f'<bpmn:sequenceFlow id="h" sourceRef="g" targetRef="b">{condition}</bpmn:sequenceFlow>'
    )
    assert (fault.path, fault.reason) == ("h", "Must have a condition or be the default flow")


@pytest.mark.parametrize("text", ["=x &lt; 1", "x", "=1 +", "${1 +}", "=", "", " "])
def test_a_condition_on_a_default_flow_is_ignored(text: str) -> None:
    condition = f"<bpmn:conditionExpression>{text}</bpmn:conditionExpression>"
    assert flow_of(condition, default=True).condition is None
    assert flow_of(condition * 2, default=True).condition is None


@pytest.mark.parametrize("text", ["x", "=1 +", "${1 +}", "=", "\u00a0="])
def test_a_condition_on_another_flow_is_not(text: str) -> None:
    [fault] = faults(GATEWAY + flow("f", "g", "a", text) + flow("d", "g", "b", "not read"))
    assert fault.path == "f"


@pytest.mark.parametrize(
    "content",
    [
        "=x",
        "<![CDATA[=x]]>",
        "=<![CDATA[x]]>",
        "<!-- why -->=<!-- not -->x",
        "<?tool?>= x<?tool?>",
        "<bpmn:documentation>why</bpmn:documentation>=x",
        "<bpmn:extensionElements><other:thing/></bpmn:extensionElements>\n  =x\n",
    ],
)
@pytest.mark.parametrize(
    "attributes",
    [
        "",
        'id="c"',
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="bpmn:tFormalExpression"',
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="tFormalExpression"',
        'language="http://www.omg.org/spec/FEEL/20140401" evaluatesToTypeRef="xsd:boolean"',
        'other:resource="r"',
    ],
)
def test_a_condition_is_the_text_of_its_element(content: str, attributes: str) -> None:
    condition = f"<bpmn:conditionExpression {attributes}>{content}</bpmn:conditionExpression>"
    assert value(flow_of(condition).condition, x=True) is True


# --- headers


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ("", {}),
        ("<zeebe:header/>", {}),
        ('<zeebe:header/><zeebe:header key="empty" value=""/><zeebe:header key="k" value="v"/>', {"k": "v"}),
        ('<zeebe:header key="k"/><zeebe:header value="v"/><zeebe:header key="" value="v"/>', {}),
        ('<zeebe:header key=" " value="v"/><zeebe:header key="\u200b" value="v"/>', {}),
        ('<zeebe:header key="k" value=" "/>', {"k": " "}),
        ('<zeebe:header key="k" value="=x"/>', {"k": "=x"}),
        ('<zeebe:header key="k"/><zeebe:header key="k" value="v"/><zeebe:header key="k" value=""/>', {"k": "v"}),
        ("<zeebe:header/><zeebe:header/>", {}),
        ('<other:header key="k" value="v"/><!-- none -->', {}),
    ],
)
def test_headers_without_key_or_value_are_left_out(headers: str, expected: dict[str, str]) -> None:
    assert job_of(f"{JOB}<zeebe:taskHeaders>{headers}</zeebe:taskHeaders>").headers == expected


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ('<zeebe:header key="k" value="v"/><zeebe:header/><zeebe:header key="k" value="v"/>', "Expected every header key once"),
        ('<zeebe:header key="io.camunda.zeebe:x" value="v"/>', "reserved for internal use"),
        ('<zeebe:header key="io.camunda.zeebe:x"/>', "reserved for internal use"),
    ],
)  # fmt: skip
def test_duplicate_and_reserved_headers_are_still_refused(headers: str, reason: str) -> None:
    [fault] = faults(element("serviceTask", "it", f"{JOB}<zeebe:taskHeaders>{headers}</zeebe:taskHeaders>"))
    assert reason in fault.reason


# --- empty and foreign elements


@pytest.mark.parametrize(
    "extensions",
    [
        "<zeebe:taskHeaders/>",
        "<zeebe:ioMapping/>",
        "<zeebe:ioMapping><zeebe:input/><zeebe:output/></zeebe:ioMapping>",
        '<zeebe:ioMapping><zeebe:input source="" target=" "/></zeebe:ioMapping>',
        "<zeebe:assignmentDefinition/>",
        '<zeebe:assignmentDefinition assignee="" candidateGroups="" candidateUsers=" "/>',
        "<zeebe:taskSchedule/>",
        '<zeebe:taskSchedule dueDate="" followUpDate="&#10;"/>',
        "<zeebe:properties/>",
        "<zeebe:properties><zeebe:property/></zeebe:properties>",
        "<zeebe:priorityDefinition/>",
        "<zeebe:executionListeners/>",
        "<zeebe:taskListeners> </zeebe:taskListeners>",
        "<!-- nothing -->",
        '<other:userTask xmlns:zeebe="urn:other"><zeebe:taskListeners><zeebe:x/></zeebe:taskListeners></other:userTask>',
        '<camunda:formData xmlns:camunda="http://camunda.org/schema/1.0/bpmn"><camunda:formField id="start"/></camunda:formData>',
        '<acme xmlns=""><bpmn:userTask id="start"/></acme>',
    ],
)
def test_what_is_empty_or_foreign_asks_for_nothing(extensions: str) -> None:
    assert user_task(extensions) == UserTaskDefinition()


@pytest.mark.parametrize(
    "inside",
    [
        "<bpmn:extensionElements/>",
        "<bpmn:documentation/>",
        "<bpmn:incoming/><bpmn:outgoing/>",
        "<bpmn:ioSpecification/>",
        '<other:shape><other:shape id="start"/></other:shape>',
    ],
)
def test_an_element_may_hold_empty_and_foreign_children(inside: str) -> None:
    assert faults(f'<bpmn:task id="t" other:x="" default="" zeebe:modelerTemplate="">{inside}</bpmn:task>') == []


def test_a_process_may_carry_empty_extensions() -> None:
    extensions = "<zeebe:versionTag/><zeebe:properties/><zeebe:executionListeners/><other:x/>"
    found = read(process(f"<bpmn:extensionElements>{extensions}</bpmn:extensionElements>"))
    assert found.version_tag == ""


PRIORITY_OF_A_JOB = '<zeebe:priorityDefinition priority="{}"/>'
PRIORITY = "<zeebe:userTask/>" + PRIORITY_OF_A_JOB
ONE_NATIVE_FORM = (
    "Exactly one of the attributes 'formId, externalReference' must be present and not blank for native user tasks"
)


@pytest.mark.parametrize(
    ("extensions", "reason"),
    [
        ('<zeebe:ioMapping><zeebe:input source="=1"/></zeebe:ioMapping>', "Attribute 'target' must be present"),
        ('<zeebe:ioMapping><zeebe:output target="a"/></zeebe:ioMapping>', "Attribute 'source' must be present"),
        ('<zeebe:ioMapping><zeebe:input target="a" source="="/></zeebe:ioMapping>', "failed to parse expression ''"),
        ('<zeebe:assignmentDefinition assignee="="/>', "failed to parse expression ''"),
        ("<zeebe:formDefinition/>", "Exactly one of the attributes 'formId, formKey'"),
        ('<zeebe:formDefinition formKey="\u200b" formId=" "/>', "Exactly one of the attributes 'formId, formKey'"),
        (PRIORITY.format(101), "Priority must be a number between 0 and 100, but was '101'"),
        (PRIORITY.format(-1), "Priority must be a number between 0 and 100, but was '-1'"),
        (PRIORITY.format("abc"), "Expected static value to be a valid Number between 0 and 100, but found 'abc'"),
        (PRIORITY.format(5.5), "Expected static value to be a valid Number between 0 and 100, but found '5.5'"),
        (PRIORITY_OF_A_JOB.format(101), "Priority must be a number between 0 and 100, but was '101'"),
        (PRIORITY_OF_A_JOB.format("abc"), "Expected static value to be a valid Number between 0 and 100"),
        (PRIORITY_OF_A_JOB.format("=1+"), "failed to parse expression '1+'"),
        ('<zeebe:userTask/><zeebe:formDefinition formKey="f"/>', ONE_NATIVE_FORM),
        ("<zeebe:userTask/><zeebe:formDefinition/>", ONE_NATIVE_FORM),
        ('<zeebe:userTask/><zeebe:formDefinition formId="f" externalReference="r"/>', ONE_NATIVE_FORM),
        ("<zeebe:taskListeners><zeebe:taskListener/></zeebe:taskListeners>", "Expected 'zeebe:taskListeners' at a"),
    ],
)
def test_half_of_a_thing_is_not_nothing(extensions: str, reason: str) -> None:
    [fault] = faults(element("userTask", "it", extensions))
    assert reason in fault.reason


def test_what_other_tools_write_beside_a_process_is_accepted() -> None:
    beside = (
        '<other:model id="p"><other:process/></other:model><bpmn:extensionElements><other:x/></bpmn:extensionElements>'
    )
    file = definitions(beside + '<bpmn:process id="p" isExecutable=" true "><bpmn:startEvent id="s"/></bpmn:process>')
    assert faults(file) == []


def test_a_default_flow_that_is_the_only_one_of_a_task_has_no_effect() -> None:
    """Modelers keep the mark of a gateway that became a task."""
    found = read('<bpmn:task id="t" default="f"/><bpmn:endEvent id="x"/>' + flow("f", "t", "x"))
    assert [one.id for one in found.elements["t"].outgoing] == ["f"]


@pytest.mark.parametrize(
    "extensions",
    [
        "<zeebe:unheardOf><zeebe:of/></zeebe:unheardOf>",
        '<zeebe:input source="" target="not a path"/>',  # outside of `zeebe:ioMapping`
        "<zeebe:header/><zeebe:executionListener/><zeebe:taskListener/>",
        '<zeebe:linkedResources><zeebe:linkedResource resourceId="r"/></zeebe:linkedResources>',
        '<zeebe:conditionalFilter variableEvents="never"/>',  # beside a condition
    ],
)
@pytest.mark.parametrize("tag", ["task", "exclusiveGateway", "intermediateThrowEvent", "subProcess"])
def test_extensions_that_nobody_reads_are_passed_over(tag: str, extensions: str) -> None:
    inside = '<bpmn:startEvent id="s"/>' if tag == "subProcess" else ""
    assert faults(element(tag, "it", extensions, inside=inside)) == []


def test_the_first_of_several_priorities_counts() -> None:
    both = '<zeebe:jobPriorityDefinition priority="7"/><zeebe:jobPriorityDefinition priority="8"/>'
    job = read(element("serviceTask", "it", f'<zeebe:taskDefinition type="t"/>{both}')).elements["it"].job
    assert job is not None
    assert job.priority == Static(7)


@pytest.mark.parametrize(
    "fragment",
    [
        '<bpmn:task id="t" startQuantity="2" completionQuantity="3"/>',
        '<bpmn:adHocSubProcess id="t" ordering="Sequential"><bpmn:task id="u"/></bpmn:adHocSubProcess>',
        '<bpmn:transaction id="t" method="urn:other"><bpmn:startEvent id="s"/></bpmn:transaction>',
        '<bpmn:userTask id="t"><bpmn:rendering id="r"/></bpmn:userTask>',
        '<bpmn:potentialOwner id="r"/><bpmn:correlationSubscription id="c" correlationKeyRef="k"/>',
        '<bpmn:task id="t"><bpmn:standardLoopCharacteristics loopMaximum="0"/></bpmn:task>',
    ],
)
def test_what_bpmn_has_beyond_the_reference_is_passed_over(fragment: str) -> None:
    assert faults(fragment) == []


@pytest.mark.parametrize("tag", ["intermediateThrowEvent", "endEvent"])
def test_the_definition_of_an_event_says_how_its_message_is_published(tag: str) -> None:
    """The reference reads it there, and not at the event itself."""
    message = '<bpmn:message id="m" name="go"/>'
    publish = '<zeebe:publishMessage correlationKey="=1" messageId="=2"/>'
    definition = element("messageEventDefinition", "d", publish, 'messageRef="m"')
    file = definitions(message + PROCESS.replace("{content}", f'<bpmn:{tag} id="it">{definition}</bpmn:{tag}>'))
    it = read(file).elements["it"]
    assert it.job is None
    assert it.publish is not None
    assert it.publish.name == Static("go")
    assert it.publish.message_id is not None
