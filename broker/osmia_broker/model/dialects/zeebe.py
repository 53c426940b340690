"""The `zeebe:` dialect: extension elements of Camunda 8.

A text that starts with `=` is FEEL; any other is a constant.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import chain, islice
from typing import Any

from osmia_broker.model import expressions
from osmia_broker.model.dates import zoned_date_time
from osmia_broker.model.dialects.activiti import WORK
from osmia_broker.model.dialects.zeebe_words import ATTRIBUTES
from osmia_broker.model.expressions import Converted, Expression, Static, path_of, variable_of
from osmia_broker.model.faults import meant, quote
from osmia_broker.model.graph import (
    CallDefinition,
    DecisionCall,
    JobDefinition,
    ListenerDefinition,
    MultiInstance,
    PublishDefinition,
    ScriptDefinition,
    UserTaskDefinition,
    VariableMapping,
)
from osmia_broker.model.source import Source
from osmia_broker.model.text import trimmed
from osmia_broker.model.xml import ZEEBE, Node, local_name, name

USER_TASK_JOB_TYPE = "io.camunda.zeebe:userTask"
RESERVED_HEADERS = "io.camunda.zeebe:"
DEFAULT_RETRIES = 3
RETRIES_MAX = 2**31 - 1  # an int32 on the wire
TARGET_NAMES_MAX = 100  # of a mapping: each is a level of the variable, and a document of a client has at most 200
PRIORITIES = range(101)  # of a native user task
BINDINGS = ("latest", "deployment", "versionTag")

LISTENER_EVENTS = ("start", "end", "beforeAll")
TASK_LISTENER_EVENTS = ("creating", "assigning", "updating", "completing", "canceling")
#: The names of the same events before 8.8, which the reference still reads.
_OLD_EVENTS = dict(zip(("create", "assignment", "update", "complete", "cancel"), TASK_LISTENER_EVENTS, strict=True))

_PATH = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*(\.[a-zA-Z_][a-zA-Z0-9_]*)*")
_RESERVED = frozenset(["null", "true", "false", "function", "if", "then", "else", "for", "between", "instance", "of"])
_WHOLE = re.compile(r"[+-]?[0-9]{1,10}")
_WHOLE_OR_DECIMAL = re.compile(r"([+-]?[0-9]{1,10})(\.[0-9]+)?")
_ONE_NATIVE_FORM = (
    "Exactly one of the attributes 'formId, externalReference' must be present and not blank for native user tasks"
)

#: Unknown names of one element that are compared with those that are known; each takes a tenth of a millisecond.
UNKNOWN_MAX = 10


def misspelt(source: Source) -> str:
    """Return `; 'zeebe:taskDef' is not known; did you mean 'zeebe:taskDefinition'?` for an extension element with nearly a known name, else nothing.

    Unknown ones are passed over, as the reference does; so this is the reason if something is missing.
    """
    names = (local_name(nodes[0]) for tag, nodes in source.extensions.items() if tag.startswith(f"{{{ZEEBE}}}"))
    unknown = islice((one for one in names if one not in ATTRIBUTES), UNKNOWN_MAX)
    near = ((one, meant("zeebe:", one, ATTRIBUTES)) for one in unknown)
    return next((f"; 'zeebe:{quote(one)}' is not known{suggestion}" for one, suggestion in near if suggestion), "")


def has(source: Source, *locals: str) -> bool:
    """Whether the element carries one of these extension elements."""
    return any(_tag(local) in source.extensions for local in locals)


def job(source: Source) -> JobDefinition | None:
    """Read the job of a task: exactly one `zeebe:taskDefinition`, and `zeebe:taskHeaders`."""
    found = source.extensions.get(_tag("taskDefinition"), [])
    if len(found) != 1:
        if found or not source.faults.touch(source.id):  # a Java class of Activiti is reported once
            mend = WORK if source.file.is_only_activiti else "set the type of its job in the modeler"
            source.fault(f"Must have exactly one 'zeebe:taskDefinition' extension element; {mend}{misspelt(source)}")
        return None
    [node] = found
    type = _value(source, node, "type", _name) if source.required(node, "type") else None
    if type is not None and not isinstance(type, Static):
        type = Converted(type, _job_type)
    retries = _value(source, node, "retries", _retries) or Static(DEFAULT_RETRIES)
    own_headers, priority = headers(source), job_priority(source)
    return None if type is None else JobDefinition(type, retries, own_headers, priority)


def job_priority(source: Source) -> Expression | None:
    """Read the first `zeebe:jobPriorityDefinition` of a process or a task; None without."""
    node = next(iter(source.extensions.get(_tag("jobPriorityDefinition"), ())), None)
    return _value(source, node, "priority", _int32) if node is not None and source.required(node, "priority") else None


def headers(source: Source) -> Mapping[str, str]:
    """Read `zeebe:taskHeaders`: constants, never expressions.

    A header without key or value is left out, as the reference does: the Modeler writes such headers.
    """
    return _headers(source, source.extensions.get(_tag("taskHeaders"), []))


def _headers(source: Source, containers: Iterable[Node]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for node in chain.from_iterable(container.iterchildren(_tag("header")) for container in containers):
        key, value = node.get("key", ""), node.get("value", "")
        if key.startswith(RESERVED_HEADERS):
            source.fault(
                f"Header keys that start with '{RESERVED_HEADERS}' are reserved for internal use, but found '{quote(key)}'",
                node,
            )
        elif trimmed(key) and value:
            if key in found:
                source.fault(f"Expected every header key once, but found '{quote(key)}' again", node)
            found[key] = value
    return found


def mappings(source: Source) -> tuple[tuple[VariableMapping, ...], tuple[VariableMapping, ...]]:
    """Read the inputs and outputs of `zeebe:ioMapping`, in document order."""
    container = source.extension(_tag("ioMapping"))
    if container is None:
        return (), ()
    inputs = [_mapping(source, node, _input_source) for node in _filled(container, "input")]
    outputs = [_mapping(source, node, _output_source) for node in _filled(container, "output")]
    return tuple(filter(None, inputs)), tuple(filter(None, outputs))


def user_task(source: Source) -> UserTaskDefinition:
    """Read a user task of either kind: `zeebe:assignmentDefinition`, `zeebe:taskSchedule`, `zeebe:formDefinition`, and those of native ones."""
    assignment = source.extension(_tag("assignmentDefinition"))
    schedule = source.extension(_tag("taskSchedule"))
    fields: dict[str, Any] = {}
    if assignment is not None:
        fields["assignee"] = _value(source, assignment, "assignee", _name)
        fields["candidate_groups"] = _value(source, assignment, "candidateGroups", _texts)
        fields["candidate_users"] = _value(source, assignment, "candidateUsers", _texts)
    if schedule is not None:
        fields["due_date"] = _value(source, schedule, "dueDate", _date_time)
        fields["follow_up_date"] = _value(source, schedule, "followUpDate", _date_time)
    priority = source.extension(_tag("priorityDefinition"))
    found = None if priority is None else _value(source, priority, "priority", _priority)
    if has(source, "userTask"):
        fields["priority"] = found
        return UserTaskDefinition(**fields, **_native_form(source), is_native=True, listeners=task_listeners(source))
    task_listeners(source)  # refused here; a priority is checked, as in the reference, and has no effect
    return UserTaskDefinition(**fields, **_form(source))


def script(source: Source) -> ScriptDefinition | None:
    """Read `zeebe:script`: an expression, and the plain name of the variable for its result."""
    node = source.extension(_tag("script"))
    if node is None:
        return None
    expression = _expression(source, node, "expression") if source.required(node, "expression") else None
    result_variable = source.required(node, "resultVariable")
    return None if expression is None else ScriptDefinition(expression, result_variable)


def decision(source: Source) -> DecisionCall | None:
    """Read `zeebe:calledDecision`."""
    node = source.extension(_tag("calledDecision"))
    if node is None:
        return None
    decision_id = _value(source, node, "decisionId", _name) if source.required(node, "decisionId") else None
    result_variable = source.required(node, "resultVariable")
    binding, tag = _binding(source, node)
    return None if decision_id is None else DecisionCall(decision_id, result_variable, binding, tag)


def version_tag(source: Source) -> str:
    """Read the `zeebe:versionTag` of a process; empty without."""
    node = source.extension(_tag("versionTag"))
    return "" if node is None else trimmed(node.get("value", ""))


def forms(source: Source) -> Mapping[str, str]:
    """Read the forms inside the model (`zeebe:userTaskForm`), JSON texts by id. Form keys `camunda-forms:bpmn:<id>` refer to them."""
    found: dict[str, str] = {}
    for node in source.extensions.get(_tag("userTaskForm"), []):
        id = source.required(node, "id")
        if id in found:
            source.fault(f"Expected every form id once, but found '{quote(id)}' again", node)
        found[id] = node.text or ""
    return found


def condition(source: Source, text: str) -> Expression | None:
    """Compile the FEEL condition of a sequence flow. A constant is refused."""
    if not expressions.is_feel(text):
        source.static_value(source.node, text)
        return None
    return source.compiled(source.node, expressions.feel, expressions.without_sign(text))


def _form(source: Source) -> dict[str, Any]:
    node = source.extension(_tag("formDefinition"))
    if node is None:
        return {}
    key, id = node.get("formKey", ""), node.get("formId", "")
    if bool(trimmed(key)) == bool(trimmed(id)):
        source.fault("Exactly one of the attributes 'formId, formKey' must be present and not blank", node)
        return {}
    if trimmed(key):
        return {"form_key": Static(key)}  # verbatim: a leading = is not evaluated (measured)
    binding, tag = _binding(source, node)
    return {"form_id": _value(source, node, "formId", _name), "form_binding": binding, "form_version_tag": tag}


def _native_form(source: Source) -> dict[str, Any]:
    node = source.extension(_tag("formDefinition"))
    if node is None:
        return {}
    id, reference = node.get("formId", ""), node.get("externalReference", "")
    if bool(trimmed(id)) == bool(trimmed(reference)):
        source.fault(_ONE_NATIVE_FORM, node)
        return {}
    if trimmed(reference):
        return {"external_reference": _value(source, node, "externalReference", _name)}
    binding, tag = _binding(source, node)
    return {"form_id": _value(source, node, "formId", _name), "form_binding": binding, "form_version_tag": tag}


def _binding(source: Source, node: Node) -> tuple[str, str]:
    """Return the binding type of a reference and its version tag, which only the type `versionTag` has."""
    binding = trimmed(node.get("bindingType", "")) or BINDINGS[0]
    if binding not in BINDINGS:
        source.fault(f"Expected a binding type of {', '.join(BINDINGS)}, but found '{quote(binding)}'", node)
    return binding, source.required(node, "versionTag") if binding == "versionTag" else ""


def call(source: Source) -> CallDefinition | None:
    """Read the `zeebe:calledElement` of a call activity; None without."""
    node = source.extension(_tag("calledElement"))
    if node is None:
        return None
    process_id = _value(source, node, "processId", _name) if source.required(node, "processId") else None
    binding, tag = _binding(source, node)
    if process_id is None:
        return None
    parent, child = (
        node.get(f"propagateAll{whose}Variables", "true").strip() != "false" for whose in ("Parent", "Child")
    )
    return CallDefinition(process_id, binding, tag, parent, child)


def multi_instance(
    source: Source, *, is_sequential: bool, completion_condition: Expression | None
) -> MultiInstance | None:
    """Read the `zeebe:loopCharacteristics` of *source*, the `multiInstanceLoopCharacteristics`."""
    node = source.extension(_tag("loopCharacteristics"))
    if node is None or not source.required(node, "inputCollection"):
        return None
    collection = _expression(source, node, "inputCollection")
    output_collection = trimmed(node.get("outputCollection", ""))
    has_element = bool(trimmed(node.get("outputElement", "")))
    if not _check_output(source, node):
        return None
    element = _expression(source, node, "outputElement") if has_element else None
    if collection is None:
        return None
    item = trimmed(node.get("inputElement", ""))
    result = variable_of(element)
    return MultiInstance(
        is_sequential=is_sequential,
        collection=collection,
        element_variable=item,
        output_collection=output_collection,
        output_element=element,
        result_variable=result if result != item else "",
        completion_condition=completion_condition,
    )


def _check_output(source: Source, node: Node) -> bool:
    """Whether *node* has an output collection with an output element, or neither; a fault otherwise."""
    is_whole = bool(trimmed(node.get("outputCollection", ""))) == bool(trimmed(node.get("outputElement", "")))
    if not is_whole:
        source.fault("Expected 'outputCollection' and 'outputElement' to be given both or not at all", node)
    return is_whole


def ad_hoc(source: Source) -> tuple[Expression | None, str, Expression | None]:
    """Read `zeebe:adHoc`: the elements to activate, the output collection, and the output element."""
    node = source.extension(_tag("adHoc"))
    if node is None:
        return None, "", None
    has_active = bool(trimmed(node.get("activeElementsCollection", "")))
    has_element = bool(trimmed(node.get("outputElement", "")))
    _check_output(source, node)
    if has_active and has(source, "taskDefinition"):
        source.fault(
            "Must not have 'activeElementsCollection' beside a 'zeebe:taskDefinition', whose worker activates the elements",
            node,
        )
    return (
        _expression(source, node, "activeElementsCollection") if has_active else None,
        trimmed(node.get("outputCollection", "")),
        _expression(source, node, "outputElement") if has_element else None,
    )


def properties(source: Source) -> dict[str, str | None]:
    """Read `zeebe:properties`: the values by name, None for an empty one."""
    containers = source.extensions.get(_tag("properties"), [])
    return {
        node.get("name", ""): node.get("value") or None for one in containers for node in one.iter(_tag("property"))
    }


Listeners = tuple[ListenerDefinition, ...]


def listeners(source: Source) -> dict[str, Listeners]:
    """Read `zeebe:executionListeners`: the listeners by event type (`start`, `end`, `beforeAll`), in document order."""
    return _listeners(source, "execution", LISTENER_EVENTS)


def task_listeners(source: Source) -> dict[str, Listeners]:
    """Read `zeebe:taskListeners` of a native user task: the listeners by event type, in document order."""
    if not has(source, "userTask"):
        if any(len(node) for node in source.extensions.get(_tag("taskListeners"), [])):
            source.fault(
                "Expected 'zeebe:taskListeners' at a user task with 'zeebe:userTask' only, but found them elsewhere"
            )
        return {}
    return _listeners(source, "task", TASK_LISTENER_EVENTS)


def _listeners(source: Source, kind: str, events: tuple[str, ...]) -> dict[str, Listeners]:
    found: dict[str, list[ListenerDefinition]] = {}
    seen: set[tuple[str, str]] = set()
    containers = source.extensions.get(_tag(f"{kind}Listeners"), [])
    common = headers(source) if containers else {}  # a listener's own headers win over those of its element
    for container in containers:
        for node in container.iterchildren(_tag(f"{kind}Listener")):
            event = source.required(node, "eventType")
            type = source.required(node, "type")
            if not event or not type:
                continue
            if kind == "task":
                event = _OLD_EVENTS.get(event, event)
            if event not in events:
                source.fault(f"Expected an eventType of {', '.join(events)}, but found '{quote(event)}'", node)
                continue
            if (event, type) in seen and kind == "execution":  # several task listeners may be alike
                source.fault(
                    f"Found duplicate execution listener of eventType '{event}' and type '{quote(type)}'", node
                )
                continue
            seen.add((event, type))
            compiled = _value(source, node, "type", _name)
            retries = _value(source, node, "retries", _retries) or Static(DEFAULT_RETRIES)
            if compiled is not None:
                typed = compiled if isinstance(compiled, Static) else Converted(compiled, _job_type)
                found.setdefault(event, []).append(
                    ListenerDefinition(
                        typed, retries, {**common, **_headers(source, node.iterchildren(_tag("taskHeaders")))}
                    )
                )
    return {event: tuple(of_event) for event, of_event in found.items()}


def publish(source: Source, message_name: Expression) -> PublishDefinition | None:
    """Read `zeebe:publishMessage` of what throws a message of this name: in its event definition or, as for a send task, beside it. None without."""
    inside = [Source(node, source.faults) for tag, node in source.children() if tag == "messageEventDefinition"]
    found = [node for one in (*inside, source) for node in one.extensions.get(_tag("publishMessage"), ())]
    if not found:
        return None
    if isinstance(message_name, Static) and not message_name.text:
        source.fault("Must reference a message; choose the message that is published in the modeler")
        return None
    return PublishDefinition(
        message_name,
        _value(source, found[0], "correlationKey"),
        _value(source, found[0], "messageId"),
        _value(source, found[0], "timeToLive"),
    )


def _filled(container: Node, tag: str) -> list[Node]:
    """Return the mappings that have a source or a target. Editors leave empty ones behind."""
    nodes = container.iterchildren(_tag(tag))
    return [node for node in nodes if trimmed(node.get("source", "") + node.get("target", ""))]


Read = Callable[[Source, Node, str], Expression | None]

_NULL = expressions.feel("null")


def _input_source(source: Source, node: Node, attribute: str) -> Expression | None:
    """Read the source of an input. One that is left empty gives null, which hides a variable of this name (since 8.8)."""
    return _value(source, node, attribute) if trimmed(node.get(attribute, "")) else _NULL


def _output_source(source: Source, node: Node, attribute: str) -> Expression | None:
    return _expression(source, node, attribute) if source.required(node, attribute) else None


def _mapping(source: Source, node: Node, read: Read) -> VariableMapping | None:
    value = read(source, node, "source")
    target = source.required(node, "target")
    if not target:
        return None
    steps = tuple(target.split("."))
    if len(steps) > TARGET_NAMES_MAX:
        source.fault(f"Expected a target of at most {TARGET_NAMES_MAX} names, but found {len(steps)}", node)
        return None
    if not _PATH.fullmatch(target) or not _RESERVED.isdisjoint(steps):
        source.fault(
            f"Expected path expression '{quote(target)}' but doesn't match the pattern '{_PATH.pattern}' or is a word of FEEL",
            node,
        )
        return None
    return None if value is None else VariableMapping(value, steps, path_of(value))


def _value(
    source: Source, node: Node, attribute: str, static: Callable[[str], Expression] = Static
) -> Expression | None:
    """Read an attribute that may be a constant or an expression; None if nothing visible is in it."""
    text = node.get(attribute, "")
    if not trimmed(text):
        return None
    if expressions.is_feel(text):
        return source.compiled(node, expressions.feel, expressions.without_sign(text))
    try:
        return static(text)
    except ValueError as error:
        source.fault(str(error), node)
        return None


def _expression(source: Source, node: Node, attribute: str) -> Expression | None:
    """Read an attribute that must be an expression."""
    text = node.get(attribute, "")
    if not expressions.is_feel(text):
        source.static_value(node, text)
        return None
    return source.compiled(node, expressions.feel, expressions.without_sign(text))


def _name(text: str) -> Static:
    """Read a name (of a job type, a person, a decision). No name has invisible characters at its ends."""
    return Static(trimmed(text))


def _job_type(value: Any) -> Any:
    """Refuse a blank text: no worker can ask for jobs of that type."""
    if isinstance(value, str) and not trimmed(value):
        raise ValueError(f"the type of a job, but found '{quote(value)}'")
    return value


def _retries(text: str) -> Static:
    match = _WHOLE_OR_DECIMAL.fullmatch(trimmed(text))
    if match is None or abs(int(match[1])) > RETRIES_MAX:
        raise ValueError(f"Expected static value to be a valid Number, but found '{quote(text)}'")
    return Static(int(match[1]))


def _int32(text: str) -> Static:
    match = _WHOLE_OR_DECIMAL.fullmatch(trimmed(text))
    if match is None or not -(2**31) <= int(match[1]) < 2**31:
        raise ValueError(f"Expected a number from {-(2**31)} to {2**31 - 1}, but found '{quote(text)}'")
    return Static(int(match[1]))


def _priority(text: str) -> Static:
    number = trimmed(text)
    if _WHOLE.fullmatch(number) is None:
        raise ValueError(f"Expected static value to be a valid Number between 0 and 100, but found '{quote(text)}'")
    if int(number) not in PRIORITIES:
        raise ValueError(f"Priority must be a number between 0 and 100, but was '{quote(text)}'")
    return Static(int(number))


def _texts(text: str) -> Static:
    parts = [trimmed(part) for part in text.split(",")]
    if not all(parts):
        raise ValueError(
            f"Expected static value to be a list of comma-separated values, e.g. 'a,b,c', but found '{quote(text)}'"
        )
    return Static(parts)


def _date_time(text: str) -> Static:
    zoned = zoned_date_time(text)
    if zoned is None:
        raise ValueError(
            f"Expected static value to be a valid DateTime String, e.g. '2023-03-02T15:35+02:00', but found '{quote(text)}'"
        )
    return Static(zoned)


def _tag(local: str) -> str:
    return name(ZEEBE, local)
