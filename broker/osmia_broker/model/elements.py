"""The BPMN elements that can be deployed. Each has one entry: its type, the attributes and children it may have, and its reader.

A new element needs an entry here, a name in `ElementType`, its rules in `validate.py` and its processor in the engine. An element without an
entry is refused at deployment, at any depth, so a model never runs without a part of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from osmia_broker.model.activity_reader import read_ad_hoc
from osmia_broker.model.dialects import activiti, zeebe
from osmia_broker.model.event_reader import Place, read_event, read_message
from osmia_broker.model.events import ErrorEvent, MessageEvent
from osmia_broker.model.expressions import Static
from osmia_broker.model.faults import quote
from osmia_broker.model.graph import Element, ElementType, JobDefinition
from osmia_broker.model.source import Source
from osmia_broker.model.text import trimmed

Read = Callable[[Source, Element], None]

_NAMED = frozenset({"id", "name"})
_GATEWAY = _NAMED | {"gatewayDirection"}
_ACTIVITY = _NAMED | {"isForCompensation", "startQuantity", "completionQuantity", "default"}
_TASK_BY_JOB = _ACTIVITY | {"implementation", "operationRef"}

_BASE_CHILDREN = frozenset({"documentation", "extensionElements", "auditing", "monitoring"})
_NODE_CHILDREN = _BASE_CHILDREN | {"categoryValueRef", "incoming", "outgoing"}
_PEOPLE = frozenset({"resourceRole", "performer", "humanPerformer", "potentialOwner"})
_ACTIVITY_CHILDREN = _NODE_CHILDREN | {
    "dataInputAssociation",
    "dataOutputAssociation",
    "ioSpecification",
    "property",
    "standardLoopCharacteristics",
    "multiInstanceLoopCharacteristics",
    *_PEOPLE,
}
_EVENT_CHILDREN = _NODE_CHILDREN | {
    "dataInput",
    "dataInputAssociation",
    "dataOutput",
    "dataOutputAssociation",
    "inputSet",
    "outputSet",
    "property",
    "eventDefinitionRef",
    "cancelEventDefinition",
    "compensateEventDefinition",
    "conditionalEventDefinition",
    "errorEventDefinition",
    "escalationEventDefinition",
    "linkEventDefinition",
    "messageEventDefinition",
    "signalEventDefinition",
    "terminateEventDefinition",
    "timerEventDefinition",
}
_CONTENT = frozenset(
    {
        "association",
        "dataObject",
        "dataObjectReference",
        "dataStoreReference",
        "group",
        "laneSet",
        "sequenceFlow",
        "textAnnotation",
    }
)


@dataclass(frozen=True, slots=True)
class Kind:
    """The attributes and children that a tag may have. *contains_elements*: its children may be elements of the graph too."""

    attributes: frozenset[str]
    children: frozenset[str]
    contains_elements: bool = False


@dataclass(frozen=True, slots=True)
class FlowNode:
    """The entry of a tag that becomes an element of the graph."""

    type: ElementType
    kind: Kind
    read: Read
    activiti_attributes: frozenset[str] = frozenset()


PROCESS = Kind(
    attributes=_NAMED | {"isExecutable", "isClosed", "processType", "definitionalCollaborationRef"},
    children=_BASE_CHILDREN
    | _CONTENT
    | _PEOPLE
    | {"correlationSubscription", "ioBinding", "ioSpecification", "property", "supportedInterfaceRef", "supports"},
    contains_elements=True,
)
SEQUENCE_FLOW = Kind(
    attributes=_NAMED | {"sourceRef", "targetRef", "isImmediate"},
    children=_BASE_CHILDREN | {"categoryValueRef", "conditionExpression"},
)
FLOW_NODES: dict[str, FlowNode] = {}


def reads(
    tag: str,
    type: ElementType,
    *,
    attributes: frozenset[str],
    children: frozenset[str] = _NODE_CHILDREN,
    contains_elements: bool = False,
    activiti_attributes: frozenset[str] = frozenset(),
) -> Callable[[Read], Read]:
    """Register the decorated function as the reader of *tag*."""

    def enter(read: Read) -> Read:
        kind = Kind(attributes, children, contains_elements)
        FLOW_NODES[tag] = FlowNode(type, kind, read, activiti_attributes)
        return read

    return enter


def check_shape(source: Source, tag: str, kind: Kind, activiti_attributes: frozenset[str] = frozenset()) -> None:
    """Refuse every attribute, child and extension that *kind* does not allow."""
    for attribute, value in source.node.attrib.items():
        local = str(attribute)
        if local.startswith("{") or not str(value).strip():
            continue  # each dialect checks its own namespace, the reference ignores all others; an empty attribute has no effect
        if local not in kind.attributes:
            source.fault(f"'{quote(local)}=\"{quote(str(value))}\"' is currently not supported at '{tag}'")
    for child, node in source.children():
        if child not in kind.children and not (kind.contains_elements and child in FLOW_NODES):
            # An event definition has an id of its own, but the fault belongs to the event.
            where, at = ("", node) if kind.contains_elements else (f" in '{tag}'", source.node)
            source.fault(f"Elements of type '{quote(child)}' are currently not supported{where}", at)
    activiti.check(source, activiti_attributes)


@reads("exclusiveGateway", ElementType.EXCLUSIVE_GATEWAY, attributes=_GATEWAY | {"default"})
@reads("inclusiveGateway", ElementType.INCLUSIVE_GATEWAY, attributes=_GATEWAY | {"default"})
@reads("parallelGateway", ElementType.PARALLEL_GATEWAY, attributes=_GATEWAY)
@reads("eventBasedGateway", ElementType.EVENT_BASED_GATEWAY, attributes=_GATEWAY | {"instantiate", "eventGatewayType"})
@reads("manualTask", ElementType.MANUAL_TASK, attributes=_ACTIVITY, children=_ACTIVITY_CHILDREN)
@reads("task", ElementType.TASK, attributes=_ACTIVITY, children=_ACTIVITY_CHILDREN)
@reads(
    "transaction",
    ElementType.TRANSACTION,
    attributes=_ACTIVITY | {"triggeredByEvent", "method"},
    children=_ACTIVITY_CHILDREN | _CONTENT,
    contains_elements=True,
)
def read_nothing_more(source: Source, element: Element) -> None:
    """Read nothing: these elements have only what all elements have."""


@reads(
    "subProcess",
    ElementType.SUB_PROCESS,
    attributes=_ACTIVITY | {"triggeredByEvent"},
    children=_ACTIVITY_CHILDREN | _CONTENT,
    contains_elements=True,
)
def read_subprocess(source: Source, element: Element) -> None:
    """Read a subprocess; one that is triggered by an event is of another type."""
    if source.is_true("triggeredByEvent"):
        element.type = ElementType.EVENT_SUB_PROCESS


@reads(
    "adHocSubProcess",
    ElementType.AD_HOC_SUB_PROCESS,
    attributes=_ACTIVITY | {"triggeredByEvent", "ordering", "cancelRemainingInstances"},
    children=_ACTIVITY_CHILDREN | _CONTENT | {"completionCondition"},
    contains_elements=True,
)
def read_ad_hoc_subprocess(source: Source, element: Element) -> None:
    """Read an ad-hoc subprocess, whose elements are activated by a collection or by a worker."""
    element.ad_hoc = read_ad_hoc(source)
    element.job = _job_if_defined(source)


@reads(
    "startEvent",
    ElementType.START_EVENT,
    attributes=_NAMED | {"isInterrupting", "parallelMultiple"},
    children=_EVENT_CHILDREN,
    activiti_attributes=activiti.START_EVENT,
)
def read_start_event(source: Source, element: Element) -> None:
    """Read a start event. Its place depends on what is around it."""
    scope = element.scope
    if scope is None or scope.type is ElementType.PROCESS:
        place = Place.START
    elif scope.type is ElementType.EVENT_SUB_PROCESS:
        place = Place.EVENT_SUBPROCESS_START
    else:
        place = Place.SUBPROCESS_START
    element.event = read_event(source, place)
    element.is_interrupting = _interrupts(source, element, "isInterrupting")
    _without_inputs_if_none(element)
    element.initiator_variable = activiti.initiator_variable(source)


@reads(
    "intermediateCatchEvent",
    ElementType.INTERMEDIATE_CATCH_EVENT,
    attributes=_NAMED | {"parallelMultiple"},
    children=_EVENT_CHILDREN,
)
def read_catch_event(source: Source, element: Element) -> None:
    """Read an intermediate catch event."""
    element.event = read_event(source, Place.CATCH)


@reads(
    "boundaryEvent",
    ElementType.BOUNDARY_EVENT,
    attributes=_NAMED | {"parallelMultiple", "attachedToRef", "cancelActivity"},
    children=_EVENT_CHILDREN,
)
def read_boundary_event(source: Source, element: Element) -> None:
    """Read a boundary event; the activity that it is attached to is found when all elements are read."""
    element.event = read_event(source, Place.BOUNDARY)
    element.is_interrupting = _interrupts(source, element, "cancelActivity")


def _interrupts(source: Source, element: Element, attribute: str) -> bool:
    """Return whether an event interrupts. In Activiti a caught error always does, whatever the attribute says."""
    is_caught_error = source.file.is_activiti and isinstance(element.event, ErrorEvent)
    return is_caught_error or source.node.get(attribute, "true").strip() not in ("false", "0")


@reads("intermediateThrowEvent", ElementType.INTERMEDIATE_THROW_EVENT, attributes=_NAMED, children=_EVENT_CHILDREN)
@reads("endEvent", ElementType.END_EVENT, attributes=_NAMED, children=_EVENT_CHILDREN)
def read_throw_event(source: Source, element: Element) -> None:
    """Read a throwing event. A message is thrown by a job, or published by the broker."""
    is_end = element.type is ElementType.END_EVENT
    element.event = read_event(source, Place.END if is_end else Place.THROW)
    _without_inputs_if_none(element)
    if isinstance(element.event, MessageEvent):
        element.publish = zeebe.publish(source, element.event.name)
        if element.publish is None and not zeebe.has(source, "taskDefinition"):
            element.publish = activiti.publish(source, element.event.name)
        if element.publish is None:
            element.job = _connector(source) or zeebe.job(source)


@reads(
    "receiveTask",
    ElementType.RECEIVE_TASK,
    attributes=_ACTIVITY | {"messageRef", "implementation", "operationRef", "instantiate"},
    children=_ACTIVITY_CHILDREN,
)
def read_receive_task(source: Source, element: Element) -> None:
    """Read a task that waits for a message."""
    element.event = read_message(source, source.node, Place.CATCH)


@reads(
    "callActivity",
    ElementType.CALL_ACTIVITY,
    attributes=_ACTIVITY | {"calledElement"},
    children=_ACTIVITY_CHILDREN,
    activiti_attributes=activiti.CALL_ACTIVITY,
)
def read_call_activity(source: Source, element: Element) -> None:
    """Read the call of another process, in one of the dialects."""
    element.call = zeebe.call(source) or (None if zeebe.has(source, "calledElement") else activiti.call(source))
    if element.call is None and not zeebe.has(source, "calledElement"):
        source.fault(
            "Must have exactly one 'zeebe:calledElement' extension element; name the called process in the modeler"
            + zeebe.misspelt(source)
        )


@reads(
    "userTask",
    ElementType.USER_TASK,
    attributes=_ACTIVITY | {"implementation"},
    children=_ACTIVITY_CHILDREN | {"rendering"},
    activiti_attributes=activiti.USER_TASK,
)
def read_user_task(source: Source, element: Element) -> None:
    """Read a task for a person, in one of the dialects. Its job has one retry (measured)."""
    in_activiti = (
        source.file.is_only_activiti
        or activiti.has(source, activiti.USER_TASK)
        or (source.file.is_activiti and activiti.has_owners(source))
    )
    element.user_task = activiti.user_task(source) if in_activiti else zeebe.user_task(source)
    element.job = JobDefinition(
        Static(zeebe.USER_TASK_JOB_TYPE), Static(1), zeebe.headers(source), zeebe.job_priority(source)
    )


@reads(
    "serviceTask",
    ElementType.SERVICE_TASK,
    attributes=_TASK_BY_JOB,
    children=_ACTIVITY_CHILDREN,
    activiti_attributes=activiti.TASK,
)
def read_service_task(source: Source, element: Element) -> None:
    """Read a task for a worker: from `zeebe:taskDefinition`, else from `implementation`, which names a connector."""
    element.job = _connector(source) or zeebe.job(source)


@reads(
    "sendTask",
    ElementType.SEND_TASK,
    attributes=_TASK_BY_JOB | {"messageRef"},
    children=_ACTIVITY_CHILDREN,
    activiti_attributes=activiti.TASK,
)
def read_send_task(source: Source, element: Element) -> None:
    """Read a task that publishes a message, or lets a worker send it."""
    if not zeebe.has(source, "publishMessage"):
        read_service_task(source, element)
    elif _has_one_of(source, "publishMessage", "taskDefinition"):
        message = read_message(source, source.node, Place.THROW)
        element.publish = None if message is None else zeebe.publish(source, message.name)


@reads(
    "scriptTask",
    ElementType.SCRIPT_TASK,
    attributes=_ACTIVITY | {"scriptFormat"},
    children=_ACTIVITY_CHILDREN | {"script"},
    activiti_attributes=activiti.SCRIPT_TASK,
)
def read_script_task(source: Source, element: Element) -> None:
    """Read a task with a FEEL script or a job."""
    if source.file.is_only_activiti and not zeebe.has(source, "script", "taskDefinition"):
        if source.faults.touch(source.id):
            return  # Java code is reported once
        language = trimmed(source.node.get("scriptFormat", ""))
        what = f"A script in '{quote(language)}'" if language else "A script"
        source.fault(f"{what} is currently not supported; use a service task instead: {activiti.WORK}")
    elif _has_one_of(source, "script", "taskDefinition"):
        element.script = zeebe.script(source)
        element.job = _job_if_defined(source)


@reads(
    "businessRuleTask",
    ElementType.BUSINESS_RULE_TASK,
    attributes=_ACTIVITY | {"implementation"},
    children=_ACTIVITY_CHILDREN,
)
def read_business_rule_task(source: Source, element: Element) -> None:
    """Read a task with a decision or a job."""
    element.job = _connector(source)
    if element.job is None and _has_one_of(source, "calledDecision", "taskDefinition"):
        element.decision = zeebe.decision(source)
        element.job = _job_if_defined(source)


def _without_inputs_if_none(event: Element) -> None:
    """Pass over the input mappings of an event that has no trigger, as the reference does (measured). Its outputs count."""
    if event.event is None:
        event.inputs = ()


def _connector(source: Source) -> JobDefinition | None:
    return None if zeebe.has(source, "calledDecision", "taskDefinition") else activiti.job(source)


def _job_if_defined(source: Source) -> JobDefinition | None:
    return zeebe.job(source) if zeebe.has(source, "taskDefinition") else None


def _has_one_of(source: Source, *definitions: str) -> bool:
    if sum(zeebe.has(source, definition) for definition in definitions) == 1:
        return True
    if source.faults.touch(source.id):
        return False
    names = " or ".join(f"one 'zeebe:{definition}'" for definition in definitions)
    source.fault(
        f"Must have either {names} extension element; choose how the task is implemented in the modeler{zeebe.misspelt(source)}"
    )
    return False
