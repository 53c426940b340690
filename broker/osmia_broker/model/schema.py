"""Check a file by the rules of the BPMN schema: known elements, unique ids, required attributes, references that exist.

The rules apply to the whole file, also to processes that are not executable. They are more tolerant than the schema: the
order of children, `targetNamespace` and the diagram are not checked.
"""

import re
from collections.abc import Collection

from osmia_broker.model.faults import Faults, quote
from osmia_broker.model.xml import BPMN, Node, line, local_name, namespace, text

_DIAGRAM = frozenset(
    f"http://www.omg.org/spec/{part}" for part in ("BPMN/20100524/DI", "DD/20100524/DI", "DD/20100524/DC")
)

_XML_LETTERS = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
# The rule NCName of XML Namespaces 1.0.
_ID = re.compile(f"[{_XML_LETTERS}][{_XML_LETTERS}0-9.\u00b7\u0300-\u036f\u203f-\u2040-]*")

#: The elements of BPMN 2.0.2's schema.
KNOWN = frozenset(
    re.findall(
        r"\w+",
        """
    adHocSubProcess artifact assignment association auditing boundaryEvent businessRuleTask callActivity callChoreography
    callConversation cancelEventDefinition category categoryValue categoryValueRef childLaneSet choreography choreographyActivityShape
    choreographyRef choreographyTask collaboration compensateEventDefinition completionCondition complexBehaviorDefinition complexGateway
    condition conditionExpression conditionalEventDefinition conversation conversationAssociation conversationLink conversationNode
    correlationKey correlationKeyRef correlationProperty correlationPropertyBinding correlationPropertyRef
    correlationPropertyRetrievalExpression correlationSubscription dataInput dataInputAssociation dataInputRefs dataObject
    dataObjectReference dataOutput dataOutputAssociation dataOutputRefs dataPath dataState dataStore dataStoreReference definitions
    documentation endEvent endPoint endPointRef error errorEventDefinition errorRef escalation escalationEventDefinition event
    eventBasedGateway eventDefinition eventDefinitionRef exclusiveGateway expression extension extensionElements flowNodeRef
    formalExpression from globalBusinessRuleTask globalChoreographyTask globalConversation globalManualTask globalScriptTask globalTask
    globalUserTask group humanPerformer implicitThrowEvent import inMessageRef inclusiveGateway incoming innerParticipantRef
    inputDataItem inputSet inputSetRefs interface interfaceRef intermediateCatchEvent intermediateThrowEvent ioBinding ioSpecification
    itemDefinition lane laneSet linkEventDefinition loopCardinality loopCondition loopDataInputRef loopDataOutputRef manualTask message
    messageEventDefinition messageFlow messageFlowAssociation messageFlowRef messagePath monitoring multiInstanceLoopCharacteristics
    operation operationRef optionalInputRefs optionalOutputRefs outMessageRef outgoing outputDataItem outputSet outputSetRefs
    parallelGateway participant participantAssociation participantMultiplicity participantRef partitionElement partnerEntity
    partnerRole performer potentialOwner process property rationale receiveTask relationship rendering resource
    resourceAssignmentExpression resourceParameter resourceParameterBinding resourceRef resourceRole rootElement script scriptTask
    sendTask sequenceFlow serviceTask signal signalEventDefinition source sourceRef standardLoopCharacteristics startEvent
    subChoreography subConversation subProcess supportedInterfaceRef supports target targetRef task terminateEventDefinition text
    textAnnotation timeCycle timeDate timeDuration timerEventDefinition to transaction transformation userTask value
    whileExecutingInputRefs whileExecutingOutputRefs
    """,
    )
)

#: The attributes that the schema requires and the reader needs. It checks ids itself.
REQUIRED = {
    "association": ("sourceRef", "targetRef"),
    "boundaryEvent": ("attachedToRef",),
    "messageFlow": ("sourceRef", "targetRef"),
    "sequenceFlow": ("sourceRef", "targetRef"),
}

#: The attributes that name another element of the same file. The reader checks the default flow of a gateway itself.
REFERENCES = {
    "sequenceFlow": ("sourceRef", "targetRef"),
    "dataObjectReference": ("dataObjectRef",),
    "boundaryEvent": ("attachedToRef",),
}
_IDS = ("id", "default", *sorted({attribute for attributes in REFERENCES.values() for attribute in attributes}))
_QUALIFIED = ("messageRef", "signalRef", "errorRef", "escalationRef", "dataObjectRef", "operationRef", "processRef")
_WHITE_SPACE = " \t\r\n"  # of XML; any other blank is no character of an id
_REFERS_BY_TEXT = frozenset({"flowNodeRef"})


def check(root: Node, faults: Faults) -> Collection[str]:
    """Add what the schema refuses to *faults*, with the line of each id. Return all ids of the file."""
    ids: dict[str, int] = {}
    nodes = list(_outside_extensions(root))
    target_namespace = root.get("targetNamespace", "")
    for node in nodes:
        _trim_ids(node)
        _shorten_names(node, target_namespace)
        _check_id(node, ids, faults)
        if namespace(node) == BPMN:
            _check_element(node, faults)
    faults.places(ids, {id: node.get("name", "") for node in nodes if (id := node.get("id")) and node.get("name")})
    for node in nodes:
        if namespace(node) == BPMN:
            _check_references(node, ids, faults)
    return ids.keys()


def _outside_extensions(root: Node) -> list[Node]:
    """Return every element in document order, without those inside `extensionElements`, which the dialects check."""
    found, pending = [], [root]
    while pending:
        node = pending.pop()
        found.append(node)
        if local_name(node) != "extensionElements":
            pending.extend(reversed(node))
    return found


def _trim_ids(node: Node) -> None:
    """Remove the white space around ids and references, as a parser with the schema does (xsd:ID, xsd:IDREF)."""
    for attribute in _IDS if namespace(node) == BPMN or namespace(node) in _DIAGRAM else ():
        value = node.get(attribute)
        if value is not None and value != (id := value.strip(_WHITE_SPACE)):
            node.set(attribute, id)


def _shorten_names(node: Node, target_namespace: str) -> None:
    """Remove the prefix of references that are qualified with the namespace of the file itself (xsd:QName)."""
    for attribute in _QUALIFIED if namespace(node) == BPMN else ():
        prefix, colon, local = node.get(attribute, "").strip(_WHITE_SPACE).partition(":")
        if colon and node.nsmap.get(prefix) == target_namespace:
            node.set(attribute, local)


def _check_id(node: Node, ids: dict[str, int], faults: Faults) -> None:
    id = node.get("id")
    if id is None or (namespace(node) != BPMN and namespace(node) not in _DIAGRAM):
        return
    if not _ID.fullmatch(id):
        faults.add(
            node,
            f"Expected an id of letters, digits, '_', '-' and '.', not starting with a digit, but found '{quote(id)}'",
        )
    elif id in ids:
        faults.add(node, f"Expected every id once, but found '{quote(id)}' on lines {ids[id]} and {line(node)}")
    else:
        ids[id] = line(node)


def _check_element(node: Node, faults: Faults) -> None:
    tag = local_name(node)
    if tag not in KNOWN:
        faults.add(node, f"Expected an element of BPMN 2.0, but found '{quote(tag)}'")
    for attribute in REQUIRED.get(tag, ()):
        if not node.get(attribute):
            faults.add(node, f"Attribute '{attribute}' must be present and not empty")


def _check_references(node: Node, ids: dict[str, int], faults: Faults) -> None:
    tag = local_name(node)
    names = [(attribute, node.get(attribute, "")) for attribute in REFERENCES.get(tag, ())]
    if tag in _REFERS_BY_TEXT:
        names.append((tag, text(node)))
    for attribute, target in names:
        if target and target not in ids:
            faults.add(node, f"Expected '{attribute}' to name an element of this file, but found '{quote(target)}'")
