"""The part of the notation of `bpmn` that is about events, loops, calls and listeners: arguments to XML."""

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

_TIMERS = {"timer": "timeDuration", "date": "timeDate", "cycle": "timeCycle"}
_SHARED = {"message": "message", "signal": "signal", "error": "error", "escalation": "escalation"}
_ACTIVITY_LOOP = ("items", "cardinality", "collection")


def attributes(tag: str, kind: str, given: dict[str, str], id: str) -> dict[str, str]:
    """The attributes of BPMN itself."""
    found: dict[str, str] = {}
    if tag == "boundaryEvent":
        found = {"attachedToRef": given["on"], "cancelActivity": given.get("cancel", "true")}
    elif kind == "eventsub":
        found = {"triggeredByEvent": "true"}
    elif tag == "startEvent" and "interrupting" in given:
        found = {"isInterrupting": given["interrupting"]}
    elif tag == "receiveTask" or (tag == "sendTask" and "message" in given):
        found = {"messageRef": f"{id}_message"}
    elif "called" in given:
        found = {"calledElement": given["called"]}
    if given.get("compensates") == "yes":
        found["isForCompensation"] = "true"
    if "cancel_remaining" in given:
        found["cancelRemainingInstances"] = given["cancel_remaining"]
    return found


def children(tag: str, id: str, given: dict[str, str]) -> Iterator[str]:
    """The child elements: the event definition, the loop, the completion condition."""
    yield from _definitions(tag, id, given)
    yield from _loop(tag, given)
    if tag == "adHocSubProcess" and "done" in given:
        yield f"<bpmn:completionCondition>{escape(given['done'])}</bpmn:completionCondition>"


def _definitions(tag: str, id: str, given: dict[str, str]) -> Iterator[str]:
    for argument, timer in _TIMERS.items():
        if argument in given:
            end = f" activiti:endDate={quoteattr(given['until'])}" if "until" in given else ""
            yield f"<bpmn:timerEventDefinition><bpmn:{timer}{end}>{escape(given[argument])}</bpmn:{timer}></bpmn:timerEventDefinition>"
    for argument in _SHARED if tag not in ("receiveTask", "sendTask") else ():
        if argument in given:
            reference = "" if given[argument] == "any" else f' {argument}Ref="{id}_{argument}"'
            yield f"<bpmn:{argument}EventDefinition{reference}{_correlation(given)}/>"
    if "condition" in given:
        names = {"watches": "variableNames", "changes": "variableEvents"}
        filters = "".join(f" {names[one]}={quoteattr(given[one])}" for one in names if one in given)
        found = (
            f"<bpmn:extensionElements><zeebe:conditionalFilter{filters}/></bpmn:extensionElements>" if filters else ""
        )
        found += f"<bpmn:condition>{escape(given['condition'])}</bpmn:condition>"
        yield f"<bpmn:conditionalEventDefinition>{found}</bpmn:conditionalEventDefinition>"
    if "link" in given:
        yield f'<bpmn:linkEventDefinition id="{id}_link" name={quoteattr(given["link"])}/>'
    if "compensate" in given:
        activity = "" if given["compensate"] == "any" else f' activityRef="{given["compensate"]}"'
        yield f'<bpmn:compensateEventDefinition id="{id}_compensate"{activity}/>'
    if "terminate" in given:
        reach = {"all": ' activiti:terminateAll="true"', "loop": ' activiti:terminateMultiInstance="true"'}
        yield f"<bpmn:terminateEventDefinition{reach.get(given['terminate'], '')}/>"
    if "cancelled" in given:
        yield "<bpmn:cancelEventDefinition/>"


def _correlation(given: dict[str, str]) -> str:
    return f" activiti:correlationKey={quoteattr(given['correlation'])}" if "correlation" in given else ""


def _loop(tag: str, given: dict[str, str]) -> Iterator[str]:
    if any(one in given for one in _ACTIVITY_LOOP):
        sequential = f'isSequential="{given.get("sequential", "false")}"'
        for argument, attribute in {
            "collection": "collection",
            "element": "elementVariable",
            "index": "elementIndexVariable",
        }.items():
            if argument in given:
                sequential += f" activiti:{attribute}={quoteattr(given[argument])}"
        names = {"items": "inputCollection", "item": "inputElement", "results": "outputCollection"}
        if tag not in ("scriptTask", "businessRuleTask"):  # their `result` is the variable of their own
            names["result"] = "outputElement"
        found = "".join(f" {names[one]}={quoteattr(given[one])}" for one in names if one in given)
        extension = (
            f"<bpmn:extensionElements><zeebe:loopCharacteristics{found}/></bpmn:extensionElements>" if found else ""
        )
        inner = extension
        if "cardinality" in given:
            inner += f"<bpmn:loopCardinality>{escape(given['cardinality'])}</bpmn:loopCardinality>"
        if "output" in given:
            inner += f"<bpmn:loopDataOutputRef>{escape(given['output'])}</bpmn:loopDataOutputRef>"
        if "output_item" in given:
            inner += f"<bpmn:outputDataItem name={quoteattr(given['output_item'])}/>"
        if "done" in given:
            inner += f"<bpmn:completionCondition>{escape(given['done'])}</bpmn:completionCondition>"
        yield f"<bpmn:multiInstanceLoopCharacteristics {sequential}>{inner}</bpmn:multiInstanceLoopCharacteristics>"
    elif "repeat" in given or "times" in given:
        options = f' loopMaximum="{given["times"]}"' if "times" in given else ""
        options += ' testBefore="true"' if given.get("test_before") == "yes" else ""
        inner = f"<bpmn:loopCondition>{escape(given['repeat'])}</bpmn:loopCondition>" if "repeat" in given else ""
        yield f"<bpmn:standardLoopCharacteristics{options}>{inner}</bpmn:standardLoopCharacteristics>"


def extensions(tag: str, given: dict[str, str]) -> list[str]:
    """The extension elements of `zeebe:`."""
    found = []
    if tag == "callActivity":
        names = {"process": "processId", "binding": "bindingType", "tag": "versionTag"}
        names |= {"parent": "propagateAllParentVariables", "child": "propagateAllChildVariables"}
        found.append(
            "<zeebe:calledElement"
            + "".join(f" {names[one]}={quoteattr(given[one])}" for one in names if one in given)
            + "/>"
        )
    listeners = [(event, type) for event in ("start", "end", "all") for type in given.get(f"on_{event}", "").split()]
    if listeners:
        rows = (
            f'<zeebe:executionListener eventType="{"beforeAll" if event == "all" else event}" type={quoteattr(type)}/>'
            for event, type in listeners
        )
        found.append(f"<zeebe:executionListeners>{''.join(rows)}</zeebe:executionListeners>")
    if tag == "adHocSubProcess":
        names = {"active": "activeElementsCollection", "results": "outputCollection", "result": "outputElement"}
        found.append(
            "<zeebe:adHoc" + "".join(f" {names[one]}={quoteattr(given[one])}" for one in names if one in given) + "/>"
        )
    if "publish" in given:
        found.append(f"<zeebe:publishMessage correlationKey={quoteattr(given['publish'])}/>")
    return found


def shared(id: str, given: dict[str, str], dialect: str) -> Iterator[str]:
    """The elements that stand beside the process."""
    if "message" in given:
        key = given.get("key")
        subscription = (
            ""
            if key is None or dialect != "zeebe"
            else (
                f"<bpmn:extensionElements><zeebe:subscription correlationKey={quoteattr(key)}/></bpmn:extensionElements>"
            )
        )
        yield f'<bpmn:message id="{id}_message" name={quoteattr(given["message"])}>{subscription}</bpmn:message>'
    if "signal" in given:
        scope = ' activiti:scope="processInstance"' if given.get("scope") == "inside" else ""
        yield f'<bpmn:signal id="{id}_signal" name={quoteattr(given["signal"])}{scope}/>'
    for argument in ("error", "escalation"):
        if argument in given and given[argument] != "any":
            yield f'<bpmn:{argument} id="{id}_{argument}" {argument}Code={quoteattr(given[argument])}/>'
