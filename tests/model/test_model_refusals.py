"""Every fault of a model: the fragment, the place that is reported, and the words of the reason."""

import pytest
from bpmn_fragments import definitions, element, faults, flow, process

from bpmn import bpmn
from osmia_broker import model
from osmia_broker.model.dialects import zeebe

START_AGAIN = '<bpmn:startEvent id="again"/>'
GATEWAY = '<bpmn:exclusiveGateway id="g"/><bpmn:endEvent id="a"/><bpmn:endEvent id="b"/>'


def service(definition: str, inside: str = "") -> str:
    return element("serviceTask", "it", definition, inside=inside)


def job(attributes: str = 'type="x"') -> str:
    return f"<zeebe:taskDefinition {attributes}/>"


def mapping(attributes: str, way: str = "input") -> str:
    return service(f"{job()}<zeebe:ioMapping><zeebe:{way} {attributes}/></zeebe:ioMapping>")


def headers(*pairs: str) -> str:
    return service(
        job() + f"<zeebe:taskHeaders>{''.join(f'<zeebe:header {pair}/>' for pair in pairs)}</zeebe:taskHeaders>"
    )


def user(extensions: str = "", attributes: str = "") -> str:
    return element("userTask", "it", extensions, attributes)


AT = "it > extensionElements > taskListeners > taskListener"
NOT_A_DATE = "Expected static value to be a valid DateTime String"
NOT_A_LIST = "Expected static value to be a list of comma-separated values, e.g. 'a,b,c', but found '{}'"
ONE_FORM = "Exactly one of the attributes 'formId, formKey' must be present and not blank"
EMPTY = "Attribute '{}' must be present and not empty"
NOT_AN_EXPRESSION = "Expected expression but found static value '{0}'. An expression must start with '=' (e.g. '={0}')."
ELSEWHERE = "to name an element of the same process or subprocess, but found '{}'"
PUBLISH = '<zeebe:publishMessage correlationKey="=1"/>'
UNSUPPORTED = "Elements of type '{}' are currently not supported"


@pytest.mark.parametrize(
    ("fragment", "path", "reason"),
    [
        # start and end events
        (START_AGAIN, "p", "Multiple none start events are not allowed"),
        ('<bpmn:subProcess id="s"/>', "s", "Must have exactly one start event, but found 0"),
        (
            f'<bpmn:subProcess id="s"><bpmn:startEvent id="x"/>{START_AGAIN}</bpmn:subProcess>',
            "s",
            "Must have exactly one start event, but found 2",
        ),
        (
            f'<bpmn:endEvent id="e"/><bpmn:task id="t"/>{flow("f", "e", "t")}',
            "e",
            "End events must not have outgoing sequence flows",
        ),
        # ids
        ('<bpmn:task id="start"/>', "start", "Expected every id once, but found 'start' on lines 6 and 7"),
        ("<bpmn:task/>", "p > task", EMPTY.format("id")),
        ('<bpmn:task id=""/>', "p > task", "Expected an id of letters"),
        ('<bpmn:task id="1st"/>', "1st", "Expected an id of letters"),
        ('<bpmn:task id="a b"/>', "a b", "Expected an id of letters"),
        ('<bpmn:sequenceFlow sourceRef="start" targetRef="start"/>', "p > sequenceFlow", EMPTY.format("id")),
        # sequence flows
        (
            flow("f", "start", "nowhere"),
            "f",
            "Expected 'targetRef' to name an element of this file, but found 'nowhere'",
        ),
        (
            flow("f", "nowhere", "start"),
            "f",
            "Expected 'sourceRef' to name an element of this file, but found 'nowhere'",
        ),
        ('<bpmn:sequenceFlow id="f" sourceRef="start"/>', "f", EMPTY.format("targetRef")),
        (flow("f", "start", "p"), "f", ELSEWHERE.format("p")),
        (flow("f", "start", "f"), "f", ELSEWHERE.format("f")),
        (flow("f", "start", "d") + '<bpmn:dataObject id="d"/>', "f", ELSEWHERE.format("d")),
        (
            f'<bpmn:subProcess id="s"><bpmn:startEvent id="x"/></bpmn:subProcess>{flow("f", "start", "x")}',
            "f",
            ELSEWHERE.format("x"),
        ),
        (
            f'<bpmn:subProcess id="s"><bpmn:startEvent id="x"/>{flow("f", "x", "start")}</bpmn:subProcess>',
            "f",
            ELSEWHERE.format("start"),
        ),
        # gateways
        (
            GATEWAY + flow("f", "g", "a", "=x") + flow("h", "g", "b"),
            "h",
            "Must have a condition or be the default flow",
        ),
        (GATEWAY + flow("f", "g", "a", "x > 1"), "f", NOT_AN_EXPRESSION.format("x > 1")),
        (GATEWAY + flow("f", "g", "a", "="), "f", "failed to parse expression ''"),
        (GATEWAY + flow("f", "g", "a", "=1 +"), "f", "failed to parse expression '1 +'"),
        (GATEWAY + flow("f", "g", "a", "${1 +}"), "f", "failed to parse expression '${1 +}'"),
        (GATEWAY + flow("f", "g", "a", "${x.y()}"), "f", "failed to parse expression '${x.y()}'"),
        (
            '<bpmn:exclusiveGateway id="g" default="nowhere"/>',
            "g",
            "Default flow must start at gateway, but found 'nowhere'",
        ),
        (
            '<bpmn:exclusiveGateway id="g" default="start"/>',
            "g",
            "Default flow must start at gateway, but found 'start'",
        ),
        (
            f'{GATEWAY}<bpmn:exclusiveGateway id="o" default="f"/>{flow("f", "g", "a")}',
            "o",
            "Default flow must start at gateway, but found 'f'",
        ),
        (
            f'<bpmn:task id="t"/>{flow("f", "start", "t", "=x")}',
            "f",
            "Conditions are only supported at exclusive or inclusive gateways",
        ),
        (
            f'<bpmn:parallelGateway id="t"/>{GATEWAY}{flow("f", "t", "a", "=x")}',
            "f",
            "Conditions are only supported at exclusive or inclusive gateways",
        ),
        (
            '<bpmn:parallelGateway id="t" default="f"/>',
            "t",
            "'default=\"f\"' is currently not supported at 'parallelGateway'",
        ),
        # jobs
        ('<bpmn:serviceTask id="it"/>', "it", "Must have exactly one 'zeebe:taskDefinition' extension element"),
        (service(job() + job()), "it", "Must have exactly one 'zeebe:taskDefinition' extension element"),
        ('<bpmn:sendTask id="it"/>', "it", "Must have exactly one 'zeebe:taskDefinition' extension element"),
        (
            '<bpmn:serviceTask id="it" implementation="##WebService"/>',
            "it",
            "Must have exactly one 'zeebe:taskDefinition'",
        ),
        (service(job("")), "it > extensionElements > taskDefinition", EMPTY.format("type")),
        (service(job('type=""')), "it > extensionElements > taskDefinition", EMPTY.format("type")),
        (service(job('type="=1 +"')), "it > extensionElements > taskDefinition", "failed to parse expression '1 +'"),
        (
            service(job('type="x" retries="many"')),
            "it > extensionElements > taskDefinition",
            "to be a valid Number, but found 'many'",
        ),
        (
            service(job('type="x" retries="99999999999"')),
            "it > extensionElements > taskDefinition",
            "to be a valid Number",
        ),
        (service(job('type="x" retries="1e9"')), "it > extensionElements > taskDefinition", "to be a valid Number"),
        (
            headers('key="a" value="1"', 'key="a" value="2"'),
            "it > extensionElements > taskHeaders > header",
            "Expected every header key once",
        ),
        (
            headers('key="io.camunda.zeebe:assignee" value="1"'),
            "it > extensionElements > taskHeaders > header",
            "reserved for internal use",
        ),
        # scripts and decisions
        ('<bpmn:scriptTask id="it"/>', "it", "Must have either one 'zeebe:script' or one 'zeebe:taskDefinition'"),
        (
            '<bpmn:scriptTask id="it" scriptFormat="groovy"><bpmn:script>1</bpmn:script></bpmn:scriptTask>',
            "it",
            "Must have either one 'zeebe:script'",
        ),
        (
            element("scriptTask", "it", job() + '<zeebe:script expression="=1" resultVariable="r"/>'),
            "it",
            "Must have either one 'zeebe:script'",
        ),
        (
            element("scriptTask", "it", '<zeebe:script expression="1" resultVariable="r"/>'),
            "it > extensionElements > script",
            NOT_AN_EXPRESSION.format("1"),
        ),
        (
            element("scriptTask", "it", '<zeebe:script resultVariable="r"/>'),
            "it > extensionElements > script",
            EMPTY.format("expression"),
        ),
        (
            element("scriptTask", "it", '<zeebe:script expression="=1" resultVariable=""/>'),
            "it > extensionElements > script",
            EMPTY.format("resultVariable"),
        ),
        (
            '<bpmn:businessRuleTask id="it"/>',
            "it",
            "Must have either one 'zeebe:calledDecision' or one 'zeebe:taskDefinition'",
        ),
        (
            element("businessRuleTask", "it", '<zeebe:calledDecision resultVariable="r"/>'),
            "it > extensionElements > calledDecision",
            EMPTY.format("decisionId"),
        ),
        (
            element("businessRuleTask", "it", '<zeebe:calledDecision decisionId="d"/>'),
            "it > extensionElements > calledDecision",
            EMPTY.format("resultVariable"),
        ),
        (
            element(
                "businessRuleTask",
                "it",
                '<zeebe:calledDecision decisionId="d" resultVariable="r" bindingType="newest"/>',
            ),
            "it > extensionElements > calledDecision",
            "Expected a binding type of latest, deployment, versionTag, but found 'newest'",
        ),
        (
            element(
                "businessRuleTask",
                "it",
                '<zeebe:calledDecision decisionId="d" resultVariable="r" bindingType="versionTag"/>',
            ),
            "it > extensionElements > calledDecision",
            "Attribute 'versionTag' must be present and not empty",
        ),
        # mappings
        *(
            (
                mapping(f'source="=1" target="{target}"', way),
                f"it > extensionElements > ioMapping > {way}",
                f"Expected path expression '{target}'",
            )
            for way in ("input", "output")
            for target in ("1", "a.", ".a", "a..b", "a b", "a-b", "null", "a.if", "x.instance.y", "ä")
        ),
        (mapping('source="=1" target=""'), "it > extensionElements > ioMapping > input", EMPTY.format("target")),
        (
            mapping('source="" target="a"', "output"),
            "it > extensionElements > ioMapping > output",
            EMPTY.format("source"),
        ),
        (mapping('target="a"', "output"), "it > extensionElements > ioMapping > output", EMPTY.format("source")),
        (
            mapping('source="x" target="a"', "output"),
            "it > extensionElements > ioMapping > output",
            NOT_AN_EXPRESSION.format("x"),
        ),
        (
            mapping('source="=1 +" target="a"'),
            "it > extensionElements > ioMapping > input",
            "failed to parse expression '1 +'",
        ),
        # user tasks, zeebe
        *(
            (
                user(f'<zeebe:assignmentDefinition {whom}="{text}"/>'),
                "it > extensionElements > assignmentDefinition",
                NOT_A_LIST.format(text),
            )
            for whom in ("candidateGroups", "candidateUsers")
            for text in ("a,,b,", ",", "a, ")
        ),
        (
            user('<zeebe:assignmentDefinition assignee="="/>'),
            "it > extensionElements > assignmentDefinition",
            "failed to parse expression ''",
        ),
        (
            user("<zeebe:assignmentDefinition/><zeebe:assignmentDefinition/>"),
            "it > extensionElements > assignmentDefinition",
            "Expected at most one",
        ),
        *(
            (
                user(f'<zeebe:taskSchedule {when}="{text}"/>'),
                "it > extensionElements > taskSchedule",
                f"{NOT_A_DATE}, e.g. '2023-03-02T15:35+02:00', but found '{text}'",
            )
            for when in ("dueDate", "followUpDate")
            for text in (
                "tomorrow",
                "2030-01-01",
                "2030-01-01T01:00:00",
                "P1D",
                "2030-02-30T01:00Z",
                "2030-01-01T25:00Z",
                "2030-01-01T01:00+01:00[Mars/Olympus]",
                "2030-01-01T01:00Z ",
                "${due}",
            )
        ),
        (user("<zeebe:formDefinition/>"), "it > extensionElements > formDefinition", ONE_FORM),
        (user('<zeebe:formDefinition formKey=" "/>'), "it > extensionElements > formDefinition", ONE_FORM),
        (user('<zeebe:formDefinition formKey="a" formId="b"/>'), "it > extensionElements > formDefinition", ONE_FORM),
        (
            user('<zeebe:formDefinition formId="b" bindingType="x"/>'),
            "it > extensionElements > formDefinition",
            "Expected a binding type",
        ),
        (
            user('<zeebe:taskHeaders><zeebe:header key="io.camunda.zeebe:x"/></zeebe:taskHeaders>'),
            "it > extensionElements > taskHeaders > header",
            "reserved for internal use",
        ),
        # user tasks, activiti
        (user(attributes='activiti:assignee="${a"'), "it", "failed to parse expression '${a'"),
        (
            user(attributes='activiti:candidateUsers="ada,${who.name()}"'),
            "it",
            "failed to parse expression '${who.name()}'",
        ),
        *(
            (user(attributes=f'activiti:dueDate="{text}"'), "it", f"but found '{text}' in 'activiti:dueDate'")
            for text in ("soon", "R3/PT5M", "2030-13-01", "P", "PT", "T", "P1D1W", "P1DT")
        ),
        *(
            (user(attributes=f'activiti:priority="{text}"'), "it", f"but found '{text}' in 'activiti:priority'")
            for text in ("high", "1.5", "9" * 10)
        ),
        (
            user(attributes='activiti:skipExpression="yes"'),
            "it",
            "Expected an expression '${…}' in 'activiti:skipExpression', but found 'yes'",
        ),
        (user(attributes='activiti:skipExpression="${x"'), "it", "failed to parse expression '${x'"),
        (
            '<bpmn:manualTask id="it" activiti:skipExpression="${x}"/>',
            "it",
            "'activiti:skipExpression' is currently not supported",
        ),
        (user("<activiti:taskListener/>"), "it", "'activiti:taskListener' is currently not supported"),
        *(
            (
                f'<bpmn:serviceTask id="it" activiti:{attribute}="x" implementation="y"/>',
                "it",
                f"'activiti:{named}' is currently not supported",
            )
            for attribute, named in (
                ("class", "class"),
                ("delegateExpression", "delegateExpression"),
                ("expression", "expression"),
                ("type", 'type="x"'),
            )
        ),
        ('<bpmn:task id="t" activiti:assignee="ada"/>', "t", "'activiti:assignee' is currently not supported"),
        # what comes later
        (
            user("<zeebe:taskListeners><zeebe:taskListener/></zeebe:taskListeners>"),
            "it",
            "Expected 'zeebe:taskListeners' at a user task with 'zeebe:userTask' only",
        ),
        *(
            (
                user(f"<zeebe:userTask/><zeebe:taskListeners><zeebe:taskListener {given}/></zeebe:taskListeners>"),
                AT,
                text,
            )
            for given, text in [
                ('type="t"', "Attribute 'eventType' must be present and not empty"),
                ('eventType="creating"', "Attribute 'type' must be present and not empty"),
                ('eventType="creating" type=" "', "Attribute 'type' must be present and not empty"),
                (
                    'eventType="start" type="t"',
                    "Expected an eventType of creating, assigning, updating, completing, canceling, but found 'start'",
                ),
                ('eventType="creating" type="=1 +"', "failed to parse expression '1 +'"),
                ('eventType="creating" type="t" retries="many"', "to be a valid Number, but found 'many'"),
            ]
        ),
        (
            service(job() + "<zeebe:executionListeners><zeebe:executionListener/></zeebe:executionListeners>"),
            "it > extensionElements > executionListeners > executionListener",
            EMPTY.format("eventType"),
        ),
        (
            service(
                job()
                + '<zeebe:executionListeners><zeebe:executionListener eventType="now" type="x"/></zeebe:executionListeners>'
            ),
            "it > extensionElements > executionListeners > executionListener",
            "Expected an eventType of start, end, beforeAll, but found 'now'",
        ),
        (
            element("intermediateThrowEvent", "it", inside="<bpmn:messageEventDefinition/>"),
            "it",
            "Must have exactly one 'zeebe:taskDefinition'",
        ),
        (
            element("serviceTask", "it", "<zeebe:taskdefinition/>"),
            "it",
            "; 'zeebe:taskdefinition' is not known; did you mean 'zeebe:taskDefinition'?",
        ),
        (
            element("callActivity", "it", "<zeebe:calledelement/>"),
            "it",
            "; 'zeebe:calledelement' is not known; did you mean 'zeebe:calledElement'?",
        ),
        (
            element("scriptTask", "it", "<zeebe:scirpt/>"),
            "it",
            "; 'zeebe:scirpt' is not known; did you mean 'zeebe:script'?",
        ),
        *(
            (element(tag, "it", PUBLISH, 'messageRef="m"' if tag == "sendTask" else "", inside), "it", reason)
            for tag, inside, reason in [
                ("serviceTask", "", "Must have exactly one 'zeebe:taskDefinition'"),  # only a send task publishes
                ("endEvent", "<bpmn:messageEventDefinition/>", "Must reference a message"),
            ]
        ),
        (element("sendTask", "it", PUBLISH), "it", "Must reference a message"),
        (
            element("sendTask", "it", f'{PUBLISH}<zeebe:taskDefinition type="t"/>'),
            "it",
            "Must have either one 'zeebe:publishMessage' or one 'zeebe:taskDefinition'",
        ),
        (
            element("endEvent", "it", inside='<bpmn:compensateEventDefinition waitForCompletion="false"/>'),
            "it > compensateEventDefinition",
            "'waitForCompletion' of a compensation must be true or not present",
        ),
        *(
            (
                element("adHocSubProcess", "it", extensions, inside='<bpmn:task id="t"/>'),
                "it > extensionElements > adHoc",
                reason,
            )
            for extensions, reason in [
                ('<zeebe:adHoc outputCollection="o"/>', "to be given both or not at all"),
                ('<zeebe:adHoc outputElement="=o"/>', "to be given both or not at all"),
                (
                    '<zeebe:taskDefinition type="t"/><zeebe:adHoc activeElementsCollection="=o"/>',
                    "Must not have 'activeElementsCollection' beside a 'zeebe:taskDefinition'",
                ),
            ]
        ),
        *(
            (f'<bpmn:{tag} id="it" attachedToRef="start"/>', "it", UNSUPPORTED.format(tag))
            for tag in ("callChoreography", "choreographyTask", "complexGateway", "subChoreography")
        ),
        *(
            (
                f'<bpmn:{tag} id="e">{trigger}</bpmn:{tag}>',
                "e",
                f"An event definition of type '{kind}EventDefinition' is not supported at {place}",
            )
            for tag, place, kinds in (
                ("startEvent", "a start event", ("error", "escalation", "compensate", "cancel", "link", "terminate")),
                (
                    "intermediateCatchEvent",
                    "an intermediate catch event",
                    ("error", "escalation", "compensate", "cancel", "terminate"),
                ),
                (
                    "intermediateThrowEvent",
                    "an intermediate throw event",
                    ("error", "timer", "conditional", "cancel", "terminate"),
                ),
                ("endEvent", "an end event", ("timer", "conditional", "link")),
            )
            for kind in kinds
            for trigger in [f'<bpmn:{kind}EventDefinition id="x"/>']
        ),
        (
            '<bpmn:intermediateCatchEvent id="e"/>',
            "e",
            "Expected an intermediate catch event to have one event definition, but found none",
        ),
        (
            '<bpmn:intermediateCatchEvent id="e"><bpmn:signalEventDefinition/><bpmn:timerEventDefinition/></bpmn:intermediateCatchEvent>',
            "e",
            "to have one event definition, but found 2",
        ),
        (
            '<bpmn:boundaryEvent id="e" attachedToRef="start"><bpmn:errorEventDefinition/></bpmn:boundaryEvent>',
            "e",
            "Must be attached to an activity",
        ),
        ('<bpmn:callActivity id="it"/>', "it", "Must have exactly one 'zeebe:calledElement' extension element"),
        (
            element("callActivity", "it", "<zeebe:calledElement/>"),
            "it > extensionElements > calledElement",
            EMPTY.format("processId"),
        ),
        ('<bpmn:receiveTask id="it"/>', "it", "Must reference a message"),
        (
            '<bpmn:endEvent id="it"><bpmn:escalationEventDefinition escalationRef="other"/></bpmn:endEvent>',
            "it > escalationEventDefinition",
            "Expected 'escalationRef' to name an escalation of this file, but found 'other'",
        ),
        ('<bpmn:eventBasedGateway id="it"/>', "it", "must have at least 2 outgoing sequence flows, but found 0"),
        ('<bpmn:adHocSubProcess id="it"/>', "it", "Must have at least one activity"),
        (
            '<bpmn:startEvent id="e"><bpmn:timerEventDefinition id="x"/></bpmn:startEvent>',
            "e",
            "Must be exactly one type of timer",
        ),
        *(
            (
                f'<bpmn:intermediateCatchEvent id="e"><bpmn:timerEventDefinition><bpmn:{kind}>{value}</bpmn:{kind}></bpmn:timerEventDefinition></bpmn:intermediateCatchEvent>',
                path,
                reason,
            )
            for kind, value, path, reason in (
                ("timeDuration", "soon", "e > timerEventDefinition > timeDuration", "expected an ISO duration"),
                (
                    "timeDate",
                    "soon",
                    "e > timerEventDefinition > timeDate",
                    "expected a date-time with an offset",
                ),
            )
        ),
        (  # in a file of Activiti it fires once
            element("serviceTask", "s", '<zeebe:taskDefinition type="x"/>')
            + '<bpmn:intermediateCatchEvent id="e"><bpmn:timerEventDefinition><bpmn:timeCycle>R/PT1S</bpmn:timeCycle></bpmn:timerEventDefinition></bpmn:intermediateCatchEvent>',
            "e > timerEventDefinition > timeCycle",
            "A timer cycle is only supported",
        ),
        (
            '<bpmn:startEvent id="e"><bpmn:timerEventDefinition><bpmn:timeCycle>R/PT0S</bpmn:timeCycle></bpmn:timerEventDefinition></bpmn:startEvent>',
            "e > timerEventDefinition > timeCycle",
            "expected a repetition or cron expression",
        ),
        (
            '<bpmn:startEvent id="e"><bpmn:timerEventDefinition><bpmn:timeDuration>=x</bpmn:timeDuration></bpmn:timerEventDefinition></bpmn:startEvent>',
            "e > timerEventDefinition > timeDuration",
            "Expected the timer of a start event to use no variables, but found 'x'",
        ),
        (
            element("userTask", "it", inside="<bpmn:multiInstanceLoopCharacteristics/>"),
            "it > multiInstanceLoopCharacteristics",
            "Must have exactly one 'zeebe:loopCharacteristics' extension element",
        ),
        (
            '<bpmn:subProcess id="s" triggeredByEvent="true"><bpmn:startEvent id="x"/></bpmn:subProcess>',
            "x",
            "Expected the start event of an event subprocess to have one event definition, but found none",
        ),
        (
            f'<bpmn:task id="t" isForCompensation="true"/><bpmn:endEvent id="z"/>{flow("f", "t", "z")}',
            "t",
            "A compensation handler must have no incoming or outgoing sequence flows",
        ),
        # what the schema does not know
        ('<bpmn:robotTask id="r"/>', "r", "Expected an element of BPMN 2.0, but found 'robotTask'"),
        ('<bpmn:userTask id="u" assignee="ada"/>', "u", "'assignee=\"ada\"' is currently not supported at 'userTask'"),
        ('<bpmn:task id="t"><bpmn:task id="inner"/></bpmn:task>', "t", UNSUPPORTED.format("task") + " in 'task'"),
        (
            '<bpmn:laneSet id="l"><bpmn:lane id="m"><bpmn:flowNodeRef>nobody</bpmn:flowNodeRef></bpmn:lane></bpmn:laneSet>',
            "m > flowNodeRef",
            "but found 'nobody'",
        ),
    ],
)
def test_what_cannot_be_deployed(fragment: str, path: str, reason: str) -> None:
    found = faults(fragment)
    assert any(fault.path == path and reason in fault.reason for fault in found), found


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (definitions(""), "Must contain at least one executable process"),
        (
            definitions('<bpmn:process id="p"><bpmn:startEvent id="s"/></bpmn:process>'),
            "Must contain at least one executable process",
        ),
        (definitions('<bpmn:process id="p" isExecutable="true"/>'), "Must have at least one start event"),
        (
            definitions('<bpmn:process id="" isExecutable="true"><bpmn:startEvent id="s"/></bpmn:process>'),
            EMPTY.format("id"),
        ),
        (
            definitions('<bpmn:process id="p"><bpmn:robot/></bpmn:process>'),
            "Expected an element of BPMN 2.0, but found 'robot'",
        ),
        (
            definitions(
                '<bpmn:process id="p" isExecutable="true"><bpmn:extensionElements><zeebe:executionListeners><zeebe:executionListener/></zeebe:executionListeners></bpmn:extensionElements></bpmn:process>'
            ),
            "Attribute 'eventType' must be present and not empty",
        ),
        (process("").replace(b"</bpmn:definitions>", b""), "the file ends before its elements do"),
        (process("").partition(b"definitions")[0], "the file ends before its elements do"),
        (b"", "Fatal Error at line 1, column 0: no element found"),
        (b"dinner", "Fatal Error at line 1, column 0"),
        (b"\x00", "Fatal Error"),
        (b"<a/>", "Fatal Error: Expected 'definitions' of BPMN 2.0 as the outermost element, but found 'a'"),
        (b'<?xml version="1.0" encoding="unicode_escape"?><a/>', "Expected an encoding of utf-8"),
        (b"<!DOCTYPE a><a/>", "DOCTYPE is disallowed"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "DOCTYPE is disallowed"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "DOCTYPE is disallowed"),
        ("<!DOCTYPE a><a/>".encode("utf-16"), "DOCTYPE is disallowed"),
        (
            b"<!-- first --><?pi x?>\n<!DOCTYPE a [<!ENTITY % b SYSTEM 'http://example.org/'> %b;]><a",
            "Fatal Error at line 2: DOCTYPE is disallowed",
        ),
        (b"<a>&nbsp;</a>", "Fatal Error at line 1, column 3: undefined entity"),
        (b"<a>" * 257 + b"</a>" * 257, "Expected at most 256 levels of elements"),
        (b"<a>" + b"<b/>" * 250_000 + b"</a>", "Expected at most 250000 elements"),
        (b" " * (4 * 1024 * 1024 + 1), "Expected at most 4194304 bytes, but found 4194305"),
    ],
)
def test_what_is_no_deployable_file(file: bytes, reason: str) -> None:
    assert [fault.reason for fault in faults(file) if reason in fault.reason]


@pytest.mark.parametrize(
    ("line", "loop"),
    [
        ("start > a:manual > b:exclusive [=x -> a | else -> end]", "a > b > a"),
        ("start > a > a", "a > a"),
        ("start > a:parallel [b:exclusive > a | end]", "a > b > a"),
        ("start > a > s:sub { start > c > end } > a", "a > s > a"),
        ("start > s:sub { start > c > d > c }", "c > d > c"),
        ("start > a > b:throw > a", "a > b > a"),
        ("start > a > b:throw(signal=s) > a", "a > b > a"),
        ("start > a:catch(link=x) > b > c:throw(link=x)", "a > b > c > a"),
    ],
)
def test_a_loop_without_a_wait_is_reported_with_its_way(line: str, loop: str) -> None:
    [fault] = faults(bpmn(line))
    assert (fault.path, fault.reason) == (
        "process",
        f"Processes are not allowed to contain a straight-through processing loop: {loop}",
    )


@pytest.mark.parametrize(
    "line",
    [
        "start > a:user > b:exclusive [=x -> a | else -> end]",
        "start > a:job > a",
        "start > s:sub { start > c:user > end } > s",
        'start > a:script(expression="=i + 1", result=i) > b:exclusive [i > 3 -> end | else -> a]',
        "start > a > b > c:exclusive [=x -> d:exclusive | else -> d] > end",
        "start > a:manual(items==[1], item=i) > a",
        "start > a:task(on_start=audit) > a",
        "start > a > b:throw(escalation=e) > a",
        "start > a > b:throw(message=m, type=send) > a",
    ],
)
def test_a_loop_that_waits_or_computes_is_allowed(line: str) -> None:
    assert faults(bpmn(line)) == []


def test_a_long_loop_is_reported_by_its_ends() -> None:
    tasks = "".join(f'<bpmn:task id="t{i}"/>' + flow(f"f{i}", f"t{i}", f"t{(i + 1) % 1000}") for i in range(1000))
    [fault] = faults(tasks)
    assert fault.reason.endswith("t7 > t8 > t9 > … > t991 > t992 > t993 > t994 > t995 > t996 > t997 > t998 > t999 > t0")


def test_all_faults_are_reported_at_once_in_the_order_of_the_file_and_grouped_by_element() -> None:
    fragment = (
        user('<zeebe:taskSchedule dueDate="x" followUpDate="y"/>')
        + "\n"
        + flow("f", "it", "nowhere")
        + "\n"
        + '<bpmn:complexGateway id="t"/>'
    )
    with pytest.raises(model.InvalidModel) as refused:
        model.parse("test.bpmn", process(fragment))
    assert str(refused.value).splitlines() == [
        "- Element: it > extensionElements > taskSchedule",
        f"    - ERROR: {NOT_A_DATE}, e.g. '2023-03-02T15:35+02:00', but found 'x' (line 7)",
        f"    - ERROR: {NOT_A_DATE}, e.g. '2023-03-02T15:35+02:00', but found 'y' (line 7)",
        "- Element: f",
        "    - ERROR: Expected 'targetRef' to name an element of this file, but found 'nowhere' (line 8)",
        "- Element: t",
        "    - ERROR: Elements of type 'complexGateway' are currently not supported (line 9)",
    ]
    assert [fault.line for fault in refused.value.faults] == [7, 7, 8, 9]


def test_what_is_wrong_with_the_file_as_a_whole_names_no_element() -> None:
    with pytest.raises(model.InvalidModel, match=r"^Fatal Error at line 1: DOCTYPE is disallowed$") as refused:
        model.parse("test.bpmn", b"<!DOCTYPE a><a/>")
    assert refused.value.resource_name == "test.bpmn"


def test_a_refused_element_is_reported_once_and_not_again_by_the_flows_around_it() -> None:
    fragment = '<bpmn:receiveTask id="r"/><bpmn:endEvent id="e"/>' + flow("f", "start", "r") + flow("g", "r", "e")
    assert [fault.path for fault in faults(fragment)] == ["r"]


def test_a_condition_that_does_not_parse_is_not_reported_as_missing() -> None:
    fragment = GATEWAY + flow("f", "g", "a", "=1 +") + flow("h", "g", "b", "=x")
    assert [fault.path for fault in faults(fragment)] == ["f"]


def test_a_start_event_of_another_kind_is_not_counted_as_a_none_start_event() -> None:
    fragment = '<bpmn:startEvent id="t"><bpmn:timerEventDefinition id="x"/></bpmn:startEvent>'
    assert [fault.path for fault in faults(fragment)] == ["t"]


def test_a_text_of_the_model_is_cut_in_a_reason() -> None:
    [fault] = faults(user(f'<zeebe:taskSchedule dueDate="{"x" * 10_000}"/>'))
    assert len(fault.reason) < 350


def test_few_unknown_extension_elements_are_compared_with_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr(zeebe, "meant", lambda *asked: compared.append(asked) or "")
    unknown = "".join(f"<zeebe:name{number}/>" for number in range(1_000))
    assert "Must have exactly one 'zeebe:taskDefinition'" in faults(service(unknown))[0].reason
    assert len(compared) == zeebe.UNKNOWN_MAX


def test_a_process_has_a_bound_on_its_elements() -> None:
    [fault] = faults('<bpmn:task id="t"/>'.join(["", ""]) + "".join(f'<bpmn:task id="t{i}"/>' for i in range(9_999)))
    assert fault.reason == "Expected at most 10000 elements, but found 10001"


def test_a_reason_is_said_once_and_in_one_line() -> None:
    """Modelling tools read the answer line by line, and it has no room to repeat an expression."""
    long = "1 +\n" * 100
    with pytest.raises(model.InvalidModel) as refused:
        model.parse(
            "p.bpmn",
            process(
                element("task", "t", attributes='name="Two&#10;lines"') + GATEWAY + flow("f", "g", "a", f"={long}")
            ),
        )
    [head, reason] = str(refused.value).split("\n")
    assert head == "- Element: f"
    assert reason.count("failed to parse expression") == 1
    assert "Expected a value, but found the end" in reason


def test_a_name_with_line_breaks_is_written_in_one_line() -> None:
    with pytest.raises(model.InvalidModel) as refused:
        model.parse("p.bpmn", process('<bpmn:serviceTask id="it" name="Charge&#10; it"/>'))
    assert str(refused.value).endswith("set the type of its job in the modeler (line 7, 'Charge it')")


def test_a_default_flow_of_a_task_counts_in_a_file_of_activiti_only() -> None:
    line = "start > t > u:task > end & t:task(default=t_to_u) > v:task > end2"
    [process] = model.parse("p.bpmn", bpmn(line))
    assert not process.elements["t"].has_conditions
    [process] = model.parse("p.bpmn", bpmn(line, dialect="activiti"))
    assert process.elements["t"].has_conditions


def test_a_file_of_activiti_alone_is_told_how_its_expressions_look() -> None:
    file = process(GATEWAY + flow("f", "g", "a", "always")).replace(
        b'xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"', b""
    )
    [fault] = faults(file)
    assert fault.reason == (
        "Expected expression but found static value 'always'. An expression stands in '${…}' (e.g. '${always}')."
    )
