"""Read a deployed BPMN file into executable processes.

    bytes -> xml.read -> schema.check -> elements, then sequence flows -> validate -> Process

The time is linear in the file, and nothing recurses: subprocesses wait in a queue. All faults are collected and reported together.
"""

from collections import deque
from collections.abc import Collection, Iterable

from osmia_broker.model import elements, expressions, recognition, schema, validate, xml
from osmia_broker.model.activity_reader import read_loop
from osmia_broker.model.connecting import connect_events
from osmia_broker.model.data_objects import read_data_object
from osmia_broker.model.dialects import activiti, zeebe
from osmia_broker.model.events import CompensationEvent
from osmia_broker.model.expressions import Expression, Static
from osmia_broker.model.faults import Fault, Faults, InvalidModel, quote
from osmia_broker.model.foreign import forget_foreign_names
from osmia_broker.model.graph import (
    ACTIVITIES,
    CHOOSING,
    Element,
    ElementType,
    ListenerDefinition,
    Process,
    SequenceFlow,
    VariableMapping,
)
from osmia_broker.model.passing import mark_passing
from osmia_broker.model.source import File, Source
from osmia_broker.model.xml import BPMN, Node

ELEMENTS_MAX = 10_000  # of one process

_DEFINITIONS = xml.name(BPMN, "definitions")
_PROCESS = xml.name(BPMN, "process")
_FLOW_NODES = [xml.name(BPMN, tag) for tag in elements.FLOW_NODES]
_CONDITION = xml.name(BPMN, "conditionExpression")


def parse(resource_name: str, content: bytes) -> tuple[Process, ...]:
    """Read the executable processes of a BPMN file, at least one, in document order. Other processes are skipped.

    Raises:
        InvalidModel: the file has faults, and nothing of it can be deployed. No other exception is raised, whatever the bytes.
    """
    faults = Faults()
    root = _read_definitions(resource_name, content)
    ids = schema.check(root, faults)
    file = File.of(root)
    forget_foreign_names(root)
    sources = [Source(node, faults, file) for node in root.iterchildren(_PROCESS)]
    executable = [source for source in sources if _is_executable(source)]
    if not executable:
        faults.add(root, recognition.not_executable(root))
    processes = tuple(_Reading(source, ids).process for source in executable if _is_bounded(source))
    for process in processes:
        validate.check(process, faults)
    faults.refuse(resource_name, recognition.hints(root))
    return processes


def _read_definitions(resource_name: str, content: bytes) -> Node:
    try:
        root = xml.read(content)
    except xml.Unreadable as unreadable:
        raise InvalidModel(resource_name, [Fault("", "", str(unreadable), unreadable.line)]) from None
    if root.tag != _DEFINITIONS:
        raise InvalidModel(resource_name, [Fault("", "", recognition.not_bpmn(root), xml.line(root))])
    return root


def _is_executable(process: Source) -> bool:
    return process.is_true("isExecutable") if process.node.get("isExecutable") else process.file.is_only_activiti


def _is_bounded(process: Source) -> bool:
    count = sum(1 for _ in process.node.iter(*_FLOW_NODES))
    if count > ELEMENTS_MAX:
        process.fault(f"Expected at most {ELEMENTS_MAX} elements, but found {count}")
    return count <= ELEMENTS_MAX


class _Reading:
    """The reading of one process. Elements come first, because a file may have a sequence flow before its ends."""

    def __init__(self, source: Source, ids: Collection[str]) -> None:
        self.faults = source.faults
        self.ids = ids
        self.root = _new_element(source, ElementType.PROCESS)
        self.process = Process(
            id=source.required(source.node, "id"),
            name=self.root.name,
            version_tag=zeebe.version_tag(source),
            root=self.root,
            elements={self.root.id: self.root},
            forms=zeebe.forms(source),
            is_extensible=source.file.is_extensible,
            job_priority=zeebe.job_priority(source),
        )
        _set_listeners(self.root, zeebe.listeners(source))
        self._refused: set[str] = set()
        self._named: dict[str, int] = {}  # how many flows without an id lie between the same elements
        self._file = source.file
        self._boundaries: list[tuple[Source, Element]] = []
        self._associations: list[Source] = []
        self._flows: list[tuple[Source, Element]] = []
        self._defaults: list[tuple[Source, Element]] = []
        self._read_scopes(source)
        self._default_ids = {gateway.node.get("default", "") for gateway, _ in self._defaults}
        flows = {source.id: flow for source, scope in self._flows if (flow := self._read_flow(source, scope))}
        for gateway, element in self._defaults:
            self._read_default(gateway, element, flows)
        self._attach_boundaries()
        for association in self._associations:
            self._associate(association)
        connect_events(self.process, self.faults)
        mark_passing(self.process)

    def _read_scopes(self, source: Source) -> None:
        elements.check_shape(source, "process", elements.PROCESS, activiti.PROCESS)
        pending = deque([(source, self.root)])
        while pending:
            container, scope = pending.popleft()
            for tag, node in container.children():
                pending.extend(self._read_child(tag, node, scope))

    def _read_child(self, tag: str, node: Node, scope: Element) -> Iterable[tuple[Source, Element]]:
        """Read one child of *scope*; return it with its element if it is a scope itself."""
        if tag == "sequenceFlow":
            self._flows.append((Source(node, self.faults, self._file), scope))
        elif tag in elements.FLOW_NODES:
            child = Source(node, self.faults, self._file)
            element = self._read_element(tag, child, scope)
            if elements.FLOW_NODES[tag].kind.contains_elements:
                return [(child, element)]
        elif tag == "dataObject" and self._file.is_activiti:
            self._read_data_object(Source(node, self.faults, self._file), scope)
        elif tag == "association":
            self._associations.append(Source(node, self.faults))
        elif node.get("id") and tag not in elements.PROCESS.children:
            self._refused.add(node.get("id", ""))
        return ()

    def _read_data_object(self, source: Source, scope: Element) -> None:
        read = read_data_object(source)
        if read is None:
            return
        variable, value = read
        if scope is self.root:
            self.process.variables[variable] = value
        else:
            scope.inputs = (*scope.inputs, VariableMapping(Static(value), (variable,)))

    def _read_element(self, tag: str, source: Source, scope: Element) -> Element:
        flow_node = elements.FLOW_NODES[tag]
        source.required(source.node, "id")
        elements.check_shape(source, tag, flow_node.kind, flow_node.activiti_attributes)
        element = _new_element(source, flow_node.type, scope)
        element.inputs, element.outputs = zeebe.mappings(source)
        if element.type is ElementType.CALL_ACTIVITY and not (element.inputs or element.outputs):
            element.inputs, element.outputs = activiti.call_mappings(source)
        element.is_for_compensation = source.is_true("isForCompensation")
        element.skip = activiti.skip(source)
        element.has_conditions = source.file.is_only_activiti and element.type in CHOOSING
        flow_node.read(source, element)
        if "multiInstanceLoopCharacteristics" in flow_node.kind.children:
            element.loop = read_loop(source)
        _set_listeners(element, zeebe.listeners(source))
        if element.user_task is not None and "canceling" in element.user_task.listeners:
            self.process.has_listeners_at_the_end = True
        if element.id:
            self.process.elements.setdefault(element.id, element)
        scope.children.append(element)
        if element.type is ElementType.BOUNDARY_EVENT:
            element.may_end = source.file.is_only_activiti
            self._boundaries.append((source, element))
        if source.node.get("default"):
            self._defaults.append((source, element))
        return element

    def _read_flow(self, source: Source, scope: Element) -> SequenceFlow | None:
        if source.file.is_only_activiti and not source.id:
            self._name_flow(source)
        id = source.required(source.node, "id")
        elements.check_shape(source, "sequenceFlow", elements.SEQUENCE_FLOW, activiti.FLOW)
        # BPMN 2.0.2, table 10.123: a condition on a default flow shall be ignored, so it need not even be readable.
        condition = None if id in self._default_ids else _condition(source)
        ends = [self._end(source, attribute, scope) for attribute in ("sourceRef", "targetRef")]
        if ends[0] is None or ends[1] is None:
            return None
        flow = SequenceFlow(id, ends[0], ends[1], condition, activiti.skip(source))
        if flow.skip is not None or (condition is not None and _is_of_activiti(source)):
            flow.source.has_conditions = True
        flow.source.outgoing.append(flow)
        flow.target.incoming.append(flow)
        return flow

    def _name_flow(self, source: Source) -> None:
        """Give a flow an id, which Activiti does not ask for. The same file always gets the same ids."""
        ends = f"{source.node.get('sourceRef', '')}_to_{source.node.get('targetRef', '')}"
        self._named[ends] = self._named.get(ends, 0) + 1
        id = ends if self._named[ends] == 1 else f"{ends}_{self._named[ends]}"
        source.node.set("id", id if id not in self.ids else f"{id}_flow")

    def _end(self, source: Source, attribute: str, scope: Element) -> Element | None:
        """Return the element at one end of a flow; None if it is missing (which `schema` reports) or was refused."""
        id = source.node.get(attribute, "")
        element = self.process.elements.get(id)
        if element is not None and element.scope is scope:
            return element
        if id in self.ids and id not in self._refused:
            source.fault(
                f"Expected '{attribute}' to name an element of the same process or subprocess, but found '{quote(id)}'"
            )
        return None

    def _read_default(self, source: Source, gateway: Element, flows: dict[str, SequenceFlow]) -> None:
        id = source.node.get("default", "")
        flow = flows.get(id)
        if flow is None or flow.source is not gateway:
            source.fault(f"Default flow must start at gateway, but found '{quote(id)}'")
            return
        gateway.default_flow = flow
        if source.file.is_activiti:
            gateway.has_conditions = True

    def _attach_boundaries(self) -> None:
        attached: dict[Element, list[Element]] = {}
        for source, event in self._boundaries:
            self._attach(source, event)
            if event.attached_to is not None:
                attached.setdefault(event.attached_to, []).append(event)
        for host, events in attached.items():
            host.boundaries = tuple(events)

    def _attach(self, source: Source, event: Element) -> None:
        """Set the activity of a boundary event."""
        host = self.process.elements.get(source.node.get("attachedToRef", ""))
        if host is None:
            return  # `schema` has reported it, or the activity was refused
        if host.scope is not event.scope or host.type not in ACTIVITIES:
            source.fault(f"Must be attached to an activity beside it, but found '{quote(host.id)}'")
            return
        event.attached_to = host

    def _associate(self, source: Source) -> None:
        """Connect a compensation boundary event with its handler; other associations are comments."""
        ends = [self.process.elements.get(source.node.get(one, "")) for one in ("sourceRef", "targetRef")]
        event, handler = ends
        if event is not None and handler is not None and isinstance(event.event, CompensationEvent):
            event.compensation_handler = handler


def _set_listeners(element: Element, listeners: dict[str, tuple[ListenerDefinition, ...]]) -> None:
    element.start_listeners = listeners.get("start", ())
    element.end_listeners = listeners.get("end", ())
    element.body_listeners = listeners.get("beforeAll", ())


def _new_element(source: Source, type: ElementType, scope: Element | None = None) -> Element:
    return Element(
        id=source.id,
        type=type,
        name=source.node.get("name", ""),
        documentation=source.documentation,
        properties=zeebe.properties(source) if scope and scope.type is ElementType.AD_HOC_SUB_PROCESS else None,
        scope=scope,
        is_extensible=source.file.is_extensible,
    )


def _is_of_activiti(source: Source) -> bool:
    """Whether the condition of a flow is written in the Activiti dialect, which honours it behind any element."""
    nodes = source.node.iterchildren(_CONDITION)
    return any(expressions.is_juel(xml.text(node)) and not expressions.is_feel(xml.text(node)) for node in nodes)


def _condition(source: Source) -> Expression | None:
    """Return the condition of a sequence flow; None without, or if it is empty as some tools leave it."""
    nodes = [node for node in source.node.iterchildren(_CONDITION) if xml.text(node)]
    if len(nodes) > 1:
        source.fault(f"Expected at most one 'conditionExpression', but found {len(nodes)}", nodes[1])
    if not nodes:
        return None
    text = xml.text(nodes[0])
    if expressions.is_juel(text) and not expressions.is_feel(text):
        return activiti.condition(source, text)
    return zeebe.condition(source, text)
