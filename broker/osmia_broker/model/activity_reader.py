"""Read what activities of all kinds may have: loops, listeners, calls, and the rules of ad-hoc subprocesses."""

from dataclasses import replace

from osmia_broker.base.whole_numbers import INT32_MAX, whole_number
from osmia_broker.model import expressions
from osmia_broker.model.dialects import activiti, zeebe
from osmia_broker.model.expressions import Expression, variable_of
from osmia_broker.model.faults import quote
from osmia_broker.model.graph import ACTIVITI_LOOP, AdHocDefinition, MultiInstance, StandardLoop
from osmia_broker.model.source import Source
from osmia_broker.model.text import trimmed
from osmia_broker.model.xml import ACTIVITI, BPMN, Node, name, text


def read_loop(source: Source) -> MultiInstance | StandardLoop | None:
    """Read the loop of an activity; None without one."""
    loops = [(tag, node) for tag, node in source.children() if tag.endswith("LoopCharacteristics")]
    if not loops:
        return None
    if len(loops) > 1:
        source.fault(f"Expected at most one loop, but found {len(loops)}")
        return None
    tag, node = loops[0]
    return _standard(source, node) if tag == "standardLoopCharacteristics" else _multi_instance(source, node)


def _standard(source: Source, node: Node) -> StandardLoop | None:
    """Read a standard loop. Without a condition and a maximum it would never end, so the activity runs once then."""
    condition = _condition(source, node, "loopCondition")
    maximum = trimmed(node.get("loopMaximum", ""))
    times = whole_number(maximum, most=INT32_MAX)
    if maximum and times is None:
        source.fault(f"Expected 'loopMaximum' to be a whole number, but found '{quote(maximum)}'", node)
        return None
    times = times or None  # some tools write 0 where nobody has set it
    if condition is None and times is None:
        return None
    tested_before = node.get("testBefore", "").strip() in ("true", "1")
    return StandardLoop(condition, tested_before, times)


def _multi_instance(source: Source, node: Node) -> MultiInstance | None:
    loop = Source(node, source.faults)
    is_sequential = node.get("isSequential", "").strip() in ("true", "1")
    completion = _condition(source, node, "completionCondition")
    if zeebe.has(loop, "loopCharacteristics"):
        return zeebe.multi_instance(loop, is_sequential=is_sequential, completion_condition=completion)
    return _activiti_loop(source, node, is_sequential=is_sequential, completion_condition=completion)


def _activiti_loop(
    source: Source, node: Node, *, is_sequential: bool, completion_condition: Expression | None
) -> MultiInstance | None:
    """Read the loop of the Activiti dialect, or of a file without any dialect.

    Beside a cardinality, the collection gives the items only: without a variable for them, nobody looks at it (measured on Activiti 7.1.0.M6).
    """
    cardinality = _child_text(node, "loopCardinality")
    collection = _attribute(node, "collection") or _child_text(node, "loopDataInputRef")
    if not collection and not (cardinality and source.file.declares_activiti):
        source.fault(
            "Must have exactly one 'zeebe:loopCharacteristics' extension element; set the input collection in the modeler",
            node,
        )
        return None
    element_variable = _attribute(node, "elementVariable") or _item_name(node, "inputDataItem")
    is_read = bool(collection) and (bool(element_variable) or not cardinality)
    return MultiInstance(
        is_sequential=is_sequential,
        collection=activiti.collection(source, node, collection) if is_read else None,
        cardinality=activiti.cardinality(source, node, cardinality) if cardinality else None,
        element_variable=element_variable,
        output_collection=_child_text(node, "loopDataOutputRef"),
        completion_condition=completion_condition,
        names=replace(ACTIVITI_LOOP, counter=_attribute(node, "elementIndexVariable") or ACTIVITI_LOOP.counter),
        collects_locals=True,
        output_variable=_item_name(node, "outputDataItem"),
    )


def _attribute(node: Node, local: str) -> str:
    return trimmed(node.get(name(ACTIVITI, local), ""))


def _child_text(node: Node, tag: str) -> str:
    return next((text(one) for one in node.iterchildren(name(BPMN, tag))), "")


def _item_name(node: Node, tag: str) -> str:
    """Return the name of the variable for one item."""
    return next((trimmed(one.get("name", "")) for one in node.iterchildren(name(BPMN, tag))), "")


def read_ad_hoc(source: Source) -> AdHocDefinition:
    """Read the rules of an ad-hoc subprocess: `zeebe:adHoc`, `completionCondition`, `cancelRemainingInstances`."""
    active, collection, output = zeebe.ad_hoc(source)
    return AdHocDefinition(
        active_elements=active,
        completion_condition=_condition(source, source.node, "completionCondition"),
        cancels_remaining_instances=source.node.get("cancelRemainingInstances", "true").strip() in ("true", "1"),
        output_collection=collection,
        output_element=output,
        result_variable=variable_of(output),
    )


def _condition(source: Source, node: Node, tag: str) -> Expression | None:
    found = next((one for one in node.iterchildren(name(BPMN, tag)) if text(one)), None)
    if found is None:
        return None
    value = text(found)
    if expressions.is_feel(value):
        return source.compiled(found, expressions.feel, expressions.without_sign(value))
    if expressions.is_juel(value):
        return source.compiled(found, expressions.juel, value)
    source.static_value(found, value, " Remove the loop if this is only a note" if tag == "loopCondition" else "")
    return None
